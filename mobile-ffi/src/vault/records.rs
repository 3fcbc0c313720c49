//! Recording, correcting, looking.

use std::collections::BTreeMap;

use sync_core::edit::Edit;
use sync_core::ids::{Class, RecordId, UnitId};
use sync_core::local_store::ListQuery;
use sync_core::local_store::sqlite::SqliteStore;
use sync_core::record;
use sync_core::replica::Replica;
use sync_core::session::Session;

use super::{Result, Vault};
use crate::observe::Change;
use crate::types::{change_of, id, place_of, query};
use crate::{
    Assistance, AssistanceField, AssistanceFilter, AssistancePage, Conflict, ConflictValue, Delivery,
    NewAssistance, Page, RetractReason, SetAside, VaultError,
};

#[uniffi::export]
impl Vault {
    /// Records an act of help and gives its id. When this returns, the record is on disk, whatever happens next.
    ///
    /// # Errors
    /// `NotAllowed` names the field that does not fit, or says that this account may not; `StorageFull`.
    pub fn record_assistance(&self, assistance: NewAssistance) -> Result<String> {
        let now_ms = self.now_ms();
        let record = self.with(|session| {
            let replica = session.replica_mut()?;
            let unit = match &assistance.unit {
                Some(unit) => id(unit)?,
                None => only_home(&replica.homes(Class::Ledger))?,
            };
            let now = replica.corrected(now_ms);
            let record = fresh(now);
            replica.edit(&assistance.into_edit(record, unit, now), now_ms, &mut rand::rng())?;
            Ok(record)
        })?;
        self.listeners.tell(Change::Local);
        Ok(record.to_string())
    }

    /// Corrects fields of a record. `false`: it said all of that already.
    ///
    /// # Errors
    /// `NotAllowed` names the field that does not fit, or says that this account may not; `StorageFull`.
    pub fn amend(&self, record: String, fields: Vec<AssistanceField>) -> Result<bool> {
        let edit = Edit::AmendAssistance {
            record: id(&record)?,
            fields: fields.into_iter().map(Into::into).collect(),
        };
        self.edit(|_| Ok(edit))
    }

    /// Takes a record back. It stays readable.
    ///
    /// # Errors
    /// `NotAllowed` if there is no such record, or this account may not; `StorageFull`.
    pub fn retract(&self, record: String, reason: RetractReason) -> Result<bool> {
        let edit = Edit::RetractAssistance {
            record: id(&record)?,
            reason: reason.into(),
        };
        self.edit(|_| Ok(edit))
    }

    /// Records, newest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn assistances(&self, filter: AssistanceFilter, page: Page) -> Result<AssistancePage> {
        let (query, limit) = query(&filter, &page)?;
        self.with(|session| {
            let replica = session.replica()?;
            let mut rows = replica.assistances(query)?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let next = rows.last().filter(|_| more).map(place_of);
            Ok(AssistancePage {
                items: shown(replica, rows)?,
                next,
            })
        })
    }

    /// One record, if it is here.
    ///
    /// # Errors
    /// What the store says.
    pub fn assistance(&self, record: String) -> Result<Option<Assistance>> {
        let record = id(&record)?;
        self.with(|session| {
            let row = session.replica_mut()?.assistance(record)?;
            Ok(shown(session.replica()?, row)?.pop())
        })
    }

    /// What was recorded here and the server did not merge, oldest first.
    ///
    /// # Errors
    /// What the store says.
    pub fn set_aside(&self) -> Result<Vec<SetAside>> {
        self.with(|session| {
            let aside = session.replica()?.set_aside()?;
            Ok(aside.into_iter().map(Into::into).collect())
        })
    }

    /// Every field that two people set to different values.
    ///
    /// # Errors
    /// What the store says.
    pub fn conflicts(&self) -> Result<Vec<Conflict>> {
        let query = ListQuery {
            in_conflict: Some(true),
            ..ListQuery::default()
        };
        self.with(|session| {
            let replica = session.replica()?;
            let mut conflicts = Vec::new();
            for row in replica.assistances(query)? {
                for conflict in &row.conflicts {
                    conflicts.push(conflict_of(replica, &row, conflict)?);
                }
            }
            Ok(conflicts)
        })
    }

    /// Chooses one of the values of a conflict, by its `ConflictValue.id`.
    ///
    /// # Errors
    /// `NotAllowed(no_such_conflict)` if it was settled meanwhile, or the value is none of it; `StorageFull`.
    pub fn resolve(&self, record: String, field: String, value: String) -> Result<bool> {
        let (record, change) = (id(&record)?, change_of(&value)?);
        self.edit(|session| Ok(session.replica_mut()?.settlement(record, &field, change)?))
    }
}

impl Vault {
    /// Makes one edit, and tells who listens.
    pub(super) fn edit(&self, edit: impl FnOnce(&mut Session<SqliteStore>) -> Result<Edit>) -> Result<bool> {
        let now_ms = self.now_ms();
        let edited = self.with(|session| {
            let edit = edit(session)?;
            Ok(session.replica_mut()?.edit(&edit, now_ms, &mut rand::rng())?)
        })?;
        if edited {
            self.listeners.tell(Change::Local);
        }
        Ok(edited)
    }
}

/// The unit of who has one.
pub(super) fn only_home(homes: &[UnitId]) -> Result<UnitId> {
    match homes {
        [home] => Ok(*home),
        [] => Err(VaultError::not_allowed("unit_unknown")),
        [..] => Err(VaultError::not_allowed("unit_needed")),
    }
}

/// A fresh id for something that is made now.
pub(super) fn fresh(now_ms: i64) -> RecordId {
    RecordId::from_parts(now_ms.unsigned_abs(), rand::random())
}

/// Records as the reader may see them.
fn shown(
    replica: &Replica<SqliteStore>,
    rows: impl IntoIterator<Item = record::Assistance>,
) -> Result<Vec<Assistance>> {
    let unsent = replica.unsent()?;
    let show = |row: record::Assistance| {
        let personal = replica.personal(&row)?;
        let delivery = delivery(&unsent, row.id);
        Ok(Assistance::new(row, personal, delivery))
    };
    rows.into_iter().map(show).collect()
}

fn delivery(unsent: &BTreeMap<RecordId, Option<String>>, record: RecordId) -> Delivery {
    match unsent.get(&record) {
        None => Delivery::Delivered,
        Some(None) => Delivery::Waiting,
        Some(Some(code)) => Delivery::Refused { code: code.clone() },
    }
}

fn conflict_of(
    replica: &Replica<SqliteStore>,
    row: &record::Assistance,
    conflict: &record::Conflict,
) -> Result<Conflict> {
    let values = conflict.values.iter().map(|value| {
        let text = replica.show(&row.document, row.id, &conflict.field, &value.value)?;
        Ok(ConflictValue::new(value, text))
    });
    Ok(Conflict {
        record: row.id.to_string(),
        field: conflict.field.clone(),
        values: values.collect::<Result<_>>()?,
    })
}
