//! What the audit writes down.

/// What is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Units came from a file.
    UnitsImported,
    /// Units became others by a reform.
    UnitsReformed,
    /// One unit was created, renamed, moved, merged, split or abolished.
    UnitChanged,
    /// The catalogue came from a file.
    CatalogueImported,
    /// An account was made.
    AccountAdded,
    /// An account was suspended.
    AccountSuspended,
    /// An account may be used again.
    AccountResumed,
    /// A role was given.
    RoleGranted,
    /// A role was ended.
    RoleEnded,
    /// A post went from one person to another.
    PostHandedOver,
    /// A password was set by its owner.
    PasswordChanged,
    /// A one-time password was made for somebody.
    PasswordReset,
    /// An admin was let in again on the server's own console.
    AdminRecovered,
    /// Somebody logged in.
    LoggedIn,
    /// Somebody was refused the log-in.
    LoginRefused,
    /// An enrolment code was made.
    CodeMade,
    /// A device was enrolled.
    DeviceEnrolled,
    /// A device that this store does not know showed that it was enrolled: the store was restored.
    DeviceReturned,
    /// Such a device was admitted.
    DeviceAdmitted,
    /// Two living copies of a device were seen.
    DeviceCopied,
    /// A device got another name.
    DeviceRenamed,
    /// A device was revoked.
    DeviceRevoked,
    /// A device was reported lost.
    DeviceLost,
    /// The key that tokens are signed with was changed.
    TokenKeyRotated,
    /// A quarantined batch was released or discarded.
    QuarantineJudged,
    /// Citizens' data was searched.
    PersonalSearched,
    /// Data left the system by an export.
    Exported,
    /// A backup was made.
    BackedUp,
    /// The store was restored from a backup.
    Restored,
}

impl Act {
    /// Every act.
    pub const ALL: [Act; 29] = [
        Act::UnitsImported,
        Act::UnitsReformed,
        Act::UnitChanged,
        Act::CatalogueImported,
        Act::AccountAdded,
        Act::AccountSuspended,
        Act::AccountResumed,
        Act::RoleGranted,
        Act::RoleEnded,
        Act::PostHandedOver,
        Act::PasswordChanged,
        Act::PasswordReset,
        Act::AdminRecovered,
        Act::LoggedIn,
        Act::LoginRefused,
        Act::CodeMade,
        Act::DeviceEnrolled,
        Act::DeviceReturned,
        Act::DeviceAdmitted,
        Act::DeviceCopied,
        Act::DeviceRenamed,
        Act::DeviceRevoked,
        Act::DeviceLost,
        Act::TokenKeyRotated,
        Act::QuarantineJudged,
        Act::PersonalSearched,
        Act::Exported,
        Act::BackedUp,
        Act::Restored,
    ];

    /// The act of a word.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.code() == code)
    }

    /// The word in the table.
    pub fn code(self) -> &'static str {
        match self {
            Act::UnitsImported => "units_imported",
            Act::UnitsReformed => "units_reformed",
            Act::UnitChanged => "unit_changed",
            Act::CatalogueImported => "catalogue_imported",
            Act::AccountAdded => "account_added",
            Act::AccountSuspended => "account_suspended",
            Act::AccountResumed => "account_resumed",
            Act::RoleGranted => "role_granted",
            Act::RoleEnded => "role_ended",
            Act::PostHandedOver => "post_handed_over",
            Act::PasswordChanged => "password_changed",
            Act::PasswordReset => "password_reset",
            Act::AdminRecovered => "admin_recovered",
            Act::LoggedIn => "logged_in",
            Act::LoginRefused => "login_refused",
            Act::CodeMade => "code_made",
            Act::DeviceEnrolled => "device_enrolled",
            Act::DeviceReturned => "device_returned",
            Act::DeviceAdmitted => "device_admitted",
            Act::DeviceCopied => "device_copied",
            Act::DeviceRenamed => "device_renamed",
            Act::DeviceRevoked => "device_revoked",
            Act::DeviceLost => "device_lost",
            Act::TokenKeyRotated => "token_key_rotated",
            Act::QuarantineJudged => "quarantine_judged",
            Act::PersonalSearched => "personal_searched",
            Act::Exported => "exported",
            Act::BackedUp => "backed_up",
            Act::Restored => "restored",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Act::ALL.iter().map(|act| act.code()).collect();
        assert_eq!(words.len(), Act::ALL.len());
    }
}
