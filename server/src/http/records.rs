//! `GET /v1/records`: the merged records for programs, and what other lists ask in the same way.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use data_encoding::BASE64URL_NOPAD;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sync_core::ids::{AccountId, DeviceId, RecordId, UnitId};
use sync_core::record::{RetractReason, Scalar};
use sync_core::seal::SealedField;
use utoipa::openapi::schema::{Schema, SchemaType};
use utoipa::openapi::{RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

use super::actor::Reader;
use super::given::Query;
use super::paging::{Cursor, Limit, Page, after, limit, seal};
use super::{ApiError, Code};
use crate::app::App;
use crate::clock::{day_of, midnight_ms};
use crate::policy::{Action, Permit, Read};
use crate::realm::RealmError;
use crate::records::{self, Filter, RecordRow};
use crate::schema::{map_of, one_of};
use crate::search::{self, Blinder, Depth, Found, NoWords, Place, Words};
use crate::units::eras::{self, View};

/// What can be asked of records.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordsQuery {
    /// Only what is of this unit and of those below it.
    #[schema(value_type = Option<UnitId>)]
    pub(super) unit: Option<String>,
    /// Under the units of their own date, or of today (without).
    #[schema(value_type = Option<View>)]
    pub(super) view: Option<String>,
    /// From this day on.
    #[schema(value_type = Option<Date>)]
    pub(super) from: Option<String>,
    /// Up to and with this day.
    #[schema(value_type = Option<Date>)]
    pub(super) to: Option<String>,
    /// Only of this category: its code in the catalogue.
    #[schema(examples("dich_vu_cong"))]
    pub(super) category: Option<String>,
    /// Only with this outcome: its code in the catalogue.
    #[schema(examples("hoan_thanh"))]
    pub(super) outcome: Option<String>,
    /// Only those that were taken back, or only those that were not.
    pub(super) retracted: Option<bool>,
    /// `personal`: with citizens' data, for who may read it.
    #[schema(value_type = Option<Include>)]
    pub(super) include: Option<String>,
    /// Words as Vietnamese type them; in a query they are looked for in what is clear alone.
    #[schema(examples("nguyen van a"))]
    pub(super) q: Option<String>,
    #[schema(value_type = Option<Cursor>)]
    pub(super) cursor: Option<String>,
    #[schema(value_type = Option<Limit>)]
    pub(super) limit: Option<usize>,
}

/// What comes on request.
pub(super) enum Include {}

impl PartialSchema for Include {
    fn schema() -> RefOr<Schema> {
        one_of(["personal"])
    }
}

impl ToSchema for Include {}

/// One record: an assistance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Record)]
pub(super) struct RecordView {
    /// Its id.
    id: RecordId,
    /// The unit in which it was made.
    unit: UnitId,
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
    #[schema(minimum = 1, maximum = 5)]
    satisfaction: Option<u8>,
    /// Who recorded it.
    recorded_by: AccountId,
    /// On which device.
    device: DeviceId,
    /// When it was recorded, UTC milliseconds of the device.
    recorded_at_ms: i64,
    /// That it was taken back.
    retraction: Option<RetractionView>,
    /// The sealed fields that it has.
    #[schema(value_type = Vec<SealedField>)]
    sealed: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = personal)]
    personal: Option<BTreeMap<&'static str, String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(schema_with = unknown)]
    unknown: BTreeMap<String, Value>,
    /// How many of its fields have several current values.
    #[schema(examples(0))]
    conflicts: u32,
}

pub(super) fn personal() -> RefOr<Schema> {
    let about = "Its sealed fields in the clear, where `include=personal` asks for them.";
    map_of(
        Type::String.into(),
        about,
        json!({ "citizen_name": "Nguyễn Thị Lan" }),
    )
}

fn unknown() -> RefOr<Schema> {
    let about = "Fields that a later version of the app wrote.";
    map_of(SchemaType::AnyValue, about, json!({ "weather": "rain" }))
}

/// That a record was taken back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Retraction)]
struct RetractionView {
    /// Why.
    #[schema(value_type = RetractReason)]
    reason: String,
    /// Who did it.
    by: AccountId,
    /// When, UTC milliseconds of the device.
    at_ms: i64,
}

