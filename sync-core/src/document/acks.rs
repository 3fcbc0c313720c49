//! `acks`: acknowledgement events of one hamlet. The state of a directive is derived from them, never stored.

use super::schema::{Field, Kind, Rule, Schema, TIME};
use crate::ids::Class;

/// The fields of a record of this class.
pub static SCHEMA: Schema = Schema {
    class: Class::Acks,
    fields: &[
        Field {
            key: "directive",
            kind: Kind::Id,
            rule: Rule::Fixed,
        },
        Field {
            key: "event",
            kind: Kind::OneOf(&["received", "opened", "acknowledged", "done", "cannot"]),
            rule: Rule::Fixed,
        },
        Field {
            key: "reason",
            kind: Kind::Text(500),
            rule: Rule::Initial,
        },
        Field {
            key: "at",
            kind: TIME,
            rule: Rule::Fixed,
        },
        Field {
            key: "by",
            kind: Kind::Id,
            rule: Rule::Author,
        },
        Field {
            key: "device",
            kind: Kind::Id,
            rule: Rule::Device,
        },
    ],
};
