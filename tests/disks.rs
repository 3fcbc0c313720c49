//! Stories of disks: full, torn in the middle of a write, or taken away in the middle of a migration.

use std::fs::{File, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use langso_server::app::open_data;
use langso_server::config::Config;
use langso_server::drive::server::pid_of;
use langso_server::drive::{Fate, Link, Phone, ServerProcess, people};
use langso_server::store::{APPLICATION_ID, Store};
use langso_server::teams::add_codes;
use langso_server::verify::verify;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::{Connection, params};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use sync_core::document::Document;
use sync_core::edit::Edit;
use sync_core::enrolment::Identity;
use sync_core::forge::{body_of, chunk};
use sync_core::ids::{AccountId, DeviceId, DocumentId, Month, RealmId, RecordId, UnitId};
use sync_core::local_store::sqlite::SqliteStore;
use sync_core::local_store::{ListQuery, LocalStore, MemoryStore};
use sync_core::protocol::decode_request;
use sync_core::replica::Replica;
use sync_core::signature::DeviceKey;

use crate::harness::Village;
use crate::harness::live::settle;
use crate::harness::process::{Device, Held, PROGRAM, Promising};

/// "LNGP": what the header of a phone's file says.
const PHONE_APPLICATION_ID: i32 = 0x4c4e_4750;
/// What is written one after the other before the disk is torn.
const WRITES: usize = 10;
/// Places at which it is torn, of each kind.
const TEARS: usize = 25;

/// A store that is as it was when its process died right before it was written down that a version is there.
fn dies_while_migrating(path: &Path, application_id: i32) -> Connection {
    let conn = Connection::open(path).unwrap();
    conn.pragma_update(None, "application_id", application_id)
        .unwrap();
    conn.execute_batch(
        "CREATE TABLE refinery_schema_history (version INT4 PRIMARY KEY, name TEXT, applied_on TEXT, checksum TEXT);
         CREATE TRIGGER dies BEFORE INSERT ON refinery_schema_history WHEN new.version = 3
         BEGIN SELECT raise(ABORT, 'it dies'); END",
    )
    .unwrap();
    conn
}

#[test]
fn a_migration_that_a_death_interrupts_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("langso.db");
    let conn = dies_while_migrating(&path, APPLICATION_ID);
    assert_eq!(Store::open(&path).unwrap_err().code(), "store_migration");
    conn.execute_batch("DROP TRIGGER dies").unwrap();
    assert!(Store::open(&path).is_ok());

    let path = dir.path().join("phone.db");
    drop(dies_while_migrating(&path, PHONE_APPLICATION_ID));
    assert_eq!(SqliteStore::open(&path).unwrap_err().code(), "store_migration");
    Connection::open(&path)
        .unwrap()
        .execute_batch("DROP TRIGGER dies")
        .unwrap();
    assert!(SqliteStore::open(&path).unwrap().documents().is_ok());
}

/// How far a file of the process may grow.
fn limit_files(process: u32, bytes: Option<u64>) {
    let process = Pid::from_raw(process.try_into().unwrap());
    let maximum = getrlimit(Resource::Fsize).maximum;
    let limit = Rlimit {
        current: bytes,
        maximum,
    };
    prlimit(process, Resource::Fsize, limit).unwrap();
}

