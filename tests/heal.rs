//! Stories of differences that nobody meant: found by the digest, healed for the document that has them, and over.

use sync_core::edit::Edit;
use sync_core::protocol::{HealAnswer, Item};
use sync_core::record::RetractReason;

use crate::harness::{Fate, World};

const MONTH_MS: i64 = 31 * 24 * 3600 * 1000;

#[test]
fn a_phone_that_lost_changes_is_healed_within_two_more_round_trips_and_for_that_document_only() {
    let mut world = World::new(120);
    let hamlet = World::hamlet(1);
    let (mut head, mut other) = (world.member(hamlet), world.member(hamlet));
    for _ in 0..20 {
        other.log(hamlet, world.now_ms);
    }
    other.sync(&world);
    world.now_ms += MONTH_MS;
    other.log(hamlet, world.now_ms);
    other.sync(&world);
    head.sync(&world);
    let older = head.copy();
    let lost = other.log(hamlet, world.now_ms);
    other.sync(&world);
    head.sync(&world);
    head.forget_down_to(older);
    assert!(!head.rows().contains_key(&lost));

    let found = head.look(&world).unwrap();
    assert!(found.digest.is_some() && found.heal.is_empty());
    assert!(head.replica().status().diverged);
    let first = head.look(&world).unwrap();
    assert!(
        matches!(first.heal.as_slice(), [HealAnswer::Documents { documents, .. }] if documents.len() == 2)
    );
    let second = head.look(&world).unwrap();
    let [
        HealAnswer::Missing {
            changes, document, ..
        },
    ] = second.heal.as_slice()
    else {
        panic!("one document alone: {:?}", second.heal);
    };
    assert_eq!(
        (changes.len(), document.period()),
        (1, head.rows()[&lost].document.period())
    );
    assert_eq!(head.rows(), other.rows());
    let after = head.look(&world).unwrap();
    assert!(after.digest.is_none() && after.heal.is_empty() && after.items.is_empty());
    assert!(!head.replica().status().diverged);
    head.restart();
    assert_eq!(head.rows(), other.rows());
    assert!(head.look(&world).unwrap().digest.is_none());
}

#[test]
fn what_the_server_lost_is_taken_from_the_phone_that_made_it_and_nobody_else_has_to_care() {
    let mut world = World::new(121);
    let hamlet = World::hamlet(1);
    let (mut head, mut other) = (world.member(hamlet), world.member(hamlet));
    head.log(hamlet, world.now_ms);
    head.sync(&world);
    other.sync(&world);
    let backup = world.back_up("day-1.db");
    let lost = head.log(hamlet, world.now_ms + 1);
    head.sync(&world);
    // The file is copied back, and others go on before anybody could notice by a cursor.
    world.copy_back(&backup);
    for n in 0..3 {
        other.log(hamlet, world.now_ms + 2 + n);
    }
    other.sync(&world);
    assert!(head.sync(&world) <= 6);
    assert_eq!((head.unsent(), head.aside().len()), (0, 0));
    other.sync(&world);
    assert!(other.rows().contains_key(&lost));
    assert_eq!(head.rows(), other.rows());
    assert_eq!(head.rows().len(), 5);
    assert!(head.look(&world).unwrap().digest.is_none());
    assert!(world.verify().problems.is_empty());
}

#[test]
fn a_difference_that_cannot_be_healed_is_no_loop() {
    let mut world = World::new(122);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    head.log(hamlet, world.now_ms);
    head.sync(&world);
    // The server's own account of its document is wrong, which no phone can put right.
    world.tamper("UPDATE document SET heads = randomblob(32)");
    world.restart_server();
    assert!(head.sync(&world) <= 12);
    assert!(head.replica().status().diverged, "but the phone says so");
    let calm = head.exchange(&world, Fate::Delivered).unwrap().unwrap();
    assert!(!calm.more);
}

#[test]
fn a_month_that_is_damaged_on_the_phone_takes_nothing_and_holds_nothing_up() {
    let mut world = World::new(124);
    let hamlet = World::hamlet(1);
    let (mut head, mut other) = (world.member(hamlet), world.member(hamlet));
    let before = head.log(hamlet, world.now_ms);
    head.sync(&world);
    let month = head.rows()[&before].document;
    head.damage(month);
    let missed = other.log(hamlet, world.now_ms);
    other.sync(&world);
    world.now_ms += MONTH_MS;
    let seen = other.log(hamlet, world.now_ms);
    other.sync(&world);

    // Both months come in one answer, together with the receipt of what was recorded.
    for _ in 0..2 {
        let own = head.log(hamlet, world.now_ms);
        head.sync(&world);
        assert_eq!(head.unsent(), 0, "its receipt is taken");
        // Nothing is on its way and the month differs, which is asked about, and comes to an end.
        assert!(head.sync(&world) <= 12);
        let rows = head.rows();
        assert!(rows.contains_key(&seen) && rows.contains_key(&own) && rows.contains_key(&before));
        assert!(!rows.contains_key(&missed));
        assert!(head.replica().status().diverged, "and the phone says so");
    }
    let calm = head.exchange(&world, Fate::Delivered).unwrap().unwrap();
    assert!(!calm.more);
    let told = head.edit(
        &Edit::RetractAssistance {
            record: before,
            reason: RetractReason::Mistake,
        },
        world.now_ms,
    );
    assert_eq!(told.unwrap_err().code(), "damaged");
}

#[test]
fn nobody_learns_by_a_question_what_they_may_not_read() {
    use sync_core::ids::{Class, DocumentId, Month, Scope};
    use sync_core::protocol::{HealQuestion, ShortDigest, decode_request, decode_response, encode_request};
    let mut world = World::new(123);
    let (own, foreign) = (World::hamlet(1), World::hamlet(2));
    let (mut head, mut other) = (world.member(own), world.member(foreign));
    other.log(foreign, world.now_ms);
    other.sync(&world);
    head.sync(&world);
    let exchange = head.replica().next_request(world.now_ms, None).unwrap();
    let mut request = decode_request(&exchange.body.bytes, exchange.body.compressed).unwrap();
    let scope = Scope {
        unit: foreign,
        class: Class::Ledger,
    };
    let document = DocumentId::ledger(foreign, Month::of_millis(world.now_ms).unwrap());
    request.heal = vec![
        HealQuestion::Scope {
            scope,
            digest: ShortDigest([0; 8]),
        },
        HealQuestion::Heads {
            document,
            heads: Vec::new(),
        },
    ];
    let answer = world.serve(&head, &encode_request(&request)).unwrap();
    let response = decode_response(&answer.bytes, answer.compressed).unwrap();
    assert_eq!(response.heal, [HealAnswer::NotYet, HealAnswer::NotYet]);
    assert!(
        !response
            .items
            .iter()
            .any(|item| matches!(item, Item::Tail { .. }))
    );
}
