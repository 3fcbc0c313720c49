//! The binary through its own door: what its commands do, print and refuse.

#![expect(
    clippy::unwrap_used,
    reason = "a test that panics has said what it has to say"
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use langso_server::drive::ServerProcess;
use serde_json::Value;

fn langso(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_langso"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(all).unwrap()
}

/// A server of its own on `data`, which is stopped when it is dropped.
fn serving(data: &Path) -> ServerProcess {
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    ServerProcess::start(Path::new(env!("CARGO_BIN_EXE_langso")), data, listen).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A market day of the whole district, played into `data`.
fn played(data: &Path) -> Value {
    let demo = [
        "demo",
        "--once",
        "--json",
        "--per-hamlet",
        "3",
        "--seed",
        "7",
        "--listen",
        "127.0.0.1:0",
    ];
    let output = langso(&[&demo[..], &["--data", text(data)]].concat());
    assert!(output.status.success(), "{}", printed(&output));
    let stdout = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(stdout.lines().last().unwrap()).unwrap()
}

#[test]
fn a_market_day_over_real_sockets_ends_with_exactly_what_the_phones_logged() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("district");
    let summary = played(&data);
    assert_eq!(summary["records_made"], 333);
    assert_eq!(summary["records_merged"], 333);
    assert_eq!(summary["conflicts"], summary["conflicts_expected"]);
    assert_ne!(summary["conflicts"], 0);
    assert_ne!(summary["answers_lost"], 0);

    let verified = langso(&["verify", "--data", text(&data)]);
    assert!(verified.status.success(), "{}", printed(&verified));

    // What the log does not imply is found, named and mended.
    let conn = rusqlite::Connection::open(data.join("langso.db")).unwrap();
    let sql =
        "UPDATE assistance SET people = people + 1 WHERE record = (SELECT record FROM assistance LIMIT 1)";
    assert_eq!(conn.execute(sql, []).unwrap(), 1);
    drop(conn);
    let found = langso(&["verify", "--data", text(&data)]);
    assert_eq!(found.status.code(), Some(1), "{}", printed(&found));
    assert!(printed(&found).contains("assistance"), "{}", printed(&found));
    let rebuilt = langso(&["rebuild", "--data", text(&data)]);
    assert!(rebuilt.status.success(), "{}", printed(&rebuilt));
    let verified = langso(&["verify", "--data", text(&data)]);
    assert!(verified.status.success(), "{}", printed(&verified));
}

#[test]
fn a_demo_never_mixes_made_up_people_with_real_ones() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("letter.txt"), "mine").unwrap();
    let output = langso(&[
        "demo",
        "--once",
        "--listen",
        "127.0.0.1:0",
        "--data",
        text(dir.path()),
    ]);
    assert!(!output.status.success());
    assert!(printed(&output).contains("not empty"), "{}", printed(&output));
}

#[test]
fn a_data_directory_of_another_program_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("langso.db");
    let conn = rusqlite::Connection::open(&file).unwrap();
    conn.execute_batch("CREATE TABLE recipe (id)").unwrap();
    drop(conn);
    std::fs::create_dir(dir.path().join("keys")).unwrap();
    let before = std::fs::read(&file).unwrap();
    for command in [&["verify"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let output = langso(&[command, &["--data", text(dir.path())]].concat());
        assert!(!output.status.success(), "{command:?}");
        assert_eq!(std::fs::read(&file).unwrap(), before, "{command:?}");
    }
}

#[test]
fn a_data_directory_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("district");
    let made = langso(&["enrol-codes", "--each-hamlet", "--data", text(&data)]);
    assert!(made.status.success(), "{}", printed(&made));
    let conn = rusqlite::Connection::open(data.join("langso.db")).unwrap();
    let sql = "INSERT INTO refinery_schema_history VALUES (900, 'future', '2030-01-01T00:00:00Z', '1')";
    conn.execute(sql, []).unwrap();
    drop(conn);
    let output = langso(&["serve", "--listen", "127.0.0.1:0", "--data", text(&data)]);
    assert!(!output.status.success());
    assert!(printed(&output).contains("store_newer"), "{}", printed(&output));
}

