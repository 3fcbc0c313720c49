//! What is done about one person: roles given, ended and handed over, the account suspended, a password made anew.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use rusqlite::Transaction;
use serde::Deserialize;
use sync_core::ids::AccountId;

use super::super::day;
use super::{Refused, refused};
use crate::accounts::{self, AccountError};
use crate::app::App;
use crate::audit::By;
use crate::clock::random;
use crate::codes::code_of;
use crate::http::ApiError;
use crate::http::pages::form::{Filled, beside};
use crate::http::pages::frame::{Frame, Visitor};
use crate::http::pages::render;
use crate::password::{self, RESET_TTL_MS};
use crate::policy::{Action, Grant, Permit, Personal, Role, Write};
use crate::realm;
use crate::store::WriteError;

/// A role in a unit, from a day on or until it, and for whom.
#[derive(Debug, Default, Deserialize)]
pub(in super::super) struct Post {
    #[serde(default)]
    pub(super) role: String,
    #[serde(default)]
    pub(super) unit: String,
    #[serde(default)]
    pub(super) on: String,
    /// `yes`, `no`; empty: what comes with the role.
    #[serde(default)]
    pub(super) personal: String,
    /// The username of who gets it.
    #[serde(default)]
    pub(super) to: String,
}

/// A form with nothing to fill in.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Nothing {}

/// `POST /accounts/{account}/suspend`
pub(in super::super) async fn suspend(
    State(app): State<Arc<App>>,
    Path(account): Path<AccountId>,
    filled: Filled<Nothing>,
) -> Result<Response, ApiError> {
    switched(&app, account, filled, ("suspended", accounts::suspend)).await
}

/// `POST /accounts/{account}/resume`
pub(in super::super) async fn resume(
    State(app): State<Arc<App>>,
    Path(account): Path<AccountId>,
    filled: Filled<Nothing>,
) -> Result<Response, ApiError> {
    switched(&app, account, filled, ("resumed", accounts::resume)).await
}

