//! Plain records, as an app shows and makes them. Ids are their 26 letters, times UTC milliseconds.

mod assistance;
mod catalogue;
mod directive;

use sync_core::session;

pub use assistance::{
    Assistance, AssistanceField, AssistanceFilter, AssistancePage, Conflict, ConflictValue, Delivery,
    NewAssistance, Page, RetractReason, Retraction, SetAside,
};
pub(crate) use assistance::{change_of, query};
pub use catalogue::{CatalogueEntry, CatalogueKind};
pub use directive::{
    Asks, Directive, DirectiveText, Draft, Due, Reach, Related, Relation, Remark, RemarkKind, Stage, Target,
    Urgency,
};

/// How things stand. No personal data.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Status {
    /// The realm that the phone is enrolled in; without it nothing else is of interest.
    pub realm: Option<String>,
    /// Whose phone it is.
    pub account: Option<String>,
    /// This installation.
    pub device: Option<String>,
    /// Hamlets in whose name this account records; empty before the first exchange.
    pub homes: Vec<String>,
    /// Changes that are on this phone and nowhere else, refused ones included.
    pub pending: u32,
    /// When the oldest of them was made.
    pub oldest_pending_ms: Option<i64>,
    /// Changes that the server did not merge; it keeps them, and an official decides.
    pub refused: u32,
    /// When the last receipt came for something that was made here, by the server's clock.
    pub last_receipt_ms: Option<i64>,
    /// When the last complete exchange ended, by the server's clock.
    pub last_sync_ms: Option<i64>,
    /// Whether everything that this phone may see has arrived.
    pub complete: bool,
    /// What the vault takes on the phone.
    pub vault_bytes: u64,
    /// What is left there, where the system says so.
    pub free_bytes: Option<u64>,
    /// Server clock minus phone clock. Times are corrected by it already; tell the user if it is large.
    pub clock_difference_ms: i64,
    /// The server asked for a newer app.
    pub update_needed: bool,
}

impl Status {
    pub(crate) fn new(of: session::Status, vault_bytes: u64, free_bytes: Option<u64>) -> Self {
        let enrolment = of.enrolment.as_ref();
        Self {
            realm: enrolment.map(|enrolment| enrolment.realm.to_string()),
            account: enrolment.map(|enrolment| enrolment.account.to_string()),
            device: enrolment.map(|enrolment| enrolment.device.to_string()),
            homes: of.homes.iter().map(ToString::to_string).collect(),
            pending: count(of.replica.unsent),
            oldest_pending_ms: of.replica.oldest_unsent_ms,
            refused: count(of.replica.refused),
            last_receipt_ms: of.replica.last_receipt_ms,
            last_sync_ms: of.replica.last_sync_ms,
            complete: of.replica.complete,
            vault_bytes,
            free_bytes,
            clock_difference_ms: of.clock_offset_ms,
            update_needed: of.update_needed,
        }
    }
}

pub(crate) fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Reads an id that the app passed back.
pub(crate) fn id<T: std::str::FromStr>(text: &str) -> Result<T, crate::VaultError> {
    text.parse()
        .map_err(|_| crate::VaultError::not_allowed("id_invalid"))
}

/// An enum of the core, as it stands on the other side of the border.
macro_rules! mirrored {
    ($(#[$doc:meta])* $name:ident = $core:path { $($(#[$variant_doc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl From<$name> for $core {
            fn from(here: $name) -> Self {
                match here {
                    $($name::$variant => Self::$variant,)+
                }
            }
        }

        impl From<$core> for $name {
            fn from(core: $core) -> Self {
                type Core = $core;
                match core {
                    $(Core::$variant => Self::$variant,)+
                }
            }
        }
    };
}

pub(crate) use mirrored;
