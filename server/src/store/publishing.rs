//! What the writer publishes before it commits, and whom it tells afterwards.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use rusqlite::Transaction;

use crate::log::Advance;

/// Writes what the tables say and documents do not, and tells what that did to them.
type Publish = Box<dyn Fn(&Transaction<'_>) -> Result<Vec<Advance>, Box<dyn Error>> + Send + Sync>;

/// Told what documents became, in the order of the log.
type Listener = Box<dyn Fn(&[Advance]) + Send + Sync>;

/// Set once: before, nothing is published, and nobody listens.
#[derive(Default)]
pub(super) struct Publishing {
    pub(super) publish: OnceLock<Publish>,
    pub(super) listener: OnceLock<Listener>,
}

impl fmt::Debug for Publishing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publishing").finish_non_exhaustive()
    }
}

impl Publishing {
    /// Publishes within a transaction. What fails is taken back and tried again by the next one: the tables are primary,
    /// and who changed them has done nothing wrong.
    pub(super) fn publish(&self, tx: &Transaction<'_>) -> Vec<Advance> {
        let Some(publish) = self.publish.get() else {
            return Vec::new();
        };
        if tx.execute_batch("SAVEPOINT publication").is_err() {
            return Vec::new();
        }
        let published = catch_unwind(AssertUnwindSafe(|| publish(tx)));
        let (end, advances) = match published {
            Ok(Ok(advances)) => ("RELEASE publication", advances),
            Ok(Err(error)) => {
                tracing::error!(%error, "not published; it is tried again");
                ("ROLLBACK TO publication; RELEASE publication", Vec::new())
            }
            Err(_) => ("ROLLBACK TO publication; RELEASE publication", Vec::new()),
        };
        match tx.execute_batch(end) {
            Ok(()) => advances,
            Err(_) => Vec::new(),
        }
    }

    pub(super) fn published(&self, advances: &[Advance]) {
        if let Some(listener) = self.listener.get().filter(|_| !advances.is_empty()) {
            listener(advances);
        }
    }
}