#[test]
fn a_full_disk_of_the_phone_is_said_loudly_and_got_over() {
    let village = Village::new();
    let dir = tempfile::tempdir().unwrap();
    let device = Device {
        store: dir.path().join("phone.db"),
        server: dir.path().join("address"),
        code: village.another_code(),
        unit: village.hamlet.to_string(),
    };
    std::fs::write(&device.server, &village.url).unwrap();
    let process = device.start(1, &[]);
    let mut phone = Promising::new(device);
    let mut said = process.until("exchanged");
    let log = phone.device.store.with_extension("db-wal");
    limit_files(process.id(), Some(std::fs::metadata(log).unwrap().len()));
    said.extend(process.until("refused"));
    let refused = said.last().unwrap();
    assert!(refused.contains("the disk is full"), "{refused}");
    // Refused more than once, and then there is room again, for the same process.
    said.extend(process.until("refused"));
    limit_files(process.id(), None);
    said.extend(process.until("saved"));
    said.extend(process.until("exchanged"));
    said.extend(process.kill());
    let said: Vec<String> = said.into_iter().filter(|line| !is_about_room(line)).collect();
    phone.check(&said);

    // What was refused is nowhere, what was saved is delivered.
    let (status, said) = phone.device.start(2, &["--settle"]).wait();
    assert!(status.success(), "{said:?}");
    let held = Held::read(&phone.device.store);
    assert_eq!((held.pending, &held.rows), (0, &phone.promised));
    village.leaves_nobody_harmed();
}

/// `langso serve`, for which a file that would become too large is a failed write, not the end of the process.
fn serving(dir: &Path, data: &Path) -> ServerProcess {
    let program = dir.join("serve.sh");
    let script = format!("#!/bin/sh\ntrap '' XFSZ\nexec {PROGRAM} \"$@\"\n");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    ServerProcess::start(&program, data, listen).unwrap()
}

#[test]
fn a_full_disk_of_the_server_is_answered_507_and_got_over() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let (hamlet, _, codes) = settle(&Config {
        data: data.clone(),
        ..Config::default()
    });
    let server = serving(dir.path(), &data);
    let url = server.url();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let phone = |code: usize| {
            let link = Link::to(&url, Arc::default()).unwrap();
            Phone::enrol(link, &codes[code], MemoryStore::default(), 1)
        };
        let (mut phone, mut other) = (phone(0).await.unwrap(), phone(1).await.unwrap());
        let mut rng = StdRng::seed_from_u64(1);
        let mut log = |phone: &mut Phone<MemoryStore>| {
            let id = phone.fresh_record();
            let new = people::assistance(&mut rng, id, hamlet, phone.now_ms());
            phone.edit(&Edit::LogAssistance(Box::new(new))).unwrap();
        };
        log(&mut phone);
        for phone in [&mut phone, &mut other] {
            phone.sync(|| Fate::Delivered).await.unwrap();
        }
        let process = pid_of(&data).unwrap();
        let length = std::fs::metadata(log_of(&data.join("langso.db"))).unwrap().len();
        limit_files(process, Some(length));
        log(&mut phone);
        for _ in 0..2 {
            let exchange = phone.work(|replica, now_ms, _| replica.next_request(now_ms, None));
            let exchange = exchange.unwrap();
            let answer = phone
                .post(&exchange.body, Fate::Delivered)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(answer.status, 507);
            assert_eq!(answer.code().as_deref(), Some("storage_full"));
            let wait: u32 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((60..=120).contains(&wait), "{wait}");
            phone
                .work(|replica, _, _| {
                    replica.exchange_failed(exchange.id);
                    Ok(())
                })
                .unwrap();
            assert_eq!(phone.unsent().unwrap(), (1, 0));
        }
        // Who brings nothing is served as ever.
        other.sync(|| Fate::Delivered).await.unwrap();
        limit_files(process, None);
        phone.sync(|| Fate::Delivered).await.unwrap();
        assert_eq!(phone.unsent().unwrap(), (0, 0));
        other.sync(|| Fate::Delivered).await.unwrap();
        assert_eq!(other.rows().unwrap().len(), 2);
        assert_eq!(phone.rows().unwrap(), other.rows().unwrap());
    });
    drop(server);
    let (store, keys) = open_data(&data).unwrap();
    let report = store.read_blocking(|conn| verify(conn, &keys.master)).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

/// A full disk was spoken of: an edit was refused, or what an answer brought could not be kept.
fn is_about_room(line: &str) -> bool {
    line.contains("the disk is full")
}

/// A store that was written to again and again: after each write, how long its log was and how much was in it.
struct Written {
    path: PathBuf,
    marks: Vec<(u64, usize)>,
}

