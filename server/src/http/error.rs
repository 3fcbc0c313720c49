//! Errors of the API: `application/problem+json` (RFC 9457) with a stable code and a title in the reader's language.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use ulid::Ulid;

use crate::accounts::AccountError;
use crate::clock;
use crate::enrolment::EnrolmentError;
use crate::exchange::ExchangeError;
use crate::exchange::decide::DecideError;
use crate::i18n::{Locale, has, text};
use crate::password::PasswordError;
use crate::rate::TooMany;
use crate::realm::RealmError;
use crate::replica::ServerEditError;
use crate::store::WriteError;
use crate::token::TokenError;
use crate::units::change::ChangeError;
use sync_core::document::schema::Misfit;
use sync_core::edit::EditError;
use sync_core::protocol::BodyError;

/// An error on its way out.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    problem: Problem,
    retry_after_s: Option<u32>,
}

/// What an error says; the body is written once the reader's language is known.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Stable, for programs.
    pub code: &'static str,
    /// Further members of the body.
    extra: serde_json::Map<String, serde_json::Value>,
    /// For the log alone.
    pub(super) internal: Option<String>,
}

impl ApiError {
    /// An error with a code that the catalogues have a title for.
    pub fn new(status: StatusCode, code: &'static str) -> Self {
        let problem = Problem {
            code,
            extra: serde_json::Map::new(),
            internal: None,
        };
        Self {
            status,
            problem,
            retry_after_s: None,
        }
    }

    /// What a layer below the handlers refused, of which nothing but the status is known.
    pub fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
            StatusCode::REQUEST_TIMEOUT => "request_timeout",
            _ if status.is_client_error() => "request_invalid",
            _ => "internal",
        };
        Self::new(status, code)
    }

    /// Something that is not there, or that the caller may not see.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found")
    }

    /// Another method.
    pub fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed")
    }

    /// A parameter that cannot be understood.
    pub fn parameter(name: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "parameter_invalid").with("parameter", name)
    }

    /// Come back later.
    pub fn busy() -> Self {
        Self {
            retry_after_s: Some(jittered(4)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy")
        }
    }

    /// A paper with a degree of secrecy.
    pub fn secret() -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "secret_class")
    }

    /// The device is in an exchange already: it comes back when that is over.
    pub fn device_busy() -> Self {
        Self {
            retry_after_s: Some(jittered(1)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "device_busy")
        }
    }

    /// There is no room to store anything.
    pub fn full() -> Self {
        Self {
            retry_after_s: Some(jittered(60)),
            ..Self::new(StatusCode::INSUFFICIENT_STORAGE, "storage_full")
        }
    }

    /// Something failed here. The cause goes to the log and nowhere else.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal");
        error.problem.internal = Some(cause.to_string());
        error
    }

    /// With a further member in the body.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<serde_json::Value>) -> Self {
        self.problem.extra.insert(member.to_owned(), value.into());
        self
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
        let title = text(locale, &format!("error-{}", self.code().replace('_', "-")));
        let named = ["field", "parameter"]
            .into_iter()
            .find_map(|member| self.problem.extra.get(member)?.as_str());
        let field = named.map(|name| format!("field-{}", name.replace('_', "-")));
        Some(match field.filter(|key| has(locale, key)) {
            Some(key) => format!("{title} ({})", text(locale, &key)),
            None => title,
        })
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its code.
    pub fn code(&self) -> &'static str {
        self.problem.code
    }
}

/// So many seconds and up to as many again: phones that were sent away together must not come back together.
fn jittered(seconds: u32) -> u32 {
    let [chance] = clock::random::<1>();
    seconds + (seconds * u32::from(chance)) / 255
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

impl Problem {
    /// Writes the body.
    pub(super) fn into_body(self, request: Ulid, locale: Locale, mut response: Response) -> Response {
        let status = response.status().as_u16();
        let title = text(locale, &format!("error-{}", self.code.replace('_', "-")));
        let mut body =
            json!({ "status": status, "code": self.code, "title": title, "request_id": request.to_string() });
        if let Some(members) = body.as_object_mut() {
            members.extend(self.extra);
        }
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(locale.tag()));
        headers.remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(body.to_string());
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
        let unfit = |code| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code);
        match error {
            ServerEditError::NotPermitted => Self::not_found(),
            ServerEditError::Changed(field) => {
                Self::new(StatusCode::CONFLICT, "changed_meanwhile").with("field", field)
            }
            ServerEditError::NothingNew => unfit("nothing_new"),
            ServerEditError::Ended(by) => {
                Self::new(StatusCode::CONFLICT, "directive_ended").with("ended_by", by.to_string())
            }
            ServerEditError::Issued(by) => {
                Self::new(StatusCode::CONFLICT, "draft_issued").with("directive", by.to_string())
            }
            ServerEditError::Busy => Self::busy(),
            ServerEditError::Internal(cause) => Self::internal(cause),
            ServerEditError::Edit(error) => match error {
                EditError::Field {
                    misfit: Misfit::Secret,
                    ..
                } => Self::secret(),
                EditError::Field { field, .. } | EditError::NotReady(field) => {
                    unfit("field_invalid").with("field", field)
                }
                EditError::Record(_) | EditError::Seal(_) => unfit("record_incomplete"),
                EditError::NoSuchConflict => unfit("no_such_conflict"),
                EditError::NoSuchRecord(_) | EditError::NoKey(_) => Self::not_found(),
                EditError::RecordExists(_) | EditError::WrongClass => Self::internal(error),
            },
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid => Self::new(StatusCode::UNAUTHORIZED, "token_invalid"),
            TokenError::Expired => Self::new(StatusCode::UNAUTHORIZED, "token_expired"),
        }
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            BodyError::Compression | BodyError::Message(_) => {
                Self::new(StatusCode::BAD_REQUEST, "body_invalid")
            }
        }
    }
}

