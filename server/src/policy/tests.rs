use std::collections::BTreeSet;

use sync_core::ids::{Month, RealmId, Scope};
use sync_core::protocol::ScopeSet;

use super::*;
use crate::tree::Unit;

fn id(n: u64) -> UnitId {
    UnitId::from_parts(n, 0)
}

/// 1 district ▸ 2, 3 communes ▸ 4, 5 hamlets of 2, 6 of 3.
fn tree() -> Tree {
    let unit = |n: u64, parent: Option<u64>| Unit {
        id: id(n),
        level: "x".into(),
        code: String::new(),
        name: n.to_string(),
        parent: parent.map(id),
    };
    Tree::new([
        unit(1, None),
        unit(2, Some(1)),
        unit(3, Some(1)),
        unit(4, Some(2)),
        unit(5, Some(2)),
        unit(6, Some(3)),
    ])
    .unwrap()
}

fn access(role: Role, unit: u64) -> Access {
    Access::of(
        &[Grant::new(id(unit), role)],
        &tree(),
        RealmId::from_parts(1, 1),
        Month(0),
    )
}

/// Each line: a role, where it is held, a unit, the classes read there, those written, those settled, those answered in.
#[test]
fn every_role_in_every_place_gets_what_the_table_says() {
    use Class::{Acks, Board, Catalogue, Directory, Drafts, Ledger, Remarks};
    type Row<'a> = (Role, u64, u64, &'a [Class], &'a [Class], &'a [Class], &'a [Class]);
    let all = &[Ledger, Acks, Board, Remarks, Directory];
    let issuing = &[Ledger, Acks, Drafts, Board, Remarks, Directory];
    let table: &[Row<'_>] = &[
        (Role::Member, 4, 4, all, &[Ledger, Acks], &[], &[Remarks]),
        (Role::Member, 4, 5, &[], &[], &[], &[]),
        (Role::Member, 4, 2, &[Board, Directory], &[], &[], &[]),
        (Role::Member, 4, 3, &[], &[], &[], &[]),
        (Role::Member, 4, 1, &[Board, Directory, Catalogue], &[], &[], &[]),
        // A role held in a commune as a member does not reach the hamlets.
        (Role::Member, 2, 4, &[], &[], &[], &[]),
        (Role::Official, 2, 4, all, &[Remarks], &[Ledger], &[]),
        (
            Role::Official,
            2,
            2,
            issuing,
            &[Acks, Drafts, Board, Remarks],
            &[Ledger],
            &[],
        ),
        (Role::Official, 2, 6, &[], &[], &[], &[]),
        (
            Role::Official,
            2,
            1,
            &[Board, Directory, Catalogue],
            &[],
            &[],
            &[],
        ),
        // Nobody above reads what is not issued yet.
        (Role::Leader, 1, 2, all, &[Remarks], &[Ledger], &[]),
        (Role::Leader, 1, 6, all, &[Remarks], &[Ledger], &[]),
        (Role::Admin, 1, 6, all, &[], &[], &[]),
        (Role::Admin, 2, 6, &[], &[], &[], &[]),
        (Role::Auditor, 1, 4, all, &[], &[], &[]),
        (Role::Auditor, 3, 4, &[], &[], &[], &[]),
    ];
    for (role, held_in, unit, reads, writes, settles, answers) in table {
        let access = access(*role, *held_in);
        for class in Class::ALL {
            let scope = Scope {
                unit: id(*unit),
                class,
            };
            let line = format!("{role:?} in {held_in}, {class:?} of {unit}");
            assert_eq!(
                access.set.read.contains(&scope),
                reads.contains(&class),
                "reads: {line}"
            );
            let (writes, settles, answers) = (
                writes.contains(&class),
                settles.contains(&class),
                answers.contains(&class),
            );
            for kind in [EditKind::Create, EditKind::Amend, EditKind::Retract] {
                assert_eq!(access.may_edit(scope, kind, 0), writes, "{kind:?}: {line}");
            }
            assert_eq!(
                access.may_edit(scope, EditKind::Settle, 0),
                writes || settles,
                "settles: {line}"
            );
            assert_eq!(
                access.may_edit(scope, EditKind::Reply, 0),
                writes || answers,
                "answers: {line}"
            );
            assert_eq!(
                access.write(scope).is_some(),
                writes || settles || answers,
                "permit: {line}"
            );
        }
    }
}

#[test]
fn citizens_data_is_for_those_who_work_with_the_citizens() {
    let expected = |role| matches!(role, Role::Member | Role::Official | Role::Leader);
    for role in Role::ALL {
        assert_eq!(access(role, 2).set.personal_read, expected(role), "{role:?}");
        let permit = read_records(&[Grant::new(id(2), role)], &tree(), None).unwrap();
        assert_eq!(permit.personal(), expected(role), "{role:?}");
    }
    // One role that may not is enough where keys cannot be told apart.
    let mixed = [Grant::new(id(4), Role::Member), Grant::new(id(3), Role::Auditor)];
    assert!(
        !Access::of(&mixed, &tree(), RealmId::from_parts(1, 1), Month(0))
            .set
            .personal_read
    );
    assert!(read_records(&mixed, &tree(), Some(id(4))).unwrap().personal());
}

#[test]
fn without_a_role_nothing_exists() {
    let none = Access::of(&[], &tree(), RealmId::from_parts(1, 1), Month(0));
    assert!(none.set.read.is_empty() && none.set.write.is_empty() && !none.set.personal_read);
    assert!(read_records(&[], &tree(), None).is_none());
    let member = [Grant::new(id(4), Role::Member)];
    assert!(read_records(&member, &tree(), Some(id(5))).is_none());
    assert!(read_records(&member, &tree(), Some(id(2))).is_none());
    assert!(read_records(&member, &tree(), Some(id(99))).is_none());
    assert!(read_overview(&member, &tree()).is_none());
}

