//! `langso-phone`: a phone on the command line, on the very façade that apps use.
//!
//! For trying things out, for scripts and for support. A phone is a directory: the vault, its key beside it – on a real
//! phone that is in the Keystore –, and the server's address. It speaks plain HTTP, as a server behind its proxy does.

mod commands;
mod home;
mod http;
mod show;

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use langso_mobile::VaultError;
use serde_json::json;

/// A phone on the command line.
///
/// Exit codes: 0 done · 2 wrong usage · 3 sign in again · 4 update the app · 5 the storage is full · 6 not allowed ·
/// 7 damaged · 75 not now, try again later · 1 anything else.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The directory that is this phone.
    #[arg(long, env = "LANGSO_PHONE_HOME")]
    home: PathBuf,
    /// Print JSON, errors included.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: commands::Command,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let format = if arguments.json {
        show::Format::Json
    } else {
        show::Format::Text
    };
    match arguments.command.run(&arguments.home, format) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, format),
    }
}

fn failed(error: &anyhow::Error, format: show::Format) -> ExitCode {
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        drop(usage.print());
        return ExitCode::from(2);
    }
    let full = full(error);
    let of_vault = error.downcast_ref::<VaultError>().or(full.as_ref());
    let (name, code) = match of_vault {
        Some(VaultError::SignInAgain { .. }) => ("sign_in_again", 3),
        Some(VaultError::UpdateApp { .. }) => ("update_app", 4),
        Some(VaultError::StorageFull { .. }) => ("storage_full", 5),
        Some(VaultError::NotAllowed { .. }) => ("not_allowed", 6),
        Some(VaultError::Damaged { .. }) => ("damaged", 7),
        Some(VaultError::Other { .. }) => ("other", 75),
        None => ("failed", 1),
    };
    let line = match format {
        show::Format::Json => {
            let detail = of_vault.map_or_else(|| format!("{error:#}"), |error| error.code().to_owned());
            json!({ "error": name, "code": detail }).to_string()
        }
        show::Format::Text => format!("langso-phone: {error:#}"),
    };
    drop(writeln!(std::io::stderr(), "{line}"));
    ExitCode::from(code)
}

/// What the vault says of a full disk, said of the files beside it.
fn full(error: &anyhow::Error) -> Option<VaultError> {
    let kind = error.downcast_ref::<std::io::Error>()?.kind();
    let full = [
        ErrorKind::StorageFull,
        ErrorKind::QuotaExceeded,
        ErrorKind::FileTooLarge,
    ];
    full.contains(&kind).then(|| VaultError::StorageFull {
        code: "store_full".to_owned(),
    })
}
