//! The application: one data directory, opened, with everything that requests share.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, TryLockError};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::ToSpan;
use jiff::civil::Date;
use rusqlite::Connection;
use sync_core::edit::Edit;
use sync_core::ids::{AccountId, DeviceId, Month, RealmId};
use sync_core::protocol::ScopeSet;
use sync_core::signature::DeviceKey;
use tokio::sync::Semaphore;

use crate::clock::{self, Clock, day_of, midnight_ms};
use crate::config::Config;
use crate::devices::{self, Standing};
use crate::documents::Documents;
use crate::exchange::{Exchange, copies, presence};
use crate::flights::Flights;
use crate::ingest::{Ingest, Sender, Turns};
use crate::keys::{self, Keys, KeysError, Missing};
use crate::policy::{Access, Grant, LATE_DAYS, Past};
use crate::publish::Publisher;
use crate::rate::Limits;
use crate::realm::{self, Held, RealmError};
use crate::replica::{ServerEditError, ServerReplica};
use crate::search::{self, Blinder, CaughtUp};
use crate::seen::Seen;
use crate::session::Attempts;
use crate::store::{OpenError, Store, WriteError, is_older};
use crate::token::Tokens;
use crate::tree::Tree;
use crate::workers::Workers;

/// So many deliveries are unpacked at a time: enough for the writer to commit many at once.
const DELIVERIES: usize = 8;
/// So many more may wait for their turn, each as it came; others are sent away.
const WAITING: usize = 256;

/// So many passwords are hashed at a time.
const PASSWORDS: usize = 2;

/// Everything that requests share.
#[derive(Debug)]
pub struct App {
    /// How it is set up.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// Which realm this is.
    pub realm: RealmId,
    /// Signs enrolments.
    pub realm_key: DeviceKey,
    /// What people do through the server.
    pub replica: ServerReplica,
    /// Access tokens.
    pub tokens: Tokens,
    /// The exchange, and the store under it.
    pub exchange: Arc<Exchange>,
    /// Turns for deliveries: an unpacked one takes ten times the memory of one that waits as it came.
    pub deliveries: Arc<Semaphore>,
    /// Places to wait for such a turn.
    pub waiting: Arc<Semaphore>,
    /// Devices that are in an exchange.
    pub flights: Flights,
    /// Wrong passwords.
    pub attempts: Attempts,
    /// How often an address may knock.
    pub limits: Limits,
    /// Hashes passwords: a tenth of a second and 19 MB each, so few at a time.
    pub passwords: Workers,
    /// Held while a directive is issued: what it may not follow is asked just before.
    pub(crate) issuing: tokio::sync::Mutex<()>,
    /// Makes exports, one at a time: each keeps a reading connection for seconds.
    pub exports: Workers,
    authority: RwLock<Arc<Authority>>,
    /// Held as long as this process uses the directory.
    _lock: File,
}

/// Who may do what, on one day under one version of the tables; and on the days before that late edits are judged by.
#[derive(Debug)]
pub struct Authority {
    version: i64,
    day: Date,
    /// The units of the day.
    pub tree: Tree,
    /// Trees of earlier days, each with the day on which it became another.
    earlier: Vec<(Date, Tree)>,
    roles: HashMap<AccountId, Vec<Held>>,
    grants: HashMap<AccountId, Vec<Grant>>,
}

impl Authority {
    /// The roles of an account on the day; none if it is suspended or unknown.
    pub fn grants(&self, account: AccountId) -> &[Grant] {
        self.grants.get(&account).map_or(&[], Vec::as_slice)
    }

    /// What an account may read and write by the exchange, and what it could write before.
    pub fn access(&self, account: AccountId, realm: RealmId, since: Month) -> Access {
        let mut access = Access::of(self.grants(account), &self.tree, realm, since);
        let roles = self.roles.get(&account).map_or(&[][..], Vec::as_slice);
        let mut from = window(self.day);
        for until in self.turns(roles) {
            let tree = self.earlier.iter().find(|(end, _)| *end >= until);
            let tree = tree.map_or(&self.tree, |(_, tree)| tree);
            let held = roles.iter().filter(|held| held.on(from)).map(|held| held.grant);
            let set = Access::of(&held.collect::<Vec<_>>(), tree, realm, since).set;
            let instants = midnight_ms(from).zip(midnight_ms(until));
            access.past.extend(instants.map(|(from_ms, until_ms)| Past {
                from_ms,
                until_ms,
                set,
            }));
            from = until;
        }
        let lists = |set: &ScopeSet| [set.write.clone(), set.settle.clone(), set.answer.clone()];
        let other = |past: &Past| lists(&past.set) != lists(&access.set);
        let nothing = |past: &Past| lists(&past.set).iter().all(Vec::is_empty);
        access.past.retain(|past| other(past) && !nothing(past));
        access
    }

