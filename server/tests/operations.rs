//! `docs/operations.md`, run as it stands: every command of its `sh` blocks, in order, and a real phone between them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
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
    assert!(printed.contains("unbroken"));
    assert!(printed.contains("all as the log says"));
}

fn unit(listed: &str, code: &str) -> UnitId {
    let line = listed
        .lines()
        .find(|line| line.contains(&format!(" {code} ")))
        .unwrap();
    line.split(' ').next().unwrap().parse().unwrap()
}
