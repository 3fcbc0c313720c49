//! What can be done on the phone. Each command is a call or two of the façade.

mod words;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use clap::Subcommand;
use langso_mobile::{AssistanceFilter, Conflict, Page, Vault, VaultError};
use serde_json::json;

use super::home::Home;
use super::http::Server;
use super::show::{self, Format};
use words::{AckStage, Fields, Reason, Record, Said};

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Trade a one-time code for an identity, and fetch what there is.
    Enrol {
        /// Address of the server: `http://127.0.0.1:8080`.
        url: String,
        /// The code.
        code: String,
    },
    /// Record an act of help; prints its id.
    Record(Box<Record>),
    /// Correct fields of a record.
    Amend {
        /// The record.
        id: String,
        #[command(flatten)]
        fields: Fields,
    },
    /// Take a record back.
    Retract {
        /// The record.
        id: String,
        /// Why.
        #[arg(long, value_enum)]
        reason: Reason,
    },
    /// Records, newest first.
    List {
        /// Only those with conflicts.
        #[arg(long)]
        conflicts: bool,
        /// At most so many.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
    },
    /// One record.
    Show {
        /// The record.
        id: String,
    },
    /// Directives, the most pressing first.
    Directives,
    /// Say how far a directive has come.
    Ack {
        /// The directive.
        id: String,
        /// What is said.
        #[arg(value_enum)]
        stage: AckStage,
        /// In words; needed where it cannot be done.
        #[arg(long)]
        note: Option<String>,
        /// The hamlet; not needed by who speaks for one.
        #[arg(long)]
        unit: Option<String>,
    },
    /// Fields that two people set to different values.
    Conflicts,
    /// Choose one of the values, or say another one.
    Resolve {
        /// The record.
        id: String,
        /// The field.
        field: String,
        /// The value's id, as `conflicts` prints it.
        #[arg(required_unless_present = "other", conflicts_with = "other")]
        value: Option<String>,
        /// What is right where none of the values is: numbers in digits, times in UTC milliseconds.
        #[arg(long)]
        other: Option<String>,
    },
    /// What was recorded here and the server did not merge.
    SetAside,
    /// What was said to a record, newest first.
    Remarks {
        /// The record.
        id: String,
    },
    /// Say something to a record, as an official.
    Remark {
        /// The record.
        id: String,
        /// What is said.
        #[arg(value_enum)]
        kind: Said,
        /// In words; not needed where it was found right.
        #[arg(long)]
        words: Option<String>,
    },
    /// Answer a remark.
    Answer {
        /// The remark, as `remarks` prints it.
        id: String,
        /// In words.
        words: String,
    },
    /// Procedures that may be chosen today.
    Procedures {
        /// What is looked for, in the name or the code; accents are optional.
        #[arg(default_value = "")]
        search: String,
    },
    /// Exchange with the server until both have everything. A phone that was revoked delivers what it has, and is gone.
    Sync,
    /// How things stand.
    Status,
}

