//! A phone: a replica on a store that survives it, and a person who uses it.

use std::collections::BTreeMap;

use langso_server::exchange::ExchangeError;
use langso_server::policy::Access;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use sync_core::edit::{AssistanceField, Edit, NewAssistance, Personal};
use sync_core::enrolment::Identity;
use sync_core::ids::{DocumentId, RecordId, UnitId};
use sync_core::local_store::{ListQuery, LocalStore, Update};
use sync_core::protocol::{Body, SyncResponse, decode_response};
use sync_core::record::{Assistance, RetractReason, Stage};
use sync_core::replica::{ExchangeId, Received, Replica, ReplicaError, SetAside};
use sync_core::seal::SealedField;

use super::store::{Death, Died, MortalStore};
use super::{Fate, World};

type Result<T> = std::result::Result<T, ReplicaError<Died>>;

pub struct Phone {
    pub identity: Identity,
    pub access: Access,
    pub rng: StdRng,
    replica: Option<Replica<MortalStore>>,
    /// An answer that is still on its way.
    late: Option<(ExchangeId, Body)>,
}

impl Phone {
    pub fn new(identity: Identity, access: Access, seed: u64) -> Self {
        let replica = Replica::open(MortalStore::default(), identity.clone()).unwrap();
        Self {
            identity,
            access,
            rng: StdRng::seed_from_u64(seed),
            replica: Some(replica),
            late: None,
        }
    }

    pub fn replica(&mut self) -> &mut Replica<MortalStore> {
        self.replica.as_mut().unwrap()
    }

    /// The process is killed and started again; its connections die with it.
    pub fn restart(&mut self) {
        self.late = None;
        let mut store = self.replica.take().unwrap().into_store();
        store.death = None;
        self.replica = Some(Replica::open(store, self.identity.clone()).unwrap());
    }

    /// A copy of the phone, down to its luck: both draw the same numbers from now on.
    pub fn copy(&mut self) -> Self {
        let store = self.replica.take().unwrap().into_store();
        self.replica = Some(Replica::open(store.clone(), self.identity.clone()).unwrap());
        let luck = self.rng.next_u64();
        self.rng = StdRng::seed_from_u64(luck);
        Self {
            identity: self.identity.clone(),
            access: self.access.clone(),
            rng: StdRng::seed_from_u64(luck),
            replica: Some(Replica::open(store, self.identity.clone()).unwrap()),
            late: None,
        }
    }

    /// Goes on with the documents of `older`, and still believes to have everything that it has now.
    pub fn forget_down_to(&mut self, older: Self) {
        let state = self.store_state();
        let mut store = older.replica.unwrap().into_store();
        let update = Update {
            state,
            ..Update::default()
        };
        store.apply(&update).unwrap();
        self.replica = Some(Replica::open(store, self.identity.clone()).unwrap());
    }

    /// The stored bytes of a document do not load any more.
    pub fn damage(&mut self, id: DocumentId) {
        let mut store = self.replica.take().unwrap().into_store();
        store.damaged = Some(id);
        self.replica = Some(Replica::open(store, self.identity.clone()).unwrap());
    }

    /// Edits that the server refused.
    pub fn aside(&mut self) -> Vec<SetAside> {
        self.replica().set_aside().unwrap()
    }

    /// The phone will die at this point.
    pub fn doom(&mut self, death: Death) {
        let mut store = self.replica.take().unwrap().into_store();
        store.death = Some(death);
        self.replica = Some(Replica::open(store, self.identity.clone()).unwrap());
    }

    pub fn edit(&mut self, edit: &Edit, now_ms: i64) -> Result<bool> {
        let mut rng = StdRng::seed_from_u64(self.rng.next_u64());
        self.replica().edit(edit, now_ms, &mut rng)
    }

    /// Records one act of help; gives its id.
    pub fn log(&mut self, unit: UnitId, now_ms: i64) -> RecordId {
        let new = self.new_assistance(unit, now_ms);
        let id = new.id;
        assert!(self.edit(&Edit::LogAssistance(Box::new(new)), now_ms).unwrap());
        id
    }

    /// Says something about a directive.
    pub fn acknowledge(
        &mut self,
        directive: RecordId,
        unit: UnitId,
        stage: Stage,
        note: Option<&str>,
        now_ms: i64,
    ) {
        let mut rng = StdRng::seed_from_u64(self.rng.next_u64());
        let note = note.map(str::to_owned);
        self.replica()
            .acknowledge(directive, unit, stage, note, now_ms, &mut rng)
            .unwrap();
    }

    /// Issues a draft; gives the directive.
    pub fn issue(&mut self, draft: RecordId, now_ms: i64) -> RecordId {
        let mut rng = StdRng::seed_from_u64(self.rng.next_u64());
        self.replica().issue(draft, now_ms, &mut rng).unwrap()
    }

    pub fn amend(&mut self, record: RecordId, field: AssistanceField, now_ms: i64) {
        self.edit(
            &Edit::AmendAssistance {
                record,
                fields: vec![field],
            },
            now_ms,
        )
        .unwrap();
    }

