//! Documents and changes: how each class begins, and what edits of one fixed phone become.

use std::collections::BTreeMap;
use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sync_core::document::Document;
use sync_core::edit::{AssistanceField, Edit, NewAcknowledgement, NewAssistance, Personal};
use sync_core::enrolment::Identity;
use sync_core::ids::{Class, DocumentId, Month, RecordId};
use sync_core::local_store::MemoryStore;
use sync_core::preflight::chunk_hash;
use sync_core::protocol::{Batch, decode_request};
use sync_core::record::{Issue, RetractReason, Stage};
use sync_core::replica::Replica;
use sync_core::seal::SealedField;

use crate::statements::{NOW, account, device, device_key, ledger, realm, record, unit};
use crate::{Golden, golden, stored};

/// Gives 16 bytes 0x0a for the actor, then 32 bytes 0x09 for the seed: a phone asks for both at each edit.
struct FixedRng;

impl TryRng for FixedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let byte = if bytes.len() == 16 { 10 } else { 9 };
        bytes.fill(byte);
        Ok(())
    }
}

impl TryCryptoRng for FixedRng {}

pub(crate) fn new_assistance() -> NewAssistance {
    NewAssistance {
        id: record(),
        unit: unit(),
        occurred_at_ms: NOW - 60_000,
        category: "dich_vu_cong".into(),
        procedure: Some("1.004194".into()),
        channel: "tai_nha".into(),
        outcome: "hoan_thanh".into(),
        people: 2,
        minutes: Some(15),
        satisfaction: Some(5),
        personal: Personal(BTreeMap::from([
            (SealedField::CitizenName, "Nguyễn Thị Lan".into()),
            (SealedField::CitizenPhone, "0912345678".into()),
        ])),
    }
}

/// A phone that logs a record, changes its outcome, clears a field, and takes the record back.
fn phone(edits: usize) -> Replica<MemoryStore> {
    let identity = Identity {
        realm: realm(),
        device: device(),
        account: account(),
        key: device_key(),
    };
    let amend = |field| Edit::AmendAssistance {
        record: record(),
        fields: vec![field],
    };
    let all = [
        Edit::LogAssistance(Box::new(new_assistance())),
        amend(AssistanceField::Outcome("hen_lai".into())),
        amend(AssistanceField::Minutes(None)),
        Edit::RetractAssistance {
            record: record(),
            reason: RetractReason::Mistake,
        },
    ];
    let mut replica = Replica::open(MemoryStore::new(), identity).unwrap();
    for (edit, at) in all.iter().zip(0..).take(edits) {
        assert!(replica.edit(edit, NOW + at * 1000, &mut FixedRng).unwrap());
    }
    replica
}

/// What the phone says to a directive.
pub(crate) fn new_acknowledgement() -> NewAcknowledgement {
    NewAcknowledgement {
        id: RecordId::from_bytes([11; 16]),
        unit: unit(),
        issue: Issue {
            directive: RecordId::from_bytes([12; 16]),
            version: 1,
            digest: [0xdd; 32],
        },
        stage: Stage::Acknowledged,
        note: Some("đã nhận".into()),
        previous: None,
    }
}

fn acknowledge() -> Vec<u8> {
    let mut phone = phone(0);
    let edit = Edit::Acknowledge(Box::new(new_acknowledgement()));
    assert!(phone.edit(&edit, NOW, &mut FixedRng).unwrap());
    only_batch(&mut phone).changes[0].to_vec()
}

fn only_batch(phone: &mut Replica<MemoryStore>) -> Batch {
    let body = phone.next_request(NOW, None).unwrap().body;
    let request = decode_request(&body.bytes, body.compressed).unwrap();
    request.push.into_iter().next().unwrap()
}

/// The one batch that the phone sends after so many edits.
pub(crate) fn batch(edits: usize) -> Batch {
    only_batch(&mut phone(edits))
}

/// The first of the phone's changes.
pub(crate) fn log_assistance() -> Vec<u8> {
    batch(1).changes[0].to_vec()
}

pub(crate) fn hash_of(chunk: &[u8]) -> [u8; 32] {
    chunk_hash(chunk)
}

fn document_of(class: Class) -> DocumentId {
    DocumentId::new(class, unit(), class.is_periodic().then_some(Month(58))).unwrap()
}

fn genesis(id: DocumentId) -> Vec<u8> {
    let document = automerge::Automerge::load(&Document::new(id).save()).unwrap();
    document.get_changes(&[])[0].raw_bytes().to_vec()
}

pub(crate) fn all() -> Vec<Golden> {
    let mut all = Vec::new();
    for class in Class::ALL {
        let (id, name) = (document_of(class), class.name());
        let hash = Document::genesis_hash(id).0;
        all.push(golden(
            &format!("genesis-{name}"),
            &format!("the first change of {id}, which never travels"),
            genesis(id),
        ));
        all.push(golden(
            &format!("genesis-{name}-hash"),
            &format!("of the first change of {id}"),
            hash,
        ));
        all.push(golden(
            &format!("document-id-{name}"),
            &format!("CBOR of {id}"),
            minicbor::to_vec(id).unwrap(),
        ));
    }
    let names = [
        ("change-log", "logs a record with a sealed name and phone"),
        ("change-amend", "sets its outcome to hen_lai"),
        ("change-clear", "clears its minutes: a delete"),
        ("change-retract", "takes it back, by mistake"),
    ];
    for ((name, about), chunk) in names.into_iter().zip(&batch(4).changes) {
        all.push(golden(name, about, chunk.to_vec()));
    }
    all.push(golden(
        "change-acknowledge",
        "makes a signed acknowledgement event in acks/040G2081040G2081040G208104/2024-11",
        acknowledge(),
    ));
    all
}

#[test]
fn a_golden_genesis_has_its_golden_hash() {
    for class in Class::ALL {
        let name = class.name();
        assert_eq!(
            chunk_hash(&stored(&format!("genesis-{name}"))).to_vec(),
            stored(&format!("genesis-{name}-hash"))
        );
        let id: DocumentId = minicbor::decode(&stored(&format!("document-id-{name}"))).unwrap();
        assert_eq!(id, document_of(class));
    }
}

#[test]
fn a_golden_snapshot_loads() {
    let document = Document::load(ledger(), &stored("snapshot")).unwrap();
    let shown = document.assistance(record()).unwrap();
    assert_eq!(shown.outcome, new_assistance().outcome);
    assert_eq!(
        shown.sealed[&SealedField::CitizenName],
        stored("sealed-dictionary")
    );
    assert_eq!(shown.sealed[&SealedField::CitizenPhone], stored("sealed-digits"));
}

#[test]
fn a_golden_acknowledgement_holds_its_golden_signature() {
    let (change, signature) = (stored("change-acknowledge"), stored("record-signature"));
    assert!(change.windows(64).any(|bytes| bytes == signature));
}
