//! Projection: from what changed in a document to the rows that lists and queries read.
//!
//! Pure, and the same on the phone and on the server. Rows follow from documents and from nothing else, so a store may
//! drop them all and ask for [`project_all`].

use std::collections::BTreeSet;

use automerge::{ObjId, Patch, PatchAction, Prop};

use crate::document::Document;
use crate::ids::{Class, RecordId};
use crate::record::Assistance;

/// What a store has to do to its rows.
#[derive(Clone, Debug, PartialEq)]
pub enum RowChange {
    /// Insert or replace the row of this record, and its conflicts.
    Assistance(Box<Assistance>),
}

/// The rows that follow from `patches`, which led to `document` as it is.
pub fn project(document: &Document, patches: &[Patch]) -> Vec<RowChange> {
    let touched: BTreeSet<RecordId> = patches
        .iter()
        .filter_map(|patch| touched(document.records_object(), patch))
        .collect();
    rows_of(document, touched)
}

/// Every row that follows from `document`.
pub fn project_all(document: &Document) -> Vec<RowChange> {
    rows_of(document, document.records())
}

/// The rows of some records.
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

/// The record that a patch touches: either it happened in the record's map, or it put that map in place.
fn touched(records: &ObjId, patch: &Patch) -> Option<RecordId> {
    if patch.obj == *records {
        return match &patch.action {
            PatchAction::PutMap { key, .. } | PatchAction::DeleteMap { key } => key.parse().ok(),
            PatchAction::Conflict { prop: Prop::Map(key) } => key.parse().ok(),
            _ => None,
        };
    }
    patch.path.iter().find_map(|(object, prop)| match prop {
        Prop::Map(key) if object == records => key.parse().ok(),
        Prop::Map(_) | Prop::Seq(_) => None,
    })
}
