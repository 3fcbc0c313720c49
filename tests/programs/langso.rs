//! `langso` with one more command: `phone`, an app without a screen, to be killed.
//!
//! A package's tests can start only its own programs, so this is the command line of the server once more. The phone
//! works as fast as it can – it records, corrects and exchanges – and says on standard output what it was promised, line
//! by line, so that whoever killed it knows what has to be there.

#![expect(clippy::print_stdout, reason = "what it says is what it is for")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use langso_server::commands::Command;
use langso_server::drive::{Fate, Link, Phone, people};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sync_core::edit::{AssistanceField, Edit};
use sync_core::ids::{RecordId, UnitId};
use sync_core::local_store::sqlite::SqliteStore;

/// How long a phone waits for a server that is away.
const AWAY: Duration = Duration::from_millis(20);

#[derive(Debug, Parser)]
enum Program {
    #[command(flatten)]
    Langso(Command),
    Phone(App),
}

/// An app without a screen.
#[derive(Debug, clap::Args)]
struct App {
    /// Its file.
    #[arg(long)]
    store: PathBuf,
    /// A file that holds the address of the server, which may become another.
    #[arg(long)]
    server: PathBuf,
    /// Its one-time code.
    #[arg(long)]
    code: String,
    /// Its hamlet.
    #[arg(long)]
    unit: UnitId,
    /// Another one each time.
    #[arg(long)]
    seed: u64,
    /// Record nothing: exchange until there is nothing to do, and end.
    #[arg(long)]
    settle: bool,
}

fn main() -> ExitCode {
    match Program::parse() {
        Program::Langso(command) => command.run(),
        Program::Phone(app) => match app.run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("failed {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

impl App {
    fn run(self) -> anyhow::Result<()> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?
            .block_on(async { tokio::spawn(self.live()).await? })
    }

    async fn live(self) -> anyhow::Result<()> {
        let mut phone = self.open().await?;
        if self.settle {
            let exchanges = phone.sync(|| Fate::Delivered).await?;
            println!("unsent {} after {exchanges}", phone.unsent()?.0);
            return Ok(());
        }
        let own = phone.identity().device;
        println!("is {own}");
        let rows = phone.rows()?.into_iter().filter(|row| row.device == own);
        let mut last = rows.max_by_key(|row| row.id).map(|row| (row.id, row.people));
        let mut rng = StdRng::seed_from_u64(self.seed);
        loop {
            for _ in 0..rng.random_range(1..5) {
                match self.work(&mut phone, last, &mut rng) {
                    Ok(saved) => last = Some(saved),
                    Err(error) => {
                        println!("refused {error:#}");
                        tokio::time::sleep(AWAY).await;
                    }
                }
            }
            match phone.exchange(Fate::Delivered).await {
                // With how many changes have got their receipt since it was started.
                Ok(_) => println!("exchanged {}", phone.delivered),
                Err(error) => {
                    println!("unanswered {error:#}");
                    tokio::time::sleep(AWAY).await;
                    phone.reroute(self.link()?);
                }
            }
        }
    }

    /// Opens its file; tries again until the server has taken the code.
    async fn open(&self) -> anyhow::Result<Phone<SqliteStore>> {
        for attempt in 0.. {
            let store = SqliteStore::open(&self.store).context("the store")?;
            match Phone::open(self.link()?, &self.code, store, self.seed).await {
                Ok(phone) => return Ok(phone),
                Err(error) if attempt > 500 => return Err(error),
                Err(_) => tokio::time::sleep(AWAY).await,
            }
        }
        unreachable!("there are more attempts than anybody makes")
    }

    fn link(&self) -> anyhow::Result<Link> {
        Link::to(read(&self.server)?.trim(), Arc::default())
    }

    /// Records something, or corrects what it recorded last: first what it tries, then that it is saved.
    fn work(
        &self,
        phone: &mut Phone<SqliteStore>,
        last: Option<(RecordId, u32)>,
        rng: &mut StdRng,
    ) -> anyhow::Result<(RecordId, u32)> {
        let (record, people, edit) = match last {
            Some((record, people)) if rng.random_bool(0.4) => (record, people + 1, amend(record, people + 1)),
            Some(_) | None => {
                let id = phone.fresh_record();
                let new = people::assistance(rng, id, self.unit, phone.now_ms());
                (id, new.people, Edit::LogAssistance(Box::new(new)))
            }
        };
        println!("tries {record} {people}");
        phone.edit(&edit)?;
        println!("saved {record} {people}");
        Ok((record, people))
    }
}

fn amend(record: RecordId, people: u32) -> Edit {
    Edit::AmendAssistance {
        record,
        fields: vec![AssistanceField::People(people)],
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}
