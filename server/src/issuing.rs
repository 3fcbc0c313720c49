//! Issuing through the server: a directive that is written in one go, or what a draft says by now.
//!
//! What is issued never changes; so what it must not be is asked before – the second directive of one draft, a word about
//! a version that has ended, something for units that are not below –, and one at a time. What two people issue offline
//! without seeing each other is found afterwards: [`crate::directives::told`] shows it.

use std::sync::Arc;

use rusqlite::Connection;
use sync_core::edit::{DraftField, Edit, EditError, NewDirective};
use sync_core::ids::{AccountId, RecordId, UnitId};
use sync_core::record::{Directive, Draft, Relation, Targets};

use crate::app::{App, Authority};
use crate::clock::random_bits;
use crate::directives;
use crate::policy::{Permit, Read, Write};
use crate::realm::RealmError;
use crate::replica::ServerEditError;
use crate::seen::Seen;

/// Leave to issue, and to know of what was issued before.
#[derive(Debug)]
pub struct MayIssue {
    /// For the issuing unit.
    pub here: Permit<Write>,
    /// For the boards on which earlier directives are.
    pub boards: Permit<Read>,
}

impl App {
    /// Issues a directive of `unit` as it is written, as the record `id`.
    ///
    /// # Errors
    /// [`ServerEditError`]; nothing was issued.
    pub async fn issue(
        &self,
        account: AccountId,
        may: &MayIssue,
        (id, unit): (RecordId, UnitId),
        fields: Vec<DraftField>,
        relation: Option<(Relation, RecordId)>,
    ) -> Result<(), ServerEditError> {
        let _turn = self.issuing.lock().await;
        let earlier = match relation {
            Some((kind, record)) => Some((kind, self.earlier(may, unit, record)?)),
            None => None,
        };
        let earlier = earlier.as_ref().map(|(kind, earlier)| (*kind, earlier));
        let new = NewDirective::new(id, unit, fields, earlier)?;
        self.put_up(account, may, new).await
    }

    /// Issues what a draft of a unit in reach says. Gives the record of the version.
    ///
    /// # Errors
    /// [`ServerEditError::Edit`] names what is missing or in conflict; nothing was issued.
    pub async fn issue_draft(
        &self,
        account: AccountId,
        may: &MayIssue,
        draft: RecordId,
    ) -> Result<RecordId, ServerEditError> {
        let _turn = self.issuing.lock().await;
        let draft = self.open_draft(&may.here, draft)?;
        let unit = draft.document.unit();
        let earlier = match draft.relation {
            Some((_, record)) => Some(self.earlier(may, unit, record)?),
            None => None,
        };
        let id = self.fresh_record();
        let new = NewDirective::of(&draft, id, earlier.as_ref())?;
        self.put_up(account, may, new).await?;
        Ok(id)
    }

    /// Changes a draft of a unit in reach, if it still says what its author saw.
    ///
    /// # Errors
    /// [`ServerEditError`]; nothing was changed.
    pub async fn edit_draft(
        &self,
        account: AccountId,
        may: &Permit<Write>,
        (edit, seen): (&Edit, &Seen),
    ) -> Result<(), ServerEditError> {
        self.open_draft(may, edit.record())?;
        self.edit_seen(account, edit, seen).await
    }

    /// A draft that is still being written.
    fn open_draft(&self, may: &Permit<Write>, record: RecordId) -> Result<Draft, ServerEditError> {
        let permit = may.to_read();
        let read = |conn: &Connection| {
            let found = directives::draft(conn, &permit, record)?;
            Ok::<_, rusqlite::Error>((found, directives::issued_from(conn, record)?))
        };
        match self.store().read_blocking(read)? {
            (Some(_), Some(issued)) => Err(ServerEditError::Issued(issued)),
            (Some(draft), None) if !draft.discarded => Ok(draft),
            (Some(_) | None, _) => Err(ServerEditError::NotPermitted),
        }
    }

    async fn put_up(
        &self,
        account: AccountId,
        may: &MayIssue,
        new: NewDirective,
    ) -> Result<(), ServerEditError> {
        if !may.here.units().contains(&new.unit) {
            return Err(ServerEditError::NotPermitted);
        }
        let targets = new.fields.iter().find_map(|field| match field {
            DraftField::Targets(targets) => Some(targets),
            _ => None,
        });
        let tree = &self.authority_now()?.tree;
        let below = |targets: &Targets| {
            let mut units = targets.units().iter();
            !targets.is_empty() && units.all(|target| tree.is_within(target.unit, new.unit))
        };
        if !targets.is_some_and(below) {
            return Err(EditError::NotReady("targets".to_owned()).into());
        }
        self.edit(account, &Edit::IssueDirective(Box::new(new))).await
    }

    /// What a directive is to amend, replace or withdraw: one that its unit answers for, and that has not ended.
    fn earlier(&self, may: &MayIssue, unit: UnitId, record: RecordId) -> Result<Directive, ServerEditError> {
        let tree = &self.authority_now()?.tree;
        let read = |conn: &Connection| {
            let Some(earlier) = directives::find(conn, &may.boards, record)? else {
                return Ok(None);
            };
            let ended_by = directives::ended_by(conn, tree, &earlier)?;
            Ok::<_, rusqlite::Error>(Some((earlier, ended_by)))
        };
        match self.store().read_blocking(read)? {
            None => Err(ServerEditError::NotPermitted),
            Some((_, Some(by))) => Err(ServerEditError::Ended(by)),
            Some((earlier, None)) if !tree.answers_for(unit, earlier.document.unit()) => {
                Err(EditError::NotReady("relates_to".to_owned()).into())
            }
            Some((earlier, None)) => Ok(earlier),
        }
    }

    fn authority_now(&self) -> Result<Arc<Authority>, RealmError> {
        self.store().read_blocking(|conn| self.authority(conn))
    }

    /// A record that was not there.
    pub fn fresh_record(&self) -> RecordId {
        RecordId::from_parts(self.clock.now_ms().unsigned_abs(), random_bits())
    }
}
