//! The store: one SQLite file, one thread that writes, a few connections that read.
//!
//! Writes are whole jobs. The writer takes every job that waits, runs each inside its own savepoint, commits once – one
//! flush to disk for all of them – and only then answers. A job that fails or panics takes back what it did and nothing
//! of its neighbours; a commit that fails fails every job of its group. Readers see what is committed and never wait for
//! the writer (WAL).

mod open;
mod publishing;
mod work;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rusqlite::{Connection, Transaction};

use crate::log::Advance;
use crate::workers::Workers;
#[cfg(test)]
pub(crate) use open::migrate;
pub use open::{APPLICATION_ID, OpenError, is_older, open_connection};
use publishing::Publishing;
pub use work::{Counter, Work};
pub use writer::{WriteError, WriterStats, is_full};

/// How many connections read.
const READERS: usize = 4;
/// How many jobs may wait for the writer.
const QUEUE: usize = 1024;

/// A handle to the store; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    writer: writer::Writer,
    publishing: Arc<Publishing>,
    readers: Readers,
    /// Half of the readers: the others are for those who cannot wait for a turn.
    reading: Workers,
}

impl Store {
    /// Opens the file at `path`, makes or migrates it, and starts the writer.
    ///
    /// # Errors
    /// [`OpenError`]: another program's file, a newer version's, or one that cannot be read.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let mut conn = open_connection(path)?;
        open::migrate(&mut conn)?;
        let readers = (0..READERS)
            .map(|_| open::reader(path))
            .collect::<Result<Vec<_>, _>>()?;
        let publishing = Arc::new(Publishing::default());
        let writer = writer::Writer::start(conn, QUEUE, Arc::clone(&publishing));
        let readers = Readers {
            idle: Mutex::new(readers),
            given_back: Condvar::new(),
        };
        Ok(Self {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                writer,
                publishing,
                readers,
                reading: Workers::new(READERS / 2),
            }),
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Runs `job` in the writer's next transaction and waits until it is on disk.
    ///
    /// # Errors
    /// [`WriteError`]: nothing of the job was stored.
    pub async fn write<T, E, F>(&self, job: F) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        self.write_then(job, |_, _| ()).await
    }

    /// The same; once it is on disk, and before anybody is told, `after` runs on the writer's thread, job by job in the
    /// order of the log.
    ///
    /// # Errors
    /// [`WriteError`]: nothing of the job was stored.
    pub async fn write_then<T, E, F, A>(&self, job: F, after: A) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
        A: FnOnce(&Connection, &T) + Send + 'static,
    {
        let answer = self.shared.writer.submit(job, after)?;
        answer.await.unwrap_or(Err(WriteError::Stopped))
    }

    /// From now on what the tables say is published in the transactions that change them.
    pub fn publish_with<E: std::error::Error + 'static>(
        &self,
        publish: impl Fn(&Transaction<'_>) -> Result<Vec<Advance>, E> + Send + Sync + 'static,
    ) {
        let publish = move |tx: &Transaction<'_>| Ok(publish(tx)?);
        // A second one would be of the same realm.
        drop(self.shared.publishing.publish.set(Box::new(publish)));
    }

    /// Tells `listener` what publishing did to documents, before anybody is answered.
    pub fn when_published(&self, listener: impl Fn(&[Advance]) + Send + Sync + 'static) {
        drop(self.shared.publishing.listener.set(Box::new(listener)));
    }

    /// The same for threads that may block.
    ///
    /// # Errors
    /// [`WriteError`]: nothing of the job was stored.
    pub fn write_blocking<T, E, F>(&self, job: F) -> Result<T, WriteError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    {
        let answer = self.shared.writer.submit(job, |_, _| ())?;
        answer.blocking_recv().unwrap_or(Err(WriteError::Stopped))
    }

    /// Runs `query` on a reading connection, on this thread. Waits while all of them are in use.
    ///
    /// # Errors
    /// What `query` says.
    pub fn read_blocking<T, E>(&self, query: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        let lease = self.shared.readers.lease();
        query(lease.conn())
    }

    /// Runs `query` on a reading connection, on a thread that may block.
    ///
    /// # Errors
    /// What `query` says, or [`rusqlite::Error`] if the runtime is going down.
    pub async fn read<T, E, F>(&self, query: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<rusqlite::Error> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let store = self.clone();
        let done = self.shared.reading.run(move || store.read_blocking(query)).await;
        done.unwrap_or_else(|_| Err(E::from(rusqlite::Error::InvalidQuery)))
    }

    /// Counts from now on what reading costs. Waits until nobody reads.
    ///
    /// # Errors
    /// The store's.
    pub fn watch_readers(&self) -> rusqlite::Result<Counter> {
        let (readers, counter) = (&self.shared.readers, Counter::default());
        let mut leases: Vec<Lease<'_>> = (0..READERS).map(|_| readers.lease()).collect();
        let mut conns = leases.iter_mut().filter_map(|lease| lease.conn.as_mut());
        conns.try_for_each(|conn| counter.watch(conn))?;
        drop(leases);
        Ok(counter)
    }

    /// What the writer did so far.
    pub fn stats(&self) -> WriterStats {
        self.shared.writer.stats()
    }
}

/// Reading connections that nobody uses just now.
#[derive(Debug)]
struct Readers {
    idle: Mutex<Vec<Connection>>,
    given_back: Condvar,
}

/// A reading connection in use; goes back when dropped, also by a panic.
struct Lease<'a> {
    readers: &'a Readers,
    conn: Option<Connection>,
}

impl Readers {
    fn lease(&self) -> Lease<'_> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match idle.pop() {
                Some(conn) => {
                    return Lease {
                        readers: self,
                        conn: Some(conn),
                    };
                }
                None => idle = self.given_back.wait(idle).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl Lease<'_> {
    #[expect(
        clippy::expect_used,
        reason = "a lease holds its connection until it is dropped"
    )]
    fn conn(&self) -> &Connection {
        self.conn.as_ref().expect("a lease holds a connection")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.readers
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(self.conn.take());
        self.readers.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests;
