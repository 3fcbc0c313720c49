//! What is told of directives: their words, and how far everybody has come.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use sync_core::ids::{AccountId, RecordId, UnitId};
use sync_core::record::{Asks, Reach, Relation, Stage, Targets, Urgency};
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{RefOr, Type};

use crate::directives::{Board, Counts, Standing, Told};
use crate::policy::Role;
use crate::schema::map_of;
use crate::tree::Tree;

/// What a directive says.
#[derive(Serialize, ToSchema)]
#[schema(as = DirectiveText)]
pub(in crate::http) struct TextView {
    /// Its number; an issued one has one.
    #[schema(examples("12/UBND"))]
    pub(in crate::http) number: Option<String>,
    /// What it is about.
    #[schema(examples("Ra quân tháng Ba"))]
    pub(in crate::http) title: String,
    /// What it says.
    #[schema(examples("Mỗi thôn ra quân một buổi."))]
    pub(in crate::http) body: Option<String>,
    /// How urgent it is.
    #[schema(value_type = Urgency)]
    pub(in crate::http) urgency: &'static str,
    /// By when it is to be done, UTC milliseconds.
    pub(in crate::http) deadline_ms: Option<i64>,
    /// Who signs it; an issued one has somebody.
    #[schema(examples("Chủ tịch UBND xã"))]
    pub(in crate::http) signer: Option<String>,
    /// To whom it is directed.
    pub(in crate::http) targets: Vec<TargetView>,
    /// Only units of these levels.
    #[schema(examples("hamlet"))]
    pub(in crate::http) levels: Vec<String>,
    /// Only people with these roles.
    #[schema(value_type = Vec<Role>)]
    pub(in crate::http) roles: Vec<String>,
    /// What has to be answered.
    #[schema(value_type = Asks)]
    pub(in crate::http) asks: &'static str,
    /// What it does to an earlier directive.
    pub(in crate::http) relation: Option<RelationView>,
}

/// A unit, and how far below it.
#[derive(Serialize, ToSchema)]
#[schema(as = Target)]
pub(in crate::http) struct TargetView {
    /// Which unit.
    unit: UnitId,
    /// How far.
    #[schema(value_type = Reach)]
    reach: &'static str,
}

/// What a directive does to an earlier one.
#[derive(Serialize, ToSchema)]
#[schema(as = RelationTo)]
pub(in crate::http) struct RelationView {
    /// What it does.
    #[schema(value_type = Relation)]
    kind: &'static str,
    /// To which one.
    directive: RecordId,
}

/// An issued directive, in one version.
#[derive(Serialize, ToSchema)]
#[schema(as = Directive)]
pub(in crate::http) struct DirectiveView {
    /// The record of this version.
    id: RecordId,
    /// Who issued it.
    unit: UnitId,
    /// The directive, the same for each version.
    directive: RecordId,
    /// Which version, from 1.
    version: u32,
    /// Over what it says, 32 bytes in base64url.
    #[schema(examples("X-zrZv_IbzjZUnhsbWlsecLbwjndTpG0ZynXOif7V-k"))]
    digest: String,
    #[serde(flatten)]
    text: TextView,
    /// Who issued it.
    issued_by: AccountId,
    /// When, UTC milliseconds.
    issued_at_ms: i64,
    /// The record that amended, replaced or withdrew it.
    ended_by: Option<RecordId>,
    /// Directives of its unit and year with the same number: somebody has to look.
    same_number: Vec<RecordId>,
    /// Versions with the same number of this directive: somebody has to look.
    same_version: Vec<RecordId>,
}

/// How far each unit has come with a directive.
#[derive(Serialize, ToSchema)]
#[schema(as = Board)]
pub(in crate::http) struct BoardView {
    /// Which one.
    directive: DirectiveView,
    /// Of all.
    counts: CountsView,
    /// Of the units below each unit that stands above one of them.
    by_unit: Vec<CountsOfUnit>,
    /// Each unit that has to answer.
    units: Vec<StandingView>,
    /// Those whom one has to call.
    to_call: Vec<Call>,
}

/// How many units have come how far.
#[derive(Serialize, ToSchema)]
#[schema(as = BoardCounts)]
pub(in crate::http) struct CountsView {
    /// Units that have to answer.
    targeted: u32,
    #[schema(schema_with = in_stage)]
    in_stage: BTreeMap<&'static str, u32>,
    /// Units that have done what is asked.
    finished: u32,
    /// Of these, by the deadline.
    on_time: u32,
    /// Of these, after it.
    late: u32,
    /// Units whose phones were not here since it was issued.
    silent: u32,
    /// How many of a hundred have done what is asked, rounded down.
    #[schema(minimum = 0, maximum = 100)]
    percent: u32,
}

/// The counts of the units below one.
#[derive(Serialize, ToSchema)]
#[schema(as = BoardCountsOfUnit)]
struct CountsOfUnit {
    /// Which unit.
    unit: UnitId,
    /// Its name.
    #[schema(examples("Xã Vĩnh Hưng"))]
    name: Option<String>,
    /// The counts.
    counts: CountsView,
}

