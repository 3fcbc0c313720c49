//! Stories of forks and clones: one actor with two contents poisons a document, so nothing of the kind gets in, and
//! what was written under such an actor is written again under another.

use sync_core::edit::AssistanceField;
use sync_core::protocol::Receipt;

use crate::harness::{Fate, Phone, World};

/// Two phones with one identity, one store and one luck, which both write something now.
fn twins(world: &mut World) -> (Phone, Phone) {
    let hamlet = World::hamlet(1);
    let mut one = world.member(hamlet);
    one.log(hamlet, world.now_ms);
    one.sync(world);
    one.restart();
    let mut two = one.copy();
    one.log(hamlet, world.now_ms + 1);
    two.log(hamlet, world.now_ms + 2);
    (one, two)
}

#[test]
fn a_fork_is_written_again_under_a_fresh_actor_and_shows_the_same() {
    let mut world = World::new(100);
    let hamlet = World::hamlet(1);
    let (mut one, mut two) = twins(&mut world);
    let mut other = world.member(hamlet);
    other.sync(&world);
    let contested = *other.rows().keys().next().unwrap();
    // The second twin and somebody else disagree about a field, and both of them know it before the fork comes out.
    two.amend(
        contested,
        AssistanceField::Outcome("mine".into()),
        world.now_ms + 3,
    );
    other.amend(
        contested,
        AssistanceField::Outcome("theirs".into()),
        world.now_ms + 3,
    );
    other.sync(&world);
    one.sync(&world);
    let response = two.look(&world).unwrap();
    assert!(matches!(
        response.receipts.as_slice(),
        [Receipt::ActorFork { seq: 1, .. }]
    ));
    let before = two.rows();
    assert_eq!(before[&contested].conflicts.len(), 1);
    assert_eq!(two.unsent(), 2, "nothing is set aside for a fork");
    two.sync(&world);
    assert_eq!(two.unsent(), 0);
    assert!(two.aside().is_empty());
    other.sync(&world);
    one.sync(&world);
    assert_eq!(two.rows().len(), 3);
    assert_eq!(two.rows(), other.rows());
    assert_eq!(one.rows(), other.rows());
    assert_eq!(
        other.rows()[&contested].conflicts.len(),
        1,
        "the disagreement is still one"
    );
    assert!(world.verify().problems.is_empty());
    // It does not come up again: not after more edits, not after a restart.
    two.log(hamlet, world.now_ms + 9);
    two.restart();
    two.log(hamlet, world.now_ms + 10);
    assert!(two.sync(&world) <= 2);
    assert_eq!(two.unsent(), 0);
}

#[test]
fn a_fork_survives_a_lost_answer_and_a_death_at_any_write() {
    use crate::harness::store::Death;
    for (seed, death) in (0..4)
        .flat_map(|n| [Death::BeforeWrite(n), Death::AfterWrite(n)])
        .enumerate()
    {
        let mut world = World::new(101 + seed as u64);
        let (mut one, mut two) = twins(&mut world);
        one.sync(&world);
        assert_eq!(two.exchange(&world, Fate::AnswerLost).unwrap(), None);
        two.doom(death);
        for _ in 0..4 {
            if two.exchange(&world, Fate::Delivered).is_err() {
                two.restart();
            }
        }
        two.restart();
        two.sync(&world);
        one.sync(&world);
        assert_eq!((two.unsent(), two.rows().len()), (0, 3), "{death:?}");
        assert_eq!(one.rows(), two.rows(), "{death:?}");
        assert_eq!(world.count("SELECT count(*) FROM assistance"), 3);
    }
}

#[test]
fn a_phone_restored_from_a_backup_gets_back_what_it_had_delivered() {
    let mut world = World::new(110);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    head.log(hamlet, world.now_ms);
    let mut backup = head.copy();
    head.log(hamlet, world.now_ms + 1);
    head.sync(&world);
    head.log(hamlet, world.now_ms + 2);
    head.sync(&world);
    let delivered = head.rows();
    // The phone falls into the river; the backup knows one record, as not yet sent.
    assert_eq!(backup.unsent(), 1);
    backup.log(hamlet, world.now_ms + 3);
    backup.sync(&world);
    assert_eq!(backup.unsent(), 0);
    assert_eq!(backup.rows().len(), 4);
    assert!(delivered.keys().all(|record| backup.rows().contains_key(record)));
    assert_eq!(world.count("SELECT count(*) FROM assistance"), 4);
}

