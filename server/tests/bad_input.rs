//! Bad input at the door of the exchange: a clear error with a stable code, nothing stored halfway, nothing lost.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has said what it has to say"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::{HeaderName, Method, header};
use langso_server::accounts::{add_codes, add_teams};
use langso_server::app::App;
use langso_server::audit::By;
use langso_server::clock::{Clock, random_bits};
use langso_server::config::Config;
use langso_server::drive::link::Answer;
use langso_server::drive::{Fate, Link, Phone, people};
use langso_server::policy::console;
use langso_server::serve::serve;
use langso_server::units;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use sync_core::edit::Edit;
use sync_core::ids::UnitId;
use sync_core::local_store::MemoryStore;
use sync_core::protocol::{CONTENT_TYPE, SyncRequest, VERSION, encode_request, limits};

const UNITS: &str =
    "code,parent_code,level,name\n1,,commune,Xã Một\n1.1,1,hamlet,Thôn Một\n1.2,1,hamlet,Thôn Hai\n";

/// A server on a port of its own, and the time as it sees it.
struct World {
    app: Arc<App>,
    url: String,
    offset_ms: Arc<AtomicI64>,
    _data: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let offset_ms = Arc::new(AtomicI64::new(0));
        let (machine, offset) = (Clock::system(), Arc::clone(&offset_ms));
        let clock = Clock::manual(move || machine.now_ms() + offset.load(Ordering::Relaxed));
        let config = Config {
            data: data.path().join("district"),
            ..Config::default()
        };
        let app = tokio::task::block_in_place(|| App::open(config, clock)).unwrap();
        let rows = units::parse(UNITS.as_bytes()).unwrap();
        let import = app.store().write(move |tx| {
            let fresh = || UnitId::from_parts(1, random_bits());
            let (permit, by) = (console([]), By::console(0));
            units::import(tx, &permit, &by, &rows, jiff::civil::date(2020, 1, 1), fresh)
        });
        import.await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, Arc::clone(&app), std::future::pending()));
        Self {
            app,
            url,
            offset_ms,
            _data: data,
        }
    }

    /// Somebody logs an act of help in the hamlet of `phone`.
    fn record(&self, phone: &mut Phone<MemoryStore>, hamlet: usize) {
        let teams = tokio::task::block_in_place(|| add_teams(self.app.store())).unwrap();
        let (id, now_ms) = (phone.fresh_record(), phone.now_ms());
        let new = people::assistance(&mut StdRng::seed_from_u64(1), id, teams[hamlet].unit.id, now_ms);
        phone.edit(&Edit::LogAssistance(Box::new(new))).unwrap();
    }

    /// The phone of the team of a hamlet.
    async fn phone(&self, hamlet: usize) -> Phone<MemoryStore> {
        let code = tokio::task::block_in_place(|| {
            let teams = add_teams(self.app.store()).unwrap();
            add_codes(self.app.store(), teams[hamlet].account, 1).unwrap()
        });
        let link = Link::to(&self.url, Arc::default()).unwrap();
        Phone::enrol(link, &code.concat(), MemoryStore::default(), hamlet as u64)
            .await
            .unwrap()
    }

    fn entries(&self) -> i64 {
        tokio::task::block_in_place(|| {
            self.app
                .store()
                .read_blocking(|conn| conn.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)))
        })
        .unwrap()
    }

    /// One request to the exchange, as it is.
    async fn post(&self, token: &str, more: &[(HeaderName, &str)], body: Vec<u8>) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![(header::AUTHORIZATION, bearer.as_str())];
        headers.extend(more.iter().cloned());
        let mut link = Link::to(&self.url, Arc::default()).unwrap();
        link.send(Method::POST, "/v1/sync", &headers, body.into(), Fate::Delivered)
            .await
            .unwrap()
            .unwrap()
    }
}

fn cbor() -> (HeaderName, &'static str) {
    (header::CONTENT_TYPE, CONTENT_TYPE)
}

fn zstd() -> (HeaderName, &'static str) {
    (header::CONTENT_ENCODING, "zstd")
}

/// The status and the stable code of a refusal, which is JSON and says nothing of what was sent.
fn refusal(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(!body["title"].as_str().unwrap().is_empty());
    (answer.status.as_u16(), body["code"].as_str().unwrap().to_owned())
}

