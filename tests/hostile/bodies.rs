//! Bodies that are no messages, and messages that are too much.

use axum::http::{HeaderName, Method, header};
use langso_server::drive::link::Answer;
use langso_server::drive::{Fate, Link};
use langso_server::policy::Role;
use sync_core::document::Document;
use sync_core::protocol::{
    CONTENT_TYPE, HashBytes, HealAnswer, HealQuestion, SyncRequest, VERSION, encode_request, limits,
};

use super::{records, rejected};
use crate::harness::Village;
use crate::harness::live::fresh_record;
use crate::harness::office::Office;

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
        ..village.empty()
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

/// Asked for what comes after a change that it does not know, automerge would give everything, as if that were what is
/// missing; the server says that it cannot tell and gives the document whole.
#[test]
fn questions_about_unknown_heads_are_answered_with_the_whole_document() {
    let mut village = Village::new();
    let (id, unknown) = (village.id(), HashBytes([7; 32]));
    let known = village
        .document()
        .heads()
        .into_iter()
        .map(|head| HashBytes(head.0));
    let with_one_unknown = known.clone().chain([unknown]).collect();
    let questions = [
        vec![unknown],
        vec![unknown; 1_000],
        with_one_unknown,
        known.collect(),
    ];
    let request = SyncRequest {
        heal: questions
            .map(|heads| HealQuestion::Heads { document: id, heads })
            .into(),
        ..village.empty()
    };
    let answers = village.exchange(&request).heal;
    let (of_known, of_unknown) = answers.split_last().unwrap();
    assert_eq!(of_unknown.len(), 3);
    for answer in of_unknown {
        let HealAnswer::Whole { document, bytes, .. } = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(*document, id);
        let whole = Document::receive(id, bytes).unwrap();
        assert_eq!(whole.heads(), village.document().heads());
    }
    // Nothing is missing to who has everything.
    let HealAnswer::Missing { changes, .. } = of_known else {
        panic!("{of_known:?}")
    };
    assert!(changes.is_empty());
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

/// What somebody is answered who sends a request as it is.
fn answer(village: &Village, token: &str, more: &[(HeaderName, &str)], body: Vec<u8>) -> Answer {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![(header::AUTHORIZATION, bearer.as_str())];
    headers.extend(more.iter().cloned());
    let mut link = Link::to(&village.url, std::sync::Arc::default()).unwrap();
    let sent = link.send(Method::POST, "/v1/sync", &headers, body.into(), Fate::Delivered);
    village.runtime.block_on(sent).unwrap().unwrap()
}

/// Its status and its stable code. A refusal is JSON, and has a title for people.
fn refusal(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(!body["title"].as_str().unwrap().is_empty());
    (answer.status.as_u16(), body["code"].as_str().unwrap().to_owned())
}

const CBOR: (HeaderName, &str) = (header::CONTENT_TYPE, CONTENT_TYPE);

#[test]
fn what_is_of_another_kind_or_version_is_refused_by_code() {
    let village = Village::new();
    let token = village.hostile.token().to_owned();
    for headers in [
        vec![(header::CONTENT_TYPE, "application/json")],
        vec![CBOR, (header::CONTENT_ENCODING, "gzip")],
        vec![],
    ] {
        let answer = answer(&village, &token, &headers, b"{}".to_vec());
        assert_eq!(refusal(&answer), (415, "media_type_unsupported".to_owned()));
    }
    let newer = SyncRequest {
        v: VERSION + 1,
        ..village.empty()
    };
    let answer = answer(&village, &token, &[CBOR], minicbor::to_vec(newer).unwrap());
    assert_eq!(refusal(&answer), (400, "version_unsupported".to_owned()));
    village.leaves_nobody_harmed();
}

#[test]
fn a_cursor_that_is_forged_or_of_another_device_is_refused() {
    let village = Village::new();
    let with = |cursor: Option<Vec<u8>>| {
        let request = SyncRequest {
            cursor,
            ..village.empty()
        };
        minicbor::to_vec(request).unwrap()
    };
    let token = village.hostile.token().to_owned();
    let of_another = village.honest[0].cursor().map(<[u8]>::to_vec);
    assert!(of_another.is_some());
    for cursor in [Some(vec![0; 40]), Some(Vec::new()), of_another.clone()] {
        let answer = answer(&village, &token, &[CBOR], with(cursor));
        assert_eq!(refusal(&answer), (400, "cursor_invalid".to_owned()));
    }
    let own = answer(&village, village.honest[0].token(), &[CBOR], with(of_another));
    assert!(own.status.is_success());
    village.leaves_nobody_harmed();
}

#[test]
fn a_token_that_is_missing_bent_or_over_opens_nothing() {
    let village = Village::new();
    let body = minicbor::to_vec(village.empty()).unwrap();
    let mut bent = village.hostile.token().to_owned();
    let last = bent.pop().unwrap();
    bent.push(if last == 'A' { 'Q' } else { 'A' });
    for (token, code) in [
        ("", "token_missing"),
        ("rubbish", "token_invalid"),
        (bent.as_str(), "token_invalid"),
    ] {
        let answer = answer(&village, token, &[CBOR], body.clone());
        assert_eq!(refusal(&answer), (401, code.to_owned()), "{token:?}");
    }
    village.leaves_nobody_harmed();
    let office = Office::new(jiff::civil::date(2025, 3, 3));
    office.import(
        "code,parent_code,level,name\nA,,hamlet,Thôn\n",
        jiff::civil::date(2024, 1, 1),
    );
    let mut phone = office.phone(office.account("lan", Role::Member, office.unit("A")));
    office.pass(i64::from(office.app.config.token_ttl_s) * 1000 + 1000);
    let refused = phone.exchange(&office).unwrap_err();
    assert_eq!((refused.0.as_u16(), refused.1.as_str()), (401, "token_expired"));
}

#[test]
fn a_refusal_is_told_in_the_language_of_its_reader() {
    let village = Village::new();
    let title = |language: &str| {
        let answer = answer(
            &village,
            "rubbish",
            &[CBOR, (header::ACCEPT_LANGUAGE, language)],
            vec![],
        );
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        body["title"].as_str().unwrap().to_owned()
    };
    let (vietnamese, english) = (title("vi"), title("en"));
    assert_ne!(vietnamese, english);
    assert_eq!(title("fr"), vietnamese, "Vietnamese comes first");
}
