//! The forge: well-formed change chunks that no edit would make, with a right checksum.
//!
//! Corrupt bytes are caught by a checksum; the danger is the well-made lie. Tests and fuzzing make them here, for the
//! genesis of a document of ours, so that each reaches the rule that it is meant for. Not part of any product: behind
//! the feature `forge`.

use std::collections::BTreeSet;

use automerge::{ObjId, ReadDoc};
use sha2::{Digest, Sha256};

use crate::document::{Document, GENESIS_ACTOR};
use crate::edit::{Author, Edit, EditError};
use crate::ids::{AccountId, RecordId};
use crate::seal::KeySeed;

/// An operation's id: the actor and the counter that made it.
pub type Id = ([u8; 16], u64);

/// What an operation does, in the numbers of the format.
pub mod action {
    /// Makes a map.
    pub const MAKE_MAP: u64 = 0;
    /// Puts a scalar.
    pub const PUT: u64 = 1;
    /// Makes a list, which we never do.
    pub const MAKE_LIST: u64 = 2;
    /// Deletes.
    pub const DELETE: u64 = 3;
    /// Increments a counter, which we never do.
    pub const INCREMENT: u64 = 5;
}

/// One operation.
#[derive(Clone, Debug)]
pub struct Op {
    /// The object that it is about; `None` is the root.
    pub object: Option<Id>,
    /// The key in the object's map.
    pub key: String,
    /// One of [`action`].
    pub action: u64,
    /// Type of the value in the format's numbers, and its bytes.
    pub value: (u64, Vec<u8>),
    /// What it replaces.
    pub preds: Vec<Id>,
}

impl Op {
    /// Makes a map under a key.
    pub fn make_map(object: Option<Id>, key: impl Into<String>) -> Self {
        Self {
            object,
            key: key.into(),
            action: action::MAKE_MAP,
            value: (0, Vec::new()),
            preds: Vec::new(),
        }
    }

    /// Puts text under a key.
    pub fn put_text(object: Option<Id>, key: impl Into<String>, text: &str) -> Self {
        Self {
            action: action::PUT,
            value: (6, text.as_bytes().to_vec()),
            ..Self::make_map(object, key)
        }
    }

    /// Puts bytes under a key.
    pub fn put_bytes(object: Option<Id>, key: impl Into<String>, bytes: &[u8]) -> Self {
        Self {
            action: action::PUT,
            value: (7, bytes.to_vec()),
            ..Self::make_map(object, key)
        }
    }

    /// Puts a whole number under a key.
    pub fn put_int(object: Option<Id>, key: impl Into<String>, n: i64) -> Self {
        let mut bytes = Vec::new();
        signed(&mut bytes, n);
        Self {
            action: action::PUT,
            value: (4, bytes),
            ..Self::make_map(object, key)
        }
    }

    /// Deletes a key.
    pub fn delete(object: Option<Id>, key: impl Into<String>) -> Self {
        Self {
            action: action::DELETE,
            ..Self::make_map(object, key)
        }
    }

    /// The same, replacing these.
    #[must_use]
    pub fn replacing(mut self, preds: impl IntoIterator<Item = Id>) -> Self {
        self.preds.extend(preds);
        self
    }
}

/// A change in the making. Every part may be bent before it is cast into bytes.
#[derive(Clone, Debug)]
pub struct Forged {
    /// What it says it stands on; sorted when it is cast.
    pub deps: Vec<[u8; 32]>,
    /// Whose it says it is.
    pub actor: [u8; 16],
    /// Its number among its actor's changes.
    pub seq: u64,
    /// The counter of its first operation.
    pub start_op: u64,
    /// When it says it was made.
    pub time_ms: i64,
    /// Its message: in ours, the account.
    pub message: String,
    /// Actors that it lists beside those that its operations name.
    pub other_actors: Vec<[u8; 16]>,
    /// Its operations.
    pub ops: Vec<Op>,
    /// Columns to be written in place of what the operations say, by specification.
    pub columns: Vec<(u64, Vec<u8>)>,
}

