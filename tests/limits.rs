//! Stories of too much at once: of a disk without room, a phone that comes twice, a body that trickles.

use std::io::{Read, Write};
use std::net::TcpStream;

use langso_server::{metrics, serve};
use sync_core::protocol::{SyncRequest, VERSION, encode_request};

use crate::harness::Village;

fn pages(village: &Village) -> i64 {
    village
        .app
        .store()
        .write_blocking(|tx| tx.pragma_query_value(None, "page_count", |row| row.get(0)))
        .unwrap()
}

fn limit_pages(village: &Village, pages: i64) {
    let limited = village.app.store().write_blocking(move |tx| {
        tx.pragma_update_and_check(None, "max_page_count", pages, |row| row.get::<_, i64>(0))
    });
    limited.unwrap();
}

#[test]
fn a_full_disk_loses_nothing_and_is_got_over() {
    let mut village = Village::new();
    limit_pages(&village, pages(&village));
    // Until no page is left that has room.
    let mut refused = None;
    for _ in 0..200 {
        village.log(0);
        if let Err(error) = village.try_sync(0) {
            refused = Some(format!("{error:#}"));
            break;
        }
    }
    let refused = refused.expect("the disk is full at last");
    assert!(refused.contains("storage_full"), "{refused}");
    assert!(
        village.honest[0].unsent().unwrap().0 > 0,
        "the phone keeps what has no receipt"
    );
    limit_pages(&village, 1_000_000);
    village.sync(0);
    assert_eq!(village.honest[0].unsent().unwrap(), (0, 0));
    village.leaves_nobody_harmed();
}

#[test]
fn a_phone_that_is_in_an_exchange_is_asked_to_wait() {
    let mut village = Village::new();
    let device = village.hostile.identity().device;
    let flight = village.app.flights.begin(device).unwrap();
    let body = encode_request(&request(&village));
    let answer = village.post(&body);
    assert_eq!(answer.status, 503);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(
        village.problem(body.bytes.clone(), body.compressed).1,
        "device_busy"
    );
    drop(flight);
    assert!(village.post(&body).status.is_success());
    village.leaves_nobody_harmed();
}

#[test]
fn deliveries_beyond_the_queue_are_sent_away() {
    let mut village = Village::new();
    let places = village.app.waiting.available_permits() as u32;
    let waiting = std::sync::Arc::clone(&village.app.waiting);
    let taken = waiting.try_acquire_many(places).unwrap();
    let large = vec![0xff; 10_000];
    assert_eq!(village.problem(large.clone(), false), (503, "busy".into()));
    // What carries nothing needs no place.
    let body = encode_request(&request(&village));
    assert!(village.post(&body).status.is_success());
    drop(taken);
    assert_eq!(village.problem(large, false), (400, "body_invalid".into()));
    village.leaves_nobody_harmed();
}

#[test]
fn a_body_that_trickles_is_given_up() {
    let village = Village::with(|config| config.request_timeout_s = 1);
    let address = village.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    let token = village.hostile.token().to_owned();
    let head = format!(
        "POST /v1/sync HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/cbor\r\ncontent-length: 1000\r\n\r\n\u{1}"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    village.leaves_nobody_harmed();
}

#[test]
fn metrics_tell_what_happens_on_a_listener_of_their_own() {
    let recorded = metrics::start().unwrap();
    let mut village = Village::new();
    let app = std::sync::Arc::clone(&village.app);
    let url = village.runtime.block_on(async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve::metrics::serve(listener, app, recorded));
        address.to_string()
    });
    village.log(0);
    village.sync(0);
    let mut stream = TcpStream::connect(&url).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nhost: {url}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    for series in [
        "langso_exchanges_total{status=\"200\"}",
        "langso_exchange_seconds_bucket",
        "langso_receipts_total{kind=\"durable\"}",
        "langso_admission_seconds_bucket{stage=\"preflight\"",
        "langso_admission_seconds_bucket{stage=\"apply\"",
        "langso_commit_seconds_bucket",
        "langso_commit_jobs_bucket",
        "langso_writer_queue",
        "langso_deliveries_waiting",
        "langso_exchanges_in_flight",
        "langso_documents_cached",
        "langso_search_due",
        "langso_quarantine{verdict=\"quarantined\"}",
        "langso_phones{last_contact=\"1h\"}",
        "langso_phones{last_contact=\"older\"}",
    ] {
        assert!(text.contains(series), "{series} is not in {text}");
    }
    // The API itself has no such route.
    let answer = village.runtime.block_on(village.hostile.get("/metrics")).unwrap();
    assert_eq!(answer.status, 404);
    village.leaves_nobody_harmed();
}

fn request(village: &Village) -> SyncRequest {
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
