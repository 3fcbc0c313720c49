//! `langso receipts`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use data_encoding::BASE64URL_NOPAD;
use sync_core::ids::RecordId;
use sync_core::record::Stage;
use sync_core::signature::PublicKey;

use super::console::at_console;
use super::{DataDir, say};
use crate::app::open_data;
use crate::audit::{self, Act};
use crate::receipts::{self, Answer, File, Verdict};

/// Largest file that is read.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

/// What was said about a directive, provable without the server.
#[derive(Debug, clap::Args)]
pub struct Receipts {
    #[command(subcommand)]
    command: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// Write everything that was said about one version of a directive into a file. May run beside a server.
    Export {
        #[command(flatten)]
        data: DataDir,
        /// The record of the version.
        directive: String,
        /// Where to write it.
        #[arg(long)]
        out: PathBuf,
    },
    /// Say what such a file proves, by the realm's public key alone.
    Verify {
        /// The file.
        file: PathBuf,
        /// The realm's public key, base64url: `export` prints it, and every phone got it when it was enrolled.
        #[arg(long)]
        realm_key: String,
    },
}

impl Receipts {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Which::Export { data, directive, out } => export(&data, &directive, &out),
            Which::Verify { file, realm_key } => verify(&file, &realm_key),
        }
    }
}

fn export(data: &DataDir, directive: &str, out: &PathBuf) -> anyhow::Result<ExitCode> {
    let directive: RecordId = directive.parse()?;
    let (store, keys) = open_data(data.existing()?)?;
    let by = at_console();
    let key = keys.realm.public();
    let file = store.write_blocking(move |tx| {
        // It is in the audit before it leaves, and so under the head that goes out with it.
        let change = audit::Change::of(format_args!("receipts of {directive}"));
        audit::record(tx, &by, Act::Exported, &change)?;
        receipts::export(tx, directive, &keys.realm, by.now_ms)
    })?;
    let json = serde_json::to_vec_pretty(&file.to_json())?;
    std::fs::write(out, json).with_context(|| out.display().to_string())?;
    say(format_args!(
        "{} events of {} devices",
        file.events.len(),
        file.devices.len()
    ));
    say(format_args!("audit head {}", file.audit));
    say(format_args!(
        "realm key {}",
        BASE64URL_NOPAD.encode(&key.to_bytes())
    ));
    Ok(ExitCode::SUCCESS)
}

fn verify(path: &PathBuf, realm_key: &str) -> anyhow::Result<ExitCode> {
    let key = BASE64URL_NOPAD
        .decode(realm_key.as_bytes())
        .ok()
        .and_then(|key| key.try_into().ok());
    let key = PublicKey::from_bytes(key.context("the realm's key is 32 bytes in base64url")?)?;
    if std::fs::metadata(path)
        .with_context(|| path.display().to_string())?
        .len()
        > FILE_BYTES
    {
        bail!("{} is too large to be such a file", path.display());
    }
    let json = serde_json::from_slice(&std::fs::read(path)?).context("not JSON")?;
    let file = File::from_json(&json).context("not a file of receipts")?;
    let answers = receipts::verify(&file, &key)?;
    answers.iter().for_each(tell);
    let doubtful = answers
        .iter()
        .flat_map(|answer| &answer.events)
        .filter(|event| !event.verdict.counts() || event.gap);
    let (doubtful, missing) = (
        doubtful.count(),
        answers.iter().filter(|answer| answer.stage.is_none()).count(),
    );
    say(format_args!(
        "{} units, {missing} missing, {doubtful} events in doubt",
        answers.len()
    ));
    Ok(if doubtful == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn tell(answer: &Answer) {
    let stage = answer.stage.map_or("missing", Stage::code);
    say(format_args!("{} {}: {stage}", answer.unit, answer.name));
    for event in answer
        .events
        .iter()
        .filter(|event| event.verdict != Verdict::Valid || event.gap)
    {
        let said = event.stage.map_or("?", Stage::code);
        let gap = if event.gap {
            ", the event before it is not here"
        } else {
            ""
        };
        say(format_args!("  {} {said}: {}{gap}", event.event, event.verdict));
    }
}
