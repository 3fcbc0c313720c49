//! `langso account add`, `langso enrol-code`, `langso enrol-codes`.

use std::io::BufRead;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::json;
use sync_core::ids::{AccountId, UnitId};
use unicode_normalization::UnicodeNormalization;

use super::{DataDir, say};
use crate::app::open_data;
use crate::clock::{Clock, day_of, random, random_bits};
use crate::enrolment;
use crate::policy::{Grant, Role};
use crate::realm::{self, Account as AccountRow};
use crate::session::hash_password;
use crate::store::Store;
use crate::tree::{Tree, Unit};
use crate::units;

/// Add accounts.
#[derive(Debug, clap::Args)]
pub struct Account {
    #[command(subcommand)]
    command: AccountCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AccountCommand {
    /// Add a person with a role in a unit.
    Add {
        #[command(flatten)]
        data: DataDir,
        /// The name to log in with.
        #[arg(long)]
        username: String,
        /// The person's name.
        #[arg(long)]
        name: String,
        /// member, official, leader, admin or auditor.
        #[arg(long)]
        role: String,
        /// The unit's id, or its code today.
        #[arg(long)]
        unit: String,
        /// Read a password for the pages from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
    },
}

/// Make a one-time code with which a phone is enrolled.
#[derive(Debug, clap::Args)]
pub struct EnrolCode {
    #[command(flatten)]
    data: DataDir,
    /// Whose phone.
    #[arg(long)]
    username: String,
}

/// Make codes for many phones at once.
#[derive(Debug, clap::Args)]
pub struct EnrolCodes {
    #[command(flatten)]
    data: DataDir,
    /// For each lowest unit, with an account of its team, which is added where there is none.
    #[arg(long, required = true)]
    each_hamlet: bool,
    /// How many codes each.
    #[arg(long, default_value_t = 1)]
    count: u32,
}

impl Account {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let AccountCommand::Add {
            data,
            username,
            name,
            role,
            unit,
            password_stdin,
        } = self.command;
        let role = Role::from_code(&role).with_context(|| format!("there is no role {role}"))?;
        let password_hash = password_stdin.then(read_password).transpose()?;
        let (store, _) = open_data(&data.path)?;
        let unit = find_unit(&store, &unit)?;
        let account = AccountRow {
            id: fresh_account(),
            display_name: name.nfc().collect(),
            password_hash,
        };
        let (id, now_ms) = (account.id, Clock::system().now_ms());
        let username = username.trim().to_lowercase();
        store
            .write_blocking(move |tx| {
                realm::add_account(tx, &account, &username, now_ms)?;
                realm::grant(tx, account.id, Grant { unit, role }, now_ms)
            })
            .context("the account was not added; is the username taken?")?;
        say(format_args!("account {id}"));
        Ok(ExitCode::SUCCESS)
    }
}

impl EnrolCode {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (store, _) = open_data(&self.data.path)?;
        let username = self.username.trim().to_lowercase();
        let account = store.read_blocking(|conn| realm::account_by_username(conn, &username))?;
        let account = account.with_context(|| format!("there is no account {username}"))?;
        say(add_codes(&store, account.id, 1)?.concat());
        Ok(ExitCode::SUCCESS)
    }
}

impl EnrolCodes {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (store, _) = open_data(&self.data.path)?;
        for team in add_teams(&store)? {
            for code in add_codes(&store, team.account, self.count)? {
                let (unit, name) = (team.unit.id.to_string(), &team.unit.name);
                say(json!({ "hamlet": name, "unit": unit, "username": team.username, "code": code }));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The account of a lowest unit's team.
#[derive(Debug)]
pub(super) struct Team {
    /// The unit.
    pub unit: Unit,
    /// Its account.
    pub account: AccountId,
    /// The account's username.
    pub username: String,
}

/// An account for the team of each lowest unit, made where there is none.
///
/// # Errors
/// The store's.
pub(super) fn add_teams(store: &Store) -> anyhow::Result<Vec<Team>> {
    let now_ms = Clock::system().now_ms();
    let tree: Tree = store.read_blocking(|conn| realm::tree(conn, day_of(now_ms)))?;
    let leaves: Vec<Unit> = tree.leaves().cloned().collect();
    let teams = store.write_blocking(move |tx| {
        let teams = leaves.into_iter().map(|unit| {
            let username = format!("to-{}", unit.code.to_lowercase());
            if let Some(account) = realm::account_by_username(tx, &username)? {
                return Ok(Team {
                    unit,
                    account: account.id,
                    username,
                });
            }
            let account = AccountRow {
                id: fresh_account(),
                display_name: unit.name.clone(),
                password_hash: None,
            };
            realm::add_account(tx, &account, &username, now_ms)?;
            realm::grant(
                tx,
                account.id,
                Grant {
                    unit: unit.id,
                    role: Role::Member,
                },
                now_ms,
            )?;
            Ok(Team {
                unit,
                account: account.id,
                username,
            })
        });
        teams.collect::<rusqlite::Result<Vec<Team>>>()
    })?;
    Ok(teams)
}

/// Fresh codes for an account.
///
/// # Errors
/// The store's.
pub(super) fn add_codes(store: &Store, account: AccountId, count: u32) -> anyhow::Result<Vec<String>> {
    let codes: Vec<String> = (0..count).map(|_| enrolment::code_of(random())).collect();
    let (stored, now_ms) = (codes.clone(), Clock::system().now_ms());
    store.write_blocking(move |tx| {
        stored
            .iter()
            .try_for_each(|code| enrolment::add_code(tx, code, account, now_ms))
    })?;
    Ok(codes)
}

/// A fresh id for an account.
pub(super) fn fresh_account() -> AccountId {
    AccountId::from_parts(Clock::system().now_ms() as u64, random_bits())
}

fn find_unit(store: &Store, unit: &str) -> anyhow::Result<UnitId> {
    if let Ok(id) = unit.parse() {
        return Ok(id);
    }
    let today = day_of(Clock::system().now_ms()).to_string();
    let found = store.read_blocking(|conn| units::by_code(conn, unit, &today))?;
    found.with_context(|| format!("there is no unit {unit}"))
}

fn read_password() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.chars().count() < 8 {
        bail!("a password has at least 8 characters");
    }
    hash_password(password, random()).map_err(|error| anyhow::anyhow!("{error}"))
}
