//! Admission: what may enter a document from outside, decided step by step, cheapest first.
//!
//! `apply_changes` of automerge is not safe on bytes from outside: well-formed lies panic, hang, exhaust memory, or leave
//! a document that never loads again, here or on another phone. So each change goes through pure steps – preflight
//! without automerge, sequence, profile, shadow apply – and what comes out is a
//! [`Plan`]: the document as it would be, and what is new in it. Nothing is changed until a plan is adopted.
//!
//! Not here: who sends (signatures and devices are checked before), and storing.

mod profile;
mod sequence;
mod shadow;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{ActorId, Automerge, ChangeHash};

use crate::document::history::Node;
use crate::document::{DamagedDocument, Document};
use crate::edit::EditKind;
use crate::ids::{AccountId, DeviceId, DocumentId, RecordId};
use crate::preflight::{DocumentLimits, PreflightError};
use crate::projection::{RowChange, rows_of};
use crate::signature::{RecordStatement, Signature};

/// Most heads that a document may have on a server: the next honest commit names each of them, and those that its own
/// phone has besides.
pub const DOCUMENT_HEADS: usize = 64;
/// Most heads that one device adds to a document.
pub const DEVICE_HEADS: usize = 2;
/// Most changes that one device makes in one document, which is one month: a hundred times what a busy team does.
pub const DEVICE_CHANGES: usize = 20_000;
/// Most actors that one device uses in one document: one for each time that its app was started and wrote.
pub const DEVICE_ACTORS: usize = 4_096;

/// Where the bytes come from, which says how far they are believed.
#[derive(Clone, Copy)]
pub enum Gate<'a> {
    /// From a device: every step.
    Device {
        /// Whose edits they claim to be; the batch is signed for this account.
        account: AccountId,
        /// The device that signed.
        device: DeviceId,
        /// What they may do.
        authority: &'a dyn Authority,
    },
    /// From the log, directly or through the server: admitted once, so authority and schema are settled. What would
    /// harm the document is still kept out, for a disk may rot and a server may be somebody else's.
    Log,
}

impl std::fmt::Debug for Gate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Gate::Device { account, device, .. } => f
                .debug_struct("Device")
                .field("account", account)
                .field("device", device)
                .finish_non_exhaustive(),
            Gate::Log => f.write_str("Log"),
        }
    }
}

/// What admission asks about the sender.
pub trait Authority {
    /// The device that an actor belongs to, if it has written before.
    fn owner(&self, actor: &ActorId) -> Option<DeviceId>;
    /// Whether the account may make an edit of this kind in this document, as of its date (UTC milliseconds).
    fn may(&self, kind: EditKind, at_ms: i64) -> bool;
    /// Whether the device signed this record. Without a word about it, no.
    fn signed(&self, statement: &RecordStatement<'_>, signature: &Signature) -> bool {
        let _ = (statement, signature);
        false
    }
}

/// Why a batch is not merged. Codes are stable; nothing of the content is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It stands on changes that are not here.
    #[error("{} changes are missing", .0.len())]
    MissingDeps(Vec<ChangeHash>),
    /// Another content stands under the same actor and sequence number.
    #[error("actor {actor} forked at {seq}")]
    ActorFork {
        /// Whose sequence.
        actor: ActorId,
        /// Where.
        seq: u64,
    },
    /// Well made, but not to be merged without a person's decision.
    #[error("quarantined: {0}")]
    Quarantined(&'static str),
    /// Not something that this software makes.
    #[error("rejected: {0}")]
    Rejected(&'static str),
}

impl From<PreflightError> for Refusal {
    fn from(error: PreflightError) -> Self {
        Refusal::Rejected(error.code())
    }
}

/// What admission found.
#[derive(Debug)]
pub enum Admission {
    /// Every change is here already.
    Duplicate,
    /// Something is new.
    Plan(Box<Plan>),
}

/// A document as it would be, and what is new in it.
#[derive(Debug)]
pub struct Plan {
    /// The heads it was made for, ascending.
    pub before: Vec<ChangeHash>,
    /// The heads afterwards, ascending.
    pub after: Vec<ChangeHash>,
    /// The changes that are new, in the order in which they came.
    pub new: Vec<NewChange>,
    doc: Automerge,
    touched: BTreeSet<RecordId>,
}

/// One change that is new to a document.
#[derive(Clone, Debug)]
pub struct NewChange {
    /// Its hash.
    pub hash: ChangeHash,
    /// Its place in the history.
    pub node: Node,
    /// Its place among the chunks that came.
    pub index: usize,
    /// The record that it creates, if it creates one.
    pub creates: Option<RecordId>,
    /// Whether it writes where its author saw several different values: [`Document::settled_by`] tells what became of
    /// them.
    pub settles: bool,
}

/// One step of admission, for whoever measures it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading the chunks without automerge.
    Preflight,
    /// Sequence numbers, dependencies, counters.
    Sequence,
    /// Handing the chunks to automerge.
    Parse,
    /// Recognising the edits.
    Profile,
    /// Trying the batch on a clone.
    Apply,
}

