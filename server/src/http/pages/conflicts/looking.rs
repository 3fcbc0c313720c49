//! What conflicts say, in words: the names of codes and people, and citizens' data for who may read it and asked for it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use rusqlite::Connection;
use sync_core::document::ledger::{MINUTES_MAX, PEOPLE_MAX};
use sync_core::edit::{EditKind, Otherwise};
use sync_core::ids::{AccountId, Class, DocumentId, RecordId, UnitId};
use sync_core::record::{ConflictValue, RetractReason, Scalar};
use sync_core::seal::{MasterKey, SealedField};

use super::super::super::conflicts::seen;
use super::super::frame::Visitor;
use super::super::input::{Input, Pick};
use super::super::words::Words;
use super::{Conflict, Said, Settled};
use crate::app::App;
use crate::catalogue::Names;
use crate::conflicts::{ConflictRow, SettledRow};
use crate::history::{Teller, Told};
use crate::i18n::Locale;
use crate::policy::{Action, Permit, Read, Write};
use crate::realm;
use crate::seen::mark;

/// Longest line and text that forms take of a citizen; the schema bounds the bytes.
const LINE_CHARS: usize = 200;
const TEXT_CHARS: usize = 1000;
/// Longest code.
const CODE_CHARS: usize = 64;
/// Up to this number a browser tells each from the next.
const NUMBER_MAX: i64 = (1 << 53) - 1;

/// What is looked up for one conflict.
pub(super) struct Looked<'a> {
    document: DocumentId,
    record: RecordId,
    field: &'a str,
    values: &'a [ConflictValue],
    by: Option<AccountId>,
}

impl<'a> From<&'a ConflictRow> for Looked<'a> {
    fn from(row: &'a ConflictRow) -> Self {
        Self {
            document: row.document,
            record: row.record,
            field: &row.field,
            values: &row.values,
            by: None,
        }
    }
}

impl<'a> From<&'a SettledRow> for Looked<'a> {
    fn from(row: &'a SettledRow) -> Self {
        Self {
            document: row.document,
            record: row.record,
            field: &row.field,
            values: &row.values,
            by: Some(row.by),
        }
    }
}

/// Looks up what conflicts say.
pub(super) struct Looking<'a> {
    conn: &'a Connection,
    permit: &'a Permit<Read>,
    master: &'a MasterKey,
    locale: Locale,
    personal: bool,
}

/// What was looked up.
pub(super) struct Found {
    pub(super) labels: Names,
    names: BTreeMap<AccountId, String>,
    /// Of records whose citizens' data is shown.
    tellers: BTreeMap<RecordId, Teller>,
    permit: Permit<Read>,
}

impl<'a> Looking<'a> {
    pub(super) fn new(
        conn: &'a Connection,
        permit: &'a Permit<Read>,
        app: &'a App,
        locale: Locale,
        personal: bool,
    ) -> Self {
        Self {
            conn,
            permit,
            master: &app.exchange.ingest.master,
            locale,
            personal,
        }
    }

    pub(super) fn look(&self, rows: impl Iterator<Item = Looked<'a>>) -> rusqlite::Result<Found> {
        let mut found = Found {
            labels: Names::load(self.conn, self.locale)?,
            names: BTreeMap::new(),
            tellers: BTreeMap::new(),
            permit: self.permit.clone(),
        };
        for row in rows {
            for by in row.values.iter().map(|value| value.by).chain(row.by) {
                if let Entry::Vacant(unnamed) = found.names.entry(by) {
                    unnamed.insert(realm::display_name(self.conn, by)?.unwrap_or_default());
                }
            }
            if self.personal && SealedField::from_key(row.field).is_some() {
                let teller = Teller::of(self.conn, self.permit, self.master, (row.document, row.record))?;
                found.tellers.insert(row.record, teller);
            }
        }
        Ok(found)
    }
}

impl Found {
    /// What a value says; citizens' data where it was asked for and may be read.
    pub(super) fn tell(&self, record: RecordId, field: &str, value: Option<&Scalar>) -> Told {
        match (self.tellers.get(&record), value) {
            (_, None) => Told::Emptied,
            (Some(teller), Some(value)) => teller.tell(field, Some(value.clone())),
            (None, Some(_)) if SealedField::from_key(field).is_some() => Told::Sealed,
            (None, Some(value)) => Told::Clear(value.clone()),
        }
    }

    /// Whether the citizens' data of a unit may be read.
    fn is_personal(&self, unit: UnitId) -> bool {
        self.permit.units().contains(&unit) && self.permit.within(unit).personal()
    }
}

/// Says it to somebody.
pub(super) struct Viewing<'a> {
    visitor: &'a Visitor,
    found: &'a Found,
    settle: Option<Permit<Write>>,
}

impl<'a> Viewing<'a> {
    pub(super) fn new(visitor: &'a Visitor, found: &'a Found) -> Self {
        let settle = visitor.write(Action::Edit(Class::Ledger, EditKind::Settle)).ok();
        Self {
            visitor,
            found,
            settle,
        }
    }

