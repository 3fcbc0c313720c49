//! Who has a page open is told that something changed, and fetches what that is under their own permit.
//!
//! What is told is a unit and a class of documents, and only to who oversees the unit: no content, so nothing can leak
//! that a page would not show. When nobody listens, telling costs nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sync_core::ids::{DocumentId, UnitId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};

/// So many changes are remembered for who is slow; who missed some is told that something changed.
const BACKLOG: usize = 256;
/// So many pages can listen at once.
const LISTENERS: usize = 512;

/// Tells open pages what changed.
#[derive(Debug)]
pub struct Live {
    changes: broadcast::Sender<UnitId>,
    places: Arc<Semaphore>,
    over: watch::Sender<bool>,
}

/// One open page.
#[derive(Debug)]
pub struct Listener {
    changes: broadcast::Receiver<UnitId>,
    over: watch::Receiver<bool>,
    units: BTreeSet<UnitId>,
    gather: Duration,
    _place: OwnedSemaphorePermit,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            changes: broadcast::Sender::new(BACKLOG),
            places: Arc::new(Semaphore::new(LISTENERS)),
            over: watch::Sender::new(false),
        }
    }
}

impl Live {
    /// A document has changed, on disk.
    pub fn tell(&self, document: DocumentId) {
        // An error means that nobody listens.
        let _ = self.changes.send(document.unit());
    }

    /// Listens for changes in some units, and is told at once of all within the time `gather`; `None` while too many
    /// listen already.
    pub fn listen(&self, units: BTreeSet<UnitId>, gather: Duration) -> Option<Listener> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Listener {
            changes: self.changes.subscribe(),
            over: self.over.subscribe(),
            units,
            gather,
            _place: place,
        })
    }

    /// The server stops: no page holds it up.
    pub fn end(&self) {
        self.over.send_replace(true);
    }
}

impl Listener {
    /// Waits until something changed; `false`: it is over.
    pub async fn changed(&mut self) -> bool {
        loop {
            let told = tokio::select! {
                told = self.changes.recv() => told,
                _ = self.over.wait_for(|over| *over) => return false,
            };
            match told {
                Ok(unit) if !self.units.contains(&unit) => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                Err(broadcast::error::RecvError::Closed) => return false,
            }
        }
        tokio::time::sleep(self.gather).await;
        self.changes = self.changes.resubscribe();
        true
    }
}

#[cfg(test)]
mod tests {
    use sync_core::ids::{Class, Month};

    use super::*;

    fn unit(n: u64) -> UnitId {
        UnitId::from_parts(n, 0)
    }

    fn document(n: u64) -> DocumentId {
        DocumentId::new(Class::Ledger, unit(n), Some(Month(1))).unwrap()
    }

    #[tokio::test]
    async fn one_is_told_of_ones_own_units_alone_and_of_many_changes_once() {
        let live = Live::default();
        let mut listener = live.listen([unit(1)].into(), Duration::ZERO).unwrap();
        live.tell(document(2));
        for _ in 0..BACKLOG * 2 {
            live.tell(document(1));
        }
        assert!(listener.changed().await);
        live.tell(document(2));
        live.end();
        assert!(!listener.changed().await, "nothing else is told before the end");
    }

    #[test]
    fn a_place_is_free_again_when_a_page_is_closed() {
        let live = Live::default();
        let mut listeners: Vec<Listener> = (0..LISTENERS)
            .map(|_| live.listen(BTreeSet::new(), Duration::ZERO).unwrap())
            .collect();
        assert!(live.listen(BTreeSet::new(), Duration::ZERO).is_none());
        listeners.pop();
        assert!(live.listen(BTreeSet::new(), Duration::ZERO).is_some());
    }
}
