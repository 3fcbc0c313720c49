//! Directives on the phone: issuing, acknowledging, and the list of what is due – all of it offline.

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;

use super::{Replica, ReplicaError, Result};
use crate::document::board;
use crate::edit::{Edit, EditError, NewAcknowledgement, NewDirective};
use crate::ids::{Class, RecordId, UnitId};
use crate::local_store::{ListQuery, LocalStore};
use crate::progress::{Due, Progress, order};
use crate::projection::RowChange;
use crate::record::{Acknowledgement, Directive, Stage};

/// A directive as the phone shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pinned {
    /// What was issued.
    pub directive: Directive,
    /// How far the units have come for which this account speaks.
    pub progress: Progress,
    /// Where it stands now.
    pub due: Due,
    /// Directives of the same unit and year that bear the same number: issued twice without seeing each other.
    pub same_number: Vec<RecordId>,
    /// Other records of the same version of this directive: amended twice without seeing each other.
    pub same_version: Vec<RecordId>,
}

impl<S: LocalStore> Replica<S> {
    /// Every directive on the boards that are here, the most pressing first.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn directives(&self, now_ms: i64) -> Result<Vec<Pinned>, S> {
        let now_ms = self.corrected(now_ms);
        let directives = self.issued()?;
        let units = self.speaks_for();
        let mut said: BTreeMap<_, Progress> = BTreeMap::new();
        for event in self.events(ListQuery::default())? {
            if units.contains(&event.document.unit()) {
                said.entry(event.issue).or_default().add(event.stage, event.at_ms);
            }
        }
        let by_id: BTreeMap<RecordId, &Directive> = directives.iter().map(|one| (one.id, one)).collect();
        let ended = directives.iter().filter_map(|later| {
            let earlier = by_id.get(&later.relation?.1)?;
            self.ends(later, earlier).then_some(earlier.id)
        });
        let over: BTreeSet<RecordId> = ended.collect();
        let mut numbers: BTreeMap<_, Vec<(RecordId, RecordId)>> = BTreeMap::new();
        for directive in &directives {
            let namesakes = numbers.entry(directive.number_key()).or_default();
            namesakes.push((directive.issue.directive, directive.id));
        }
        let mut versions: BTreeMap<_, Vec<RecordId>> = BTreeMap::new();
        for Directive { issue, id, .. } in &directives {
            versions
                .entry((issue.directive, issue.version))
                .or_default()
                .push(*id);
        }
        let shown = directives
            .into_iter()
            .filter(|directive| self.is_shown(directive));
        let mut pinned: Vec<Pinned> = shown
            .map(|directive| {
                let progress = said.get(&directive.issue).copied().unwrap_or_default();
                let due = if over.contains(&directive.id) {
                    Due::Superseded
                } else {
                    progress.due(&directive, now_ms)
                };
                let namesakes = numbers.get(&directive.number_key()).into_iter().flatten();
                let others = namesakes.filter(|(of, _)| *of != directive.issue.directive);
                let same_number = others.map(|(_, id)| *id).collect();
                let version = (directive.issue.directive, directive.issue.version);
                let same_version = versions.get(&version).into_iter().flatten();
                let same_version = same_version.copied().filter(|id| *id != directive.id);
                let same_version = same_version.collect();
                Pinned {
                    directive,
                    progress,
                    due,
                    same_number,
                    same_version,
                }
            })
            .collect();
        pinned.sort_by_cached_key(|pinned| order(&pinned.directive, pinned.due));
        Ok(pinned)
    }

    /// Issues a draft: it goes to the board as it stands, and never changes again. Gives the directive's id.
    ///
    /// # Errors
    /// [`EditError::NotReady`] when something is missing, in conflict, it was issued before, or what it is about has ended.
    pub fn issue(&mut self, draft: RecordId, now_ms: i64, rng: &mut impl CryptoRng) -> Result<RecordId, S> {
        let Some(RowChange::Draft(row)) = self.row(draft)? else {
            return Err(EditError::NoSuchRecord(draft).into());
        };
        let issued = self.issued()?;
        if issued.iter().any(|directive| directive.draft == Some(draft)) {
            return Err(EditError::NotReady("draft".to_owned()).into());
        }
        let earlier = match row.relation {
            Some((_, record)) => self.directive(record)?,
            None => None,
        };
        let ended = |earlier: &Directive| issued.iter().any(|later| self.ends(later, earlier));
        if earlier.as_ref().is_some_and(ended) {
            return Err(EditError::NotReady(board::RELATES_TO.to_owned()).into());
        }
        let id = self.fresh_id(now_ms, rng);
        let new = NewDirective::of(&row, id, earlier.as_ref())?;
        self.edit(&Edit::IssueDirective(Box::new(new)), now_ms, rng)?;
        Ok(id)
    }

    /// Says how far `unit` – which may be left out by who speaks for one – has come with one version of a directive, and
    /// gives the event's id. The event names the device's last one for this directive, so that none can be left out later
    /// unseen.
    ///
    /// # Errors
    /// [`ReplicaError`]; nothing was changed.
    pub fn acknowledge(
        &mut self,
        directive: RecordId,
        unit: impl Into<Option<UnitId>>,
        stage: Stage,
        note: Option<String>,
        now_ms: i64,
        rng: &mut impl CryptoRng,
    ) -> Result<RecordId, S> {
        let unit = self.home(Class::Acks, unit.into())?;
        let missing = EditError::NoSuchRecord(directive);
        let issue = self.directive(directive)?.ok_or(missing)?.issue;
        let device = self.identity.device;
        let own = self.events(ListQuery {
            about: Some(issue.directive),
            ..ListQuery::default()
        })?;
        let own: Vec<Acknowledgement> = own.into_iter().filter(|event| event.device == device).collect();
        // The end of the chain is the event that no other names; clocks do not matter.
        let named: BTreeSet<[u8; 32]> = own.iter().filter_map(|event| event.previous).collect();
        let previous = own
            .iter()
            .map(|event| event.digest)
            .find(|digest| !named.contains(digest));
        let id = self.fresh_id(now_ms, rng);
        let new = NewAcknowledgement {
            id,
            unit,
            issue,
            stage,
            note,
            previous,
        };
        self.edit(&Edit::Acknowledge(Box::new(new)), now_ms, rng)?;
        Ok(id)
    }

    /// Says "received" for every directive that arrived and is for one of the units for which this account speaks. Gives
    /// how many. To be called before each exchange: a phone that died in between says it when it lives again. What cannot
    /// be said now – the clock shows no time that could be written down – does not hold an exchange up.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn acknowledge_arrivals(&mut self, now_ms: i64, rng: &mut impl CryptoRng) -> Result<usize, S> {
        let arrived = self.arrivals()?;
        self.arrivals = false;
        for (directive, unit) in &arrived {
            match self.acknowledge(*directive, *unit, Stage::Received, None, now_ms, rng) {
                Ok(_) => {}
                Err(ReplicaError::Store(error)) => return Err(ReplicaError::Store(error)),
                Err(_) => return Ok(0),
            }
        }
        Ok(arrived.len())
    }

    /// Directives that no "received" of this device stands for yet, with the unit that they are for.
    pub(super) fn arrivals(&self) -> Result<Vec<(RecordId, UnitId)>, S> {
        let units = self.speaks_for();
        if !self.arrivals || units.is_empty() {
            return Ok(Vec::new());
        }
        let device = self.identity.device;
        // What was refused was said all the same: to say it again would only be refused again.
        let aside = self.set_aside()?.into_iter();
        let refused = aside.filter_map(|aside| match aside.refused.shown? {
            RowChange::Acknowledgement(event) => Some(*event),
            RowChange::Assistance(_)
            | RowChange::Draft(_)
            | RowChange::Directive(_)
            | RowChange::Remark(_) => None,
        });
        let events = self.events(ListQuery::default())?.into_iter();
        let said: BTreeSet<_> = events
            .chain(refused)
            .filter(|event| event.device == device)
            .map(|event| (event.issue, event.document.unit()))
            .collect();
        let mut arrived = Vec::new();
        for directive in self.issued()? {
            for unit in &units {
                let issuer = directive.document.unit() == *unit;
                if self.asks(&directive, *unit) && !issuer && !said.contains(&(directive.issue, *unit)) {
                    arrived.push((directive.id, *unit));
                }
            }
        }
        Ok(arrived)
    }

    /// The units in whose name this account acknowledges.
    pub(super) fn speaks_for(&self) -> BTreeSet<UnitId> {
        let write = self.scopes().map_or(&[][..], |scopes| &scopes.write);
        let acks = write.iter().filter(|scope| scope.class == Class::Acks);
        acks.map(|scope| scope.unit).collect()
    }

    fn issued(&self) -> Result<Vec<Directive>, S> {
        let rows = self
            .store
            .rows(Class::Board, ListQuery::default())
            .map_err(ReplicaError::Store)?;
        let directives = rows.into_iter().filter_map(|row| match row {
            RowChange::Directive(directive) => Some(*directive),
            RowChange::Assistance(_)
            | RowChange::Draft(_)
            | RowChange::Acknowledgement(_)
            | RowChange::Remark(_) => None,
        });
        Ok(directives.collect())
    }

    fn events(&self, query: ListQuery) -> Result<Vec<Acknowledgement>, S> {
        let rows = self.store.rows(Class::Acks, query).map_err(ReplicaError::Store)?;
        let events = rows.into_iter().filter_map(|row| match row {
            RowChange::Acknowledgement(event) => Some(*event),
            RowChange::Assistance(_)
            | RowChange::Draft(_)
            | RowChange::Directive(_)
            | RowChange::Remark(_) => None,
        });
        Ok(events.collect())
    }

    fn directive(&mut self, record: RecordId) -> Result<Option<Directive>, S> {
        Ok(match self.row(record)? {
            Some(RowChange::Directive(directive)) => Some(*directive),
            Some(
                RowChange::Assistance(_)
                | RowChange::Draft(_)
                | RowChange::Acknowledgement(_)
                | RowChange::Remark(_),
            )
            | None => None,
        })
    }
}
