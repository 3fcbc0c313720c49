//! `GET /v1/search` and `POST /v1/records/search`: what is found by words.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use sync_core::ids::Class;

use super::ApiError;
use super::actor::{Origin, Reader};
use super::given::Given;
use super::records::{Asked, Reach, RecordsQuery, limit, page, personal_denied};
use crate::app::App;
use crate::audit::{self, Act, Change};
use crate::policy::Action;
use crate::search::{NoWords, Words, names};
use crate::units::eras;

/// What can be looked for in names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamesQuery {
    q: String,
    limit: Option<usize>,
}

/// Units, procedures, categories and directives by name.
pub(super) async fn names(
    State(app): State<Arc<App>>,
    reader: Reader,
    query: Result<Query<NamesQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let words = Words::of(&query.q).map_err(|NoWords| ApiError::parameter("q"))?;
    let limit = limit(query.limit)?;
    let units = reader.permit(Action::ReadUnits, None)?;
    let boards = reader.permit(Action::Hold(Class::Board), None)?;
    let mut known = eras::known(&reader.authority.tree, &units);
    known.extend(units.units());
    let found = app.store().read(move |conn| {
        Ok::<_, rusqlite::Error>(json!({
            "units": names::units(conn, &known, &words, limit)?,
            "catalogue": names::procedures(conn, &words, limit)?,
            "directives": names::directives(conn, &boards, &words, limit)?,
        }))
    });
    Ok(Json(found.await?))
}

/// Records by words that may be a citizen's name: they come in the body, for an address is written down on its way.
pub(super) async fn records(
    State(app): State<Arc<App>>,
    reader: Reader,
    origin: Origin,
    Given(query): Given<RecordsQuery>,
) -> Result<Json<Value>, ApiError> {
    let asked = Asked::of(&reader, &query)?;
    let words = asked.words.as_ref().map(Words::count);
    let words = words.ok_or_else(|| ApiError::parameter("q"))?;
    if !asked.permit.personal() {
        return Err(personal_denied());
    }
    let (told, found) = page(&app, asked, Reach::Personal, limit(query.limit)?).await?;
    let by = origin.by(Some(reader.account), app.clock.now_ms());
    let change = Change::now("records", json!({ "words": words, "found": found }));
    app.store()
        .write(move |tx| audit::record(tx, &by, Act::PersonalSearched, &change))
        .await?;
    Ok(Json(told))
}
