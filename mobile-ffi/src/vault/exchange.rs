//! Enrolling and exchanging: by hand, request by request, or all at once over the app's transport.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use sync_core::session::{SessionError, Surroundings};

use super::{Result, Vault};
use crate::observe::Change;
use crate::{
    HttpAnswer, HttpRequest, SyncProgress, SyncReport, SyncStep, Transport, TransportError, VaultError,
};

/// More requests than one synchronisation ever needs: what is left then is left for the next one.
const REQUESTS_MAX: u32 = 2_000;

#[uniffi::export]
impl Vault {
    /// Trades a one-time code for the identity of this phone. If it fails half-way, call it again with the same code.
    ///
    /// # Errors
    /// `SignInAgain` if the code is no good; `NotAllowed(enrolled_already)`; `Other` if the server cannot be reached or is
    /// none.
    pub async fn enrol(&self, code: String, transport: Arc<dyn Transport>) -> Result<()> {
        let _turn = Turn::take(&self.syncing)?;
        let request = self.with(|session| Ok(session.enrol(&code)?))?.into();
        match self.carry(request, transport.as_ref()).await? {
            step if step.busy => Err(VaultError::other("busy")),
            _ => Ok(()),
        }
    }

    /// The next request, for who carries it himself. One that is still on its way is given up.
    ///
    /// # Errors
    /// `SignInAgain` before the phone was enrolled, or what the store says.
    pub fn next_request(&self) -> Result<HttpRequest> {
        let now_ms = self.now_ms();
        let around = Surroundings {
            free_bytes: self.free_bytes(),
            app_version: self.app_version(),
        };
        self.with(|session| Ok(session.next_call(now_ms, Some(around), &mut rand::rng())?.into()))
    }

    /// Takes the answer to the last request.
    ///
    /// # Errors
    /// `VaultError`; nothing is lost, and the next request asks for the same again.
    pub fn receive(&self, answer: HttpAnswer) -> Result<SyncStep> {
        let now_ms = self.now_ms();
        let step = self.with(
            |session| match session.answered(&answer.into(), now_ms, &mut rand::rng()) {
                Ok(step) => Ok(step.into()),
                Err(SessionError::Busy { retry_after_ms }) => Ok(SyncStep::busy(retry_after_ms)),
                Err(error) => Err(error.into()),
            },
        )?;
        if step.wiped {
            self.wipe();
        } else if step.confirmed + step.refused + step.received > 0 {
            self.listeners.tell(Change::Synced);
        }
        Ok(step)
    }

    /// There is no answer to the last request.
    ///
    /// # Errors
    /// If the vault was closed.
    pub fn request_failed(&self) -> Result<()> {
        self.with(|session| {
            session.call_failed();
            Ok(())
        })
    }

    /// Exchanges until both sides have everything. To cancel it, cancel what awaits it: nothing is lost at any moment.
    ///
    /// A server that is busy is no error: `finished` is false, and `come_back_after_ms` says when.
    ///
    /// # Errors
    /// `Other(unreachable)` without a network, `Other(sync_running)` if it is running already, `Other(answer_foreign)`
    /// behind a log-in page, `SignInAgain`, `UpdateApp`, `StorageFull`.
    pub async fn sync(
        &self,
        transport: Arc<dyn Transport>,
        progress: Option<Arc<dyn SyncProgress>>,
    ) -> Result<SyncReport> {
        let _turn = Turn::take(&self.syncing)?;
        let mut report = SyncReport::default();
        while report.requests < REQUESTS_MAX {
            let request = self.next_request()?;
            let step = self.carry(request, transport.as_ref()).await?;
            report.add(&step);
            if let Some(progress) = &progress {
                // Who throws is not our business.
                drop(catch_unwind(AssertUnwindSafe(|| progress.step(step.clone()))));
            }
            if !step.more {
                break;
            }
        }
        Ok(report)
    }
}

impl Vault {
    /// One request and its answer. No lock is held while it is on its way.
    async fn carry(&self, request: HttpRequest, transport: &dyn Transport) -> Result<SyncStep> {
        match transport.post(request).await {
            Ok(answer) => self.receive(answer),
            Err(error) => {
                self.request_failed()?;
                Err(VaultError::other(match error {
                    TransportError::Unreachable => "unreachable",
                    TransportError::Cancelled => "cancelled",
                }))
            }
        }
    }

    fn app_version(&self) -> Option<String> {
        self.app_version
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// One conversation with the server at a time; given back when it ends, however it ends.
struct Turn<'a>(&'a AtomicBool);

impl<'a> Turn<'a> {
    fn take(place: &'a AtomicBool) -> Result<Self> {
        if place.swap(true, Ordering::AcqRel) {
            return Err(VaultError::other("sync_running"));
        }
        Ok(Self(place))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
