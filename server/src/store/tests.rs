use std::sync::mpsc::channel;

use rusqlite::Connection;

use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("langso.db")).unwrap();
    (dir, store)
}

fn put(tx: &Transaction<'_>, key: &str) -> rusqlite::Result<()> {
    tx.execute("INSERT INTO meta (key, value) VALUES (?, 1)", [key])
        .map(drop)
}

fn keys(store: &Store) -> Vec<String> {
    store
        .read_blocking(|conn| {
            let mut statement = conn.prepare("SELECT key FROM meta WHERE key <> 'authority' ORDER BY key")?;
            statement
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()
        })
        .unwrap()
}

/// Holds the writer in a first job until it is let go, so that what is submitted meanwhile makes one group.
fn hold(store: &Store) -> impl FnOnce() + use<> {
    let (go, wait) = channel::<()>();
    let (entered, is_in) = channel();
    let held = store.shared.writer.submit(
        move |_: &Transaction<'_>| {
            entered.send(()).unwrap();
            wait.recv().unwrap();
            Ok::<_, ()>(())
        },
        |_, ()| (),
    );
    is_in.recv().unwrap();
    move || {
        go.send(()).unwrap();
        held.unwrap().blocking_recv().unwrap().unwrap();
    }
}

#[test]
fn jobs_that_wait_are_committed_together() {
    let (_dir, store) = store();
    let let_go = hold(&store);
    let waiting: Vec<_> = (0..10)
        .map(|n| {
            store
                .shared
                .writer
                .submit(move |tx: &Transaction<'_>| put(tx, &n.to_string()), |_, _| ())
                .unwrap()
        })
        .collect();
    let_go();
    for answer in waiting {
        answer.blocking_recv().unwrap().unwrap();
    }
    assert_eq!(
        store.stats(),
        WriterStats {
            commits: 2,
            jobs: 11,
            waiting: 0
        }
    );
    assert_eq!(keys(&store).len(), 10);
}

#[test]
fn a_job_that_fails_or_panics_takes_nothing_of_its_neighbours() {
    let (_dir, store) = store();
    let let_go = hold(&store);
    let submit = |job: fn(&Transaction<'_>) -> Result<(), &'static str>| {
        store.shared.writer.submit(job, |_, ()| ()).unwrap()
    };
    let good = submit(|tx| put(tx, "good").map_err(|_| "sql"));
    let bad = submit(|tx| put(tx, "bad").map_err(|_| "sql").and(Err("no")));
    let worse = submit(|tx| {
        put(tx, "worse").unwrap();
        panic!("as a bug would")
    });
    let last = submit(|tx| put(tx, "last").map_err(|_| "sql"));
    let_go();
    good.blocking_recv().unwrap().unwrap();
    assert!(matches!(bad.blocking_recv().unwrap(), Err(WriteError::Job("no"))));
    assert!(matches!(
        worse.blocking_recv().unwrap(),
        Err(WriteError::Panicked)
    ));
    last.blocking_recv().unwrap().unwrap();
    assert_eq!(keys(&store), ["good", "last"]);
}

#[test]
fn a_full_queue_says_busy_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut conn = open_connection(&dir.path().join("langso.db")).unwrap();
    open::migrate(&mut conn).unwrap();
    let writer = writer::Writer::start(conn, 1, Arc::default());
    let (go, wait) = channel::<()>();
    let (entered, is_in) = channel();
    let block = move |_: &Transaction<'_>| {
        entered.send(()).unwrap();
        wait.recv().map_err(|_| ())
    };
    let held = writer.submit(block, |_, _| ()).unwrap();
    is_in.recv().unwrap();
    let queued = writer
        .submit(|_: &Transaction<'_>| Ok::<_, ()>(()), |_, ()| ())
        .unwrap();
    assert!(matches!(
        writer.submit(|_: &Transaction<'_>| Ok::<_, ()>(()), |_, ()| ()),
        Err(WriteError::Busy)
    ));
    go.send(()).unwrap();
    held.blocking_recv().unwrap().unwrap();
    queued.blocking_recv().unwrap().unwrap();
}

#[test]
fn what_waits_is_written_before_the_store_closes() {
    let (dir, store) = store();
    let let_go = hold(&store);
    let waiting = store
        .shared
        .writer
        .submit(|tx: &Transaction<'_>| put(tx, "late"), |_, _| ())
        .unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(store));
        let_go();
    });
    waiting.blocking_recv().unwrap().unwrap();
    let store = Store::open(&dir.path().join("langso.db")).unwrap();
    assert_eq!(keys(&store), ["late"]);
}

#[test]
fn a_file_of_another_program_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("langso.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x)")
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(Store::open(&path).unwrap_err().code(), "store_foreign");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::write(
        &path,
        b"not a database, but long enough to look at, and then some more of it",
    )
    .unwrap();
    assert_eq!(Store::open(&path).unwrap_err().code(), "store_foreign");
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let (dir, store) = store();
    let newer = store.write_blocking(|tx| {
        tx.execute(
            "UPDATE refinery_schema_history SET version = 9999 WHERE version = 1",
            [],
        )
    });
    newer.unwrap();
    drop(store);
    assert_eq!(
        Store::open(&dir.path().join("langso.db")).unwrap_err().code(),
        "store_newer"
    );
}
