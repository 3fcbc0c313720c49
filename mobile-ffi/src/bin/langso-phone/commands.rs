//! What can be done on the phone. Each command is a call or two of the façade.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use langso_mobile::{
    AssistanceField, AssistanceFilter, NewAssistance, Page, RetractReason, Stage, Vault, VaultError,
};
use serde_json::{Value, json};

use super::home::Home;
use super::http::Server;
use super::show::{self, Format};

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
        #[arg(long)]
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
    /// Choose one of the values.
    Resolve {
        /// The record.
        id: String,
        /// The field.
        field: String,
        /// The value's id, as `conflicts` prints it.
        value: String,
    },
    /// Exchange with the server until both have everything.
    Sync,
    /// How things stand.
    Status,
}

/// An act of help.
#[derive(Debug, Args)]
pub(crate) struct Record {
    /// The hamlet; not needed by who has one.
    #[arg(long)]
    unit: Option<String>,
    #[command(flatten)]
    fields: Fields,
}

/// Fields of a record. An empty text clears a field.
#[derive(Debug, Args)]
pub(crate) struct Fields {
    /// Code of the catalogue.
    #[arg(long)]
    category: Option<String>,
    /// National code of the procedure.
    #[arg(long)]
    procedure: Option<String>,
    /// How the help was given (code).
    #[arg(long)]
    channel: Option<String>,
    /// What came of it (code).
    #[arg(long)]
    outcome: Option<String>,
    /// How many people were helped.
    #[arg(long)]
    people: Option<u32>,
    /// How long it took.
    #[arg(long)]
    minutes: Option<u32>,
    /// 1–5.
    #[arg(long)]
    satisfaction: Option<u8>,
    /// The citizen's name.
    #[arg(long)]
    citizen_name: Option<String>,
    /// The citizen's phone number.
    #[arg(long)]
    phone: Option<String>,
    /// The citizen's identity number.
    #[arg(long)]
    citizen_id: Option<String>,
    /// Anything else.
    #[arg(long)]
    note: Option<String>,
    /// When the help was given, UTC milliseconds; now, if it is left out.
    #[arg(long)]
    at_ms: Option<i64>,
}

/// Why a record is taken back.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Reason {
    Duplicate,
    Mistake,
    CitizenRequest,
    Other,
}

/// What is said to a directive.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AckStage {
    Opened,
    Acknowledged,
    Done,
    Cannot,
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
                let directives = home.open()?.directives()?;
                let values: Vec<Value> = directives.iter().map(show::directive).collect();
                let lines = || {
                    directives
                        .iter()
                        .map(show::directive_line)
                        .collect::<Vec<_>>()
                        .join("\n")
                };
                format.print(&values.into(), lines);
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
                let conflicts = home.open()?.conflicts()?;
                let values: Vec<Value> = conflicts.iter().map(show::conflict).collect();
                let lines = || {
                    conflicts
                        .iter()
                        .map(show::conflict_lines)
                        .collect::<Vec<_>>()
                        .join("\n")
                };
                format.print(&values.into(), lines);
                Ok(())
            }
            Command::Resolve { id, field, value } => done(home.open()?.resolve(id, field, value)?, format),
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
    home.keep_server(url)?;
    wait(vault.enrol(code.to_owned(), server))??;
    sync(home, &vault, format)
}

fn sync(home: &Home<'_>, vault: &Vault, format: Format) -> anyhow::Result<()> {
    let server = Arc::new(Server::at(&home.server()?)?);
    let report = wait(vault.sync(server, None))??;
    let value = show::report(&report);
    format.print(&value, || show::members(&value));
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
    let values: Vec<Value> = rows.iter().map(show::assistance).collect();
    let lines = || {
        rows.iter()
            .map(show::assistance_line)
            .collect::<Vec<_>>()
            .join("\n")
    };
    format.print(&values.into(), lines);
    Ok(())
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

impl Record {
    fn into_new(self) -> anyhow::Result<NewAssistance> {
        use anyhow::Context;
        let fields = self.fields;
        Ok(NewAssistance {
            category: fields.category.context("--category is needed")?,
            channel: fields.channel.unwrap_or_else(|| "tai_nha".to_owned()),
            outcome: fields.outcome.context("--outcome is needed")?,
            unit: self.unit,
            occurred_at_ms: fields.at_ms,
            procedure: fields.procedure,
            people: fields.people.unwrap_or(1),
            minutes: fields.minutes,
            satisfaction: fields.satisfaction,
            citizen_name: fields.citizen_name,
            citizen_phone: fields.phone,
            citizen_id: fields.citizen_id,
            note: fields.note,
        })
    }
}

impl Fields {
    fn into_fields(self) -> Vec<AssistanceField> {
        let filled = |text: String| (!text.is_empty()).then_some(text);
        let fields = [
            self.at_ms.map(|at_ms| AssistanceField::OccurredAt { at_ms }),
            self.category.map(|code| AssistanceField::Category { code }),
            self.procedure
                .map(|code| AssistanceField::Procedure { code: filled(code) }),
            self.channel.map(|code| AssistanceField::Channel { code }),
            self.outcome.map(|code| AssistanceField::Outcome { code }),
            self.people.map(|count| AssistanceField::People { count }),
            self.minutes
                .map(|count| AssistanceField::Minutes { count: Some(count) }),
            self.satisfaction
                .map(|stars| AssistanceField::Satisfaction { stars: Some(stars) }),
            self.citizen_name
                .map(|text| AssistanceField::CitizenName { text: filled(text) }),
            self.phone
                .map(|text| AssistanceField::CitizenPhone { text: filled(text) }),
            self.citizen_id
                .map(|text| AssistanceField::CitizenId { text: filled(text) }),
            self.note.map(|text| AssistanceField::Note { text: filled(text) }),
        ];
        fields.into_iter().flatten().collect()
    }
}

impl From<AckStage> for Stage {
    fn from(stage: AckStage) -> Self {
        match stage {
            AckStage::Opened => Stage::Opened,
            AckStage::Acknowledged => Stage::Acknowledged,
            AckStage::Done => Stage::Done,
            AckStage::Cannot => Stage::Cannot,
        }
    }
}

impl From<Reason> for RetractReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Duplicate => RetractReason::Duplicate,
            Reason::Mistake => RetractReason::Mistake,
            Reason::CitizenRequest => RetractReason::CitizenRequest,
            Reason::Other => RetractReason::Other,
        }
    }
}
