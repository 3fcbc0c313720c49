//! Errors of the API: `application/problem+json` (RFC 9457) with a stable code and a title in the reader's language.

mod code;
mod problem;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sync_core::document::schema::Misfit;
use sync_core::edit::EditError;
use sync_core::protocol::BodyError;
use sync_core::seal::SealError;
use sync_core::signature::KeyError;

use crate::accounts::AccountError;
use crate::clock;
use crate::enrolment::EnrolmentError;
use crate::exchange::ExchangeError;
use crate::exchange::decide::DecideError;
use crate::i18n::{Locale, text};
use crate::password::PasswordError;
use crate::rate::TooMany;
use crate::realm::RealmError;
use crate::replica::ServerEditError;
use crate::store::WriteError;
use crate::token::TokenError;
use crate::units::change::ChangeError;
pub use code::Code;
pub use problem::Problem;
pub(super) use problem::{Members, ProblemBody};

/// An error on its way out.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    problem: Problem,
    retry_after_s: Option<u32>,
}

impl ApiError {
    /// An error of a code.
    pub fn new(code: Code) -> Self {
        let problem = Problem {
            code,
            members: Box::default(),
            internal: None,
        };
        Self {
            status: code.status(),
            problem,
            retry_after_s: None,
        }
    }

    /// What a layer below the handlers refused, of which nothing but the status is known.
    pub fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
            StatusCode::REQUEST_TIMEOUT => Code::RequestTimeout,
            _ if status.is_client_error() => Code::RequestInvalid,
            _ => Code::Internal,
        };
        Self {
            status,
            ..Self::new(code)
        }
    }

    /// Something that is not there, or that the caller may not see.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound)
    }

    /// Another method.
    pub fn method() -> Self {
        Self::new(Code::MethodNotAllowed)
    }

    /// A parameter that cannot be understood.
    pub fn parameter(name: &str) -> Self {
        Self::new(Code::ParameterInvalid).with(|members| members.parameter = Some(name.to_owned()))
    }

    /// Come back later.
    pub fn busy() -> Self {
        Self::new(Code::Busy).after(4)
    }

    /// A paper with a degree of secrecy.
    pub fn secret() -> Self {
        Self::new(Code::SecretClass)
    }

    /// The device is in an exchange already: it comes back when that is over.
    pub fn device_busy() -> Self {
        Self::new(Code::DeviceBusy).after(1)
    }

    /// There is no room to store anything.
    pub fn full() -> Self {
        Self::new(Code::StorageFull).after(60)
    }

    /// Something failed here. The cause goes to the log and nowhere else.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let mut error = Self::new(Code::Internal);
        error.problem.internal = Some(cause.to_string());
        error
    }

    /// Saying more than the code.
    #[must_use]
    pub(super) fn with(mut self, tell: impl FnOnce(&mut Members)) -> Self {
        tell(&mut self.problem.members);
        self
    }

    /// About a field of a record.
    #[must_use]
    pub(super) fn about(self, field: &str) -> Self {
        self.with(|members| members.field = Some(field.to_owned()))
    }

    /// To be tried again in so many seconds, and some more ([`jittered`]).
    fn after(self, seconds: u32) -> Self {
        Self {
            retry_after_s: Some(jittered(seconds)),
            ..self
        }
    }

    /// What is wrong with what somebody typed, in words that go beside it; `None` for everything else.
    pub(super) fn told(&self, locale: Locale) -> Option<String> {
        let mendable = [
            StatusCode::BAD_REQUEST,
            StatusCode::CONFLICT,
            StatusCode::UNPROCESSABLE_ENTITY,
        ];
        if !mendable.contains(&self.status) {
            return None;
        }
        let about = self.problem.about(locale);
        Some(about.unwrap_or_else(|| text(locale, &self.code().message())))
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.problem.code
    }
}

/// The header tells whole seconds: over fewer than so many more nothing spreads.
const LEAST_SPREAD_S: u32 = 3;

