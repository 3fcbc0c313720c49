//! Edits of the ledger: an act of help is recorded, corrected, taken back.

use std::collections::BTreeMap;

use super::{Draft, EditError, int, text};
use crate::document::ledger;
use crate::edit::Author;
use crate::ids::{RecordId, UnitId};
use crate::seal::SealedField;

/// An act of help as it is first recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAssistance {
    /// Its identity, new.
    pub id: RecordId,
    /// The hamlet in whose ledger it goes.
    pub unit: UnitId,
    /// When the help was given, UTC milliseconds.
    pub occurred_at_ms: i64,
    /// Code of the catalogue.
    pub category: String,
    /// National code of the procedure.
    pub procedure: Option<String>,
    /// How it was given (code).
    pub channel: String,
    /// What came of it (code).
    pub outcome: String,
    /// How many people were helped, at least 1.
    pub people: u32,
    /// How long it took.
    pub minutes: Option<u32>,
    /// 1–5.
    pub satisfaction: Option<u8>,
    /// Personal data in the clear; sealed before anything else happens to it.
    pub personal: Personal,
}

/// Personal data in the clear. `Debug` shows which fields there are, never what they say.
#[derive(Clone, PartialEq, Default)]
pub struct Personal(pub BTreeMap<SealedField, String>);

impl std::fmt::Debug for Personal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One field of a record and its new value.
#[derive(Clone, PartialEq)]
pub enum AssistanceField {
    /// When the help was given, UTC milliseconds.
    OccurredAt(i64),
    /// Code of the catalogue.
    Category(String),
    /// National code of the procedure.
    Procedure(Option<String>),
    /// How it was given.
    Channel(String),
    /// What came of it.
    Outcome(String),
    /// How many people.
    People(u32),
    /// How long.
    Minutes(Option<u32>),
    /// 1–5.
    Satisfaction(Option<u8>),
    /// Personal data in the clear.
    Personal(SealedField, Option<String>),
}

impl std::fmt::Debug for AssistanceField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AssistanceField({})", self.key())
    }
}

impl AssistanceField {
    /// The field's key in the document.
    pub fn key(&self) -> &'static str {
        match self {
            AssistanceField::OccurredAt(_) => ledger::OCCURRED_AT,
            AssistanceField::Category(_) => ledger::CATEGORY,
            AssistanceField::Procedure(_) => ledger::PROCEDURE,
            AssistanceField::Channel(_) => ledger::CHANNEL,
            AssistanceField::Outcome(_) => ledger::OUTCOME,
            AssistanceField::People(_) => ledger::PEOPLE,
            AssistanceField::Minutes(_) => ledger::MINUTES,
            AssistanceField::Satisfaction(_) => ledger::SATISFACTION,
            AssistanceField::Personal(field, _) => field.key(),
        }
    }

    /// What the field with this key is when words say it: numbers in digits, a time in UTC milliseconds. `None` if the
    /// words say nothing that fits, or one cannot write the field.
    pub fn from_words(key: &str, words: &str) -> Option<Self> {
        let words = words.trim();
        let text = || (!words.is_empty()).then(|| words.to_owned());
        if let Some(sealed) = SealedField::from_key(key) {
            return Some(AssistanceField::Personal(sealed, Some(text()?)));
        }
        Some(match key {
            ledger::OCCURRED_AT => AssistanceField::OccurredAt(words.parse().ok()?),
            ledger::CATEGORY => AssistanceField::Category(text()?),
            ledger::PROCEDURE => AssistanceField::Procedure(Some(text()?)),
            ledger::CHANNEL => AssistanceField::Channel(text()?),
            ledger::OUTCOME => AssistanceField::Outcome(text()?),
            ledger::PEOPLE => AssistanceField::People(words.parse().ok()?),
            ledger::MINUTES => AssistanceField::Minutes(Some(words.parse().ok()?)),
            ledger::SATISFACTION => AssistanceField::Satisfaction(Some(words.parse().ok()?)),
            _ => return None,
        })
    }
}

impl NewAssistance {
    pub(super) fn write(&self, draft: &mut Draft<'_>, author: &Author) -> Result<(), EditError> {
        AssistanceField::OccurredAt(self.occurred_at_ms).write(draft)?;
        AssistanceField::Category(self.category.clone()).write(draft)?;
        draft.set(ledger::PROCEDURE, self.procedure.as_deref().map(text))?;
        AssistanceField::Channel(self.channel.clone()).write(draft)?;
        AssistanceField::Outcome(self.outcome.clone()).write(draft)?;
        AssistanceField::People(self.people).write(draft)?;
        draft.set(ledger::MINUTES, self.minutes.map(|n| int(n.into())))?;
        draft.set(ledger::SATISFACTION, self.satisfaction.map(|n| int(n.into())))?;
        draft.put(ledger::RECORDED_AT, int(author.now_ms))?;
        for (field, clear) in &self.personal.0 {
            draft.seal(*field, Some(clear))?;
        }
        Ok(())
    }
}

impl AssistanceField {
    pub(super) fn write(&self, draft: &mut Draft<'_>) -> Result<(), EditError> {
        let key = self.key();
        match self {
            AssistanceField::OccurredAt(n) => draft.put(key, int(*n)),
            AssistanceField::Category(code)
            | AssistanceField::Channel(code)
            | AssistanceField::Outcome(code) => draft.put(key, text(code)),
            AssistanceField::Procedure(code) => draft.set(key, code.as_deref().map(text)),
            AssistanceField::People(n) => draft.put(key, int((*n).into())),
            AssistanceField::Minutes(n) => draft.set(key, n.map(|n| int(n.into()))),
            AssistanceField::Satisfaction(n) => draft.set(key, n.map(|n| int(n.into()))),
            AssistanceField::Personal(field, clear) => draft.seal(*field, clear.as_deref()),
        }
    }
}
