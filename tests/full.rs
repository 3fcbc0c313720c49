//! Stories of a month that one phone fills up, over HTTP: it is told so and keeps its copy, and everybody goes on.

use langso_server::drive::Fate;
use langso_server::log;
use langso_server::snapshots;
use langso_server::verify::verify;
use sync_core::admission::{DEVICE_ACTORS, DEVICE_CHANGES};
use sync_core::document::Document;
use sync_core::edit::{AssistanceField, Edit};
use sync_core::forge::{Forged, Id, Op, record_object, values};
use sync_core::ids::{DocumentId, Month, RecordId};
use sync_core::preflight::chunk_hash;
use sync_core::protocol::{HashBytes, HealAnswer, HealQuestion, Receipt, SyncRequest};

use crate::harness::Village;
use crate::harness::live::{fresh_record, records};

/// Small batches, many to a request: unoptimised, one of 500 changes of one field takes its time.
const BATCH: usize = 100;
const BATCHES: usize = 15;

/// The limits that `docs/protocol.md` states.
#[test]
fn a_device_fills_a_month_with_20_000_changes_or_4_096_actors() {
    assert_eq!((DEVICE_CHANGES, DEVICE_ACTORS), (20_000, 4_096));
}

/// Change after change of one field of one record, each on the one before.
struct Filling {
    frame: Forged,
    object: Option<Id>,
    value: Vec<Id>,
    made: u64,
}

impl Filling {
    fn of(village: &Village, record: RecordId) -> Self {
        let document = village.document();
        Self {
            frame: village.frame(0x77),
            object: record_object(&document, record),
            value: values(&document, record, "people"),
            made: 0,
        }
    }

    /// The next change of an actor.
    fn next(&mut self, actor: [u8; 16], seq: u64) -> Vec<u8> {
        self.frame.actor = actor;
        self.frame.seq = seq;
        let op = Op::put_int(self.object, "people", 1 + (self.made % 2) as i64);
        self.frame.ops = vec![op.replacing(self.value.drain(..))];
        let chunk = self.frame.cast();
        self.value = vec![self.frame.id(0)];
        self.frame.deps = vec![chunk_hash(&chunk)];
        self.frame.start_op += 1;
        self.made += 1;
        chunk
    }
}

/// Delivers them for the phone; each batch is taken.
fn deliver(village: &mut Village, chunks: &[Vec<u8>]) {
    for group in chunks.chunks(BATCH * BATCHES) {
        let push = group
            .chunks(BATCH)
            .map(|chunks| village.batch(village.id(), chunks));
        let push = push.collect();
        for receipt in village.request(push).receipts {
            assert!(matches!(receipt, Receipt::Durable { .. }), "{receipt:?}");
        }
    }
}

/// The phone exchanges until it is done.
fn sync(village: &mut Village) {
    let (runtime, phone) = (&village.runtime, &mut village.hostile);
    runtime.block_on(phone.sync(|| Fate::Delivered)).unwrap();
}

