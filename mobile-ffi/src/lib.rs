//! Làng Số on a phone: one object, [`Vault`], and plain records, for Kotlin and Swift.
//!
//! This crate converts and carries; it decides nothing. What may be recorded, sent and taken is `sync-core`'s affair, the
//! network is the app's ([`Transport`]), the key is the platform's. Every method may be called from any thread, blocks for
//! the time of a few disk writes at most, and never panics into the app: errors are [`VaultError`], each variant
//! something that an app does.

mod error;
mod observe;
mod transport;
mod types;
mod vault;

pub use error::VaultError;
pub use observe::{Change, ChangeListener, Subscription};
pub use transport::{
    HttpAnswer, HttpHeader, HttpRequest, SyncProgress, SyncReport, SyncStep, Transport, TransportError,
};
pub use types::{
    Asks, Assistance, AssistanceField, AssistanceFilter, AssistancePage, CatalogueEntry, CatalogueKind,
    Conflict, ConflictValue, Delivery, Directive, DirectiveText, Draft, Due, NewAssistance, Page, Reach,
    Related, Relation, Remark, RemarkKind, RetractReason, Retraction, SetAside, Stage, Status, Target,
    Urgency,
};
pub use vault::Vault;

uniffi::setup_scaffolding!("langso");
