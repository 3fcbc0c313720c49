//! `/v1/quarantine`: what was delivered and not merged, for the official who is responsible for its unit now.
//!
//! Officials decide beside a running server; what they may not see is answered as if it did not exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{self, Path};
use serde::{Deserialize, Serialize};
use sync_core::ids::{AccountId, DeviceId, RecordId, UnitId};
use sync_core::projection::RowChange;
use sync_core::record::{RemarkKind, RetractReason, Stage};
use sync_core::seal::SealedField;
use utoipa::ToSchema;

use super::ApiError;
use super::actor::{Reader, Writer};
use super::given::{Given, Query};
use super::paging::{self, Cursor, Limit, Page, after, limit, seal};
use super::records::{Include, personal, personal_denied};
use crate::app::App;
use crate::policy::{Action, Permit, Write};
use crate::quarantine::{self, ChangeView, Content, Discard, Filter, Parked, Shown, State, Wanted};

/// What can be asked of the quarantine.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QuarantineQuery)]
pub(super) struct ListQuery {
    /// Only what is of this unit and of those below it.
    unit: Option<UnitId>,
    /// How far it has come; what waits, without.
    #[schema(value_type = Option<State>)]
    state: Option<String>,
    /// Only what this device delivered.
    device: Option<DeviceId>,
    /// Only what was delivered in the name of this account.
    account: Option<AccountId>,
    /// Only what was refused with this code.
    #[schema(examples("not_permitted"))]
    reason: Option<String>,
    #[schema(value_type = Option<Cursor>)]
    cursor: Option<String>,
    #[schema(value_type = Option<Limit>)]
    limit: Option<usize>,
}

/// The number of a batch in quarantine.
#[derive(Deserialize, ToSchema)]
#[serde(transparent)]
pub(super) struct BatchNumber(i64);

/// How much of a batch is to be seen.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContentQuery {
    /// `personal`: with citizens' data, for who may read it.
    #[schema(value_type = Option<Include>)]
    include: Option<String>,
}

/// Why a batch is not merged after all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// One of these words: a person's own could name citizens in the audit.
    #[schema(value_type = Discard)]
    reason: String,
}

/// One page of batches.
#[derive(Serialize, ToSchema)]
pub(super) struct BatchesPage {
    /// The batches.
    items: Vec<Parked>,
    #[schema(schema_with = paging::next, required)]
    next: Option<String>,
    /// How many wait for a decision, on every page.
    waiting: u64,
}

/// What a batch says.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchContent)]
pub(super) struct ContentView {
    /// What is known of it.
    batch: Parked,
    /// Its changes.
    changes: Vec<ChangeView>,
    /// The records that it makes or changes, as they would be; of another class has other members besides.
    records: Vec<ShownView>,
}

/// A record as a batch would leave it.
#[derive(Serialize, ToSchema)]
#[schema(as = BatchRecord)]
struct ShownView {
    /// Its id.
    id: RecordId,
    /// Who made it.
    by: AccountId,
    /// When, UTC milliseconds of the device.
    at_ms: i64,
    /// The sealed fields that it has.
    #[schema(value_type = Vec<SealedField>)]
    sealed: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = personal)]
    personal: Option<BTreeMap<&'static str, String>>,
    #[serde(flatten)]
    of_kind: OfKind,
}

/// What records of each kind say.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum OfKind {
    /// An assistance.
    Assistance {
        /// When the help was given, UTC milliseconds.
        occurred_at_ms: i64,
        /// Its category: a code of the catalogue.
        #[schema(examples("dich_vu_cong"))]
        category: String,
        /// The procedure that it is about: a code of the catalogue.
        #[schema(examples("1.004873"))]
        procedure: Option<String>,
        /// How the help was given: a code of the catalogue.
        #[schema(examples("tai_nha"))]
        channel: String,
        /// What came of it: a code of the catalogue.
        #[schema(examples("hoan_thanh"))]
        outcome: String,
        /// How many people were helped.
        people: u32,
        /// How long it took.
        minutes: Option<u32>,
        /// How satisfied the citizen was, from 1 to 5.
        satisfaction: Option<u8>,
        /// Why it was taken back.
        #[schema(value_type = Option<RetractReason>)]
        retracted: Option<&'static str>,
    },
    /// A directive that is being written.
    Draft {
        /// Its number.
        #[schema(examples("12/UBND"))]
        number: Option<String>,
        /// Its title.
        #[schema(examples("Ra quân tháng Ba"))]
        title: String,
    },
    /// An issued directive.
    Directive {
        /// Its number.
        #[schema(examples("12/UBND"))]
        number: String,
        /// Its title.
        #[schema(examples("Ra quân tháng Ba"))]
        title: String,
        /// Which version of it.
        version: u32,
    },
    /// What a member says to a directive.
    Acknowledgement {
        /// To which directive.
        directive: RecordId,
        /// How far they have come.
        #[schema(value_type = Stage)]
        stage: &'static str,
    },
    /// What an official says to a record.
    Remark {
        /// To which record.
        about: RecordId,
        /// What kind.
        #[schema(value_type = RemarkKind)]
        remark: &'static str,
    },
}

/// What was merged.
#[derive(Serialize, ToSchema)]
pub(super) struct Released {
    /// This batch, and those that stood on it.
    released: Vec<i64>,
}

/// What is not merged.
#[derive(Serialize, ToSchema)]
pub(super) struct Discarded {
    /// This batch, and those that stood on it.
    discarded: Vec<i64>,
}

