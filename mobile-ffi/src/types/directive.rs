//! Directives, drafts and remarks.

use std::fmt;

use sync_core::edit::DraftField;
use sync_core::ids::RecordId;
use sync_core::progress;
use sync_core::record;
use sync_core::replica::Pinned;

use super::{id, mirrored};
use crate::VaultError;

mirrored! {
    /// How soon a directive has to be read.
    Urgency = record::Urgency {
        /// Thường.
        Normal,
        /// Khẩn.
        Urgent,
        /// Hỏa tốc.
        Flash,
    }
}

mirrored! {
    /// What a directive asks of those it is for.
    Asks = record::Asks {
        /// To open it.
        Read,
        /// To say that it was understood.
        Acknowledge,
        /// To report that it was carried out.
        Report,
    }
}

mirrored! {
    /// What is said to a directive.
    Stage = record::Stage {
        /// It is on the phone: said by the phone itself.
        Received,
        /// Somebody opened it.
        Opened,
        /// Somebody understood it.
        Acknowledged,
        /// It was carried out.
        Done,
        /// It cannot be carried out; the note says why.
        Cannot,
    }
}

mirrored! {
    /// Where a directive stands for those who have to answer it.
    Due = progress::Due {
        /// The deadline is past, and what is asked is not done.
        Overdue,
        /// The deadline is near.
        Soon,
        /// There is time, or no deadline.
        Open,
        /// Another one stands in its place, or it was withdrawn.
        Superseded,
        /// What is asked was done, or it was said why it cannot be.
        Finished,
    }
}

mirrored! {
    /// What a directive does to an earlier one.
    Relation = record::Relation {
        /// It is its next version, which asks for a new acknowledgement.
        Amends,
        /// It stands in its place.
        Replaces,
        /// It ends it.
        Withdraws,
    }
}

mirrored! {
    /// How far a target reaches.
    Reach = record::Reach {
        /// The unit alone.
        Unit,
        /// The unit and everything below it.
        Subtree,
    }
}

mirrored! {
    /// What a remark is.
    RemarkKind = record::RemarkKind {
        /// The record was looked at and found right.
        Verified,
        /// It should be corrected; the words say how.
        Correct,
        /// Something is not clear.
        Question,
        /// The team's answer to one of these.
        Answer,
    }
}

/// One unit that a directive is for.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Target {
    /// Which.
    pub unit: String,
    /// With what is below it, or without.
    pub reach: Reach,
}

/// What a directive does to which earlier one.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Related {
    /// What.
    pub relation: Relation,
    /// `Directive.id` of the earlier one.
    pub directive: String,
}

/// What a directive says: while it is written, and as it was issued.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct DirectiveText {
    /// What it is about.
    pub title: String,
    /// How soon it has to be read.
    pub urgency: Urgency,
    /// What it asks.
    pub asks: Asks,
    /// Number and symbol: `123/UBND-VX`. Needed before it is issued.
    #[uniffi(default = None)]
    pub number: Option<String>,
    /// Plain text.
    #[uniffi(default = None)]
    pub body: Option<String>,
    /// Until when it has to be done.
    #[uniffi(default = None)]
    pub deadline_ms: Option<i64>,
    /// Who signs the paper: name and office. Needed before it is issued.
    #[uniffi(default = None)]
    pub signer: Option<String>,
    /// Whom it is for. Needed before it is issued.
    #[uniffi(default = [])]
    pub targets: Vec<Target>,
    /// Of these the levels that it means; all, if none is named.
    #[uniffi(default = [])]
    pub levels: Vec<String>,
    /// Of these the roles that it means; all, if none is named.
    #[uniffi(default = [])]
    pub roles: Vec<String>,
    /// What it does to an earlier one.
    #[uniffi(default = None)]
    pub related: Option<Related>,
}

/// A directive on the boards of this phone.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Directive {
    /// The id of this version.
    pub id: String,
    /// Who issued it.
    pub unit: String,
    /// The directive of which this is a version.
    pub directive: String,
    /// From 1.
    pub version: u32,
    /// What it says.
    pub text: DirectiveText,
    /// Which person issued it.
    pub issued_by: String,
    /// When.
    pub issued_at_ms: i64,
    /// How far this account's units have come with it.
    pub stage: Option<Stage>,
    /// Where it stands now.
    pub due: Due,
    /// Others that bear its number: issued twice without seeing each other.
    pub same_number: Vec<String>,
}

