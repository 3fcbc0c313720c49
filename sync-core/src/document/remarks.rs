//! `remarks`: what officials say to the records of one hamlet, and what the team answers. The words are sealed as notes
//! are: they are about citizens.

use super::read::Reading;
use super::schema::{Kind, Misfit, Rule, Schema, TIME, field};
use crate::edit::EditKind;
use crate::ids::Class;
use crate::record::{Fields, Remark, RemarkKind, Scalar};
use crate::seal::SealedField;

pub(crate) const RECORD: &str = "record";
pub(crate) const KIND: &str = "kind";
pub(crate) const ANSWERS: &str = "answers";
pub(crate) const BY: &str = "by";
pub(crate) const DEVICE: &str = "device";
pub(crate) const AT: &str = "at";

/// The fields of a remark.
pub static SCHEMA: Schema = Schema {
    class: Class::Remarks,
    retracts: None,
    creates,
    fields: &[
        field(RECORD, Kind::Id, Rule::Fixed),
        field(KIND, Kind::OneOf(RemarkKind::CODES), Rule::Fixed),
        field(ANSWERS, Kind::Id, Rule::Initial),
        field(
            SealedField::Note.key(),
            Kind::Sealed(SealedField::Note),
            Rule::Initial,
        ),
        field(BY, Kind::Id, Rule::Author),
        field(DEVICE, Kind::Id, Rule::Device),
        field(AT, TIME, Rule::Fixed),
    ],
};

/// An answer answers a remark, and nothing else does; only "verified" needs no words.
fn creates(fields: &Fields) -> Result<EditKind, Misfit> {
    let is = |kind: RemarkKind| matches!(fields.get(KIND), Some(Scalar::Text(word)) if word == kind.code());
    let worded = fields.contains_key(SealedField::Note.key()) || is(RemarkKind::Verified);
    match (is(RemarkKind::Answer), fields.contains_key(ANSWERS), worded) {
        (true, true, true) => Ok(EditKind::Reply),
        (false, false, true) => Ok(EditKind::Create),
        _ => Err(Misfit::Incomplete),
    }
}

/// The remark as its document says it; `None` if it is not whole.
pub(super) fn read(mut from: Reading<'_>) -> Option<Remark> {
    Some(Remark {
        id: from.record,
        document: from.document,
        record: from.id(RECORD)?,
        kind: RemarkKind::from_code(&from.text(KIND)?)?,
        answers: from.id(ANSWERS),
        by: from.account(BY)?,
        device: from.device(DEVICE)?,
        at_ms: from.int(AT)?,
        sealed: from.sealed(),
        unknown: from.rest(),
    })
}
