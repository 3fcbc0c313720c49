//! `POST /conflicts/{record}`: which value counts. Sent twice it is done once; where the values are no longer those that
//! were shown, nothing is done, and what was chosen or typed is shown again beside what they are now.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use sync_core::edit::{EditKind, Otherwise};
use sync_core::ids::{Class, RecordId};
use sync_core::record::Scalar;
use unicode_normalization::UnicodeNormalization;

use super::super::super::conflicts::seen;
use super::super::super::{ApiError, Code};
use super::super::form::{Filled, beside};
use super::super::frame::Visitor;
use super::super::input::instant;
use super::super::render;
use super::super::words::Words;
use super::looking::{Found, Looked, Looking, Viewing, value_told};
use super::{ConflictsPage, ConflictsQuery, Refused};
use crate::app::App;
use crate::conflicts::{self, Choice, ConflictRow, SettledRow};
use crate::history::Told;
use crate::policy::Action;
use crate::records;
use crate::seen::mark;

/// A field, and which of its values counts, or which other one.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Choosing {
    field: String,
    /// Marks the values that were shown.
    #[serde(default)]
    seen: String,
    /// Marks the one that was chosen.
    #[serde(default)]
    value: String,
    /// What was typed in place of all.
    #[serde(default)]
    other: String,
    /// Anything, if the field is to be empty.
    #[serde(default)]
    empty: String,
}

/// How the field stands.
struct Standing {
    open: Option<ConflictRow>,
    /// How its last conflict was settled.
    settled: Option<SettledRow>,
    found: Found,
}

pub(in super::super) async fn settle(
    State(app): State<Arc<App>>,
    Path(record): Path<RecordId>,
    filled: Filled<Choosing>,
) -> Result<Response, ApiError> {
    let (visitor, choosing) = (filled.visitor, filled.fields);
    let standing = look(&app, &visitor, record, &choosing.field).await?;
    if standing
        .settled
        .as_ref()
        .is_some_and(|settled| choosing.made(&visitor, settled, &standing))
    {
        return Ok(Redirect::to("/conflicts?done=settled").into_response());
    }
    let choice = standing
        .open
        .as_ref()
        .map(|open| choosing.choice(open, &standing.found));
    let Some(choice) = choice else {
        let over = standing.over(&visitor);
        return refused(
            &visitor,
            record,
            &choosing,
            &standing,
            (StatusCode::CONFLICT, over),
        );
    };
    let (about, account) = ((record, choosing.field.clone()), visitor.reader.account);
    let permit = visitor.records(None)?;
    let settled = match choice {
        Ok(choice) => {
            let settling = app.settle(account, &permit, about, choice, Some(&choosing.seen));
            settling.await.map_err(ApiError::from)
        }
        Err(error) => Err(error),
    };
    let Err(error) = settled else {
        return Ok(Redirect::to("/conflicts?done=settled").into_response());
    };
    let status = error.status();
    let told = beside(visitor.words, error)?;
    // Somebody may have said something else while this was on its way.
    let now = look(&app, &visitor, record, &choosing.field).await?;
    refused(&visitor, record, &choosing, &now, (status, told))
}

/// How a field stands, for who settles conflicts where its record is.
async fn look(
    app: &Arc<App>,
    visitor: &Visitor,
    record: RecordId,
    field: &str,
) -> Result<Standing, ApiError> {
    let permit = visitor.records(None)?;
    let settle = visitor.write(Action::Edit(Class::Ledger, EditKind::Settle))?;
    let (worker, locale, field) = (Arc::clone(app), visitor.words.locale, field.to_owned());
    let found = app.store().read(move |conn| {
        let unit = records::unit_of(conn, &permit, record)?;
        if !unit.is_some_and(|unit| settle.units().contains(&unit)) {
            return Ok(None);
        }
        let open = conflicts::find(conn, &permit, record, &field)?;
        let settled = conflicts::last_settled(conn, &permit, record, &field)?;
        let rows = open
            .iter()
            .map(Looked::from)
            .chain(settled.iter().map(Looked::from));
        let found = Looking::new(conn, &permit, &worker, locale, true).look(rows)?;
        Ok::<_, rusqlite::Error>(Some(Standing { open, settled, found }))
    });
    found.await?.ok_or_else(ApiError::not_found)
}

