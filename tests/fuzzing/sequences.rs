//! Sequences: ten steps of a hostile phone and of honest ones, over a server and two phones that are mostly behind.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::steps::{Counts, step};
use crate::village::Village;
use crate::{MEMORY, PATIENCE, scaled, seed, turn};

const SEQUENCES: u64 = 20_000;
const STEPS: usize = 10;
/// Sequences that begin with the same month.
const OF_ONE_MONTH: u64 = 50;
/// More than this at once no sequence needs, with everything that the test itself holds.
const PEAK_BYTES: usize = 128 * 1024 * 1024;

#[test]
fn sequences_of_lies_over_stale_replicas_harm_nobody() {
    let _turn = turn();
    let (begun, mut counts, mut month) = (Instant::now(), Counts::new(), None);
    let mut longest = Duration::ZERO;
    MEMORY.reset_peak_usage();
    for n in 0..scaled(SEQUENCES) {
        let mut rng = StdRng::seed_from_u64(seed() << 32 | n);
        if n % OF_ONE_MONTH == 0 {
            month = Some(Village::new(&mut rng, 12));
        }
        let (mut village, begun) = (month.clone().unwrap(), Instant::now());
        for _ in 0..STEPS {
            step(&mut village, &mut rng, &mut counts);
        }
        village.is_healthy(&mut rng);
        longest = longest.max(begun.elapsed());
        assert!(longest < PATIENCE, "sequence {n} took {longest:?}");
    }
    let peak = MEMORY.peak_usage();
    eprintln!(
        "{} sequences in {:?}, the longest {longest:?}, peak {} KiB: {counts:#?}",
        scaled(SEQUENCES),
        begun.elapsed(),
        peak / 1024
    );
    assert!(peak < PEAK_BYTES, "{peak} bytes");
    // A generator that only ever makes nonsense tests nothing.
    let taken = counts.get("taken").copied().unwrap_or(0);
    let lies: u64 = counts.values().sum();
    assert!(taken * 10 > lies, "{taken} of {lies} lies were taken");
}
