//! Who wants to know when something changed.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Change {
    /// Somebody recorded or corrected something here.
    Local,
    /// An exchange brought something, or what was sent has its receipt.
    Synced,
    /// The vault was wiped: everything that it held is with the server, and gone from here.
    Wiped,
}

/// Is told of every change, on whatever thread it happens. Look at the lists again, elsewhere.
#[uniffi::export(with_foreign)]
pub trait ChangeListener: Send + Sync {
    /// Something changed.
    fn changed(&self, change: Change);
}

/// All listeners of one vault.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Vec<Weak<Subscription>>>);

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listeners")
    }
}

impl Listeners {
    pub(crate) fn add(&self, listener: Arc<dyn ChangeListener>) -> Arc<Subscription> {
        let subscription = Arc::new(Subscription {
            listener: Mutex::new(Some(listener)),
        });
        self.lock().push(Arc::downgrade(&subscription));
        subscription
    }

    /// Tells everybody, outside of every lock. Who throws is not our business.
    pub(crate) fn tell(&self, change: Change) {
        let listening: Vec<Arc<Subscription>> = {
            let mut all = self.lock();
            all.retain(|one| one.strong_count() > 0);
            all.iter().filter_map(Weak::upgrade).collect()
        };
        for listener in listening.iter().filter_map(|one| one.listener()) {
            drop(catch_unwind(AssertUnwindSafe(|| listener.changed(change))));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Subscription>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener's place. It is told as long as this is kept, and until it is cancelled.
#[derive(uniffi::Object)]
pub struct Subscription {
    listener: Mutex<Option<Arc<dyn ChangeListener>>>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}

#[uniffi::export]
impl Subscription {
    /// Nothing more is told.
    pub fn cancel(&self) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Subscription {
    fn listener(&self) -> Option<Arc<dyn ChangeListener>> {
        self.listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
