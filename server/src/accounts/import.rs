//! Accounts from a CSV file: `username,name,role,unit` with a header, the unit by its code of the day; optionally
//! `personal` (`yes`, `no`). A person with two roles has two lines. All of it or nothing.

use std::io::Read;

use rusqlite::Transaction;
use serde::Deserialize;
use sync_core::ids::AccountId;

use super::{AccountError, add, grant};
use crate::audit::By;
use crate::clock::day_of;
use crate::lines::{self, RowError};
use crate::policy::{Grant, Permit, Personal, Role, Write};
use crate::realm;
use crate::units;

/// One line.
#[derive(Clone, Debug, Deserialize)]
pub struct PersonRow {
    /// What the person logs in with.
    pub username: String,
    /// The person's name.
    pub name: String,
    /// The role's word.
    pub role: String,
    /// The code of the unit in which it is held.
    pub unit: String,
    /// Whether it reads citizens' data, where that is not what comes with the role.
    #[serde(default)]
    pub personal: String,
}

/// A file that cannot be imported. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Not CSV, or a column is missing; the line is named.
    #[error("the file is not CSV with the columns username, name, role, unit: {0}")]
    Csv(#[from] csv::Error),
    /// Lines that cannot be taken. Names of people are not repeated.
    #[error("{}", lines::told(.0))]
    Rows(Vec<RowError>),
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
}

/// Reads a file.
///
/// # Errors
/// [`ImportError::Csv`].
pub fn parse(input: impl Read) -> Result<Vec<PersonRow>, ImportError> {
    let reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    Ok(reader.into_deserialize().collect::<Result<_, _>>()?)
}

/// Adds the people of a file, and further roles to those who are there. Gives how many accounts are new.
///
/// # Errors
/// [`ImportError`] names every line that cannot be taken; the caller rolls back.
pub fn import(
    tx: &Transaction<'_>,
    permit: &Permit<Write>,
    by: &By,
    rows: &[PersonRow],
    mut fresh: impl FnMut() -> AccountId,
) -> Result<usize, ImportError> {
    let day = day_of(by.now_ms);
    let (mut added, mut bad) = (0, Vec::new());
    for (row, line) in rows.iter().zip(2..) {
        let mut refuse = |key, code: &str| bad.push(RowError::new(line, key, &[("code", &code)]));
        let personal = match row.personal.as_str() {
            "" => None,
            "yes" => Some(Personal::Read),
            "no" => Some(Personal::Sealed),
            _ => {
                refuse("line-personal", "");
                continue;
            }
        };
        let Some(role) = Role::from_code(&row.role) else {
            refuse("line-no-role", &row.role);
            continue;
        };
        let Some(unit) = units::by_code(tx, &row.unit, &day.to_string())? else {
            refuse("line-no-unit", &row.unit);
            continue;
        };
        let given = Grant {
            unit,
            role,
            personal: personal.unwrap_or(role.personal()),
        };
        let known = realm::account_by_username(tx, &row.username.to_lowercase())?;
        let done = match known {
            Some(account) => grant(tx, permit, by, account.id, given, day),
            None => {
                added += 1;
                add(tx, permit, by, fresh(), &row.username, &row.name, given)
            }
        };
        match done {
            Ok(()) => {}
            Err(AccountError::Sqlite(error)) => return Err(error.into()),
            Err(error) => refuse(told(&error), ""),
        }
    }
    if bad.is_empty() {
        Ok(added)
    } else {
        Err(ImportError::Rows(bad))
    }
}

/// What is wrong with a line whose person or role is not taken.
fn told(error: &AccountError) -> &'static str {
    match error {
        AccountError::NotFound => "line-account-beyond",
        AccountError::OutOfReach => "line-unit-beyond",
        AccountError::Taken => "error-username-taken",
        AccountError::Text => "line-account-text",
        AccountError::Own => "error-own-roles",
        AccountError::NotHeld => "line-no-role",
        AccountError::LastAdmin => "error-last-admin",
        AccountError::Sqlite(_) => "error-internal",
    }
}
