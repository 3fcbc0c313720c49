//! `/v1/remarks`: what officials say to records, and what the teams answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use sync_core::edit::{Edit, NewRemark};
use sync_core::ids::{AccountId, Class, RecordId, UnitId};
use sync_core::record::RemarkKind;
use utoipa::ToSchema;

use super::ApiError;
use super::actor::{Reader, Writer};
use super::given::{Given, Query};
use super::paging::{self, Cursor, Limit, Page, after, limit, seal};
use super::records::place;
use crate::app::App;
use crate::clock::day_of;
use crate::policy::Action;
use crate::realm::RealmError;
use crate::records;
use crate::remarks::{self, Filter, RemarkRow};
use crate::units::eras::{self, View};

/// What can be asked of remarks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RemarksQuery)]
pub(super) struct ListQuery {
    /// Only what is of this unit and of those below it.
    unit: Option<UnitId>,
    /// Under the units of their own date, or of today (without).
    #[schema(value_type = Option<View>)]
    view: Option<String>,
    /// Only what is said to this record.
    record: Option<RecordId>,
    /// Only what waits for an answer.
    #[serde(default)]
    open: bool,
    #[schema(value_type = Option<Cursor>)]
    cursor: Option<String>,
    #[schema(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// Something to be said to a record.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRemark)]
pub(super) struct NewWords {
    /// To which record.
    record: RecordId,
    /// What kind; an answer is given where answers are.
    #[schema(value_type = RemarkKind)]
    kind: String,
    /// In words: a question has some.
    #[schema(examples("Ngày nào?"))]
    words: Option<String>,
}

/// An answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAnswer {
    /// In words.
    #[schema(examples("Hôm qua, tại nhà văn hóa."))]
    words: String,
}

/// What was made.
#[derive(Serialize, ToSchema)]
pub(super) struct Made {
    /// Its id.
    pub(super) id: RecordId,
}

/// One page of remarks.
#[derive(Serialize, ToSchema)]
pub(super) struct RemarksPage {
    /// The remarks.
    items: Vec<RemarkView>,
    #[schema(schema_with = paging::next, required)]
    next: Option<String>,
    /// How many wait for an answer, on every page.
    open: u64,
}

/// A remark, or an answer.
#[derive(Serialize, ToSchema)]
#[schema(as = Remark)]
pub(super) struct RemarkView {
    /// Its id.
    id: RecordId,
    /// Of which unit the record is.
    unit: UnitId,
    /// To which record.
    record: RecordId,
    /// What kind.
    #[schema(value_type = RemarkKind)]
    kind: String,
    /// The remark that it answers.
    answers: Option<RecordId>,
    /// Who said it.
    by: AccountId,
    /// When, UTC milliseconds of the device.
    at_ms: i64,
    /// Its words, for who may read citizens' data.
    #[schema(examples("Ngày nào?"))]
    words: Option<String>,
    /// Whether it has words.
    sealed: bool,
    /// Whether it waits for an answer.
    open: bool,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<ListQuery>,
) -> Result<Json<RemarksPage>, ApiError> {
    let (permit, past_of) = place(
        &reader,
        Action::Hold(Class::Remarks),
        query.unit,
        query.view.as_deref(),
    )?;
    let limit = limit(query.limit)?;
    let mut filter = Filter {
        record: query.record,
        remark: None,
        open: query.open,
        after: after(query.cursor.as_deref())?,
        spans: None,
    };
    let today = day_of(app.clock.now_ms());
    let worker = Arc::clone(&app);
    let (rows, words, open) = app
        .store()
        .read(move |conn| {
            filter.spans = past_of.map(|unit| eras::spans(conn, today, unit)).transpose()?;
            let rows = remarks::list(conn, &permit, &filter, limit + 1)?;
            let words = remarks::words(conn, &permit, &worker.exchange.ingest.master, &rows)?;
            let open = remarks::open_by_unit(conn, &permit, filter.spans.as_deref())?;
            Ok::<_, RealmError>((rows, words, open))
        })
        .await?;
    let rows: Vec<_> = rows.into_iter().zip(words).collect();
    let Page { items, next } = Page::of(rows, limit, |(row, _)| seal(&(row.at_ms, row.id)), view);
    Ok(Json(RemarksPage {
        items,
        next,
        open: open.into_values().sum(),
    }))
}

fn view((row, words): (RemarkRow, Option<String>)) -> RemarkView {
    RemarkView {
        id: row.id,
        unit: row.unit,
        record: row.record,
        kind: row.kind,
        answers: row.answers,
        by: row.by,
        at_ms: row.at_ms,
        words,
        sealed: row.sealed.is_some(),
        open: row.open,
    }
}

pub(super) async fn add(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(new): Given<NewWords>,
) -> Result<Json<Made>, ApiError> {
    let permit = writer.reader.permit(Action::ReadRecords, None)?;
    let record = new.record;
    let found = app
        .store()
        .read(move |conn| records::unit_of(conn, &permit, record));
    let unit = found.await?.ok_or_else(ApiError::not_found)?;
    let kind = RemarkKind::from_code(&new.kind).filter(|kind| *kind != RemarkKind::Answer);
    let kind = kind.ok_or_else(|| ApiError::parameter("kind"))?;
    say(&app, &writer, unit, record, kind, None, new.words).await
}

pub(super) async fn answer(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(remark): Path<RecordId>,
    Given(new): Given<NewAnswer>,
) -> Result<Json<Made>, ApiError> {
    let permit = writer.reader.permit(Action::Hold(Class::Remarks), None)?;
    let found = app.store().read(move |conn| remarks::find(conn, remark)).await?;
    let found = found.filter(|(unit, _)| permit.units().contains(unit));
    let (unit, record) = found.ok_or_else(ApiError::not_found)?;
    let (kind, words) = (RemarkKind::Answer, Some(new.words));
    say(&app, &writer, unit, record, kind, Some(remark), words).await
}

async fn say(
    app: &App,
    writer: &Writer,
    unit: UnitId,
    record: RecordId,
    kind: RemarkKind,
    answers: Option<RecordId>,
    words: Option<String>,
) -> Result<Json<Made>, ApiError> {
    let id = app.fresh_record();
    let new = NewRemark {
        id,
        unit,
        record,
        kind,
        answers,
        words,
    };
    app.edit(writer.reader.account, &Edit::Remark(Box::new(new)))
        .await?;
    Ok(Json(Made { id }))
}
