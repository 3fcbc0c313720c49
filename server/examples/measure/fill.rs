//! What comes to a district in two years beside its records: a directive a day, each with its answers, remarks, conflicts that
//! were settled, decided batches, an audit. As many rows, and in the shape, that a page has to find its way through.

use anyhow::Context;
use langso_server::audit::{self, Act, By, Change};
use langso_server::clock::random;
use langso_server::store::Store;
use minicbor::bytes::ByteVec;
use rusqlite::{Connection, Transaction, params};
use sync_core::ids::{AccountId, DeviceId, DocumentId, Month, UnitId};
use sync_core::protocol::{Batch, ED25519, Keys};
use sync_core::signature::Signature;

/// Rows of the audit.
const ACTS: usize = 20_000;
/// Batches of which one in forty still waits.
const BATCHES: usize = 2_000;

/// Rows that are made of others, which the demo leaves.
const COPIES: [&str; 7] = [
    "INSERT INTO remark (record, document, unit, about, kind, by_account, device, at)
     SELECT randomblob(16), document, unit, record,
       CASE abs(random()) % 3 WHEN 0 THEN 'verified' WHEN 1 THEN 'question' ELSE 'please_correct' END,
       recorded_by, device, occurred_at + 3600000 FROM assistance ORDER BY random() LIMIT 10000",
    "INSERT INTO remark (record, document, unit, about, kind, answers, by_account, device, at)
     SELECT randomblob(16), document, unit, about, 'answer', record, by_account, device, at + 3600000
     FROM remark WHERE kind IN ('question', 'please_correct') ORDER BY random() LIMIT 6000",
    r#"INSERT OR IGNORE INTO conflict (record, field, unit, document, "values")
     SELECT a.record, c.field, a.unit, a.document, c."values"
     FROM assistance a, (SELECT * FROM conflict LIMIT 1) c ORDER BY random() LIMIT 300"#,
    r#"INSERT INTO settlement (record, field, change, unit, document, by_account, at, "values")
     SELECT a.record, c.field, randomblob(32), a.unit, a.document, a.recorded_by, a.occurred_at + 7200000, c."values"
     FROM assistance a, (SELECT * FROM conflict LIMIT 1) c ORDER BY random() LIMIT 3000"#,
    "INSERT INTO directive (record, document, unit, directive, version, digest, number, number_key, title, body, urgency,
       deadline, signer, targets, asks, issued_by, device, issued_at, signature, actor, seq)
     WITH RECURSIVE days (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM days WHERE n < 700)
     SELECT CAST(printf('directive%07d', n) AS BLOB), document, unit, CAST(printf('directive%07d', n) AS BLOB), 1, digest,
       n || '/UBND', printf('%d/2023', n), title, body, urgency, issued_at - n * 86400000 + 604800000, signer, targets, asks,
       issued_by, device, issued_at - n * 86400000, signature, actor, seq
     FROM days, (SELECT * FROM directive WHERE relation IS NULL ORDER BY length(targets) DESC, issued_at LIMIT 1)",
    "INSERT INTO acknowledgement (record, document, unit, directive, version, digest, stage, at, device_at, by_account, device,
       signature, statement, actor, seq)
     SELECT randomblob(16), k.document, k.unit, d.directive, d.version, d.digest, s.stage, d.issued_at + s.after,
       d.issued_at + s.after, k.by_account, k.device, k.signature, k.statement, k.actor, k.seq
     FROM directive d, (SELECT * FROM acknowledgement GROUP BY unit) k,
       (SELECT 'received' AS stage, 3600000 AS after UNION ALL SELECT 'acknowledged', 7200000) s
     WHERE d.number_key LIKE '%/2023'",
    "INSERT INTO acknowledgement (record, document, unit, directive, version, digest, stage, at, device_at, by_account, device,
       signature, statement, actor, seq)
     SELECT randomblob(16), document, unit, directive, version, digest, 'done', at + 86400000, device_at + 86400000,
       by_account, device, signature, statement, actor, seq
     FROM acknowledgement WHERE stage = 'acknowledged' AND abs(random()) % 10 > 1",
];

/// Puts it there.
///
/// # Errors
/// The store's, or when it has nothing to copy.
pub(crate) fn fill(store: &Store) -> anyhow::Result<()> {
    store.write_blocking(|tx| {
        for sql in COPIES {
            tx.execute(sql, [])?;
        }
        acts(tx)?;
        batches(tx)
    })?;
    Ok(())
}

fn acts(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let accounts = ids(tx, "SELECT id FROM account")?;
    let (people, acts) = (accounts.iter().cycle(), Act::ALL.iter().cycle());
    for ((id, act), n) in people.zip(acts).take(ACTS).zip(0..) {
        let by = By {
            account: Some(AccountId::from_bytes(*id)),
            origin: "192.0.2.7".to_owned(),
            now_ms: 1_700_000_000_000 + n * 3_600_000,
        };
        let change = Change::of(AccountId::from_bytes(*id));
        audit::record(tx, &by, *act, &change)?;
    }
    Ok(())
}

fn batches(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    let units = ids(tx, "SELECT unit FROM unit_period WHERE level = 'hamlet'")?;
    let device: ([u8; 16], [u8; 16]) = tx.query_row("SELECT id, account FROM device LIMIT 1", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let mut put = tx.prepare(
        "INSERT INTO quarantine (digest, device, account, document, received_at, verdict, reason, batch, outcome, decided_at,
           number)
         VALUES (?1, ?2, ?3, ?4, ?5, 'quarantined', 'not_permitted', ?6, ?7, ?8,
           CASE WHEN ?7 IS NULL THEN NULL ELSE (SELECT coalesce(max(number), 0) + 1 FROM quarantine) END)",
    )?;
    for (unit, n) in units.iter().cycle().zip(0..).take(BATCHES) {
        let batch = Batch {
            document: DocumentId::ledger(UnitId::from_bytes(*unit), Month(58)),
            account: AccountId::from_bytes(device.1),
            changes: vec![ByteVec::from(vec![0; 200])],
            alg: ED25519,
            signature: Signature([0; 64]),
            keys: Keys::default(),
        };
        let received_at = 1_700_000_000_000 + n * 3_600_000_i64;
        let outcome = (n % 40 > 0).then_some("discarded");
        put.execute(params![
            random::<32>(),
            DeviceId::from_bytes(device.0).to_bytes(),
            device.1,
            batch.document.to_string(),
            received_at,
            minicbor::to_vec(&batch).unwrap_or_default(),
            outcome,
            outcome.map(|_| received_at + 86_400_000),
        ])?;
    }
    Ok(())
}

fn ids(conn: &Connection, sql: &str) -> rusqlite::Result<Vec<[u8; 16]>> {
    let mut statement = conn.prepare(sql)?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Prints how much there is.
///
/// # Errors
/// The store's.
pub(crate) fn tell(store: &Store) -> anyhow::Result<()> {
    let tables = [
        "assistance",
        "conflict",
        "settlement",
        "remark",
        "directive",
        "acknowledgement",
        "quarantine",
        "audit",
        "account",
        "device",
        "change",
    ];
    let counts = store.read_blocking(|conn| {
        let count = |table: &&str| {
            let sql = format!("SELECT count(*) FROM {table}");
            conn.query_row(&sql, [], |row| row.get::<_, i64>(0))
                .map(|n| format!("{table} {n}"))
        };
        tables.iter().map(count).collect::<rusqlite::Result<Vec<_>>>()
    });
    println!("{}\n", counts.context("counting")?.join(", "));
    Ok(())
}
