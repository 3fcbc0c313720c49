//! A document: one automerge document that knows its id, its schema and its history.
//!
//! The same type serves the phone and the server. It offers what both need – make the genesis, load, write one edit,
//! read a record – and leaves out what would let bytes from outside in: that is [`crate::admission`] alone.

pub mod acks;
pub mod board;
pub mod catalogue;
pub mod directory;
pub mod drafts;
pub mod history;
pub mod ledger;
pub(crate) mod rebase;
pub mod remarks;
pub mod schema;
mod settled;
pub mod trail;

pub(crate) mod read;

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{
    ActorId, Automerge, AutomergeError, Change, ChangeHash, LoadOptions, ObjId, ObjType, ROOT, ReadDoc,
};

use crate::edit::{Author, Edit, EditError, Write};
use crate::ids::DocumentId;
use crate::preflight::{DocumentLimits, preflight_document};
use crate::seal::RecordKey;
use history::{History, Node};
use schema::Schema;

/// The actor of every genesis: sixteen bytes that no phone may use.
pub const GENESIS_ACTOR: &[u8; 16] = b"langso-genesis-1";
/// The version of the schema that a genesis states.
pub const SCHEMA_VERSION: i64 = 1;

const ID_KEY: &str = "id";
const VERSION_KEY: &str = "v";
const RECORDS_KEY: &str = "records";

/// A stored document that cannot be used. It is rebuilt from the changes it was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DamagedDocument {
    /// automerge cannot load the bytes.
    #[error("the document does not load")]
    Unreadable,
    /// The bytes are a document, but another one.
    #[error("the document is not the one that its id names")]
    Foreign,
}

/// One automerge document of Làng Số.
#[derive(Clone, Debug)]
pub struct Document {
    id: DocumentId,
    doc: Automerge,
    records: ObjId,
    history: History,
}

/// A change that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its hash.
    pub hash: ChangeHash,
    /// The chunk.
    pub bytes: Vec<u8>,
}

impl Document {
    /// The document before anybody wrote to it. It follows from `id` alone, so that two phones which begin a month
    /// apart from each other begin the same document – and holds the id, so that no change of one fits another.
    pub fn new(id: DocumentId) -> Self {
        let mut doc = Automerge::new().with_actor(ActorId::from(GENESIS_ACTOR.as_slice()));
        let mut tx = doc.transaction();
        let written = tx
            .put(ROOT, ID_KEY, id.to_string())
            .and_then(|()| tx.put(ROOT, VERSION_KEY, SCHEMA_VERSION))
            .and_then(|()| tx.put_object(ROOT, RECORDS_KEY, ObjType::Map));
        tx.commit_with(CommitOptions::default().with_time(0));
        // Writing under fresh keys of the root of a fresh document has no way to fail.
        let records = written.unwrap_or(ROOT);
        let history = History::of(&doc);
        Self {
            id,
            doc,
            records,
            history,
        }
    }

    /// The hash of the genesis of `id`.
    pub fn genesis_hash(id: DocumentId) -> ChangeHash {
        Self::new(id)
            .doc
            .get_heads()
            .first()
            .copied()
            .unwrap_or(ChangeHash([0; 32]))
    }

    /// Loads what [`Document::save`] gave and what was kept where nobody else writes. What crossed a network is for
    /// [`Document::receive`].
    ///
    /// # Errors
    /// [`DamagedDocument`] when the bytes are no automerge document or that of another id.
    pub fn load(id: DocumentId, bytes: &[u8]) -> Result<Self, DamagedDocument> {
        Self::load_within(id, bytes, &DocumentLimits::STORED)
    }

    pub(crate) fn load_within(
        id: DocumentId,
        bytes: &[u8],
        limits: &DocumentLimits,
    ) -> Result<Self, DamagedDocument> {
        let outline = preflight_document(bytes, limits).map_err(|_| DamagedDocument::Unreadable)?;
        let doc = catch_unwind(AssertUnwindSafe(|| {
            Automerge::load_with_options(bytes, LoadOptions::new())
        }))
        .map_err(|_| DamagedDocument::Unreadable)?
        .map_err(|_| DamagedDocument::Unreadable)?;
        let history = History::of(&doc);
        let genesis = Self::new(id);
        if !genesis.history.heads().iter().all(|hash| history.contains(hash)) {
            return Err(DamagedDocument::Foreign);
        }
        // Counters that ran ahead of the operations would leave none for whoever writes next.
        let max_op = |head| history.node(head).map_or(0, |node| node.max_op);
        if history
            .heads()
            .iter()
            .map(max_op)
            .any(|max_op| max_op > outline.max_op)
        {
            return Err(DamagedDocument::Unreadable);
        }
        Ok(Self {
            id,
            doc,
            records: genesis.records,
            history,
        })
    }

    /// Which document it is.
    pub fn id(&self) -> DocumentId {
        self.id
    }

