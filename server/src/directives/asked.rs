//! Whom a directive asks: the units that it meant on the day of its issue, and the people there whose word counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, params};
use sync_core::ids::{AccountId, UnitId};
use sync_core::record::{Directive, Reach};

use super::issued_on;
use crate::policy::{Grant, Role};
use crate::realm::{self, RealmError};
use crate::tree::Tree;

/// Whom a directive asks.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The units of the day of its issue.
    pub issued_on: Arc<Tree>,
    /// The units that it means.
    units: BTreeSet<UnitId>,
    /// Whose word counts: who ever held one of its roles, and where. `None`: it names no role.
    people: Option<BTreeSet<(UnitId, AccountId)>>,
}

/// Finds out whom a directive asks.
///
/// # Errors
/// The store's, or a day whose units are no tree.
pub fn asked(conn: &Connection, directive: &Directive) -> Result<Asked, RealmError> {
    let issued_on = realm::tree(conn, issued_on(directive))?;
    Ok(asked_of(conn, directive, Arc::new(issued_on))?)
}

/// The same for who has the units of the day of its issue.
pub(super) fn asked_of(conn: &Connection, directive: &Directive, tree: Arc<Tree>) -> rusqlite::Result<Asked> {
    let day = issued_on(directive);
    let roles = directive.targets.roles();
    let (mut people, mut manned) = (BTreeSet::new(), BTreeSet::new());
    for role in roles {
        let sql = "SELECT unit, account, valid_from <= ?2 AND (valid_to IS NULL OR valid_to > ?2) FROM role WHERE role = ?1";
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![role, day.to_string()])?;
        while let Some(row) = rows.next()? {
            let unit = UnitId::from_bytes(row.get(0)?);
            people.insert((unit, AccountId::from_bytes(row.get(1)?)));
            if row.get(2)? {
                manned.insert(unit);
            }
        }
    }
    let roles = (!roles.is_empty()).then_some(&manned);
    Ok(Asked {
        units: meant(directive, &tree, roles),
        people: roles.is_some().then_some(people),
        issued_on: tree,
    })
}

/// The units that targets mean in a tree, the issuer and those below. With levels a subtree means the units of these;
/// with roles those where somebody held one of them; with neither its lowest units.
fn meant(directive: &Directive, tree: &Tree, manned: Option<&BTreeSet<UnitId>>) -> BTreeSet<UnitId> {
    let (targets, issuer) = (&directive.targets, directive.document.unit());
    let leveled = |unit: UnitId| {
        let known = tree.unit(unit);
        known.is_some_and(|known| targets.levels().contains(&known.level))
    };
    let of_subtree = |unit: &UnitId| match (targets.levels().is_empty(), manned) {
        (true, None) => tree.children(*unit).is_empty(),
        (true, Some(manned)) => manned.contains(unit),
        (false, None) => leveled(*unit),
        (false, Some(manned)) => leveled(*unit) && manned.contains(unit),
    };
    let mut meant = BTreeSet::new();
    for target in targets.units() {
        match target.reach {
            Reach::Unit => meant.extend([target.unit]),
            Reach::Subtree => meant.extend(tree.subtree(target.unit).into_iter().filter(of_subtree)),
        }
    }
    // A unit directs those below it; what a board claims beyond that binds nobody.
    meant.retain(|unit| *unit != issuer && tree.is_within(*unit, issuer));
    meant
}

impl Asked {
    /// The units of a later tree that have to answer, each with the units of the day of issue that it stands for.
    pub fn expected(&self, tree: &Tree) -> BTreeMap<UnitId, BTreeSet<UnitId>> {
        let mut expected: BTreeMap<UnitId, BTreeSet<UnitId>> = BTreeMap::new();
        for unit in &self.units {
            if let Some(heir) = tree.heir(*unit) {
                expected.entry(heir).or_default().extend([*unit, heir]);
            }
        }
        expected
    }

    /// Whether somebody's word counts for a unit, in whose name it was said or which stands for that.
    pub fn hears(&self, account: AccountId, units: &BTreeSet<UnitId>) -> bool {
        let held = |people: &BTreeSet<_>| units.iter().any(|unit| people.contains(&(*unit, account)));
        self.people.as_ref().is_none_or(held)
    }
}

/// Whether a directive is shown to somebody: one for some roles alone is not, to who holds others and oversees nobody.
pub fn is_shown(directive: &Directive, grants: &[Grant]) -> bool {
    let roles = directive.targets.roles();
    let named = |grant: &Grant| roles.iter().any(|role| role == grant.role.code());
    roles.is_empty()
        || grants
            .iter()
            .any(|grant| grant.role != Role::Member || named(grant))
}
