//! `GET /drafts`, `/drafts/{draft}`: directives that are being written, by the officials of their unit and for nobody else.
//! What is done to one is [`work`].

mod work;

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use rusqlite::Connection;
use serde::Deserialize;
use sync_core::ids::{AccountId, Class, RecordId};
use sync_core::record::{ConflictValue, Draft, Scalar, Targets};

use super::super::ApiError;
use super::super::paging::{self, Page, seal};
use super::conflicts::Said;
use super::frame::{Frame, Visitor};
use super::render;
use super::writing::{FIELDS, Typed, Writing};
use super::{directives, issue};
use crate::app::App;
use crate::directives as stored;
use crate::documents::Loaded;
use crate::log::ReplayError;
use crate::policy::{Action, Permit, Read};
use crate::realm;
use crate::seen::mark;
pub(super) use work::{start, work};

/// Drafts on one page.
const PAGE: usize = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    cursor: String,
}

#[derive(Template)]
#[template(path = "drafts.html")]
struct ListPage {
    frame: Frame,
    drafts: Vec<Line>,
    next: Option<String>,
    /// Whether the reader may begin one.
    issues: bool,
}

/// One draft in the list.
struct Line {
    id: String,
    number: String,
    title: String,
    unit: String,
    by: String,
    when: String,
    conflicts: usize,
}

#[derive(Template)]
#[template(path = "draft.html")]
struct DraftPage {
    frame: Frame,
    problem: Option<String>,
    id: String,
    writing: Writing,
    conflicts: Vec<Disputed>,
    begun: String,
}

/// One field of a draft that several people wrote.
struct Disputed {
    key: String,
    field: String,
    values: Vec<Said>,
}

/// A draft, and all that a form about it is made of.
struct Standing {
    draft: Draft,
    /// What was issued from it, and by whom.
    issued: Option<(RecordId, AccountId)>,
    /// Marks of what its fields say, in the order of [`FIELDS`].
    marks: Vec<String>,
    /// Who began it.
    by: String,
    /// Who wrote what is in conflict.
    names: Vec<(AccountId, String)>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|_| ApiError::parameter("query"))?;
    let after = paging::after(Some(&query.cursor))?;
    let permit = visitor.read(Action::Hold(Class::Drafts))?;
    let found = app.store().read(move |conn| {
        let drafts = stored::drafts(conn, &permit, after, PAGE + 1)?.into_iter();
        let named = drafts.map(|draft| Ok((realm::display_name(conn, draft.started_by)?, draft)));
        named.collect::<rusqlite::Result<Vec<_>>>()
    });
    let words = visitor.words;
    let line = |(by, draft): (Option<String>, Draft)| Line {
        id: draft.id.to_string(),
        number: draft.number.unwrap_or_default(),
        title: draft.title,
        unit: words.unit(visitor.tree(), draft.document.unit()),
        by: by.unwrap_or_default(),
        when: words.time(draft.started_at_ms),
        conflicts: draft.conflicts.len(),
    };
    let cursor = |(_, draft): &(Option<String>, Draft)| seal(&(draft.started_at_ms, draft.id));
    let Page { items, next } = Page::of(found.await?, PAGE, cursor, line);
    let page = ListPage {
        issues: directives::issues(&visitor),
        drafts: items,
        next,
        frame: visitor.frame("drafts-title", "/directives"),
    };
    render(&page, StatusCode::OK)
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Path(record): Path<RecordId>,
) -> Result<Response, ApiError> {
    let standing = Standing::of(&app, &visitor, record).await?;
    if let Some((issued, _)) = standing.issued {
        return Ok(Redirect::to(&format!("/directives/{issued}")).into_response());
    }
    let typed = Typed::of_draft(&standing.draft);
    if standing.draft.discarded {
        let gone = (StatusCode::OK, visitor.words.t("draft-gone"));
        return begin_again(&app, &visitor, typed, gone).await;
    }
    shown(
        &visitor,
        &standing,
        Writing::of(&app, &visitor, typed).await?,
        None,
    )
}

/// What was written, as another directive or draft: nobody goes on with this one.
async fn begin_again(
    app: &App,
    visitor: &Visitor,
    typed: Typed,
    why: (StatusCode, String),
) -> Result<Response, ApiError> {
    let id = app.fresh_record().to_string();
    issue::page(app, visitor, Typed { id, ..typed }, Some(why)).await
}

