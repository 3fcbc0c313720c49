//! Reading records out of a document: the merged value of each field, and every value where people disagree. Which type
//! the fields make is said beside each class's table ([`super::ledger`] …).

use std::collections::BTreeMap;

use automerge::{ChangeHash, ObjId, ReadDoc, ScalarValue, Value};

use super::{Document, acks, board, drafts, ledger, remarks};
use crate::ids::{AccountId, Class, DeviceId, DocumentId, RecordId};
use crate::projection::RowChange;
use crate::record::{Assistance, Conflict, ConflictValue, Fields, Origin, Scalar, Targets};
use crate::seal::SealedField;
use crate::signature::{RecordStatement, Signature};

/// The merged fields of one record, from which its type takes what it knows.
pub(super) struct Reading<'a> {
    from: &'a Document,
    pub(super) record: RecordId,
    pub(super) document: DocumentId,
    object: ObjId,
    winners: BTreeMap<String, Winner>,
    pub(super) conflicts: Vec<Conflict>,
}

struct Winner {
    value: Scalar,
    op: ObjId,
}

/// A value, and who set it when.
pub(super) struct Written {
    pub(super) value: Scalar,
    pub(super) by: AccountId,
    pub(super) at_ms: i64,
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

    /// The row of a record as it stands now; `None` if it is not here or not whole, or its class has no rows.
    pub fn row(&self, record: RecordId) -> Option<RowChange> {
        let from = || self.reading(record);
        match self.id().class() {
            Class::Ledger => ledger::read(from()?).map(RowChange::from),
            Class::Acks => acks::read(from()?).map(RowChange::from),
            Class::Drafts => drafts::read(from()?).map(RowChange::from),
            Class::Board => board::read(from()?).map(RowChange::from),
            Class::Remarks => remarks::read(from()?).map(RowChange::from),
            // They are read as documents.
            Class::Directory | Class::Catalogue => None,
        }
    }

    /// The assistance record `record` as it stands now; `None` if it is not here or not whole.
    pub fn assistance(&self, record: RecordId) -> Option<Assistance> {
        ledger::read(self.reading(record)?)
    }

    /// The merged fields of a record, whatever its class.
    pub fn fields(&self, record: RecordId) -> Option<Fields> {
        let reading = self.reading(record)?;
        Some(reading.rest())
    }

    /// Fields of `record` with several different current values.
    pub fn conflicts(&self, record: RecordId) -> Vec<Conflict> {
        self.reading(record)
            .map_or_else(Vec::new, |reading| reading.conflicts)
    }

    /// The map of a record. Where two were made under one key, the winner, as everywhere.
    pub(crate) fn record_object(&self, record: RecordId) -> Option<ObjId> {
        match self.automerge().get(self.records_object(), record.to_string()) {
            Ok(Some((Value::Object(_), object))) => Some(object),
            Ok(_) | Err(_) => None,
        }
    }

