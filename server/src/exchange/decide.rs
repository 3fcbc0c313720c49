//! Deciding about what is in quarantine: released – admitted again, by all the rules but those of permission – or
//! discarded. What joined a batch shares its fate as far as admission lets it.

use std::sync::{Arc, PoisonError};

use sync_core::ids::{DeviceId, Month};
use sync_core::protocol::{Receipt, ScopeSet, VerdictOutcome};

use serde_json::json;

use super::{Exchange, internal};
use crate::audit::{self, Act, By, Change};
use crate::ingest::{Sender, Way};
use crate::policy::Access;
use crate::{quarantine, realm};

/// A decision that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// There is no such batch.
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
    /// Something failed here.
    #[error("{0}")]
    Internal(String),
}

impl Exchange {
    /// Admits a batch again, and then what stands on it. Gives the batches that were merged.
    ///
    /// # Errors
    /// [`DecideError`]; then it waits as before.
    pub async fn release(self: &Arc<Self>, id: i64, by: &By) -> Result<Vec<i64>, DecideError> {
        self.release_one(id, by).await?;
        let (mut released, mut open) = (vec![id], self.joined(id)?);
        while let Some(next) = open.pop() {
            if self.release_one(next, by).await.is_ok() {
                released.push(next);
                open.extend(self.joined(next)?);
            }
        }
        Ok(released)
    }

    /// Says that a batch will not be merged, nor what stands on it. The bytes stay.
    ///
    /// # Errors
    /// [`DecideError`].
    pub async fn discard(self: &Arc<Self>, id: i64, reason: &str, by: &By) -> Result<(), DecideError> {
        let mut open = vec![id];
        while let Some(next) = open.pop() {
            open.extend(self.joined(next)?);
            let outcome = VerdictOutcome::Discarded {
                reason: reason.to_owned(),
            };
            self.decided(next, outcome, by).await?;
        }
        Ok(())
    }

    async fn release_one(self: &Arc<Self>, id: i64, by: &By) -> Result<(), DecideError> {
        let master = &self.ingest.master;
        let found = self
            .store
            .read_blocking(|conn| quarantine::find(conn, id, master));
        let (parked, batch) = found.map_err(failed)?.ok_or(DecideError::Unknown)?;
        if parked.outcome.is_some() {
            return Err(DecideError::Decided);
        }
        let device = self
            .store
            .read_blocking(|conn| realm::device(conn, parked.device));
        let device = device.map_err(failed)?.ok_or(DecideError::DeviceUnknown)?;
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
            key: device.key,
            access,
        };
        let (sender, batches) = (Arc::new(sender), Arc::from([batch]));
        let delivered = self.ingest.deliver(
            &self.store,
            &sender,
            &batches,
            by.now_ms,
            Way::Released,
            |advances| {
                let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
                advances.iter().for_each(|advance| index.advance(advance));
            },
        );
        let delivered = delivered
            .await
            .map_err(|error| DecideError::Internal(error.to_string()))?;
        match delivered.receipts.first() {
            // If the process dies here, the next attempt finds a duplicate.
            Some(Receipt::Durable { .. } | Receipt::Duplicate { .. }) => {
                self.decided(id, VerdictOutcome::Released, by).await
            }
            Some(Receipt::Quarantined { reason: code } | Receipt::Rejected { code, .. }) => {
                Err(DecideError::Refused(code.clone()))
            }
            Some(Receipt::MissingDeps { .. }) => Err(DecideError::Refused("missing_deps".to_owned())),
            Some(Receipt::ActorFork { .. }) => Err(DecideError::Refused("actor_fork".to_owned())),
            None => Err(DecideError::Internal("no receipt".to_owned())),
        }
    }

    async fn decided(&self, id: i64, outcome: VerdictOutcome, by: &By) -> Result<(), DecideError> {
        let master = &self.ingest.master;
        let found = self
            .store
            .read_blocking(|conn| quarantine::find(conn, id, master));
        let (parked, _) = found.map_err(failed)?.ok_or(DecideError::Unknown)?;
        let by = by.clone();
        let written = self.store.write(move |tx| {
            let number = quarantine::decide(tx, id, &outcome, by.now_ms)?;
            let after = match &outcome {
                VerdictOutcome::Released => json!({ "outcome": "released" }),
                VerdictOutcome::Discarded { reason } => json!({ "outcome": "discarded", "reason": reason }),
            };
            let change = Change {
                subject: format!("quarantine {id}"),
                before: None,
                after: Some(after),
            };
            if number.is_some() {
                audit::record(tx, &by, Act::QuarantineJudged, &change)?;
            }
            Ok::<_, rusqlite::Error>(number)
        });
        let number = written.await.map_err(failed)?.ok_or(DecideError::Decided)?;
        self.remember_verdict(parked.device, number);
        Ok(())
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

fn failed(error: impl std::fmt::Display) -> DecideError {
    DecideError::Internal(internal(error).to_string())
}
