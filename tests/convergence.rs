//! The law: whatever happens on the way, everybody ends with the same, and nothing is there twice.

use proptest::prelude::*;
use rand::RngExt;

use crate::harness::{Fate, Phone, World};

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 64, ..ProptestConfig::default() })]

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
    }
}
