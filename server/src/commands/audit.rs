//! `langso audit export|verify`.

use std::process::ExitCode;

use super::{DataDir, say};
use crate::app::open_data;
use crate::audit::{self, Act, By, Head};
use crate::clock::Clock;

/// Rows that are read at a time.
const PAGE: usize = 1000;

/// Export the audit, or prove that it is whole.
#[derive(Debug, clap::Args)]
pub struct Audit {
    #[command(flatten)]
    data: DataDir,
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AuditCommand {
    /// Print every row as one JSON object a line, and the head in the last one: keep it elsewhere.
    Export,
    /// Walk the chain: any row that was changed, removed or put in is found.
    Verify {
        /// A head that was kept elsewhere: rows cut off since are found too.
        #[arg(long)]
        expect: Option<Head>,
    },
}

impl Audit {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (store, _) = open_data(&self.data.path)?;
        match self.command {
            AuditCommand::Export => {
                let by = By::console(Clock::system().now_ms());
                store.write_blocking(move |tx| {
                    audit::record(tx, &by, Act::Exported, &audit::Change::of("audit"))
                })?;
                let (mut after, mut last) = (0, None);
                loop {
                    let rows = store.read_blocking(|conn| audit::rows(conn, after, PAGE))?;
                    let Some(row) = rows.last() else { break };
                    after = row.position;
                    last = Some(Head {
                        position: row.position,
                        hash: row.hash,
                    });
                    rows.iter().for_each(|row| say(serde_json::json!(row.told())));
                }
                if let Some(head) = last {
                    say(serde_json::json!({ "head": head.to_string() }));
                }
                Ok(ExitCode::SUCCESS)
            }
            AuditCommand::Verify { expect } => {
                match store.read_blocking(|conn| audit::verify(conn, expect)) {
                    Ok(head) => {
                        say(format_args!("{} rows, unbroken; head {head}", head.position));
                        Ok(ExitCode::SUCCESS)
                    }
                    Err(broken) => {
                        say(broken);
                        Ok(ExitCode::FAILURE)
                    }
                }
            }
        }
    }
}
