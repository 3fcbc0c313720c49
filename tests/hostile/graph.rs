//! Lies about what a change stands on, and about who else was there.

use sync_core::forge::{Forged, Op, record_object, records_object, values};
use sync_core::ids::{DocumentId, Month};
use sync_core::protocol::Receipt;

use super::{amends, is_refused, quarantined, records, rejected};
use crate::harness::Village;
use crate::harness::live::fresh_record;

#[test]
fn an_object_of_an_unknown_operation_is_rejected() {
    is_refused(rejected("object_unknown"), |village| {
        let change = village.frame(0x77);
        let genesis_actor = records_object().0;
        let unknown = Some((genesis_actor, 9_999));
        vec![change.with([Op::put_text(unknown, "x_note", "?")]).cast()]
    });
}

#[test]
fn an_object_of_an_unknown_actor_is_rejected() {
    is_refused(rejected("object_unknown"), |village| {
        let unknown = Some(([0xee; 16], 4));
        vec![
            village
                .frame(0x77)
                .with([Op::put_text(unknown, "x_note", "?")])
                .cast(),
        ]
    });
}

#[test]
fn a_predecessor_that_is_no_operation_is_rejected() {
    for unknown in [
        ([0xee; 16], 4),
        (records_object().0, 9_999),
        (records_object().0, 1),
    ] {
        is_refused(rejected("preds"), |village| {
            vec![
                amends(village, |object| {
                    Op::put_text(object, "outcome", "?").replacing([unknown])
                })
                .cast(),
            ]
        });
    }
}

/// Else one phone could pile up values under one field, and all the others go through them at every reading.
#[test]
fn a_value_that_leaves_standing_what_its_author_saw_is_rejected() {
    is_refused(rejected("preds"), |village| {
        vec![amends(village, |object| Op::put_text(object, "outcome", "?")).cast()]
    });
}

/// It applies on the server, which holds both, and would break a phone that holds only what it stands on.
#[test]
fn a_record_that_was_made_beside_it_is_rejected() {
    let mut village = Village::new();
    let mut change = village.frame(0x77);
    let record = village.log(0);
    village.sync(0);
    let object = record_object(&village.document(), record);
    change = change.with([Op::put_text(object, "x_note", "?")]);
    assert_eq!(village.deliver(&[change.cast()]), rejected("object_unknown"));
    village.leaves_nobody_harmed();
}

#[test]
fn a_value_that_was_set_beside_it_is_rejected() {
    let mut village = Village::new();
    let record = village.record();
    let mut change = amends(&village, |object| Op::put_text(object, "outcome", "?"));
    let fields = vec![sync_core::edit::AssistanceField::Outcome("dang_xu_ly_2".into())];
    village.edit(0, &sync_core::edit::Edit::AmendAssistance { record, fields });
    village.sync(0);
    change.ops[0].preds = values(&village.document(), record, "outcome");
    assert_eq!(change.ops[0].preds.len(), 1);
    assert_eq!(village.deliver(&[change.cast()]), rejected("preds"));
    village.leaves_nobody_harmed();
}

/// A phone that holds only what the change stands on does not know the actor, and would break on its name alone.
#[test]
fn an_actor_that_no_operation_names_is_rejected() {
    is_refused(rejected("chunk_foreign"), |village| {
        let mut change = amends(village, |object| Op::put_text(object, "x_note", "?"));
        change.other_actors = vec![[0xee; 16]];
        vec![change.cast()]
    });
    let mut village = Village::new();
    let mut change = amends(&village, |object| Op::put_text(object, "x_note", "?"));
    let beside = records(&village, village.frame(0x78), fresh_record());
    assert!(matches!(
        village.deliver(&[beside.cast()]),
        Receipt::Durable { .. }
    ));
    change.other_actors = vec![[0x78; 16]];
    assert_eq!(village.deliver(&[change.cast()]), rejected("chunk_foreign"));
    village.leaves_nobody_harmed();
}

#[test]
fn changes_that_are_not_there_are_asked_for_and_never_parked() {
    let mut village = Village::new();
    let first = records(&village, village.frame(0x77), fresh_record());
    let mut second = amends(&village, |object| Op::put_text(object, "x_note", "?"));
    let hash = sync_core::preflight::chunk_hash(&first.cast());
    second.deps = vec![hash];
    second.seq = 2;
    second.start_op = first.start_op + first.ops.len() as u64;
    let missing = Receipt::MissingDeps {
        hashes: vec![sync_core::protocol::HashBytes(hash)],
    };
    let before = village.document().history().len();
    assert_eq!(village.deliver(&[second.cast()]), missing);
    // What it waits for does not bring it along.
    assert!(matches!(
        village.deliver(&[first.cast()]),
        Receipt::Durable { .. }
    ));
    assert_eq!(village.document().history().len(), before + 1);
    assert!(matches!(
        village.deliver(&[second.cast()]),
        Receipt::Durable { .. }
    ));
    village.leaves_nobody_harmed();
}

#[test]
fn a_change_that_stands_on_nothing_is_rejected() {
    is_refused(rejected("no_deps"), |village| {
        let mut change = amends(village, |object| Op::put_text(object, "x_note", "?"));
        change.deps.clear();
        vec![change.cast()]
    });
}

#[test]
fn dependencies_beyond_the_limit_are_rejected() {
    is_refused(rejected("chunk_limit"), |village| {
        let mut change = amends(village, |object| Op::put_text(object, "x_note", "?"));
        change.deps.extend((0..65).map(|n| [n; 32]));
        vec![change.cast()]
    });
}

#[test]
fn a_change_of_one_hamlet_does_not_fit_another() {
    let mut village = Village::new();
    let chunk = records(&village, village.frame(0x77), fresh_record()).cast();
    let month = Month::of_millis(village.now_ms()).unwrap();
    let other = DocumentId::ledger(village.other_hamlet, month);
    assert_eq!(
        village.deliver_to(other, std::slice::from_ref(&chunk)),
        quarantined("not_permitted")
    );
    // Nor another month of the same one, where it may write.
    let earlier = DocumentId::ledger(village.hamlet, month.minus(1));
    let answered = village.deliver_to(earlier, &[chunk]);
    assert!(matches!(answered, Receipt::MissingDeps { .. }), "{answered:?}");
    village.leaves_nobody_harmed();
}

/// Sixty-five changes that do not know each other would be more than an honest commit may stand on.
#[test]
fn one_phone_cannot_spread_a_document_into_many_heads() {
    let mut village = Village::new();
    let frames: Vec<Forged> = (1..=65)
        .map(|actor| records(&village, village.frame(actor), fresh_record()))
        .collect();
    let chunks: Vec<Vec<u8>> = frames.iter().map(Forged::cast).collect();
    assert_eq!(village.deliver(&chunks), quarantined("heads"));
    let receipts: Vec<Receipt> = chunks
        .iter()
        .map(|chunk| village.deliver(std::slice::from_ref(chunk)))
        .collect();
    assert!(
        receipts[..2]
            .iter()
            .all(|receipt| matches!(receipt, Receipt::Durable { .. }))
    );
    assert!(
        receipts[2..]
            .iter()
            .all(|receipt| *receipt == quarantined("heads"))
    );
    assert!(village.document().heads().len() <= 4);
    village.leaves_nobody_harmed();
}
