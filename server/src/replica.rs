//! The server's own replica: what somebody does through the server – issues, remarks, settles a conflict – is an edit like
//! any other, signed with the server's key, with the account named, and goes the one way in.
//!
//! It is the device that bears the realm's id. It writes one edit at a time, so that no sequence of its actors forks; what
//! it made is a change beside those that arrive meanwhile, and merges with them.

use std::collections::HashMap;
use std::sync::Arc;

use minicbor::bytes::ByteVec;
use rusqlite::{Connection, OptionalExtension};
use sync_core::edit::{Author, Edit, EditError, Place};
use sync_core::ids::{AccountId, ActorId, DeviceId, DocumentId, Month, RealmId, RecordId};
use sync_core::protocol::{Batch, ED25519, Keys, Receipt};
use sync_core::seal::KeySeed;
use sync_core::signature::{BatchStatement, DeviceKey};
use tokio::sync::Mutex;

use crate::clock::random;
use crate::documents::Loaded;
use crate::exchange::{Exchange, ExchangeError};
use crate::ingest::Sender;
use crate::log::{self, ReplayError};
use crate::policy::Access;
use crate::realm::RealmError;
use crate::records;
use crate::seen::Seen;

/// Why an edit was not made. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ServerEditError {
    /// The edit itself.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// There is no such record, or the account may not do this with it.
    #[error("there is nothing that this account may change so")]
    NotPermitted,
    /// This field says something else than what its author saw.
    #[error("{0} has changed meanwhile")]
    Changed(String),
    /// It says what the document already says.
    #[error("it says nothing new")]
    NothingNew,
    /// What it is to amend, replace or withdraw has ended by this one.
    #[error("it is about a version that ended by {0}")]
    Ended(RecordId),
    /// The draft was issued before, as this one.
    #[error("the draft was issued as {0}")]
    Issued(RecordId),
    /// Come back later.
    #[error("the server is busy")]
    Busy,
    /// Something failed here, or admission refused what the server made: a bug.
    #[error("{0}")]
    Internal(String),
}

impl From<rusqlite::Error> for ServerEditError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<RealmError> for ServerEditError {
    fn from(error: RealmError) -> Self {
        Self::Internal(error.to_string())
    }
}

/// The server as a device.
#[derive(Debug)]
pub struct ServerReplica {
    realm: RealmId,
    key: DeviceKey,
    /// One actor a document and process. Held while an edit is made.
    actors: Mutex<HashMap<DocumentId, ActorId>>,
}

impl ServerReplica {
    /// The replica of a realm.
    pub fn new(realm: RealmId, key: DeviceKey) -> Self {
        Self {
            realm,
            key,
            actors: Mutex::default(),
        }
    }

    /// The device that it is.
    pub fn device(realm: RealmId) -> DeviceId {
        DeviceId::from_bytes(realm.to_bytes())
    }

    /// Makes one edit for an account, if what it was decided on is still so. When it returns, the edit is on disk.
    ///
    /// # Errors
    /// [`ServerEditError`]; nothing was changed.
    pub async fn edit(
        &self,
        exchange: &Exchange,
        account: AccountId,
        access: Access,
        (edit, seen): (&Edit, &Seen),
        now_ms: i64,
    ) -> Result<(), ServerEditError> {
        let mut actors = self.actors.lock().await;
        let id = document_for(exchange, edit, now_ms)?;
        if !access.may_edit(id.scope(), edit.kind(), now_ms) {
            return Err(ServerEditError::NotPermitted);
        }
        // A fresh one until the change is stored: one sequence must never get two contents.
        let actor = actors
            .remove(&id)
            .unwrap_or_else(|| ActorId::from(random::<16>().as_slice()));
        let author = Author {
            account,
            device: Self::device(self.realm),
            actor: actor.clone(),
            now_ms,
            device_now_ms: now_ms,
            key: self.key.clone(),
        };
        let batch = self.write(exchange, id, (edit, seen), &author).await?;
        let sender = Arc::new(Sender {
            device: author.device,
            account,
            key: self.key.public(),
            access,
        });
        let (receipts, _) = match exchange.push(&sender, &Arc::from([batch]), now_ms).await {
            Ok(pushed) => pushed,
            Err(ExchangeError::Busy) => return Err(ServerEditError::Busy),
            Err(error) => return Err(ServerEditError::Internal(error.to_string())),
        };
        match receipts.as_slice() {
            [Receipt::Durable { .. }] => {
                actors.insert(id, actor);
                Ok(())
            }
            refused => Err(ServerEditError::Internal(format!("refused: {refused:?}"))),
        }
    }

