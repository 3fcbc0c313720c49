//! Verifying a store against its own log, and deriving its rows again.
//!
//! The log is the truth: a document is what its changes make of it, and every row, head, index and digest follows. To
//! verify is to replay each document from its first change – no snapshot, no cache – and to compare. It reads one
//! consistent state and may run beside a server. Nothing that it reports quotes a record.

use std::fmt;
use std::ops::ControlFlow;

use rusqlite::{Connection, Transaction};
use sync_core::digest::DigestSum;
use sync_core::document::Document;
use sync_core::ids::{ChangeHash, DocumentId, RealmId};
use sync_core::preflight::chunk_hash;
use sync_core::projection::project_all;
use sync_core::seal::MasterKey;
use sync_core::signature::BatchStatement;

use crate::aggregates;
use crate::documents::replay;
use crate::exchange::index::LogIndex;
use crate::log::{self, Entry, ReplayError};
use crate::realm::{self, RealmError};
use crate::remarks;
use crate::rows;
use crate::search::{self, Blinder};

/// What was compared, and what did not fit.
#[derive(Debug, Default)]
pub struct Report {
    /// Documents replayed.
    pub documents: u64,
    /// Changes in them.
    pub changes: u64,
    /// Rows compared.
    pub rows: u64,
    /// Everything that did not fit.
    pub problems: Vec<Problem>,
}

/// One thing that did not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where; `None`: in no document.
    pub document: Option<DocumentId>,
    /// What.
    pub fault: Fault,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The log itself is damaged.
    #[error("does not replay: {0}")]
    Replay(String),
    /// The changes lead to other heads.
    #[error("the heads are not those of its changes")]
    Heads,
    /// The number of its changes or the position of the last one.
    #[error("the count or the last position is not that of its changes")]
    Count,
    /// The digest that exchanges compare.
    #[error("the digest is not that of its changes")]
    Digest,
    /// A change is indexed under another actor, device or position, or not at all.
    #[error("entry {0}: a change is not indexed as it was delivered")]
    Index(u64),
    /// There are indexed changes that the log does not hold.
    #[error("{0} changes are indexed that the log does not hold")]
    IndexExtra(i64),
    /// A signature does not fit what it stands for.
    #[error("entry {0}: the signature does not fit")]
    Signature(u64),
    /// Positions overlap or are missing.
    #[error("entry {0}: positions overlap or are missing")]
    Positions(u64),
    /// Saved and loaded again it is another.
    #[error("saved and loaded again it is another document")]
    Reload,
    /// A snapshot that is not what its changes make.
    #[error("the snapshot is not what the changes up to its position make")]
    Snapshot,
    /// Records are found by something else than what they say.
    #[error("the index of the search is not that of the records")]
    Search,
    /// Rows that are missing, or that do not follow.
    #[error("{table}: {missing} rows missing or different, {extra} rows that do not follow from the log")]
    Rows {
        /// In which table.
        table: &'static str,
        /// Rows that should be there as they are not.
        missing: usize,
        /// Rows that are there and should not.
        extra: usize,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.document {
            Some(document) => write!(f, "{document}: {}", self.fault),
            None => write!(f, "{}", self.fault),
        }
    }
}

/// A store that could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The realm's tables.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// A document does not replay, so its rows cannot be derived.
    #[error("{0} does not replay: {1}")]
    Replay(DocumentId, #[source] ReplayError),
}

/// Replays every document and compares everything that follows from the log. The key opens what records are found by.
///
/// # Errors
/// [`VerifyError`] when the store cannot be read at all; what does not fit is in the report.
pub fn verify(conn: &Connection, master: &MasterKey) -> Result<Report, VerifyError> {
    let tx = conn.unchecked_transaction()?;
    let expected = Connection::open_in_memory()?;
    expected.execute_batch("PRAGMA foreign_keys = OFF")?;
    expected.execute_batch(rows::SCHEMA)?;
    let realm = realm::info(&tx)?.id;
    let index = LogIndex::load(&tx)?;
    let mut verifier = Verifier {
        conn: &tx,
        expected,
        realm,
        index,
        report: Report::default(),
    };
    for advance in log::documents(&tx)? {
        verifier.document(advance.document, advance.row)?;
    }
    verifier.sums()?;
    if !search::index::is_whole(&tx, &Blinder::of(master))? {
        verifier.report.problems.push(Problem {
            document: None,
            fault: Fault::Search,
        });
    }
    verifier.strays()?;
    Ok(verifier.report)
}

