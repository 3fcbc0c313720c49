//! The vault: one phone's records, outbox and key, in one encrypted file.

mod catalogue;
mod directives;
mod exchange;
mod records;

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rand::rngs::ThreadRng;
use sync_core::edit::Edit;
use sync_core::ids::RecordId;
use sync_core::local_store::sqlite::{SqliteStore, SqliteStoreError, StoreKey};
use sync_core::replica::{Replica, ReplicaError};
use sync_core::session::Session;

use crate::observe::{Change, Listeners};
use crate::{ChangeListener, Status, Subscription, VaultError};

type Result<T> = std::result::Result<T, VaultError>;
type Desk = Replica<SqliteStore>;
type Made<T> = std::result::Result<T, ReplicaError<SqliteStoreError>>;

/// One phone's records, outbox and key, in one encrypted file. Several may be open at once, each file once.
#[derive(Debug, uniffi::Object)]
pub struct Vault {
    path: PathBuf,
    clock: fn() -> i64,
    /// `None` once it was closed or wiped.
    session: Mutex<Option<Session<SqliteStore>>>,
    syncing: AtomicBool,
    listeners: Listeners,
    app_version: Mutex<Option<String>>,
}

#[uniffi::export]
impl Vault {
    /// Makes a vault at `path`, where there is nothing yet. `key` is 32 random bytes, kept in the Keystore or Keychain.
    ///
    /// # Errors
    /// `Other(vault_exists)` if there is a file; `StorageFull`.
    #[uniffi::constructor]
    pub fn create(path: String, key: Vec<u8>) -> Result<Arc<Self>> {
        Self::create_at(path, key, system_clock)
    }

    /// Opens the vault at `path`.
    ///
    /// # Errors
    /// `Other(vault_missing)` if there is none, `Other(store_in_use)` if it is open already, `UpdateApp` if a newer app
    /// wrote it, `Damaged(store_wrong_key)` if the key is another one – the file is left as it is –, `StorageFull`.
    #[uniffi::constructor]
    pub fn open(path: String, key: Vec<u8>) -> Result<Arc<Self>> {
        Self::open_at(path, key, system_clock)
    }

    /// Closes the vault. Whatever is called afterwards says `Other(vault_closed)`.
    pub fn shut(&self) {
        *self.lock() = None;
    }

    /// Encrypts the vault with another key. If the phone dies meanwhile, one of the two opens it: keep both until this
    /// returns.
    ///
    /// # Errors
    /// `StorageFull`; then the old key holds.
    pub fn rekey(&self, key: Vec<u8>) -> Result<()> {
        let key = store_key(&key)?;
        self.with(|session| Ok(session.store_mut()?.rekey(&key)?))
    }

    /// Tells the server with the next exchange which version of the app this is, at most 32 bytes.
    pub fn set_app_version(&self, version: String) {
        *self.app_version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version);
    }

    /// How things stand.
    ///
    /// # Errors
    /// What the store says.
    pub fn status(&self) -> Result<Status> {
        let (vault_bytes, free_bytes) = (self.vault_bytes(), self.free_bytes());
        self.with(|session| Ok(Status::new(session.status(), vault_bytes, free_bytes)))
    }

    /// Tells `listener` of every change, as long as the subscription is kept.
    pub fn observe(&self, listener: Arc<dyn ChangeListener>) -> Arc<Subscription> {
        self.listeners.add(listener)
    }
}

