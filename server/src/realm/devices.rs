//! Devices and the keys with which they sign; the server is one of them.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sync_core::ids::{AccountId, DeviceId};
use sync_core::signature::PublicKey;

use super::meta;

/// A device as it was enrolled.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Whose it is.
    pub account: AccountId,
    /// Its key.
    pub key: PublicKey,
    /// When, UTC milliseconds.
    pub enrolled_at: i64,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// A device.
///
/// # Errors
/// The store's.
pub fn device(conn: &Connection, id: DeviceId) -> rusqlite::Result<Option<Device>> {
    let sql = "SELECT account, public_key, enrolled_at, revoked_at IS NOT NULL FROM device WHERE id = ?";
    let row = conn
        .prepare_cached(sql)?
        .query_row([id.to_bytes()], |row| {
            Ok((row.get(0)?, row.get::<_, [u8; 32]>(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    Ok(row.and_then(|(account, key, enrolled_at, revoked)| {
        let (account, key) = (AccountId::from_bytes(account), PublicKey::from_bytes(key).ok()?);
        Some(Device {
            id,
            account,
            key,
            enrolled_at,
            revoked,
        })
    }))
}

/// The key with which a device signs. The server's own replica is the device that bears the realm's id; it signs with the
/// realm's key.
///
/// # Errors
/// The store's.
pub fn signing_key(conn: &Connection, id: DeviceId) -> rusqlite::Result<Option<PublicKey>> {
    let realm: Option<[u8; 16]> = meta(conn, "realm")?;
    if realm == Some(id.to_bytes()) {
        let key: Option<[u8; 32]> = meta(conn, "realm_key")?;
        return Ok(key.and_then(|key| PublicKey::from_bytes(key).ok()));
    }
    let device = match device(conn, id)? {
        Some(device) => Some(device),
        None => returned_device(conn, id)?,
    };
    Ok(device.map(|device| device.key))
}

/// A device that this store knows by the realm's own signature alone: it was enrolled in a life of the store that is over.
///
/// # Errors
/// The store's.
pub fn returned_device(conn: &Connection, id: DeviceId) -> rusqlite::Result<Option<Device>> {
    let sql = "SELECT account, public_key, enrolled_at FROM returned_device WHERE id = ?";
    let row = conn
        .prepare_cached(sql)?
        .query_row([id.to_bytes()], |row| {
            Ok((row.get(0)?, row.get::<_, [u8; 32]>(1)?, row.get(2)?))
        })
        .optional()?;
    Ok(row.and_then(|(account, key, enrolled_at)| {
        Some(Device {
            id,
            account: AccountId::from_bytes(account),
            key: PublicKey::from_bytes(key).ok()?,
            enrolled_at,
            revoked: false,
        })
    }))
}

/// Writes such a device down.
///
/// # Errors
/// The store's.
pub fn add_returned(tx: &Transaction<'_>, device: &Device, now_ms: i64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT OR IGNORE INTO returned_device (id, account, public_key, enrolled_at, returned_at)
         VALUES (?, ?, ?, ?, ?)",
    )?
    .execute(params![
        device.id.to_bytes(),
        device.account.to_bytes(),
        device.key.to_bytes(),
        device.enrolled_at,
        now_ms
    ])?;
    Ok(())
}

/// Writes down the key with which the server's own replica signs.
///
/// # Errors
/// The store's.
pub fn keep_key(tx: &Transaction<'_>, key: PublicKey) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES ('realm_key', ?)")?
        .execute([key.to_bytes()])?;
    Ok(())
}

/// Adds a device.
///
/// # Errors
/// The store's.
pub fn add_device(tx: &Transaction<'_>, device: &Device) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO device (id, account, public_key, enrolled_at) VALUES (?, ?, ?, ?)")?
        .execute(params![
            device.id.to_bytes(),
            device.account.to_bytes(),
            device.key.to_bytes(),
            device.enrolled_at
        ])?;
    Ok(())
}