pub(super) async fn records(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<RecordsQuery>,
) -> Result<Json<Page<RecordView>>, ApiError> {
    let asked = Asked::of(&reader, &query)?;
    // What stands in an address is no citizen's name: words are looked for in what is clear.
    let told = page(&app, asked, Reach::Clear, limit(query.limit)?).await?;
    Ok(Json(told))
}

/// In what words are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// In what is clear.
    Clear,
    /// In citizens' data as well.
    Personal,
}

/// What was asked of records, understood and permitted.
pub(super) struct Asked {
    /// For whom.
    pub(super) permit: Permit<Read>,
    /// Only what was under this unit on its own date.
    pub(super) past_of: Option<UnitId>,
    /// Which.
    pub(super) filter: Filter,
    /// What they say.
    pub(super) words: Option<Words>,
    /// Whether citizens' data is to be told.
    pub(super) personal: bool,
    after: Option<Place>,
}

impl Asked {
    /// # Errors
    /// What cannot be understood, or may not be told.
    pub(super) fn of(reader: &Reader, query: &RecordsQuery) -> Result<Self, ApiError> {
        let (permit, past_of) = place(
            reader,
            Action::ReadRecords,
            asked_unit(query.unit.as_deref())?,
            query.view.as_deref(),
        )?;
        let personal = match query.include.as_deref() {
            None => false,
            Some("personal") if permit.personal() => true,
            Some("personal") => return Err(personal_denied()),
            Some(_) => return Err(ApiError::parameter("include")),
        };
        let words = query.q.as_deref().map(Words::of).transpose();
        let words = words.map_err(|NoWords| ApiError::parameter("q"))?;
        let (mut filter, mut found_after) = (filter(query)?, None);
        match &words {
            None => filter.after = after(query.cursor.as_deref())?,
            Some(_) => {
                let open = |cursor| Place::open(cursor).ok_or_else(|| ApiError::parameter("cursor"));
                found_after = query.cursor.as_deref().map(open).transpose()?;
            }
        }
        Ok(Self {
            permit,
            past_of,
            filter,
            words,
            personal,
            after: found_after,
        })
    }
}

pub(super) fn personal_denied() -> ApiError {
    ApiError::new(Code::PersonalDenied)
}

/// One page of records.
pub(super) async fn page(
    app: &Arc<App>,
    asked: Asked,
    reach: Reach,
    limit: usize,
) -> Result<Page<RecordView>, ApiError> {
    let worker = Arc::clone(app);
    let today = day_of(app.clock.now_ms());
    let sought = match asked.words {
        Some(words) => Some((words, app.caught_up().await?)),
        None => None,
    };
    let (rows, personal) = app
        .store()
        .read(move |conn| {
            let spans = asked.past_of.map(|unit| eras::spans(conn, today, unit));
            let filter = Filter {
                spans: spans.transpose()?,
                ..asked.filter
            };
            let master = &worker.exchange.ingest.master;
            let rows = match &sought {
                None => listed(records::list(conn, &asked.permit, &filter, limit + 1)?),
                Some((words, caught_up)) => {
                    let blinder = Blinder::of(master);
                    let depth = match reach {
                        Reach::Clear => Depth::Clear,
                        Reach::Personal => Depth::Personal(&blinder),
                    };
                    let query = (words, depth);
                    found(search::records(
                        conn,
                        *caught_up,
                        &asked.permit,
                        query,
                        &filter,
                        asked.after,
                        limit + 1,
                    )?)
                }
            };
            let clear = |rows: &[(RecordRow, String)]| {
                records::personal(conn, &asked.permit, master, rows.iter().map(|(row, _)| row))
            };
            let personal = if asked.personal { Some(clear(&rows)?) } else { None };
            Ok::<_, RealmError>((rows, personal))
        })
        .await?;
    let mut personal = personal.map(Vec::into_iter);
    let cursor = |(_, cursor): &(RecordRow, String)| cursor.clone();
    Ok(Page::of(rows, limit, cursor, |(row, _)| {
        view(row, personal.as_mut().and_then(Iterator::next))
    }))
}

