//! Deciding about what is in quarantine: released – admitted again, by all the rules but those of permission – or
//! discarded. What joined a batch shares its fate as far as admission lets it.

use std::sync::{Arc, PoisonError};

use sync_core::ids::{ChangeHash, DeviceId, Month};
use sync_core::preflight::{PreflightLimits, chunk_hash, preflight};
use sync_core::protocol::{Batch, Receipt, ScopeSet};

use super::{Exchange, internal};
use crate::audit::By;
use crate::ingest::{IngestError, Sender, Way};
use crate::policy::{Access, Permit, Read, Write};
use crate::quarantine::{self, Content, Decision, Discard, Parked, Wanted};
use crate::realm;
use crate::store::WriteError;

/// A decision that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// There is no such batch, or none that the permit is for.
    #[error("no such batch")]
    Unknown,
    /// It was decided before.
    #[error("it was decided before")]
    Decided,
    /// The device that signed it is not known, so that its signature proves nothing.
    #[error("its device is not known here")]
    DeviceUnknown,
    /// It is still refused, with this code, and stays where it is.
    #[error("it is still refused: {0}")]
    Refused(String),
    /// It stands on this one, which waits too: it follows when that is released.
    #[error("it stands on batch {0}, which waits too")]
    StandsOn(i64),
    /// Come back later.
    #[error("the server is busy")]
    Busy,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// Something failed here.
    #[error("{0}")]
    Internal(String),
}

impl Exchange {
    /// What a batch of the permit's units says; `None` if there is none.
    ///
    /// # Errors
    /// When the store fails, or the document cannot be rebuilt.
    pub async fn content(
        self: &Arc<Self>,
        permit: Permit<Read>,
        id: i64,
        wanted: Wanted,
    ) -> Result<Option<Content>, DecideError> {
        let this = Arc::clone(self);
        let looking = self.ingest.workers.run(move || {
            let master = &this.ingest.master;
            this.store
                .read_blocking(|conn| quarantine::content(conn, &permit, id, master, wanted))
        });
        looking.await.map_err(failed)?.map_err(failed)
    }

    /// Admits a batch again, and then what stands on it. Gives the batches that were merged.
    ///
    /// # Errors
    /// [`DecideError`]; then it waits as before.
    pub async fn release(
        self: &Arc<Self>,
        permit: &Permit<Write>,
        id: i64,
        by: &By,
    ) -> Result<Vec<i64>, DecideError> {
        self.release_one(permit, id, by).await?;
        let (mut released, mut open) = (vec![id], self.joined(id)?);
        while let Some(next) = open.pop() {
            if self.release_one(permit, next, by).await.is_ok() {
                released.push(next);
                open.extend(self.joined(next)?);
            }
        }
        Ok(released)
    }

    /// Says that a batch will not be merged, nor what stands on it. The bytes stay. Gives the batches that it was said of.
    ///
    /// # Errors
    /// [`DecideError`].
    pub async fn discard(
        self: &Arc<Self>,
        permit: &Permit<Write>,
        id: i64,
        reason: Discard,
        by: &By,
    ) -> Result<Vec<i64>, DecideError> {
        let parked = self.parked(permit, id)?;
        let mut ids = vec![id];
        let mut at = 0;
        while let Some(next) = ids.get(at).copied() {
            ids.extend(self.joined(next)?);
            at += 1;
        }
        let (decided, by) = (ids.clone(), by.clone());
        let written = self.store.write(move |tx| {
            let decision = Decision::Discard(reason);
            let Some(mut last) = quarantine::decide(tx, id, decision, &by)? else {
                return Ok::<_, rusqlite::Error>(None);
            };
            for joined in decided.into_iter().skip(1) {
                last = quarantine::decide(tx, joined, decision, &by)?.unwrap_or(last);
            }
            Ok(Some(last))
        });
        let written = written.await.map_err(|error| match error {
            WriteError::Busy => DecideError::Busy,
            WriteError::Full => DecideError::Full,
            error => failed(error),
        })?;
        let number = written.ok_or(DecideError::Decided)?;
        self.remember_verdict(parked.device, number);
        Ok(ids)
    }

