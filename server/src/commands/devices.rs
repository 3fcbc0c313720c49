//! `langso device`.

use std::process::ExitCode;

use sync_core::ids::DeviceId;

use super::console::{at_console, console_permit};
use super::{DataDir, say};
use crate::app::open_data;
use crate::devices::{self, End, Forgotten};
use crate::store::WriteError;

/// List devices, rename, revoke them.
#[derive(Debug, clap::Args)]
pub struct Device {
    #[command(flatten)]
    data: DataDir,
    #[command(subcommand)]
    command: DeviceCommand,
}

#[derive(Debug, clap::Subcommand)]
enum DeviceCommand {
    /// Every device, as one JSON object a line.
    List,
    /// Another name for a device.
    Rename {
        /// The device's id.
        device: DeviceId,
        /// Its name.
        #[arg(long)]
        name: String,
    },
    /// Let a device in that the store was restored without. Give its person the roles back before.
    Admit {
        /// The device's id.
        device: DeviceId,
        /// What its person logs in with, if the store does not know the person either.
        #[arg(long, requires = "name")]
        username: Option<String>,
        /// The person's name.
        #[arg(long, requires = "username")]
        name: Option<String>,
    },
    /// It may only deliver from now on, into quarantine, and wipes itself then.
    Revoke {
        /// The device's id.
        device: DeviceId,
    },
    /// The same, and it is noted that nobody knows where it is.
    Lost {
        /// The device's id.
        device: DeviceId,
    },
}

impl Device {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let (store, _) = open_data(&self.data.path)?;
        let command = self.command;
        if let DeviceCommand::List = command {
            let devices =
                store.read_blocking(|conn| devices::list(conn, &console_permit(conn)?.to_read()))?;
            for device in devices {
                say(serde_json::to_string(&device)?);
            }
            return Ok(ExitCode::SUCCESS);
        }
        let by = at_console();
        let done = store.write_blocking(move |tx| {
            let permit = console_permit(tx)?;
            match command {
                DeviceCommand::List => Ok(()),
                DeviceCommand::Rename { device, name } => devices::rename(tx, &permit, &by, device, &name),
                DeviceCommand::Admit {
                    device,
                    username,
                    name,
                } => {
                    let called = username.zip(name);
                    let person = called.map(|(username, name)| Forgotten { username, name });
                    devices::admit(tx, &permit, &by, device, person.as_ref())
                }
                DeviceCommand::Revoke { device } => devices::end(tx, &permit, &by, device, End::Revoked),
                DeviceCommand::Lost { device } => devices::end(tx, &permit, &by, device, End::Lost),
            }
        });
        done.map_err(|error: WriteError<_>| anyhow::anyhow!("{}", crate::accounts::failure(&error)))?;
        say("done");
        Ok(ExitCode::SUCCESS)
    }
}
