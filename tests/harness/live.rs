//! A live village: the real server behind real HTTP, two honest phones and a third one that sends whatever it likes.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::date;
use langso_server::accounts::fresh_account;
use langso_server::app::{App, open_data};
use langso_server::audit::By;
use langso_server::clock::{Clock, day_of, random, random_bits};
use langso_server::config::Config;
use langso_server::documents::Loaded;
use langso_server::drive::link::Answer;
use langso_server::drive::{Fate, Link, people};
use langso_server::policy::{Grant, Role, console};
use langso_server::serve::serve;
use langso_server::store::Store;
use langso_server::teams::add_codes;
use langso_server::verify::verify;
use langso_server::{realm, snapshots, units};
use minicbor::bytes::ByteVec;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sync_core::document::Document;
use sync_core::edit::{AssistanceField, Edit};
use sync_core::forge::{Forged, Op};
use sync_core::ids::{AccountId, DocumentId, Month, RecordId, UnitId};
use sync_core::local_store::MemoryStore;
use sync_core::preflight::chunk_hash;
use sync_core::protocol::{
    Batch, Body, ED25519, Keys, Receipt, SyncRequest, SyncResponse, VERSION, decode_response,
};
use sync_core::record::Assistance;
use sync_core::seal::KeySeed;
use sync_core::signature::{BatchStatement, Signature};

type Phone = langso_server::drive::Phone<MemoryStore>;

const UNITS: &str = "code,parent_code,level,name\nX,,commune,Xã\nA,X,hamlet,Thôn A\nB,X,hamlet,Thôn B\n";

/// The server, and who lives there.
pub struct Village {
    pub runtime: tokio::runtime::Runtime,
    pub app: Arc<App>,
    pub url: String,
    pub hamlet: UnitId,
    pub other_hamlet: UnitId,
    /// Two honest phones of the hamlet.
    pub honest: [Phone; 2],
    /// A phone of the hamlet in wrong hands: its identity is good, what it sends is not.
    pub hostile: Phone,
    rng: StdRng,
    dir: tempfile::TempDir,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Village {
    /// Both honest phones have recorded something and are in step with the server.
    pub fn new() -> Self {
        Self::with(|_| ())
    }

    /// The same under another configuration.
    pub fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config {
            data: dir.path().to_owned(),
            ..Config::default()
        };
        configure(&mut config);
        let (hamlet, other_hamlet, codes) = settle(&config);
        let app = App::open(config, Clock::system()).unwrap();
        let (stop, url) = runtime.block_on(start(&app));
        let mut codes = codes.into_iter().zip(1..);
        let mut phone = || {
            let (code, seed) = codes.next().unwrap();
            let link = Link::to(&url, Arc::default()).unwrap();
            let enrolled = Phone::enrol(link, &code, MemoryStore::default(), seed);
            runtime.block_on(enrolled).unwrap()
        };
        let (honest, hostile) = ([phone(), phone()], phone());
        let mut village = Self {
            app,
            url,
            hamlet,
            other_hamlet,
            honest,
            hostile,
            rng: StdRng::seed_from_u64(1),
            dir,
            stop,
            runtime,
        };
        for phone in [0, 1] {
            village.log(phone);
            village.sync(phone);
        }
        village.sync(0);
        village
    }

    /// A code for one more phone of the hamlet.
    pub fn another_code(&self) -> String {
        let account = self.honest[0].identity().account;
        add_codes(self.app.store(), account, 1).unwrap().concat()
    }

    /// An honest phone records one act of help.
    pub fn log(&mut self, phone: usize) -> RecordId {
        let id = self.honest[phone].fresh_record();
        let now_ms = self.honest[phone].now_ms();
        let new = people::assistance(&mut self.rng, id, self.hamlet, now_ms);
        self.edit(phone, &Edit::LogAssistance(Box::new(new)));
        id
    }

    /// An honest phone makes an edit.
    pub fn edit(&mut self, phone: usize, edit: &Edit) {
        let honest = &mut self.honest[phone];
        self.runtime.block_on(async { honest.edit(edit).unwrap() });
    }

    /// An honest phone exchanges until it is done.
    pub fn sync(&mut self, phone: usize) {
        let honest = &mut self.honest[phone];
        self.runtime.block_on(honest.sync(|| Fate::Delivered)).unwrap();
    }

    /// The same where the server may refuse.
    pub fn try_sync(&mut self, phone: usize) -> anyhow::Result<usize> {
        let honest = &mut self.honest[phone];
        self.runtime.block_on(honest.sync(|| Fate::Delivered))
    }

    /// What an honest phone shows.
    pub fn rows(&self, phone: usize) -> BTreeMap<RecordId, Assistance> {
        let rows = self.honest[phone].rows().unwrap();
        rows.into_iter().map(|row| (row.id, row)).collect()
    }

    /// A record that both honest phones have.
    pub fn record(&self) -> RecordId {
        let others = self.rows(1);
        let both = self
            .rows(0)
            .into_keys()
            .find(|record| others.contains_key(record));
        both.unwrap()
    }

