//! How complete numbers are: of how many hamlets a phone was here, and since when.

use std::collections::BTreeSet;

use sync_core::ids::UnitId;

use super::frame::Visitor;
use super::words::Words;
use crate::policy::{Permit, Read};
use crate::records::PhoneRow;

const DAY_MS: i64 = 24 * 3600 * 1000;
/// A hamlet of which no phone was here for so long is silent.
const SILENT_MS: i64 = 7 * DAY_MS;

/// Hamlets, and how many of them …
pub(super) struct Complete {
    pub(super) hamlets: BTreeSet<UnitId>,
    /// … had a phone here within a day.
    pub(super) synced: usize,
    /// … had none within a week.
    pub(super) silent: usize,
}

/// Of the lowest units of a permit.
pub(super) fn of(visitor: &Visitor, permit: &Permit<Read>, phones: &[PhoneRow]) -> Complete {
    let now_ms = visitor.words.now_ms;
    let leaves = visitor.tree().leaves().map(|unit| unit.id);
    let hamlets: BTreeSet<UnitId> = leaves.filter(|id| permit.units().contains(id)).collect();
    let seen_within = |ms: i64| {
        let here = |phone: &&PhoneRow| phone.last_sync_at.is_some_and(|at| now_ms - at <= ms);
        let seen: BTreeSet<UnitId> = phones.iter().filter(here).map(|phone| phone.unit).collect();
        seen.intersection(&hamlets).count()
    };
    Complete {
        synced: seen_within(DAY_MS),
        silent: hamlets.len() - seen_within(SILENT_MS),
        hamlets,
    }
}

impl Complete {
    /// In a sentence.
    pub(super) fn told(&self, words: Words) -> String {
        let since = words.time(words.now_ms - DAY_MS);
        let (synced, all) = (words.n(self.synced), words.n(self.hamlets.len()));
        words.say(
            "complete",
            &[("synced", &synced), ("all", &all), ("since", &since)],
        )
    }
}
