//! Every code that an error of the API can have: stable, each with its one status.
//!
//! `docs/protocol.md`, the catalogues of messages and `/openapi.json` are held to this list.

use axum::http::StatusCode;
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use crate::schema::one_of;

/// Codes with their status and the word that programs go by; the comment is what the API's description says of them.
macro_rules! codes {
    ($(#[doc = $meaning:literal] $name:ident = $status:ident $word:literal,)+) => {
        /// What went wrong, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$name),+];

            /// The word in answers.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Code::$name => $word,)+
                }
            }

            /// The status that comes with it. [`Code::RequestInvalid`] may come with another of its kind.
            pub const fn status(self) -> StatusCode {
                match self {
                    $(Code::$name => StatusCode::$status,)+
                }
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Code::$name => $meaning.trim_ascii(),)+
                }
            }
        }
    };
}

codes! {
    /// A parameter cannot be understood; `parameter` names it.
    ParameterInvalid = BAD_REQUEST "parameter_invalid",
    /// The body is not of the right shape.
    BodyInvalid = BAD_REQUEST "body_invalid",
    /// HTTP itself makes this request impossible, or an id in the path is none.
    RequestInvalid = BAD_REQUEST "request_invalid",
    /// A name or a text is empty, too long, or not of the letters that it may have.
    TextInvalid = BAD_REQUEST "text_invalid",
    /// A password is too short or too long.
    PasswordLength = BAD_REQUEST "password_length",
    /// The public key is not the canonical form of one.
    KeyMalformed = BAD_REQUEST "key_malformed",
    /// The public key is one of small order.
    KeyWeak = BAD_REQUEST "key_weak",
    /// This version of the protocol is not spoken; `min_v` and `max_v` say what is.
    VersionUnsupported = BAD_REQUEST "version_unsupported",
    /// The cursor of an exchange is of another device or realm, or bent.
    CursorInvalid = BAD_REQUEST "cursor_invalid",
    /// More batches than one request may carry.
    TooManyBatches = BAD_REQUEST "too_many_batches",
    /// There is no `authorization: Bearer`.
    TokenMissing = UNAUTHORIZED "token_missing",
    /// Not a token of this realm.
    TokenInvalid = UNAUTHORIZED "token_invalid",
    /// The token has ended.
    TokenExpired = UNAUTHORIZED "token_expired",
    /// There is no such device, or its signature does not fit.
    DeviceNotProven = UNAUTHORIZED "device_not_proven",
    /// The device's clock is off: it has to sign `nonce`.
    ClockRefused = UNAUTHORIZED "clock_refused",
    /// This assertion was used before.
    AssertionReplayed = UNAUTHORIZED "assertion_replayed",
    /// Neither a session nor a device's token.
    LoginNeeded = UNAUTHORIZED "login_needed",
    /// There is no such enrolment code.
    CodeUnknown = FORBIDDEN "code_unknown",
    /// The enrolment code was used.
    CodeUsed = FORBIDDEN "code_used",
    /// The enrolment code has ended.
    CodeExpired = FORBIDDEN "code_expired",
    /// The device was enrolled in another realm than this server's.
    OtherRealm = FORBIDDEN "other_realm",
    /// The device was revoked or its account suspended: it may only deliver, by the exchange.
    DeviceRevoked = FORBIDDEN "device_revoked",
    /// The server was restored and knows the device only by its enrolment's signature: it may only deliver.
    DeviceNotAdmitted = FORBIDDEN "device_not_admitted",
    /// The session's token against forged requests is missing or an old one.
    Csrf = FORBIDDEN "csrf",
    /// The account reaches no unit below its own, and pages are for who does.
    NotPermitted = FORBIDDEN "not_permitted",
    /// The account may not read citizens' data.
    PersonalDenied = FORBIDDEN "personal_denied",
    /// Nobody changes their own roles.
    OwnRoles = FORBIDDEN "own_roles",
    /// The old password is another one.
    PasswordWrong = FORBIDDEN "password_wrong",
    /// The one-time code for a password is not good, or has ended.
    CodeNotGood = FORBIDDEN "code_not_good",
    /// It does not exist, or the caller may not see it: no telling apart.
    NotFound = NOT_FOUND "not_found",
    /// The path knows other methods.
    MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed",
    /// The body did not arrive in time; nothing was stored.
    RequestTimeout = REQUEST_TIMEOUT "request_timeout",
    /// Somebody else has that username.
    UsernameTaken = CONFLICT "username_taken",
    /// At least one admin has to be left.
    LastAdmin = CONFLICT "last_admin",
    /// Units cannot be changed like that; `detail` says why.
    ChangeRefused = CONFLICT "change_refused",
    /// The directive was amended, replaced or withdrawn, by `ended_by`.
    DirectiveEnded = CONFLICT "directive_ended",
    /// The draft was issued, as `directive`.
    DraftIssued = CONFLICT "draft_issued",
    /// Somebody has written `field` since it was looked at: look again.
    ChangedMeanwhile = CONFLICT "changed_meanwhile",
    /// The batch was decided about before.
    DecidedAlready = CONFLICT "decided_already",
    /// The device that delivered the batch is not known: there is no key to check its signature with.
    DeviceUnknown = CONFLICT "device_unknown",
    /// The batch still cannot be merged, for `reason`, and waits as before.
    StillRefused = CONFLICT "still_refused",
    /// The batch stands on another that waits, `batch`.
    StandsOnQuarantined = CONFLICT "stands_on_quarantined",
    /// The body is too large, as it travels or inflated.
    BodyTooLarge = PAYLOAD_TOO_LARGE "body_too_large",
    /// The `content-type` or `content-encoding` is another one.
    MediaTypeUnsupported = UNSUPPORTED_MEDIA_TYPE "media_type_unsupported",
    /// `field` is missing, or its value does not fit.
    FieldInvalid = UNPROCESSABLE_ENTITY "field_invalid",
    /// Something that a record needs is missing.
    RecordIncomplete = UNPROCESSABLE_ENTITY "record_incomplete",
    /// That is so already.
    NothingNew = UNPROCESSABLE_ENTITY "nothing_new",
    /// There is nothing to choose between.
    NoSuchConflict = UNPROCESSABLE_ENTITY "no_such_conflict",
    /// A paper with a degree of secrecy: refused and not stored.
    SecretClass = UNPROCESSABLE_ENTITY "secret_class",
    /// This address asks too often; `retry-after` in seconds.
    TooManyRequests = TOO_MANY_REQUESTS "too_many_requests",
    /// Something failed here; nothing was stored that was not answered.
    Internal = INTERNAL_SERVER_ERROR "internal",
    /// Come back after `retry-after` seconds.
    Busy = SERVICE_UNAVAILABLE "busy",
    /// The device is in an exchange already; `retry-after` in seconds.
    DeviceBusy = SERVICE_UNAVAILABLE "device_busy",
    /// The server starts, or cannot write.
    NotReady = SERVICE_UNAVAILABLE "not_ready",
    /// The server's disk is full: nothing was stored; `retry-after` in seconds.
    StorageFull = INSUFFICIENT_STORAGE "storage_full",
}

impl Code {
    /// The key of its title in the catalogues of messages.
    pub fn message(self) -> String {
        format!("error-{}", self.word().replace('_', "-"))
    }

    /// What identifies this kind of problem (RFC 9457): where it is explained.
    pub fn kind(self) -> String {
        format!("/api#{}", self.word())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        one_of(Code::ALL.iter().map(|code| code.word()))
    }
}

impl ToSchema for Code {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::{Locale, has};

    #[test]
    fn every_code_has_a_title_in_both_languages_and_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(has(Locale::Vi, &code.message()), "{code:?}");
            assert!(has(Locale::En, &code.message()), "{code:?}");
        }
    }
}
