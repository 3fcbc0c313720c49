//! Stories of permission and the way down.

use sync_core::ids::{Class, Scope, UnitId};
use sync_core::protocol::{Item, ScopeSet};

use crate::harness::{Phone, World};

fn grant(phone: &mut Phone, hamlets: &[UnitId]) {
    let read = hamlets
        .iter()
        .map(|unit| Scope {
            unit: *unit,
            class: Class::Ledger,
        })
        .collect();
    let set = ScopeSet {
        read,
        ..phone.access.set.clone()
    };
    phone.access = set.into();
}

#[test]
fn a_grant_behind_the_cursor_is_backfilled_and_a_lost_scope_is_gone() {
    let mut world = World::new(20);
    let (one, two) = (World::hamlet(1), World::hamlet(2));
    let (mut first, mut second) = (world.member(one), world.member(two));
    let mut official = world.reader(&[one], true);
    for _ in 0..20 {
        first.log(one, world.now_ms);
        second.log(two, world.now_ms);
    }
    first.sync(&world);
    second.sync(&world);
    official.sync(&world);
    assert_eq!(official.rows().len(), 20);

    grant(&mut official, &[one, two]);
    first.log(one, world.now_ms);
    first.sync(&world);
    official.sync(&world);
    assert_eq!(official.rows().len(), 41);
    assert_eq!(
        official
            .replica()
            .personal(&second.rows().into_values().next().unwrap())
            .unwrap()
            .0
            .len(),
        2
    );

    grant(&mut official, &[two]);
    official.sync(&world);
    assert_eq!(official.rows(), second.rows());

    second.log(two, world.now_ms);
    second.sync(&world);
    official.sync(&world);
    assert_eq!(official.rows().len(), 21);
    assert!(!official.replica().status().diverged);
}

#[test]
fn a_reader_without_the_right_to_personal_data_never_gets_a_key() {
    let mut world = World::new(21);
    let hamlet = World::hamlet(1);
    let (mut head, mut auditor) = (world.member(hamlet), world.reader(&[hamlet], false));
    let mut records: Vec<_> = (0..10).map(|_| head.log(hamlet, world.now_ms)).collect();
    head.sync(&world);
    for round in 0..3 {
        let response = auditor.look(&world).unwrap();
        for item in &response.items {
            match item {
                Item::Tail { keys, .. } | Item::Snapshot { keys, .. } => {
                    assert!(keys.is_empty(), "round {round}")
                }
                _ => {}
            }
        }
        records.push(head.log(hamlet, world.now_ms));
        head.sync(&world);
    }
    auditor.sync(&world);
    assert_eq!(auditor.rows(), head.rows());
    for record in records {
        assert!(!auditor.replica().has_key(record).unwrap());
        let row = auditor.rows().remove(&record).unwrap();
        assert_eq!(row.sealed.len(), 2, "it is seen that there is something");
        assert!(auditor.replica().personal(&row).unwrap().0.is_empty());
    }
}

#[test]
fn a_pull_loads_no_document() {
    let mut world = World::new(22);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    for _ in 0..10 {
        head.log(hamlet, world.now_ms);
    }
    head.sync(&world);
    world.restart_server();
    let mut official = world.reader(&[hamlet], true);
    official.sync(&world);
    assert_eq!(official.rows().len(), 10);
    assert_eq!(world.server().documents().loaded(), 0);
}