    /// The days within the window on which the tree or these roles became others, ascending.
    fn turns(&self, roles: &[Held]) -> BTreeSet<Date> {
        let of_tree = self.earlier.iter().map(|(end, _)| *end);
        let of_roles = roles.iter().flat_map(|held| [Some(held.from), held.to]).flatten();
        let window = window(self.day);
        of_tree
            .chain(of_roles)
            .filter(|day| *day > window && *day <= self.day)
            .collect()
    }
}

/// The first day on which an edit may be dated that arrives on this one without a right of today.
fn window(day: Date) -> Date {
    day.saturating_sub(LATE_DAYS.days())
}

/// A data directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenAppError {
    /// Another process serves it.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// Another process serves it, and knows less of it than this program.
    #[error(
        "{0} is in use by a server of an older version, under which nothing is migrated: stop it first, or use \
         the program of its version"
    )]
    InUseByOlder(PathBuf),
    /// It cannot be made or locked.
    #[error("{0}: {1}")]
    Io(PathBuf, #[source] std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The realm's tables.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// The store failed while it was opened.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl OpenAppError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            OpenAppError::InUse(_) | OpenAppError::InUseByOlder(_) => "data_in_use",
            OpenAppError::Io(..) => "data_unusable",
            OpenAppError::Store(error) => error.code(),
            OpenAppError::Keys(_) => "keys",
            OpenAppError::Realm(_) => "realm",
            OpenAppError::Failed(_) => "store_failed",
        }
    }
}

/// Where the store of a data directory is.
pub fn store_path(data: &Path) -> PathBuf {
    data.join("langso.db")
}

/// Opens the store and the keys of a directory for a command beside the server, making both if there is neither. What
/// changes in the tables is published by whoever changes it. A store of an older version is migrated, but never under a
/// server that serves it.
///
/// # Errors
/// [`OpenAppError`].
pub fn open_data(data: &Path) -> Result<(Store, Keys), OpenAppError> {
    let _alone = alone_to_migrate(data)?;
    open_at(data, Clock::system())
}

/// The same for a command that needs the directory for itself, for as long as the file is kept.
///
/// # Errors
/// [`OpenAppError::InUse`], and others.
pub fn open_alone(data: &Path) -> Result<(File, Store, Keys), OpenAppError> {
    let lock = lock(data)?;
    let (store, keys) = open_at(data, Clock::system())?;
    Ok((lock, store, keys))
}

/// The directory for this process alone, if its store has to be migrated.
fn alone_to_migrate(data: &Path) -> Result<Option<File>, OpenAppError> {
    if !is_older(&store_path(data))? {
        return Ok(None);
    }
    lock(data).map(Some).map_err(|error| match error {
        OpenAppError::InUse(data) => OpenAppError::InUseByOlder(data),
        other => other,
    })
}

fn open_at(data: &Path, clock: Clock) -> Result<(Store, Keys), OpenAppError> {
    std::fs::create_dir_all(data).map_err(|error| OpenAppError::Io(data.to_owned(), error))?;
    let missing = if store_path(data).exists() {
        Missing::Refuse
    } else {
        Missing::Create
    };
    let keys = Keys::open(&data.join("keys"), missing, clock::fill)?;
    let store = Store::open(&store_path(data))?;
    let (id, epoch) = (
        RealmId::from_parts(clock.now_ms().unsigned_abs(), clock::random_bits()),
        clock::random(),
    );
    let key = keys.realm.public();
    let publisher = Publisher::new(keys.realm.clone(), clock);
    store.publish_with(move |tx| publisher.publish(tx));
    // Whatever was left unpublished is, by this first transaction.
    store
        .write_blocking(move |tx| {
            realm::init(tx, id, epoch)?;
            realm::keep_key(tx, key)
        })
        .map_err(|error: WriteError<rusqlite::Error>| OpenAppError::Failed(error.to_string()))?;
    Ok((store, keys))
}

