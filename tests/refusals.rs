//! Stories of what is refused: with a stable code, nothing stored halfway, nothing lost.

use langso_server::exchange::ExchangeError;
use sync_core::edit::AssistanceField;
use sync_core::ids::Month;
use sync_core::protocol::{Receipt, VERSION, decode_request, encode_request};
use sync_core::seal::SealedField;

use crate::harness::{Phone, World};

/// Sends the phone's next request after `bend` changed it; gives the receipts.
fn send_bent(
    world: &World,
    phone: &mut Phone,
    bend: impl FnOnce(&mut sync_core::protocol::SyncRequest),
) -> Result<Vec<Receipt>, ExchangeError> {
    let exchange = phone.replica().next_request(world.now_ms, None).unwrap();
    let mut request = decode_request(&exchange.body.bytes, exchange.body.compressed).unwrap();
    bend(&mut request);
    let answer = world.serve(phone, &encode_request(&request));
    phone.replica().exchange_failed(exchange.id);
    answer.map(|body| {
        sync_core::protocol::decode_response(&body.bytes, body.compressed)
            .unwrap()
            .receipts
    })
}

fn rejected(code: &str) -> Vec<Receipt> {
    vec![Receipt::Rejected {
        code: code.into(),
        retry: false,
    }]
}

#[test]
fn a_broken_signature_is_rejected_and_the_bytes_are_kept() {
    let mut world = World::new(30);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    head.log(hamlet, world.now_ms);
    let bent = |request: &mut sync_core::protocol::SyncRequest| request.push[0].signature.0[5] ^= 1;
    assert_eq!(send_bent(&world, &mut head, bent).unwrap(), rejected("signature"));
    assert_eq!(world.count("SELECT count(*) FROM entry"), 0);
    assert_eq!(world.count("SELECT count(*) FROM quarantine"), 1);
    // The phone still has it, and sends it as it should be.
    assert_eq!(head.unsent(), 1);
    head.sync(&world);
    assert_eq!(head.unsent(), 0);
}

#[test]
fn a_document_that_the_device_may_not_write_is_quarantined() {
    let mut world = World::new(31);
    let (own, other) = (World::hamlet(1), World::hamlet(2));
    let mut head = world.member(own);
    // Before its first exchange the phone does not know yet what it may write.
    head.log(other, world.now_ms);
    head.sync(&world);
    assert_eq!(head.unsent(), 1);
    assert_eq!(head.replica().status().refused, 1);
    assert_eq!(world.count("SELECT count(*) FROM entry"), 0);
    assert_eq!(
        world.count("SELECT count(*) FROM quarantine WHERE reason = 'not_permitted'"),
        1
    );
    // Its own hamlet's records are not held up by it.
    head.log(own, world.now_ms);
    head.sync(&world);
    assert_eq!(head.unsent(), 1);
    // From now on the phone says so itself.
    let new = head.new_assistance(other, world.now_ms);
    let refused = head.edit(&sync_core::edit::Edit::LogAssistance(Box::new(new)), world.now_ms);
    assert_eq!(refused.unwrap_err().code(), "not_permitted");
}

#[test]
fn changes_of_one_hamlet_cannot_be_replayed_into_another() {
    let mut world = World::new(32);
    let (one, two) = (World::hamlet(1), World::hamlet(2));
    let mut head = world.member(one);
    head.log(one, world.now_ms);
    let moved = |request: &mut sync_core::protocol::SyncRequest| {
        let batch = &mut request.push[0];
        batch.document = sync_core::ids::DocumentId::ledger(two, batch.document.period().unwrap());
    };
    // The signature names the document …
    assert_eq!(
        send_bent(&world, &mut head, moved).unwrap(),
        rejected("signature")
    );
    // … and even a device that signs it so finds that its change stands on another genesis.
    let (identity, realm) = (head.identity.clone(), world.realm);
    head.access.set.write.push(sync_core::ids::Scope {
        unit: two,
        class: sync_core::ids::Class::Ledger,
    });
    let resigned = |request: &mut sync_core::protocol::SyncRequest| {
        moved(request);
        let batch = &mut request.push[0];
        let hashes: Vec<[u8; 32]> = batch
            .changes
            .iter()
            .map(|chunk| sync_core::preflight::chunk_hash(chunk))
            .collect();
        let statement = sync_core::signature::BatchStatement {
            realm,
            device: identity.device,
            account: identity.account,
            document: batch.document,
            changes: &hashes,
            keys_digest: batch.keys.digest(),
        };
        batch.signature = statement.sign(&identity.key);
    };
    let receipts = send_bent(&world, &mut head, resigned).unwrap();
    assert!(matches!(receipts.as_slice(), [Receipt::MissingDeps { hashes }] if hashes.len() == 1));
}

