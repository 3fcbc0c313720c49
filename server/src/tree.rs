//! The administrative tree as it stands on one day.
//!
//! Pure. A unit is an identity; its level, code, name and parent hold for a period, and the rows that this is built from
//! are those of the day. Levels are data: nothing here knows what a district is.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::ids::UnitId;

/// One unit on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its identity.
    pub id: UnitId,
    /// What kind of unit it is: `district`, `commune`, `hamlet` …
    pub level: String,
    /// Official code; empty where there is none.
    pub code: String,
    /// Its name, with its kind.
    pub name: String,
    /// The unit above it.
    pub parent: Option<UnitId>,
}

/// All units on one day.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    units: BTreeMap<UnitId, Unit>,
    children: BTreeMap<UnitId, Vec<UnitId>>,
    roots: Vec<UnitId>,
    /// Units that are no more, under the unit that inherited from them; it may be no more itself.
    predecessors: BTreeMap<UnitId, Vec<UnitId>>,
    /// Units that are no more, and from which nobody inherited.
    orphans: BTreeSet<UnitId>,
}

/// Rows that are no tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A unit is its own ancestor.
    #[error("unit {0} is its own ancestor")]
    Cycle(UnitId),
    /// A parent is not among the units of the day.
    #[error("the parent of unit {0} does not exist on this day")]
    Orphan(UnitId),
}

impl Tree {
    /// Builds the tree.
    ///
    /// # Errors
    /// [`TreeError`] names the unit that does not fit.
    pub fn new(units: impl IntoIterator<Item = Unit>) -> Result<Self, TreeError> {
        let mut tree = Tree::default();
        for unit in units {
            tree.units.insert(unit.id, unit);
        }
        for unit in tree.units.values() {
            match unit.parent {
                None => tree.roots.push(unit.id),
                Some(parent) if tree.units.contains_key(&parent) => {
                    tree.children.entry(parent).or_default().push(unit.id);
                }
                Some(_) => return Err(TreeError::Orphan(unit.id)),
            }
        }
        // Neighbours stand in the order of their codes, as officials list them.
        let Tree {
            units,
            children,
            roots,
            ..
        } = &mut tree;
        let place = |id: &UnitId| units.get(id).map(|unit| (&unit.code, &unit.name));
        for siblings in children.values_mut().chain([roots]) {
            siblings.sort_by_cached_key(|id| place(id));
        }
        // Whoever hangs on a cycle hangs on no root.
        let reached: BTreeSet<UnitId> = tree.roots.iter().flat_map(|root| tree.subtree(*root)).collect();
        match tree.units.keys().find(|id| !reached.contains(id)) {
            Some(lost) => Err(TreeError::Cycle(*lost)),
            None => Ok(tree),
        }
    }

    /// The same tree, which knows for units that are no more who inherited from them: `(unit, successor)`.
    #[must_use]
    pub fn with_successors(mut self, pairs: impl IntoIterator<Item = (UnitId, UnitId)>) -> Self {
        for (unit, successor) in pairs {
            if !self.units.contains_key(&unit) {
                self.predecessors.entry(successor).or_default().push(unit);
            }
        }
        self
    }

    /// The same tree, which knows of units that ended without an heir.
    #[must_use]
    pub fn with_orphans(mut self, ended: impl IntoIterator<Item = UnitId>) -> Self {
        let past = ended.into_iter().filter(|unit| !self.units.contains_key(unit));
        self.orphans = past.collect();
        self
    }

    /// The units that are no more and for which no unit of the day stands, with all that they had inherited.
    pub fn orphans(&self) -> BTreeSet<UnitId> {
        let inherited = self.orphans.iter().flat_map(|unit| self.predecessors(*unit));
        inherited.chain(self.orphans.iter().copied()).collect()
    }

    /// The units that are no more and whose inheritance has come down to this one.
    pub fn predecessors(&self, id: UnitId) -> BTreeSet<UnitId> {
        let of = |id: &UnitId| self.predecessors.get(id).map_or(&[][..], Vec::as_slice);
        let (mut found, mut open) = (BTreeSet::new(), vec![id]);
        while let Some(next) = open.pop() {
            open.extend(of(&next).iter().filter(|unit| found.insert(**unit)));
        }
        found
    }

    /// The unit of the day that a unit is, or whose past it is.
    pub fn heir(&self, id: UnitId) -> Option<UnitId> {
        if self.units.contains_key(&id) {
            return Some(id);
        }
        let mut at = id;
        // No longer than there are units: rows that lead in a circle lead nowhere.
        for _ in 0..=self.predecessors.len() {
            at = *self
                .predecessors
                .iter()
                .find_map(|(successor, units)| units.contains(&at).then_some(successor))?;
            if self.units.contains_key(&at) {
                return Some(at);
            }
        }
        None
    }