    /// An open conflict, and what somebody entered before.
    pub(super) fn open(&self, row: &ConflictRow, typed: String) -> Conflict {
        let words = self.visitor.words;
        let told = |value: &ConflictValue| self.found.tell(row.record, &row.field, Some(&value.value));
        let sealed = row.values.iter().any(|value| told(value) == Told::Sealed);
        let settle = self.settle.as_ref();
        // Nobody chooses between values without seeing them.
        let settles = settle.is_some_and(|permit| permit.units().contains(&row.unit)) && !sealed;
        let other = settles.then(|| input(words, &self.found.labels, row, &typed));
        Conflict {
            record: row.record.to_string(),
            place: words.place(self.visitor.tree(), row.unit),
            field: words.field(&row.field),
            key: row.field.clone(),
            seen: seen(&row.values),
            values: self.values(row.record, &row.field, &row.values),
            settles,
            can_be_empty: settles && Otherwise::emptied(&row.field).is_some(),
            other: other.flatten(),
            typed,
            can_ask: sealed
                && self.found.is_personal(row.unit)
                && !self.found.tellers.contains_key(&row.record),
        }
    }

    /// A conflict that was settled.
    pub(super) fn settled(&self, row: &SettledRow) -> Settled {
        let words = self.visitor.words;
        let chosen = self.found.tell(row.record, &row.field, row.chosen.as_ref());
        Settled {
            record: row.record.to_string(),
            place: words.place(self.visitor.tree(), row.unit),
            field: words.field(&row.field),
            chosen: said(words, &self.found.labels, &row.field, &chosen),
            by: self.name(row.by),
            when: words.time(row.at_ms),
            values: self.values(row.record, &row.field, &row.values),
        }
    }

    fn name(&self, by: AccountId) -> String {
        self.found.names.get(&by).cloned().unwrap_or_default()
    }

    fn values(&self, record: RecordId, field: &str, values: &[ConflictValue]) -> Vec<Said> {
        let words = self.visitor.words;
        let views = values.iter().enumerate().map(|(at, value)| {
            let told = self.found.tell(record, field, Some(&value.value));
            Said {
                value: said(words, &self.found.labels, field, &told),
                mark: mark([&value.value]),
                by: self.name(value.by),
                when: words.time(value.at_ms),
                shown: at == 0,
            }
        });
        views.collect()
    }
}

/// What a field was set to, as people read it.
fn said(words: Words, labels: &Names, field: &str, told: &Told) -> String {
    match told {
        Told::Emptied => words.t("value-none"),
        Told::Clear(value) => value_told(words, labels, field, value),
        Told::Opened(text) => text.clone(),
        Told::Sealed => words.t("value-sealed"),
    }
}

/// A value that is not sealed, as people read it.
pub(in super::super) fn value_told(words: Words, labels: &Names, field: &str, value: &Scalar) -> String {
    match (field, value) {
        ("category" | "procedure" | "channel" | "outcome", Scalar::Text(code)) => labels.name(field, code),
        ("retracted", Scalar::Text(code)) => words.code(field, code),
        ("occurred_at", Scalar::Int(at_ms)) => words.time(*at_ms),
        ("satisfaction", Scalar::Int(stars)) => words.count("stars", *stars),
        (_, Scalar::Text(text)) => text.clone(),
        (_, Scalar::Int(n)) => words.n(*n),
        (_, Scalar::Bool(truth)) => words.t(if *truth { "yes" } else { "no" }),
        (_, Scalar::Bytes(_) | Scalar::Null) => words.t("value-none"),
    }
}

/// How another value of a field is entered; `None` where one cannot.
fn input(words: Words, labels: &Names, row: &ConflictRow, typed: &str) -> Option<Input> {
    let field = row.field.as_str();
    let choice = |options: Vec<(String, String)>| {
        let picks = options.into_iter().map(|(value, label)| Pick {
            chosen: value == typed,
            value,
            label,
        });
        Input::Choice(picks.collect())
    };
    Some(match field {
        "category" | "procedure" | "channel" | "outcome" => match labels.all(field) {
            known if known.is_empty() => Input::Line(CODE_CHARS),
            known => choice(known),
        },
        "satisfaction" => choice(
            (1..=5)
                .map(|n: i64| (n.to_string(), words.count("stars", n)))
                .collect(),
        ),
        "people" => Input::Number(1, PEOPLE_MAX),
        "minutes" => Input::Number(0, MINUTES_MAX),
        "occurred_at" => Input::Time,
        "retracted" => choice(
            RetractReason::ALL
                .map(|reason| (reason.code().to_owned(), words.code(field, reason.code())))
                .into(),
        ),
        _ => match SealedField::from_key(field) {
            Some(SealedField::Note) => Input::Text(TEXT_CHARS),
            Some(SealedField::CitizenName | SealedField::CitizenPhone | SealedField::CitizenId) => {
                Input::Line(LINE_CHARS)
            }
            // A newer version wrote it: only what is of the same kind can be right.
            None => match Otherwise::example(&row.values)? {
                Scalar::Text(_) => Input::Line(LINE_CHARS),
                Scalar::Int(_) => Input::Number(-NUMBER_MAX, NUMBER_MAX),
                Scalar::Bool(_) => choice(vec![
                    (true.to_string(), words.t("yes")),
                    (false.to_string(), words.t("no")),
                ]),
                Scalar::Bytes(_) | Scalar::Null => return None,
            },
        },
    })
}
