//! Projection: from what changed in a document to the rows that lists and queries read.
//!
//! Pure, and the same on the phone and on the server. Rows follow from documents and from nothing else, so a store may
//! drop them all and ask for [`project_all`]. Which rows a batch changes is told by its changes – one change is one edit
//! of one record – and not by automerge's patches: those say nothing when one more value joins a conflict and loses.

use crate::document::Document;
use crate::ids::{Class, DocumentId, RecordId};
use crate::record::{Acknowledgement, Assistance, Conflict, Directive, Draft, Remark};

/// What a store has to do to its rows: insert or replace the row of this record, and its conflicts.
#[derive(Clone, Debug, PartialEq)]
pub enum RowChange {
    /// An act of help.
    Assistance(Box<Assistance>),
    /// A directive that is being written.
    Draft(Box<Draft>),
    /// A directive that was issued.
    Directive(Box<Directive>),
    /// An acknowledgement event.
    Acknowledgement(Box<Acknowledgement>),
    /// A remark or an answer.
    Remark(Box<Remark>),
}

impl RowChange {
    /// The record.
    pub fn record(&self) -> RecordId {
        match self {
            RowChange::Assistance(row) => row.id,
            RowChange::Draft(row) => row.id,
            RowChange::Directive(row) => row.id,
            RowChange::Acknowledgement(row) => row.id,
            RowChange::Remark(row) => row.id,
        }
    }

    /// Where it lives.
    pub fn document(&self) -> DocumentId {
        match self {
            RowChange::Assistance(row) => row.document,
            RowChange::Draft(row) => row.document,
            RowChange::Directive(row) => row.document,
            RowChange::Acknowledgement(row) => row.document,
            RowChange::Remark(row) => row.document,
        }
    }

    /// The time by which lists put it in order, UTC milliseconds.
    pub fn at_ms(&self) -> i64 {
        match self {
            RowChange::Assistance(row) => row.occurred_at_ms,
            RowChange::Draft(row) => row.started_at_ms,
            RowChange::Directive(row) => row.issued_at_ms,
            RowChange::Acknowledgement(row) => row.at_ms,
            RowChange::Remark(row) => row.at_ms,
        }
    }

    /// What it is about: the directive of a version or an acknowledgement, the record of a remark.
    pub fn about(&self) -> Option<RecordId> {
        match self {
            RowChange::Directive(row) => Some(row.issue.directive),
            RowChange::Acknowledgement(row) => Some(row.issue.directive),
            RowChange::Remark(row) => Some(row.record),
            RowChange::Assistance(_) | RowChange::Draft(_) => None,
        }
    }

    /// The record as a store keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            RowChange::Assistance(row) => minicbor::to_vec(row),
            RowChange::Draft(row) => minicbor::to_vec(row),
            RowChange::Directive(row) => minicbor::to_vec(row),
            RowChange::Acknowledgement(row) => minicbor::to_vec(row),
            RowChange::Remark(row) => minicbor::to_vec(row),
        }
        .unwrap_or_default()
    }

    /// The record of such bytes, of a class; `None` if they are not one.
    pub fn from_bytes(class: Class, bytes: &[u8]) -> Option<Self> {
        match class {
            Class::Ledger => minicbor::decode(bytes).ok().map(RowChange::Assistance),
            Class::Acks => minicbor::decode(bytes).ok().map(RowChange::Acknowledgement),
            Class::Drafts => minicbor::decode(bytes).ok().map(RowChange::Draft),
            Class::Board => minicbor::decode(bytes).ok().map(RowChange::Directive),
            Class::Remarks => minicbor::decode(bytes).ok().map(RowChange::Remark),
            Class::Directory | Class::Catalogue => None,
        }
    }

    /// Its fields with several current values; a frozen record has none.
    pub fn conflicts(&self) -> &[Conflict] {
        match self {
            RowChange::Assistance(row) => &row.conflicts,
            RowChange::Draft(row) => &row.conflicts,
            RowChange::Directive(_) | RowChange::Acknowledgement(_) | RowChange::Remark(_) => &[],
        }
    }
}

macro_rules! row_of {
    ($($name:ident),+) => {
        $(impl From<$name> for RowChange {
            fn from(row: $name) -> Self {
                RowChange::$name(Box::new(row))
            }
        })+
    };
}

row_of!(Assistance, Draft, Directive, Acknowledgement, Remark);

/// Every row that follows from `document`.
pub fn project_all(document: &Document) -> Vec<RowChange> {
    rows_of(document, document.records())
}

/// The rows of some records, as they follow from `document`.
pub fn rows_of(document: &Document, records: impl IntoIterator<Item = RecordId>) -> Vec<RowChange> {
    records
        .into_iter()
        .filter_map(|record| document.row(record))
        .collect()
}
