//! What records refer to by their codes.

use sync_core::record;

use super::mirrored;

mirrored! {
    /// What an entry of the catalogue is.
    CatalogueKind = record::CatalogueKind {
        /// What the help was about, broadly.
        Category,
        /// A procedure, with its national code.
        Procedure,
        /// How help is given.
        Channel,
        /// What comes of it.
        Outcome,
    }
}

/// An entry of the catalogue that may be chosen today.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct CatalogueEntry {
    /// What records say.
    pub code: String,
    /// Vietnamese.
    pub name: String,
    /// English.
    pub name_en: Option<String>,
    /// The category of a procedure.
    pub category: Option<String>,
}

impl From<record::CatalogueEntry> for CatalogueEntry {
    fn from(entry: record::CatalogueEntry) -> Self {
        Self {
            code: entry.code,
            name: entry.name_vi,
            name_en: entry.name_en,
            category: entry.parent,
        }
    }
}
