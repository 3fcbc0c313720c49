//! A bounded pool for work that takes the processor or the disk.
//!
//! Such work beside other tasks would make them wait, and unbounded it would take a thread – with a stack and an arena
//! of its own – for every phone of a storm: that measured 112 MB where this takes a good half.

use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

/// The lowest priority that a thread can have, on the scale of `nice`.
#[cfg(target_os = "linux")]
const LOWEST: i32 = 19;

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

/// Does it on a thread of its own, which takes what others leave of the processor: for work that nobody waits for, and that
/// holds nothing that somebody waits for.
///
/// # Errors
/// [`Abandoned`].
pub async fn quietly<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Abandoned> {
    let (done, told) = oneshot::channel();
    let thread = std::thread::Builder::new().name("quiet".into());
    let begun = thread.spawn(move || {
        give_way();
        drop(done.send(work()));
    });
    begun.map_err(|_| Abandoned)?;
    told.await.map_err(|_| Abandoned)
}

/// Lowers the priority of this thread. On Linux priorities are of threads; elsewhere it would be that of everything.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, LOWEST) {
        tracing::debug!(%error, "the priority stays as it is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn quiet_work_has_the_lowest_priority_and_may_panic() {
        assert_eq!(quietly(|| 7).await, Ok(7));
        #[cfg(target_os = "linux")]
        {
            let priority = || rustix::process::getpriority_process(None);
            assert_eq!(quietly(priority).await, Ok(Ok(LOWEST)));
            assert_ne!(priority(), Ok(LOWEST), "nobody else's");
        }
        assert_eq!(quietly(|| panic!("a bug")).await, Err::<(), _>(Abandoned));
    }
}
