//! The trail of one record: every change that wrote it, in the order in which a document holds them.

use automerge::legacy::{Key, ObjectId, OpType};
use automerge::{ActorId, Change, ObjId, ReadDoc};

use super::{Document, read};
use crate::ids::{AccountId, RecordId};
use crate::record::Scalar;
use crate::record::code::worded;

/// What one change wrote into one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Its actor.
    pub actor: ActorId,
    /// Its place in the sequence of its actor, from 1.
    pub seq: u64,
    /// Whose edit it is.
    pub account: Option<AccountId>,
    /// When it was made by the clock of its device, UTC milliseconds.
    pub at_ms: i64,
    /// What it did to the record.
    pub kind: TraceKind,
    /// The fields that it wrote, in its order; `None`: it emptied the field.
    pub fields: Vec<(String, Option<Scalar>)>,
}

/// What a change did to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceKind {
    /// It made it.
    Created,
    /// It wrote some fields again.
    Amended,
    /// It said what counts where people had disagreed.
    Settled,
    /// It took it back.
    Retracted,
}

impl TraceKind {
    /// Every kind.
    pub const ALL: [TraceKind; 4] = [
        TraceKind::Created,
        TraceKind::Amended,
        TraceKind::Settled,
        TraceKind::Retracted,
    ];

    /// The word for programs and catalogues.
    pub fn code(self) -> &'static str {
        match self {
            TraceKind::Created => "created",
            TraceKind::Amended => "amended",
            TraceKind::Settled => "settled",
            TraceKind::Retracted => "retracted",
        }
    }
}

worded!(TraceKind, TraceKind::ALL.map(TraceKind::code));

impl Document {
    /// The trail of a record; empty if it is not here. Changes that did not see each other stand in an order that is the
    /// same everywhere, and means nothing.
    pub fn trail(&self, record: RecordId) -> Vec<Trace> {
        let Some(object) = self.record_object(record) else {
            return Vec::new();
        };
        let changes = self.changes();
        let traces = changes.iter().filter_map(|change| self.trace(change, &object));
        traces.collect()
    }

    /// What a change wrote into the record whose map an object is.
    fn trace(&self, change: &Change, object: &ObjId) -> Option<Trace> {
        let ObjId::Id(counter, maker, _) = object else {
            return None;
        };
        let made = (*counter, maker);
        let decoded = change.decode();
        let is_record = |object: &ObjectId| matches!(object, ObjectId::Id(id) if (id.0, &id.1) == made);
        let creates = (u64::from(decoded.start_op), change.actor_id()) == made;
        let written = decoded.operations.iter().filter(|op| is_record(&op.obj));
        let fields: Vec<_> = written
            .filter_map(|op| match (&op.key, &op.action) {
                (Key::Map(key), OpType::Put(value)) => Some((key.to_string(), read::scalar(value))),
                (Key::Map(key), OpType::Delete) => {
                    // To choose the value that is shown already is to delete the others.
                    let left = self.automerge().get_at(object, key.as_str(), &[change.hash()]);
                    let left = left.ok().flatten();
                    let left = left.and_then(|(value, _)| value.as_scalar().and_then(read::scalar));
                    Some((key.to_string(), left))
                }
                (_, _) => None,
            })
            .collect();
        let retracts = |(key, _): &(String, _)| Some(key.as_str()) == self.schema().retracts;
        let kind = if creates {
            TraceKind::Created
        } else if !self.settled_in(change).is_empty() {
            TraceKind::Settled
        } else if fields.iter().any(retracts) {
            TraceKind::Retracted
        } else {
            TraceKind::Amended
        };
        (creates || !fields.is_empty()).then(|| Trace {
            actor: change.actor_id().clone(),
            seq: change.seq(),
            account: change.message().and_then(|message| message.parse().ok()),
            at_ms: change.timestamp(),
            kind,
            fields,
        })
    }
}
