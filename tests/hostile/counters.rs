//! Lies about sequence numbers and operation counters.

use sync_core::forge::Op;
use sync_core::protocol::Receipt;

use super::{amends, is_refused, records, rejected};
use crate::harness::Village;
use crate::harness::live::fresh_record;

fn note(object: Option<sync_core::forge::Id>) -> Op {
    Op::put_text(object, "x_note", "?")
}

#[test]
fn a_gap_in_a_sequence_is_rejected() {
    is_refused(rejected("sequence_gap"), |village| {
        let mut change = amends(village, note);
        change.seq = 5;
        vec![change.cast()]
    });
}

#[test]
fn a_sequence_number_of_64_bits_is_rejected() {
    is_refused(rejected("sequence_gap"), |village| {
        let mut change = amends(village, note);
        change.seq = u64::MAX;
        vec![change.cast()]
    });
}

#[test]
fn a_jump_of_an_actor_that_has_written_is_rejected() {
    let mut village = Village::new();
    let first = records(&village, village.frame(0x77), fresh_record());
    assert!(matches!(
        village.deliver(&[first.cast()]),
        Receipt::Durable { .. }
    ));
    let mut jump = amends(&village, note);
    assert_eq!(jump.seq, 2);
    jump.seq = 5;
    assert_eq!(village.deliver(&[jump.cast()]), rejected("sequence_gap"));
    village.leaves_nobody_harmed();
}

/// One operation at the last counter is a legal document in which nobody can ever write again.
#[test]
fn exhausted_counters_are_rejected() {
    for (start_op, code) in [
        (u64::from(u32::MAX), "chunk_limit"),
        (u64::from(u32::MAX) - 1, "start_op"),
        (u64::from(u32::MAX) + 1, "chunk_limit"),
        (u64::MAX, "chunk_limit"),
        (0, "chunk_limit"),
    ] {
        is_refused(rejected(code), |village| {
            let mut change = amends(village, note);
            change.start_op = start_op;
            vec![change.cast()]
        });
    }
}

#[test]
fn counters_that_run_over_their_32_bits_are_rejected() {
    is_refused(rejected("chunk_limit"), |village| {
        let mut change = amends(village, note);
        let object = change.ops[0].object;
        change.start_op = u64::from(u32::MAX) - 100;
        let more = (0..200).map(|n| Op::put_text(object, format!("x_{n}"), "?"));
        vec![change.with(more).cast()]
    });
}

#[test]
fn counters_that_do_not_follow_those_of_the_dependencies_are_rejected() {
    for step in [-1_i64, 1, 1000] {
        is_refused(rejected("start_op"), |village| {
            let mut change = amends(village, note);
            change.start_op = change.start_op.wrapping_add_signed(step);
            vec![change.cast()]
        });
    }
    is_refused(rejected("start_op"), |village| {
        let mut change = amends(village, note);
        change.start_op = 1;
        vec![change.cast()]
    });
}

#[test]
fn an_actor_that_does_not_know_its_own_last_change_is_rejected() {
    let mut village = Village::new();
    let mut second = amends(&village, note);
    let first = records(&village, village.frame(0x77), fresh_record());
    assert!(matches!(
        village.deliver(&[first.cast()]),
        Receipt::Durable { .. }
    ));
    second.seq = 2;
    assert_eq!(
        village.deliver(&[second.cast()]),
        rejected("own_predecessor_unknown")
    );
    // The same in one batch.
    let (mut third, mut fourth) = (amends(&village, note), amends(&village, note));
    (third.actor, fourth.actor) = ([0x78; 16], [0x78; 16]);
    (third.seq, fourth.seq) = (1, 2);
    assert_eq!(
        village.deliver(&[third.cast(), fourth.cast()]),
        rejected("own_predecessor_unknown")
    );
    village.leaves_nobody_harmed();
}

#[test]
fn operation_ids_that_were_used_before_are_rejected() {
    let mut village = Village::new();
    let first = records(&village, village.frame(0x77), fresh_record());
    assert!(matches!(
        village.deliver(&[first.cast()]),
        Receipt::Durable { .. }
    ));
    let mut again = amends(&village, note);
    again.start_op = first.start_op;
    assert_eq!(village.deliver(&[again.cast()]), rejected("start_op"));
    village.leaves_nobody_harmed();
}

#[test]
fn another_content_under_the_same_number_is_a_fork() {
    let mut village = Village::new();
    let first = records(&village, village.frame(0x77), fresh_record());
    let other = records(&village, village.frame(0x77), fresh_record());
    assert!(matches!(
        village.deliver(&[first.cast()]),
        Receipt::Durable { .. }
    ));
    let fork = Receipt::ActorFork {
        actor: [0x77; 16],
        seq: 1,
    };
    assert_eq!(village.deliver(&[other.cast()]), fork);
    village.leaves_nobody_harmed();
}

#[test]
fn the_actor_of_the_genesis_is_nobodys() {
    is_refused(rejected("genesis_actor"), |village| {
        let mut change = amends(village, note);
        change.actor = *b"langso-genesis-1";
        change.seq = 2;
        vec![change.cast()]
    });
}
