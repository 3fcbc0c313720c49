//! Who may do what: pure, and deny by default.
//!
//! [`may`] is the whole of it: one function over enums, without a wildcard, asked about a recognised edit and about
//! every read. A role is held in a unit for a period; from roles and the tree of the day follow the scopes of a device
//! ([`Access`]) and the permits that store methods ask for ([`Permit`]), which nothing but this module can make: to
//! forget to authorise does not compile. What somebody may not see is answered as if it did not exist.

mod access;
mod permit;

use sync_core::edit::EditKind;
use sync_core::ids::{Class, UnitId};

use crate::tree::Tree;

pub use access::{Access, LATE_DAYS, Past};
pub use permit::{
    Permit, Read, Write, console, permit_read, permit_realm, permit_write, read_overview, read_records,
};

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

    /// Whether the role comes with the right to read citizens' data: only for those who work with the citizens.
    pub fn personal(self) -> Personal {
        match self {
            Role::Member | Role::Official | Role::Leader => Personal::Read,
            Role::Admin | Role::Auditor => Personal::Sealed,
        }
    }

    /// Whether the role reaches the units below its own.
    fn reaches_below(self) -> bool {
        match self {
            Role::Official | Role::Leader | Role::Admin | Role::Auditor => true,
            Role::Member => false,
        }
    }
}

/// Whether citizens' data is read (`personal:read`). Held beside a role: it can be given and taken apart from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Personal {
    /// It is.
    Read,
    /// One sees that there is something, and no more.
    Sealed,
}

/// A role, held in a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Where it is held.
    pub unit: UnitId,
    /// What it is.
    pub role: Role,
    /// Whether it reads citizens' data.
    pub personal: Personal,
}

impl Grant {
    /// A role with the right to citizens' data that comes with it.
    pub fn new(unit: UnitId, role: Role) -> Self {
        Self {
            unit,
            role,
            personal: role.personal(),
        }
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Make this kind of edit in documents of this class.
    Edit(Class, EditKind),
    /// Hold documents of this class on a device.
    Hold(Class),
    /// Read merged records, counts and conflicts.
    ReadRecords,
    /// Read the names of units.
    ReadUnits,
    /// Look over units below: records, and which phones have not synced.
    Oversee,
    /// Decide what becomes of a quarantined batch.
    Judge,
    /// Change units, and the realm's catalogue.
    ManageUnits,
    /// Make accounts, give and take roles, hand posts over, reset passwords.
    ManageAccounts,
    /// Make enrolment codes, rename, revoke and replace devices.
    ManageDevices,
    /// Read the audit.
    ReadAudit,
}

/// Where something is, seen from the unit in which a role is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In that very unit.
    Own,
    /// In a unit below.
    Below,
    /// In a unit above, or in one from which that has inherited.
    Above,
    /// In a unit that is no more, and from which that unit or one below has inherited.
    Past,
    /// Anywhere else.
    Elsewhere,
}

/// Whether a role may do something in a place. A new role, action, class, edit or place does not compile without a row.
pub fn may(role: Role, action: Action, place: Place) -> bool {
    match action {
        Action::Edit(class, kind) => may_edit(role, class, kind, place),
        Action::Hold(class) => may_hold(role, class, place),
        Action::ReadRecords => match place {
            Place::Own | Place::Below | Place::Past => may_hold(role, Class::Ledger, place),
            Place::Above | Place::Elsewhere => false,
        },
        Action::ReadUnits => match place {
            Place::Own | Place::Below | Place::Above | Place::Past => may_hold(role, Class::Directory, place),
            Place::Elsewhere => false,
        },
        Action::Oversee => reaches(place) && role.reaches_below(),
        Action::Judge => {
            reaches(place)
                && match role {
                    Role::Official | Role::Leader => true,
                    Role::Member | Role::Admin | Role::Auditor => false,
                }
        }
        Action::ManageUnits | Action::ManageAccounts | Action::ManageDevices => {
            reaches(place)
                && match role {
                    Role::Admin => true,
                    Role::Member | Role::Official | Role::Leader | Role::Auditor => false,
                }
        }
        Action::ReadAudit => {
            reaches(place)
                && match role {
                    Role::Admin | Role::Auditor => true,
                    Role::Member | Role::Official | Role::Leader => false,
                }
        }
    }
}