impl Written {
    fn log(&self) -> PathBuf {
        log_of(&self.path)
    }

    /// Copies of it with a log that is cut off, or wrong from some byte on, behind the first mark; and how much of what
    /// was written must be in each.
    fn torn(&self, seed: u64, mut look: impl FnMut(&Path, usize)) {
        let mut rng = StdRng::seed_from_u64(seed);
        let (first, last) = (self.marks[0].0, std::fs::metadata(self.log()).unwrap().len());
        for n in 0..2 * TEARS {
            let dir = tempfile::tempdir().unwrap();
            let copy = dir.path().join("copy.db");
            std::fs::copy(&self.path, &copy).unwrap();
            std::fs::copy(self.log(), log_of(&copy)).unwrap();
            let at = rng.random_range(first..last);
            let log = File::options()
                .read(true)
                .write(true)
                .open(log_of(&copy))
                .unwrap();
            if n % 2 == 0 {
                log.set_len(at).unwrap();
            } else {
                let mut byte = [0];
                log.read_exact_at(&mut byte, at).unwrap();
                log.write_all_at(&[byte[0] ^ 1 << rng.random_range(0..8)], at)
                    .unwrap();
            }
            let whole = self.marks.iter().rev().find(|(length, _)| *length <= at);
            look(&copy, whole.unwrap().1);
        }
    }
}

fn log_of(path: &Path) -> PathBuf {
    path.with_extension("db-wal")
}

#[test]
fn a_torn_log_of_the_server_keeps_every_receipt_before_the_tear() {
    let mut village = Village::new();
    let path = village.app.store().path().to_owned();
    let changes =
        |conn: &Connection| conn.query_row("SELECT count(*) FROM change", [], |row| row.get::<_, usize>(0));
    let mut written = Written {
        path: path.clone(),
        marks: Vec::new(),
    };
    for _ in 0..WRITES {
        village.log(0);
        village.sync(0);
        let count = village.app.store().read_blocking(changes).unwrap();
        let length = std::fs::metadata(written.log()).unwrap().len();
        written.marks.push((length, count));
    }
    assert!(written.marks.is_sorted(), "the log was begun again");
    let master = &village.app.exchange.ingest.master;
    let account = village.account();
    let acts =
        |conn: &Connection| conn.query_row("SELECT count(*) FROM audit", [], |row| row.get::<_, i64>(0));
    written.torn(1, |copy, whole| {
        let is_sound = |store: &Store| {
            assert!(store.read_blocking(changes).unwrap() >= whole);
            let report = store.read_blocking(|conn| verify(conn, master)).unwrap();
            assert!(report.problems.is_empty(), "{:?}", report.problems);
        };
        let store = Store::open(copy).unwrap();
        is_sound(&store);
        // And it works on: what is written now is there when it is opened again.
        let before = store.read_blocking(acts).unwrap();
        add_codes(&store, account, 1).unwrap();
        drop(store);
        let store = Store::open(copy).unwrap();
        assert!(store.read_blocking(acts).unwrap() > before);
        is_sound(&store);
    });
    village.leaves_nobody_harmed();
}

const NOW_MS: i64 = 1_731_000_000_000;

fn identity() -> Identity {
    Identity {
        realm: RealmId::from_parts(1, 1),
        device: DeviceId::from_parts(2, 1),
        account: AccountId::from_parts(3, 1),
        key: DeviceKey::from_seed([5; 32]),
    }
}

/// One act of help at a time.
fn new(rng: &mut StdRng, now_ms: i64) -> Edit {
    let id = RecordId::from_parts(now_ms as u64, rng.random());
    let unit = UnitId::from_parts(1, 1);
    Edit::LogAssistance(Box::new(people::assistance(rng, id, unit, now_ms)))
}

