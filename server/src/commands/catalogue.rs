//! `langso catalogue import`.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use sync_core::ids::RecordId;

use super::console::{at_console, console_permit};
use super::{DataDir, say};
use crate::app::open_data;
use crate::catalogue::{self, CatalogueError, Imported};
use crate::clock::random_bits;
use crate::store::WriteError;

/// The catalogue of categories, procedures, channels and outcomes.
#[derive(Debug, clap::Args)]
pub struct Catalogue {
    #[command(flatten)]
    data: DataDir,
    #[command(subcommand)]
    command: CatalogueCommand,
}

#[derive(Debug, clap::Subcommand)]
enum CatalogueCommand {
    /// Add and change the entries of a CSV file with the columns kind, code and name_vi.
    Import {
        /// Check everything, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// The file.
        file: PathBuf,
    },
}

/// What was only tried is taken back.
enum Tried {
    Dry(Imported),
    Failed(CatalogueError),
}

impl Catalogue {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let CatalogueCommand::Import { dry_run, file } = self.command;
        let name = || file.display().to_string();
        let entries = catalogue::parse(File::open(&file).with_context(name)?).with_context(name)?;
        let (store, _) = open_data(&self.data.path)?;
        let by = at_console();
        let tried = store.write_blocking(move |tx| {
            let fresh = || RecordId::from_parts(by.now_ms as u64, random_bits());
            let permit = console_permit(tx).map_err(|error| Tried::Failed(error.into()))?;
            let imported = catalogue::import(tx, &permit, &entries, &by, fresh).map_err(Tried::Failed)?;
            if dry_run {
                Err(Tried::Dry(imported))
            } else {
                Ok(imported)
            }
        });
        match tried {
            Ok(Imported { added, changed }) => say(format_args!("{added} entries added, {changed} changed")),
            Err(WriteError::Job(Tried::Dry(Imported { added, changed }))) => say(format_args!(
                "{added} entries would be added, {changed} changed; nothing was"
            )),
            Err(WriteError::Job(Tried::Failed(error))) => {
                return Err(anyhow!("{error}").context(format!("{}: nothing was imported", name())));
            }
            Err(_) => bail!("the store failed"),
        }
        Ok(ExitCode::SUCCESS)
    }
}