/// The phone fills the month, and what then?
fn fills(chunks: impl FnOnce(&mut Filling) -> Vec<Vec<u8>>) {
    let mut village = Village::new();
    sync(&mut village);
    let record = village.record();
    let mut filling = Filling::of(&village, record);
    let chunks = chunks(&mut filling);
    deliver(&mut village, &chunks);

    // One more is too many, however often it is said.
    let beyond = [filling.next([0x66; 16], 1)];
    let full = Receipt::Quarantined {
        reason: "document_full".into(),
    };
    for _ in 0..2 {
        assert_eq!(village.deliver(&beyond), full);
    }

    // What it writes itself it keeps, and shows why it is not with the others.
    let fields = vec![AssistanceField::Minutes(Some(77))];
    let edit = Edit::AmendAssistance { record, fields };
    village
        .hostile
        .work(|replica, now_ms, rng| replica.edit(&edit, now_ms, rng))
        .unwrap();
    sync(&mut village);
    let aside = village.hostile.work(|replica, _, _| replica.set_aside()).unwrap();
    assert_eq!(aside.len(), 1);
    assert_eq!(aside[0].refused.code, "document_full");
    assert!(aside[0].refused.shown.is_some());
    assert_eq!(
        village.hostile.unsent().unwrap(),
        (1, 1),
        "and tells that it is not sent"
    );

    // Another phone writes in the same month, and this one in the next.
    village.sync(1);
    let fields = vec![AssistanceField::People(5)];
    village.edit(1, &Edit::AmendAssistance { record, fields });
    village.sync(1);
    assert_eq!(village.honest[1].unsent().unwrap(), (0, 0));
    let next = Month::of_millis(village.now_ms()).unwrap().next();
    let next = DocumentId::ledger(village.hamlet, next);
    let later = fresh_record();
    let begun = Document::new(next);
    let frame = Forged::on(&begun, [0x55; 16], village.account(), village.now_ms());
    let taken = village.deliver_to(next, &[records(&village, frame, later).cast()]);
    assert!(matches!(taken, Receipt::Durable { .. }), "{taken:?}");
    village.sync(0);
    assert_eq!(village.rows(0)[&record].people, 5);
    assert!(village.rows(0).contains_key(&later), "nothing waits behind it");
    village.leaves_nobody_harmed();
}

#[test]
fn a_phone_that_fills_a_month_with_changes_is_told_so_and_the_next_month_goes_on() {
    fills(|filling| {
        (1..=DEVICE_CHANGES as u64)
            .map(|seq| filling.next([0x77; 16], seq))
            .collect()
    });
}

/// What one device says again and again is stored so short that phones do not believe it: there is no snapshot of it, one is
/// not tried each time, and who begins gets it change by change.
#[test]
fn a_month_too_dense_for_a_snapshot_is_sent_change_by_change() {
    let mut village = Village::new();
    sync(&mut village);
    let mut filling = Filling::of(&village, village.record());
    let chunks: Vec<Vec<u8>> = (1..=6_000).map(|seq| filling.next([0x77; 16], seq)).collect();
    let store = village.app.store().clone();
    let refresh = |village: &Village| village.runtime.block_on(snapshots::refresh(&store)).unwrap();
    let (first, rest) = chunks.split_at(100);
    deliver(&mut village, first);
    assert_eq!(refresh(&village), 1);
    deliver(&mut village, rest);
    assert!(village.document().save_for_phones().is_none());

    assert_eq!(refresh(&village), 0);
    let (id, due) = (village.id(), |conn: &_| log::snapshots_due(conn, 64, 100));
    assert!(!store.read_blocking(due).unwrap().contains(&id));
    let stored = store.read_blocking(|conn| {
        let (_, row, _) = log::find_document(conn, id)?.expect("it is stored");
        log::snapshot(conn, row)
    });
    assert!(stored.unwrap().is_some(), "the one before is as good as it was");
    assert!(
        store
            .read_blocking(|conn| verify(conn, &village.app.exchange.ingest.master))
            .unwrap()
            .problems
            .is_empty()
    );

    // Nor does an answer bring it whole that would then be refused.
    let heads = vec![HashBytes([7; 32])];
    let heal = vec![HealQuestion::Heads { document: id, heads }];
    let request = SyncRequest {
        heal,
        ..village.empty()
    };
    assert_eq!(village.exchange(&request).heal, [HealAnswer::NotYet]);
    // A fresh phone begins with it, and others go on.
    village.leaves_nobody_harmed();
}

#[test]
fn a_phone_that_fills_a_month_with_actors_is_told_so_and_the_next_month_goes_on() {
    fills(|filling| {
        let actor = |n: usize| {
            let mut actor = [0x77; 16];
            actor[..8].copy_from_slice(&(n as u64).to_be_bytes());
            actor
        };
        (1..=DEVICE_ACTORS).map(|n| filling.next(actor(n), 1)).collect()
    });
}
