//! Stories of directives: written and issued offline, received and answered offline, and never in dispute.

use langso_server::policy::{Grant, Role};
use langso_server::tree::{Tree, Unit};
use sync_core::edit::{DraftField, Edit, EditError, NewDraft, NewRemark};
use sync_core::ids::{Class, RecordId, UnitId};
use sync_core::local_store::ListQuery;
use sync_core::progress::Due;
use sync_core::projection::RowChange;
use sync_core::protocol::Item;
use sync_core::record::{Acknowledgement, Asks, Relation, RemarkKind, Stage, Targets, Urgency};
use sync_core::seal::SealedField;

use crate::harness::{Fate, Phone, World};

const DAY_MS: i64 = 24 * 3600 * 1000;

fn commune() -> UnitId {
    World::hamlet(100)
}

/// A commune with three hamlets.
fn tree() -> Tree {
    let unit = |id: UnitId, level: &str, parent: Option<UnitId>| Unit {
        id,
        level: level.into(),
        code: String::new(),
        name: id.to_string(),
        parent,
    };
    let hamlets = (1..=3).map(|n| unit(World::hamlet(n), "hamlet", Some(commune())));
    Tree::new(hamlets.chain([unit(commune(), "commune", None)])).unwrap()
}

fn official(world: &mut World) -> Phone {
    world.holder(&[Grant::new(commune(), Role::Official)], &tree())
}

fn head(world: &mut World, hamlet: UnitId) -> Phone {
    world.holder(&[Grant::new(hamlet, Role::Member)], &tree())
}

/// What a directive says that asks all below a unit.
pub(crate) fn fields(number: &str, unit: UnitId) -> Vec<DraftField> {
    vec![
        DraftField::Number(Some(number.into())),
        DraftField::Title("Ra quân hỗ trợ dịch vụ công".into()),
        DraftField::Urgency(Urgency::Normal),
        DraftField::Signer(Some("Chủ tịch UBND xã".into())),
        DraftField::Targets(Targets::subtree(unit)),
        DraftField::Asks(Asks::Read),
    ]
}

fn draft(phone: &mut Phone, number: &str, urgency: Urgency, deadline: Option<i64>, now_ms: i64) -> RecordId {
    let id = RecordId::from_parts(
        now_ms as u64,
        number.len() as u128 + u128::from(now_ms.unsigned_abs()),
    );
    let fields = vec![
        DraftField::Number(Some(number.into())),
        DraftField::Title("Ra quân hỗ trợ dịch vụ công".into()),
        DraftField::Urgency(urgency),
        DraftField::Deadline(deadline),
        DraftField::Signer(Some("Chủ tịch UBND xã".into())),
        DraftField::Targets(Targets::subtree(commune())),
        DraftField::Asks(Asks::Report),
    ];
    let new = NewDraft {
        id,
        unit: commune(),
        fields,
    };
    assert!(phone.edit(&Edit::StartDraft(Box::new(new)), now_ms).unwrap());
    id
}

fn events(phone: &mut Phone) -> Vec<Acknowledgement> {
    let rows = phone.replica().rows(Class::Acks, ListQuery::default()).unwrap();
    let events = rows.into_iter().map(|row| match row {
        RowChange::Acknowledgement(event) => *event,
        other => panic!("{other:?}"),
    });
    events.collect()
}

#[test]
fn a_directive_written_offline_is_received_by_itself_and_answered_offline() {
    let mut world = World::new(500);
    let (mut official, mut head) = (official(&mut world), head(&mut world, World::hamlet(1)));
    official.sync(&world);
    head.sync(&world);
    let deadline = world.now_ms + 3 * DAY_MS;
    let draft = draft(
        &mut official,
        "12/UBND-VX",
        Urgency::Urgent,
        Some(deadline),
        world.now_ms,
    );
    let id = official.issue(draft, world.now_ms);
    assert_eq!(official.unsent(), 2);
    official.sync(&world);

    head.sync(&world);
    let [received] = &events(&mut head)[..] else {
        panic!("the device says that it received, by itself")
    };
    assert_eq!((received.stage, received.previous), (Stage::Received, None));
    assert_eq!(head.unsent(), 0, "and it went up in the same going");
    let hamlet = World::hamlet(1);
    for (stage, note) in [
        (Stage::Opened, None),
        (Stage::Cannot, Some("mất điện")),
        (Stage::Done, None),
    ] {
        world.now_ms += 60_000;
        head.acknowledge(id, hamlet, stage, note, world.now_ms);
    }
    let mut chain: Vec<_> = events(&mut head);
    chain.sort_by_key(|event| event.at_ms);
    for pair in chain.windows(2) {
        assert_eq!(
            pair[1].previous,
            Some(pair[0].digest),
            "each event names the one before"
        );
    }
    head.sync(&world);
    official.sync(&world);
    assert_eq!(events(&mut official).len(), 4);
    assert_eq!(world.count("SELECT count(*) FROM acknowledgement"), 4);
    let mine = &head.replica().directives(world.now_ms).unwrap()[0];
    assert_eq!(
        (mine.progress.stage(), mine.due),
        (Some(Stage::Done), Due::Finished)
    );
    assert_eq!(world.verify().problems, []);
}

