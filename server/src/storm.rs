//! The storm: many phones against a running server, as on the evening of a market day when the signal comes back.
//!
//! Phones are enrolled by codes like any other and hold their documents in memory, so that what is measured is the
//! server and the wire, not the disk of the machine that pretends to be a hundred phones. Four phases: the first push,
//! nothing new, one new record each, and a fresh phone that fetches everything.

pub mod backlog;
pub mod records;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Serialize;
use sync_core::edit::{Edit, NewAssistance};
use sync_core::ids::UnitId;
use sync_core::local_store::MemoryStore;
use tokio::task::JoinSet;

use crate::drive::{Fate, Link, Traffic, Usage, people};

type Phone = crate::drive::Phone<MemoryStore>;

/// A server that took less of the processor for so long has nothing left to do.
const RESTING_CPU_S: f64 = 0.03;
const REST: Duration = Duration::from_secs(2);

/// What the phones are to do.
#[derive(Debug)]
pub struct Options {
    /// The server.
    pub url: String,
    /// Codes of each hamlet: one for each of its phones, and one more for the fresh phone at the end.
    pub hamlets: Vec<Hamlet>,
    /// What each phone records before its first push.
    pub load: Load,
    /// What everything that is made up follows from.
    pub seed: u64,
    /// The server's process, if it runs on this machine.
    pub pid: Option<u32>,
}

/// A hamlet, and codes for its phones.
#[derive(Clone, Debug)]
pub struct Hamlet {
    /// Which.
    pub unit: UnitId,
    /// One-time codes.
    pub codes: Vec<String>,
}

/// Where records come from.
#[derive(Debug)]
pub enum Load {
    /// So many phones, so many made-up records each.
    Generated {
        /// Phones, spread over the hamlets.
        phones: usize,
        /// Records of each.
        per_phone: usize,
    },
    /// Records that were read from a file, for one phone each.
    Given(Vec<Vec<records::Given>>),
}

/// What it came to.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Phones.
    pub phones: usize,
    /// Records that they made before their first push.
    pub records: usize,
    /// One after the other.
    pub phases: Vec<Phase>,
    /// Processor seconds of the server from the last answer of the first push until it came to rest: what it does in the
    /// quiet.
    pub server_cpu_later_s: Option<f64>,
    /// The most memory that the server held since it started.
    pub server_peak_bytes: Option<u64>,
    /// Changes that have no receipt in the end.
    pub unsent: usize,
}

/// One phase, from the first request to the last answer.
#[derive(Debug, Serialize)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// Exchanges that were answered.
    pub exchanges: usize,
    /// On average.
    pub requests_per_phone: f64,
    /// By the phone that needed most.
    pub requests_max: usize,
    /// Half of the exchanges took no longer.
    pub p50_ms: f64,
    /// Of a hundred exchanges one took longer.
    pub p99_ms: f64,
    /// Bytes from all phones: HTTP/1.1, without TCP.
    pub bytes_up: u64,
    /// Bytes to all phones.
    pub bytes_down: u64,
    /// Both ways, on average.
    pub bytes_per_phone: f64,
    /// Processor seconds of the server.
    pub server_cpu_s: Option<f64>,
}

impl Load {
    /// How many phones it takes.
    pub fn phones(&self) -> usize {
        match self {
            Load::Generated { phones, .. } => *phones,
            Load::Given(phones) => phones.len(),
        }
    }
}

