//! Laws of admission: honest histories are let in whatever their order, and lead everybody to the same records.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::*;
use crate::edit::{AssistanceField, Author, Edit, NewAssistance, Otherwise, Personal};
use crate::ids::{DocumentId, Month, UnitId};
use crate::projection::project_all;
use crate::record::{Assistance, RetractReason};
use crate::seal::{KeySeed, SealedField};

mod classes;

const NOW_MS: i64 = 1_731_000_000_000;

pub(super) fn ledger() -> DocumentId {
    DocumentId::ledger(UnitId::from_parts(1, 1), Month(58))
}

/// Everybody may do everything, and owns what he writes.
struct Permissive(BTreeMap<ActorId, DeviceId>);

impl Authority for Permissive {
    fn owner(&self, actor: &ActorId) -> Option<DeviceId> {
        self.0.get(actor).copied()
    }

    fn may(&self, _: EditKind, _: i64) -> bool {
        true
    }
}

/// A device with its own copy of the document, its rows, and what it has not sent.
struct Device {
    id: DeviceId,
    account: AccountId,
    actor: ActorId,
    document: Document,
    rows: BTreeMap<RecordId, Assistance>,
    outbox: Vec<Vec<u8>>,
    seed: KeySeed,
}

impl Device {
    fn new(n: u8) -> Self {
        Self {
            id: DeviceId::from_parts(2, n.into()),
            account: AccountId::from_parts(3, n.into()),
            actor: ActorId::from([n; 16].as_slice()),
            document: Document::new(ledger()),
            rows: BTreeMap::new(),
            outbox: Vec::new(),
            seed: KeySeed::from_bytes([9; 32]),
        }
    }

    fn author(&self) -> Author {
        Author {
            account: self.account,
            device: self.id,
            actor: self.actor.clone(),
            now_ms: NOW_MS,
            device_now_ms: NOW_MS,
            key: crate::signature::DeviceKey::from_seed([1; 32]),
        }
    }

    fn edit(&mut self, edit: &Edit) -> Option<Vec<u8>> {
        let key = self.seed.record_key(edit.record());
        let write = edit.prepare(&self.document, &self.author(), Some(&key)).unwrap();
        let written = self.document.write(&write, &self.author())?;
        self.put(crate::projection::rows_of(&self.document, [edit.record()]));
        self.outbox.push(written.bytes.clone());
        Some(written.bytes)
    }

    fn put(&mut self, rows: Vec<RowChange>) {
        self.rows.extend(rows.into_iter().map(assistance));
    }

    fn take(&mut self, chunks: &[Vec<u8>], gate: Gate<'_>) -> Result<usize, Refusal> {
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        match admit(&self.document, &chunks, gate)? {
            Admission::Duplicate => Ok(0),
            Admission::Plan(plan) => {
                let new = plan.new.len();
                let rows = self.document.adopt(*plan);
                self.put(rows);
                Ok(new)
            }
        }
    }

    fn random_edit(&mut self, rng: &mut StdRng) -> Option<Edit> {
        let record = if self.document.records().is_empty() {
            None
        } else {
            let records = self.document.records();
            Some(records[rng.random_range(0..records.len())])
        };
        let Some(record) = record.filter(|_| rng.random_bool(0.7)) else {
            return Some(Edit::LogAssistance(Box::new(new_assistance(rng))));
        };
        let conflicts = self.document.conflicts(record);
        if let Some(conflict) = conflicts.first().filter(|_| rng.random_bool(0.6)) {
            let another = AssistanceField::Category(format!("w{}", rng.random_range(0..3)));
            if conflict.field == another.key() && rng.random_bool(0.5) {
                return Some(Edit::SettleOtherwise {
                    record,
                    field: Otherwise::Field(another),
                });
            }
            let value = conflict.values[rng.random_range(0..conflict.values.len())]
                .value
                .clone();
            return Some(Edit::SettleConflict {
                record,
                field: conflict.field.clone(),
                value,
            });
        }
        let word = |rng: &mut StdRng| format!("w{}", rng.random_range(0..3));
        let fields = match rng.random_range(0..7) {
            0 => {
                return Some(Edit::RetractAssistance {
                    record,
                    reason: RetractReason::ALL[rng.random_range(0..2)],
                });
            }
            1 => vec![
                AssistanceField::Category(word(rng)),
                AssistanceField::People(rng.random_range(1..4)),
            ],
            2 => vec![AssistanceField::Procedure(None)],
            3 => vec![AssistanceField::Procedure(Some(word(rng)))],
            4 => vec![AssistanceField::Satisfaction((rng.random_bool(0.5)).then_some(3))],
            5 => vec![AssistanceField::Personal(SealedField::Note, Some(word(rng)))],
            _ => vec![
                AssistanceField::Personal(SealedField::Note, None),
                AssistanceField::Outcome(word(rng)),
            ],
        };
        Some(Edit::AmendAssistance { record, fields })
    }
}

