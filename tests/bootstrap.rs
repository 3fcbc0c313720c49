//! Stories of a new phone: what it gets, how often, and in how many pages.

use std::collections::HashSet;

use langso_server::snapshots;
use sync_core::protocol::{Item, PageLimits, SyncRequest, SyncResponse, decode_response, encode_request};

use crate::harness::{Phone, World};

/// Every answer until the last page.
fn pages(world: &World, phone: &mut Phone) -> Vec<SyncResponse> {
    let mut pages = Vec::new();
    while pages.len() < 100 {
        let page = phone.look(world).unwrap();
        let more = page.more;
        pages.push(page);
        if !more {
            return pages;
        }
    }
    panic!("the pages do not come to an end");
}

fn items(pages: &[SyncResponse]) -> impl Iterator<Item = &Item> {
    pages.iter().flat_map(|page| &page.items)
}

fn snapshots_of(pages: &[SyncResponse]) -> usize {
    items(pages)
        .filter(|item| matches!(item, Item::Snapshot { .. }))
        .count()
}

fn refresh(world: &World) -> usize {
    let store = &world.server().store;
    world.runtime.block_on(snapshots::refresh(store)).unwrap()
}

fn busy_hamlet(world: &mut World, records: i64) -> Phone {
    let hamlet = World::hamlet(1);
    let mut head = world.member(hamlet);
    for n in 0..records {
        head.log(hamlet, world.now_ms + n);
    }
    head.sync(world);
    head
}

#[test]
fn a_new_phone_gets_every_change_and_every_key_once() {
    let mut world = World::new(80);
    let mut head = busy_hamlet(&mut world, 300);
    let mut fresh = world.member(World::hamlet(1));
    let pages = pages(&world, &mut fresh);
    let (mut changes, mut keys) = (Vec::new(), Vec::new());
    for item in items(&pages) {
        if let Item::Tail {
            changes: chunks,
            keys: listed,
            ..
        } = item
        {
            changes.extend(chunks.iter().map(|chunk| chunk.to_vec()));
            keys.extend(listed.iter().map(|key| key.record));
        }
    }
    assert_eq!(changes.len(), 300);
    assert_eq!(changes.iter().collect::<HashSet<_>>().len(), 300);
    assert_eq!(keys.len(), 300);
    assert_eq!(fresh.rows(), head.rows());
}

#[test]
fn a_new_phone_begins_with_a_snapshot_and_goes_on_with_the_changes_after_it() {
    let mut world = World::new(81);
    let hamlet = World::hamlet(1);
    let mut head = busy_hamlet(&mut world, 300);
    assert_eq!(refresh(&world), 1);
    assert_eq!(refresh(&world), 0, "nothing is made twice");
    for n in 0..5 {
        head.log(hamlet, world.now_ms + 1_000 + n);
    }
    head.sync(&world);
    assert_eq!(refresh(&world), 0, "five changes are not worth one");

    let mut fresh = world.member(hamlet);
    let pages = pages(&world, &mut fresh);
    assert_eq!(snapshots_of(&pages), 1);
    assert_eq!(fresh.rows(), head.rows());
    let row = fresh.rows().into_values().next().unwrap();
    assert_eq!(
        fresh.replica().personal(&row).unwrap().0.len(),
        2,
        "keys came along"
    );
    // It may write at once, also after a restart on what it stored.
    fresh.restart();
    fresh.log(hamlet, world.now_ms);
    fresh.sync(&world);
    head.sync(&world);
    assert_eq!(head.rows(), fresh.rows());
    assert!(world.verify().problems.is_empty());
}

#[test]
fn the_first_page_of_a_large_month_is_small_and_the_snapshot_comes_after_it() {
    let mut world = World::new(82);
    let mut head = busy_hamlet(&mut world, 1_200);
    assert_eq!(refresh(&world), 1);
    let mut fresh = world.member(World::hamlet(1));
    let exchange = fresh.replica().next_request(world.now_ms, None).unwrap();
    let first = world.serve(&fresh, &exchange.body).unwrap();
    assert!(first.bytes.len() <= 32 * 1024, "{} bytes", first.bytes.len());
    let now_ms = world.now_ms;
    let received = fresh.receive(exchange.id, &first, now_ms).unwrap();
    assert!(received.more);
    assert!(!fresh.rows().is_empty(), "usable after the first page");
    let rest = pages(&world, &mut fresh);
    assert_eq!(snapshots_of(&rest), 1);
    assert_eq!(fresh.rows(), head.rows());
}

#[test]
fn a_damaged_snapshot_costs_nothing_but_time() {
    let mut world = World::new(83);
    let hamlet = World::hamlet(1);
    let mut head = busy_hamlet(&mut world, 100);
    assert_eq!(refresh(&world), 1);
    // One byte in the middle.
    world.tamper(
        "UPDATE snapshot SET bytes = CAST(substr(bytes, 1, 200) || x'00' || substr(bytes, 202) AS BLOB)",
    );
    world.restart_server();
    head.log(hamlet, world.now_ms);
    head.sync(&world);
    assert_eq!(head.unsent(), 0);
    let mut fresh = world.member(hamlet);
    assert_eq!(snapshots_of(&pages(&world, &mut fresh)), 0);
    assert_eq!(fresh.rows(), head.rows());
    let report = world.verify();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
}

/// What a client gets that asks for pages of no bytes at all.
fn page_of_nothing(world: &World, phone: &mut Phone, cursor: Option<Vec<u8>>) -> SyncResponse {
    let request = SyncRequest {
        v: 1,
        epoch: None,
        token: None,
        device_time_ms: world.now_ms,
        cursor,
        digest: None,
        push: Vec::new(),
        heal: Vec::new(),
        limits: Some(PageLimits { max_bytes: 0 }),
        health: None,
    };
    let answer = world.serve(phone, &encode_request(&request)).unwrap();
    decode_response(&answer.bytes, answer.compressed).unwrap()
}

#[test]
fn pages_of_no_bytes_still_bring_one_thing_after_another() {
    let mut world = World::new(87);
    busy_hamlet(&mut world, 3);
    let mut fresh = world.member(World::hamlet(1));
    let (mut cursor, mut changes) = (None, 0);
    for _ in 0..10 {
        let page = page_of_nothing(&world, &mut fresh, cursor.clone());
        for item in &page.items {
            if let Item::Tail { changes: chunks, .. } = item {
                changes += chunks.len();
            }
        }
        cursor = page.cursor.or(cursor);
        if !page.more {
            assert_eq!(changes, 3);
            return;
        }
    }
    panic!("the pages do not come to an end");
}
