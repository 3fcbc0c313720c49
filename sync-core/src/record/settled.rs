//! Settled conflicts: several people had said different things, and somebody said what counts.

use super::{ConflictValue, Scalar};
use crate::ids::{AccountId, DocumentId, RecordId};

/// A conflict that a change ended. It follows from that change and what its author saw, and so never changes: who
/// disagrees afterwards makes another conflict.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The record.
    pub record: RecordId,
    /// Where it lives.
    pub document: DocumentId,
    /// The field's key in the document.
    pub field: String,
    /// Hash of the change.
    pub change: [u8; 32],
    /// Whose change it is.
    pub by: AccountId,
    /// When it was made, UTC milliseconds of the device.
    pub at_ms: i64,
    /// The value that took the place of all; `None`: the field was emptied.
    pub chosen: Option<Scalar>,
    /// What had been said; the value that was shown meanwhile first.
    pub values: Vec<ConflictValue>,
}
