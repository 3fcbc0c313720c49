//! The targets of guided fuzzing: what happens to one input, and the inputs to begin with. `fuzz/` runs them by
//! libFuzzer; here each takes its seeds, so that they are what they say.
//!
//! Bytes are bent by whoever fuzzes, who can make no checksum fit: chunks are mended on the way.

use std::path::PathBuf;
use std::sync::OnceLock;

use automerge::Change;
use data_encoding::HEXLOWER;
use minicbor::bytes::ByteVec;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sync_core::document::Document;
use sync_core::forge::{body_of, chunk};
use sync_core::local_store::MemoryStore;
use sync_core::preflight::{PreflightLimits, preflight as judge};
use sync_core::protocol::{
    Epoch, EpochInfo, Item, Receipt, SyncResponse, VERSION, decode_request, decode_response,
};
use sync_core::replica::Replica;

use crate::chance::Chance;
use crate::guarded::count_guarded;
use crate::lies;
use crate::phone::{identity, phone, record, saved};
use crate::steps::{Counts, step};
use crate::village::{HOSTILE, NOW_MS, Village, id};

/// One target.
pub struct Target {
    pub name: &'static str,
    /// What happens to an input; panics when it should not have.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

pub const TARGETS: [Target; 4] = [
    Target {
        name: "preflight",
        run: preflight,
        seeds: chunks,
    },
    Target {
        name: "request",
        run: request,
        seeds: requests,
    },
    Target {
        name: "admission",
        run: admission,
        seeds: chances,
    },
    Target {
        name: "response",
        run: response,
        seeds: responses,
    },
];

/// Steps of one input of `admission`, at most.
const STEPS: usize = 12;
const DOCUMENT: u8 = 0;
const CHANGE: u8 = 1;
/// A first byte: the rest is compressed.
const COMPRESSED: u8 = 1;
/// A first byte: the phone holds the month already.
const HOLDS: u8 = 2;

/// The month that all inputs begin with.
fn month() -> &'static Village {
    static MONTH: OnceLock<Village> = OnceLock::new();
    MONTH.get_or_init(|| Village::new(&mut StdRng::seed_from_u64(7), 12))
}

fn honest() -> StdRng {
    StdRng::seed_from_u64(8)
}

/// A chunk whose length and checksum fit what is in it.
fn mended(bytes: &[u8]) -> Vec<u8> {
    chunk(bytes.get(8).copied().unwrap_or(CHANGE), body_of(bytes))
}

/// A kind and the body of a chunk: what passes, automerge reads as the same, without a panic of its own.
pub fn preflight(input: &[u8]) {
    count_guarded();
    let Some((kind, body)) = input.split_first() else {
        return;
    };
    drop(judge(input, &PreflightLimits::default()));
    if kind % 2 == DOCUMENT {
        drop(Document::receive(id(), &chunk(DOCUMENT, body)));
        return;
    }
    let bytes = chunk(CHANGE, body);
    let Ok(header) = judge(&bytes, &PreflightLimits::default()) else {
        return;
    };
    let change = Change::from_bytes(bytes.clone()).unwrap();
    assert_eq!(
        (change.seq(), change.len() as u64, change.max_op()),
        (header.seq, header.ops, header.max_op())
    );
    assert_eq!(change.decode().operations.len() as u64, header.ops);
    assert_eq!(change.hash().0, header.hash);
    assert_eq!(change.raw_bytes(), bytes);
}

/// The body of a request: what is decoded says the same when it is written and read again, and what it carries harms
/// nobody.
pub fn request(input: &[u8]) {
    count_guarded();
    let Some((flags, body)) = input.split_first() else {
        return;
    };
    let Ok(request) = decode_request(body, flags & COMPRESSED != 0) else {
        return;
    };
    let again = decode_request(&minicbor::to_vec(&request).unwrap(), false).unwrap();
    assert_eq!(format!("{again:?}"), format!("{request:?}"));
    let (mut village, mut taken) = (month().clone(), 0);
    for batch in request.push.iter().take(4) {
        let chunks: Vec<Vec<u8>> = batch.changes.iter().map(|bytes| mended(bytes)).collect();
        taken += village.deliver(HOSTILE, &chunks).unwrap_or(0);
    }
    if taken > 0 {
        village.is_healthy(&mut honest());
    }
}

