//! What is signed and derived, under fixed keys.

use sync_core::digest::DigestSum;
use sync_core::ids::{AccountId, Class, DeviceId, DocumentId, Month, RealmId, RecordId, UnitId};
use sync_core::protocol::{Keys, ListedKey};
use sync_core::record::{Fields, Reach, Scalar, Target, Targets};
use sync_core::seal::{KeySeed, RecordKey, SealedField, open, seal};
use sync_core::signature::{
    AssertionStatement, BatchStatement, DeviceKey, EnrolmentStatement, RecordStatement,
};

use crate::documents::{self, log_assistance};
use crate::{Golden, golden, stored};

/// 2024-11-05T05:00:00Z.
pub(crate) const NOW: i64 = 1_730_782_800_000;

pub(crate) fn realm() -> RealmId {
    RealmId::from_bytes([1; 16])
}

pub(crate) fn device() -> DeviceId {
    DeviceId::from_bytes([2; 16])
}

pub(crate) fn account() -> AccountId {
    AccountId::from_bytes([3; 16])
}

pub(crate) fn unit() -> UnitId {
    UnitId::from_bytes([4; 16])
}

pub(crate) fn record() -> RecordId {
    RecordId::from_bytes([5; 16])
}

pub(crate) fn ledger() -> DocumentId {
    DocumentId::ledger(unit(), Month(58))
}

/// The device's key.
pub(crate) fn device_key() -> DeviceKey {
    DeviceKey::from_seed([7; 32])
}

fn realm_key() -> DeviceKey {
    DeviceKey::from_seed([8; 32])
}

fn seed() -> KeySeed {
    KeySeed::from_bytes([9; 32])
}

fn record_key() -> RecordKey {
    seed().record_key(record())
}

pub(crate) fn listed_keys() -> Vec<ListedKey> {
    vec![ListedKey {
        record: record(),
        key: record_key(),
    }]
}

fn enrolment() -> EnrolmentStatement {
    EnrolmentStatement {
        realm: realm(),
        device: device(),
        account: account(),
        public_key: device_key().public(),
        enrolled_at_ms: NOW,
    }
}

fn assertion(nonce: Option<[u8; 16]>) -> AssertionStatement {
    AssertionStatement {
        realm: realm(),
        device: device(),
        time_ms: NOW,
        nonce,
        jti: [6; 16],
    }
}

