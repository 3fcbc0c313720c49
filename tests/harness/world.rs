//! The world: a server on a file of its own, the time, and the chance.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use langso_server::backup::back_up;
use langso_server::documents::Documents;
use langso_server::exchange::{Exchange, ExchangeError};
use langso_server::ingest::{Ingest, Sender, Turns};
use langso_server::policy::{Access, Grant};
use langso_server::realm::{self, Account, Device};
use langso_server::restore::restore;
use langso_server::search::{self, Blinder};
use langso_server::store::Store;
use langso_server::tree::Tree;
use langso_server::verify::{Report, verify};
use langso_server::workers::Workers;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sync_core::enrolment::Identity;
use sync_core::ids::{AccountId, Class, DeviceId, Month, RealmId, Scope, UnitId};
use sync_core::protocol::{Body, ScopeSet, decode_request, encode_response};
use sync_core::seal::MasterKey;
use sync_core::signature::DeviceKey;

use super::phone::Phone;

/// 2024-11-08T07:00:00Z.
pub const START_MS: i64 = 1_731_049_200_000;

/// One server and everything around it.
pub struct World {
    pub runtime: tokio::runtime::Runtime,
    pub rng: StdRng,
    pub now_ms: i64,
    pub realm: RealmId,
    dir: tempfile::TempDir,
    exchange: Option<Arc<Exchange>>,
    people: u8,
    /// What the server seals cursors with.
    pub cursor_key: [u8; 32],
}

impl World {
    pub fn new(seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mut world = Self {
            runtime,
            rng: StdRng::seed_from_u64(seed),
            now_ms: START_MS,
            realm: RealmId::from_parts(1, 1),
            dir: tempfile::tempdir().unwrap(),
            exchange: None,
            people: 0,
            cursor_key: [5; 32],
        };
        world.start_server();
        world
    }

    /// Stops the server – whatever it had in memory is gone – and starts it again on what is on its disk.
    pub fn restart_server(&mut self) {
        self.exchange = None;
        self.start_server();
    }

    fn start_server(&mut self) {
        let store = Store::open(&self.dir.path().join("langso.db")).unwrap();
        let ingest = Arc::new(Ingest {
            realm: self.realm,
            master: MasterKey::from_bytes([3; 32]),
            documents: Documents::new(NonZeroUsize::new(2_000).unwrap()),
            workers: Workers::new(2),
            turns: Turns::default(),
        });
        let id = self.realm;
        store
            .write_blocking(move |tx| realm::init(tx, id, [1; 8]))
            .unwrap();
        let epoch = store.read_blocking(realm::info).unwrap().epoch;
        self.exchange = Some(Arc::new(
            Exchange::open(store, ingest, epoch, self.cursor_key).unwrap(),
        ));
    }

    /// Makes a backup while the server runs.
    pub fn back_up(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        back_up(self.server().store.path(), &path).unwrap();
        path
    }

    /// `langso restore`.
    pub fn restore(&mut self, backup: &Path) {
        let store = self.exchange.take().unwrap().store.path().to_owned();
        let mut epoch = [0; 8];
        self.rng.fill_bytes(&mut epoch);
        restore(&store, backup, epoch, self.now_ms).unwrap();
        self.start_server();
    }

    /// Somebody stops the server and copies an old file over the store, without a word.
    pub fn copy_back(&mut self, backup: &Path) {
        let store = self.exchange.take().unwrap().store.path().to_owned();
        std::fs::copy(backup, &store).unwrap();
        self.start_server();
    }

    pub fn server(&self) -> &Arc<Exchange> {
        self.exchange.as_ref().unwrap()
    }

    pub fn hamlet(n: u64) -> UnitId {
        UnitId::from_parts(7, n.into())
    }

    /// Somebody of a hamlet's team, with a fresh phone.
    pub fn member(&mut self, hamlet: UnitId) -> Phone {
        let scope = Scope {
            unit: hamlet,
            class: Class::Ledger,
        };
        self.phone(vec![scope], vec![scope], true)
    }

