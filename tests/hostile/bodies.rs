//! Bodies that are no messages, and messages that are too much.

use axum::http::{Method, header};
use langso_server::drive::{Fate, Link};
use sync_core::ids::DocumentId;
use sync_core::protocol::{HashBytes, HealQuestion, SyncRequest, VERSION, encode_request, limits};

use super::{records, rejected};
use crate::harness::Village;
use crate::harness::live::fresh_record;

#[test]
fn bodies_that_are_no_messages_are_refused_by_code() {
    let mut village = Village::new();
    let sync_message = b"\x42\x00\x00\x01\x00\x03\x01\x00\x07\x00".to_vec();
    for body in [
        sync_message,
        Vec::new(),
        vec![0xff; 100],
        // An array, a map and a byte string that claim to be 2^60 long.
        vec![0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0],
        vec![0xbb, 0x10, 0, 0, 0, 0, 0, 0, 0],
        vec![0xa1, 0x04, 0x5b, 0x10, 0, 0, 0, 0, 0, 0, 0],
        // Batches without end.
        vec![0xa1, 0x06, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0],
        // Nested a hundred thousand deep, under a key that nobody knows.
        [&[0xa1, 0x18, 0x63][..], &[0x81; 100_000]].concat(),
        [&[0xa1, 0x18, 0x63][..], &[0xc1; 100_000]].concat(),
        [&[0xa1, 0x18, 0x63][..], &[0xbf, 0x00].repeat(50_000)].concat(),
    ] {
        assert_eq!(village.problem(body, false), (400, "body_invalid".into()));
    }
    village.leaves_nobody_harmed();
}

#[test]
fn a_body_that_inflates_too_far_is_refused() {
    let mut village = Village::new();
    let bomb = zstd::bulk::compress(&vec![0; 16 * 1024 * 1024], 1).unwrap();
    assert!(bomb.len() < 16 * 1024);
    assert_eq!(village.problem(bomb, true), (413, "body_too_large".into()));
    // A frame that asks for a window of 128 MiB.
    let window = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00];
    assert_eq!(village.problem(window, true), (400, "body_invalid".into()));
    assert_eq!(village.problem(vec![0; 50], true), (400, "body_invalid".into()));
    village.leaves_nobody_harmed();
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let mut village = Village::new();
    let body = vec![0; limits::REQUEST_BYTES + 1];
    assert_eq!(village.problem(body, false), (413, "body_too_large".into()));
    village.leaves_nobody_harmed();
}

#[test]
fn more_than_a_request_may_hold_is_refused() {
    let mut village = Village::new();
    let chunk = records(&village, village.frame(0x77), fresh_record()).cast();
    let batch = village.batch(village.id(), std::slice::from_ref(&chunk));
    let request = SyncRequest {
        push: vec![batch; limits::PUSH_BATCHES + 1],
        ..empty(&village)
    };
    let body = encode_request(&request);
    assert_eq!(
        village.problem(body.bytes, body.compressed),
        (400, "too_many_batches".into())
    );
    let chunks = vec![chunk; limits::BATCH_CHANGES + 1];
    assert_eq!(village.deliver(&chunks), rejected("batch_limits"));
    assert_eq!(village.deliver(&[]), rejected("batch_limits"));
    village.leaves_nobody_harmed();
}

/// Asked for what comes after a change that it does not know, automerge would give everything.
#[test]
fn questions_about_unknown_heads_bring_nothing() {
    let mut village = Village::new();
    let heal = |document: DocumentId, heads: Vec<HashBytes>| HealQuestion::Heads { document, heads };
    let id = village.id();
    let questions = vec![
        heal(id, vec![HashBytes([7; 32])]),
        heal(id, vec![HashBytes([7; 32]); 1_000]),
    ];
    let request = SyncRequest {
        heal: questions,
        ..empty(&village)
    };
    let answer = village.post(&encode_request(&request));
    assert!(
        answer.status.is_success() || answer.status == 400,
        "{}",
        answer.status
    );
    assert!(answer.body.len() < 64 * 1024);
    village.leaves_nobody_harmed();
}