impl Command {
    pub(crate) fn run(self, home: &Path, format: Format) -> anyhow::Result<()> {
        let home = Home(home);
        match self {
            Command::Enrol { url, code } => enrol(&home, &url, &code, format),
            Command::Record(record) => {
                let id = home.open()?.record_assistance(record.into_new()?)?;
                format.print(&json!({ "id": id }), || id.clone());
                Ok(())
            }
            Command::Amend { id, fields } => done(home.open()?.amend(id, fields.into_fields())?, format),
            Command::Retract { id, reason } => done(home.open()?.retract(id, reason.into())?, format),
            Command::List { conflicts, limit } => {
                list(home.open()?.as_ref(), conflicts.then_some(true), limit, format)
            }
            Command::Show { id } => {
                let row = home.open()?.assistance(id)?;
                let row = row.ok_or_else(|| VaultError::NotAllowed {
                    code: "no_such_record".to_owned(),
                })?;
                let value = show::assistance(&row);
                format.print(&value, || show::members(&value));
                Ok(())
            }
            Command::Directives => {
                format.list(&home.open()?.directives()?, show::directive, show::directive_line);
                Ok(())
            }
            Command::Ack {
                id,
                stage,
                note,
                unit,
            } => {
                home.open()?.acknowledge(id, stage.into(), note, unit)?;
                done(true, format)
            }
            Command::Conflicts => {
                format.list(&home.open()?.conflicts()?, show::conflict, show::conflict_lines);
                Ok(())
            }
            Command::Resolve {
                id,
                field,
                value,
                other,
            } => {
                let vault = home.open()?;
                let conflict = conflict(&vault, &id, &field)?;
                let changed = match other {
                    Some(other) => vault.resolve_otherwise(conflict, other),
                    None => vault.resolve(conflict, value.unwrap_or_default()),
                };
                done(changed?, format)
            }
            Command::SetAside => {
                format.list(&home.open()?.set_aside()?, show::set_aside, show::set_aside_line);
                Ok(())
            }
            Command::Remarks { id } => {
                format.list(&home.open()?.remarks(id)?, show::remark, show::remark_line);
                Ok(())
            }
            Command::Remark { id, kind, words } => done(home.open()?.remark(id, kind.into(), words)?, format),
            Command::Answer { id, words } => done(home.open()?.answer(id, words)?, format),
            Command::Procedures { search } => {
                let found = home.open()?.procedures(search)?;
                format.list(&found, show::procedure, show::procedure_line);
                Ok(())
            }
            Command::Sync => sync(&home, home.open()?.as_ref(), format),
            Command::Status => {
                let value = show::status(&home.open()?.status()?);
                format.print(&value, || show::members(&value));
                Ok(())
            }
        }
    }
}

fn enrol(home: &Home<'_>, url: &str, code: &str, format: Format) -> anyhow::Result<()> {
    let server = Arc::new(Server::at(url)?);
    let vault = home.open_or_create()?;
    // Who is enrolled stays with the server that it is enrolled at.
    if vault.status()?.realm.is_none() {
        home.keep_server(url)?;
    }
    wait(vault.enrol(code.to_owned(), server))??;
    sync(home, &vault, format)
}

fn sync(home: &Home<'_>, vault: &Vault, format: Format) -> anyhow::Result<()> {
    let server = Arc::new(Server::at(&home.server()?)?);
    let report = wait(vault.sync(server, None))??;
    let value = show::report(&report);
    format.print(&value, || show::members(&value));
    if report.total.wiped {
        home.forget()?;
    }
    if report.finished {
        Ok(())
    } else {
        Err(VaultError::Other {
            code: "busy".to_owned(),
        }
        .into())
    }
}

fn list(vault: &Vault, in_conflict: Option<bool>, limit: Option<u32>, format: Format) -> anyhow::Result<()> {
    let filter = AssistanceFilter {
        in_conflict,
        ..AssistanceFilter::default()
    };
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let left = limit.map(|limit| limit - rows.len() as u32);
        let page = vault.assistances(
            filter.clone(),
            Page {
                limit: left.or(Some(500)),
                after,
            },
        )?;
        rows.extend(page.items);
        after = page.next;
        if after.is_none() || limit.is_some_and(|limit| rows.len() as u32 >= limit) {
            break;
        }
    }
    format.list(&rows, show::assistance, show::assistance_line);
    Ok(())
}

/// The conflict as it stands: who calls this has seen it.
fn conflict(vault: &Vault, record: &str, field: &str) -> Result<Conflict, VaultError> {
    let mut conflicts = vault.conflicts()?.into_iter();
    let found = conflicts.find(|conflict| conflict.record == record && conflict.field == field);
    found.ok_or_else(|| VaultError::NotAllowed {
        code: "no_such_conflict".to_owned(),
    })
}

/// Says whether anything was new.
fn done(changed: bool, format: Format) -> anyhow::Result<()> {
    let text = if changed { "done" } else { "nothing new" };
    format.print(&json!({ "changed": changed }), || text.to_owned());
    Ok(())
}

fn wait<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(work))
}
