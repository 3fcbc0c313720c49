//! A server's document and those of two phones, without any network: what is given to one is given by the test.

use std::collections::{BTreeMap, HashMap};

use rand::{Rng, RngExt};
use sync_core::admission::{Admission, Authority, Gate, PANICKED, Refusal, admit};
use sync_core::document::Document;
use sync_core::edit::{AssistanceField, Author, Edit, EditKind, NewAssistance, Personal};
use sync_core::forge;
use sync_core::ids::{AccountId, ActorId, DeviceId, DocumentId, Month, RecordId, UnitId};
use sync_core::projection::project_all;
use sync_core::record::RetractReason;
use sync_core::seal::{KeySeed, SealedField};
use sync_core::signature::DeviceKey;

pub const NOW_MS: i64 = 1_731_000_000_000;

pub fn id() -> DocumentId {
    DocumentId::ledger(unit(), Month::of_millis(NOW_MS).unwrap())
}

pub fn unit() -> UnitId {
    UnitId::from_parts(1, 1)
}

pub fn account(n: usize) -> AccountId {
    AccountId::from_parts(3, n as u128)
}

pub fn device(n: usize) -> DeviceId {
    DeviceId::from_parts(2, n as u128)
}

/// The device in wrong hands.
pub const HOSTILE: usize = 9;
/// Who works on the server's own replica.
const OFFICE: usize = 8;
/// Who works on what nobody else has.
const ALONE: usize = 7;

/// Whoever has a number, in a session of the app.
fn author(n: usize, session: u8) -> Author {
    let mut actor = [0x10 + n as u8; 16];
    actor[15] = session;
    Author {
        account: account(n),
        device: device(n),
        actor: ActorId::from(actor.as_slice()),
        now_ms: NOW_MS,
        device_now_ms: NOW_MS,
        key: DeviceKey::from_seed([5; 32]),
    }
}

/// A document that a phone has from somebody who lies: it takes an honest edit, is saved and is received again.
pub fn works_on(mut document: Document, rng: &mut impl Rng) {
    let edit = Edit::LogAssistance(Box::new(new_assistance(rng)));
    let seed = KeySeed::from_bytes([7; 32]);
    let written = forge::edit(&mut document, &edit, &author(ALONE, 1), &seed).unwrap();
    assert!(written.is_some());
    let saved = document.save();
    assert_eq!(Document::load(id(), &saved).unwrap().heads(), document.heads());
    assert_eq!(Document::receive(id(), &saved).unwrap().heads(), document.heads());
}

/// Everybody may do everything: what is tried is the shape, not the policy.
#[derive(Clone, Default)]
pub struct Owners(HashMap<ActorId, DeviceId>);

impl Authority for Owners {
    fn owner(&self, actor: &ActorId) -> Option<DeviceId> {
        self.0.get(actor).copied()
    }

    fn may(&self, _: EditKind, _: i64) -> bool {
        true
    }
}

/// A server, two phones, and everything that the server took, in order.
#[derive(Clone)]
pub struct Village {
    pub server: Document,
    pub phones: [Document; 2],
    pub owners: Owners,
    pub log: Vec<Vec<u8>>,
    /// How much of the log each phone has.
    taken: [usize; 2],
    /// What each phone has written and not sent.
    unsent: [Vec<Vec<u8>>; 2],
    sessions: [u8; 2],
}

impl Village {
    /// A month in which both phones have recorded and corrected things.
    pub fn new(rng: &mut impl Rng, edits: usize) -> Self {
        let mut village = Self {
            server: Document::new(id()),
            phones: [Document::new(id()), Document::new(id())],
            owners: Owners::default(),
            log: Vec::new(),
            taken: [0; 2],
            unsent: [Vec::new(), Vec::new()],
            sessions: [1, 1],
        };
        for _ in 0..edits {
            let phone = rng.random_range(0..2);
            village.edit(phone, rng);
            match rng.random_range(0..4) {
                0 => village.push(phone),
                1 => village.pull(phone),
                _ => {}
            }
        }
        village.settle();
        village
    }

    fn author(&self, phone: usize) -> Author {
        author(phone, self.sessions[phone])
    }

    /// The app of a phone was closed and opened: it writes under another actor.
    pub fn restart(&mut self, phone: usize) {
        self.sessions[phone] = self.sessions[phone].saturating_add(1);
    }

    /// An honest edit.
    pub fn edit(&mut self, phone: usize, rng: &mut impl Rng) {
        let edit = random_edit(&self.phones[phone], rng);
        self.make(phone, &edit);
    }

    pub fn make(&mut self, phone: usize, edit: &Edit) {
        let (author, seed) = (self.author(phone), KeySeed::from_bytes([7; 32]));
        if let Some(chunk) = forge::edit(&mut self.phones[phone], edit, &author, &seed).unwrap() {
            self.unsent[phone].push(chunk);
        }
    }

    /// What an honest phone sends is taken, whatever was sent before.
    pub fn push(&mut self, phone: usize) {
        let chunks = std::mem::take(&mut self.unsent[phone]);
        if !chunks.is_empty() {
            let taken = self.deliver(phone, &chunks);
            assert!(taken.is_ok(), "an honest phone is refused: {taken:?}");
        }
    }

