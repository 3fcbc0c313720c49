//! An office: the whole application on a directory of its own, spoken to by HTTP, with the time in our hands.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use data_encoding::BASE64URL_NOPAD;
use http_body_util::BodyExt;
use jiff::civil::Date;
use langso_server::app::App;
use langso_server::audit::By;
use langso_server::backup::back_up;
use langso_server::clock::{Clock, day_of, midnight_ms, random, random_bits};
use langso_server::config::Config;
use langso_server::documents::Loaded;
use langso_server::http::router as router_of;
use langso_server::policy::{Grant, Role, console};
use langso_server::realm::{self, Account};
use langso_server::restore::restore;
use langso_server::{codes, session, units};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use sync_core::document::Document;
use sync_core::edit::{DraftField, Edit, NewAssistance, NewDraft, NewRemark, Personal};
use sync_core::enrolment::Identity;
use sync_core::forge::Forged;
use sync_core::ids::{AccountId, DeviceId, DocumentId, RealmId, RecordId, UnitId};
use sync_core::local_store::{ListQuery, MemoryStore};
use sync_core::preflight::chunk_hash;
use sync_core::protocol::{Batch, ED25519, Health, Keys, Receipt, SyncRequest, VERSION, decode_response};
use sync_core::record::{Assistance, RemarkKind, Stage};
use sync_core::replica::{Received, Replica};
use sync_core::seal::SealedField;
use sync_core::signature::{AssertionStatement, BatchStatement, DeviceKey};
use tower::ServiceExt;

use super::described;

/// Two communes whose names differ by their signs alone, each with one hamlet.
pub const TWO_COMMUNES: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15379,393,commune,Xã Vĩnh Hùng
15367.01,15367,hamlet,Thôn Bái Xuân
15379.01,15379,hamlet,Thôn Đồng Mực
";

/// An answer.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// How somebody shows who they are.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    pub token: Option<String>,
    pub cookie: Option<String>,
    pub csrf: Option<String>,
}

pub struct Office {
    pub runtime: tokio::runtime::Runtime,
    pub app: Arc<App>,
    router: Router,
    now_ms: Arc<AtomicI64>,
    dir: tempfile::TempDir,
}

