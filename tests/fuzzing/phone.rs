//! A phone of the village with everything that a phone has: what a server answers is given to it.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use sync_core::edit::Edit;
use sync_core::enrolment::Identity;
use sync_core::ids::{RealmId, RecordId};
use sync_core::local_store::{ListQuery, MemoryStore};
use sync_core::replica::Replica;
use sync_core::signature::DeviceKey;

use crate::village::{NOW_MS, account, device, new_assistance};

/// The phone that is meant.
const PHONE: usize = 5;

pub fn identity() -> Identity {
    Identity {
        realm: RealmId::from_parts(1, 1),
        device: device(PHONE),
        account: account(PHONE),
        key: DeviceKey::from_seed([5; 32]),
    }
}

pub fn phone() -> Replica<MemoryStore> {
    Replica::open(MemoryStore::default(), identity()).unwrap()
}

/// What the phone still has of its own: what shows in its list, and what was set aside because a server refused it.
pub fn saved(replica: &Replica<MemoryStore>) -> BTreeSet<RecordId> {
    let rows = replica.assistances(ListQuery::default()).unwrap();
    let shown = rows.into_iter().filter(|row| row.device == device(PHONE));
    let aside = replica.set_aside().unwrap();
    shown
        .map(|row| row.id)
        .chain(aside.into_iter().map(|aside| aside.record))
        .collect()
}

/// A phone records one act of help, whatever a server has said.
pub fn record(replica: &mut Replica<MemoryStore>, rng: &mut StdRng) -> RecordId {
    let new = new_assistance(rng);
    let id = new.id;
    let edited = replica.edit(&Edit::LogAssistance(Box::new(new)), NOW_MS, rng);
    assert!(edited.unwrap(), "a phone records, whatever a server has said");
    id
}
