//! `board`: issued directives of one unit. Everything is fixed, and signed by the device that issues: an issued directive
//! never changes. A later version is a directive of its own, which names the one it amends, replaces or withdraws.

use super::read::Reading;
use super::schema::{Kind, Misfit, Rule, Schema, TIME, field};
use crate::edit::EditKind;
use crate::ids::Class;
use crate::record::{Asks, Directive, Fields, Issue, Relation, Scalar, Urgency};

pub(crate) const NUMBER: &str = "number";
pub(crate) const TITLE: &str = "title";
pub(crate) const BODY: &str = "body";
pub(crate) const URGENCY: &str = "urgency";
pub(crate) const DEADLINE: &str = "deadline";
pub(crate) const SIGNER: &str = "signer";
pub(crate) const TARGETS: &str = "targets";
pub(crate) const ASKS: &str = "asks";
pub(crate) const RELATION: &str = "relation";
pub(crate) const RELATES_TO: &str = "relates_to";
pub(crate) const DIRECTIVE: &str = "directive";
pub(crate) const VERSION: &str = "version";
pub(crate) const DRAFT: &str = "draft";
/// Its key in a record.
pub const ISSUED_BY: &str = "issued_by";
/// Its key in a record.
pub const DEVICE: &str = "device";
/// Its key in a record.
pub const ISSUED_AT: &str = "issued_at";
pub(crate) const SIGNATURE: &str = "signature";

/// Number and symbol: `123/UBND-VX`.
pub(super) const NUMBERS: Kind = Kind::Public(64);
pub(super) const TITLES: Kind = Kind::Public(300);
pub(super) const BODIES: Kind = Kind::Public(16_000);
pub(super) const SIGNERS: Kind = Kind::Text(200);
/// From 1; an amendment has the next.
pub(super) const VERSIONS: Kind = Kind::Int(1, 999);

/// The fields of an issued directive.
pub static SCHEMA: Schema = Schema {
    class: Class::Board,
    retracts: None,
    creates,
    fields: &[
        field(NUMBER, NUMBERS, Rule::Fixed),
        field(TITLE, TITLES, Rule::Fixed),
        field(BODY, BODIES, Rule::Initial),
        field(URGENCY, Kind::OneOf(Urgency::CODES), Rule::Fixed),
        field(DEADLINE, TIME, Rule::Initial),
        field(SIGNER, SIGNERS, Rule::Fixed),
        field(TARGETS, Kind::Targets, Rule::Fixed),
        field(ASKS, Kind::OneOf(Asks::CODES), Rule::Fixed),
        field(RELATION, Kind::OneOf(Relation::CODES), Rule::Initial),
        field(RELATES_TO, Kind::Id, Rule::Initial),
        field(DIRECTIVE, Kind::Id, Rule::Fixed),
        field(VERSION, VERSIONS, Rule::Fixed),
        field(DRAFT, Kind::Id, Rule::Initial),
        field(ISSUED_BY, Kind::Id, Rule::Author),
        field(DEVICE, Kind::Id, Rule::Device),
        field(ISSUED_AT, TIME, Rule::Fixed),
        field(SIGNATURE, Kind::Signature, Rule::Fixed),
    ],
};

/// A relation names the other directive; whoever amends has a later version, and nobody else has.
fn creates(fields: &Fields) -> Result<EditKind, Misfit> {
    let amends = matches!(fields.get(RELATION), Some(Scalar::Text(word)) if word == Relation::Amends.code());
    let first = fields.get(VERSION) == Some(&Scalar::Int(1));
    let both = fields.contains_key(RELATION) == fields.contains_key(RELATES_TO);
    if both && amends != first {
        Ok(EditKind::Create)
    } else {
        Err(Misfit::Incomplete)
    }
}

/// The directive as its document says it; `None` if it is not whole.
pub(super) fn read(mut from: Reading<'_>) -> Option<Directive> {
    let digest = from.statement_digest();
    let origin = from.origin();
    let relation = from.text(RELATION).and_then(|code| Relation::from_code(&code));
    Some(Directive {
        id: from.record,
        document: from.document,
        issue: Issue {
            directive: from.id(DIRECTIVE)?,
            version: from.int(VERSION)?.try_into().ok()?,
            digest,
        },
        number: from.text(NUMBER)?,
        title: from.text(TITLE)?,
        body: from.text(BODY),
        urgency: Urgency::from_code(&from.text(URGENCY)?)?,
        deadline_ms: from.int(DEADLINE),
        signer: from.text(SIGNER)?,
        targets: from.targets(TARGETS)?,
        asks: Asks::from_code(&from.text(ASKS)?)?,
        relation: relation.zip(from.id(RELATES_TO)),
        draft: from.id(DRAFT),
        issued_by: from.account(ISSUED_BY)?,
        device: from.device(DEVICE)?,
        issued_at_ms: from.int(ISSUED_AT)?,
        signature: from.signature(SIGNATURE)?,
        unknown: from.rest(),
        origin,
    })
}
