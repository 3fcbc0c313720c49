//! `/metrics` in the format of Prometheus, on a listener of its own: what it tells is for whoever runs the server, and no
//! route of the API can be mistaken for it. What only has to be looked at – queues, caches, tables – is read when somebody
//! asks.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use rusqlite::Connection;
use tokio::net::TcpListener;

use crate::app::App;
use crate::http::ApiError;

/// How long ago a phone was here: a name, and the milliseconds below which it holds.
const CONTACTS: &[(&str, i64)] = &[
    ("1h", 3_600_000),
    ("1d", 86_400_000),
    ("7d", 604_800_000),
    ("30d", 2_592_000_000),
];

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
    let due: i64 = conn
        .prepare_cached("SELECT count(*) FROM search_due")?
        .query_row([], |row| row.get(0))?;
    gauge!("langso_search_due").set(due as f64);
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
