//! Publishing: what the catalogue's table says becomes records of the catalogue's document, which every phone holds.
//!
//! The table is primary and may be changed beside a running server; so the two are compared – at the start, and whenever
//! the table has changed –, and what the document does not have is written by the server's own replica, the one way in.
//! An entry that says something else is a new record: of several with one kind and code, the one that was made last counts.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use rusqlite::Connection;
use sync_core::edit::{Edit, Publication};
use sync_core::ids::{AccountId, Class, DocumentId, RecordId, UnitId};

use crate::app::App;
use crate::catalogue::{self, Entry};
use crate::documents::Loaded;
use crate::policy::Access;
use crate::realm::RealmError;
use crate::replica::ServerEditError;

/// What was published last: how many entries, the newest record, and at how many roots.
pub type Published = (usize, Option<RecordId>, usize);

impl App {
    /// Writes down what the catalogue's documents do not have yet. Gives how many records that were.
    ///
    /// # Errors
    /// [`ServerEditError`]; what was written before stays, and the next time goes on from there.
    pub async fn publish_catalogue(&self) -> Result<usize, ServerEditError> {
        let read = |conn: &Connection| {
            let roots = self.authority(conn)?.tree.roots().to_vec();
            Ok::<_, RealmError>((roots, catalogue::list(conn)?))
        };
        let (roots, entries) = self.store().read_blocking(read)?;
        let now = (
            entries.len(),
            entries.iter().map(|(record, _)| *record).max(),
            roots.len(),
        );
        if *self.published.lock().unwrap_or_else(PoisonError::into_inner) == Some(now) {
            return Ok(0);
        }
        let mut written = 0;
        for root in roots {
            written += self.publish_at(root, &entries).await?;
        }
        *self.published.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(written)
    }

    async fn publish_at(
        &self,
        root: UnitId,
        entries: &[(RecordId, Entry)],
    ) -> Result<usize, ServerEditError> {
        let Some(document) = DocumentId::new(Class::Catalogue, root, None) else {
            return Ok(0);
        };
        let there = self.store().read_blocking(|conn| {
            let loaded = Loaded::load(conn, document)?;
            let has = |record: &RecordId| loaded.document.has_record(*record);
            Ok::<BTreeSet<RecordId>, crate::log::ReplayError>(
                entries.iter().map(|(record, _)| *record).filter(has).collect(),
            )
        });
        let there = there.map_err(|error| ServerEditError::Internal(error.to_string()))?;
        let access = Access::of_server(self.realm, document.scope());
        let mut written = 0;
        for (record, entry) in entries.iter().filter(|(record, _)| !there.contains(record)) {
            let publication = Publication {
                id: *record,
                unit: root,
                class: Class::Catalogue,
                fields: entry.fields(),
            };
            let edit = Edit::Publish(Box::new(publication));
            // No person: the account that bears the realm's id, as the device does.
            let nobody = AccountId::from_bytes(self.realm.to_bytes());
            self.replica
                .edit(&self.exchange, nobody, access.clone(), &edit, self.clock.now_ms())
                .await?;
            written += 1;
        }
        Ok(written)
    }
}
