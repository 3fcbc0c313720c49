//! Proofs of who a device is that are bent, old, or somebody else's.

use axum::http::{Method, header};
use data_encoding::BASE64URL_NOPAD;
use langso_server::drive::link::Answer;
use langso_server::drive::{Fate, Link};
use sync_core::signature::AssertionStatement;

use crate::harness::Village;

/// An assertion of the hostile phone, as it travels.
fn assertion(village: &Village, time_ms: i64, nonce: Option<[u8; 16]>, jti: [u8; 16]) -> serde_json::Value {
    let identity = village.hostile.identity();
    let statement = AssertionStatement {
        realm: identity.realm,
        device: identity.device,
        time_ms,
        nonce,
        jti,
    };
    serde_json::json!({
        "device": identity.device.to_string(),
        "time_ms": time_ms,
        "nonce": nonce.map(|nonce| BASE64URL_NOPAD.encode(&nonce)),
        "jti": BASE64URL_NOPAD.encode(&jti),
        "signature": BASE64URL_NOPAD.encode(&statement.sign(&identity.key).0),
    })
}

/// What it is answered: the status and, where it is refused, the code.
fn traded(village: &Village, assertion: &serde_json::Value) -> (u16, Option<String>) {
    let answer = answered(village, assertion);
    (answer.status.as_u16(), answer.code())
}

fn answered(village: &Village, assertion: &serde_json::Value) -> Answer {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    let mut link = Link::to(&village.url, std::sync::Arc::default()).unwrap();
    let body = assertion.to_string().into();
    let sent = link.send(Method::POST, "/v1/token", &headers, body, Fate::Delivered);
    village.runtime.block_on(sent).unwrap().unwrap()
}

fn refused(code: &str) -> (u16, Option<String>) {
    (401, Some(code.to_owned()))
}

/// A clock may say anything: the farthest it can say is refused like any other that is off.
#[test]
fn a_clock_at_the_end_of_time_is_refused_with_a_nonce() {
    let village = Village::new();
    for time_ms in [i64::MIN, i64::MAX] {
        let answer = answered(&village, &assertion(&village, time_ms, None, [1; 16]));
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(problem["code"], "clock_refused", "{time_ms}");
        assert!(problem["nonce"].is_string());
    }
    village.leaves_nobody_harmed();
}

/// Who listens on the way has nothing to say again.
#[test]
fn an_assertion_is_good_once() {
    let village = Village::new();
    let now_ms = village.now_ms();
    let first = assertion(&village, now_ms, None, [1; 16]);
    assert_eq!(traded(&village, &first), (200, None));
    assert_eq!(traded(&village, &first), refused("assertion_replayed"));
    // The same word in other spelling is the same word.
    let mut spelled = first.clone();
    spelled["more"] = "x".into();
    assert_eq!(traded(&village, &spelled), refused("assertion_replayed"));
    // A fresh one is good, what was bent on the way is not.
    let mut bent = assertion(&village, now_ms, None, [2; 16]);
    assert_eq!(traded(&village, &bent), (200, None));
    bent["jti"] = BASE64URL_NOPAD.encode(&[3; 16]).into();
    assert_eq!(traded(&village, &bent), refused("device_not_proven"));
    village.leaves_nobody_harmed();
}

#[test]
fn a_nonce_is_good_once() {
    let village = Village::new();
    let long_ago = village.now_ms() - 400 * 86_400_000;
    let answer = answered(&village, &assertion(&village, long_ago, None, [1; 16]));
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let nonce = BASE64URL_NOPAD
        .decode(problem["nonce"].as_str().unwrap().as_bytes())
        .unwrap();
    let nonce: [u8; 16] = nonce.try_into().unwrap();
    let with = |jti: u8| assertion(&village, long_ago, Some(nonce), [jti; 16]);
    assert_eq!(traded(&village, &with(2)), (200, None));
    for jti in [2, 3] {
        assert_eq!(traded(&village, &with(jti)), refused("clock_refused"));
    }
    village.leaves_nobody_harmed();
}
