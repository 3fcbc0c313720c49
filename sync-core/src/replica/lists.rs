//! What an app lists: records with what their reader may read of them, and where they have got to.

use std::collections::BTreeMap;

use super::{Replica, Result, SetAside};
use crate::edit::Personal;
use crate::ids::{Class, RecordId};
use crate::local_store::{ListPlace, ListQuery, LocalStore};
use crate::projection::RowChange;
use crate::record::{Assistance, ConflictValue, Draft, Remark};
use crate::seal::SealedField;

/// Records on one page, if nobody says how many.
const PAGE: usize = 50;
/// Most records on one page.
const PAGE_MAX: usize = 1000;

/// Whether the server has a record as this phone shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is on the server's disk.
    Delivered,
    /// Something about it is on this phone alone, and is sent with the next exchange.
    Waiting,
    /// The server did not merge something about it.
    Refused {
        /// Why.
        code: String,
    },
}

/// An act of help as its reader may see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// What its document says.
    pub row: Assistance,
    /// The personal data that this account may read.
    pub personal: Personal,
    /// Where it has got to.
    pub delivery: Delivery,
}

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShownPage {
    /// The records, newest first.
    pub items: Vec<Shown>,
    /// After which the next page goes on, if there is one.
    pub next: Option<ListPlace>,
}

/// A field that two people set without seeing each other's value.
#[derive(Clone, Debug, PartialEq)]
pub struct Disagreement {
    /// The record.
    pub record: RecordId,
    /// The field's key.
    pub field: String,
    /// Its values, and what each says to this reader; the first is the one that is shown meanwhile.
    pub values: Vec<(ConflictValue, Option<String>)>,
}

impl Shown {
    /// Fields that are filled in, but that this account may not read, or that were erased.
    pub fn hidden(&self) -> impl Iterator<Item = SealedField> + '_ {
        let sealed = self.row.sealed.keys().copied();
        sealed.filter(|field| !self.personal.0.contains_key(field))
    }
}

impl<S: LocalStore> Replica<S> {
    /// One page of records: 50 if the query does not say, never more than 1000.
    ///
    /// # Errors
    /// [`super::ReplicaError::Store`].
    pub fn page(&self, query: ListQuery) -> Result<ShownPage, S> {
        let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
        // One row more than is shown tells whether there is a next page.
        let mut rows = self.assistances(ListQuery {
            limit: Some(limit + 1),
            ..query
        })?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| ListPlace {
            at_ms: row.occurred_at_ms,
            record: row.id,
        });
        Ok(ShownPage {
            items: self.shown_all(rows)?,
            next,
        })
    }

    /// One record, if it is here.
    ///
    /// # Errors
    /// [`super::ReplicaError`] when the store fails or its document does not load.
    pub fn shown(&mut self, record: RecordId) -> Result<Option<Shown>, S> {
        let row = self.assistance(record)?;
        Ok(self.shown_all(row)?.pop())
    }

    /// Every field of a record on which two people disagree.
    ///
    /// # Errors
    /// [`super::ReplicaError::Store`].
    pub fn disagreements(&self) -> Result<Vec<Disagreement>, S> {
        let rows = self.assistances(ListQuery {
            in_conflict: Some(true),
            ..ListQuery::default()
        })?;
        let mut found = Vec::new();
        for row in rows {
            for conflict in row.conflicts {
                let mut values = Vec::new();
                for value in conflict.values {
                    let says = self.show(&row.document, row.id, &conflict.field, &value.value)?;
                    values.push((value, says));
                }
                found.push(Disagreement {
                    record: row.id,
                    field: conflict.field,
                    values,
                });
            }
        }
        Ok(found)
    }

    /// Drafts, newest first.
    ///
    /// # Errors
    /// [`super::ReplicaError::Store`].
    pub fn drafts(&self) -> Result<Vec<Draft>, S> {
        let rows = self.rows(Class::Drafts, ListQuery::default())?.into_iter();
        let drafts = rows.filter_map(|row| match row {
            RowChange::Draft(draft) => Some(*draft),
            RowChange::Assistance(_)
            | RowChange::Directive(_)
            | RowChange::Acknowledgement(_)
            | RowChange::Remark(_) => None,
        });
        Ok(drafts.collect())
    }

    /// What was said to a record, newest first, each with its words as far as its key is here.
    ///
    /// # Errors
    /// [`super::ReplicaError::Store`].
    pub fn remarks(&self, about: RecordId) -> Result<Vec<(Remark, Option<String>)>, S> {
        let query = ListQuery {
            about: Some(about),
            ..ListQuery::default()
        };
        let rows = self.rows(Class::Remarks, query)?.into_iter();
        let remarks = rows.filter_map(|row| match row {
            RowChange::Remark(remark) => Some(*remark),
            RowChange::Assistance(_)
            | RowChange::Draft(_)
            | RowChange::Directive(_)
            | RowChange::Acknowledgement(_) => None,
        });
        remarks
            .map(|remark| Ok((remark.clone(), self.words(&remark)?)))
            .collect()
    }

    /// What stands aside, oldest first, each with its record as it was shown when it was set aside, where that is an act of
    /// help.
    ///
    /// # Errors
    /// [`super::ReplicaError::Store`].
    pub fn set_aside_shown(&self) -> Result<Vec<(SetAside, Option<Shown>)>, S> {
        let show = |aside: SetAside| {
            let shown = match &aside.refused.shown {
                Some(RowChange::Assistance(row)) => Some(Shown {
                    row: row.as_ref().clone(),
                    personal: self.personal(row)?,
                    delivery: Delivery::Refused {
                        code: aside.refused.code.clone(),
                    },
                }),
                Some(
                    RowChange::Draft(_)
                    | RowChange::Directive(_)
                    | RowChange::Acknowledgement(_)
                    | RowChange::Remark(_),
                )
                | None => None,
            };
            Ok((aside, shown))
        };
        self.set_aside()?.into_iter().map(show).collect()
    }

    fn shown_all(&self, rows: impl IntoIterator<Item = Assistance>) -> Result<Vec<Shown>, S> {
        let unsent = self.unsent()?;
        let show = |row: Assistance| {
            Ok(Shown {
                personal: self.personal(&row)?,
                delivery: delivery(&unsent, row.id),
                row,
            })
        };
        rows.into_iter().map(show).collect()
    }
}

fn delivery(unsent: &BTreeMap<RecordId, Option<String>>, record: RecordId) -> Delivery {
    match unsent.get(&record) {
        None => Delivery::Delivered,
        Some(None) => Delivery::Waiting,
        Some(Some(code)) => Delivery::Refused { code: code.clone() },
    }
}
