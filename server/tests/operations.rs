//! `docs/operations.md`, run as it stands: every command of its `sh` blocks, in order, and a real phone between them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test that panics has said what it has to say, and the session is worth reading"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use langso_server::drive::{Fate, Link, Phone, ServerProcess, Traffic, people};
use rand::SeedableRng;
use rand::rngs::StdRng;
use sync_core::edit::Edit;
use sync_core::ids::UnitId;
use sync_core::local_store::MemoryStore;

const OPERATIONS: &str = include_str!("../../docs/operations.md");

/// The commands of each `sh` block.
fn blocks() -> Vec<String> {
    let fenced = OPERATIONS.split("```sh\n").skip(1);
    fenced
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// A directory with what the document takes for granted: the program on the path, its data beside it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
        link(env!("CARGO_BIN_EXE_langso"), "bin/langso");
        link(env!("CARGO_MANIFEST_DIR"), "server");
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs commands as a shell would that stops at the first failure; gives what they printed.
    fn run(&self, commands: &str) -> String {
        let commands: String = commands
            .lines()
            .filter(|line| !line.starts_with("langso serve"))
            .map(|line| format!("{line}\n"))
            .collect();
        let path = format!("{}/bin:/usr/bin:/bin", self.path().display());
        let output = Command::new("sh")
            .args(["-eu", "-c", &commands])
            .current_dir(self.path())
            .env_clear()
            .env("PATH", path)
            .env("LANGSO_DATA", "district")
            .output()
            .unwrap();
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        for line in commands.lines() {
            println!("$ {line}");
        }
        println!("{printed}");
        assert!(output.status.success(), "{commands}\n{printed}");
        printed
    }
}

/// The code that a command printed: four groups of four on a line of their own.
fn code(printed: &str) -> &str {
    let is_code = |line: &&str| line.len() == 19 && line.split('-').all(|group| group.len() == 4);
    printed.lines().find(is_code).unwrap()
}

#[test]
fn a_district_comes_from_nothing_to_its_first_synced_phone_by_the_commands_of_the_document() {
    let place = Place::new();
    let blocks = blocks();
    let (set_up, rest) = blocks.split_first().unwrap();
    let printed = place.run(set_up);
    assert!(printed.contains("126 units would be added") && printed.contains("126 units added"));
    assert!(printed.contains("7 accounts would be added") && printed.contains("7 accounts added"));
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let data = place.path().join("district");
    let server = ServerProcess::start(Path::new(env!("CARGO_BIN_EXE_langso")), &data, listen).unwrap();

    let (first_phone, rest) = rest.split_first().unwrap();
    let printed = place.run(first_phone);
    let units = place.run("langso units list");
    let hamlet: UnitId = unit(&units, "15367.01");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let code = code(&printed).to_owned();
    let url = server.url();
    let phone = runtime.spawn(async move {
        let link = Link::to(&url, Arc::new(Traffic::default())).unwrap();
        let mut phone = Phone::enrol(link, &code, MemoryStore::default(), 1)
            .await
            .unwrap();
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..3 {
            let id = phone.fresh_record();
            let new = people::assistance(&mut rng, id, hamlet, phone.now_ms());
            phone.edit(&Edit::LogAssistance(Box::new(new))).unwrap();
        }
        phone.sync(|| Fate::Delivered).await.unwrap();
        assert_eq!(phone.unsent().unwrap(), (0, 0));
        println!("(the phone: 3 records made offline, synced)\n");
        phone
    });
    let mut phone = runtime.block_on(phone).unwrap();

    let (devices, rest) = rest.split_first().unwrap();
    assert!(place.run(devices).contains("\"last_sync_at_ms\""));
    // The phone is lost in the next block; what it makes afterwards waits for a person.
    let (lost, rest) = rest.split_first().unwrap();
    place.run(lost);
    let late = runtime.spawn(async move {
        let mut rng = StdRng::seed_from_u64(2);
        let id = phone.fresh_record();
        let new = people::assistance(&mut rng, id, hamlet, phone.now_ms());
        phone.edit(&Edit::LogAssistance(Box::new(new))).unwrap();
        let received = phone.exchange(Fate::Delivered).await.unwrap().unwrap();
        assert!(received.flags.wipe);
        println!("(the lost phone: 1 record delivered into quarantine, told to wipe)\n");
    });
    runtime.block_on(late).unwrap();
    let printed: String = rest.iter().map(|block| place.run(block)).collect();
    assert!(printed.contains("15367 Xã Vĩnh Hưng → 15349 Xã Vĩnh Lộc: 3 records"));
    assert!(printed.contains("without reach: lanhdao (leader in 393)"));
    assert!(printed.contains("13 units merged, 0 kept, 1 abolished"));
    assert_eq!(
        printed.matches("unbroken").count(),
        2,
        "by the head of the export, and of the backup"
    );
    assert!(printed.contains("all as the log says"));
}

fn unit(listed: &str, code: &str) -> UnitId {
    let line = listed
        .lines()
        .find(|line| line.contains(&format!(" {code} ")))
        .unwrap();
    line.split(' ').next().unwrap().parse().unwrap()
}

