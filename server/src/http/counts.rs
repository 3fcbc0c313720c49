//! `GET /v1/counts`: sums of records by unit.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use sync_core::ids::UnitId;
use utoipa::ToSchema;

use super::ApiError;
use super::actor::Reader;
use super::given::Query;
use super::records::{asked_unit, asked_view, between};
use crate::app::App;
use crate::policy::Action;
use crate::units::eras::{self, Count, View};

/// What can be asked of counts.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CountsQuery {
    /// Only what is of this unit and of those below it.
    #[schema(value_type = Option<UnitId>)]
    unit: Option<String>,
    /// Under the units of their own date, or of today (without).
    #[schema(value_type = Option<View>)]
    view: Option<String>,
    /// Sums for each unit of this level; for each record's own unit without.
    #[schema(examples("commune"))]
    level: Option<String>,
    /// From this day on.
    #[schema(value_type = Option<Date>)]
    from: Option<String>,
    /// Up to and with this day.
    #[schema(value_type = Option<Date>)]
    to: Option<String>,
}

/// Sums by unit.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Counted {
    /// One entry for each unit that has something, by code.
    counts: Vec<Count>,
}

/// Sums under the units of a level, as it was or as it is now.
pub(super) async fn counts(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<CountsQuery>,
) -> Result<Json<Counted>, ApiError> {
    let permit = reader.permit(Action::ReadRecords, asked_unit(query.unit.as_deref())?)?;
    let view = asked_view(query.view.as_deref())?;
    let between = between(query.from.as_deref(), query.to.as_deref())?;
    let now_ms = app.clock.now_ms();
    let counted = app
        .store()
        .read(move |conn| eras::counts(conn, &permit, view, query.level.as_deref(), between, now_ms));
    Ok(Json(Counted {
        counts: counted.await?,
    }))
}
