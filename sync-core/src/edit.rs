//! Edits: everything that a person can mean to do to a document, and the limits it is held to before it is saved.
//!
//! One edit becomes one change. [`Edit::prepare`] turns an intent into the plain [`Write`] that makes it, or says why
//! it may not be; admission recognises the same intents in changes from outside ([`EditKind`]) and asks the policy
//! about them, not only about the document. Both go by the table of the document's class
//! ([`crate::document::schema`]): which fields there are, who may set them, whether the record is signed.

mod acknowledgement;
mod assistance;
mod directive;
mod otherwise;
mod publication;
mod remark;

use std::borrow::Cow;

use automerge::ScalarValue;
use automerge::transaction::CommitOptions;
use unicode_normalization::UnicodeNormalization;

use crate::document::schema::{Misfit, Rule};
use crate::document::{Document, drafts, ledger};
use crate::ids::{AccountId, ActorId, Class, DeviceId, RecordId, UnitId};
use crate::record::{Conflict, Fields, RetractReason, Scalar};
use crate::seal::{RecordKey, SealError, SealedField, seal};
use crate::signature::{DeviceKey, RecordStatement};
pub use acknowledgement::NewAcknowledgement;
pub use assistance::{AssistanceField, NewAssistance, Personal};
pub use directive::{DraftField, NewDirective, NewDraft};
pub use otherwise::Otherwise;
pub use publication::Publication;
pub use remark::NewRemark;

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
    /// The device's clock as it stands.
    pub device_now_ms: i64,
    /// What the device signs records with, where their class asks for it.
    pub key: DeviceKey,
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
    /// Begin a directive.
    StartDraft(Box<NewDraft>),
    /// Go on writing.
    ReviseDraft {
        /// Which draft.
        record: RecordId,
        /// The fields, with their new values.
        fields: Vec<DraftField>,
    },
    /// Give a draft up. It stays readable.
    DiscardDraft {
        /// Which draft.
        record: RecordId,
    },
    /// Put a directive on the board. It never changes afterwards.
    IssueDirective(Box<NewDirective>),
    /// Say how far a directive has come.
    Acknowledge(Box<NewAcknowledgement>),
    /// Say something to a record, or answer.
    Remark(Box<NewRemark>),
    /// Say what a table of the server says.
    Publish(Box<Publication>),
    /// Choose one of several current values.
    SettleConflict {
        /// Which record.
        record: RecordId,
        /// The field's key in the document.
        field: String,
        /// The value, one of those in conflict.
        value: Scalar,
    },
    /// Say what is right where it is none of several current values.
    SettleOtherwise {
        /// Which record.
        record: RecordId,
        /// The field in conflict, with what it is to say.
        field: Otherwise,
    },
}

/// Which intent an edit is, or a change from outside turned out to be. The policy decides on these, class by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EditKind {
    /// A new record.
    Create,
    /// A new record that answers another one.
    Reply,
    /// New values of fields.
    Amend,
    /// A record taken back.
    Retract,
    /// Several current values replaced by one: one of them, or another.
    Settle,
}

/// Where an edit goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into a unit's document of this class for the day, as a new record.
    New {
        /// Whose document.
        unit: UnitId,
        /// Which of them.
        class: Class,
    },
    /// To where the record is.
    Existing,
}

