//! What a record of a class may hold: one table of fields per class, read by both sides of the gate.
//!
//! [`crate::edit`] obeys it before saving, [`crate::admission`] judges by it what comes from outside; so a phone never
//! holds what the server would refuse. A field that the table does not name is kept as long as it is a small scalar:
//! it belongs to a newer version. A class none of whose fields may change later is frozen: its records never do.

use automerge::ScalarValue;
use unicode_normalization::is_nfc;

use crate::edit::EditKind;
use crate::ids::Class;
use crate::record::{Fields, Scalar, Targets, bears_secrecy};
use crate::seal::{SealedField, sealed_max_bytes};

/// Most fields of a record that its table does not name.
pub const UNKNOWN_FIELDS: usize = 16;
/// Longest name of such a field, in bytes of `a-z 0-9 _`.
pub const UNKNOWN_KEY_BYTES: usize = 32;
/// Largest text or byte string of such a field.
pub const UNKNOWN_VALUE_BYTES: usize = 512;
/// Longest code of a catalogue (category, procedure, channel, outcome), in bytes.
pub const CODE_BYTES: usize = 64;
/// UTC milliseconds within 2000-01-01 … 2100-01-01: a clock may be wrong, a time may not be nonsense.
pub const TIME: Kind = Kind::Int(946_684_800_000, 4_102_444_800_000);

/// The fields of one class of documents.
#[derive(Debug)]
pub struct Schema {
    /// The class.
    pub class: Class,
    /// Every field that this version knows.
    pub fields: &'static [Field],
    /// The field that takes a record back when it is set.
    pub retracts: Option<&'static str>,
    /// What it is to make a record of these fields, which fit one by one.
    pub creates: fn(&Fields) -> Result<EditKind, Misfit>,
}

/// One field of a record.
#[derive(Debug)]
pub struct Field {
    /// Its key in the record's map.
    pub key: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Who may set it, and when.
    pub rule: Rule,
}

/// What values a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A word of a catalogue: 1 … [`CODE_BYTES`] bytes of text.
    Code,
    /// NFC text without control characters (line breaks excepted) of 1 … this many bytes.
    Text(usize),
    /// The same, of a paper that goes to many: it bears no degree of secrecy.
    Public(usize),
    /// A whole number within these bounds, both included.
    Int(i64, i64),
    /// Sixteen bytes.
    Id,
    /// Thirty-two bytes.
    Digest,
    /// Whom a directive is for: the bytes of [`Targets`].
    Targets,
    /// The device's signature over all other fields; a class with such a field has signed records.
    Signature,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Ciphertext of [`crate::seal`].
    Sealed(SealedField),
}

/// Who may set a field, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Set when the record is made, to the account that signs; never again.
    Author,
    /// Set when the record is made, to the device that signs; never again.
    Device,
    /// Set when the record is made; never again.
    Fixed,
    /// May be set when the record is made; never later.
    Initial,
    /// Set when the record is made; may be changed, never cleared.
    Required,
    /// May be set, changed and cleared.
    Optional,
    /// Not there when the record is made; may be set later, never cleared.
    Later,
}

/// Why a value does not fit its field. The code is stable; values are never part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Not the kind of value that the field holds.
    #[error("the value is of another kind than its field")]
    Kind,
    /// Too long, too large or too small.
    #[error("the value is out of bounds")]
    Bounds,
    /// Text with control characters or not in normal form C.
    #[error("the text is not clean")]
    Text,
    /// A field that this version does not know, and that is not a small scalar under a plain name.
    #[error("an unknown field is not a small scalar under a plain name")]
    Unknown,
    /// A field that the record needs is missing, or two fields contradict each other.
    #[error("the record is not whole")]
    Incomplete,
    /// Papers with a degree of secrecy do not belong into this system.
    #[error("the text bears a degree of secrecy")]
    Secret,
}

impl Misfit {
    /// A stable code.
    pub fn code(self) -> &'static str {
        match self {
            Misfit::Kind => "value_kind",
            Misfit::Bounds => "value_bounds",
            Misfit::Text => "value_text",
            Misfit::Unknown => "unknown_field",
            Misfit::Incomplete => "record_incomplete",
            Misfit::Secret => "secret_class",
        }
    }
}

