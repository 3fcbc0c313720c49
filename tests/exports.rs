//! Exports of a hundred thousand records, and what programs read out of them. A binary of its own: its allocator counts.

#![expect(
    clippy::unwrap_used,
    reason = "a test that panics has said what it has to say"
)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use calamine::{Data, Reader, Xlsx, open_workbook_from_rs};
use langso_server::audit::{self, By, Head, Search};
use langso_server::export::{Exported, Format, Records, What, make};
use langso_server::i18n::Locale;
use langso_server::policy::{Permit, Personal, Read as Reading, console};
use langso_server::records::Filter;
use langso_server::store::{Store, open_connection};
use peak_alloc::PeakAlloc;
use serde_json::Value;
use sync_core::ids::UnitId;
use sync_core::seal::MasterKey;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The allocator counts for all threads: one test at a time.
static TURN: Mutex<()> = Mutex::new(());

const RECORDS: u64 = 100_000;
/// More than what an export holds at a time – a page of rows, what is compressed, buffers – and far less than its rows.
const BYTES_MAX: usize = 12 << 20;

fn unit() -> UnitId {
    UnitId::from_parts(1, 1)
}

fn permit() -> Permit<Reading> {
    console([unit()]).to_read()
}

/// A store with rows that follow from no log: here it is about how they leave.
fn store(dir: &Path, records: u64) -> Store {
    let path = dir.join("langso.db");
    let store = Store::open(&path).unwrap();
    let conn = open_connection(&path).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF")
        .unwrap();
    conn.execute("INSERT INTO unit VALUES (?)", [unit().to_bytes()])
        .unwrap();
    conn.execute(
        "INSERT INTO unit_period VALUES (?, '2024-01-01', NULL, 'hamlet', '1', 'Thôn =Một', NULL)",
        [unit().to_bytes()],
    )
    .unwrap();
    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
               INSERT INTO assistance (record, document, unit, occurred_at, category, procedure, channel, outcome, people,
                 minutes, satisfaction, recorded_by, device, recorded_at)
               SELECT CAST(printf('%016d', n) AS BLOB), 1, ?2, 1731049200000 + n * 60000, 'dich_vu_cong', '1.004227',
                 'tai_nha', CASE n % 4 WHEN 0 THEN 'hen_lai' ELSE 'hoan_thanh' END, 1 + n % 3, 5, 1 + n % 5,
                 zeroblob(16), zeroblob(16), 1731049200000 + n * 60000 FROM n";
    conn.execute(sql, rusqlite::params![records as i64, unit().to_bytes()])
        .unwrap();
    store
}

fn all_records() -> Records {
    Records {
        permit: permit(),
        filter: Filter::default(),
        past_of: None,
        words: None,
        personal: Personal::Sealed,
    }
}

fn exported(store: &Store, dir: &Path, records: Records, format: Format) -> Exported {
    made(store, dir, &What::Records(Box::new(records)), format)
}

fn made(store: &Store, dir: &Path, what: &What, format: Format) -> Exported {
    let (master, by) = (MasterKey::from_bytes([3; 32]), By::console(1_731_049_200_000));
    make(store, &master, dir, what, format, Locale::Vi, &by).unwrap()
}

/// What hamlets said to a hundred directives, and rows of an audit: as many as there may be records.
fn say_and_audit(dir: &Path, rows: u64) {
    let conn = open_connection(&dir.join("langso.db")).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF")
        .unwrap();
    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
               INSERT INTO acknowledgement (record, document, unit, directive, version, digest, stage, note, at, device_at,
                 by_account, device, signature, statement, actor, seq)
               SELECT CAST(printf('%016d', n) AS BLOB), 1, ?2, CAST(printf('%016d', n % 100) AS BLOB), 1, zeroblob(32),
                 CASE n % 3 WHEN 0 THEN 'cannot' ELSE 'done' END, '=Chưa có máy', 1731049200000 + n, 1731049200000 + n,
                 zeroblob(16), zeroblob(16), zeroblob(64), zeroblob(32), zeroblob(16), n FROM n";
    conn.execute(sql, rusqlite::params![rows as i64, unit().to_bytes()])
        .unwrap();
    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
               INSERT INTO audit (position, at, account, origin, act, subject, before, after, hash)
               SELECT n, 1731049200000 + n, zeroblob(16), '10.0.0.1', 'code_made', printf('%026d', n), NULL,
                 json_object('unit', printf('%026d', n % 111)), zeroblob(32) FROM n";
    conn.execute(sql, [rows as i64]).unwrap();
}

