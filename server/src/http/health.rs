//! Whether the process runs, and whether it can do its work.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::ApiError;
use crate::app::App;

pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Ready: the store can be read, and the writer writes.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, ApiError> {
    let unready = |_| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready");
    app.store()
        .read(|conn| conn.query_row("SELECT 1", [], |row| row.get::<_, i64>(0)))
        .await
        .map_err(unready)?;
    let written = app.store().write(|_| Ok::<_, rusqlite::Error>(())).await;
    written.map_err(|_| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready"))?;
    Ok("ready\n")
}
