//! The messages of the exchange: what `POST /v1/sync` carries in both directions.
//!
//! Everything is CBOR with integer keys, so that a message grows by new keys alone and an old reader skips what it does
//! not know. `docs/protocol.md` is the authority; the golden bytes in `tests/golden` hold each version to it. How a
//! body is compressed and bounded is in `body`. What the messages *mean* is elsewhere: admission and the replica.

mod body;

pub use body::{
    Body, BodyError, CONTENT_TYPE, decode_request, decode_response, encode_request, encode_response,
};

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

use crate::edit::EditKind;
use crate::ids::{AccountId, DocumentId, Month, RealmId, RecordId, Scope};
use crate::seal::{KeySeed, RecordKey};
use crate::signature::Signature;

/// The version of the exchange that this crate speaks.
pub const VERSION: u32 = 1;
/// The oldest version whose uploads are still taken.
pub const MIN_VERSION: u32 = 1;

/// Limits that both sides keep; a client that honours them is never refused for size.
pub mod limits {
    /// Largest request body as it travels, in bytes.
    pub const REQUEST_BYTES: usize = 512 * 1024;
    /// Largest body after decompression, in bytes.
    pub const INFLATED_BYTES: usize = 2 * 1024 * 1024;
    /// A body may inflate to this many times its size …
    pub const INFLATE_RATIO: usize = 8;
    /// … and every body may inflate to this many bytes, since tiny bodies of repeated text compress well.
    pub const INFLATE_FLOOR: usize = 64 * 1024;
    /// Largest answer that a phone reads, after decompression, in bytes.
    pub const RESPONSE_INFLATED_BYTES: usize = 8 * 1024 * 1024;
    /// Most changes in one batch.
    pub const BATCH_CHANGES: usize = 500;
    /// Largest sum of change sizes in one batch, in bytes.
    pub const BATCH_BYTES: usize = 256 * 1024;
    /// Largest sum of change sizes in one request, in bytes: even if nothing compresses, the body is not too large.
    pub const PUSH_BYTES: usize = 448 * 1024;
    /// Most batches in one request.
    pub const PUSH_BATCHES: usize = 64;
    /// Largest page of items a server sends, in bytes before compression, whatever the phone asks for.
    pub const PAGE_BYTES: usize = 1024 * 1024;
    /// The page size when a phone names none, in bytes before compression.
    pub const DEFAULT_PAGE_BYTES: usize = 128 * 1024;
    /// Most questions about one document each in one request.
    pub const HEAL_DOCUMENTS: usize = 16;
    /// Most questions about scopes in one request.
    pub const HEAL_SCOPES: usize = 4096;
    /// Largest single change chunk, in bytes.
    pub const CHANGE_BYTES: usize = 32 * 1024;
}

/// A random name for one life of a store; a restore renews it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Epoch(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 8]);

/// The token of the exchange: rotates when data moves, tells a copied phone from a lost answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct ExchangeToken(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 8]);

/// The first eight bytes of a sum over documents (see [`crate::digest`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct ShortDigest(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 8]);

/// What a phone sends.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct SyncRequest {
    /// Version of the exchange, [`VERSION`].
    #[n(0)]
    pub v: u32,
    /// The epoch the phone knows; absent in its first exchange.
    #[n(1)]
    pub epoch: Option<Epoch>,
    /// The token of the last answer.
    #[n(2)]
    pub token: Option<ExchangeToken>,
    /// The phone's clock, UTC milliseconds.
    #[n(3)]
    pub device_time_ms: i64,
    /// The cursor of the last applied page; absent at the start.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub cursor: Option<Vec<u8>>,
    /// Only after a last page with nothing pending.
    #[n(5)]
    pub digest: Option<ShortDigest>,
    /// Batches in causal order.
    #[cbor(n(6), skip_if = "Vec::is_empty", default)]
    pub push: Vec<Batch>,
    /// How a digest mismatch is narrowed down.
    #[cbor(n(7), skip_if = "Vec::is_empty", default)]
    pub heal: Vec<HealQuestion>,
    /// What the phone can take.
    #[n(8)]
    pub limits: Option<PageLimits>,
    /// How the phone is, for the health board; sent when it changed.
    #[n(9)]
    pub health: Option<Health>,
}