    /// What a device sends; gives how many changes were new.
    pub fn deliver(&mut self, sender: usize, chunks: &[Vec<u8>]) -> Result<usize, Refusal> {
        let gate = Gate::Device {
            account: account(sender),
            device: device(sender),
            authority: &self.owners,
        };
        let borrowed: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        match admit(&self.server, &borrowed, gate).inspect_err(|refusal| not_by_the_guard(refusal, chunks))? {
            Admission::Duplicate => Ok(0),
            Admission::Plan(plan) => {
                let new = plan.new.len();
                for change in &plan.new {
                    self.log.push(chunks[change.index].clone());
                    self.owners.0.insert(change.node.actor.clone(), device(sender));
                }
                drop(self.server.adopt(*plan));
                Ok(new)
            }
        }
    }

    /// A phone takes what it lacks of the log, which it never refuses.
    pub fn pull(&mut self, phone: usize) {
        let chunks: Vec<&[u8]> = self.log[self.taken[phone]..].iter().map(Vec::as_slice).collect();
        let taken = take(&mut self.phones[phone], &chunks);
        assert!(
            taken.is_ok(),
            "what the server took is refused by a phone: {taken:?}"
        );
        self.taken[phone] = self.log.len();
    }

    fn push_all(&mut self) {
        for phone in [0, 1] {
            self.push(phone);
        }
    }

    /// Somebody works on the server's own replica, which has everything that was taken.
    fn edit_on_the_server(&mut self, rng: &mut impl Rng) {
        let author = author(OFFICE, 1);
        for edit in [
            random_edit(&self.server, rng),
            Edit::LogAssistance(Box::new(new_assistance(rng))),
        ] {
            let seed = KeySeed::from_bytes([7; 32]);
            if let Some(chunk) = forge::edit(&mut self.server, &edit, &author, &seed).unwrap() {
                self.owners.0.insert(author.actor.clone(), author.device);
                self.log.push(chunk);
            }
        }
    }

    /// Everybody sends and takes until all have everything.
    pub fn settle(&mut self) {
        self.push_all();
        for phone in [0, 1] {
            self.pull(phone);
        }
    }

    /// Everybody works on, everybody has the same, and it can be stored and loaded.
    pub fn is_healthy(&mut self, rng: &mut impl Rng) {
        self.settle();
        for phone in [0, 1, 0] {
            let record = self.phones[phone].records().first().copied();
            self.make(phone, &Edit::LogAssistance(Box::new(new_assistance(rng))));
            if let Some(record) = record {
                let people = rng.random_range(1..90_000);
                self.make(
                    phone,
                    &Edit::AmendAssistance {
                        record,
                        fields: vec![AssistanceField::People(people)],
                    },
                );
            }
        }
        self.push_all();
        self.edit_on_the_server(rng);
        self.settle();
        let rows = project_all(&self.server);
        for phone in &self.phones {
            assert_eq!(phone.heads(), self.server.heads());
            assert_eq!(project_all(phone), rows);
        }
        let loaded = Document::receive(id(), &self.server.save()).unwrap();
        assert_eq!(loaded.heads(), self.server.heads());
        assert_eq!(project_all(&loaded), rows);
    }
}

/// What a phone is given by a server, honest or not.
pub fn take(document: &mut Document, chunks: &[&[u8]]) -> Result<usize, Refusal> {
    match admit(document, chunks, Gate::Log).inspect_err(|refusal| not_by_the_guard(refusal, chunks))? {
        Admission::Duplicate => Ok(0),
        Admission::Plan(plan) => {
            let new = plan.new.len();
            drop(document.adopt(*plan));
            Ok(new)
        }
    }
}

/// The guard around admission is for bugs: not one of these inputs may need it.
fn not_by_the_guard(refusal: &Refusal, chunks: &[impl AsRef<[u8]>]) {
    let hex = |chunk: &[u8]| data_encoding::HEXLOWER.encode(chunk);
    let chunks: Vec<String> = chunks.iter().map(|chunk| hex(chunk.as_ref())).collect();
    assert_ne!(
        *refusal,
        Refusal::Rejected(PANICKED),
        "admission panicked on {chunks:?}"
    );
}

pub fn random_edit(document: &Document, rng: &mut impl Rng) -> Edit {
    let records = document.records();
    if records.is_empty() || rng.random_bool(0.4) {
        return Edit::LogAssistance(Box::new(new_assistance(rng)));
    }
    let record = records[rng.random_range(0..records.len())];
    if let Some(conflict) = document
        .conflicts(record)
        .first()
        .filter(|_| rng.random_bool(0.5))
    {
        let value = conflict.values[rng.random_range(0..conflict.values.len())]
            .value
            .clone();
        return Edit::SettleConflict {
            record,
            field: conflict.field.clone(),
            value,
        };
    }
    let word = format!("w{}", rng.random_range(0..3));
    let field = match rng.random_range(0..6) {
        0 => {
            return Edit::RetractAssistance {
                record,
                reason: RetractReason::Mistake,
            };
        }
        1 => AssistanceField::Outcome(word),
        2 => AssistanceField::Procedure(None),
        3 => AssistanceField::Procedure(Some(word)),
        4 => AssistanceField::Personal(SealedField::Note, Some(word)),
        _ => AssistanceField::People(rng.random_range(1..4)),
    };
    Edit::AmendAssistance {
        record,
        fields: vec![field],
    }
}

pub fn new_assistance(rng: &mut impl Rng) -> NewAssistance {
    NewAssistance {
        id: RecordId::from_parts(NOW_MS as u64, u128::from(rng.next_u64())),
        unit: unit(),
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
