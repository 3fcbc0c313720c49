//! One-time codes with which devices are enrolled: shown once, stored as their digest, good for seven days and one key.

use rusqlite::{OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};
use sync_core::ids::{AccountId, DeviceId, UnitId};

/// How long a code is good for.
pub const TTL_MS: i64 = 7 * 24 * 3600 * 1000;
/// Letters and digits that are not taken for each other (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code that somebody was given.
#[derive(Clone, Copy, Debug)]
pub struct Given {
    /// To whom.
    pub account: AccountId,
    /// For a device of which unit.
    pub unit: UnitId,
    /// Until when it is good, UTC milliseconds.
    pub expires_at_ms: i64,
    /// The device that was enrolled with it.
    pub taken_by: Option<DeviceId>,
    /// The device whose place that one takes.
    pub replaces: Option<DeviceId>,
}

/// A fresh code as people read it: four groups of four.
pub fn code_of(random: [u8; 16]) -> String {
    let letters = random
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    let letters: Vec<char> = letters.map(|letter| char::from(*letter)).collect();
    letters
        .chunks(4)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join("-")
}

/// What is stored of a code, however it was typed.
fn digest(code: &str) -> [u8; 32] {
    let typed = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        });
    Sha256::digest(typed.collect::<String>()).into()
}

/// Stores a code for an account in a unit.
///
/// # Errors
/// The store's.
pub fn add(
    tx: &Transaction<'_>,
    code: &str,
    account: AccountId,
    unit: UnitId,
    now_ms: i64,
) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO enrolment_code (digest, account, unit, expires_at) VALUES (?, ?, ?, ?)")?
        .execute(params![
            digest(code),
            account.to_bytes(),
            unit.to_bytes(),
            now_ms + TTL_MS
        ])?;
    Ok(())
}

/// Whether an account was given this code already.
///
/// # Errors
/// The store's.
pub fn is_given(tx: &Transaction<'_>, code: &str, account: AccountId) -> rusqlite::Result<bool> {
    tx.prepare_cached("SELECT 1 FROM enrolment_code WHERE digest = ? AND account = ?")?
        .exists(params![digest(code), account.to_bytes()])
}

/// Whoever uses a code takes the place of this device.
///
/// # Errors
/// The store's.
pub fn replaces(tx: &Transaction<'_>, code: &str, device: Option<DeviceId>) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE enrolment_code SET replaces = ? WHERE digest = ?")?
        .execute(params![device.map(DeviceId::to_bytes), digest(code)])?;
    Ok(())
}

/// The code, if anybody was given it.
///
/// # Errors
/// The store's.
pub fn find(tx: &Transaction<'_>, code: &str) -> rusqlite::Result<Option<Given>> {
    let sql = "SELECT account, unit, expires_at, device, replaces FROM enrolment_code WHERE digest = ?";
    tx.prepare_cached(sql)?
        .query_row([digest(code)], |row| {
            let device = |column: Option<[u8; 16]>| column.map(DeviceId::from_bytes);
            Ok(Given {
                account: AccountId::from_bytes(row.get(0)?),
                unit: UnitId::from_bytes(row.get(1)?),
                expires_at_ms: row.get(2)?,
                taken_by: device(row.get(3)?),
                replaces: device(row.get(4)?),
            })
        })
        .optional()
}

/// A device was enrolled with it.
///
/// # Errors
/// The store's.
pub fn take(tx: &Transaction<'_>, code: &str, device: DeviceId, now_ms: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE enrolment_code SET used_at = ?, device = ? WHERE digest = ?")?
        .execute(params![now_ms, device.to_bytes(), digest(code)])?;
    Ok(())
}
