//! A phone: a replica, a link, and what an app does between them.

use std::time::Duration;

use anyhow::{Context, bail};
use axum::http::{Method, header};
use data_encoding::BASE64URL_NOPAD;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sync_core::edit::Edit;
use sync_core::ids::{AccountId, DeviceId, RealmId, RecordId};
use sync_core::local_store::{ListQuery, LocalStore};
use sync_core::protocol::CONTENT_TYPE;
use sync_core::record::Assistance;
use sync_core::replica::{Identity, Received, Replica, ReplicaError};
use sync_core::seal::SealedField;
use sync_core::signature::{DeviceKey, EnrolmentStatement, PublicKey, Signature};

use super::link::{Answer, Fate, Link};
use crate::clock::Clock;

/// More exchanges than any number of records and losses needs; then something does not come to an end.
const EXCHANGES_MAX: usize = 500;

/// One phone.
#[derive(Debug)]
pub struct Phone<S: LocalStore> {
    replica: Replica<S>,
    link: Link,
    token: String,
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
    pub async fn enrol(mut link: Link, code: &str, store: S, seed: u64) -> anyhow::Result<Self> {
        let mut rng = StdRng::seed_from_u64(seed);
        let key = DeviceKey::from_seed(random(&mut rng));
        let body = json!({ "code": code, "public_key": BASE64URL_NOPAD.encode(&key.public().to_bytes()) });
        let headers = [(header::CONTENT_TYPE, "application/json")];
        let answer = link.send(
            Method::POST,
            "/v1/enrol",
            &headers,
            body.to_string().into(),
            Fate::Delivered,
        );
        let answer = answer.await?.context("no answer")?.json().context("enrolment")?;
        let identity = identity(&answer, key).context("the server's word for the enrolment is not good")?;
        let token = answer
            .get("access_token")
            .and_then(Value::as_str)
            .context("no token")?
            .to_owned();
        let replica = opened(Replica::open(store, identity))?;
        Ok(Self {
            replica,
            link,
            token,
            clock: Clock::system(),
            rng,
            took: Vec::new(),
            delivered: 0,
        })
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        self.replica.identity()
    }

    /// What it shows the server.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Where its next page starts.
    pub fn cursor(&self) -> Option<&[u8]> {
        self.replica.cursor()
    }

    /// The time as it would write it into a record.
    pub fn now_ms(&self) -> i64 {
        self.replica.corrected(self.clock.now_ms())
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
        let at_ms = self.replica.corrected(now_ms);
        let edited = tokio::task::block_in_place(|| self.replica.edit(edit, now_ms, &mut self.rng));
        if !opened(edited)? {
            bail!("an edit said nothing new");
        }
        Ok(at_ms)
    }

    /// Every record that it shows, with its personal data.
    ///
    /// # Errors
    /// What the store says.
    pub fn rows(&self) -> anyhow::Result<Vec<Assistance>> {
        opened(self.replica.assistances(ListQuery::default()))
    }

    /// What a sealed field says.
    ///
    /// # Errors
    /// What the store says.
    pub fn personal(&self, row: &Assistance, field: SealedField) -> anyhow::Result<Option<String>> {
        Ok(opened(self.replica.personal(row))?.0.remove(&field))
    }

    /// Changes without a receipt, and how many of them were refused.
    ///
    /// # Errors
    /// What the store says.
    pub fn unsent(&mut self) -> anyhow::Result<(usize, usize)> {
        let status = opened(self.replica.status())?;
        Ok((status.unsent, status.refused))
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
        let made = tokio::task::block_in_place(|| self.replica.next_request(self.clock.now_ms(), None));
        let exchange = opened(made)?;
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![
            (header::AUTHORIZATION, bearer.as_str()),
            (header::CONTENT_TYPE, CONTENT_TYPE),
        ];
        if exchange.body.compressed {
            headers.push((header::CONTENT_ENCODING, "zstd"));
        }
        let body = exchange.body.bytes.into();
        let Some(answer) = self
            .link
            .send(Method::POST, "/v1/sync", &headers, body, fate)
            .await?
        else {
            self.replica.exchange_failed(exchange.id);
            return Ok(None);
        };
        if !answer.status.is_success() {
            self.replica.exchange_failed(exchange.id);
            if answer.code().as_deref() == Some("cursor_invalid") && self.replica.cursor().is_some() {
                self.replica.forget_cursor();
                return Ok(None);
            }
            answer.json().context("the exchange")?;
        }
        self.took.push(answer.took);
        let compressed = answer.headers.contains_key(header::CONTENT_ENCODING);
        let now_ms = self.clock.now_ms();
        let received = tokio::task::block_in_place(|| {
            self.replica
                .receive(exchange.id, &answer.body, compressed, now_ms)
        });
        let received = opened(received)?;
        self.delivered += received.confirmed;
        if let Some(token) = &received.access_token {
            self.token.clone_from(token);
        }
        Ok(Some(received))
    }

    /// Asks the API for something that this phone's account may read.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        let bearer = format!("Bearer {}", self.token);
        let headers = [(header::AUTHORIZATION, bearer.as_str())];
        let answer = self
            .link
            .send(Method::GET, path, &headers, bytes::Bytes::new(), Fate::Delivered)
            .await?;
        answer.context("no answer")
    }

    /// Every page of a list of the API, put together.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn get_all(&mut self, path: &str, list: &str) -> anyhow::Result<Vec<Value>> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = match &cursor {
                Some(cursor) => format!("{path}{joint}limit=500&cursor={cursor}"),
                None => format!("{path}{joint}limit=500"),
            };
            let mut answer = self.get(&page).await?.json().context("the API")?;
            if let Some(Value::Array(items)) = answer.get_mut(list).map(Value::take) {
                all.extend(items);
            }
            match answer.get("next").and_then(Value::as_str) {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(all),
            }
        }
    }
}

/// Reads the answer to an enrolment, and checks the realm's signature under it.
fn identity(answer: &Value, key: DeviceKey) -> Option<Identity> {
    let text = |name: &str| answer.get(name)?.as_str();
    let bytes = |name| BASE64URL_NOPAD.decode(text(name)?.as_bytes()).ok();
    let realm: RealmId = text("realm")?.parse().ok()?;
    let device: DeviceId = text("device")?.parse().ok()?;
    let account: AccountId = text("account")?.parse().ok()?;
    let enrolled_at_ms = answer.get("enrolled_at_ms")?.as_i64()?;
    let statement = EnrolmentStatement {
        realm,
        device,
        account,
        public_key: key.public(),
        enrolled_at_ms,
    };
    let server_key = PublicKey::from_bytes(bytes("server_key")?.try_into().ok()?).ok()?;
    let signature = Signature(bytes("statement_signature")?.try_into().ok()?);
    statement.verify(&server_key, &signature).ok()?;
    Some(Identity {
        realm,
        device,
        account,
        key,
    })
}

fn opened<T, E: std::error::Error + Send + Sync + 'static>(
    result: Result<T, ReplicaError<E>>,
) -> anyhow::Result<T> {
    result.map_err(|error| anyhow::anyhow!("{}: {error}", error.code()))
}

fn random<const N: usize>(rng: &mut StdRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}
