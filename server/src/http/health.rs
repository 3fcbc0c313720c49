//! Whether the process runs, and whether it can do its work.

use std::sync::Arc;

use axum::extract::State;

use super::{ApiError, Code};
use crate::app::App;

pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Ready: the store can be read, and the writer writes.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, ApiError> {
    let unready = |_| ApiError::new(Code::NotReady);
    app.store()
        .read(|conn| conn.query_row("SELECT 1", [], |row| row.get::<_, i64>(0)))
        .await
        .map_err(unready)?;
    let written = app.store().write(|_| Ok::<_, rusqlite::Error>(())).await;
    written.map_err(|_| ApiError::new(Code::NotReady))?;
    Ok("ready\n")
}
