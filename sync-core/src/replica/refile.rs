//! Refiling: what a wrong clock put into a month that the server does not take goes into the month of the server.

use rand_core::CryptoRng;

use super::page::{Stage, latest_month};
use super::{Replica, ReplicaError, Result, fresh_actor};
use crate::document::rebase::{Rebased, Saying};
use crate::ids::{Class, DocumentId, Month};
use crate::local_store::{LocalStore, Pending, StoredChange};
use crate::seal::{RecordKey, SealedField, open as open_sealed, seal};

/// The code under which an edit stands aside that fits into no month.
const PERIOD: &str = "period";

impl<S: LocalStore> Replica<S> {
    /// Moves pending changes out of documents of months that have not begun.
    pub(super) fn refile(&mut self, stage: &mut Stage, rng: &mut impl CryptoRng) -> Result<(), S> {
        let (Some(latest), Some(month)) = (latest_month(stage.at_ms), Month::of_millis(stage.at_ms)) else {
            return Ok(());
        };
        let misfiled: Vec<DocumentId> = self
            .summaries
            .values()
            .filter(|summary| summary.pending > 0)
            .map(|summary| summary.id)
            .filter(|id| id.period().is_some_and(|period| period > latest))
            .collect();
        for from in misfiled {
            let Some(to) = DocumentId::new(from.class(), from.unit(), Some(month)) else {
                continue;
            };
            if self.loads(from)? && self.loads(to)? {
                self.refile_document(stage, from, to, rng)?;
            }
        }
        Ok(())
    }

    fn refile_document(
        &mut self,
        stage: &mut Stage,
        from: DocumentId,
        to: DocumentId,
        rng: &mut impl CryptoRng,
    ) -> Result<(), S> {
        let actor = fresh_actor(rng);
        let old = self.staged(stage, from)?.open.document.clone();
        for change in self.staged(stage, from)?.hand_over() {
            let Some(Pending {
                record, made_at_ms, ..
            }) = change.pending.clone()
            else {
                continue;
            };
            let key = self.store.key(record).map_err(ReplicaError::Store)?;
            let saying = old
                .saying(&change.hash, record)
                .and_then(|saying| resealed(saying, (from, to), key.as_ref()));
            let target = self.staged(stage, to)?;
            let written = saying.map(|saying| target.open.document.say(&saying, &actor));
            match written {
                Some(Rebased::Again(written)) => {
                    let pending = Pending {
                        record,
                        made_at_ms,
                        refused: None,
                    };
                    let again = StoredChange {
                        hash: written.hash,
                        bytes: written.bytes,
                        pending: Some(pending),
                    };
                    target.take_over(again, &actor);
                }
                Some(Rebased::Said) => {}
                Some(Rebased::Homeless) | None => self.staged(stage, from)?.set_aside(change, PERIOD),
            }
        }
        Ok(())
    }
}

/// The same with personal data sealed for another document: a sealed field opens in its own place alone.
fn resealed(
    mut saying: Saying,
    (from, to): (DocumentId, DocumentId),
    key: Option<&RecordKey>,
) -> Option<Saying> {
    if from.class() != Class::Ledger {
        return Some(saying);
    }
    let record = saying.record;
    for (name, value) in &mut saying.fields {
        let (Some(field), Some(automerge::ScalarValue::Bytes(bytes))) =
            (SealedField::from_key(name), &*value)
        else {
            continue;
        };
        let clear = open_sealed(key?, &from, record, field, bytes).ok()?;
        let sealed = seal(key?, &to, record, field, &clear).ok()?;
        *value = Some(automerge::ScalarValue::Bytes(sealed));
    }
    Some(saying)
}
