//! Stories of disagreement: nobody's edit silently overrides another's.

use sync_core::edit::{AssistanceField, Edit, Otherwise};
use sync_core::record::Scalar;

use crate::harness::World;

#[test]
fn concurrent_edits_of_one_field_are_both_readable_until_a_person_chooses() {
    let mut world = World::new(10);
    let hamlet = World::hamlet(1);
    let (mut a, mut b) = (world.member(hamlet), world.member(hamlet));
    let mut official = world.reader(&[hamlet], false);
    let record = a.log(hamlet, world.now_ms);
    a.sync(&world);
    b.sync(&world);
    a.amend(
        record,
        AssistanceField::Outcome("dang_xu_ly".into()),
        world.now_ms + 1,
    );
    b.amend(
        record,
        AssistanceField::Outcome("that_bai".into()),
        world.now_ms + 2,
    );
    a.sync(&world);
    b.sync(&world);
    a.sync(&world);
    official.sync(&world);
    assert_eq!(a.rows(), b.rows());
    assert_eq!(a.rows(), official.rows());
    let row = a.rows().remove(&record).unwrap();
    let [conflict] = row.conflicts.as_slice() else {
        panic!("one conflict: {:?}", row.conflicts)
    };
    let mut said: Vec<_> = conflict
        .values
        .iter()
        .map(|value| (value.by, value.value.clone(), value.at_ms))
        .collect();
    said.sort_by_key(|(_, _, at_ms)| *at_ms);
    assert_eq!(
        said,
        vec![
            (
                a.identity.account,
                Scalar::Text("dang_xu_ly".into()),
                world.now_ms + 1
            ),
            (
                b.identity.account,
                Scalar::Text("that_bai".into()),
                world.now_ms + 2
            ),
        ]
    );
    assert_eq!(world.count("SELECT count(*) FROM conflict"), 1);

    let settle = Edit::SettleConflict {
        record,
        field: "outcome".into(),
        value: Scalar::Text("dang_xu_ly".into()),
    };
    b.edit(&settle, world.now_ms + 3).unwrap();
    b.sync(&world);
    a.sync(&world);
    assert_eq!(a.rows()[&record].outcome, "dang_xu_ly");
    assert!(a.rows()[&record].conflicts.is_empty());
    assert_eq!(world.count("SELECT count(*) FROM conflict"), 0);
}

#[test]
fn two_people_who_write_the_same_do_not_disagree() {
    let mut world = World::new(11);
    let hamlet = World::hamlet(1);
    let (mut a, mut b) = (world.member(hamlet), world.member(hamlet));
    let record = a.log(hamlet, world.now_ms);
    a.sync(&world);
    b.sync(&world);
    let note = AssistanceField::Personal(sync_core::seal::SealedField::Note, Some("đã hẹn lại".into()));
    a.amend(record, note.clone(), world.now_ms);
    b.amend(record, note, world.now_ms);
    a.sync(&world);
    b.sync(&world);
    let row = b.rows().remove(&record).unwrap();
    assert!(row.conflicts.is_empty());
    assert_eq!(b.replica().personal(&row).unwrap().0.len(), 3);
}

#[test]
fn an_official_settles_a_conflict_and_writes_nothing_else() {
    let mut world = World::new(53);
    let hamlet = World::hamlet(1);
    let (mut one, mut two) = (world.member(hamlet), world.member(hamlet));
    let record = one.log(hamlet, world.now_ms);
    one.sync(&world);
    two.sync(&world);
    one.amend(record, AssistanceField::Outcome("a".into()), world.now_ms);
    two.amend(record, AssistanceField::Outcome("b".into()), world.now_ms);
    one.sync(&world);
    two.sync(&world);
    let mut official = world.official(hamlet);
    official.sync(&world);
    let value = official.rows()[&record].conflicts[0].values[1].value.clone();
    let settle = Edit::SettleConflict {
        record,
        field: "outcome".into(),
        value,
    };
    assert!(official.edit(&settle, world.now_ms).unwrap());
    let amend = Edit::AmendAssistance {
        record,
        fields: vec![AssistanceField::People(9)],
    };
    assert_eq!(
        official.edit(&amend, world.now_ms).unwrap_err().code(),
        "not_permitted"
    );
    official.sync(&world);
    assert_eq!(official.unsent(), 0);
    one.sync(&world);
    assert!(one.rows()[&record].conflicts.is_empty());
    assert_eq!(one.rows(), official.rows());
    assert_eq!(world.verify().problems, []);
}

#[test]
fn an_official_says_what_is_right_where_both_are_wrong_and_what_had_been_said_is_kept() {
    let mut world = World::new(54);
    let hamlet = World::hamlet(1);
    let (mut one, mut two) = (world.member(hamlet), world.member(hamlet));
    let record = one.log(hamlet, world.now_ms);
    one.sync(&world);
    two.sync(&world);
    let mut official = world.official(hamlet);
    official.sync(&world);
    let right = |people| Edit::SettleOtherwise {
        record,
        field: Otherwise::Field(AssistanceField::People(people)),
    };
    let early = official.edit(&right(7), world.now_ms);
    assert_eq!(
        early.unwrap_err().code(),
        "no_such_conflict",
        "where nobody disagrees, the team alone corrects"
    );
    one.amend(record, AssistanceField::People(3), world.now_ms);
    two.amend(record, AssistanceField::People(5), world.now_ms);
    one.sync(&world);
    two.sync(&world);
    official.sync(&world);
    assert!(official.edit(&right(7), world.now_ms + 1).unwrap());
    official.sync(&world);
    assert_eq!(official.unsent(), 0, "the server takes it as a settlement");
    one.sync(&world);
    assert_eq!(one.rows()[&record].people, 7);
    assert!(one.rows()[&record].conflicts.is_empty());
    assert_eq!(world.count("SELECT count(*) FROM conflict"), 0);
    assert_eq!(
        world.count("SELECT count(*) FROM settlement WHERE field = 'people'"),
        1
    );

    // Who had not seen it disagrees again; what was settled before stays.
    two.amend(record, AssistanceField::People(6), world.now_ms + 2);
    two.sync(&world);
    assert_eq!(world.count("SELECT count(*) FROM conflict"), 1);
    assert_eq!(
        world.count("SELECT count(*) FROM settlement"),
        2,
        "it had seen both values, and settled them too"
    );
    assert_eq!(world.verify().problems, []);
}