/// How far one unit has come.
#[derive(Serialize, ToSchema)]
#[schema(as = Standing)]
struct StandingView {
    /// Which unit.
    unit: UnitId,
    /// Its name.
    #[schema(examples("Thôn Đồng Minh"))]
    name: Option<String>,
    /// What it has said so far; `null`: nothing was heard.
    #[schema(value_type = Option<Stage>)]
    stage: Option<&'static str>,
    #[schema(schema_with = at_ms)]
    at_ms: BTreeMap<&'static str, i64>,
    /// The reason of its last "cannot", or the note of its last word.
    #[schema(examples("Đã ra quân, 12 người tham gia."))]
    note: Option<String>,
    /// Whether what is asked was done by the deadline; `null` while it is not done.
    on_time: Option<bool>,
    /// When that arrived here, UTC milliseconds.
    arrived_at_ms: Option<i64>,
    /// Whether it was done on time and heard of after the deadline.
    arrived_late: bool,
    /// Whether no phone of the unit was here since it was issued.
    silent: bool,
}

/// A unit that has not done what is asked.
#[derive(Serialize, ToSchema)]
struct Call {
    /// Which unit.
    unit: UnitId,
    /// Its name.
    #[schema(examples("Thôn Đồng Minh"))]
    name: Option<String>,
    /// What is the matter.
    why: Why,
}

/// Why one has to call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Why {
    /// No phone of the unit was here since.
    NotSynced,
    /// It is not done.
    NotDone,
}

fn in_stage() -> RefOr<Schema> {
    let example = json!({ "received": 1, "opened": 0, "acknowledged": 2, "done": 5, "cannot": 0 });
    map_of(
        Type::Integer.into(),
        "Units by what they have said so far.",
        example,
    )
}

fn at_ms() -> RefOr<Schema> {
    let example = json!({ "received": 1_740_967_200_000_i64 });
    map_of(
        Type::Integer.into(),
        "When it first said each, UTC milliseconds.",
        example,
    )
}

impl DirectiveView {
    pub(super) fn of(told: &Told) -> Self {
        let directive = &told.directive;
        Self {
            id: directive.id,
            unit: directive.document.unit(),
            directive: directive.issue.directive,
            version: directive.issue.version,
            digest: data_encoding::BASE64URL_NOPAD.encode(&directive.issue.digest),
            text: TextView {
                number: Some(directive.number.clone()),
                title: directive.title.clone(),
                body: directive.body.clone(),
                urgency: directive.urgency.code(),
                deadline_ms: directive.deadline_ms,
                signer: Some(directive.signer.clone()),
                targets: targets(&directive.targets),
                levels: directive.targets.levels().to_vec(),
                roles: directive.targets.roles().to_vec(),
                asks: directive.asks.code(),
                relation: relation(directive.relation),
            },
            issued_by: directive.issued_by,
            issued_at_ms: directive.issued_at_ms,
            ended_by: told.ended_by,
            same_number: told.same_number.clone(),
            same_version: told.same_version.clone(),
        }
    }
}

impl BoardView {
    /// A board, shown under the units of a tree.
    pub(super) fn of(told: &Told, board: &Board, tree: &Tree) -> Self {
        let units = &board.units;
        let unfinished = units.iter().filter(|unit| unit.on_time.is_none());
        let call = unfinished.map(|unit| Call {
            unit: unit.unit,
            name: name(tree, unit.unit),
            why: match unit.silent {
                true => Why::NotSynced,
                false => Why::NotDone,
            },
        });
        Self {
            directive: DirectiveView::of(told),
            counts: CountsView::of(&Counts::of(units)),
            by_unit: roll_up(units, tree),
            units: units.iter().map(|unit| StandingView::of(unit, tree)).collect(),
            to_call: call.collect(),
        }
    }
}

/// Counts of the units below each unit that stands above one of them.
fn roll_up(units: &[Standing], tree: &Tree) -> Vec<CountsOfUnit> {
    let mut below: BTreeMap<UnitId, Vec<&Standing>> = BTreeMap::new();
    for unit in units {
        for above in tree.ancestors(unit.unit) {
            below.entry(above.id).or_default().push(unit);
        }
    }
    let views = below.into_iter().map(|(unit, units)| CountsOfUnit {
        unit,
        name: name(tree, unit),
        counts: CountsView::of(&Counts::of(units)),
    });
    views.collect()
}

impl CountsView {
    fn of(counts: &Counts) -> Self {
        let stages = Stage::ALL.iter().map(|stage| stage.code());
        Self {
            targeted: counts.targeted,
            in_stage: stages.zip(counts.in_stage).collect(),
            finished: counts.finished,
            on_time: counts.on_time,
            late: counts.finished - counts.on_time,
            silent: counts.silent,
            percent: counts.percent(),
        }
    }
}

impl StandingView {
    fn of(unit: &Standing, tree: &Tree) -> Self {
        let said = Stage::ALL
            .iter()
            .filter_map(|stage| Some((stage.code(), unit.progress.first(*stage)?)));
        Self {
            unit: unit.unit,
            name: name(tree, unit.unit),
            stage: unit.progress.stage().map(Stage::code),
            at_ms: said.collect(),
            note: unit.note.clone(),
            on_time: unit.on_time,
            arrived_at_ms: unit.arrived_at_ms,
            arrived_late: unit.arrived_late,
            silent: unit.silent,
        }
    }
}

fn name(tree: &Tree, unit: UnitId) -> Option<String> {
    tree.unit(unit).map(|unit| unit.name.clone())
}

pub(in crate::http) fn targets(targets: &Targets) -> Vec<TargetView> {
    let views = targets.units().iter().map(|target| TargetView {
        unit: target.unit,
        reach: target.reach.code(),
    });
    views.collect()
}

pub(in crate::http) fn relation(relation: Option<(Relation, RecordId)>) -> Option<RelationView> {
    relation.map(|(kind, directive)| RelationView {
        kind: kind.code(),
        directive,
    })
}
