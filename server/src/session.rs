//! Sessions of browsers: a password, then a cookie that means nothing by itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use data_encoding::BASE64URL_NOPAD;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use sync_core::ids::AccountId;

/// How long a session lasts.
pub const SESSION_TTL_MS: i64 = 12 * 3600 * 1000;
/// After so many wrong passwords a username waits …
const ATTEMPTS: u32 = 5;
/// … this long, and twice as long after each further one …
const WAIT_MS: i64 = 60_000;
/// … up to this.
const WAIT_MAX_MS: i64 = 60 * WAIT_MS;
/// Waits are remembered for at most so many names.
const NAMES: usize = 10_000;

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who.
    pub account: AccountId,
    /// Their name.
    pub name: String,
    /// What a form has to bring back.
    pub csrf: String,
}

/// A session that has just begun.
#[derive(Debug)]
pub struct Begun {
    /// What the browser brings back.
    pub cookie: String,
    /// What its forms bring back.
    pub csrf: String,
}

/// A password as it is stored.
///
/// # Errors
/// When the hash cannot be made, which does not happen.
pub fn hash_password(password: &str, salt: [u8; 16]) -> Result<String, argon2::password_hash::Error> {
    let salt = SaltString::encode_b64(&salt)?;
    Ok(Argon2::default()
        .hash_password(password.as_bytes(), &salt)?
        .to_string())
}

/// Whether a password fits. Takes as long for somebody who does not exist.
pub fn password_fits(password: &str, stored: Option<&str>) -> bool {
    let nobody =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let hash = PasswordHash::new(stored.unwrap_or(nobody));
    let fits = hash.is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    });
    fits && stored.is_some()
}

/// Begins a session.
///
/// # Errors
/// The store's.
pub fn begin(
    tx: &Transaction<'_>,
    account: AccountId,
    secret: [u8; 32],
    csrf: [u8; 16],
    now_ms: i64,
) -> rusqlite::Result<Begun> {
    tx.prepare_cached("DELETE FROM session WHERE expires_at <= ?")?
        .execute([now_ms])?;
    let (cookie, csrf) = (BASE64URL_NOPAD.encode(&secret), BASE64URL_NOPAD.encode(&csrf));
    tx.prepare_cached("INSERT INTO session (digest, account, csrf, expires_at) VALUES (?, ?, ?, ?)")?
        .execute(params![
            digest(&cookie),
            account.to_bytes(),
            csrf,
            now_ms + SESSION_TTL_MS
        ])?;
    Ok(Begun { cookie, csrf })
}

/// The session of a cookie.
///
/// # Errors
/// The store's.
pub fn find(conn: &Connection, cookie: &str, now_ms: i64) -> rusqlite::Result<Option<Session>> {
    conn.prepare_cached(
        "SELECT s.account, s.csrf, a.display_name FROM session s JOIN account a ON a.id = s.account
         WHERE s.digest = ? AND s.expires_at > ? AND a.disabled_at IS NULL",
    )?
    .query_row(params![digest(cookie), now_ms], |row| {
        Ok(Session {
            account: AccountId::from_bytes(row.get(0)?),
            csrf: row.get(1)?,
            name: row.get(2)?,
        })
    })
    .optional()
}

/// Ends the session of a cookie.
///
/// # Errors
/// The store's.
pub fn end(tx: &Transaction<'_>, cookie: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM session WHERE digest = ?")?
        .execute([digest(cookie)])?;
    Ok(())
}

/// Ends every session of an account but the one of a cookie.
///
/// # Errors
/// The store's.
pub fn end_others(tx: &Transaction<'_>, account: AccountId, cookie: Option<&str>) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM session WHERE account = ? AND digest IS NOT ?")?
        .execute(params![account.to_bytes(), cookie.map(digest)])?;
    Ok(())
}

/// A session, as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// When it began, UTC milliseconds.
    pub began_at_ms: i64,
    /// When it ends by itself.
    pub ends_at_ms: i64,
    /// Whether it is the one that asks.
    pub here: bool,
}

/// The sessions of an account that go on, the last one first.
///
/// # Errors
/// The store's.
pub fn of_account(
    conn: &Connection,
    account: AccountId,
    cookie: &str,
    now_ms: i64,
) -> rusqlite::Result<Vec<SessionView>> {
    let mut statement = conn.prepare_cached(
        "SELECT expires_at, digest = ? FROM session WHERE account = ? AND expires_at > ? ORDER BY expires_at DESC",
    )?;
    let rows = statement.query_map(params![digest(cookie), account.to_bytes(), now_ms], |row| {
        let ends_at_ms: i64 = row.get(0)?;
        Ok(SessionView {
            began_at_ms: ends_at_ms - SESSION_TTL_MS,
            ends_at_ms,
            here: row.get(1)?,
        })
    })?;
    rows.collect()
}

impl Session {
    /// Whether a form brought back what it was given. Takes as long for a near miss as for any other.
    pub fn is_meant(&self, csrf: &str) -> bool {
        self.csrf.as_bytes().ct_eq(csrf.as_bytes()).into()
    }
}

fn digest(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie).into()
}

/// Wrong passwords, by username.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<String, (u32, i64)>>);

impl Attempts {
    /// How long a username has to wait, in milliseconds.
    pub fn wait_ms(&self, username: &str, now_ms: i64) -> Option<i64> {
        let attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (wrong, last) = *attempts.get(username)?;
        let left = last + wait(wrong) - now_ms;
        (wrong >= ATTEMPTS && left > 0).then_some(left)
    }

    /// A password was wrong, or right.
    pub fn record(&self, username: &str, right: bool, now_ms: i64) {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if right {
            attempts.remove(username);
            return;
        }
        attempts.retain(|_, (_, last)| *last + WAIT_MAX_MS > now_ms);
        if attempts.len() < NAMES {
            let (wrong, last) = attempts.entry(username.to_owned()).or_default();
            (*wrong, *last) = (wrong.saturating_add(1), now_ms);
        }
    }
}

/// How long one waits after so many wrong passwords.
fn wait(wrong: u32) -> i64 {
    let doublings = wrong.saturating_sub(ATTEMPTS).min(30);
    WAIT_MS.saturating_mul(1 << doublings).min(WAIT_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_alone() {
        let stored = hash_password("bí mật", [1; 16]).unwrap();
        assert!(password_fits("bí mật", Some(&stored)));
        assert!(!password_fits("bi mat", Some(&stored)));
        assert!(!password_fits("", None));
    }

    #[test]
    fn too_many_wrong_passwords_make_a_name_wait() {
        let attempts = Attempts::default();
        for _ in 0..ATTEMPTS {
            assert_eq!(attempts.wait_ms("lan", 0), None);
            attempts.record("lan", false, 0);
        }
        assert_eq!(attempts.wait_ms("lan", 1000), Some(WAIT_MS - 1000));
        assert_eq!(attempts.wait_ms("lan", WAIT_MS), None);
        assert_eq!(attempts.wait_ms("hoa", 0), None);
        attempts.record("lan", false, WAIT_MS);
        assert_eq!(
            attempts.wait_ms("lan", WAIT_MS),
            Some(2 * WAIT_MS),
            "and longer each time"
        );
        for n in 0..20 {
            attempts.record("lan", false, n);
        }
        assert_eq!(attempts.wait_ms("lan", 19), Some(WAIT_MAX_MS));
        attempts.record("lan", true, 20);
        assert_eq!(attempts.wait_ms("lan", 20), None);
    }
}
