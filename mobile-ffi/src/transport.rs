//! The network as the app brings it: one `POST`, and what came back.

use std::fmt;

use sync_core::session::{Answer, Call, Step};

/// A header.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct HttpHeader {
    /// Its name; case does not matter.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A `POST` to be made.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct HttpRequest {
    /// Below the server's address: `/v1/sync`.
    pub path: String,
    /// To be sent as they are.
    pub headers: Vec<HttpHeader>,
    /// The body.
    pub body: Vec<u8>,
}

/// What came back, whatever its status. Do not follow redirects, do not decompress.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct HttpAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Every header.
    pub headers: Vec<HttpHeader>,
    /// The body as it travelled.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum TransportError {
    /// No network, no connection, or it broke.
    #[error("unreachable")]
    Unreachable,
    /// The app gave up.
    #[error("cancelled")]
    Cancelled,
}

impl From<uniffi::UnexpectedUniFFICallbackError> for TransportError {
    /// Whatever else was thrown: there is no answer.
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        TransportError::Unreachable
    }
}

/// Carries requests to the server: a few lines around OkHttp or URLSession.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait Transport: Send + Sync {
    /// Sends one request to the server's address and waits for the whole answer. Set a time-out: a minute.
    async fn post(&self, request: HttpRequest) -> Result<HttpAnswer, TransportError>;
}

/// What one answer brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct SyncStep {
    /// Make the next request at once.
    pub more: bool,
    /// Changes of this phone that have their receipt now: they are on the server's disk.
    pub confirmed: u32,
    /// Changes of this phone that were refused now; see `Status.refused`.
    pub refused: u32,
    /// Things that came.
    pub received: u32,
    /// The server cannot answer now; nothing is wrong.
    pub busy: bool,
    /// Come back not earlier than this.
    pub come_back_after_ms: Option<u32>,
    /// Another living copy of this vault was seen: tell the user, and support.
    pub copied: bool,
    /// The vault was wiped; it is closed now.
    pub wiped: bool,
}

/// What a synchronisation did.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct SyncReport {
    /// Whether everything that could be exchanged was. If not, come back later.
    pub finished: bool,
    /// Requests that were made.
    pub requests: u32,
    /// All steps together.
    pub total: SyncStep,
}

/// Is told of each step of a synchronisation, on the thread that runs it.
#[uniffi::export(with_foreign)]
pub trait SyncProgress: Send + Sync {
    /// One more answer was taken.
    fn step(&self, step: SyncStep);
}

impl SyncReport {
    pub(crate) fn add(&mut self, step: &SyncStep) {
        self.requests += 1;
        self.finished = !step.more && !step.busy;
        let total = &mut self.total;
        total.more = step.more;
        total.busy = step.busy;
        total.confirmed += step.confirmed;
        total.refused += step.refused;
        total.received += step.received;
        total.come_back_after_ms = step.come_back_after_ms.or(total.come_back_after_ms);
        total.copied |= step.copied;
        total.wiped |= step.wiped;
    }
}

impl SyncStep {
    pub(crate) fn busy(come_back_after_ms: Option<u32>) -> Self {
        Self {
            busy: true,
            come_back_after_ms,
            ..Self::default()
        }
    }
}

impl From<Step> for SyncStep {
    fn from(step: Step) -> Self {
        let received = step.received.unwrap_or_default();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        SyncStep {
            more: step.more,
            confirmed: count(received.confirmed),
            refused: count(received.refused),
            received: count(received.items),
            busy: false,
            come_back_after_ms: received.backoff_ms,
            copied: received.flags.copied,
            wiped: step.wipe,
        }
    }
}

impl From<Call> for HttpRequest {
    fn from(call: Call) -> Self {
        let header = |(name, value): (&str, String)| HttpHeader {
            name: name.to_owned(),
            value,
        };
        HttpRequest {
            path: call.path.to_owned(),
            headers: call.headers.into_iter().map(header).collect(),
            body: call.body,
        }
    }
}

impl From<HttpAnswer> for Answer {
    fn from(answer: HttpAnswer) -> Self {
        let header = |header: HttpHeader| (header.name, header.value);
        Answer {
            status: answer.status,
            headers: answer.headers.into_iter().map(header).collect(),
            body: answer.body,
        }
    }
}

/// Headers carry tokens and bodies carry everything: neither is printed.
macro_rules! silent {
    ($($name:ident)+) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        })+
    };
}

silent!(HttpHeader HttpRequest HttpAnswer);
