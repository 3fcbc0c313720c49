//! Single inputs: mutated changes, batches, requests, answers and snapshots, each timed and its memory counted.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use automerge::{Automerge, Change};
use data_encoding::HEXLOWER;
use minicbor::bytes::ByteVec;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sync_core::document::Document;
use sync_core::forge::{chunk, claiming_document};
use sync_core::preflight::{DocumentLimits, PreflightLimits, preflight, preflight_document};
use sync_core::protocol::{
    Batch, ED25519, Epoch, EpochInfo, Item, Keys, Receipt, SyncRequest, SyncResponse, VERSION, decode_request,
};
use sync_core::replica::Replica;
use sync_core::signature::Signature;

use crate::guarded::{GUARDED, count_guarded};
use crate::phone::{identity, phone, record, saved};
use crate::village::{HOSTILE, NOW_MS, Village, account, id, take, works_on};
use crate::{MEMORY, PATIENCE, lies, scaled, seed, turn};

/// Of each of the five kinds.
const EACH: u64 = 40_000;
/// No input may make anything hold more than this beside what it held before.
const PEAK_BYTES: usize = 48 * 1024 * 1024;
/// What only claims to be large takes no more than this.
const CLAIM_BYTES: usize = 64 * 1024;

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
    assert!(taken > 0);
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
            // What was recorded is there, whatever a server has said, and it is on disk.
            assert!(saved(&replica) == made, "something is lost before input {n}");
            let mut opened = Replica::open(replica.into_store(), identity()).unwrap();
            assert!(saved(&opened) == made, "something is not stored before input {n}");
            record(&mut opened, &mut rng);
            (replica, made) = (phone(), BTreeSet::new());
        }
        made.insert(record(&mut replica, &mut rng));
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
    let one = |rng: &mut StdRng| match rng.random_range(0..3) {
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
            changes.push(one(rng).into());
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
    told((0..receipts).map(|_| receipt(rng)).collect(), vec![item])
}