impl Office {
    /// A realm without units, at eight in the morning of a day.
    pub fn new(today: Date) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now_ms = Arc::new(AtomicI64::new(0));
        let told = Arc::clone(&now_ms);
        let config = Config {
            data: dir.path().to_owned(),
            workers: 2,
            ..Config::default()
        };
        let clock = Clock::manual(move || told.load(Ordering::Relaxed));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        now_ms.store(midnight_ms(today).unwrap() + 8 * 3_600_000, Ordering::Relaxed);
        let app = App::open(config, clock).unwrap();
        let router = router_of(Arc::clone(&app));
        Self {
            runtime,
            app,
            router,
            now_ms,
            dir,
        }
    }

    /// Makes a backup while the server runs.
    pub fn back_up(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        back_up(self.app.store().path(), &path).unwrap();
        path
    }

    /// The server is stopped, restored from a backup – its keys are kept elsewhere, and are the same – and started again.
    pub fn restore(self, backup: &Path) -> Self {
        let Self {
            runtime,
            app,
            router,
            now_ms,
            dir,
        } = self;
        let (config, clock, store) = (
            app.config.clone(),
            app.clock.clone(),
            app.store().path().to_owned(),
        );
        drop((app, router));
        restore(&store, backup, random(), now_ms.load(Ordering::Relaxed)).unwrap();
        let app = App::open(config, clock).unwrap();
        let router = router_of(Arc::clone(&app));
        Self {
            runtime,
            app,
            router,
            now_ms,
            dir,
        }
    }

    /// The data directory.
    pub fn data(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub fn today(&self) -> Date {
        day_of(self.now_ms())
    }

    /// It is eight in the morning of another day.
    pub fn travel_to(&self, day: Date) {
        let eight = midnight_ms(day).unwrap() + 8 * 3_600_000;
        self.now_ms.store(eight, Ordering::Relaxed);
    }

    pub fn pass(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Units that hold from a day on.
    pub fn import(&self, csv: &str, from: Date) {
        let rows = units::parse(csv.as_bytes()).unwrap();
        let fresh = || UnitId::from_parts(1_700_000_000_000, random_bits());
        self.app
            .store()
            .write_blocking(move |tx| {
                let permit = console(realm::all_units(tx)?);
                units::import(tx, &permit, &By::console(0), &rows, from, fresh)
            })
            .unwrap();
    }

    /// The unit that has a code today.
    pub fn unit(&self, code: &str) -> UnitId {
        let day = self.today().to_string();
        let found = self
            .app
            .store()
            .read_blocking(|conn| units::by_code(conn, code, &day));
        found.unwrap().unwrap_or_else(|| panic!("no unit {code}"))
    }

    pub fn account(&self, username: &str, role: Role, unit: UnitId) -> AccountId {
        self.person(username, username, role, unit)
    }

    /// An account of somebody who is called something else.
    pub fn person(&self, username: &str, name: &str, role: Role, unit: UnitId) -> AccountId {
        let account = Account {
            id: AccountId::from_parts(self.now_ms() as u64, random_bits()),
            display_name: name.to_owned(),
            password_hash: None,
        };
        let (id, username) = (account.id, username.to_owned());
        let (now_ms, today) = (self.now_ms(), self.today());
        let added = self.app.store().write_blocking(move |tx| {
            realm::add_account(tx, &account, &username, now_ms)?;
            realm::grant(tx, id, Grant::new(unit, role), today)
        });
        added.unwrap();
        id
    }

    /// Somebody who is logged in.
    pub fn log_in(&self, account: AccountId) -> Credentials {
        let (secret, csrf, now_ms) = (random(), random::<16>(), self.now_ms());
        let begun = self
            .app
            .store()
            .write_blocking(move |tx| session::begin(tx, account, secret, csrf, now_ms))
            .unwrap();
        Credentials {
            token: None,
            cookie: Some(begun.cookie),
            csrf: Some(begun.csrf),
        }
    }

    pub fn code_for(&self, account: AccountId) -> String {
        let code = codes::code_of(random());
        let (stored, now_ms) = (code.clone(), self.now_ms());
        let held = self
            .app
            .store()
            .read_blocking(|conn| realm::held_by(conn, account))
            .unwrap();
        let unit = held.iter().find(|held| held.on(self.today())).unwrap().grant.unit;
        self.app
            .store()
            .write_blocking(move |tx| codes::add(tx, &stored, account, unit, now_ms))
            .unwrap();
        code
    }

    /// A fresh phone, enrolled by a code.
    pub fn phone(&self, account: AccountId) -> OfficePhone {
        self.enrol(&self.code_for(account), random_bits() as u64)
    }

    pub fn enrol(&self, code: &str, seed: u64) -> OfficePhone {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut secret = [0; 32];
        rng.fill_bytes(&mut secret);
        let key = DeviceKey::from_seed(secret);
        let body = json!({ "code": code, "public_key": BASE64URL_NOPAD.encode(&key.public().to_bytes()) });
        let answer = self.post("/v1/enrol", &Credentials::default(), &body);
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.code());
        let answer = answer.json();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        let identity = Identity {
            realm: text("realm").parse::<RealmId>().unwrap(),
            device: text("device").parse::<DeviceId>().unwrap(),
            account: text("account").parse::<AccountId>().unwrap(),
            key,
        };
        OfficePhone {
            replica: Replica::open(MemoryStore::default(), identity).unwrap(),
            token: text("access_token"),
            rng,
        }
    }

    pub fn get(&self, path: &str, who: &Credentials) -> Answer {
        self.send(self.request("GET", path, who).body(Body::empty()).unwrap())
    }

    pub fn post(&self, path: &str, who: &Credentials, body: &Value) -> Answer {
        let request = self
            .request("POST", path, who)
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap())
    }

    pub fn post_form(&self, path: &str, who: &Credentials, body: &str) -> Answer {
        let request = self
            .request("POST", path, who)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body.to_owned())).unwrap())
    }

    pub fn request(&self, method: &str, path: &str, who: &Credentials) -> axum::http::request::Builder {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = &who.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(cookie) = &who.cookie {
            request = request.header(header::COOKIE, format!("langso_session={cookie}"));
        }
        if let Some(csrf) = &who.csrf {
            request = request.header("x-csrf-token", csrf);
        }
        request
    }

    /// The status alone, of an answer that may never end.
    pub fn status(&self, request: Request<Body>) -> StatusCode {
        let answer = self.router.clone().oneshot(request);
        self.runtime.block_on(answer).unwrap().status()
    }

    /// An answer, which is as `/openapi.json` tells it.
    pub fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().to_string(), request.uri().to_string());
        let answer = self.send_unseen(request);
        described::check(&method, &path, answer.status, &answer.headers, &answer.bytes);
        answer
    }

    /// An answer, whatever it is.
    pub fn send_unseen(&self, request: Request<Body>) -> Answer {
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            Answer {
                status: parts.status,
                headers: parts.headers,
                bytes: body.collect().await.unwrap().to_bytes().to_vec(),
            }
        })
    }

    /// A document as the log has it.
    pub fn document(&self, id: DocumentId) -> Document {
        let loaded = self.app.store().read_blocking(|conn| Loaded::load(conn, id));
        loaded.unwrap().document
    }

    /// One number of the store.
    pub fn count(&self, sql: &str) -> i64 {
        self.app
            .store()
            .read_blocking(|conn| conn.query_row(sql, [], |row| row.get(0)))
            .unwrap()
    }
}

