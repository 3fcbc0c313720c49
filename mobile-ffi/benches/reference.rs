//! The reference numbers of a phone, through the façade and against the real server, without a network in between:
//! `cargo bench -p mobile-ffi`. What they are for stands in `docs/reference-numbers.md`.
//!
//! A hamlet's 10,000 records over ten months, made by one phone and delivered at the end of each; times are the median of
//! several runs, and the worst. Not here: the size of the library, which is a file's.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a measurement that panics has said what it has to say"
)]

#[path = "../tests/vault/district.rs"]
#[expect(dead_code, reason = "the stories' district, of which this needs half")]
mod district;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use langso_mobile::{AssistanceFilter, HttpAnswer, HttpRequest, Page, Transport, TransportError, Vault};
use langso_server::clock::Clock;

use district::{District, KEY, Way, help, text};

const MONTHS: i64 = 10;
const RECORDS_A_MONTH: i64 = 1_000;
/// So that a thousand records fill a month.
const BETWEEN_RECORDS_MS: i64 = 43 * 60 * 1000;
const PROCEDURES: usize = 1_000;

/// The clock of everybody here.
static NOW_MS: AtomicI64 = AtomicI64::new(0);

fn now_ms() -> i64 {
    NOW_MS.load(Ordering::Relaxed)
}

fn main() {
    NOW_MS.store(Clock::system().now_ms(), Ordering::Relaxed);
    let district = District::at(Clock::manual(now_ms));
    district.publish(&catalogue());
    let head = enrolled(&district, "head");
    // As long as its code is good; it takes nothing yet.
    drop(enrolled(&district, "newcomer"));
    let way = Arc::new(Counting::new(district.way()));
    // Once online, so that it knows what it may write.
    sync(&district, &head, &way);
    let mut month_ms = now_ms();
    for _ in 0..MONTHS {
        month_ms = now_ms();
        for n in 0..RECORDS_A_MONTH {
            record(&head, n);
        }
        sync(&district, &head, &way);
    }
    assert_eq!(head.status().unwrap().pending, 0);
    drop(head);

    let path = text(&district.path("head"));
    say(
        "open with 10,000 records",
        &times(21, || drop(Vault::open(path.clone(), KEY.to_vec()).unwrap())),
    );
    let head = Vault::open_at(path.clone(), KEY.to_vec(), now_ms).unwrap();
    say(
        "save one entry durably, the first after opening",
        &times(1, || record(&head, 1)),
    );
    say("save one entry durably", &times(101, || record(&head, 1)));
    say(
        "list a month of 1,000 records, whole",
        &times(21, || assert!(month(&head, month_ms, 1_000) >= 1_000)),
    );
    say(
        "list its first page of 50",
        &times(21, || assert_eq!(month(&head, month_ms, 50), 50)),
    );
    say(
        "find procedures among 1,000, the first time",
        &times(1, || find(&head)),
    );
    say("find procedures among 1,000", &times(21, || find(&head)));
    sync(&district, &head, &way);

    for n in 0..20 {
        record(&head, n);
    }
    way.reset();
    let whole = times(1, || sync(&district, &head, &way));
    exchanged("sync 20 entries", &way, whole[0]);
    way.reset();
    let whole = times(1, || sync(&district, &head, &way));
    exchanged("sync nothing new", &way, whole[0]);

    let newcomer = Vault::open_at(text(&district.path("newcomer")), KEY.to_vec(), now_ms).unwrap();
    // Its access token ended months ago: one answer says so, the next one brings another.
    for _ in 0..2 {
        step(&district, &newcomer, &way);
    }
    way.reset();
    let usable = times(1, || {
        while month(&newcomer, 0, 1) == 0 {
            step(&district, &newcomer, &way)
        }
    });
    exchanged(
        "bootstrap of 10,000 records, until the first show",
        &way,
        usable[0],
    );
    let rest = times(1, || sync(&district, &newcomer, &way));
    exchanged("bootstrap of 10,000 records, whole", &way, usable[0] + rest[0]);
    assert!(newcomer.status().unwrap().complete);
    line(&format!(
        "vault of the newcomer: {} bytes",
        newcomer.status().unwrap().vault_bytes
    ));
}

