//! Stories of the log as the truth: everything else follows from it, and is found out where it does not.

use langso_server::verify::{Fault, rebuild};
use sync_core::edit::{AssistanceField, Edit, Otherwise};

use crate::harness::World;

/// A hamlet with two phones, amendments, a conflict, one that was settled, and a retry that mixes old and new changes in one batch.
fn lived_in() -> World {
    let mut world = World::new(60);
    let hamlet = World::hamlet(1);
    let (mut one, mut two) = (world.member(hamlet), world.member(hamlet));
    let record = one.log(hamlet, world.now_ms);
    // The answer is lost: the next batch holds a change that is there and one that is not.
    one.exchange(&world, crate::harness::Fate::AnswerLost).unwrap();
    one.log(hamlet, world.now_ms + 1);
    one.sync(&world);
    two.sync(&world);
    one.amend(record, AssistanceField::Outcome("a".into()), world.now_ms + 2);
    two.amend(record, AssistanceField::Outcome("b".into()), world.now_ms + 3);
    one.sync(&world);
    two.sync(&world);
    one.sync(&world);
    one.amend(record, AssistanceField::Minutes(Some(10)), world.now_ms + 4);
    two.amend(record, AssistanceField::Minutes(Some(20)), world.now_ms + 5);
    two.sync(&world);
    one.sync(&world);
    let settle = Edit::SettleOtherwise {
        record,
        field: Otherwise::Field(AssistanceField::Minutes(Some(15))),
    };
    one.edit(&settle, world.now_ms + 6).unwrap();
    one.sync(&world);
    world.index();
    world
}

#[test]
fn a_store_is_what_its_log_says() {
    let world = lived_in();
    let report = world.verify();
    assert_eq!(report.problems, []);
    assert_eq!((report.documents, report.changes, report.rows), (1, 7, 4));
    // The changes of the retry were signed together, the known one included.
    assert_eq!(
        world.count("SELECT count(*) FROM entry WHERE length(known) = 34"),
        1
    );
}

#[test]
fn whatever_does_not_follow_from_the_log_is_found() {
    let rows = |table, missing, extra| Fault::Rows {
        table,
        missing,
        extra,
    };
    let cases = [
        ("DELETE FROM assistance", rows("assistance", 2, 0)),
        (
            "UPDATE assistance SET outcome = 'c' WHERE outcome <> 'hoan_thanh'",
            rows("assistance", 1, 1),
        ),
        ("DELETE FROM daily", rows("daily", 2, 0)),
        (
            "INSERT INTO remark_open VALUES (zeroblob(16), zeroblob(16), 1)",
            rows("remark_open", 0, 1),
        ),
        (
            "DELETE FROM search_record WHERE id = (SELECT min(id) FROM search_record)",
            Fault::Search,
        ),
        (
            "DELETE FROM search WHERE rowid = (SELECT max(id) FROM search_record)",
            Fault::Search,
        ),
        (
            "INSERT INTO search (rowid, tokens) VALUES (7, 'f')",
            Fault::Search,
        ),
        ("UPDATE assistance SET category = 'khac'", Fault::Search),
        ("UPDATE search_record SET id = id + (1 << 21)", Fault::Search),
        (
            "UPDATE daily SET people = people + 1 WHERE outcome = 'hoan_thanh'",
            rows("daily", 1, 1),
        ),
        ("DELETE FROM conflict", rows("conflict", 1, 0)),
        ("DELETE FROM settlement", rows("settlement", 1, 0)),
        ("UPDATE settlement SET chosen = NULL", rows("settlement", 1, 1)),
        (
            "INSERT INTO conflict SELECT record, 'note', unit, document, \"values\" FROM conflict",
            rows("conflict", 0, 1),
        ),
        ("UPDATE document SET changes = 5", Fault::Count),
        (
            "UPDATE change SET position = 9 WHERE position = 2",
            Fault::Index(2),
        ),
        (
            "UPDATE actor SET device = zeroblob(16) WHERE id = 2",
            Fault::Index(4),
        ),
        ("INSERT INTO change VALUES (1, 77, 78)", Fault::IndexExtra(1)),
        (
            "UPDATE entry SET signature = zeroblob(64) WHERE last = 1",
            Fault::Signature(1),
        ),
        ("UPDATE entry SET known = x'' WHERE last = 2", Fault::Signature(2)),
        (
            "UPDATE entry SET account = zeroblob(16) WHERE last = 3",
            Fault::Signature(3),
        ),
        ("INSERT INTO snapshot VALUES (1, 4, 4, x'00')", Fault::Snapshot),
    ];
    for (sql, fault) in cases {
        let world = lived_in();
        world.tamper(sql);
        let faults: Vec<Fault> = world
            .verify()
            .problems
            .into_iter()
            .map(|problem| problem.fault)
            .collect();
        assert!(faults.contains(&fault), "{sql}: {faults:?}");
    }
    let world = lived_in();
    world.tamper("UPDATE entry SET changes = x'00' WHERE last = 3");
    let faults = world.verify().problems;
    assert!(matches!(faults[0].fault, Fault::Replay(_)), "{faults:?}");
}

#[test]
fn rows_are_derived_again_from_the_log() {
    let world = lived_in();
    world.tamper("DELETE FROM conflict; DELETE FROM settlement; DELETE FROM daily; DELETE FROM search; DELETE FROM assistance WHERE outcome = 'hoan_thanh'; UPDATE assistance SET people = 9");
    assert!(!world.verify().problems.is_empty());
    let master = world.server().ingest.master.clone();
    let rebuilt = world
        .server()
        .store
        .write_blocking(move |tx| rebuild(tx, &master));
    assert_eq!(rebuilt.unwrap(), 1);
    assert_eq!(world.verify().problems, []);
}