impl Forged {
    /// An honest frame: the next change of `actor` on top of everything in `document`.
    pub fn on(document: &Document, actor: [u8; 16], account: AccountId, time_ms: i64) -> Self {
        let history = document.history();
        let nodes = history.heads().iter().filter_map(|head| history.node(head));
        let max_op = nodes.map(|node| node.max_op).max().unwrap_or(0);
        let own = automerge::ActorId::from(actor.as_slice());
        Self {
            deps: document.heads().iter().map(|head| head.0).collect(),
            actor,
            seq: history.of_actor(&own).len() as u64 + 1,
            start_op: max_op + 1,
            time_ms,
            message: account.to_string(),
            other_actors: Vec::new(),
            ops: Vec::new(),
            columns: Vec::new(),
        }
    }

    /// With these operations.
    #[must_use]
    pub fn with(mut self, ops: impl IntoIterator<Item = Op>) -> Self {
        self.ops.extend(ops);
        self
    }

    /// The id of its operation at a place.
    pub fn id(&self, place: u64) -> Id {
        (self.actor, self.start_op.wrapping_add(place))
    }

    /// The chunk.
    pub fn cast(&self) -> Vec<u8> {
        let others: BTreeSet<[u8; 16]> = self
            .ops
            .iter()
            .flat_map(|op| op.object.iter().chain(&op.preds))
            .map(|(actor, _)| *actor)
            .chain(self.other_actors.iter().copied())
            .filter(|actor| *actor != self.actor)
            .collect();
        let place = |actor: &[u8; 16]| match others.iter().position(|other| other == actor) {
            Some(at) => at as u64 + 1,
            None => 0,
        };
        let mut body = Vec::new();
        let deps: BTreeSet<&[u8; 32]> = self.deps.iter().collect();
        unsigned(&mut body, deps.len() as u64);
        deps.iter().for_each(|dep| body.extend(*dep));
        block(&mut body, &self.actor);
        unsigned(&mut body, self.seq);
        unsigned(&mut body, self.start_op);
        signed(&mut body, self.time_ms);
        block(&mut body, self.message.as_bytes());
        unsigned(&mut body, others.len() as u64);
        others.iter().for_each(|actor| block(&mut body, actor));
        let mut columns = columns(&self.ops, place);
        for (spec, data) in &self.columns {
            columns.retain(|(each, _)| each != spec);
            columns.push((*spec, data.clone()));
        }
        columns.retain(|(_, data)| !data.is_empty());
        columns.sort_by_key(|(spec, _)| *spec);
        unsigned(&mut body, columns.len() as u64);
        for (spec, data) in &columns {
            unsigned(&mut body, *spec);
            unsigned(&mut body, data.len() as u64);
        }
        columns.iter().for_each(|(_, data)| body.extend(data));
        chunk(1, &body)
    }
}

/// A document chunk of a few hundred bytes, whatever it claims: so many changes of one actor, each on the one before, with
/// so many operations each, all told by run lengths. Every number fits every other, so that only its size gives it away;
/// the head that it names is not its own, which whoever loads it finds out at the end.
pub fn claiming_document(changes: u64, ops: u64) -> Vec<u8> {
    let rows = changes.saturating_mul(ops);
    let same = |value: u64, rows: u64| runs((0..rows).map(|_| Some(value)), unsigned_value);
    let steps = |steps: &mut dyn Iterator<Item = i64>| runs(steps.map(Some), |step, out| signed(out, *step));
    let later = |rows: u64| (0..rows).map(|row| u64::from(row > 0));
    let mut inserts = Vec::new();
    unsigned(&mut inserts, rows);
    let of_changes = [
        (0x01, same(0, changes)),
        (0x03, steps(&mut (0..changes).map(|_| 1))),
        (0x13, steps(&mut (0..changes).map(|_| ops as i64))),
        (0x23, steps(&mut (0..changes).map(|_| 0))),
        (0x40, runs(later(changes).map(Some), unsigned_value)),
        (
            0x43,
            steps(&mut later(changes.saturating_sub(1)).map(|step| step as i64)),
        ),
        (0x56, same(7, changes)),
    ];
    let of_ops = [
        (
            0x15,
            runs((0..rows).map(|_| Some(b"k")), |key, out| block(out, *key)),
        ),
        (0x21, same(0, rows)),
        (0x23, steps(&mut (0..rows).map(|_| 1))),
        (0x34, inserts),
        (0x42, same(action::PUT, rows)),
        (0x56, same(0, rows)),
        (0x80, same(0, rows)),
    ];
    let mut body = vec![1];
    block(&mut body, &[9; 16]);
    body.push(1);
    body.extend([7; 32]);
    for columns in [&of_changes, &of_ops] {
        unsigned(&mut body, columns.len() as u64);
        for (spec, data) in columns {
            unsigned(&mut body, *spec);
            unsigned(&mut body, data.len() as u64);
        }
    }
    for (_, data) in of_changes.iter().chain(&of_ops) {
        body.extend(data);
    }
    unsigned(&mut body, changes.saturating_sub(1));
    chunk(0, &body)
}

