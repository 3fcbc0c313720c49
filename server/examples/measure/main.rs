//! What pages, lists, overviews, searches and exports cost on a store: `measure DATA_DIR`, while no server runs on it.
//!
//! Each question is asked as an official of the whole realm would ask it, and the median of its times is printed; a page is
//! asked through the whole server. An export is written into the audit like any other, and two sessions are begun.
//! `measure DATA_DIR fill` first puts beside the records what comes to a district in two years ([`fill`]): the rows follow
//! from no log, so the store is good for nothing else afterwards.

#![expect(clippy::print_stdout, reason = "it prints a table")]

mod fill;
mod pages;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use langso_server::aggregates::{self, Days};
use langso_server::app::App;
use langso_server::audit::By;
use langso_server::clock::{Clock, day_of, midnight_ms};
use langso_server::config::Config;
use langso_server::export::{self, Format, Records, What};
use langso_server::i18n::Locale;
use langso_server::policy::{Permit, Personal, Read, console};
use langso_server::realm;
use langso_server::records::{self, Filter};
use langso_server::report::{self, Permits};
use langso_server::search::{self, Blinder, Depth, Words};
use langso_server::store::Store;
use sync_core::seal::MasterKey;

const TIMES: usize = 15;
const PAGE: usize = 50;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let data = arguments
        .next()
        .map(PathBuf::from)
        .context("measure DATA_DIR [fill]")?;
    let config = Config {
        data: data.clone(),
        ..Config::default()
    };
    let app = App::open(config, Clock::system())?;
    let (store, master) = (app.store().clone(), app.exchange.ingest.master.clone());
    if arguments.next().as_deref() == Some("fill") {
        fill::fill(&store)?;
    }
    fill::tell(&store)?;
    pages::pages(&Arc::clone(&app))?;
    let units = store.read_blocking(realm::all_units)?;
    let permit = console(units).to_read();
    println!("\n| question | rows | ms |\n|---|---|---|");
    lists(&store, &permit)?;
    sums(&store, &permit)?;
    words(&store, &permit, &master)?;
    exports(&store, &permit, &master, &data)
}

/// Asks once to warm up, then some times; prints the median.
fn ask(name: &str, question: impl Fn() -> anyhow::Result<usize>) -> anyhow::Result<()> {
    question()?;
    let (mut took, mut rows) = (Vec::with_capacity(TIMES), 0);
    for _ in 0..TIMES {
        let begun = Instant::now();
        rows = question()?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    let median = took.get(TIMES / 2).context("asked")?.as_secs_f64() * 1000.0;
    println!("| {name} | {rows} | {median:.1} |");
    Ok(())
}

fn lists(store: &Store, permit: &Permit<Read>) -> anyhow::Result<()> {
    let list = |name: &str, filter: Filter| {
        ask(name, || {
            Ok(store
                .read_blocking(|conn| records::list(conn, permit, &filter, PAGE))?
                .len())
        })
    };
    let newest = store.read_blocking(|conn| records::list(conn, permit, &Filter::default(), 1))?;
    let newest = newest.first().context("there are no records")?;
    list("records, all", Filter::default())?;
    let category = Some(newest.category.clone());
    list(
        "records, of a category",
        Filter {
            category,
            ..Filter::default()
        },
    )?;
    let category = Some("none".to_owned());
    list(
        "records, of a category that has none",
        Filter {
            category,
            ..Filter::default()
        },
    )?;
    let outcome = Some(newest.outcome.clone());
    list(
        "records, with an outcome",
        Filter {
            outcome,
            ..Filter::default()
        },
    )?;
    let retracted = Some(true);
    list(
        "records, taken back",
        Filter {
            retracted,
            ..Filter::default()
        },
    )?;
    let after = Some((newest.occurred_at_ms - 1, newest.id));
    list(
        "records, the next page",
        Filter {
            after,
            ..Filter::default()
        },
    )?;
    let one = console([newest.unit]).to_read();
    ask("records, of one hamlet", || {
        Ok(store
            .read_blocking(|conn| records::list(conn, &one, &Filter::default(), PAGE))?
            .len())
    })
}

fn sums(store: &Store, permit: &Permit<Read>) -> anyhow::Result<()> {
    let today = day_of(Clock::system().now_ms());
    let month = Days::through(today.first_of_month(), today);
    for (name, days) in [("of the month", &month), ("of all time", &Days::default())] {
        ask(&format!("sums by unit, {name}"), || {
            Ok(store
                .read_blocking(|conn| aggregates::by_unit(conn, permit, days))?
                .len())
        })?;
        ask(&format!("sums by category, {name}"), || {
            Ok(store
                .read_blocking(|conn| aggregates::by_category(conn, permit, days))?
                .len())
        })?;
        ask(&format!("hamlets × days, {name}"), || {
            Ok(store
                .read_blocking(|conn| aggregates::grid(conn, permit, days))?
                .len())
        })?;
    }
    let tree = store.read_blocking(|conn| realm::tree(conn, today))?;
    let root = *tree.roots().first().context("there are no units")?;
    let permits = Permits {
        records: permit.clone(),
        boards: permit.clone(),
        phones: permit.clone(),
    };
    let now_ms = midnight_ms(today).context("a day")?;
    ask("report of the month", || {
        let made = store.read_blocking(|conn| report::report(conn, &permits, root, today, now_ms))?;
        Ok(made.map_or(0, |report| report.units.len()))
    })
}

fn words(store: &Store, permit: &Permit<Read>, master: &MasterKey) -> anyhow::Result<()> {
    let blinder = Blinder::of(master);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let caught_up = runtime.block_on(search::catch_up(store, &blinder))?;
    for text in [
        "nguyen",
        "nguyen van",
        "Nguyễn Thị Lan",
        "vinh hung",
        "thon",
        "khongaicoten",
    ] {
        let words = Words::of(text)?;
        ask(&format!("search `{text}`"), || {
            let query = (&words, Depth::Personal(&blinder));
            let found = store.read_blocking(|conn| {
                search::records(conn, caught_up, permit, query, &Filter::default(), None, PAGE)
            })?;
            Ok(found.len())
        })?;
    }
    Ok(())
}

fn exports(store: &Store, permit: &Permit<Read>, master: &MasterKey, dir: &Path) -> anyhow::Result<()> {
    println!("\n| export | rows | bytes | ms | peak of the process so far |\n|---|---|---|---|---|");
    for (format, personal) in [
        (Format::Csv, Personal::Sealed),
        (Format::Ndjson, Personal::Sealed),
        (Format::Csv, Personal::Read),
        (Format::Xlsx, Personal::Sealed),
    ] {
        let what = What::Records(Box::new(Records {
            permit: permit.clone(),
            filter: Filter::default(),
            past_of: None,
            words: None,
            personal,
        }));
        let by = By::console(Clock::system().now_ms());
        let begun = Instant::now();
        let made = export::make(store, master, dir, &what, format, Locale::Vi, &by)?;
        let ms = begun.elapsed().as_millis();
        let name = format!("{}, {personal:?}", format.extension());
        println!("| {name} | {} | {} | {ms} | {} |", made.rows, made.bytes, peak());
    }
    Ok(())
}

/// The most memory that this process has held, as Linux says.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "?".to_owned(), |line| line.trim().to_owned())
}