#[test]
fn what_is_due_is_known_offline_and_the_pressing_comes_first() {
    let mut world = World::new(501);
    let (mut official, mut head) = (official(&mut world), head(&mut world, World::hamlet(1)));
    official.sync(&world);
    let now_ms = world.now_ms;
    let drafts = [
        draft(
            &mut official,
            "1/UBND",
            Urgency::Normal,
            Some(now_ms + 20 * DAY_MS),
            now_ms,
        ),
        draft(
            &mut official,
            "2/UBND-A",
            Urgency::Normal,
            Some(now_ms + DAY_MS),
            now_ms + 1,
        ),
        draft(&mut official, "3/UBND-BC", Urgency::Flash, None, now_ms + 2),
    ];
    for draft in drafts {
        official.issue(draft, now_ms);
    }
    official.sync(&world);
    head.sync(&world);
    let mut shown = |now_ms| -> Vec<(String, Due)> {
        let pinned = head.replica().directives(now_ms).unwrap();
        pinned
            .into_iter()
            .map(|pinned| (pinned.directive.number, pinned.due))
            .collect()
    };
    let entry = |number: &str, due| (number.to_owned(), due);
    assert_eq!(
        shown(now_ms),
        [
            entry("3/UBND-BC", Due::Open),
            entry("2/UBND-A", Due::Soon),
            entry("1/UBND", Due::Open)
        ]
    );
    assert_eq!(shown(now_ms + 2 * DAY_MS)[1], entry("2/UBND-A", Due::Overdue));
}

#[test]
fn an_amendment_is_a_new_version_that_is_acknowledged_anew() {
    let mut world = World::new(502);
    let (mut official, mut head) = (official(&mut world), head(&mut world, World::hamlet(1)));
    official.sync(&world);
    let now_ms = world.now_ms;
    let first = draft(&mut official, "1/UBND", Urgency::Normal, None, now_ms);
    let first = official.issue(first, now_ms);
    official.sync(&world);
    head.sync(&world);
    head.acknowledge(first, World::hamlet(1), Stage::Done, None, now_ms);
    head.sync(&world);

    let second = draft(&mut official, "2/UBND-A", Urgency::Normal, None, now_ms + 1);
    let relate = Edit::ReviseDraft {
        record: second,
        fields: vec![DraftField::Relation(Some((Relation::Amends, first)))],
    };
    official.edit(&relate, now_ms).unwrap();
    let second = official.issue(second, now_ms + 2);
    official.sync(&world);
    head.sync(&world);
    let pinned = head.replica().directives(now_ms).unwrap();
    let of = |id| pinned.iter().find(|pinned| pinned.directive.id == id).unwrap();
    assert_eq!(of(first).due, Due::Superseded);
    assert_eq!(of(second).directive.issue.directive, first);
    assert_eq!(
        (of(second).directive.issue.version, of(second).due),
        (2, Due::Open)
    );
    assert_eq!(
        of(second).progress.stage(),
        Some(Stage::Received),
        "what was done for the first does not count"
    );
}

#[test]
fn one_number_issued_twice_offline_is_shown_to_the_unit() {
    let mut world = World::new(503);
    let (mut one, mut two) = (official(&mut world), official(&mut world));
    one.sync(&world);
    two.sync(&world);
    let a = draft(&mut one, "7/UBND-VX", Urgency::Normal, None, world.now_ms);
    let b = draft(&mut two, "7 / ubnd-vx", Urgency::Normal, None, world.now_ms + 1);
    let (a, b) = (one.issue(a, world.now_ms), two.issue(b, world.now_ms + 1));
    one.sync(&world);
    two.sync(&world);
    one.sync(&world);
    for (mine, other) in [(a, b), (b, a)] {
        let pinned = one.replica().directives(world.now_ms).unwrap();
        let mine = pinned.iter().find(|pinned| pinned.directive.id == mine).unwrap();
        assert_eq!(mine.same_number, [other]);
    }
}

