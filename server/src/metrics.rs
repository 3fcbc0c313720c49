//! Metrics: counters and times, recorded where things happen. No series holds an id or anything that a person wrote.
//!
//! Not here: who asks for them ([`crate::serve::metrics`]).

use std::time::{Duration, Instant};

use metrics::{counter, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use sync_core::admission::Stage;
use sync_core::protocol::Receipt;

/// Seconds, from a preflight to a slow body.
const SECONDS: &[f64] = &[
    0.000_01, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];
/// Jobs in one commit.
const JOBS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Starts recording in this process. Without it every call here does nothing.
///
/// # Errors
/// When a bound of the histograms is not good, which a test would see.
pub fn start() -> Result<PrometheusHandle, BuildError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_jobs".to_owned()), JOBS)?
        .build_recorder();
    let handle = recorder.handle();
    // A second start in one process goes on with the first recorder.
    drop(metrics::set_global_recorder(recorder));
    Ok(handle)
}

/// An exchange was answered, or sent away.
pub fn exchange(status: u16, took: Duration) {
    counter!("langso_exchanges_total", "status" => status.to_string()).increment(1);
    histogram!("langso_exchange_seconds").record(took.as_secs_f64());
}

/// A batch got its receipt.
pub fn receipt(receipt: &Receipt) {
    let kind = match receipt {
        Receipt::Durable { .. } => "durable",
        Receipt::Duplicate { .. } => "duplicate",
        Receipt::MissingDeps { .. } => "missing_deps",
        Receipt::ActorFork { .. } => "actor_fork",
        Receipt::Quarantined { .. } => "quarantined",
        Receipt::Rejected { .. } => "rejected",
    };
    counter!("langso_receipts_total", "kind" => kind).increment(1);
}

/// Records how long each stage of one admission takes.
pub fn stages() -> impl FnMut(Stage) {
    let mut begun = Instant::now();
    move |stage| {
        let name = match stage {
            Stage::Preflight => "preflight",
            Stage::Sequence => "sequence",
            Stage::Parse => "parse",
            Stage::Profile => "profile",
            Stage::Apply => "apply",
        };
        histogram!("langso_admission_seconds", "stage" => name).record(begun.elapsed().as_secs_f64());
        begun = Instant::now();
    }
}

/// The writer has committed so many jobs.
pub fn commit(jobs: usize, took: Duration) {
    histogram!("langso_commit_seconds").record(took.as_secs_f64());
    histogram!("langso_commit_jobs").record(jobs as f64);
}
