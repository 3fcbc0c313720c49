//! The exchange: one request pushes and pulls (`docs/protocol.md`).
//!
//! What it costs: an idle one, no query of the log and no write; a pull, the entries that it sends and no document; a
//! push, one transaction for some 50 changes.

pub mod copies;
pub mod cursor;
pub mod decide;
pub mod heal;
pub mod index;
pub mod presence;
pub mod pull;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Connection;
use sync_core::ids::DeviceId;
use sync_core::protocol::{
    Batch, Epoch, EpochInfo, Flags, HealAnswer, HealQuestion, MIN_VERSION, PageLimits, Receipt, ScopeSet,
    SyncRequest, SyncResponse, VERSION, VersionRange, limits,
};

use crate::clock;
use crate::documents::Documents;
use crate::ingest::{Delivered, Ingest, IngestError, Sender, Way};
use crate::live::Live;
use crate::log;
use crate::metrics;
use crate::quarantine;
use crate::realm;
use crate::store::Store;
use copies::{Copies, Life, Presented, Seen, Told};
use cursor::{Cursor, InvalidCursor, SetId};
use index::LogIndex;
pub use presence::Presence;
use pull::Page;

/// Everything that exchanges share.
#[derive(Debug)]
pub struct Exchange {
    /// The store.
    pub store: Store,
    /// The way in.
    pub ingest: Arc<Ingest>,
    /// The log in short.
    pub index: Arc<RwLock<LogIndex>>,
    /// Which life of the store this is.
    epoch: RwLock<EpochInfo>,
    /// The last log position when the store was opened.
    opened_at: u64,
    /// The last decision about each device's quarantined batches.
    verdicts: RwLock<HashMap<DeviceId, u64>>,
    /// What cursors are sealed with.
    pub cursor_key: [u8; 32],
    /// Which devices are there twice.
    pub copies: Copies,
    /// When each device was last here.
    pub presence: Presence,
    /// Pages that are open.
    pub live: Arc<Live>,
    /// Scope sets that cursors name.
    sets: RwLock<HashMap<SetId, ScopeSet>>,
}

/// A request that got no answer, by what the device can do about it.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The request is of a version that is not spoken here.
    #[error("version {0} is not spoken here")]
    Version(u32),
    /// The cursor is not one of this device: start again without.
    #[error(transparent)]
    Cursor(#[from] InvalidCursor),
    /// More batches than one request may hold.
    #[error("more batches than one request may hold")]
    TooManyBatches,
    /// Come back later.
    #[error("the server is busy")]
    Busy,
    /// There is no room to store anything: keep it and come back later.
    #[error("the disk is full")]
    Full,
    /// Something failed here; nothing was stored that was not answered.
    #[error("{0}")]
    Internal(String),
}

impl Exchange {
    /// Opens the exchange on a store.
    ///
    /// # Errors
    /// The store's.
    pub fn open(
        store: Store,
        ingest: Arc<Ingest>,
        epoch: EpochInfo,
        cursor_key: [u8; 32],
    ) -> Result<Self, rusqlite::Error> {
        let index = store.read_blocking(LogIndex::load)?;
        let verdicts = store.read_blocking(quarantine::last_numbers)?;
        let (opened_at, index) = (index.head(), Arc::new(RwLock::new(index)));
        let published = Arc::clone(&index);
        store.when_published(move |advances| {
            let mut index = published.write().unwrap_or_else(PoisonError::into_inner);
            advances.iter().for_each(|advance| index.advance(advance));
        });
        Ok(Self {
            store,
            ingest,
            opened_at,
            verdicts: RwLock::new(verdicts.into_iter().collect()),
            index,
            epoch: RwLock::new(epoch),
            cursor_key,
            copies: Copies::default(),
            presence: Presence::default(),
            live: Arc::default(),
            sets: RwLock::default(),
        })
    }

    /// Documents in memory.
    pub fn documents(&self) -> &Documents {
        &self.ingest.documents
    }

