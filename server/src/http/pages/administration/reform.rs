//! `/units/reform`: a reform from a file, seen before it is done.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use sync_core::ids::UnitId;

use super::files::{Said, Tried, Upload};
use super::status;
use super::unit::told;
use crate::app::App;
use crate::clock::random_bits;
use crate::http::ApiError;
use crate::http::pages::form::Filled;
use crate::http::pages::frame::{Frame, Visitor};
use crate::http::pages::render;
use crate::policy::Action;
use crate::store::WriteError;
use crate::units::UnitsError;
use crate::units::change::ChangeError;
use crate::units::reform::{self, ReformRow, Report, RoleRow, Unknown};

/// The columns that the file must have.
const COLUMNS: &str = "effective_from, old_code, old_name, new_code, new_name";
/// Those of the second text.
const ROLE_COLUMNS: &str = "username, role, old_code, new_code";

#[derive(Template)]
#[template(path = "reform.html")]
struct ReformPage {
    frame: Frame,
    csv: String,
    roles: String,
    skip: bool,
    said: Said<Report>,
    /// From which day on it would happen.
    would: String,
    /// Accounts that would be left without reach: username, role, code of its unit.
    without: Vec<(String, String, String)>,
}

pub(super) async fn page(visitor: Visitor) -> Result<Response, ApiError> {
    visitor.write(Action::ManageUnits)?;
    shown(&visitor, &Upload::default(), Said::nothing())
}

/// `POST /units/reform`
pub(super) async fn reform(
    State(app): State<Arc<App>>,
    filled: Filled<Upload>,
) -> Result<Response, ApiError> {
    let Filled { visitor, by, fields } = filled;
    let (permit, step, words) = (visitor.write(Action::ManageUnits)?, fields.step, visitor.words);
    let (rows, roles) = match read(&visitor, &fields) {
        Ok(read) => read,
        Err(said) => return shown(&visitor, &fields, *said),
    };
    let unknown = match fields.skip.as_str() {
        "" => Unknown::Refuse,
        _ => Unknown::Skip,
    };
    let done = app.store().write(move |tx| {
        let fresh = || UnitId::from_parts(by.now_ms.unsigned_abs(), random_bits());
        let report = reform::reform(tx, &permit, &rows, &roles, unknown, &by, fresh);
        step.end(report.map_err(Tried::Failed)?)
    });
    let done = done.await;
    if let Err(WriteError::Job(Tried::Failed(UnitsError::Change(error)))) = &done {
        let problem = match error {
            // What comes out of it would lie at the top, or somebody else's units are in the file.
            ChangeError::OutOfReach => Some(words.t("reform-beyond")),
            error => told(words, &app, error).await?,
        };
        if let Some(problem) = problem {
            return shown(&visitor, &fields, Said::problem(problem));
        }
    }
    let said = Said::of(words, done, |error| match error {
        UnitsError::Rows(rows) => Ok(rows),
        UnitsError::Change(error) => Err(error.into()),
        error @ (UnitsError::Csv(_) | UnitsError::Sqlite(_)) => Err(ApiError::internal(error)),
    })?;
    match said {
        None => Ok(Redirect::to("/units?done=reformed").into_response()),
        Some(said) => shown(&visitor, &fields, said),
    }
}

/// Both texts of the form: the reform, and where roles go.
type Texts = (Vec<ReformRow>, Vec<RoleRow>);

/// Reads both texts of the form.
///
/// # Errors
/// What a page says of a text that cannot be read.
fn read(visitor: &Visitor, fields: &Upload) -> Result<Texts, Box<Said<Report>>> {
    let words = visitor.words;
    let text = fields
        .text(words)
        .map_err(|problem| Box::new(Said::problem(problem)))?;
    let not_csv = |error: UnitsError, columns| {
        Box::new(match error {
            UnitsError::Rows(rows) => Said::rows(words, &rows),
            UnitsError::Csv(_) | UnitsError::Change(_) | UnitsError::Sqlite(_) => {
                Said::problem(words.say("file-not-csv", &[("columns", columns)]))
            }
        })
    };
    let rows = reform::parse(text.as_bytes()).map_err(|error| not_csv(error, COLUMNS))?;
    let roles = match fields.roles.trim() {
        "" => Vec::new(),
        roles => reform::parse_roles(roles.as_bytes()).map_err(|error| not_csv(error, ROLE_COLUMNS))?,
    };
    Ok((rows, roles))
}

fn shown(visitor: &Visitor, fields: &Upload, said: Said<Report>) -> Result<Response, ApiError> {
    let words = visitor.words;
    let report = said.would.as_ref();
    let without = report.map_or(&[][..], |report| &report.without_reach);
    let on = report.and_then(|report| report.on.parse().ok());
    let page = ReformPage {
        frame: visitor.frame("reform-title", "/units"),
        csv: fields.shown(),
        roles: fields.roles.clone(),
        skip: !fields.skip.is_empty(),
        would: on
            .map(|day| words.say("reform-would", &[("day", &words.day(day))]))
            .unwrap_or_default(),
        without: without
            .iter()
            .map(|(username, role, code)| (username.clone(), words.t(&format!("role-{role}")), code.clone()))
            .collect(),
        said,
    };
    render(&page, status(page.said.problem.as_ref()))
}