/// A phone with some records made offline.
async fn offline(url: String, code: String, hamlet: UnitId, seed: u64, records: usize) -> Phone<MemoryStore> {
    let link = Link::to(&url, Arc::new(Traffic::default())).unwrap();
    let mut phone = Phone::enrol(link, &code, MemoryStore::default(), seed)
        .await
        .unwrap();
    // Once online, so that it knows what it may write; the rest without signal.
    phone.sync(|| Fate::Delivered).await.unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..records {
        let id = phone.fresh_record();
        let new = people::assistance(&mut rng, id, hamlet, phone.now_ms());
        phone.edit(&Edit::LogAssistance(Box::new(new))).unwrap();
    }
    phone
}

/// Sums by commune as the API tells them.
async fn counts(phone: &mut Phone<MemoryStore>, view: &str) -> Vec<(String, u64)> {
    let path = format!("/v1/counts?view={view}&level=commune");
    let answer = phone.get(&path).await.unwrap().json().unwrap();
    let counts = answer["counts"].as_array().unwrap().iter();
    let counts: Vec<(String, u64)> = counts
        .map(|count| {
            let name = count["name"].as_str().unwrap().to_owned();
            (name, count["records"].as_u64().unwrap())
        })
        .collect();
    println!("(the leader's phone: GET {path}: {counts:?})");
    counts
}

#[test]
fn a_reform_that_comes_while_phones_are_offline_loses_nothing_of_theirs() {
    let place = Place::new();
    let set_up = blocks().swap_remove(0);
    place.run(&set_up);
    place.run(
        "cat > more.csv <<'END'\nusername,name,role,unit\nba,Trưởng thôn,member,15379.01\ntinh,Lãnh đạo tỉnh,leader,38\nEND\nlangso account import more.csv",
    );
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let data = place.path().join("district");
    let server = ServerProcess::start(Path::new(env!("CARGO_BIN_EXE_langso")), &data, listen).unwrap();
    let units = place.run("langso units list");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let enrol = |username: &str, hamlet: &str, seed: u64, records: usize| {
        let printed = place.run(&format!("langso enrol-code --username {username}"));
        let (url, code) = (server.url(), code(&printed).to_owned());
        let made = offline(url, code, unit(&units, hamlet), seed, records);
        let phone = runtime.block_on(runtime.spawn(made)).unwrap();
        println!("({username}'s phone in {hamlet}: {records} records made offline)\n");
        phone
    };
    let phones = [
        ("lan", enrol("lan", "15367.01", 1, 3)),
        ("hoa", enrol("hoa", "15367.02", 2, 2)),
        ("ba", enrol("ba", "15379.01", 3, 4)),
    ];
    let mut leader = enrol("tinh", "15367.01", 4, 0);
    place.run(
        "cat > roles.csv <<'END'\nusername,role,old_code,new_code\nquantri,admin,393,38\nEND\n\
         langso units reform --skip-unknown --roles roles.csv server/data/thanh-hoa-reform-2025.csv\n\
         langso units merge 15367.02 --into 15367.01 --on \"$(TZ=UTC-7 date +%F)\"",
    );
    let mut outcomes = Vec::new();
    for (name, mut phone) in phones {
        let synced = runtime.spawn(async move {
            phone.sync(|| Fate::Delivered).await.unwrap();
            (phone.delivered, phone.unsent().unwrap())
        });
        let (delivered, (_, refused)) = runtime.block_on(synced).unwrap();
        println!(
            "({name}'s phone, online again: {delivered} records have their receipt, {refused} wait in quarantine)"
        );
        outcomes.push((name, delivered, refused));
    }
    // What was recorded in the merged hamlet on the very day of the merger is for the official now responsible.
    assert_eq!(outcomes, [("lan", 3, 0), ("hoa", 0, 2), ("ba", 4, 0)]);
    let (now, was) = runtime
        .block_on(
            runtime
                .spawn(async move { (counts(&mut leader, "now").await, counts(&mut leader, "was").await) }),
        )
        .unwrap();
    let expected = [("Xã Vĩnh Lộc".to_owned(), 3), ("Xã Biện Thượng".to_owned(), 4)];
    assert_eq!((now.as_slice(), was.as_slice()), (&expected[..], &expected[..]));
    place.run("langso verify\nlangso audit verify");
}

