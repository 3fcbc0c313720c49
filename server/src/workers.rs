//! A bounded pool for work that takes the processor or the disk.
//!
//! Such work beside other tasks would make them wait, and unbounded it would take a thread – with a stack and an arena
//! of its own – for every phone of a storm: that measured 112 MB where this takes a good half.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// So many pieces of work at a time; others wait for their turn, in order.
#[derive(Clone, Debug)]
pub struct Workers {
    turns: Arc<Semaphore>,
}

/// The process is going down, or the work panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the work was abandoned")]
pub struct Abandoned;

impl Workers {
    /// A pool of this many, at least one.
    pub fn new(count: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(count.max(1))),
        }
    }

    /// Does it on a thread that may block, as soon as it is its turn.
    ///
    /// # Errors
    /// [`Abandoned`].
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Abandoned> {
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| Abandoned)?;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|_| Abandoned)
    }
}