/// What a phone can take in one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PageLimits {
    /// Bytes of items before compression. At least one item comes, whatever this says.
    #[n(0)]
    pub max_bytes: u32,
}

/// How a phone is. No personal data.
#[derive(Clone, Debug, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Health {
    /// Changes without a receipt after this push.
    #[n(0)]
    pub unsent: u32,
    /// When the oldest of them was made, UTC milliseconds.
    #[n(1)]
    pub oldest_unsent_ms: Option<i64>,
    /// Free bytes on the phone.
    #[n(2)]
    pub free_storage: Option<u64>,
    /// The app's version, at most 32 bytes.
    #[n(3)]
    pub app_version: Option<String>,
}

/// Changes of one document, made by one account on the device that sends them.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Batch {
    /// The document they are for.
    #[n(0)]
    pub document: DocumentId,
    /// Who made them.
    #[n(1)]
    pub account: AccountId,
    /// Change chunks (type 1, uncompressed), in causal order.
    #[n(2)]
    pub changes: Vec<ByteVec>,
    /// Keys of the records that these changes create.
    #[cbor(n(3), skip_if = "Keys::is_empty", default)]
    pub keys: Keys,
    /// Signature algorithm: [`ED25519`].
    #[n(4)]
    pub alg: u8,
    /// Over the batch statement of [`crate::signature`].
    #[n(5)]
    pub signature: Signature,
}

/// The one signature algorithm of version 1.
pub const ED25519: u8 = 1;

/// Keys of new records: derived from a seed that nobody stores, or spelled out.
#[derive(Clone, Debug, PartialEq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Keys {
    /// Every record created in the batch and not listed has the key derived from this seed.
    #[n(0)]
    pub seed: Option<KeySeed>,
    /// Keys that follow from no seed.
    #[cbor(n(1), skip_if = "Vec::is_empty", default)]
    pub listed: Vec<ListedKey>,
}

/// One record's key.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct ListedKey {
    /// The record.
    #[n(0)]
    pub record: RecordId,
    /// What its sealed fields are sealed with.
    #[n(1)]
    pub key: RecordKey,
}

impl Keys {
    /// No keys at all.
    pub fn is_empty(&self) -> bool {
        self.seed.is_none() && self.listed.is_empty()
    }

    /// The key of a record created in this batch.
    pub fn of(&self, record: RecordId) -> Option<RecordKey> {
        let listed = self
            .listed
            .iter()
            .find(|listed| listed.record == record)
            .map(|listed| listed.key.clone());
        listed.or_else(|| self.seed.as_ref().map(|seed| seed.record_key(record)))
    }

    /// What the batch's signature covers in place of the keys themselves, so that it can be verified after they are gone.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(b"langso-keys-1");
        match &self.seed {
            Some(seed) => {
                hash.update([1]);
                hash.update(seed.to_bytes());
            }
            None => hash.update([0]),
        }
        for listed in &self.listed {
            hash.update(listed.record.to_bytes());
            hash.update(listed.key.to_bytes());
        }
        hash.finalize().into()
    }
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct SyncResponse {
    /// Version of the exchange.
    #[n(0)]
    pub v: u32,
    /// The store's epoch.
    #[n(1)]
    pub epoch: EpochInfo,
    /// The server's clock, UTC milliseconds.
    #[n(2)]
    pub server_time_ms: i64,
    /// The next token of the exchange, when it rotates.
    #[n(3)]
    pub token: Option<ExchangeToken>,
    /// One per pushed batch, in order.
    #[cbor(n(4), skip_if = "Vec::is_empty", default)]
    pub receipts: Vec<Receipt>,
    /// One page, to be applied together with `cursor`.
    #[cbor(n(5), skip_if = "Vec::is_empty", default)]
    pub items: Vec<Item>,
    /// Where the next page starts; absent when it is the one that was sent.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub cursor: Option<Vec<u8>>,
    /// The server's digest, when the phone sent one that differs.
    #[n(7)]
    pub digest: Option<ShortDigest>,
    /// Another page waits.
    #[cbor(n(8), skip_if = "is_false", default)]
    pub more: bool,
    /// Answers to `heal`, one per question in order.
    #[cbor(n(9), skip_if = "Vec::is_empty", default)]
    pub heal: Vec<HealAnswer>,
    /// Do not come back earlier than this, in milliseconds.
    #[n(10)]
    pub backoff_ms: Option<u32>,
    /// Oldest and newest version the server takes, when not just `v`.
    #[n(11)]
    pub versions: Option<VersionRange>,
    /// What else the phone must do.
    #[n(12)]
    pub flags: Option<Flags>,
    /// A fresh access token, when the one used is past its half.
    #[n(13)]
    pub access_token: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// Which life of the store this is, and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EpochInfo {
    /// This epoch.
    #[n(0)]
    pub id: Epoch,
    /// The one it was restored from, and the log position at which it branched.
    #[n(1)]
    pub parent: Option<EpochBranch>,
}