/// A phone that speaks HTTP to an office.
pub struct OfficePhone {
    pub replica: Replica<MemoryStore>,
    pub token: String,
    rng: StdRng,
}

impl OfficePhone {
    pub fn credentials(&self) -> Credentials {
        Credentials {
            token: Some(self.token.clone()),
            ..Credentials::default()
        }
    }

    /// A number that nobody has guessed, for the id of a record.
    pub fn chance(&mut self) -> u128 {
        self.rng.next_u64().into()
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
        assert!(self.edit(&Edit::LogAssistance(Box::new(new)), now_ms).unwrap());
        id
    }

    pub fn edit(
        &mut self,
        edit: &Edit,
        now_ms: i64,
    ) -> Result<bool, sync_core::replica::ReplicaError<std::convert::Infallible>> {
        let mut rng = StdRng::seed_from_u64(self.rng.next_u64());
        self.replica.edit(edit, now_ms, &mut rng)
    }

    /// Says how far a unit has come with a directive, offline.
    pub fn acknowledge(&mut self, directive: RecordId, unit: UnitId, stage: Stage, now_ms: i64) {
        let mut rng = StdRng::seed_from_u64(self.rng.next_u64());
        self.replica
            .acknowledge(directive, unit, stage, None, now_ms, &mut rng)
            .unwrap();
    }

    /// Writes a directive and issues it, offline.
    pub fn issue(&mut self, unit: UnitId, fields: Vec<DraftField>, now_ms: i64) -> RecordId {
        self.try_issue(unit, fields, now_ms).unwrap()
    }

