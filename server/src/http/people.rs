//! `/v1/me`, `/v1/accounts`, `/v1/posts`, `/v1/password`: people, their roles and their passwords.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use jiff::civil::Date;
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use sync_core::ids::{AccountId, UnitId};
use utoipa::ToSchema;

use super::ApiError;
use super::actor::{Origin, Reader, Writer};
use super::given::{Given, Query};
use super::paging::{Cursor, Limit, Page, after, limit, seal};
use crate::accounts::{self, AccountView};
use crate::app::App;
use crate::audit::By;
use crate::clock::{day_of, random};
use crate::password::{self, PasswordError};
use crate::policy::{Action, Grant, Permit, Role, Write};
use crate::realm;
use crate::session::{hash_password, password_fits};

/// What can be asked of a list: of which unit, with everything below it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only what is of this unit and of those below it.
    pub(super) unit: Option<UnitId>,
    #[schema(value_type = Option<Cursor>)]
    pub(super) cursor: Option<String>,
    #[schema(value_type = Option<Limit>)]
    pub(super) limit: Option<usize>,
}

/// A person to be added.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewAccount {
    /// What the person logs in with: a word of `a-z 0-9 . _ -`.
    #[schema(examples("truong.thon.01"))]
    username: String,
    /// The person's name, 1 to 200 bytes.
    #[schema(examples("Nguyễn Văn An"))]
    name: String,
    /// The first role.
    #[schema(value_type = Role)]
    role: String,
    /// Where it is held.
    unit: UnitId,
}

/// A role in a unit, from a day on; today without.
#[derive(Deserialize, ToSchema)]
pub(super) struct Post {
    /// Which role.
    #[schema(value_type = Role)]
    role: String,
    /// Where it is held.
    unit: UnitId,
    /// From which day on.
    on: Option<Date>,
}

/// A post that goes from one to another.
#[derive(Deserialize, ToSchema)]
pub(super) struct HandOver {
    /// Whose it was.
    from: AccountId,
    /// Whose it becomes.
    to: AccountId,
    #[serde(flatten)]
    post: Post,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewPassword {
    /// The one that holds.
    #[schema(format = Password, examples("mật khẩu cũ"))]
    old: String,
    /// The one that is to hold, of at least 10 characters.
    #[schema(format = Password, examples("đủ dài để dùng"))]
    new: String,
}

/// A password by a one-time code.
#[derive(Deserialize, ToSchema)]
pub(super) struct Reset {
    /// The code.
    #[schema(examples("K7QF-2M9X-4TBD-9WQH"))]
    code: String,
    /// The password, of at least 10 characters.
    #[schema(format = Password, examples("đủ dài để dùng"))]
    new: String,
}

/// It is done, and there is nothing to say.
#[derive(Serialize, ToSchema)]
pub(super) struct Done {}

/// Who is asking.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    /// The account.
    account: AccountId,
    /// What it logs in with.
    #[schema(examples("truong.thon.01"))]
    username: String,
    /// The roles of today.
    roles: Vec<Held>,
    /// What every change by this session has to bring, as `x-csrf-token`; `null` for a device.
    #[schema(examples("Zm9yZ2VkLW5vLW1vcmU"))]
    csrf: Option<String>,
}

/// A role that is held.
#[derive(Serialize, ToSchema)]
pub(super) struct Held {
    /// Which.
    #[schema(value_type = Role)]
    role: &'static str,
    /// Where.
    unit: UnitId,
}

/// Who was added.
#[derive(Serialize, ToSchema)]
pub(super) struct Added {
    /// The account.
    account: AccountId,
}

/// A one-time code for a password.
#[derive(Serialize, ToSchema)]
pub(super) struct ResetCode {
    /// As it is typed.
    #[schema(examples("K7QF-2M9X-4TBD-9WQH"))]
    code: String,
}

