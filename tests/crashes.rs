//! Stories of death: of the phone between any two steps, of the server between commit and answer.

use crate::harness::store::Death;
use crate::harness::{Fate, World};

#[test]
fn a_server_that_dies_between_commit_and_answer_loses_and_doubles_nothing() {
    let mut world = World::new(40);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    let mut records = Vec::new();
    for round in 0..5 {
        records.push(head.log(hamlet, world.now_ms + round));
        assert_eq!(head.exchange(&world, Fate::AnswerLost).unwrap(), None);
        world.restart_server();
    }
    head.sync(&world);
    assert_eq!(head.unsent(), 0);
    assert_eq!(world.count("SELECT count(*) FROM change"), 5);
    let mut fresh = world.member(hamlet);
    fresh.sync(&world);
    assert_eq!(fresh.rows(), head.rows());
    assert_eq!(fresh.rows().into_keys().collect::<Vec<_>>().len(), records.len());
}

#[test]
fn a_phone_may_die_before_or_after_any_write() {
    let deaths = (0..12).flat_map(|n| [Death::BeforeWrite(n), Death::AfterWrite(n)]);
    for (seed, death) in deaths.enumerate() {
        let mut world = World::new(41 + seed as u64);
        let hamlet = World::hamlet(1);
        let (mut other, mut head) = (world.member(hamlet), world.member(hamlet));
        other.log(hamlet, world.now_ms);
        other.sync(&world);
        head.doom(death);
        let (mut saved, mut tried) = (Vec::new(), 0);
        for step in 0..10 {
            if step % 3 == 2 {
                if head.exchange(&world, Fate::Delivered).is_err() {
                    head.restart();
                }
                continue;
            }
            let new = head.new_assistance(hamlet, world.now_ms + step);
            let id = new.id;
            tried += 1;
            match head.edit(
                &sync_core::edit::Edit::LogAssistance(Box::new(new)),
                world.now_ms + step,
            ) {
                Ok(_) => saved.push(id),
                Err(_) => head.restart(),
            }
        }
        head.restart();
        head.sync(&world);
        other.sync(&world);
        assert_eq!(head.unsent(), 0, "{death:?}");
        let rows = head.rows();
        assert!(
            saved.iter().all(|id| rows.contains_key(id)),
            "what was called saved is there: {death:?}"
        );
        assert!(rows.len() <= tried + 1);
        assert_eq!(rows, other.rows(), "{death:?}");
        assert_eq!(world.count("SELECT count(*) FROM assistance"), rows.len() as i64);
    }
}
