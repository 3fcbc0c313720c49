//! Directives: read and answered by a hamlet, written and issued by officials. Remarks on records, and answers.

use sync_core::edit::Edit;
use sync_core::ids::UnitId;

use super::{Result, Vault};
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
        let (directive, unit): (_, Option<UnitId>) = (id(&directive)?, unit.as_deref().map(id).transpose()?);
        self.make(|desk, now_ms, rng| desk.acknowledge(directive, unit, stage.into(), note, now_ms, rng))
            .map(drop)
    }

    /// Begins a directive, and gives the draft's id. `unit` may be left out by who writes for one.
    ///
    /// # Errors
    /// `NotAllowed` names the field that does not fit, or says that this account may not; `StorageFull`.
    pub fn draft(&self, text: DirectiveText, unit: Option<String>) -> Result<String> {
        let (fields, unit) = (text.into_fields()?, unit.as_deref().map(id).transpose()?);
        self.make(|desk, now_ms, rng| desk.start_draft(unit, fields, now_ms, rng))
    }

    /// Goes on writing. `false`: it said all of that already.
    ///
    /// # Errors
    /// `NotAllowed` names the field that does not fit, or says that this account may not; `StorageFull`.
    pub fn revise(&self, draft: String, text: DirectiveText) -> Result<bool> {
        self.edit(&Edit::ReviseDraft {
            record: id(&draft)?,
            fields: text.into_fields()?,
        })
    }

    /// Gives a draft up. It stays readable.
    ///
    /// # Errors
    /// `NotAllowed` if there is no such draft, or this account may not; `StorageFull`.
    pub fn discard(&self, draft: String) -> Result<bool> {
        self.edit(&Edit::DiscardDraft { record: id(&draft)? })
    }

    /// Drafts of this account's units, newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn drafts(&self) -> Result<Vec<Draft>> {
        self.with(|session| {
            let drafts = session.replica()?.drafts()?;
            Ok(drafts.into_iter().map(Into::into).collect())
        })
    }

    /// Issues a draft, and gives the directive's id: it goes to the board as it stands, and never changes again.
    ///
    /// # Errors
    /// `NotAllowed(not_ready_…)` names what is missing or in conflict; `StorageFull`.
    pub fn issue(&self, draft: String) -> Result<String> {
        let draft = id(&draft)?;
        self.make(|desk, now_ms, rng| desk.issue(draft, now_ms, rng))
    }

    /// What was said to a record, newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn remarks(&self, record: String) -> Result<Vec<Remark>> {
        let record = id(&record)?;
        self.with(|session| {
            let remarks = session.replica()?.remarks(record)?;
            Ok(remarks.into_iter().map(Into::into).collect())
        })
    }

    /// Says something to a record.
    ///
    /// # Errors
    /// `NotAllowed` if there is no such record, or this account may not; `StorageFull`.
    pub fn remark(&self, record: String, kind: RemarkKind, words: Option<String>) -> Result<bool> {
        let record = id(&record)?;
        self.change(|desk, now_ms, rng| desk.remark(record, kind.into(), words, now_ms, rng))
    }

    /// Answers a remark.
    ///
    /// # Errors
    /// `NotAllowed` if there is no such remark, or this account may not; `StorageFull`.
    pub fn answer(&self, remark: String, words: String) -> Result<bool> {
        let remark = id(&remark)?;
        self.change(|desk, now_ms, rng| desk.answer(remark, words, now_ms, rng))
    }
}