    /// One unit.
    pub fn unit(&self, id: UnitId) -> Option<&Unit> {
        self.units.get(&id)
    }

    /// Every unit, by id.
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.units.values()
    }

    /// Units without a parent, by code.
    pub fn roots(&self) -> &[UnitId] {
        &self.roots
    }

    /// The units right below one, by code.
    pub fn children(&self, id: UnitId) -> &[UnitId] {
        self.children.get(&id).map_or(&[], Vec::as_slice)
    }

    /// A unit and everything below it; nothing if it does not exist.
    pub fn subtree(&self, id: UnitId) -> Vec<UnitId> {
        let mut found: Vec<UnitId> = self.units.contains_key(&id).then_some(id).into_iter().collect();
        let mut at = 0;
        while let Some(unit) = found.get(at).copied() {
            found.extend(self.children(unit));
            at += 1;
        }
        found
    }

    /// The units above one, nearest first.
    pub fn ancestors(&self, id: UnitId) -> impl Iterator<Item = &Unit> {
        let above = |unit: &&Unit| unit.parent.and_then(|parent| self.units.get(&parent));
        let first = self.units.get(&id).and_then(|unit| above(&unit));
        std::iter::successors(first, above)
    }

    /// Whether a unit is `root` or below it.
    pub fn is_within(&self, id: UnitId, root: UnitId) -> bool {
        id == root && self.units.contains_key(&id) || self.ancestors(id).any(|unit| unit.id == root)
    }

    /// Whether a unit answers for what another said: that unit itself, who inherited from it, or one above either.
    pub fn answers_for(&self, id: UnitId, other: UnitId) -> bool {
        id == other || self.heir(other).is_some_and(|heir| self.is_within(heir, id))
    }

    /// The lowest units: those with nobody below them.
    pub fn leaves(&self) -> impl Iterator<Item = &Unit> {
        self.units
            .values()
            .filter(|unit| self.children(unit.id).is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(n: u64, parent: Option<u64>) -> Unit {
        let id = |n: u64| UnitId::from_parts(n, 0);
        Unit {
            id: id(n),
            level: "x".into(),
            code: String::new(),
            name: n.to_string(),
            parent: parent.map(id),
        }
    }

    #[test]
    fn a_subtree_holds_its_root_and_everything_below() {
        let tree = Tree::new([
            unit(1, None),
            unit(2, Some(1)),
            unit(3, Some(2)),
            unit(4, Some(1)),
        ])
        .unwrap();
        let id = |n: u64| UnitId::from_parts(n, 0);
        assert_eq!(tree.subtree(id(2)), [id(2), id(3)]);
        assert!(tree.is_within(id(3), id(1)) && !tree.is_within(id(4), id(2)));
        assert!(!tree.is_within(id(9), id(9)));
        assert_eq!(
            tree.leaves().map(|unit| unit.id).collect::<Vec<_>>(),
            [id(3), id(4)]
        );
        assert_eq!(
            tree.ancestors(id(3)).map(|unit| unit.id).collect::<Vec<_>>(),
            [id(2), id(1)]
        );
    }

    #[test]
    fn what_is_no_more_belongs_to_the_unit_that_inherited() {
        let id = |n: u64| UnitId::from_parts(n, 0);
        let tree = Tree::new([unit(1, None), unit(2, Some(1))]).unwrap();
        let tree = tree.with_successors([(id(7), id(2)), (id(8), id(7)), (id(2), id(1))]);
        assert_eq!(tree.predecessors(id(2)), BTreeSet::from([id(7), id(8)]));
        assert!(
            tree.predecessors(id(1)).is_empty(),
            "a unit of the day is nobody's past"
        );
        assert_eq!((tree.heir(id(8)), tree.heir(id(2))), (Some(id(2)), Some(id(2))));
        let circle = Tree::default().with_successors([(id(8), id(7)), (id(7), id(8))]);
        assert_eq!(circle.heir(id(7)), None);
        assert_eq!(circle.predecessors(id(7)), BTreeSet::from([id(7), id(8)]));
    }

    #[test]
    fn rows_that_are_no_tree_are_refused() {
        let cycle = Tree::new([unit(1, None), unit(2, Some(3)), unit(3, Some(2))]);
        assert!(matches!(cycle, Err(TreeError::Cycle(_))));
        assert!(matches!(Tree::new([unit(2, Some(3))]), Err(TreeError::Orphan(_))));
    }
}