#[test]
fn a_restore_says_what_was_done_since_and_how_to_do_it_again() {
    let place = Place::new();
    place.run(&blocks().swap_remove(0));
    let data = place.path().join("district");
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = ServerProcess::start(Path::new(env!("CARGO_BIN_EXE_langso")), &data, listen).unwrap();
    let hamlet = unit(&place.run("langso units list"), "15367.01");
    let (code, url) = (
        code(&place.run("langso enrol-code --username lan")).to_owned(),
        server.url(),
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let phone = runtime.spawn(offline(url, code, hamlet, 1, 0));
    let phone = runtime.block_on(phone).unwrap().identity().device.to_string();
    drop(server);
    let restore = |more: &str| -> Vec<String> {
        let printed = place.run(&format!("langso restore monday.db {more}"));
        printed.lines().map(str::to_owned).collect()
    };

    place.run("langso backup monday.db");
    let nothing = restore("");
    assert!(nothing[0].starts_with("restored up to log position "));
    let kept = nothing[1].strip_prefix("the store that was there is ").unwrap();
    assert!(place.path().join(kept).exists());
    assert_eq!(
        nothing[2..],
        ["nothing was done since the backup that phones do not bring back"]
    );

    place.run(&format!(
        "langso device revoke {phone}\n\
         langso account grant minh --role auditor --unit 15367\n\
         langso audit export > audit.jsonl"
    ));
    let check = |lines: Vec<String>| {
        assert_eq!(
            lines[2],
            "done since the backup, and to be done again – what is marked with ! at once:"
        );
        assert!(lines[3].starts_with("! ") && lines[3].contains(&format!(" device_revoked {phone}")));
        assert_eq!(lines[4], format!("    langso device revoke {phone}"));
        assert!(lines[5].starts_with("  ") && lines[5].contains(" role_granted "));
        assert_eq!(lines.len(), 6);
    };
    check(restore(""));
    // The store that was there is lost: what was exported tells the same.
    place.run("echo scratched > district/langso.db");
    check(restore("--audit audit.jsonl"));
    // So is what was exported: then it says that it does not know, and what is to be done all the same.
    place.run("echo scratched > district/langso.db");
    let unknown = restore("");
    assert!(unknown[2].starts_with("what was done since the backup is not known: "));
    assert!(unknown[3].starts_with("revoke again every phone that was revoked or lost since"));

    let revoked = || !place.run("langso device list").contains("\"revoked_at_ms\":null");
    assert!(!revoked(), "until the line that was told is followed");
    place.run(&format!("langso device revoke {phone}"));
    assert!(revoked());
}

/// A phone whose person's role has ended by the time that its record arrives; with how many records wait there.
fn late(place: &Place, server: &ServerProcess, username: &str, code_of_unit: &str) -> Phone<MemoryStore> {
    let hamlet = unit(&place.run("langso units list"), code_of_unit);
    let printed = place.run(&format!("langso enrol-code --username {username}"));
    let (url, code) = (server.url(), code(&printed).to_owned());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut phone = runtime
        .block_on(runtime.spawn(offline(url, code, hamlet, 1, 1)))
        .unwrap();
    place.run(&format!(
        "langso account end {username} --role member --unit {code_of_unit}"
    ));
    let synced = runtime.spawn(async move {
        phone.sync(|| Fate::Delivered).await.unwrap();
        phone
    });
    let phone = runtime.block_on(synced).unwrap();
    assert_eq!(phone.unsent().unwrap(), (1, 1));
    phone
}

#[test]
fn what_waits_is_decided_on_the_command_line_while_no_server_runs() {
    let place = Place::new();
    place.run(&blocks().swap_remove(0));
    let data = place.path().join("district");
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let program = Path::new(env!("CARGO_BIN_EXE_langso"));
    let server = ServerProcess::start(program, &data, listen).unwrap();
    let phones = [
        late(&place, &server, "lan", "15367.01"),
        late(&place, &server, "hoa", "15367.02"),
    ];
    let listed = place.run("langso quarantine list");
    assert_eq!(listed.lines().count(), 2, "{listed}");
    drop(server);

    let unknown =
        "if langso quarantine release 3 || langso quarantine discard 2 --reason because; then exit 1; fi";
    place.run(unknown);
    assert_eq!(place.run("langso quarantine list"), listed, "nothing was decided");
    let released = place.run("langso quarantine release 1");
    assert!(released.contains("1 batches were merged"), "{released}");
    let discarded = place.run("langso quarantine discard 2 --reason duplicate");
    assert!(discarded.contains("1 batches were discarded"), "{discarded}");
    assert_eq!(place.run("langso quarantine list"), "");
    // What is decided is decided.
    place
        .run("if langso quarantine release 2 || langso quarantine discard 1 --reason other; then exit 1; fi");

    let server = ServerProcess::start(program, &data, listen).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let told = phones.map(|mut phone| {
        let link = Link::to(&server.url(), Arc::new(Traffic::default())).unwrap();
        let told = runtime.spawn(async move {
            phone.reroute(link);
            phone.sync(|| Fate::Delivered).await.unwrap();
            let aside = phone.work(|replica, _, _| replica.set_aside()).unwrap();
            let verdicts = aside.into_iter().map(|aside| aside.refused.verdict);
            (phone.unsent().unwrap(), verdicts.collect::<Vec<_>>())
        });
        runtime.block_on(told).unwrap()
    });
    assert_eq!(told[0], ((0, 0), vec![]));
    assert_eq!(told[1], ((0, 0), vec![Some("duplicate".to_owned())]));
    drop(server);
    assert!(place.run("langso verify").contains("all as the log says"));
}
