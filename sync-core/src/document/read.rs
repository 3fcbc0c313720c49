//! Reading records out of a document: the merged value of each field, and every value where people disagree.

use std::collections::BTreeMap;

use automerge::{ChangeHash, ObjId, ReadDoc, ScalarValue, Value};

use super::{Document, ledger};
use crate::ids::{AccountId, DeviceId, RecordId};
use crate::record::{Assistance, Conflict, ConflictValue, RetractReason, Retraction, Scalar};
use crate::seal::SealedField;

/// The merged fields of one record, before they get their types.
struct Fields {
    winners: BTreeMap<String, Winner>,
    conflicts: Vec<Conflict>,
}

struct Winner {
    value: Scalar,
    op: ObjId,
}

impl Document {
    /// The ids of all records, ascending.
    pub fn records(&self) -> Vec<RecordId> {
        self.automerge()
            .keys(self.records_object())
            .filter_map(|key| key.parse().ok())
            .collect()
    }

    /// Whether a record of this id is here.
    pub fn has_record(&self, record: RecordId) -> bool {
        self.record_object(record).is_some()
    }

    /// The assistance record `record` as it stands now; `None` if it is not here or not whole.
    pub fn assistance(&self, record: RecordId) -> Option<Assistance> {
        let Fields {
            mut winners,
            conflicts,
        } = self.fields(&self.record_object(record)?);
        let retraction = winners
            .remove(ledger::RETRACTED)
            .and_then(|winner| self.retraction(&winner));
        let mut take = |key: &str| winners.remove(key).map(|winner| winner.value);
        let mut assistance = Assistance {
            id: record,
            document: self.id(),
            occurred_at_ms: int(take(ledger::OCCURRED_AT)?)?,
            category: text(take(ledger::CATEGORY)?)?,
            procedure: take(ledger::PROCEDURE).and_then(text),
            channel: text(take(ledger::CHANNEL)?)?,
            outcome: text(take(ledger::OUTCOME)?)?,
            people: int(take(ledger::PEOPLE)?)?.try_into().ok()?,
            minutes: take(ledger::MINUTES)
                .and_then(int)
                .and_then(|n| n.try_into().ok()),
            satisfaction: take(ledger::SATISFACTION)
                .and_then(int)
                .and_then(|n| n.try_into().ok()),
            recorded_by: AccountId::from_bytes(id(take(ledger::RECORDED_BY)?)?),
            device: DeviceId::from_bytes(id(take(ledger::DEVICE)?)?),
            recorded_at_ms: int(take(ledger::RECORDED_AT)?)?,
            retraction,
            sealed: BTreeMap::new(),
            unknown: BTreeMap::new(),
            conflicts,
        };
        for (key, winner) in winners {
            match (SealedField::from_key(&key), winner.value) {
                (Some(field), Scalar::Bytes(bytes)) => drop(assistance.sealed.insert(field, bytes)),
                (_, value) => drop(assistance.unknown.insert(key, value)),
            }
        }
        Some(assistance)
    }

    /// Fields of `record` with several different current values.
    pub fn conflicts(&self, record: RecordId) -> Vec<Conflict> {
        self.record_object(record)
            .map_or_else(Vec::new, |object| self.fields(&object).conflicts)
    }

    /// The map of a record. Where two were made under one key, the winner, as everywhere.
    pub(crate) fn record_object(&self, record: RecordId) -> Option<ObjId> {
        match self.automerge().get(self.records_object(), record.to_string()) {
            Ok(Some((Value::Object(_), object))) => Some(object),
            Ok(_) | Err(_) => None,
        }
    }

    fn fields(&self, object: &ObjId) -> Fields {
        let mut fields = Fields {
            winners: BTreeMap::new(),
            conflicts: Vec::new(),
        };
        for item in self.automerge().map_range(object, ..) {
            let key = item.key.to_string();
            if item.conflict {
                fields.conflicts.extend(self.conflict(object, &key));
            }
            let op = item.id();
            if let Some(value) = item.value.into_value().as_scalar().and_then(scalar) {
                fields.winners.insert(key, Winner { value, op });
            }
        }
        fields
    }

    /// The different values of a field; `None` when all who wrote it wrote the same.
    fn conflict(&self, object: &ObjId, key: &str) -> Option<Conflict> {
        let mut values: Vec<ConflictValue> = Vec::new();
        // automerge gives the winner last.
        for (value, op) in self.automerge().get_all(object, key).ok()?.into_iter().rev() {
            let Some(value) = value.as_scalar().and_then(scalar) else {
                continue;
            };
            if values.iter().any(|other| other.value == value) {
                continue;
            }
            let (change, by, at_ms) = self.written_by(&op)?;
            values.push(ConflictValue {
                value,
                by,
                at_ms,
                change: change.0,
            });
        }
        (values.len() > 1).then(|| Conflict {
            field: key.to_owned(),
            values,
        })
    }

    fn retraction(&self, winner: &Winner) -> Option<Retraction> {
        let Scalar::Text(code) = &winner.value else {
            return None;
        };
        let (_, by, at_ms) = self.written_by(&winner.op)?;
        Some(Retraction {
            reason: RetractReason::from_code(code)?,
            by,
            at_ms,
        })
    }

    /// The change that holds an operation, whose it is and when it was made.
    fn written_by(&self, op: &ObjId) -> Option<(ChangeHash, AccountId, i64)> {
        let hash = self.automerge().hash_for_opid(op)?;
        let node = self.history().node(&hash)?;
        Some((hash, node.account?, node.time_ms))
    }
}

/// The kinds of scalars that documents hold; others never get past admission.
pub(crate) fn scalar(value: &ScalarValue) -> Option<Scalar> {
    match value {
        ScalarValue::Str(text) => Some(Scalar::Text(text.to_string())),
        ScalarValue::Bytes(bytes) => Some(Scalar::Bytes(bytes.clone())),
        ScalarValue::Int(n) => Some(Scalar::Int(*n)),
        ScalarValue::Boolean(truth) => Some(Scalar::Bool(*truth)),
        ScalarValue::Null => Some(Scalar::Null),
        ScalarValue::Uint(_)
        | ScalarValue::F64(_)
        | ScalarValue::Counter(_)
        | ScalarValue::Timestamp(_)
        | ScalarValue::Unknown { .. } => None,
    }
}

fn text(value: Scalar) -> Option<String> {
    if let Scalar::Text(text) = value {
        Some(text)
    } else {
        None
    }
}

fn int(value: Scalar) -> Option<i64> {
    if let Scalar::Int(n) = value { Some(n) } else { None }
}

fn id(value: Scalar) -> Option<[u8; 16]> {
    if let Scalar::Bytes(bytes) = value {
        bytes.try_into().ok()
    } else {
        None
    }
}
