//! Devices: how one is enrolled by a one-time code, and how it proves later that it is itself.
//!
//! A code ([`crate::codes`]) is good for one key. The device signs what it asks
//! a token for; a signed assertion is good once and for a few minutes around the server's time. A device whose clock is
//! elsewhere gets a nonce to sign instead, so a wrong clock locks nobody out. A device that is not known shows the realm's
//! signature under its enrolment: the store was restored, and what the device has is still to be delivered.

use rusqlite::{Transaction, params};
use sha2::{Digest, Sha256};
use sync_core::enrolment::ShownEnrolment;
use sync_core::ids::{AccountId, DeviceId, RealmId, UnitId};
use sync_core::signature::{AssertionStatement, PublicKey, Signature};

use crate::audit::{self, Act, By, Change};
use crate::clock::day_of;
use crate::codes::{self, Given};
use crate::devices::{self, End};
use crate::realm::{self, Device};

/// How far an assertion's time may be from the server's.
const CLOCK_TOLERANCE_MS: i64 = 5 * 60 * 1000;
/// How long a nonce is good for.
const NONCE_TTL_MS: i64 = 5 * 60 * 1000;
/// Why a device is not let in.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// There is no such code.
    #[error("no such code")]
    CodeUnknown,
    /// Another key took the code.
    #[error("the code was used")]
    CodeUsed,
    /// The code is too old.
    #[error("the code has expired")]
    CodeExpired,
    /// There is no such device, or its signature does not fit.
    #[error("the device did not prove itself")]
    NotProven,
    /// The time of the assertion is too far away: sign this nonce.
    #[error("the clock is too far away")]
    ClockRefused {
        /// To be signed in the next assertion.
        nonce: [u8; 16],
    },
    /// The assertion was used before.
    #[error("the assertion was used before")]
    Replayed,
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Whether an account may still be enrolled for a unit: it is not suspended, and holds a role there or in what
/// inherited from there.
fn may_enrol(tx: &Transaction<'_>, account: AccountId, unit: UnitId, now_ms: i64) -> rusqlite::Result<bool> {
    let sql = "WITH RECURSIVE line (unit) AS
                 (VALUES (?2) UNION SELECT s.successor FROM unit_successor s JOIN line l ON s.unit = l.unit)
               SELECT 1 FROM role r JOIN line l ON r.unit = l.unit JOIN account a ON a.id = r.account
               WHERE r.account = ?1 AND a.disabled_at IS NULL
                 AND r.valid_from <= ?3 AND (r.valid_to IS NULL OR r.valid_to > ?3)";
    tx.prepare_cached(sql)?.exists(params![
        account.to_bytes(),
        unit.to_bytes(),
        day_of(now_ms).to_string()
    ])
}

/// Takes a code for a key. The same key with the same code is the same device again: its answer may have been lost.
///
/// # Errors
/// [`EnrolmentError`].
pub fn enrol(
    tx: &Transaction<'_>,
    code: &str,
    key: PublicKey,
    fresh: DeviceId,
    origin: &str,
    now_ms: i64,
) -> Result<Device, EnrolmentError> {
    let given = codes::find(tx, code)?.ok_or(EnrolmentError::CodeUnknown)?;
    if let Some(device) = given.taken_by {
        let device = realm::device(tx, device)?;
        return device
            .filter(|device| device.key == key && !device.revoked)
            .ok_or(EnrolmentError::CodeUsed);
    }
    let Given { account, unit, .. } = given;
    if given.expires_at_ms <= now_ms || !may_enrol(tx, account, unit, now_ms)? {
        return Err(EnrolmentError::CodeExpired);
    }
    let device = Device {
        id: fresh,
        account,
        key,
        enrolled_at: now_ms,
        revoked: false,
    };
    realm::add_device(tx, &device)?;
    codes::take(tx, code, fresh, now_ms)?;
    let by = By {
        account: Some(account),
        origin: origin.to_owned(),
        now_ms,
    };
    audit::record(tx, &by, Act::DeviceEnrolled, &Change::of(fresh))?;
    if let Some(old) = given.replaces {
        devices::revoke(tx, &by, old, End::Revoked)?;
    }
    Ok(device)
}

/// What a device says to get a token.
#[derive(Clone, Copy, Debug)]
pub struct Assertion {
    /// Which device.
    pub device: DeviceId,
    /// Its time, UTC milliseconds.
    pub time_ms: i64,
    /// Random, so that two assertions of one moment differ.
    pub jti: [u8; 16],
    /// The nonce that it was given, if its clock was refused.
    pub nonce: Option<[u8; 16]>,
    /// Over all of it.
    pub signature: Signature,
}