/// Chance: so many steps as it is enough for, of honest phones and of a hostile one, and then honest work goes on.
pub fn admission(input: &[u8]) {
    count_guarded();
    let (mut chance, mut village, mut counts) = (Chance::of(input), month().clone(), Counts::new());
    for _ in 0..STEPS {
        if chance.is_exhausted() {
            break;
        }
        step(&mut village, &mut chance, &mut counts);
    }
    village.is_healthy(&mut honest());
}

/// The body of an answer, given to a phone that waits for it: the phone has what it recorded, opens again and records.
pub fn response(input: &[u8]) {
    count_guarded();
    let Some((flags, body)) = input.split_first() else {
        return;
    };
    // What is no answer goes in as it is.
    let answer = decode_response(body, flags & COMPRESSED != 0)
        .ok()
        .map(mend_items);
    let body = answer
        .as_ref()
        .map_or(body.to_vec(), |answer| minicbor::to_vec(answer).unwrap());
    let compressed = answer.is_none() && flags & COMPRESSED != 0;
    let (mut rng, mut replica) = (honest(), phone());
    if flags & HOLDS != 0 {
        hear(&mut replica, &minicbor::to_vec(page(0)).unwrap(), false, &mut rng);
    }
    for _ in 0..2 {
        record(&mut replica, &mut rng);
    }
    let made = saved(&replica);
    for _ in 0..2 {
        hear(&mut replica, &body, compressed, &mut rng);
    }
    // A server that has stored something may take it away from this phone; only then.
    let takes_away = |item: &Item| matches!(item, Item::Gone { .. } | Item::ScopeSet(_));
    if !answer.is_some_and(|answer| !answer.receipts.is_empty() && answer.items.iter().any(takes_away)) {
        assert!(saved(&replica).is_superset(&made), "something is lost");
    }
    record(&mut replica, &mut rng);
    let before = saved(&replica);
    let mut replica = Replica::open(replica.into_store(), identity()).unwrap();
    assert_eq!(saved(&replica), before);
    record(&mut replica, &mut rng);
    drop(replica.next_request(NOW_MS, None).unwrap());
}

/// The phone asks, and this is the answer.
fn hear(replica: &mut Replica<MemoryStore>, body: &[u8], compressed: bool, rng: &mut StdRng) {
    let exchange = replica.next_request(NOW_MS, None).unwrap();
    if replica
        .receive(exchange.id, body, compressed, NOW_MS, rng)
        .is_err()
    {
        replica.exchange_failed(exchange.id);
    }
}

fn mend_items(mut answer: SyncResponse) -> SyncResponse {
    for item in &mut answer.items {
        match item {
            Item::Tail { changes, .. } => {
                for bytes in changes {
                    *bytes = mended(bytes).into();
                }
            }
            Item::Snapshot { bytes, .. } => *bytes = mended(bytes).into(),
            Item::Gone { .. } | Item::Erased { .. } | Item::Verdict { .. } | Item::ScopeSet(_) => {}
        }
    }
    answer
}

/// A page with the month, as changes or as a snapshot, and so many receipts.
fn page(receipts: usize) -> SyncResponse {
    let tail = Item::Tail {
        document: id(),
        changes: month().log.iter().cloned().map(Into::into).collect(),
        keys: Vec::new(),
    };
    let snapshot = Item::Snapshot {
        document: id(),
        bytes: month().server.save().into(),
        keys: Vec::new(),
    };
    SyncResponse {
        v: VERSION,
        epoch: EpochInfo {
            id: Epoch([1; 8]),
            parent: None,
        },
        server_time_ms: NOW_MS,
        token: None,
        receipts: vec![Receipt::Durable { from: 1, to: 1 }; receipts],
        items: vec![if receipts.is_multiple_of(2) {
            tail
        } else {
            snapshot
        }],
        cursor: Some(vec![7; 40]),
        digest: None,
        more: false,
        heal: Vec::new(),
        backoff_ms: None,
        versions: None,
        flags: None,
        access_token: None,
    }
}

