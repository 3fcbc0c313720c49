//! Metrics in the format of Prometheus, on a listener of their own: what they tell is for whoever runs the server, and no
//! route of the API can be mistaken for them.
//!
//! Counters and times are recorded where things happen; what only has to be looked at – queues, caches, tables – is read
//! when somebody asks. No series holds an id or anything that a person wrote.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use rusqlite::Connection;
use sync_core::admission::Stage;
use sync_core::protocol::Receipt;
use tokio::net::TcpListener;

use crate::app::App;
use crate::http::ApiError;

/// Seconds, from a preflight to a slow body.
const SECONDS: &[f64] = &[
    0.000_01, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];
/// Jobs in one commit.
const JOBS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// How long ago a phone was here: a name, and the milliseconds below which it holds.
const CONTACTS: &[(&str, i64)] = &[
    ("1h", 3_600_000),
    ("1d", 86_400_000),
    ("7d", 604_800_000),
    ("30d", 2_592_000_000),
];

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

/// An exchange was answered.
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

/// Serves `/metrics` until it is dropped.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, app: Arc<App>, recorded: PrometheusHandle) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(render))
        .with_state((app, recorded));
    axum::serve(listener, router).await
}

async fn render(
    State((app, recorded)): State<(Arc<App>, PrometheusHandle)>,
) -> Result<impl IntoResponse, ApiError> {
    let now_ms = app.clock.now_ms();
    gauge!("langso_exchanges_in_flight").set(app.flights.count() as f64);
    gauge!("langso_deliveries_waiting").set(app.deliveries_waiting() as f64);
    gauge!("langso_writer_queue").set(app.store().stats().waiting as f64);
    gauge!("langso_documents_cached").set(app.exchange.documents().loaded() as f64);
    app.store().read(move |conn| look(conn, now_ms)).await?;
    recorded.run_upkeep();
    Ok((
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        recorded.render(),
    ))
}

/// What stands in tables.
fn look(conn: &Connection, now_ms: i64) -> rusqlite::Result<()> {
    for verdict in ["quarantined", "rejected"] {
        let sql = "SELECT count(*) FROM quarantine WHERE verdict = ?";
        let kept: i64 = conn.prepare_cached(sql)?.query_row([verdict], |row| row.get(0))?;
        gauge!("langso_quarantine", "verdict" => verdict).set(kept as f64);
    }
    let sql = "SELECT count(*) FROM device_token WHERE copied_at IS NOT NULL";
    let copied: i64 = conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    gauge!("langso_devices_copied").set(copied as f64);
    let mut since = i64::MAX;
    for (name, age_ms) in CONTACTS {
        let from = now_ms.saturating_sub(*age_ms);
        let sql = "SELECT count(*) FROM device_health WHERE last_sync_at >= ?1 AND last_sync_at < ?2";
        let phones: i64 = conn
            .prepare_cached(sql)?
            .query_row([from, since], |row| row.get(0))?;
        gauge!("langso_phones", "last_contact" => *name).set(phones as f64);
        since = from;
    }
    let sql = "SELECT count(*) FROM device d LEFT JOIN device_health h ON h.device = d.id
               WHERE coalesce(h.last_sync_at, 0) < ?1";
    let older: i64 = conn.prepare_cached(sql)?.query_row([since], |row| row.get(0))?;
    gauge!("langso_phones", "last_contact" => "older").set(older as f64);
    Ok(())
}
