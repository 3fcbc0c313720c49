//! A phone's session with its server, sans IO: which request comes next, and what an answer means.
//!
//! The app carries each [`Call`] to the server and brings the [`Answer`]; between the two it may record as much as it
//! likes. Tokens are asked for when they are needed and kept; a clock that is off gets its nonce signed; what did not
//! come from a server of ours – a café's log-in page, a proxy's error – is told from an answer and changes nothing. What
//! is exchanged is the [`Replica`]'s affair, how it is carried the app's.

mod answer;

use rand_core::CryptoRng;

use crate::enrolment::{
    BadWord, EnrolAnswer, EnrolRequest, Enrolment, ShownEnrolment, TokenAnswer, TokenRequest,
};
use crate::ids::{Class, UnitId};
use crate::local_store::{Credentials, LocalStore};
use crate::protocol::{CONTENT_TYPE, Health};
use crate::replica::{self, ExchangeId, Received, Replica, ReplicaError};
use crate::signature::DeviceKey;

pub use answer::{Answer, Call};
use answer::{Problem, Unusable};

/// Longest name of a version.
const APP_VERSION_BYTES: usize = 32;
/// Free space is told in steps of this, so that it is not news each time.
const FREE_STEP_BYTES: u64 = 256 * 1024 * 1024;

/// What went wrong, by what the app can do about it.
#[derive(Debug, thiserror::Error)]
pub enum SessionError<E: std::error::Error + 'static> {
    /// The replica or its store says so.
    #[error(transparent)]
    Replica(#[from] ReplicaError<E>),
    /// Enrol first.
    #[error("the phone is not enrolled")]
    NotEnrolled,
    /// A vault is one phone's, and one person's.
    #[error("the phone is enrolled already")]
    Enrolled,
    /// The server refused, with its stable code.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The answer is not from a server of ours: something stands between. Nothing was changed; try again elsewhere.
    #[error("the answer is not from a server of Làng Số")]
    Foreign,
    /// The server cannot answer now.
    #[error("the server is busy")]
    Busy {
        /// Do not come back earlier than this, in milliseconds.
        retry_after_ms: Option<u32>,
    },
    /// The server's word for the enrolment is not good.
    #[error(transparent)]
    BadWord(#[from] BadWord),
    /// The vault is to be wiped, or its store went away while the phone was enrolled: nothing can be done in it any more.
    #[error("the session is over")]
    Over,
}

impl<E: std::error::Error + 'static> SessionError<E> {
    /// A stable code for apps; that of the server where it refused.
    pub fn code(&self) -> &str {
        match self {
            SessionError::Replica(error) => error.code(),
            SessionError::NotEnrolled => "not_enrolled",
            SessionError::Enrolled => "enrolled_already",
            SessionError::Refused(code) => code,
            SessionError::Foreign => "answer_foreign",
            SessionError::Busy { .. } => "busy",
            SessionError::BadWord(_) => "enrolment_unsigned",
            SessionError::Over => "session_over",
        }
    }
}

type Result<T, S> = std::result::Result<T, SessionError<<S as LocalStore>::Error>>;

/// What an answer brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Call again at once.
    pub more: bool,
    /// What an exchange brought, if it was one.
    pub received: Option<Received>,
    /// The server wants this vault gone, and has everything that was in it.
    pub wipe: bool,
}

/// What the app knows of itself and of the phone it runs on, for the server's board of health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// What is left on the phone, in bytes.
    pub free_bytes: Option<u64>,
    /// Which version the app is; of a longer text than the wire has room for, the beginning.
    pub app_version: Option<String>,
}

/// How a phone stands. No personal data.
#[derive(Clone, Debug)]
pub struct Status {
    /// That it was enrolled, once it was.
    pub enrolment: Option<Enrolment>,
    /// Hamlets in whose name its account records.
    pub homes: Vec<UnitId>,
    /// What its replica says; all nought before it was enrolled.
    pub replica: replica::Status,
    /// Server clock minus device clock, milliseconds.
    pub clock_offset_ms: i64,
    /// Whether the server asked for a newer app.
    pub update_needed: bool,
}

