//! Stories of too much at once: of a disk without room, a phone that comes twice, a body that trickles.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use axum::http::Method;
use langso_server::drive::{Fate, Link};
use langso_server::{metrics, serve};
use sync_core::forge::{Op, record_object};
use sync_core::protocol::{Receipt, SyncRequest, VERSION, encode_request};

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

/// A connection on which somebody has begun to write a request, and goes on with a byte each time that a tenth of a second
/// has brought no answer; gives the answer's first line, or nothing if the connection is closed without one.
fn trickled(village: &Village, beginning: &str, rest: &mut dyn Iterator<Item = u8>) -> String {
    let address = village.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    stream.write_all(beginning.as_bytes()).unwrap();
    let mut answer = [0; 12];
    loop {
        match stream.read(&mut answer) {
            Ok(read) => return String::from_utf8_lossy(&answer[..read]).into_owned(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // Whoever runs out of bytes was never given up.
                let byte = rest.next().expect("it was given up");
                if stream.write_all(&[byte]).is_err() {
                    return String::new();
                }
            }
            Err(_) => return String::new(),
        }
    }
}

#[test]
fn a_body_that_trickles_is_given_up() {
    let village = Village::with(|config| config.request_timeout_s = 1);
    let head = format!(
        "POST /v1/sync HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: application/cbor\r\ncontent-length: 1000\r\n\r\n",
        village.hostile.token()
    );
    // A hundred bytes are ten seconds.
    let answer = trickled(&village, &head, &mut std::iter::repeat_n(1, 100));
    assert_eq!(answer, "HTTP/1.1 408");
    village.leaves_nobody_harmed();
}

#[test]
fn a_head_that_trickles_is_given_up() {
    let village = Village::with(|config| config.request_timeout_s = 1);
    // Nothing is said to who has not even asked.
    let head = "POST /v1/sync HTTP/1.1\r\nhost: x\r\nx-slow: ";
    assert_eq!(trickled(&village, head, &mut std::iter::repeat_n(b'a', 100)), "");
    // Nor to who says nothing at all, whether or not there was a request before.
    let answer = trickled(&village, "", &mut std::iter::repeat_n(b'\n', 100));
    assert_eq!(answer, "");
    village.leaves_nobody_harmed();
}

/// What `/metrics` says just now, on a listener that the tests have started.
fn scraped(url: &str) -> String {
    let mut stream = TcpStream::connect(url).unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nhost: {url}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// What a series stands at; 0 while it is not there.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
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
    let before = scraped(&url);
    village.log(0);
    village.sync(0);
    // Exchanges that never come to judging are exchanges: who is sent away, who is nobody, who says nothing that is read.
    let flight = village
        .app
        .flights
        .begin(village.hostile.identity().device)
        .unwrap();
    let body = encode_request(&request(&village));
    assert_eq!(
        village.problem(body.bytes.clone(), body.compressed),
        (503, "device_busy".into())
    );
    drop(flight);
    assert_eq!(village.problem(vec![0xff; 100], false).0, 400);
    let nobody = village.runtime.block_on(async {
        let mut link = Link::to(&village.url, std::sync::Arc::default()).unwrap();
        let sent = link.send(Method::POST, "/v1/sync", &[], Vec::new().into(), Fate::Delivered);
        sent.await.unwrap().unwrap()
    });
    assert_eq!(nobody.status, 401);
    // And one batch waits for a decision.
    let object = record_object(&village.document(), village.record());
    let negative = village
        .frame(0x77)
        .with([Op::put_int(object, "people", -7)])
        .cast();
    let parked = village.deliver(&[negative]);
    assert!(matches!(parked, Receipt::Quarantined { .. }), "{parked:?}");
    let text = scraped(&url);
    for series in [
        "langso_exchanges_total{status=\"200\"}",
        "langso_exchanges_total{status=\"400\"}",
        "langso_exchanges_total{status=\"401\"}",
        "langso_exchanges_total{status=\"503\"}",
        "langso_exchange_seconds_count",
        "langso_receipts_total{kind=\"durable\"}",
        "langso_receipts_total{kind=\"quarantined\"}",
        "langso_admission_seconds_count{stage=\"preflight\"}",
        "langso_admission_seconds_count{stage=\"sequence\"}",
        "langso_admission_seconds_count{stage=\"parse\"}",
        "langso_admission_seconds_count{stage=\"profile\"}",
        "langso_admission_seconds_count{stage=\"apply\"}",
        "langso_commit_seconds_count",
        "langso_commit_jobs_count",
    ] {
        let (was, is) = (value(&before, series), value(&text, series));
        assert!(is > was, "{series} was {was} and is {is}: {text}");
    }
    // What is looked at when somebody asks is of this village alone.
    for (series, expected) in [
        ("langso_quarantine{verdict=\"quarantined\"}", 1.0),
        ("langso_quarantine{verdict=\"rejected\"}", 0.0),
        ("langso_writer_queue", 0.0),
        ("langso_deliveries_waiting", 0.0),
        ("langso_exchanges_in_flight", 0.0),
        ("langso_devices_copied", 0.0),
    ] {
        assert!(text.contains(series), "{series} is not in {text}");
        assert_eq!(value(&text, series), expected, "{series}");
    }
    assert_eq!(value(&before, "langso_quarantine{verdict=\"quarantined\"}"), 0.0);
    assert!(value(&text, "langso_documents_cached") >= 1.0, "{text}");
    assert!(text.contains("\nlangso_search_due "), "{text}");
    let contacts = ["1h", "1d", "7d", "30d", "older"];
    let phones = contacts.map(|contact| {
        let series = format!("langso_phones{{last_contact=\"{contact}\"}}");
        assert!(text.contains(&series), "{series} is not in {text}");
        value(&text, &series)
    });
    assert_eq!(phones.iter().sum::<f64>(), 3.0, "each phone once");
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
