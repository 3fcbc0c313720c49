//! The catalogue as a form asks for it.

use std::collections::BTreeMap;

use super::{Replica, Result};
use crate::document::catalogue::entries;
use crate::ids::{Class, DocumentId, RecordId, day_in_vietnam};
use crate::local_store::LocalStore;
use crate::record::{CatalogueEntry, CatalogueKind};
use crate::search::{Rank, Search};

impl<S: LocalStore> Replica<S> {
    /// Entries of one kind that may be chosen today and answer `search`, the best first, and by name where they answer
    /// alike. Accents are optional, and without a word in it every entry answers.
    ///
    /// # Errors
    /// [`super::ReplicaError`] when the store fails or a document of the catalogue does not load.
    pub fn catalogue(
        &mut self,
        kind: CatalogueKind,
        search: &str,
        now_ms: i64,
    ) -> Result<Vec<CatalogueEntry>, S> {
        let (search, today) = (Search::new(search), day_in_vietnam(self.corrected(now_ms)));
        let over =
            |entry: &CatalogueEntry| entry.valid_to.zip(today).is_some_and(|(end, today)| today >= end);
        let current = self.current_entries(kind)?;
        let mut found: Vec<(Rank, CatalogueEntry)> = current
            .into_iter()
            .filter(|entry| !over(entry))
            .filter_map(|entry| Some((search.rank(&sought_in(&entry))?, entry)))
            .collect();
        found.sort_by(|(one, a), (other, b)| (one, &a.name_vi, &a.code).cmp(&(other, &b.name_vi, &b.code)));
        Ok(found.into_iter().map(|(_, entry)| entry).collect())
    }

    /// Of several entries with one code, the one that was made last.
    fn current_entries(&mut self, kind: CatalogueKind) -> Result<Vec<CatalogueEntry>, S> {
        let documents: Vec<DocumentId> = self
            .summaries
            .keys()
            .copied()
            .filter(|id| id.class() == Class::Catalogue)
            .collect();
        let mut last: BTreeMap<String, (RecordId, CatalogueEntry)> = BTreeMap::new();
        for id in documents {
            for (record, entry) in entries(&self.open_document(id)?.document) {
                let newer = |(known, _): &(RecordId, CatalogueEntry)| record > *known;
                if entry.kind == kind && last.get(&entry.code).is_none_or(newer) {
                    last.insert(entry.code.clone(), (record, entry));
                }
            }
        }
        Ok(last.into_values().map(|(_, entry)| entry).collect())
    }
}

/// Names, and the code: people know a procedure by either.
fn sought_in(entry: &CatalogueEntry) -> String {
    let english = entry.name_en.as_deref().unwrap_or_default();
    format!("{} {english} {}", entry.name_vi, entry.code)
}