/// Where an epoch branched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EpochBranch {
    /// The epoch before.
    #[n(0)]
    pub id: Epoch,
    /// The last log position that both have.
    #[n(1)]
    pub at: u64,
}

/// Oldest and newest version taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VersionRange {
    /// Oldest.
    #[n(0)]
    pub min: u32,
    /// Newest.
    #[n(1)]
    pub max: u32,
}

/// What else a phone must do; all false is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(map)]
pub struct Flags {
    /// Deliver what is pending, then wipe the vault.
    #[cbor(n(0), skip_if = "is_false", default)]
    pub wipe: bool,
    /// Two living copies of this vault were seen.
    #[cbor(n(1), skip_if = "is_false", default)]
    pub copied: bool,
    /// The app should be updated.
    #[cbor(n(2), skip_if = "is_false", default)]
    pub update: bool,
}

/// What became of one batch. Values, not errors: the exchange itself succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Receipt {
    /// Committed and flushed to disk under these log positions.
    #[n(0)]
    Durable {
        /// First position.
        #[n(0)]
        from: u64,
        /// Last position.
        #[n(1)]
        to: u64,
    },
    /// All of it was there already.
    #[n(1)]
    Duplicate {
        /// Lowest position.
        #[n(0)]
        from: u64,
        /// Highest position.
        #[n(1)]
        to: u64,
    },
    /// The batch stands on changes that the server does not have.
    #[n(2)]
    MissingDeps {
        /// At most 64 of them.
        #[cbor(n(0))]
        hashes: Vec<HashBytes>,
    },
    /// The server has other content under the same actor and sequence number: write again under a fresh actor.
    #[n(3)]
    ActorFork {
        /// Whose sequence forked.
        #[cbor(n(0), with = "minicbor::bytes")]
        actor: [u8; 16],
        /// The first sequence number that differs.
        #[n(1)]
        seq: u64,
    },
    /// Kept, but not merged until an official decides.
    #[n(4)]
    Quarantined {
        /// A stable code.
        #[n(0)]
        reason: String,
    },
    /// Not merged.
    #[n(5)]
    Rejected {
        /// A stable code.
        #[n(0)]
        code: String,
        /// Whether the same bytes may succeed later.
        #[n(1)]
        retry: bool,
    },
}

/// A change's hash on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct HashBytes(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

/// One thing that a page brings.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(flat)]
pub enum Item {
    /// Changes of a document, in causal order.
    #[n(0)]
    Tail {
        /// Of which document.
        #[n(0)]
        document: DocumentId,
        /// Change chunks.
        #[n(1)]
        changes: Vec<ByteVec>,
        /// Keys of records created in them, for readers of personal data alone.
        #[n(2)]
        keys: Vec<ListedKey>,
    },
    /// A whole document as it was at a log position.
    #[n(1)]
    Snapshot {
        /// Of which document.
        #[n(0)]
        document: DocumentId,
        /// An automerge document chunk.
        #[n(1)]
        bytes: ByteVec,
        /// Keys of its records, for readers of personal data alone.
        #[n(2)]
        keys: Vec<ListedKey>,
    },
    /// The device may no longer read this scope.
    #[n(2)]
    Gone {
        /// Which.
        #[n(0)]
        scope: Scope,
    },
    /// The key of this record is to be destroyed.
    #[n(3)]
    Erased {
        /// Which.
        #[n(0)]
        record: RecordId,
    },
    /// What became of a quarantined batch of this device.
    #[n(4)]
    Verdict {
        /// Its document.
        #[n(0)]
        document: DocumentId,
        /// Its changes.
        #[n(1)]
        changes: Vec<HashBytes>,
        /// The decision.
        #[n(2)]
        outcome: VerdictOutcome,
    },
    /// What the device may read from now on, and who it is.
    #[n(5)]
    ScopeSet(#[n(0)] ScopeSet),
}

/// How a quarantine ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum VerdictOutcome {
    /// Merged after all.
    #[n(0)]
    Released,
    /// Not merged, and why.
    #[n(1)]
    Discarded {
        /// A stable code.
        #[n(0)]
        reason: String,
    },
}

