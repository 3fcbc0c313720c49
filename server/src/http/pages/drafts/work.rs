//! `POST /drafts`, `/drafts/{draft}`: a draft is begun, gone on with, issued, given up; where two wrote the same field, one of
//! the values is chosen.
//!
//! A form sends all its fields. Only those are written that its author changed, and only if nobody else did meanwhile: then
//! the form comes back with what was typed and what the other one wrote. Whichever button was pressed, what was typed is
//! saved first.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use sync_core::edit::{Edit, EditKind, NewDraft};
use sync_core::ids::{Class, RecordId, UnitId};

use super::super::super::directives::may_issue;
use super::super::super::{ApiError, Code};
use super::super::form::{Filled, beside};
use super::super::frame::Visitor;
use super::super::issue;
use super::super::writing::{FIELDS, Typed, Writing};
use super::{Standing, begin_again, shown, text_mark};
use crate::app::App;
use crate::directives as stored;
use crate::policy::Action;
use crate::replica::ServerEditError;
use crate::seen::{Seen, mark};

/// What is asked of who changes drafts.
const WRITE: Action = Action::Edit(Class::Drafts, EditKind::Amend);

/// Which button was pressed.
enum Intent<'a> {
    Save,
    Issue,
    Discard,
    /// A field in conflict, and the mark of one of its values.
    Choose(&'a str, &'a str),
}

impl<'a> Intent<'a> {
    fn of(word: &'a str) -> Result<Self, ApiError> {
        match (word, word.split_once(':')) {
            ("save" | "", _) => Ok(Intent::Save),
            ("issue", _) => Ok(Intent::Issue),
            ("discard", _) => Ok(Intent::Discard),
            (_, Some((field, value))) => Ok(Intent::Choose(field, value)),
            (_, None) => Err(ApiError::parameter("do")),
        }
    }
}

