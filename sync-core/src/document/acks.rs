//! `acks`: acknowledgement events of one hamlet, each signed by its device. What state a hamlet is in is derived from
//! them, never stored.

use super::read::Reading;
use super::schema::{Kind, Misfit, Rule, Schema, TIME, field};
use crate::edit::EditKind;
use crate::ids::Class;
use crate::record::{Acknowledgement, Fields, Issue, Scalar, Stage};

pub(crate) const DIRECTIVE: &str = "directive";
pub(crate) const VERSION: &str = "version";
/// Its key in a record.
pub const DIGEST: &str = "digest";
/// Its key in a record.
pub const STAGE: &str = "stage";
pub(crate) const NOTE: &str = "note";
/// Its key in a record.
pub const AT: &str = "at";
pub(crate) const DEVICE_AT: &str = "device_at";
/// Its key in a record.
pub const BY: &str = "by";
/// Its key in a record.
pub const DEVICE: &str = "device";
/// Its key in a record.
pub const PREVIOUS: &str = "previous";
pub(crate) const SIGNATURE: &str = "signature";

/// A clock that was never set is told as it is.
const ANY_TIME: Kind = Kind::Int(i64::MIN, i64::MAX);

/// The fields of an acknowledgement event.
pub static SCHEMA: Schema = Schema {
    class: Class::Acks,
    retracts: None,
    creates,
    fields: &[
        field(DIRECTIVE, Kind::Id, Rule::Fixed),
        field(VERSION, super::board::VERSIONS, Rule::Fixed),
        field(DIGEST, Kind::Digest, Rule::Fixed),
        field(STAGE, Kind::OneOf(Stage::CODES), Rule::Fixed),
        field(NOTE, Kind::Text(500), Rule::Initial),
        field(AT, TIME, Rule::Fixed),
        field(DEVICE_AT, ANY_TIME, Rule::Fixed),
        field(BY, Kind::Id, Rule::Author),
        field(DEVICE, Kind::Id, Rule::Device),
        field(PREVIOUS, Kind::Digest, Rule::Initial),
        field(SIGNATURE, Kind::Signature, Rule::Fixed),
    ],
};

/// Who cannot, says why.
fn creates(fields: &Fields) -> Result<EditKind, Misfit> {
    let cannot = matches!(fields.get(STAGE), Some(Scalar::Text(stage)) if stage == Stage::Cannot.code());
    if cannot && !fields.contains_key(NOTE) {
        return Err(Misfit::Incomplete);
    }
    Ok(EditKind::Create)
}

/// The event as its document says it; `None` if it is not whole.
pub(super) fn read(mut from: Reading<'_>) -> Option<Acknowledgement> {
    let statement_digest = from.statement_digest();
    let origin = from.origin()?;
    Some(Acknowledgement {
        id: from.record,
        document: from.document,
        issue: Issue {
            directive: from.id(DIRECTIVE)?,
            version: from.int(VERSION)?.try_into().ok()?,
            digest: from.digest(DIGEST)?,
        },
        stage: Stage::from_code(&from.text(STAGE)?)?,
        note: from.text(NOTE),
        at_ms: from.int(AT)?,
        device_at_ms: from.int(DEVICE_AT)?,
        by: from.account(BY)?,
        device: from.device(DEVICE)?,
        previous: from.digest(PREVIOUS),
        signature: from.signature(SIGNATURE)?,
        digest: statement_digest,
        origin,
        unknown: from.rest(),
    })
}