/// An answer that says this, and that there is nothing more.
pub fn told(receipts: Vec<Receipt>, items: Vec<Item>) -> Vec<u8> {
    let response = SyncResponse {
        v: VERSION,
        epoch: EpochInfo {
            id: Epoch([1; 8]),
            parent: None,
        },
        server_time_ms: NOW_MS,
        token: None,
        receipts,
        items,
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

/// The month with some lies in it that nobody has judged, as a server might save it that is itself a lie: every byte of
/// it is as automerge writes it. `None` where automerge does not even take them.
fn liars_snapshot(village: &Village, rng: &mut StdRng) -> Option<Vec<u8>> {
    let lies: Vec<Vec<u8>> = (0..rng.random_range(1..4))
        .map(|_| lies::change(rng, &village.server, &village.server).cast())
        .filter(|lie| preflight(lie, &PreflightLimits::default()).is_ok())
        .collect();
    let whole = village.server.save();
    catch_unwind(move || {
        let mut doc = Automerge::load(&whole).ok()?;
        for lie in lies {
            let change = Change::from_bytes(lie).ok()?;
            // One that is not taken may poison what it was told to.
            let mut told = doc.clone();
            if catch_unwind(AssertUnwindSafe(|| told.apply_changes([change]).is_ok())).unwrap_or(false) {
                doc = told;
            }
        }
        Some(doc.save())
    })
    .ok()?
}

#[test]
fn mutated_snapshots_harm_nobody() {
    let _turn = turn();
    count_guarded();
    let ((village, mut rng), mut worst) = (month(5), Worst::default());
    let (mut loaded, mut received) = (0, 0);
    let whole = village.server.save();
    for n in 0..scaled(EACH) {
        let lie = if n % 4 == 0 {
            let Some(lie) = liars_snapshot(&village, &mut rng) else {
                continue;
            };
            lie
        } else {
            lies::bent_chunk(&mut rng, &whole)
        };
        let taken = worst.measure(|| Document::receive(id(), &lie));
        let passes = preflight_document(&lie, &DocumentLimits::RECEIVED).is_ok();
        if passes && worst.measure(|| Document::load(id(), &lie)).is_ok() {
            loaded += 1;
        }
        if let Ok(document) = taken {
            received += 1;
            works_on(document, &mut rng);
        }
    }
    // A generator that only ever makes what does not load, or what is honest, tests nothing.
    assert!(
        received > 0 && loaded > received,
        "{received} of {loaded} were received"
    );
    report("snapshots", &worst, received);
    eprintln!(
        "  {loaded} loaded, and {} panics inside the guard",
        GUARDED.load(Ordering::Relaxed)
    );
}

/// Runs that claim millions of rows in a few hundred bytes: refused before anything is made of them. What is just not
/// refused costs no more than an honest document of some thousand rows.
#[test]
fn snapshots_that_claim_millions_cost_nothing() {
    let _turn = turn();
    for (changes, ops) in [(1, 1_900_000), (1_900_000, 1), (7_500, 250), (100_000, 1)] {
        let lie = claiming_document(changes, ops);
        let mut worst = Worst::default();
        assert!(worst.measure(|| Document::receive(id(), &lie)).is_err());
        assert!(worst.bytes < CLAIM_BYTES, "{} × {ops}: {worst:?}", changes);
    }
    let mut worst = Worst::default();
    let passes = claiming_document(3_000, 2);
    assert!(preflight_document(&passes, &DocumentLimits::RECEIVED).is_ok());
    assert!(worst.measure(|| Document::receive(id(), &passes)).is_err());
    assert!(worst.bytes < 16 * 1024 * 1024, "{worst:?}");
}

/// Bodies of changes, each of which claims a length or a number that is not there.
fn claims() -> Vec<Vec<u8>> {
    let huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x20];
    // Dependencies; an actor; other actors; a message; columns.
    let own = [&[0, 16][..], &[9; 16]].concat();
    let named = [&own[..], &[1, 1, 0]].concat();
    let mut bodies = vec![
        huge.to_vec(),
        [&[0][..], &huge].concat(),
        [&named[..], &huge].concat(),
        [&named[..], &[0], &huge].concat(),
        [&named[..], &[0, 0], &huge].concat(),
    ];
    // One column that claims to be long, and columns each of which claims a long run, or a long value.
    bodies.push([&named[..], &[0, 0, 1, 0x15], &huge].concat());
    for spec in [0x01, 0x02, 0x15, 0x42, 0x56, 0x70, 0x71, 0x73] {
        for column in [
            [&huge[..], &[1]].concat(),
            [&[0x7f][..], &huge].concat(),
            [&[0x00][..], &huge].concat(),
        ] {
            let length = column.len() as u8;
            bodies.push([&named[..], &[0, 0, 1, spec, length], &column].concat());
            let action = [&named[..], &[0, 0, 2, 0x42, 2, spec.max(0x56), length, 0x7f, 1]].concat();
            bodies.push([action, column].concat());
        }
    }
    bodies
}

/// What automerge allocates is what a chunk claims; what preflight allocates is what a change of ours may have.
#[test]
fn preflight_allocates_nothing_that_is_only_claimed() {
    let _turn = turn();
    let known = [
        "856f4a8330ed6a9f0145001009090909090909090909090909090909010100000005150834064207560770078080808080200161808080808020808080808020018080808080200080808080802000",
        "856f4a83bb0da01a015b0156fbb1161cca5f9ddb0f6046727e7d04d2abcd1ef2583874e4257bc0d657723b100909090909090909090909090909090901640000000801020202150534014203560357017002020002647e016e0176027e00017e0016780200",
        "856f4a8361d9f6f701530156fbb1161cca5f9ddb0f6046727e7d04d2abcd1ef2583874e4257bc0d657723b100909090909090909090909090909090901ffffffff0f000000061503340142025602570170027f0176017f017f16787f00",
        "856f4a8399d5678501680156fbb1161cca5f9ddb0f6046727e7d04d2abcd1ef2583874e4257bc0d657723b10090909090909090909090909090909090164000001100000000000000000000000000000000008150334014202560257017002710273027f0176017f017f16787f017f017f37",
        "856f4a8355bfc3de000703000000000000",
    ];
    let known = known.map(|hex| HEXLOWER.decode(hex.as_bytes()).unwrap());
    let changes = claims().into_iter().map(|body| chunk(1, &body));
    // As documents the same claims stand at other places: actors, heads, columns of changes.
    let documents = claims().into_iter().map(|body| chunk(0, &body));
    let large = [(1, 1_900_000), (1_900_000, 1), (7_500, 250)];
    let large = large.map(|(changes, ops)| claiming_document(changes, ops));
    let mut refused = 0;
    for lie in known.into_iter().chain(changes).chain(documents).chain(large) {
        let mut worst = Worst::default();
        let passes = worst.measure(|| preflight(&lie, &PreflightLimits::default()).is_ok());
        let loads = worst.measure(|| preflight_document(&lie, &DocumentLimits::RECEIVED).is_ok());
        refused += u32::from(!passes && !loads);
        assert!(worst.bytes < CLAIM_BYTES, "{}: {worst:?}", HEXLOWER.encode(&lie));
    }
    assert!(refused > 50, "{refused}");
}