fn catalogue() -> String {
    let names = [
        "Đăng ký tạm trú",
        "Chứng thực bản sao từ bản chính",
        "Nộp hồ sơ trợ cấp",
        "Cấp thẻ bảo hiểm y tế",
    ];
    let line = |n: usize| format!("procedure,2.{n:06},{} loại {n}\n", names[n % names.len()]);
    "kind,code,name_vi\n".to_owned() + &(0..PROCEDURES).map(line).collect::<String>()
}

fn enrolled(district: &District, name: &str) -> Arc<Vault> {
    let vault = Vault::create_at(text(&district.path(name)), KEY.to_vec(), now_ms).unwrap();
    let enrol = vault.enrol(district.code(), district.way());
    district.runtime.block_on(enrol).unwrap();
    vault
}

fn record(vault: &Vault, n: i64) {
    NOW_MS.fetch_add(BETWEEN_RECORDS_MS, Ordering::Relaxed);
    vault
        .record_assistance(help(&format!("Nguyễn Thị Lan {n}")))
        .unwrap();
}

fn month(vault: &Vault, from_ms: i64, limit: u32) -> usize {
    let filter = AssistanceFilter {
        from_ms: Some(from_ms),
        ..AssistanceFilter::default()
    };
    let page = Page {
        limit: Some(limit),
        after: None,
    };
    vault.assistances(filter, page).unwrap().items.len()
}

fn find(vault: &Vault) {
    assert_eq!(
        vault.procedures("ho so tro cap".into()).unwrap().len(),
        PROCEDURES / 4
    );
}

fn sync(district: &District, vault: &Vault, way: &Arc<Counting>) {
    let report = district.runtime.block_on(vault.sync(way.clone(), None)).unwrap();
    assert!(report.finished);
}

fn step(district: &District, vault: &Vault, way: &Arc<Counting>) {
    let request = vault.next_request().unwrap();
    let answer = district.runtime.block_on(way.post(request)).unwrap();
    vault.receive(answer).unwrap();
}

/// How long each of `runs` took, ascending.
fn times(runs: usize, mut run: impl FnMut()) -> Vec<Duration> {
    let mut took: Vec<Duration> = (0..runs)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed()
        })
        .collect();
    took.sort();
    took
}

fn say(what: &str, took: &[Duration]) {
    let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
    line(&format!(
        "{what}: {:.1} ms, at worst {:.1} ms",
        ms(median),
        ms(worst)
    ));
}

fn exchanged(what: &str, way: &Counting, whole: Duration) {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let server = *way.server.lock().unwrap();
    line(&format!(
        "{what}: {} requests, {} bytes of body up, {} down, {:.1} ms on the phone, {:.1} ms on the server",
        count(&way.requests),
        count(&way.up),
        count(&way.down),
        ms(whole.saturating_sub(server)),
        ms(server),
    ));
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

#[expect(clippy::print_stdout, reason = "a measurement is read")]
fn line(text: &str) {
    println!("{text}");
}

/// A way to the server on which everything is counted.
struct Counting {
    way: Arc<Way>,
    requests: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
    server: Mutex<Duration>,
}

impl Counting {
    fn new(way: Arc<Way>) -> Self {
        Self {
            way,
            requests: AtomicU64::new(0),
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            server: Mutex::default(),
        }
    }

    fn reset(&self) {
        for counter in [&self.requests, &self.up, &self.down] {
            counter.store(0, Ordering::Relaxed);
        }
        *self.server.lock().unwrap() = Duration::ZERO;
    }
}

#[async_trait::async_trait]
impl Transport for Counting {
    async fn post(&self, request: HttpRequest) -> Result<HttpAnswer, TransportError> {
        let begun = Instant::now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.up.fetch_add(request.body.len() as u64, Ordering::Relaxed);
        let answer = self.way.post(request).await?;
        self.down.fetch_add(answer.body.len() as u64, Ordering::Relaxed);
        *self.server.lock().unwrap() += begun.elapsed();
        Ok(answer)
    }
}
