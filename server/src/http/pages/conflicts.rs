//! `GET /conflicts`: what two people set without seeing each other, side by side, until a person chooses.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use sync_core::edit::{Edit, EditKind};
use sync_core::ids::{Class, RecordId};
use sync_core::record::Scalar;
use sync_core::seal::SealedField;

use super::super::ApiError;
use super::super::records::{open_conflict_cursor, seal_conflict_cursor};
use super::form::Filled;
use super::frame::{Frame, Visitor};
use super::render;
use super::words::Words;
use crate::app::App;
use crate::catalogue::Names;
use crate::policy::Action;
use crate::realm;
use crate::records::{self, ConflictRow};

/// Conflicts on one page.
const PAGE: usize = 30;

#[derive(Template)]
#[template(path = "conflicts.html")]
struct ConflictsPage {
    frame: Frame,
    conflicts: Vec<Conflict>,
    next: Option<String>,
}

/// One field, and what was said of it.
struct Conflict {
    record: String,
    place: String,
    field: String,
    /// As the form names it.
    key: String,
    values: Vec<Said>,
    /// Whether the reader may choose.
    settles: bool,
}

/// One value, by whom and when.
struct Said {
    value: String,
    /// As the form names it.
    mark: String,
    by: String,
    when: String,
    /// It is what lists show meanwhile.
    shown: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct ConflictsQuery {
    #[serde(default)]
    cursor: String,
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Query(query): Query<ConflictsQuery>,
) -> Result<Response, ApiError> {
    let permit = visitor.records(None)?;
    let after = (!query.cursor.is_empty()).then(|| open_conflict_cursor(&query.cursor));
    let after = after
        .map(|after| after.ok_or_else(|| ApiError::parameter("cursor")))
        .transpose()?;
    let words = visitor.words;
    let (mut rows, labels, names) = app
        .store()
        .read(move |conn| {
            let rows = records::conflicts(conn, &permit, None, after.as_ref(), PAGE + 1)?;
            let said = rows
                .iter()
                .flat_map(|row| row.values.iter().map(|value| value.by));
            let names: BTreeMap<_, _> = said
                .map(|account| Ok((account, realm::display_name(conn, account)?)))
                .collect::<rusqlite::Result<_>>()?;
            Ok::<_, rusqlite::Error>((rows, Names::load(conn, words.locale)?, names))
        })
        .await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let last = rows.last().filter(|_| more);
    let settle = visitor
        .reader
        .permit(Action::Edit(Class::Ledger, EditKind::Settle), None)
        .ok();
    let view = |row: &ConflictRow| Conflict {
        record: row.record.to_string(),
        place: words.place(visitor.tree(), row.unit),
        field: words.code("field", &row.field),
        key: row.field.clone(),
        values: row
            .values
            .iter()
            .enumerate()
            .map(|(at, value)| Said {
                value: value_told(words, &labels, &row.field, &value.value),
                mark: mark(&value.value),
                by: names.get(&value.by).cloned().flatten().unwrap_or_default(),
                when: words.time(value.at_ms),
                shown: at == 0,
            })
            .collect(),
        settles: settle
            .as_ref()
            .is_some_and(|permit| permit.units().contains(&row.unit)),
    };
    let page = ConflictsPage {
        frame: visitor.frame("way-conflicts", "/conflicts"),
        next: last.map(|row| seal_conflict_cursor(row.record, &row.field)),
        conflicts: rows.iter().map(view).collect(),
    };
    render(&page, StatusCode::OK)
}

/// A value as people read it.
pub(super) fn value_told(words: Words, labels: &Names, field: &str, value: &Scalar) -> String {
    if SealedField::from_key(field).is_some() {
        return words.t("value-sealed");
    }
    match (field, value) {
        ("category" | "procedure" | "channel" | "outcome", Scalar::Text(code)) => labels.name(field, code),
        ("occurred_at", Scalar::Int(at_ms)) => words.time(*at_ms),
        (_, Scalar::Text(text)) => text.clone(),
        (_, Scalar::Int(n)) => words.n(*n),
        (_, Scalar::Bool(truth)) => words.t(if *truth { "yes" } else { "no" }),
        (_, Scalar::Bytes(_) | Scalar::Null) => words.t("value-none"),
    }
}

/// A field, and which of its values counts.
#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    field: String,
    value: String,
}

/// `POST /conflicts/{record}`
pub(super) async fn settle(
    State(app): State<Arc<App>>,
    Path(record): Path<RecordId>,
    filled: Filled<Choice>,
) -> Result<Response, ApiError> {
    let (visitor, choice) = (filled.visitor, filled.fields);
    let (permit, field) = (visitor.records(None)?, choice.field.clone());
    let found = app
        .store()
        .read(move |conn| records::conflict(conn, &permit, record, &field))
        .await?;
    // Sent twice, or settled by somebody else meanwhile.
    let Some(values) = found else {
        return Ok(Redirect::to("/conflicts?done=settled").into_response());
    };
    let Some(chosen) = values
        .into_iter()
        .find(|value| mark(&value.value) == choice.value)
    else {
        return Ok(Redirect::to("/conflicts?done=changed").into_response());
    };
    let edit = Edit::SettleConflict {
        record,
        field: choice.field,
        value: chosen.value,
    };
    app.edit(visitor.reader.account, &edit).await?;
    Ok(Redirect::to("/conflicts?done=settled").into_response())
}

/// Tells a value from the others of its field, whatever their order is when the form comes back.
fn mark(value: &Scalar) -> String {
    let bytes = minicbor::to_vec(value).unwrap_or_default();
    BASE64URL_NOPAD.encode(&Sha256::digest(bytes))
}
