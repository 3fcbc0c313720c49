//! `board`: issued directives of one unit. Everything is fixed: an issued directive never changes.

use super::schema::{Field, Kind, Rule, Schema, TIME};
use crate::ids::Class;

/// The fields of a record of this class.
pub static SCHEMA: Schema = Schema {
    class: Class::Board,
    fields: &[
        Field {
            key: "number",
            kind: Kind::Text(64),
            rule: Rule::Initial,
        },
        Field {
            key: "title",
            kind: Kind::Text(300),
            rule: Rule::Fixed,
        },
        Field {
            key: "body",
            kind: Kind::Text(16_000),
            rule: Rule::Fixed,
        },
        Field {
            key: "urgency",
            kind: Kind::OneOf(&["normal", "urgent", "flash"]),
            rule: Rule::Fixed,
        },
        Field {
            key: "deadline",
            kind: TIME,
            rule: Rule::Initial,
        },
        Field {
            key: "target",
            kind: Kind::Id,
            rule: Rule::Fixed,
        },
        Field {
            key: "issued_by",
            kind: Kind::Id,
            rule: Rule::Author,
        },
        Field {
            key: "issued_at",
            kind: TIME,
            rule: Rule::Fixed,
        },
    ],
};
