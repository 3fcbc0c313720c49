//! One exchange: the request that is made, the answer that is taken.

use rand_core::CryptoRng;

use super::outbox::SentBatch;
use super::{Replica, ReplicaError, Result, Status};
use crate::ids::Month;
use crate::local_store::{LocalStore, SyncState};
use crate::protocol::{
    Body, Flags, Health, PageLimits, SyncRequest, SyncResponse, VERSION, decode_response, encode_request,
};

/// The first page is small, so that a new phone is usable soon, and so is one after a failure, so that a bad connection
/// costs little; the others save round trips.
const FIRST_PAGE_BYTES: u32 = 48 * 1024;
const PAGE_BYTES: u32 = 512 * 1024;
/// More rebases than this that leave the outbox as full as it was, and the next exchange waits for its time.
const REBASES_IN_A_ROW: u32 = 3;

/// Tells the answer of one request from that of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeId(u64);

/// A request to be carried to `POST /v1/sync`.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// To be given back with the answer.
    pub id: ExchangeId,
    /// The body, and whether it is compressed.
    pub body: Body,
}

/// What an answer brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Received {
    /// There is more to fetch or to send: exchange again at once.
    pub more: bool,
    /// Do not come back earlier than this, in milliseconds.
    pub backoff_ms: Option<u32>,
    /// A fresh access token, to be kept in place of the old one.
    pub access_token: Option<String>,
    /// What else has to be done.
    pub flags: Flags,
    /// Changes that have a receipt now.
    pub confirmed: usize,
    /// Changes that were refused just now.
    pub refused: usize,
    /// Things that the page brought.
    pub items: usize,
}

impl<S: LocalStore> Replica<S> {
    /// Makes the next request. The one before, if it is still on its way, is given up: its answer comes too late.
    ///
    /// # Errors
    /// [`ReplicaError`] when the store fails. Of a document that does not load nothing is sent.
    pub fn next_request(&mut self, now_ms: i64, health: Option<Health>) -> Result<Exchange, S> {
        self.next_request_telling(now_ms, |_| health)
    }

    /// The same; what is told of the phone follows from how it will stand once the push has arrived.
    pub(crate) fn next_request_telling(
        &mut self,
        now_ms: i64,
        tell: impl FnOnce(&Status) -> Option<Health>,
    ) -> Result<Exchange, S> {
        let (push, sent): (Vec<_>, Vec<SentBatch>) = self.batches()?.into_iter().unzip();
        let health = tell(&self.status_after(&sent));
        let settled = self.is_settled();
        let heal = self.heal_questions(settled)?;
        self.outbox.asked = heal.len();
        let request = SyncRequest {
            v: VERSION,
            epoch: self.state.epoch,
            token: self.state.token,
            device_time_ms: now_ms,
            cursor: self.state.cursor.clone().map(Into::into),
            digest: settled.then(|| self.digest().short()),
            push,
            heal,
            limits: (!settled).then_some(PageLimits {
                max_bytes: if self.state.cursor.is_none() || self.outbox.cautious {
                    FIRST_PAGE_BYTES
                } else {
                    PAGE_BYTES
                },
            }),
            health,
        };
        self.outbox.exchanges += 1;
        self.outbox.in_flight = Some(sent);
        Ok(Exchange {
            id: ExchangeId(self.outbox.exchanges),
            body: encode_request(&request),
        })
    }

    /// How things stand once these batches have arrived.
    fn status_after(&self, sent: &[SentBatch]) -> Status {
        let mut status = self.status();
        let carried = sent
            .iter()
            .filter(|batch| !batch.offered)
            .map(|batch| batch.changes.len());
        status.unsent = status.unsent.saturating_sub(carried.sum());
        if status.unsent == 0 {
            status.oldest_unsent_ms = None;
        }
        status
    }

    /// Nothing is on its way in either direction: both sides should hold the same.
    fn is_settled(&self) -> bool {
        self.state.complete
            && self.outbox.offering.is_empty()
            && self.summaries.values().all(|summary| summary.pending == 0)
    }

    /// The exchange brought no answer: the next push is smaller.
    pub fn exchange_failed(&mut self, id: ExchangeId) {
        if id.0 == self.outbox.exchanges {
            self.outbox.in_flight = None;
            self.outbox.cautious = true;
        }
    }

    /// The server does not know the cursor (`cursor_invalid`): the next request starts without one. Everything comes
    /// again, and what is here already is no news.
    pub fn forget_cursor(&mut self) {
        self.state.cursor = None;
        self.state.complete = false;
    }

    /// Takes the body of a 200 answer: receipts, a page and its cursor in one step of the store.
    ///
    /// # Errors
    /// [`ReplicaError`]; nothing was changed, and the next exchange asks for the same again.
    pub fn receive(
        &mut self,
        id: ExchangeId,
        bytes: &[u8],
        compressed: bool,
        now_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<Received, S> {
        if id.0 != self.outbox.exchanges {
            return Err(ReplicaError::Late);
        }
        let sent = self.outbox.in_flight.clone().ok_or(ReplicaError::Late)?;
        let response = decode_response(bytes, compressed)?;
        // A time for which there are no documents would leave this phone unable to record anything.
        if Month::of_millis(response.server_time_ms).is_none() {
            return Err(ReplicaError::Answer("server_time"));
        }
        if response.receipts.len() != sent.len() || response.heal.len() > self.outbox.asked {
            return Err(ReplicaError::Answer("receipts"));
        }
        let state = self.next_state(&response, now_ms);
        let (counts, rebased) = self.take(&response, &sent, state, rng)?;
        self.outbox.in_flight = None;
        self.outbox.cautious = false;
        // Each takes something out of the outbox, so that this comes to an end.
        let settled = counts.confirmed + counts.refused;
        self.outbox.rebases = match (settled, rebased) {
            (1.., _) => 0,
            (0, true) => self.outbox.rebases + 1,
            (0, false) => self.outbox.rebases,
        };
        let progress = settled > 0 || (rebased && self.outbox.rebases <= REBASES_IN_A_ROW);
        let arrivals = !self.arrivals()?.is_empty();
        Ok(Received {
            more: response.more || (progress && self.has_sendable()) || self.heals() || arrivals,
            backoff_ms: response.backoff_ms,
            access_token: response.access_token,
            flags: response.flags.unwrap_or_default(),
            confirmed: counts.confirmed,
            refused: counts.refused,
            items: response.items.len(),
        })
    }

    fn next_state(&self, response: &SyncResponse, now_ms: i64) -> SyncState {
        let mut state = self.state.clone();
        if state.epoch.is_some_and(|epoch| epoch != response.epoch.id) {
            // Another life of the store. It rewinds the cursor itself; what it lost, it is offered again.
            state.restored_at_ms = Some(response.server_time_ms);
        }
        state.epoch = Some(response.epoch.id);
        state.token = response.token.or(state.token);
        if let Some(cursor) = &response.cursor {
            state.cursor = Some(cursor.clone().into());
        }
        state.clock_offset_ms = response.server_time_ms.saturating_sub(now_ms);
        state.complete = !response.more;
        state.diverged = response.digest.is_some();
        if state.complete {
            state.last_sync_ms = Some(response.server_time_ms);
        }
        state
    }

    fn has_sendable(&self) -> bool {
        let pending = self.summaries.values().filter(|summary| summary.pending > 0);
        let mut waiting = pending
            .map(|summary| summary.id)
            .chain(self.outbox.offering.iter().copied());
        waiting.any(|id| !self.outbox.waiting.contains(&id) && !self.healing.documents.contains(&id))
    }
}
