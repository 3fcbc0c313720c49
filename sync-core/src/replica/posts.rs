//! Where this account stands: what the directory says of the units for which it speaks, of those above them, and of itself.
//! By it a phone knows, offline, which directives it has to answer.

use std::collections::BTreeSet;

use super::{Replica, ReplicaError, Result};
use crate::directory::{Directory, day_of};
use crate::document::directory::{KIND, Kind, PARENT};
use crate::ids::{Class, DocumentId, UnitId};
use crate::local_store::LocalStore;
use crate::record::{Directive, Reach, Scalar};

/// The role that reaches nothing but its own unit.
const MEMBER: &str = "member";

impl<S: LocalStore> Replica<S> {
    /// The units that this account may know of: names, what is above and below, who works there.
    ///
    /// # Errors
    /// [`ReplicaError`] when the store fails or a document does not load.
    pub fn directory(&mut self) -> Result<Directory, S> {
        let known = self.summaries.keys().filter(|id| id.class() == Class::Directory);
        let known: Vec<DocumentId> = known.copied().collect();
        let mut documents = Vec::new();
        for id in known {
            documents.push(self.open_document(id)?.document.clone());
        }
        Ok(Directory::read(&documents))
    }

    /// Reads again what is near: the own units and those above them. A document that does not load is told by whoever
    /// needs it; here the directory only knows less.
    pub(super) fn look_around(&mut self) -> Result<(), S> {
        let (mut open, mut seen) = (Vec::from_iter(self.speaks_for()), BTreeSet::new());
        let mut documents = Vec::new();
        while let Some(unit) = open.pop() {
            let id = DocumentId::new(Class::Directory, unit, None);
            let Some(id) = id.filter(|id| seen.insert(*id) && self.summaries.contains_key(id)) else {
                continue;
            };
            match self.open_document(id) {
                Ok(near) => {
                    open.extend(parents(&near.document));
                    documents.push(near.document.clone());
                }
                Err(ReplicaError::Store(error)) => return Err(ReplicaError::Store(error)),
                Err(_) => {}
            }
        }
        self.near = Directory::read(&documents);
        Ok(())
    }

    /// Whether a directive asks a unit for which this account speaks, as the units stood when it was issued. Without a
    /// directory yet, a unit is taken for one of the lowest, and levels and roles for others'.
    pub(super) fn asks(&self, directive: &Directive, unit: UnitId) -> bool {
        let targets = &directive.targets;
        let boards = self.scopes().map_or(&[][..], |scopes| &scopes.read);
        let boards = boards.iter().filter(|scope| scope.class == Class::Board);
        let first = self.near.first_day(unit);
        let day = day_of(directive.issued_at_ms).max(first);
        let Some((day, known)) = day.and_then(|day| Some((day, self.near.unit(unit, day)?))) else {
            let anybody = targets.levels().is_empty() && targets.roles().is_empty();
            return anybody && targets.reach(unit, boards.map(|scope| scope.unit));
        };
        let above = self.near.above(unit, day);
        let reached = targets.units().iter().any(|target| match target.reach {
            Reach::Unit => target.unit == unit,
            Reach::Subtree => {
                let within = target.unit == unit || above.contains(&target.unit);
                let leveled = if targets.levels().is_empty() {
                    !targets.roles().is_empty() || self.near.below(unit, day).is_empty()
                } else {
                    targets.levels().contains(&known.level)
                };
                within && leveled
            }
        });
        let account = self.identity.account;
        let mut own = self.near.roles(account, unit);
        reached
            && (targets.roles().is_empty() || own.any(|role| targets.roles().iter().any(|one| one == role)))
    }

    /// Whether a directive is shown to this account: one for some roles alone is not, to who holds others and oversees
    /// nobody.
    pub(super) fn is_shown(&self, directive: &Directive) -> bool {
        let (roles, account) = (directive.targets.roles(), self.identity.account);
        let units = self.speaks_for();
        let mut own = units
            .iter()
            .flat_map(|unit| self.near.roles(account, *unit))
            .peekable();
        roles.is_empty()
            || own.peek().is_none()
            || own.any(|role| role != MEMBER || roles.iter().any(|one| one == role))
    }

    /// Whether a later directive ends an earlier one: its unit answers for the other's.
    pub(super) fn ends(&self, later: &Directive, earlier: &Directive) -> bool {
        let (unit, other) = (later.document.unit(), earlier.document.unit());
        let relates = later.relation.is_some_and(|(_, record)| record == earlier.id);
        let day = day_of(later.issued_at_ms);
        let known = self.near.first_day(other).is_some();
        relates && (unit == other || !known || day.is_some_and(|day| self.near.answers_for(unit, other, day)))
    }
}

/// Every unit that was ever above the unit of a directory document.
fn parents(document: &crate::document::Document) -> Vec<UnitId> {
    let records = document.records().into_iter();
    let fields = records.filter_map(|record| document.fields(record));
    let own = fields.filter(|fields| fields.get(KIND) == Some(&Scalar::Text(Kind::Unit.code().to_owned())));
    own.filter_map(|fields| match fields.get(PARENT)? {
        Scalar::Bytes(bytes) => Some(UnitId::from_bytes(bytes.as_slice().try_into().ok()?)),
        Scalar::Text(_) | Scalar::Int(_) | Scalar::Bool(_) | Scalar::Null => None,
    })
    .collect()
}
