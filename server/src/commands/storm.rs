//! `langso storm`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde::Deserialize;
use sync_core::ids::UnitId;

use super::say;
use crate::app::open_data;
use crate::clock::{Clock, day_of};
use crate::drive::server::pid_of;
use crate::policy::{Grant, Role};
use crate::realm;
use crate::store::WriteError;
use crate::storm::{self, Hamlet, Load, Options, Summary, backlog, records};
use crate::teams::{add_codes, add_teams};

/// What a backlog may do to the 99th percentile of the others.
const RATIO_MAX: f64 = 2.0;

/// Let many phones loose on a running server, and measure.
#[derive(Debug, clap::Args)]
pub struct Storm {
    /// The server, such as http://127.0.0.1:8080.
    #[arg(long)]
    url: String,
    /// Codes for the phones, as `langso enrol-codes` prints them; `-` reads standard input.
    #[arg(long, required_unless_present = "data")]
    codes: Option<PathBuf>,
    /// The server's data directory, on this machine: makes the codes, and tells which process to measure.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Phones, spread over the hamlets in turn.
    #[arg(long, default_value_t = 111)]
    phones: usize,
    /// Records that each phone makes before its first push.
    #[arg(long, default_value_t = 200)]
    per_phone: usize,
    /// Records from a file instead: one JSON object a line; each hamlet in it is one phone.
    #[arg(long, conflicts_with_all = ["phones", "per_phone"])]
    records: Option<PathBuf>,
    /// Instead: half of the hamlets have a phone each, and one phone of the other half comes back with so many changes;
    /// exit 0 only if it does not raise the 99th percentile of the others by more than twice.
    #[arg(long, value_name = "CHANGES", requires = "data", conflicts_with_all = ["codes", "records"])]
    backlog: Option<usize>,
    /// Print the summary as one JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// What made-up records follow from.
    #[arg(long, default_value_t = 2024)]
    seed: u64,
}

