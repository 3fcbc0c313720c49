//! Who was here and how they are: what the health board shows.
//!
//! An idle exchange writes nothing; this is remembered in memory and written now and then for all devices at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Transaction, params};
use sync_core::ids::DeviceId;
use sync_core::protocol::Health;

/// Longest app version that is kept, in bytes.
const VERSION_BYTES: usize = 32;

/// Devices seen since the last time this was written.
#[derive(Debug, Default)]
pub struct Presence {
    seen: Mutex<HashMap<DeviceId, Seen>>,
}

/// What one device said when it was last here.
#[derive(Clone, Debug)]
pub struct Seen {
    at_ms: i64,
    clock_offset_ms: i64,
    health: Option<Health>,
}

impl Presence {
    /// A device was here.
    pub fn saw(&self, device: DeviceId, device_time_ms: i64, health: Option<&Health>, now_ms: i64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.remove(&device).and_then(|seen| seen.health);
        let clock_offset_ms = device_time_ms.saturating_sub(now_ms);
        seen.insert(
            device,
            Seen {
                at_ms: now_ms,
                clock_offset_ms,
                health: health.cloned().or(before),
            },
        );
    }

    /// Takes what is to be written.
    pub fn take(&self) -> HashMap<DeviceId, Seen> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes what [`Presence::take`] gave. What a device did not say this time stays as it was.
///
/// # Errors
/// The store's.
pub fn put(tx: &Transaction<'_>, seen: &HashMap<DeviceId, Seen>) -> rusqlite::Result<()> {
    for (device, seen) in seen {
        let health = seen.health.as_ref();
        let version = health.and_then(|health| health.app_version.as_deref());
        tx.prepare_cached(
            "INSERT INTO device_health
               (device, last_sync_at, clock_offset_ms, unsent, oldest_unsent_at, free_storage, app_version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (device) DO UPDATE SET
               last_sync_at = max(last_sync_at, ?2), clock_offset_ms = ?3,
               unsent = iif(?8, ?4, unsent), oldest_unsent_at = iif(?8, ?5, oldest_unsent_at),
               free_storage = coalesce(?6, free_storage), app_version = coalesce(?7, app_version)",
        )?
        .execute(params![
            device.to_bytes(),
            seen.at_ms,
            seen.clock_offset_ms,
            health.map(|health| health.unsent),
            health.and_then(|health| health.oldest_unsent_ms),
            health.and_then(|health| health.free_storage.and_then(|bytes| i64::try_from(bytes).ok())),
            version.map(|version| &version[..version.floor_char_boundary(VERSION_BYTES)]),
            health.is_some(),
        ])?;
    }
    Ok(())
}