/// Everything that a device may read and write.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ScopeSet {
    /// The realm.
    #[n(0)]
    pub realm: RealmId,
    /// Scopes whose documents come down, ascending.
    #[n(1)]
    pub read: Vec<Scope>,
    /// Scopes the account may write to, ascending.
    #[n(2)]
    pub write: Vec<Scope>,
    /// The oldest month that comes down.
    #[n(3)]
    pub since: Month,
    /// Whether keys of sealed fields come down.
    #[n(4)]
    pub personal_read: bool,
    /// Scopes in which the account may settle conflicts and nothing else, ascending.
    #[cbor(n(5), skip_if = "Vec::is_empty", default)]
    pub settle: Vec<Scope>,
    /// Scopes in which the account may answer and nothing else, ascending.
    #[cbor(n(6), skip_if = "Vec::is_empty", default)]
    pub answer: Vec<Scope>,
}

impl ScopeSet {
    /// Whether the account may make edits of this kind in documents of a scope.
    pub fn may_edit(&self, scope: &Scope, kind: EditKind) -> bool {
        let in_scopes = |scopes: &[Scope]| scopes.binary_search(scope).is_ok();
        in_scopes(&self.write)
            || match kind {
                EditKind::Settle => in_scopes(&self.settle),
                EditKind::Reply => in_scopes(&self.answer),
                EditKind::Create | EditKind::Amend | EditKind::Retract => false,
            }
    }

    /// Whether documents like this one come down.
    pub fn covers(&self, document: &DocumentId) -> bool {
        document.period().is_none_or(|month| month >= self.since)
            && self.read.binary_search(&document.scope()).is_ok()
    }
}

/// A question that narrows a digest mismatch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum HealQuestion {
    /// The phone's digest of one scope.
    #[n(0)]
    Scope {
        /// Which.
        #[n(0)]
        scope: Scope,
        /// What the phone has.
        #[n(1)]
        digest: ShortDigest,
    },
    /// The phone's heads of one document.
    #[n(1)]
    Heads {
        /// Which.
        #[n(0)]
        document: DocumentId,
        /// Confirmed heads, ascending.
        #[n(1)]
        heads: Vec<HashBytes>,
    },
}

/// What a question was answered.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(flat)]
pub enum HealAnswer {
    /// The server's digest of one scope's documents.
    #[n(0)]
    Documents {
        /// Which scope.
        #[n(0)]
        scope: Scope,
        /// Each document and its digest.
        #[n(1)]
        documents: Vec<DocumentDigest>,
    },
    /// There is no room for it in this answer, or nothing that the device may know: ask again, or leave it.
    #[n(1)]
    NotYet,
    /// The server has the heads that it was asked about; this is what it has besides.
    #[n(2)]
    Missing {
        /// Of which document.
        #[n(0)]
        document: DocumentId,
        /// Change chunks in causal order.
        #[n(1)]
        changes: Vec<ByteVec>,
        /// Keys of its records, for readers of personal data alone.
        #[n(2)]
        keys: Vec<ListedKey>,
    },
    /// The server does not have all of the heads: this is everything that it has.
    #[n(3)]
    Whole {
        /// Of which document.
        #[n(0)]
        document: DocumentId,
        /// An automerge document chunk.
        #[n(1)]
        bytes: ByteVec,
        /// Keys of its records, for readers of personal data alone.
        #[n(2)]
        keys: Vec<ListedKey>,
    },
    /// Both have the same.
    #[n(4)]
    Same,
}

/// One document's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DocumentDigest {
    /// Which.
    #[n(0)]
    pub document: DocumentId,
    /// Over its heads.
    #[n(1)]
    pub digest: ShortDigest,
}