/// Why what was typed was not saved.
enum Unsaved {
    /// Somebody else wrote these fields meanwhile.
    Stale(Vec<&'static str>),
    Error(ApiError),
}

/// `POST /drafts`
pub(in super::super) async fn start(
    State(app): State<Arc<App>>,
    filled: Filled<Typed>,
) -> Result<Response, ApiError> {
    let (visitor, typed) = (filled.visitor, filled.fields);
    let id: RecordId = typed.id.parse().map_err(|_| ApiError::parameter("id"))?;
    let permit = visitor.read(Action::Hold(Class::Drafts))?;
    let there = app.store().read(move |conn| stored::draft(conn, &permit, id));
    // Sent twice: it is there already.
    if there.await?.is_none()
        && let Err(error) = begin(&app, &visitor, id, typed.clone()).await
    {
        let problem = (error.status(), beside(visitor.words, error)?);
        return issue::page(&app, &visitor, typed, Some(problem)).await;
    }
    Ok(saved(id))
}

async fn begin(app: &App, visitor: &Visitor, id: RecordId, typed: Typed) -> Result<(), ApiError> {
    let unit: UnitId = typed.unit.parse().map_err(|_| ApiError::parameter("unit"))?;
    let fields = typed.words()?.fields()?;
    let new = Edit::StartDraft(Box::new(NewDraft { id, unit, fields }));
    Ok(app.edit(visitor.reader.account, &new).await?)
}

/// `POST /drafts/{draft}`
pub(in super::super) async fn work(
    State(app): State<Arc<App>>,
    Path(record): Path<RecordId>,
    filled: Filled<Typed>,
) -> Result<Response, ApiError> {
    let (visitor, typed) = (filled.visitor, filled.fields);
    let (what, account) = (typed.what.clone(), visitor.reader.account);
    let intent = Intent::of(&what)?;
    let standing = Standing::of(&app, &visitor, record).await?;
    match (&standing.issued, &intent) {
        (Some((issued, by)), Intent::Issue) if *by == account => return Ok(issued_as(*issued)),
        (Some(_), _) => {
            let over = (StatusCode::CONFLICT, visitor.words.code("error", "draft_issued"));
            return begin_again(&app, &visitor, typed, over).await;
        }
        (None, Intent::Discard) if standing.draft.discarded => return Ok(discarded()),
        (None, _) if standing.draft.discarded => {
            let gone = (StatusCode::CONFLICT, visitor.words.t("draft-gone"));
            return begin_again(&app, &visitor, typed, gone).await;
        }
        (None, _) => {}
    }
    let may = visitor.write(WRITE)?;
    if let Intent::Discard = intent {
        let edit = Edit::DiscardDraft { record };
        app.edit_draft(account, &may, (&edit, &Seen::default())).await?;
        return Ok(discarded());
    }
    let done = match save(&app, &visitor, &standing, &typed).await {
        Err(unsaved) => Err(unsaved),
        Ok(()) => match intent {
            Intent::Save | Intent::Discard => Ok(saved(record)),
            Intent::Choose(field, value) => choose(&app, &visitor, &standing, (field, value), &typed)
                .await
                .map(|()| saved(record)),
            Intent::Issue => issue_now(&app, &visitor, record).await.map_err(Unsaved::Error),
        },
    };
    match done {
        Ok(done) => Ok(done),
        Err(unsaved) => back(&app, &visitor, record, typed, unsaved).await,
    }
}

fn saved(record: RecordId) -> Response {
    Redirect::to(&format!("/drafts/{record}?done=draft-saved")).into_response()
}

fn discarded() -> Response {
    Redirect::to("/drafts?done=draft-discarded").into_response()
}

fn issued_as(directive: RecordId) -> Response {
    Redirect::to(&format!("/directives/{directive}?done=issued")).into_response()
}

async fn issue_now(app: &App, visitor: &Visitor, record: RecordId) -> Result<Response, ApiError> {
    let may = may_issue(&visitor.reader, None)?;
    let issued = app.issue_draft(visitor.reader.account, &may, record).await?;
    Ok(issued_as(issued))
}

/// Writes what was typed into the fields that its author changed.
async fn save(app: &App, visitor: &Visitor, standing: &Standing, typed: &Typed) -> Result<(), Unsaved> {
    let (shown, current) = (what_was_shown(&typed.shown), Typed::of_draft(&standing.draft));
    let (mut touched, mut stale) = (BTreeMap::new(), Vec::new());
    for (field, now) in FIELDS.into_iter().zip(&standing.marks) {
        let said = typed.field(field);
        let before = shown.get(field);
        // Left as it was; or said before: sent twice.
        if before.is_some_and(|(_, text)| *text == text_mark(&said)) || said == current.field(field) {
            continue;
        }
        match before {
            Some((seen, _)) if seen == now => drop(touched.insert(field.to_owned(), now.clone())),
            Some(_) | None => stale.push(field),
        }
    }
    if !stale.is_empty() {
        return Err(Unsaved::Stale(stale));
    }
    let typed = Typed {
        unit: current.unit,
        kind: String::new(),
        ..typed.clone()
    };
    let mut fields = typed.words()?.fields()?;
    fields.retain(|field| touched.contains_key(field.key()));
    if fields.is_empty() {
        return Ok(());
    }
    let record = standing.draft.id;
    let edit = Edit::ReviseDraft { record, fields };
    write(app, visitor, &edit, &Seen::from_iter(touched)).await
}

/// Chooses one of the values of a field, unless what was typed took their place.
async fn choose(
    app: &App,
    visitor: &Visitor,
    standing: &Standing,
    (field, value): (&str, &str),
    typed: &Typed,
) -> Result<(), Unsaved> {
    let mut conflicts = standing.draft.conflicts.iter();
    let Some(conflict) = conflicts.find(|conflict| conflict.field == field) else {
        return Ok(());
    };
    let mut values = conflict.values.iter().map(|value| &value.value);
    let chosen = values.find(|candidate| mark([*candidate]) == value);
    let chosen = chosen.ok_or_else(|| ApiError::new(Code::ChangedMeanwhile).about(field))?;
    let edit = Edit::SettleConflict {
        record: standing.draft.id,
        field: field.to_owned(),
        value: chosen.clone(),
    };
    let shown = what_was_shown(&typed.shown);
    let seen = match shown.get(field) {
        Some((_, text))
            if FIELDS
                .iter()
                .any(|name| *name == field && *text != text_mark(&typed.field(name))) =>
        {
            return Ok(());
        }
        Some((seen, _)) => Seen::of(field, seen),
        None => Seen::of(field, &mark(conflict.values.iter().map(|value| &value.value))),
    };
    write(app, visitor, &edit, &seen).await
}

async fn write(app: &App, visitor: &Visitor, edit: &Edit, seen: &Seen) -> Result<(), Unsaved> {
    let may = visitor.write(WRITE)?;
    match app.edit_draft(visitor.reader.account, &may, (edit, seen)).await {
        Ok(()) | Err(ServerEditError::NothingNew) => Ok(()),
        Err(ServerEditError::Changed(field)) => {
            let field = FIELDS.into_iter().find(|name| *name == field);
            Err(Unsaved::Stale(field.into_iter().collect()))
        }
        Err(error) => Err(Unsaved::Error(error.into())),
    }
}

/// The form again: what was typed stays, and what others wrote into untouched fields is shown.
async fn back(
    app: &App,
    visitor: &Visitor,
    record: RecordId,
    typed: Typed,
    unsaved: Unsaved,
) -> Result<Response, ApiError> {
    let standing = Standing::of(app, visitor, record).await?;
    let (status, told, stale) = match unsaved {
        Unsaved::Stale(fields) => {
            let told = visitor.words.code("error", "changed_meanwhile");
            (StatusCode::CONFLICT, told, fields)
        }
        Unsaved::Error(error) => (error.status(), beside(visitor.words, error)?, Vec::new()),
    };
    let (shown_then, now) = (what_was_shown(&typed.shown), Typed::of_draft(&standing.draft));
    let mut again = Typed {
        secrecy: typed.secrecy.clone(),
        ..now.clone()
    };
    for field in FIELDS {
        let untouched = shown_then
            .get(field)
            .map(|(_, text)| *text == text_mark(&typed.field(field)));
        if untouched != Some(true) {
            again.take(field, &typed);
        }
    }
    let mut writing = Writing::of(app, visitor, again).await?;
    writing.others = stale
        .into_iter()
        .map(|field| (field, standing.says(visitor, &now, field)))
        .collect();
    shown(visitor, &standing, writing, Some((status, told)))
}

impl Standing {
    /// What a field says by now.
    fn says(&self, visitor: &Visitor, now: &Typed, field: &str) -> String {
        let words = visitor.words;
        let told = match field {
            "urgency" | "asks" => words.code(field, &now.field(field)),
            "deadline" => self
                .draft
                .deadline_ms
                .map(|at_ms| words.time(at_ms))
                .unwrap_or_default(),
            "targets" => super::directives::named(words, visitor.tree(), &self.draft.targets).join(", "),
            other => now.field(other),
        };
        if told.is_empty() {
            words.t("value-none")
        } else {
            told
        }
    }
}

/// Each field, the mark of what it said, and that of what was shown of it.
fn what_was_shown(text: &str) -> BTreeMap<&str, (&str, &str)> {
    let fields = text.split(',').filter_map(|field| {
        let (name, marks) = field.split_once(':')?;
        Some((name, marks.split_once(':')?))
    });
    fields.collect()
}

impl From<ApiError> for Unsaved {
    fn from(error: ApiError) -> Self {
        Unsaved::Error(error)
    }
}