fn shown(
    visitor: &Visitor,
    standing: &Standing,
    mut writing: Writing,
    problem: Option<(StatusCode, String)>,
) -> Result<Response, ApiError> {
    let (words, draft) = (visitor.words, &standing.draft);
    let (status, problem) = problem.unzip();
    writing.typed.shown = standing.shown();
    let began = [
        ("by", standing.by.as_str()),
        ("when", &words.time(draft.started_at_ms)),
    ];
    let page = DraftPage {
        frame: visitor.frame("draft-title", "/directives"),
        problem,
        id: draft.id.to_string(),
        conflicts: standing.disputed(visitor),
        begun: words.say("draft-begun", &began),
        writing,
    };
    render(&page, status.unwrap_or(StatusCode::OK))
}

impl Standing {
    /// A draft that somebody may know of.
    async fn of(app: &App, visitor: &Visitor, record: RecordId) -> Result<Self, ApiError> {
        let permit = visitor.read(Action::Hold(Class::Drafts))?;
        let read = move |conn: &Connection| Self::read(conn, &permit, record);
        app.store().read(read).await?.ok_or_else(ApiError::not_found)
    }

    fn read(conn: &Connection, permit: &Permit<Read>, record: RecordId) -> Result<Option<Self>, ReplayError> {
        let Some(draft) = stored::draft(conn, permit, record)? else {
            return Ok(None);
        };
        let issued = match stored::issued_from(conn, record)? {
            Some(id) => stored::directive(conn, id)?.map(|directive| (id, directive.issued_by)),
            None => None,
        };
        let document = Loaded::load(conn, draft.document)?.document;
        let marks = FIELDS.map(|field| mark(&document.values(record, field)));
        let said = draft.conflicts.iter().flat_map(|conflict| &conflict.values);
        let names = said.map(|value| {
            let name = realm::display_name(conn, value.by)?;
            Ok((value.by, name.unwrap_or_default()))
        });
        Ok(Some(Self {
            issued,
            marks: marks.into(),
            by: realm::display_name(conn, draft.started_by)?.unwrap_or_default(),
            names: names.collect::<rusqlite::Result<_>>()?,
            draft,
        }))
    }

    /// What a form is made of: each field, the mark of what it says, and that of what is shown of it.
    fn shown(&self) -> String {
        let typed = Typed::of_draft(&self.draft);
        let fields = FIELDS.iter().zip(&self.marks);
        let fields = fields.map(|(field, seen)| format!("{field}:{seen}:{}", text_mark(&typed.field(field))));
        fields.collect::<Vec<_>>().join(",")
    }

    fn disputed(&self, visitor: &Visitor) -> Vec<Disputed> {
        let conflicts = self.draft.conflicts.iter().map(|conflict| {
            let value = |(at, value): (usize, &ConflictValue)| {
                let name = self.names.iter().find(|(account, _)| *account == value.by);
                Said {
                    value: told(visitor, &conflict.field, &value.value),
                    mark: mark([&value.value]),
                    by: name.map(|(_, name)| name.clone()).unwrap_or_default(),
                    when: visitor.words.time(value.at_ms),
                    shown: at == 0,
                }
            };
            Disputed {
                key: conflict.field.clone(),
                field: visitor.words.code("field", &conflict.field),
                values: conflict.values.iter().enumerate().map(value).collect(),
            }
        });
        conflicts.collect()
    }
}

/// The mark of what a form shows of a field.
fn text_mark(text: &str) -> String {
    mark([&Scalar::Text(text.to_owned())])
}

/// A value of a draft, as people read it.
fn told(visitor: &Visitor, field: &str, value: &Scalar) -> String {
    let words = visitor.words;
    match (field, value) {
        ("urgency" | "asks" | "relation", Scalar::Text(code)) => words.code(field, code),
        ("deadline", Scalar::Int(at_ms)) => words.time(*at_ms),
        ("targets", Scalar::Bytes(bytes)) => {
            let targets = Targets::from_bytes(bytes).unwrap_or_default();
            directives::named(words, visitor.tree(), &targets).join(", ")
        }
        (_, Scalar::Text(text)) => text.clone(),
        (_, Scalar::Int(n)) => words.n(*n),
        (_, Scalar::Bytes(_) | Scalar::Bool(_) | Scalar::Null) => words.t("value-none"),
    }
}
