//! Lies about sizes and about what a document is made of.

use std::time::{Duration, Instant};

use sync_core::forge::{Forged, Op, action, body_of, chunk, records_object};

use super::{amends, is_refused, quarantined, rejected};
use crate::harness::Village;
use crate::harness::live::fresh_record;

/// Longer than this a bomb has gone off, on however slow a machine.
const SOON: Duration = Duration::from_secs(5);

fn note(object: Option<sync_core::forge::Id>) -> Op {
    Op::put_text(object, "x_note", "?")
}

/// One put whose columns are replaced by hostile ones.
fn with_columns(village: &Village, columns: &[(u64, &[u8])]) -> Vec<Vec<u8>> {
    let mut change = amends(village, note);
    change.columns = columns
        .iter()
        .map(|(spec, data)| (*spec, data.to_vec()))
        .collect();
    vec![change.cast()]
}

fn is_refused_at_once(expected: &str, columns: &[(u64, &[u8])]) {
    let mut village = Village::new();
    let chunks = with_columns(&village, columns);
    let begun = Instant::now();
    assert_eq!(village.deliver(&chunks), rejected(expected));
    assert!(begun.elapsed() < SOON);
    village.leaves_nobody_harmed();
}

/// 64 bytes that are four million operations; 79 that are 2^40.
#[test]
fn a_run_length_bomb_is_rejected_at_once() {
    let million: &[u8] = &[0x80, 0x92, 0xf4, 0x01];
    let huge: &[u8] = &[0x80, 0x80, 0x80, 0x80, 0x80, 0x20];
    for length in [million, huge] {
        let run = |value: &[u8]| [length, value].concat();
        is_refused_at_once(
            "chunk_limit",
            &[
                (0x42, &run(&[1])),
                (0x34, length),
                (0x15, &run(b"\x01k")),
                (0x56, &run(&[0])),
                (0x57, &[]),
                (0x70, &run(&[0])),
            ],
        );
        // One operation that replaces so many.
        is_refused_at_once(
            "chunk_limit",
            &[
                (0x70, &[&[0x7f], length].concat()),
                (0x71, &run(&[0])),
                (0x73, &run(&[1])),
            ],
        );
    }
}

#[test]
fn lengths_that_are_only_claimed_are_rejected() {
    let huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x01];
    // A key.
    is_refused_at_once("chunk_limit", &[(0x15, &[&[0x7f][..], &huge].concat())]);
    // A value.
    is_refused_at_once(
        "chunk_malformed",
        &[(0x56, &[0x7f, 0x86, 0x80, 0x80, 0x80, 0x80, 0x10])],
    );
    // A column, a list of dependencies, a message, a list of actors, and the chunk itself.
    is_refused(rejected("chunk_malformed"), |village| {
        let honest = amends(village, note).cast();
        let mut body = body_of(&honest).to_vec();
        body.truncate(body.len() - 3);
        vec![chunk(1, &body)]
    });
    is_refused(rejected("chunk_limit"), |_| {
        vec![chunk(1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0x0f])]
    });
    is_refused(rejected("chunk_malformed"), |village| {
        let mut honest = amends(village, note).cast();
        honest.truncate(60);
        vec![honest]
    });
}

#[test]
fn a_change_that_is_too_large_is_rejected() {
    is_refused(rejected("chunk_limit"), |village| {
        let text = "a".repeat(40 * 1024);
        vec![amends(village, |object| Op::put_text(object, "x_note", &text)).cast()]
    });
}

#[test]
fn deflated_chunks_and_whole_documents_are_rejected() {
    for kind in [0, 2, 3] {
        is_refused(rejected("chunk_kind"), |village| {
            let honest = amends(village, note).cast();
            vec![chunk(kind, body_of(&honest))]
        });
    }
    is_refused(rejected("chunk_kind"), |village| vec![village.document().save()]);
    // A deflated column.
    is_refused(rejected("chunk_foreign"), |village| {
        with_columns(village, &[(0x1d, &[1, 2, 3])])
    });
}

#[test]
fn what_is_no_chunk_at_all_is_rejected() {
    for message in [
        &b"\x42\x00\x00\x01\x00\x03\x01\x00\x07\x00"[..],
        &b"\x42\x00\x00\x01\x00\x08\x01\x08\xff\xff\xff\xff\x0f\xff\x0f\x00"[..],
    ] {
        is_refused(rejected("chunk_kind"), |_| vec![message.to_vec()]);
    }
    // Seventeen bytes that are a document of nothing, and the same as a change.
    is_refused(rejected("chunk_kind"), |_| vec![chunk(0, &[3, 0, 0, 0, 0, 0, 0])]);
    is_refused(rejected("chunk_foreign"), |_| vec![chunk(1, &[0; 7])]);
    is_refused(rejected("chunk_malformed"), |_| vec![Vec::new()]);
}