/// The plain operations of one edit.
#[derive(Clone, Debug)]
pub struct Write {
    pub(crate) record: RecordId,
    pub(crate) create: bool,
    pub(crate) puts: Vec<(Cow<'static, str>, Scalar)>,
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
    /// The fields do not make a record together.
    #[error("{0}")]
    Record(Misfit),
    /// A draft cannot be issued: this field is missing, in conflict, or names what cannot be meant.
    #[error("the draft is not ready: {0}")]
    NotReady(String),
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
            EditError::Field {
                misfit: Misfit::Secret,
                ..
            } => "secret_class",
            EditError::Field { .. } => "field",
            EditError::Record(misfit) => misfit.code(),
            EditError::NotReady(_) => "not_ready",
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
            Edit::StartDraft(new) => new.id,
            Edit::IssueDirective(new) => new.id,
            Edit::Acknowledge(new) => new.id,
            Edit::Remark(new) => new.id,
            Edit::Publish(new) => new.id,
            Edit::AmendAssistance { record, .. }
            | Edit::RetractAssistance { record, .. }
            | Edit::ReviseDraft { record, .. }
            | Edit::DiscardDraft { record }
            | Edit::SettleConflict { record, .. }
            | Edit::SettleOtherwise { record, .. } => *record,
        }
    }

    /// Where it goes.
    pub fn place(&self) -> Place {
        let new = |unit, class| Place::New { unit, class };
        match self {
            Edit::LogAssistance(edit) => new(edit.unit, Class::Ledger),
            Edit::StartDraft(edit) => new(edit.unit, Class::Drafts),
            Edit::IssueDirective(edit) => new(edit.unit, Class::Board),
            Edit::Acknowledge(edit) => new(edit.unit, Class::Acks),
            Edit::Remark(edit) => new(edit.unit, Class::Remarks),
            Edit::Publish(edit) => new(edit.unit, edit.class),
            Edit::AmendAssistance { .. }
            | Edit::RetractAssistance { .. }
            | Edit::ReviseDraft { .. }
            | Edit::DiscardDraft { .. }
            | Edit::SettleConflict { .. }
            | Edit::SettleOtherwise { .. } => Place::Existing,
        }
    }

    /// Which intent it is.
    pub fn kind(&self) -> EditKind {
        match self {
            Edit::Remark(new) if new.answers.is_some() => EditKind::Reply,
            Edit::LogAssistance(_)
            | Edit::StartDraft(_)
            | Edit::IssueDirective(_)
            | Edit::Acknowledge(_)
            | Edit::Remark(_)
            | Edit::Publish(_) => EditKind::Create,
            Edit::AmendAssistance { .. } | Edit::ReviseDraft { .. } => EditKind::Amend,
            Edit::RetractAssistance { .. } | Edit::DiscardDraft { .. } => EditKind::Retract,
            Edit::SettleConflict { .. } | Edit::SettleOtherwise { .. } => EditKind::Settle,
        }
    }

    /// The class of documents it belongs in; choosing a value belongs in any.
    fn class(&self) -> Option<Class> {
        match self {
            Edit::LogAssistance(_)
            | Edit::AmendAssistance { .. }
            | Edit::RetractAssistance { .. }
            | Edit::SettleOtherwise { .. } => Some(Class::Ledger),
            Edit::StartDraft(_) | Edit::ReviseDraft { .. } | Edit::DiscardDraft { .. } => Some(Class::Drafts),
            Edit::IssueDirective(_) => Some(Class::Board),
            Edit::Acknowledge(_) => Some(Class::Acks),
            Edit::Remark(_) => Some(Class::Remarks),
            Edit::Publish(new) => Some(new.class),
            Edit::SettleConflict { .. } => None,
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
        if self.class().is_some_and(|class| class != document.id().class()) {
            return Err(EditError::WrongClass);
        }
        let record = self.record();
        let create = self.place() != Place::Existing;
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
            Edit::LogAssistance(new) => new.write(&mut draft, author)?,
            Edit::AmendAssistance { fields, .. } => {
                fields.iter().try_for_each(|field| field.write(&mut draft))?;
            }
            Edit::RetractAssistance { reason, .. } => draft.put(ledger::RETRACTED, text(reason.code()))?,
            Edit::StartDraft(new) => new.write(&mut draft, author)?,
            Edit::ReviseDraft { fields, .. } => {
                fields.iter().try_for_each(|field| field.write(&mut draft))?;
            }
            Edit::DiscardDraft { .. } => draft.put(drafts::DISCARDED, text(drafts::DISCARDED))?,
            Edit::IssueDirective(new) => new.write(&mut draft, author)?,
            Edit::Acknowledge(new) => new.write(&mut draft, author)?,
            Edit::Remark(new) => new.write(&mut draft, author)?,
            Edit::Publish(new) => new.write(&mut draft)?,
            Edit::SettleConflict { field, value, .. } => draft.settle(field, value)?,
            Edit::SettleOtherwise { field, .. } => {
                draft.conflict(field.key())?;
                field.write(&mut draft)?;
            }
        }
        if create {
            draft.finish(author)?;
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

impl Write {
    /// Of two things said about one field in one edit the last counts.
    fn forget(&mut self, key: &str) {
        self.puts.retain(|(put, _)| put != key);
        self.clears.retain(|clear| *clear != key);
    }
}

impl Draft<'_> {
    /// What the table of the class asks of every new record: its author, that it is whole, its signature.
    fn finish(&mut self, author: &Author) -> Result<(), EditError> {
        let schema = self.document.schema();
        for field in schema.fields {
            match field.rule {
                Rule::Author => self.put(field.key, Scalar::Bytes(author.account.to_bytes().to_vec()))?,
                Rule::Device => self.put(field.key, Scalar::Bytes(author.device.to_bytes().to_vec()))?,
                Rule::Fixed | Rule::Initial | Rule::Required | Rule::Optional | Rule::Later => {}
            }
        }
        let mut fields: Fields = self
            .write
            .puts
            .iter()
            .cloned()
            .map(|(key, value)| (key.into_owned(), value))
            .collect();
        if let Some(key) = schema.signature() {
            let statement = RecordStatement {
                document: self.document.id(),
                record: self.write.record,
                fields: &fields,
            };
            let signature = Scalar::Bytes(statement.sign(&author.key).0.to_vec());
            self.put(key, signature.clone())?;
            fields.insert(key.to_owned(), signature);
        }
        schema.judge_new(&fields).map(drop).map_err(EditError::Record)
    }

    fn conflict(&self, field: &str) -> Result<Conflict, EditError> {
        let mut conflicts = self.document.conflicts(self.write.record).into_iter();
        let found = conflicts.find(|conflict| conflict.field == field);
        found.ok_or(EditError::NoSuchConflict)
    }

    fn settle(&mut self, field: &str, value: &Scalar) -> Result<(), EditError> {
        let conflict = self.conflict(field)?;
        if !conflict.values.iter().any(|candidate| candidate.value == *value) {
            return Err(EditError::NoSuchConflict);
        }
        self.write
            .puts
            .push((Cow::Owned(field.to_owned()), value.clone()));
        Ok(())
    }

    fn seal(&mut self, field: SealedField, clear: Option<&str>) -> Result<(), EditError> {
        let record = self.write.record;
        let sealed = match clear.map(str::trim).filter(|clear| !clear.is_empty()) {
            None => None,
            Some(clear) => {
                let key = self.key.ok_or(EditError::NoKey(record))?;
                let sealed = seal(key, &self.document.id(), record, field, clear)?;
                Some(Scalar::Bytes(sealed))
            }
        };
        self.set(field.key(), sealed)
    }

    fn set(&mut self, key: &'static str, value: Option<Scalar>) -> Result<(), EditError> {
        match value {
            Some(value) => self.put(key, value),
            // A new record has nothing to clear.
            None if self.write.create => Ok(()),
            None => {
                self.write.forget(key);
                self.write.clears.push(key);
                Ok(())
            }
        }
    }

    fn put(&mut self, key: &'static str, value: Scalar) -> Result<(), EditError> {
        let judged = self.document.schema().judge(key, &value.to_automerge());
        judged.map_err(|misfit| EditError::Field {
            field: key.to_owned(),
            misfit,
        })?;
        self.write.forget(key);
        self.write.puts.push((Cow::Borrowed(key), value));
        Ok(())
    }
}

impl Scalar {
    fn id(record: RecordId) -> Self {
        Scalar::Bytes(record.to_bytes().to_vec())
    }

    pub(crate) fn to_automerge(&self) -> ScalarValue {
        match self {
            Scalar::Text(text) => ScalarValue::Str(text.into()),
            Scalar::Bytes(bytes) => ScalarValue::Bytes(bytes.clone()),
            Scalar::Int(n) => ScalarValue::Int(*n),
            Scalar::Bool(truth) => ScalarValue::Boolean(*truth),
            Scalar::Null => ScalarValue::Null,
        }
    }
}

/// Text as it is stored: NFC, without blanks around it, lines ended by one character.
fn text(raw: &str) -> Scalar {
    Scalar::Text(raw.replace("\r\n", "\n").trim().nfc().collect())
}

fn int(n: i64) -> Scalar {
    Scalar::Int(n)
}