impl App {
    /// Opens a data directory to serve it.
    ///
    /// # Errors
    /// [`OpenAppError`].
    pub fn open(config: Config, clock: Clock) -> Result<Arc<Self>, OpenAppError> {
        let lock = lock(&config.data)?;
        let (store, keys) = open_at(&config.data, clock.clone())?;
        let info = store.read_blocking(realm::info)?;
        let authority = store.read_blocking(|conn| load_authority(conn, day_of(clock.now_ms())))?;
        let ingest = Arc::new(Ingest {
            realm: info.id,
            master: keys.master,
            documents: Documents::new(NonZeroUsize::new(config.cached_changes).unwrap_or(NonZeroUsize::MIN)),
            workers: Workers::new(config.workers()),
            turns: Turns::default(),
        });
        let failed = |error: &dyn std::fmt::Display| OpenAppError::Failed(error.to_string());
        let exchange =
            Exchange::open(store, ingest, info.epoch, keys.cursor).map_err(|error| failed(&error))?;
        let limits = Limits::new(clock.clone());
        let tokens = Tokens::new(&keys.token, config.token_ttl_s).map_err(|error| failed(&error))?;
        Ok(Arc::new(Self {
            config,
            clock,
            realm: info.id,
            replica: ServerReplica::new(info.id, keys.realm.clone()),
            realm_key: keys.realm,
            tokens,
            exchange: Arc::new(exchange),
            deliveries: Arc::new(Semaphore::new(DELIVERIES)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            flights: Flights::default(),
            attempts: Attempts::default(),
            limits,
            passwords: Workers::new(PASSWORDS),
            exports: Workers::new(1),
            issuing: tokio::sync::Mutex::default(),
            authority: RwLock::new(Arc::new(authority)),
            _lock: lock,
        }))
    }

    /// Makes one edit for somebody who works through the server.
    ///
    /// # Errors
    /// [`ServerEditError`]; nothing was changed.
    pub async fn edit(&self, account: AccountId, edit: &Edit) -> Result<(), ServerEditError> {
        self.edit_seen(account, edit, &Seen::default()).await
    }

    /// The same, if the record still says what its author saw.
    ///
    /// # Errors
    /// [`ServerEditError`]; nothing was changed.
    pub async fn edit_seen(
        &self,
        account: AccountId,
        edit: &Edit,
        seen: &Seen,
    ) -> Result<(), ServerEditError> {
        let access = self.store().read_blocking(|conn| {
            let authority = self.authority(conn)?;
            Ok::<_, RealmError>(authority.access(account, self.realm, self.since()))
        })?;
        let now_ms = self.clock.now_ms();
        self.replica
            .edit(&self.exchange, account, access, (edit, seen), now_ms)
            .await
    }

    /// How many deliveries wait for their turn.
    pub fn deliveries_waiting(&self) -> usize {
        WAITING.saturating_sub(self.waiting.available_permits())
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.exchange.store
    }

    /// Who may do what just now: read again when a table has changed or a day has begun.
    ///
    /// # Errors
    /// [`RealmError`].
    pub fn authority(&self, conn: &Connection) -> Result<Arc<Authority>, RealmError> {
        let (version, day) = (realm::authority_version(conn)?, day_of(self.clock.now_ms()));
        let known = Arc::clone(&self.authority.read().unwrap_or_else(PoisonError::into_inner));
        if known.version == version && known.day == day {
            return Ok(known);
        }
        // Whoever changed a table may be another process, and has published what it changed.
        let caught_up = self.exchange.catch_up(conn)?;
        let fresh = Arc::new(load_authority(conn, day)?);
        if caught_up {
            *self.authority.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        }
        Ok(fresh)
    }

    /// A device, how it stands and what its account may do; `None` if it does not exist.
    ///
    /// # Errors
    /// [`RealmError`].
    pub fn sender(&self, device: DeviceId) -> Result<Option<(Sender, Standing)>, RealmError> {
        self.store().read_blocking(|conn| {
            let known = realm::device(conn, device)?.zip(devices::standing(conn, device)?);
            let found = match known {
                Some(known) => Some(known),
                None => realm::returned_device(conn, device)?.map(|device| (device, Standing::Returned)),
            };
            let Some((device, standing)) = found else {
                return Ok(None);
            };
            let access = match standing {
                Standing::Good => self
                    .authority(conn)?
                    .access(device.account, self.realm, self.since()),
                // No scope at all: it reads nothing, and whatever it delivers waits in quarantine.
                Standing::Suspended | Standing::Revoked | Standing::Returned => {
                    Access::of(&[], &Tree::default(), self.realm, self.since())
                }
            };
            let sender = Sender {
                device: device.id,
                account: device.account,
                key: device.key,
                access,
            };
            Ok(Some((sender, standing)))
        })
    }

    /// The oldest month that phones hold.
    fn since(&self) -> Month {
        let now = Month::of_millis(self.clock.now_ms()).unwrap_or(Month(0));
        now.minus(self.config.months.saturating_sub(1))
    }

    /// Goes on with the keys that are in the directory now: they may have been changed beside the server.
    ///
    /// # Errors
    /// When a key file cannot be used; then the keys of before go on.
    pub fn reload_token_keys(&self) -> Result<(), OpenAppError> {
        let keys = keys::token_keys(&self.config.data.join("keys"))?;
        let replaced = self.tokens.replace(&keys);
        replaced.map_err(|error| OpenAppError::Failed(error.to_string()))
    }

    /// Lets the index of the search catch up: what a search has to wait for.
    ///
    /// # Errors
    /// [`WriteError`]: a part of it may have caught up.
    pub async fn caught_up(&self) -> Result<CaughtUp, WriteError<rusqlite::Error>> {
        search::catch_up(self.store(), &self.blinder()).await
    }

    /// Indexes a part of what is due. Gives whether there may be more.
    ///
    /// # Errors
    /// [`WriteError`]: nothing of it is indexed.
    pub async fn index_some(&self) -> Result<bool, WriteError<rusqlite::Error>> {
        search::index_some(self.store(), &self.blinder()).await
    }

    fn blinder(&self) -> Blinder {
        Blinder::of(&self.exchange.ingest.master)
    }

    /// Writes down who was here since the last time.
    pub async fn flush_presence(&self) {
        let (seen, lines) = (self.exchange.presence.take(), self.exchange.copies.take());
        if seen.is_empty() && lines.is_empty() {
            return;
        }
        let written = self.store().write(move |tx| {
            presence::put(tx, &seen)?;
            copies::put(tx, &lines)
        });
        if let Err(error) = written.await {
            tracing::warn!(%error, "presence was not written");
        }
    }
}

fn load_authority(conn: &Connection, day: Date) -> Result<Authority, RealmError> {
    let version = realm::authority_version(conn)?;
    let earlier = realm::turning_days(conn, window(day), day)?
        .into_iter()
        .map(|end| {
            let last = end.yesterday().unwrap_or(end);
            Ok((end, realm::tree(conn, last)?))
        });
    let roles = realm::held_roles(conn)?;
    let of_today = |(account, held): (&AccountId, &Vec<Held>)| {
        let today = held.iter().filter(|held| held.on(day)).map(|held| held.grant);
        (*account, today.collect())
    };
    Ok(Authority {
        version,
        day,
        tree: realm::tree(conn, day)?,
        earlier: earlier.collect::<Result<_, RealmError>>()?,
        grants: roles.iter().map(of_today).collect(),
        roles,
    })
}

/// Takes a data directory for this process alone, for as long as the file is kept.
///
/// # Errors
/// [`OpenAppError::InUse`].
pub fn lock(data: &Path) -> Result<File, OpenAppError> {
    let io = |error| OpenAppError::Io(data.to_owned(), error);
    std::fs::create_dir_all(data).map_err(io)?;
    // Not truncated: until it is ours it tells whose it is.
    let mut file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(data.join("lock"))
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)
                .and_then(|()| write!(file, "{}", std::process::id()))
                .map_err(io)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => Err(OpenAppError::InUse(data.to_owned())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}
