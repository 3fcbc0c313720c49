//! What reading costs, counted by SQLite itself: for who measures, and for the tests that hold costs flat.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, StatementStatus};

/// What statements did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// How often one was run.
    pub statements: u64,
    /// Steps of SQLite's machine.
    pub steps: u64,
    /// Rows that were gone through from one to the next without an index.
    pub scanned: u64,
    /// How often rows were sorted.
    pub sorts: u64,
    /// Rows that came out.
    pub rows: u64,
}

/// Counts what connections do.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<Mutex<Work>>);

impl Counter {
    /// Counts what a connection does from now on.
    pub(super) fn watch(&self, conn: &mut Connection) -> rusqlite::Result<()> {
        let total = Arc::clone(&self.0);
        let mut ran = Ran::default();
        let events = TraceEventCodes::SQLITE_TRACE_PROFILE | TraceEventCodes::SQLITE_TRACE_ROW;
        conn.trace_v2(
            events,
            Some(move |event: TraceEvent<'_>| {
                let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                match event {
                    TraceEvent::Row(_) => total.rows += 1,
                    TraceEvent::Profile(statement, _) => {
                        let status = |counter| u64::try_from(statement.get_status(counter)).unwrap_or(0);
                        let now = Work {
                            statements: status(StatementStatus::Run),
                            steps: status(StatementStatus::VmStep),
                            scanned: status(StatementStatus::FullscanStep),
                            sorts: status(StatementStatus::Sort),
                            rows: 0,
                        };
                        ran.add(statement.sql().into_owned(), now, &mut total);
                    }
                    _ => {}
                }
            }),
        )
    }

    /// What was done since the last time.
    pub fn take(&self) -> Work {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What statements of one connection had done when they last ran: SQLite counts for as long as one is prepared.
#[derive(Default)]
struct Ran(HashMap<String, Work>);

impl Ran {
    fn add(&mut self, sql: String, now: Work, total: &mut Work) {
        let before = self.0.insert(sql, now);
        let before = before.filter(|before| before.statements < now.statements);
        let before = before.unwrap_or_default();
        total.statements += 1;
        total.steps += now.steps.saturating_sub(before.steps);
        total.scanned += now.scanned.saturating_sub(before.scanned);
        total.sorts += now.sorts.saturating_sub(before.sorts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_run_by_run() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)",
        )
        .unwrap();
        let counter = Counter::default();
        counter.watch(&mut conn).unwrap();
        let count = |sql: &str| {
            let mut statement = conn.prepare_cached(sql).unwrap();
            let rows = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
            assert!(rows.count() > 0);
            drop(statement);
            counter.take()
        };
        let first = count("SELECT a FROM t WHERE b > 0 ORDER BY b");
        assert_eq!((first.statements, first.rows, first.sorts), (1, 3, 1));
        assert!(first.scanned >= 2 && first.steps > 10, "{first:?}");
        assert_eq!(
            count("SELECT a FROM t WHERE b > 0 ORDER BY b"),
            first,
            "and the same again"
        );
        let found = count("SELECT b FROM t WHERE a = 2");
        assert_eq!((found.statements, found.rows, found.scanned), (1, 1, 0));
    }
}
