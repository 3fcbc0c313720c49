//! Edits: everything that a person can mean to do to a document, and the limits it is held to before it is saved.
//!
//! One edit becomes one change. [`Edit::prepare`] turns an intent into the plain [`Write`] that makes it, or says why
//! it may not be; admission recognises the same intents in changes from outside ([`EditKind`]) and asks the policy
//! about them, not only about the document.

use std::borrow::Cow;
use std::collections::BTreeMap;

use automerge::ScalarValue;
use automerge::transaction::CommitOptions;
use unicode_normalization::UnicodeNormalization;

use crate::document::schema::Misfit;
use crate::document::{Document, ledger};
use crate::ids::{AccountId, ActorId, Class, DeviceId, RecordId, UnitId};
use crate::record::{RetractReason, Scalar};
use crate::seal::{RecordKey, SealError, SealedField, seal};

/// Whose edit it is, where and when it is made.
#[derive(Clone, Debug)]
pub struct Author {
    /// The person.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
    /// The automerge actor: random, fresh for each document and session of the process.
    pub actor: ActorId,
    /// The device's clock, corrected by the last server time, UTC milliseconds.
    pub now_ms: i64,
}

impl Author {
    /// The message of a change is the account: it tells who set a value without a look-up elsewhere.
    pub(crate) fn commit_options(&self) -> CommitOptions {
        CommitOptions::default()
            .with_message(self.account.to_string())
            .with_time(self.now_ms)
    }
}

/// What a person means to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Record an act of help.
    LogAssistance(Box<NewAssistance>),
    /// Correct fields of a record.
    AmendAssistance {
        /// Which record.
        record: RecordId,
        /// The fields, with their new values.
        fields: Vec<AssistanceField>,
    },
    /// Take a record back. It stays readable.
    RetractAssistance {
        /// Which record.
        record: RecordId,
        /// Why.
        reason: RetractReason,
    },
    /// Choose one of several current values.
    SettleConflict {
        /// Which record.
        record: RecordId,
        /// The field's key in the document.
        field: String,
        /// The value, one of those in conflict.
        value: Scalar,
    },
}

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
}

/// Which intent an edit is, or a change from outside turned out to be. The policy decides on these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EditKind {
    /// A new record.
    Log,
    /// New values of fields.
    Amend,
    /// A record taken back.
    Retract,
    /// One of several current values chosen.
    Settle,
}

/// The plain operations of one edit.
#[derive(Clone, Debug)]
pub struct Write {
    pub(crate) record: RecordId,
    pub(crate) create: bool,
    pub(crate) puts: Vec<(Cow<'static, str>, ScalarValue)>,
    pub(crate) clears: Vec<&'static str>,
}

/// An edit that may not be made. Values are never part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The edit is for documents of another class.
    #[error("the edit does not belong in a document of this class")]
    WrongClass,
    /// There is no such record.
    #[error("no record {0}")]
    NoSuchRecord(RecordId),
    /// The id is taken.
    #[error("record {0} exists already")]
    RecordExists(RecordId),
    /// A value does not fit.
    #[error("{field}: {misfit}")]
    Field {
        /// The field's key.
        field: String,
        /// What is wrong.
        misfit: Misfit,
    },
    /// The key of the record is not here: this account may not read its personal data.
    #[error("the key of record {0} is not here")]
    NoKey(RecordId),
    /// The field has one value, or the value chosen is none of them.
    #[error("no such conflict")]
    NoSuchConflict,
    /// Personal data that cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl EditError {
    /// A stable code for apps.
    pub fn code(&self) -> &'static str {
        match self {
            EditError::WrongClass => "wrong_class",
            EditError::NoSuchRecord(_) => "no_such_record",
            EditError::RecordExists(_) => "record_exists",
            EditError::Field { .. } => "field",
            EditError::NoKey(_) => "no_key",
            EditError::NoSuchConflict => "no_such_conflict",
            EditError::Seal(error) => error.code(),
        }
    }
}

impl Edit {
    /// The record that the edit is about.
    pub fn record(&self) -> RecordId {
        match self {
            Edit::LogAssistance(new) => new.id,
            Edit::AmendAssistance { record, .. }
            | Edit::RetractAssistance { record, .. }
            | Edit::SettleConflict { record, .. } => *record,
        }
    }

    /// Which intent it is.
    pub fn kind(&self) -> EditKind {
        match self {
            Edit::LogAssistance(_) => EditKind::Log,
            Edit::AmendAssistance { .. } => EditKind::Amend,
            Edit::RetractAssistance { .. } => EditKind::Retract,
            Edit::SettleConflict { .. } => EditKind::Settle,
        }
    }

    /// Checks the edit against `document` and turns it into the operations that make it. `key` seals personal data.
    ///
    /// # Errors
    /// [`EditError`]: every limit that admission has is met here first.
    pub fn prepare(
        &self,
        document: &Document,
        author: &Author,
        key: Option<&RecordKey>,
    ) -> Result<Write, EditError> {
        if document.id().class() != Class::Ledger {
            return Err(EditError::WrongClass);
        }
        let record = self.record();
        let create = matches!(self, Edit::LogAssistance(_));
        match (create, document.has_record(record)) {
            (true, true) => return Err(EditError::RecordExists(record)),
            (false, false) => return Err(EditError::NoSuchRecord(record)),
            (true, false) | (false, true) => {}
        }
        let mut draft = Draft {
            document,
            key,
            write: Write {
                record,
                create,
                puts: Vec::new(),
                clears: Vec::new(),
            },
        };
        match self {
            Edit::LogAssistance(new) => draft.log(new, author)?,
            Edit::AmendAssistance { fields, .. } => fields.iter().try_for_each(|field| draft.field(field))?,
            Edit::RetractAssistance { reason, .. } => draft.put(ledger::RETRACTED, text(reason.code()))?,
            Edit::SettleConflict { field, value, .. } => draft.settle(field, value)?,
        }
        Ok(draft.write)
    }
}

