//! Stories of quarantine: what may not be merged waits for a person, and nothing else waits with it.

use langso_server::audit::By;
use langso_server::exchange::decide::DecideError;
use langso_server::policy::{Permit, Write, console};
use langso_server::quarantine::{self, Discard, Parked};
use rusqlite::Transaction;
use sync_core::edit::AssistanceField;
use sync_core::protocol::{Item, Receipt, decode_request, encode_request};

use crate::harness::{Fate, Phone, World};

fn waiting(world: &World) -> Vec<Parked> {
    world.server().store.read_blocking(quarantine::list).unwrap()
}

fn permit() -> Permit<Write> {
    console([World::hamlet(1)])
}

fn release(world: &World, id: i64) -> Result<Vec<i64>, DecideError> {
    let by = By::console(world.now_ms);
    world.runtime.block_on(world.server().release(&permit(), id, &by))
}

fn discard(world: &World, id: i64, reason: Discard) -> Result<Vec<i64>, DecideError> {
    let by = By::console(world.now_ms);
    world
        .runtime
        .block_on(world.server().discard(&permit(), id, reason, &by))
}

/// A member who lost the right to write while offline, and made two records meanwhile.
fn moved_while_offline(world: &mut World) -> Phone {
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    head.log(hamlet, world.now_ms);
    head.sync(world);
    head.log(hamlet, world.now_ms + 1);
    let second = head.log(hamlet, world.now_ms + 2);
    head.amend(second, AssistanceField::People(4), world.now_ms + 3);
    head.access.set.write.clear();
    head.sync(world);
    head
}

#[test]
fn a_released_batch_is_merged_once_and_opens_for_those_who_read() {
    let mut world = World::new(140);
    let hamlet = World::hamlet(1);
    let mut head = moved_while_offline(&mut world);
    let mut official = world.reader(&[hamlet], true);
    official.sync(&world);
    assert_eq!(official.rows().len(), 1);
    let aside = head.aside();
    assert_eq!(aside.len(), 3);
    assert!(
        aside
            .iter()
            .all(|aside| aside.refused.code == "not_permitted" && aside.refused.shown.is_some())
    );
    assert_eq!(head.rows().len(), 1);
    let parked = waiting(&world);
    assert_eq!(
        (parked.len(), parked[0].changes, parked[0].reason.as_str()),
        (1, 3, "not_permitted")
    );

    world.restart_server();
    assert_eq!(release(&world, parked[0].id).unwrap(), [parked[0].id]);
    let answer = head.look(&world).unwrap();
    assert!(
        answer
            .items
            .iter()
            .any(|item| matches!(item, Item::Verdict { changes, .. } if changes.len() == 3))
    );
    head.sync(&world);
    official.sync(&world);
    assert_eq!((head.unsent(), head.aside().len(), head.rows().len()), (0, 0, 3));
    assert_eq!(official.rows(), head.rows());
    let row = official.rows().into_values().last().unwrap();
    assert_eq!(
        official.replica().personal(&row).unwrap().0.len(),
        2,
        "its keys were kept with it"
    );
    assert!(waiting(&world).is_empty());
    assert!(matches!(release(&world, parked[0].id), Err(DecideError::Decided)));
    assert!(
        head.look(&world).unwrap().items.is_empty(),
        "a verdict comes once"
    );
    head.restart();
    assert_eq!(head.rows(), official.rows());
    assert!(world.verify().problems.is_empty());
}

#[test]
fn what_has_no_room_in_quarantine_stays_in_the_outbox_until_there_is_some() {
    let mut world = World::new(146);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    head.log(hamlet, world.now_ms);
    head.sync(&world);
    // Its share is taken by something else that waits.
    let device = head.replica().identity().device;
    let fill = move |tx: &Transaction<'_>| {
        tx.execute(
            "INSERT INTO quarantine (digest, device, account, document, received_at, verdict, reason, batch)
             VALUES (x'00', ?, x'00', 'x', 0, 'rejected', 'x', zeroblob(4194304))",
            [device.to_bytes()],
        )
    };
    world.server().store.write_blocking(fill).unwrap();
    let late = head.log(hamlet, world.now_ms + 1);
    head.access.set.write.clear();
    head.sync(&world);
    let parked = |world: &World| -> i64 {
        let sql = "SELECT count(*) FROM quarantine WHERE reason = 'not_permitted'";
        let store = &world.server().store;
        store
            .read_blocking(|conn| conn.query_row(sql, [], |row| row.get(0)))
            .unwrap()
    };
    assert_eq!(parked(&world), 0);
    assert!(head.aside().is_empty(), "nobody says that it was taken");
    assert_eq!(head.unsent(), 1, "and so it is still to be sent");

    // Somebody decided: there is room.
    let decide = |tx: &Transaction<'_>| tx.execute("UPDATE quarantine SET outcome = 'discarded'", []);
    world.server().store.write_blocking(decide).unwrap();
    head.sync(&world);
    let aside = head.aside();
    assert_eq!(aside.iter().map(|aside| aside.record).collect::<Vec<_>>(), [late]);
    assert!(
        waiting(&world)
            .iter()
            .any(|parked| parked.reason == "not_permitted")
    );
}

