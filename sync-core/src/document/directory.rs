//! `directory`: one unit – its names, its children, its team –, written by the server from its tables.

use super::schema::{Field, Kind, Rule, Schema, plain};
use crate::ids::Class;

/// The fields of a record of this class.
pub static SCHEMA: Schema = Schema {
    class: Class::Directory,
    retracts: None,
    creates: plain,
    fields: &[
        Field {
            key: "kind",
            kind: Kind::OneOf(&["unit", "child", "member"]),
            rule: Rule::Fixed,
        },
        Field {
            key: "name",
            kind: Kind::Text(200),
            rule: Rule::Required,
        },
        Field {
            key: "level",
            kind: Kind::Code,
            rule: Rule::Optional,
        },
        Field {
            key: "code",
            kind: Kind::Code,
            rule: Rule::Optional,
        },
        Field {
            key: "parent",
            kind: Kind::Id,
            rule: Rule::Optional,
        },
        Field {
            key: "role",
            kind: Kind::Code,
            rule: Rule::Optional,
        },
        Field {
            key: "valid_from",
            kind: Kind::Code,
            rule: Rule::Optional,
        },
        Field {
            key: "valid_to",
            kind: Kind::Code,
            rule: Rule::Optional,
        },
    ],
};