    /// The fields of its records.
    pub fn schema(&self) -> &'static Schema {
        Schema::of(self.id.class())
    }

    /// Its changes.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Its heads, ascending.
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.history.heads().iter().copied().collect()
    }

    /// The whole document in automerge's format, history included.
    pub fn save(&self) -> Vec<u8> {
        self.doc.save()
    }

    /// The same for phones; `None` when it is larger, or denser, than [`Document::receive`] looks at.
    pub fn save_for_phones(&self) -> Option<Vec<u8>> {
        let bytes = self.save();
        preflight_document(&bytes, &DocumentLimits::RECEIVED).ok()?;
        Some(bytes)
    }

    /// Every change but the genesis, in causal order.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes = self.doc.get_changes(&[]);
        changes.retain(|change| change.actor_id().to_bytes() != GENESIS_ACTOR);
        changes
    }

    /// Every change but the genesis that `heads` do not cover, in causal order; `None` when one of them is not here.
    pub fn changes_since(&self, heads: &[ChangeHash]) -> Option<Vec<Change>> {
        // automerge would take an unknown head for none at all.
        if !heads.iter().all(|head| self.history.contains(head)) {
            return None;
        }
        let mut changes = self.doc.get_changes(heads);
        changes.retain(|change| change.actor_id().to_bytes() != GENESIS_ACTOR);
        Some(changes)
    }

    /// The change that an edit of `author` makes of this document, which stays as it is; `None` when it says nothing new.
    ///
    /// # Errors
    /// [`crate::edit::EditError`].
    pub fn written(
        &self,
        edit: &Edit,
        author: &Author,
        key: Option<&RecordKey>,
    ) -> Result<Option<Written>, EditError> {
        let write = edit.prepare(self, author, key)?;
        Ok(self.clone().write(&write, author))
    }

    /// Writes one edit as one change of `author`; `None` when it says what the document already says.
    ///
    /// The caller has already checked the edit ([`crate::edit::Edit::prepare`]).
    pub(crate) fn write(&mut self, write: &Write, author: &Author) -> Option<Written> {
        self.commit(&author.actor, author.commit_options(), |tx, records| {
            put(tx, records, write)
        })
    }

    /// What `put` writes, as one change of `actor`; `None` when nothing is new.
    fn commit(
        &mut self,
        actor: &ActorId,
        options: CommitOptions,
        put: impl FnOnce(&mut Transaction<'_>, &ObjId) -> Result<(), AutomergeError>,
    ) -> Option<Written> {
        self.doc.set_actor(actor.clone());
        let mut tx = self.doc.transaction();
        // No error is possible here: the objects exist and are maps.
        if put(&mut tx, &self.records).is_err() {
            tx.rollback();
            return None;
        }
        let hash = tx.commit_with(options).0?;
        let change = self.doc.get_change_by_hash(&hash)?;
        self.history.push(
            hash,
            Node {
                actor: actor.clone(),
                seq: change.seq(),
                max_op: change.max_op(),
                deps: change.deps().to_vec(),
                account: change.message().and_then(|message| message.parse().ok()),
                time_ms: change.timestamp(),
            },
        );
        Some(Written {
            hash,
            bytes: change.raw_bytes().to_vec(),
        })
    }

    /// The automerge document, for admission and projection.
    pub(crate) fn automerge(&self) -> &Automerge {
        &self.doc
    }

    /// The map that holds the records.
    pub(crate) fn records_object(&self) -> &ObjId {
        &self.records
    }

    /// Goes on with what admission made of a clone.
    pub(crate) fn go_on_with(&mut self, doc: Automerge, new: impl IntoIterator<Item = (ChangeHash, Node)>) {
        self.doc = doc;
        for (hash, node) in new {
            self.history.push(hash, node);
        }
    }
}

fn put(tx: &mut Transaction<'_>, records: &ObjId, write: &Write) -> Result<(), AutomergeError> {
    let record = write.record.to_string();
    let map = if write.create {
        tx.put_object(records, record, ObjType::Map)?
    } else {
        tx.get(records, record)?
            .map_or_else(|| records.clone(), |(_, map)| map)
    };
    for (key, value) in &write.puts {
        tx.put(&map, &**key, value.to_automerge())?;
    }
    for key in &write.clears {
        tx.delete(&map, *key)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::tests::honest_document;

    /// automerge gives everything to who names a head that it does not have.
    #[test]
    fn what_came_since_an_unknown_head_is_not_known() {
        let document = honest_document(3, 40);
        let (known, unknown) = (document.heads(), ChangeHash([7; 32]));
        assert_eq!(document.changes_since(&[unknown]).map(drop), None);
        let with_one_unknown: Vec<ChangeHash> = known.iter().copied().chain([unknown]).collect();
        assert_eq!(document.changes_since(&with_one_unknown).map(drop), None);
        assert_eq!(document.changes_since(&known), Some(Vec::new()));
        // Everything but the genesis, which every replica makes for itself.
        let genesis = Document::genesis_hash(document.id());
        let all = document.changes_since(&[genesis]).unwrap();
        assert_eq!(all.len(), document.history().len() - 1);
        assert_eq!(all, document.changes());
    }
}
