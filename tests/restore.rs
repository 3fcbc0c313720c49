//! Stories of a server that goes back in time: what phones had delivered since comes back, once.

use sync_core::edit::AssistanceField;

use crate::harness::World;

const DAY_MS: i64 = 24 * 3600 * 1000;

#[test]
fn a_day_of_work_comes_back_from_the_phones_once() {
    let mut world = World::new(130);
    let hamlet = World::hamlet(1);
    let (mut head, mut other) = (world.member(hamlet), world.member(hamlet));
    let mut official = world.reader(&[hamlet], true);
    let first = head.log(hamlet, world.now_ms);
    head.sync(&world);
    other.sync(&world);
    official.sync(&world);
    let backup = world.back_up("day-1.db");
    let before = world.server().epoch();

    world.now_ms += DAY_MS;
    let second = head.log(hamlet, world.now_ms);
    head.sync(&world);
    other.sync(&world);
    // The second phone's work stands on the first one's.
    other.amend(second, AssistanceField::Outcome("w1".into()), world.now_ms + 1);
    other.amend(first, AssistanceField::Outcome("w2".into()), world.now_ms + 2);
    let third = other.log(hamlet, world.now_ms + 3);
    other.sync(&world);
    let mut fresh = world.member(hamlet);
    let fourth = fresh.log(hamlet, world.now_ms + 4);
    fresh.sync(&world);
    head.sync(&world);
    head.amend(third, AssistanceField::People(7), world.now_ms + 5);
    head.sync(&world);
    official.sync(&world);
    let everything = official.rows();
    assert_eq!(everything.len(), 4);
    let offline = fresh.log(hamlet, world.now_ms + 6);

    world.restore(&backup);
    let after = world.server().epoch();
    assert_ne!(after.id, before.id);
    assert_eq!(
        after.parent.map(|parent| (parent.id, parent.at)),
        Some((before.id, 1))
    );
    assert_eq!(world.count("SELECT count(*) FROM assistance"), 1);
    // The phone that was enrolled on the second day is unknown: it reads nothing, and delivers into quarantine.
    fresh.access.set.read.clear();
    fresh.access.set.write.clear();
    world.now_ms += DAY_MS / 24;
    // Whoever comes first cannot deliver what stands on others' work, and keeps it until they came.
    for _ in 0..2 {
        for phone in [&mut other, &mut fresh, &mut head] {
            phone.sync(&world);
            phone.restart();
        }
    }
    // What stands on the unknown phone's work waits for it for a day, and is written again without it.
    assert_eq!(head.replica().status().refused, 0);
    world.now_ms += DAY_MS;
    for phone in [&mut head, &mut other] {
        phone.sync(&world);
        assert_eq!((phone.unsent(), phone.aside().len()), (0, 0));
    }
    other.sync(&world);
    official.sync(&world);
    official.sync(&world);
    let mut expected = everything;
    expected.remove(&fourth);
    assert_eq!(official.rows(), expected);
    assert_eq!(official.rows()[&third].people, 7);
    assert_eq!(world.count("SELECT count(*) FROM assistance"), 3);
    assert_eq!(world.count("SELECT count(*) FROM change"), 6);
    for phone in [&mut other, &mut head, &mut official] {
        assert_eq!(phone.rows(), expected);
        let response = phone.look(&world).unwrap();
        assert!(response.items.is_empty() && response.digest.is_none() && response.receipts.is_empty());
    }
    assert!(world.count("SELECT count(*) FROM quarantine WHERE reason = 'not_permitted'") > 0);
    assert_eq!(fresh.aside()[0].record, offline);
    assert!(
        fresh.rows().contains_key(&fourth),
        "and its phone keeps everything"
    );
    assert!(world.verify().problems.is_empty());
}

#[test]
fn a_file_that_was_copied_back_is_noticed_by_a_cursor_beyond_its_head() {
    let mut world = World::new(131);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    head.log(hamlet, world.now_ms);
    head.sync(&world);
    let backup = world.back_up("day-1.db");
    let before = world.server().epoch();
    for n in 0..5 {
        head.log(hamlet, world.now_ms + 1 + n);
    }
    head.sync(&world);
    head.sync(&world);
    world.copy_back(&backup);
    assert_eq!(world.server().epoch(), before, "the file itself says nothing");
    head.sync(&world);
    let after = world.server().epoch();
    assert_eq!(
        after.parent.map(|parent| (parent.id, parent.at)),
        Some((before.id, 1))
    );
    assert_eq!(world.count("SELECT count(*) FROM assistance"), 6);
    assert_eq!(head.unsent(), 0);
    // The new epoch survives a restart, and is no news the next time.
    world.restart_server();
    assert_eq!(world.server().epoch(), after);
    let response = head.look(&world).unwrap();
    assert!(response.items.is_empty() && response.receipts.is_empty() && response.cursor.is_none());
}

