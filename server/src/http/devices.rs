//! `/v1/devices`, `/v1/accounts/{account}/codes`: devices and the codes that enrol them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use sync_core::ids::{AccountId, DeviceId, UnitId};
use utoipa::ToSchema;

use super::ApiError;
use super::actor::{Reader, Writer};
use super::given::{Given, Query};
use super::paging::{Page, after, limit, seal};
use super::people::{Done, ListQuery};
use crate::app::App;
use crate::clock::random;
use crate::codes::{self, code_of};
use crate::devices::{self, DeviceView, End, Forgotten};
use crate::policy::Action;
use crate::qr;

/// What a code is for.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewCode {
    /// In which unit the person needs the device.
    unit: UnitId,
    /// The device that ends when the code is used.
    replaces: Option<DeviceId>,
}

/// A code that enrols one device, once.
#[derive(Serialize, ToSchema)]
pub(super) struct EnrolmentCode {
    /// As it is typed.
    #[schema(examples("K7QF-2M9X-4TBD-9WQH"))]
    code: String,
    /// As a QR code to be read by a phone.
    #[schema(content_media_type = "image/svg+xml", examples("<svg/>"))]
    svg: String,
    /// Until when it is good, UTC milliseconds.
    expires_at_ms: i64,
}

/// How somebody is called whom the store does not know any more; nothing where it does.
#[derive(Deserialize, ToSchema)]
pub(super) struct Admission {
    /// What the person logs in with.
    #[schema(examples("truong.thon.01"))]
    username: Option<String>,
    /// The person's name.
    #[schema(examples("Nguyễn Văn An"))]
    name: Option<String>,
}

/// What a device is called.
#[derive(Deserialize, ToSchema)]
pub(super) struct NewName {
    /// The name.
    #[schema(examples("Máy của thôn Đồng Minh"))]
    name: String,
}

/// A code, as text and as a picture; shown this once.
pub(super) async fn add_code(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(account): Path<AccountId>,
    Given(new): Given<NewCode>,
) -> Result<Json<EnrolmentCode>, ApiError> {
    let permit = writer.permit(Action::ManageDevices, None)?;
    let (code, by) = (code_of(random()), writer.by);
    let (stored, expires_at_ms) = (code.clone(), by.now_ms + codes::TTL_MS);
    app.store()
        .write(move |tx| devices::add_code(tx, &permit, &by, account, new.unit, &stored, new.replaces))
        .await?;
    let svg = qr::svg(&code).map_err(ApiError::internal)?;
    Ok(Json(EnrolmentCode {
        code,
        svg,
        expires_at_ms,
    }))
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<DeviceView>>, ApiError> {
    let permit = reader.permit(Action::ManageDevices, query.unit)?;
    let (after, limit) = (after::<String>(query.cursor.as_deref())?, limit(query.limit)?);
    let after = after
        .map(|id| id.parse().map_err(|_| ApiError::parameter("cursor")))
        .transpose()?;
    let listed = app
        .store()
        .read(move |conn| devices::page(conn, &permit, after, limit + 1));
    let cursor = |device: &DeviceView| seal(&device.id);
    Ok(Json(Page::of(listed.await?, limit, cursor, |device| device)))
}

pub(super) async fn rename(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(device): Path<DeviceId>,
    Given(new): Given<NewName>,
) -> Result<Json<Done>, ApiError> {
    let permit = writer.permit(Action::ManageDevices, None)?;
    let by = writer.by;
    app.store()
        .write(move |tx| devices::rename(tx, &permit, &by, device, &new.name))
        .await?;
    Ok(Json(Done {}))
}

/// Lets a device in that the store was restored without.
pub(super) async fn admit(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(device): Path<DeviceId>,
    Given(given): Given<Admission>,
) -> Result<Json<Done>, ApiError> {
    let permit = writer.permit(Action::ManageDevices, None)?;
    let by = writer.by;
    let called = given.username.zip(given.name);
    let person = called.map(|(username, name)| Forgotten { username, name });
    app.store()
        .write(move |tx| devices::admit(tx, &permit, &by, device, person.as_ref()))
        .await?;
    Ok(Json(Done {}))
}

pub(super) async fn revoke(
    state: State<Arc<App>>,
    writer: Writer,
    path: Path<DeviceId>,
) -> Result<Json<Done>, ApiError> {
    end(state, writer, path, End::Revoked).await
}

pub(super) async fn lost(
    state: State<Arc<App>>,
    writer: Writer,
    path: Path<DeviceId>,
) -> Result<Json<Done>, ApiError> {
    end(state, writer, path, End::Lost).await
}

async fn end(
    State(app): State<Arc<App>>,
    writer: Writer,
    Path(device): Path<DeviceId>,
    end: End,
) -> Result<Json<Done>, ApiError> {
    let permit = writer.permit(Action::ManageDevices, None)?;
    let by = writer.by;
    app.store()
        .write(move |tx| devices::end(tx, &permit, &by, device, end))
        .await?;
    Ok(Json(Done {}))
}
