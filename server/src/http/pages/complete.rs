//! How complete the numbers of a page are, in a sentence.

use jiff::civil::Date;
use sync_core::ids::UnitId;

use super::frame::Visitor;
use super::words::Words;
use crate::clock::midnight_ms;
use crate::completeness::{Complete, LastSeen};
use crate::policy::{Permit, Read};
use crate::records::PhoneRow;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Of the lowest units of a permit.
pub(super) fn last_seen(visitor: &Visitor, permit: &Permit<Read>, phones: &[PhoneRow]) -> LastSeen {
    LastSeen::of(visitor.tree(), |leaf| permit.units().contains(&leaf.id), phones)
}

/// Of these units alone.
pub(super) fn last_seen_of(visitor: &Visitor, units: &[UnitId], phones: &[PhoneRow]) -> LastSeen {
    LastSeen::of(visitor.tree(), |leaf| units.contains(&leaf.id), phones)
}

/// How complete the days up to one are: who was here since it ended – or within the last day, while it goes on.
pub(super) fn up_to(words: Words, seen: &LastSeen, last: Date) -> String {
    let ended = last.tomorrow().ok().filter(|next| *next <= words.today());
    let since_ms = ended.and_then(midnight_ms).unwrap_or(words.now_ms - DAY_MS);
    told(words, &seen.since(since_ms))
}

/// In a sentence.
pub(super) fn told(words: Words, complete: &Complete) -> String {
    let since = words.time(complete.since_ms);
    let (synced, all) = (words.n(complete.synced), words.n(complete.hamlets));
    words.say(
        "complete",
        &[("synced", &synced), ("all", &all), ("since", &since)],
    )
}
