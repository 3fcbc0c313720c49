//! How complete numbers are: of which lowest units a phone was here, and since when.

use std::collections::BTreeMap;

use sync_core::ids::UnitId;

use crate::records::PhoneRow;
use crate::tree::{Tree, Unit};

/// When a phone of each of some lowest units was last here.
#[derive(Clone, Debug)]
pub struct LastSeen(Vec<(UnitId, String, Option<i64>)>);

/// How complete numbers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    /// How many lowest units are meant.
    pub hamlets: usize,
    /// Of these, how many had a phone here since.
    pub synced: usize,
    /// Since when, UTC milliseconds.
    pub since_ms: i64,
    /// Those that had not, in the order of their codes, with when a phone of theirs was here last.
    pub missing: Vec<(String, Option<i64>)>,
}

impl LastSeen {
    /// Of those lowest units of a tree that are meant.
    pub fn of(tree: &Tree, meant: impl Fn(&Unit) -> bool, phones: &[PhoneRow]) -> Self {
        let mut seen: BTreeMap<UnitId, i64> = BTreeMap::new();
        for phone in phones {
            if let Some(at) = phone.last_sync_at {
                let last = seen.entry(phone.unit).or_insert(at);
                *last = at.max(*last);
            }
        }
        let mut hamlets: Vec<&Unit> = tree.leaves().filter(|leaf| meant(leaf)).collect();
        // As officials list them.
        hamlets.sort_by(|a, b| (&a.code, &a.name).cmp(&(&b.code, &b.name)));
        let hamlets = hamlets.into_iter();
        Self(
            hamlets
                .map(|unit| (unit.id, unit.name.clone(), seen.get(&unit.id).copied()))
                .collect(),
        )
    }

    /// Each unit with when a phone of its was here last, in the order of their codes.
    pub fn each(&self) -> impl Iterator<Item = (UnitId, Option<i64>)> {
        self.0.iter().map(|(id, _, at)| (*id, *at))
    }

    /// How complete what is known of them is, if it matters who was here since an instant.
    pub fn since(&self, since_ms: i64) -> Complete {
        let late = self.0.iter().filter(|(.., at)| at.is_none_or(|at| at < since_ms));
        let missing: Vec<_> = late.map(|(_, name, at)| (name.clone(), *at)).collect();
        Complete {
            hamlets: self.0.len(),
            synced: self.0.len() - missing.len(),
            since_ms,
            missing,
        }
    }
}
