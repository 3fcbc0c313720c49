//! `langso demo`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use super::say;
use crate::demo::{self, Options, Summary};

/// Show a district that lives: made-up people with real phones in every hamlet of Vĩnh Lộc.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// An empty directory for its data; without, a temporary one that goes when the demo ends.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Records that each hamlet makes on the first day.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=2000))]
    per_hamlet: u16,
    /// Play one market day, compare the API with what the phones logged, and end: exit 0 only if they are equal.
    #[arg(long)]
    once: bool,
    /// Print the summary as one JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// What names, records, losses and conflicts follow from.
    #[arg(long, default_value_t = 2024)]
    seed: u64,
}

impl Demo {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let options = Options {
            program: std::env::current_exe()?,
            data: self.data,
            listen: self.listen,
            per_hamlet: self.per_hamlet.into(),
            once: self.once,
            seed: self.seed,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let summary = runtime.block_on(demo::run(&options, |line| say(line)))?;
        if let Some(summary) = &summary {
            if self.json {
                say(serde_json::to_string(summary)?);
            } else {
                tell(summary);
            }
        }
        Ok(demo::exit_code(summary.as_ref()))
    }
}

fn tell(summary: &Summary) {
    let [documents, changes, rows] = summary.verified;
    let lines = [
        ("phones", summary.phones.to_string()),
        (
            "records made",
            format!(
                "{} and {} edits of them",
                summary.records_made, summary.edits_made
            ),
        ),
        ("changes delivered", summary.changes_delivered.to_string()),
        ("records merged", summary.records_merged.to_string()),
        (
            "conflicts",
            format!(
                "{} of {} that the seed produces",
                summary.conflicts, summary.conflicts_expected
            ),
        ),
        (
            "requests",
            format!(
                "{}, {} lost on the way, {} answers lost",
                summary.requests, summary.requests_lost, summary.answers_lost
            ),
        ),
        (
            "bytes",
            format!("{} up, {} down", summary.bytes_up, summary.bytes_down),
        ),
        (
            "server CPU",
            summary
                .server_cpu_s
                .map_or("unknown".to_owned(), |s| format!("{s:.2} s")),
        ),
        (
            "server peak memory",
            summary.server_peak_bytes.map_or("unknown".to_owned(), |bytes| {
                format!("{:.1} MB", bytes as f64 / 1e6)
            }),
        ),
        (
            "verified",
            format!("{documents} documents, {changes} changes, {rows} rows"),
        ),
        ("seconds", format!("{:.1}", summary.seconds)),
    ];
    for (name, value) in lines {
        say(format_args!("{name:<20} {value}"));
    }
    let problems = summary.verify_problems.iter().chain(&summary.differences);
    problems.for_each(|problem| say(format_args!("WRONG: {problem}")));
    if summary.is_good() {
        say("The API returns exactly what the phones logged.");
    }
}