    /// One exchange with one device.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn exchange(
        self: &Arc<Self>,
        sender: &Arc<Sender>,
        request: SyncRequest,
        now_ms: i64,
    ) -> Result<SyncResponse, ExchangeError> {
        let given = self.checked(sender, &request)?;
        let seen = self.present(sender.device, &request, now_ms).await?;
        let cursor = self.rewound(given.clone(), request.epoch, now_ms).await?;
        let (receipts, own) = self.push(sender, &request.push.into(), now_ms).await?;
        self.presence.saw(
            sender.device,
            request.device_time_ms,
            request.health.as_ref(),
            now_ms,
        );
        let pushed = !own.is_empty();
        let mut page = self.pull(sender, cursor.clone(), own, request.limits).await?;
        self.add_verdicts(sender.device, &mut page)?;
        let settled = page.items.is_empty() && !page.more && !pushed;
        let digest = request.digest.filter(|_| settled).and_then(|theirs| {
            let ours = self
                .index
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .digest(&sender.access.set)
                .short();
            (ours != theirs).then_some(ours)
        });
        let moved = page.cursor != given || request.cursor.is_none();
        let heal = self.heal(sender, request.heal).await?;
        // Nothing new costs no write: a token is succeeded when data moved.
        let succeeds = (pushed || !page.items.is_empty()) && seen.told != Told::Late;
        let token = succeeds.then(|| self.copies.succeed(sender.device, clock::random()));
        Ok(SyncResponse {
            token: token.flatten(),
            flags: seen.copied_at_ms.map(|_| Flags {
                copied: true,
                ..Flags::default()
            }),
            receipts,
            items: page.items,
            cursor: moved.then(|| page.cursor.seal(&self.cursor_key, sender.device)),
            digest,
            more: page.more,
            heal,
            ..self.answer(request.v, now_ms)
        })
    }

    /// Takes the token of a request; two living copies of a device are written down at once.
    async fn present(
        &self,
        device: DeviceId,
        request: &SyncRequest,
        now_ms: i64,
    ) -> Result<Seen, ExchangeError> {
        let this_life = request.epoch.is_none_or(|epoch| epoch == self.epoch().id);
        let presented = Presented {
            token: request.token,
            made_at_ms: request.device_time_ms,
            life: if this_life { Life::Same } else { Life::Another },
        };
        let stored = || self.store.read_blocking(|conn| copies::stored(conn, device));
        let seen = self.copies.present(device, presented, now_ms, stored);
        let seen = seen.map_err(internal)?;
        if seen.news {
            tracing::warn!(%device, "two living copies of a device were seen");
            let written = self.store.write(move |tx| copies::flag(tx, device, now_ms));
            written.await.map_err(internal)?;
        }
        Ok(seen)
    }

    /// Takes what a device delivers that this store was restored without. Nothing goes down, and nothing is said about what
    /// it holds: it keeps all of it, and goes on where it was once it is admitted.
    ///
    /// # Errors
    /// [`ExchangeError`].
    pub async fn take_in(
        &self,
        sender: &Arc<Sender>,
        request: SyncRequest,
        now_ms: i64,
    ) -> Result<SyncResponse, ExchangeError> {
        let given = self.checked(sender, &request)?;
        if request.heal.len() > limits::HEAL_SCOPES {
            return Err(ExchangeError::TooManyBatches);
        }
        let cursor = self.rewound(given.clone(), request.epoch, now_ms).await?;
        let (receipts, _) = self.push(sender, &request.push.into(), now_ms).await?;
        let moved = cursor != given && request.cursor.is_some();
        Ok(SyncResponse {
            receipts,
            cursor: moved.then(|| cursor.seal(&self.cursor_key, sender.device)),
            heal: request.heal.iter().map(|_| HealAnswer::NotYet).collect(),
            ..self.answer(request.v, now_ms)
        })
    }

    /// What can be said of a request before anything is done; gives its cursor.
    fn checked(&self, sender: &Sender, request: &SyncRequest) -> Result<Cursor, ExchangeError> {
        if !(MIN_VERSION..=VERSION).contains(&request.v) {
            return Err(ExchangeError::Version(request.v));
        }
        if request.push.len() > limits::PUSH_BATCHES {
            return Err(ExchangeError::TooManyBatches);
        }
        Ok(match &request.cursor {
            Some(bytes) => Cursor::open(bytes, &self.cursor_key, sender.device)?,
            None => Cursor::START,
        })
    }

    /// An answer that brings nothing yet.
    fn answer(&self, v: u32, now_ms: i64) -> SyncResponse {
        SyncResponse {
            v: VERSION,
            epoch: self.epoch(),
            server_time_ms: now_ms,
            token: None,
            receipts: Vec::new(),
            items: Vec::new(),
            cursor: None,
            digest: None,
            more: false,
            heal: Vec::new(),
            backoff_ms: None,
            versions: (v != VERSION).then_some(VersionRange {
                min: MIN_VERSION,
                max: VERSION,
            }),
            flags: None,
            access_token: None,
        }
    }

    /// Which life of the store this is.
    pub fn epoch(&self) -> EpochInfo {
        *self.epoch.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cursor, sent back to where the log that it was made for and the log of this store part.
    async fn rewound(
        &self,
        cursor: Cursor,
        theirs: Option<Epoch>,
        now_ms: i64,
    ) -> Result<Cursor, ExchangeError> {
        let current = self.epoch().id;
        let Some(theirs) = theirs else {
            return Ok(cursor);
        };
        let head = self.index.read().unwrap_or_else(PoisonError::into_inner).head();
        let reaches = cursor.backfill.as_ref().map_or(0, |backfill| backfill.until);
        let beyond = cursor.position.max(reaches) > head;
        if theirs == current && !beyond {
            return Ok(cursor);
        }
        let current = if theirs == current {
            // This very life of the store gave out a position that it does not have: its file was put back in time.
            self.branch(now_ms).await?
        } else {
            current
        };
        let shared = self
            .store
            .read_blocking(|conn| realm::shared_with(conn, current, theirs))
            .map_err(internal)?;
        Ok(shared.map_or(Cursor::START, |shared| Cursor {
            position: cursor.position.min(shared),
            set: cursor.set,
            backfill: None,
            boards: None,
            verdict: 0,
            urgent: None,
        }))
    }

    /// Begins a new epoch for a store that was put back without saying so.
    async fn branch(&self, now_ms: i64) -> Result<Epoch, ExchangeError> {
        let (fresh, at): ([u8; 8], u64) = (clock::random(), self.opened_at);
        tracing::warn!(at, "the store was put back in time: a new epoch begins");
        let written = self.store.write(move |tx| {
            realm::branch(tx, fresh, at, now_ms)?;
            realm::info(tx).map_err(|_| rusqlite::Error::InvalidQuery)
        });
        let info = written.await.map_err(|_| ExchangeError::Busy)?;
        *self.epoch.write().unwrap_or_else(PoisonError::into_inner) = info.epoch;
        Ok(info.epoch.id)
    }

    /// What was decided about the device's quarantined batches comes behind what it may read.
    fn add_verdicts(&self, device: DeviceId, page: &mut Page) -> Result<(), ExchangeError> {
        let last = self
            .verdicts
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&device)
            .copied();
        if page.more || last.is_none_or(|last| last <= page.cursor.verdict) {
            return Ok(());
        }
        let after = page.cursor.verdict;
        let found = self
            .store
            .read_blocking(|conn| quarantine::verdicts(conn, device, after));
        let (items, reached) = found.map_err(internal)?;
        page.items.extend(items);
        page.cursor.verdict = reached;
        page.more = last.is_some_and(|last| reached < last) && reached > after;
        Ok(())
    }

    async fn heal(
        self: &Arc<Self>,
        sender: &Arc<Sender>,
        questions: Vec<HealQuestion>,
    ) -> Result<Vec<HealAnswer>, ExchangeError> {
        if questions.is_empty() {
            return Ok(Vec::new());
        }
        if questions.len() > limits::HEAL_SCOPES {
            return Err(ExchangeError::TooManyBatches);
        }
        let (this, sender) = (Arc::clone(self), Arc::clone(sender));
        let answers = self.ingest.workers.run(move || {
            let index = this.index.read().unwrap_or_else(PoisonError::into_inner);
            this.store.read_blocking(|conn| {
                let healer = heal::Healer {
                    conn,
                    index: &index,
                    set: &sender.access.set,
                    master: &this.ingest.master,
                };
                healer.answers(&questions)
            })
        });
        answers.await.map_err(internal)?.map_err(internal)
    }

    /// The way in of every batch, whoever made it. Gives its receipts, and the positions that it took.
    ///
    /// # Errors
    /// [`ExchangeError`]; nothing was stored.
    pub async fn push(
        &self,
        sender: &Arc<Sender>,
        batches: &Arc<[Batch]>,
        now_ms: i64,
    ) -> Result<(Vec<Receipt>, Vec<(u64, u64)>), ExchangeError> {
        let (way, taking_in) = (&Way::Delivered, self.taking_in());
        let delivered = self
            .ingest
            .deliver(&self.store, sender, batches, now_ms, way, taking_in);
        match delivered.await {
            Ok(delivered) => {
                delivered.receipts.iter().for_each(metrics::receipt);
                Ok((delivered.receipts, delivered.own))
            }
            Err(IngestError::Busy) => Err(ExchangeError::Busy),
            Err(IngestError::Full) => Err(ExchangeError::Full),
            Err(error) => Err(ExchangeError::Internal(error.to_string())),
        }
    }

    /// Takes into the index what a delivery did – and before that what another process has written meanwhile: a position
    /// that is told may have nothing unknown before it. Then tells those who look on.
    fn taking_in(&self) -> impl Fn(&Connection, &Delivered) + Clone + Send + 'static {
        let (index, live) = (Arc::clone(&self.index), Arc::clone(&self.live));
        move |conn, delivered| {
            let mut index = index.write().unwrap_or_else(PoisonError::into_inner);
            let first = delivered.own.first().map_or(0, |(first, _)| *first);
            if first > index.head() + 1
                && let Err(error) = index.catch_up(conn)
            {
                tracing::error!(%error, "the index does not know what was written beside this server");
            }
            for advance in &delivered.advances {
                index.advance(advance);
                live.tell(advance.document);
            }
        }
    }

    /// Takes into the index what another process has written. `false`: it is in use just now, to be tried again – whoever
    /// asks holds a connection, for which somebody with the index may be waiting.
    ///
    /// # Errors
    /// The store's.
    pub fn catch_up(&self, conn: &Connection) -> rusqlite::Result<bool> {
        let Ok(mut index) = self.index.try_write() else {
            return Ok(false);
        };
        if log::head(conn)? > index.head() {
            index.catch_up(conn)?;
        }
        Ok(true)
    }

    async fn pull(
        self: &Arc<Self>,
        sender: &Arc<Sender>,
        cursor: Cursor,
        own: Vec<(u64, u64)>,
        limits: Option<PageLimits>,
    ) -> Result<Page, ExchangeError> {
        let (set_id, body) = SetId::of(&sender.access.set);
        let held = match cursor.set {
            Some(held) if held == set_id => Some(sender.access.set.clone()),
            Some(held) => self.stored_set(held)?,
            None => None,
        };
        if self.is_idle(&cursor, set_id, &sender.access.set) {
            return Ok(Page {
                items: Vec::new(),
                cursor,
                more: false,
            });
        }
        self.remember_set(set_id, &sender.access.set, body).await?;
        let asked = limits.map_or(limits::DEFAULT_PAGE_BYTES, |limits| limits.max_bytes as usize);
        let (this, sender) = (Arc::clone(self), Arc::clone(sender));
        let page = self.ingest.workers.run(move || {
            let request = pull::Request {
                set: &sender.access.set,
                set_id,
                held,
                own: &own,
                budget: asked.clamp(1, limits::PAGE_BYTES),
                master: &this.ingest.master,
            };
            let index = this.index.read().unwrap_or_else(PoisonError::into_inner);
            this.store
                .read_blocking(|conn| pull::page(conn, &index, cursor, &request))
        });
        page.await.map_err(internal)?.map_err(internal)
    }

    /// Nothing is new for a device: answered from memory.
    fn is_idle(&self, cursor: &Cursor, set_id: SetId, set: &ScopeSet) -> bool {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let new = |scope| {
            index
                .scope(scope)
                .is_some_and(|state| state.high_water > cursor.position)
        };
        cursor.backfill.is_none() && cursor.set == Some(set_id) && !set.read.iter().any(new)
    }

    /// The set that a cursor names. One that is not known any more counts as none: everything comes again.
    fn stored_set(&self, id: SetId) -> Result<Option<ScopeSet>, ExchangeError> {
        if let Some(set) = self.sets.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(Some(set.clone()));
        }
        let body = self.store.read_blocking(|conn| {
            use rusqlite::OptionalExtension;
            conn.prepare_cached("SELECT body FROM scope_set WHERE id = ?")?
                .query_row([id.0], |row| row.get::<_, Vec<u8>>(0))
                .optional()
        });
        let set: Option<ScopeSet> = body
            .map_err(internal)?
            .and_then(|body| minicbor::decode(&body).ok());
        if let Some(set) = &set {
            self.sets
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(id, set.clone());
        }
        Ok(set)
    }

    /// Writes a set down before a cursor names it.
    async fn remember_set(&self, id: SetId, set: &ScopeSet, body: Vec<u8>) -> Result<(), ExchangeError> {
        if self
            .sets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(&id)
        {
            return Ok(());
        }
        let written = self.store.write(move |tx| {
            tx.prepare_cached("INSERT OR IGNORE INTO scope_set (id, body) VALUES (?, ?)")?
                .execute(rusqlite::params![id.0, body])
        });
        written.await.map_err(|_| ExchangeError::Busy)?;
        self.sets
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, set.clone());
        Ok(())
    }
}

fn internal(error: impl std::fmt::Display) -> ExchangeError {
    ExchangeError::Internal(error.to_string())
}