    pub(super) fn reading(&self, record: RecordId) -> Option<Reading<'_>> {
        let object = self.record_object(record)?;
        let (mut winners, mut conflicts) = (BTreeMap::new(), Vec::new());
        for item in self.automerge().map_range(&object, ..) {
            let key = item.key.to_string();
            if item.conflict {
                conflicts.extend(self.conflict(&object, &key));
            }
            let op = item.id();
            if let Some(value) = item.value.into_value().as_scalar().and_then(scalar) {
                winners.insert(key, Winner { value, op });
            }
        }
        Some(Reading {
            from: self,
            record,
            document: self.id(),
            object,
            winners,
            conflicts,
        })
    }

    /// The different current values of a field of a record, the one shown first; none where it is empty.
    pub fn values(&self, record: RecordId, field: &str) -> Vec<Scalar> {
        let all = self
            .record_object(record)
            .and_then(|object| self.automerge().get_all(&object, field).ok());
        let mut values: Vec<Scalar> = Vec::new();
        for (value, _) in all.into_iter().flatten().rev() {
            match value.as_scalar().and_then(scalar) {
                Some(value) if !values.contains(&value) => values.push(value),
                Some(_) | None => {}
            }
        }
        values
    }

    fn conflict(&self, object: &ObjId, key: &str) -> Option<Conflict> {
        let all = self.automerge().get_all(object, key).ok()?;
        Some(Conflict {
            field: key.to_owned(),
            values: self.different(all)?,
        })
    }

    /// The different ones of some values of a field; `None` when all who wrote it wrote the same.
    pub(super) fn different(&self, all: Vec<(Value<'_>, ObjId)>) -> Option<Vec<ConflictValue>> {
        let mut values: Vec<ConflictValue> = Vec::new();
        // automerge gives the winner last.
        for (value, op) in all.into_iter().rev() {
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
        (values.len() > 1).then_some(values)
    }

    /// The change that holds an operation, whose it is and when it was made.
    fn written_by(&self, op: &ObjId) -> Option<(ChangeHash, AccountId, i64)> {
        let hash = self.automerge().hash_for_opid(op)?;
        let node = self.history().node(&hash)?;
        Some((hash, node.account?, node.time_ms))
    }
}

impl Reading<'_> {
    fn take(&mut self, key: &str) -> Option<Scalar> {
        self.winners.remove(key).map(|winner| winner.value)
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Scalar::Text(text) => Some(text),
            Scalar::Bytes(_) | Scalar::Int(_) | Scalar::Bool(_) | Scalar::Null => None,
        }
    }

    pub(super) fn int(&mut self, key: &str) -> Option<i64> {
        match self.take(key)? {
            Scalar::Int(n) => Some(n),
            Scalar::Text(_) | Scalar::Bytes(_) | Scalar::Bool(_) | Scalar::Null => None,
        }
    }

    fn bytes<const N: usize>(&mut self, key: &str) -> Option<[u8; N]> {
        match self.take(key)? {
            Scalar::Bytes(bytes) => bytes.try_into().ok(),
            Scalar::Text(_) | Scalar::Int(_) | Scalar::Bool(_) | Scalar::Null => None,
        }
    }

    pub(super) fn id(&mut self, key: &str) -> Option<RecordId> {
        self.bytes(key).map(RecordId::from_bytes)
    }

    pub(super) fn account(&mut self, key: &str) -> Option<AccountId> {
        self.bytes(key).map(AccountId::from_bytes)
    }

    pub(super) fn device(&mut self, key: &str) -> Option<DeviceId> {
        self.bytes(key).map(DeviceId::from_bytes)
    }

    pub(super) fn digest(&mut self, key: &str) -> Option<[u8; 32]> {
        self.bytes(key)
    }

    pub(super) fn signature(&mut self, key: &str) -> Option<Signature> {
        self.bytes(key).map(Signature)
    }

    pub(super) fn targets(&mut self, key: &str) -> Option<Targets> {
        match self.take(key)? {
            Scalar::Bytes(bytes) => Targets::from_bytes(&bytes),
            Scalar::Text(_) | Scalar::Int(_) | Scalar::Bool(_) | Scalar::Null => None,
        }
    }

    /// A value together with who set it when.
    pub(super) fn take_written(&mut self, key: &str) -> Option<Written> {
        let winner = self.winners.remove(key)?;
        let (_, by, at_ms) = self.from.written_by(&winner.op)?;
        let value = winner.value;
        Some(Written { value, by, at_ms })
    }

    /// The ciphertext of the sealed fields.
    pub(super) fn sealed(&mut self) -> BTreeMap<SealedField, Vec<u8>> {
        let known = SealedField::ALL.into_iter();
        known
            .filter_map(|field| match self.winners.remove(field.key()) {
                Some(Winner {
                    value: Scalar::Bytes(bytes),
                    ..
                }) => Some((field, bytes)),
                Some(other) => {
                    self.winners.insert(field.key().to_owned(), other);
                    None
                }
                None => None,
            })
            .collect()
    }

    /// SHA-256 of the canonical bytes of a signed record. To be asked before anything is taken.
    pub(super) fn statement_digest(&self) -> [u8; 32] {
        let signature = self.from.schema().signature();
        let covered = self
            .winners
            .iter()
            .filter(|(key, _)| Some(key.as_str()) != signature);
        let fields: Fields = covered
            .map(|(key, winner)| (key.clone(), winner.value.clone()))
            .collect();
        let statement = RecordStatement {
            document: self.document,
            record: self.record,
            fields: &fields,
        };
        statement.digest()
    }

    /// What nobody took: fields of a newer version.
    pub(super) fn rest(self) -> BTreeMap<String, Scalar> {
        let values = self.winners.into_iter().map(|(key, winner)| (key, winner.value));
        values.collect()
    }

    /// The change that made the record.
    pub(super) fn origin(&self) -> Option<Origin> {
        let hash = self.from.automerge().hash_for_opid(&self.object)?;
        let node = self.from.history().node(&hash)?;
        Some(Origin {
            actor: node.actor.to_bytes().to_vec().into(),
            seq: node.seq,
        })
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
