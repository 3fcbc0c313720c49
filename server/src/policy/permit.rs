//! Permits: leave to do something in some units, which store methods ask for and only this module gives.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use sync_core::ids::UnitId;

use super::{Action, Grant, Personal, Place, may, surroundings};
use crate::tree::Tree;

/// Leave to read.
#[derive(Clone, Copy, Debug)]
pub struct Read;
/// Leave to write.
#[derive(Clone, Copy, Debug)]
pub struct Write;

/// Leave to do something in some units.
#[derive(Clone, Debug)]
pub struct Permit<A> {
    units: BTreeSet<UnitId>,
    sealed: BTreeSet<UnitId>,
    action: PhantomData<A>,
}

impl<A> Permit<A> {
    pub(super) fn new(units: BTreeSet<UnitId>, sealed: BTreeSet<UnitId>) -> Self {
        Self {
            units,
            sealed,
            action: PhantomData,
        }
    }

    /// The units that it holds for, those that are no more among them.
    pub fn units(&self) -> &BTreeSet<UnitId> {
        &self.units
    }

    /// Whether it holds for citizens' data in every one of them.
    pub fn personal(&self) -> bool {
        self.sealed.is_empty()
    }
}

impl Permit<Read> {
    /// The same leave for one of its units alone; none for any other.
    #[must_use]
    pub fn within(&self, unit: UnitId) -> Self {
        let only = |units: &BTreeSet<UnitId>| units.get(&unit).copied().into_iter().collect();
        Self::new(only(&self.units), only(&self.sealed))
    }
}

impl Permit<Write> {
    /// Who may change something may read it.
    pub fn to_read(&self) -> Permit<Read> {
        Permit::new(self.units.clone(), self.sealed.clone())
    }
}

/// Leave to read something in `unit` and everything below it – in all that the roles reach, without a unit.
///
/// `None` where nothing of it may be seen, which is answered as if it did not exist.
pub fn permit_read(
    grants: &[Grant],
    tree: &Tree,
    action: Action,
    unit: Option<UnitId>,
) -> Option<Permit<Read>> {
    permit(grants, tree, action, unit)
}

/// Leave to change something in `unit` and everything below it – in all that the roles reach, without a unit.
pub fn permit_write(
    grants: &[Grant],
    tree: &Tree,
    action: Action,
    unit: Option<UnitId>,
) -> Option<Permit<Write>> {
    permit(grants, tree, action, unit)
}

/// Leave to read something that is the whole realm's: for who may read it at every root.
pub fn permit_realm(grants: &[Grant], tree: &Tree, action: Action) -> Option<Permit<Read>> {
    permit_read(grants, tree, action, None)
        .filter(|permit| tree.roots().iter().all(|root| permit.units().contains(root)))
}

/// Leave to change something in all of these units, for whoever sits at the server's own console: who can run commands
/// there has the files anyway. No request ever gets it.
pub fn console(units: impl IntoIterator<Item = UnitId>) -> Permit<Write> {
    Permit::new(units.into_iter().collect(), BTreeSet::new())
}

fn permit<A>(grants: &[Grant], tree: &Tree, action: Action, unit: Option<UnitId>) -> Option<Permit<A>> {
    let asked = |id: UnitId| unit.is_none_or(|root| id == root || within(tree, id, root));
    let (mut units, mut clear) = (BTreeSet::new(), BTreeSet::new());
    for grant in grants {
        let mut around = surroundings(grant, tree);
        if action == Action::Judge && reaches_all(&around, tree) {
            // Somebody has to be responsible for what arrives late for a unit that nobody inherited.
            around.extend(tree.orphans().into_iter().map(|unit| (unit, Place::Past)));
        }
        let reached = around
            .into_iter()
            .filter(|(id, place)| may(grant.role, action, *place) && asked(*id));
        for (id, _) in reached {
            units.insert(id);
            if grant.personal == Personal::Read {
                clear.insert(id);
            }
        }
    }
    let visible = unit.is_none_or(|unit| units.contains(&unit)) && !units.is_empty();
    let sealed = units.difference(&clear).copied().collect();
    visible.then(|| Permit::new(units, sealed))
}

/// Whether these are surroundings in which every root is reached.
fn reaches_all(around: &[(UnitId, Place)], tree: &Tree) -> bool {
    let reached = |root: &UnitId| {
        around
            .iter()
            .any(|(id, place)| id == root && matches!(place, Place::Own | Place::Below))
    };
    tree.roots().iter().all(reached)
}

/// Whether a unit, or what inherited from it, is below another.
fn within(tree: &Tree, id: UnitId, root: UnitId) -> bool {
    tree.heir(id).is_some_and(|heir| tree.is_within(heir, root))
}

/// Leave to read the merged records of `unit` and everything below it – of all that the roles reach, without a unit.
pub fn read_records(grants: &[Grant], tree: &Tree, unit: Option<UnitId>) -> Option<Permit<Read>> {
    permit_read(grants, tree, Action::ReadRecords, unit)
}

/// Leave to use the pages of administration: everybody who reaches the units below their own.
pub fn read_overview(grants: &[Grant], tree: &Tree) -> Option<Permit<Read>> {
    permit_read(grants, tree, Action::Oversee, None)
}