fn assistance(row: RowChange) -> (RecordId, Assistance) {
    match row {
        RowChange::Assistance(row) => (row.id, *row),
        other => panic!("a ledger makes no {other:?}"),
    }
}

pub(super) fn new_assistance(rng: &mut StdRng) -> NewAssistance {
    NewAssistance {
        id: RecordId::from_parts(NOW_MS as u64, u128::from(rng.next_u64())),
        unit: UnitId::from_parts(1, 1),
        occurred_at_ms: NOW_MS - 1000,
        category: "dich_vu_cong".into(),
        procedure: Some("1.004194".into()),
        channel: "tai_nha".into(),
        outcome: "hoan_thanh".into(),
        people: 1,
        minutes: None,
        satisfaction: Some(5),
        personal: Personal(BTreeMap::from([(
            SealedField::CitizenName,
            "Nguyễn Thị Lan".to_owned(),
        )])),
    }
}

fn push(server: &mut Device, device: &mut Device, owners: &mut Permissive) {
    let outbox = std::mem::take(&mut device.outbox);
    if outbox.is_empty() {
        return;
    }
    let gate = Gate::Device {
        account: device.account,
        device: device.id,
        authority: &*owners,
    };
    server.take(&outbox, gate).unwrap();
    owners.0.insert(device.actor.clone(), device.id);
}

fn pull(server: &Device, device: &mut Device) {
    let changes: Vec<Vec<u8>> = server
        .document
        .changes()
        .iter()
        .map(|change| change.raw_bytes().to_vec())
        .collect();
    device.take(&changes, Gate::Log).unwrap();
}

/// Three devices that edit and exchange as they like, and a server that has everything in the end.
fn honest_history(seed: u64, steps: usize) -> (Device, Vec<Device>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut server = Device::new(100);
    let mut owners = Permissive(BTreeMap::new());
    let mut devices: Vec<Device> = (1..=3).map(Device::new).collect();
    for _ in 0..steps {
        let at = rng.random_range(0..devices.len());
        let device = &mut devices[at];
        match rng.random_range(0..10) {
            0 => push(&mut server, device, &mut owners),
            1 => pull(&server, device),
            2 => {
                push(&mut server, device, &mut owners);
                pull(&server, device);
            }
            _ => {
                if let Some(edit) = device.random_edit(&mut rng) {
                    device.edit(&edit);
                }
            }
        }
    }
    for device in &mut devices {
        push(&mut server, device, &mut owners);
    }
    (server, devices)
}

/// A document with such a history.
pub(crate) fn honest_document(seed: u64, steps: usize) -> Document {
    honest_history(seed, steps).0.document
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn honest_histories_are_admitted_and_converge(seed in any::<u64>(), steps in 10usize..80) {
        let (server, mut devices) = honest_history(seed, steps);
        for device in &mut devices {
            pull(&server, device);
            prop_assert_eq!(device.document.heads(), server.document.heads());
            prop_assert_eq!(&device.rows, &server.rows);
        }
        let all: BTreeMap<RecordId, Assistance> = project_all(&server.document)
            .into_iter().map(assistance).collect();
        prop_assert_eq!(&all, &server.rows);
        let loaded = Document::load(ledger(), &server.document.save()).unwrap();
        prop_assert_eq!(loaded.heads(), server.document.heads());
        prop_assert_eq!(loaded.history().len(), server.document.history().len());
    }
}

#[test]
fn two_values_set_without_seeing_each_other_are_both_readable() {
    let (mut server, mut owners) = (Device::new(100), Permissive(BTreeMap::new()));
    let (mut a, mut b) = (Device::new(1), Device::new(2));
    let new = new_assistance(&mut StdRng::seed_from_u64(1));
    let record = new.id;
    a.edit(&Edit::LogAssistance(Box::new(new)));
    push(&mut server, &mut a, &mut owners);
    pull(&server, &mut b);
    let amend = |outcome: &str| Edit::AmendAssistance {
        record,
        fields: vec![AssistanceField::Outcome(outcome.into())],
    };
    a.edit(&amend("dang_xu_ly"));
    b.edit(&amend("that_bai"));
    push(&mut server, &mut a, &mut owners);
    push(&mut server, &mut b, &mut owners);
    let row = &server.rows[&record];
    let [conflict] = row.conflicts.as_slice() else {
        panic!("one conflict")
    };
    assert_eq!(conflict.field, "outcome");
    let mut by: Vec<_> = conflict
        .values
        .iter()
        .map(|value| (value.by, value.value.clone()))
        .collect();
    by.sort_by_key(|(by, _)| *by);
    assert_eq!(
        by,
        vec![
            (a.account, crate::record::Scalar::Text("dang_xu_ly".into())),
            (b.account, crate::record::Scalar::Text("that_bai".into())),
        ]
    );
    // The one who chooses writes the chosen value again, and nothing is left to choose.
    pull(&server, &mut a);
    for value in [0, 1] {
        let mut chooser = Device::new(3);
        pull(&server, &mut chooser);
        let value = row.conflicts[0].values[value].value.clone();
        chooser.edit(&Edit::SettleConflict {
            record,
            field: "outcome".into(),
            value: value.clone(),
        });
        assert!(chooser.rows[&record].conflicts.is_empty());
        assert_eq!(
            crate::record::Scalar::Text(chooser.rows[&record].outcome.clone()),
            value
        );
    }
}

