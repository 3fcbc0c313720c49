//! `/v1/devices`, `/v1/accounts/{account}/codes`: devices and the codes that enrol them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use sync_core::ids::{AccountId, DeviceId, UnitId};

use super::ApiError;
use super::actor::{Reader, Writer};
use super::given::Given;
use super::people::UnitQuery;
use crate::app::App;
use crate::clock::random;
use crate::codes::{self, code_of};
use crate::devices::{self, End, Forgotten};
use crate::policy::Action;
use crate::qr;

/// What a code is for.
#[derive(Deserialize)]
pub(super) struct NewCode {
    unit: UnitId,
    replaces: Option<DeviceId>,
}

/// How somebody is called whom the store does not know any more; nothing where it does.
#[derive(Deserialize)]
pub(super) struct Admission {
    username: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct NewName {
    name: String,
}

/// A code, as text and as a picture; shown this once.
pub(super) async fn add_code(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(account): Path<AccountId>,
    Given(new): Given<NewCode>,
) -> Result<Json<Value>, ApiError> {
    let permit = writer.permit(Action::ManageDevices, None)?;
    let (code, by) = (code_of(random()), writer.by);
    let (stored, expires_at_ms) = (code.clone(), by.now_ms + codes::TTL_MS);
    app.store()
        .write(move |tx| devices::add_code(tx, &permit, &by, account, new.unit, &stored, new.replaces))
        .await?;
    let svg = qr::svg(&code).map_err(ApiError::internal)?;
    Ok(Json(
        json!({ "code": code, "svg": svg, "expires_at_ms": expires_at_ms }),
    ))
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<UnitQuery>,
) -> Result<Json<Value>, ApiError> {
    let permit = reader.permit(Action::ManageDevices, query.unit())?;
    let devices = app.store().read(move |conn| devices::list(conn, &permit)).await?;
    Ok(Json(json!({ "devices": devices })))
}

pub(super) async fn rename(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(device): Path<DeviceId>,
    Given(new): Given<NewName>,
) -> Result<Json<Value>, ApiError> {
    let permit = writer.permit(Action::ManageDevices, None)?;
    let by = writer.by;
    app.store()
        .write(move |tx| devices::rename(tx, &permit, &by, device, &new.name))
        .await?;
    Ok(Json(json!({})))
}

/// Lets a device in that the store was restored without.
pub(super) async fn admit(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(device): Path<DeviceId>,
    Given(given): Given<Admission>,
) -> Result<Json<Value>, ApiError> {
    let permit = writer.permit(Action::ManageDevices, None)?;
    let by = writer.by;
    let called = given.username.zip(given.name);
    let person = called.map(|(username, name)| Forgotten { username, name });
    app.store()
        .write(move |tx| devices::admit(tx, &permit, &by, device, person.as_ref()))
        .await?;
    Ok(Json(json!({})))
}

pub(super) async fn revoke(
    state: State<Arc<App>>,
    writer: Writer,
    path: Path<DeviceId>,
) -> Result<Json<Value>, ApiError> {
    end(state, writer, path, End::Revoked).await
}

pub(super) async fn lost(
    state: State<Arc<App>>,
    writer: Writer,
    path: Path<DeviceId>,
) -> Result<Json<Value>, ApiError> {
    end(state, writer, path, End::Lost).await
}

async fn end(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(device): Path<DeviceId>,
    end: End,
) -> Result<Json<Value>, ApiError> {
    let permit = writer.permit(Action::ManageDevices, None)?;
    let by = writer.by;
    app.store()
        .write(move |tx| devices::end(tx, &permit, &by, device, end))
        .await?;
    Ok(Json(json!({})))
}