#[test]
fn a_hundred_thousand_records_leave_in_flat_memory() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), RECORDS);
    for format in Format::ALL {
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        let export = exported(&store, dir.path(), all_records(), format);
        let took = ALLOCATOR.peak_usage().saturating_sub(before);
        println!(
            "{format:?}: {} rows, {} bytes, {took} bytes of memory",
            export.rows, export.bytes
        );
        assert_eq!(export.rows, RECORDS);
        assert!(took < BYTES_MAX, "{format:?} took {took} bytes");
        match format {
            Format::Csv | Format::Ndjson => {
                // With a heading and a last line in one, the last line alone in the other.
                let more = if format == Format::Csv { 2 } else { 1 };
                let lines = BufReader::new(export.file).lines().count() as u64;
                assert_eq!(lines, RECORDS + more);
            }
            Format::Xlsx => {
                let mut book: Xlsx<_> = open_workbook_from_rs(BufReader::new(export.file)).unwrap();
                let sheet = book.worksheet_range("Lượt hỗ trợ").unwrap();
                assert_eq!(sheet.height() as u64, RECORDS + 1);
            }
        }
    }
}

#[test]
fn as_many_acknowledgements_and_rows_of_the_audit_leave_in_flat_memory() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 1);
    say_and_audit(dir.path(), RECORDS);
    let acknowledgements = What::Acknowledgements {
        permit: permit(),
        issue: None,
    };
    let audit = What::Audit {
        permit: permit(),
        wanted: Box::new(Search::default()),
    };
    for what in [&acknowledgements, &audit] {
        for format in Format::ALL {
            let before = ALLOCATOR.current_usage();
            ALLOCATOR.reset_peak_usage();
            let mut export = made(&store, dir.path(), what, format);
            let took = ALLOCATOR.peak_usage().saturating_sub(before);
            println!(
                "{} {format:?}: {} rows, {took} bytes of memory",
                what.word(),
                export.rows
            );
            // Each export of the audit is a row of the next.
            assert!((RECORDS..RECORDS + 10).contains(&export.rows), "{}", export.rows);
            assert!(
                took < BYTES_MAX,
                "{} as {format:?} took {took} bytes",
                what.word()
            );
            if format == Format::Ndjson {
                let mut text = String::new();
                export.file.read_to_string(&mut text).unwrap();
                assert_eq!(text.lines().count() as u64, export.rows + 1);
            }
        }
    }
}

#[test]
fn a_workbook_has_typed_cells_and_says_where_the_audit_ended() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 8);
    let export = exported(&store, dir.path(), all_records(), Format::Xlsx);
    assert_eq!(export.name, "langso-records-2024-11-08.xlsx");
    let mut book: Xlsx<_> = open_workbook_from_rs(BufReader::new(export.file)).unwrap();
    let sheet = book.worksheet_range("Lượt hỗ trợ").unwrap();
    let row: Vec<&Data> = sheet.rows().nth(1).unwrap().iter().collect();
    assert!(matches!(row[0], Data::String(_)));
    assert!(matches!(row[1], Data::DateTime(_)), "{:?}", row[1]);
    assert_eq!(row[3], &Data::String("Thôn =Một".into()));
    assert_eq!(row[5], &Data::String("1.004227".into()), "a code is no number");
    assert_eq!(row[8], &Data::String("Hẹn lại".into()));
    assert_eq!(row[9], &Data::Float(3.0));
    let about = book.worksheet_range("Thông tin").unwrap();
    let told: Vec<String> = about.rows().map(|row| row[1].to_string()).collect();
    let head: Head = told[2].parse().unwrap();
    assert_eq!(
        store
            .read_blocking(|conn| audit::verify(conn, Some(head)))
            .unwrap(),
        head
    );
}

#[test]
fn an_export_is_audited_with_how_much_left_and_a_filter_holds_for_it() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path(), 2000);
    let mut records = all_records();
    records.filter.outcome = Some("hen_lai".into());
    let mut export = exported(&store, dir.path(), records, Format::Ndjson);
    assert_eq!(export.rows, 500);
    let mut text = String::new();
    export.file.read_to_string(&mut text).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines[..500].iter().all(|line| line["outcome"] == "hen_lai"));
    assert_eq!(lines[500]["export"]["rows"], 500);
    let rows = store.read_blocking(|conn| audit::rows(conn, 0, 10)).unwrap();
    assert_eq!(
        (rows[0].act.as_str(), rows[0].subject.as_str()),
        ("exported", "records")
    );
    let told: Value = serde_json::from_str(rows[0].after.as_deref().unwrap()).unwrap();
    assert_eq!(
        told,
        serde_json::json!({ "format": "ndjson", "rows": 500, "personal": false })
    );
    let head = store.read_blocking(audit::head).unwrap();
    assert_eq!(lines[500]["export"]["audit_head"], head.to_string());
}