#[test]
fn the_genesis_of_a_document_never_changes() {
    let hash = Document::genesis_hash(ledger());
    assert_eq!(
        hash.to_string(),
        "3a6180ca4fc99c21b4bab01a728b4e2c5d63d4dd35e55953691d5d61c88a48a9"
    );
}

#[test]
fn a_value_that_joins_a_conflict_and_loses_is_readable_too() {
    let (mut server, mut owners) = (Device::new(100), Permissive(BTreeMap::new()));
    let new = new_assistance(&mut StdRng::seed_from_u64(1));
    let record = new.id;
    let mut first = Device::new(9);
    first.edit(&Edit::LogAssistance(Box::new(new)));
    push(&mut server, &mut first, &mut owners);
    // The same counter in all three: the highest actor wins, so the last to arrive loses.
    for n in [3, 2, 1] {
        let mut device = Device::new(n);
        pull_before(&server, &mut device, record);
        device.edit(&Edit::AmendAssistance {
            record,
            fields: vec![AssistanceField::Outcome(format!("w{n}"))],
        });
        push(&mut server, &mut device, &mut owners);
    }
    assert_eq!(server.rows[&record].outcome, "w3");
    assert_eq!(server.rows[&record].conflicts[0].values.len(), 3);
}

/// Many who record something without having seen each other.
fn strangers(count: usize) -> Vec<Device> {
    let mut rng = StdRng::seed_from_u64(1);
    let begin = |n| {
        let mut device = Device::new(n as u8);
        device.edit(&Edit::LogAssistance(Box::new(new_assistance(&mut rng))));
        device
    };
    (1..=count).map(begin).collect()
}

#[test]
fn a_document_has_64_heads_and_whoever_sees_them_all_goes_on() {
    let (mut server, mut owners) = (Device::new(200), Permissive(BTreeMap::new()));
    let mut devices = strangers(DOCUMENT_HEADS + 1);
    let mut last = devices.pop().unwrap();
    for device in &mut devices {
        push(&mut server, device, &mut owners);
    }
    assert_eq!(server.document.heads().len(), DOCUMENT_HEADS);
    let outbox = last.outbox.clone();
    let refused = |server: &mut Device, owners: &Permissive| {
        let gate = Gate::Device {
            account: last.account,
            device: last.id,
            authority: owners,
        };
        server.take(&outbox, gate)
    };
    assert_eq!(
        refused(&mut server, &owners).unwrap_err(),
        Refusal::Quarantined("heads")
    );
    // The one who was refused holds one head more than the server; what it writes now, it writes on all of them.
    pull(&server, &mut last);
    assert_eq!(last.document.heads().len(), DOCUMENT_HEADS + 1);
    last.edit(&Edit::LogAssistance(Box::new(new_assistance(
        &mut StdRng::seed_from_u64(2),
    ))));
    push(&mut server, &mut last, &mut owners);
    assert_eq!(server.document.heads().len(), 1);
    for device in &mut devices {
        pull(&server, device);
        assert_eq!(device.document.heads(), server.document.heads());
    }
}

#[test]
fn a_server_cannot_give_a_phone_more_heads_than_its_next_edit_can_name() {
    let most = DOCUMENT_HEADS + DEVICE_HEADS;
    let all: Vec<Vec<u8>> = strangers(most + 1)
        .into_iter()
        .flat_map(|device| device.outbox)
        .collect();
    let mut phone = Device::new(201);
    assert_eq!(
        phone.take(&all, Gate::Log).unwrap_err(),
        Refusal::Rejected("heads")
    );
    phone.take(&all[..most], Gate::Log).unwrap();
    assert_eq!(
        phone.take(&all[most..], Gate::Log).unwrap_err(),
        Refusal::Rejected("heads")
    );
    // What it writes on all of them, a server takes that has them.
    phone.edit(&Edit::LogAssistance(Box::new(new_assistance(
        &mut StdRng::seed_from_u64(2),
    ))));
    let mut server = Device::new(200);
    server.take(&all[..most], Gate::Log).unwrap();
    push(&mut server, &mut phone, &mut Permissive(BTreeMap::new()));
    assert_eq!(server.document.heads().len(), 1);
}

/// Takes the first change alone: what everybody saw before they wrote.
fn pull_before(server: &Device, device: &mut Device, record: RecordId) {
    let first = server.document.changes()[0].raw_bytes().to_vec();
    device.take(&[first], Gate::Log).unwrap();
    assert!(device.rows.contains_key(&record));
}
