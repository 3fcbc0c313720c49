//! What an account may read and write by the exchange: the scopes that follow from its roles.
//!
//! Rights are of a day. What somebody wrote while a right was held may arrive after it ended: a phone was offline, a
//! hamlet was merged meanwhile, a post was handed over. Such an edit is judged as of its own date, for as long as an
//! honest phone may take to come back ([`LATE_DAYS`]); later ones wait in quarantine for a person. The date is the
//! phone's word: whoever loses a right could back-date for that long, which `docs/security.md` weighs.

use std::collections::BTreeSet;

use sync_core::edit::EditKind;
use sync_core::ids::{Class, Month, RealmId, Scope, UnitId};
use sync_core::protocol::ScopeSet;

use super::{Action, Grant, Permit, Personal, Place, Write, may, surroundings};
use crate::tree::Tree;

/// For so many days after a right ended, what is dated before its end is still taken.
pub const LATE_DAYS: i32 = 90;

/// What an account may read and write by the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The scopes of the day.
    pub set: ScopeSet,
    /// The scopes of earlier days on which they were others.
    pub past: Vec<Past>,
}

/// What an account could write for some time that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// From then on, UTC milliseconds …
    pub from_ms: i64,
    /// … until before then.
    pub until_ms: i64,
    /// Its scopes.
    pub set: ScopeSet,
}

impl From<ScopeSet> for Access {
    fn from(set: ScopeSet) -> Self {
        Self {
            set,
            past: Vec::new(),
        }
    }
}

impl Access {
    /// What follows from an account's roles on one day.
    pub fn of(grants: &[Grant], tree: &Tree, realm: RealmId, since: Month) -> Self {
        let (mut read, mut write) = (BTreeSet::new(), BTreeSet::new());
        let (mut settle, mut answer) = (BTreeSet::new(), BTreeSet::new());
        let mut personal_read = true;
        for grant in grants.iter().filter(|grant| tree.unit(grant.unit).is_some()) {
            for (unit, place) in surroundings(grant, tree) {
                let scopes = Class::ALL.map(|class| Scope { unit, class });
                let is = |action: fn(Class) -> Action| {
                    move |scope: &Scope| may(grant.role, action(scope.class), place)
                };
                read.extend(scopes.into_iter().filter(is_of_units).filter(is(Action::Hold)));
                write.extend(
                    scopes
                        .into_iter()
                        .filter(is(|class| Action::Edit(class, EditKind::Create))),
                );
                settle.extend(
                    scopes
                        .into_iter()
                        .filter(is(|class| Action::Edit(class, EditKind::Settle))),
                );
                answer.extend(
                    scopes
                        .into_iter()
                        .filter(is(|class| Action::Edit(class, EditKind::Reply))),
                );
            }
            let catalogue = |unit: &UnitId| Scope {
                unit: *unit,
                class: Class::Catalogue,
            };
            if may(grant.role, Action::Hold(Class::Catalogue), Place::Elsewhere) {
                read.extend(tree.roots().iter().map(catalogue));
            }
            personal_read &= grant.personal == Personal::Read;
        }
        personal_read &= !read.is_empty();
        let settle = settle.difference(&write).copied().collect();
        let answer = answer.difference(&write).copied().collect();
        let set = ScopeSet {
            realm,
            read: read.into_iter().collect(),
            write: write.into_iter().collect(),
            since,
            personal_read,
            settle,
            answer,
        };
        Self::from(set)
    }

    /// What the server's own replica may write: what is derived from its tables, and nothing that people do.
    pub fn of_server(realm: RealmId, scope: Scope) -> Self {
        let write = match scope.class {
            Class::Directory | Class::Catalogue => vec![scope],
            Class::Ledger | Class::Acks | Class::Drafts | Class::Board | Class::Remarks => Vec::new(),
        };
        let mut access = Self::of(&[], &Tree::default(), realm, Month(0));
        access.set.write = write;
        access
    }

    /// Whether the account may make an edit of this kind in a scope: now, or as of the date of the edit.
    pub fn may_edit(&self, scope: Scope, kind: EditKind, at_ms: i64) -> bool {
        let held = |past: &Past| (past.from_ms..past.until_ms).contains(&at_ms);
        self.set.may_edit(&scope, kind)
            || self
                .past
                .iter()
                .any(|past| held(past) && past.set.may_edit(&scope, kind))
    }

    /// Leave to append to a scope's documents; what exactly is decided edit by edit.
    pub fn write(&self, scope: Scope) -> Option<Permit<Write>> {
        let somehow = |set: &ScopeSet| {
            let lists = [&set.write, &set.settle, &set.answer];
            lists.into_iter().any(|list| list.contains(&scope))
        };
        let ever = somehow(&self.set) || self.past.iter().any(|past| somehow(&past.set));
        ever.then(|| Permit::new(BTreeSet::from([scope.unit]), BTreeSet::new()))
    }
}

/// The catalogue is no unit's: it lies at the roots and is the whole realm's.
fn is_of_units(scope: &Scope) -> bool {
    scope.class != Class::Catalogue
}