#[test]
fn a_commit_that_was_lost_after_it_was_pushed_comes_back_and_nothing_is_there_twice() {
    let mut world = World::new(111);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    head.log(hamlet, world.now_ms);
    let mut before = head.copy();
    let lost = head.log(hamlet, world.now_ms + 1);
    // The push arrives; then the disk forgets the last edit and everything after it.
    assert_eq!(head.exchange(&world, Fate::AnswerLost).unwrap(), None);
    before.restart();
    before.log(hamlet, world.now_ms + 2);
    before.sync(&world);
    assert_eq!(before.unsent(), 0);
    assert!(before.rows().contains_key(&lost));
    assert_eq!(before.rows().len(), 3);
    assert_eq!(world.count("SELECT count(*) FROM change"), 3);
}

/// Two living copies were seen.
fn flagged(world: &World) -> i64 {
    world.count("SELECT count(*) FROM device_token WHERE copied_at IS NOT NULL")
}

#[test]
fn two_living_copies_are_flagged_once_and_both_deliver_everything() {
    let mut world = World::new(112);
    let hamlet = World::hamlet(1);
    let mut one = world.member(hamlet);
    one.log(hamlet, world.now_ms);
    one.sync(&world);
    let mut two = one.copy();
    for round in 1..6 {
        world.now_ms += 900_000;
        for (phone, later) in [(&mut one, 0), (&mut two, 100)] {
            phone.log(hamlet, world.now_ms + round + later);
            assert!(phone.sync(&world) <= 4, "no loop");
        }
    }
    one.sync(&world);
    assert_eq!(flagged(&world), 1);
    assert_eq!(
        world.count("SELECT count(*) FROM audit WHERE act = 'device_copied'"),
        1,
        "told once"
    );
    // Nothing is refused and nothing lost; both hear of it.
    assert_eq!((one.unsent(), two.unsent(), one.rows().len()), (0, 0, 11));
    assert_eq!(one.rows(), two.rows());
    assert!(one.aside().is_empty() && two.aside().is_empty());
    for phone in [&mut one, &mut two] {
        assert!(phone.look(&world).unwrap().flags.unwrap().copied);
    }
    world.restart_server();
    assert!(
        one.look(&world).unwrap().flags.unwrap().copied,
        "it is remembered"
    );
    assert!(world.verify().problems.is_empty());
}

#[test]
fn a_lost_answer_a_lost_commit_and_a_restored_phone_are_no_copies() {
    let mut world = World::new(113);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    let fates = [
        Fate::AnswerLost,
        Fate::AnswerCut,
        Fate::AnswerLate,
        Fate::RequestDoubled,
    ];
    for n in 0..60 {
        world.now_ms += 60_000;
        head.log(hamlet, world.now_ms);
        head.exchange(&world, fates[n % fates.len()]).unwrap();
        if n % 7 == 0 {
            world.restart_server();
        }
        if n % 5 == 0 {
            head.sync(&world);
        }
    }
    // The push arrives, and the disk forgets the last edit and everything after it.
    let mut before = head.copy();
    head.log(hamlet, world.now_ms + 1);
    assert_eq!(head.exchange(&world, Fate::AnswerLost).unwrap(), None);
    before.restart();
    before.sync(&world);
    // The phone is restored from a backup of long ago; the one that it was made of is at the bottom of the river.
    let mut backup = before.copy();
    for n in 0..5 {
        world.now_ms += 60_000;
        before.log(hamlet, world.now_ms + n);
        before.sync(&world);
    }
    for n in 0..5 {
        world.now_ms += 60_000;
        backup.log(hamlet, world.now_ms + n);
        backup.sync(&world);
    }
    assert_eq!((flagged(&world), backup.unsent()), (0, 0));
    assert_eq!(world.count("SELECT count(*) FROM assistance"), 71);
    assert_eq!(backup.rows().len(), 71);
    // Somebody fishes it out: now there are two.
    world.now_ms += 60_000;
    before.sync(&world);
    assert_eq!(flagged(&world), 1);
}

#[test]
fn a_server_that_went_back_takes_tokens_as_they_are() {
    let mut world = World::new(114);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    head.log(hamlet, world.now_ms);
    head.sync(&world);
    let backup = world.back_up("day-1.db");
    for n in 0..3 {
        world.now_ms += 60_000;
        head.log(hamlet, world.now_ms + n);
        head.sync(&world);
    }
    world.restore(&backup);
    for n in 0..3 {
        world.now_ms += 60_000;
        head.log(hamlet, world.now_ms + n);
        head.sync(&world);
    }
    assert_eq!((flagged(&world), head.rows().len()), (0, 7));
}
