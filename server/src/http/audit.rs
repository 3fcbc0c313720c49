//! `GET /v1/audit`: what was done to the realm, oldest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiError;
use super::actor::Reader;
use super::given::Query;
use super::paging::{self, Cursor, Limit, Page, after, limit, seal};
use crate::app::App;
use crate::audit::{self, AuditView};
use crate::policy::{Action, permit_realm};

/// Which rows.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    #[schema(value_type = Option<Cursor>)]
    cursor: Option<String>,
    #[schema(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// One page of the audit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditPage {
    /// The rows.
    items: Vec<AuditView>,
    #[schema(schema_with = paging::next, required)]
    next: Option<String>,
    /// The end of the whole chain, `POSITION-HASH`: kept elsewhere, it proves later that nothing was cut off.
    #[schema(examples("412-5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"))]
    head: String,
}

/// The audit is the whole realm's: it is for who reaches the whole of it.
pub(super) async fn rows(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditPage>, ApiError> {
    let permit = permit_realm(reader.grants(), &reader.authority.tree, Action::ReadAudit);
    permit.ok_or_else(ApiError::not_found)?;
    let (after, limit) = (after::<u64>(query.cursor.as_deref())?, limit(query.limit)?);
    let read = app.store().read(move |conn| {
        let rows = audit::rows(conn, after.unwrap_or_default(), limit + 1)?;
        Ok::<_, rusqlite::Error>((rows, audit::head(conn)?))
    });
    let (rows, head) = read.await?;
    let Page { items, next } = Page::of(rows, limit, |row| seal(&row.position), |row| row.told());
    Ok(Json(AuditPage {
        items,
        next,
        head: head.to_string(),
    }))
}
