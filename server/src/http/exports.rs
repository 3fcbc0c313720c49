//! `/v1/exports/{file}`: rows to take away, as `records.csv`, `units.xlsx`, `audit.ndjson` …

use std::io::Read;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use jiff::civil::Date;
use serde::Deserialize;
use sync_core::ids::{AccountId, Class, RecordId, UnitId};
use utoipa::ToSchema;

use super::ApiError;
use super::actor::{Origin, Reader, language_of};
use super::described::bytes;
use super::given::{Given, Query};
use super::records::{Asked, Include, RecordsQuery, asked_unit, between, personal_denied};
use crate::app::App;
use crate::audit::{Act, Search};
use crate::directives;
use crate::export::{self, ExportError, Exported, Format, Records, What};
use crate::policy::{Action, Personal, permit_realm};
use crate::realm;
use crate::units::eras::{self, View};

/// What rows, and in which form: `records`, `acknowledgements`, `units` or `audit` with one of the endings `.csv`, `.xlsx`
/// and `.ndjson`.
#[derive(Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(examples("records.csv"))]
pub(super) struct ExportFile(String);

/// What can be asked of an export: of each file what its list or page can be asked. Anything else is refused, so that
/// nobody takes rows for filtered that are not.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportQuery {
    /// Of records, acknowledgements and units: only what is of this unit and of those below it.
    #[schema(value_type = Option<UnitId>)]
    unit: Option<String>,
    /// Of records: under the units of their own date, or of today (without).
    #[schema(value_type = Option<View>)]
    view: Option<String>,
    /// Of records and the audit: from this day on.
    #[schema(value_type = Option<Date>)]
    from: Option<String>,
    /// Of records and the audit: up to and with this day.
    #[schema(value_type = Option<Date>)]
    to: Option<String>,
    /// Of records: only of this category, by its code in the catalogue.
    #[schema(examples("dich_vu_cong"))]
    category: Option<String>,
    /// Of records: only with this outcome, by its code in the catalogue.
    #[schema(examples("hoan_thanh"))]
    outcome: Option<String>,
    /// Of records: only those that were taken back, or only those that were not.
    retracted: Option<bool>,
    /// Of records: `personal` with citizens' data, for who may read it.
    #[schema(value_type = Option<Include>)]
    include: Option<String>,
    /// Of records: words as Vietnamese type them; they are looked for in what is clear alone.
    #[schema(examples("thon bai xuan"))]
    q: Option<String>,
    /// Of acknowledgements: only those of this directive, by the id of a version.
    #[schema(value_type = Option<RecordId>)]
    directive: Option<String>,
    /// Of units: as they are on this day; in all their times without.
    #[schema(value_type = Option<Date>)]
    on: Option<String>,
    /// Of the audit: only what was done so.
    #[schema(value_type = Option<Act>)]
    act: Option<String>,
    /// Of the audit: only what this account did.
    #[schema(value_type = Option<AccountId>)]
    account: Option<String>,
    /// Of the audit: only what is about this unit, account, device …, by its id.
    #[schema(examples("01JF0A5X7M3Q8R2W9YB4CDE6GH"))]
    subject: Option<String>,
}

impl ExportQuery {
    /// Refuses what a file cannot be asked.
    fn only(&self, allowed: &[&str]) -> Result<(), ApiError> {
        let given = [
            ("unit", self.unit.is_some()),
            ("view", self.view.is_some()),
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
            ("category", self.category.is_some()),
            ("outcome", self.outcome.is_some()),
            ("retracted", self.retracted.is_some()),
            ("include", self.include.is_some()),
            ("q", self.q.is_some()),
            ("directive", self.directive.is_some()),
            ("on", self.on.is_some()),
            ("act", self.act.is_some()),
            ("account", self.account.is_some()),
            ("subject", self.subject.is_some()),
        ];
        let other = given
            .into_iter()
            .find(|(name, given)| *given && !allowed.contains(name));
        other.map_or(Ok(()), |(name, _)| Err(ApiError::parameter(name)))
    }

    fn records(self) -> RecordsQuery {
        RecordsQuery {
            unit: self.unit,
            view: self.view,
            from: self.from,
            to: self.to,
            category: self.category,
            outcome: self.outcome,
            retracted: self.retracted,
            include: self.include,
            q: self.q,
            ..RecordsQuery::default()
        }
    }

    /// Which rows of the audit.
    fn audit(&self) -> Result<Search, ApiError> {
        let (from_ms, until_ms) = between(self.from.as_deref(), self.to.as_deref())?;
        let act = self.act.as_deref().map(Act::from_code);
        let act = act.map(|act| act.ok_or_else(|| ApiError::parameter("act")));
        Ok(Search {
            act: act.transpose()?.map(|act| act.code().to_owned()),
            account: parsed("account", self.account.as_deref())?,
            subject: self.subject.clone(),
            from_ms,
            until_ms,
            before: None,
        })
    }
}

fn parsed<T: FromStr>(name: &'static str, text: Option<&str>) -> Result<Option<T>, ApiError> {
    let parsed = text.map(|text| text.parse().map_err(|_| ApiError::parameter(name)));
    parsed.transpose()
}

/// Rows as a file.
pub(super) struct Rows(Response);

bytes!(Rows, Format::ALL.map(Format::media_type));

impl IntoResponse for Rows {
    fn into_response(self) -> Response {
        self.0
    }
}

