//! `langso quarantine`.

use std::process::ExitCode;

use anyhow::Context;
use rusqlite::Connection;

use super::console::at_console;
use super::{DataDir, say};
use crate::app::{App, open_data};
use crate::clock::Clock;
use crate::config::{Config, Overrides};
use crate::policy::{self, Permit, Write};
use crate::quarantine::{self, Discard};

/// See and decide what becomes of batches that were not merged.
#[derive(Debug, clap::Args)]
pub struct Quarantine {
    #[command(flatten)]
    data: DataDir,
    #[command(subcommand)]
    command: QuarantineCommand,
}

#[derive(Debug, clap::Subcommand)]
enum QuarantineCommand {
    /// Every batch that waits, as one JSON object a line.
    List,
    /// One batch: what is known of it, and its changes by their hashes.
    Show {
        /// Its number.
        id: i64,
    },
    /// Merge it after all, and what stands on it. The server must be stopped; beside a running one, officials decide by
    /// `/v1/quarantine`.
    Release {
        /// Its number.
        id: i64,
    },
    /// Say that it will not be merged. The bytes stay, here and on the phone. The server must be stopped, as for a release.
    Discard {
        /// Its number.
        id: i64,
        /// Why: duplicate, mistake, not_ours, not_genuine or other. The phone shows it.
        #[arg(long, value_parser = discard)]
        reason: Discard,
    },
}

impl Quarantine {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let data = self.data.existing()?.to_owned();
        match self.command {
            QuarantineCommand::List => {
                let (store, _) = open_data(&data)?;
                for parked in store.read_blocking(quarantine::list)? {
                    say(serde_json::to_string(&parked)?);
                }
            }
            QuarantineCommand::Show { id } => {
                let (store, keys) = open_data(&data)?;
                let found = store.read_blocking(|conn| {
                    let permit = whoever(conn, id)?.to_read();
                    quarantine::find(conn, &permit, id, &keys.master)
                })?;
                let (parked, batch) = found.context("no such batch")?;
                say(serde_json::to_string(&parked)?);
                for chunk in &batch.changes {
                    let hash = sync_core::preflight::chunk_hash(chunk);
                    say(format_args!(
                        "{} {} bytes",
                        data_encoding::HEXLOWER.encode(&hash),
                        chunk.len()
                    ));
                }
            }
            QuarantineCommand::Release { id } => {
                let (app, runtime) = served_alone(data)?;
                let permit = app.store().read_blocking(|conn| whoever(conn, id))?;
                let released = runtime.block_on(app.exchange.release(&permit, id, &at_console()))?;
                say(format_args!("{} batches were merged", released.len()));
            }
            QuarantineCommand::Discard { id, reason } => {
                let (app, runtime) = served_alone(data)?;
                let permit = app.store().read_blocking(|conn| whoever(conn, id))?;
                let discarded = runtime.block_on(app.exchange.discard(&permit, id, reason, &at_console()))?;
                say(format_args!("{} batches were discarded", discarded.len()));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Leave for the console, whatever became of the unit of the batch.
fn whoever(conn: &Connection, id: i64) -> rusqlite::Result<Permit<Write>> {
    Ok(policy::console(quarantine::unit_of(conn, id)?))
}

fn discard(word: &str) -> Result<Discard, String> {
    let words = Discard::ALL.map(Discard::code).join(", ");
    Discard::from_code(word).ok_or_else(|| format!("one of {words}"))
}

/// The data directory as a server has it, for as long as no server does.
fn served_alone(data: std::path::PathBuf) -> anyhow::Result<(std::sync::Arc<App>, tokio::runtime::Runtime)> {
    let overrides = Overrides {
        data: Some(data),
        ..Overrides::default()
    };
    let app = App::open(Config::load(None, &overrides)?, Clock::system())?;
    Ok((
        app,
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
    ))
}