    /// The change on top of the document as it is, signed.
    async fn write(
        &self,
        exchange: &Exchange,
        id: DocumentId,
        (edit, seen): (&Edit, &Seen),
        author: &Author,
    ) -> Result<Batch, ServerEditError> {
        let mut held = exchange.documents().hold(id).await;
        let document = match held.as_ref() {
            Some(loaded) => loaded.document.clone(),
            None => {
                let load = |conn: &Connection| Loaded::load(conn, id);
                let loaded = exchange.store.read_blocking(load);
                let loaded =
                    loaded.map_err(|error: ReplayError| ServerEditError::Internal(error.to_string()))?;
                held.insert(loaded).document.clone()
            }
        };
        exchange.documents().release(id, held);
        if let Some(field) = seen.changed(&document, edit.record()) {
            return Err(ServerEditError::Changed(field.to_owned()));
        }
        let seed = (document.schema().has_sealed() && edit.place() != Place::Existing)
            .then(|| KeySeed::from_bytes(random()));
        let key = match &seed {
            Some(seed) => Some(seed.record_key(edit.record())),
            None => {
                let (master, record) = (&exchange.ingest.master, edit.record());
                exchange
                    .store
                    .read_blocking(|conn| records::key(conn, master, record))?
            }
        };
        let written = document.written(edit, author, key.as_ref())?;
        let written = written.ok_or(ServerEditError::NothingNew)?;
        let keys = Keys {
            seed,
            listed: Vec::new(),
        };
        let statement = BatchStatement {
            realm: self.realm,
            device: author.device,
            account: author.account,
            document: id,
            changes: &[written.hash.0],
            keys_digest: keys.digest(),
        };
        Ok(Batch {
            document: id,
            account: author.account,
            changes: vec![ByteVec::from(written.bytes)],
            alg: ED25519,
            signature: statement.sign(&self.key),
            keys,
        })
    }
}

/// The document that an edit goes into: a new record into the month of the day, anything else to its record.
fn document_for(exchange: &Exchange, edit: &Edit, now_ms: i64) -> Result<DocumentId, ServerEditError> {
    match edit.place() {
        Place::New { unit, class } => {
            let month = class.is_periodic().then(|| Month::of_millis(now_ms)).flatten();
            DocumentId::new(class, unit, month).ok_or(EditError::WrongClass.into())
        }
        Place::Existing => {
            let found = exchange
                .store
                .read_blocking(|conn| document_of(conn, edit.record()));
            let found = found.map_err(|error| ServerEditError::Internal(error.to_string()))?;
            found.ok_or(ServerEditError::NotPermitted)
        }
    }
}

/// The document that holds a record which may change.
fn document_of(conn: &Connection, record: RecordId) -> rusqlite::Result<Option<DocumentId>> {
    let sql = "SELECT document FROM assistance WHERE record = ?1 UNION ALL SELECT document FROM draft WHERE record = ?1";
    let row: Option<i64> = conn
        .prepare_cached(sql)?
        .query_row([record.to_bytes()], |row| row.get(0))
        .optional()?;
    row.map(|row| log::document_by_row(conn, row)).transpose()
}
