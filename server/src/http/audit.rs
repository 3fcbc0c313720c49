//! `GET /v1/audit`: what was done to the realm, oldest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiError;
use super::actor::Reader;
use crate::app::App;
use crate::audit;
use crate::policy::{Action, permit_realm};

/// Most rows of a page.
const PAGE_MAX: usize = 1000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// The audit is the whole realm's: it is for who reaches the whole of it.
pub(super) async fn rows(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Value>, ApiError> {
    let permit = permit_realm(reader.grants(), &reader.authority.tree, Action::ReadAudit);
    permit.ok_or_else(ApiError::not_found)?;
    let limit = query.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let (rows, head) = app
        .store()
        .read(move |conn| {
            Ok::<_, rusqlite::Error>((audit::rows(conn, query.after, limit)?, audit::head(conn)?))
        })
        .await?;
    let rows: Vec<Value> = rows.iter().map(audit::AuditRow::told).collect();
    Ok(Json(json!({ "rows": rows, "head": head.to_string() })))
}
