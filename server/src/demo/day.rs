//! One market day: what each hamlet does, and what must come of it.
//!
//! Everything follows from the seed and the place of the hamlet. Beside the phones a plain model is kept of what was
//! logged; it knows nothing of documents or merging, so that it can tell whether they did right.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sync_core::edit::{AssistanceField, Edit, NewAssistance};
use sync_core::ids::{AccountId, DeviceId, RecordId, UnitId};
use sync_core::local_store::sqlite::SqliteStore;
use sync_core::record::RetractReason;
use sync_core::seal::SealedField;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::district::District;
use crate::drive::{Fate, Link, Phone, Traffic, people};

/// So many hamlets are up and about at the same time.
const AT_A_TIME: usize = 16;

/// How the day is played.
#[derive(Clone)]
pub(super) struct Day {
    pub(super) url: String,
    pub(super) phones: PathBuf,
    pub(super) traffic: Arc<Traffic>,
    pub(super) per_hamlet: usize,
    pub(super) seed: u64,
}

/// A record as the people who logged it would tell it.
pub(super) struct Logged {
    pub(super) new: NewAssistance,
    pub(super) by: AccountId,
    pub(super) device: DeviceId,
    pub(super) at_ms: i64,
    pub(super) retraction: Option<(RetractReason, AccountId, i64)>,
    /// Fields that two people set without seeing each other, with what each of them set.
    pub(super) disputed: BTreeMap<&'static str, [(AccountId, String); 2]>,
}

/// What a hamlet did.
pub(super) struct Played {
    pub(super) unit: UnitId,
    pub(super) phones: Vec<Phone<SqliteStore>>,
    pub(super) logged: Vec<Logged>,
    pub(super) edits: usize,
    pub(super) requests_lost: usize,
    pub(super) answers_lost: usize,
    fates: StdRng,
    rng: StdRng,
}

impl Day {
    /// Plays the day of every hamlet, some at the same time.
    pub(super) async fn play(&self, district: &District) -> anyhow::Result<Vec<Played>> {
        let (turns, mut hamlets) = (Arc::new(Semaphore::new(AT_A_TIME)), JoinSet::new());
        for (at, hamlet) in district.hamlets.iter().enumerate() {
            let (day, turns) = (self.clone(), Arc::clone(&turns));
            let (unit, codes) = (hamlet.unit, hamlet.codes.clone());
            hamlets.spawn(async move {
                let _turn = turns.acquire().await?;
                day.play_hamlet(at, unit, &codes)
                    .await
                    .with_context(|| format!("hamlet {at}"))
            });
        }
        hamlets.join_all().await.into_iter().collect()
    }

    async fn play_hamlet(&self, at: usize, unit: UnitId, codes: &[String]) -> anyhow::Result<Played> {
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(at as u64);
        let mut phones = Vec::new();
        for (n, code) in codes.iter().enumerate() {
            let path = self.phones.join(format!("{at:03}-{n}.db"));
            let store = tokio::task::block_in_place(|| SqliteStore::open(&path))?;
            let link = Link::to(&self.url, Arc::clone(&self.traffic))?;
            phones.push(Phone::enrol(link, code, store, seed ^ (n as u64) << 32).await?);
        }
        let mut played = Played {
            unit,
            phones,
            logged: Vec::new(),
            edits: 0,
            requests_lost: 0,
            answers_lost: 0,
            fates: StdRng::seed_from_u64(!seed),
            rng: StdRng::seed_from_u64(seed),
        };
        let second = if played.phones.len() > 1 {
            self.per_hamlet / 3
        } else {
            0
        };
        for n in 0..self.per_hamlet {
            played.log(usize::from(n < second))?;
        }
        played.sync_all().await?;
        played.correct(at)?;
        if played.phones.len() > 1 {
            played.disagree()?;
        }
        played.sync_all().await?;
        if at % 20 == 10 {
            played.settle()?;
            played.sync_all().await?;
        }
        Ok(played)
    }
}

impl Played {
    fn phone(&mut self, which: usize) -> anyhow::Result<&mut Phone<SqliteStore>> {
        self.phones.get_mut(which).context("there is no such phone")
    }

    /// Records one act of help, offline.
    pub(super) fn log(&mut self, which: usize) -> anyhow::Result<()> {
        let unit = self.unit;
        let phone = self.phones.get_mut(which).context("there is no such phone")?;
        let id = phone.fresh_record();
        let new = people::assistance(&mut self.rng, id, unit, phone.now_ms());
        let at_ms = phone.edit(&Edit::LogAssistance(Box::new(new.clone())))?;
        let (by, device) = (phone.identity().account, phone.identity().device);
        self.logged.push(Logged {
            new,
            by,
            device,
            at_ms,
            retraction: None,
            disputed: BTreeMap::new(),
        });
        Ok(())
    }

    /// Every phone comes online, one after the other, until each has everything.
    pub(super) async fn sync_all(&mut self) -> anyhow::Result<()> {
        // What the first one delivered before the second came is there for it only the next time.
        for which in (0..self.phones.len()).chain(0..self.phones.len() - 1) {
            let (fates, phone) = (&mut self.fates, self.phones.get_mut(which).context("no phone")?);
            let (mut requests_lost, mut answers_lost) = (0, 0);
            let fate = || match fates.random_range(0..10) {
                0 => {
                    requests_lost += 1;
                    Fate::RequestLost
                }
                1 => {
                    answers_lost += 1;
                    Fate::AnswerLost
                }
                _ => Fate::Delivered,
            };
            phone.sync(fate).await?;
            self.requests_lost += requests_lost;
            self.answers_lost += answers_lost;
        }
        Ok(())
    }