/// A directive that is being written.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Draft {
    /// Its id.
    pub id: String,
    /// The unit that will issue it.
    pub unit: String,
    /// What it says so far.
    pub text: DirectiveText,
    /// Nobody goes on with it.
    pub discarded: bool,
    /// Fields that two people set to different values.
    pub conflicts: Vec<String>,
    /// Who began it.
    pub started_by: String,
    /// When.
    pub started_at_ms: i64,
}

/// What somebody said to a record.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct Remark {
    /// Its id.
    pub id: String,
    /// The record it is about.
    pub record: String,
    /// What it is.
    pub kind: RemarkKind,
    /// The remark that it answers.
    pub answers: Option<String>,
    /// The words; nothing, if there are none or this account may not read them.
    pub words: Option<String>,
    /// Who.
    pub by: String,
    /// When.
    pub at_ms: i64,
}

impl fmt::Debug for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remark")
    }
}

impl DirectiveText {
    /// Every field, in the order of the form.
    pub(crate) fn into_fields(self) -> Result<Vec<DraftField>, VaultError> {
        let targets = self.targets.iter().map(|target| {
            Ok(record::Target {
                unit: id(&target.unit)?,
                reach: target.reach.into(),
            })
        });
        let targets = targets.collect::<Result<Vec<_>, VaultError>>()?;
        let related = match self.related {
            Some(Related { relation, directive }) => Some((relation.into(), id(&directive)?)),
            None => None,
        };
        Ok(vec![
            DraftField::Number(self.number),
            DraftField::Title(self.title),
            DraftField::Body(self.body),
            DraftField::Urgency(self.urgency.into()),
            DraftField::Deadline(self.deadline_ms),
            DraftField::Signer(self.signer),
            DraftField::Targets(record::Targets::new(targets, self.levels, self.roles)),
            DraftField::Asks(self.asks.into()),
            DraftField::Relation(related),
        ])
    }
}

fn targets(targets: &record::Targets) -> Vec<Target> {
    let target = |target: &record::Target| Target {
        unit: target.unit.to_string(),
        reach: target.reach.into(),
    };
    targets.units().iter().map(target).collect()
}

fn related(relation: Option<(record::Relation, RecordId)>) -> Option<Related> {
    relation.map(|(relation, directive)| Related {
        relation: relation.into(),
        directive: directive.to_string(),
    })
}

impl From<Pinned> for Directive {
    fn from(pinned: Pinned) -> Self {
        let (stage, directive) = (pinned.progress.stage(), pinned.directive);
        Self {
            id: directive.id.to_string(),
            unit: directive.document.unit().to_string(),
            directive: directive.issue.directive.to_string(),
            version: directive.issue.version,
            text: DirectiveText {
                title: directive.title,
                urgency: directive.urgency.into(),
                asks: directive.asks.into(),
                number: Some(directive.number),
                body: directive.body,
                deadline_ms: directive.deadline_ms,
                signer: Some(directive.signer),
                targets: targets(&directive.targets),
                levels: directive.targets.levels().to_vec(),
                roles: directive.targets.roles().to_vec(),
                related: related(directive.relation),
            },
            issued_by: directive.issued_by.to_string(),
            issued_at_ms: directive.issued_at_ms,
            stage: stage.map(Into::into),
            due: pinned.due.into(),
            same_number: pinned.same_number.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<record::Draft> for Draft {
    fn from(draft: record::Draft) -> Self {
        Self {
            id: draft.id.to_string(),
            unit: draft.document.unit().to_string(),
            text: DirectiveText {
                title: draft.title,
                urgency: draft.urgency.into(),
                asks: draft.asks.into(),
                number: draft.number,
                body: draft.body,
                deadline_ms: draft.deadline_ms,
                signer: draft.signer,
                targets: targets(&draft.targets),
                levels: draft.targets.levels().to_vec(),
                roles: draft.targets.roles().to_vec(),
                related: related(draft.relation),
            },
            discarded: draft.discarded,
            conflicts: draft
                .conflicts
                .into_iter()
                .map(|conflict| conflict.field)
                .collect(),
            started_by: draft.started_by.to_string(),
            started_at_ms: draft.started_at_ms,
        }
    }
}

impl From<(record::Remark, Option<String>)> for Remark {
    fn from((remark, words): (record::Remark, Option<String>)) -> Self {
        Self {
            id: remark.id.to_string(),
            record: remark.record.to_string(),
            kind: remark.kind.into(),
            answers: remark.answers.map(|answered| answered.to_string()),
            words,
            by: remark.by.to_string(),
            at_ms: remark.at_ms,
        }
    }
}