#[test]
fn what_others_never_bring_back_blocks_nobody_for_longer_than_a_day() {
    let mut world = World::new(132);
    let hamlet = World::hamlet(1);
    let (mut gone, mut head) = (world.member(hamlet), world.member(hamlet));
    let backup = world.back_up("day-1.db");
    let lost = gone.log(hamlet, world.now_ms);
    gone.sync(&world);
    head.sync(&world);
    head.amend(lost, AssistanceField::People(3), world.now_ms);
    let own = head.log(hamlet, world.now_ms);
    head.sync(&world);
    world.restore(&backup);
    head.sync(&world);
    let waiting = head.log(hamlet, world.now_ms + 1);
    head.sync(&world);
    assert_eq!(head.unsent(), 1, "it waits for the one that its past stands on");
    world.now_ms += 2 * DAY_MS;
    head.restart();
    head.sync(&world);
    let mut official = world.reader(&[hamlet], true);
    official.sync(&world);
    let mut expected = vec![own, waiting];
    expected.sort();
    assert_eq!(official.rows().into_keys().collect::<Vec<_>>(), expected);
    // What it said about the record that nobody has any more is kept on the phone, and shown.
    let aside = head.aside();
    assert_eq!(aside.len(), 1);
    assert_eq!(
        (aside[0].record, aside[0].refused.code.as_str()),
        (lost, "record_missing")
    );
    assert_eq!(head.look(&world).unwrap().digest, None);
}

#[test]
fn a_backup_is_of_one_moment_while_phones_deliver() {
    const PHONES: usize = 4;
    const EACH: usize = 40;
    let mut world = World::new(133);
    let hamlet = World::hamlet(1);
    let mut phones: Vec<_> = (0..PHONES).map(|_| world.member(hamlet)).collect();
    let backups: Vec<_> = std::thread::scope(|scope| {
        let world = &world;
        let delivering: Vec<_> = phones
            .iter_mut()
            .map(|phone| {
                // One exchange after the other, so that there are many moments.
                scope.spawn(move || {
                    for n in 0..EACH {
                        phone.log(hamlet, world.now_ms + n as i64);
                        phone.sync(world);
                    }
                })
            })
            .collect();
        (0..)
            .take_while(|_| !delivering.iter().all(|one| one.is_finished()))
            .map(|n| world.back_up(&format!("{n}.db")))
            .collect()
    });
    let changes: Vec<usize> = backups
        .iter()
        .map(|backup| {
            let store = langso_server::store::Store::open(backup).unwrap();
            let master = &world.server().ingest.master;
            let report = store
                .read_blocking(|conn| langso_server::verify::verify(conn, master))
                .unwrap();
            assert!(report.problems.is_empty(), "{:?}", report.problems);
            let sql = "SELECT count(*) FROM change";
            let count = store.read_blocking(|conn| conn.query_row(sql, [], |row| row.get(0)));
            count.unwrap()
        })
        .collect();
    assert!(changes.is_sorted(), "{changes:?}");
    assert!(
        changes.iter().any(|count| (1..PHONES * EACH).contains(count)),
        "none fell into the middle: {changes:?}"
    );
}

#[test]
fn only_a_whole_backup_of_ours_is_restored() {
    use langso_server::restore::{RestoreError, restore};
    let world = World::new(134);
    let store = world.server().store.path().to_owned();
    let foreign = store.with_file_name("foreign.db");
    drop(sync_core::local_store::sqlite::SqliteStore::open(&foreign).unwrap());
    assert!(matches!(
        restore(&store, &foreign, [2; 8], 0),
        Err(RestoreError::Foreign(_))
    ));
    let damaged = store.with_file_name("damaged.db");
    std::fs::write(&damaged, b"SQLite format 3\0 and then nothing that makes sense").unwrap();
    assert!(restore(&store, &damaged, [2; 8], 0).is_err());
    assert_eq!(
        world.count("SELECT count(*) FROM epoch"),
        0,
        "the store is as it was"
    );
}

#[test]
fn one_process_has_a_data_directory_and_the_next_one_gets_it_when_that_ends() {
    use langso_server::app::{OpenAppError, lock};
    let dir = tempfile::tempdir().unwrap();
    let first = lock(dir.path()).unwrap();
    let second = lock(dir.path());
    assert!(matches!(&second, Err(OpenAppError::InUse(_))));
    assert_eq!(second.unwrap_err().code(), "data_in_use");
    drop(first);
    assert!(lock(dir.path()).is_ok());
}
