//! Who may do what: pure, and deny by default.
//!
//! A role is held in a unit and reaches its subtree. From roles and the tree follow the scopes of a device
//! ([`Access`]) and the permits that store methods ask for ([`Permit`]), which nothing but this module can make: to
//! forget to authorise does not compile. What somebody may not see is answered as if it did not exist.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use sync_core::edit::EditKind;
use sync_core::ids::{Class, Month, RealmId, Scope, UnitId};
use sync_core::protocol::ScopeSet;

use crate::tree::Tree;

/// What somebody is in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Of the hamlet's team: records, acknowledges.
    Member,
    /// Of the commune: issues directives, reviews records, settles conflicts.
    Official,
    /// An official who leads.
    Leader,
    /// Manages units, accounts and devices; reads records, but no citizen's data.
    Admin,
    /// Reads what an admin reads, and changes nothing.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 5] = [
        Role::Member,
        Role::Official,
        Role::Leader,
        Role::Admin,
        Role::Auditor,
    ];

    /// The word in tables and commands.
    pub fn code(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Official => "official",
            Role::Leader => "leader",
            Role::Admin => "admin",
            Role::Auditor => "auditor",
        }
    }

    /// The role of a word.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }

    /// Whether the role reads citizens' data in its subtree: only those who work with the citizens.
    fn reads_personal(self) -> bool {
        match self {
            Role::Member | Role::Official | Role::Leader => true,
            Role::Admin | Role::Auditor => false,
        }
    }

    /// Whether the role reaches the units below its own.
    fn reaches_below(self) -> bool {
        match self {
            Role::Official | Role::Leader | Role::Admin | Role::Auditor => true,
            Role::Member => false,
        }
    }

    /// What the role reads in a unit that it reaches.
    fn reads(self) -> &'static [Class] {
        match self {
            Role::Member => &[
                Class::Ledger,
                Class::Acks,
                Class::Remarks,
                Class::Board,
                Class::Directory,
            ],
            Role::Official | Role::Leader => &[
                Class::Ledger,
                Class::Acks,
                Class::Remarks,
                Class::Drafts,
                Class::Board,
                Class::Directory,
            ],
            Role::Admin | Role::Auditor => &[
                Class::Ledger,
                Class::Acks,
                Class::Remarks,
                Class::Board,
                Class::Directory,
            ],
        }
    }

    /// What the role writes in its own unit. Directives and remarks come with their own edits.
    fn writes(self) -> &'static [Class] {
        match self {
            Role::Member => &[Class::Ledger],
            Role::Official | Role::Leader | Role::Admin | Role::Auditor => &[],
        }
    }

    /// Whether the role settles conflicts in the units that it reaches.
    fn settles(self) -> bool {
        match self {
            Role::Official | Role::Leader => true,
            Role::Member | Role::Admin | Role::Auditor => false,
        }
    }
}

/// A role, held in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Where it is held.
    pub unit: UnitId,
    /// What it is.
    pub role: Role,
}

/// What an account may read and write by the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The scopes.
    pub set: ScopeSet,
}

impl Access {
    /// What follows from an account's roles.
    pub fn of(grants: &[Grant], tree: &Tree, realm: RealmId, since: Month) -> Self {
        let (mut read, mut write, mut settle) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut personal_read = true;
        for grant in grants.iter().filter(|grant| tree.unit(grant.unit).is_some()) {
            for unit in reach(grant, tree) {
                read.extend(
                    grant
                        .role
                        .reads()
                        .iter()
                        .map(|class| Scope { unit, class: *class }),
                );
                if grant.role.settles() {
                    settle.insert(Scope {
                        unit,
                        class: Class::Ledger,
                    });
                }
            }
            // Directives and names come from above; the catalogue is the whole realm's.
            for unit in tree.ancestors(grant.unit) {
                let from_above = [Class::Board, Class::Directory];
                read.extend(from_above.map(|class| Scope { unit: unit.id, class }));
            }
            read.extend(tree.roots().iter().map(|unit| Scope {
                unit: *unit,
                class: Class::Catalogue,
            }));
            write.extend(grant.role.writes().iter().map(|class| Scope {
                unit: grant.unit,
                class: *class,
            }));
            personal_read &= grant.role.reads_personal();
        }
        personal_read &= !read.is_empty();
        let set = ScopeSet {
            realm,
            read: read.into_iter().collect(),
            write: write.into_iter().collect(),
            since,
            personal_read,
            settle: settle.into_iter().collect(),
        };
        Self { set }
    }

    /// Whether the account may make edits of this kind in a scope.
    pub fn may_edit(&self, scope: Scope, kind: EditKind) -> bool {
        self.set.may_edit(&scope, kind)
    }

    /// Leave to append to a scope's documents; what exactly is decided edit by edit.
    pub fn write(&self, scope: Scope) -> Option<Permit<Write>> {
        let somehow = self.set.write.contains(&scope) || self.set.settle.contains(&scope);
        somehow.then(|| Permit::new(BTreeSet::from([scope.unit]), false))
    }
}

fn reach(grant: &Grant, tree: &Tree) -> Vec<UnitId> {
    if grant.role.reaches_below() {
        tree.subtree(grant.unit)
    } else {
        vec![grant.unit]
    }
}

/// Leave to read.
#[derive(Clone, Copy, Debug)]
pub struct Read;
/// Leave to write.
#[derive(Clone, Copy, Debug)]
pub struct Write;

/// Leave to do something in some units. Only this module gives it.
#[derive(Clone, Debug)]
pub struct Permit<A> {
    units: BTreeSet<UnitId>,
    personal: bool,
    action: PhantomData<A>,
}

impl<A> Permit<A> {
    fn new(units: BTreeSet<UnitId>, personal: bool) -> Self {
        Self {
            units,
            personal,
            action: PhantomData,
        }
    }

    /// The units that it holds for.
    pub fn units(&self) -> &BTreeSet<UnitId> {
        &self.units
    }

    /// Whether it holds for citizens' data too.
    pub fn personal(&self) -> bool {
        self.personal
    }
}

/// Leave to read the merged records of `unit` and everything below it – of all that the roles reach, without a unit.
///
/// `None` where nothing of it may be seen, which is answered as if it did not exist.
pub fn read_records(grants: &[Grant], tree: &Tree, unit: Option<UnitId>) -> Option<Permit<Read>> {
    let asked = |id: &UnitId| unit.is_none_or(|root| tree.is_within(*id, root));
    let (mut units, mut personal) = (BTreeSet::new(), true);
    for grant in grants {
        let reached: BTreeSet<UnitId> = reach(grant, tree).into_iter().filter(asked).collect();
        if !reached.is_empty() {
            personal &= grant.role.reads_personal();
            units.extend(reached);
        }
    }
    let visible = unit.is_none_or(|unit| units.contains(&unit)) && !units.is_empty();
    visible.then(|| Permit::new(units, personal))
}

/// Leave to use the pages of administration: everybody who reaches the units below their own.
pub fn read_overview(grants: &[Grant], tree: &Tree) -> Option<Permit<Read>> {
    let above: Vec<Grant> = grants
        .iter()
        .copied()
        .filter(|grant| grant.role.reaches_below())
        .collect();
    read_records(&above, tree, None)
}

#[cfg(test)]
mod tests;
