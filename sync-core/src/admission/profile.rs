//! Profile: which operations our own edits are made of, and which edit a change is.
//!
//! A change is judged against its causal past – what its author could see –, never against the document as it is now:
//! naming something concurrent applies here and panics an honest phone that holds only the deps. For the changes of the
//! document that past is read out of automerge; for earlier changes of the same batch it is the [`Overlay`].

use std::collections::{BTreeSet, HashMap, HashSet};

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Change, ChangeHash, ObjId, ObjType, Prop, ReadDoc, ScalarValue};

use super::sequence::Step;
use super::{Authority, Gate, Refusal};
use crate::document::Document;
use crate::document::read::scalar;
use crate::document::schema::{Rule, UNKNOWN_FIELDS};
use crate::edit::EditKind;
use crate::ids::{AccountId, DeviceId, RecordId};
use crate::record::{Fields, Scalar};
use crate::signature::{RecordStatement, Signature};

/// What a step does, for whoever follows it up.
pub(super) struct Does {
    /// The record that it creates.
    pub(super) creates: Option<RecordId>,
    /// Whether it writes where its author saw several different values.
    pub(super) settles: bool,
}

/// Recognises the edit in every step and, where it comes from a device, holds it to the schema and asks the policy about
/// it.
pub(super) fn check(
    document: &Document,
    steps: &[Step<'_>],
    changes: &[Change],
    gate: Gate<'_>,
) -> Result<Vec<Does>, Refusal> {
    let mut overlay = Overlay::default();
    steps
        .iter()
        .zip(changes)
        .enumerate()
        .map(|(at, (step, change))| {
            let reader = Reader {
                document,
                step,
                at,
                overlay: &overlay,
                gate,
            };
            let edit = reader.recognise(change)?;
            if let (Gate::Device { authority, .. }, Some(kind)) = (gate, edit.kind)
                && !authority.may(kind, step.node.time_ms)
            {
                return Err(Refusal::Quarantined("not_permitted"));
            }
            let does = Does {
                creates: edit.creates.is_some().then_some(edit.record),
                settles: edit.writes.iter().any(|write| write.disputed),
            };
            overlay.add(at, edit);
            Ok(does)
        })
        .collect()
}

/// An edit as its operations tell it.
struct Recognised {
    /// Not asked at [`Gate::Log`].
    kind: Option<EditKind>,
    record: RecordId,
    /// The operation that makes the record's map.
    creates: Option<OpId>,
    writes: Vec<FieldWrite>,
}

/// One operation on one field.
struct FieldWrite {
    key: String,
    op: OpId,
    /// `None` deletes.
    value: Option<ScalarValue>,
    preds: Vec<OpId>,
    /// Its author saw several different values.
    disputed: bool,
}

/// What the earlier steps of a batch did.
#[derive(Default)]
struct Overlay {
    created: HashMap<OpId, (usize, RecordId)>,
    taken: HashSet<RecordId>,
    writes: HashMap<(RecordId, String), Writes>,
}

/// What the steps of a batch did to one field: each write with its step, and which steps replaced what.
#[derive(Default)]
struct Writes {
    made: Vec<(usize, FieldWrite)>,
    /// By place in `made`: a batch may well be 500 changes of one field, and each of them asks about all before it.
    replaced: Vec<Vec<usize>>,
    by_op: HashMap<OpId, usize>,
    /// The same for values that were there before the batch.
    replaced_before: HashMap<OpId, Vec<usize>>,
}

impl Writes {
    fn push(&mut self, at: usize, write: FieldWrite) {
        for pred in &write.preds {
            let place = self.by_op.get(pred).copied();
            match place.and_then(|place| self.replaced.get_mut(place)) {
                Some(by) => by.push(at),
                None => self.replaced_before.entry(pred.clone()).or_default().push(at),
            }
        }
        self.by_op.insert(write.op.clone(), self.made.len());
        self.made.push((at, write));
        self.replaced.push(Vec::new());
    }
}

impl Overlay {
    fn add(&mut self, at: usize, edit: Recognised) {
        if let Some(op) = edit.creates {
            self.created.insert(op, (at, edit.record));
            self.taken.insert(edit.record);
        }
        for write in edit.writes {
            self.writes
                .entry((edit.record, write.key.clone()))
                .or_default()
                .push(at, write);
        }
    }
}

/// One step, and what it may see.
struct Reader<'a> {
    document: &'a Document,
    step: &'a Step<'a>,
    at: usize,
    overlay: &'a Overlay,
    gate: Gate<'a>,
}

