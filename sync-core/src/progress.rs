//! How far a unit has come with a directive: derived from its acknowledgement events, the same on the phone and on the
//! server. Nothing here is stored.

use crate::record::{Asks, Directive, Stage, Urgency};

/// A deadline is near when it is this close.
pub const SOON_MS: i64 = 48 * 3600 * 1000;

/// The events of one unit for one version, in short: what was said first and when, stage by stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    first: [Option<i64>; Stage::ALL.len()],
    last_word: Option<(i64, Stage)>,
}

/// Where a directive stands for those who have to answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// The deadline is past, and what is asked is not done.
    Overdue,
    /// The deadline is near.
    Soon,
    /// There is time, or no deadline.
    Open,
    /// A later version or another directive stands in its place, or it was withdrawn.
    Superseded,
    /// What is asked was done, or it was said why it cannot be.
    Finished,
}

impl Progress {
    /// Takes one event into account; the order in which they come does not matter.
    pub fn add(&mut self, stage: Stage, at_ms: i64) {
        if let Some(first) = self.first.get_mut(stage as usize) {
            *first = Some(first.map_or(at_ms, |earlier| earlier.min(at_ms)));
        }
        let word = Some((at_ms, stage));
        let ends = match stage {
            Stage::Done | Stage::Cannot => true,
            Stage::Received | Stage::Opened | Stage::Acknowledged => false,
        };
        if ends && word > self.last_word {
            self.last_word = word;
        }
    }

    /// When a stage was first said, UTC milliseconds of the device, corrected.
    pub fn first(&self, stage: Stage) -> Option<i64> {
        self.first.get(stage as usize).copied().flatten()
    }

    /// The state: of "done" and "cannot" what was said last, else the furthest stage; `None`: nothing was heard.
    pub fn stage(&self) -> Option<Stage> {
        let furthest = [Stage::Acknowledged, Stage::Opened, Stage::Received];
        self.last_word
            .map(|(_, stage)| stage)
            .or_else(|| furthest.into_iter().find(|stage| self.first(*stage).is_some()))
    }

    /// When what a directive asks was first done, UTC milliseconds; who has gone further has done it too.
    pub fn finished(&self, asks: Asks) -> Option<i64> {
        let reached = Stage::ALL.iter().filter(|stage| finishes(**stage, asks));
        reached.filter_map(|stage| self.first(*stage)).min()
    }

    /// Whether what a directive asks was done by its deadline; `None` while it is not done.
    pub fn on_time(&self, directive: &Directive) -> Option<bool> {
        let finished = self.finished(directive.asks)?;
        Some(directive.deadline_ms.is_none_or(|deadline| finished <= deadline))
    }

    /// Where a directive stands at a moment.
    pub fn due(&self, directive: &Directive, now_ms: i64) -> Due {
        let cannot = self.stage() == Some(Stage::Cannot);
        match directive.deadline_ms {
            _ if cannot || self.finished(directive.asks).is_some() => Due::Finished,
            Some(deadline) if deadline < now_ms => Due::Overdue,
            Some(deadline) if deadline.saturating_sub(now_ms) <= SOON_MS => Due::Soon,
            Some(_) | None => Due::Open,
        }
    }
}

/// Whether to have come so far is to have done what is asked.
pub fn finishes(stage: Stage, asks: Asks) -> bool {
    let from = match asks {
        Asks::Read => Stage::Opened,
        Asks::Acknowledge => Stage::Acknowledged,
        Asks::Report => Stage::Done,
    };
    (from..=Stage::Done).contains(&stage)
}

/// The order in which directives are shown: what is open before what is over, then the more urgent, then what is due
/// first, then the newest.
pub fn order(directive: &Directive, due: Due) -> impl Ord + use<> {
    let over = matches!(due, Due::Superseded | Due::Finished);
    let urgency = match directive.urgency {
        Urgency::Flash => 0,
        Urgency::Urgent => 1,
        Urgency::Normal => 2,
    };
    let deadline = directive.deadline_ms.unwrap_or(i64::MAX);
    (
        over,
        urgency,
        due,
        deadline,
        std::cmp::Reverse((directive.issued_at_ms, directive.id)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(events: &[(Stage, i64)]) -> Progress {
        let mut progress = Progress::default();
        events.iter().for_each(|(stage, at)| progress.add(*stage, *at));
        progress
    }

    #[test]
    fn the_state_is_the_furthest_stage_or_the_last_word() {
        use Stage::{Acknowledged, Cannot, Done, Opened, Received};
        assert_eq!(said(&[]).stage(), None);
        assert_eq!(said(&[(Opened, 2), (Received, 1)]).stage(), Some(Opened));
        assert_eq!(
            said(&[(Received, 9), (Acknowledged, 2)]).stage(),
            Some(Acknowledged)
        );
        // Who could not and then did, did; and the other way round.
        assert_eq!(said(&[(Cannot, 3), (Done, 5)]).stage(), Some(Done));
        assert_eq!(
            said(&[(Done, 3), (Cannot, 5), (Acknowledged, 9)]).stage(),
            Some(Cannot)
        );
    }

    #[test]
    fn who_went_further_did_what_is_asked() {
        let progress = said(&[(Stage::Received, 1), (Stage::Done, 5), (Stage::Done, 8)]);
        assert_eq!(progress.finished(Asks::Read), Some(5));
        assert_eq!(progress.finished(Asks::Report), Some(5));
        assert_eq!(said(&[(Stage::Opened, 1)]).finished(Asks::Acknowledge), None);
        assert_eq!(said(&[(Stage::Cannot, 1)]).finished(Asks::Read), None);
    }
}
