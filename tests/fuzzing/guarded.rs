//! Panics inside of automerge, which the guard around loading catches: what it says about each is not of interest here.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many there were.
pub static GUARDED: AtomicU64 = AtomicU64::new(0);

/// Counts panics of automerge instead of printing them; all others are told as ever.
pub fn count_guarded() {
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