/// Frames a body as a chunk of a kind, with a right length and checksum.
pub fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut hashed = vec![kind];
    block(&mut hashed, body);
    let digest = Sha256::digest(&hashed);
    let mut chunk = vec![0x85, 0x6f, 0x4a, 0x83];
    chunk.extend(digest.iter().take(4));
    chunk.extend(hashed);
    chunk
}

/// The part of a chunk after its length; empty if it is none.
pub fn body_of(chunk: &[u8]) -> &[u8] {
    let rest = chunk.get(9..).unwrap_or_default();
    let length = rest.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1;
    rest.get(length..).unwrap_or_default()
}

/// Makes an honest edit in a document that no replica holds; the chunk, or `None` when it says nothing new.
///
/// # Errors
/// What the edit's own checks say.
pub fn edit(
    document: &mut Document,
    edit: &Edit,
    author: &Author,
    seed: &KeySeed,
) -> Result<Option<Vec<u8>>, EditError> {
    let key = seed.record_key(edit.record());
    let write = edit.prepare(document, author, Some(&key))?;
    Ok(document.write(&write, author).map(|written| written.bytes))
}

/// The map of all records.
pub fn records_object() -> Id {
    (*GENESIS_ACTOR, 3)
}

/// The map of a record.
pub fn record_object(document: &Document, record: RecordId) -> Option<Id> {
    id_of(&document.record_object(record)?)
}

/// The operations that a field of a record shows.
pub fn values(document: &Document, record: RecordId, key: &str) -> Vec<Id> {
    let object = document.record_object(record);
    let values = object.and_then(|object| document.automerge().get_all(object, key).ok());
    let ids = values.unwrap_or_default();
    ids.iter().filter_map(|(_, id)| id_of(id)).collect()
}

fn id_of(object: &ObjId) -> Option<Id> {
    match object {
        ObjId::Id(counter, actor, _) => Some((actor.to_bytes().try_into().ok()?, *counter)),
        ObjId::Root => None,
    }
}

/// Every column as the format writes it: runs where values repeat, nothing where all are null.
fn columns(ops: &[Op], place: impl Fn(&[u8; 16]) -> u64) -> Vec<(u64, Vec<u8>)> {
    let number = |of: &dyn Fn(&Op) -> Option<u64>| runs(ops.iter().map(of), unsigned_value);
    let preds: Vec<(u64, i64)> = ops
        .iter()
        .flat_map(|op| {
            let mut preds = op.preds.clone();
            preds.sort_unstable_by_key(|(actor, counter)| (*counter, *actor));
            preds
        })
        .map(|(actor, counter)| (place(&actor), counter as i64))
        .collect();
    let mut last = 0;
    let deltas = preds.iter().map(|(_, counter)| {
        let delta = counter.wrapping_sub(last);
        last = *counter;
        Some(delta)
    });
    let mut inserts = Vec::new();
    unsigned(&mut inserts, ops.len() as u64);
    vec![
        (0x01, number(&|op| op.object.map(|(actor, _)| place(&actor)))),
        (0x02, number(&|op| op.object.map(|(_, counter)| counter))),
        (
            0x15,
            runs(ops.iter().map(|op| Some(op.key.as_bytes())), |key, out| {
                block(out, key)
            }),
        ),
        (0x34, inserts),
        (0x42, number(&|op| Some(op.action))),
        (
            0x56,
            number(&|op| Some((op.value.1.len() as u64) << 4 | op.value.0)),
        ),
        (0x57, ops.iter().flat_map(|op| op.value.1.clone()).collect()),
        (0x70, number(&|op| Some(op.preds.len() as u64))),
        (
            0x71,
            runs(preds.iter().map(|(actor, _)| Some(*actor)), unsigned_value),
        ),
        (0x73, runs(deltas, |delta, out| signed(out, *delta))),
    ]
}