/// Judges `chunks`, in the order in which they came, against `document`.
///
/// # Errors
/// [`Refusal`]: all or nothing, no change of a refused batch is in any plan.
pub fn admit(document: &Document, chunks: &[&[u8]], gate: Gate<'_>) -> Result<Admission, Refusal> {
    admit_watched(document, chunks, gate, &mut |_| ())
}

/// The same, telling `passed` of each stage as it ends; a stage that refuses is not told.
///
/// # Errors
/// [`Refusal`], as of [`admit`].
pub fn admit_watched(
    document: &Document,
    chunks: &[&[u8]],
    gate: Gate<'_>,
    passed: &mut dyn FnMut(Stage),
) -> Result<Admission, Refusal> {
    // Every step is meant not to panic. This is for the day on which one does: it costs a batch, not the server.
    catch_unwind(AssertUnwindSafe(|| admit_guarded(document, chunks, gate, passed)))
        .unwrap_or(Err(Refusal::Rejected(PANICKED)))
}

/// The code of a refusal by the guard itself: a bug, and never a verdict on what came.
pub const PANICKED: &str = "admission_panicked";

fn admit_guarded(
    document: &Document,
    chunks: &[&[u8]],
    gate: Gate<'_>,
    passed: &mut dyn FnMut(Stage),
) -> Result<Admission, Refusal> {
    let headers = sequence::read(chunks)?;
    passed(Stage::Preflight);
    let steps = sequence::check(document.history(), chunks, headers, gate)?;
    sequence::check_room(document.history(), &steps, gate)?;
    passed(Stage::Sequence);
    if steps.is_empty() {
        return Ok(Admission::Duplicate);
    }
    let changes = shadow::parse(&steps)?;
    passed(Stage::Parse);
    let done = profile::check(document, &steps, &changes, gate)?;
    passed(Stage::Profile);
    let after = sequence::heads_after(document.history(), &steps, gate)?;
    let shadow = shadow::apply(document, &steps, changes, &after)?;
    passed(Stage::Apply);
    let new = steps
        .into_iter()
        .zip(done)
        .map(|(step, does)| NewChange {
            hash: step.hash,
            index: step.index,
            node: step.node,
            creates: does.creates,
            settles: does.settles,
        })
        .collect();
    let plan = Plan {
        before: document.heads(),
        after,
        new,
        doc: shadow.doc,
        touched: shadow.touched,
    };
    Ok(Admission::Plan(Box::new(plan)))
}

/// So many changes of a snapshot are judged at a time.
const SNAPSHOT_CHANGES: usize = 512;

impl Document {
    /// Reads a snapshot that crossed a network: loaded it tells its changes, and these are judged one by one like any
    /// others, so that a server can do no more with a snapshot than with a tail.
    ///
    /// # Errors
    /// [`DamagedDocument`] when it does not load, or holds what admission would not let in.
    pub fn receive(id: DocumentId, bytes: &[u8]) -> Result<Self, DamagedDocument> {
        let loaded = Document::load_within(id, bytes, &DocumentLimits::RECEIVED)?;
        let changes =
            catch_unwind(AssertUnwindSafe(|| loaded.changes())).map_err(|_| DamagedDocument::Unreadable)?;
        let chunks: Vec<&[u8]> = changes.iter().map(|change| change.raw_bytes()).collect();
        let mut document = Document::new(id);
        for slice in chunks.chunks(SNAPSHOT_CHANGES) {
            match admit(&document, slice, Gate::Log) {
                Ok(Admission::Plan(plan)) => drop(document.adopt(*plan)),
                Ok(Admission::Duplicate) => {}
                Err(_) => return Err(DamagedDocument::Unreadable),
            }
        }
        if document.heads() == loaded.heads() {
            Ok(document)
        } else {
            Err(DamagedDocument::Unreadable)
        }
    }

    /// Becomes what the plan made of it, and tells which rows follow.
    ///
    /// The plan must have been made for this very state.
    pub fn adopt(&mut self, plan: Plan) -> Vec<RowChange> {
        debug_assert_eq!(
            plan.before,
            self.heads(),
            "a plan is adopted by the state that it was made for"
        );
        self.go_on_with(plan.doc, plan.new.into_iter().map(|new| (new.hash, new.node)));
        rows_of(self, plan.touched)
    }
}

#[cfg(test)]
pub(crate) mod tests;
