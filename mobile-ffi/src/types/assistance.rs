//! Acts of help.

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::HEXLOWER;
use sync_core::edit::{self, Personal};
use sync_core::local_store::{ListPlace, ListQuery};
use sync_core::record;
use sync_core::replica::{self, Beginning, Disagreement, SeenConflict, Shown, ShownPage};
use sync_core::seal::SealedField;

use super::id;
use crate::VaultError;

/// An act of help as it is recorded.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct NewAssistance {
    /// Code of the catalogue.
    pub category: String,
    /// How the help was given (code).
    pub channel: String,
    /// What came of it (code).
    pub outcome: String,
    /// The hamlet in whose name; may be left out by who has one.
    #[uniffi(default = None)]
    pub unit: Option<String>,
    /// When the help was given; now, if it is left out.
    #[uniffi(default = None)]
    pub occurred_at_ms: Option<i64>,
    /// National code of the procedure.
    #[uniffi(default = None)]
    pub procedure: Option<String>,
    /// How many people were helped.
    #[uniffi(default = 1)]
    pub people: u32,
    /// How long it took.
    #[uniffi(default = None)]
    pub minutes: Option<u32>,
    /// 1–5, as the citizen said.
    #[uniffi(default = None)]
    pub satisfaction: Option<u8>,
    /// The citizen's name.
    #[uniffi(default = None)]
    pub citizen_name: Option<String>,
    /// The citizen's phone number.
    #[uniffi(default = None)]
    pub citizen_phone: Option<String>,
    /// The citizen's identity number.
    #[uniffi(default = None)]
    pub citizen_id: Option<String>,
    /// Anything else.
    #[uniffi(default = None)]
    pub note: Option<String>,
}

/// A field to be corrected, and its new value. `None` clears it.
#[derive(Clone, PartialEq, Eq, uniffi::Enum)]
pub enum AssistanceField {
    /// When the help was given.
    OccurredAt {
        /// UTC milliseconds.
        at_ms: i64,
    },
    /// Code of the catalogue.
    Category {
        /// The code.
        code: String,
    },
    /// National code of the procedure.
    Procedure {
        /// The code.
        code: Option<String>,
    },
    /// How the help was given.
    Channel {
        /// The code.
        code: String,
    },
    /// What came of it.
    Outcome {
        /// The code.
        code: String,
    },
    /// How many people were helped.
    People {
        /// At least 1.
        count: u32,
    },
    /// How long it took.
    Minutes {
        /// Minutes.
        count: Option<u32>,
    },
    /// What the citizen said.
    Satisfaction {
        /// 1–5.
        stars: Option<u8>,
    },
    /// The citizen's name.
    CitizenName {
        /// The name.
        text: Option<String>,
    },
    /// The citizen's phone number.
    CitizenPhone {
        /// The number.
        text: Option<String>,
    },
    /// The citizen's identity number.
    CitizenId {
        /// The number.
        text: Option<String>,
    },
    /// Anything else.
    Note {
        /// The note.
        text: Option<String>,
    },
}

/// Why a record is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum RetractReason {
    /// The same help is recorded twice.
    Duplicate,
    /// It was recorded by mistake.
    Mistake,
    /// The citizen asked for it.
    CitizenRequest,
    /// Anything else.
    Other,
}

/// That a record was taken back.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Retraction {
    /// Why.
    pub reason: RetractReason,
    /// Who did it.
    pub by: String,
    /// When.
    pub at_ms: i64,
}

/// Whether the commune has a record as this phone shows it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Delivery {
    /// It is on the server's disk.
    Delivered,
    /// Something about it is on this phone alone, and is sent with the next exchange.
    Waiting,
    /// The server did not merge something about it; it keeps it, and an official decides.
    Refused {
        /// Why.
        code: String,
    },
}

/// An act of help as it stands.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct Assistance {
    /// Its id.
    pub id: String,
    /// The hamlet in whose name.
    pub unit: String,
    /// When the help was given.
    pub occurred_at_ms: i64,
    /// Code of the catalogue.
    pub category: String,
    /// National code of the procedure.
    pub procedure: Option<String>,
    /// How the help was given (code).
    pub channel: String,
    /// What came of it (code).
    pub outcome: String,
    /// How many people were helped.
    pub people: u32,
    /// How long it took.
    pub minutes: Option<u32>,
    /// 1–5.
    pub satisfaction: Option<u8>,
    /// The citizen's name.
    pub citizen_name: Option<String>,
    /// The citizen's phone number.
    pub citizen_phone: Option<String>,
    /// The citizen's identity number.
    pub citizen_id: Option<String>,
    /// Anything else.
    pub note: Option<String>,
    /// Fields that are filled in, but that this account may not read, or that were erased.
    pub sealed: Vec<String>,
    /// Who recorded it.
    pub recorded_by: String,
    /// When it was recorded.
    pub recorded_at_ms: i64,
    /// Whether and why it was taken back.
    pub retraction: Option<Retraction>,
    /// Fields that two people set to different values; each shows one of them until somebody chooses.
    pub conflicts: Vec<String>,
    /// Whether the commune has it.
    pub delivery: Delivery,
}