fn runs<T: PartialEq>(rows: impl Iterator<Item = Option<T>>, write: impl Fn(&T, &mut Vec<u8>)) -> Vec<u8> {
    let mut groups: Vec<(Option<T>, u64)> = Vec::new();
    for row in rows {
        match groups.last_mut() {
            Some((value, count)) if *value == row => *count += 1,
            _ => groups.push((row, 1)),
        }
    }
    if groups.iter().all(|(value, _)| value.is_none()) {
        return Vec::new();
    }
    let (mut out, mut literal, mut singles) = (Vec::new(), Vec::new(), 0_i64);
    for (value, count) in groups {
        if let (Some(value), 1) = (&value, count) {
            write(value, &mut literal);
            singles += 1;
            continue;
        }
        flush(&mut out, &mut literal, &mut singles);
        match value {
            Some(value) => {
                signed(&mut out, count as i64);
                write(&value, &mut out);
            }
            None => {
                signed(&mut out, 0);
                unsigned(&mut out, count);
            }
        }
    }
    flush(&mut out, &mut literal, &mut singles);
    out
}

fn flush(out: &mut Vec<u8>, literal: &mut Vec<u8>, singles: &mut i64) {
    if *singles > 0 {
        signed(out, -*singles);
        out.append(literal);
        *singles = 0;
    }
}

fn unsigned_value(value: &u64, out: &mut Vec<u8>) {
    unsigned(out, *value);
}

fn block(out: &mut Vec<u8>, bytes: &[u8]) {
    unsigned(out, bytes.len() as u64);
    out.extend(bytes);
}

fn unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn signed(out: &mut Vec<u8>, mut value: i64) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if (value == 0 && byte & 0x40 == 0) || (value == -1 && byte & 0x40 != 0) {
            out.push(byte);
            return;
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::tests::honest_document;
    use automerge::Change;
    use automerge::legacy::{Key, ObjectId, OpType};

    /// What is forged after an honest change is the honest change.
    #[test]
    fn an_honest_change_can_be_forged_byte_by_byte() {
        for change in honest_document(7, 120).changes() {
            assert_eq!(of(&change).cast(), change.raw_bytes());
        }
    }

    fn of(change: &Change) -> Forged {
        let id = |id: &automerge::legacy::OpId| (id.1.to_bytes().try_into().unwrap(), id.0);
        let ops = change.decode().operations.into_iter().map(|op| {
            let object = match &op.obj {
                ObjectId::Id(object) => Some(id(object)),
                ObjectId::Root => None,
            };
            let Key::Map(key) = &op.key else {
                panic!("no lists")
            };
            let key = key.to_string();
            let forged = match &op.action {
                OpType::Make(_) => Op::make_map(object, key),
                OpType::Delete => Op::delete(object, key),
                OpType::Put(automerge::ScalarValue::Str(text)) => Op::put_text(object, key, text),
                OpType::Put(automerge::ScalarValue::Bytes(bytes)) => Op::put_bytes(object, key, bytes),
                OpType::Put(automerge::ScalarValue::Int(n)) => Op::put_int(object, key, *n),
                other => panic!("{other:?}"),
            };
            forged.replacing(op.pred.iter().map(id))
        });
        Forged {
            deps: change.deps().iter().map(|dep| dep.0).collect(),
            actor: change.actor_id().to_bytes().try_into().unwrap(),
            seq: change.seq(),
            start_op: change.start_op().get(),
            time_ms: change.timestamp(),
            message: change.message().map(str::to_owned).unwrap_or_default(),
            other_actors: Vec::new(),
            ops: ops.collect(),
            columns: Vec::new(),
        }
    }
}
