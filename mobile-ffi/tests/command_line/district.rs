//! A district with a server on a port, and phones that are processes.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;

use langso_mobile::{Asks, DirectiveText, Reach, Target, Urgency, Vault};
use langso_server::accounts::{self, fresh_account};
use langso_server::app::App;
use langso_server::audit::By;
use langso_server::catalogue;
use langso_server::clock::{Clock, day_of, random_bits};
use langso_server::config::Config;
use langso_server::devices::{self, End};
use langso_server::policy::{self, Grant, Role};
use langso_server::realm::{self, Account};
use langso_server::serve::serve;
use langso_server::teams::{add_codes, add_teams};
use langso_server::units;
use serde_json::Value;
use sync_core::ids::{AccountId, RecordId, UnitId};

pub(crate) struct District {
    pub(crate) url: String,
    /// Of the hamlet's team.
    pub(crate) codes: Vec<String>,
    pub(crate) dir: tempfile::TempDir,
    app: Arc<App>,
    team: AccountId,
    _runtime: tokio::runtime::Runtime,
}

impl District {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            data: dir.path().join("district"),
            ..Config::default()
        };
        let app = App::open(config, Clock::system()).unwrap();
        let rows = units::parse(
            "code,parent_code,level,name\n1,,commune,Xã Một\n1.1,1,hamlet,Thôn Một\n".as_bytes(),
        );
        let rows = rows.unwrap();
        let fresh = || UnitId::from_parts(1, random_bits());
        app.store()
            .write_blocking(move |tx| {
                let (permit, by) = (policy::console([]), By::console(0));
                units::import(tx, &permit, &by, &rows, jiff::civil::date(2020, 1, 1), fresh)
            })
            .unwrap();
        let team = add_teams(app.store()).unwrap().remove(0);
        let codes = add_codes(app.store(), team.account, 2).unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(serve(listener, Arc::clone(&app), std::future::pending()));
        Self {
            url,
            codes,
            dir,
            app,
            team: team.account,
            _runtime: runtime,
        }
    }

    pub(crate) fn phone(&self, name: &str, code: usize) -> Phone {
        self.enrolled(name, &self.codes[code])
    }

    /// A phone of an official of the commune.
    pub(crate) fn official(&self, name: &str) -> Phone {
        let now_ms = Clock::system().now_ms();
        let today = day_of(now_ms).to_string();
        let commune = self
            .app
            .store()
            .read_blocking(|conn| units::by_code(conn, "1", &today))
            .unwrap()
            .unwrap();
        let account = Account {
            id: fresh_account(),
            display_name: "Công chức xã".into(),
            password_hash: None,
        };
        let id = account.id;
        let added = self.app.store().write_blocking(move |tx| {
            realm::add_account(tx, &account, "cong-chuc", now_ms)?;
            realm::grant(tx, id, Grant::new(commune, Role::Official), day_of(now_ms))
        });
        added.unwrap();
        let code = add_codes(self.app.store(), id, 1).unwrap().remove(0);
        self.enrolled(name, &code)
    }

    fn enrolled(&self, name: &str, code: &str) -> Phone {
        let phone = Phone(self.dir.path().join(name));
        let output = phone.run(&["enrol", &self.url, code]);
        assert!(output.status.success(), "{output:?}");
        phone
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

    /// Suspends the account of the hamlet's team.
    pub(crate) fn suspend(&self) {
        let (team, by) = (self.team, By::console(Clock::system().now_ms()));
        let suspended = self.app.store().write_blocking(move |tx| {
            let permit = policy::console(realm::all_units(tx)?);
            accounts::suspend(tx, &permit, &by, team)
        });
        suspended.unwrap();
    }

    /// Revokes a phone.
    pub(crate) fn revoke(&self, device: &str) {
        let (device, by) = (device.parse().unwrap(), By::console(Clock::system().now_ms()));
        let revoked = self.app.store().write_blocking(move |tx| {
            let permit = policy::console(realm::all_units(tx)?);
            devices::end(tx, &permit, &by, device, End::Revoked)
        });
        revoked.unwrap();
    }
}

pub(crate) struct Phone(pub(crate) PathBuf);

impl Phone {
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_langso-phone"));
        command.arg("--home").arg(&self.0).arg("--json").args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The exit code, and the code that the error names.
    pub(crate) fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        (
            output.status.code().unwrap(),
            error["code"].as_str().unwrap().to_owned(),
        )
    }

    /// The vault in the phone's directory. Nobody else has it meanwhile.
    pub(crate) fn vault(&self) -> Arc<Vault> {
        let key = std::fs::read(self.0.join("key")).unwrap();
        let key = data_encoding::HEXLOWER.decode(&key).unwrap();
        Vault::open(self.0.join("vault.db").to_str().unwrap().to_owned(), key).unwrap()
    }

    /// Issues a directive to a unit, as an official's app does: on the command line there is no form for it.
    pub(crate) fn issue(&self, title: &str, unit: &str) -> String {
        let target = Target {
            unit: unit.to_owned(),
            reach: Reach::Subtree,
        };
        let text = DirectiveText {
            title: title.to_owned(),
            urgency: Urgency::Urgent,
            asks: Asks::Report,
            number: Some("12/UBND-VX".to_owned()),
            body: Some("Trước thứ sáu.".to_owned()),
            deadline_ms: None,
            signer: Some("Nguyễn Văn A, Chủ tịch".to_owned()),
            targets: vec![target],
            levels: Vec::new(),
            roles: Vec::new(),
            related: None,
        };
        let vault = self.vault();
        let draft = vault.draft(text, None).unwrap();
        vault.issue(draft).unwrap()
    }

    pub(crate) fn record(&self, name: &str) -> String {
        let recorded = self.json(&[
            "record",
            "--category",
            "dich_vu_cong",
            "--procedure",
            "1.004194",
            "--citizen-name",
            name,
            "--phone",
            "0912345678",
            "--outcome",
            "hoan_thanh",
            "--note",
            "hẹn thứ sáu",
        ]);
        recorded["id"].as_str().unwrap().to_owned()
    }
}
