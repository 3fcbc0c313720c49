//! The law: whatever happens on the way, everybody ends with the same, and nothing is there twice.

use proptest::prelude::*;
use rand::RngExt;

use crate::harness::{Fate, Phone, World};

/// A few; `PROPTEST_CASES=10000` tries more.
fn histories() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        cases: asked.map_or(48, |cases| cases.parse().unwrap()),
        max_shrink_iters: 64,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn random_histories_converge(seed in any::<u64>(), steps in 20usize..90) {
        let mut world = World::new(seed);
        let hamlets = [World::hamlet(1), World::hamlet(2)];
        let mut phones: Vec<Phone> = vec![
            world.member(hamlets[0]),
            world.member(hamlets[0]),
            world.member(hamlets[1]),
        ];
        let units = [hamlets[0], hamlets[0], hamlets[1]];
        let mut admin = world.reader(&hamlets, false);
        let mut made = std::collections::BTreeSet::new();
        for _ in 0..steps {
            world.now_ms += world.rng.random_range(0..40 * 60_000);
            let at = world.rng.random_range(0..phones.len());
            match world.rng.random_range(0..20) {
                0 => world.restart_server(),
                1 => phones[at].restart(),
                2 => {
                    let fate = Fate::random(&mut world.rng);
                    admin.exchange(&world, fate).unwrap();
                }
                3..9 => {
                    let fate = Fate::random(&mut world.rng);
                    phones[at].exchange(&world, fate).unwrap();
                }
                _ => {
                    let edit = phones[at].random_edit(units[at], world.now_ms);
                    phones[at].edit(&edit, world.now_ms).unwrap();
                    made.insert(edit.record());
                }
            }
        }
        for phone in &mut phones {
            phone.sync(&world);
            prop_assert_eq!(phone.unsent(), 0);
        }
        for phone in &mut phones {
            phone.sync(&world);
            // An exchange after an exchange is empty.
            let response = phone.look(&world).unwrap();
            prop_assert!(response.items.is_empty() && response.digest.is_none() && !response.more);
        }
        admin.sync(&world);
        prop_assert_eq!(phones[0].rows(), phones[1].rows());
        let mut all = phones[0].rows();
        all.extend(phones[2].rows());
        prop_assert_eq!(&admin.rows(), &all);
        prop_assert_eq!(all.keys().copied().collect::<std::collections::BTreeSet<_>>(), made);
        let rows = world.count("SELECT count(*) FROM assistance");
        prop_assert_eq!(rows, all.len() as i64);
        let conflicts: usize = all.values().map(|row| row.conflicts.len()).sum();
        prop_assert_eq!(world.count("SELECT count(*) FROM conflict"), conflicts as i64);
        prop_assert_eq!(
            world.count("SELECT count(*) FROM change"),
            world.count("SELECT coalesce(max(last), 0) FROM entry"),
        );
        // Whatever was lost, doubled or cut: nobody was taken for two.
        prop_assert_eq!(world.count("SELECT count(*) FROM device_token WHERE copied_at IS NOT NULL"), 0);
    }
}

/// Takes the right to write away, or gives it back.
fn toggle(phone: &mut Phone) {
    let set = &mut phone.access.set;
    set.write = if set.write.is_empty() {
        set.read.clone()
    } else {
        Vec::new()
    };
}

proptest! {
    #![proptest_config(histories())]

    #[test]
    fn refusals_and_forks_converge_and_lose_nothing(seed in any::<u64>(), steps in 20usize..90) {
        let mut world = World::new(seed);
        let hamlet = World::hamlet(1);
        let mut phones: Vec<Phone> = vec![world.member(hamlet), world.member(hamlet)];
        let twin = phones[0].copy();
        phones.push(twin);
        let mut made: Vec<std::collections::BTreeSet<_>> = vec![Default::default(); 3];
        for _ in 0..steps {
            world.now_ms += world.rng.random_range(1..40 * 60_000);
            let at = world.rng.random_range(0..phones.len());
            match world.rng.random_range(0..20) {
                0 => world.restart_server(),
                1 => phones[at].restart(),
                2 | 3 => toggle(&mut phones[at]),
                4..9 => {
                    let fate = Fate::random(&mut world.rng);
                    phones[at].exchange(&world, fate).unwrap();
                }
                _ => {
                    let edit = phones[at].random_edit(hamlet, world.now_ms);
                    // What it knows that it may not do, it does not do; what is set aside, it cannot amend.
                    if phones[at].edit(&edit, world.now_ms).is_ok() {
                        made[at].insert(edit.record());
                    }
                }
            }
        }
        for phone in &mut phones {
            phone.sync(&world);
        }
        for phone in &mut phones {
            phone.sync(&world);
            let response = phone.look(&world).unwrap();
            prop_assert!(response.items.is_empty() && response.digest.is_none() && !response.more);
            let status = phone.replica().status();
            prop_assert_eq!(status.unsent, status.refused, "what waits, waits for a person");
        }
        let rows = phones[0].rows();
        for (phone, made) in phones.iter_mut().zip(&made) {
            prop_assert_eq!(&phone.rows(), &rows);
            let aside: std::collections::BTreeSet<_> =
                phone.aside().into_iter().map(|aside| aside.record).collect();
            prop_assert!(made.iter().all(|record| rows.contains_key(record) || aside.contains(record)));
            phone.restart();
            prop_assert_eq!(&phone.rows(), &rows);
            let reopened = phone.look(&world).unwrap();
            prop_assert!(reopened.digest.is_none());
        }
        prop_assert_eq!(world.count("SELECT count(*) FROM assistance"), rows.len() as i64);
        prop_assert!(world.verify().problems.is_empty());
    }
}
