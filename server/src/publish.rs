//! Publishing: what the tables say of units, people and the catalogue becomes records of documents, which every phone
//! holds that may know of them – in the very transaction that changes the tables.
//!
//! The tables are primary. Whoever changes one leaves a note of it ([`V11`](../../migrations/sqlite/V11__publication.sql)),
//! and the writer asks for [`Publisher::publish`] before it commits: the note is compared with the document, and what the
//! document does not say yet is written by the server's own device, through the same admission as everybody's changes.
//! Records are never changed: what says something else is another record ([`sync_core::directory`]).
//!
//! Not here: commands beside a running server do the same on their own; the server takes that in when it sees that
//! authority has moved ([`crate::exchange::Exchange::catch_up`]).

mod wanted;

use rusqlite::Transaction;
use sync_core::admission::{Admission, Authority, Gate, Refusal, admit};
use sync_core::document::Document;
use sync_core::edit::{Author, Edit, EditError, EditKind, Publication};
use sync_core::ids::{AccountId, ActorId, Class, DeviceId, DocumentId, RealmId, UnitId};
use sync_core::protocol::{ED25519, Keys};
use sync_core::signature::{BatchStatement, DeviceKey};

use crate::clock::{Clock, random};
use crate::documents::Loaded;
use crate::log::{self, Advance, Append, AppendChange, AppendError, ReplayError};
use crate::policy::Access;
use crate::realm::{self, RealmError};
use crate::replica::ServerReplica;

/// Most changes of one entry.
const ENTRY_CHANGES: usize = 256;

/// Why something was not published. The note stays, and the next transaction tries again.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The realm's tables.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// A document does not load.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A row that no document would take.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// Admission refused what the server made: a bug.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The log did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// The server's own device, as far as it publishes.
#[derive(Debug)]
pub struct Publisher {
    key: DeviceKey,
    clock: Clock,
}

impl Publisher {
    /// Publishes under the realm's key.
    pub fn new(key: DeviceKey, clock: Clock) -> Self {
        Self { key, clock }
    }

    /// Publishes everything of which there is a note. Tells what that did to documents.
    ///
    /// # Errors
    /// [`PublishError`]; the caller takes back what was done.
    pub fn publish(&self, tx: &Transaction<'_>) -> Result<Vec<Advance>, PublishError> {
        let due = wanted::due(tx)?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let (realm, now_ms) = (realm::info(tx)?.id, self.clock.now_ms());
        let mut advances = Vec::new();
        for (class, unit) in due {
            let units = match class {
                Class::Catalogue => wanted::roots(tx, now_ms)?,
                Class::Ledger
                | Class::Acks
                | Class::Drafts
                | Class::Board
                | Class::Remarks
                | Class::Directory => vec![unit],
            };
            for unit in units {
                advances.extend(self.bring_up(tx, realm, (class, unit), now_ms)?);
            }
        }
        tx.execute("DELETE FROM unpublished", [])?;
        Ok(advances)
    }

    /// Writes what a document does not say yet.
    fn bring_up(
        &self,
        tx: &Transaction<'_>,
        realm: RealmId,
        (class, unit): (Class, UnitId),
        now_ms: i64,
    ) -> Result<Vec<Advance>, PublishError> {
        let Some(id) = DocumentId::new(class, unit, None) else {
            return Ok(Vec::new());
        };
        let mut document = Loaded::load(tx, id)?.document;
        let publications = wanted::missing(tx, &document, now_ms)?;
        let author = Author {
            // No person: the account that bears the realm's id, as the device does.
            account: AccountId::from_bytes(realm.to_bytes()),
            device: ServerReplica::device(realm),
            actor: ActorId::from(random::<16>().as_slice()),
            now_ms,
            device_now_ms: now_ms,
            key: self.key.clone(),
        };
        let entries = publications.chunks(ENTRY_CHANGES);
        entries
            .map(|publications| write(tx, realm, &author, &mut document, publications))
            .collect()
    }
}

/// One entry of the log.
fn write(
    tx: &Transaction<'_>,
    realm: RealmId,
    author: &Author,
    document: &mut Document,
    publications: &[Publication],
) -> Result<Advance, PublishError> {
    let (id, before) = (document.id(), document.heads());
    let authority = Own(author);
    let mut changes = Vec::new();
    for publication in publications {
        let edit = Edit::Publish(Box::new(publication.clone()));
        let Some(written) = document.written(&edit, author, None)? else {
            continue;
        };
        let gate = Gate::Device {
            account: author.account,
            device: author.device,
            authority: &authority,
        };
        let Admission::Plan(plan) = admit(document, &[&written.bytes], gate)? else {
            continue;
        };
        changes.extend(plan.new.iter().map(|new| AppendChange {
            hash: new.hash,
            actor: new.node.actor.clone(),
            seq: new.node.seq,
            bytes: written.bytes.clone(),
            key: None,
        }));
        document.adopt(*plan);
    }
    let hashes: Vec<[u8; 32]> = changes.iter().map(|change| change.hash.0).collect();
    let keys_digest = Keys {
        seed: None,
        listed: Vec::new(),
    }
    .digest();
    let statement = BatchStatement {
        realm,
        device: author.device,
        account: author.account,
        document: id,
        changes: &hashes,
        keys_digest,
    };
    let permit = Access::of_server(realm, id.scope()).write(id.scope());
    let appended = log::append(
        tx,
        &Append {
            permit: permit.ok_or(AppendError::Permit)?,
            document: id,
            device: author.device,
            account: author.account,
            received_at: author.now_ms,
            alg: ED25519,
            signature: statement.sign(&author.key),
            keys_digest,
            known: Vec::new(),
            before,
            after: document.heads(),
            changes,
        },
    )?;
    Ok(appended.advance)
}

/// What admission may ask about the server's own device: it makes records of these classes, and nothing else.
struct Own<'a>(&'a Author);

impl Authority for Own<'_> {
    fn owner(&self, actor: &ActorId) -> Option<DeviceId> {
        (*actor == self.0.actor).then_some(self.0.device)
    }

    fn may(&self, kind: EditKind, _at_ms: i64) -> bool {
        kind == EditKind::Create
    }
}
