//! `GET /report`: the report of a month, as officials hand it in: on the screen, on paper, and as a workbook.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::ToSpan;
use jiff::civil::Date;
use serde::Deserialize;
use sync_core::ids::UnitId;

use super::super::ApiError;
use super::super::reports::permits;
use super::complete;
use super::frame::{Frame, Visitor};
use super::input::readable_day;
use super::pick::{Choice, choices};
use super::render;
use crate::aggregates::Sums;
use crate::app::App;
use crate::catalogue::Names;
use crate::realm::RealmError;
use crate::report::{self, Report};

/// Months that can be picked.
const MONTHS: i32 = 24;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReportQuery {
    unit: String,
    month: String,
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    frame: Frame,
    report: Report,
    month: Month,
    months: Vec<Month>,
    units: Vec<Choice>,
    categories: Vec<(String, Sums)>,
    outcomes: Vec<(String, Sums)>,
    complete: String,
    head: String,
}

/// A month as addresses have it, and as it is written for people.
struct Month {
    value: String,
    shown: String,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<ReportQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let (words, tree) = (visitor.words, visitor.tree());
    let unit = match query.unit.as_str() {
        // The unit that somebody works in.
        "" => visitor
            .reader
            .grants()
            .iter()
            .map(|grant| grant.unit)
            .find(|unit| tree.unit(*unit).is_some()),
        unit => Some(unit.parse().map_err(|_| ApiError::parameter("unit"))?),
    };
    let unit: UnitId = unit.ok_or_else(ApiError::not_found)?;
    let first = first_of(&query.month, words.today())?;
    let permits = permits(&visitor.reader, unit)?;
    app.flush_presence().await;
    let made = app.store().read(move |conn| {
        let report = report::report(conn, &permits, unit, first, words.now_ms)?;
        Ok::<_, RealmError>(report.zip(Some(Names::load(conn, words.locale)?)))
    });
    let (report, labels) = made.await?.ok_or_else(ApiError::not_found)?;
    let named = |kind: &str, sums: &[(String, Sums)]| {
        let named = sums.iter().map(|(code, sums)| (labels.name(kind, code), *sums));
        named.collect()
    };
    let page = ReportPage {
        frame: visitor.frame("way-report", "/report"),
        month: Month::of(first),
        months: months(words.today()),
        units: choices(words, tree, &visitor.all, Some(unit)),
        categories: named("category", &report.categories),
        outcomes: named("outcome", &report.outcomes),
        complete: complete::told(words, &report.complete),
        head: data_encoding::HEXLOWER.encode(&report.audit_head.hash),
        report,
    };
    render(&page, StatusCode::OK)
}

/// The first day of a month that is asked for; of this one without a wish.
fn first_of(text: &str, today: Date) -> Result<Date, ApiError> {
    match text {
        "" => Ok(today.first_of_month()),
        text => readable_day(&format!("{text}-01")).ok_or_else(|| ApiError::parameter("month")),
    }
}

impl Month {
    fn of(first: Date) -> Self {
        Self {
            value: first.strftime("%Y-%m").to_string(),
            shown: first.strftime("%m/%Y").to_string(),
        }
    }
}

/// The last months.
fn months(today: Date) -> Vec<Month> {
    let back = (0..MONTHS).map(|n| today.first_of_month().saturating_sub(n.months()));
    back.map(Month::of).collect()
}

impl ReportPage {
    /// This month and the one before.
    fn totals(&self) -> [(&'static str, Sums); 2] {
        [
            ("month-this", self.report.total),
            ("month-before", self.report.before),
        ]
    }

    fn kinds(&self) -> [(&'static str, &[(String, Sums)]); 2] {
        [
            ("chart-category", &self.categories),
            ("month-outcome", &self.outcomes),
        ]
    }

    fn made(&self) -> String {
        self.frame.words.time(self.report.made_at_ms)
    }

    fn stars(&self, sums: &Sums) -> String {
        let average = sums.satisfaction();
        average.map_or_else(|| "–".to_owned(), |average| self.frame.words.decimal(average))
    }
}
