//! `langso-phone` through its real door: a process, a server on a port, exit codes and JSON.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has said what it has to say"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use langso_server::accounts::{add_codes, add_teams};
use langso_server::app::App;
use langso_server::audit::By;
use langso_server::clock::{Clock, random_bits};
use langso_server::config::Config;
use langso_server::policy::console;
use langso_server::serve::serve;
use langso_server::units;
use serde_json::Value;
use sync_core::ids::UnitId;

struct District {
    url: String,
    codes: Vec<String>,
    dir: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl District {
    fn start() -> Self {
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
                let (permit, by) = (console([]), By::console(0));
                units::import(tx, &permit, &by, &rows, jiff::civil::date(2020, 1, 1), fresh)
            })
            .unwrap();
        let team = add_teams(app.store()).unwrap().remove(0);
        let codes = add_codes(app.store(), team.account, 2).unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(serve(listener, app, std::future::pending()));
        Self {
            url,
            codes,
            dir,
            _runtime: runtime,
        }
    }

    fn phone(&self, name: &str, code: usize) -> Phone {
        let phone = Phone(self.dir.path().join(name));
        let output = phone.run(&["enrol", &self.url, &self.codes[code]]);
        assert!(output.status.success(), "{output:?}");
        phone
    }
}

struct Phone(PathBuf);

impl Phone {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_langso-phone"));
        command.arg("--home").arg(&self.0).arg("--json").args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The exit code, and the code that the error names.
    fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        (
            output.status.code().unwrap(),
            error["code"].as_str().unwrap().to_owned(),
        )
    }

    fn record(&self, name: &str) -> String {
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

#[test]
fn a_district_can_be_scripted() {
    let district = District::start();
    let (head, deputy) = (district.phone("head", 0), district.phone("deputy", 1));
    let id = head.record("Lê Thị Hoa");
    assert_eq!(head.json(&["status"])["pending"], 1);
    assert_eq!(head.json(&["sync"])["confirmed"], 1);
    deputy.json(&["sync"]);
    let seen = deputy.json(&["show", &id]);
    assert_eq!(
        (&seen["citizen_name"], &seen["delivery"]),
        (&"Lê Thị Hoa".into(), &"delivered".into())
    );

    for (phone, note) in [(&head, "thứ hai"), (&deputy, "thứ ba")] {
        assert_eq!(phone.json(&["amend", &id, "--note", note])["changed"], true);
        phone.json(&["sync"]);
    }
    let conflicts = deputy.json(&["conflicts"]);
    let value = &conflicts[0]["values"][1]["id"];
    deputy.json(&["resolve", &id, "note", value.as_str().unwrap()]);
    assert_eq!(deputy.json(&["conflicts"]), serde_json::json!([]));
    deputy.json(&["retract", &id, "--reason", "citizen_request"]);
    deputy.json(&["sync"]);
    head.json(&["sync"]);
    let rows = head.json(&["list"]);
    assert_eq!(
        (rows.as_array().unwrap().len(), &rows[0]["retracted"]),
        (1, &"citizen_request".into())
    );
}

#[test]
fn exit_codes_tell_a_script_what_to_do() {
    let district = District::start();
    let stranger = Phone(district.dir.path().join("stranger"));
    assert_eq!(stranger.run(&["status"]).status.code(), Some(1));
    assert_eq!(stranger.run(&["frobnicate"]).status.code(), Some(2));
    let refused = stranger.fails(&["enrol", &district.url, "NO-SUCH-CODE"]);
    assert_eq!(refused, (3, "code_unknown".to_owned()));
    let away = stranger.fails(&["enrol", "http://127.0.0.1:9", "CODE"]);
    assert_eq!(away, (75, "unreachable".to_owned()));
    let head = district.phone("head", 0);
    let unfit = head.fails(&["record", "--category", "x", "--outcome", "y", "--people", "0"]);
    assert_eq!(unfit, (6, "field_people".to_owned()));
    assert_eq!(
        head.fails(&["show", "01JF0000000000000000000000"]),
        (6, "no_such_record".to_owned())
    );
    std::fs::write(head.0.join("key"), "00".repeat(32)).unwrap();
    assert_eq!(head.fails(&["status"]), (7, "store_wrong_key".to_owned()));
}

#[test]
fn a_full_storage_refuses_the_entry_and_keeps_every_other() {
    let district = District::start();
    let head = district.phone("head", 0);
    let id = head.record("Lê Thị Hoa");
    let long = "dài ".repeat(400);
    let arguments = [
        "record",
        "--category",
        "dich_vu_cong",
        "--outcome",
        "hoan_thanh",
        "--note",
        &long,
    ];
    // The write-ahead log may not grow beyond a few pages; who writes more gets an error, as from a full disk.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 1; exec {} --home {} --json {}",
        env!("CARGO_BIN_EXE_langso-phone"),
        quoted(&head.0),
        arguments.map(|argument| format!("'{argument}'")).join(" "),
    );
    let output = Command::new("sh").arg("-c").arg(limited).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(
        (&error["error"], &error["code"]),
        (&"storage_full".into(), &"store_full".into())
    );
    let rows = head.json(&["list"]);
    assert_eq!((rows.as_array().unwrap().len(), &rows[0]["id"]), (1, &id.into()));
    assert_eq!(head.json(&["sync"])["confirmed"], 1);
}

#[test]
fn a_phone_is_one_process_at_a_time() {
    let district = District::start();
    let head = district.phone("head", 0);
    let key: Vec<u8> = std::fs::read_to_string(head.0.join("key"))
        .unwrap()
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let vault = head.0.join("vault.db").to_str().unwrap().to_owned();
    let held = langso_mobile::Vault::open(vault, key).unwrap();
    assert_eq!(head.fails(&["status"]), (75, "store_in_use".to_owned()));
    drop(held);
    head.json(&["status"]);
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display())
}
