//! Acknowledgement events as they were signed: what a file of receipts is made of.

use rusqlite::Connection;
use sync_core::ids::{AccountId, DeviceId, RecordId};
use sync_core::record::{Acknowledgement, Issue, Origin, Stage};
use sync_core::signature::Signature;

use super::{document, unknown};

/// Every event for a directive, whatever version, by unit and time.
///
/// # Errors
/// The store's.
pub fn acknowledgements(conn: &Connection, directive: RecordId) -> rusqlite::Result<Vec<Acknowledgement>> {
    let mut statement = conn.prepare_cached(
        "SELECT record, document, directive, version, digest, stage, note, at, device_at, by_account, device, previous,
                signature, statement, actor, seq, unknown
         FROM acknowledgement WHERE directive = ? ORDER BY unit, at, record",
    )?;
    let mut rows = statement.query([directive.to_bytes()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let stage: String = row.get(5)?;
        let Some(stage) = Stage::from_code(&stage) else {
            continue;
        };
        found.push(Acknowledgement {
            id: RecordId::from_bytes(row.get(0)?),
            document: document(conn, row.get(1)?)?,
            issue: Issue {
                directive: RecordId::from_bytes(row.get(2)?),
                version: row.get(3)?,
                digest: row.get(4)?,
            },
            stage,
            note: row.get(6)?,
            at_ms: row.get(7)?,
            device_at_ms: row.get(8)?,
            by: AccountId::from_bytes(row.get(9)?),
            device: DeviceId::from_bytes(row.get(10)?),
            previous: row.get(11)?,
            signature: Signature(row.get(12)?),
            digest: row.get(13)?,
            origin: Origin {
                actor: row.get::<_, Vec<u8>>(14)?.into(),
                seq: row.get(15)?,
            },
            unknown: unknown(row.get(16)?),
        });
    }
    Ok(found)
}