    pub fn new_assistance(&mut self, unit: UnitId, now_ms: i64) -> NewAssistance {
        let n = self.rng.next_u64();
        NewAssistance {
            id: RecordId::from_parts(now_ms as u64, u128::from(n)),
            unit,
            occurred_at_ms: now_ms - 60_000,
            category: "dich_vu_cong".into(),
            procedure: Some("1.004194".into()),
            channel: "tai_nha".into(),
            outcome: "hoan_thanh".into(),
            people: 1 + (n % 3) as u32,
            minutes: Some(15),
            satisfaction: Some(5),
            personal: Personal(BTreeMap::from([
                (SealedField::CitizenName, format!("Nguyễn Thị Lan {n}")),
                (SealedField::CitizenPhone, "0912345678".into()),
            ])),
        }
    }

    /// Something that a person might do now.
    pub fn random_edit(&mut self, unit: UnitId, now_ms: i64) -> Edit {
        let rows = self.rows();
        let at = self.rng.random_range(0..rows.len().max(1));
        let Some(row) = rows.into_values().nth(at).filter(|_| self.rng.random_bool(0.6)) else {
            return Edit::LogAssistance(Box::new(self.new_assistance(unit, now_ms)));
        };
        if let Some(conflict) = row.conflicts.first().filter(|_| self.rng.random_bool(0.5)) {
            let at = self.rng.random_range(0..conflict.values.len());
            let value = conflict.values[at].value.clone();
            return Edit::SettleConflict {
                record: row.id,
                field: conflict.field.clone(),
                value,
            };
        }
        let word = format!("w{}", self.rng.random_range(0..3));
        let field = match self.rng.random_range(0..5) {
            0 => {
                return Edit::RetractAssistance {
                    record: row.id,
                    reason: RetractReason::Mistake,
                };
            }
            1 => AssistanceField::Outcome(word),
            2 => AssistanceField::Procedure(self.rng.random_bool(0.5).then_some(word)),
            3 => AssistanceField::Personal(SealedField::Note, Some(word)),
            _ => AssistanceField::People(self.rng.random_range(1..4)),
        };
        Edit::AmendAssistance {
            record: row.id,
            fields: vec![field],
        }
    }

    pub fn rows(&mut self) -> BTreeMap<RecordId, Assistance> {
        let rows = self.replica().assistances(ListQuery::default()).unwrap();
        rows.into_iter().map(|row| (row.id, row)).collect()
    }

    pub fn unsent(&mut self) -> usize {
        self.replica().status().unsent
    }

    /// Takes an answer.
    pub fn receive(&mut self, id: ExchangeId, answer: &Body, now_ms: i64) -> Result<Received> {
        let mut rng = StdRng::seed_from_u64(self.rng.next_u64());
        self.replica()
            .receive(id, &answer.bytes, answer.compressed, now_ms, &mut rng)
    }

    /// One exchange, with what the network makes of it. `None`: the phone heard nothing that it could use.
    pub fn exchange(&mut self, world: &World, fate: Fate) -> Result<Option<Received>> {
        let mut rng = StdRng::seed_from_u64(self.rng.next_u64());
        self.replica().acknowledge_arrivals(world.now_ms, &mut rng)?;
        let exchange = self.replica().next_request(world.now_ms, None)?;
        if let Some((id, body)) = self.late.take() {
            let late = self.receive(id, &body, world.now_ms);
            assert!(
                matches!(late, Err(ReplicaError::Late)),
                "an answer of another exchange is never taken"
            );
        }
        if fate == Fate::RequestLost {
            self.replica().exchange_failed(exchange.id);
            return Ok(None);
        }
        let mut answer = world.serve(self, &exchange.body).unwrap();
        if fate == Fate::RequestDoubled {
            answer = world.serve(self, &exchange.body).unwrap();
        }
        match fate {
            Fate::AnswerLost => self.replica().exchange_failed(exchange.id),
            Fate::AnswerLate => self.late = Some((exchange.id, answer)),
            Fate::AnswerCut => {
                let cut = self.rng.random_range(0..answer.bytes.len());
                answer.bytes.truncate(cut);
                let taken = self.receive(exchange.id, &answer, world.now_ms);
                assert!(taken.is_err(), "a cut answer is no answer");
                self.replica().exchange_failed(exchange.id);
            }
            Fate::Delivered | Fate::RequestDoubled | Fate::RequestLost => {
                return Ok(Some(self.receive(exchange.id, &answer, world.now_ms)?));
            }
        }
        Ok(None)
    }

    /// Exchanges on a good network until nothing is left to do; gives how many that took.
    pub fn sync(&mut self, world: &World) -> usize {
        for round in 1..100 {
            let received = self
                .exchange(world, Fate::Delivered)
                .unwrap()
                .expect("a good network");
            if !received.more {
                return round;
            }
        }
        panic!("the exchange does not come to an end");
    }

    /// One exchange on a good network, and the answer as it was read.
    pub fn look(&mut self, world: &World) -> std::result::Result<SyncResponse, ExchangeError> {
        let exchange = self.replica().next_request(world.now_ms, None).unwrap();
        let answer = world.serve(self, &exchange.body)?;
        let response = decode_response(&answer.bytes, answer.compressed).unwrap();
        self.receive(exchange.id, &answer, world.now_ms).unwrap();
        Ok(response)
    }

    pub fn store_state(&mut self) -> sync_core::local_store::SyncState {
        let store = self.replica.take().unwrap().into_store();
        let state = store.state().unwrap();
        self.replica = Some(Replica::open(store, self.identity.clone()).unwrap());
        state
    }
}
