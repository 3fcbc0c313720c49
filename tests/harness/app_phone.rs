//! A phone as an app has it: a session that gets its own tokens, carried to an office by HTTP.

use axum::body::Body;
use axum::http::Request;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sync_core::edit::{Edit, NewAssistance, Personal};
use sync_core::ids::{AccountId, RecordId, UnitId};
use sync_core::local_store::{ListQuery, MemoryStore};
use sync_core::record::Assistance;
use sync_core::replica::Replica;
use sync_core::seal::SealedField;
use sync_core::session::{Answer, Call, Session, Step};

use super::office::Office;

pub struct AppPhone {
    session: Option<Session<MemoryStore>>,
    rng: StdRng,
}

impl AppPhone {
    /// Enrolled for an account.
    pub fn enrol(office: &Office, account: AccountId, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut session = Session::open(MemoryStore::default(), &mut rng).unwrap();
        let call = session.enrol(&office.code_for(account)).unwrap();
        let answer = carry(office, call);
        session.answered(&answer, office.now_ms(), &mut rng).unwrap();
        Self {
            session: Some(session),
            rng,
        }
    }

    pub fn session(&mut self) -> &mut Session<MemoryStore> {
        self.session.as_mut().unwrap()
    }

    pub fn replica(&self) -> &Replica<MemoryStore> {
        self.session.as_ref().unwrap().replica().unwrap()
    }

    /// The process ends and is started again.
    pub fn restart(&mut self) {
        let store = self.session.take().unwrap().into_store().unwrap();
        self.session = Some(Session::open(store, &mut self.rng).unwrap());
    }

    /// Records one act of help, offline.
    pub fn log(&mut self, unit: UnitId, now_ms: i64) -> RecordId {
        let id = RecordId::from_parts(now_ms as u64, self.rng.next_u64().into());
        let new = NewAssistance {
            id,
            unit,
            occurred_at_ms: now_ms,
            category: "dich_vu_cong".into(),
            procedure: None,
            channel: "tai_nha".into(),
            outcome: "hoan_thanh".into(),
            people: 1,
            minutes: None,
            satisfaction: None,
            personal: Personal([(SealedField::CitizenName, "Nguyễn Thị Lan".to_owned())].into()),
        };
        let edit = Edit::LogAssistance(Box::new(new));
        let mut rng = StdRng::seed_from_u64(self.rng.next_u64());
        let replica = self.session().replica_mut().unwrap();
        assert!(replica.edit(&edit, now_ms, &mut rng).unwrap());
        id
    }

    /// One call and its answer.
    pub fn step(&mut self, office: &Office) -> Result<Step, String> {
        let mut rng = StdRng::seed_from_u64(self.rng.next_u64());
        let call = self.session().next_call(office.now_ms(), None, &mut rng).unwrap();
        let answer = carry(office, call);
        let taken = self.session().answered(&answer, office.now_ms(), &mut rng);
        taken.map_err(|error| error.code().to_owned())
    }

    /// Calls until nothing is left to do; gives the last step.
    pub fn sync(&mut self, office: &Office) -> Step {
        for _ in 0..100 {
            let step = self.step(office).unwrap();
            if !step.more {
                return step;
            }
        }
        panic!("the session does not come to an end");
    }

    pub fn rows(&self) -> Vec<Assistance> {
        self.replica().assistances(ListQuery::default()).unwrap()
    }
}

/// Carries a call to the office, by HTTP.
pub fn carry(office: &Office, call: Call) -> Answer {
    let mut request = Request::builder().method("POST").uri(call.path);
    for (name, value) in &call.headers {
        request = request.header(*name, value);
    }
    let answer = office.send(request.body(Body::from(call.body)).unwrap());
    let headers = answer.headers.iter();
    Answer {
        status: answer.status.as_u16(),
        headers: headers
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect(),
        body: answer.bytes,
    }
}
