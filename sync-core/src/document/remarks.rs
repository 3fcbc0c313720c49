//! `remarks`: what officials say to the records of one hamlet, and what the team answers.

use super::schema::{Field, Kind, Rule, Schema, TIME};
use crate::ids::Class;

/// The fields of a record of this class.
pub static SCHEMA: Schema = Schema {
    class: Class::Remarks,
    fields: &[
        Field {
            key: "record",
            kind: Kind::Id,
            rule: Rule::Fixed,
        },
        Field {
            key: "kind",
            kind: Kind::OneOf(&["verified", "please_correct", "question", "answer"]),
            rule: Rule::Fixed,
        },
        Field {
            key: "answers",
            kind: Kind::Id,
            rule: Rule::Initial,
        },
        Field {
            key: "text",
            kind: Kind::Text(1_000),
            rule: Rule::Initial,
        },
        Field {
            key: "by",
            kind: Kind::Id,
            rule: Rule::Author,
        },
        Field {
            key: "at",
            kind: TIME,
            rule: Rule::Fixed,
        },
    ],
};
