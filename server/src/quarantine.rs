//! Quarantine: bytes that were refused are kept, so that an honest phone with a bug can be helped.
//!
//! The same bytes are kept once, and a device can only fill its share. Keys are left out: what is not merged must not
//! make anything readable.

use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};
use sync_core::ids::DeviceId;
use sync_core::protocol::{Batch, Keys, Receipt};

/// Bytes that one device may have here.
const DEVICE_BYTES: i64 = 4 * 1024 * 1024;

/// A refused batch.
#[derive(Debug)]
pub struct Kept {
    digest: [u8; 32],
    device: DeviceId,
    batch: Batch,
    verdict: &'static str,
    reason: String,
}

impl Kept {
    /// What is to be kept of a batch that got this receipt. Missing changes and forks are not kept: the phone still has
    /// everything and sends it again in another form.
    pub fn of(device: DeviceId, batch: &Batch, receipt: &Receipt) -> Option<Self> {
        let (verdict, reason) = match receipt {
            Receipt::Quarantined { reason } => ("quarantined", reason.clone()),
            Receipt::Rejected { code, retry: false } => ("rejected", code.clone()),
            Receipt::Rejected { retry: true, .. }
            | Receipt::Durable { .. }
            | Receipt::Duplicate { .. }
            | Receipt::MissingDeps { .. }
            | Receipt::ActorFork { .. } => return None,
        };
        let mut hash = Sha256::new();
        hash.update(device.to_bytes());
        hash.update(batch.document.to_string());
        batch.changes.iter().for_each(|chunk| {
            hash.update((chunk.len() as u64).to_be_bytes());
            hash.update(chunk.as_slice());
        });
        let batch = Batch {
            keys: Keys::default(),
            ..batch.clone()
        };
        Some(Self {
            digest: hash.finalize().into(),
            device,
            batch,
            verdict,
            reason,
        })
    }
}

/// Keeps refused batches.
///
/// # Errors
/// The store's.
pub fn keep(tx: &Transaction<'_>, refused: &[Kept], now_ms: i64) -> rusqlite::Result<()> {
    for kept in refused {
        let bytes = minicbor::to_vec(&kept.batch).unwrap_or_default();
        let used: Option<i64> = tx
            .prepare_cached("SELECT sum(length(batch)) FROM quarantine WHERE device = ?")?
            .query_row([kept.device.to_bytes()], |row| row.get(0))
            .optional()?
            .flatten();
        if used.unwrap_or(0) + bytes.len() as i64 > DEVICE_BYTES {
            tracing::warn!(device = %kept.device, "quarantine share is full; a refused batch was not kept");
            continue;
        }
        tx.prepare_cached(
            "INSERT OR IGNORE INTO quarantine (digest, device, account, document, received_at, verdict, reason, batch)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            kept.digest,
            kept.device.to_bytes(),
            kept.batch.account.to_bytes(),
            kept.batch.document.to_string(),
            now_ms,
            kept.verdict,
            kept.reason,
            bytes,
        ])?;
    }
    Ok(())
}
