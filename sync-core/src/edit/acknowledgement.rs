//! Edits of acknowledgements: an event is added, and nothing is ever changed.

use super::{Author, Draft, EditError, int, text};
use crate::document::acks;
use crate::ids::{RecordId, UnitId};
use crate::record::{Issue, Scalar, Stage};

/// An acknowledgement event as it is made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAcknowledgement {
    /// Its identity, new.
    pub id: RecordId,
    /// The hamlet that speaks.
    pub unit: UnitId,
    /// What it is about.
    pub issue: Issue,
    /// What is said.
    pub stage: Stage,
    /// In words; a reason where it cannot be done.
    pub note: Option<String>,
    /// Digest of this device's event for this directive before.
    pub previous: Option<[u8; 32]>,
}

impl NewAcknowledgement {
    pub(super) fn write(&self, draft: &mut Draft<'_>, author: &Author) -> Result<(), EditError> {
        let note = self
            .note
            .as_deref()
            .map(str::trim)
            .filter(|note| !note.is_empty());
        draft.put(acks::DIRECTIVE, Scalar::id(self.issue.directive))?;
        draft.put(acks::VERSION, int(self.issue.version.into()))?;
        draft.put(acks::DIGEST, Scalar::Bytes(self.issue.digest.to_vec()))?;
        draft.put(acks::STAGE, text(self.stage.code()))?;
        draft.set(acks::NOTE, note.map(text))?;
        draft.put(acks::AT, int(author.now_ms))?;
        draft.put(acks::DEVICE_AT, int(author.device_now_ms))?;
        let previous = self.previous.map(|digest| Scalar::Bytes(digest.to_vec()));
        draft.set(acks::PREVIOUS, previous)
    }
}
