//! Stories of a month that one phone fills up: it is told so and keeps its copy, and everybody goes on.

use langso_server::documents::Loaded;
use minicbor::bytes::ByteVec;
use sync_core::admission::{DEVICE_ACTORS, DEVICE_CHANGES};
use sync_core::edit::AssistanceField;
use sync_core::forge::{Forged, Id, Op, record_object, values};
use sync_core::ids::{DocumentId, Month, RecordId};
use sync_core::preflight::chunk_hash;
use sync_core::protocol::{
    Batch, Body, ED25519, Keys, Receipt, SyncRequest, SyncResponse, VERSION, decode_response,
};
use sync_core::signature::{BatchStatement, Signature};

use crate::harness::{Phone, World};

/// Small batches, many to a request: unoptimised, one of 500 changes of one field takes its time.
const BATCH: usize = 100;
const BATCHES: usize = 15;
const MONTH_MS: i64 = 31 * 86_400_000;

/// The limits that `docs/protocol.md` states.
#[test]
fn a_device_fills_a_month_with_20_000_changes_or_4_096_actors() {
    assert_eq!((DEVICE_CHANGES, DEVICE_ACTORS), (20_000, 4_096));
}

/// Change after change of one field of one record, each on the one before.
struct Filling {
    document: DocumentId,
    frame: Forged,
    object: Option<Id>,
    value: Vec<Id>,
    made: u64,
}

impl Filling {
    fn of(world: &World, phone: &Phone, record: RecordId) -> Self {
        let id = DocumentId::ledger(World::hamlet(1), Month::of_millis(world.now_ms).unwrap());
        let store = &world.server().store;
        let document = store
            .read_blocking(|conn| Loaded::load(conn, id))
            .unwrap()
            .document;
        Self {
            document: id,
            frame: Forged::on(&document, [0x77; 16], phone.identity.account, world.now_ms),
            object: record_object(&document, record),
            value: values(&document, record, "people"),
            made: 0,
        }
    }

    /// The next change of an actor.
    fn next(&mut self, actor: [u8; 16], seq: u64) -> ByteVec {
        self.frame.actor = actor;
        self.frame.seq = seq;
        let op = Op::put_int(self.object, "people", 1 + (self.made % 1_000) as i64);
        self.frame.ops = vec![op.replacing(self.value.drain(..))];
        let chunk = self.frame.cast();
        self.value = vec![self.frame.id(0)];
        self.frame.deps = vec![chunk_hash(&chunk)];
        self.frame.start_op += 1;
        self.made += 1;
        chunk.into()
    }

    /// Delivers them for the phone; each batch is taken.
    fn deliver(&self, world: &World, phone: &Phone, chunks: &[ByteVec]) {
        for group in chunks.chunks(BATCH * BATCHES) {
            let push = group.chunks(BATCH).map(|chunks| self.batch(phone, chunks));
            for receipt in request(world, phone, push.collect()).receipts {
                assert!(matches!(receipt, Receipt::Durable { .. }), "{receipt:?}");
            }
        }
    }

    fn batch(&self, phone: &Phone, changes: &[ByteVec]) -> Batch {
        let (identity, keys) = (&phone.identity, Keys::default());
        let hashes: Vec<[u8; 32]> = changes.iter().map(|chunk| chunk_hash(chunk)).collect();
        let statement = BatchStatement {
            realm: identity.realm,
            device: identity.device,
            account: identity.account,
            document: self.document,
            changes: &hashes,
            keys_digest: keys.digest(),
        };
        let signature: Signature = statement.sign(&identity.key);
        Batch {
            document: self.document,
            account: identity.account,
            changes: changes.to_vec(),
            signature,
            alg: ED25519,
            keys,
        }
    }
}

fn request(world: &World, phone: &Phone, push: Vec<Batch>) -> SyncResponse {
    let request = SyncRequest {
        v: VERSION,
        epoch: None,
        token: None,
        device_time_ms: world.now_ms,
        cursor: None,
        digest: None,
        push,
        heal: Vec::new(),
        limits: None,
        health: None,
    };
    let body = Body {
        bytes: minicbor::to_vec(&request).unwrap(),
        compressed: false,
    };
    let answer = world.serve(phone, &body).unwrap();
    decode_response(&answer.bytes, answer.compressed).unwrap()
}

/// The phone fills the month – its own record is the first change in it –, and what then?
fn fills(seed: u64, chunks: impl FnOnce(&mut Filling) -> Vec<ByteVec>) {
    let mut world = World::new(seed);
    let hamlet = World::hamlet(1);
    let (mut head, mut neighbour) = (world.member(hamlet), world.member(hamlet));
    let record = head.log(hamlet, world.now_ms);
    head.sync(&world);
    neighbour.sync(&world);
    let mut filling = Filling::of(&world, &head, record);
    let chunks = chunks(&mut filling);
    filling.deliver(&world, &head, &chunks);

    // One more is too many, however often it is said.
    let beyond = filling.next([0x66; 16], 1);
    let batch = filling.batch(&head, &[beyond]);
    let full = Receipt::Quarantined {
        reason: "document_full".into(),
    };
    for _ in 0..2 {
        assert_eq!(
            request(&world, &head, vec![batch.clone()]).receipts,
            std::slice::from_ref(&full)
        );
    }

    // What it writes itself it keeps, and shows why it is not with the others.
    head.restart();
    head.amend(record, AssistanceField::Minutes(Some(77)), world.now_ms + 1);
    head.sync(&world);
    let aside = head.aside();
    assert_eq!(aside.len(), 1);
    assert_eq!(aside[0].refused.code, "document_full");
    assert!(aside[0].refused.shown.is_some());
    assert_eq!(head.unsent(), 1, "and tells that it is not sent");

    // Another phone writes in the same month, and this one in the next.
    neighbour.sync(&world);
    neighbour.amend(record, AssistanceField::People(5), world.now_ms + 2);
    neighbour.sync(&world);
    assert_eq!((neighbour.unsent(), neighbour.aside().len()), (0, 0));
    world.now_ms += MONTH_MS;
    let next = head.log(hamlet, world.now_ms);
    head.sync(&world);
    neighbour.sync(&world);
    assert_eq!(
        (head.unsent(), head.aside().len()),
        (1, 1),
        "nothing waits behind it"
    );
    assert!(neighbour.rows().contains_key(&next));
    assert_eq!(neighbour.rows()[&record].people, 5);
    assert_eq!(head.rows(), neighbour.rows());
    assert!(world.verify().problems.is_empty());
}

#[test]
fn a_phone_that_fills_a_month_with_changes_is_told_so_and_the_next_month_goes_on() {
    fills(160, |filling| {
        (1..DEVICE_CHANGES as u64)
            .map(|seq| filling.next([0x77; 16], seq))
            .collect()
    });
}

#[test]
fn a_phone_that_fills_a_month_with_actors_is_told_so_and_the_next_month_goes_on() {
    fills(161, |filling| {
        let actor = |n: usize| {
            let mut actor = [0x77; 16];
            actor[..8].copy_from_slice(&(n as u64).to_be_bytes());
            actor
        };
        (1..DEVICE_ACTORS).map(|n| filling.next(actor(n), 1)).collect()
    });
}
