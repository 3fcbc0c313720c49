//! Fuzzing with a fixed seed: hundreds of thousands of lies, told to a server and to phones, and then honest work goes on.
//!
//! Two kinds. [`inputs`]: one mutated change, batch, request, answer or snapshot at a time, each with its own peak of
//! memory and its own time. [`sequences`]: ten in a row over a server and two phones, some of them behind, because a
//! change that one replica takes may be what breaks another. A guard that passed the first kind has failed the second.
//!
//! `LANGSO_FUZZ_SCALE=10` does ten times as many; `LANGSO_FUZZ_SEED` makes them others.

#![expect(unreachable_pub, reason = "a binary of tests has no outside")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that panics has said what it has to say"
)]

#[path = "fuzzing/inputs.rs"]
mod inputs;
#[path = "fuzzing/lies.rs"]
mod lies;
#[path = "fuzzing/sequences.rs"]
mod sequences;
#[path = "fuzzing/village.rs"]
mod village;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One test at a time: what is counted is the memory of the process.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Panics inside of automerge, which the guard around loading catches: what it says about each is not of interest here.
static GUARDED: AtomicU64 = AtomicU64::new(0);

/// Counts panics of automerge instead of printing them; all others are told as ever.
fn count_guarded() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let of_automerge = |file: &str| file.contains("automerge-") || file.contains("hexane-");
            if info
                .location()
                .is_some_and(|location| of_automerge(location.file()))
            {
                GUARDED.fetch_add(1, Ordering::Relaxed);
            } else {
                tell(info);
            }
        }));
    });
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
