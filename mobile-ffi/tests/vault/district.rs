//! A district with one server, and phones that reach it through any weather.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use langso_mobile::{
    Asks, DirectiveText, HttpAnswer, HttpHeader, HttpRequest, NewAssistance, Transport, TransportError,
    Urgency, Vault,
};
use langso_server::accounts::{self, fresh_account};
use langso_server::app::App;
use langso_server::audit::By;
use langso_server::catalogue;
use langso_server::clock::{Clock, day_of, random_bits};
use langso_server::config::Config;
use langso_server::devices::{self, End};
use langso_server::http::router;
use langso_server::policy::{self, Grant, Permit, Role, Write};
use langso_server::quarantine::{self, Discard};
use langso_server::realm::{self, Account};
use langso_server::teams::{Team, add_codes, add_teams};
use langso_server::units;
use sync_core::ids::{RecordId, UnitId};
use tower::ServiceExt;

const UNITS: &str =
    "code,parent_code,level,name\n1,,commune,Xã Một\n1.1,1,hamlet,Thôn Một\n1.2,1,hamlet,Thôn Hai\n";
/// The key of every vault here.
pub(crate) const KEY: [u8; 32] = [7; 32];

/// What stands between a phone and its server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Weather {
    Fine,
    NoSignal,
    /// The server hears the request; its answer is lost.
    AnswerLost,
    /// Somebody else answers.
    Stranger(u16, &'static str, &'static str),
    /// The answer is cut to half of its body.
    Cut,
}

pub(crate) struct District {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) app: Arc<App>,
    pub(crate) dir: tempfile::TempDir,
    teams: Vec<Team>,
}

/// The way from one phone to one server.
pub(crate) struct Way {
    app: Arc<App>,
    pub(crate) weather: Mutex<Weather>,
}

impl District {
    pub(crate) fn new() -> Self {
        Self::at(Clock::system())
    }

    /// One whose server has this clock.
    pub(crate) fn at(clock: Clock) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            data: dir.path().join("district"),
            ..Config::default()
        };
        let app = App::open(config, clock).unwrap();
        let rows = units::parse(UNITS.as_bytes()).unwrap();
        let fresh = || UnitId::from_parts(1, random_bits());
        app.store()
            .write_blocking(move |tx| {
                let (permit, by) = (policy::console([]), By::console(0));
                units::import(tx, &permit, &by, &rows, jiff::civil::date(2020, 1, 1), fresh)
            })
            .unwrap();
        let teams = add_teams(app.store()).unwrap();
        Self {
            runtime,
            app,
            dir,
            teams,
        }
    }

    pub(crate) fn way(&self) -> Arc<Way> {
        Arc::new(Way {
            app: Arc::clone(&self.app),
            weather: Mutex::new(Weather::Fine),
        })
    }

    /// A one-time code for the team of the first hamlet.
    pub(crate) fn code(&self) -> String {
        add_codes(self.app.store(), self.teams[0].account, 1)
            .unwrap()
            .remove(0)
    }

    /// Imports this catalogue, which publishes it to every phone.
    pub(crate) fn publish(&self, csv: &str) {
        let entries = catalogue::parse(csv.as_bytes()).unwrap();
        let now_ms = Clock::system().now_ms();
        let fresh = move || RecordId::from_parts(now_ms as u64, random_bits());
        let import = self.app.store().write_blocking(move |tx| {
            let permit = policy::console(realm::all_units(tx)?);
            catalogue::import(tx, &permit, &entries, &By::console(now_ms), fresh)
        });
        import.unwrap();
    }

    /// Revokes the phone that has this vault, or marks it as lost.
    pub(crate) fn end(&self, vault: &Vault, end: End) {
        let device = vault.status().unwrap().device.unwrap().parse().unwrap();
        let by = console();
        let ended = self.app.store().write_blocking(move |tx| {
            let permit = policy::console(realm::all_units(tx)?);
            devices::end(tx, &permit, &by, device, end)
        });
        ended.unwrap();
    }

    /// Suspends the account of the first hamlet's team: its phones read nothing more, and may only deliver.
    pub(crate) fn suspend(&self) {
        let (team, by) = (self.teams[0].account, console());
        let suspended = self.app.store().write_blocking(move |tx| {
            let permit = policy::console(realm::all_units(tx)?);
            accounts::suspend(tx, &permit, &by, team)
        });
        suspended.unwrap();
    }

    /// Takes the suspension back.
    pub(crate) fn resume(&self) {
        let (team, by) = (self.teams[0].account, console());
        let resumed = self.app.store().write_blocking(move |tx| {
            let permit = policy::console(realm::all_units(tx)?);
            accounts::resume(tx, &permit, &by, team)
        });
        resumed.unwrap();
    }

    /// Discards what waits in quarantine, and says how many batches that were.
    pub(crate) fn discard(&self, reason: Discard) -> usize {
        let (permit, parked) = self.parked();
        for id in &parked {
            let by = console();
            let discarding = self.app.exchange.discard(&permit, *id, reason, &by);
            self.runtime.block_on(discarding).unwrap();
        }
        parked.len()
    }

    /// Releases what waits in quarantine, and says how many batches that were.
    pub(crate) fn release(&self) -> usize {
        let (permit, parked) = self.parked();
        for id in &parked {
            let by = console();
            let releasing = self.app.exchange.release(&permit, *id, &by);
            self.runtime.block_on(releasing).unwrap();
        }
        parked.len()
    }

    fn parked(&self) -> (Permit<Write>, Vec<i64>) {
        let store = self.app.store();
        let permit = policy::console(store.read_blocking(realm::all_units).unwrap());
        let parked = store.read_blocking(quarantine::list).unwrap();
        (permit, parked.into_iter().map(|parked| parked.id).collect())
    }

    /// What the server answers to a request.
    pub(crate) fn answer(&self, way: &Way, request: HttpRequest) -> HttpAnswer {
        self.runtime.block_on(way.post(request)).unwrap()
    }

    /// A phone of an official of the commune that has synced once.
    pub(crate) fn official(&self) -> (Arc<Vault>, Arc<Way>) {
        let now_ms = Clock::system().now_ms();
        let commune = self
            .app
            .store()
            .read_blocking(|conn| units::by_code(conn, "1", &day_of(now_ms).to_string()));
        let grant = Grant::new(commune.unwrap().unwrap(), Role::Official);
        let account = Account {
            id: fresh_account(),
            display_name: "Công chức xã".into(),
            password_hash: None,
        };
        let id = account.id;
        self.app
            .store()
            .write_blocking(move |tx| {
                realm::add_account(tx, &account, "cong-chuc", now_ms)?;
                realm::grant(tx, id, grant, day_of(now_ms))
            })
            .unwrap();
        let code = add_codes(self.app.store(), id, 1).unwrap().remove(0);
        let (vault, way) = (self.fresh("official"), self.way());
        self.runtime.block_on(vault.enrol(code, way.clone())).unwrap();
        self.sync(&vault, &way).unwrap();
        (vault, way)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn fresh(&self, name: &str) -> Arc<Vault> {
        Vault::create(text(&self.path(name)), KEY.to_vec()).unwrap()
    }

    pub(crate) fn reopen(&self, name: &str) -> Arc<Vault> {
        Vault::open(text(&self.path(name)), KEY.to_vec()).unwrap()
    }

    /// A phone of the first hamlet that has synced once.
    pub(crate) fn phone(&self, name: &str) -> (Arc<Vault>, Arc<Way>) {
        let (vault, way) = (self.fresh(name), self.way());
        self.runtime
            .block_on(vault.enrol(self.code(), way.clone()))
            .unwrap();
        self.sync(&vault, &way).unwrap();
        (vault, way)
    }

    pub(crate) fn sync(
        &self,
        vault: &Vault,
        way: &Arc<Way>,
    ) -> Result<langso_mobile::SyncReport, langso_mobile::VaultError> {
        self.runtime.block_on(vault.sync(way.clone(), None))
    }

    /// A sync in this weather, and its error.
    pub(crate) fn trouble(&self, vault: &Vault, way: &Arc<Way>, weather: Weather) -> String {
        *way.weather.lock().unwrap() = weather;
        let error = self.sync(vault, way).unwrap_err();
        *way.weather.lock().unwrap() = Weather::Fine;
        error.to_string()
    }
}

