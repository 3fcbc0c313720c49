//! Stories of the way up: what is saved arrives, once, whatever the network does.

use sync_core::protocol::Receipt;

use crate::harness::{Fate, World};

#[test]
fn a_record_made_offline_reaches_the_reader_field_by_field() {
    let mut world = World::new(1);
    let hamlet = World::hamlet(1);
    let (mut head, mut official) = (world.member(hamlet), world.reader(&[hamlet], true));
    let id = head.log(hamlet, world.now_ms);
    assert_eq!(head.unsent(), 1);
    head.sync(&world);
    assert_eq!(head.unsent(), 0);
    official.sync(&world);
    assert_eq!(official.rows(), head.rows());
    let row = &official.rows()[&id];
    assert_eq!(
        official.replica().personal(row).unwrap(),
        head.replica().personal(row).unwrap()
    );
    assert_eq!(official.replica().personal(row).unwrap().0.len(), 2);
}

#[test]
fn a_lost_answer_is_answered_with_duplicate_and_nothing_is_there_twice() {
    let mut world = World::new(2);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    for _ in 0..5 {
        head.log(hamlet, world.now_ms);
    }
    assert_eq!(head.exchange(&world, Fate::AnswerLost).unwrap(), None);
    assert_eq!(head.unsent(), 5);
    let response = head.look(&world).unwrap();
    assert_eq!(response.receipts, vec![Receipt::Duplicate { from: 1, to: 5 }]);
    assert_eq!(head.unsent(), 0);
    assert_eq!(world.count("SELECT count(*) FROM change"), 5);
    assert_eq!(world.count("SELECT count(*) FROM assistance"), 5);
}

#[test]
fn an_idle_phone_needs_one_small_exchange_and_the_server_writes_nothing() {
    let mut world = World::new(3);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    for _ in 0..50 {
        head.log(hamlet, world.now_ms);
    }
    head.sync(&world);
    head.sync(&world);
    let before = world.server().store.stats();
    let request = head.replica().next_request(world.now_ms, None).unwrap();
    let answer = world.serve(&head, &request.body).unwrap();
    assert!(
        request.body.bytes.len() + answer.bytes.len() <= 250,
        "{} + {}",
        request.body.bytes.len(),
        answer.bytes.len()
    );
    let received = head.receive(request.id, &answer, world.now_ms).unwrap();
    assert!(!received.more);
    assert_eq!(world.server().store.stats(), before);
    assert!(
        !head.replica().status().diverged,
        "both sides have the same digest"
    );
}

#[test]
fn two_phones_of_one_hamlet_begin_the_same_month_apart_from_each_other() {
    let mut world = World::new(4);
    let hamlet = World::hamlet(1);
    let (mut a, mut b) = (world.member(hamlet), world.member(hamlet));
    let (of_a, of_b) = (a.log(hamlet, world.now_ms), b.log(hamlet, world.now_ms));
    a.sync(&world);
    b.sync(&world);
    a.sync(&world);
    assert_eq!(a.rows(), b.rows());
    assert!(a.rows().contains_key(&of_a) && a.rows().contains_key(&of_b));
    assert_eq!(world.count("SELECT count(*) FROM document"), 1);
}

#[test]
fn two_batches_for_one_document_at_the_same_time_are_both_stored() {
    let mut world = World::new(5);
    let hamlet = World::hamlet(1);
    let mut phones: Vec<_> = (0..8).map(|_| world.member(hamlet)).collect();
    let requests: Vec<_> = phones
        .iter_mut()
        .map(|phone| {
            for _ in 0..10 {
                phone.log(hamlet, world.now_ms);
            }
            phone.replica().next_request(world.now_ms, None).unwrap()
        })
        .collect();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = phones
            .iter()
            .zip(&requests)
            .map(|(phone, request)| {
                let world = &world;
                scope.spawn(move || world.serve(phone, &request.body).unwrap())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for ((phone, request), answer) in phones.iter_mut().zip(requests).zip(answers) {
        phone.receive(request.id, &answer, world.now_ms).unwrap();
        assert_eq!(phone.unsent(), 0);
    }
    assert_eq!(world.count("SELECT count(*) FROM assistance"), 80);
    for phone in &mut phones {
        phone.sync(&world);
        assert_eq!(phone.rows().len(), 80);
    }
}

#[test]
fn a_page_may_be_cut_anywhere_and_the_next_goes_on() {
    let mut world = World::new(6);
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    for _ in 0..300 {
        head.log(hamlet, world.now_ms);
    }
    head.sync(&world);
    let mut fresh = world.member(hamlet);
    let mut pages = 0;
    loop {
        // Every other answer is cut on its way; the phone dies after every page.
        fresh.exchange(&world, Fate::AnswerCut).unwrap();
        let received = fresh.exchange(&world, Fate::Delivered).unwrap().unwrap();
        fresh.restart();
        pages += 1;
        if !received.more {
            break;
        }
    }
    assert!(pages > 2, "{pages} pages");
    assert_eq!(fresh.rows(), head.rows());
}

#[test]
fn what_breaks_off_in_the_middle_of_a_delivery_is_never_taken_for_delivered() {
    let mut world = World::new(6);
    let (one, two) = (World::hamlet(1), World::hamlet(2));
    let (mut phone, other) = (world.member(one), world.member(two));
    phone.access.set.read.extend(other.access.set.read.clone());
    phone.access.set.write.extend(other.access.set.write.clone());
    for hamlet in [one, two] {
        phone.log(hamlet, world.now_ms);
    }
    phone.sync(&world);
    world.restart_server();
    for hamlet in [one, two] {
        phone.log(hamlet, world.now_ms + 1);
    }
    // The first batch is judged; the document of the second one cannot be read.
    world.tamper(
        "CREATE TABLE saved AS SELECT changes FROM entry WHERE last = 2;
         UPDATE entry SET changes = x'00' WHERE last = 2",
    );
    assert!(phone.look(&world).is_err());
    assert_eq!(world.count("SELECT count(*) FROM change"), 2);
    world.tamper("UPDATE entry SET changes = (SELECT changes FROM saved) WHERE last = 2; DROP TABLE saved");
    phone.restart();
    phone.sync(&world);
    assert_eq!(phone.unsent(), 0);
    assert_eq!(
        world.count("SELECT count(*) FROM change"),
        4,
        "all of it is in the log"
    );
    assert!(world.verify().problems.is_empty());
}