/// What can be asked of records.
const OF_RECORDS: [&str; 9] = [
    "unit",
    "view",
    "from",
    "to",
    "category",
    "outcome",
    "retracted",
    "include",
    "q",
];
/// Bytes that are read of a file at a time.
const CHUNK: usize = 64 * 1024;

/// By what stands in the address: the filter of the list or page, with words for what is clear.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    reader: Reader,
    origin: Origin,
    headers: HeaderMap,
    Path(ExportFile(file)): Path<ExportFile>,
    Query(query): Query<ExportQuery>,
) -> Result<Rows, ApiError> {
    let (word, format) = wanted(&file)?;
    let what = match word {
        "records" => {
            query.only(&OF_RECORDS)?;
            records(&app, &reader, &query.records(), Personal::Sealed).await?
        }
        "acknowledgements" => acknowledgements(&app, &reader, &query).await?,
        "units" => units(&app, &reader, &query).await?,
        "audit" => {
            query.only(&["from", "to", "act", "account", "subject"])?;
            let permit = permit_realm(reader.grants(), &reader.authority.tree, Action::ReadAudit);
            What::Audit {
                permit: permit.ok_or_else(ApiError::not_found)?,
                wanted: Box::new(query.audit()?),
            }
        }
        _ => return Err(ApiError::not_found()),
    };
    sent(&app, &reader, &origin, &headers, (what, format)).await
}

async fn acknowledgements(app: &App, reader: &Reader, query: &ExportQuery) -> Result<What, ApiError> {
    query.only(&["unit", "directive"])?;
    let permit = reader.permit(Action::Hold(Class::Acks), asked_unit(query.unit.as_deref())?)?;
    let issue = match parsed::<RecordId>("directive", query.directive.as_deref())? {
        Some(record) => {
            let boards = reader.permit(Action::Hold(Class::Board), None)?;
            let found = app
                .store()
                .read(move |conn| directives::find(conn, &boards, record))
                .await?;
            Some(found.ok_or_else(ApiError::not_found)?.issue)
        }
        None => None,
    };
    Ok(What::Acknowledgements { permit, issue })
}

async fn units(app: &App, reader: &Reader, query: &ExportQuery) -> Result<What, ApiError> {
    query.only(&["unit", "on"])?;
    let permit = reader.permit(Action::ReadUnits, asked_unit(query.unit.as_deref())?)?;
    let on = parsed::<Date>("on", query.on.as_deref())?;
    let mut known = match on {
        Some(day) => {
            let tree = app.store().read(move |conn| realm::tree(conn, day)).await?;
            eras::known(&tree, &permit)
        }
        None => eras::known(&reader.authority.tree, &permit),
    };
    known.extend(permit.units());
    Ok(What::Units { known, on })
}

/// By a body: records with words that may be a citizen's name.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    reader: Reader,
    origin: Origin,
    headers: HeaderMap,
    Path(ExportFile(file)): Path<ExportFile>,
    Given(query): Given<RecordsQuery>,
) -> Result<Rows, ApiError> {
    let ("records", format) = wanted(&file)? else {
        return Err(ApiError::not_found());
    };
    let what = records(&app, &reader, &query, Personal::Read).await?;
    sent(&app, &reader, &origin, &headers, (what, format)).await
}

fn wanted(file: &str) -> Result<(&str, Format), ApiError> {
    let parts = file.rsplit_once('.');
    let parts = parts.and_then(|(word, extension)| Some((word, Format::of_extension(extension)?)));
    parts.ok_or_else(ApiError::not_found)
}

/// Which records, and whether their words are looked for in citizens' data.
async fn records(
    app: &App,
    reader: &Reader,
    query: &RecordsQuery,
    reach: Personal,
) -> Result<What, ApiError> {
    let asked = Asked::of(reader, query)?;
    if asked.words.is_some() && reach == Personal::Read && !asked.permit.personal() {
        return Err(personal_denied());
    }
    Ok(What::Records(Box::new(Records {
        permit: asked.permit,
        filter: asked.filter,
        past_of: asked.past_of,
        words: match asked.words {
            Some(words) => Some((words, reach, app.caught_up().await?)),
            None => None,
        },
        personal: match asked.personal {
            true => Personal::Read,
            false => Personal::Sealed,
        },
    })))
}

async fn sent(
    app: &App,
    reader: &Reader,
    origin: &Origin,
    headers: &HeaderMap,
    (what, format): (What, Format),
) -> Result<Rows, ApiError> {
    let by = origin.by(Some(reader.account), app.clock.now_ms());
    let exported = export::export(app, what, format, language_of(headers), by).await?;
    Ok(Rows(attachment(exported)))
}

/// A file to be saved, piece by piece.
pub(super) fn attachment(exported: Exported) -> Response {
    let media_type = HeaderValue::from_static(exported.format.media_type());
    let named = HeaderValue::try_from(format!("attachment; filename=\"{}\"", exported.name));
    let mut response = Response::new(Body::new(Pieces {
        file: exported.file,
        left: exported.bytes,
    }));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.extend(named.ok().map(|named| (header::CONTENT_DISPOSITION, named)));
    response
}

impl From<ExportError> for ApiError {
    fn from(error: ExportError) -> Self {
        Self::internal(error)
    }
}

/// A file that was just written, so that reading a piece of it waits for no disk.
struct Pieces {
    file: std::fs::File,
    left: u64,
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        let mut piece = vec![0; CHUNK];
        let read = match self.file.read(&mut piece) {
            Ok(0) => return Poll::Ready(None),
            Ok(read) => read,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        piece.truncate(read);
        self.left = self.left.saturating_sub(read as u64);
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