#[test]
fn a_token_without_a_signature_or_of_another_key_is_refused() {
    let village = Village::new();
    let encode = |json: &str| data_encoding::BASE64URL_NOPAD.encode(json.as_bytes());
    let device = village.hostile.identity().device;
    let claims = encode(&format!(r#"{{"sub":"{device}","exp":99999999999,"iat":1}}"#));
    let none = format!("{}.{claims}.", encode(r#"{"alg":"none","typ":"JWT"}"#));
    let hmac = format!(
        "{}.{claims}.{}",
        encode(r#"{"alg":"HS256","typ":"JWT"}"#),
        encode("x")
    );
    let other = format!(
        "{}.{claims}.{}",
        encode(r#"{"alg":"EdDSA","typ":"JWT","kid":"other"}"#),
        data_encoding::BASE64URL_NOPAD.encode(&[7; 64])
    );
    for token in [none, hmac, other, "x".into(), "a.b.c".into()] {
        let bearer = format!("Bearer {token}");
        let headers = [(header::AUTHORIZATION, bearer.as_str())];
        let mut link = Link::to(&village.url, std::sync::Arc::default()).unwrap();
        let sent = link.send(
            Method::POST,
            "/v1/sync",
            &headers,
            Vec::new().into(),
            Fate::Delivered,
        );
        let answer = village.runtime.block_on(sent).unwrap().unwrap();
        assert_eq!(answer.status, 401, "{token}");
    }
    village.leaves_nobody_harmed();
}

/// Under a key of small order anything verifies.
#[test]
fn a_weak_key_is_not_enrolled() {
    let village = Village::new();
    let mut order_two = [0xff; 32];
    (order_two[0], order_two[31]) = (0xec, 0x7f);
    let mut identity = [0; 32];
    identity[0] = 1;
    for key in [[0; 32], identity, order_two] {
        let key = data_encoding::BASE64URL_NOPAD.encode(&key);
        let body = format!(r#"{{"code":"KHONG-CO","public_key":"{key}"}}"#);
        let headers = [(header::CONTENT_TYPE, "application/json")];
        let mut link = Link::to(&village.url, std::sync::Arc::default()).unwrap();
        let sent = link.send(Method::POST, "/v1/enrol", &headers, body.into(), Fate::Delivered);
        let answer = village.runtime.block_on(sent).unwrap().unwrap();
        assert_eq!(answer.status, 400);
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(problem["code"], "key_weak");
    }
    village.leaves_nobody_harmed();
}

/// A clock may say anything: the farthest it can say is refused like any other that is off.
#[test]
fn a_clock_at_the_end_of_time_is_refused_with_a_nonce() {
    let village = Village::new();
    let encode = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
    let identity = village.hostile.identity();
    for time_ms in [i64::MIN, i64::MAX] {
        let statement = sync_core::signature::AssertionStatement {
            realm: identity.realm,
            device: identity.device,
            time_ms,
            nonce: None,
            jti: [1; 16],
        };
        let body = serde_json::json!({
            "device": identity.device.to_string(), "time_ms": time_ms, "jti": encode(&[1; 16]),
            "signature": encode(&statement.sign(&identity.key).0),
        });
        let headers = [(header::CONTENT_TYPE, "application/json")];
        let mut link = Link::to(&village.url, std::sync::Arc::default()).unwrap();
        let sent = link.send(
            Method::POST,
            "/v1/token",
            &headers,
            body.to_string().into(),
            Fate::Delivered,
        );
        let answer = village.runtime.block_on(sent).unwrap().unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(problem["code"], "clock_refused", "{time_ms}");
        assert!(problem["nonce"].is_string());
    }
    village.leaves_nobody_harmed();
}

fn empty(village: &Village) -> SyncRequest {
    SyncRequest {
        v: VERSION,
        epoch: None,
        token: None,
        device_time_ms: village.now_ms(),
        cursor: None,
        digest: None,
        push: Vec::new(),
        heal: Vec::new(),
        limits: None,
        health: None,
    }
}
