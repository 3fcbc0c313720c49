//! Well made and well signed, and still nothing that this phone may do.

use sync_core::forge::{Op, record_object, records_object, values};
use sync_core::protocol::Receipt;

use super::{amends, is_refused, quarantined, records, rejected};
use crate::harness::Village;
use crate::harness::live::fresh_record;

#[test]
fn an_actor_of_another_phone_is_rejected() {
    let mut village = Village::new();
    let document = village.document();
    let history = document.history();
    let theirs = history
        .heads()
        .iter()
        .find_map(|head| history.node(head))
        .unwrap();
    let mut change = amends(&village, |object| Op::put_text(object, "x_note", "?"));
    change.actor = theirs.actor.to_bytes().try_into().unwrap();
    change.seq = theirs.seq + 1;
    assert_eq!(
        village.deliver(&[change.cast()]),
        rejected("actor_of_another_device")
    );
    village.leaves_nobody_harmed();
}

#[test]
fn a_change_in_the_name_of_another_account_is_rejected() {
    is_refused(rejected("author"), |village| {
        let mut change = amends(village, |object| Op::put_text(object, "x_note", "?"));
        change.message = village.honest[0].identity().account.to_string();
        vec![change.cast()]
    });
    is_refused(rejected("author"), |village| {
        let mut change = amends(village, |object| Op::put_text(object, "x_note", "?"));
        change.message = String::new();
        vec![change.cast()]
    });
}

#[test]
fn a_time_that_is_nonsense_is_rejected() {
    for time_ms in [i64::MIN, -1, 0, i64::MAX] {
        is_refused(rejected("time"), |village| {
            let mut change = amends(village, |object| Op::put_text(object, "x_note", "?"));
            change.time_ms = time_ms;
            vec![change.cast()]
        });
    }
}

#[test]
fn a_record_in_the_name_of_somebody_else_is_quarantined() {
    for key in ["recorded_by", "device"] {
        is_refused(quarantined("field_not_open"), |village| {
            let mut change = records(village, village.frame(0x77), fresh_record());
            let op = change.ops.iter_mut().find(|op| op.key == key).unwrap();
            op.value.1 = village.honest[0].identity().account.to_bytes().to_vec();
            vec![change.cast()]
        });
    }
}

#[test]
fn who_recorded_something_is_never_changed() {
    for key in ["recorded_by", "device", "recorded_at"] {
        is_refused(quarantined("field_not_open"), |village| {
            let (document, record) = (village.document(), village.record());
            let object = record_object(&document, record);
            let preds = values(&document, record, key);
            let op = match key {
                "recorded_at" => Op::put_int(object, key, village.now_ms()),
                _ => Op::put_bytes(object, key, &village.account().to_bytes()),
            };
            vec![village.frame(0x77).with([op.replacing(preds)]).cast()]
        });
        is_refused(quarantined("field_not_open"), |village| {
            let (document, record) = (village.document(), village.record());
            let preds = values(&document, record, key);
            let op = Op::delete(record_object(&document, record), key).replacing(preds);
            vec![village.frame(0x77).with([op]).cast()]
        });
    }
}

#[test]
fn a_value_that_does_not_fit_its_field_is_quarantined() {
    is_refused(quarantined("value_kind"), |village| {
        vec![amends(village, |object| Op::put_int(object, "outcome", 7)).cast()]
    });
    is_refused(quarantined("value_kind"), |village| {
        vec![amends(village, |object| Op::put_text(object, "people", "7")).cast()]
    });
    is_refused(quarantined("value_bounds"), |village| {
        vec![amends(village, |object| Op::put_int(object, "people", -7)).cast()]
    });
    is_refused(quarantined("value_bounds"), |village| {
        let note = vec![7; 20 * 1024];
        vec![amends(village, |object| Op::put_bytes(object, "note", &note)).cast()]
    });
    is_refused(quarantined("value_text"), |village| {
        vec![amends(village, |object| Op::put_text(object, "outcome", "a\u{7}b")).cast()]
    });
    is_refused(quarantined("value_text"), |village| {
        vec![amends(village, |object| Op::put_text(object, "outcome", "a\u{301}")).cast()]
    });
}

#[test]
fn a_record_that_is_not_whole_is_quarantined() {
    is_refused(quarantined("record_incomplete"), |village| {
        let mut change = records(village, village.frame(0x77), fresh_record());
        change.ops.retain(|op| op.key != "people");
        vec![change.cast()]
    });
}

#[test]
fn a_record_that_is_there_already_is_quarantined() {
    is_refused(quarantined("record_exists"), |village| {
        vec![records(village, village.frame(0x77), village.record()).cast()]
    });
    is_refused(rejected("record_replaced"), |village| {
        let object = record_object(&village.document(), village.record()).unwrap();
        let mut change = records(village, village.frame(0x77), village.record());
        change.ops[0].preds.push(object);
        vec![change.cast()]
    });
}

#[test]
fn fields_of_a_newer_version_are_kept_within_bounds() {
    let mut village = Village::new();
    let change = amends(&village, |object| Op::put_text(object, "x_weather", "mưa"));
    assert!(matches!(
        village.deliver(&[change.cast()]),
        Receipt::Durable { .. }
    ));
    let record = village.record();
    village.sync(0);
    assert!(village.rows(0)[&record].unknown.contains_key("x_weather"));
    let object = record_object(&village.document(), record);
    let dump = (0..17).map(|n| Op::put_text(object, format!("x_{n}"), "?"));
    let dump = village.frame(0x77).with(dump);
    assert_eq!(village.deliver(&[dump.cast()]), quarantined("unknown_fields"));
    let large = Op::put_text(object, "x_large", &"a".repeat(600));
    let large = village.frame(0x77).with([large]);
    assert_eq!(village.deliver(&[large.cast()]), quarantined("unknown_field"));
    let named = village.frame(0x77).with([Op::put_text(object, "X-Odd", "?")]);
    assert_eq!(village.deliver(&[named.cast()]), quarantined("unknown_field"));
    village.leaves_nobody_harmed();
}

#[test]
fn a_new_record_without_its_key_is_quarantined() {
    let mut village = Village::new();
    let chunk = records(&village, village.frame(0x77), fresh_record()).cast();
    let mut batch = village.batch(village.id(), &[chunk]);
    batch.keys = sync_core::protocol::Keys::default();
    let signed = village.sign_again(batch);
    assert_eq!(
        village.request(vec![signed]).receipts,
        [quarantined("key_missing")]
    );
    village.leaves_nobody_harmed();
}

#[test]
fn a_broken_signature_is_rejected() {
    let mut village = Village::new();
    let chunk = records(&village, village.frame(0x77), fresh_record()).cast();
    let mut batch = village.batch(village.id(), &[chunk]);
    batch.signature.0[9] ^= 1;
    assert_eq!(village.request(vec![batch]).receipts, [rejected("signature")]);
    village.leaves_nobody_harmed();
}

/// A map under a name that is no id could never be shown, and never be taken back.
#[test]
fn a_record_whose_name_is_no_id_is_rejected() {
    is_refused(rejected("record_id"), |village| {
        let change = village.frame(0x77);
        vec![
            change
                .with([Op::make_map(Some(records_object()), "không phải ULID")])
                .cast(),
        ]
    });
}