/// Derives every row again from the log. Gives how many documents that took.
///
/// # Errors
/// [`VerifyError`]; the caller rolls back.
pub fn rebuild(tx: &Transaction<'_>, master: &MasterKey) -> Result<u64, VerifyError> {
    rows::clear(tx)?;
    let documents = log::documents(tx)?;
    for advance in &documents {
        let mut document = Document::new(advance.document);
        replay(tx, advance.row, 0, &mut document)
            .map_err(|error| VerifyError::Replay(advance.document, error))?;
        rows::put(tx, advance.row, &project_all(&document))?;
        rows::put_settled(tx, advance.row, &document.settled())?;
    }
    search::index::rebuild(tx, &Blinder::of(master))?;
    Ok(documents.len() as u64)
}

struct Verifier<'a> {
    conn: &'a Connection,
    /// The rows that the log implies, one document at a time.
    expected: Connection,
    realm: RealmId,
    index: LogIndex,
    report: Report,
}

impl Verifier<'_> {
    fn problem(&mut self, document: DocumentId, fault: Fault) {
        self.report.problems.push(Problem {
            document: Some(document),
            fault,
        });
    }

    fn document(&mut self, id: DocumentId, row: i64) -> Result<(), VerifyError> {
        self.report.documents += 1;
        let mut document = Document::new(id);
        if let Err(error) = replay(self.conn, row, 0, &mut document) {
            self.problem(id, Fault::Replay(error.to_string()));
            return Ok(());
        }
        self.report.changes += document.history().len() as u64 - 1;
        self.state(id, row, &document)?;
        self.entries(id, row, &document)?;
        self.snapshot(id, row)?;
        let reloaded = Document::load(id, &document.save());
        if reloaded.is_ok_and(|reloaded| reloaded.heads() == document.heads()) {
            self.rows(id, row, &document)
        } else {
            self.problem(id, Fault::Reload);
            Ok(())
        }
    }

    /// Heads, count, position, digest.
    fn state(&mut self, id: DocumentId, row: i64, document: &Document) -> Result<(), VerifyError> {
        let sql =
            "SELECT d.heads, d.changes, d.position, (SELECT max(last) FROM entry e WHERE e.document = d.id)
                   FROM document d WHERE d.id = ?";
        type State = (Vec<u8>, u64, u64, Option<u64>);
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let (heads, changes, position, last): State =
            self.conn.prepare_cached(sql)?.query_row([row], read)?;
        if heads != log::join_heads(&document.heads()) {
            self.problem(id, Fault::Heads);
        }
        if changes != document.history().len() as u64 - 1 || Some(position) != last {
            self.problem(id, Fault::Count);
        }
        let period = log::period_code(id.period());
        let indexed = self
            .index
            .scope(&id.scope())
            .and_then(|scope| scope.documents.get(&period));
        if indexed.map(|state| state.digest) != Some(DigestSum::of_document(&id, &document.heads())) {
            self.problem(id, Fault::Digest);
        }
        Ok(())
    }

    /// Each entry: its positions, its signature, and how its changes are indexed.
    fn entries(&mut self, id: DocumentId, row: i64, document: &Document) -> Result<(), VerifyError> {
        let (mut faults, mut failed, mut changes) = (Vec::new(), None, 0);
        let read = log::entries_of_document(self.conn, row, 0, i64::MAX as u64, |entry| {
            changes += entry.changes.len() as i64;
            match self.entry(id, &entry, document) {
                Ok(found) => faults.extend(found),
                Err(error) => failed = Some(error),
            }
            if failed.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        if let Err(error) = read {
            faults.push(Fault::Replay(error.to_string()));
        }
        let sql = "SELECT count(*) FROM change c JOIN actor a ON a.id = c.actor WHERE a.document = ?";
        let indexed: i64 = self
            .conn
            .prepare_cached(sql)?
            .query_row([row], |row| row.get(0))?;
        if indexed > changes {
            faults.push(Fault::IndexExtra(indexed - changes));
        }
        faults.into_iter().for_each(|fault| self.problem(id, fault));
        Ok(())
    }

    fn entry(&self, id: DocumentId, entry: &Entry, document: &Document) -> Result<Vec<Fault>, VerifyError> {
        let mut faults = Vec::new();
        if entry.first + entry.changes.len() as u64 != entry.last + 1 {
            faults.push(Fault::Positions(entry.last));
        }
        let delivery = log::delivery(self.conn, entry.last)?;
        let mut signed: Vec<[u8; 32]> = entry.changes.iter().map(|chunk| chunk_hash(chunk)).collect();
        for (hash, position) in signed.iter().zip(entry.first..) {
            let written = match document.history().node(&ChangeHash(*hash)) {
                Some(node) => log::written_down(self.conn, entry.document, &node.actor, node.seq)?,
                None => None,
            };
            if written != Some((delivery.device, position)) {
                faults.push(Fault::Index(entry.last));
            }
        }
        for (place, hash) in &delivery.known {
            signed.insert(usize::from(*place).min(signed.len()), hash.0);
        }
        let statement = BatchStatement {
            realm: self.realm,
            device: delivery.device,
            account: delivery.account,
            document: id,
            changes: &signed,
            keys_digest: delivery.keys_digest,
        };
        let key = realm::signing_key(self.conn, delivery.device)?;
        if key.is_none_or(|key| statement.verify(&key, &delivery.signature).is_err()) {
            faults.push(Fault::Signature(entry.last));
        }
        Ok(faults)
    }

    /// A snapshot is what the changes up to its position make.
    fn snapshot(&mut self, id: DocumentId, row: i64) -> Result<(), VerifyError> {
        let Some((position, bytes)) = log::snapshot(self.conn, row)? else {
            return Ok(());
        };
        let mut loaded = Document::load(id, &bytes).ok();
        let fits = loaded.as_mut().is_some_and(|document| {
            replay(self.conn, row, position, document).is_ok() && self.has_heads(row, document)
        });
        if !fits {
            self.problem(id, Fault::Snapshot);
        }
        Ok(())
    }

    fn has_heads(&self, row: i64, document: &Document) -> bool {
        let sql = "SELECT heads FROM document WHERE id = ?";
        let stored: rusqlite::Result<Vec<u8>> = self.conn.query_row(sql, [row], |row| row.get(0));
        stored.is_ok_and(|heads| heads == log::join_heads(&document.heads()))
    }

    /// The projected rows are those that follow, and no more.
    fn rows(&mut self, id: DocumentId, row: i64, document: &Document) -> Result<(), VerifyError> {
        let tx = self.expected.transaction()?;
        rows::clear(&tx)?;
        rows::put(&tx, row, &project_all(document))?;
        rows::put_settled(&tx, row, &document.settled())?;
        tx.commit()?;
        for table in rows::TABLES {
            let (expected, found) = (
                rows::read(&self.expected, table, row)?,
                rows::read(self.conn, table, row)?,
            );
            self.report.rows += expected.len() as u64;
            if expected == found {
                continue;
            }
            let missing = expected.iter().filter(|row| !found.contains(row)).count();
            let extra = found.iter().filter(|row| !expected.contains(row)).count();
            self.problem(
                id,
                Fault::Rows {
                    table: table.0,
                    missing,
                    extra,
                },
            );
        }
        Ok(())
    }

    /// What is kept of the rows – sums, and which remarks are open – is what they say.
    fn sums(&mut self) -> Result<(), VerifyError> {
        let kept = [
            ("daily", aggregates::differences(self.conn)?),
            ("remark_open", remarks::differences(self.conn)?),
        ];
        for (table, (missing, extra)) in kept.into_iter().filter(|(_, (a, b))| a + b > 0) {
            self.report.problems.push(Problem {
                document: None,
                fault: Fault::Rows {
                    table,
                    missing,
                    extra,
                },
            });
        }
        Ok(())
    }

    /// Rows of documents that the log does not know, and gaps between entries.
    fn strays(&mut self) -> Result<(), VerifyError> {
        for (table, _) in rows::TABLES {
            let sql = format!("SELECT count(*) FROM {table} WHERE document NOT IN (SELECT id FROM document)");
            let extra: usize = self.conn.query_row(&sql, [], |row| row.get(0))?;
            if extra > 0 {
                let fault = Fault::Rows {
                    table,
                    missing: 0,
                    extra,
                };
                self.report.problems.push(Problem {
                    document: None,
                    fault,
                });
            }
        }
        let sql =
            "SELECT last FROM (SELECT last, first, lag(last, 1, 0) OVER (ORDER BY last) AS before FROM entry)
                   WHERE first <> before + 1";
        let mut statement = self.conn.prepare(sql)?;
        let gaps: Vec<u64> = statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let problems = gaps.into_iter().map(|last| Problem {
            document: None,
            fault: Fault::Positions(last),
        });
        self.report.problems.extend(problems);
        Ok(())
    }
}