/// Where a change's fields go.
struct Target {
    record: RecordId,
    /// The operation that made the map.
    map: OpId,
    /// Its object, when it was in the document before the batch.
    object: Option<ObjId>,
    /// Whether this very change makes it.
    new: bool,
}

impl Reader<'_> {
    fn recognise(&self, change: &Change) -> Result<Recognised, Refusal> {
        let actor = change.actor_id();
        let ops = change.decode().operations;
        let first = ops.first().ok_or(Refusal::Rejected("no_operations"))?;
        let (target, fields) = match self.creation(first, actor)? {
            Some(target) => (target, ops.get(1..).unwrap_or_default()),
            None => (self.existing(first)?, ops.as_slice()),
        };
        let offset = self.step.start_op + (ops.len() - fields.len()) as u64;
        let (mut writes, mut keys, mut settles) = (Vec::new(), HashSet::new(), true);
        for (op, counter) in fields.iter().zip(offset..) {
            let (write, settle) = self.field(&target, op, OpId(counter, actor.clone()), &keys)?;
            if !keys.insert(write.key.clone()) {
                return Err(Refusal::Rejected("field_twice"));
            }
            settles &= settle;
            writes.push(write);
        }
        let kind = match self.gate {
            Gate::Device { authority, .. } => Some(self.kind(&target, &writes, settles, authority)?),
            Gate::Log => None,
        };
        let creates = target.new.then(|| target.map.clone());
        Ok(Recognised {
            kind,
            record: target.record,
            creates,
            writes,
        })
    }

    /// The record that the first operation makes, if it makes one.
    fn creation(&self, op: &Op, actor: &ActorId) -> Result<Option<Target>, Refusal> {
        let OpType::Make(kind) = &op.action else {
            return Ok(None);
        };
        let Key::Map(key) = &op.key else {
            return Err(Refusal::Rejected("operation"));
        };
        let in_records = as_object(&op.obj).as_ref() == Some(self.document.records_object());
        if *kind != ObjType::Map || !in_records || op.insert {
            return Err(Refusal::Rejected("operation"));
        }
        let record: RecordId = key.parse().map_err(|_| Refusal::Rejected("record_id"))?;
        if !op.pred.is_empty() {
            return Err(Refusal::Rejected("record_replaced"));
        }
        // Judged against the document as it is: of two maps under one key, one hides the other.
        if self.document.has_record(record) || self.overlay.taken.contains(&record) {
            return Err(Refusal::Quarantined("record_exists"));
        }
        let map = OpId(self.step.start_op, actor.clone());
        Ok(Some(Target {
            record,
            map,
            object: None,
            new: true,
        }))
    }

    /// The record that an operation writes to: made by an ancestor, in this batch or before.
    fn existing(&self, op: &Op) -> Result<Target, Refusal> {
        let refused = Refusal::Rejected("object_unknown");
        let ObjectId::Id(map) = &op.obj else {
            return Err(refused);
        };
        if let Some(&(at, record)) = self.overlay.created.get(map) {
            let seen = self.step.ancestors.contains(at);
            return seen
                .then(|| Target {
                    record,
                    map: map.clone(),
                    object: None,
                    new: false,
                })
                .ok_or(refused);
        }
        let object = as_object(&op.obj).ok_or_else(|| refused.clone())?;
        let doc = self.document.automerge();
        let parent = doc
            .parents(&object)
            .ok()
            .and_then(|mut parents| parents.next())
            .ok_or_else(|| refused.clone())?;
        let (true, Prop::Map(key)) = (parent.obj == *self.document.records_object(), parent.prop) else {
            return Err(refused);
        };
        let made_by = doc.hash_for_opid(&object).ok_or_else(|| refused.clone())?;
        if !self.sees_all() && !self.document.history().reaches(&self.base(), &made_by) {
            return Err(refused);
        }
        let record = key.parse().map_err(|_| refused)?;
        Ok(Target {
            record,
            map: map.clone(),
            object: Some(object),
            new: false,
        })
    }

    /// One operation on a field, and whether all that it does is to put one value, or none, in the place of several
    /// different ones. `earlier` are the fields that the same change has written before.
    fn field(
        &self,
        target: &Target,
        op: &Op,
        id: OpId,
        earlier: &HashSet<String>,
    ) -> Result<(FieldWrite, bool), Refusal> {
        let (Key::Map(key), false) = (&op.key, op.insert) else {
            return Err(Refusal::Rejected("operation"));
        };
        if op.obj != ObjectId::Id(target.map.clone()) {
            return Err(Refusal::Rejected("two_records"));
        }
        let preds: Vec<OpId> = op.pred.iter().cloned().collect();
        let visible = if target.new {
            Vec::new()
        } else {
            self.visible(target, key)
        };
        let twice = preds.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
        if twice || !preds.iter().all(|pred| visible.iter().any(|(op, _)| op == pred)) {
            return Err(Refusal::Rejected("preds"));
        }
        let value = match &op.action {
            OpType::Put(value) => Some(value.clone()),
            // What deletes nothing is no operation of ours.
            OpType::Delete if target.new || preds.is_empty() => return Err(Refusal::Rejected("operation")),
            OpType::Delete => None,
            OpType::Make(_) | OpType::Increment(_) | OpType::MarkBegin(_) | OpType::MarkEnd(_) => {
                return Err(Refusal::Rejected("operation"));
            }
        };
        let keeps_winner = visible
            .iter()
            .map(|(op, _)| op)
            .max()
            .is_some_and(|winner| !preds.contains(winner));
        match (&value, self.gate) {
            (Some(value), Gate::Device { account, device, .. }) => {
                self.judge_put(target, key, value, (account, device), earlier)?;
            }
            (None, Gate::Device { .. }) => self.judge_delete(key, keeps_winner)?,
            (_, Gate::Log) => {}
        }
        // A put of ours takes the place of all that its author saw: what nobody replaces would pile up, and every later
        // reading of the field goes through the pile.
        if value.is_some() && preds.len() != visible.len() {
            return Err(Refusal::Rejected("preds"));
        }
        let disputed = differ(&visible);
        let settles = disputed && (value.is_some() || keeps_winner || preds.len() == visible.len());
        Ok((
            FieldWrite {
                key: key.to_string(),
                op: id,
                value,
                preds,
                disputed,
            },
            settles,
        ))
    }

    fn judge_put(
        &self,
        target: &Target,
        key: &str,
        value: &ScalarValue,
        (account, device): (AccountId, DeviceId),
        earlier: &HashSet<String>,
    ) -> Result<(), Refusal> {
        let schema = self.document.schema();
        schema
            .judge(key, value)
            .map_err(|misfit| Refusal::Quarantined(misfit.code()))?;
        let Some(field) = schema.field(key) else {
            return self.judge_unknown(target, key, earlier);
        };
        let by_signer = |id: [u8; 16]| matches!(value, ScalarValue::Bytes(bytes) if *bytes == id);
        let allowed = match field.rule {
            Rule::Author => target.new && by_signer(account.to_bytes()),
            Rule::Device => target.new && by_signer(device.to_bytes()),
            Rule::Fixed | Rule::Initial => target.new,
            Rule::Required | Rule::Optional => true,
            Rule::Later => !target.new,
        };
        if allowed {
            Ok(())
        } else {
            Err(Refusal::Quarantined("field_not_open"))
        }
    }

    /// Fields of newer versions are kept, but a record is no dump, and a frozen one does not change.
    fn judge_unknown(&self, target: &Target, key: &str, earlier: &HashSet<String>) -> Result<(), Refusal> {
        if self.document.schema().is_frozen() && !target.new {
            return Err(Refusal::Quarantined("field_not_open"));
        }
        let in_document = target
            .object
            .iter()
            .flat_map(|object| self.document.automerge().keys(object));
        let of_batch = self
            .overlay
            .writes
            .keys()
            .filter(|(record, _)| *record == target.record)
            .map(|(_, key)| key.clone());
        let unknown: HashSet<String> = in_document
            .chain(of_batch)
            .chain(earlier.iter().cloned())
            .chain([key.to_owned()])
            .filter(|key| self.document.schema().field(key).is_none())
            .collect();
        if unknown.len() <= UNKNOWN_FIELDS {
            Ok(())
        } else {
            Err(Refusal::Quarantined("unknown_fields"))
        }
    }

    fn judge_delete(&self, key: &str, keeps_winner: bool) -> Result<(), Refusal> {
        let allowed = match self.document.schema().field(key).map(|field| field.rule) {
            Some(Rule::Author | Rule::Device | Rule::Fixed | Rule::Initial) => false,
            // Putting the value that wins already is encoded as a delete of the others.
            Some(Rule::Required | Rule::Later) => keeps_winner,
            Some(Rule::Optional) => true,
            None => !self.document.schema().is_frozen(),
        };
        if allowed {
            Ok(())
        } else {
            Err(Refusal::Quarantined("field_not_open"))
        }
    }

    fn kind(
        &self,
        target: &Target,
        writes: &[FieldWrite],
        settles: bool,
        authority: &dyn Authority,
    ) -> Result<EditKind, Refusal> {
        if target.new {
            return self.creation_kind(target, writes, authority);
        }
        let retracts = self.document.schema().retracts;
        let retracts = writes.iter().any(|write| Some(write.key.as_str()) == retracts);
        match (settles, retracts, writes.len()) {
            (true, _, _) => Ok(EditKind::Settle),
            (false, true, 1) => Ok(EditKind::Retract),
            (false, true, _) => Err(Refusal::Rejected("two_edits")),
            (false, false, _) => Ok(EditKind::Amend),
        }
    }

    /// A new record is whole and, where its class asks for it, signed by the device that brings it.
    fn creation_kind(
        &self,
        target: &Target,
        writes: &[FieldWrite],
        authority: &dyn Authority,
    ) -> Result<EditKind, Refusal> {
        let schema = self.document.schema();
        let value = |write: &FieldWrite| Some((write.key.clone(), scalar(write.value.as_ref()?)?));
        let mut fields: Fields = writes.iter().filter_map(value).collect();
        let kind = schema
            .judge_new(&fields)
            .map_err(|misfit| Refusal::Quarantined(misfit.code()))?;
        if let Some(key) = schema.signature() {
            let signature = match fields.remove(key) {
                Some(Scalar::Bytes(bytes)) => bytes.try_into().ok().map(Signature),
                Some(Scalar::Text(_) | Scalar::Int(_) | Scalar::Bool(_) | Scalar::Null) | None => None,
            };
            let statement = RecordStatement {
                document: self.document.id(),
                record: target.record,
                fields: &fields,
            };
            if !signature.is_some_and(|signature| authority.signed(&statement, &signature)) {
                return Err(Refusal::Quarantined("record_signature"));
            }
        }
        Ok(kind)
    }

    /// The values of a field that the author of this step saw.
    fn visible(&self, target: &Target, key: &str) -> Vec<(OpId, ScalarValue)> {
        let mut values = target
            .object
            .as_ref()
            .map_or_else(Vec::new, |object| self.base_values(object, key));
        let Some(writes) = self.overlay.writes.get(&(target.record, key.to_owned())) else {
            return values;
        };
        let seen = |at: &usize| self.step.ancestors.contains(*at);
        values.retain(|(op, _)| {
            let by = writes.replaced_before.get(op);
            !by.is_some_and(|by| by.iter().any(seen))
        });
        for ((at, write), by) in writes.made.iter().zip(&writes.replaced) {
            debug_assert!(*at < self.at, "the overlay holds earlier steps alone");
            if let Some(value) = &write.value
                && seen(at)
                && !by.iter().any(seen)
            {
                values.push((write.op.clone(), value.clone()));
            }
        }
        values
    }

    fn base_values(&self, object: &ObjId, key: &str) -> Vec<(OpId, ScalarValue)> {
        let doc = self.document.automerge();
        let values = if self.sees_all() {
            doc.get_all(object, key)
        } else {
            doc.get_all_at(object, key, &self.base())
        };
        let as_op = |(value, id): (automerge::Value<'_>, ObjId)| match id {
            ObjId::Id(counter, actor, _) => Some((OpId(counter, actor), value.as_scalar()?.clone())),
            ObjId::Root => None,
        };
        values.unwrap_or_default().into_iter().filter_map(as_op).collect()
    }

    /// Whether the step knows everything that is in the document: then its past is the present, which reads faster.
    fn sees_all(&self) -> bool {
        let heads: &BTreeSet<ChangeHash> = self.document.history().heads();
        heads.is_subset(&self.step.base)
    }

    fn base(&self) -> Vec<ChangeHash> {
        self.step.base.iter().copied().collect()
    }
}

fn differ(visible: &[(OpId, ScalarValue)]) -> bool {
    visible
        .first()
        .is_some_and(|(_, first)| visible.iter().any(|(_, other)| other != first))
}

fn as_object(object: &ObjectId) -> Option<ObjId> {
    match object {
        ObjectId::Id(OpId(counter, actor)) => Some(ObjId::Id(*counter, actor.clone(), 0)),
        ObjectId::Root => None,
    }
}
