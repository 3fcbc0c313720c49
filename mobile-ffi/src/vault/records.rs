//! Recording, correcting, looking.

use sync_core::edit::Edit;

use super::{Result, Vault};
use crate::types::{change_of, id, query};
use crate::{
    Assistance, AssistanceField, AssistanceFilter, AssistancePage, Conflict, NewAssistance, Page,
    RetractReason, SetAside,
};

#[uniffi::export]
impl Vault {
    /// Records an act of help and gives its id. When this returns, the record is on disk, whatever happens next.
    ///
    /// # Errors
    /// `NotAllowed` names the field that does not fit, or says that this account may not; `StorageFull`.
    pub fn record_assistance(&self, assistance: NewAssistance) -> Result<String> {
        let unit = assistance.unit.as_deref().map(id).transpose()?;
        self.make(|desk, now_ms, rng| {
            desk.log_assistance(unit, |beginning| assistance.begun(beginning), now_ms, rng)
        })
    }

    /// Corrects fields of a record. `false`: it said all of that already.
    ///
    /// # Errors
    /// `NotAllowed` names the field that does not fit, or says that this account may not; `StorageFull`.
    pub fn amend(&self, record: String, fields: Vec<AssistanceField>) -> Result<bool> {
        self.edit(&Edit::AmendAssistance {
            record: id(&record)?,
            fields: fields.into_iter().map(Into::into).collect(),
        })
    }

    /// Takes a record back. It stays readable.
    ///
    /// # Errors
    /// `NotAllowed` if there is no such record, or this account may not; `StorageFull`.
    pub fn retract(&self, record: String, reason: RetractReason) -> Result<bool> {
        self.edit(&Edit::RetractAssistance {
            record: id(&record)?,
            reason: reason.into(),
        })
    }

    /// Records, newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn assistances(&self, filter: AssistanceFilter, page: Page) -> Result<AssistancePage> {
        let query = query(&filter, &page)?;
        self.with(|session| Ok(session.replica()?.page(query)?.into()))
    }

    /// One record, if it is here.
    ///
    /// # Errors
    /// What the store says.
    pub fn assistance(&self, record: String) -> Result<Option<Assistance>> {
        let record = id(&record)?;
        self.with(|session| Ok(session.replica_mut()?.shown(record)?.map(Into::into)))
    }

    /// What was recorded here and the server did not merge, oldest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn set_aside(&self) -> Result<Vec<SetAside>> {
        self.with(|session| {
            let aside = session.replica()?.set_aside_shown()?;
            Ok(aside.into_iter().map(Into::into).collect())
        })
    }

    /// Every field that two people set to different values.
    ///
    /// # Errors
    /// What the store says.
    pub fn conflicts(&self) -> Result<Vec<Conflict>> {
        self.with(|session| {
            let found = session.replica()?.disagreements()?;
            Ok(found.into_iter().map(Into::into).collect())
        })
    }

    /// Chooses one of the values of a conflict, by its `ConflictValue.id`.
    ///
    /// # Errors
    /// `NotAllowed(no_such_conflict)` if it was settled meanwhile, or the value is none of it;
    /// `NotAllowed(changed_meanwhile)` if there are other values by now: show them; `StorageFull`.
    pub fn resolve(&self, conflict: Conflict, value: String) -> Result<bool> {
        let (seen, change) = (conflict.seen()?, change_of(&value)?);
        self.change(|desk, now_ms, rng| desk.choose(&seen, change, now_ms, rng))
    }

    /// Says what is right where none of the values of a conflict is, written as `ConflictValue.text` is: numbers in digits,
    /// a time in UTC milliseconds.
    ///
    /// # Errors
    /// As `resolve`; `NotAllowed(field_…)` names the field that it does not fit, `NotAllowed(no_key)` says that this account
    /// may not read it.
    pub fn resolve_otherwise(&self, conflict: Conflict, text: String) -> Result<bool> {
        let seen = conflict.seen()?;
        self.change(|desk, now_ms, rng| desk.choose_other(&seen, &text, now_ms, rng))
    }
}