    /// The document of the hamlet and the month.
    pub fn id(&self) -> DocumentId {
        DocumentId::ledger(self.hamlet, Month::of_millis(self.now_ms()).unwrap())
    }

    pub fn now_ms(&self) -> i64 {
        self.app.clock.now_ms()
    }

    /// The document as the log has it.
    pub fn document(&self) -> Document {
        let id = self.id();
        self.app
            .store()
            .read_blocking(|conn| Loaded::load(conn, id))
            .unwrap()
            .document
    }

    pub fn account(&self) -> AccountId {
        self.hostile.identity().account
    }

    /// An honest frame for something hostile: the next change of a fresh actor of the hostile phone.
    pub fn frame(&self, actor: u8) -> Forged {
        Forged::on(&self.document(), [actor; 16], self.account(), self.now_ms())
    }

    /// A batch of the hostile phone, signed as it has to be.
    pub fn batch(&self, document: DocumentId, chunks: &[Vec<u8>]) -> Batch {
        self.sign_again(Batch {
            document,
            account: self.account(),
            changes: chunks.iter().map(|chunk| ByteVec::from(chunk.clone())).collect(),
            signature: Signature([0; 64]),
            alg: ED25519,
            keys: Keys {
                seed: Some(KeySeed::from_bytes([8; 32])),
                listed: Vec::new(),
            },
        })
    }

    /// The same batch with a signature that fits what is in it.
    pub fn sign_again(&self, batch: Batch) -> Batch {
        let identity = self.hostile.identity();
        let hashes: Vec<[u8; 32]> = batch.changes.iter().map(|chunk| chunk_hash(chunk)).collect();
        let statement = BatchStatement {
            realm: identity.realm,
            device: identity.device,
            account: batch.account,
            document: batch.document,
            changes: &hashes,
            keys_digest: batch.keys.digest(),
        };
        Batch {
            signature: statement.sign(&identity.key),
            ..batch
        }
    }

    /// What the hostile phone is told about these chunks for the hamlet's document.
    pub fn deliver(&mut self, chunks: &[Vec<u8>]) -> Receipt {
        self.deliver_to(self.id(), chunks)
    }

    /// The same for any document.
    pub fn deliver_to(&mut self, document: DocumentId, chunks: &[Vec<u8>]) -> Receipt {
        let batch = self.batch(document, chunks);
        let answer = self.request(vec![batch]);
        assert_eq!(answer.receipts.len(), 1);
        answer.receipts[0].clone()
    }

    /// A request that says nothing.
    pub fn empty(&self) -> SyncRequest {
        SyncRequest {
            v: VERSION,
            epoch: None,
            token: None,
            device_time_ms: self.now_ms(),
            cursor: None,
            digest: None,
            push: Vec::new(),
            heal: Vec::new(),
            limits: None,
            health: None,
        }
    }

    /// One request of the hostile phone with these batches.
    pub fn request(&mut self, push: Vec<Batch>) -> SyncResponse {
        let request = SyncRequest { push, ..self.empty() };
        self.exchange(&request)
    }

    /// What a request of the hostile phone is answered.
    pub fn exchange(&mut self, request: &SyncRequest) -> SyncResponse {
        // Not compressed: what repeats itself would inflate too far for the rule that is meant.
        let body = Body {
            bytes: minicbor::to_vec(request).unwrap(),
            compressed: false,
        };
        let answer = self.post(&body);
        assert!(answer.status.is_success(), "{:?}", answer.status);
        let compressed = answer.headers.contains_key("content-encoding");
        decode_response(&answer.body, compressed).unwrap()
    }

    /// Whatever body the hostile phone sends.
    pub fn post(&mut self, body: &Body) -> Answer {
        let posted = self.hostile.post(body, Fate::Delivered);
        self.runtime.block_on(posted).unwrap().unwrap()
    }

    /// The code of the problem that a body is answered with.
    pub fn problem(&mut self, bytes: Vec<u8>, compressed: bool) -> (u16, String) {
        let answer = self.post(&Body { bytes, compressed });
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        (
            answer.status.as_u16(),
            problem["code"].as_str().unwrap().to_owned(),
        )
    }

