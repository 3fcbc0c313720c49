//! Settled conflicts, read out of the changes that settled them.
//!
//! A write takes the place of all that its author saw. Where that were several different values, it settled a conflict –
//! whether its author chose one of them, wrote another, or corrected the record without a thought of the conflict. The
//! values are still in the document's past: nothing of this is kept anywhere but in its changes.

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{Change, ChangeHash, ObjId, Prop, ReadDoc};

use super::{Document, read};
use crate::ids::RecordId;
use crate::record::Settled;

impl Document {
    /// Every conflict that was settled, in the order of the changes.
    pub fn settled(&self) -> Vec<Settled> {
        let changes = self.changes();
        changes
            .iter()
            .flat_map(|change| self.settled_in(change))
            .collect()
    }

    /// The conflicts that one change settled.
    pub fn settled_by(&self, change: &ChangeHash) -> Vec<Settled> {
        let change = self.automerge().get_change_by_hash(change);
        change.map_or_else(Vec::new, |change| self.settled_in(&change))
    }

    pub(super) fn settled_in(&self, change: &Change) -> Vec<Settled> {
        let decoded = change.decode();
        let settled = decoded
            .operations
            .iter()
            .filter(|op| may_settle(op))
            .filter_map(|op| self.settled_by_op(change, op));
        settled.collect()
    }

    fn settled_by_op(&self, change: &Change, op: &Op) -> Option<Settled> {
        let (ObjectId::Id(OpId(counter, actor)), Key::Map(field)) = (&op.obj, &op.key) else {
            return None;
        };
        let object = ObjId::Id(*counter, actor.clone(), 0);
        let record = self.record_of(&object)?;
        let seen = self
            .automerge()
            .get_all_at(&object, field.as_str(), change.deps())
            .ok()?;
        let stays = |op_id: &ObjId| match op_id {
            ObjId::Id(counter, actor, _) => {
                !op.pred.iter().any(|pred| pred.0 == *counter && pred.1 == *actor)
            }
            ObjId::Root => true,
        };
        let chosen = match &op.action {
            OpType::Put(value) => read::scalar(value),
            // To choose the value that is shown already is to delete the others.
            OpType::Delete => {
                let left = seen.iter().filter(|(_, id)| stays(id));
                let mut left = left.map(|(value, _)| value.as_scalar().and_then(read::scalar));
                let kept = left.next().flatten();
                if left.any(|other| other != kept) {
                    return None;
                }
                kept
            }
            OpType::Make(_) | OpType::Increment(_) | OpType::MarkBegin(_) | OpType::MarkEnd(_) => {
                return None;
            }
        };
        Some(Settled {
            record,
            document: self.id(),
            field: field.to_string(),
            change: change.hash().0,
            by: change.message()?.parse().ok()?,
            at_ms: change.timestamp(),
            chosen,
            values: self.different(seen)?,
        })
    }

    /// The record whose map an object is.
    fn record_of(&self, object: &ObjId) -> Option<RecordId> {
        let parent = self.automerge().parents(object).ok()?.next()?;
        match parent.prop {
            Prop::Map(key) if parent.obj == *self.records_object() => key.parse().ok(),
            Prop::Map(_) | Prop::Seq(_) => None,
        }
    }
}

/// Whether an operation can have taken the place of several values at all.
fn may_settle(op: &Op) -> bool {
    match op.action {
        OpType::Put(_) => op.pred.len() > 1,
        OpType::Delete => !op.pred.is_empty(),
        OpType::Make(_) | OpType::Increment(_) | OpType::MarkBegin(_) | OpType::MarkEnd(_) => false,
    }
}