    /// Somebody who reads hamlets and writes nothing.
    pub fn reader(&mut self, hamlets: &[UnitId], personal_read: bool) -> Phone {
        let read = hamlets
            .iter()
            .map(|unit| Scope {
                unit: *unit,
                class: Class::Ledger,
            })
            .collect();
        self.phone(read, Vec::new(), personal_read)
    }

    /// An official, who reads a hamlet and settles its conflicts.
    pub fn official(&mut self, hamlet: UnitId) -> Phone {
        let mut phone = self.reader(&[hamlet], true);
        phone.access.set.settle = phone.access.set.read.clone();
        phone
    }

    /// Somebody with these roles, as the policy has it.
    pub fn holder(&mut self, grants: &[Grant], tree: &Tree) -> Phone {
        let mut phone = self.phone(Vec::new(), Vec::new(), true);
        phone.access = Access::of(grants, tree, self.realm, Month(0));
        phone
    }

    fn phone(&mut self, mut read: Vec<Scope>, write: Vec<Scope>, personal_read: bool) -> Phone {
        self.people += 1;
        read.sort_unstable();
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let identity = Identity {
            realm: self.realm,
            device: DeviceId::from_parts(2, self.people.into()),
            account: AccountId::from_parts(3, self.people.into()),
            key: DeviceKey::from_seed(seed),
        };
        self.register(&identity);
        let set = ScopeSet {
            realm: self.realm,
            read,
            write,
            since: Month(0),
            personal_read,
            settle: Vec::new(),
            answer: Vec::new(),
        };
        Phone::new(identity, set.into(), self.rng.next_u64())
    }

    fn register(&self, identity: &Identity) {
        let account = Account {
            id: identity.account,
            display_name: format!("Person {}", self.people),
            password_hash: None,
        };
        let device = Device {
            id: identity.device,
            account: identity.account,
            key: identity.key.public(),
            enrolled_at: self.now_ms,
            revoked: false,
        };
        let (username, now_ms) = (format!("p{}", self.people), self.now_ms);
        let added = self.server().store.write_blocking(move |tx| {
            realm::add_account(tx, &account, &username, now_ms)?;
            realm::add_device(tx, &device)
        });
        added.unwrap();
    }

    /// What `langso verify` finds.
    pub fn verify(&self) -> Report {
        let master = &self.server().ingest.master;
        self.server()
            .store
            .read_blocking(|conn| verify(conn, master))
            .unwrap()
    }

    /// Lets the index of the search catch up, as it does in the quiet.
    pub fn index(&self) {
        let server = self.server();
        let blinder = Blinder::of(&server.ingest.master);
        self.runtime
            .block_on(search::catch_up(&server.store, &blinder))
            .unwrap();
    }

    /// Does something to the store that no server would do.
    pub fn tamper(&self, sql: &'static str) {
        self.server()
            .store
            .write_blocking(move |tx| tx.execute_batch(sql))
            .unwrap();
    }

    /// What the server does with one request, from bytes to bytes.
    pub fn serve(&self, phone: &Phone, body: &Body) -> Result<Body, ExchangeError> {
        let request = decode_request(&body.bytes, body.compressed).expect("phones send messages");
        let sender = Arc::new(Sender {
            device: phone.identity.device,
            account: phone.identity.account,
            key: phone.identity.key.public(),
            access: phone.access.clone(),
        });
        let response = self
            .runtime
            .block_on(self.server().exchange(&sender, request, self.now_ms))?;
        Ok(encode_response(&response))
    }

    /// One number of the store, for counting what is in it.
    pub fn count(&self, sql: &str) -> i64 {
        self.server()
            .store
            .read_blocking(|conn| conn.query_row(sql, [], |row| row.get(0)))
            .unwrap()
    }
}
