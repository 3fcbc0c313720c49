//! `GET /v1/search` and `POST /v1/records/search`: what is found by words.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sync_core::ids::Class;
use utoipa::ToSchema;

use super::ApiError;
use super::actor::{Origin, Reader};
use super::given::{Given, Query};
use super::paging::{Limit, Page, limit};
use super::records::{Asked, Reach, RecordView, RecordsQuery, page, personal_denied};
use crate::app::App;
use crate::audit::{self, Act, Change};
use crate::policy::Action;
use crate::search::names::{self, DirectiveFound, EntryFound, UnitFound};
use crate::search::{NoWords, Words};
use crate::units::eras;

/// What can be looked for in names.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamesQuery {
    /// Words as Vietnamese type them: accents may be missing, `đ` is `d`; what has them all comes first.
    #[schema(examples("vinh hung"))]
    q: String,
    #[schema(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// What bears such a name: the best of each kind first.
#[derive(Serialize, ToSchema)]
pub(super) struct NamesFound {
    /// Units, in each of their times.
    units: Vec<UnitFound>,
    /// Procedures and categories.
    catalogue: Vec<EntryFound>,
    /// Issued directives.
    directives: Vec<DirectiveFound>,
}

/// Units, procedures, categories and directives by name.
pub(super) async fn names(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<NamesQuery>,
) -> Result<Json<NamesFound>, ApiError> {
    let words = Words::of(&query.q).map_err(|NoWords| ApiError::parameter("q"))?;
    let limit = limit(query.limit)?;
    let units = reader.permit(Action::ReadUnits, None)?;
    let boards = reader.permit(Action::Hold(Class::Board), None)?;
    let mut known = eras::known(&reader.authority.tree, &units);
    known.extend(units.units());
    let found = app.store().read(move |conn| {
        Ok::<_, rusqlite::Error>(NamesFound {
            units: names::units(conn, &known, &words, limit)?,
            catalogue: names::procedures(conn, &words, limit)?,
            directives: names::directives(conn, &boards, &words, limit)?,
        })
    });
    Ok(Json(found.await?))
}

/// Records by words that may be a citizen's name: they come in the body, for an address is written down on its way.
pub(super) async fn records(
    State(app): State<Arc<App>>,
    reader: Reader,
    origin: Origin,
    Given(query): Given<RecordsQuery>,
) -> Result<Json<Page<RecordView>>, ApiError> {
    let asked = Asked::of(&reader, &query)?;
    let words = asked.words.as_ref().map(Words::count);
    let words = words.ok_or_else(|| ApiError::parameter("q"))?;
    if !asked.permit.personal() {
        return Err(personal_denied());
    }
    let told = page(&app, asked, Reach::Personal, limit(query.limit)?).await?;
    let by = origin.by(Some(reader.account), app.clock.now_ms());
    let change = Change::now("records", json!({ "words": words, "found": told.items.len() }));
    app.store()
        .write(move |tx| audit::record(tx, &by, Act::PersonalSearched, &change))
        .await?;
    Ok(Json(told))
}
