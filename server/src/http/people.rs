//! `/v1/me`, `/v1/accounts`, `/v1/posts`, `/v1/password`: people, their roles and their passwords.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use jiff::civil::Date;
use rusqlite::Transaction;
use serde::Deserialize;
use serde_json::{Value, json};
use sync_core::ids::{AccountId, UnitId};

use super::ApiError;
use super::actor::{Origin, Reader, Writer};
use super::given::Given;
use crate::accounts;
use crate::app::App;
use crate::audit::By;
use crate::clock::{day_of, random};
use crate::password::{self, PasswordError};
use crate::policy::{Action, Grant, Permit, Role, Write};
use crate::realm;
use crate::session::{hash_password, password_fits};

/// Of which unit, with everything below it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnitQuery {
    unit: Option<UnitId>,
}

impl UnitQuery {
    pub(super) fn unit(&self) -> Option<UnitId> {
        self.unit
    }
}

/// A person to be added.
#[derive(Deserialize)]
pub(super) struct NewAccount {
    username: String,
    name: String,
    role: String,
    unit: UnitId,
}

/// A role in a unit, from a day on; today without.
#[derive(Deserialize)]
pub(super) struct Post {
    role: String,
    unit: UnitId,
    on: Option<Date>,
}

/// A post that goes from one to another.
#[derive(Deserialize)]
pub(super) struct HandOver {
    from: AccountId,
    to: AccountId,
    #[serde(flatten)]
    post: Post,
}

#[derive(Deserialize)]
pub(super) struct NewPassword {
    old: String,
    new: String,
}

#[derive(Deserialize)]
pub(super) struct Reset {
    code: String,
    new: String,
}

/// Who is asking, and – for programs in a browser – the token that every change has to bring.
pub(super) async fn me(State(app): State<Arc<App>>, reader: Reader) -> Result<Json<Value>, ApiError> {
    let (account, day) = (reader.account, day_of(app.clock.now_ms()));
    let read = app.store().read(move |conn| {
        Ok::<_, rusqlite::Error>((realm::username(conn, account)?, realm::held_by(conn, account)?))
    });
    let (username, held) = read.await?;
    let roles = held
        .iter()
        .filter(|held| held.on(day))
        .map(|held| json!({ "role": held.grant.role.code(), "unit": held.grant.unit.to_string() }));
    Ok(Json(json!({
        "account": account.to_string(), "username": username, "roles": roles.collect::<Vec<_>>(),
        "csrf": reader.session.map(|session| session.csrf),
    })))
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<UnitQuery>,
) -> Result<Json<Value>, ApiError> {
    let permit = reader.permit(Action::ManageAccounts, query.unit())?;
    let accounts = app
        .store()
        .read(move |conn| accounts::list(conn, &permit))
        .await?;
    Ok(Json(json!({ "accounts": accounts })))
}

pub(super) async fn add(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(new): Given<NewAccount>,
) -> Result<Json<Value>, ApiError> {
    let permit = writer.permit(Action::ManageAccounts, Some(new.unit))?;
    let (id, grant) = (accounts::fresh_account(), Grant::new(new.unit, role(&new.role)?));
    let by = writer.by;
    app.store()
        .write(move |tx| accounts::add(tx, &permit, &by, id, &new.username, &new.name, grant))
        .await?;
    Ok(Json(json!({ "account": id.to_string() })))
}

pub(super) async fn suspend(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(account): Path<AccountId>,
) -> Result<Json<Value>, ApiError> {
    managed(&app, writer, move |tx, permit, by| {
        accounts::suspend(tx, permit, by, account)
    })
    .await?;
    Ok(Json(json!({})))
}

pub(super) async fn resume(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(account): Path<AccountId>,
) -> Result<Json<Value>, ApiError> {
    managed(&app, writer, move |tx, permit, by| {
        accounts::resume(tx, permit, by, account)
    })
    .await?;
    Ok(Json(json!({})))
}

pub(super) async fn grant(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(account): Path<AccountId>,
    Given(post): Given<Post>,
) -> Result<Json<Value>, ApiError> {
    let (grant, on) = (Grant::new(post.unit, role(&post.role)?), post.day(&app));
    managed(&app, writer, move |tx, permit, by| {
        accounts::grant(tx, permit, by, account, grant, on)
    })
    .await?;
    Ok(Json(json!({})))
}