pub(super) async fn list(
    extract::State(app): extract::State<Arc<App>>,
    reader: Reader,
    Query(query): Query<ListQuery>,
) -> Result<Json<BatchesPage>, ApiError> {
    let permit = reader.permit(Action::Judge, query.unit)?;
    let limit = limit(query.limit)?;
    let filter = filter(query)?;
    let read = app.store().read(move |conn| {
        let page = quarantine::page(conn, &permit, &filter, limit + 1)?;
        Ok::<_, rusqlite::Error>((page, quarantine::waiting(conn, &permit)?))
    });
    let (batches, waiting) = read.await?;
    let Page { items, next } = Page::of(batches, limit, |batch| seal(&batch.id), |batch| batch);
    Ok(Json(BatchesPage { items, next, waiting }))
}

fn filter(query: ListQuery) -> Result<Filter, ApiError> {
    let state = query.state.as_deref().map(str::parse).transpose();
    Ok(Filter {
        state: state
            .map_err(|_| ApiError::parameter("state"))?
            .unwrap_or_default(),
        device: query.device,
        account: query.account,
        reason: query.reason,
        after: after(query.cursor.as_deref())?,
    })
}

/// What a batch says. Citizens' data comes on request, to whom it is open in that unit.
pub(super) async fn content(
    extract::State(app): extract::State<Arc<App>>,
    reader: Reader,
    Path(BatchNumber(id)): Path<BatchNumber>,
    Query(query): Query<ContentQuery>,
) -> Result<Json<ContentView>, ApiError> {
    let unit = app
        .store()
        .read(move |conn| quarantine::unit_of(conn, id))
        .await?;
    let permit = reader.permit(Action::Judge, Some(unit.ok_or_else(ApiError::not_found)?))?;
    let wanted = match query.include.as_deref() {
        None => Wanted::Clear,
        Some("personal") if permit.personal() => Wanted::Personal,
        Some("personal") => return Err(personal_denied()),
        Some(_) => return Err(ApiError::parameter("include")),
    };
    let looked = app.exchange.content(permit, id, wanted).await;
    let content = looked
        .map_err(ApiError::internal)?
        .ok_or_else(ApiError::not_found)?;
    Ok(Json(told(content)))
}

pub(super) async fn release(
    extract::State(app): extract::State<Arc<App>>,
    writer: Writer,
    Path(BatchNumber(id)): Path<BatchNumber>,
) -> Result<Json<Released>, ApiError> {
    let permit = permit(&app, &writer, id).await?;
    let released = app.exchange.release(&permit, id, &writer.by).await?;
    Ok(Json(Released { released }))
}

pub(super) async fn discard(
    extract::State(app): extract::State<Arc<App>>,
    writer: Writer,
    Path(BatchNumber(id)): Path<BatchNumber>,
    Given(given): Given<Reason>,
) -> Result<Json<Discarded>, ApiError> {
    let permit = permit(&app, &writer, id).await?;
    let reason = Discard::from_code(&given.reason).ok_or_else(|| ApiError::parameter("reason"))?;
    let discarded = app.exchange.discard(&permit, id, reason, &writer.by).await?;
    Ok(Json(Discarded { discarded }))
}

/// Leave to decide about what was delivered for the unit of this batch.
async fn permit(app: &App, writer: &Writer, id: i64) -> Result<Permit<Write>, ApiError> {
    let unit = app
        .store()
        .read(move |conn| quarantine::unit_of(conn, id))
        .await?;
    writer.permit(Action::Judge, Some(unit.ok_or_else(ApiError::not_found)?))
}

fn told(content: Content) -> ContentView {
    ContentView {
        batch: content.parked,
        changes: content.changes,
        records: content.records.into_iter().map(shown).collect(),
    }
}

/// A record as the batch would leave it.
fn shown(Shown { row, personal }: Shown) -> ShownView {
    let sealed = quarantine::sealed(&row).map_or_else(Vec::new, |sealed| {
        sealed.keys().map(|field| field.key()).collect()
    });
    let personal = personal.map(|fields| {
        let fields = fields.into_iter().map(|(field, clear)| (field.key(), clear));
        fields.collect::<BTreeMap<_, _>>()
    });
    let (id, (by, at_ms)) = (row.record(), made(&row));
    ShownView {
        id,
        by,
        at_ms,
        sealed,
        personal,
        of_kind: of_kind(row),
    }
}

/// Who made it, and when.
fn made(row: &RowChange) -> (AccountId, i64) {
    match row {
        RowChange::Assistance(row) => (row.recorded_by, row.recorded_at_ms),
        RowChange::Draft(row) => (row.started_by, row.started_at_ms),
        RowChange::Directive(row) => (row.issued_by, row.issued_at_ms),
        RowChange::Acknowledgement(row) => (row.by, row.at_ms),
        RowChange::Remark(row) => (row.by, row.at_ms),
    }
}

fn of_kind(row: RowChange) -> OfKind {
    match row {
        RowChange::Assistance(row) => OfKind::Assistance {
            occurred_at_ms: row.occurred_at_ms,
            category: row.category,
            procedure: row.procedure,
            channel: row.channel,
            outcome: row.outcome,
            people: row.people,
            minutes: row.minutes,
            satisfaction: row.satisfaction,
            retracted: row.retraction.map(|retraction| retraction.reason.code()),
        },
        RowChange::Draft(row) => OfKind::Draft {
            number: row.number,
            title: row.title,
        },
        RowChange::Directive(row) => OfKind::Directive {
            number: row.number,
            title: row.title,
            version: row.issue.version,
        },
        RowChange::Acknowledgement(row) => OfKind::Acknowledgement {
            directive: row.issue.directive,
            stage: row.stage.code(),
        },
        RowChange::Remark(row) => OfKind::Remark {
            about: row.record,
            remark: row.kind.code(),
        },
    }
}
