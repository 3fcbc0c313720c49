//! A phone: a session, a link, and what an app does between them.

use std::time::Duration;

use anyhow::{Context, bail};
use axum::http::{HeaderName, Method, header};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sync_core::edit::Edit;
use sync_core::enrolment::Identity;
use sync_core::ids::RecordId;
use sync_core::local_store::{ListQuery, LocalStore};
use sync_core::protocol::{Body, CONTENT_TYPE};
use sync_core::record::Assistance;
use sync_core::replica::{Received, Replica, ReplicaError};
use sync_core::seal::SealedField;
use sync_core::session::{self, Call, Session, SessionError, Surroundings};

use super::link::{Answer, Fate, Link};
use crate::clock::Clock;

/// More exchanges than any number of records and losses needs; then something does not come to an end.
const EXCHANGES_MAX: usize = 500;

/// One phone.
#[derive(Debug)]
pub struct Phone<S: LocalStore> {
    session: Session<S>,
    identity: Identity,
    link: Link,
    clock: Clock,
    rng: StdRng,
    /// How long each answered exchange took.
    pub took: Vec<Duration>,
    /// Changes that got their receipt.
    pub delivered: usize,
}

impl<S: LocalStore> Phone<S> {
    /// Makes a key, trades the code for an identity, and opens an empty replica on the store.
    ///
    /// # Errors
    /// When the server refuses the code, or its word for the enrolment is not good.
    pub async fn enrol(link: Link, code: &str, store: S, seed: u64) -> anyhow::Result<Self> {
        Self::enrol_at(link, code, store, seed, Clock::system()).await
    }

    /// The same on a phone whose clock is another.
    ///
    /// # Errors
    /// As [`Phone::enrol`].
    pub async fn enrol_at(link: Link, code: &str, store: S, seed: u64, clock: Clock) -> anyhow::Result<Self> {
        let mut rng = chance(code, seed);
        let session = opened(Session::open(store, &mut rng))?;
        Self::start(session, link, code, rng, clock).await
    }

    /// Opens the store of a phone whose app was closed, or died; one that was not enrolled yet trades its code now. Every
    /// opening needs another seed: the same one would draw the same actors.
    ///
    /// # Errors
    /// As [`Phone::enrol`].
    pub async fn open(link: Link, code: &str, store: S, seed: u64) -> anyhow::Result<Self> {
        let mut rng = chance(code, seed);
        let session = opened(Session::open(store, &mut rng))?;
        if session.enrolment().is_some() {
            return Self::of(session, link, rng, Clock::system());
        }
        Self::start(session, link, code, rng, Clock::system()).await
    }

    async fn start(
        mut session: Session<S>,
        mut link: Link,
        code: &str,
        mut rng: StdRng,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let call = opened(session.enrol(code))?;
        let (answer, _) = carry(&mut link, call, Fate::Delivered)
            .await?
            .context("no answer")?;
        opened(session.answered(&answer, clock.now_ms(), &mut rng)).context("enrolment")?;
        Self::of(session, link, rng, clock)
    }

    fn of(session: Session<S>, link: Link, rng: StdRng, clock: Clock) -> anyhow::Result<Self> {
        let identity = opened(session.replica())?.identity().clone();
        Ok(Self {
            session,
            identity,
            link,
            clock,
            rng,
            took: Vec::new(),
            delivered: 0,
        })
    }

    /// Takes another way to the server.
    pub fn reroute(&mut self, link: Link) {
        self.session.call_failed();
        self.link = link;
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What it shows the server.
    pub fn token(&self) -> &str {
        self.session.access_token().unwrap_or_default()
    }

    /// Where its next page starts.
    pub fn cursor(&self) -> Option<&[u8]> {
        self.session.replica().ok()?.cursor()
    }

    /// The time as it would write it into a record.
    pub fn now_ms(&self) -> i64 {
        let now_ms = self.clock.now_ms();
        self.session
            .replica()
            .map_or(now_ms, |replica| replica.corrected(now_ms))
    }

    /// A fresh id for a record.
    pub fn fresh_record(&mut self) -> RecordId {
        let random: u64 = self.rng.next_u64();
        RecordId::from_parts(self.clock.now_ms() as u64, random.into())
    }

    /// Makes one edit, offline. Gives the time that it was written with.
    ///
    /// # Errors
    /// What the replica says.
    pub fn edit(&mut self, edit: &Edit) -> anyhow::Result<i64> {
        let now_ms = self.clock.now_ms();
        let replica = opened(self.session.replica_mut())?;
        let at_ms = replica.corrected(now_ms);
        let edited = tokio::task::block_in_place(|| replica.edit(edit, now_ms, &mut self.rng));
        if !opened(edited.map_err(SessionError::from))? {
            bail!("an edit said nothing new");
        }
        Ok(at_ms)
    }

    /// Does something else with the replica, offline: the time is the phone's, as is the chance.
    ///
    /// # Errors
    /// What the replica says.
    pub fn work<T>(
        &mut self,
        work: impl FnOnce(&mut Replica<S>, i64, &mut StdRng) -> Result<T, ReplicaError<S::Error>>,
    ) -> anyhow::Result<T> {
        let now_ms = self.clock.now_ms();
        let replica = opened(self.session.replica_mut())?;
        let worked = tokio::task::block_in_place(|| work(replica, now_ms, &mut self.rng));
        opened(worked.map_err(SessionError::from))
    }

    /// Every record that it shows, with its personal data.
    ///
    /// # Errors
    /// What the store says.
    pub fn rows(&self) -> anyhow::Result<Vec<Assistance>> {
        self.read(|replica| replica.assistances(ListQuery::default()))
    }

    /// What a sealed field says.
    ///
    /// # Errors
    /// What the store says.
    pub fn personal(&self, row: &Assistance, field: SealedField) -> anyhow::Result<Option<String>> {
        Ok(self.read(|replica| replica.personal(row))?.0.remove(&field))
    }

    /// Changes without a receipt, and how many of them were refused.
    ///
    /// # Errors
    /// What the store says.
    pub fn unsent(&self) -> anyhow::Result<(usize, usize)> {
        let status = opened(self.session.replica())?.status();
        Ok((status.unsent, status.refused))
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Replica<S>) -> Result<T, ReplicaError<S::Error>>,
    ) -> anyhow::Result<T> {
        opened(read(opened(self.session.replica())?).map_err(SessionError::from))
    }