#[test]
fn a_discarded_batch_stays_on_its_phone_with_the_reason() {
    let mut world = World::new(141);
    let mut head = moved_while_offline(&mut world);
    let parked = waiting(&world);
    assert_eq!(
        discard(&world, parked[0].id, Discard::NotOurs).unwrap(),
        [parked[0].id]
    );
    assert!(matches!(
        discard(&world, parked[0].id, Discard::Other),
        Err(DecideError::Decided)
    ));
    // The answer with the verdict is lost once: it comes again.
    assert_eq!(head.exchange(&world, Fate::AnswerLost).unwrap(), None);
    world.restart_server();
    head.sync(&world);
    assert_eq!((head.unsent(), head.rows().len()), (0, 1));
    let aside = head.aside();
    assert_eq!(aside.len(), 3);
    assert!(
        aside
            .iter()
            .all(|aside| aside.refused.verdict.as_deref() == Some("not_ours"))
    );
    head.restart();
    assert_eq!(head.aside(), aside);
    assert!(head.look(&world).unwrap().items.is_empty());
    assert_eq!(world.count("SELECT count(*) FROM assistance"), 1);
    assert_eq!(
        world.count("SELECT count(*) FROM quarantine"),
        1,
        "the bytes stay here too"
    );
}

#[test]
fn a_parked_batch_never_blocks_other_edits() {
    let mut world = World::new(142);
    let hamlet = World::hamlet(1);
    let mut head = moved_while_offline(&mut world);
    // The right comes back: what is new goes through, what waits goes on waiting.
    head.access.set.write = head.access.set.read.clone();
    head.sync(&world);
    for n in 0..5 {
        head.log(hamlet, world.now_ms + 10 + n);
    }
    head.sync(&world);
    assert_eq!((head.unsent(), head.aside().len(), head.rows().len()), (3, 3, 6));
    assert_eq!(world.count("SELECT count(*) FROM assistance"), 6);
    let parked = waiting(&world);
    assert_eq!(release(&world, parked[0].id).unwrap().len(), 1);
    head.sync(&world);
    assert_eq!((head.unsent(), head.rows().len()), (0, 8));
    assert!(world.verify().problems.is_empty());
}

/// Sends what a client would send that does not rebase: the same bytes in batches of its own choice.
fn insist(world: &World, head: &mut Phone, changes: std::ops::Range<usize>) -> Receipt {
    let exchange = head.replica().next_request(world.now_ms, None).unwrap();
    let mut request = decode_request(&exchange.body.bytes, exchange.body.compressed).unwrap();
    let batch = &mut request.push[0];
    batch.changes = batch.changes[changes].to_vec();
    let hashes: Vec<[u8; 32]> = batch
        .changes
        .iter()
        .map(|chunk| sync_core::preflight::chunk_hash(chunk))
        .collect();
    let statement = sync_core::signature::BatchStatement {
        realm: world.realm,
        device: head.identity.device,
        account: head.identity.account,
        document: batch.document,
        changes: &hashes,
        keys_digest: batch.keys.digest(),
    };
    batch.signature = statement.sign(&head.identity.key);
    let answer = world.serve(head, &encode_request(&request)).unwrap();
    head.replica().exchange_failed(exchange.id);
    let response = sync_core::protocol::decode_response(&answer.bytes, answer.compressed).unwrap();
    response.receipts[0].clone()
}

#[test]
fn dependants_join_and_share_the_fate_and_the_same_bytes_get_the_same_answer() {
    let mut world = World::new(143);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    for n in 0..3 {
        head.log(hamlet, world.now_ms + n);
    }
    let write = std::mem::take(&mut head.access.set.write);
    let refused = Receipt::Quarantined {
        reason: "not_permitted".into(),
    };
    assert_eq!(insist(&world, &mut head, 0..1), refused);
    head.access.set.write = write;
    assert_eq!(
        insist(&world, &mut head, 0..1),
        refused,
        "whatever it may do by now"
    );
    let joins = Receipt::Quarantined {
        reason: "depends_on_quarantined".into(),
    };
    assert_eq!(insist(&world, &mut head, 1..2), joins);
    assert_eq!(insist(&world, &mut head, 2..3), joins);
    let parked = waiting(&world);
    assert_eq!(parked.len(), 3);
    assert_eq!(
        (parked[1].joins, parked[2].joins),
        (Some(parked[0].id), Some(parked[1].id))
    );
    assert!(
        matches!(release(&world, parked[1].id), Err(DecideError::StandsOn(base)) if base == parked[0].id),
        "not before its base"
    );
    assert_eq!(release(&world, parked[0].id).unwrap().len(), 3);
    assert!(waiting(&world).is_empty());
    head.sync(&world);
    assert_eq!((head.unsent(), head.rows().len()), (0, 3));
    assert_eq!(world.count("SELECT count(*) FROM assistance"), 3);
}

#[test]
fn what_was_stored_before_the_right_was_lost_is_a_duplicate_and_no_quarantine() {
    let mut world = World::new(144);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    head.log(hamlet, world.now_ms);
    assert_eq!(head.exchange(&world, Fate::AnswerLost).unwrap(), None);
    head.access.set.write.clear();
    let answer = head.look(&world).unwrap();
    assert!(matches!(answer.receipts.as_slice(), [Receipt::Duplicate { .. }]));
    assert!(waiting(&world).is_empty());
    assert_eq!((head.unsent(), head.aside().len()), (0, 0));
}
