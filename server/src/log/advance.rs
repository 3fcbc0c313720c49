//! How documents stand in tables, and what a commit does to one.

use sync_core::digest::DigestSum;
use sync_core::ids::{DocumentId, Month, Scope};

/// The period of documents that have none.
const NO_PERIOD: i64 = -1;

/// What one commit did to a document.
#[derive(Clone, Copy, Debug)]
pub struct Advance {
    /// Which.
    pub document: DocumentId,
    /// Its scope's row.
    pub scope_row: i64,
    /// Its row.
    pub row: i64,
    /// The position of its last change.
    pub last: u64,
    /// Over its heads.
    pub digest: DigestSum,
}

/// How a period stands in tables.
pub fn period_code(period: Option<Month>) -> i64 {
    period.map_or(NO_PERIOD, |month| month.0.into())
}

/// The document of a scope and a period as it stands in tables.
pub fn document_id(scope: Scope, period: i64) -> Option<DocumentId> {
    let month = u16::try_from(period).ok().map(Month);
    DocumentId::new(scope.class, scope.unit, month)
}
