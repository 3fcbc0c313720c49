//! Edits of remarks: something is said to a record, or answered; nothing is ever changed.

use super::{Author, Draft, EditError, int, text};
use crate::document::remarks;
use crate::ids::{RecordId, UnitId};
use crate::record::{RemarkKind, Scalar};
use crate::seal::SealedField;

/// A remark or an answer as it is made. `Debug` does not show the words.
#[derive(Clone, PartialEq)]
pub struct NewRemark {
    /// Its identity, new.
    pub id: RecordId,
    /// The hamlet that is spoken to.
    pub unit: UnitId,
    /// The record it is about.
    pub record: RecordId,
    /// What it is.
    pub kind: RemarkKind,
    /// The remark that it answers.
    pub answers: Option<RecordId>,
    /// The words in the clear; sealed before anything else happens to them.
    pub words: Option<String>,
}

impl std::fmt::Debug for NewRemark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewRemark({}, {})", self.id, self.kind.code())
    }
}

impl NewRemark {
    pub(super) fn write(&self, draft: &mut Draft<'_>, author: &Author) -> Result<(), EditError> {
        draft.put(remarks::RECORD, Scalar::id(self.record))?;
        draft.put(remarks::KIND, text(self.kind.code()))?;
        draft.set(remarks::ANSWERS, self.answers.map(Scalar::id))?;
        draft.put(remarks::AT, int(author.now_ms))?;
        draft.seal(SealedField::Note, self.words.as_deref())
    }
}