    /// What a head notices in the evening: a wrong number, a record made twice.
    fn correct(&mut self, at: usize) -> anyhow::Result<()> {
        if at.is_multiple_of(3) {
            self.amend(
                0,
                1,
                &[AssistanceField::People(7), AssistanceField::Minutes(Some(95))],
            )?;
        }
        if at % 7 == 3 {
            self.retract(0, 2, RetractReason::Duplicate)?;
        }
        Ok(())
    }

    /// Two phones edit the same records without seeing each other.
    fn disagree(&mut self) -> anyhow::Result<()> {
        let [first, second] =
            ["hoan_thanh_som", "cho_bo_sung"].map(|outcome| AssistanceField::Outcome(outcome.to_owned()));
        self.dispute(0, first, second)?;
        // Other words than any record begins with: an edit that says nothing new is none.
        let [one, other] =
            ["đã gọi lại", "bổ sung giấy tờ"].map(|more| format!("{} ({more})", people::note(&mut self.rng)));
        let note = |text| AssistanceField::Personal(SealedField::Note, Some(text));
        self.dispute(3, note(one), note(other))?;
        // The same value from both is no conflict, and different fields are none either.
        for which in [0, 1] {
            self.amend(which, 4, &[AssistanceField::Channel("truc_tuyen".to_owned())])?;
        }
        self.amend(0, 5, &[AssistanceField::Satisfaction(Some(1))])?;
        self.amend(1, 5, &[AssistanceField::Minutes(Some(240))])
    }

    /// One of the two chooses what the other one wrote.
    fn settle(&mut self) -> anyhow::Result<()> {
        let Some(logged) = self.logged.first_mut() else {
            return Ok(());
        };
        let record = logged.new.id;
        let phone = self.phones.first_mut().context("there is no phone")?;
        let row = phone
            .rows()?
            .into_iter()
            .find(|row| row.id == record)
            .context("the record is missing")?;
        let conflict = row.conflicts.first().context("the conflict is missing")?;
        let theirs = conflict
            .values
            .iter()
            .find(|value| value.by != phone.identity().account);
        let theirs = theirs.context("there is one value alone")?;
        let settle = Edit::SettleConflict {
            record,
            field: conflict.field.clone(),
            value: theirs.value.clone(),
        };
        phone.edit(&settle)?;
        self.edits += 1;
        if let Some([_, (_, chosen)]) = logged.disputed.remove("outcome") {
            logged.new.outcome = chosen;
        }
        Ok(())
    }

    fn dispute(&mut self, at: usize, one: AssistanceField, other: AssistanceField) -> anyhow::Result<()> {
        if at >= self.logged.len() {
            return Ok(());
        }
        let (field, sides) = (one.key(), [said(&one), said(&other)]);
        self.amend(0, at, &[one])?;
        self.amend(1, at, &[other])?;
        let [one, other] = sides;
        let accounts = (
            self.phone(0)?.identity().account,
            self.phone(1)?.identity().account,
        );
        if let Some(logged) = self.logged.get_mut(at) {
            logged
                .disputed
                .insert(field, [(accounts.0, one), (accounts.1, other)]);
        }
        Ok(())
    }

    fn amend(&mut self, which: usize, at: usize, fields: &[AssistanceField]) -> anyhow::Result<()> {
        let Some(logged) = self.logged.get_mut(at) else {
            return Ok(());
        };
        let edit = Edit::AmendAssistance {
            record: logged.new.id,
            fields: fields.to_vec(),
        };
        fields.iter().for_each(|field| set(&mut logged.new, field));
        self.phone(which)?.edit(&edit)?;
        self.edits += 1;
        Ok(())
    }

    fn retract(&mut self, which: usize, at: usize, reason: RetractReason) -> anyhow::Result<()> {
        let Some(record) = self.logged.get(at).map(|logged| logged.new.id) else {
            return Ok(());
        };
        let phone = self.phone(which)?;
        let at_ms = phone.edit(&Edit::RetractAssistance { record, reason })?;
        let by = phone.identity().account;
        if let Some(logged) = self.logged.get_mut(at) {
            logged.retraction = Some((reason, by, at_ms));
        }
        self.edits += 1;
        Ok(())
    }

    /// A record of this hamlet.
    pub(super) fn record(&self, at: usize) -> Option<RecordId> {
        Some(self.logged.get(at)?.new.id)
    }
}

/// What a field was set to, as text.
fn said(field: &AssistanceField) -> String {
    match field {
        AssistanceField::Outcome(text) | AssistanceField::Category(text) | AssistanceField::Channel(text) => {
            text.clone()
        }
        AssistanceField::Personal(_, text) | AssistanceField::Procedure(text) => {
            text.clone().unwrap_or_default()
        }
        AssistanceField::OccurredAt(n) => n.to_string(),
        AssistanceField::People(n) => n.to_string(),
        AssistanceField::Minutes(n) => n.map(|n| n.to_string()).unwrap_or_default(),
        AssistanceField::Satisfaction(n) => n.map(|n| n.to_string()).unwrap_or_default(),
    }
}

/// The same in the model.
fn set(new: &mut NewAssistance, field: &AssistanceField) {
    match field.clone() {
        AssistanceField::OccurredAt(at_ms) => new.occurred_at_ms = at_ms,
        AssistanceField::Category(code) => new.category = code,
        AssistanceField::Procedure(code) => new.procedure = code,
        AssistanceField::Channel(code) => new.channel = code,
        AssistanceField::Outcome(code) => new.outcome = code,
        AssistanceField::People(n) => new.people = n,
        AssistanceField::Minutes(n) => new.minutes = n,
        AssistanceField::Satisfaction(n) => new.satisfaction = n,
        AssistanceField::Personal(field, Some(text)) => drop(new.personal.0.insert(field, text)),
        AssistanceField::Personal(field, None) => drop(new.personal.0.remove(&field)),
    }
}
