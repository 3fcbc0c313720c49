//! Shadow apply: the batch is tried on a clone, and the clone has to prove that it holds what came.

use std::collections::BTreeSet;

use automerge::{Automerge, Change, ChangeHash, ObjId, Prop, ReadDoc};

use super::Refusal;
use super::sequence::Step;
use crate::document::Document;
use crate::ids::RecordId;

pub(super) struct Shadow {
    pub(super) doc: Automerge,
    /// The records that the batch is about.
    pub(super) touched: BTreeSet<RecordId>,
}

/// Parses what preflight let through.
pub(super) fn parse(steps: &[Step<'_>]) -> Result<Vec<Change>, Refusal> {
    steps
        .iter()
        .map(|step| Change::from_bytes(step.chunk.to_vec()).map_err(|_| Refusal::Rejected("unreadable")))
        .collect()
}

/// Applies the batch to a clone of `document`. A clone in which something panicked is dropped by the caller's guard.
pub(super) fn apply(
    document: &Document,
    steps: &[Step<'_>],
    changes: Vec<Change>,
    heads: &[ChangeHash],
) -> Result<Shadow, Refusal> {
    let mut doc = document.automerge().clone();
    doc.apply_changes(changes)
        .map_err(|_| Refusal::Rejected("does_not_apply"))?;
    let mut reached = doc.get_heads();
    reached.sort_unstable();
    if reached != heads {
        return Err(Refusal::Rejected("does_not_apply"));
    }
    // What reads back byte by byte was understood as it was meant; a save and a strict load would cost five times that.
    let same = |step: &Step<'_>| {
        doc.get_change_by_hash(&step.hash)
            .is_some_and(|back| back.raw_bytes() == step.chunk)
    };
    if !steps.iter().all(same) {
        return Err(Refusal::Rejected("does_not_read_back"));
    }
    let records = document.records_object();
    let touched = steps
        .iter()
        .filter_map(|step| record_of(&doc, records, step.object.as_ref()?))
        .collect();
    Ok(Shadow { doc, touched })
}

/// The record whose map an object is.
fn record_of(doc: &Automerge, records: &ObjId, object: &ObjId) -> Option<RecordId> {
    let parent = doc.parents(object).ok()?.next()?;
    match parent.prop {
        Prop::Map(key) if parent.obj == *records => key.parse().ok(),
        Prop::Map(_) | Prop::Seq(_) => None,
    }
}
