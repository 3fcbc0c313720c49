//! What is done to a device, and the code with which one is enrolled: as text and as a picture, shown once.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use sync_core::ids::{AccountId, DeviceId, UnitId};

use super::account::{Refused, refused};
use super::seed_of;
use crate::app::App;
use crate::codes::{self, code_of};
use crate::devices::{self, End};
use crate::http::ApiError;
use crate::http::pages::form::{Filled, beside};
use crate::http::pages::frame::Frame;
use crate::http::pages::render;
use crate::policy::Action;
use crate::{qr, realm};

/// What a code is for.
#[derive(Debug, Deserialize)]
pub(super) struct NewCode {
    seed: String,
    unit: UnitId,
    /// The device that it takes the place of.
    #[serde(default)]
    replaces: Option<DeviceId>,
}

/// On whose page the form was, and what a device is to be called.
#[derive(Debug, Deserialize)]
pub(super) struct Device {
    account: AccountId,
    #[serde(default)]
    name: String,
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    frame: Frame,
    account: String,
    name: String,
    place: String,
    code: String,
    picture: String,
    until: String,
    replaces: bool,
}

/// `POST /accounts/{account}/codes`
pub(super) async fn add_code(
    State(app): State<Arc<App>>,
    Path(account): Path<AccountId>,
    filled: Filled<NewCode>,
) -> Result<Response, ApiError> {
    let Filled { visitor, by, fields } = filled;
    let (unit, replaces) = (fields.unit, fields.replaces);
    let (permit, code) = (
        visitor.write(Action::ManageDevices)?,
        code_of(seed_of(&fields.seed)?),
    );
    let stored = code.clone();
    app.store()
        .write(move |tx| devices::add_code(tx, &permit, &by, account, unit, &stored, replaces))
        .await?;
    let name = app
        .store()
        .read(move |conn| realm::display_name(conn, account))
        .await?;
    let words = visitor.words;
    let page = CodePage {
        frame: visitor.frame("code-title", "/accounts"),
        account: account.to_string(),
        name: name.unwrap_or_default(),
        place: words.place(visitor.tree(), unit),
        picture: qr::inline(&code).map_err(ApiError::internal)?,
        code,
        until: words.time(words.now_ms + codes::TTL_MS),
        replaces: replaces.is_some(),
    };
    render(&page, StatusCode::OK)
}

/// `POST /devices/{device}/name`
pub(super) async fn rename(
    State(app): State<Arc<App>>,
    Path(device): Path<DeviceId>,
    filled: Filled<Device>,
) -> Result<Response, ApiError> {
    let Filled { visitor, by, fields } = filled;
    let (permit, name) = (visitor.write(Action::ManageDevices)?, fields.name.clone());
    let done = app
        .store()
        .write(move |tx| devices::rename(tx, &permit, &by, device, &name));
    match done.await {
        Ok(()) => Ok(back(fields.account, "renamed")),
        Err(error) => {
            let problem = beside(visitor.words, error)?;
            let typed = Refused::of_device(problem, device.to_string(), fields.name);
            refused(&app, &visitor, fields.account, typed).await
        }
    }
}

/// `POST /devices/{device}/admit`: takes in a device that the store was restored without.
pub(super) async fn admit(
    State(app): State<Arc<App>>,
    Path(device): Path<DeviceId>,
    filled: Filled<Device>,
) -> Result<Response, ApiError> {
    let (visitor, by) = (filled.visitor, filled.by);
    let permit = visitor.write(Action::ManageDevices)?;
    app.store()
        .write(move |tx| devices::admit(tx, &permit, &by, device, None))
        .await?;
    Ok(back(filled.fields.account, "admitted"))
}

/// `POST /devices/{device}/lost`
pub(super) async fn lost(
    State(app): State<Arc<App>>,
    Path(device): Path<DeviceId>,
    filled: Filled<Device>,
) -> Result<Response, ApiError> {
    end(&app, device, filled, End::Lost).await
}

/// `POST /devices/{device}/revoke`
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Path(device): Path<DeviceId>,
    filled: Filled<Device>,
) -> Result<Response, ApiError> {
    end(&app, device, filled, End::Revoked).await
}

async fn end(app: &App, device: DeviceId, filled: Filled<Device>, end: End) -> Result<Response, ApiError> {
    let (visitor, by) = (filled.visitor, filled.by);
    let permit = visitor.write(Action::ManageDevices)?;
    app.store()
        .write(move |tx| devices::end(tx, &permit, &by, device, end))
        .await?;
    Ok(back(filled.fields.account, "ended"))
}

fn back(account: AccountId, word: &str) -> Response {
    Redirect::to(&format!("/accounts/{account}?done={word}")).into_response()
}
