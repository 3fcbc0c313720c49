//! The demo: a district to look at, from an empty directory, in seconds.
//!
//! It is Vĩnh Lộc as it stood in 2024, with one phone in each of its 111 hamlets and a second one in every tenth. The
//! server is a process of its own and the phones are real replicas that speak to it over HTTP: they record offline, edit
//! the same record without seeing each other, lose requests and answers. With `once` the day is played to its end and
//! everything that the API returns is compared, field by field, with what the phones logged.

mod check;
mod day;
mod directives;
mod district;
mod live;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use serde::Serialize;

use crate::app::open_data;
use crate::drive::{Link, Phone, ServerProcess, Traffic};
use crate::verify::verify;
use day::Played;
use district::District;
use sync_core::local_store::MemoryStore;

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that serves: `langso` itself.
    pub program: PathBuf,
    /// An empty directory, or one to be made; without, a temporary one.
    pub data: Option<PathBuf>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Records of each hamlet.
    pub per_hamlet: usize,
    /// Play one market day, compare, and end.
    pub once: bool,
    /// What everything that is made up follows from.
    pub seed: u64,
}

/// What one market day came to.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Phones, with second ones.
    pub phones: usize,
    /// Records that the phones logged.
    pub records_made: usize,
    /// Edits of them: amendments, retractions, settlements.
    pub edits_made: usize,
    /// Changes that got a receipt.
    pub changes_delivered: usize,
    /// Records that the API returns.
    pub records_merged: usize,
    /// Directives issued and answered.
    pub directives: usize,
    /// Fields in conflict that the API returns.
    pub conflicts: usize,
    /// Fields in conflict that the seed produces.
    pub conflicts_expected: usize,
    /// Requests that were begun.
    pub requests: u64,
    /// Requests that were lost on their way.
    pub requests_lost: usize,
    /// Answers that were lost on their way.
    pub answers_lost: usize,
    /// Bytes from all phones: HTTP/1.1, without TCP.
    pub bytes_up: u64,
    /// Bytes to all phones.
    pub bytes_down: u64,
    /// What the server's process used, where the system tells.
    pub server_cpu_s: Option<f64>,
    /// The most memory that it held.
    pub server_peak_bytes: Option<u64>,
    /// Documents, changes and rows that were verified.
    pub verified: [u64; 3],
    /// What `verify` found.
    pub verify_problems: Vec<String>,
    /// Where the API differs from what the phones logged: ids and field names, no values.
    pub differences: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

impl Summary {
    /// Whether the day ended as it has to.
    pub fn is_good(&self) -> bool {
        self.differences.is_empty()
            && self.verify_problems.is_empty()
            && self.conflicts == self.conflicts_expected
            && self.conflicts > 0
            && self.records_merged == self.records_made
    }
}

/// Runs the demo. `say` gets every line for people; the summary is returned where there is one.
///
/// # Errors
/// When the directory holds something else, the server does not start, or a phone is refused.
pub async fn run(options: &Options, say: impl Fn(&str)) -> anyhow::Result<Option<Summary>> {
    let begun = Instant::now();
    let temporary = match &options.data {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("langso-demo-").tempdir()?),
    };
    let data = options
        .data
        .as_deref()
        .or(temporary.as_ref().map(|dir| dir.path()));
    let data = data.context("there is no directory")?;
    prepare(data)?;
    let (path, seed) = (data.to_owned(), options.seed);
    let district = tokio::task::spawn_blocking(move || district::set_up(&path, seed)).await??;
    let server = ServerProcess::start(&options.program, data, options.listen)?;
    say(&format!("{}/", server.url()));
    for login in &district.logins {
        say(&format!(
            "  {:<9} {} / {}",
            login.role, login.username, login.password
        ));
    }
    let traffic = Arc::new(Traffic::default());
    let day = day::Day {
        url: server.url(),
        phones: data.join("phones"),
        traffic: Arc::clone(&traffic),
        per_hamlet: options.per_hamlet,
        seed,
    };
    let mut played = day.play(&district).await?;
    if options.once {
        let summary = summarise(&server, data, &district, played, &traffic, begun).await?;
        return Ok(Some(summary));
    }
    let mut leader = leader(&server, &district).await?;
    let answered = directives::play(&mut leader, district.unit, &mut played).await?;
    say(&format!(
        "{} directives, answered in all the ways there are",
        answered.directives
    ));
    say(&format!(
        "{} records of {} hamlets; more are coming, until Ctrl-C",
        count(&played),
        district.hamlets.len()
    ));
    live::go_on(played, seed).await?;
    drop(server);
    Ok(None)
}

