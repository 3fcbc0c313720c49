//! Single inputs: mutated changes, batches, requests, answers and snapshots, each timed and its memory counted.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use minicbor::bytes::ByteVec;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sync_core::document::Document;
use sync_core::edit::Edit;
use sync_core::protocol::{
    Batch, ED25519, Epoch, EpochInfo, Item, Keys, Receipt, SyncRequest, SyncResponse, VERSION, decode_request,
};
use sync_core::signature::Signature;

use crate::guarded::{GUARDED, count_guarded};
use crate::phone::{phone, saved};
use crate::village::{HOSTILE, NOW_MS, Village, account, id, new_assistance, take};
use crate::{MEMORY, lies, scaled, seed, turn};

/// Of each of the five kinds.
const EACH: u64 = 40_000;
/// No input may take longer, on however slow a machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// No input may make anything hold more than this beside what it held before.
const PEAK_BYTES: usize = 48 * 1024 * 1024;

/// The longest and the largest so far.
#[derive(Debug, Default)]
struct Worst {
    took: Duration,
    bytes: usize,
}

impl Worst {
    fn measure<T>(&mut self, input: impl FnOnce() -> T) -> T {
        MEMORY.reset_peak_usage();
        let (before, begun) = (MEMORY.current_usage(), Instant::now());
        let outcome = input();
        self.took = self.took.max(begun.elapsed());
        self.bytes = self.bytes.max(MEMORY.peak_usage().saturating_sub(before));
        assert!(self.took < PATIENCE && self.bytes < PEAK_BYTES, "{self:?}");
        outcome
    }
}

/// A month to lie about, and a generator.
fn month(kind: u64) -> (Village, StdRng) {
    let mut rng = StdRng::seed_from_u64(seed() << 32 | kind << 16);
    (Village::new(&mut rng, 60), rng)
}

/// An honest change, from anywhere in the month.
fn some(village: &Village, rng: &mut StdRng) -> Vec<u8> {
    village.log[rng.random_range(0..village.log.len())].clone()
}

/// An honest change, bent.
fn bent(village: &Village, rng: &mut StdRng) -> Vec<u8> {
    let honest = some(village, rng);
    lies::bent_chunk(rng, &honest)
}

fn report(kind: &str, worst: &Worst, taken: u64) {
    eprintln!(
        "{} {kind}: {taken} taken; longest {:?}, largest {} KiB",
        scaled(EACH),
        worst.took,
        worst.bytes / 1024
    );
}

#[test]
fn mutated_changes_harm_nobody() {
    let _turn = turn();
    let ((mut village, mut rng), mut worst, mut taken) = (month(1), Worst::default(), 0);
    let month = village.clone();
    for n in 0..scaled(EACH) {
        let lie = if n % 2 == 0 {
            let lie = lies::change(&mut rng, &village.server, &village.server).cast();
            lies::bent_chunk(&mut rng, &lie)
        } else {
            bent(&village, &mut rng)
        };
        let delivered = worst.measure(|| village.deliver(HOSTILE, std::slice::from_ref(&lie)));
        drop(worst.measure(|| take(&mut village.phones[0].clone(), &[&lie])));
        if delivered.is_ok_and(|new| new > 0) {
            taken += 1;
            if taken % 10 == 0 {
                village.is_healthy(&mut rng);
                village = month.clone();
            }
        }
    }
    village.is_healthy(&mut rng);
    report("changes", &worst, taken);
}

#[test]
fn mutated_batches_harm_nobody() {
    let _turn = turn();
    let ((mut village, mut rng), mut worst, mut taken) = (month(2), Worst::default(), 0);
    let month = village.clone();
    for _ in 0..scaled(EACH) {
        let chunks: Vec<Vec<u8>> = (0..rng.random_range(1..5))
            .map(|_| match rng.random_range(0..4) {
                0 => some(&village, &mut rng),
                1 => bent(&village, &mut rng),
                _ => lies::change(&mut rng, &village.server, &village.server).cast(),
            })
            .collect();
        if worst
            .measure(|| village.deliver(HOSTILE, &chunks))
            .is_ok_and(|new| new > 0)
        {
            taken += 1;
            if taken % 10 == 0 {
                village.is_healthy(&mut rng);
                village = month.clone();
            }
        }
    }
    village.is_healthy(&mut rng);
    assert!(taken > 0);
    report("batches", &worst, taken);
}

fn batch(chunks: Vec<Vec<u8>>) -> Batch {
    Batch {
        document: id(),
        account: account(HOSTILE),
        changes: chunks.into_iter().map(ByteVec::from).collect(),
        keys: Keys::default(),
        alg: ED25519,
        signature: Signature([7; 64]),
    }
}