/// Runs all phases.
///
/// # Errors
/// When there are too few codes, or the server refuses a phone.
pub async fn run(options: Options, say: impl Fn(&str)) -> anyhow::Result<Summary> {
    let traffic = Arc::new(Traffic::default());
    let meter = Meter {
        traffic: Arc::clone(&traffic),
        pid: options.pid,
    };
    let (count, mut codes) = (options.load.phones(), Codes::of(&options.hamlets)?);
    let enrol = |place: (UnitId, String), n: usize| {
        let (url, traffic, seed) = (options.url.clone(), Arc::clone(&traffic), options.seed);
        async move { Storming::enrol(&url, traffic, place, seed.wrapping_add(n as u64)).await }
    };
    say(&format!("enrolling {count} phones"));
    let places = (0..count)
        .map(|n| codes.next(n))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut phones = all(places.into_iter().zip(0..), |(place, n)| enrol(place, n)).await?;
    say("recording offline");
    let load = Arc::new(options.load);
    let records = record(&mut phones, &load)?;

    let mut phases = Vec::new();
    phones = meter
        .phase("first push", phones, &mut phases, Storming::sync)
        .await?;
    let server_cpu_later_s = meter.rest().await;
    if count > options.hamlets.len() {
        // What the other phones of the hamlet delivered meanwhile, so that nothing is new.
        phones = all(phones, |phone| phone.sync()).await?;
    }
    phones = meter
        .phase("nothing new", phones, &mut phases, Storming::sync)
        .await?;
    phones.iter_mut().try_for_each(Storming::record_one)?;
    phones = meter
        .phase("one new record", phones, &mut phases, Storming::sync)
        .await?;
    let fresh = (0..options.hamlets.len().min(count))
        .map(|n| codes.next(n))
        .collect::<anyhow::Result<Vec<_>>>();
    match fresh {
        Ok(places) => {
            let fresh = all(places.into_iter().zip(count..), |(place, n)| enrol(place, n)).await?;
            meter
                .phase("fresh phone", fresh, &mut phases, Storming::sync)
                .await?;
        }
        Err(_) => say("no codes are left for fresh phones: that phase is left out"),
    }
    let mut unsent = 0;
    for phone in &mut phones {
        unsent += phone.phone.unsent()?.0;
    }
    let server_peak_bytes = options.pid.and_then(Usage::of).map(|usage| usage.peak_bytes);
    Ok(Summary {
        phones: count,
        records,
        phases,
        server_cpu_later_s,
        server_peak_bytes,
        unsent,
    })
}

/// Codes, taken hamlet by hamlet.
struct Codes {
    hamlets: Vec<(UnitId, std::vec::IntoIter<String>)>,
}

impl Codes {
    fn of(hamlets: &[Hamlet]) -> anyhow::Result<Self> {
        if hamlets.is_empty() {
            bail!("there are no codes");
        }
        let hamlets = hamlets
            .iter()
            .map(|hamlet| (hamlet.unit, hamlet.codes.clone().into_iter()));
        Ok(Self {
            hamlets: hamlets.collect(),
        })
    }

    /// A code for the `n`th phone: hamlets in turn.
    fn next(&mut self, n: usize) -> anyhow::Result<(UnitId, String)> {
        let at = n % self.hamlets.len();
        let (unit, codes) = self.hamlets.get_mut(at).context("there is no such hamlet")?;
        Ok((
            *unit,
            codes
                .next()
                .context("a hamlet has too few codes for its phones")?,
        ))
    }
}

/// A phone of the storm.
struct Storming {
    phone: Phone,
    unit: UnitId,
    rng: StdRng,
}

impl Storming {
    async fn enrol(
        url: &str,
        traffic: Arc<Traffic>,
        place: (UnitId, String),
        seed: u64,
    ) -> anyhow::Result<Self> {
        let (unit, code) = place;
        let link = Link::to(url, traffic)?;
        let phone = Phone::enrol(link, &code, MemoryStore::default(), seed).await?;
        Ok(Self {
            phone,
            unit,
            rng: StdRng::seed_from_u64(seed),
        })
    }

    async fn sync(mut self) -> anyhow::Result<Self> {
        self.phone.sync(|| Fate::Delivered).await?;
        Ok(self)
    }

    fn record_one(&mut self) -> anyhow::Result<()> {
        let id = self.phone.fresh_record();
        let new = people::assistance(&mut self.rng, id, self.unit, self.phone.now_ms());
        self.record(new)
    }

    fn record(&mut self, new: NewAssistance) -> anyhow::Result<()> {
        self.phone.edit(&Edit::LogAssistance(Box::new(new))).map(drop)
    }
}

