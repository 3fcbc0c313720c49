//! `langso account`, `langso enrol-code`, `langso enrol-codes`.

use std::fs::File;
use std::io::BufRead;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use jiff::civil::Date;
use rusqlite::Transaction;
use serde_json::json;
use sync_core::ids::{AccountId, DeviceId, UnitId};

use super::console::{at_console, console_permit};
use super::units::find;
use super::{DataDir, say};
use crate::accounts::{self, AccountError, failure, fresh_account};
use crate::app::open_data;
use crate::audit::By;
use crate::clock::{Clock, day_of, random};
use crate::codes::code_of;
use crate::password::{self, PasswordError};
use crate::policy::{Grant, Personal, Role};
use crate::session::hash_password;
use crate::store::{Store, WriteError};
use crate::teams::{add_codes, add_teams};
use crate::{devices, qr, realm};

/// Add accounts, give and take roles, hand posts over.
#[derive(Debug, clap::Args)]
pub struct Account {
    #[command(flatten)]
    data: DataDir,
    #[command(subcommand)]
    command: AccountCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AccountCommand {
    /// Add a person with a role in a unit.
    Add {
        /// The name to log in with.
        #[arg(long)]
        username: String,
        /// The person's name.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        post: Post,
        /// Read a password for the pages from the first line of standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Add the people of a CSV file with the columns username, name, role and unit.
    Import {
        /// Check everything, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// The file.
        file: PathBuf,
    },
    /// Every account with its roles, as one JSON object a line.
    List,
    /// Give a role.
    Grant {
        /// Whose.
        username: String,
        #[command(flatten)]
        post: Post,
        /// Whether it reads citizens' data, where that is not what comes with the role: yes or no.
        #[arg(long, value_parser = personal)]
        personal: Option<Personal>,
    },
    /// End a role.
    End {
        /// Whose.
        username: String,
        #[command(flatten)]
        post: Post,
    },
    /// A post goes from one person to another; records keep their author.
    HandOver {
        /// Who has it.
        from: String,
        /// Who gets it.
        to: String,
        #[command(flatten)]
        post: Post,
    },
    /// Suspend an account: it reads nothing more, its devices may only deliver, into quarantine.
    Suspend {
        /// Whose.
        username: String,
    },
    /// Take a suspension back.
    Resume {
        /// Whose.
        username: String,
    },
    /// A one-time code with which a password is set.
    Reset {
        /// Whose.
        username: String,
    },
    /// Let somebody in again as an admin of the whole realm, with a one-time code for the password.
    Recover {
        /// Whose.
        username: String,
    },
}

/// A role in a unit, from a day on or until it.
#[derive(Debug, clap::Args)]
struct Post {
    /// member, official, leader, admin or auditor.
    #[arg(long, value_parser = role)]
    role: Role,
    /// The unit's id, or its code on the day.
    #[arg(long)]
    unit: String,
    /// The day; today without.
    #[arg(long)]
    on: Option<Date>,
}

/// Make a one-time code with which a phone is enrolled.
#[derive(Debug, clap::Args)]
pub struct EnrolCode {
    #[command(flatten)]
    data: DataDir,
    /// Whose phone.
    #[arg(long)]
    username: String,
    /// The phone that it takes the place of: that one is revoked when the code is used.
    #[arg(long)]
    replaces: Option<DeviceId>,
    /// Print a picture for the phone's camera too.
    #[arg(long)]
    qr: bool,
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
        let (store, _) = open_data(&self.data.path)?;
        let by = at_console();
        match self.command {
            AccountCommand::Add {
                username,
                name,
                post,
                password_stdin,
            } => {
                let hash = password_stdin.then(read_password).transpose()?;
                let (unit, _) = post.place(&store)?;
                let (id, grant) = (fresh_account(), Grant::new(unit, post.role));
                write(&store, move |tx| {
                    accounts::add(tx, &console_permit(tx)?, &by, id, &username, &name, grant)?;
                    match hash {
                        Some(hash) => Ok(password::set(tx, &by, id, &hash, None)?),
                        None => Ok(()),
                    }
                })?;
                say(format_args!("account {id}"));
            }
            AccountCommand::Import { dry_run, file } => import(&store, by, dry_run, &file)?,
            AccountCommand::List => {
                let accounts =
                    store.read_blocking(|conn| accounts::list(conn, &console_permit(conn)?.to_read()))?;
                for account in accounts {
                    say(serde_json::to_string(&account)?);
                }
            }
            AccountCommand::Grant {
                username,
                post,
                personal,
            } => {
                let (account, (unit, day)) = (account(&store, &username)?, post.place(&store)?);
                let grant = Grant {
                    unit,
                    role: post.role,
                    personal: personal.unwrap_or(post.role.personal()),
                };
                write(&store, move |tx| {
                    accounts::grant(tx, &console_permit(tx)?, &by, account, grant, day)
                })?;
                say(format_args!("granted, from {day}"));
            }
            AccountCommand::End { username, post } => {
                let (account, (unit, day)) = (account(&store, &username)?, post.place(&store)?);
                write(&store, move |tx| {
                    accounts::end_role(tx, &console_permit(tx)?, &by, account, (unit, post.role), day)
                })?;
                say(format_args!("ended, from {day}"));
            }
            AccountCommand::HandOver { from, to, post } => {
                let people = (account(&store, &from)?, account(&store, &to)?);
                let (unit, day) = post.place(&store)?;
                write(&store, move |tx| {
                    accounts::hand_over(tx, &console_permit(tx)?, &by, people, (unit, post.role), day)
                })?;
                say(format_args!("handed over, from {day}"));
            }
            AccountCommand::Suspend { username } => {
                let account = account(&store, &username)?;
                write(&store, move |tx| {
                    accounts::suspend(tx, &console_permit(tx)?, &by, account)
                })?;
                say("suspended");
            }
            AccountCommand::Resume { username } => {
                let account = account(&store, &username)?;
                write(&store, move |tx| {
                    accounts::resume(tx, &console_permit(tx)?, &by, account)
                })?;
                say("resumed");
            }
            AccountCommand::Reset { username } => {
                let (account, code) = (account(&store, &username)?, code_of(random()));
                let stored = code.clone();
                write(&store, move |tx| {
                    password::add_reset(tx, &console_permit(tx)?, &by, account, &stored)
                })?;
                say(code);
            }
            AccountCommand::Recover { username } => {
                let (account, code) = (account(&store, &username)?, code_of(random()));
                let stored = code.clone();
                let done = store.write_blocking(move |tx| password::recover(tx, &by, account, &stored));
                done.map_err(|error: WriteError<PasswordError>| anyhow!("{error}"))?;
                say(code);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Post {
    fn place(&self, store: &Store) -> anyhow::Result<(UnitId, Date)> {
        let day = self.on.unwrap_or_else(|| day_of(Clock::system().now_ms()));
        Ok((find(store, &self.unit, day)?, day))
    }
}

impl EnrolCode {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (store, _) = open_data(&self.data.path)?;
        let account = account(&store, &self.username)?;
        let held = store.read_blocking(|conn| realm::held_by(conn, account))?;
        let today = day_of(Clock::system().now_ms());
        let held = held.iter().find(|held| held.on(today));
        let unit = held.context("the account holds no role today")?.grant.unit;
        let (code, by, replaces) = (code_of(random()), at_console(), self.replaces);
        let stored = code.clone();
        write(&store, move |tx| {
            devices::add_code(tx, &console_permit(tx)?, &by, account, unit, &stored, replaces)
        })?;
        say(&code);
        if self.qr {
            say(qr::text(&code)?);
        }
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

/// What was only tried is taken back.
enum Tried {
    Dry(usize),
    Failed(accounts::ImportError),
}

impl From<rusqlite::Error> for Tried {
    fn from(error: rusqlite::Error) -> Self {
        Tried::Failed(error.into())
    }
}

fn import(store: &Store, by: By, dry_run: bool, file: &PathBuf) -> anyhow::Result<()> {
    let name = || file.display().to_string();
    let rows = accounts::parse(File::open(file).with_context(name)?).with_context(name)?;
    let tried = store.write_blocking(move |tx| {
        let permit = console_permit(tx)?;
        let added = accounts::import(tx, &permit, &by, &rows, fresh_account).map_err(Tried::Failed)?;
        if dry_run {
            Err(Tried::Dry(added))
        } else {
            Ok(added)
        }
    });
    match tried {
        Ok(added) => say(format_args!("{added} accounts added")),
        Err(WriteError::Job(Tried::Dry(added))) => {
            say(format_args!(
                "{added} accounts would be added; nothing was changed"
            ));
        }
        Err(WriteError::Job(Tried::Failed(error))) => {
            return Err(anyhow!("{error}").context(format!("{}: nothing was imported", name())));
        }
        Err(_) => return Err(anyhow!("the store failed")),
    }
    Ok(())
}

fn write<F>(store: &Store, job: F) -> anyhow::Result<()>
where
    F: FnOnce(&Transaction<'_>) -> Result<(), AccountError> + Send + 'static,
{
    store
        .write_blocking(job)
        .map_err(|error| anyhow!("{}", failure(&error)))
}

fn account(store: &Store, username: &str) -> anyhow::Result<AccountId> {
    let username = username.trim().to_lowercase();
    let found = store.read_blocking(|conn| realm::account_id(conn, &username))?;
    found.with_context(|| format!("there is no account {username}"))
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_code(word).ok_or_else(|| format!("there is no role {word}"))
}

fn personal(word: &str) -> Result<Personal, String> {
    match word {
        "yes" => Ok(Personal::Read),
        "no" => Ok(Personal::Sealed),
        _ => Err("yes or no".to_owned()),
    }
}

fn read_password() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']);
    password::check(password)?;
    hash_password(password, random()).map_err(|error| anyhow!("{error}"))
}
