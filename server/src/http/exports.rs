//! `/v1/exports/{file}`: rows to take away, as `records.csv`, `units.xlsx`, `audit.ndjson` …

use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use serde::Deserialize;
use sync_core::ids::Class;
use utoipa::ToSchema;

use super::ApiError;
use super::actor::{Origin, Reader, language_of};
use super::described::bytes;
use super::given::{Given, Query};
use super::records::{Asked, RecordsQuery, asked_unit, personal_denied};
use crate::app::App;
use crate::export::{self, ExportError, Exported, Format, Records, What};
use crate::policy::{Action, Personal, permit_realm};
use crate::units::eras;

/// What rows, and in which form: `records`, `acknowledgements`, `units` or `audit` with one of the endings `.csv`, `.xlsx`
/// and `.ndjson`.
#[derive(Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(examples("records.csv"))]
pub(super) struct ExportFile(String);

/// Rows as a file.
pub(super) struct Rows(Response);

bytes!(Rows, Format::ALL.map(Format::media_type));

impl IntoResponse for Rows {
    fn into_response(self) -> Response {
        self.0
    }
}

/// Bytes that are read of a file at a time.
const CHUNK: usize = 64 * 1024;

/// By what stands in the address: of records the filter of their list, with words for what is clear.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    reader: Reader,
    origin: Origin,
    headers: HeaderMap,
    Path(ExportFile(file)): Path<ExportFile>,
    Query(query): Query<RecordsQuery>,
) -> Result<Rows, ApiError> {
    let (word, format) = wanted(&file)?;
    let what = match word {
        "records" => records(&app, &reader, &query, Personal::Sealed).await?,
        "acknowledgements" => What::Acknowledgements {
            permit: reader.permit(Action::Hold(Class::Acks), asked_unit(query.unit())?)?,
            directive: None,
        },
        "units" => {
            let permit = reader.permit(Action::ReadUnits, asked_unit(query.unit())?)?;
            let mut known = eras::known(&reader.authority.tree, &permit);
            known.extend(permit.units());
            What::Units { known }
        }
        "audit" => {
            let permit = permit_realm(reader.grants(), &reader.authority.tree, Action::ReadAudit);
            What::Audit(permit.ok_or_else(ApiError::not_found)?)
        }
        _ => return Err(ApiError::not_found()),
    };
    sent(&app, &reader, &origin, &headers, (what, format)).await
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
