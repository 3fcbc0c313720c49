use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::*;
use crate::edit::{Edit, NewAssistance, Personal};
use crate::ids::{AccountId, DeviceId, RealmId, RecordId, UnitId};
use crate::local_store::MemoryStore;
use crate::protocol::{Epoch, EpochInfo, Flags, SyncResponse, decode_request, encode_response};
use crate::signature::{EnrolmentStatement, PublicKey};

const NOW: i64 = 1_731_049_200_000;
const YEAR: i64 = 365 * 24 * 3600 * 1000;

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

fn answer(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Answer {
    Answer {
        status,
        headers: vec![("Content-Type".into(), kind.into())],
        body: body.into(),
    }
}

fn problem(status: u16, code: &str) -> Answer {
    answer(
        status,
        "application/problem+json",
        json!({ "code": code }).to_string(),
    )
}

fn fresh() -> Session<MemoryStore> {
    Session::open(MemoryStore::new(), &mut rng()).unwrap()
}

/// The server's word for whoever sent this call.
fn enrolment(call: &Call) -> Answer {
    let sent: EnrolRequest = serde_json::from_slice(&call.body).unwrap();
    let key = data_encoding::BASE64URL_NOPAD
        .decode(sent.public_key.as_bytes())
        .unwrap();
    let statement = EnrolmentStatement {
        realm: RealmId::from_parts(1, 1),
        device: DeviceId::from_parts(2, 2),
        account: AccountId::from_parts(3, 3),
        public_key: PublicKey::from_bytes(key.try_into().unwrap()).unwrap(),
        enrolled_at_ms: NOW,
    };
    let token = TokenAnswer {
        access_token: "first".into(),
        expires_at_ms: NOW + 1,
        server_time_ms: NOW,
    };
    let word = EnrolAnswer::new(&statement, &DeviceKey::from_seed([7; 32]), token);
    answer(200, "application/json", serde_json::to_vec(&word).unwrap())
}

fn enrolled() -> Session<MemoryStore> {
    let mut session = fresh();
    let call = session.enrol("code").unwrap();
    assert!(session.answered(&enrolment(&call), NOW, &mut rng()).unwrap().more);
    session
}

fn next(session: &mut Session<MemoryStore>, now_ms: i64) -> Call {
    session.next_call(now_ms, None, &mut rng()).unwrap()
}

fn page(flags: Flags) -> Answer {
    answered_with(SyncResponse {
        flags: Some(flags),
        ..response()
    })
}

fn answered_with(response: SyncResponse) -> Answer {
    answer(200, CONTENT_TYPE, encode_response(&response).bytes)
}

fn response() -> SyncResponse {
    SyncResponse {
        v: 1,
        epoch: EpochInfo {
            id: Epoch([1; 8]),
            parent: None,
        },
        server_time_ms: NOW,
        token: None,
        receipts: Vec::new(),
        items: Vec::new(),
        cursor: None,
        digest: None,
        more: false,
        heal: Vec::new(),
        backoff_ms: None,
        versions: None,
        flags: None,
        access_token: None,
    }
}

#[test]
fn a_lost_enrolment_is_asked_for_again_with_the_same_key() {
    let mut session = fresh();
    let first = session.enrol("code").unwrap();
    session.call_failed();
    let mut session = Session::open(session.into_store().unwrap(), &mut StdRng::seed_from_u64(2)).unwrap();
    assert_eq!(session.enrol("code").unwrap(), first);
    assert!(matches!(session.replica(), Err(SessionError::NotEnrolled)));
}

#[test]
fn an_enrolled_session_survives_its_process() {
    let session = enrolled();
    let mut session = Session::open(session.into_store().unwrap(), &mut rng()).unwrap();
    assert_eq!(session.enrolment().unwrap().device, DeviceId::from_parts(2, 2));
    assert!(matches!(session.enrol("code"), Err(SessionError::Enrolled)));
    let call = next(&mut session, NOW);
    assert_eq!(
        (call.path, call.headers[0].1.as_str()),
        ("/v1/sync", "Bearer first")
    );
}

#[test]
fn a_token_that_ended_is_asked_for_once() {
    let mut session = enrolled();
    next(&mut session, NOW);
    session
        .answered(&page(Flags::default()), NOW, &mut rng())
        .unwrap();
    next(&mut session, NOW);
    assert!(
        session
            .answered(&problem(401, "token_expired"), NOW, &mut rng())
            .unwrap()
            .more
    );
    assert_eq!(next(&mut session, NOW).path, "/v1/token");
    let token = json!({ "access_token": "second", "expires_at_ms": 1, "server_time_ms": NOW });
    let token = answer(200, "application/json", token.to_string());
    assert!(session.answered(&token, NOW, &mut rng()).unwrap().more);
    let call = next(&mut session, NOW);
    assert_eq!(call.headers[0].1, "Bearer second");
    let refused = session
        .answered(&problem(401, "token_invalid"), NOW, &mut rng())
        .unwrap_err();
    assert_eq!(refused.code(), "token_invalid", "no endless loop");
    assert_eq!(
        next(&mut session, NOW).path,
        "/v1/token",
        "the next attempt asks again"
    );
}

#[test]
fn a_token_that_ended_before_its_first_use_asks_nobody_to_sign_in_again() {
    // In the process that was enrolled, and in one that got a token and lost its connection then.
    let mut session = enrolled();
    for name in ["second", "third"] {
        next(&mut session, NOW);
        let step = session.answered(&problem(401, "token_expired"), NOW, &mut rng());
        assert!(step.unwrap().more);
        assert_eq!(next(&mut session, NOW).path, "/v1/token");
        let token = json!({ "access_token": name, "expires_at_ms": 1, "server_time_ms": NOW });
        let token = answer(200, "application/json", token.to_string());
        assert!(session.answered(&token, NOW, &mut rng()).unwrap().more);
        next(&mut session, NOW);
        session.call_failed();
    }
}

#[test]
fn a_cursor_that_is_not_taken_any_more_is_dropped_once() {
    let mut session = enrolled();
    next(&mut session, NOW);
    let page = SyncResponse {
        cursor: Some(vec![1]),
        ..response()
    };
    session.answered(&answered_with(page), NOW, &mut rng()).unwrap();
    next(&mut session, NOW);
    assert!(
        session
            .answered(&problem(400, "cursor_invalid"), NOW, &mut rng())
            .unwrap()
            .more
    );
    let call = next(&mut session, NOW);
    assert_eq!(decode_request(&call.body, false).unwrap().cursor, None);
    let refused = session
        .answered(&problem(400, "cursor_invalid"), NOW, &mut rng())
        .unwrap_err();
    assert_eq!(refused.code(), "cursor_invalid");
}

#[test]
fn a_clock_that_is_a_year_off_signs_the_nonce_and_learns_the_time() {
    let mut session = enrolled();
    session.keep_token(None).unwrap();
    next(&mut session, NOW + YEAR);
    let nonce = data_encoding::BASE64URL_NOPAD.encode(&[9; 16]);
    let refused = json!({ "code": "clock_refused", "nonce": nonce }).to_string();
    let step = session.answered(
        &answer(401, "application/problem+json", refused),
        NOW + YEAR,
        &mut rng(),
    );
    assert!(step.unwrap().more);
    let call = next(&mut session, NOW + YEAR);
    let sent: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(sent["nonce"], nonce);
    let token = json!({ "access_token": "t", "expires_at_ms": 1, "server_time_ms": NOW });
    let token = answer(200, "application/json", token.to_string());
    session.answered(&token, NOW + YEAR, &mut rng()).unwrap();
    assert_eq!(session.replica().unwrap().corrected(NOW + YEAR), NOW);
}

#[test]
fn what_is_not_from_a_server_of_ours_changes_nothing() {
    let foreign = [
        answer(200, "text/html", "<html>Đăng nhập Wi-Fi</html>"),
        answer(302, "text/html", ""),
        answer(511, "text/html", ""),
        answer(404, "text/plain", "404"),
        answer(200, "application/json", "{}"),
        answer(500, "application/json", r#"{"error":"x"}"#),
        answer(403, "application/problem+json", r#"{"code":"Nguyễn Thị Lan"}"#),
        answer(200, "application/problem+json", r#"{"code":"device_revoked"}"#),
        Answer::default(),
    ];
    for answer in foreign {
        let mut session = enrolled();
        next(&mut session, NOW);
        let error = session.answered(&answer, NOW, &mut rng()).unwrap_err();
        assert_eq!(error.code(), "answer_foreign", "{answer:?}");
        assert_eq!(next(&mut session, NOW).path, "/v1/sync");
        let mut session = fresh();
        session.enrol("code").unwrap();
        assert!(session.answered(&answer, NOW, &mut rng()).is_err());
        assert!(session.enrolment().is_none());
    }
}

#[test]
fn a_server_that_is_busy_says_when_to_come_back() {
    let mut away = answer(503, "text/html", "");
    away.headers.push(("Retry-After".into(), "7".into()));
    for (answer, expected) in [
        (away, Some(7_000)),
        (answer(502, "text/html", ""), None),
        (problem(503, "busy"), None),
    ] {
        let mut session = enrolled();
        next(&mut session, NOW);
        let error = session.answered(&answer, NOW, &mut rng()).unwrap_err();
        assert!(matches!(error, SessionError::Busy { retry_after_ms } if retry_after_ms == expected));
    }
}

#[test]
fn an_answer_without_a_call_is_late() {
    let mut session = enrolled();
    let late = session
        .answered(&page(Flags::default()), NOW, &mut rng())
        .unwrap_err();
    assert_eq!(late.code(), "late");
}

#[test]
fn health_goes_along_when_it_changed() {
    let mut session = enrolled();
    let around = |steps: u64| Surroundings {
        // What is less than a step is no news.
        free_bytes: Some(steps * FREE_STEP_BYTES + steps),
        ..Surroundings::default()
    };
    let mut sent = |steps, arrives| {
        let call = session.next_call(NOW, Some(around(steps)), &mut rng()).unwrap();
        let sent = decode_request(&call.body, false).unwrap().health;
        if arrives {
            session
                .answered(&page(Flags::default()), NOW, &mut rng())
                .unwrap();
        } else {
            session.call_failed();
        }
        sent.is_some()
    };
    let told = [(1, true), (1, true), (2, false), (2, true), (2, true)].map(|(n, arrives)| sent(n, arrives));
    assert_eq!(told, [true, false, true, true, false]);
}

#[test]
fn what_the_push_carries_is_not_told_as_unsent() {
    let mut session = enrolled();
    let new = NewAssistance {
        id: RecordId::from_parts(1, 1),
        unit: UnitId::from_parts(1, 1),
        occurred_at_ms: NOW,
        category: "dich_vu_cong".into(),
        procedure: None,
        channel: "tai_nha".into(),
        outcome: "hoan_thanh".into(),
        people: 1,
        minutes: None,
        satisfaction: None,
        personal: Personal::default(),
    };
    let log = Edit::LogAssistance(Box::new(new));
    session
        .replica_mut()
        .unwrap()
        .edit(&log, NOW, &mut rng())
        .unwrap();
    assert_eq!(session.replica().unwrap().status().unsent, 1);
    let call = session
        .next_call(NOW, Some(Surroundings::default()), &mut rng())
        .unwrap();
    // A body is compressed where that makes it smaller.
    let request = decode_request(&call.body, true).or_else(|_| decode_request(&call.body, false));
    let request = request.unwrap();
    assert_eq!(request.push.len(), 1);
    let health = request.health.unwrap();
    assert_eq!((health.unsent, health.oldest_unsent_ms), (0, None));
}

#[test]
fn a_vault_is_wiped_when_the_server_says_so_and_has_everything() {
    let mut session = enrolled();
    next(&mut session, NOW);
    let flags = Flags {
        wipe: true,
        update: true,
        ..Flags::default()
    };
    let step = session.answered(&page(flags), NOW, &mut rng()).unwrap();
    assert!(step.wipe);
    assert!(session.update_needed());
    assert!(
        matches!(session.replica_mut(), Err(SessionError::Over)),
        "what is recorded now would go down with the vault"
    );
}