fn listed(rows: Vec<RecordRow>) -> Vec<(RecordRow, String)> {
    let with_cursor = |row: RecordRow| {
        let cursor = seal(&(row.occurred_at_ms, row.id));
        (row, cursor)
    };
    rows.into_iter().map(with_cursor).collect()
}

fn found(found: Vec<Found>) -> Vec<(RecordRow, String)> {
    found
        .into_iter()
        .map(|found| (found.row, found.place.seal()))
        .collect()
}

pub(super) fn asked_view(word: Option<&str>) -> Result<View, ApiError> {
    word.map_or(Ok(View::default()), |word| {
        View::from_word(word).ok_or_else(|| ApiError::parameter("view"))
    })
}

pub(super) fn asked_unit(text: Option<&str>) -> Result<Option<UnitId>, ApiError> {
    text.map(|unit| unit.parse().map_err(|_| ApiError::parameter("unit")))
        .transpose()
}

/// Leave to read, and the unit of which only what was under it on its own date is meant.
///
/// As it was, a unit that is no more has something below it again: the permit is for all that is in reach, and holds the
/// unit itself or it does not exist.
pub(super) fn place(
    reader: &Reader,
    action: Action,
    unit: Option<UnitId>,
    word: Option<&str>,
) -> Result<(Permit<Read>, Option<UnitId>), ApiError> {
    match (asked_view(word)?, unit) {
        (View::Now, _) | (View::Was, None) => Ok((reader.permit(action, unit)?, None)),
        (View::Was, Some(unit)) => {
            let all = reader.permit(action, None)?;
            if all.units().contains(&unit) {
                Ok((all, Some(unit)))
            } else {
                Err(ApiError::not_found())
            }
        }
    }
}

fn filter(query: &RecordsQuery) -> Result<Filter, ApiError> {
    let (from_ms, until_ms) = between(query.from.as_deref(), query.to.as_deref())?;
    Ok(Filter {
        from_ms,
        until_ms,
        category: query.category.clone(),
        outcome: query.outcome.clone(),
        retracted: query.retracted,
        after: None,
        spans: None,
    })
}

/// The instants that two days stand for, the second included.
pub(super) fn between(from: Option<&str>, to: Option<&str>) -> Result<(Option<i64>, Option<i64>), ApiError> {
    let day = |text: Option<&str>, name| -> Result<Option<Date>, ApiError> {
        text.map(|text| text.parse().map_err(|_| ApiError::parameter(name)))
            .transpose()
    };
    let to = day(to, "to")?
        .map(|day| day.tomorrow().map_err(|_| ApiError::parameter("to")))
        .transpose()?;
    Ok((day(from, "from")?.and_then(midnight_ms), to.and_then(midnight_ms)))
}

pub(super) fn view(row: RecordRow, personal: Option<BTreeMap<SealedField, String>>) -> RecordView {
    RecordView {
        id: row.id,
        unit: row.unit,
        occurred_at_ms: row.occurred_at_ms,
        category: row.category,
        procedure: row.procedure,
        channel: row.channel,
        outcome: row.outcome,
        people: row.people,
        minutes: row.minutes,
        satisfaction: row.satisfaction,
        recorded_by: row.recorded_by,
        device: row.device,
        recorded_at_ms: row.recorded_at_ms,
        retraction: row
            .retraction
            .map(|(reason, by, at_ms)| RetractionView { reason, by, at_ms }),
        sealed: row.sealed.keys().map(|field| field.key()).collect(),
        personal: personal.map(|fields| {
            fields
                .into_iter()
                .map(|(field, clear)| (field.key(), clear))
                .collect()
        }),
        unknown: row
            .unknown
            .iter()
            .map(|(key, value)| (key.clone(), scalar(value)))
            .collect(),
        conflicts: row.conflicts,
    }
}

/// Bytes as base64url, ids and ciphertext alike.
pub(super) fn scalar(value: &Scalar) -> Value {
    match value {
        Scalar::Text(text) => text.clone().into(),
        Scalar::Bytes(bytes) => BASE64URL_NOPAD.encode(bytes).into(),
        Scalar::Int(n) => (*n).into(),
        Scalar::Bool(truth) => (*truth).into(),
        Scalar::Null => Value::Null,
    }
}