#[test]
fn a_draft_is_issued_once_and_only_when_nothing_is_open() {
    let mut world = World::new(504);
    let mut official = official(&mut world);
    official.sync(&world);
    let id = draft(&mut official, "9/UBND", Urgency::Normal, None, world.now_ms);
    let clear = |fields| Edit::ReviseDraft { record: id, fields };
    official
        .edit(&clear(vec![DraftField::Number(None)]), world.now_ms)
        .unwrap();
    let issue = |official: &mut Phone, n: u64| {
        let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(n);
        official.replica().issue(id, 1_731_049_200_000, &mut rng)
    };
    assert_eq!(
        issue(&mut official, 1).unwrap_err().code(),
        EditError::NotReady(String::new()).code()
    );
    official
        .edit(
            &clear(vec![DraftField::Number(Some("9/UBND".into()))]),
            world.now_ms,
        )
        .unwrap();
    issue(&mut official, 1).unwrap();
    assert_eq!(issue(&mut official, 2).unwrap_err().code(), "not_ready");
}

#[test]
fn a_remark_is_seen_offline_and_answered_and_its_words_are_sealed() {
    let mut world = World::new(505);
    let hamlet = World::hamlet(1);
    let (mut official, mut head) = (official(&mut world), head(&mut world, hamlet));
    let record = head.log(hamlet, world.now_ms);
    head.sync(&world);
    official.sync(&world);
    let remark = |id: RecordId, kind, answers, words: &str| {
        Edit::Remark(Box::new(NewRemark {
            id,
            unit: hamlet,
            record,
            kind,
            answers,
            words: Some(words.into()),
        }))
    };
    let (asked, answered) = (RecordId::from_parts(1, 1), RecordId::from_parts(1, 2));
    let question = remark(asked, RemarkKind::Question, None, "Số điện thoại của bà Lan?");
    official.edit(&question, world.now_ms).unwrap();
    official.sync(&world);
    head.sync(&world);
    let answer = remark(answered, RemarkKind::Answer, Some(asked), "0912345678");
    head.edit(&answer, world.now_ms + 1).unwrap();
    assert_eq!(
        head.edit(
            &remark(RecordId::from_parts(1, 3), RemarkKind::Verified, None, "ok"),
            world.now_ms
        )
        .unwrap_err()
        .code(),
        "not_permitted"
    );
    head.sync(&world);
    official.sync(&world);
    let rows = official
        .replica()
        .rows(Class::Remarks, ListQuery::default())
        .unwrap();
    assert_eq!(rows.len(), 2);
    let RowChange::Remark(row) = &rows[0] else {
        panic!("a remark")
    };
    assert_eq!(row.answers, Some(asked));
    let opened = official.replica().words(row).unwrap();
    assert_eq!(opened.as_deref(), Some("0912345678"));
    assert!(row.sealed.contains_key(&SealedField::Note));
    assert_eq!(
        world.count("SELECT count(*) FROM remark WHERE CAST(note AS TEXT) LIKE '%0912345678%'"),
        0
    );
    assert_eq!(world.verify().problems, []);
}

/// The classes of the documents that a page brings, in its order.
fn classes(response: &sync_core::protocol::SyncResponse) -> Vec<Class> {
    let classes = response.items.iter().filter_map(|item| match item {
        Item::Tail { document, .. } | Item::Snapshot { document, .. } => Some(document.class()),
        _ => None,
    });
    classes.collect()
}

#[test]
fn a_directive_does_not_wait_behind_a_backlog_of_records() {
    let mut world = World::new(506);
    let hamlet = World::hamlet(1);
    let (mut official, mut head) = (official(&mut world), head(&mut world, hamlet));
    let mut other = world.holder(&[Grant::new(hamlet, Role::Member)], &tree());
    official.sync(&world);
    other.sync(&world);
    for _ in 0..300 {
        head.log(hamlet, world.now_ms);
    }
    head.sync(&world);
    let draft = draft(&mut official, "1/UBND", Urgency::Flash, None, world.now_ms);
    official.issue(draft, world.now_ms);
    official.exchange(&world, Fate::Delivered).unwrap();

    // On a bad network pages are small: the directive is in the first of many, and comes once.
    let lost = other.exchange(&world, Fate::RequestLost).unwrap();
    assert_eq!(lost, None);
    let first = other.look(&world).unwrap();
    assert_eq!(classes(&first)[0], Class::Board);
    assert!(first.more, "the backlog takes more than one page");
    let mut rest = Vec::new();
    for _ in 0..100 {
        let page = other.look(&world).unwrap();
        rest.extend(classes(&page));
        if !page.more {
            break;
        }
    }
    assert!(rest.contains(&Class::Ledger) && !rest.contains(&Class::Board));
    other.sync(&world);
    assert_eq!(other.rows().len(), 300);
    assert!(!other.replica().status().diverged);

    // A new phone gets boards before records, too.
    let mut fresh = world.holder(&[Grant::new(hamlet, Role::Member)], &tree());
    let first = fresh.look(&world).unwrap();
    assert_eq!(classes(&first)[0], Class::Board);
    fresh.sync(&world);
    assert_eq!(fresh.rows(), other.rows());
}

