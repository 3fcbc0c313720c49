//! Snapshots: a document in one piece, for phones that begin and for this server's own loading.
//!
//! The log stays the truth; a snapshot is a cache that may be dropped at any time. One is made beside the exchanges, for
//! documents that grew to twice their size since the last one, so that the work for each change stays the same however large a
//! document gets; and it is stored only after it was loaded again and is the document that the log makes.

use sync_core::document::Document;
use sync_core::ids::{ChangeHash, DocumentId};

use crate::documents::Loaded;
use crate::log::{self, ReplayError};
use crate::store::{Store, WriteError};
use crate::workers::{Abandoned, quietly};

/// Fewer new changes than this are not worth a snapshot: as they came they are as small.
const LEAST_CHANGES: u64 = 64;
/// So many documents at a time; the others have their turn the next time.
const AT_A_TIME: usize = 200;

/// Why no more snapshots were made; those before are stored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The store does not tell which are due.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A document cannot be loaded.
    #[error("document {0} does not load: {1}")]
    Damaged(DocumentId, ReplayError),
    /// One was not stored.
    #[error(transparent)]
    Write(#[from] WriteError<rusqlite::Error>),
    /// The process is going down, or a bug made the work panic.
    #[error(transparent)]
    Abandoned(#[from] Abandoned),
}

/// Makes the snapshots that are due. Gives how many were stored.
///
/// # Errors
/// [`SnapshotError`].
pub async fn refresh(store: &Store) -> Result<usize, SnapshotError> {
    let due = store.read(|conn| log::snapshots_due(conn, LEAST_CHANGES, AT_A_TIME));
    let mut stored = 0;
    for id in due.await? {
        stored += make(store, id).await?;
    }
    Ok(stored)
}

/// Makes one, of the log as it is when it is read: no document is held, so nobody waits for it, and those in memory stay
/// there. If somebody writes to the document meanwhile, nothing is stored, and it is made the next time.
async fn make(store: &Store, id: DocumentId) -> Result<usize, SnapshotError> {
    let reader = store.clone();
    let made = quietly(move || {
        let loaded = reader.read_blocking(|conn| Loaded::load(conn, id))?;
        let heads = loaded.document.heads();
        Ok::<_, ReplayError>((heads, verified(&loaded.document)))
    });
    let made = made.await?;
    let (heads, bytes) = made.map_err(|error| SnapshotError::Damaged(id, error))?;
    if bytes.is_none() {
        tracing::error!(document = %id, "saved it is too large or dense for phones, or loaded again another document");
    }
    Ok(put(store, id, heads, bytes).await?)
}

/// Gives how many were stored.
async fn put(
    store: &Store,
    id: DocumentId,
    heads: Vec<ChangeHash>,
    bytes: Option<Vec<u8>>,
) -> Result<usize, WriteError<rusqlite::Error>> {
    let job = move |tx: &rusqlite::Transaction<'_>| match (log::find_document(tx, id)?, &bytes) {
        (Some((_, row, _)), Some(bytes)) => log::put_snapshot(tx, row, &heads, bytes),
        (Some((_, row, _)), None) => log::put_off_snapshot(tx, row, &heads).map(|_| 0),
        (None, _) => Ok(0),
    };
    store.write(job).await
}

/// The document as bytes that were proven to load as the same document, and that phones would look at.
fn verified(document: &Document) -> Option<Vec<u8>> {
    let bytes = document.save_for_phones()?;
    let again = Document::load(document.id(), &bytes).ok()?;
    (again.heads() == document.heads()).then_some(bytes)
}
