//! The catalogue, for forms.

use sync_core::record;

use super::{Result, Vault};
use crate::{CatalogueEntry, CatalogueKind};

#[uniffi::export]
impl Vault {
    /// Procedures that may be chosen today and answer `search`, the best first. Accents are optional: `ho so` finds
    /// *Hồ sơ*; with accents, what bears them comes first. An empty search finds all.
    ///
    /// # Errors
    /// What the store says.
    pub fn procedures(&self, search: String) -> Result<Vec<CatalogueEntry>> {
        self.entries(record::CatalogueKind::Procedure, &search)
    }

    /// Every entry of a kind that may be chosen today, by name.
    ///
    /// # Errors
    /// What the store says.
    pub fn catalogue(&self, kind: CatalogueKind) -> Result<Vec<CatalogueEntry>> {
        self.entries(kind.into(), "")
    }
}

impl Vault {
    fn entries(&self, kind: record::CatalogueKind, search: &str) -> Result<Vec<CatalogueEntry>> {
        let now_ms = self.now_ms();
        self.with(|session| {
            let found = session.replica_mut()?.catalogue(kind, search, now_ms)?;
            Ok(found.into_iter().map(Into::into).collect())
        })
    }
}
