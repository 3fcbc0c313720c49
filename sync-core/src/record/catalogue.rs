//! The catalogue: what records refer to by their codes.

use jiff::civil::Date;

use super::code::coded;

coded! {
    /// What an entry of the catalogue is.
    CatalogueKind {
        /// What the help was about, broadly.
        0 Category = "category",
        /// A procedure, with its national code.
        1 Procedure = "procedure",
        /// How help is given.
        2 Channel = "channel",
        /// What comes of it.
        3 Outcome = "outcome",
    }
}

/// An entry of the catalogue. Not here: its weight, which only comparisons on the server know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// What it is.
    pub kind: CatalogueKind,
    /// What records say.
    pub code: String,
    /// Vietnamese.
    pub name_vi: String,
    /// English.
    pub name_en: Option<String>,
    /// The category of a procedure.
    pub parent: Option<String>,
    /// The first day on which it is no longer chosen.
    pub valid_to: Option<Date>,
}
