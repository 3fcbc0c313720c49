//! The writer: a thread, a bounded queue, one commit for everything that waits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::publishing::Publishing;
use crate::log::Advance;
use crate::metrics;

/// Most jobs of one transaction: a commit should not keep its first job waiting for long.
const GROUP: usize = 256;

/// Why a job stored nothing.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// The job itself said so.
    #[error("{0}")]
    Job(E),
    /// Too many jobs wait already.
    #[error("the writer's queue is full")]
    Busy,
    /// The disk is full: nothing was stored, and the same may succeed once there is room.
    #[error("the disk is full")]
    Full,
    /// The transaction could not be begun or committed: a damaged file, a disk that does not answer.
    #[error("the store failed: {0}")]
    Storage(String),
    /// The job panicked.
    #[error("the job panicked")]
    Panicked,
    /// The writer has stopped.
    #[error("the writer has stopped")]
    Stopped,
}

/// What the writer did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterStats {
    /// Transactions that were committed: each is one flush to disk.
    pub commits: u64,
    /// Jobs in them.
    pub jobs: u64,
    /// Jobs that wait just now.
    pub waiting: u64,
}

/// Why a transaction was not committed.
#[derive(Clone, Debug)]
enum Failure {
    Full,
    Other(String),
}

impl Failure {
    fn of(error: &rusqlite::Error) -> Self {
        if is_full(error) {
            Failure::Full
        } else {
            Failure::Other(error.to_string())
        }
    }
}

impl<E> From<Failure> for WriteError<E> {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Full => WriteError::Full,
            Failure::Other(cause) => WriteError::Storage(cause),
        }
    }
}

/// Whether SQLite says that there is no room left. A quota, or a limit on the size of files, it calls a failed write.
pub fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|failure| {
        failure.code == rusqlite::ErrorCode::DiskFull
            || failure.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE
    })
}

/// Called after the commit, with its outcome: takes the committed into account, and gives what answers.
type Answer = Box<dyn FnOnce(&Connection, Result<(), Failure>) -> Box<dyn FnOnce()> + Send>;
/// Runs in the transaction; `None` when it took back what it did and has answered already.
type Job = Box<dyn FnOnce(&mut Transaction<'_>) -> Option<Answer> + Send>;

#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    commits: AtomicU64,
    jobs: AtomicU64,
    waiting: AtomicU64,
}

impl Writer {
    pub(super) fn start(conn: Connection, queue: usize, publishing: Arc<Publishing>) -> Self {
        let (sender, receiver) = sync_channel(queue);
        let counters = Arc::new(Counters::default());
        let counted = Arc::clone(&counters);
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || run(conn, &receiver, &counted, &publishing));
        // Without a thread nobody receives, and every job is told that the writer has stopped.
        Self {
            queue: Some(sender),
            thread: thread.ok(),
            counters,
        }
    }

    pub(super) fn submit<T, E, F, A>(
        &self,
        job: F,
        after: A,
    ) -> Result<oneshot::Receiver<Result<T, WriteError<E>>>, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
        A: FnOnce(&Connection, &T) + Send + 'static,
    {
        let (answer, receiver) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(WriteError::Stopped)?;
        self.counters.waiting.fetch_add(1, Ordering::Relaxed);
        queue.try_send(guarded(job, after, answer)).map_err(|error| {
            self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => WriteError::Busy,
                TrySendError::Disconnected(_) => WriteError::Stopped,
            }
        })?;
        Ok(receiver)
    }

    pub(super) fn stats(&self) -> WriterStats {
        WriterStats {
            commits: self.counters.commits.load(Ordering::Relaxed),
            jobs: self.counters.jobs.load(Ordering::Relaxed),
            waiting: self.counters.waiting.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Writer {
    /// Everything that waits is still written.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Puts a job into its own savepoint, and its answer behind the commit.
fn guarded<T, E, F, A>(job: F, after: A, answer: oneshot::Sender<Result<T, WriteError<E>>>) -> Job
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    A: FnOnce(&Connection, &T) + Send + 'static,
{
    Box::new(move |tx| {
        if let Err(error) = tx.execute_batch("SAVEPOINT job") {
            drop(answer.send(Err(Failure::of(&error).into())));
            return None;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| job(tx)));
        let end = if matches!(outcome, Ok(Ok(_))) {
            "RELEASE job"
        } else {
            "ROLLBACK TO job; RELEASE job"
        };
        let refused = match (tx.execute_batch(end), outcome) {
            (Ok(()), Ok(Ok(value))) => {
                return Some(Box::new(move |conn, committed| {
                    if committed.is_ok() {
                        after(conn, &value);
                    }
                    let told = committed.map(|()| value).map_err(WriteError::from);
                    Box::new(move || drop(answer.send(told)))
                }));
            }
            // A full disk takes the savepoint away with everything else: the job's own error says it better.
            (_, Ok(Err(error))) => WriteError::Job(error),
            (Ok(()), Err(_)) => WriteError::Panicked,
            (Err(error), _) => Failure::of(&error).into(),
        };
        drop(answer.send(Err(refused)));
        None
    })
}

fn run(mut conn: Connection, queue: &Receiver<Job>, counters: &Counters, publishing: &Publishing) {
    while let Ok(first) = queue.recv() {
        let group: Vec<Job> = std::iter::once(first)
            .chain(queue.try_iter().take(GROUP - 1))
            .collect();
        counters.waiting.fetch_sub(group.len() as u64, Ordering::Relaxed);
        let (mut answers, begun) = (Vec::with_capacity(group.len()), Instant::now());
        let committed = commit(&mut conn, group, &mut answers, publishing);
        if committed.is_ok() {
            metrics::commit(answers.len(), begun.elapsed());
            counters.commits.fetch_add(1, Ordering::Relaxed);
            counters.jobs.fetch_add(answers.len() as u64, Ordering::Relaxed);
        }
        // In the order of the log, and before anybody is answered: whoever is told of a position finds all before it.
        let outcome = committed.as_ref().map(drop).map_err(Failure::clone);
        let told: Vec<_> = answers
            .into_iter()
            .map(|answer| answer(&conn, outcome.clone()))
            .collect();
        publishing.published(&committed.unwrap_or_default());
        told.into_iter().for_each(|tell| tell());
    }
    // The last one out leaves one file.
    drop(conn.pragma_update(None, "wal_checkpoint", "TRUNCATE"));
}

/// Gives what was published.
fn commit(
    conn: &mut Connection,
    group: Vec<Job>,
    answers: &mut Vec<Answer>,
    publishing: &Publishing,
) -> Result<Vec<Advance>, Failure> {
    let mut tx = conn
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| Failure::of(&error))?;
    for job in group {
        answers.extend(job(&mut tx));
        // SQLite has taken everything back by itself. What the others did is gone, and what would follow would be
        // committed alone: they are told, or never run.
        if tx.is_autocommit() {
            return Err(Failure::Full);
        }
    }
    let published = publishing.publish(&tx);
    if tx.is_autocommit() {
        return Err(Failure::Full);
    }
    tx.commit().map_err(|error| Failure::of(&error))?;
    Ok(published)
}
