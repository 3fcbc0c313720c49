//! Fuzzing with a fixed seed: hundreds of thousands of lies, told to a server and to phones, and then honest work goes on.
//!
//! Two kinds. [`inputs`]: one mutated change, batch, request, answer or snapshot at a time, each with its own peak of
//! memory and its own time. [`sequences`]: ten in a row over a server and two phones, some of them behind, because a
//! change that one replica takes may be what breaks another. A guard that passed the first kind has failed the second.
//! [`targets`] are for guided fuzzing, which `fuzz/` does.
//!
//! `LANGSO_FUZZ_SCALE=10` does ten times as many; `LANGSO_FUZZ_SEED` makes them others.

#![expect(unreachable_pub, reason = "a binary of tests has no outside")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that panics has said what it has to say"
)]

#[path = "fuzzing/chance.rs"]
mod chance;
#[path = "fuzzing/contradictions.rs"]
mod contradictions;
#[path = "fuzzing/guarded.rs"]
mod guarded;
#[path = "fuzzing/inputs.rs"]
mod inputs;
#[path = "fuzzing/lies.rs"]
mod lies;
#[path = "fuzzing/phone.rs"]
mod phone;
#[path = "fuzzing/sequences.rs"]
mod sequences;
#[path = "fuzzing/steps.rs"]
mod steps;
#[path = "fuzzing/targets.rs"]
mod targets;
#[path = "fuzzing/village.rs"]
mod village;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Nothing may take longer, on however slow a machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// One test at a time: what is counted is the memory of the process.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number from the environment, for longer runs and other seeds.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|value| value.parse().ok())
        .unwrap_or(default)
}

fn scaled(count: u64) -> u64 {
    count * setting("LANGSO_FUZZ_SCALE", 1)
}

fn seed() -> u64 {
    setting("LANGSO_FUZZ_SEED", 1)
}

#[test]
fn guided_fuzzing_begins_with_inputs_that_harm_nobody() {
    let _turn = turn();
    for target in targets::TARGETS {
        for input in targets::known(&target) {
            (target.run)(&input);
        }
    }
}
