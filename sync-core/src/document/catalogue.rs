//! `catalogue`: procedures and categories of the realm, written by the server from its tables.

use super::schema::{Field, Kind, Rule, Schema, plain};
use crate::ids::Class;

/// The fields of a record of this class.
pub static SCHEMA: Schema = Schema {
    class: Class::Catalogue,
    retracts: None,
    creates: plain,
    fields: &[
        Field {
            key: "kind",
            kind: Kind::OneOf(&["category", "procedure", "channel", "outcome"]),
            rule: Rule::Fixed,
        },
        Field {
            key: "code",
            kind: Kind::Code,
            rule: Rule::Fixed,
        },
        Field {
            key: "name_vi",
            kind: Kind::Text(300),
            rule: Rule::Required,
        },
        Field {
            key: "name_en",
            kind: Kind::Text(300),
            rule: Rule::Optional,
        },
        Field {
            key: "parent",
            kind: Kind::Code,
            rule: Rule::Optional,
        },
        Field {
            key: "weight",
            kind: Kind::Int(0, 1_000),
            rule: Rule::Optional,
        },
        Field {
            key: "valid_to",
            kind: Kind::Code,
            rule: Rule::Optional,
        },
    ],
};
