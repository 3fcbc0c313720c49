//! What an app shows: single records, what a value says, where a new record goes.

use super::{Replica, ReplicaError, Result};
use crate::ids::{Class, DocumentId, RecordId, UnitId};
use crate::local_store::LocalStore;
use crate::record::{Assistance, Scalar};
use crate::seal::{SealedField, open as open_sealed};

impl<S: LocalStore> Replica<S> {
    /// The assistance record of this id, if it is here.
    ///
    /// # Errors
    /// [`ReplicaError`] when the store fails or its document does not load.
    pub fn assistance(&mut self, record: RecordId) -> Result<Option<Assistance>, S> {
        match self.store.document_of(record).map_err(ReplicaError::Store)? {
            Some(id) => Ok(self.open_document(id)?.document.assistance(record)),
            None => Ok(None),
        }
    }

    /// What a value of a record's field says to a reader: sealed text opened, if its key is here; `None` if it is not.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn show(
        &self,
        document: &DocumentId,
        record: RecordId,
        field: &str,
        value: &Scalar,
    ) -> Result<Option<String>, S> {
        let (field, bytes) = match (SealedField::from_key(field), value) {
            (Some(field), Scalar::Bytes(bytes)) => (field, bytes),
            (_, Scalar::Text(text)) => return Ok(Some(text.clone())),
            (_, Scalar::Int(n)) => return Ok(Some(n.to_string())),
            (_, Scalar::Bool(truth)) => return Ok(Some(truth.to_string())),
            (_, Scalar::Bytes(_) | Scalar::Null) => return Ok(None),
        };
        let key = self.store.key(record).map_err(ReplicaError::Store)?;
        Ok(key.and_then(|key| open_sealed(&key, document, record, field, bytes).ok()))
    }

    /// Units in whose documents of this class the account may write, as far as the server has said.
    pub fn homes(&self, class: Class) -> Vec<UnitId> {
        let writable = self.state.scopes.iter().flat_map(|scopes| &scopes.write);
        writable
            .filter(|scope| scope.class == class)
            .map(|scope| scope.unit)
            .collect()
    }

    /// Server clock minus device clock, milliseconds, as of the last answer.
    pub fn clock_offset_ms(&self) -> i64 {
        self.state.clock_offset_ms
    }
}