#[test]
fn an_overview_reaches_the_subtree_of_the_role_and_nothing_else() {
    let official = [Grant::new(id(2), Role::Official)];
    assert_eq!(
        read_overview(&official, &tree()).unwrap().units(),
        &BTreeSet::from([id(2), id(4), id(5)])
    );
    let below = read_records(&official, &tree(), Some(id(5))).unwrap();
    assert_eq!(below.units(), &BTreeSet::from([id(5)]));
}

#[test]
fn the_right_to_citizens_data_is_held_apart_from_the_role() {
    let with = |role, personal| Grant {
        unit: id(2),
        role,
        personal,
    };
    let admin = [with(Role::Admin, Personal::Read)];
    assert!(read_records(&admin, &tree(), Some(id(4))).unwrap().personal());
    let official = [with(Role::Official, Personal::Sealed)];
    assert!(!read_records(&official, &tree(), Some(id(4))).unwrap().personal());
    assert!(
        !Access::of(&official, &tree(), RealmId::from_parts(1, 1), Month(0))
            .set
            .personal_read
    );
}

#[test]
fn what_was_inherited_is_read_and_settled_but_not_written() {
    // 7 was a hamlet that went into 4, 8 a commune that went into 2.
    let tree = tree().with_successors([(id(7), id(4)), (id(8), id(2))]);
    let access = |role, unit| {
        Access::of(
            &[Grant::new(id(unit), role)],
            &tree,
            RealmId::from_parts(1, 1),
            Month(0),
        )
    };
    let scope = |unit, class| Scope {
        unit: id(unit),
        class,
    };
    let team = access(Role::Member, 4);
    assert!(team.set.read.contains(&scope(7, Class::Ledger)));
    assert!(!team.may_edit(scope(7, Class::Ledger), EditKind::Create, 0));
    let official = access(Role::Official, 2);
    assert!(official.set.read.contains(&scope(8, Class::Board)));
    assert!(official.may_edit(scope(7, Class::Ledger), EditKind::Settle, 0));
    let elsewhere = access(Role::Official, 3);
    assert!(!elsewhere.set.read.contains(&scope(7, Class::Ledger)));
    let permit = read_records(&[Grant::new(id(2), Role::Official)], &tree, Some(id(4))).unwrap();
    assert_eq!(permit.units(), &BTreeSet::from([id(4), id(7)]));
    assert!(read_records(&[Grant::new(id(3), Role::Official)], &tree, Some(id(7))).is_none());
}

#[test]
fn what_nobody_inherited_is_judged_by_who_judges_the_whole_realm() {
    // 9 was a level that ended; 8 had gone into it before.
    let tree = tree().with_successors([(id(8), id(9))]).with_orphans([id(9)]);
    let judged = |role, unit, asked| {
        let grants = [Grant::new(id(unit), role)];
        permit_read(&grants, &tree, Action::Judge, asked)
    };
    let leader = judged(Role::Leader, 1, None).unwrap();
    assert!(leader.units().is_superset(&BTreeSet::from([id(8), id(9), id(4)])));
    let alone = judged(Role::Leader, 1, Some(id(9))).unwrap();
    assert_eq!(alone.units(), &BTreeSet::from([id(9)]));
    assert!(judged(Role::Official, 2, Some(id(9))).is_none());
    assert!(judged(Role::Admin, 1, Some(id(9))).is_none());
    let reads = permit_read(
        &[Grant::new(id(1), Role::Leader)],
        &tree,
        Action::ReadRecords,
        Some(id(9)),
    );
    assert!(reads.is_none(), "and for nothing else");
}

#[test]
fn an_edit_is_judged_as_of_its_own_date() {
    let scope = |unit| Scope {
        unit: id(unit),
        class: Class::Ledger,
    };
    let now = access(Role::Member, 4);
    let before = access(Role::Member, 5);
    let access = Access {
        past: vec![Past {
            from_ms: 100,
            until_ms: 200,
            set: before.set,
        }],
        ..now
    };
    assert!(access.may_edit(scope(4), EditKind::Create, 0));
    assert!(
        access.may_edit(scope(5), EditKind::Create, 100) && access.may_edit(scope(5), EditKind::Create, 199)
    );
    assert!(
        !access.may_edit(scope(5), EditKind::Create, 99) && !access.may_edit(scope(5), EditKind::Create, 200)
    );
    assert!(access.write(scope(5)).is_some() && access.write(scope(6)).is_none());
    assert!(
        !ScopeSet::may_edit(&access.set, &scope(5), EditKind::Create),
        "the phone is told what holds today"
    );
}

#[test]
fn management_is_the_admins_and_the_audit_is_read_by_who_only_reads() {
    let who = |action| -> Vec<Role> {
        Role::ALL
            .into_iter()
            .filter(|role| may(*role, action, Place::Below))
            .collect()
    };
    for action in [Action::ManageUnits, Action::ManageAccounts, Action::ManageDevices] {
        assert_eq!(who(action), [Role::Admin]);
        assert!(!may(Role::Admin, action, Place::Above) && !may(Role::Admin, action, Place::Elsewhere));
    }
    assert_eq!(who(Action::ReadAudit), [Role::Admin, Role::Auditor]);
    assert_eq!(who(Action::Judge), [Role::Official, Role::Leader]);
}