/// The page again, with what the form said.
fn refused(
    visitor: &Visitor,
    record: RecordId,
    choosing: &Choosing,
    standing: &Standing,
    (status, told): (StatusCode, String),
) -> Result<Response, ApiError> {
    let viewing = Viewing::new(visitor, &standing.found);
    let open = standing.open.iter();
    let conflicts = open.map(|row| viewing.open(row, choosing.other.clone()));
    let page = ConflictsPage {
        problem: Some(Refused {
            why: told,
            meant: choosing.meant(visitor.words, &standing.found),
            record: record.to_string(),
        }),
        conflicts: conflicts.collect(),
        ..ConflictsPage::empty(visitor, ConflictsQuery::default())?
    };
    render(&page, status)
}

impl Standing {
    /// Why there is nothing to settle.
    fn over(&self, visitor: &Visitor) -> String {
        let Some(settled) = &self.settled else {
            return visitor.words.t("conflict-gone");
        };
        let viewing = Viewing::new(visitor, &self.found);
        let settled = viewing.settled(settled);
        let parts = [
            ("by", settled.by.as_str()),
            ("when", settled.when.as_str()),
            ("value", settled.chosen.as_str()),
        ];
        visitor.words.say("conflict-over", &parts)
    }
}

impl Choosing {
    /// What was meant in place of all values, in the reader's words.
    fn meant(&self, words: Words, found: &Found) -> String {
        if !self.empty.is_empty() {
            return words.t("value-none");
        }
        let typed = Scalar::Text(self.other.clone());
        value_told(words, &found.labels, &self.field, &typed)
    }

    /// What was typed, as it is stored: a time in UTC milliseconds, anything else clean.
    fn words(&self) -> String {
        if self.field == "occurred_at" {
            return instant(&self.other)
                .map(|at_ms| at_ms.to_string())
                .unwrap_or_default();
        }
        self.other.replace("\r\n", "\n").trim().nfc().collect()
    }

    /// What is to count.
    ///
    /// # Errors
    /// The values are others by now, or what was typed is none.
    fn choice(&self, open: &ConflictRow, found: &Found) -> Result<Choice, ApiError> {
        let invalid = || ApiError::new(Code::FieldInvalid).about(&self.field);
        if seen(&open.values) != self.seen {
            return Err(ApiError::new(Code::ChangedMeanwhile).about(&self.field));
        }
        if !self.empty.is_empty() {
            return Otherwise::emptied(&self.field)
                .map(Choice::Other)
                .ok_or_else(invalid);
        }
        if self.value.is_empty() {
            let words = self.words();
            let known = found.labels.all(&self.field);
            // A word of the catalogue, where there is one.
            if !known.is_empty() && !known.iter().any(|(code, _)| *code == words) {
                return Err(invalid());
            }
            return Otherwise::from_words(&self.field, &words, &open.values)
                .map(Choice::Other)
                .ok_or_else(invalid);
        }
        let mut values = open.values.iter().map(|value| &value.value);
        let chosen = values.find(|value| mark([*value]) == self.value);
        chosen.cloned().map(Choice::One).ok_or_else(invalid)
    }

    /// Whether this very form did that before.
    fn made(&self, visitor: &Visitor, settled: &SettledRow, standing: &Standing) -> bool {
        if settled.by != visitor.reader.account || seen(&settled.values) != self.seen {
            return false;
        }
        let Some(chosen) = &settled.chosen else {
            return !self.empty.is_empty();
        };
        if !self.empty.is_empty() {
            return false;
        }
        if !self.value.is_empty() {
            return mark([chosen]) == self.value;
        }
        match standing.found.tell(settled.record, &settled.field, Some(chosen)) {
            Told::Clear(Scalar::Text(text)) | Told::Opened(text) => text == self.words(),
            Told::Clear(Scalar::Int(n)) => n.to_string() == self.words(),
            Told::Clear(Scalar::Bool(truth)) => truth.to_string() == self.words(),
            Told::Clear(Scalar::Bytes(_) | Scalar::Null) | Told::Emptied | Told::Sealed => false,
        }
    }
}
