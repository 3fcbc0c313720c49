//! `GET /v1/reports/{month}.xlsx?unit=`: the report of a month, as officials hand it in.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use serde::Deserialize;
use sync_core::ids::{Class, UnitId};
use utoipa::ToSchema;

use super::ApiError;
use super::actor::{Reader, language_of};
use super::described::bytes;
use super::given::Query;
use crate::app::App;
use crate::export::{Format, Labels};
use crate::policy::Action;
use crate::realm::RealmError;
use crate::report::{self, Permits};

/// Of which unit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportQuery {
    /// Of this unit and of those below it.
    unit: UnitId,
}

/// Which month: `2025-03.xlsx`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(examples("2025-03.xlsx"))]
pub(super) struct ReportFile(String);

/// A report as a file.
pub(super) struct Workbook(Response);

bytes!(Workbook, [Format::Xlsx.media_type()]);

impl IntoResponse for Workbook {
    fn into_response(self) -> Response {
        self.0
    }
}

pub(super) async fn workbook(
    State(app): State<Arc<App>>,
    reader: Reader,
    headers: HeaderMap,
    Path(ReportFile(file)): Path<ReportFile>,
    Query(query): Query<ReportQuery>,
) -> Result<Workbook, ApiError> {
    let month = file.strip_suffix(".xlsx").ok_or_else(ApiError::not_found)?;
    let first: Date = format!("{month}-01")
        .parse()
        .map_err(|_| ApiError::parameter("month"))?;
    let permits = permits(&reader, query.unit)?;
    // Who was here a second ago is still in memory alone.
    app.flush_presence().await;
    let (now_ms, locale) = (app.clock.now_ms(), language_of(&headers));
    let made = app.store().read(move |conn| {
        let report = report::report(conn, &permits, query.unit, first, now_ms)?;
        Ok::<_, RealmError>(report.zip(Some(Labels::load(conn, locale)?)))
    });
    let (report, labels) = made.await?.ok_or_else(ApiError::not_found)?;
    let bytes = report::workbook(&report, &labels, locale).map_err(ApiError::internal)?;
    let mut response = Response::new(Body::from(bytes));
    let named = format!("attachment; filename=\"langso-report-{month}.xlsx\"");
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(Format::Xlsx.media_type()),
    );
    headers.extend(
        HeaderValue::try_from(named)
            .ok()
            .map(|named| (header::CONTENT_DISPOSITION, named)),
    );
    Ok(Workbook(response))
}

/// A report is for who looks over the unit.
pub(super) fn permits(reader: &Reader, unit: UnitId) -> Result<Permits, ApiError> {
    reader.permit(Action::Oversee, Some(unit))?;
    Ok(Permits {
        records: reader.permit(Action::ReadRecords, None)?,
        boards: reader.permit(Action::Hold(Class::Board), None)?,
        phones: reader.permit(Action::Oversee, None)?,
    })
}
