//! Whom a directive is for.

use minicbor::{Decode, Encode};

use super::code::coded;
use crate::ids::UnitId;

/// Most units that one directive names.
const UNITS_MAX: usize = 256;
/// Most levels and most roles, and the longest word of them.
const WORDS_MAX: usize = 8;
const WORD_BYTES: usize = 32;

coded! {
    /// How far a target reaches.
    Reach {
        /// The unit alone.
        0 Unit = "unit",
        /// The unit and everything below it.
        1 Subtree = "subtree",
    }
}

/// One unit that a directive names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Target {
    /// Which.
    #[n(0)]
    pub unit: UnitId,
    /// With what is below it, or without.
    #[n(1)]
    pub reach: Reach,
}

/// Whom a directive is for: units, and of these the levels and roles that it means; no level and no role means all.
/// There is one encoding of each set, so that its bytes can be signed and compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Targets {
    #[n(0)]
    units: Vec<Target>,
    #[n(1)]
    levels: Vec<String>,
    #[n(2)]
    roles: Vec<String>,
}

impl Targets {
    /// The set of these, in any order.
    pub fn new(
        units: impl IntoIterator<Item = Target>,
        levels: impl IntoIterator<Item = String>,
        roles: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut targets = Self {
            units: units.into_iter().collect(),
            levels: levels.into_iter().collect(),
            roles: roles.into_iter().collect(),
        };
        targets.units.sort_unstable();
        // A unit that is named twice is meant as far as it was meant once.
        targets.units.reverse();
        targets.units.dedup_by_key(|target| target.unit);
        targets.units.reverse();
        targets.levels.sort_unstable();
        targets.levels.dedup();
        targets.roles.sort_unstable();
        targets.roles.dedup();
        targets
    }

    /// Everything below one unit, and the unit.
    pub fn subtree(unit: UnitId) -> Self {
        let reach = Reach::Subtree;
        Self::new([Target { unit, reach }], [], [])
    }

    /// The units, ascending.
    pub fn units(&self) -> &[Target] {
        &self.units
    }

    /// The levels that are meant, ascending; empty: all.
    pub fn levels(&self) -> &[String] {
        &self.levels
    }

    /// The roles that are meant, ascending; empty: all.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Whether it is for nobody.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Whether it names a unit or, with its subtree, one of the units above it. Levels are for those who know the tree.
    pub fn reach(&self, unit: UnitId, above: impl IntoIterator<Item = UnitId>) -> bool {
        let names = |unit: UnitId, with: &[Reach]| {
            self.units
                .binary_search_by_key(&unit, |target| target.unit)
                .ok()
                .and_then(|at| self.units.get(at))
                .is_some_and(|target| with.contains(&target.reach))
        };
        names(unit, Reach::ALL) || above.into_iter().any(|unit| names(unit, &[Reach::Subtree]))
    }

    /// Its bytes in a document.
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }

    /// The set of such bytes; `None` if they are not the one encoding of a set within its bounds.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let read: Self = minicbor::decode(bytes).ok()?;
        let word = |word: &String| {
            (1..=WORD_BYTES).contains(&word.len())
                && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        };
        let words = |words: &[String]| words.len() <= WORDS_MAX && words.iter().all(word);
        let bounded = read.units.len() <= UNITS_MAX && words(&read.levels) && words(&read.roles);
        let canonical = Self::new(read.units.clone(), read.levels.clone(), read.roles.clone());
        (bounded && canonical.to_bytes() == bytes).then_some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(n: u64) -> UnitId {
        UnitId::from_parts(n, 0)
    }

    #[test]
    fn a_set_of_targets_has_one_encoding() {
        let target = |n, reach| Target { unit: unit(n), reach };
        let (a, b) = (target(1, Reach::Unit), target(2, Reach::Subtree));
        let one = Targets::new([b, a, target(1, Reach::Subtree)], ["hamlet".to_owned()], []);
        let other = Targets::new([target(1, Reach::Subtree), b], ["hamlet".to_owned()], []);
        assert_eq!(one, other);
        assert_eq!(Targets::from_bytes(&one.to_bytes()), Some(other));
        let unsorted = Targets {
            units: vec![b, a],
            ..Targets::default()
        };
        assert_eq!(Targets::from_bytes(&unsorted.to_bytes()), None);
        let shouted = Targets::new([a], ["HAMLET".to_owned()], []);
        assert_eq!(Targets::from_bytes(&shouted.to_bytes()), None);
        let crowd = Targets::new((0..257).map(|n| target(n, Reach::Unit)), [], []);
        assert_eq!(Targets::from_bytes(&crowd.to_bytes()), None);
        let mut longer = one.to_bytes();
        longer.push(0);
        assert_eq!(Targets::from_bytes(&longer), None);
    }

    #[test]
    fn a_unit_is_meant_itself_or_through_a_subtree_above_it() {
        let target = |n, reach| Target { unit: unit(n), reach };
        let targets = Targets::new([target(1, Reach::Unit), target(2, Reach::Subtree)], [], []);
        assert!(targets.reach(unit(1), []) && targets.reach(unit(2), []));
        assert!(targets.reach(unit(5), [unit(2)]));
        assert!(!targets.reach(unit(5), [unit(1)]) && !targets.reach(unit(3), []));
    }
}
