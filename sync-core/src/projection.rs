//! Projection: from what changed in a document to the rows that lists and queries read.
//!
//! Pure, and the same on the phone and on the server. Rows follow from documents and from nothing else, so a store may
//! drop them all and ask for [`project_all`]. Which rows a batch changes is told by its changes – one change is one edit
//! of one record – and not by automerge's patches: those say nothing when one more value joins a conflict and loses.

use crate::document::Document;
use crate::ids::{Class, RecordId};
use crate::record::Assistance;

/// What a store has to do to its rows.
#[derive(Clone, Debug, PartialEq)]
pub enum RowChange {
    /// Insert or replace the row of this record, and its conflicts.
    Assistance(Box<Assistance>),
}

/// Every row that follows from `document`.
pub fn project_all(document: &Document) -> Vec<RowChange> {
    rows_of(document, document.records())
}

/// The rows of some records, as they follow from `document`.
pub fn rows_of(document: &Document, records: impl IntoIterator<Item = RecordId>) -> Vec<RowChange> {
    match document.id().class() {
        Class::Ledger => records
            .into_iter()
            .filter_map(|record| document.assistance(record))
            .map(|assistance| RowChange::Assistance(Box::new(assistance)))
            .collect(),
        // Their records have no rows yet: they are read as documents.
        Class::Acks | Class::Drafts | Class::Board | Class::Remarks | Class::Directory | Class::Catalogue => {
            Vec::new()
        }
    }
}
