//! `POST /v1/enrol` and `POST /v1/token`: how a device gets in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use data_encoding::BASE64URL_NOPAD;
use sync_core::enrolment::{EnrolAnswer, EnrolRequest, TokenAnswer, TokenRequest};
use sync_core::ids::DeviceId;
use sync_core::signature::{EnrolmentStatement, PublicKey, Signature};

use super::actor::Origin;
use super::given::Given;
use super::{ApiError, Code};
use crate::app::App;
use crate::clock;
use crate::enrolment::{self, Assertion, Realm};
use crate::realm::Device;

pub(super) async fn enrol(
    State(app): State<Arc<App>>,
    origin: Origin,
    Given(EnrolRequest { code, public_key }): Given<EnrolRequest>,
) -> Result<Json<EnrolAnswer>, ApiError> {
    app.limits.check(origin.0)?;
    let key = PublicKey::from_bytes(bytes(&public_key, "public_key")?)?;
    let now_ms = app.clock.now_ms();
    let fresh = DeviceId::from_parts(now_ms as u64, clock::random_bits());
    let device = app
        .store()
        .write(move |tx| enrolment::enrol(tx, &code, key, fresh, &origin.to_string(), now_ms))
        .await?;
    let statement = EnrolmentStatement {
        realm: app.realm,
        device: device.id,
        account: device.account,
        public_key: device.key,
        enrolled_at_ms: device.enrolled_at,
    };
    let token = issue(&app, &device, now_ms)?;
    Ok(Json(EnrolAnswer::new(&statement, &app.realm_key, token)))
}

pub(super) async fn token(
    State(app): State<Arc<App>>,
    origin: Origin,
    Given(request): Given<TokenRequest>,
) -> Result<Json<TokenAnswer>, ApiError> {
    app.limits.check(origin.0)?;
    if request
        .realm
        .as_ref()
        .is_some_and(|realm| *realm != app.realm.to_string())
    {
        return Err(ApiError::new(Code::OtherRealm));
    }
    let assertion = Assertion {
        device: request
            .device
            .parse()
            .map_err(|_| ApiError::parameter("device"))?,
        time_ms: request.time_ms,
        jti: bytes(&request.jti, "jti")?,
        nonce: request
            .nonce
            .as_deref()
            .map(|nonce| bytes(nonce, "nonce"))
            .transpose()?,
        signature: Signature(bytes(&request.signature, "signature")?),
    };
    let realm = Realm {
        id: app.realm,
        key: app.realm_key.public(),
    };
    let (nonce, now_ms) = (clock::random(), app.clock.now_ms());
    let by = origin.by(None, now_ms);
    let checked = app
        .store()
        .write(move |tx| {
            let shown = request.enrolment.as_ref();
            enrolment::check(tx, realm, &assertion, shown, nonce, &by)
        })
        .await?;
    Ok(Json(issue(&app, &checked?, now_ms)?))
}

fn issue(app: &App, device: &Device, now_ms: i64) -> Result<TokenAnswer, ApiError> {
    let (access_token, expires_s) = app
        .tokens
        .issue(device.id, now_ms)
        .ok_or_else(|| ApiError::internal("no token could be made"))?;
    Ok(TokenAnswer {
        access_token,
        expires_at_ms: expires_s * 1000,
        server_time_ms: now_ms,
    })
}

fn bytes<const N: usize>(text: &str, name: &str) -> Result<[u8; N], ApiError> {
    let bytes = BASE64URL_NOPAD
        .decode(text.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| ApiError::parameter(name))
}
