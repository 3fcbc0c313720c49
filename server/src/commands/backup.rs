//! `langso backup` and `langso restore`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::console::at_console;
use super::{DataDir, say};
use crate::app::{lock, open_data, store_path};
use crate::audit::{self, Act};
use crate::backup::back_up;
use crate::clock::{self, Clock};
use crate::keys::{Keys, Missing};
use crate::restore::restore;
use crate::restore::undone::{self, Undone, Untold};

/// Copy the store into one file, while the server goes on. The keys are not in it: keep them elsewhere.
#[derive(Debug, clap::Args)]
pub struct Backup {
    #[command(flatten)]
    data: DataDir,
    /// The file, which must not exist.
    file: PathBuf,
}

/// Put a backup in the place of the store. The server must be stopped; phones bring back what they had delivered since.
#[derive(Debug, clap::Args)]
pub struct Restore {
    #[command(flatten)]
    data: DataDir,
    /// An exported audit (`audit export`), for the list of what has to be done again, if the store that was there is lost.
    #[arg(long)]
    audit: Option<PathBuf>,
    /// The backup.
    file: PathBuf,
}

impl Backup {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let path = store_path(&self.data.path);
        // Before the copy, so that the copy says where its audit ends.
        let head = if path.exists() {
            let (store, _) = open_data(&self.data.path)?;
            let by = at_console();
            let done = audit::Change::of("store");
            store.write_blocking(move |tx| {
                audit::record(tx, &by, Act::BackedUp, &done)?;
                audit::head(tx)
            })?
        } else {
            audit::Head::NONE
        };
        back_up(&path, &self.file)?;
        let keys = self.data.path.join("keys");
        say(format_args!(
            "{} written; keep {} in another place",
            self.file.display(),
            keys.display()
        ));
        say(format_args!("audit head {head}"));
        Ok(ExitCode::SUCCESS)
    }
}

impl Restore {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let _lock = lock(&self.data.path)?;
        // Without its keys nobody reads what is sealed, and every phone would have to be enrolled again.
        Keys::open(&self.data.path.join("keys"), Missing::Refuse, clock::fill)?;
        let now_ms = Clock::system().now_ms();
        let lost = match &self.audit {
            Some(export) => undone::since_in_export(export, &self.file),
            None => undone::since(&store_path(&self.data.path), &self.file),
        };
        let done = restore(&store_path(&self.data.path), &self.file, clock::random(), now_ms)?;
        say(format_args!("restored up to log position {}", done.at));
        if let Some(kept) = done.kept {
            say(format_args!("the store that was there is {}", kept.display()));
        }
        tell(lost);
        Ok(ExitCode::SUCCESS)
    }
}

/// What phones do not bring back, for whoever has to do it again.
fn tell(lost: Result<Vec<Undone>, Untold>) {
    let undone = match lost {
        Ok(undone) => undone,
        Err(untold) => {
            say(format_args!(
                "what was done since the backup is not known: {untold}"
            ));
            say(
                "revoke again every phone that was revoked or lost since; end again every role that was ended since",
            );
            return;
        }
    };
    if undone.is_empty() {
        say("nothing was done since the backup that phones do not bring back");
        return;
    }
    say("done since the backup, and to be done again – what is marked with ! at once:");
    for act in undone {
        let mark = if act.is_urgent() { '!' } else { ' ' };
        let time = jiff::Timestamp::from_millisecond(act.at_ms).unwrap_or_default();
        let after = act.after.as_deref().unwrap_or_default();
        say(format_args!(
            "{mark} {time} {} {} {after}",
            act.act.code(),
            act.subject
        ));
        if let Some(command) = act.again() {
            say(format_args!("    {command}"));
        }
    }
}