/// A write in the making.
struct Draft<'a> {
    document: &'a Document,
    key: Option<&'a RecordKey>,
    write: Write,
}

impl Draft<'_> {
    fn log(&mut self, new: &NewAssistance, author: &Author) -> Result<(), EditError> {
        self.field(&AssistanceField::OccurredAt(new.occurred_at_ms))?;
        self.field(&AssistanceField::Category(new.category.clone()))?;
        self.set(ledger::PROCEDURE, new.procedure.as_deref().map(text))?;
        self.field(&AssistanceField::Channel(new.channel.clone()))?;
        self.field(&AssistanceField::Outcome(new.outcome.clone()))?;
        self.field(&AssistanceField::People(new.people))?;
        self.set(ledger::MINUTES, new.minutes.map(|n| int(n.into())))?;
        self.set(ledger::SATISFACTION, new.satisfaction.map(|n| int(n.into())))?;
        self.put(
            ledger::RECORDED_BY,
            ScalarValue::Bytes(author.account.to_bytes().to_vec()),
        )?;
        self.put(
            ledger::DEVICE,
            ScalarValue::Bytes(author.device.to_bytes().to_vec()),
        )?;
        self.put(ledger::RECORDED_AT, int(author.now_ms))?;
        for (field, clear) in &new.personal.0 {
            self.personal(*field, Some(clear))?;
        }
        Ok(())
    }

    fn field(&mut self, field: &AssistanceField) -> Result<(), EditError> {
        let key = field.key();
        match field {
            AssistanceField::OccurredAt(n) => self.put(key, int(*n)),
            AssistanceField::Category(code)
            | AssistanceField::Channel(code)
            | AssistanceField::Outcome(code) => self.put(key, text(code)),
            AssistanceField::Procedure(code) => self.set(key, code.as_deref().map(text)),
            AssistanceField::People(n) => self.put(key, int((*n).into())),
            AssistanceField::Minutes(n) => self.set(key, n.map(|n| int(n.into()))),
            AssistanceField::Satisfaction(n) => self.set(key, n.map(|n| int(n.into()))),
            AssistanceField::Personal(field, clear) => self.personal(*field, clear.as_deref()),
        }
    }

    fn personal(&mut self, field: SealedField, clear: Option<&str>) -> Result<(), EditError> {
        let record = self.write.record;
        let sealed = match clear.map(str::trim).filter(|clear| !clear.is_empty()) {
            None => None,
            Some(clear) => {
                let key = self.key.ok_or(EditError::NoKey(record))?;
                Some(ScalarValue::Bytes(seal(
                    key,
                    &self.document.id(),
                    record,
                    field,
                    clear,
                )?))
            }
        };
        self.set(field.key(), sealed)
    }

    fn settle(&mut self, field: &str, value: &Scalar) -> Result<(), EditError> {
        let conflicts = self.document.conflicts(self.write.record);
        let conflict = conflicts
            .iter()
            .find(|conflict| conflict.field == field)
            .ok_or(EditError::NoSuchConflict)?;
        if !conflict.values.iter().any(|candidate| candidate.value == *value) {
            return Err(EditError::NoSuchConflict);
        }
        self.write
            .puts
            .push((Cow::Owned(field.to_owned()), value.to_automerge()));
        Ok(())
    }

    fn set(&mut self, key: &'static str, value: Option<ScalarValue>) -> Result<(), EditError> {
        match value {
            Some(value) => self.put(key, value),
            // A new record has nothing to clear.
            None if self.write.create => Ok(()),
            None => {
                self.write.clears.push(key);
                Ok(())
            }
        }
    }

    fn put(&mut self, key: &'static str, value: ScalarValue) -> Result<(), EditError> {
        let judged = self.document.schema().judge(key, &value);
        judged.map_err(|misfit| EditError::Field {
            field: key.to_owned(),
            misfit,
        })?;
        self.write.puts.push((Cow::Borrowed(key), value));
        Ok(())
    }
}

impl Scalar {
    pub(crate) fn to_automerge(&self) -> ScalarValue {
        match self {
            Scalar::Text(text) => ScalarValue::Str(text.into()),
            Scalar::Bytes(bytes) => ScalarValue::Bytes(bytes.clone()),
            Scalar::Int(n) => int(*n),
            Scalar::Bool(truth) => ScalarValue::Boolean(*truth),
            Scalar::Null => ScalarValue::Null,
        }
    }
}

/// Text as it is stored: NFC, without blanks around it.
fn text(raw: &str) -> ScalarValue {
    ScalarValue::Str(raw.trim().nfc().collect::<String>().into())
}

fn int(n: i64) -> ScalarValue {
    ScalarValue::Int(n)
}
