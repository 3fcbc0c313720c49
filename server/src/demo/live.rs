//! After the first day: the district goes on at a human pace, until somebody has seen enough.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sync_core::edit::{AssistanceField, Edit};

use super::day::Played;
use crate::drive::people::{OUTCOMES, pick};
use crate::serve::stop_signal;

/// Between two things that happen somewhere in the district.
const PAUSE: Duration = Duration::from_millis(1500);

/// Lets hamlets record and sync in turn until the process is asked to stop.
pub(super) async fn go_on(mut hamlets: Vec<Played>, seed: u64) -> anyhow::Result<()> {
    let mut rng = StdRng::seed_from_u64(seed);
    let stop = stop_signal();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            () = tokio::time::sleep(PAUSE) => {}
        }
        let at = rng.random_range(0..hamlets.len().max(1));
        if let Some(hamlet) = hamlets.get_mut(at) {
            something(hamlet, &mut rng).await?;
        }
    }
}

/// Somebody of the hamlet records help, or corrects an outcome – on two phones at once, where there are two.
async fn something(hamlet: &mut Played, rng: &mut StdRng) -> anyhow::Result<()> {
    let old = hamlet.record(rng.random_range(0..hamlet.logged.len().max(1)));
    match old.filter(|_| rng.random_bool(0.2)) {
        None => hamlet.log(rng.random_range(0..hamlet.phones.len()))?,
        Some(record) => {
            for phone in &mut hamlet.phones {
                let outcome = pick(rng, OUTCOMES).to_owned();
                let fields = vec![AssistanceField::Outcome(outcome)];
                // What it says already is no edit.
                drop(phone.edit(&Edit::AmendAssistance { record, fields }));
            }
        }
    }
    hamlet.sync_all().await
}