/// A district without anybody, and a backup of it.
fn made(dir: &Path) -> (PathBuf, PathBuf) {
    let (data, backup) = (dir.join("district"), dir.join("backup.db"));
    for command in [&["enrol-codes", "--each-hamlet"][..], &["backup", text(&backup)]] {
        let output = langso(&[command, &["--data", text(&data)]].concat());
        assert!(output.status.success(), "{}", printed(&output));
    }
    (data, backup)
}

#[test]
fn what_needs_a_directory_for_itself_is_refused_beside_its_server() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup) = made(dir.path());
    let server = serving(&data);
    let langso = |command: &[&str]| langso(&[command, &["--data", text(&data)]].concat());
    let second = langso(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(!second.status.success());
    assert!(printed(&second).contains("data_in_use"), "{}", printed(&second));
    for command in [
        &["restore", text(&backup)][..],
        &["rebuild"],
        &["quarantine", "release", "1"],
        &["quarantine", "discard", "1", "--reason", "other"],
    ] {
        let refused = langso(command);
        assert!(!refused.status.success(), "{command:?}");
        let said = printed(&refused);
        assert!(said.contains("in use by another process"), "{command:?}: {said}");
    }
    // Looking is another matter.
    assert!(langso(&["quarantine", "list"]).status.success());
    drop(server);
    assert!(langso(&["restore", text(&backup)]).status.success());
    drop(serving(&data));
}

#[test]
fn a_store_is_not_migrated_under_the_server_that_serves_it() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _) = made(dir.path());
    let server = serving(&data);
    // As it would be if that server were of the version before the last migration.
    let conn = rusqlite::Connection::open(data.join("langso.db")).unwrap();
    let last = "version = (SELECT max(version) FROM refinery_schema_history)";
    let version = || -> i64 {
        let sql = "SELECT max(version) FROM refinery_schema_history";
        conn.query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let newest = version();
    let sql = format!("DELETE FROM refinery_schema_history WHERE {last}");
    conn.execute(&sql, []).unwrap();
    let older = dir.path().join("older.db");
    for command in [
        &["backup", text(&older)][..],
        &["quarantine", "list"],
        &["account", "list"],
    ] {
        let refused = langso(&[command, &["--data", text(&data)]].concat());
        assert!(!refused.status.success(), "{command:?}");
        let said = printed(&refused);
        assert!(said.contains("in use by a server of an older version"), "{said}");
        assert_eq!(version(), newest - 1, "{command:?}");
    }
    assert!(!older.exists());
    drop(server);
    // Without what the last migration made the store is as a server of that version left it.
    for made in made_last() {
        conn.execute_batch(&format!("DROP {made}")).unwrap();
    }
    let migrated = langso(&["quarantine", "list", "--data", text(&data)]);
    assert!(migrated.status.success(), "{}", printed(&migrated));
    assert_eq!(version(), newest);
    drop(serving(&data));
}

/// What the last migration makes, the last first: `TABLE settlement`, `INDEX settlement_by_unit`.
fn made_last() -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/sqlite");
    let version = |path: &PathBuf| -> u32 {
        let name = path.file_name().unwrap().to_str().unwrap();
        name[1..].split("__").next().unwrap().parse().unwrap()
    };
    let files = std::fs::read_dir(dir).unwrap();
    let last = files
        .map(|file| file.unwrap().path())
        .max_by_key(version)
        .unwrap();
    let sql = std::fs::read_to_string(last).unwrap();
    let made = sql.lines().filter_map(|line| line.strip_prefix("CREATE "));
    let mut made: Vec<String> = made
        .map(|made| made.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    made.reverse();
    made
}

