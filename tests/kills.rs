//! Stories of kills: a real `langso serve` and real apps with their files, killed with SIGKILL while they work.
//!
//! What a phone said before it died is held against what its file has afterwards, and what it calls receipted against
//! the server's log. `KILLS=200` kills more often, `KILLS_SEED` at other moments.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use langso_server::app::open_data;
use langso_server::config::Config;
use langso_server::documents::Loaded;
use langso_server::drive::ServerProcess;
use langso_server::store::Store;
use langso_server::verify::verify;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sync_core::ids::{ChangeHash, DocumentId, RecordId};

use crate::harness::live::settle;
use crate::harness::process::{Device, Held, PROGRAM, PhoneProcess, Promising};

/// Kills of a run in CI.
const KILLS: u64 = 12;
const PHONES: usize = 3;
/// Then another realm begins, whose phones have yet to be enrolled.
const OF_ONE_REALM: u64 = 25;
/// Between two kills, at most.
const LIFE_MS: u64 = 500;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// The realm, and everybody in it.
struct Realm {
    data: PathBuf,
    address: PathBuf,
    server: Option<ServerProcess>,
    phones: Vec<Promising>,
    /// Everything that a phone has a receipt for.
    receipted: BTreeSet<(DocumentId, ChangeHash)>,
    starts: u64,
    _dir: tempfile::TempDir,
}

impl Realm {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (data, address) = (dir.path().join("data"), dir.path().join("address"));
        std::fs::create_dir(&data).unwrap();
        let (hamlet, _, codes) = settle(&Config {
            data: data.clone(),
            ..Config::default()
        });
        let phones = codes.into_iter().zip(0..PHONES).map(|(code, n)| {
            Promising::new(Device {
                store: dir.path().join(format!("phone-{n}.db")),
                server: address.clone(),
                code,
                unit: hamlet.to_string(),
            })
        });
        Self {
            phones: phones.collect(),
            data,
            address,
            server: None,
            receipted: BTreeSet::new(),
            starts: 0,
            _dir: dir,
        }
    }

    /// Starts whoever is dead.
    fn live(&mut self, seed: u64) {
        if self.server.is_none() {
            let listen = SocketAddr::from(([127, 0, 0, 1], 0));
            let server = ServerProcess::start(Path::new(PROGRAM), &self.data, listen).unwrap();
            // Whole, or not there: a phone reads it at any moment.
            let fresh = self.address.with_extension("fresh");
            std::fs::write(&fresh, server.url()).unwrap();
            std::fs::rename(&fresh, &self.address).unwrap();
            self.server = Some(server);
        }
        for phone in self.phones.iter_mut().filter(|phone| phone.process.is_none()) {
            self.starts += 1;
            phone.process = Some(phone.device.start(seed << 32 | self.starts, &[]));
        }
    }

    fn kill_phone(&mut self, phone: usize) {
        let phone = &mut self.phones[phone];
        let said = phone.process.take().unwrap().kill();
        self.receipted.extend(phone.check(&said).receipted);
    }

    /// What has a receipt is in the log, and everything else is as the log says.
    fn check_log(&mut self) {
        let (store, keys) = open_data(&self.data).unwrap();
        let documents: BTreeSet<DocumentId> = self.receipted.iter().map(|(document, _)| *document).collect();
        for document in documents {
            let loaded = store.read_blocking(|conn| Loaded::load(conn, document)).unwrap();
            let known: BTreeSet<ChangeHash> = loaded
                .document
                .changes()
                .iter()
                .map(|change| ChangeHash(change.hash().0))
                .collect();
            let lost = self
                .receipted
                .iter()
                .filter(|(of, hash)| *of == document && !known.contains(hash));
            assert_eq!(lost.count(), 0, "receipted changes that the log does not have");
        }
        // Of those who live nobody may open the file; but they say how much has its receipt.
        for phone in &mut self.phones {
            let said = phone.process.as_mut().and_then(PhoneProcess::receipted);
            let Some((device, since)) = said else { continue };
            let sql = "SELECT count(*) FROM change c JOIN actor a ON a.id = c.actor WHERE a.device = ?";
            let stored: rusqlite::Result<usize> =
                store.read_blocking(|conn| conn.query_row(sql, [device.to_bytes()], |row| row.get(0)));
            let receipted = phone.receipted + since;
            assert!(
                stored.unwrap() >= receipted,
                "{receipted} changes of {device} have a receipt"
            );
        }
        let report = store.read_blocking(|conn| verify(conn, &keys.master)).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
    }

    /// Everybody comes to rest: nothing waits, all have the same, and the server says so too.
    fn settle(mut self) -> (u64, u64) {
        self.server.take().unwrap().kill();
        (0..PHONES).for_each(|phone| self.kill_phone(phone));
        self.check_log();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = ServerProcess::start(Path::new(PROGRAM), &self.data, listen).unwrap();
        std::fs::write(&self.address, server.url()).unwrap();
        // The second time brings what the others delivered in the first; the third finds both sides alike, so that
        // nothing is to be healed: one exchange is all.
        for round in [1, 2, 3] {
            for (n, phone) in (0..).zip(&self.phones) {
                let settled = phone
                    .device
                    .start(u64::MAX - round * 10 - n, &["--settle"])
                    .wait();
                assert!(settled.0.success(), "{:?}", settled.1);
                let [said] = settled.1.as_slice() else {
                    panic!("{:?}", settled.1)
                };
                assert!(said.starts_with("unsent 0 after "), "{said}");
                assert!(round < 3 || said == "unsent 0 after 1", "{said}");
            }
        }
        let held: Vec<Held> = self
            .phones
            .iter()
            .map(|phone| Held::read(&phone.device.store))
            .collect();
        let promised: BTreeMap<RecordId, u32> = self
            .phones
            .iter()
            .flat_map(|phone| phone.promised.clone())
            .collect();
        for held in &held {
            assert_eq!(held.pending, 0);
            assert_eq!(held.all, promised, "every record once, as it was saved last");
        }
        self.receipted
            .extend(held.into_iter().flat_map(|held| held.receipted));
        drop(server);
        self.check_log();
        let store = Store::open(&self.data.join("langso.db")).unwrap();
        let count = |sql: &'static str| -> i64 {
            store
                .read_blocking(|conn| conn.query_row(sql, [], |row| row.get(0)))
                .unwrap()
        };
        assert_eq!(count("SELECT count(*) FROM assistance"), promised.len() as i64);
        assert_eq!(
            count("SELECT count(*) FROM device_token WHERE copied_at IS NOT NULL"),
            0,
            "nobody is taken for a copy"
        );
        assert_eq!(
            count("SELECT count(*) FROM epoch"),
            0,
            "it is the same life of the store"
        );
        let verified = Command::new(PROGRAM)
            .arg("verify")
            .arg("--data")
            .arg(&self.data)
            .status();
        assert!(verified.unwrap().success());
        (
            self.phones.iter().map(|phone| phone.edits).sum(),
            self.receipted.len() as u64,
        )
    }
}