/// What is wrong in the file itself, where no page tells of it: the month is said to be damaged, and the others go on.
#[test]
fn a_month_that_is_damaged_on_the_phone_is_told_and_holds_nothing_up() {
    let later_ms = NOW_MS + 40 * 86_400_000;
    let month = |now_ms| DocumentId::ledger(UnitId::from_parts(1, 1), Month::of_millis(now_ms).unwrap());
    let whole = Document::new(month(NOW_MS)).save();
    let bent = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let snapshots = [
        bent(&whole, whole.len() / 2),
        bent(&whole, 6),
        whole[..whole.len() - 3].to_vec(),
        chunk(0, &bent(body_of(&whole), 40)),
        Document::new(month(later_ms)).save(),
        b"no document".to_vec(),
    ];
    // The last time it is the change itself.
    for snapshot in snapshots.map(Some).into_iter().chain([None]) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("phone.db");
        let mut rng = StdRng::seed_from_u64(1);
        let mut replica = Replica::open(SqliteStore::open(&path).unwrap(), identity()).unwrap();
        for now_ms in [NOW_MS, later_ms] {
            replica.edit(&new(&mut rng, now_ms), now_ms, &mut rng).unwrap();
        }
        drop(replica);
        let conn = Connection::open(&path).unwrap();
        let of_month = "document = (SELECT id FROM document WHERE name = ?1)";
        let name = month(NOW_MS).to_string();
        let changed = if let Some(bytes) = &snapshot {
            let sql = "UPDATE document SET snapshot = ?2 WHERE name = ?1";
            conn.execute(sql, params![name, bytes])
        } else {
            let sql = format!("SELECT bytes FROM change WHERE {of_month}");
            let bytes: Vec<u8> = conn.query_row(&sql, [&name], |row| row.get(0)).unwrap();
            let sql = format!("UPDATE change SET bytes = ?2 WHERE {of_month}");
            conn.execute(&sql, params![name, bent(&bytes, 60)])
        };
        assert_eq!(changed.unwrap(), 1);
        drop(conn);

        let mut replica = Replica::open(SqliteStore::open(&path).unwrap(), identity()).unwrap();
        let told = replica.edit(&new(&mut rng, NOW_MS), NOW_MS, &mut rng);
        assert_eq!(told.unwrap_err().code(), "damaged", "{snapshot:?}");
        replica
            .edit(&new(&mut rng, later_ms), later_ms, &mut rng)
            .unwrap();
        let exchange = replica.next_request(later_ms, None).unwrap();
        let request = decode_request(&exchange.body.bytes, exchange.body.compressed).unwrap();
        let sent: Vec<DocumentId> = request.push.iter().map(|batch| batch.document).collect();
        assert_eq!(sent, [month(later_ms)]);
        // Everything is still shown, and what is not sent is counted.
        assert_eq!(replica.assistances(ListQuery::default()).unwrap().len(), 3);
        assert_eq!(replica.status().unsent, 3);
    }
}

#[test]
fn a_torn_log_of_the_phone_keeps_everything_saved_before_the_tear() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("phone.db");
    let now_ms = NOW_MS;
    let mut rng = StdRng::seed_from_u64(1);
    let mut replica = Replica::open(SqliteStore::open(&path).unwrap(), identity()).unwrap();
    let mut written = Written {
        path,
        marks: Vec::new(),
    };
    for count in 1..=WRITES {
        let edit = new(&mut rng, now_ms);
        replica.edit(&edit, now_ms, &mut rng).unwrap();
        let length = std::fs::metadata(written.log()).unwrap().len();
        written.marks.push((length, count));
    }
    assert!(written.marks.is_sorted(), "the log was begun again");
    written.torn(2, |copy, whole| {
        let mut replica = Replica::open(SqliteStore::open(copy).unwrap(), identity()).unwrap();
        let there = replica.assistances(ListQuery::default()).unwrap().len();
        assert!(there >= whole && replica.status().unsent == there);
        // And it works on.
        replica.edit(&new(&mut rng, now_ms), now_ms, &mut rng).unwrap();
        assert_eq!(
            replica.assistances(ListQuery::default()).unwrap().len(),
            there + 1
        );
    });
}