/// So many seconds and up to as many again: phones that were sent away together must not come back together.
fn jittered(seconds: u32) -> u32 {
    let [chance] = clock::random::<1>();
    let spread = seconds.max(LEAST_SPREAD_S);
    seconds + (spread + 1) * u32::from(chance) / 256
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after_s {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self.problem);
        response
    }
}

/// The problem that an answer stands for, if it is an error that has not said so itself.
pub(super) fn unsaid(response: &Response) -> Option<Problem> {
    let status = response.status();
    let error = status.is_client_error() || status.is_server_error();
    let page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.starts_with("text/html")));
    (error && !page).then(|| ApiError::of_status(status).problem)
}

/// The answer when a handler panicked. What it said goes to the log by the panic hook.
pub(super) fn panicked() -> Response {
    ApiError::internal("a handler panicked").into_response()
}

impl From<ServerEditError> for ApiError {
    fn from(error: ServerEditError) -> Self {
        match error {
            ServerEditError::NotPermitted => Self::not_found(),
            ServerEditError::Changed(field) => Self::new(Code::ChangedMeanwhile).about(&field),
            ServerEditError::NothingNew => Self::new(Code::NothingNew),
            ServerEditError::Ended(by) => {
                Self::new(Code::DirectiveEnded).with(|members| members.ended_by = Some(by))
            }
            ServerEditError::Issued(by) => {
                Self::new(Code::DraftIssued).with(|members| members.directive = Some(by))
            }
            ServerEditError::Busy => Self::busy(),
            ServerEditError::Internal(cause) => Self::internal(cause),
            ServerEditError::Edit(error) => match error {
                EditError::Field {
                    misfit: Misfit::Secret,
                    ..
                } => Self::secret(),
                EditError::Field { field, .. } | EditError::NotReady(field) => {
                    Self::new(Code::FieldInvalid).about(&field.to_string())
                }
                EditError::Seal(SealError::TooLong { field, .. }) => {
                    Self::new(Code::FieldInvalid).about(field.key())
                }
                EditError::Record(_)
                | EditError::Seal(SealError::WrongKey | SealError::Damaged | SealError::Newer) => {
                    Self::new(Code::RecordIncomplete)
                }
                EditError::NoSuchConflict => Self::new(Code::NoSuchConflict),
                EditError::NoSuchRecord(_) | EditError::NoKey(_) => Self::not_found(),
                EditError::RecordExists(_) | EditError::WrongClass => Self::internal(error),
            },
        }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Malformed => Self::new(Code::KeyMalformed),
            KeyError::Weak => Self::new(Code::KeyWeak),
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid => Self::new(Code::TokenInvalid),
            TokenError::Expired => Self::new(Code::TokenExpired),
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(_) => Self::new(Code::BodyTooLarge),
            BodyError::Compression | BodyError::Message(_) => Self::new(Code::BodyInvalid),
        }
    }
}