/// Which records a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct AssistanceFilter {
    /// Of this hamlet alone.
    #[uniffi(default = None)]
    pub unit: Option<String>,
    /// Helped at or after this time.
    #[uniffi(default = None)]
    pub from_ms: Option<i64>,
    /// Helped before this time.
    #[uniffi(default = None)]
    pub until_ms: Option<i64>,
    /// Only those with conflicts, or only those without.
    #[uniffi(default = None)]
    pub in_conflict: Option<bool>,
}

/// Which part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct Page {
    /// At most so many, 50 if it is left out, never more than 1000.
    #[uniffi(default = None)]
    pub limit: Option<u32>,
    /// `AssistancePage.next` of the page before.
    #[uniffi(default = None)]
    pub after: Option<String>,
}

/// One page of a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct AssistancePage {
    /// The records.
    pub items: Vec<Assistance>,
    /// Where the next page starts, if there is one.
    pub next: Option<String>,
}

/// A field that two people set without seeing each other's value. Given back to settle it, it says what was seen.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct Conflict {
    /// The record.
    pub record: String,
    /// The field's name.
    pub field: String,
    /// At least two; the first is the one that lists show meanwhile.
    pub values: Vec<ConflictValue>,
}

/// One of the values.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct ConflictValue {
    /// To be given back to choose it.
    pub id: String,
    /// What it says; nothing, if this account may not read it.
    pub text: Option<String>,
    /// Who set it.
    pub by: String,
    /// When.
    pub at_ms: i64,
}

/// Something that was recorded here and that the server did not merge. It stays on this phone, and the server keeps it.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct SetAside {
    /// The record it is about.
    pub record: String,
    /// In whose name it was recorded.
    pub unit: String,
    /// When.
    pub made_at_ms: i64,
    /// Why it was not merged.
    pub code: String,
    /// What a person gave as the reason to leave it at that; nothing, while nobody has decided.
    pub discarded: Option<String>,
    /// The record as this phone showed it then, where it is an act of help: for who wants to record it anew.
    pub shown: Option<Assistance>,
}

impl From<(replica::SetAside, Option<Shown>)> for SetAside {
    fn from((aside, shown): (replica::SetAside, Option<Shown>)) -> Self {
        Self {
            record: aside.record.to_string(),
            unit: aside.document.unit().to_string(),
            made_at_ms: aside.made_at_ms,
            code: aside.refused.code,
            discarded: aside.refused.verdict,
            shown: shown.map(Into::into),
        }
    }
}

/// What may hold personal data is not printed.
macro_rules! silent {
    ($($name:ident)+) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        })+
    };
}

silent!(NewAssistance AssistanceField Assistance Conflict ConflictValue);

impl NewAssistance {
    /// With what the phone adds.
    pub(crate) fn begun(self, beginning: Beginning) -> edit::NewAssistance {
        let personal = [
            (SealedField::CitizenName, self.citizen_name),
            (SealedField::CitizenPhone, self.citizen_phone),
            (SealedField::CitizenId, self.citizen_id),
            (SealedField::Note, self.note),
        ];
        let personal: BTreeMap<SealedField, String> = personal
            .into_iter()
            .filter_map(|(field, text)| Some((field, text?)))
            .collect();
        edit::NewAssistance {
            id: beginning.id,
            unit: beginning.unit,
            occurred_at_ms: self.occurred_at_ms.unwrap_or(beginning.at_ms),
            category: self.category,
            procedure: self.procedure,
            channel: self.channel,
            outcome: self.outcome,
            people: self.people,
            minutes: self.minutes,
            satisfaction: self.satisfaction,
            personal: Personal(personal),
        }
    }
}

impl From<AssistanceField> for edit::AssistanceField {
    fn from(field: AssistanceField) -> Self {
        match field {
            AssistanceField::OccurredAt { at_ms } => Self::OccurredAt(at_ms),
            AssistanceField::Category { code } => Self::Category(code),
            AssistanceField::Procedure { code } => Self::Procedure(code),
            AssistanceField::Channel { code } => Self::Channel(code),
            AssistanceField::Outcome { code } => Self::Outcome(code),
            AssistanceField::People { count } => Self::People(count),
            AssistanceField::Minutes { count } => Self::Minutes(count),
            AssistanceField::Satisfaction { stars } => Self::Satisfaction(stars),
            AssistanceField::CitizenName { text } => Self::Personal(SealedField::CitizenName, text),
            AssistanceField::CitizenPhone { text } => Self::Personal(SealedField::CitizenPhone, text),
            AssistanceField::CitizenId { text } => Self::Personal(SealedField::CitizenId, text),
            AssistanceField::Note { text } => Self::Personal(SealedField::Note, text),
        }
    }
}