/// The exit status that a summary deserves.
pub fn exit_code(summary: Option<&Summary>) -> ExitCode {
    if summary.is_none_or(Summary::is_good) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Somebody's data are not to be mixed with made-up ones.
fn prepare(data: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(data).with_context(|| data.display().to_string())?;
    if std::fs::read_dir(data)?.next().is_some() {
        bail!(
            "{} is not empty: the demo begins in a directory of its own",
            data.display()
        );
    }
    Ok(std::fs::create_dir(data.join("phones"))?)
}

fn count(played: &[Played]) -> usize {
    played.iter().map(|played| played.logged.len()).sum()
}

/// The district's leader, with a phone of his own.
async fn leader(server: &ServerProcess, district: &District) -> anyhow::Result<Phone<MemoryStore>> {
    let link = Link::to(&server.url(), Arc::default())?;
    Phone::enrol(link, &district.leader_code, MemoryStore::default(), 0).await
}

fn delivered(played: &[Played]) -> usize {
    let phones = played.iter().flat_map(|played| &played.phones);
    phones.map(|phone| phone.delivered).sum()
}

async fn summarise(
    server: &ServerProcess,
    data: &Path,
    district: &District,
    mut played: Vec<Played>,
    traffic: &Arc<Traffic>,
    begun: Instant,
) -> anyhow::Result<Summary> {
    // Before anybody looks at the result: what the phones themselves cost.
    let ((requests, bytes_up, bytes_down), usage) = (traffic.counted(), server.usage());
    let changes_delivered = delivered(&played);
    let mut leader = leader(server, district).await?;
    let records = leader.get_all("/v1/records?include=personal").await?;
    let conflicts = leader.get_all("/v1/conflicts").await?;
    let mut differences = check::differences(&played, &records, &conflicts)?;
    let answered = directives::play(&mut leader, district.unit, &mut played).await?;
    differences.extend(answered.differences);
    let data = data.to_owned();
    let report = tokio::task::spawn_blocking(move || -> anyhow::Result<_> {
        let (store, keys) = open_data(&data)?;
        Ok(store.read_blocking(|conn| verify(conn, &keys.master))?)
    });
    let report = report.await??;
    let sum = |of: fn(&Played) -> usize| played.iter().map(of).sum();
    Ok(Summary {
        phones: sum(|played| played.phones.len()),
        records_made: count(&played),
        edits_made: sum(|played| played.edits),
        changes_delivered,
        records_merged: records.len(),
        conflicts: conflicts.len(),
        directives: answered.directives,
        conflicts_expected: sum(|played| played.logged.iter().map(|logged| logged.disputed.len()).sum()),
        requests,
        requests_lost: sum(|played| played.requests_lost),
        answers_lost: sum(|played| played.answers_lost),
        bytes_up,
        bytes_down,
        server_cpu_s: usage.map(|usage| usage.cpu_s),
        server_peak_bytes: usage.map(|usage| usage.peak_bytes),
        verified: [report.documents, report.changes, report.rows],
        verify_problems: report.problems.iter().map(ToString::to_string).collect(),
        differences,
        seconds: begun.elapsed().as_secs_f64(),
    })
}