#[test]
fn what_is_urgent_comes_before_other_boards_whatever_was_issued_first() {
    let mut world = World::new(507);
    // A district above the commune: two boards.
    let district = World::hamlet(200);
    let unit = |id: UnitId, level: &str, parent: Option<UnitId>| Unit {
        id,
        level: level.into(),
        code: String::new(),
        name: id.to_string(),
        parent,
    };
    let hamlet = World::hamlet(1);
    let units = [
        unit(district, "district", None),
        unit(commune(), "commune", Some(district)),
        unit(hamlet, "hamlet", Some(commune())),
    ];
    let tree = Tree::new(units).unwrap();
    let mut leader = world.holder(&[Grant::new(district, Role::Official)], &tree);
    let mut official = world.holder(&[Grant::new(commune(), Role::Official)], &tree);
    let mut head = world.holder(&[Grant::new(hamlet, Role::Member)], &tree);
    for phone in [&mut leader, &mut official, &mut head] {
        phone.sync(&world);
    }
    // Many ordinary ones of the district, two of the commune of which the second is urgent, and more of the district.
    let mut issued = 0;
    let mut issue = |phone: &mut Phone, world: &World, unit: UnitId, urgency: Urgency| {
        issued += 1;
        let (id, now_ms) = (
            RecordId::from_parts(world.now_ms as u64, 7_000 + issued),
            world.now_ms,
        );
        let mut fields = fields(&format!("{issued}/UBND"), unit);
        fields.push(DraftField::Urgency(urgency));
        fields.push(DraftField::Body(Some("Kính gửi các thôn. ".repeat(40))));
        phone
            .edit(&Edit::StartDraft(Box::new(NewDraft { id, unit, fields })), now_ms)
            .unwrap();
        let id = phone.issue(id, now_ms);
        phone.sync(world);
        id
    };
    for _ in 0..12 {
        issue(&mut leader, &world, district, Urgency::Normal);
    }
    issue(&mut official, &world, commune(), Urgency::Normal);
    let urgent = issue(&mut official, &world, commune(), Urgency::Flash);
    issue(&mut leader, &world, district, Urgency::Normal);

    // On a bad network, page by page: first the commune's board up to what is urgent, then the rest, and nothing twice.
    let lost = head.exchange(&world, Fate::RequestLost).unwrap();
    assert_eq!(lost, None);
    let mut boards: Vec<UnitId> = Vec::new();
    let mut changes = 0;
    for _ in 0..200 {
        let page = head.look(&world).unwrap();
        for item in &page.items {
            if let Item::Tail {
                document,
                changes: tail,
                ..
            } = item
                && document.class() == Class::Board
            {
                boards.push(document.unit());
                changes += tail.len();
            }
        }
        if !page.more {
            break;
        }
    }
    assert_eq!(boards.first(), Some(&commune()), "{boards:?}");
    assert_eq!(changes, 15, "each once");
    let pinned = head.replica().directives(world.now_ms).unwrap();
    assert_eq!((pinned.len(), pinned[0].directive.id), (15, urgent));
    head.sync(&world);
    assert!(!head.replica().status().diverged);

    // A new phone gets that board first, too.
    let mut fresh = world.holder(&[Grant::new(hamlet, Role::Member)], &tree);
    let first = fresh.look(&world).unwrap();
    let documents = first.items.iter().find_map(|item| match item {
        Item::Tail { document, .. } | Item::Snapshot { document, .. } => Some(document.unit()),
        _ => None,
    });
    assert_eq!(documents, Some(commune()));
    fresh.sync(&world);
    assert_eq!(fresh.replica().directives(world.now_ms).unwrap().len(), 15);
}