    /// Exchanges until there is nothing left to do, whatever happens to each request. Gives the number of requests.
    ///
    /// # Errors
    /// When the server refuses, or the exchange does not come to an end.
    pub async fn sync(&mut self, mut fate: impl FnMut() -> Fate) -> anyhow::Result<usize> {
        for request in 1..EXCHANGES_MAX {
            let received = self.exchange(fate()).await?;
            if received.is_some_and(|received| !received.more) {
                self.link.hang_up();
                return Ok(request);
            }
        }
        bail!("the exchange does not come to an end")
    }

    /// One exchange. `None`: the request or its answer was lost.
    ///
    /// # Errors
    /// When the server refuses, or the answer does not fit.
    pub async fn exchange(&mut self, fate: Fate) -> anyhow::Result<Option<Received>> {
        loop {
            let now_ms = self.clock.now_ms();
            // Nobody asks a simulated phone for its free space.
            let around = Surroundings {
                free_bytes: None,
                app_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            };
            let made =
                tokio::task::block_in_place(|| self.session.next_call(now_ms, Some(around), &mut self.rng));
            let Some((answer, took)) = carry(&mut self.link, opened(made)?, fate).await? else {
                self.session.call_failed();
                return Ok(None);
            };
            let now_ms = self.clock.now_ms();
            let step = tokio::task::block_in_place(|| self.session.answered(&answer, now_ms, &mut self.rng));
            // Without an exchange it was about a token, and there is more to do.
            if let Some(received) = opened(step).context("the exchange")?.received {
                self.took.push(took);
                self.delivered += received.confirmed;
                return Ok(Some(received));
            }
        }
    }

    /// Sends a body to the exchange as this device, whoever made it. `None`: it or its answer was lost.
    ///
    /// # Errors
    /// When the connection fails for another reason than its fate.
    pub async fn post(&mut self, body: &Body, fate: Fate) -> anyhow::Result<Option<Answer>> {
        let bearer = format!("Bearer {}", self.token());
        let mut headers = vec![
            (header::AUTHORIZATION, bearer.as_str()),
            (header::CONTENT_TYPE, CONTENT_TYPE),
        ];
        if body.compressed {
            headers.push((header::CONTENT_ENCODING, "zstd"));
        }
        let bytes = body.bytes.clone().into();
        self.link
            .send(Method::POST, "/v1/sync", &headers, bytes, fate)
            .await
    }

    /// Asks the API for something that this phone's account may read.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        let bearer = format!("Bearer {}", self.token());
        let headers = [(header::AUTHORIZATION, bearer.as_str())];
        let answer = self
            .link
            .send(Method::GET, path, &headers, Bytes::new(), Fate::Delivered)
            .await?;
        answer.context("no answer")
    }

    /// Every page of a list of the API, put together.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn get_all(&mut self, path: &str) -> anyhow::Result<Vec<Value>> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = match &cursor {
                Some(cursor) => format!("{path}{joint}limit=500&cursor={cursor}"),
                None => format!("{path}{joint}limit=500"),
            };
            let mut answer = self.get(&page).await?.json().context("the API")?;
            if let Some(Value::Array(items)) = answer.get_mut("items").map(Value::take) {
                all.extend(items);
            }
            match answer.get("next").and_then(Value::as_str) {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(all),
            }
        }
    }
}

/// Two phones must never draw the same actor: the code is new for each, also where the seed is not.
fn chance(code: &str, seed: u64) -> StdRng {
    StdRng::from_seed(Sha256::digest([&seed.to_be_bytes(), code.as_bytes()].concat()).into())
}

/// Carries a call to the server; tells how long that took. `None`: it or its answer was lost.
async fn carry(
    link: &mut Link,
    call: Call,
    fate: Fate,
) -> anyhow::Result<Option<(session::Answer, Duration)>> {
    let headers: Vec<(HeaderName, &str)> = call
        .headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.as_str()))
        .collect();
    let answer = link
        .send(Method::POST, call.path, &headers, call.body.into(), fate)
        .await?;
    let Some(answer) = answer else {
        return Ok(None);
    };
    let headers = answer.headers.iter();
    let carried = session::Answer {
        status: answer.status.as_u16(),
        headers: headers
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect(),
        body: answer.body.to_vec(),
    };
    Ok(Some((carried, answer.took)))
}

fn opened<T, E: std::error::Error + Send + Sync + 'static>(
    result: Result<T, SessionError<E>>,
) -> anyhow::Result<T> {
    result.map_err(|error| anyhow::anyhow!("{}: {error}", error.code()))
}