/// So many kills, and then everybody comes to rest. Gives how many there were, how many of the server, and how much was
/// saved and receipted.
fn survived(kills: u64, rng: &mut StdRng) -> [u64; 4] {
    let (mut realm, mut killed, mut servers) = (Realm::new(), 0, 0);
    let seed = rng.random_range(1..1 << 30);
    while killed < kills {
        realm.live(seed);
        std::thread::sleep(Duration::from_micros(rng.random_range(0..LIFE_MS * 1000)));
        // The server, a phone, or a power cut for all.
        let victims = match rng.random_range(0..10) {
            0..4 => vec![PHONES],
            4..9 => vec![rng.random_range(0..PHONES)],
            _ => vec![PHONES, 0, 1, 2],
        };
        for victim in victims {
            killed += 1;
            if victim == PHONES {
                servers += 1;
                realm.server.take().unwrap().kill();
            } else {
                realm.kill_phone(victim);
            }
        }
        if realm.server.is_none() {
            realm.check_log();
        }
    }
    realm.live(seed);
    let (edits, receipted) = realm.settle();
    [killed, servers, edits, receipted]
}

#[test]
fn what_is_saved_or_receipted_survives_kills_at_random_moments() {
    let (kills, seed) = (setting("KILLS", KILLS), setting("KILLS_SEED", 1));
    let (mut rng, mut sums) = (StdRng::seed_from_u64(seed), [0; 4]);
    while sums[0] < kills {
        let more = survived(OF_ONE_REALM.min(kills - sums[0]), &mut rng);
        sums = std::array::from_fn(|at| sums[at] + more[at]);
    }
    let [killed, servers, edits, receipted] = sums;
    assert!(edits > kills, "{edits} edits: too little happened to be killed");
    println!(
        "{killed} kills survived, {servers} of them of the server: {edits} edits saved, {receipted} changes receipted, none lost"
    );
}
