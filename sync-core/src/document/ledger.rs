//! `ledger`: the assistance records of one hamlet.

use super::read::Reading;
use super::schema::{Field, Kind, Rule, Schema, TIME, field, plain};
use crate::ids::Class;
use crate::record::{Assistance, RetractReason, Retraction, Scalar};
use crate::seal::SealedField;

pub(crate) const OCCURRED_AT: &str = "occurred_at";
pub(crate) const CATEGORY: &str = "category";
pub(crate) const PROCEDURE: &str = "procedure";
pub(crate) const CHANNEL: &str = "channel";
pub(crate) const OUTCOME: &str = "outcome";
pub(crate) const PEOPLE: &str = "people";
pub(crate) const MINUTES: &str = "minutes";
pub(crate) const SATISFACTION: &str = "satisfaction";
pub(crate) const RECORDED_BY: &str = "recorded_by";
pub(crate) const DEVICE: &str = "device";
pub(crate) const RECORDED_AT: &str = "recorded_at";
/// The reason alone: who retracted and when stands in the change that set it, so two retractions for the same reason
/// are no conflict.
pub(crate) const RETRACTED: &str = "retracted";

/// One act reaches at most this many people.
pub const PEOPLE_MAX: i64 = 100_000;
/// One act takes at most a week.
pub const MINUTES_MAX: i64 = 7 * 24 * 60;

const RETRACT_REASONS: &[&str] = &[
    RetractReason::Duplicate.code(),
    RetractReason::Mistake.code(),
    RetractReason::CitizenRequest.code(),
    RetractReason::Other.code(),
];

const fn sealed(of: SealedField) -> Field {
    field(of.key(), Kind::Sealed(of), Rule::Optional)
}

/// The fields of an assistance record.
pub static SCHEMA: Schema = Schema {
    class: Class::Ledger,
    retracts: Some(RETRACTED),
    creates: plain,
    fields: &[
        field(OCCURRED_AT, TIME, Rule::Required),
        field(CATEGORY, Kind::Code, Rule::Required),
        field(PROCEDURE, Kind::Code, Rule::Optional),
        field(CHANNEL, Kind::Code, Rule::Required),
        field(OUTCOME, Kind::Code, Rule::Required),
        field(PEOPLE, Kind::Int(1, PEOPLE_MAX), Rule::Required),
        field(MINUTES, Kind::Int(0, MINUTES_MAX), Rule::Optional),
        field(SATISFACTION, Kind::Int(1, 5), Rule::Optional),
        field(RECORDED_BY, Kind::Id, Rule::Author),
        field(DEVICE, Kind::Id, Rule::Device),
        field(RECORDED_AT, TIME, Rule::Fixed),
        field(RETRACTED, Kind::OneOf(RETRACT_REASONS), Rule::Later),
        sealed(SealedField::CitizenName),
        sealed(SealedField::CitizenPhone),
        sealed(SealedField::CitizenId),
        sealed(SealedField::Note),
    ],
};

/// The record as its document says it; `None` if it is not whole.
pub(super) fn read(mut from: Reading<'_>) -> Option<Assistance> {
    let retraction = from.take_written(RETRACTED).and_then(|written| {
        let Scalar::Text(code) = written.value else {
            return None;
        };
        Some(Retraction {
            reason: RetractReason::from_code(&code)?,
            by: written.by,
            at_ms: written.at_ms,
        })
    });
    Some(Assistance {
        id: from.record,
        document: from.document,
        occurred_at_ms: from.int(OCCURRED_AT)?,
        category: from.text(CATEGORY)?,
        procedure: from.text(PROCEDURE),
        channel: from.text(CHANNEL)?,
        outcome: from.text(OUTCOME)?,
        people: from.int(PEOPLE)?.try_into().ok()?,
        minutes: from.int(MINUTES).and_then(|n| n.try_into().ok()),
        satisfaction: from.int(SATISFACTION).and_then(|n| n.try_into().ok()),
        recorded_by: from.account(RECORDED_BY)?,
        device: from.device(DEVICE)?,
        recorded_at_ms: from.int(RECORDED_AT)?,
        retraction,
        sealed: from.sealed(),
        conflicts: std::mem::take(&mut from.conflicts),
        unknown: from.rest(),
    })
}
