//! Shadow apply: the batch is tried on a clone, and the clone has to prove that it holds what came.

use automerge::{Automerge, Change, ChangeHash, Patch, PatchLog, ReadDoc};

use super::Refusal;
use super::sequence::Step;
use crate::document::Document;

pub(super) struct Shadow {
    pub(super) doc: Automerge,
    pub(super) patches: Vec<Patch>,
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
    let mut log = PatchLog::active();
    doc.apply_changes_log_patches(changes, &mut log)
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
    let patches = doc.make_patches(&mut log);
    Ok(Shadow { doc, patches })
}
