//! The index catches up with the rows: in the quiet, and before a search answers.

use rusqlite::Transaction;

use super::{Blinder, index};
use crate::store::{Store, WriteError};

/// Most records of one transaction: some ten milliseconds that others may have to wait for.
const AT_A_TIME: usize = 128;

/// The index has what was in the rows when this was asked for: what a search wants to see.
#[derive(Clone, Copy, Debug)]
pub struct CaughtUp(());

impl CaughtUp {
    /// For what is not due in a test's own store.
    #[cfg(test)]
    pub(super) fn by_hand() -> Self {
        Self(())
    }
}

/// Indexes all that is due.
///
/// # Errors
/// [`WriteError`]: some of it may be indexed.
pub async fn catch_up(store: &Store, blinder: &Blinder) -> Result<CaughtUp, WriteError<rusqlite::Error>> {
    while index_some(store, blinder).await? {}
    Ok(CaughtUp(()))
}

/// Indexes a part of what is due. Gives whether there may be more.
///
/// # Errors
/// [`WriteError`]: nothing of it is indexed.
pub async fn index_some(store: &Store, blinder: &Blinder) -> Result<bool, WriteError<rusqlite::Error>> {
    let due = store.read(index::is_due);
    if !due.await.map_err(WriteError::Job)? {
        return Ok(false);
    }
    let blinder = blinder.clone();
    let job = move |tx: &Transaction<'_>| index::put_due(tx, &blinder, AT_A_TIME);
    Ok(store.write(job).await? == AT_A_TIME)
}
