//! `langso verify`, `langso rebuild`.

use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::{DataDir, say};
use crate::app::{open_alone, open_data};
use crate::store::WriteError;
use crate::verify::{VerifyError, rebuild, verify};

/// Replay every document from the log and compare everything that follows from it. May run beside a server.
#[derive(Debug, clap::Args)]
pub struct Verify {
    #[command(flatten)]
    data: DataDir,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Derive every row of the records again from the log. The server must not be running.
#[derive(Debug, clap::Args)]
pub struct Rebuild {
    #[command(flatten)]
    data: DataDir,
}

impl Verify {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (store, keys) = open_data(self.data.existing()?)?;
        let report = store.read_blocking(|conn| verify(conn, &keys.master))?;
        let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
        if self.json {
            say(json!({
                "documents": report.documents, "changes": report.changes, "rows": report.rows, "problems": problems,
            }));
        } else {
            problems.iter().for_each(say);
            let (documents, changes, rows) = (report.documents, report.changes, report.rows);
            let outcome = if problems.is_empty() {
                "all as the log says".to_owned()
            } else {
                format!("{} problems", problems.len())
            };
            say(format_args!(
                "{documents} documents, {changes} changes, {rows} rows: {outcome}"
            ));
        }
        Ok(if problems.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

impl Rebuild {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (_lock, store, keys) =
            open_alone(self.data.existing()?).context("the server must not be running")?;
        let documents = store
            .write_blocking(move |tx| rebuild(tx, &keys.master))
            .map_err(|error: WriteError<VerifyError>| anyhow::anyhow!("{error}"))?;
        say(format_args!("{documents} documents: rows derived again"));
        Ok(ExitCode::SUCCESS)
    }
}