impl Storm {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if let (Some(changes), Some(data)) = (self.backlog, &self.data) {
            return self.come_back(backlog::Options {
                url: self.url.clone(),
                realm: divide(data)?,
                changes,
                seed: self.seed,
                pid: pid_of(data),
            });
        }
        let load = match &self.records {
            Some(file) => Load::Given(records::read(lines(file)?, Clock::system().now_ms())?),
            None => Load::Generated {
                phones: self.phones,
                per_phone: self.per_phone,
            },
        };
        let hamlets = match (&self.codes, &self.data) {
            (Some(file), _) => read_codes(lines(file)?)?,
            (None, Some(data)) => make_codes(data, load.phones())?,
            (None, None) => bail!("codes are needed"),
        };
        let options = Options {
            url: self.url,
            hamlets,
            load,
            seed: self.seed,
            pid: self.data.as_deref().and_then(pid_of),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let summary = runtime.block_on(async {
            // On a thread of the runtime, where a phone may block.
            let json = self.json;
            tokio::spawn(storm::run(options, move |line| {
                if !json {
                    say(line)
                }
            }))
            .await?
        })?;
        if self.json {
            say(serde_json::to_string(&summary)?);
        } else {
            tell(&summary);
        }
        Ok(if summary.unsent == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

impl Storm {
    fn come_back(&self, options: backlog::Options) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let json = self.json;
        let summary = runtime.block_on(async {
            tokio::spawn(backlog::run(options, move |line| {
                if !json {
                    say(line)
                }
            }))
            .await?
        })?;
        if json {
            say(serde_json::to_string(&summary)?);
        } else {
            for (name, times) in [("alone", &summary.alone), ("beside it", &summary.beside)] {
                say(format_args!(
                    "{name:<10} {:>6} exchanges  p50 {:>7.1} ms  p99 {:>7.1} ms",
                    times.exchanges, times.p50_ms, times.p99_ms
                ));
            }
            say(format_args!(
                "{} changes in {:.1} s raise the p99 of {} others {:.2} times; {} changes without a receipt",
                summary.changes, summary.seconds, summary.phones, summary.ratio, summary.unsent
            ));
        }
        Ok(if summary.ratio <= RATIO_MAX && summary.unsent == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn lines(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(stdin().lock()));
    }
    let opened = File::open(file).with_context(|| file.display().to_string())?;
    Ok(Box::new(BufReader::new(opened)))
}

#[derive(Deserialize)]
struct CodeLine {
    unit: String,
    code: String,
}

fn read_codes(input: impl BufRead) -> anyhow::Result<Vec<Hamlet>> {
    let (mut places, mut hamlets) = (HashMap::new(), Vec::<Hamlet>::new());
    for (line, number) in input.lines().zip(1..) {
        // Nothing of the line: it holds a code.
        let line: CodeLine = serde_json::from_str(&line?)
            .ok()
            .with_context(|| format!("line {number}: no code"))?;
        let unit: UnitId = line
            .unit
            .parse()
            .ok()
            .with_context(|| format!("line {number}: no unit"))?;
        let at = *places.entry(unit).or_insert(hamlets.len());
        match hamlets.get_mut(at) {
            Some(hamlet) => hamlet.codes.push(line.code),
            None => hamlets.push(Hamlet {
                unit,
                codes: vec![line.code],
            }),
        }
    }
    Ok(hamlets)
}

/// As many codes as the phones need, and one for a fresh phone in every hamlet.
fn make_codes(data: &Path, phones: usize) -> anyhow::Result<Vec<Hamlet>> {
    let (store, _) = open_data(data)?;
    let teams = add_teams(&store)?;
    let each = phones.div_ceil(teams.len().max(1)) + 1;
    let hamlets = teams.into_iter().map(|team| {
        Ok(Hamlet {
            unit: team.unit.id,
            codes: add_codes(&store, team.account, u32::try_from(each)?)?,
        })
    });
    hamlets.collect()
}

/// A code for a phone in each hamlet of the first half; the hamlets of the other half, and a code for one phone of a
/// member of all their teams.
fn divide(data: &Path) -> anyhow::Result<backlog::Halves> {
    let (store, _) = open_data(data)?;
    let teams = add_teams(&store)?;
    let (first, second) = teams.split_at(teams.len() / 2);
    let others = first.iter().map(|team| {
        Ok(Hamlet {
            unit: team.unit.id,
            codes: add_codes(&store, team.account, 1)?,
        })
    });
    let others = others.collect::<anyhow::Result<Vec<_>>>()?;
    let account = second.first().context("there are too few hamlets")?.account;
    let hamlets: Vec<UnitId> = second.iter().map(|team| team.unit.id).collect();
    let (granted, from) = (hamlets.clone(), day_of(Clock::system().now_ms()));
    store
        .write_blocking(move |tx| {
            for unit in granted {
                realm::grant(tx, account, Grant::new(unit, Role::Member), from)?;
            }
            Ok(())
        })
        .map_err(|error: WriteError<rusqlite::Error>| anyhow::anyhow!("{error}"))?;
    Ok(backlog::Halves {
        others,
        code: add_codes(&store, account, 1)?.concat(),
        hamlets,
    })
}

fn tell(summary: &Summary) {
    say(format_args!(
        "{} phones, {} records",
        summary.phones, summary.records
    ));
    say(
        "                    seconds  requests/phone (max)   p50 ms   p99 ms    bytes up  bytes down  bytes/phone  server CPU s",
    );
    for phase in &summary.phases {
        let cpu = phase
            .server_cpu_s
            .map_or("?".to_owned(), |cpu| format!("{cpu:.2}"));
        say(format_args!(
            "{:<16} {:>10.2} {:>15.2} ({:>3}) {:>8.1} {:>8.1} {:>11} {:>11} {:>12.0} {:>13}",
            phase.name,
            phase.seconds,
            phase.requests_per_phone,
            phase.requests_max,
            phase.p50_ms,
            phase.p99_ms,
            phase.bytes_up,
            phase.bytes_down,
            phase.bytes_per_phone,
            cpu
        ));
    }
    if let Some(later) = summary.server_cpu_later_s {
        say(format_args!(
            "server CPU after the first push, until it came to rest: {later:.2} s"
        ));
    }
    let peak = summary
        .server_peak_bytes
        .map_or("?".to_owned(), |bytes| format!("{:.1}", bytes as f64 / 1e6));
    say(format_args!(
        "server peak memory {peak} MB; {} changes without a receipt",
        summary.unsent
    ));
}