/// The realm, and how it knows its own word again.
#[derive(Clone, Copy, Debug)]
pub struct Realm {
    /// Which.
    pub id: RealmId,
    /// What enrolments are signed with.
    pub key: PublicKey,
}

/// Checks an assertion and remembers that it was used.
///
/// # Errors
/// [`EnrolmentError`]. [`EnrolmentError::ClockRefused`] has stored its nonce: commit it.
pub fn check(
    tx: &Transaction<'_>,
    realm: Realm,
    assertion: &Assertion,
    shown: Option<&ShownEnrolment>,
    fresh_nonce: [u8; 16],
    by: &By,
) -> Result<Result<Device, EnrolmentError>, rusqlite::Error> {
    let now_ms = by.now_ms;
    let outcome = known(tx, realm, assertion.device, shown).and_then(|found| {
        let (device, knows) = found.ok_or(EnrolmentError::NotProven)?;
        check_proof(tx, realm.id, &device, assertion, now_ms)?;
        if knows == Knows::ByItsWord {
            realm::add_returned(tx, &device, now_ms)?;
            audit::record(tx, by, Act::DeviceReturned, &Change::of(device.id))?;
        }
        Ok(device)
    });
    if let Err(EnrolmentError::ClockRefused { .. }) = outcome {
        tx.prepare_cached("INSERT INTO nonce (nonce, device, expires_at) VALUES (?, ?, ?)")?
            .execute(params![
                fresh_nonce,
                assertion.device.to_bytes(),
                now_ms + NONCE_TTL_MS
            ])?;
        return Ok(Err(EnrolmentError::ClockRefused { nonce: fresh_nonce }));
    }
    Ok(outcome)
}

/// How a device is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Knows {
    /// It is in the tables.
    ByItself,
    /// It is not, and shows that the realm enrolled it: the store was restored from a day before.
    ByItsWord,
}

fn known(
    tx: &Transaction<'_>,
    realm: Realm,
    id: DeviceId,
    shown: Option<&ShownEnrolment>,
) -> Result<Option<(Device, Knows)>, EnrolmentError> {
    let stored = match realm::device(tx, id)? {
        Some(device) => Some(device),
        None => realm::returned_device(tx, id)?,
    };
    let shown = || {
        let statement = shown?.verify(realm.id, id, &realm.key).ok()?;
        Some(Device {
            id,
            account: statement.account,
            key: statement.public_key,
            enrolled_at: statement.enrolled_at_ms,
            revoked: false,
        })
    };
    Ok(match stored {
        Some(device) => Some((device, Knows::ByItself)),
        None => shown().map(|device| (device, Knows::ByItsWord)),
    })
}

fn check_proof(
    tx: &Transaction<'_>,
    realm: RealmId,
    device: &Device,
    assertion: &Assertion,
    now_ms: i64,
) -> Result<(), EnrolmentError> {
    tx.prepare_cached("DELETE FROM used_assertion WHERE expires_at <= ?")?
        .execute([now_ms])?;
    tx.prepare_cached("DELETE FROM nonce WHERE expires_at <= ?")?
        .execute([now_ms])?;
    let statement = AssertionStatement {
        realm,
        device: assertion.device,
        time_ms: assertion.time_ms,
        nonce: assertion.nonce,
        jti: assertion.jti,
    };
    statement
        .verify(&device.key, &assertion.signature)
        .map_err(|_| EnrolmentError::NotProven)?;
    // A revoked device proves itself like any other: it may still deliver.
    let given = match assertion.nonce {
        None => false,
        Some(nonce) => {
            let sql = "DELETE FROM nonce WHERE nonce = ? AND device = ?";
            tx.prepare_cached(sql)?
                .execute(params![nonce, assertion.device.to_bytes()])?
                == 1
        }
    };
    // A device says any time it likes: the difference may be larger than the times themselves.
    let near = assertion.time_ms.abs_diff(now_ms) <= CLOCK_TOLERANCE_MS.unsigned_abs();
    if !given && !near {
        return Err(EnrolmentError::ClockRefused { nonce: [0; 16] });
    }
    let digest: [u8; 32] = Sha256::digest(statement.to_bytes()).into();
    let fresh = tx
        .prepare_cached("INSERT OR IGNORE INTO used_assertion (digest, expires_at) VALUES (?, ?)")?
        .execute(params![digest, now_ms + 2 * CLOCK_TOLERANCE_MS])?;
    if fresh == 1 {
        Ok(())
    } else {
        Err(EnrolmentError::Replayed)
    }
}
