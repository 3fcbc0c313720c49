//! Rebasing: the same edits once more, on other confirmed changes and under another actor.
//!
//! A phone rebases when the server refused a change or knows another content under its actor. Each edit that is kept is
//! written again *on what its author saw*, not on what is here now: a value that somebody set meanwhile stays in
//! conflict with it, and is not silently overwritten.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use automerge::legacy::{Key, OpType};
use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{ActorId, Automerge, AutomergeError, Change, ChangeHash, ObjType, ReadDoc, ScalarValue};

use super::{Document, Written};
use crate::admission::{Admission, Gate, admit};
use crate::ids::RecordId;

/// What a change says, apart from who says it on which past.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Saying {
    pub(crate) record: RecordId,
    /// Whether it makes the record.
    pub(crate) creates: bool,
    /// Each field that it touches, with what the field said right after it; `None`: nothing.
    pub(crate) fields: BTreeMap<String, Option<ScalarValue>>,
    /// Whose edit it is, as the commit's message tells it.
    message: Option<String>,
    time_ms: i64,
}

/// What became of an edit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rebased {
    /// It was written again.
    Again(Written),
    /// Everything that it says is said already.
    Said,
    /// The record that it is about is not there, or is there already.
    Homeless,
}

/// A rebase under way.
pub(crate) struct Rebase<'a> {
    old: &'a Document,
    /// The confirmed changes, by their place in causal order.
    confirmed: Vec<Change>,
    places: BTreeMap<ChangeHash, usize>,
    /// Of the old document: ancestors of what was written again so far.
    seen: BTreeSet<ChangeHash>,
    /// What the author of the next edit sees.
    past: Document,
    actor: ActorId,
}

impl Document {
    /// What one of its changes says about `record`.
    pub(crate) fn saying(&self, hash: &ChangeHash, record: RecordId) -> Option<Saying> {
        let doc = self.automerge();
        let change = doc.get_change_by_hash(hash)?.decode();
        let creates = change
            .operations
            .iter()
            .any(|op| matches!(op.action, OpType::Make(_)));
        let at = [*hash];
        let (_, map) = doc
            .get_at(self.records_object(), record.to_string(), &at)
            .ok()??;
        let keys = change
            .operations
            .iter()
            .filter_map(|op| match (&op.action, &op.key) {
                (OpType::Make(_), _) | (_, Key::Seq(_)) => None,
                (_, Key::Map(key)) => Some(key.to_string()),
            });
        let fields = keys.map(|key| {
            let value = doc.get_at(&map, key.as_str(), &at).ok().flatten();
            let value = value.and_then(|(value, _)| value.as_scalar().cloned());
            (key, value)
        });
        Some(Saying {
            record,
            creates,
            fields: fields.collect(),
            message: change.message.clone(),
            time_ms: change.time,
        })
    }

    /// Writes what a change says as one change of `actor`, on everything that is here.
    pub(crate) fn say(&mut self, saying: &Saying, actor: &ActorId) -> Rebased {
        if saying.creates == self.has_record(saying.record) {
            return Rebased::Homeless;
        }
        let record = saying.record.to_string();
        let written = self.commit(actor, commit_options(saying), |tx, records| {
            let map = if saying.creates {
                tx.put_object(records, record, ObjType::Map)?
            } else {
                tx.get(records, record)?
                    .map_or_else(|| records.clone(), |(_, map)| map)
            };
            saying
                .fields
                .iter()
                .try_for_each(|(key, value)| put(tx, &map, key, value.as_ref()))
        });
        written.map_or(Rebased::Said, Rebased::Again)
    }
}

fn put(
    tx: &mut Transaction<'_>,
    map: &automerge::ObjId,
    key: &str,
    value: Option<&ScalarValue>,
) -> Result<(), AutomergeError> {
    match value {
        Some(value) => tx.put(map, key, value.clone()),
        None => tx.delete(map, key),
    }
}

fn commit_options(saying: &Saying) -> CommitOptions {
    let options = CommitOptions::default().with_time(saying.time_ms);
    match &saying.message {
        Some(message) => options.with_message(message.clone()),
        None => options,
    }
}

impl<'a> Rebase<'a> {
    /// Begins to write changes of `old` again, on the changes that `confirmed` holds, as `actor`.
    pub(crate) fn new(old: &'a Document, confirmed: Vec<Change>, actor: ActorId) -> Self {
        let places = confirmed
            .iter()
            .enumerate()
            .map(|(place, change)| (change.hash(), place))
            .collect();
        Self {
            old,
            confirmed,
            places,
            seen: BTreeSet::new(),
            past: Document::new(old.id()),
            actor,
        }
    }

    /// Writes one change again. To be called in the order in which they were made.
    pub(crate) fn again(&mut self, hash: &ChangeHash, record: RecordId) -> Rebased {
        let (Some(node), Some(saying)) = (self.old.history().node(hash), self.old.saying(hash, record))
        else {
            return Rebased::Homeless;
        };
        let deps = node.deps.clone();
        self.see(&deps);
        self.past.say(&saying, &self.actor)
    }

    /// The document with every confirmed change and everything that was written again.
    pub(crate) fn finish(mut self) -> Document {
        let rest: BTreeSet<usize> = self.places.values().copied().collect();
        self.take(rest);
        self.past
    }

    /// Takes the confirmed ancestors of `deps` into the past.
    fn see(&mut self, deps: &[ChangeHash]) {
        let (mut open, mut needed) = (deps.to_vec(), BTreeSet::new());
        while let Some(hash) = open.pop() {
            if !self.seen.insert(hash) {
                continue;
            }
            needed.extend(self.places.get(&hash));
            if let Some(node) = self.old.history().node(&hash) {
                open.extend(&node.deps);
            }
        }
        self.take(needed);
    }

    fn take(&mut self, places: BTreeSet<usize>) {
        let chunks: Vec<Cow<'_, [u8]>> = places
            .iter()
            .filter_map(|place| self.confirmed.get(*place))
            .map(|change| Cow::Borrowed(change.raw_bytes()))
            .collect();
        let chunks: Vec<&[u8]> = chunks.iter().map(AsRef::as_ref).collect();
        // They were admitted before: what is refused here is missing in the digest, and comes again.
        if let Ok(Admission::Plan(plan)) = admit(&self.past, &chunks, Gate::Log) {
            self.past.adopt(*plan);
        }
    }
}

impl std::fmt::Debug for Rebase<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rebase")
            .field("confirmed", &self.confirmed.len())
            .finish_non_exhaustive()
    }
}

/// The changes of a document without some of them, in causal order.
pub(crate) fn changes_without(document: &Document, left_out: &BTreeSet<ChangeHash>) -> Vec<Change> {
    let mut changes = document.changes();
    changes.retain(|change| !left_out.contains(&change.hash()));
    changes
}

/// Whether automerge knows a change, for callers that have no history at hand.
pub(crate) fn chunk_of(doc: &Automerge, hash: &ChangeHash) -> Option<Vec<u8>> {
    doc.get_change_by_hash(hash)
        .map(|change| change.raw_bytes().to_vec())
}
