//! What a person does at the phone, with what the phone adds to it: an id, a unit, the time.

use std::collections::BTreeSet;

use rand_core::CryptoRng;

use super::{Replica, ReplicaError, Result, random};
use crate::document::schema::Misfit;
use crate::edit::{DraftField, Edit, EditError, NewAssistance, NewDraft, NewRemark, Otherwise};
use crate::ids::{Class, RecordId, UnitId};
use crate::local_store::LocalStore;
use crate::projection::RowChange;
use crate::record::{Conflict, Remark, RemarkKind};

/// What the phone adds to something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Its id.
    pub id: RecordId,
    /// The unit in whose name.
    pub unit: UnitId,
    /// Now, UTC milliseconds of the server.
    pub at_ms: i64,
}

/// A field in conflict as somebody saw it who says what is right. Values that arrived since are not overridden unseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenConflict {
    /// The record.
    pub record: RecordId,
    /// The field's key.
    pub field: String,
    /// The changes that set the values that were shown ([`crate::record::ConflictValue::change`]).
    pub changes: BTreeSet<[u8; 32]>,
}

impl<S: LocalStore> Replica<S> {
    /// Records an act of help and gives its id. `unit` may be left out by who has one.
    ///
    /// # Errors
    /// [`ReplicaError`]; nothing was changed.
    pub fn log_assistance(
        &mut self,
        unit: Option<UnitId>,
        new: impl FnOnce(Beginning) -> NewAssistance,
        now_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<RecordId, S> {
        let beginning = self.begin(Class::Ledger, unit, now_ms, rng)?;
        let edit = Edit::LogAssistance(Box::new(new(beginning)));
        self.edit(&edit, now_ms, rng)?;
        Ok(beginning.id)
    }

    /// Begins a directive and gives the draft's id. `unit` may be left out by who writes for one.
    ///
    /// # Errors
    /// [`ReplicaError`]; nothing was changed.
    pub fn start_draft(
        &mut self,
        unit: Option<UnitId>,
        fields: Vec<DraftField>,
        now_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<RecordId, S> {
        let Beginning { id, unit, .. } = self.begin(Class::Drafts, unit, now_ms, rng)?;
        let new = NewDraft { id, unit, fields };
        self.edit(&Edit::StartDraft(Box::new(new)), now_ms, rng)?;
        Ok(id)
    }

    /// Says something to a record.
    ///
    /// # Errors
    /// [`EditError::NoSuchRecord`], or another [`ReplicaError`]; nothing was changed.
    pub fn remark(
        &mut self,
        record: RecordId,
        kind: RemarkKind,
        words: Option<String>,
        now_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<bool, S> {
        self.say(record, kind, None, words, now_ms, rng)
    }

    /// Answers a remark.
    ///
    /// # Errors
    /// [`EditError::NoSuchRecord`] if there is no such remark, or another [`ReplicaError`]; nothing was changed.
    pub fn answer(
        &mut self,
        remark: RecordId,
        words: String,
        now_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<bool, S> {
        let Remark { record, .. } = match self.row(remark)? {
            Some(RowChange::Remark(remark)) => *remark,
            Some(
                RowChange::Assistance(_)
                | RowChange::Draft(_)
                | RowChange::Directive(_)
                | RowChange::Acknowledgement(_),
            )
            | None => return Err(EditError::NoSuchRecord(remark).into()),
        };
        self.say(record, RemarkKind::Answer, Some(remark), Some(words), now_ms, rng)
    }

    /// Chooses the value of a field in conflict that this change set.
    ///
    /// # Errors
    /// [`EditError::NoSuchRecord`], [`EditError::NoSuchConflict`], [`ReplicaError::ChangedMeanwhile`], or another
    /// [`ReplicaError`]; nothing was changed.
    pub fn choose(
        &mut self,
        seen: &SeenConflict,
        change: [u8; 32],
        now_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<bool, S> {
        let mut values = self.as_seen(seen)?.values.into_iter();
        let chosen = values.find(|value| value.change == change);
        let edit = Edit::SettleConflict {
            record: seen.record,
            field: seen.field.clone(),
            value: chosen.ok_or(EditError::NoSuchConflict)?.value,
        };
        self.edit(&edit, now_ms, rng)
    }

    /// Says in words what is right where none of the values of a field in conflict is: numbers in digits, a time in UTC
    /// milliseconds, as [`Replica::show`] tells them.
    ///
    /// # Errors
    /// As [`Replica::choose`]; [`EditError::Field`] if the words do not fit the field.
    pub fn choose_other(
        &mut self,
        seen: &SeenConflict,
        words: &str,
        now_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<bool, S> {
        let values = self.as_seen(seen)?.values;
        let field = Otherwise::from_words(&seen.field, words, &values).ok_or_else(|| EditError::Field {
            field: seen.field.clone(),
            misfit: Misfit::Kind,
        })?;
        let record = seen.record;
        self.edit(&Edit::SettleOtherwise { record, field }, now_ms, rng)
    }

    /// The conflict, if it is still the one that was seen.
    fn as_seen(&mut self, seen: &SeenConflict) -> Result<Conflict, S> {
        let id = self.store.document_of(seen.record).map_err(ReplicaError::Store)?;
        let id = id.ok_or(EditError::NoSuchRecord(seen.record))?;
        let conflicts = self.open_document(id)?.document.conflicts(seen.record);
        let conflict = conflicts
            .into_iter()
            .find(|conflict| conflict.field == seen.field);
        let conflict = conflict.ok_or(EditError::NoSuchConflict)?;
        let changes: BTreeSet<[u8; 32]> = conflict.values.iter().map(|value| value.change).collect();
        if changes != seen.changes {
            return Err(ReplicaError::ChangedMeanwhile);
        }
        Ok(conflict)
    }

    /// The unit that is meant: the only one that there is, where none is named.
    pub(super) fn home(&self, class: Class, unit: Option<UnitId>) -> Result<UnitId, S> {
        match (unit, self.homes(class).as_slice()) {
            (Some(unit), _) => Ok(unit),
            (None, [home]) => Ok(*home),
            (None, []) => Err(ReplicaError::NoHome),
            (None, [..]) => Err(ReplicaError::ManyHomes),
        }
    }

    /// A fresh id for something that is made now.
    pub(super) fn fresh_id(&self, now_ms: i64, rng: &mut impl CryptoRng) -> RecordId {
        let at_ms = self.corrected(now_ms).unsigned_abs();
        RecordId::from_parts(at_ms, u128::from_be_bytes(random(rng)))
    }

    fn begin(
        &self,
        class: Class,
        unit: Option<UnitId>,
        now_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<Beginning, S> {
        Ok(Beginning {
            id: self.fresh_id(now_ms, rng),
            unit: self.home(class, unit)?,
            at_ms: self.corrected(now_ms),
        })
    }

    fn say(
        &mut self,
        record: RecordId,
        kind: RemarkKind,
        answers: Option<RecordId>,
        words: Option<String>,
        now_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<bool, S> {
        let about = self.assistance(record)?.ok_or(EditError::NoSuchRecord(record))?;
        let new = NewRemark {
            id: self.fresh_id(now_ms, rng),
            unit: about.document.unit(),
            record,
            kind,
            answers,
            words,
        };
        self.edit(&Edit::Remark(Box::new(new)), now_ms, rng)
    }
}
