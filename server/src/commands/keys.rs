//! `langso keys rotate-token`.

use std::process::ExitCode;

use super::console::at_console;
use super::{DataDir, say};
use crate::app::open_data;
use crate::audit::{self, Act};
use crate::clock;
use crate::keys;
use crate::token::key_id;

/// Change keys.
#[derive(Debug, clap::Args)]
pub struct Keys {
    #[command(flatten)]
    data: DataDir,
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, clap::Subcommand)]
enum KeysCommand {
    /// Sign tokens with a fresh key; those of the one before stay good until they end.
    RotateToken,
}

impl Keys {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let KeysCommand::RotateToken = self.command;
        let (store, _) = open_data(&self.data.path)?;
        let fresh = keys::rotate_token(&self.data.path.join("keys"), clock::fill)?;
        let (by, kid) = (at_console(), key_id(&fresh));
        let change = audit::Change::now("token", serde_json::json!({ "kid": kid }));
        store.write_blocking(move |tx| audit::record(tx, &by, Act::TokenKeyRotated, &change))?;
        say(format_args!("tokens are signed by {kid} from now on"));
        Ok(ExitCode::SUCCESS)
    }
}
