//! `langso units import`.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use jiff::civil::Date;
use sync_core::ids::UnitId;

use super::{DataDir, say};
use crate::app::open_data;
use crate::clock::{Clock, random_bits};
use crate::units;

/// Import units from a CSV file.
#[derive(Debug, clap::Args)]
pub struct Units {
    #[command(subcommand)]
    command: UnitsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum UnitsCommand {
    /// Add the units of a CSV file with the columns code, parent_code, level and name.
    Import {
        #[command(flatten)]
        data: DataDir,
        /// The first day on which they hold.
        #[arg(long, default_value = "2020-01-01")]
        from: Date,
        /// The file.
        file: PathBuf,
    },
}

impl Units {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let UnitsCommand::Import { data, from, file } = self.command;
        let opened = File::open(&file).with_context(|| file.display().to_string())?;
        let rows = units::parse(opened).with_context(|| file.display().to_string())?;
        let (store, _) = open_data(&data.path)?;
        let now_ms = Clock::system().now_ms();
        let fresh = move || UnitId::from_parts(now_ms as u64, random_bits());
        let added = store.write_blocking(move |tx| units::import(tx, &rows, from, fresh))?;
        say(format_args!("{added} units added"));
        Ok(ExitCode::SUCCESS)
    }
}