impl From<RetractReason> for record::RetractReason {
    fn from(reason: RetractReason) -> Self {
        match reason {
            RetractReason::Duplicate => Self::Duplicate,
            RetractReason::Mistake => Self::Mistake,
            RetractReason::CitizenRequest => Self::CitizenRequest,
            RetractReason::Other => Self::Other,
        }
    }
}

impl From<record::RetractReason> for RetractReason {
    fn from(reason: record::RetractReason) -> Self {
        match reason {
            record::RetractReason::Duplicate => Self::Duplicate,
            record::RetractReason::Mistake => Self::Mistake,
            record::RetractReason::CitizenRequest => Self::CitizenRequest,
            record::RetractReason::Other => Self::Other,
        }
    }
}

impl From<replica::Delivery> for Delivery {
    fn from(delivery: replica::Delivery) -> Self {
        match delivery {
            replica::Delivery::Delivered => Self::Delivered,
            replica::Delivery::Waiting => Self::Waiting,
            replica::Delivery::Refused { code } => Self::Refused { code },
        }
    }
}

impl From<Shown> for Assistance {
    fn from(shown: Shown) -> Self {
        let sealed = shown.hidden().map(|field| field.key().to_owned()).collect();
        let Shown {
            row,
            mut personal,
            delivery,
        } = shown;
        let mut clear = |field| personal.0.remove(&field);
        Self {
            id: row.id.to_string(),
            unit: row.document.unit().to_string(),
            occurred_at_ms: row.occurred_at_ms,
            category: row.category,
            procedure: row.procedure,
            channel: row.channel,
            outcome: row.outcome,
            people: row.people,
            minutes: row.minutes,
            satisfaction: row.satisfaction,
            citizen_name: clear(SealedField::CitizenName),
            citizen_phone: clear(SealedField::CitizenPhone),
            citizen_id: clear(SealedField::CitizenId),
            note: clear(SealedField::Note),
            sealed,
            recorded_by: row.recorded_by.to_string(),
            recorded_at_ms: row.recorded_at_ms,
            retraction: row.retraction.map(|retraction| Retraction {
                reason: retraction.reason.into(),
                by: retraction.by.to_string(),
                at_ms: retraction.at_ms,
            }),
            conflicts: row.conflicts.into_iter().map(|conflict| conflict.field).collect(),
            delivery: delivery.into(),
        }
    }
}

impl From<ShownPage> for AssistancePage {
    fn from(page: ShownPage) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next: page.next.map(place_text),
        }
    }
}

impl From<Disagreement> for Conflict {
    fn from(disagreement: Disagreement) -> Self {
        Self {
            record: disagreement.record.to_string(),
            field: disagreement.field,
            values: disagreement.values.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<(record::ConflictValue, Option<String>)> for ConflictValue {
    fn from((value, text): (record::ConflictValue, Option<String>)) -> Self {
        Self {
            id: HEXLOWER.encode(&value.change),
            text,
            by: value.by.to_string(),
            at_ms: value.at_ms,
        }
    }
}

impl Conflict {
    /// What somebody saw who was shown this.
    pub(crate) fn seen(&self) -> Result<SeenConflict, VaultError> {
        let changes = self.values.iter().map(|value| change_of(&value.id));
        Ok(SeenConflict {
            record: id(&self.record)?,
            field: self.field.clone(),
            changes: changes.collect::<Result<_, _>>()?,
        })
    }
}

/// Reads [`ConflictValue::id`].
pub(crate) fn change_of(value: &str) -> Result<[u8; 32], VaultError> {
    let bytes = HEXLOWER
        .decode(value.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| VaultError::not_allowed("id_invalid"))
}

/// The query for a page.
pub(crate) fn query(filter: &AssistanceFilter, page: &Page) -> Result<ListQuery, VaultError> {
    Ok(ListQuery {
        unit: filter.unit.as_deref().map(id).transpose()?,
        from_ms: filter.from_ms,
        until_ms: filter.until_ms,
        in_conflict: filter.in_conflict,
        after: page.after.as_deref().map(place).transpose()?,
        limit: page.limit.map(|limit| limit as usize),
        ..ListQuery::default()
    })
}

/// What [`AssistancePage::next`] says: `time.id`.
fn place_text(place: ListPlace) -> String {
    format!("{}.{}", place.at_ms, place.record)
}

fn place(text: &str) -> Result<ListPlace, VaultError> {
    let read = || {
        let (at_ms, record) = text.split_once('.')?;
        Some(ListPlace {
            at_ms: at_ms.parse().ok()?,
            record: record.parse().ok()?,
        })
    };
    read().ok_or_else(|| VaultError::not_allowed("page_invalid"))
}