#[test]
fn a_wrong_checksum_is_rejected() {
    is_refused(rejected("chunk_checksum"), |village| {
        let mut honest = amends(village, note).cast();
        honest[5] ^= 1;
        vec![honest]
    });
}

#[test]
fn a_change_without_operations_is_rejected() {
    is_refused(rejected("chunk_malformed"), |village| {
        vec![village.frame(0x77).cast()]
    });
}

#[test]
fn a_map_that_is_its_own_parent_is_rejected() {
    is_refused(rejected("operation"), |village| {
        let change = village.frame(0x77);
        let itself = Some(change.id(0));
        vec![change.with([Op::make_map(itself, "d")]).cast()]
    });
    // As a record, and then turned around.
    is_refused(rejected("record_id"), |village| {
        let change = village.frame(0x77);
        let map = Some(change.id(0));
        vec![
            change
                .with([Op::make_map(Some(records_object()), "d"), Op::make_map(map, "d")])
                .cast(),
        ]
    });
}

#[test]
fn maps_within_records_are_rejected() {
    is_refused(rejected("operation"), |village| {
        vec![amends(village, |object| Op::make_map(object, "x_map")).cast()]
    });
    is_refused(rejected("operation"), |village| {
        let change = village.frame(0x77);
        let map = Some(change.id(0));
        let record = fresh_record().to_string();
        vec![
            change
                .with([
                    Op::make_map(Some(records_object()), record),
                    Op::make_map(map, "x"),
                ])
                .cast(),
        ]
    });
}

/// Twenty thousand maps within each other exhaust the memory of whoever describes them.
#[test]
fn deep_nesting_is_rejected() {
    is_refused(rejected("chunk_limit"), |village| {
        let change = village.frame(0x77);
        let ops: Vec<Op> = (0..600)
            .map(|depth| {
                let within = if depth == 0 {
                    records_object()
                } else {
                    change.id(depth - 1)
                };
                Op::make_map(Some(within), "d")
            })
            .collect();
        vec![change.with(ops).cast()]
    });
    is_refused(rejected("record_id"), |village| {
        let change = village.frame(0x77);
        let ops: Vec<Op> = (0..200)
            .map(|depth| {
                let within = if depth == 0 {
                    records_object()
                } else {
                    change.id(depth - 1)
                };
                Op::make_map(Some(within), "d")
            })
            .collect();
        vec![change.with(ops).cast()]
    });
}

#[test]
fn lists_and_counters_are_rejected() {
    let odd = |action, value: (u64, Vec<u8>)| {
        move |object| Op {
            action,
            value,
            ..Op::make_map(object, "x_odd")
        }
    };
    for action in [action::MAKE_LIST, 4, 6, 7, 8] {
        is_refused(rejected("chunk_foreign"), |village| {
            vec![amends(village, odd(action, (0, Vec::new()))).cast()]
        });
    }
    is_refused(rejected("chunk_foreign"), |village| {
        vec![amends(village, odd(action::INCREMENT, (4, vec![1]))).cast()]
    });
    is_refused(quarantined("unknown_field"), |village| {
        vec![amends(village, odd(action::PUT, (8, vec![1]))).cast()]
    });
    // An element of a list.
    is_refused(rejected("chunk_foreign"), |village| {
        with_columns(village, &[(0x11, &[0x7f, 0x00]), (0x13, &[0x7f, 0x01])])
    });
    // An insertion.
    is_refused(rejected("chunk_foreign"), |village| {
        with_columns(village, &[(0x34, &[0x00, 0x01])])
    });
}

#[test]
fn the_root_and_the_map_of_records_are_not_written_to() {
    for (object, code) in [
        (None, "object_unknown"),
        (Some(records_object()), "object_unknown"),
    ] {
        is_refused(rejected(code), |village| {
            vec![village.frame(0x77).with([Op::put_text(object, "id", "?")]).cast()]
        });
        is_refused(rejected(code), |village| {
            vec![village.frame(0x77).with([Op::delete(object, "records")]).cast()]
        });
    }
    is_refused(rejected("operation"), |village| {
        vec![village.frame(0x77).with([Op::make_map(None, "records")]).cast()]
    });
}

#[test]
fn a_record_is_not_deleted() {
    is_refused(rejected("object_unknown"), |village| {
        let record = village.record();
        let object = sync_core::forge::record_object(&village.document(), record).unwrap();
        let delete = Op::delete(Some(records_object()), record.to_string()).replacing([object]);
        vec![village.frame(0x77).with([delete]).cast()]
    });
}

#[test]
fn one_change_is_about_one_record() {
    let mut village = Village::new();
    let second = village.log(0);
    village.sync(0);
    let document = village.document();
    let object = |record| sync_core::forge::record_object(&document, record);
    let change: Forged = village.frame(0x77).with([
        note(object(village.record())),
        Op::put_text(object(second), "x_note", "?"),
    ]);
    assert_eq!(village.deliver(&[change.cast()]), rejected("two_records"));
    village.leaves_nobody_harmed();
}
