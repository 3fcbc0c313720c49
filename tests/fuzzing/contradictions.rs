//! Servers that contradict themselves: what they say of a phone's own changes fits no order in which any server has them.

use minicbor::bytes::ByteVec;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sync_core::document::Document;
use sync_core::forge::{Forged, Op, record_object, values};
use sync_core::ids::RecordId;
use sync_core::local_store::MemoryStore;
use sync_core::protocol::{Item, Receipt, decode_request};
use sync_core::replica::Replica;

use crate::inputs::told;
use crate::phone::{identity, phone, record, saved};
use crate::village::{HOSTILE, NOW_MS, account, id, take};

/// Records until there are two batches, sends them, and is told this. Gives what was recorded.
fn two_batches(
    replica: &mut Replica<MemoryStore>,
    rng: &mut StdRng,
    receipts: Vec<Receipt>,
) -> Vec<RecordId> {
    let mut made = Vec::new();
    loop {
        made.push(record(replica, rng));
        let exchange = replica.next_request(NOW_MS, None).unwrap();
        let request = decode_request(&exchange.body.bytes, exchange.body.compressed).unwrap();
        if request.push.len() == 1 {
            replica.exchange_failed(exchange.id);
            continue;
        }
        replica
            .receive(exchange.id, &told(receipts, Vec::new()), false, NOW_MS, rng)
            .unwrap();
        return made;
    }
}

/// The phone is opened again, has everything, and goes on.
fn goes_on(replica: Replica<MemoryStore>, made: &[RecordId], rng: &mut StdRng) -> Replica<MemoryStore> {
    let mut opened = Replica::open(replica.into_store(), identity()).unwrap();
    let there = saved(&opened);
    assert!(
        made.iter().all(|record| there.contains(record)),
        "something is lost"
    );
    record(&mut opened, rng);
    opened
}

#[test]
fn who_has_a_change_has_what_it_stands_on_whatever_else_was_said_of_that() {
    let refused = || Receipt::Quarantined { reason: "?".into() };
    let durable = || Receipt::Durable { from: 1, to: 1 };
    for receipts in [
        vec![refused(), durable()],
        vec![Receipt::MissingDeps { hashes: Vec::new() }, durable()],
        vec![durable(), refused()],
    ] {
        let (mut replica, mut rng) = (phone(), StdRng::seed_from_u64(1));
        let last_is_in = receipts[1] == durable();
        let made = two_batches(&mut replica, &mut rng, receipts);
        let replica = goes_on(replica, &made, &mut rng);
        let aside = replica.set_aside().unwrap().len();
        assert_eq!(aside, usize::from(!last_is_in));
        // What is left is what was recorded just now.
        assert_eq!(replica.status().unsent, aside + 1);
    }
}

/// The server refuses a change and sends another one that stands on it.
#[test]
fn what_comes_on_top_of_a_pending_change_says_that_it_arrived() {
    for refused_in_it in [false, true] {
        let (mut replica, mut rng) = (phone(), StdRng::seed_from_u64(2));
        let made = record(&mut replica, &mut rng);
        let exchange = replica.next_request(NOW_MS, None).unwrap();
        let request = decode_request(&exchange.body.bytes, exchange.body.compressed).unwrap();
        let mut theirs = Document::new(id());
        let chunks: Vec<&[u8]> = request.push[0]
            .changes
            .iter()
            .map(|chunk| chunk.as_slice())
            .collect();
        take(&mut theirs, &chunks).unwrap();
        let op = Op::put_int(record_object(&theirs, made), "people", 9);
        let frame = Forged::on(&theirs, [0x44; 16], account(HOSTILE), NOW_MS);
        let on_top = frame.with([op.replacing(values(&theirs, made, "people"))]).cast();
        let receipt = match refused_in_it {
            true => Receipt::Quarantined { reason: "?".into() },
            false => Receipt::MissingDeps { hashes: Vec::new() },
        };
        let item = Item::Tail {
            document: id(),
            changes: vec![ByteVec::from(on_top)],
            keys: Vec::new(),
        };
        replica
            .receive(
                exchange.id,
                &told(vec![receipt], vec![item]),
                false,
                NOW_MS,
                &mut rng,
            )
            .unwrap();
        let replica = goes_on(replica, &[made], &mut rng);
        assert_eq!(replica.set_aside().unwrap().len(), 0);
        assert_eq!(replica.status().unsent, 1);
    }
}
