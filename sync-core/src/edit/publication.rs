//! What a table of the server says, as a record of the directory or the catalogue. Only the server's own replica makes it.

use super::{Draft, EditError};
use crate::ids::{Class, RecordId, UnitId};
use crate::record::Scalar;

/// One record that is derived from a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// Its identity, new.
    pub id: RecordId,
    /// The unit in whose document it goes.
    pub unit: UnitId,
    /// Directory or catalogue.
    pub class: Class,
    /// Its fields, by their keys in the document.
    pub fields: Vec<(&'static str, Scalar)>,
}

impl Publication {
    pub(super) fn write(&self, draft: &mut Draft<'_>) -> Result<(), EditError> {
        self.fields
            .iter()
            .try_for_each(|(key, value)| draft.put(key, value.clone()))
    }
}
