//! `/accounts`: everybody who holds or held a role in reach; who is new.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};
use sync_core::ids::{AccountId, UnitId};

use super::{filter_id, status};
use crate::accounts::{self, AccountView, fresh_account};
use crate::app::App;
use crate::http::ApiError;
use crate::http::pages::form::{Filled, beside};
use crate::http::pages::frame::{Frame, Visitor};
use crate::http::pages::pick::{Choice, choices, whole};
use crate::http::pages::render;
use crate::policy::{Action, Grant, Role};

/// Accounts on one page.
const PAGE: usize = 100;

/// What the form of the page asks; all of it is in the address.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct AccountsQuery {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    unit: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    after: String,
}

/// Somebody to be added.
#[derive(Debug, Deserialize)]
pub(super) struct NewAccount {
    /// Fresh with each form: sent twice, it is one account.
    id: AccountId,
    #[serde(default)]
    username: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    unit: String,
}

impl Default for NewAccount {
    fn default() -> Self {
        Self {
            id: fresh_account(),
            username: String::new(),
            name: String::new(),
            role: Role::Member.code().to_owned(),
            unit: String::new(),
        }
    }
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    frame: Frame,
    query: AccountsQuery,
    units: Vec<Choice>,
    accounts: Vec<Line>,
    next: Option<String>,
    typed: NewAccount,
    roles: Vec<(&'static str, String)>,
    /// Where somebody can be added.
    places: Vec<Choice>,
    problem: Option<String>,
}

/// One account in the list.
struct Line {
    id: String,
    username: String,
    name: String,
    roles: Vec<(String, String)>,
    devices: u32,
    suspended: Option<String>,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<AccountsQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    shown(&app, &visitor, query, NewAccount::default(), None).await
}

/// `POST /accounts`
pub(super) async fn add(
    State(app): State<Arc<App>>,
    filled: Filled<NewAccount>,
) -> Result<Response, ApiError> {
    let Filled { visitor, by, fields } = filled;
    let permit = visitor.write(Action::ManageAccounts)?;
    let post = Role::from_code(&fields.role).zip(fields.unit.parse().ok());
    let Some((role, unit)) = post else {
        let problem = visitor.words.t("post-incomplete");
        return shown(&app, &visitor, AccountsQuery::default(), fields, Some(problem)).await;
    };
    let (id, grant) = (fields.id, Grant::new(unit, role));
    let (username, name) = (fields.username.clone(), fields.name.clone());
    let added = app
        .store()
        .write(move |tx| accounts::add(tx, &permit, &by, id, &username, &name, grant));
    match added.await {
        Ok(()) => Ok(Redirect::to(&format!("/accounts/{id}?done=added")).into_response()),
        Err(error) => {
            let problem = beside(visitor.words, error)?;
            shown(&app, &visitor, AccountsQuery::default(), fields, Some(problem)).await
        }
    }
}

async fn shown(
    app: &App,
    visitor: &Visitor,
    query: AccountsQuery,
    typed: NewAccount,
    problem: Option<String>,
) -> Result<Response, ApiError> {
    let unit: Option<UnitId> = filter_id("unit", &query.unit)?;
    let permit = visitor.reader.permit(Action::ManageAccounts, unit)?;
    let (name, after) = (query.name.clone(), query.after.clone());
    let mut found = app
        .store()
        .read(move |conn| accounts::search(conn, &permit, &name, &after, PAGE + 1))
        .await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let last = found.last().filter(|_| more);
    let next = last.map(|last| {
        let next = AccountsQuery {
            after: last.username.clone(),
            ..query.clone()
        };
        serde_html_form::to_string(next).map_err(ApiError::internal)
    });
    let (words, tree) = (visitor.words, visitor.tree());
    let managed = visitor.read(Action::ManageAccounts)?;
    let page = AccountsPage {
        frame: visitor.frame("way-accounts", "/accounts"),
        units: choices(words, tree, &managed, unit),
        accounts: found.into_iter().map(|account| line(account, visitor)).collect(),
        next: next.transpose()?,
        roles: roles(visitor),
        places: whole(words, tree, &managed, typed.unit.parse().ok().or(unit)),
        query,
        typed,
        problem,
    };
    render(&page, status(page.problem.as_ref()))
}

/// Every role, with its label.
pub(super) fn roles(visitor: &Visitor) -> Vec<(&'static str, String)> {
    let label = |role: Role| (role.code(), visitor.words.t(&format!("role-{}", role.code())));
    Role::ALL.map(label).into()
}

fn line(account: AccountView, visitor: &Visitor) -> Line {
    let words = visitor.words;
    let today = words.today().to_string();
    let held = account
        .roles
        .iter()
        .filter(|role| role.from <= today && role.to.as_ref().is_none_or(|to| *to > today));
    let roles = held.filter_map(|role| {
        let place = words.place(visitor.tree(), role.unit.parse().ok()?);
        Some((words.t(&format!("role-{}", role.role)), place))
    });
    Line {
        roles: roles.collect(),
        id: account.id,
        username: account.username,
        name: account.name,
        devices: account.devices,
        suspended: account.suspended_at_ms.map(|at| words.time(at)),
    }
}
