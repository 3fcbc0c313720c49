//! `GET /remarks`: what officials say to records, and what the teams answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use sync_core::edit::{Edit, EditError, EditKind, NewRemark};
use sync_core::ids::{Class, RecordId};
use sync_core::record::RemarkKind;
use sync_core::seal::{SealedField, normalise};

use super::super::ApiError;
use super::super::paging::{self, seal};
use super::form::{Filled, beside};
use super::frame::{Frame, Visitor};
use super::{record, render};
use crate::app::App;
use crate::policy::Action;
use crate::realm;
use crate::records;
use crate::remarks::{self, Filter, RemarkRow};
use crate::replica::ServerEditError;

/// Remarks on one page.
const PAGE: usize = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    all: bool,
    /// Of this record alone.
    record: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "remarks.html")]
struct RemarksPage {
    frame: Frame,
    remarks: Vec<Remark>,
    all: bool,
    /// Whether the reader may say something to records.
    says: bool,
    /// Those of one record alone.
    record: Option<RecordId>,
    next: Option<String>,
}

/// One remark or answer.
pub(super) struct Remark {
    pub(super) id: String,
    pub(super) record: String,
    pub(super) place: String,
    pub(super) kind: String,
    pub(super) who: String,
    pub(super) when: String,
    /// Nothing where they are sealed for the reader.
    pub(super) words: Option<String>,
    pub(super) sealed: bool,
    pub(super) open: bool,
    /// What is being answered to it.
    pub(super) answer: Saying,
}

/// What is being said: the fields of a form.
#[derive(Clone, Debug, Default)]
pub(super) struct Saying {
    /// The id that it will have.
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) words: String,
    /// Why it was not said.
    pub(super) problem: Option<String>,
}

impl Saying {
    /// Nothing yet.
    pub(super) fn nothing(app: &App) -> Self {
        Self {
            id: app.fresh_record().to_string(),
            ..Self::default()
        }
    }
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let record = (!query.record.is_empty()).then(|| query.record.parse());
    let record = record.transpose().map_err(|_| ApiError::parameter("record"))?;
    let filter = Filter {
        open: !query.all,
        record,
        after: paging::after(Some(&query.cursor))?,
        ..Filter::default()
    };
    let (mut rows, remarks) = found(&app, &visitor, filter, PAGE + 1).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let last = rows.last().filter(|_| more);
    let page = RemarksPage {
        frame: visitor.frame("way-remarks", "/remarks"),
        next: last.map(|row| seal(&(row.at_ms, row.id))),
        remarks: remarks.into_iter().take(PAGE).collect(),
        all: query.all,
        says: may_say(&visitor),
        record,
    };
    render(&page, StatusCode::OK)
}

/// Remarks as they are shown.
pub(super) async fn found(
    app: &Arc<App>,
    visitor: &Visitor,
    filter: Filter,
    limit: usize,
) -> Result<(Vec<RemarkRow>, Vec<Remark>), ApiError> {
    let permit = visitor.reader.permit(Action::Hold(Class::Remarks), None)?;
    let worker = Arc::clone(app);
    let (rows, said, names) = app
        .store()
        .read(move |conn| {
            let rows = remarks::list(conn, &permit, &filter, limit)?;
            let said = remarks::words(conn, &permit, &worker.exchange.ingest.master, &rows)?;
            let names = rows
                .iter()
                .map(|row| Ok((row.by, realm::display_name(conn, row.by)?)));
            let names = names.collect::<rusqlite::Result<BTreeMap<_, _>>>()?;
            Ok::<_, rusqlite::Error>((rows, said, names))
        })
        .await?;
    let words = visitor.words;
    let shown = rows.iter().zip(said).map(|(row, said)| Remark {
        id: row.id.to_string(),
        record: row.record.to_string(),
        place: words.place(visitor.tree(), row.unit),
        kind: words.code("remark", &row.kind),
        who: names.get(&row.by).cloned().flatten().unwrap_or_default(),
        when: words.time(row.at_ms),
        sealed: row.sealed.is_some() && said.is_none(),
        words: said,
        open: row.open,
        answer: Saying::nothing(app),
    });
    let shown = shown.collect();
    Ok((rows, shown))
}

/// What a form says to a record or to a remark.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    /// Made with the form: sent twice, it is said once.
    id: RecordId,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    words: String,
}

impl Said {
    /// As it goes back into the form, with why it was not said.
    fn refused(self, problem: String) -> Saying {
        Saying {
            id: self.id.to_string(),
            kind: self.kind,
            words: self.words,
            problem: Some(problem),
        }
    }
}