    /// The same; the code of why it was not issued.
    pub fn try_issue(
        &mut self,
        unit: UnitId,
        fields: Vec<DraftField>,
        now_ms: i64,
    ) -> Result<RecordId, &'static str> {
        let draft = RecordId::from_parts(now_ms as u64, self.rng.next_u64().into());
        let new = NewDraft {
            id: draft,
            unit,
            fields,
        };
        self.edit(&Edit::StartDraft(Box::new(new)), now_ms).unwrap();
        let mut rng = StdRng::seed_from_u64(self.rng.next_u64());
        let issued = self.replica.issue(draft, now_ms, &mut rng);
        issued.map_err(|error| error.code())
    }

    /// Answers a remark, offline.
    pub fn answer(&mut self, unit: UnitId, record: RecordId, remark: RecordId, words: &str, now_ms: i64) {
        let new = NewRemark {
            id: RecordId::from_parts(now_ms as u64, self.rng.next_u64().into()),
            unit,
            record,
            kind: RemarkKind::Answer,
            answers: Some(remark),
            words: Some(words.to_owned()),
        };
        assert!(self.edit(&Edit::Remark(Box::new(new)), now_ms).unwrap());
    }

    /// A fresh token for a signed assertion, as an app gets one whose own has expired.
    pub fn renew(&mut self, office: &Office) {
        let (identity, mut jti) = (self.replica.identity().clone(), [0; 16]);
        self.rng.fill_bytes(&mut jti);
        let statement = AssertionStatement {
            realm: identity.realm,
            device: identity.device,
            time_ms: office.now_ms(),
            nonce: None,
            jti,
        };
        let signature = statement.sign(&identity.key).0;
        let body = json!({
            "device": identity.device.to_string(), "time_ms": statement.time_ms, "jti": BASE64URL_NOPAD.encode(&jti),
            "signature": BASE64URL_NOPAD.encode(&signature),
        });
        let answer = office.post("/v1/token", &Credentials::default(), &body);
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.code());
        self.token = answer.json()["access_token"].as_str().unwrap().to_owned();
    }

    /// One exchange.
    pub fn exchange(&mut self, office: &Office) -> Result<Received, (StatusCode, String)> {
        self.exchange_telling(office, None)
    }

    /// One exchange in which the phone tells how it is.
    pub fn told(&mut self, office: &Office, health: Health) {
        self.exchange_telling(office, Some(health)).unwrap();
    }

    fn exchange_telling(
        &mut self,
        office: &Office,
        health: Option<Health>,
    ) -> Result<Received, (StatusCode, String)> {
        let mut rng = StdRng::seed_from_u64(self.rng.next_u64());
        self.replica
            .acknowledge_arrivals(office.now_ms(), &mut rng)
            .unwrap();
        let exchange = self.replica.next_request(office.now_ms(), health).unwrap();
        let mut request = office
            .request("POST", "/v1/sync", &self.credentials())
            .header(header::CONTENT_TYPE, "application/cbor");
        if exchange.body.compressed {
            request = request.header(header::CONTENT_ENCODING, "zstd");
        }
        let answer = office.send(request.body(Body::from(exchange.body.bytes)).unwrap());
        if !answer.status.is_success() {
            self.replica.exchange_failed(exchange.id);
            return Err((answer.status, answer.code()));
        }
        let compressed = answer.headers.contains_key(header::CONTENT_ENCODING);
        let received = self
            .replica
            .receive(
                exchange.id,
                &answer.bytes,
                compressed,
                office.now_ms(),
                &mut self.rng,
            )
            .unwrap();
        if let Some(token) = &received.access_token {
            self.token.clone_from(token);
        }
        Ok(received)
    }

    /// Delivers a change that this version of the app would not make.
    pub fn deliver(&self, office: &Office, document: DocumentId, change: &Forged) -> Receipt {
        let (identity, chunk) = (self.replica.identity(), change.cast());
        let keys = Keys {
            seed: None,
            listed: Vec::new(),
        };
        let statement = BatchStatement {
            realm: identity.realm,
            device: identity.device,
            account: identity.account,
            document,
            changes: &[chunk_hash(&chunk)],
            keys_digest: keys.digest(),
        };
        let request = SyncRequest {
            v: VERSION,
            epoch: None,
            token: None,
            device_time_ms: office.now_ms(),
            cursor: None,
            digest: None,
            push: vec![Batch {
                document,
                account: identity.account,
                signature: statement.sign(&identity.key),
                changes: vec![chunk.into()],
                alg: ED25519,
                keys,
            }],
            heal: Vec::new(),
            limits: None,
            health: None,
        };
        let body = Body::from(minicbor::to_vec(&request).unwrap());
        let request = office
            .request("POST", "/v1/sync", &self.credentials())
            .header(header::CONTENT_TYPE, "application/cbor");
        let answer = office.send(request.body(body).unwrap());
        let compressed = answer.headers.contains_key(header::CONTENT_ENCODING);
        let response = decode_response(&answer.bytes, compressed).unwrap();
        response.receipts.into_iter().next().unwrap()
    }

    /// Exchanges until nothing is left to do.
    pub fn sync(&mut self, office: &Office) {
        for _ in 0..100 {
            match self.exchange(office) {
                Ok(received) if !received.more => return,
                Ok(_) => {}
                Err((_, code)) if code == "token_expired" => self.renew(office),
                Err(refused) => panic!("{refused:?}"),
            }
        }
        panic!("the exchange does not come to an end");
    }

    pub fn rows(&self) -> Vec<Assistance> {
        self.replica.assistances(ListQuery::default()).unwrap()
    }
}
