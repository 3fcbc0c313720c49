//! What a field in conflict is to say where none of its values is right.

use std::borrow::Cow;

use super::{AssistanceField, Draft, EditError, text};
use crate::document::ledger;
use crate::document::schema::{Misfit, Rule, Schema};
use crate::ids::Class;
use crate::record::{ConflictValue, RetractReason, Scalar};
use crate::seal::SealedField;

/// A field of a record that several people set, and what it is to say instead.
#[derive(Clone, PartialEq)]
pub enum Otherwise {
    /// One that can be corrected at any time. An optional one may be emptied.
    Field(AssistanceField),
    /// Why the record was taken back; that it was stays.
    Retracted(RetractReason),
    /// One that this version does not know, by its key: a newer one wrote it. It is never emptied, since that one may need it.
    Unknown(String, Scalar),
}

/// Which field, never what it says.
impl std::fmt::Debug for Otherwise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Otherwise({})", self.key())
    }
}

impl Otherwise {
    /// The field's key in the document.
    pub fn key(&self) -> &str {
        match self {
            Otherwise::Field(field) => field.key(),
            Otherwise::Retracted(_) => ledger::RETRACTED,
            Otherwise::Unknown(key, _) => key,
        }
    }

    /// What the field with this key is to say when words say it: numbers in digits, a time in UTC milliseconds, a truth as
    /// `true` or `false`. A field that this version does not know takes what its `values` are. `None` if the words say
    /// nothing that fits, or one cannot write the field.
    pub fn from_words(key: &str, words: &str, values: &[ConflictValue]) -> Option<Self> {
        let words = words.trim();
        if key == ledger::RETRACTED {
            return RetractReason::from_code(words).map(Otherwise::Retracted);
        }
        if Schema::of(Class::Ledger).field(key).is_some() {
            return AssistanceField::from_words(key, words).map(Otherwise::Field);
        }
        let value = match Self::example(values)? {
            Scalar::Text(_) => (!words.is_empty()).then(|| Scalar::Text(words.to_owned()))?,
            Scalar::Int(_) => Scalar::Int(words.parse().ok()?),
            Scalar::Bool(_) => Scalar::Bool(words.parse().ok()?),
            Scalar::Bytes(_) | Scalar::Null => return None,
        };
        Some(Otherwise::Unknown(key.to_owned(), value))
    }

    /// The values of a field that this version does not know, by an example of their kind: only what is of that kind can be
    /// meant. Bytes may be a citizen's data, and nothing tells of what kind it is; neither is written by hand.
    pub fn example(values: &[ConflictValue]) -> Option<&Scalar> {
        let mut values = values.iter().map(|value| &value.value);
        values.find(|value| match value {
            Scalar::Text(_) | Scalar::Int(_) | Scalar::Bool(_) => true,
            Scalar::Bytes(_) | Scalar::Null => false,
        })
    }

    /// That the field with this key is to say nothing; `None` where it has to say something.
    pub fn emptied(key: &str) -> Option<Self> {
        let known = Schema::of(Class::Ledger).field(key)?;
        if known.rule != Rule::Optional {
            return None;
        }
        let field = match (SealedField::from_key(key), key) {
            (Some(sealed), _) => AssistanceField::Personal(sealed, None),
            (None, ledger::PROCEDURE) => AssistanceField::Procedure(None),
            (None, ledger::MINUTES) => AssistanceField::Minutes(None),
            (None, ledger::SATISFACTION) => AssistanceField::Satisfaction(None),
            (None, _) => return None,
        };
        Some(Otherwise::Field(field))
    }

    pub(super) fn write(&self, draft: &mut Draft<'_>) -> Result<(), EditError> {
        match self {
            Otherwise::Field(field) => field.write(draft),
            Otherwise::Retracted(reason) => draft.put(ledger::RETRACTED, text(reason.code())),
            Otherwise::Unknown(key, value) => draft.put_unknown(key, value),
        }
    }
}

impl Draft<'_> {
    fn put_unknown(&mut self, key: &str, value: &Scalar) -> Result<(), EditError> {
        let misfit = |misfit| EditError::Field {
            field: key.to_owned(),
            misfit,
        };
        let schema = self.document.schema();
        if schema.field(key).is_some() {
            // What this version knows is written by its own kind of edit.
            return Err(misfit(Misfit::Kind));
        }
        let value = match value {
            Scalar::Text(raw) => text(raw),
            Scalar::Bytes(_) | Scalar::Int(_) | Scalar::Bool(_) | Scalar::Null => value.clone(),
        };
        schema.judge_scalar(key, &value).map_err(misfit)?;
        self.write.puts.push((Cow::Owned(key.to_owned()), value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_may_change_can_be_said_otherwise_and_every_optional_one_emptied() {
        for field in Schema::of(Class::Ledger)
            .fields
            .iter()
            .filter(|field| field.rule.is_open())
        {
            let words = if field.key == "retracted" { "mistake" } else { "3" };
            let said = Otherwise::from_words(field.key, words, &[]);
            assert_eq!(said.as_ref().map(Otherwise::key), Some(field.key));
            let emptied = Otherwise::emptied(field.key);
            let key = (field.rule == Rule::Optional).then_some(field.key);
            assert_eq!(emptied.as_ref().map(Otherwise::key), key);
        }
        for fixed in ["recorded_by", "device", "recorded_at", "weather"] {
            assert_eq!(
                (Otherwise::from_words(fixed, "3", &[]), Otherwise::emptied(fixed)),
                (None, None),
                "{fixed}"
            );
        }
    }
}