fn console() -> By {
    By::console(Clock::system().now_ms())
}

pub(crate) fn text(path: &std::path::Path) -> String {
    path.to_str().unwrap().to_owned()
}

pub(crate) fn help(name: &str) -> NewAssistance {
    NewAssistance {
        category: "dich_vu_cong".into(),
        channel: "tai_nha".into(),
        outcome: "hoan_thanh".into(),
        unit: None,
        occurred_at_ms: None,
        procedure: Some("1.004194".into()),
        people: 1,
        minutes: Some(15),
        satisfaction: Some(5),
        citizen_name: Some(name.into()),
        citizen_phone: Some("0912345678".into()),
        citizen_id: None,
        note: Some("Cấp lại thẻ bảo hiểm y tế".into()),
    }
}

/// A draft so long that a request carries some twenty of them.
pub(crate) fn long_draft(n: usize) -> DirectiveText {
    DirectiveText {
        title: format!("Rà soát lần {n}"),
        urgency: Urgency::Normal,
        asks: Asks::Read,
        number: None,
        body: Some("Kính gửi các thôn. ".repeat(600)),
        deadline_ms: None,
        signer: None,
        targets: Vec::new(),
        levels: Vec::new(),
        roles: Vec::new(),
        related: None,
    }
}

#[async_trait::async_trait]
impl Transport for Way {
    async fn post(&self, request: HttpRequest) -> Result<HttpAnswer, TransportError> {
        let weather = self.weather.lock().unwrap().clone();
        if weather == Weather::NoSignal {
            return Err(TransportError::Unreachable);
        }
        if let Weather::Stranger(status, kind, body) = weather {
            return Ok(HttpAnswer {
                status,
                headers: vec![HttpHeader {
                    name: "Content-Type".into(),
                    value: kind.into(),
                }],
                body: body.into(),
            });
        }
        let mut outgoing = Request::post(&request.path);
        for header in &request.headers {
            outgoing = outgoing.header(&header.name, &header.value);
        }
        let outgoing = outgoing.body(Body::from(request.body)).unwrap();
        let answer = router(Arc::clone(&self.app)).oneshot(outgoing).await.unwrap();
        if weather == Weather::AnswerLost {
            return Err(TransportError::Unreachable);
        }
        let (parts, body) = answer.into_parts();
        let mut body = body.collect().await.unwrap().to_bytes().to_vec();
        if weather == Weather::Cut {
            body.truncate(body.len() / 2);
        }
        let headers = parts.headers.iter().map(|(name, value)| HttpHeader {
            name: name.to_string(),
            value: value.to_str().unwrap().to_owned(),
        });
        Ok(HttpAnswer {
            status: parts.status.as_u16(),
            headers: headers.collect(),
            body,
        })
    }
}
