//! Directives: read and answered by a hamlet, written and issued by officials. Remarks on records, and answers.

use sync_core::edit::{Edit, EditError, NewDraft, NewRemark};
use sync_core::ids::{Class, RecordId};
use sync_core::local_store::ListQuery;
use sync_core::projection::RowChange;
use sync_core::record;

use super::records::{fresh, only_home};
use super::{Result, Vault};
use crate::observe::Change;
use crate::types::id;
use crate::{Directive, DirectiveText, Draft, Remark, RemarkKind, Stage};

#[uniffi::export]
impl Vault {
    /// Every directive on the boards that this phone sees, the most pressing first.
    ///
    /// # Errors
    /// What the store says.
    pub fn directives(&self) -> Result<Vec<Directive>> {
        let now_ms = self.now_ms();
        self.with(|session| {
            let pinned = session.replica()?.directives(now_ms)?;
            Ok(pinned.into_iter().map(Into::into).collect())
        })
    }

    /// Says that somebody opened a directive.
    ///
    /// # Errors
    /// `NotAllowed` if there is no such directive, or this account speaks for no hamlet; `StorageFull`.
    pub fn mark_opened(&self, directive: String) -> Result<()> {
        self.acknowledge(directive, Stage::Opened, None, None)
    }

    /// Says how far a hamlet has come with a directive; `note` is needed where it cannot be done. `unit` may be left out
    /// by who speaks for one.
    ///
    /// # Errors
    /// `NotAllowed` if there is no such directive, or this account may not; `StorageFull`.
    pub fn acknowledge(
        &self,
        directive: String,
        stage: Stage,
        note: Option<String>,
        unit: Option<String>,
    ) -> Result<()> {
        let (directive, now_ms) = (id(&directive)?, self.now_ms());
        self.with(|session| {
            let replica = session.replica_mut()?;
            let unit = match &unit {
                Some(unit) => id(unit)?,
                None => only_home(&replica.homes(Class::Acks))?,
            };
            replica.acknowledge(directive, unit, stage.into(), note, now_ms, &mut rand::rng())?;
            Ok(())
        })?;
        self.listeners.tell(Change::Local);
        Ok(())
    }

    /// Begins a directive, and gives the draft's id. `unit` may be left out by who writes for one.
    ///
    /// # Errors
    /// `NotAllowed` names the field that does not fit, or says that this account may not; `StorageFull`.
    pub fn draft(&self, text: DirectiveText, unit: Option<String>) -> Result<String> {
        let (fields, now_ms) = (text.into_fields()?, self.now_ms());
        let draft = self.with(|session| {
            let replica = session.replica_mut()?;
            let unit = match &unit {
                Some(unit) => id(unit)?,
                None => only_home(&replica.homes(Class::Drafts))?,
            };
            let draft = fresh(replica.corrected(now_ms));
            let new = NewDraft {
                id: draft,
                unit,
                fields,
            };
            replica.edit(&Edit::StartDraft(Box::new(new)), now_ms, &mut rand::rng())?;
            Ok(draft)
        })?;
        self.listeners.tell(Change::Local);
        Ok(draft.to_string())
    }

    /// Goes on writing. `false`: it said all of that already.
    ///
    /// # Errors
    /// `NotAllowed` names the field that does not fit, or says that this account may not; `StorageFull`.
    pub fn revise(&self, draft: String, text: DirectiveText) -> Result<bool> {
        let edit = Edit::ReviseDraft {
            record: id(&draft)?,
            fields: text.into_fields()?,
        };
        self.edit(|_| Ok(edit))
    }

    /// Gives a draft up. It stays readable.
    ///
    /// # Errors
    /// `NotAllowed` if there is no such draft, or this account may not; `StorageFull`.
    pub fn discard(&self, draft: String) -> Result<bool> {
        let edit = Edit::DiscardDraft { record: id(&draft)? };
        self.edit(|_| Ok(edit))
    }

    /// Drafts of this account's units, newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn drafts(&self) -> Result<Vec<Draft>> {
        self.with(|session| {
            let rows = session.replica()?.rows(Class::Drafts, ListQuery::default())?;
            let drafts = rows.into_iter().filter_map(|row| match row {
                RowChange::Draft(draft) => Some((*draft).into()),
                RowChange::Assistance(_)
                | RowChange::Directive(_)
                | RowChange::Acknowledgement(_)
                | RowChange::Remark(_) => None,
            });
            Ok(drafts.collect())
        })
    }

    /// Issues a draft, and gives the directive's id: it goes to the board as it stands, and never changes again.
    ///
    /// # Errors
    /// `NotAllowed(not_ready_…)` names what is missing or in conflict; `StorageFull`.
    pub fn issue(&self, draft: String) -> Result<String> {
        let (draft, now_ms) = (id(&draft)?, self.now_ms());
        let directive = self.with(|session| {
            let replica = session.replica_mut()?;
            let directive = fresh(replica.corrected(now_ms));
            replica.issue(draft, directive, now_ms, &mut rand::rng())?;
            Ok(directive)
        })?;
        self.listeners.tell(Change::Local);
        Ok(directive.to_string())
    }

    /// What was said to a record, newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn remarks(&self, record: String) -> Result<Vec<Remark>> {
        let query = ListQuery {
            about: Some(id(&record)?),
            ..ListQuery::default()
        };
        self.with(|session| {
            let replica = session.replica()?;
            let mut remarks = Vec::new();
            for row in replica.rows(Class::Remarks, query)? {
                if let RowChange::Remark(remark) = row {
                    remarks.push(Remark::new(&remark, replica.words(&remark)?));
                }
            }
            Ok(remarks)
        })
    }

    /// Says something to a record.
    ///
    /// # Errors
    /// `NotAllowed` if there is no such record, or this account may not; `StorageFull`.
    pub fn remark(&self, record: String, kind: RemarkKind, words: Option<String>) -> Result<bool> {
        let record = id(&record)?;
        self.say(record, kind.into(), None, words)
    }

    /// Answers a remark.
    ///
    /// # Errors
    /// `NotAllowed` if there is no such remark, or this account may not; `StorageFull`.
    pub fn answer(&self, remark: String, words: String) -> Result<bool> {
        let remark = id(&remark)?;
        let row = self.with(|session| Ok(session.replica_mut()?.row(remark)?))?;
        match row {
            Some(RowChange::Remark(row)) => {
                self.say(row.record, record::RemarkKind::Answer, Some(remark), Some(words))
            }
            _ => Err(EditError::NoSuchRecord(remark).into()),
        }
    }
}

impl Vault {
    fn say(
        &self,
        about: RecordId,
        kind: record::RemarkKind,
        answers: Option<RecordId>,
        words: Option<String>,
    ) -> Result<bool> {
        let now_ms = self.now_ms();
        self.edit(|session| {
            let replica = session.replica_mut()?;
            let row = replica.assistance(about)?.ok_or(EditError::NoSuchRecord(about))?;
            Ok(Edit::Remark(Box::new(NewRemark {
                id: fresh(replica.corrected(now_ms)),
                unit: row.document.unit(),
                record: about,
                kind,
                answers,
                words,
            })))
        })
    }
}
