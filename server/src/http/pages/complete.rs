//! How complete the numbers of a page are, in a sentence.

use super::frame::Visitor;
use super::words::Words;
use crate::completeness::{Complete, LastSeen};
use crate::policy::{Permit, Read};
use crate::records::PhoneRow;

const DAY_MS: i64 = 24 * 3600 * 1000;
/// A hamlet of which no phone was here for so long is silent.
const SILENT_MS: i64 = 7 * DAY_MS;

/// Of the lowest units of a permit.
pub(super) fn last_seen(visitor: &Visitor, permit: &Permit<Read>, phones: &[PhoneRow]) -> LastSeen {
    LastSeen::of(visitor.tree(), |leaf| permit.units().contains(&leaf.id), phones)
}

/// Within the last day.
pub(super) fn today(words: Words, seen: &LastSeen) -> String {
    told(words, &seen.since(words.now_ms - DAY_MS))
}

/// How many hamlets had no phone here within a week.
pub(super) fn silent(words: Words, seen: &LastSeen) -> usize {
    seen.since(words.now_ms - SILENT_MS).missing.len()
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