impl From<ExchangeError> for ApiError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Version(_) => Self::new(Code::VersionUnsupported).with(|members| {
                members.min_v = Some(sync_core::protocol::MIN_VERSION);
                members.max_v = Some(sync_core::protocol::VERSION);
            }),
            ExchangeError::Cursor(_) => Self::new(Code::CursorInvalid),
            ExchangeError::TooManyBatches => Self::new(Code::TooManyBatches),
            ExchangeError::Busy => Self::busy(),
            ExchangeError::Full => Self::full(),
            ExchangeError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<DecideError> for ApiError {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::Unknown => Self::not_found(),
            DecideError::Decided => Self::new(Code::DecidedAlready),
            DecideError::DeviceUnknown => Self::new(Code::DeviceUnknown),
            DecideError::Refused(code) => {
                Self::new(Code::StillRefused).with(|members| members.reason = Some(code))
            }
            DecideError::StandsOn(base) => {
                Self::new(Code::StandsOnQuarantined).with(|members| members.batch = Some(base))
            }
            DecideError::Busy => Self::busy(),
            DecideError::Full => Self::full(),
            DecideError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<EnrolmentError> for ApiError {
    fn from(error: EnrolmentError) -> Self {
        match error {
            EnrolmentError::CodeUnknown => Self::new(Code::CodeUnknown),
            EnrolmentError::CodeUsed => Self::new(Code::CodeUsed),
            EnrolmentError::CodeExpired => Self::new(Code::CodeExpired),
            EnrolmentError::NotProven => Self::new(Code::DeviceNotProven),
            EnrolmentError::Replayed => Self::new(Code::AssertionReplayed),
            EnrolmentError::ClockRefused { nonce } => {
                let nonce = data_encoding::BASE64URL_NOPAD.encode(&nonce);
                Self::new(Code::ClockRefused).with(|members| members.nonce = Some(nonce))
            }
            EnrolmentError::Sqlite(error) => Self::internal(error),
        }
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::NotFound | AccountError::OutOfReach | AccountError::NotHeld => Self::not_found(),
            AccountError::Taken => Self::new(Code::UsernameTaken),
            AccountError::Text => Self::new(Code::TextInvalid),
            AccountError::Own => Self::new(Code::OwnRoles),
            AccountError::LastAdmin => Self::new(Code::LastAdmin),
            AccountError::Sqlite(error) => Self::internal(error),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        let refused =
            || Self::new(Code::ChangeRefused).with(|members| members.detail = Some(error.to_string()));
        match &error {
            ChangeError::OutOfReach => Self::not_found(),
            ChangeError::Text => Self::new(Code::TextInvalid),
            ChangeError::NotThen(..)
            | ChangeError::Later(..)
            | ChangeError::NotEmpty(_)
            | ChangeError::Code(..)
            | ChangeError::IntoItself
            | ChangeError::Realm(RealmError::Tree(_)) => refused(),
            ChangeError::Realm(RealmError::Sqlite(_) | RealmError::Missing) | ChangeError::Sqlite(_) => {
                Self::internal(error)
            }
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Length => Self::new(Code::PasswordLength),
            PasswordError::Wrong => Self::new(Code::PasswordWrong),
            PasswordError::Code => Self::new(Code::CodeNotGood),
            PasswordError::Account(error) => error.into(),
            PasswordError::Realm(error) => error.into(),
            PasswordError::Sqlite(error) => Self::internal(error),
        }
    }
}

impl From<TooMany> for ApiError {
    fn from(error: TooMany) -> Self {
        Self {
            retry_after_s: Some(error.retry_after_s),
            ..Self::new(Code::TooManyRequests)
        }
    }
}

impl From<RealmError> for ApiError {
    fn from(error: RealmError) -> Self {
        Self::internal(error)
    }
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> Self {
        Self::internal(error)
    }
}

impl<E: Into<ApiError>> From<WriteError<E>> for ApiError {
    fn from(error: WriteError<E>) -> Self {
        match error {
            WriteError::Job(error) => error.into(),
            WriteError::Busy => Self::busy(),
            WriteError::Full => Self::full(),
            WriteError::Storage(cause) => Self::internal(cause),
            WriteError::Panicked => Self::internal("a job panicked"),
            WriteError::Stopped => Self::internal("the writer has stopped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn who_is_sent_away_together_does_not_come_back_together() {
        type Refusal = fn() -> ApiError;
        let refusals: [(Refusal, std::ops::RangeInclusive<u32>); 3] = [
            (ApiError::device_busy, 1..=4),
            (ApiError::busy, 4..=8),
            (ApiError::full, 60..=120),
        ];
        for (refusal, within) in refusals {
            let told: BTreeSet<u32> = (0..200)
                .map(|_| {
                    let response = refusal().into_response();
                    let seconds = response.headers()[header::RETRY_AFTER].to_str().unwrap();
                    seconds.parse().unwrap()
                })
                .collect();
            assert!(told.iter().all(|seconds| within.contains(seconds)), "{told:?}");
            assert!(told.len() >= 4, "{told:?}");
        }
    }
}
