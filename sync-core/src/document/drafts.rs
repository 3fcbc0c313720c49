//! `drafts`: directives being written in one unit, by its officials alone. A draft becomes a directive by being issued to
//! the board; which were, the board tells.

use super::board::{
    ASKS, BODIES, BODY, DEADLINE, NUMBER, NUMBERS, RELATES_TO, RELATION, SIGNER, SIGNERS, TARGETS, TITLE,
    TITLES, URGENCY,
};
use super::read::Reading;
use super::schema::{Kind, Rule, Schema, TIME, field, plain};
use crate::ids::Class;
use crate::record::{Asks, Draft, Relation, Urgency};

pub(crate) const DISCARDED: &str = "discarded";
pub(crate) const STARTED_BY: &str = "started_by";
pub(crate) const STARTED_AT: &str = "started_at";

/// The fields of a draft.
pub static SCHEMA: Schema = Schema {
    class: Class::Drafts,
    retracts: Some(DISCARDED),
    creates: plain,
    fields: &[
        field(NUMBER, NUMBERS, Rule::Optional),
        field(TITLE, TITLES, Rule::Required),
        field(BODY, BODIES, Rule::Optional),
        field(URGENCY, Kind::OneOf(Urgency::CODES), Rule::Required),
        field(DEADLINE, TIME, Rule::Optional),
        field(SIGNER, SIGNERS, Rule::Optional),
        field(TARGETS, Kind::Targets, Rule::Optional),
        field(ASKS, Kind::OneOf(Asks::CODES), Rule::Required),
        field(RELATION, Kind::OneOf(Relation::CODES), Rule::Optional),
        field(RELATES_TO, Kind::Id, Rule::Optional),
        field(DISCARDED, Kind::OneOf(&[DISCARDED]), Rule::Later),
        field(STARTED_BY, Kind::Id, Rule::Author),
        field(STARTED_AT, TIME, Rule::Fixed),
    ],
};

/// The draft as its document says it; `None` if it is not whole.
pub(super) fn read(mut from: Reading<'_>) -> Option<Draft> {
    let relation = from.text(RELATION).and_then(|code| Relation::from_code(&code));
    Some(Draft {
        id: from.record,
        document: from.document,
        number: from.text(NUMBER),
        title: from.text(TITLE)?,
        body: from.text(BODY),
        urgency: Urgency::from_code(&from.text(URGENCY)?)?,
        deadline_ms: from.int(DEADLINE),
        signer: from.text(SIGNER),
        targets: from.targets(TARGETS).unwrap_or_default(),
        asks: Asks::from_code(&from.text(ASKS)?)?,
        relation: relation.zip(from.id(RELATES_TO)),
        discarded: from.text(DISCARDED).is_some(),
        started_by: from.account(STARTED_BY)?,
        started_at_ms: from.int(STARTED_AT)?,
        conflicts: std::mem::take(&mut from.conflicts),
        unknown: from.rest(),
    })
}