/// `POST /records/{record}/remarks`
pub(super) async fn add(
    State(app): State<Arc<App>>,
    Path(record): Path<RecordId>,
    filled: Filled<Said>,
) -> Result<Response, ApiError> {
    let (visitor, said) = (filled.visitor, filled.fields);
    let permit = visitor.records(None)?;
    let unit = app
        .store()
        .read(move |conn| records::unit_of(conn, &permit, record))
        .await?;
    let kind = RemarkKind::from_code(&said.kind).filter(|kind| *kind != RemarkKind::Answer);
    let new = NewRemark {
        id: said.id,
        unit: unit.ok_or_else(ApiError::not_found)?,
        record,
        kind: kind.ok_or_else(|| ApiError::parameter("kind"))?,
        answers: None,
        words: words(&said.words),
    };
    match say(&app, &visitor, new).await? {
        None => Ok(Redirect::to(&format!("/records/{record}?done=said")).into_response()),
        Some(problem) => record::refused(&app, &visitor, record, said.refused(problem)).await,
    }
}

/// `POST /remarks/{remark}/answers`
pub(super) async fn answer(
    State(app): State<Arc<App>>,
    Path(remark): Path<RecordId>,
    filled: Filled<Said>,
) -> Result<Response, ApiError> {
    let (visitor, said) = (filled.visitor, filled.fields);
    let permit = visitor.reader.permit(Action::Hold(Class::Remarks), None)?;
    let found = app.store().read(move |conn| remarks::find(conn, remark)).await?;
    let found = found.filter(|(unit, _)| permit.units().contains(unit));
    let (unit, record) = found.ok_or_else(ApiError::not_found)?;
    let new = NewRemark {
        id: said.id,
        unit,
        record,
        kind: RemarkKind::Answer,
        answers: Some(remark),
        words: words(&said.words),
    };
    match say(&app, &visitor, new).await? {
        None => Ok(Redirect::to("/remarks?done=said").into_response()),
        Some(problem) => answer_refused(&app, &visitor, remark, said.refused(problem)).await,
    }
}

/// The remark that was to be answered, with the answer as it was typed.
async fn answer_refused(
    app: &Arc<App>,
    visitor: &Visitor,
    remark: RecordId,
    saying: Saying,
) -> Result<Response, ApiError> {
    let filter = Filter {
        remark: Some(remark),
        ..Filter::default()
    };
    let (_, mut remarks) = found(app, visitor, filter, 1).await?;
    for one in &mut remarks {
        one.answer = saying.clone();
    }
    let page = RemarksPage {
        frame: visitor.frame("way-remarks", "/remarks"),
        remarks,
        all: false,
        says: true,
        record: None,
        next: None,
    };
    render(&page, StatusCode::UNPROCESSABLE_ENTITY)
}

/// Says it, once; gives what to say beside the form if it was not said.
async fn say(app: &Arc<App>, visitor: &Visitor, new: NewRemark) -> Result<Option<String>, ApiError> {
    let (id, record) = (new.id, new.record);
    let over = new.words.as_deref().map_or(0, over);
    if over > 0 {
        return Ok(Some(visitor.words.count("remark-too-long", over)));
    }
    match app.store().read(move |conn| remarks::said_to(conn, id)).await? {
        // Sent twice: it is there already.
        Some(about) if about == record => return Ok(None),
        Some(_) => return Err(ApiError::parameter("id")),
        None => {}
    }
    match app
        .edit(visitor.reader.account, &Edit::Remark(Box::new(new)))
        .await
    {
        // Sent twice at once.
        Ok(()) | Err(ServerEditError::Edit(EditError::RecordExists(_))) => Ok(None),
        Err(error) => beside(visitor.words, error).map(Some),
    }
}

/// What was typed, without what a browser adds; nothing, if nothing was.
fn words(text: &str) -> Option<String> {
    let text = text.replace("\r\n", "\n").trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// By how many letters a text is too long.
fn over(text: &str) -> usize {
    let text = normalise(text);
    let mut bytes = 0;
    let fits = text.chars().take_while(|letter| {
        bytes += letter.len_utf8();
        bytes <= SealedField::Note.max_bytes()
    });
    text.chars().count() - fits.count()
}

/// Whether somebody may say something to records.
pub(super) fn may_say(visitor: &Visitor) -> bool {
    let action = Action::Edit(Class::Remarks, EditKind::Create);
    visitor.reader.permit(action, None).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_too_long_by_so_many_letters() {
        assert_eq!(over(&"a".repeat(2000)), 0);
        assert_eq!(over(&"a".repeat(2003)), 3);
        assert_eq!(
            over(&"e\u{302}\u{301}".repeat(667)),
            1,
            "666 of three bytes each fit"
        );
    }
}