    async fn release_one(
        self: &Arc<Self>,
        permit: &Permit<Write>,
        id: i64,
        by: &By,
    ) -> Result<(), DecideError> {
        let (master, readable) = (&self.ingest.master, permit.to_read());
        let found = self
            .store
            .read_blocking(|conn| quarantine::find(conn, &readable, id, master));
        let (parked, batch) = found.map_err(failed)?.ok_or(DecideError::Unknown)?;
        if parked.outcome.is_some() {
            return Err(DecideError::Decided);
        }
        let key = self
            .store
            .read_blocking(|conn| realm::signing_key(conn, parked.device));
        let scope = vec![batch.document.scope()];
        let access = Access::from(ScopeSet {
            realm: self.ingest.realm,
            read: Vec::new(),
            write: scope.clone(),
            since: Month(0),
            personal_read: false,
            settle: scope.clone(),
            answer: scope,
        });
        let sender = Sender {
            device: parked.device,
            account: parked.account,
            key: key.map_err(failed)?.ok_or(DecideError::DeviceUnknown)?,
            access,
        };
        let (sender, batches): (_, Arc<[Batch]>) = (Arc::new(sender), Arc::from([batch]));
        let way = Way::Released { id, by: by.clone() };
        let delivered =
            self.ingest
                .deliver(&self.store, &sender, &batches, by.now_ms, &way, self.taking_in());
        let delivered = delivered.await.map_err(|error| match error {
            IngestError::Busy => DecideError::Busy,
            IngestError::Full => DecideError::Full,
            error @ (IngestError::Storage(_) | IngestError::Damaged(..) | IngestError::Abandoned) => {
                failed(error)
            }
        })?;
        match delivered.receipts.first() {
            Some(Receipt::Durable { .. } | Receipt::Duplicate { .. }) => {
                let number = delivered.decision.ok_or(DecideError::Decided)?;
                self.remember_verdict(parked.device, number);
                Ok(())
            }
            Some(Receipt::Quarantined { reason: code } | Receipt::Rejected { code, .. }) => {
                let base = self.joined_to(&parked, &batches).await?;
                Err(base.map_or_else(|| DecideError::Refused(code.clone()), DecideError::StandsOn))
            }
            Some(Receipt::MissingDeps { .. }) => Err(DecideError::Refused("missing_deps".to_owned())),
            Some(Receipt::ActorFork { .. }) => Err(DecideError::Refused("actor_fork".to_owned())),
            None => Err(DecideError::Internal("no receipt".to_owned())),
        }
    }

    /// The open batch that a batch stands on. It may have come after it, and is joined now.
    async fn joined_to(&self, parked: &Parked, batches: &[Batch]) -> Result<Option<i64>, DecideError> {
        let (id, device) = (parked.id, parked.device);
        let needs: Vec<_> = batches
            .iter()
            .map(|batch| (batch.document, needed(batch)))
            .collect();
        let found = self.store.read_blocking(|conn| {
            for (document, deps) in &needs {
                let base = quarantine::holding(conn, device, *document, deps)?;
                if base.is_some_and(|base| base != id) {
                    return Ok(base);
                }
            }
            Ok::<_, rusqlite::Error>(None)
        });
        let Some(base) = found.map_err(failed)? else {
            return Ok(None);
        };
        let joined = self.store.write(move |tx| quarantine::join(tx, id, base));
        joined.await.map_err(failed)?;
        Ok(Some(base))
    }

    fn parked(&self, permit: &Permit<Write>, id: i64) -> Result<Parked, DecideError> {
        let (master, readable) = (&self.ingest.master, permit.to_read());
        let found = self
            .store
            .read_blocking(|conn| quarantine::find(conn, &readable, id, master));
        let (parked, _) = found.map_err(failed)?.ok_or(DecideError::Unknown)?;
        Ok(parked)
    }

    fn joined(&self, id: i64) -> Result<Vec<i64>, DecideError> {
        let joined = self.store.read_blocking(|conn| quarantine::joined(conn, id));
        joined.map_err(failed)
    }

    fn remember_verdict(&self, device: DeviceId, number: u64) {
        let mut verdicts = self.verdicts.write().unwrap_or_else(PoisonError::into_inner);
        let last = verdicts.entry(device).or_default();
        *last = number.max(*last);
    }
}

/// What the changes of a batch stand on, beside each other.
fn needed(batch: &Batch) -> Vec<ChangeHash> {
    let limits = PreflightLimits::default();
    let own: Vec<[u8; 32]> = batch.changes.iter().map(|chunk| chunk_hash(chunk)).collect();
    let headers = batch
        .changes
        .iter()
        .filter_map(|chunk| preflight(chunk, &limits).ok());
    let deps = headers.flat_map(|header| header.deps);
    deps.filter(|dep| !own.contains(dep)).map(ChangeHash).collect()
}

fn failed(error: impl std::fmt::Display) -> DecideError {
    DecideError::Internal(internal(error).to_string())
}