/// Lets every phone record what it has to. Gives how many records that were.
fn record(phones: &mut [Storming], load: &Load) -> anyhow::Result<usize> {
    match load {
        Load::Generated { per_phone, .. } => {
            for phone in &mut *phones {
                (0..*per_phone).try_for_each(|_| phone.record_one())?;
            }
            Ok(per_phone * phones.len())
        }
        Load::Given(given) => {
            for (phone, records) in phones.iter_mut().zip(given) {
                for record in records {
                    let id = record.id.unwrap_or_else(|| phone.phone.fresh_record());
                    phone
                        .record(record.to_assistance(id, phone.unit))
                        .with_context(|| format!("line {}", record.line))?;
                }
            }
            Ok(given.iter().map(Vec::len).sum())
        }
    }
}

/// Does something with everything at once, and gives the results in the order of what they came from.
async fn all<T, R, F>(items: impl IntoIterator<Item = T>, each: impl Fn(T) -> F) -> anyhow::Result<Vec<R>>
where
    F: Future<Output = anyhow::Result<R>> + Send + 'static,
    R: Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (at, item) in items.into_iter().enumerate() {
        let task = each(item);
        tasks.spawn(async move { (at, task.await) });
    }
    let mut done = BTreeMap::new();
    while let Some(finished) = tasks.join_next().await {
        let (at, result) = finished?;
        done.insert(at, result?);
    }
    Ok(done.into_values().collect())
}

/// How long this share of them took at most.
fn percentile_ms(sorted: &[Duration], share: f64) -> f64 {
    let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(index).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
}

/// Measures what happens between two moments.
struct Meter {
    traffic: Arc<Traffic>,
    pid: Option<u32>,
}

impl Meter {
    async fn phase<F>(
        &self,
        name: &'static str,
        mut phones: Vec<Storming>,
        phases: &mut Vec<Phase>,
        each: impl Fn(Storming) -> F,
    ) -> anyhow::Result<Vec<Storming>>
    where
        F: Future<Output = anyhow::Result<Storming>> + Send + 'static,
    {
        phones.iter_mut().for_each(|phone| phone.phone.took.clear());
        let (before, used) = (self.traffic.counted(), self.used());
        let begun = Instant::now();
        let phones = all(phones, each).await?;
        let seconds = begun.elapsed().as_secs_f64();
        let (after, used_after) = (self.traffic.counted(), self.used());
        let mut took: Vec<Duration> = phones
            .iter()
            .flat_map(|phone| phone.phone.took.iter().copied())
            .collect();
        took.sort_unstable();
        let (count, bytes_up, bytes_down) =
            (phones.len().max(1) as f64, after.1 - before.1, after.2 - before.2);
        phases.push(Phase {
            name,
            seconds,
            exchanges: took.len(),
            requests_per_phone: (after.0 - before.0) as f64 / count,
            requests_max: phones
                .iter()
                .map(|phone| phone.phone.took.len())
                .max()
                .unwrap_or(0),
            p50_ms: percentile_ms(&took, 0.5),
            p99_ms: percentile_ms(&took, 0.99),
            bytes_up,
            bytes_down,
            bytes_per_phone: (bytes_up + bytes_down) as f64 / count,
            server_cpu_s: used
                .zip(used_after)
                .map(|(before, after)| after.cpu_s - before.cpu_s),
        });
        Ok(phones)
    }

    /// Waits until the server has come to rest. Gives the processor seconds that it took meanwhile.
    async fn rest(&self) -> Option<f64> {
        let first = self.used()?;
        let mut last = first;
        loop {
            tokio::time::sleep(REST).await;
            let now = self.used()?;
            if now.cpu_s - last.cpu_s < RESTING_CPU_S {
                return Some(now.cpu_s - first.cpu_s);
            }
            last = now;
        }
    }

    fn used(&self) -> Option<Usage> {
        self.pid.and_then(Usage::of)
    }
}
