//! `/v1/directives`: what was issued, how far everybody has come, and issuing through the server.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use sync_core::edit::{DraftField, Edit, NewDirective};
use sync_core::ids::{Class, RecordId, UnitId};
use sync_core::record::{Asks, Directive, Reach, Relation, Stage, Target, Targets, Urgency};

use super::ApiError;
use super::actor::{Reader, Writer};
use super::given::Given;
use super::records::{limit, open_cursor, seal_cursor};
use crate::app::App;
use crate::clock;
use crate::directives::{self, Counts, Standing};
use crate::policy::Action;
use crate::realm::{self, RealmError};
use crate::tree::Tree;

/// What can be asked of directives.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// A directive as it is issued.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewIssue {
    pub(super) unit: UnitId,
    pub(super) number: String,
    pub(super) title: String,
    pub(super) body: Option<String>,
    pub(super) urgency: String,
    pub(super) deadline_ms: Option<i64>,
    pub(super) signer: String,
    pub(super) targets: Vec<NewTarget>,
    #[serde(default)]
    pub(super) levels: Vec<String>,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    pub(super) asks: String,
    pub(super) relation: Option<NewRelation>,
    /// The degree of secrecy; anything but `none` is refused.
    pub(super) secrecy: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTarget {
    pub(super) unit: UnitId,
    #[serde(default)]
    pub(super) reach: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRelation {
    pub(super) kind: String,
    pub(super) directive: RecordId,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let permit = reader.permit(Action::Hold(Class::Board), None)?;
    let limit = limit(query.limit)?;
    let cursor = query.cursor.as_deref();
    let after = cursor.map(|cursor| open_cursor(cursor).ok_or_else(|| ApiError::parameter("cursor")));
    let after = after.transpose()?;
    let (mut found, more) = app
        .store()
        .read(move |conn| {
            let mut found = directives::list(conn, &permit, after, limit + 1)?;
            let more = found.len() > limit;
            found.truncate(limit);
            let told = found.into_iter().map(|directive| {
                let ended_by = directives::ended_by(conn, directive.id)?;
                let same_number = directives::same_number(conn, &directive)?;
                Ok((directive, ended_by, same_number))
            });
            Ok::<_, rusqlite::Error>((told.collect::<rusqlite::Result<Vec<_>>>()?, more))
        })
        .await?;
    let last = found.last().filter(|_| more);
    let next = last.map(|(last, ..)| seal_cursor(last.issued_at_ms, &last.id.to_bytes()));
    let views: Vec<Value> = found
        .drain(..)
        .map(|(directive, ended_by, same_number)| view(&directive, ended_by, &same_number))
        .collect();
    Ok(Json(json!({ "directives": views, "next": next })))
}

pub(super) async fn issue(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(new): Given<NewIssue>,
) -> Result<Json<Value>, ApiError> {
    let id = RecordId::from_parts(app.clock.now_ms().unsigned_abs(), clock::random_bits());
    issue_as(&app, &writer.reader, id, new).await?;
    Ok(Json(json!({ "id": id.to_string() })))
}

/// Issues a directive for somebody.
///
/// # Errors
/// What is wrong with it; nothing was issued.
pub(super) async fn issue_as(
    app: &App,
    reader: &Reader,
    id: RecordId,
    new: NewIssue,
) -> Result<(), ApiError> {
    let permit = reader.permit(Action::Hold(Class::Board), None)?;
    let earlier = match &new.relation {
        Some(relation) => {
            let record = relation.directive;
            let found = app
                .store()
                .read(move |conn| directives::find(conn, &permit, record));
            Some(found.await?.ok_or_else(ApiError::not_found)?)
        }
        None => None,
    };
    let directive = new.directive(id, earlier.as_ref())?;
    let edit = Edit::IssueDirective(Box::new(directive));
    Ok(app.edit(reader.account, &edit).await?)
}

/// How far each unit has come: those that the reader may know of.
pub(super) async fn acknowledgements(
    State(app): State<Arc<App>>,
    reader: Reader,
    Path(record): Path<RecordId>,
) -> Result<Json<Value>, ApiError> {
    let boards = reader.permit(Action::Hold(Class::Board), None)?;
    let permit = reader.permit(Action::Hold(Class::Acks), None)?;
    app.flush_presence().await;
    let authority = Arc::clone(&reader.authority);
    let found = app
        .store()
        .read(move |conn| {
            let Some(directive) = directives::find(conn, &boards, record)? else {
                return Ok(None);
            };
            let issued_on = realm::tree(conn, directives::issued_on(&directive))?;
            let board = directives::board(conn, &permit, &directive, &issued_on, &authority.tree)?;
            let ended_by = directives::ended_by(conn, directive.id)?;
            let same_number = directives::same_number(conn, &directive)?;
            Ok::<_, RealmError>(Some((view(&directive, ended_by, &same_number), board)))
        })
        .await?;
    let (directive, board) = found.ok_or_else(ApiError::not_found)?;
    let tree = &reader.authority.tree;
    let units: Vec<Value> = board.units.iter().map(|unit| standing(unit, tree)).collect();
    let call: Vec<Value> = board
        .units
        .iter()
        .filter(|unit| unit.on_time.is_none())
        .map(|unit| {
            let why = if unit.silent { "not_synced" } else { "not_done" };
            json!({ "unit": unit.unit.to_string(), "name": name(tree, unit.unit), "why": why })
        })
        .collect();
    Ok(Json(json!({
        "directive": directive, "counts": counts(&Counts::of(&board.units)), "by_unit": roll_up(&board.units, tree),
        "units": units, "to_call": call,
    })))
}

/// Counts of the units below each unit that stands above one of them.
fn roll_up(units: &[Standing], tree: &Tree) -> Vec<Value> {
    let mut below: BTreeMap<UnitId, Vec<&Standing>> = BTreeMap::new();
    for unit in units {
        for above in tree.ancestors(unit.unit) {
            below.entry(above.id).or_default().push(unit);
        }
    }
    let views = below.into_iter().map(|(unit, units)| {
        json!({ "unit": unit.to_string(), "name": name(tree, unit), "counts": counts(&Counts::of(units)) })
    });
    views.collect()
}

fn counts(counts: &Counts) -> Value {
    let stages: serde_json::Map<String, Value> = Stage::ALL
        .iter()
        .zip(counts.in_stage)
        .map(|(stage, n)| (stage.code().to_owned(), n.into()))
        .collect();
    json!({
        "targeted": counts.targeted, "in_stage": stages, "finished": counts.finished, "on_time": counts.on_time,
        "late": counts.finished - counts.on_time, "silent": counts.silent, "percent": counts.percent(),
    })
}

fn standing(unit: &Standing, tree: &Tree) -> Value {
    let times: serde_json::Map<String, Value> = Stage::ALL
        .iter()
        .filter_map(|stage| Some((stage.code().to_owned(), unit.progress.first(*stage)?.into())))
        .collect();
    json!({
        "unit": unit.unit.to_string(), "name": name(tree, unit.unit),
        "stage": unit.progress.stage().map(Stage::code), "at_ms": times, "note": unit.note,
        "on_time": unit.on_time, "arrived_at_ms": unit.arrived_at_ms, "arrived_late": unit.arrived_late,
        "silent": unit.silent,
    })
}

fn name(tree: &Tree, unit: UnitId) -> Option<&str> {
    tree.unit(unit).map(|unit| unit.name.as_str())
}

fn view(directive: &Directive, ended_by: Option<RecordId>, same_number: &[RecordId]) -> Value {
    let targets = directive.targets.units().iter();
    let targets: Vec<Value> = targets
        .map(|target| json!({ "unit": target.unit.to_string(), "reach": target.reach.code() }))
        .collect();
    let relation = directive.relation;
    let relation =
        relation.map(|(kind, record)| json!({ "kind": kind.code(), "directive": record.to_string() }));
    json!({
        "id": directive.id.to_string(), "unit": directive.document.unit().to_string(),
        "directive": directive.issue.directive.to_string(), "version": directive.issue.version,
        "digest": data_encoding::BASE64URL_NOPAD.encode(&directive.issue.digest),
        "number": directive.number, "title": directive.title, "body": directive.body,
        "urgency": directive.urgency.code(), "deadline_ms": directive.deadline_ms, "signer": directive.signer,
        "targets": targets, "levels": directive.targets.levels(), "roles": directive.targets.roles(),
        "asks": directive.asks.code(), "relation": relation, "issued_by": directive.issued_by.to_string(),
        "issued_at_ms": directive.issued_at_ms, "ended_by": ended_by.map(|record| record.to_string()),
        "same_number": same_number.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

impl NewIssue {
    fn directive(self, id: RecordId, earlier: Option<&Directive>) -> Result<NewDirective, ApiError> {
        if self.secrecy.is_some_and(|degree| degree != "none") {
            return Err(ApiError::secret());
        }
        let invalid = ApiError::parameter;
        let targets = self.targets.into_iter().map(|target| {
            let reach = match target.reach.as_deref() {
                None => Some(Reach::Subtree),
                Some(code) => Reach::from_code(code),
            };
            Ok(Target {
                unit: target.unit,
                reach: reach.ok_or_else(|| invalid("targets"))?,
            })
        });
        let targets: Vec<Target> = targets.collect::<Result<_, ApiError>>()?;
        if targets.is_empty() {
            return Err(invalid("targets"));
        }
        let relation = match (&self.relation, earlier) {
            (Some(relation), Some(earlier)) => {
                let kind = Relation::from_code(&relation.kind).ok_or_else(|| invalid("relation"))?;
                if kind == Relation::Amends && earlier.document.unit() != self.unit {
                    return Err(invalid("relation"));
                }
                Some((kind, earlier))
            }
            (_, _) => None,
        };
        let (directive, version) = match relation {
            Some((Relation::Amends, earlier)) => {
                (earlier.issue.directive, earlier.issue.version.saturating_add(1))
            }
            Some((Relation::Replaces | Relation::Withdraws, _)) | None => (id, 1),
        };
        Ok(NewDirective {
            id,
            unit: self.unit,
            directive,
            version,
            draft: None,
            fields: vec![
                DraftField::Number(Some(self.number)),
                DraftField::Title(self.title),
                DraftField::Body(self.body),
                DraftField::Urgency(Urgency::from_code(&self.urgency).ok_or_else(|| invalid("urgency"))?),
                DraftField::Deadline(self.deadline_ms),
                DraftField::Signer(Some(self.signer)),
                DraftField::Targets(Targets::new(targets, self.levels, self.roles)),
                DraftField::Asks(Asks::from_code(&self.asks).ok_or_else(|| invalid("asks"))?),
                DraftField::Relation(relation.map(|(kind, earlier)| (kind, earlier.id))),
            ],
        })
    }
}
