//! Snapshots: a document in one piece, for phones that begin and for this server's own loading.
//!
//! The log stays the truth; a snapshot is a cache that may be dropped at any time. One is made beside the exchanges, for
//! documents that grew to twice their size since the last one, so that the work for each change stays the same however large a
//! document gets; and it is stored only after it was loaded again and is the document that the log makes.

use std::sync::Arc;

use sync_core::document::Document;
use sync_core::ids::DocumentId;
use sync_core::preflight::{DocumentLimits, preflight_document};

use crate::documents::Loaded;
use crate::ingest::{Ingest, IngestError};
use crate::log;
use crate::store::{Store, WriteError};

/// Fewer new changes than this are not worth a snapshot: as they came they are as small.
const LEAST_CHANGES: u64 = 64;
/// So many documents at a time; the others have their turn the next time.
const AT_A_TIME: usize = 200;

/// Makes the snapshots that are due. Gives how many were stored.
///
/// # Errors
/// [`IngestError`]; the snapshots before it are stored.
pub async fn refresh(store: &Store, ingest: &Arc<Ingest>) -> Result<usize, IngestError> {
    let due = store.read(|conn| log::snapshots_due(conn, LEAST_CHANGES, AT_A_TIME));
    let due = due
        .await
        .map_err(|error| IngestError::Storage(error.to_string()))?;
    let mut stored = 0;
    for id in due {
        stored += make(store, ingest, id).await?;
    }
    Ok(stored)
}

/// Makes one. While it is made nobody writes to the document.
async fn make(store: &Store, ingest: &Arc<Ingest>, id: DocumentId) -> Result<usize, IngestError> {
    let mut held = ingest.documents.hold(id).await;
    let reader = store.clone();
    let made = ingest.workers.run(move || {
        if held.is_none() {
            let loaded = reader.read_blocking(|conn| Loaded::load(conn, id));
            *held = Some(loaded.map_err(|error| IngestError::Damaged(id, error))?);
        }
        let made = held.as_ref().and_then(|loaded| verified(&loaded.document));
        Ok::<_, IngestError>((held, made))
    });
    let (held, made) = made.await.map_err(|_| IngestError::Abandoned)??;
    let stored = match (&*held, made) {
        (Some(loaded), Some(bytes)) => put(store, id, loaded.document.heads(), bytes).await,
        (Some(_) | None, _) => {
            tracing::error!(document = %id, "saved it is too large or dense for phones, or loaded again another document");
            Ok(0)
        }
    };
    ingest.documents.release(id, held);
    stored.map_err(|error| IngestError::Storage(error.to_string()))
}

async fn put(
    store: &Store,
    id: DocumentId,
    heads: Vec<sync_core::ids::ChangeHash>,
    bytes: Vec<u8>,
) -> Result<usize, WriteError<rusqlite::Error>> {
    let job = move |tx: &rusqlite::Transaction<'_>| match log::find_document(tx, id)? {
        Some((_, row, _)) => log::put_snapshot(tx, row, &heads, &bytes),
        None => Ok(0),
    };
    store.write(job).await
}

/// The document as bytes that were proven to load as the same document, and that phones would look at.
fn verified(document: &Document) -> Option<Vec<u8>> {
    let bytes = document.save();
    preflight_document(&bytes, &DocumentLimits::RECEIVED).ok()?;
    let again = Document::load(document.id(), &bytes).ok()?;
    (again.heads() == document.heads()).then_some(bytes)
}
