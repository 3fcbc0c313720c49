//! `/accounts/import`: people from a CSV file, looked at before anybody is added.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};

use super::files::{Said, Tried, Upload};
use super::status;
use crate::accounts::{self, ImportError, fresh_account};
use crate::app::App;
use crate::http::ApiError;
use crate::http::pages::form::Filled;
use crate::http::pages::frame::{Frame, Visitor};
use crate::http::pages::render;
use crate::policy::{Action, Role};

/// The columns that the file must have.
const COLUMNS: &str = "username, name, role, unit";

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    frame: Frame,
    csv: String,
    roles: String,
    /// How many would be added, of how many lines.
    said: Said<(usize, usize)>,
}

pub(super) async fn page(visitor: Visitor) -> Result<Response, ApiError> {
    visitor.read(Action::ManageAccounts)?;
    shown(&visitor, String::new(), Said::nothing())
}

/// `POST /accounts/import`
pub(super) async fn import(
    State(app): State<Arc<App>>,
    filled: Filled<Upload>,
) -> Result<Response, ApiError> {
    let Filled { visitor, by, fields } = filled;
    let (permit, step, words) = (visitor.write(Action::ManageAccounts)?, fields.step, visitor.words);
    let rows = match fields.rows(words, COLUMNS, |text| accounts::parse(text)) {
        Ok(rows) => rows,
        Err(problem) => return shown(&visitor, fields.shown(), Said::problem(problem)),
    };
    let done = app.store().write(move |tx| {
        let added = accounts::import(tx, &permit, &by, &rows, fresh_account).map_err(Tried::Failed)?;
        step.end((added, rows.len()))
    });
    let said = Said::of(words, done.await, |error| match error {
        ImportError::Rows(rows) => Ok(rows),
        error @ (ImportError::Csv(_) | ImportError::Sqlite(_)) => Err(ApiError::internal(error)),
    })?;
    match said {
        None => Ok(Redirect::to("/accounts?done=imported").into_response()),
        Some(said) => shown(&visitor, fields.shown(), said),
    }
}

fn shown(visitor: &Visitor, csv: String, said: Said<(usize, usize)>) -> Result<Response, ApiError> {
    let page = PeoplePage {
        frame: visitor.frame("accounts-import", "/accounts"),
        csv,
        roles: Role::ALL.map(Role::code).join(", "),
        said,
    };
    render(&page, status(page.said.problem.as_ref()))
}