impl From<ExchangeError> for ApiError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Version(_) => Self::new(StatusCode::BAD_REQUEST, "version_unsupported")
                .with("min_v", sync_core::protocol::MIN_VERSION)
                .with("max_v", sync_core::protocol::VERSION),
            ExchangeError::Cursor(_) => Self::new(StatusCode::BAD_REQUEST, "cursor_invalid"),
            ExchangeError::TooManyBatches => Self::new(StatusCode::BAD_REQUEST, "too_many_batches"),
            ExchangeError::Busy => Self::busy(),
            ExchangeError::Full => Self::full(),
            ExchangeError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<DecideError> for ApiError {
    fn from(error: DecideError) -> Self {
        let stands = |code| Self::new(StatusCode::CONFLICT, code);
        match error {
            DecideError::Unknown => Self::not_found(),
            DecideError::Decided => stands("decided_already"),
            DecideError::DeviceUnknown => stands("device_unknown"),
            DecideError::Refused(code) => stands("still_refused").with("reason", code),
            DecideError::StandsOn(base) => stands("stands_on_quarantined").with("batch", base),
            DecideError::Busy => Self::busy(),
            DecideError::Full => Self::full(),
            DecideError::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<EnrolmentError> for ApiError {
    fn from(error: EnrolmentError) -> Self {
        let refused = |code| Self::new(StatusCode::FORBIDDEN, code);
        let unproven = |code| Self::new(StatusCode::UNAUTHORIZED, code);
        match error {
            EnrolmentError::CodeUnknown => refused("code_unknown"),
            EnrolmentError::CodeUsed => refused("code_used"),
            EnrolmentError::CodeExpired => refused("code_expired"),
            EnrolmentError::NotProven => unproven("device_not_proven"),
            EnrolmentError::Replayed => unproven("assertion_replayed"),
            EnrolmentError::ClockRefused { nonce } => {
                unproven("clock_refused").with("nonce", data_encoding::BASE64URL_NOPAD.encode(&nonce))
            }
            EnrolmentError::Sqlite(error) => Self::internal(error),
        }
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::NotFound | AccountError::OutOfReach | AccountError::NotHeld => Self::not_found(),
            AccountError::Taken => Self::new(StatusCode::CONFLICT, "username_taken"),
            AccountError::Text => Self::new(StatusCode::BAD_REQUEST, "text_invalid"),
            AccountError::Own => Self::new(StatusCode::FORBIDDEN, "own_roles"),
            AccountError::LastAdmin => Self::new(StatusCode::CONFLICT, "last_admin"),
            AccountError::Sqlite(error) => Self::internal(error),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        let refused = |status| Self::new(status, "change_refused").with("reason", error.to_string());
        match &error {
            ChangeError::OutOfReach => Self::not_found(),
            ChangeError::Text => Self::new(StatusCode::BAD_REQUEST, "text_invalid"),
            ChangeError::NotThen(..)
            | ChangeError::Later(..)
            | ChangeError::NotEmpty(_)
            | ChangeError::Code(..)
            | ChangeError::IntoItself
            | ChangeError::Realm(RealmError::Tree(_)) => refused(StatusCode::CONFLICT),
            ChangeError::Realm(RealmError::Sqlite(_) | RealmError::Missing) | ChangeError::Sqlite(_) => {
                Self::internal(error)
            }
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Length => Self::new(StatusCode::BAD_REQUEST, "password_length"),
            PasswordError::Wrong => Self::new(StatusCode::FORBIDDEN, "password_wrong"),
            PasswordError::Code => Self::new(StatusCode::FORBIDDEN, "code_not_good"),
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
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests")
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