/// Who is asking, and – for programs in a browser – the token that every change has to bring.
pub(super) async fn me(State(app): State<Arc<App>>, reader: Reader) -> Result<Json<Me>, ApiError> {
    let (account, day) = (reader.account, day_of(app.clock.now_ms()));
    let read = app.store().read(move |conn| {
        Ok::<_, rusqlite::Error>((realm::username(conn, account)?, realm::held_by(conn, account)?))
    });
    let (username, held) = read.await?;
    let held = held.iter().filter(|held| held.on(day));
    let roles = held.map(|held| Held {
        role: held.grant.role.code(),
        unit: held.grant.unit,
    });
    Ok(Json(Me {
        account,
        username,
        roles: roles.collect(),
        csrf: reader.session.map(|session| session.csrf),
    }))
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<AccountView>>, ApiError> {
    let permit = reader.permit(Action::ManageAccounts, query.unit)?;
    let (after, limit) = (after::<String>(query.cursor.as_deref())?, limit(query.limit)?);
    let listed = app
        .store()
        .read(move |conn| accounts::page(conn, &permit, after.as_deref(), limit + 1));
    let cursor = |account: &AccountView| seal(&account.username);
    Ok(Json(Page::of(listed.await?, limit, cursor, |account| account)))
}

pub(super) async fn add(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(new): Given<NewAccount>,
) -> Result<Json<Added>, ApiError> {
    let permit = writer.permit(Action::ManageAccounts, Some(new.unit))?;
    let (id, grant) = (accounts::fresh_account(), Grant::new(new.unit, role(&new.role)?));
    let by = writer.by;
    app.store()
        .write(move |tx| accounts::add(tx, &permit, &by, id, &new.username, &new.name, grant))
        .await?;
    Ok(Json(Added { account: id }))
}

pub(super) async fn suspend(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(account): Path<AccountId>,
) -> Result<Json<Done>, ApiError> {
    managed(&app, writer, move |tx, permit, by| {
        accounts::suspend(tx, permit, by, account)
    })
    .await?;
    Ok(Json(Done {}))
}

pub(super) async fn resume(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(account): Path<AccountId>,
) -> Result<Json<Done>, ApiError> {
    managed(&app, writer, move |tx, permit, by| {
        accounts::resume(tx, permit, by, account)
    })
    .await?;
    Ok(Json(Done {}))
}

pub(super) async fn grant(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(account): Path<AccountId>,
    Given(post): Given<Post>,
) -> Result<Json<Done>, ApiError> {
    let (grant, on) = (Grant::new(post.unit, role(&post.role)?), post.day(&app));
    managed(&app, writer, move |tx, permit, by| {
        accounts::grant(tx, permit, by, account, grant, on)
    })
    .await?;
    Ok(Json(Done {}))
}

pub(super) async fn end_role(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(account): Path<AccountId>,
    Given(post): Given<Post>,
) -> Result<Json<Done>, ApiError> {
    let (held, on) = ((post.unit, role(&post.role)?), post.day(&app));
    managed(&app, writer, move |tx, permit, by| {
        accounts::end_role(tx, permit, by, account, held, on)
    })
    .await?;
    Ok(Json(Done {}))
}

pub(super) async fn hand_over(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(HandOver { from, to, post }): Given<HandOver>,
) -> Result<Json<Done>, ApiError> {
    let (held, on) = ((post.unit, role(&post.role)?), post.day(&app));
    managed(&app, writer, move |tx, permit, by| {
        accounts::hand_over(tx, permit, by, (from, to), held, on)
    })
    .await?;
    Ok(Json(Done {}))
}

/// A one-time code for a password, shown this once.
pub(super) async fn reset_code(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(account): Path<AccountId>,
) -> Result<Json<ResetCode>, ApiError> {
    let code = crate::codes::code_of(random());
    let stored = code.clone();
    managed(&app, writer, move |tx, permit, by| {
        password::add_reset(tx, permit, by, account, &stored)
    })
    .await?;
    Ok(Json(ResetCode { code }))
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
) -> Result<Json<Done>, ApiError> {
    let account = writer.reader.account;
    set_own_password(&app, writer.by, account, writer.cookie, given.old, given.new).await?;
    Ok(Json(Done {}))
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
) -> Result<Json<Done>, ApiError> {
    set_password_by_code(&app, origin, given.code, given.new).await?;
    Ok(Json(Done {}))
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
