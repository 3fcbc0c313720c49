//! `langso account add`, `langso enrol-code`, `langso enrol-codes`.

use std::io::BufRead;
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::json;
use sync_core::ids::UnitId;
use unicode_normalization::UnicodeNormalization;

use super::{DataDir, say};
use crate::accounts::{add_codes, add_teams, fresh_account};
use crate::app::open_data;
use crate::clock::{Clock, day_of, random};
use crate::policy::{Grant, Role};
use crate::realm::{self, Account as AccountRow};
use crate::session::hash_password;
use crate::store::Store;
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
                realm::grant(tx, account.id, Grant::new(unit, role), day_of(now_ms)).map(drop)
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