#[test]
fn a_server_makes_backups_where_and_as_often_as_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _) = made(dir.path());
    let kept = dir.path().join("kept");
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        text(&data),
        "--backup-dir",
        text(&kept),
    ];
    let mut server = Command::new(env!("CARGO_BIN_EXE_langso"))
        .args(serve)
        .args(["--backup-every", "6h", "--backup-keep", "2"])
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first one at once.
    let said = BufReader::new(server.stderr.take().unwrap()).lines();
    let made = said
        .map_while(Result::ok)
        .any(|line| line.contains("a backup was made"));
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(made);
    let names: Vec<PathBuf> = std::fs::read_dir(&kept)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let [backup] = names.as_slice() else {
        panic!("{names:?}")
    };
    assert!(text(backup).ends_with("Z.db"), "{names:?}");
    for command in [&["restore", text(backup)][..], &["verify"]] {
        let output = langso(&[command, &["--data", text(&data)]].concat());
        assert!(output.status.success(), "{}", printed(&output));
    }
    for wrong in ["soon", "0h", "-6h"] {
        let output = langso(&[&serve[..], &[&format!("--backup-every={wrong}")]].concat());
        assert!(!output.status.success());
        assert!(
            printed(&output).contains("--backup-every"),
            "{}",
            printed(&output)
        );
    }
}

#[test]
fn a_directory_that_is_not_there_is_not_verified_into_being() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("typo");
    for command in ["verify", "rebuild"] {
        let output = langso(&[command, "--data", text(&data)]);
        assert!(!output.status.success());
        assert!(!data.exists(), "{command}");
    }
}

#[test]
fn settings_come_from_a_file_then_the_environment_then_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let (file, no_directory) = (dir.path().join("langso.toml"), dir.path().join("file"));
    std::fs::write(&file, "months = \"many\"\nlisten = \"nowhere\"\n").unwrap();
    std::fs::write(&no_directory, "").unwrap();
    let serve = |environment: &[(&str, &str)], more: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_langso"))
            .args(["serve", "--config", text(&file), "--data", text(&no_directory)])
            .args(more)
            .env_clear()
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        assert!(!output.status.success());
        printed(&output)
    };
    let months = ("LANGSO_MONTHS", "3");
    let listen = ("LANGSO_LISTEN", "nowhere either");
    // Which of two wrong settings is named first is not said.
    let both = serve(&[], &[]);
    assert!(both.contains("months") || both.contains("listen"), "{both}");
    // A wrong setting is named with where it comes from.
    let of_file = serve(&[months], &[]);
    assert!(
        of_file.contains("listen") && of_file.contains("langso.toml"),
        "{of_file}"
    );
    let of_environment = serve(&[months, listen], &[]);
    assert!(of_environment.contains("LANGSO_"), "{of_environment}");
    // With the last wrong setting overridden it gets as far as the directory, which is none.
    assert!(serve(&[months, listen], &["--listen", "127.0.0.1:0"]).contains("data_unusable"));
    std::fs::write(&file, "mnoths = 3\n").unwrap();
    assert!(serve(&[], &[]).contains("mnoths"), "a misspelt setting is named");
}

#[test]
fn a_phone_with_a_backlog_and_all_others_come_to_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (data, units) = (dir.path().join("district"), dir.path().join("units.csv"));
    let hamlets: String = (1..=4).map(|n| format!("1.{n},1,hamlet,Thôn {n}\n")).collect();
    std::fs::write(
        &units,
        format!("code,parent_code,level,name\n1,,commune,Xã Một\n{hamlets}"),
    )
    .unwrap();
    let imported = langso(&["units", "import", text(&units), "--data", text(&data)]);
    assert!(imported.status.success(), "{}", printed(&imported));
    let server = serving(&data);
    // More than one part of one delivery. How much the others are held up is not for a test to judge.
    let output = langso(&[
        "storm",
        "--json",
        "--backlog",
        "700",
        "--url",
        &server.url(),
        "--data",
        text(&data),
    ]);
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    let summary: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&summary["phones"], &summary["changes"]),
        (&2.into(), &700.into())
    );
    assert_eq!(summary["unsent"], 0, "{summary}");
    let alone = summary["alone"]["exchanges"].as_u64().unwrap();
    assert!(
        alone >= 40 && summary["ratio"].as_f64().unwrap() > 0.0,
        "{summary}"
    );
    drop(server);
    let verified = langso(&["verify", "--data", text(&data)]);
    assert!(verified.status.success(), "{}", printed(&verified));
}
