//! The backlog: what one phone that comes back with 100,000 changes does to all the others.
//!
//! The others record one act of help each and exchange, all at once, every second: first alone, then while the backlog
//! comes in. It belongs to other hamlets than theirs, so that what they exchange stays the same and only the server is
//! shared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use sync_core::ids::UnitId;
use tokio::time::MissedTickBehavior;

use super::{Codes, Hamlet, Storming, all};
use crate::drive::{Traffic, Usage};

/// Rounds of the others before the backlog comes.
const ROUNDS: usize = 20;
/// Rounds of the others while it comes, at most.
const ROUNDS_MAX: usize = 2_000;
/// From one round to the next: as fast as they can they would themselves be the load, and their documents would grow with
/// the time that the backlog takes.
const ROUND_EVERY: Duration = Duration::from_secs(1);

/// Who is there.
#[derive(Debug)]
pub struct Halves {
    /// The others, one phone each.
    pub others: Vec<Hamlet>,
    /// The code of the phone with the backlog.
    pub code: String,
    /// The hamlets that it writes for.
    pub hamlets: Vec<UnitId>,
}

/// What is to be tried.
#[derive(Debug)]
pub struct Options {
    /// The server.
    pub url: String,
    /// Who is there.
    pub realm: Halves,
    /// Changes that it makes before it comes back.
    pub changes: usize,
    /// What everything that is made up follows from.
    pub seed: u64,
    /// The server's process, if it runs on this machine.
    pub pid: Option<u32>,
}

/// What it came to.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The others.
    pub phones: usize,
    /// Changes of the backlog.
    pub changes: usize,
    /// Exchanges of the others without it.
    pub alone: Times,
    /// Exchanges of the others while it came in.
    pub beside: Times,
    /// By how much it raised their 99th percentile.
    pub ratio: f64,
    /// How long the backlog took.
    pub seconds: f64,
    /// The most memory that the server held since it started.
    pub server_peak_bytes: Option<u64>,
    /// Changes that have no receipt in the end.
    pub unsent: usize,
}

/// How long exchanges took.
#[derive(Debug, Serialize)]
pub struct Times {
    /// How many.
    pub exchanges: usize,
    /// Half of them took no longer.
    pub p50_ms: f64,
    /// Of a hundred one took longer.
    pub p99_ms: f64,
}

impl Times {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        Self {
            exchanges: took.len(),
            p50_ms: super::percentile_ms(&took, 0.5),
            p99_ms: super::percentile_ms(&took, 0.99),
        }
    }
}

/// Lets it come.
///
/// # Errors
/// When the server refuses a phone.
pub async fn run(options: Options, say: impl Fn(&str)) -> anyhow::Result<Summary> {
    let traffic = Arc::new(Traffic::default());
    let Halves {
        others,
        code,
        hamlets,
    } = options.realm;
    let (mut codes, count) = (Codes::of(&others)?, others.len());
    let places = (0..count)
        .map(|n| codes.next(n))
        .collect::<anyhow::Result<Vec<_>>>()?;
    say(&format!("enrolling {count} phones and the one with the backlog"));
    let mut others = all(places.into_iter().zip(0..), |(place, n)| {
        let (url, traffic, seed) = (options.url.clone(), Arc::clone(&traffic), options.seed);
        async move { Storming::enrol(&url, traffic, place, seed.wrapping_add(n)).await }
    })
    .await?;
    others = all(others, Storming::sync).await?;
    let first = hamlets.first().copied().context("it writes for no hamlet")?;
    let enrolled = Storming::enrol(&options.url, traffic, (first, code), options.seed).await?;
    // Once online, so that it knows what it may write.
    let mut heavy = enrolled.sync().await?;
    say(&format!("recording {} changes offline", options.changes));
    for (unit, _) in hamlets.iter().cycle().zip(0..options.changes) {
        heavy.unit = *unit;
        heavy.record_one()?;
    }
    say("the others, alone");
    let (mut alone, mut turns) = (Vec::new(), tokio::time::interval(ROUND_EVERY));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for _ in 0..ROUNDS {
        turns.tick().await;
        others = round(others, &mut alone).await?;
    }
    say("the backlog comes in");
    let begun = Instant::now();
    let coming = tokio::spawn(async move { Ok::<_, anyhow::Error>((heavy.sync().await?, begun.elapsed())) });
    let mut beside = Vec::new();
    for _ in 0..ROUNDS_MAX {
        if coming.is_finished() {
            break;
        }
        turns.tick().await;
        others = round(others, &mut beside).await?;
    }
    let (heavy, took) = coming.await??;
    let mut unsent = heavy.phone.unsent()?.0;
    for other in &others {
        unsent += other.phone.unsent()?.0;
    }
    let (alone, beside) = (Times::of(alone), Times::of(beside));
    Ok(Summary {
        phones: count,
        changes: options.changes,
        ratio: beside.p99_ms / alone.p99_ms,
        alone,
        beside,
        seconds: took.as_secs_f64(),
        server_peak_bytes: options.pid.and_then(Usage::of).map(|usage| usage.peak_bytes),
        unsent,
    })
}

/// Everybody records one act of help and exchanges; how long each exchange took is added.
async fn round(mut phones: Vec<Storming>, took: &mut Vec<Duration>) -> anyhow::Result<Vec<Storming>> {
    for phone in &mut phones {
        phone.phone.took.clear();
        phone.record_one()?;
    }
    let phones = all(phones, Storming::sync).await?;
    took.extend(phones.iter().flat_map(|phone| phone.phone.took.iter().copied()));
    Ok(phones)
}
