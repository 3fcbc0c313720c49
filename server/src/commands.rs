//! The commands of `langso`. Each reads its arguments, makes a few calls and says what it did.

mod accounts;
mod audit;
mod backup;
mod catalogue;
mod console;
mod demo;
mod devices;
mod keys;
mod quarantine;
mod receipts;
mod serve;
mod storm;
mod units;
mod verify;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

use crate::app::store_path;

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show a district that lives, from nothing.
    Demo(demo::Demo),
    /// Serve a data directory; the first start makes it.
    Serve(serve::Serve),
    /// Let many phones loose on a running server, and measure.
    Storm(storm::Storm),
    /// Import units from a CSV file.
    Units(units::Units),
    /// Add accounts, give and take roles, hand posts over.
    Account(accounts::Account),
    /// Import the catalogue of categories, procedures, channels and outcomes.
    Catalogue(catalogue::Catalogue),
    /// List devices, rename, revoke them.
    Device(devices::Device),
    /// Change keys.
    Keys(keys::Keys),
    /// Export the audit, or prove that it is whole.
    Audit(audit::Audit),
    /// Make a one-time code with which a phone is enrolled.
    EnrolCode(accounts::EnrolCode),
    /// Make codes for many phones at once.
    EnrolCodes(accounts::EnrolCodes),
    /// See and decide what becomes of batches that were not merged.
    Quarantine(quarantine::Quarantine),
    /// Copy the store into one file, while the server goes on.
    Backup(backup::Backup),
    /// Put a backup in the place of the store.
    Restore(backup::Restore),
    /// Export and verify what was said about a directive.
    Receipts(receipts::Receipts),
    /// Prove that the store holds what its log says, and nothing more.
    Verify(verify::Verify),
    /// Derive every row of the records again from the log.
    Rebuild(verify::Rebuild),
}

/// Where the data is.
#[derive(Debug, clap::Args)]
struct DataDir {
    /// The data directory.
    #[arg(
        long = "data",
        env = "LANGSO_DATA",
        default_value = "langso-data",
        global = true
    )]
    path: PathBuf,
}

impl DataDir {
    /// The directory, if a store is there: what only looks at one must not make one.
    fn existing(&self) -> anyhow::Result<&Path> {
        let store = store_path(&self.path);
        anyhow::ensure!(store.exists(), "{} is not there", store.display());
        Ok(&self.path)
    }
}

impl Command {
    /// Does it.
    pub fn run(self) -> ExitCode {
        let done = match self {
            Command::Demo(command) => command.run(),
            Command::Serve(command) => command.run(),
            Command::Storm(command) => command.run(),
            Command::Units(command) => command.run(),
            Command::Account(command) => command.run(),
            Command::Catalogue(command) => command.run(),
            Command::Device(command) => command.run(),
            Command::Keys(command) => command.run(),
            Command::Audit(command) => command.run(),
            Command::EnrolCode(command) => command.run(),
            Command::EnrolCodes(command) => command.run(),
            Command::Quarantine(command) => command.run(),
            Command::Backup(command) => command.run(),
            Command::Restore(command) => command.run(),
            Command::Receipts(command) => command.run(),
            Command::Verify(command) => command.run(),
            Command::Rebuild(command) => command.run(),
        };
        match done {
            Ok(code) => code,
            Err(error) => {
                drop(writeln!(std::io::stderr(), "langso: {error:#}"));
                ExitCode::FAILURE
            }
        }
    }
}

/// Writes one line to standard output. Who closes it does not want the rest.
fn say(line: impl std::fmt::Display) {
    drop(writeln!(std::io::stdout(), "{line}"));
}