fn reaches(place: Place) -> bool {
    match place {
        Place::Own | Place::Below | Place::Past => true,
        Place::Above | Place::Elsewhere => false,
    }
}

/// What a class allows at all – a board is frozen, an acknowledgement is its author's – its table says; here is who.
/// Directory and catalogue are the server's.
fn may_edit(role: Role, class: Class, kind: EditKind, place: Place) -> bool {
    match class {
        Class::Ledger => match kind {
            EditKind::Create | EditKind::Reply | EditKind::Amend | EditKind::Retract => is_team(role, place),
            EditKind::Settle => is_team(role, place) || (settles(role) && reaches(place)),
        },
        // Whoever a directive can be for speaks for his own unit: the team of a hamlet, the officials of a commune.
        Class::Acks => is_team(role, place) || issues(role, place),
        Class::Drafts | Class::Board => issues(role, place),
        Class::Remarks => match kind {
            EditKind::Reply => is_team(role, place) || (settles(role) && reaches(place)),
            EditKind::Create | EditKind::Amend | EditKind::Retract | EditKind::Settle => {
                settles(role) && reaches(place)
            }
        },
        Class::Directory | Class::Catalogue => false,
    }
}

/// An official of this very unit.
fn issues(role: Role, place: Place) -> bool {
    match place {
        Place::Own => settles(role),
        Place::Below | Place::Above | Place::Past | Place::Elsewhere => false,
    }
}

/// Of the team of this very hamlet. What a hamlet inherited is read, not written: what is new goes into its own.
fn is_team(role: Role, place: Place) -> bool {
    match (role, place) {
        (Role::Member, Place::Own) => true,
        (Role::Member, Place::Below | Place::Above | Place::Past | Place::Elsewhere)
        | (Role::Official | Role::Leader | Role::Admin | Role::Auditor, _) => false,
    }
}

fn settles(role: Role) -> bool {
    match role {
        Role::Official | Role::Leader => true,
        Role::Member | Role::Admin | Role::Auditor => false,
    }
}

fn may_hold(role: Role, class: Class, place: Place) -> bool {
    match place {
        Place::Own | Place::Past => holds_here(role, class),
        // What is not issued yet is for those who write it.
        Place::Below => role.reaches_below() && class != Class::Drafts && holds_here(role, class),
        // Directives and names come from above; the catalogue is the whole realm's.
        Place::Above => match class {
            Class::Board | Class::Directory | Class::Catalogue => true,
            Class::Ledger | Class::Acks | Class::Drafts | Class::Remarks => false,
        },
        Place::Elsewhere => match class {
            Class::Catalogue => true,
            Class::Ledger
            | Class::Acks
            | Class::Drafts
            | Class::Board
            | Class::Remarks
            | Class::Directory => false,
        },
    }
}

fn holds_here(role: Role, class: Class) -> bool {
    match class {
        Class::Ledger | Class::Acks | Class::Remarks | Class::Board | Class::Directory | Class::Catalogue => {
            true
        }
        Class::Drafts => match role {
            Role::Official | Role::Leader => true,
            Role::Member | Role::Admin | Role::Auditor => false,
        },
    }
}

/// Every unit to which a role has some relation, with that relation: what it reaches as of the day, what that inherited,
/// and what is above.
fn surroundings(grant: &Grant, tree: &Tree) -> Vec<(UnitId, Place)> {
    if tree.unit(grant.unit).is_none() {
        return Vec::new();
    }
    let reached = if grant.role.reaches_below() {
        tree.subtree(grant.unit)
    } else {
        vec![grant.unit]
    };
    let mut around = Vec::new();
    for unit in reached {
        let place = if unit == grant.unit {
            Place::Own
        } else {
            Place::Below
        };
        around.push((unit, place));
        around.extend(
            tree.predecessors(unit)
                .into_iter()
                .map(|past| (past, Place::Past)),
        );
    }
    for above in tree.ancestors(grant.unit).map(|unit| unit.id) {
        around.push((above, Place::Above));
        // What a unit above inherited is above, too: a directive of an abolished commune stays open for its hamlets.
        around.extend(
            tree.predecessors(above)
                .into_iter()
                .map(|past| (past, Place::Above)),
        );
    }
    around
}

#[cfg(test)]
mod tests;
