//! `directory`: one unit – its names, what is below it, its team –, written by the server from its tables.
//!
//! A record is one row of a table: a period of the unit, a period in which another is below it, somebody's role in it.
//! Records are not changed: when a row says something else, another record says so, and of several about one thing –
//! the kind, the unit or account, the role, the first day – the one that was made last counts. A row that was taken back
//! ends on its first day. What is made of them is [`crate::directory`].

use super::schema::{self, Rule, Schema, field, plain};
use crate::ids::Class;
use crate::record::code::coded;

/// Its key in a record.
pub const KIND: &str = "kind";
/// Its key in a record: of a `unit` that unit, of a `child` the other one.
pub const UNIT: &str = "unit";
/// Its key in a record.
pub const ACCOUNT: &str = "account";
/// Its key in a record.
pub const NAME: &str = "name";
/// Its key in a record.
pub const LEVEL: &str = "level";
/// Its key in a record.
pub const CODE: &str = "code";
/// Its key in a record.
pub const PARENT: &str = "parent";
/// Its key in a record: who inherited from the unit when it ended.
pub const HEIR: &str = "heir";
/// Its key in a record.
pub const ROLE: &str = "role";
/// Its key in a record: the first day, `2025-07-01`.
pub const VALID_FROM: &str = "valid_from";
/// Its key in a record: the first day on which it no longer holds.
pub const VALID_TO: &str = "valid_to";

/// Longest name, level and official code, in bytes.
pub const TEXT_BYTES: usize = 200;

coded! {
    /// What a record of the directory is.
    Kind {
        /// A period of the unit itself.
        0 Unit = "unit",
        /// A period in which another unit is right below it.
        1 Child = "child",
        /// A role that somebody holds in it.
        2 Member = "member",
    }
}

/// The fields of a record of this class.
pub static SCHEMA: Schema = Schema {
    class: Class::Directory,
    retracts: None,
    creates: plain,
    fields: &[
        field(KIND, schema::Kind::OneOf(Kind::CODES), Rule::Fixed),
        field(UNIT, schema::Kind::Id, Rule::Initial),
        field(ACCOUNT, schema::Kind::Id, Rule::Initial),
        field(NAME, schema::Kind::Text(TEXT_BYTES), Rule::Fixed),
        field(LEVEL, schema::Kind::Text(TEXT_BYTES), Rule::Initial),
        field(CODE, schema::Kind::Text(TEXT_BYTES), Rule::Initial),
        field(PARENT, schema::Kind::Id, Rule::Initial),
        field(HEIR, schema::Kind::Id, Rule::Initial),
        field(ROLE, schema::Kind::Code, Rule::Initial),
        field(VALID_FROM, schema::Kind::Code, Rule::Fixed),
        field(VALID_TO, schema::Kind::Code, Rule::Initial),
    ],
};