#[test]
fn a_cursor_of_another_device_or_with_a_broken_mac_is_refused() {
    let mut world = World::new(33);
    let hamlet = World::hamlet(1);
    let (mut a, mut b) = (world.member(hamlet), world.member(hamlet));
    a.log(hamlet, world.now_ms);
    a.sync(&world);
    b.sync(&world);
    let cursor = a.store_state().cursor.unwrap().to_vec();
    let foreign = send_bent(&world, &mut b, |request| request.cursor = Some(cursor));
    assert!(matches!(foreign, Err(ExchangeError::Cursor(_))));
    let broken = send_bent(&world, &mut b, |request| request.cursor.as_mut().unwrap()[3] ^= 1);
    assert!(matches!(broken, Err(ExchangeError::Cursor(_))));
    b.sync(&world);
}

#[test]
fn a_phone_whose_cursor_is_not_known_any_more_starts_again_and_loses_nothing() {
    let mut world = World::new(36);
    let hamlet = World::hamlet(1);
    let (mut head, mut other) = (world.member(hamlet), world.member(hamlet));
    head.log(hamlet, world.now_ms);
    head.sync(&world);
    other.log(hamlet, world.now_ms);
    other.sync(&world);
    head.log(hamlet, world.now_ms);
    world.cursor_key = [6; 32];
    world.restart_server();
    let exchange = head.replica().next_request(world.now_ms, None).unwrap();
    let refused = world.serve(&head, &exchange.body);
    assert!(matches!(refused, Err(ExchangeError::Cursor(_))));
    head.replica().exchange_failed(exchange.id);
    head.replica().forget_cursor();
    head.sync(&world);
    assert_eq!(head.unsent(), 0);
    assert_eq!(head.rows().len(), 3);
    assert!(world.verify().problems.is_empty());
}

#[test]
fn another_version_is_refused_and_nothing_is_stored() {
    let mut world = World::new(34);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    head.log(hamlet, world.now_ms);
    let newer = send_bent(&world, &mut head, |request| request.v = VERSION + 1);
    assert!(matches!(newer, Err(ExchangeError::Version(v)) if v == VERSION + 1));
    assert_eq!(world.count("SELECT count(*) FROM entry"), 0);
    head.sync(&world);
    assert_eq!(head.unsent(), 0);
}

#[test]
fn what_a_wrong_clock_filed_under_a_month_that_has_not_begun_is_filed_again() {
    let mut world = World::new(35);
    let hamlet = World::hamlet(1);
    let (mut head, mut official) = (world.member(hamlet), world.reader(&[hamlet], true));
    let in_a_year = world.now_ms + 365 * 24 * 3600 * 1000;
    let record = head.log(hamlet, in_a_year);
    head.log(hamlet, in_a_year + 1);
    head.amend(
        record,
        AssistanceField::Outcome("chuyen_cap_tren".into()),
        in_a_year + 2,
    );
    head.amend(
        record,
        AssistanceField::Personal(SealedField::Note, Some("gọi lại sau".into())),
        in_a_year + 3,
    );
    let shown = head.rows().remove(&record).unwrap();
    let clear = head.replica().personal(&shown).unwrap();
    let response = head.look(&world).unwrap();
    assert_eq!(response.receipts, rejected("period"));
    head.restart();
    head.sync(&world);
    assert_eq!((head.unsent(), head.aside().len()), (0, 0));
    official.sync(&world);
    assert_eq!(official.rows(), head.rows());
    assert_eq!(official.rows().len(), 2);
    let filed = official.rows().remove(&record).unwrap();
    assert_eq!(filed.document.period(), Month::of_millis(world.now_ms));
    assert_eq!(filed.outcome, "chuyen_cap_tren");
    assert_eq!(official.replica().personal(&filed).unwrap(), clear);
    head.log(hamlet, in_a_year + 4);
    head.sync(&world);
    assert_eq!(
        head.unsent(),
        0,
        "once more, into a month that has changes by now"
    );
}