#[test]
fn mutated_requests_harm_nobody() {
    let _turn = turn();
    let ((mut village, mut rng), mut worst, mut read) = (month(3), Worst::default(), 0);
    for _ in 0..scaled(EACH) {
        let chunks = (0..rng.random_range(0..4))
            .map(|_| some(&village, &mut rng))
            .collect();
        let request = SyncRequest {
            v: VERSION,
            epoch: Some(Epoch([1; 8])),
            token: None,
            device_time_ms: NOW_MS,
            cursor: Some(vec![7; 40]),
            digest: None,
            push: vec![batch(chunks)],
            heal: Vec::new(),
            limits: None,
            health: None,
        };
        let plain = lies::bent(&mut rng, &minicbor::to_vec(&request).unwrap());
        let (body, compressed) = match rng.random_range(0..3) {
            0 => (zstd::bulk::compress(&plain, 3).unwrap(), true),
            1 => (
                lies::bent(&mut rng, &zstd::bulk::compress(&plain, 3).unwrap()),
                true,
            ),
            _ => (plain, false),
        };
        let Ok(request) = worst.measure(|| decode_request(&body, compressed)) else {
            continue;
        };
        read += 1;
        for batch in request.push {
            let chunks: Vec<Vec<u8>> = batch.changes.into_iter().map(Into::into).collect();
            drop(worst.measure(|| village.deliver(HOSTILE, &chunks)));
        }
    }
    village.is_healthy(&mut rng);
    assert!(read > 0);
    report("requests", &worst, read);
}

#[test]
fn mutated_answers_harm_no_phone() {
    let _turn = turn();
    count_guarded();
    let ((village, mut rng), mut worst, mut taken, mut made) =
        (month(4), Worst::default(), 0, BTreeSet::new());
    let mut replica = phone();
    for n in 0..scaled(EACH) {
        if n % 20 == 0 {
            // What was recorded is there, whatever a server has said.
            assert!(saved(&replica) == made, "something is lost before input {n}");
            (replica, made) = (phone(), BTreeSet::new());
        }
        let new = new_assistance(&mut rng);
        made.insert(new.id);
        let edited = replica.edit(&Edit::LogAssistance(Box::new(new)), NOW_MS, &mut rng);
        assert!(edited.unwrap(), "a phone records, whatever a server has said");
        let exchange = replica.next_request(NOW_MS, None).unwrap();
        let request = decode_request(&exchange.body.bytes, exchange.body.compressed).unwrap();
        let plain = answer(&village, request.push.len(), &mut rng);
        let body = if rng.random_bool(0.6) {
            lies::bent(&mut rng, &plain)
        } else {
            plain
        };
        match worst.measure(|| replica.receive(exchange.id, &body, false, NOW_MS, &mut rng)) {
            Ok(_) => taken += 1,
            Err(_) => replica.exchange_failed(exchange.id),
        }
    }
    assert!(taken > 0);
    report("answers", &worst, taken);
}

fn answer(village: &Village, receipts: usize, rng: &mut StdRng) -> Vec<u8> {
    let chunk = |rng: &mut StdRng| match rng.random_range(0..3) {
        0 => lies::change(rng, &village.server, &village.server).cast(),
        1 => bent(village, rng),
        _ => some(village, rng),
    };
    let item = match rng.random_range(0..3) {
        0 => {
            let whole = village.server.save();
            let bytes = if rng.random_bool(0.5) {
                lies::bent_chunk(rng, &whole)
            } else {
                whole
            };
            Item::Snapshot {
                document: id(),
                bytes: bytes.into(),
                keys: Vec::new(),
            }
        }
        _ => {
            let mut changes: Vec<ByteVec> = village.log.iter().cloned().map(Into::into).collect();
            changes.push(chunk(rng).into());
            Item::Tail {
                document: id(),
                changes,
                keys: Vec::new(),
            }
        }
    };
    let receipt = |rng: &mut StdRng| match rng.random_range(0..4) {
        0 => Receipt::Quarantined { reason: "?".into() },
        1 => Receipt::MissingDeps { hashes: Vec::new() },
        _ => Receipt::Durable { from: 1, to: 1 },
    };
    let response = SyncResponse {
        v: VERSION,
        epoch: EpochInfo {
            id: Epoch([1; 8]),
            parent: None,
        },
        server_time_ms: NOW_MS,
        token: None,
        receipts: (0..receipts).map(|_| receipt(rng)).collect(),
        items: vec![item],
        cursor: Some(vec![7; 40]),
        digest: None,
        more: false,
        heal: Vec::new(),
        backoff_ms: None,
        versions: None,
        flags: None,
        access_token: None,
    };
    minicbor::to_vec(&response).unwrap()
}

#[test]
fn mutated_snapshots_harm_nobody() {
    let _turn = turn();
    count_guarded();
    let ((village, mut rng), mut worst, mut loaded) = (month(5), Worst::default(), 0);
    let whole = village.server.save();
    for _ in 0..scaled(EACH) {
        let lie = lies::bent_chunk(&mut rng, &whole);
        if worst.measure(|| Document::load(id(), &lie)).is_ok() {
            loaded += 1;
            drop(worst.measure(|| Document::receive(id(), &lie)));
        }
    }
    report("snapshots", &worst, loaded);
    eprintln!(
        "  and {} panics inside the guard",
        GUARDED.load(Ordering::Relaxed)
    );
}