/// The fields of the acknowledgement event in change-acknowledge, without its signature.
fn acknowledgement() -> Fields {
    let new = documents::new_acknowledgement();
    let text = |text: &str| Scalar::Text(text.to_owned());
    [
        (
            "directive",
            Scalar::Bytes(new.issue.directive.to_bytes().to_vec()),
        ),
        ("version", Scalar::Int(1)),
        ("digest", Scalar::Bytes(new.issue.digest.to_vec())),
        ("stage", text(new.stage.code())),
        ("note", text("đã nhận")),
        ("at", Scalar::Int(NOW)),
        ("device_at", Scalar::Int(NOW)),
        ("by", Scalar::Bytes(account().to_bytes().to_vec())),
        ("device", Scalar::Bytes(device().to_bytes().to_vec())),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

fn targets() -> Targets {
    let target = Target {
        unit: unit(),
        reach: Reach::Subtree,
    };
    Targets::new([target], ["hamlet".to_owned()], [])
}

const TEXTS: [(&str, SealedField, &str); 3] = [
    ("dictionary", SealedField::CitizenName, "Nguyễn Thị Lan"),
    ("digits", SealedField::CitizenPhone, "0912345678"),
    ("raw", SealedField::Note, "村"),
];

pub(crate) fn all() -> Vec<Golden> {
    let (key, realm_key) = (device_key(), realm_key());
    let hashes = [documents::hash_of(&log_assistance())];
    let keys = Keys {
        seed: Some(seed()),
        listed: Vec::new(),
    };
    let both = Keys {
        seed: Some(seed()),
        listed: listed_keys(),
    };
    let batch = BatchStatement {
        realm: realm(),
        device: device(),
        account: account(),
        document: ledger(),
        changes: &hashes,
        keys_digest: keys.digest(),
    };
    let fields = acknowledgement();
    let event = RecordStatement {
        document: DocumentId::new(Class::Acks, unit(), Some(Month(58))).unwrap(),
        record: documents::new_acknowledgement().id,
        fields: &fields,
    };
    let (plain, nonce) = (assertion(None), assertion(Some([10; 16])));
    let mut all = vec![
        golden(
            "device-public-key",
            "Ed25519: public key of the seed 07 … 07",
            key.public().to_bytes(),
        ),
        golden(
            "realm-public-key",
            "Ed25519: public key of the seed 08 … 08",
            realm_key.public().to_bytes(),
        ),
        golden(
            "enrolment-statement",
            "what the realm signs for a device",
            enrolment().to_bytes(),
        ),
        golden(
            "enrolment-signature",
            "by the realm's key",
            enrolment().sign(&realm_key).0,
        ),
        golden(
            "assertion-statement",
            "what a device signs for a token",
            plain.to_bytes(),
        ),
        golden("assertion-signature", "by the device's key", plain.sign(&key).0),
        golden(
            "assertion-statement-nonce",
            "the same with a nonce, after clock_refused",
            nonce.to_bytes(),
        ),
        golden(
            "assertion-signature-nonce",
            "by the device's key",
            nonce.sign(&key).0,
        ),
        golden(
            "keys-digest-none",
            "of a batch without keys",
            Keys::default().digest(),
        ),
        golden(
            "keys-digest-seed",
            "of a batch with the seed 09 … 09",
            keys.digest(),
        ),
        golden(
            "keys-digest-both",
            "the same with the record's key listed besides",
            both.digest(),
        ),
        golden(
            "batch-statement",
            "what a device signs: change-log with the seed 09 … 09",
            batch.to_bytes(),
        ),
        golden("batch-signature", "by the device's key", batch.sign(&key).0),
        golden(
            "record-key",
            "derived from the seed 09 … 09 for the record 05 … 05",
            record_key().to_bytes(),
        ),
        golden(
            "digest-document",
            "of the ledger with change-log as its head, 32 bytes",
            DigestSum::of_document(&ledger(), &[sync_core::ids::ChangeHash(hashes[0])]).to_bytes(),
        ),
        golden(
            "record-statement",
            "what a device signs of the event in change-acknowledge",
            event.to_bytes(),
        ),
        golden("record-signature", "by the device's key", event.sign(&key).0),
        golden(
            "targets",
            "the unit and everything below it, hamlets alone, every role",
            targets().to_bytes(),
        ),
    ];
    all.extend(TEXTS.map(|(name, field, text)| {
        let sealed = seal(&record_key(), &ledger(), record(), field, text).unwrap();
        golden(
            &format!("sealed-{name}"),
            &format!("{} = {text}, under record-key", field.key()),
            sealed,
        )
    }));
    all
}

#[test]
fn golden_signatures_and_sealed_fields_open() {
    let signature = |name| sync_core::signature::Signature(stored(name).try_into().unwrap());
    let public = device_key().public();
    assert_eq!(
        enrolment().verify(&realm_key().public(), &signature("enrolment-signature")),
        Ok(())
    );
    assert_eq!(
        assertion(None).verify(&public, &signature("assertion-signature")),
        Ok(())
    );
    assert_eq!(
        public.verify(&stored("batch-statement"), &signature("batch-signature")),
        Ok(())
    );
    for (name, field, text) in TEXTS {
        let sealed = stored(&format!("sealed-{name}"));
        assert_eq!(
            open(&record_key(), &ledger(), record(), field, &sealed).as_deref(),
            Ok(text)
        );
    }
}
