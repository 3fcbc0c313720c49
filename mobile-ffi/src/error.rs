//! Errors as the app meets them: six things that it can do.

use sync_core::edit::EditError;
use sync_core::local_store::sqlite::SqliteStoreError;
use sync_core::replica::ReplicaError;
use sync_core::seal::SealError;
use sync_core::session::SessionError;

/// Why something was not done, by what the app does about it. Whatever it is: what was recorded before is not lost.
///
/// `code` is stable, for logs and support; no personal data is ever part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum VaultError {
    /// Ask for a new one-time code: the phone is not enrolled, its code is no good, or it was revoked.
    #[error("sign in again ({code})")]
    SignInAgain {
        /// What happened.
        code: String,
    },
    /// Send the user to the store: the server, or the vault, is newer than this app.
    #[error("update the app ({code})")]
    UpdateApp {
        /// What happened.
        code: String,
    },
    /// Ask the user to free some space; the entry is still in the form and nowhere else.
    #[error("the storage is full ({code})")]
    StorageFull {
        /// What happened.
        code: String,
    },
    /// Tell the user: this may not be done, or not like this.
    #[error("not allowed ({code})")]
    NotAllowed {
        /// What happened. `field_…`, `text_too_long_…` and `not_ready_…` end with the field's name.
        code: String,
    },
    /// Keep the file and call support: it is damaged, or the key is not the one that it was made with.
    #[error("damaged ({code})")]
    Damaged {
        /// What happened.
        code: String,
    },
    /// Try again later. `unreachable`, `busy` and `answer_foreign` (a log-in page of some network) pass by themselves.
    #[error("not now ({code})")]
    Other {
        /// What happened.
        code: String,
    },
}

impl VaultError {
    /// The stable code.
    pub fn code(&self) -> &str {
        match self {
            VaultError::SignInAgain { code }
            | VaultError::UpdateApp { code }
            | VaultError::StorageFull { code }
            | VaultError::NotAllowed { code }
            | VaultError::Damaged { code }
            | VaultError::Other { code } => code,
        }
    }

    pub(crate) fn other(code: &str) -> Self {
        VaultError::Other {
            code: code.to_owned(),
        }
    }

    pub(crate) fn not_allowed(code: &str) -> Self {
        VaultError::NotAllowed {
            code: code.to_owned(),
        }
    }
}

impl From<SessionError<SqliteStoreError>> for VaultError {
    fn from(error: SessionError<SqliteStoreError>) -> Self {
        let code = error.code().to_owned();
        match error {
            SessionError::Replica(error) => error.into(),
            SessionError::NotEnrolled => VaultError::SignInAgain { code },
            SessionError::Refused(_) => refused(code),
            SessionError::Enrolled => VaultError::NotAllowed { code },
            SessionError::Foreign
            | SessionError::Busy { .. }
            | SessionError::BadWord(_)
            | SessionError::Over => VaultError::Other { code },
        }
    }
}

/// What a server's refusal means to the app. Codes that this version does not know are for later.
fn refused(code: String) -> VaultError {
    match code.as_str() {
        "code_unknown" | "code_used" | "code_expired" | "device_revoked" | "device_not_proven"
        | "token_invalid" | "token_expired" | "token_missing" => VaultError::SignInAgain { code },
        "version_unsupported" => VaultError::UpdateApp { code },
        "not_permitted" => VaultError::NotAllowed { code },
        _ => VaultError::Other { code },
    }
}

impl From<ReplicaError<SqliteStoreError>> for VaultError {
    fn from(error: ReplicaError<SqliteStoreError>) -> Self {
        let code = error.code().to_owned();
        match error {
            ReplicaError::Store(error) => error.into(),
            ReplicaError::Edit(error) => error.into(),
            ReplicaError::NotPermitted(_)
            | ReplicaError::NoHome
            | ReplicaError::ManyHomes
            | ReplicaError::ChangedMeanwhile => VaultError::NotAllowed { code },
            ReplicaError::Damaged(_) => VaultError::Damaged { code },
            ReplicaError::Body(_) | ReplicaError::Answer(_) => VaultError::other("answer_unreadable"),
            ReplicaError::Clock | ReplicaError::Late => VaultError::Other { code },
        }
    }
}

impl From<EditError> for VaultError {
    fn from(error: EditError) -> Self {
        let code = match &error {
            EditError::Field { field, .. } => format!("field_{field}"),
            EditError::Seal(SealError::TooLong { field, .. }) => format!("text_too_long_{}", field.key()),
            EditError::NotReady(field) => format!("not_ready_{field}"),
            other => other.code().to_owned(),
        };
        VaultError::NotAllowed { code }
    }
}

impl From<SqliteStoreError> for VaultError {
    fn from(error: SqliteStoreError) -> Self {
        let code = error.code().to_owned();
        match error {
            SqliteStoreError::Full => VaultError::StorageFull { code },
            SqliteStoreError::Newer { .. } => VaultError::UpdateApp { code },
            SqliteStoreError::Foreign(_) | SqliteStoreError::WrongKey | SqliteStoreError::Damaged(_) => {
                VaultError::Damaged { code }
            }
            SqliteStoreError::NoCipher
            | SqliteStoreError::InUse
            | SqliteStoreError::Migration(_)
            | SqliteStoreError::Sqlite(_) => VaultError::Other { code },
        }
    }
}