type Switch = fn(&Transaction<'_>, &Permit<Write>, &By, AccountId) -> Result<(), AccountError>;

/// Does what takes nothing but the account, and says it in this word.
async fn switched(
    app: &App,
    account: AccountId,
    filled: Filled<Nothing>,
    (word, switch): (&str, Switch),
) -> Result<Response, ApiError> {
    let (visitor, by) = (filled.visitor, filled.by);
    let done = manage(app, &visitor, by, move |tx, permit, by| {
        switch(tx, permit, by, account)
    });
    answered(
        app,
        &visitor,
        account,
        word,
        done.await,
        "suspend",
        Post::default(),
    )
    .await
}

/// `POST /accounts/{account}/roles`
pub(in super::super) async fn grant(
    State(app): State<Arc<App>>,
    Path(account): Path<AccountId>,
    filled: Filled<Post>,
) -> Result<Response, ApiError> {
    let Filled { visitor, by, fields } = filled;
    let (grant, on) = match fields.asked(&visitor) {
        Ok(wanted) => wanted,
        Err(problem) => return refused(&app, &visitor, account, Refused::of("grant", problem, fields)).await,
    };
    let done = manage(&app, &visitor, by, move |tx, permit, by| {
        accounts::grant(tx, permit, by, account, grant, on)
    });
    answered(&app, &visitor, account, "granted", done.await, "grant", fields).await
}

/// `POST /accounts/{account}/roles/end`
pub(in super::super) async fn end_role(
    State(app): State<Arc<App>>,
    Path(account): Path<AccountId>,
    filled: Filled<Post>,
) -> Result<Response, ApiError> {
    let Filled { visitor, by, fields } = filled;
    let (held, on) = match fields.asked(&visitor) {
        Ok(wanted) => wanted,
        Err(problem) => return refused(&app, &visitor, account, Refused::of("end", problem, fields)).await,
    };
    let done = manage(&app, &visitor, by, move |tx, permit, by| {
        accounts::end_role(tx, permit, by, account, (held.unit, held.role), on)
    });
    answered(&app, &visitor, account, "ended", done.await, "end", fields).await
}

/// `POST /accounts/{account}/hand-over`
pub(in super::super) async fn hand_over(
    State(app): State<Arc<App>>,
    Path(account): Path<AccountId>,
    filled: Filled<Post>,
) -> Result<Response, ApiError> {
    let Filled { visitor, by, fields } = filled;
    let username = fields.to.trim().to_lowercase();
    let to = app
        .store()
        .read(move |conn| realm::account_id(conn, &username))
        .await?;
    let wanted = to
        .ok_or_else(|| visitor.words.t("hand-over-nobody"))
        .and_then(|to| {
            let held = fields.grant(&visitor)?;
            Ok((to, held, day(visitor.words, &fields.on)?))
        });
    let (to, held, on) = match wanted {
        Ok(wanted) => wanted,
        Err(problem) => {
            return refused(&app, &visitor, account, Refused::of("hand-over", problem, fields)).await;
        }
    };
    let done = manage(&app, &visitor, by, move |tx, permit, by| {
        accounts::hand_over(tx, permit, by, (account, to), (held.unit, held.role), on)
    });
    answered(
        &app,
        &visitor,
        account,
        "handed-over",
        done.await,
        "hand-over",
        fields,
    )
    .await
}

#[derive(Template)]
#[template(path = "reset_code.html")]
struct ResetCodePage {
    frame: Frame,
    account: String,
    name: String,
    code: String,
    until: String,
}

/// `POST /accounts/{account}/reset`: a one-time code for a password, shown this once. The last one that was made counts.
pub(in super::super) async fn reset_code(
    State(app): State<Arc<App>>,
    Path(account): Path<AccountId>,
    filled: Filled<Nothing>,
) -> Result<Response, ApiError> {
    let (visitor, by, code) = (filled.visitor, filled.by, code_of(random()));
    let stored = code.clone();
    manage(&app, &visitor, by, move |tx, permit, by| {
        password::add_reset(tx, permit, by, account, &stored)
    })
    .await?;
    let name = app
        .store()
        .read(move |conn| realm::display_name(conn, account))
        .await?;
    let page = ResetCodePage {
        frame: visitor.frame("reset-code-title", "/accounts"),
        account: account.to_string(),
        name: name.unwrap_or_default(),
        code,
        until: visitor.words.time(visitor.words.now_ms + RESET_TTL_MS),
    };
    render(&page, StatusCode::OK)
}

/// Changes something about an account, for who manages it.
pub(in super::super) async fn manage<F>(
    app: &App,
    visitor: &Visitor,
    by: By,
    change: F,
) -> Result<(), WriteError<AccountError>>
where
    F: FnOnce(&Transaction<'_>, &Permit<Write>, &By) -> Result<(), AccountError> + Send + 'static,
{
    let permit = visitor.write(Action::ManageAccounts);
    let permit = permit.map_err(|_| WriteError::Job(AccountError::NotFound))?;
    app.store().write(move |tx| change(tx, &permit, &by)).await
}

/// Goes on to the account where something was done; shows the form again where it was refused.
async fn answered(
    app: &App,
    visitor: &Visitor,
    account: AccountId,
    word: &str,
    done: Result<(), WriteError<AccountError>>,
    form: &'static str,
    post: Post,
) -> Result<Response, ApiError> {
    let word = match done {
        Ok(()) => word,
        // Sent twice, or done by somebody else meanwhile.
        Err(WriteError::Job(AccountError::NotHeld)) => "already",
        Err(error) => {
            let problem = beside(visitor.words, error)?;
            return refused(app, visitor, account, Refused::of(form, problem, post)).await;
        }
    };
    Ok(Redirect::to(&format!("/accounts/{account}?done={word}")).into_response())
}

impl Post {
    /// The role that is meant, and from or until when.
    fn asked(&self, visitor: &Visitor) -> Result<(Grant, jiff::civil::Date), String> {
        Ok((self.grant(visitor)?, day(visitor.words, &self.on)?))
    }

    fn grant(&self, visitor: &Visitor) -> Result<Grant, String> {
        let post = Role::from_code(&self.role).zip(self.unit.parse().ok());
        let (role, unit) = post.ok_or_else(|| visitor.words.t("post-incomplete"))?;
        let personal = match self.personal.as_str() {
            "yes" => Personal::Read,
            "no" => Personal::Sealed,
            _ => role.personal(),
        };
        Ok(Grant { unit, role, personal })
    }
}
