//! What a field in conflict is to say where none of its values is right.

use std::borrow::Cow;

use super::{AssistanceField, Draft, EditError, text};
use crate::document::ledger;
use crate::document::schema::Misfit;
use crate::record::{RetractReason, Scalar};

/// A field of a record that several people set, and what it is to say instead.
#[derive(Clone, PartialEq)]
pub enum Otherwise {
    /// One that can be corrected at any time. An optional one may be emptied.
    Field(AssistanceField),
    /// Why the record was taken back; that it was stays.
    Retracted(RetractReason),
    /// One that this version does not know, by its key: a newer one wrote it. It is never emptied, since that one may need it.
    Unknown(String, Scalar),
}

/// Which field, never what it says.
impl std::fmt::Debug for Otherwise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Otherwise({})", self.key())
    }
}

impl Otherwise {
    /// The field's key in the document.
    pub fn key(&self) -> &str {
        match self {
            Otherwise::Field(field) => field.key(),
            Otherwise::Retracted(_) => ledger::RETRACTED,
            Otherwise::Unknown(key, _) => key,
        }
    }

    pub(super) fn write(&self, draft: &mut Draft<'_>) -> Result<(), EditError> {
        match self {
            Otherwise::Field(field) => field.write(draft),
            Otherwise::Retracted(reason) => draft.put(ledger::RETRACTED, text(reason.code())),
            Otherwise::Unknown(key, value) => draft.put_unknown(key, value),
        }
    }
}

impl Draft<'_> {
    fn put_unknown(&mut self, key: &str, value: &Scalar) -> Result<(), EditError> {
        let misfit = |misfit| EditError::Field {
            field: key.to_owned(),
            misfit,
        };
        let schema = self.document.schema();
        if schema.field(key).is_some() {
            // What this version knows is written by its own kind of edit.
            return Err(misfit(Misfit::Kind));
        }
        let value = match value {
            Scalar::Text(raw) => text(raw),
            Scalar::Bytes(_) | Scalar::Int(_) | Scalar::Bool(_) | Scalar::Null => value.clone(),
        };
        schema.judge_scalar(key, &value).map_err(misfit)?;
        self.write.puts.push((Cow::Owned(key.to_owned()), value));
        Ok(())
    }
}