/// What it is, headers, body, and the status and code that it gets.
type Case = (
    &'static str,
    Vec<(HeaderName, &'static str)>,
    Vec<u8>,
    u16,
    &'static str,
);

fn empty_request() -> SyncRequest {
    SyncRequest {
        v: VERSION,
        epoch: None,
        token: None,
        device_time_ms: 0,
        cursor: None,
        digest: None,
        push: Vec::new(),
        heal: Vec::new(),
        limits: None,
        health: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_no_message_gets_a_code_and_the_phone_goes_on() {
    let world = World::start().await;
    let mut phone = world.phone(0).await;
    let token = phone.token().to_owned();
    let bomb = zstd::bulk::compress(&vec![0; 4 * 1024 * 1024], 3).unwrap();
    // A frame header that claims a window of 2 GiB.
    let window = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    let mut newer = empty_request();
    newer.v = VERSION + 1;
    let mut forged = empty_request();
    forged.cursor = Some(vec![0; 40]);
    let mut deep = vec![0x81; 20_000];
    deep.push(0);
    let cases: Vec<Case> = vec![
        ("no CBOR", vec![cbor()], b"not cbor".to_vec(), 400, "body_invalid"),
        ("nothing", vec![cbor()], vec![], 400, "body_invalid"),
        ("deep nesting", vec![cbor()], deep, 400, "body_invalid"),
        (
            "a huge array",
            vec![cbor()],
            vec![0xa1, 0x06, 0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            400,
            "body_invalid",
        ),
        (
            "too large",
            vec![cbor()],
            vec![0; limits::REQUEST_BYTES + 1],
            413,
            "body_too_large",
        ),
        ("a bomb", vec![cbor(), zstd()], bomb, 413, "body_too_large"),
        (
            "no zstd",
            vec![cbor(), zstd()],
            b"not zstd".to_vec(),
            400,
            "body_invalid",
        ),
        ("a huge window", vec![cbor(), zstd()], window, 400, "body_invalid"),
        (
            "JSON",
            vec![(header::CONTENT_TYPE, "application/json")],
            b"{}".to_vec(),
            415,
            "media_type_unsupported",
        ),
        (
            "gzip",
            vec![cbor(), (header::CONTENT_ENCODING, "gzip")],
            vec![],
            415,
            "media_type_unsupported",
        ),
        (
            "another version",
            vec![cbor()],
            encode_request(&newer).bytes,
            400,
            "version_unsupported",
        ),
        (
            "a forged cursor",
            vec![cbor()],
            encode_request(&forged).bytes,
            400,
            "cursor_invalid",
        ),
    ];
    for (what, headers, body, status, code) in cases {
        let answer = world.post(&token, &headers, body).await;
        assert_eq!(refusal(&answer), (status, code.to_owned()), "{what}");
    }
    assert_eq!(world.entries(), 0);
    world.record(&mut phone, 0);
    phone.sync(|| Fate::Delivered).await.unwrap();
    assert_eq!(phone.unsent().unwrap(), (0, 0));
    assert_eq!(world.entries(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_device_is_refused() {
    let world = World::start().await;
    let (mut one, mut two) = (world.phone(0).await, world.phone(1).await);
    one.sync(|| Fate::Delivered).await.unwrap();
    two.sync(|| Fate::Delivered).await.unwrap();
    let mut request = empty_request();
    request.cursor = one.cursor().map(<[u8]>::to_vec);
    assert!(request.cursor.is_some());
    let body = encode_request(&request).bytes;
    let own = world.post(one.token(), &[cbor()], body.clone()).await;
    assert!(own.status.is_success());
    let foreign = world.post(two.token(), &[cbor()], body).await;
    assert_eq!(refusal(&foreign), (400, "cursor_invalid".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_missing_forged_or_expired_opens_nothing() {
    let world = World::start().await;
    let phone = world.phone(0).await;
    let body = encode_request(&empty_request()).bytes;
    let token = phone.token().to_owned();
    let none = {
        // {"alg":"none"} and the same claims.
        let claims = token.split('.').nth(1).unwrap();
        format!("eyJhbGciOiJub25lIn0.{claims}.")
    };
    let mut bent = token.clone();
    let last = bent.pop().unwrap();
    bent.push(if last == 'A' { 'Q' } else { 'A' });
    let answer = world.post("", &[cbor()], body.clone()).await;
    assert_eq!(refusal(&answer), (401, "token_missing".to_owned()));
    for forged in ["rubbish", none.as_str(), bent.as_str()] {
        let answer = world.post(forged, &[cbor()], body.clone()).await;
        assert_eq!(refusal(&answer), (401, "token_invalid".to_owned()), "{forged:?}");
    }
    assert!(
        world
            .post(&token, &[cbor()], body.clone())
            .await
            .status
            .is_success()
    );
    let ttl_ms = i64::from(world.app.config.token_ttl_s) * 1000;
    world.offset_ms.store(ttl_ms + 1_000, Ordering::Relaxed);
    let answer = world.post(&token, &[cbor()], body).await;
    assert_eq!(refusal(&answer), (401, "token_expired".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_in_the_language_of_its_reader() {
    let world = World::start().await;
    let title = async |language: &str| {
        let answer = world
            .post("rubbish", &[cbor(), (header::ACCEPT_LANGUAGE, language)], vec![])
            .await;
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        body["title"].as_str().unwrap().to_owned()
    };
    let (vietnamese, english) = (title("vi").await, title("en").await);
    assert_ne!(vietnamese, english);
    assert_eq!(title("fr").await, vietnamese, "Vietnamese comes first");
}
