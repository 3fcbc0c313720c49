//! Devices: what is enrolled, and what becomes of it – renamed, replaced, revoked, lost.
//!
//! A device that was revoked or lost may still deliver, into quarantine and nothing else, and is told to wipe itself:
//! what an honest person recorded before must not be lost with the right to record. It reads nothing from then on.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;
use serde_json::json;
use sync_core::ids::{AccountId, DeviceId, UnitId};
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use crate::accounts::{self, AccountError, managed};
use crate::audit::{self, Act, By, Change};
use crate::codes;
use crate::policy::{Permit, Read, Write};
use crate::realm;

/// Longest name, in bytes.
const NAME_BYTES: usize = 100;

/// How a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does what its account may.
    Good,
    /// Its account is suspended: it may deliver, into quarantine.
    Suspended,
    /// It was revoked: it may deliver, into quarantine, and then has to wipe itself.
    Revoked,
    /// The store was restored and does not know it: it may deliver, into quarantine, and keeps what it holds until somebody
    /// has admitted it.
    Returned,
}

/// Why something is not done to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is no longer used.
    Revoked,
    /// Nobody knows where it is.
    Lost,
}

/// One device as a manager sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeviceView {
    /// Its id.
    #[schema(value_type = DeviceId)]
    pub id: String,
    /// Whose it is.
    #[schema(value_type = AccountId)]
    pub account: String,
    /// What it is called.
    #[schema(examples("Máy của thôn Đồng Minh"))]
    pub name: String,
    /// When it was enrolled, UTC milliseconds.
    pub enrolled_at_ms: i64,
    /// Since when it is revoked.
    pub revoked_at_ms: Option<i64>,
    /// Whether it was reported lost.
    pub lost: bool,
    /// Its last exchange.
    pub last_sync_at_ms: Option<i64>,
    /// What it has not sent, as it last said.
    pub unsent: Option<u32>,
    /// When two living copies of it were first seen.
    pub copied_at_ms: Option<i64>,
    /// When it showed that it was enrolled in a life of the store that is over; it waits to be admitted.
    pub returned_at_ms: Option<i64>,
}

/// Devices of people who hold or held a role in the permit's units, and those that wait to be admitted – also of people
/// whom this store does not know either –, by id.
///
/// # Errors
/// The store's.
pub fn list(conn: &Connection, permit: &Permit<Read>) -> rusqlite::Result<Vec<DeviceView>> {
    page(conn, permit, None, usize::MAX)
}

/// Those of them after one, at most `limit`.
///
/// # Errors
/// The store's.
pub fn page(
    conn: &Connection,
    permit: &Permit<Read>,
    after: Option<DeviceId>,
    limit: usize,
) -> rusqlite::Result<Vec<DeviceView>> {
    let sql = format!("{DEVICE} WHERE d.id > ?1 UNION ALL {RETURNED} WHERE id > ?1 ORDER BY id");
    let mut statement = conn.prepare_cached(&sql)?;
    let after = after.map_or(Vec::new(), |after| after.to_bytes().to_vec());
    let devices = statement.query_map([after], |row| {
        Ok((AccountId::from_bytes(row.get(1)?), device_view(row)?))
    })?;
    let mut views = Vec::new();
    for device in devices {
        let (account, view) = device?;
        let held = realm::held_by(conn, account)?;
        let in_reach = held.iter().any(|held| permit.units().contains(&held.grant.unit));
        let nobodys = held.is_empty() && view.returned_at_ms.is_some();
        if in_reach || nobodys {
            views.push(view);
        }
        if views.len() == limit {
            break;
        }
    }
    Ok(views)
}