impl Vault {
    /// As [`Vault::create`], on a clock of the caller's, in UTC milliseconds.
    ///
    /// # Errors
    /// As there.
    pub fn create_at(path: String, key: Vec<u8>, clock: fn() -> i64) -> Result<Arc<Self>> {
        store_key(&key)?;
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(VaultError::other("vault_exists"));
            }
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                return Err(VaultError::StorageFull {
                    code: "store_full".to_owned(),
                });
            }
            Err(_) => return Err(VaultError::other("vault_path")),
        }
        let created = Self::open_at(path.clone(), key, clock);
        if created.is_err() {
            // Nothing was in it yet.
            remove(Path::new(&path));
        }
        created
    }

    /// As [`Vault::open`], on a clock of the caller's, in UTC milliseconds.
    ///
    /// # Errors
    /// As there.
    pub fn open_at(path: String, key: Vec<u8>, clock: fn() -> i64) -> Result<Arc<Self>> {
        let (path, key) = (PathBuf::from(path), store_key(&key)?);
        if !path.is_file() {
            return Err(VaultError::other("vault_missing"));
        }
        let session = guarded(|| {
            let store = SqliteStore::open_encrypted(&path, &key)?;
            Ok(Session::open(store, &mut rand::rng())?)
        })?;
        Ok(Arc::new(Self {
            path,
            clock,
            session: Mutex::new(Some(session)),
            syncing: AtomicBool::new(false),
            listeners: Listeners::default(),
            app_version: Mutex::new(None),
        }))
    }

    /// The one way to what is in the vault. If something panics there, the vault is closed: what is on disk is whole,
    /// what was in memory may not be.
    fn with<T>(&self, act: impl FnOnce(&mut Session<SqliteStore>) -> Result<T>) -> Result<T> {
        let mut place = self.lock();
        let Some(session) = place.as_mut() else {
            return Err(VaultError::other("vault_closed"));
        };
        let done = guarded(|| act(session));
        if done.as_ref().is_err_and(|error| error.code() == PANICKED) {
            *place = None;
        }
        done
    }

    /// Makes something new and gives its id; who listens is told.
    fn make(&self, act: impl FnOnce(&mut Desk, i64, &mut ThreadRng) -> Made<RecordId>) -> Result<String> {
        let now_ms = self.now_ms();
        let made = self.with(|session| Ok(act(session.replica_mut()?, now_ms, &mut rand::rng())?))?;
        self.listeners.tell(Change::Local);
        Ok(made.to_string())
    }

    /// Changes something and says whether that was news; if it was, who listens is told.
    fn change(&self, act: impl FnOnce(&mut Desk, i64, &mut ThreadRng) -> Made<bool>) -> Result<bool> {
        let now_ms = self.now_ms();
        let changed = self.with(|session| Ok(act(session.replica_mut()?, now_ms, &mut rand::rng())?))?;
        if changed {
            self.listeners.tell(Change::Local);
        }
        Ok(changed)
    }

    /// Makes one edit.
    fn edit(&self, edit: &Edit) -> Result<bool> {
        self.change(|desk, now_ms, rng| desk.edit(edit, now_ms, rng))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Session<SqliteStore>>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        (self.clock)()
    }

    /// Closes the vault and removes its files.
    fn wipe(&self) {
        self.shut();
        remove(&self.path);
        self.listeners.tell(Change::Wiped);
    }

    fn vault_bytes(&self) -> u64 {
        let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        files(&self.path).iter().map(size).sum()
    }

    fn free_bytes(&self) -> Option<u64> {
        let stat = rustix::fs::statvfs(self.path.parent()?).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

const PANICKED: &str = "internal";

/// Nothing panics into the app.
fn guarded<T>(act: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| Err(VaultError::other(PANICKED)))
}

fn store_key(key: &[u8]) -> Result<StoreKey> {
    let bytes = key
        .try_into()
        .map_err(|_| VaultError::not_allowed("key_length"))?;
    Ok(StoreKey::from_bytes(bytes))
}

/// What SQLite keeps beside the file, and the file. In this order they are removed: who dies in between still has a vault
/// that opens, and is told once more to wipe it.
fn files(path: &Path) -> [PathBuf; 4] {
    ["-wal", "-shm", "-journal", ""].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

fn remove(path: &Path) {
    for file in files(path) {
        // Most of them are not there.
        drop(std::fs::remove_file(file));
    }
}

fn system_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(all(test, feature = "sqlcipher"))]
mod tests {
    use super::*;

    #[test]
    fn what_panics_is_an_error_and_closes_the_vault() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault").to_str().unwrap().to_owned();
        let vault = Vault::create(path.clone(), vec![7; 32]).unwrap();
        let panicked = vault.with::<()>(|_| panic!("a bug of ours"));
        assert_eq!(panicked.unwrap_err(), VaultError::other("internal"));
        assert_eq!(vault.status().unwrap_err(), VaultError::other("vault_closed"));
        // What is on disk is whole.
        Vault::open(path, vec![7; 32]).unwrap();
    }
}