/// The golden bytes whose names begin so.
fn golden(prefix: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../sync-core/tests/golden/v1");
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with(prefix) {
            let text = std::fs::read_to_string(&path).unwrap();
            let hex: String = text
                .lines()
                .flat_map(|line| line.split('#').next())
                .flat_map(str::split_whitespace)
                .collect();
            found.push((name, HEXLOWER.decode(hex.as_bytes()).unwrap()));
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no golden bytes for {prefix}");
    found
}

fn with(first: u8, rest: &[u8]) -> Vec<u8> {
    [&[first], rest].concat()
}

/// Changes and documents, honest ones and lies.
fn chunks() -> Vec<Vec<u8>> {
    let mut rng = honest();
    let lies = (0..40).map(|_| lies::change(&mut rng, &month().server, &month().server).cast());
    let golden = golden("change-").into_iter().map(|(_, bytes)| bytes);
    let changes = month().log.iter().cloned().chain(golden).chain(lies);
    let mut seeds: Vec<Vec<u8>> = changes.map(|bytes| with(CHANGE, body_of(&bytes))).collect();
    seeds.push(with(DOCUMENT, body_of(&month().server.save())));
    seeds.push(with(DOCUMENT, body_of(&Document::new(id()).save())));
    seeds
}

fn requests() -> Vec<Vec<u8>> {
    let bodies = golden("request-").into_iter();
    let mut seeds: Vec<Vec<u8>> = bodies
        .map(|(name, bytes)| with(u8::from(name.contains(".zst")), &bytes))
        .collect();
    // What is pushed belongs to this month, so that it reaches the document.
    let mut rng = honest();
    for number in 1..=8 {
        let lie = |_| {
            lies::change(&mut rng, &month().server, &month().server)
                .cast()
                .into()
        };
        let lies: Vec<ByteVec> = (0..number).map(lie).collect();
        let mut phone = phone();
        record(&mut phone, &mut rng);
        let body = phone.next_request(NOW_MS, None).unwrap().body;
        let mut request = decode_request(&body.bytes, body.compressed).unwrap();
        for batch in &mut request.push {
            batch.changes.extend(lies.iter().cloned());
        }
        seeds.push(with(0, &minicbor::to_vec(&request).unwrap()));
    }
    seeds
}

fn chances() -> Vec<Vec<u8>> {
    let mut rng = honest();
    (0..64_usize)
        .map(|n| {
            let mut chance = vec![0; 16 << (n % 7)];
            rng.fill_bytes(&mut chance);
            chance
        })
        .collect()
}

fn responses() -> Vec<Vec<u8>> {
    let golden = golden("response-").into_iter().map(|(_, bytes)| bytes);
    let pages = (0..4).map(|receipts| minicbor::to_vec(page(receipts)).unwrap());
    golden
        .chain(pages)
        .flat_map(|body| [with(0, &body), with(HOLDS, &body)])
        .collect()
}

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// Every input that is kept: the seeds, what guided fuzzing grew out of them, and what once did harm.
pub fn known(target: &Target) -> Vec<Vec<u8>> {
    let mut inputs = (target.seeds)();
    let grown = std::fs::read_to_string(fuzz().join("grown").join(target.name)).unwrap();
    inputs.extend(
        grown
            .lines()
            .map(|line| HEXLOWER.decode(line.as_bytes()).unwrap()),
    );
    if let Ok(files) = std::fs::read_dir(fuzz().join("found").join(target.name)) {
        inputs.extend(files.map(|file| std::fs::read(file.unwrap().path()).unwrap()));
    }
    inputs
}
