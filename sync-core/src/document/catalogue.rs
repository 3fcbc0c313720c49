//! `catalogue`: procedures and categories of the realm, written by the server from its tables.

use super::Document;
use super::schema::{Field, Kind, Rule, Schema, plain};
use crate::ids::{Class, RecordId};
use crate::record::{CatalogueEntry, CatalogueKind};

/// The fields of a record of this class.
pub static SCHEMA: Schema = Schema {
    class: Class::Catalogue,
    retracts: None,
    creates: plain,
    fields: &[
        Field {
            key: "kind",
            kind: Kind::OneOf(CatalogueKind::CODES),
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

/// Every entry that is whole, with its record.
pub(crate) fn entries(document: &Document) -> impl Iterator<Item = (RecordId, CatalogueEntry)> + '_ {
    document.records().into_iter().filter_map(|record| {
        let mut from = document.reading(record)?;
        let entry = CatalogueEntry {
            kind: CatalogueKind::from_code(&from.text("kind")?)?,
            code: from.text("code")?,
            name_vi: from.text("name_vi")?,
            name_en: from.text("name_en"),
            parent: from.text("parent"),
            valid_to: from.text("valid_to").and_then(|day| day.parse().ok()),
        };
        Some((record, entry))
    })
}