/// Whose phone it is.
#[derive(Debug)]
enum Holder<S: LocalStore> {
    /// Nobody's yet.
    Nobody(S),
    /// A member's. Boxed, since it is far larger.
    Member(Box<Replica<S>>),
    /// Nobody's any more; or only while the one becomes the other.
    Over,
}

/// The request that is on its way.
#[derive(Clone, Copy, Debug)]
enum OnItsWay {
    Enrol,
    Token,
    Sync(ExchangeId),
}

/// One vault's session.
#[derive(Debug)]
pub struct Session<S: LocalStore> {
    holder: Holder<S>,
    credentials: Credentials,
    on_its_way: Option<OnItsWay>,
    /// What the server gave to sign when it refused the clock.
    nonce: Option<[u8; 16]>,
    /// No exchange was answered since the token was got: to get another one would not help.
    token_untried: bool,
    /// What the server was told last.
    health: Option<Health>,
    update_needed: bool,
}

impl<S: LocalStore> Session<S> {
    /// Opens what `store` holds; a fresh store gets its key.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn open(mut store: S, rng: &mut impl CryptoRng) -> Result<Self, S> {
        let credentials = match store.credentials().map_err(ReplicaError::Store)? {
            Some(credentials) => credentials,
            None => {
                let mut seed = [0; 32];
                rng.fill_bytes(&mut seed);
                let fresh = Credentials {
                    key: DeviceKey::from_seed(seed),
                    enrolment: None,
                    access_token: None,
                };
                store.keep_credentials(&fresh).map_err(ReplicaError::Store)?;
                fresh
            }
        };
        let holder = match &credentials.enrolment {
            None => Holder::Nobody(store),
            Some(enrolment) => {
                let identity = enrolment.identity(credentials.key.clone());
                Holder::Member(Box::new(Replica::open(store, identity)?))
            }
        };
        Ok(Self {
            holder,
            credentials,
            on_its_way: None,
            nonce: None,
            token_untried: false,
            health: None,
            update_needed: false,
        })
    }

    /// The store, once the session is over.
    pub fn into_store(self) -> Option<S> {
        match self.holder {
            Holder::Nobody(store) => Some(store),
            Holder::Member(replica) => Some(replica.into_store()),
            Holder::Over => None,
        }
    }

    /// The store, for what is not about documents: a new key, its size.
    ///
    /// # Errors
    /// [`SessionError::Over`].
    pub fn store_mut(&mut self) -> Result<&mut S, S> {
        match &mut self.holder {
            Holder::Nobody(store) => Ok(store),
            Holder::Member(replica) => Ok(replica.store_mut()),
            Holder::Over => Err(SessionError::Over),
        }
    }

    /// The phone's documents, to be read.
    ///
    /// # Errors
    /// [`SessionError::NotEnrolled`].
    pub fn replica(&self) -> Result<&Replica<S>, S> {
        match &self.holder {
            Holder::Member(replica) => Ok(replica),
            Holder::Nobody(_) => Err(SessionError::NotEnrolled),
            Holder::Over => Err(SessionError::Over),
        }
    }

    /// The phone's documents.
    ///
    /// # Errors
    /// [`SessionError::NotEnrolled`].
    pub fn replica_mut(&mut self) -> Result<&mut Replica<S>, S> {
        match &mut self.holder {
            Holder::Member(replica) => Ok(replica),
            Holder::Nobody(_) => Err(SessionError::NotEnrolled),
            Holder::Over => Err(SessionError::Over),
        }
    }

    /// That the phone was enrolled, once it was.
    pub fn enrolment(&self) -> Option<&Enrolment> {
        self.credentials.enrolment.as_ref()
    }

    /// Whether the server asked for a newer app.
    pub fn update_needed(&self) -> bool {
        self.update_needed
    }

    /// How the phone stands.
    pub fn status(&self) -> Status {
        let member = match &self.holder {
            Holder::Member(replica) => Some(replica),
            Holder::Nobody(_) | Holder::Over => None,
        };
        Status {
            enrolment: self.credentials.enrolment.clone(),
            homes: member.map_or_else(Vec::new, |replica| replica.homes(Class::Ledger)),
            replica: member.map_or_else(Default::default, |replica| replica.status()),
            clock_offset_ms: member.map_or(0, |replica| replica.clock_offset_ms()),
            update_needed: self.update_needed,
        }
    }

    /// The access token, for calls that are no exchange.
    pub fn access_token(&self) -> Option<&str> {
        self.credentials.access_token.as_deref()
    }

    /// The call that trades a one-time code for an identity. If its answer is lost, the same code works again.
    ///
    /// # Errors
    /// [`SessionError::Enrolled`].
    pub fn enrol(&mut self, code: &str) -> Result<Call, S> {
        if self.credentials.enrolment.is_some() {
            return Err(SessionError::Enrolled);
        }
        self.on_its_way = Some(OnItsWay::Enrol);
        Ok(Call::json(
            "/v1/enrol",
            &EnrolRequest::new(code, &self.credentials.key),
        ))
    }

    /// The next call. A call that is still on its way is given up. How the phone is goes along when it changed.
    ///
    /// # Errors
    /// [`SessionError::NotEnrolled`], or what the replica says.
    pub fn next_call(
        &mut self,
        now_ms: i64,
        around: Option<Surroundings>,
        rng: &mut impl CryptoRng,
    ) -> Result<Call, S> {
        let nonce = self.nonce.take();
        let told = self.health.clone();
        let token = self.credentials.access_token.clone();
        let Credentials { key, enrolment, .. } = &self.credentials;
        let shown = enrolment
            .as_ref()
            .map(|enrolment| ShownEnrolment::of(enrolment, &key.public()));
        let replica = self.replica_mut()?;
        let Some(token) = token else {
            let request = TokenRequest::new(replica.identity(), replica.corrected(now_ms), nonce, rng);
            let request = request.showing(shown);
            self.on_its_way = Some(OnItsWay::Token);
            return Ok(Call::json("/v1/token", &request));
        };
        replica.acknowledge_arrivals(now_ms, rng)?;
        let mut news = None;
        let exchange = replica.next_request_telling(now_ms, |after| {
            let health = around.map(|around| health(after, around));
            news = health.filter(|health| told.as_ref() != Some(health));
            news.clone()
        })?;
        self.health = news.or(told);
        self.on_its_way = Some(OnItsWay::Sync(exchange.id));
        Ok(Call::exchange(exchange.body, &token))
    }

    /// The call brought no answer: the connection failed.
    pub fn call_failed(&mut self) {
        self.token_untried = false;
        if let Some(OnItsWay::Sync(id)) = self.on_its_way.take() {
            self.exchange_failed(id);
        }
    }

    /// Takes the answer to the last call.
    ///
    /// # Errors
    /// [`SessionError`]; nothing that was recorded is lost, and the next call asks for the same again.
    pub fn answered(&mut self, answer: &Answer, now_ms: i64, rng: &mut impl CryptoRng) -> Result<Step, S> {
        match self.on_its_way.take().ok_or(ReplicaError::Late)? {
            OnItsWay::Enrol => self.enrolled(answer, now_ms),
            OnItsWay::Token => self.token(answer, now_ms),
            OnItsWay::Sync(id) => self.exchanged(id, answer, now_ms, rng),
        }
    }

    fn enrolled(&mut self, answer: &Answer, now_ms: i64) -> Result<Step, S> {
        let answer: EnrolAnswer = answer.json().map_err(|unusable| self.refusal(unusable))?;
        let enrolment = Enrolment::read(&answer, &self.credentials.key)?;
        let credentials = Credentials {
            key: self.credentials.key.clone(),
            enrolment: Some(enrolment.clone()),
            access_token: Some(answer.token.access_token),
        };
        self.keep(credentials)?;
        let Holder::Nobody(store) = std::mem::replace(&mut self.holder, Holder::Over) else {
            return Err(SessionError::Over);
        };
        let identity = enrolment.identity(self.credentials.key.clone());
        let mut replica = Replica::open(store, identity)?;
        replica.learn_clock(answer.token.server_time_ms, now_ms)?;
        self.holder = Holder::Member(Box::new(replica));
        Ok(Step {
            more: true,
            ..Step::default()
        })
    }

    fn token(&mut self, answer: &Answer, now_ms: i64) -> Result<Step, S> {
        let again = Step {
            more: true,
            ..Step::default()
        };
        let token: TokenAnswer = match answer.json() {
            Ok(token) => token,
            Err(Unusable::Problem(Problem {
                code,
                nonce: Some(nonce),
            })) if code == "clock_refused" => {
                self.nonce = Some(nonce);
                return Ok(again);
            }
            Err(unusable) => return Err(self.refusal(unusable)),
        };
        self.replica_mut()?.learn_clock(token.server_time_ms, now_ms)?;
        self.token_untried = true;
        self.keep_token(Some(token.access_token))?;
        Ok(again)
    }

    fn exchanged(
        &mut self,
        id: ExchangeId,
        answer: &Answer,
        now_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<Step, S> {
        let body = match answer.body_of(CONTENT_TYPE) {
            Ok(body) => body,
            Err(unusable) => {
                self.exchange_failed(id);
                if !self.amend(&unusable)? {
                    return Err(self.refusal(unusable));
                }
                return Ok(Step {
                    more: true,
                    ..Step::default()
                });
            }
        };
        let received = self
            .replica_mut()?
            .receive(id, body, answer.is_compressed(), now_ms, rng);
        let received = match received {
            Ok(received) => received,
            Err(error) => {
                self.exchange_failed(id);
                return Err(error.into());
            }
        };
        self.token_untried = false;
        self.update_needed |= received.flags.update;
        if let Some(token) = &received.access_token {
            self.keep_token(Some(token.clone()))?;
        }
        // What was refused is with the server, in its quarantine.
        let wipe = received.flags.wipe && !received.more && !self.replica()?.owes()?;
        if wipe {
            // From here on nothing can be recorded that the server would never see.
            self.holder = Holder::Over;
        }
        Ok(Step {
            more: received.more,
            received: Some(received),
            wipe,
        })
    }

    /// Drops what the server does not take any more, if there is something to ask for in its place.
    fn amend(&mut self, unusable: &Unusable) -> Result<bool, S> {
        // A server that was restored does not know the device; when it asks for a token, it shows that it was enrolled.
        let about_token = [
            "token_expired",
            "token_invalid",
            "token_missing",
            "device_not_proven",
        ];
        if unusable.is_about(&about_token) {
            // One that is refused as soon as it was given ends this attempt; the next one asks for another.
            let untried = std::mem::take(&mut self.token_untried);
            self.keep_token(None)?;
            return Ok(!untried);
        }
        let replica = self.replica_mut()?;
        if unusable.is_about(&["cursor_invalid"]) && replica.cursor().is_some() {
            replica.forget_cursor();
            return Ok(true);
        }
        Ok(false)
    }

    fn exchange_failed(&mut self, id: ExchangeId) {
        // The server may not have heard it.
        self.health = None;
        if let Holder::Member(replica) = &mut self.holder {
            replica.exchange_failed(id);
        }
    }

    fn refusal(&mut self, unusable: Unusable) -> SessionError<S::Error> {
        match unusable {
            Unusable::Problem(problem) => {
                self.update_needed |= problem.code == "version_unsupported";
                SessionError::Refused(problem.code)
            }
            Unusable::Busy { retry_after_ms } => SessionError::Busy { retry_after_ms },
            Unusable::Foreign => SessionError::Foreign,
        }
    }

    fn keep_token(&mut self, access_token: Option<String>) -> Result<(), S> {
        let credentials = Credentials {
            access_token,
            ..self.credentials.clone()
        };
        self.keep(credentials)
    }

    fn keep(&mut self, credentials: Credentials) -> Result<(), S> {
        let kept = self.store_mut()?.keep_credentials(&credentials);
        kept.map_err(ReplicaError::Store)?;
        self.credentials = credentials;
        Ok(())
    }
}

fn health(status: &replica::Status, around: Surroundings) -> Health {
    Health {
        unsent: u32::try_from(status.unsent).unwrap_or(u32::MAX),
        oldest_unsent_ms: status.oldest_unsent_ms,
        free_storage: around.free_bytes.map(|bytes| bytes - bytes % FREE_STEP_BYTES),
        app_version: around.app_version.map(|mut version| {
            version.truncate(version.floor_char_boundary(APP_VERSION_BYTES));
            version
        }),
    }
}

#[cfg(test)]
mod tests;