    /// What the hostile phone did has harmed nobody: the document loads, everybody records, amends and syncs on – the
    /// second honest phone was away meanwhile –, and they all see the same.
    pub fn leaves_nobody_harmed(mut self) {
        let document = self.document();
        let loaded = Document::load(self.id(), &document.save()).unwrap();
        assert_eq!(loaded.heads(), document.heads());
        for phone in [0, 1] {
            let record = self.record();
            let people = self.rows(phone)[&record].people + 1;
            self.edit(
                phone,
                &Edit::AmendAssistance {
                    record,
                    fields: vec![AssistanceField::People(people)],
                },
            );
            self.log(phone);
        }
        for phone in [1, 0, 1] {
            self.sync(phone);
            assert_eq!(
                self.honest[phone].unsent().unwrap(),
                (0, 0),
                "everything honest is delivered"
            );
        }
        assert_eq!(self.rows(0), self.rows(1));
        // Once more on what the others wrote, and as whoever begins afresh.
        self.log(0);
        self.sync(0);
        self.sync(1);
        assert_eq!(self.rows(0), self.rows(1));
        let report = self
            .app
            .store()
            .read_blocking(|conn| verify(conn, &self.app.exchange.ingest.master))
            .unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        let document = self.document();
        let loaded = Document::load(self.id(), &document.save()).unwrap();
        let shown = self.rows(0);
        let of_it = shown.values().filter(|row| row.document == self.id());
        assert_eq!(loaded.records().len(), of_it.count());
        self.takes_in_a_fresh_phone();
        let _ = self.stop.send(());
        drop(self.dir);
    }
}

impl Village {
    /// A phone that begins gets everything that the others have, from a snapshot as well as change by change, and records.
    fn takes_in_a_fresh_phone(&mut self) {
        for seed in [101, 102] {
            let (code, rows) = (self.another_code(), self.rows(0));
            let link = Link::to(&self.url, Arc::default()).unwrap();
            let (runtime, app, rng) = (&self.runtime, &self.app, &mut self.rng);
            runtime.block_on(async {
                let mut fresh = Phone::enrol(link, &code, MemoryStore::default(), seed)
                    .await
                    .unwrap();
                fresh.sync(|| Fate::Delivered).await.unwrap();
                let shown: BTreeMap<RecordId, Assistance> = fresh
                    .rows()
                    .unwrap()
                    .into_iter()
                    .map(|row| (row.id, row))
                    .collect();
                assert_eq!(shown, rows, "a phone that begins has what the others have");
                let id = fresh.fresh_record();
                let new = people::assistance(rng, id, self.hamlet, fresh.now_ms());
                fresh.edit(&Edit::LogAssistance(Box::new(new))).unwrap();
                fresh.sync(|| Fate::Delivered).await.unwrap();
                assert_eq!(fresh.unsent().unwrap(), (0, 0));
                snapshots::refresh(app.store()).await.unwrap();
            });
            self.sync(0);
        }
    }
}

/// Makes the units, and a code for each of three phones.
pub fn settle(config: &Config) -> (UnitId, UnitId, Vec<String>) {
    let (store, _) = open_data(&config.data).unwrap();
    let now_ms = Clock::system().now_ms();
    let rows = units::parse(UNITS.as_bytes()).unwrap();
    let fresh = move || UnitId::from_parts(now_ms as u64, random_bits());
    store
        .write_blocking(move |tx| {
            let by = By::console(now_ms);
            units::import(tx, &console([]), &by, &rows, date(2024, 1, 1), fresh)
        })
        .unwrap();
    let tree = store
        .read_blocking(|conn| realm::tree(conn, day_of(now_ms)))
        .unwrap();
    let unit = |code: &str| tree.units().find(|unit| unit.code == code).unwrap().id;
    let (hamlet, other) = (unit("A"), unit("B"));
    let codes = ["mot", "hai", "ba"].map(|username| {
        let account = add_member(&store, username, hamlet, now_ms);
        add_codes(&store, account, 1).unwrap().concat()
    });
    (hamlet, other, codes.into())
}

fn add_member(store: &Store, username: &'static str, unit: UnitId, now_ms: i64) -> AccountId {
    let id = fresh_account();
    let account = realm::Account {
        id,
        display_name: "Người".into(),
        password_hash: None,
    };
    store
        .write_blocking(move |tx| {
            realm::add_account(tx, &account, username, now_ms)?;
            realm::grant(tx, id, Grant::new(unit, Role::Member), date(2024, 1, 1))
        })
        .unwrap();
    id
}

async fn start(app: &Arc<App>) -> (tokio::sync::oneshot::Sender<()>, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let app = Arc::clone(app);
    tokio::spawn(async move {
        serve(listener, app, async { drop(stopped.await) }).await;
    });
    (stop, url)
}

/// A whole record of the hostile phone, as an honest edit would make it.
pub fn records(village: &Village, frame: Forged, record: RecordId) -> Forged {
    let map = Some(frame.id(0));
    let identity = village.hostile.identity();
    let now_ms = village.now_ms();
    frame.with([
        Op::make_map(Some(sync_core::forge::records_object()), record.to_string()),
        Op::put_int(map, "occurred_at", now_ms - 1000),
        Op::put_text(map, "category", "dich_vu_cong"),
        Op::put_text(map, "channel", "tai_nha"),
        Op::put_text(map, "outcome", "hoan_thanh"),
        Op::put_int(map, "people", 1),
        Op::put_bytes(map, "recorded_by", &identity.account.to_bytes()),
        Op::put_bytes(map, "device", &identity.device.to_bytes()),
        Op::put_int(map, "recorded_at", now_ms),
    ])
}

/// Randomness for what has to be new in every run.
pub fn fresh_record() -> RecordId {
    RecordId::from_bytes(random())
}