pub(super) async fn end_role(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(account): Path<AccountId>,
    Given(post): Given<Post>,
) -> Result<Json<Value>, ApiError> {
    let (held, on) = ((post.unit, role(&post.role)?), post.day(&app));
    managed(&app, writer, move |tx, permit, by| {
        accounts::end_role(tx, permit, by, account, held, on)
    })
    .await?;
    Ok(Json(json!({})))
}

pub(super) async fn hand_over(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(HandOver { from, to, post }): Given<HandOver>,
) -> Result<Json<Value>, ApiError> {
    let (held, on) = ((post.unit, role(&post.role)?), post.day(&app));
    managed(&app, writer, move |tx, permit, by| {
        accounts::hand_over(tx, permit, by, (from, to), held, on)
    })
    .await?;
    Ok(Json(json!({})))
}

/// A one-time code for a password, shown this once.
pub(super) async fn reset_code(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(account): Path<AccountId>,
) -> Result<Json<Value>, ApiError> {
    let code = crate::codes::code_of(random());
    let stored = code.clone();
    managed(&app, writer, move |tx, permit, by| {
        password::add_reset(tx, permit, by, account, &stored)
    })
    .await?;
    Ok(Json(json!({ "code": code })))
}

/// Changes something about people, for who manages them.
async fn managed<T, E, F>(app: &App, writer: Writer, change: F) -> Result<T, ApiError>
where
    T: Send + 'static,
    E: Into<ApiError> + Send + 'static,
    F: FnOnce(&Transaction<'_>, &Permit<Write>, &By) -> Result<T, E> + Send + 'static,
{
    let permit = writer.permit(Action::ManageAccounts, None)?;
    let by = writer.by;
    Ok(app.store().write(move |tx| change(tx, &permit, &by)).await?)
}

pub(super) async fn change_password(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(given): Given<NewPassword>,
) -> Result<Json<Value>, ApiError> {
    let account = writer.reader.account;
    set_own_password(&app, writer.by, account, writer.cookie, given.old, given.new).await?;
    Ok(Json(json!({})))
}

/// Sets somebody's own password; every session but the one of the cookie ends.
///
/// # Errors
/// What is wrong with either password.
pub(super) async fn set_own_password(
    app: &App,
    by: By,
    account: AccountId,
    cookie: String,
    old: String,
    new: String,
) -> Result<(), ApiError> {
    password::check(&new)?;
    let stored = app
        .store()
        .read(move |conn| realm::password_hash(conn, account))
        .await?;
    let fits = app
        .passwords
        .run(move || password_fits(&old, stored.as_deref()))
        .await;
    if !fits.map_err(ApiError::internal)? {
        return Err(PasswordError::Wrong.into());
    }
    let hash = hashed(app, new).await?;
    app.store()
        .write(move |tx| password::set(tx, &by, account, &hash, Some(&cookie)))
        .await?;
    Ok(())
}

/// Whoever has the one-time code sets the password.
pub(super) async fn reset_password(
    State(app): State<Arc<App>>,
    origin: Origin,
    Given(given): Given<Reset>,
) -> Result<Json<Value>, ApiError> {
    set_password_by_code(&app, origin, given.code, given.new).await?;
    Ok(Json(json!({})))
}

/// Sets the password of whoever was given a one-time code.
///
/// # Errors
/// What is wrong with the code or the password.
pub(super) async fn set_password_by_code(
    app: &App,
    origin: Origin,
    code: String,
    new: String,
) -> Result<(), ApiError> {
    app.limits.check(origin.0)?;
    password::check(&new)?;
    let by = origin.by(None, app.clock.now_ms());
    let hash = hashed(app, new).await?;
    app.store()
        .write(move |tx| password::reset(tx, &by, &code, &hash))
        .await?;
    Ok(())
}

async fn hashed(app: &App, password: String) -> Result<String, ApiError> {
    let hashed = app
        .passwords
        .run(move || hash_password(&password, random()))
        .await;
    hashed.map_err(ApiError::internal)?.map_err(ApiError::internal)
}

fn role(word: &str) -> Result<Role, ApiError> {
    Role::from_code(word).ok_or_else(|| ApiError::parameter("role"))
}

impl Post {
    fn day(&self, app: &App) -> Date {
        self.on.unwrap_or_else(|| day_of(app.clock.now_ms()))
    }
}