impl Schema {
    /// The table of a class.
    pub fn of(class: Class) -> &'static Schema {
        match class {
            Class::Ledger => &super::ledger::SCHEMA,
            Class::Acks => &super::acks::SCHEMA,
            Class::Drafts => &super::drafts::SCHEMA,
            Class::Board => &super::board::SCHEMA,
            Class::Remarks => &super::remarks::SCHEMA,
            Class::Directory => &super::directory::SCHEMA,
            Class::Catalogue => &super::catalogue::SCHEMA,
        }
    }

    /// The field under `key`, if this version knows it.
    pub fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// Fields that every record of the class has from the start.
    pub fn required(&self) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().filter(|field| field.rule.is_required())
    }

    /// What it is to make a record of these fields, each of which was judged before.
    ///
    /// # Errors
    /// [`Misfit::Incomplete`] when a required field is missing, or two fields contradict each other.
    pub fn judge_new(&self, fields: &Fields) -> Result<EditKind, Misfit> {
        if self.required().all(|field| fields.contains_key(field.key)) {
            (self.creates)(fields)
        } else {
            Err(Misfit::Incomplete)
        }
    }

    /// Whether nothing about a record changes once it is made.
    pub fn is_frozen(&self) -> bool {
        !self.fields.iter().any(|field| field.rule.is_open())
    }

    /// Whether its records have sealed fields, and so each has a key.
    pub fn has_sealed(&self) -> bool {
        self.fields
            .iter()
            .any(|field| matches!(field.kind, Kind::Sealed(_)))
    }

    /// The key of the field that holds the device's signature, in classes whose records are signed one by one.
    pub fn signature(&self) -> Option<&'static str> {
        self.fields
            .iter()
            .find(|field| field.kind == Kind::Signature)
            .map(|field| field.key)
    }

    /// Whether a value that is not in a document yet may stand under `key`.
    ///
    /// # Errors
    /// [`Misfit`] says what is wrong with it.
    pub fn judge_scalar(&self, key: &str, value: &Scalar) -> Result<(), Misfit> {
        self.judge(key, &value.to_automerge())
    }

    /// Whether `value` may stand under `key`.
    ///
    /// # Errors
    /// [`Misfit`] says what is wrong with it.
    pub fn judge(&self, key: &str, value: &ScalarValue) -> Result<(), Misfit> {
        match self.field(key) {
            Some(field) => field.kind.judge(value),
            None => judge_unknown(key, value),
        }
    }
}

/// A field, in the order in which the tables say it.
pub(super) const fn field(key: &'static str, kind: Kind, rule: Rule) -> Field {
    Field { key, kind, rule }
}

/// Where every new record is simply one.
pub(super) fn plain(_: &Fields) -> Result<EditKind, Misfit> {
    Ok(EditKind::Create)
}

impl Rule {
    /// Whether a record without the field is incomplete.
    pub fn is_required(self) -> bool {
        match self {
            Rule::Author | Rule::Device | Rule::Fixed | Rule::Required => true,
            Rule::Initial | Rule::Optional | Rule::Later => false,
        }
    }

    /// Whether the field may be set after the record was made.
    pub fn is_open(self) -> bool {
        match self {
            Rule::Required | Rule::Optional | Rule::Later => true,
            Rule::Author | Rule::Device | Rule::Fixed | Rule::Initial => false,
        }
    }
}

impl Kind {
    fn judge(self, value: &ScalarValue) -> Result<(), Misfit> {
        match (self, value) {
            (Kind::Code, ScalarValue::Str(text)) => judge_text(text, CODE_BYTES),
            (Kind::Text(max), ScalarValue::Str(text)) => judge_text(text, max),
            (Kind::Public(max), ScalarValue::Str(text)) => {
                judge_text(text, max)?;
                if bears_secrecy(text) {
                    Err(Misfit::Secret)
                } else {
                    Ok(())
                }
            }
            (Kind::Int(min, max), ScalarValue::Int(n)) => bounds((min..=max).contains(n)),
            (Kind::Id, ScalarValue::Bytes(bytes)) => bounds(bytes.len() == 16),
            (Kind::Digest, ScalarValue::Bytes(bytes)) => bounds(bytes.len() == 32),
            (Kind::Targets, ScalarValue::Bytes(bytes)) => bounds(Targets::from_bytes(bytes).is_some()),
            (Kind::Signature, ScalarValue::Bytes(bytes)) => bounds(bytes.len() == 64),
            (Kind::OneOf(words), ScalarValue::Str(text)) => bounds(words.contains(&text.as_str())),
            (Kind::Sealed(field), ScalarValue::Bytes(bytes)) => {
                bounds(bytes.len() <= sealed_max_bytes(field))
            }
            _ => Err(Misfit::Kind),
        }
    }
}

fn judge_text(text: &str, max: usize) -> Result<(), Misfit> {
    bounds(!text.is_empty() && text.len() <= max)?;
    let clean = is_nfc(text) && !text.chars().any(|c| c.is_control() && c != '\n');
    if clean { Ok(()) } else { Err(Misfit::Text) }
}

fn judge_unknown(key: &str, value: &ScalarValue) -> Result<(), Misfit> {
    let plain_name = (1..=UNKNOWN_KEY_BYTES).contains(&key.len())
        && key
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let small = match value {
        ScalarValue::Str(text) => text.len() <= UNKNOWN_VALUE_BYTES,
        ScalarValue::Bytes(bytes) => bytes.len() <= UNKNOWN_VALUE_BYTES,
        ScalarValue::Int(_) | ScalarValue::Boolean(_) | ScalarValue::Null => true,
        ScalarValue::Uint(_)
        | ScalarValue::F64(_)
        | ScalarValue::Counter(_)
        | ScalarValue::Timestamp(_)
        | ScalarValue::Unknown { .. } => false,
    };
    if plain_name && small {
        Ok(())
    } else {
        Err(Misfit::Unknown)
    }
}

fn bounds(inside: bool) -> Result<(), Misfit> {
    if inside { Ok(()) } else { Err(Misfit::Bounds) }
}