/// The devices of one account, also those that wait to be admitted, the last one enrolled first.
///
/// # Errors
/// The store's.
pub fn of_account(conn: &Connection, account: AccountId) -> rusqlite::Result<Vec<DeviceView>> {
    let sql = format!(
        "{DEVICE} WHERE d.account = ?1 UNION ALL {RETURNED} WHERE account = ?1 ORDER BY enrolled_at DESC"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map([account.to_bytes()], device_view)?;
    rows.collect()
}

const DEVICE: &str =
    "SELECT d.id AS id, d.account, d.name, d.enrolled_at, d.revoked_at, d.lost_at IS NOT NULL,
                        h.last_sync_at, h.unsent, t.copied_at, NULL
                      FROM device d LEFT JOIN device_health h ON h.device = d.id
                        LEFT JOIN device_token t ON t.device = d.id";

const RETURNED: &str =
    "SELECT id, account, '', enrolled_at, NULL, 0, NULL, NULL, NULL, returned_at FROM returned_device";

fn device_view(row: &Row<'_>) -> rusqlite::Result<DeviceView> {
    Ok(DeviceView {
        id: DeviceId::from_bytes(row.get(0)?).to_string(),
        account: AccountId::from_bytes(row.get(1)?).to_string(),
        name: row.get(2)?,
        enrolled_at_ms: row.get(3)?,
        revoked_at_ms: row.get(4)?,
        lost: row.get(5)?,
        last_sync_at_ms: row.get(6)?,
        unsent: row.get(7)?,
        copied_at_ms: row.get(8)?,
        returned_at_ms: row.get(9)?,
    })
}

/// Somebody whom a restored store does not know any more.
#[derive(Clone, Debug)]
pub struct Forgotten {
    /// What they log in with.
    pub username: String,
    /// Their name.
    pub name: String,
}

/// Admits a device that the store was restored without. Whose it is, the realm's own signature says; if the store does not
/// know the person either, `person` tells how they are called – with the id that their records bear, and without a role.
///
/// # Errors
/// [`AccountError`].
pub fn admit(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    device: DeviceId,
    person: Option<&Forgotten>,
) -> Result<(), AccountError> {
    let returned = realm::returned_device(tx, device)?.ok_or(AccountError::NotFound)?;
    let known = "SELECT 1 FROM account WHERE id = ?";
    if tx.prepare_cached(known)?.exists([returned.account.to_bytes()])? {
        managed(tx, permit, by, returned.account)?;
    } else {
        let person = person.ok_or(AccountError::Text)?;
        accounts::add_known(tx, by, returned.account, &person.username, &person.name)?;
    }
    realm::add_device(tx, &returned)?;
    tx.prepare_cached("DELETE FROM returned_device WHERE id = ?")?
        .execute([device.to_bytes()])?;
    Ok(audit::record(tx, by, Act::DeviceAdmitted, &Change::of(device))?)
}

/// How a device stands; `None` if there is none.
///
/// # Errors
/// The store's.
pub fn standing(conn: &Connection, device: DeviceId) -> rusqlite::Result<Option<Standing>> {
    let sql = "SELECT d.revoked_at IS NOT NULL, a.disabled_at IS NOT NULL
               FROM device d JOIN account a ON a.id = d.account WHERE d.id = ?";
    conn.prepare_cached(sql)?
        .query_row([device.to_bytes()], |row| {
            Ok(match (row.get(0)?, row.get(1)?) {
                (true, _) => Standing::Revoked,
                (false, true) => Standing::Suspended,
                (false, false) => Standing::Good,
            })
        })
        .optional()
}

/// Stores a code with which a device of `account` is enrolled for a unit; the one that it `replaces` is revoked then.
/// One that the account was given already stays as it is.
///
/// # Errors
/// [`AccountError`].
pub fn add_code(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    account: AccountId,
    unit: UnitId,
    code: &str,
    replaces: Option<DeviceId>,
) -> Result<(), AccountError> {
    managed(tx, permit, by, account)?;
    if !permit.units().contains(&unit) {
        return Err(AccountError::OutOfReach);
    }
    if let Some(device) = replaces {
        let of_account = "SELECT 1 FROM device WHERE id = ? AND account = ?";
        let known = tx
            .prepare_cached(of_account)?
            .exists(params![device.to_bytes(), account.to_bytes()])?;
        if !known {
            return Err(AccountError::NotFound);
        }
    }
    if codes::is_given(tx, code, account)? {
        return Ok(());
    }
    codes::add(tx, code, account, unit, by.now_ms)?;
    codes::replaces(tx, code, replaces)?;
    let after = json!({ "unit": unit.to_string(), "replaces": replaces.map(|device| device.to_string()) });
    Ok(audit::record(
        tx,
        by,
        Act::CodeMade,
        &Change::now(account, after),
    )?)
}

/// What people call a device, which may be nothing; `None` if it is not known.
///
/// # Errors
/// The store's.
pub fn name(conn: &Connection, device: DeviceId) -> rusqlite::Result<Option<String>> {
    conn.prepare_cached("SELECT name FROM device WHERE id = ?")?
        .query_row([device.to_bytes()], |row| row.get(0))
        .optional()
}

/// Gives a device another name.
///
/// # Errors
/// [`AccountError`].
pub fn rename(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    device: DeviceId,
    name: &str,
) -> Result<(), AccountError> {
    owned(tx, permit, by, device)?;
    let name: String = name.trim().nfc().collect();
    if name.len() > NAME_BYTES || name.chars().any(char::is_control) {
        return Err(AccountError::Text);
    }
    tx.prepare_cached("UPDATE device SET name = ? WHERE id = ?")?
        .execute(params![name, device.to_bytes()])?;
    // The name may hold that of a person: the audit says that there is another, not which.
    Ok(audit::record(tx, by, Act::DeviceRenamed, &Change::of(device))?)
}

/// Revokes a device, or marks it as lost.
///
/// # Errors
/// [`AccountError`].
pub fn end(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    device: DeviceId,
    end: End,
) -> Result<(), AccountError> {
    owned(tx, permit, by, device)?;
    Ok(revoke(tx, by, device, end)?)
}

/// The same, for who has asked for a permit already.
pub(crate) fn revoke(tx: &Transaction<'_>, by: &By, device: DeviceId, end: End) -> rusqlite::Result<()> {
    let (sql, act) = match end {
        End::Revoked => (
            "UPDATE device SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1",
            Act::DeviceRevoked,
        ),
        End::Lost => (
            "UPDATE device SET revoked_at = coalesce(revoked_at, ?2), lost_at = coalesce(lost_at, ?2) WHERE id = ?1",
            Act::DeviceLost,
        ),
    };
    tx.prepare_cached(sql)?
        .execute(params![device.to_bytes(), by.now_ms])?;
    audit::record(tx, by, act, &Change::of(device))
}

fn owned(conn: &Connection, permit: &Permit<Write>, by: &By, device: DeviceId) -> Result<(), AccountError> {
    let device = realm::device(conn, device)?.ok_or(AccountError::NotFound)?;
    managed(conn, permit, by, device.account)
}
