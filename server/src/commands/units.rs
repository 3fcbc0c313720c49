//! `langso units`: import, reform, and single dated operations.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::civil::Date;
use sync_core::ids::UnitId;

use super::console::console_permit;
use super::{DataDir, say};
use crate::app::open_data;
use crate::audit::By;
use crate::clock::{Clock, day_of, random_bits};
use crate::store::{Store, WriteError};
use crate::units::change::{Change, ChangeError, Part, Period, change};
use crate::units::reform::{self, Report, Unknown};
use crate::units::{self, UnitsError};

/// Import units from a CSV file, and change them from a day on.
#[derive(Debug, clap::Args)]
pub struct Units {
    #[command(flatten)]
    data: DataDir,
    #[command(subcommand)]
    command: UnitsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum UnitsCommand {
    /// Add the units of a CSV file with the columns code, parent_code, level and name.
    Import {
        /// The first day on which they hold.
        #[arg(long, default_value = "2020-01-01")]
        from: Date,
        /// Check everything, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// The file.
        file: PathBuf,
    },
    /// Do what a CSV file with the columns effective_from, old_code, old_name, new_code and new_name says.
    Reform {
        /// Where roles of abolished units go: a CSV file with the columns username, role, old_code and new_code.
        #[arg(long)]
        roles: Option<PathBuf>,
        /// Pass over lines about units that are not in this realm.
        #[arg(long)]
        skip_unknown: bool,
        /// Say what would happen, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
        /// The file.
        file: PathBuf,
    },
    /// List the units of a day.
    List {
        /// The day; today without.
        #[arg(long)]
        on: Option<Date>,
    },
    /// A new unit.
    Create {
        #[command(flatten)]
        on: On,
        /// What kind of unit.
        #[arg(long)]
        level: String,
        /// Its official code.
        #[arg(long, default_value = "")]
        code: String,
        /// Its name.
        #[arg(long)]
        name: String,
        /// The unit above it.
        #[arg(long)]
        parent: Option<String>,
    },
    /// Another name for a unit, and another code if one is given.
    Rename {
        #[command(flatten)]
        on: On,
        /// The unit.
        unit: String,
        /// Its new name.
        #[arg(long)]
        name: String,
        /// Its new code.
        #[arg(long)]
        code: Option<String>,
    },
    /// Another unit above a unit.
    Move {
        #[command(flatten)]
        on: On,
        /// The unit.
        unit: String,
        /// The unit above it.
        #[arg(long)]
        to: String,
    },
    /// Units go into another one.
    Merge {
        #[command(flatten)]
        on: On,
        /// The units that end.
        #[arg(required = true)]
        units: Vec<String>,
        /// The one that goes on.
        #[arg(long)]
        into: String,
    },
    /// A unit is divided; the first new one inherits from it.
    Split {
        #[command(flatten)]
        on: On,
        /// The unit.
        unit: String,
        /// CODE=NAME of each new unit, the main successor first.
        #[arg(long, required = true)]
        into: Vec<String>,
    },
    /// A unit with nothing below it ends.
    Abolish {
        #[command(flatten)]
        on: On,
        /// The unit.
        unit: String,
        /// Who inherits from it.
        #[arg(long)]
        heir: Option<String>,
    },
}

/// From when on.
#[derive(Debug, clap::Args)]
struct On {
    /// The first day on which it holds.
    #[arg(long)]
    on: Date,
}

/// What came of something that may only have been tried.
enum Tried<T> {
    /// It was to be a try: taken back.
    Dry(T),
    /// It could not be done.
    Failed(UnitsError),
}

impl<T> From<rusqlite::Error> for Tried<T> {
    fn from(error: rusqlite::Error) -> Self {
        Tried::Failed(error.into())
    }
}

impl Units {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (store, _) = open_data(&self.data.path)?;
        match self.command {
            UnitsCommand::Import { from, dry_run, file } => import(&store, from, dry_run, &file)?,
            UnitsCommand::Reform {
                roles,
                skip_unknown,
                dry_run,
                json,
                file,
            } => {
                let unknown = if skip_unknown {
                    Unknown::Skip
                } else {
                    Unknown::Refuse
                };
                let report = do_reform(&store, &file, roles.as_deref(), unknown, dry_run)?;
                if json {
                    say(serde_json::to_string(&report)?);
                } else {
                    tell(&report, dry_run);
                }
            }
            UnitsCommand::List { on } => list(&store, on)?,
            other => {
                let (day, change) = single(&store, other)?;
                let by = By::console(Clock::system().now_ms());
                store
                    .write_blocking(move |tx| {
                        let permit = console_permit(tx)?;
                        self::change(tx, &permit, day, &change, &by)
                    })
                    .map_err(|error: WriteError<ChangeError>| anyhow::anyhow!("{error}"))?;
                say(format_args!("done, from {day}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn opened(file: &Path) -> anyhow::Result<File> {
    File::open(file).with_context(|| file.display().to_string())
}

fn import(store: &Store, from: Date, dry_run: bool, file: &Path) -> anyhow::Result<()> {
    let rows = units::parse(opened(file)?).with_context(|| file.display().to_string())?;
    let now_ms = Clock::system().now_ms();
    let fresh = move || UnitId::from_parts(now_ms as u64, random_bits());
    let tried = store.write_blocking(move |tx| {
        let permit = console_permit(tx)?;
        let added = units::import(tx, &permit, &By::console(now_ms), &rows, from, fresh);
        let added = added.map_err(Tried::Failed)?;
        if dry_run {
            Err(Tried::Dry(added))
        } else {
            Ok(added)
        }
    });
    match tried {
        Ok(added) => say(format_args!("{added} units added")),
        Err(WriteError::Job(Tried::Dry(added))) => {
            say(format_args!("{added} units would be added; nothing was changed"));
        }
        Err(WriteError::Job(Tried::Failed(error))) => {
            return Err(
                anyhow::anyhow!("{error}").context(format!("{}: nothing was imported", file.display()))
            );
        }
        Err(_) => bail!("the store failed"),
    }
    Ok(())
}

fn do_reform(
    store: &Store,
    file: &Path,
    roles: Option<&Path>,
    unknown: Unknown,
    dry_run: bool,
) -> anyhow::Result<Report> {
    let rows = reform::parse(opened(file)?).with_context(|| file.display().to_string())?;
    let roles = match roles {
        Some(file) => reform::parse_roles(opened(file)?).with_context(|| file.display().to_string())?,
        None => Vec::new(),
    };
    let now_ms = Clock::system().now_ms();
    let fresh = move || UnitId::from_parts(now_ms as u64, random_bits());
    let tried = store.write_blocking(move |tx| {
        let permit = console_permit(tx)?;
        let by = By::console(now_ms);
        let report = reform::reform(tx, &permit, &rows, &roles, unknown, &by, fresh);
        let report = report.map_err(Tried::Failed)?;
        if dry_run {
            Err(Tried::Dry(report))
        } else {
            Ok(report)
        }
    });
    match tried {
        Ok(report) | Err(WriteError::Job(Tried::Dry(report))) => Ok(report),
        Err(WriteError::Job(Tried::Failed(error))) => {
            Err(anyhow::anyhow!("{error}").context(format!("{}: nothing was changed", file.display())))
        }
        Err(_) => bail!("the store failed"),
    }
}

fn tell(report: &Report, dry_run: bool) {
    for moved in &report.moves {
        let (from, to) = (&moved.from, &moved.to);
        say(format_args!(
            "{} {} → {} {}: {} records, {} directives",
            from.0, from.1, to.0, to.1, moved.records, moved.directives
        ));
    }
    for (username, role, code) in &report.without_reach {
        say(format_args!("without reach: {username} ({role} in {code})"));
    }
    say(format_args!(
        "on {}: {} units merged, {} kept, {} abolished above them, {} below followed; {} lines about other realms",
        report.on, report.merged, report.kept, report.abolished, report.followed, report.skipped
    ));
    if dry_run {
        say("nothing was changed");
    }
}

fn list(store: &Store, on: Option<Date>) -> anyhow::Result<()> {
    let day = on.unwrap_or_else(|| day_of(Clock::system().now_ms()));
    let tree = store.read_blocking(|conn| crate::realm::tree(conn, day))?;
    let mut open: Vec<(UnitId, usize)> = tree.roots().iter().rev().map(|root| (*root, 0)).collect();
    while let Some((id, depth)) = open.pop() {
        let Some(unit) = tree.unit(id) else { continue };
        say(format_args!(
            "{id} {}{} {} ({})",
            "  ".repeat(depth),
            unit.code,
            unit.name,
            unit.level
        ));
        open.extend(tree.children(id).iter().rev().map(|child| (*child, depth + 1)));
    }
    Ok(())
}

/// The operation that a command line asks for.
fn single(store: &Store, command: UnitsCommand) -> anyhow::Result<(Date, Change)> {
    let now_ms = Clock::system().now_ms();
    let fresh = || UnitId::from_parts(now_ms as u64, random_bits());
    Ok(match command {
        UnitsCommand::Create {
            on: On { on },
            level,
            code,
            name,
            parent,
        } => {
            let parent = parent.map(|parent| find(store, &parent, on)).transpose()?;
            let period = Period {
                level,
                code,
                name,
                parent,
            };
            (
                on,
                Change::Create {
                    unit: fresh(),
                    period,
                },
            )
        }
        UnitsCommand::Rename {
            on: On { on },
            unit,
            name,
            code,
        } => {
            let unit = find(store, &unit, on)?;
            (on, Change::Rename { unit, name, code })
        }
        UnitsCommand::Move {
            on: On { on },
            unit,
            to,
        } => {
            let (unit, parent) = (find(store, &unit, on)?, Some(find(store, &to, on)?));
            (on, Change::Move { unit, parent })
        }
        UnitsCommand::Merge {
            on: On { on },
            units,
            into,
        } => {
            let units = units.iter().map(|unit| find(store, unit, on));
            let units = units.collect::<anyhow::Result<_>>()?;
            (
                on,
                Change::Merge {
                    units,
                    into: find(store, &into, on)?,
                },
            )
        }
        UnitsCommand::Split {
            on: On { on },
            unit,
            into,
        } => {
            let unit = find(store, &unit, on)?;
            let into = into.iter().map(|text| {
                let (code, name) = text.split_once('=').context("a new unit is CODE=NAME")?;
                let part = Part {
                    code: code.to_owned(),
                    name: name.to_owned(),
                };
                Ok((fresh(), part))
            });
            (
                on,
                Change::Split {
                    unit,
                    into: into.collect::<anyhow::Result<_>>()?,
                },
            )
        }
        UnitsCommand::Abolish {
            on: On { on },
            unit,
            heir,
        } => {
            let heir = heir.map(|heir| find(store, &heir, on)).transpose()?;
            (
                on,
                Change::Abolish {
                    unit: find(store, &unit, on)?,
                    heir,
                },
            )
        }
        UnitsCommand::Import { .. } | UnitsCommand::Reform { .. } | UnitsCommand::List { .. } => {
            bail!("not an operation on one unit")
        }
    })
}

/// A unit by its id, or by its code on a day.
pub(super) fn find(store: &Store, unit: &str, day: Date) -> anyhow::Result<UnitId> {
    if let Ok(id) = unit.parse() {
        return Ok(id);
    }
    let found = store.read_blocking(|conn| units::by_code(conn, unit, &day.to_string()))?;
    found.with_context(|| format!("on {day} there is no unit {unit}"))
}
