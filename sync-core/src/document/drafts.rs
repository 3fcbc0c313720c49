//! `drafts`: directives being written in one unit. A draft becomes a directive by being issued to the board.

use super::schema::{Field, Kind, Rule, Schema, TIME};
use crate::ids::Class;

/// The fields of a record of this class.
pub static SCHEMA: Schema = Schema {
    class: Class::Drafts,
    fields: &[
        Field {
            key: "number",
            kind: Kind::Text(64),
            rule: Rule::Optional,
        },
        Field {
            key: "title",
            kind: Kind::Text(300),
            rule: Rule::Required,
        },
        Field {
            key: "body",
            kind: Kind::Text(16_000),
            rule: Rule::Optional,
        },
        Field {
            key: "urgency",
            kind: Kind::OneOf(&["normal", "urgent", "flash"]),
            rule: Rule::Required,
        },
        Field {
            key: "deadline",
            kind: TIME,
            rule: Rule::Optional,
        },
        Field {
            key: "started_by",
            kind: Kind::Id,
            rule: Rule::Author,
        },
        Field {
            key: "started_at",
            kind: TIME,
            rule: Rule::Fixed,
        },
    ],
};
