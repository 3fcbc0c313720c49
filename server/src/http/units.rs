//! `/v1/units`: the units of a day, and `POST /v1/units/changes`, one dated operation on them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sync_core::ids::UnitId;
use utoipa::ToSchema;

use super::ApiError;
use super::actor::{Reader, Writer};
use super::given::{Given, Query};
use crate::app::App;
use crate::clock::{day_of, random_bits};
use crate::policy::Action;
use crate::realm;
use crate::units::change::{self, Change, Part, Period};
use crate::units::eras;

/// What can be asked of units.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnitsQuery {
    /// The tree of which day; of today without.
    #[schema(value_type = Option<Date>)]
    on: Option<String>,
}

/// The units of a day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnitsOfDay {
    /// Which day.
    on: Date,
    /// Those in reach, and what is above them.
    units: Vec<UnitView>,
}

/// A unit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Unit)]
pub(super) struct UnitView {
    /// Its id, which never changes.
    id: UnitId,
    /// Its level on that day.
    #[schema(examples("commune"))]
    level: String,
    /// Its official code on that day; empty where it has none.
    #[schema(examples("15367"))]
    code: String,
    /// Its name on that day.
    #[schema(examples("Xã Vĩnh Hưng"))]
    name: String,
    /// The unit above it on that day.
    parent: Option<UnitId>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    reader: Reader,
    Query(query): Query<UnitsQuery>,
) -> Result<Json<UnitsOfDay>, ApiError> {
    let on = match query.on.as_deref() {
        Some(on) => on.parse().map_err(|_| ApiError::parameter("on"))?,
        None => day_of(app.clock.now_ms()),
    };
    let permit = reader.permit(Action::ReadUnits, None)?;
    let tree = app.store().read(move |conn| realm::tree(conn, on)).await?;
    let visible = eras::known(&tree, &permit);
    let known = tree.units().filter(|unit| visible.contains(&unit.id));
    let units = known.map(|unit| UnitView {
        id: unit.id,
        level: unit.level.clone(),
        code: unit.code.clone(),
        name: unit.name.clone(),
        parent: unit.parent,
    });
    Ok(Json(UnitsOfDay {
        on,
        units: units.collect(),
    }))
}

/// An operation, and the day from which it holds.
#[derive(Deserialize, ToSchema)]
#[schema(as = UnitChange)]
pub(super) struct Wanted {
    /// From which day on.
    on: Date,
    #[serde(flatten)]
    change: Kind,
}

/// What becomes of which unit.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
#[schema(as = UnitChangeKind)]
enum Kind {
    /// A unit that is new.
    Create {
        /// Its level.
        #[schema(examples("hamlet"))]
        level: String,
        /// Its official code, if it has one.
        #[serde(default)]
        #[schema(examples("15367.12"))]
        code: String,
        /// Its name.
        #[schema(examples("Thôn Đồng Minh"))]
        name: String,
        /// Under which unit.
        parent: UnitId,
    },
    /// Another name, or another code.
    Rename {
        /// Which unit.
        unit: UnitId,
        /// Its name from then on.
        #[schema(examples("Thôn Đồng Minh"))]
        name: String,
        /// Its code from then on; as before without.
        #[schema(examples("15367.12"))]
        code: Option<String>,
    },
    /// Under another unit.
    Move {
        /// Which unit.
        unit: UnitId,
        /// Under which one.
        parent: UnitId,
    },
    /// Several into one.
    Merge {
        /// Which units end.
        units: Vec<UnitId>,
        /// In which one they go on.
        into: UnitId,
    },
    /// One into several.
    Split {
        /// Which unit ends.
        unit: UnitId,
        /// The units that are new.
        into: Vec<Part>,
    },
    /// A unit ends.
    Abolish {
        /// Which one.
        unit: UnitId,
        /// Who inherits what it has.
        heir: Option<UnitId>,
    },
}

/// What came of it.
#[derive(Serialize, ToSchema)]
pub(super) struct Changed {
    /// The units that are new, in the order in which they were named.
    new: Vec<UnitId>,
}

/// Does it; gives the ids of units that are new.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(wanted): Given<Wanted>,
) -> Result<Json<Changed>, ApiError> {
    let permit = writer.permit(Action::ManageUnits, None)?;
    let (by, day) = (writer.by, wanted.on);
    let change = wanted
        .change
        .change(|| UnitId::from_parts(by.now_ms as u64, random_bits()));
    let new = change.new_units().to_vec();
    app.store()
        .write(move |tx| change::change(tx, &permit, day, &change, &by))
        .await?;
    Ok(Json(Changed { new }))
}

impl Kind {
    fn change(self, mut fresh: impl FnMut() -> UnitId) -> Change {
        match self {
            Kind::Create {
                level,
                code,
                name,
                parent,
            } => {
                let period = Period {
                    level,
                    code,
                    name,
                    parent: Some(parent),
                };
                Change::Create {
                    unit: fresh(),
                    period,
                }
            }
            Kind::Rename { unit, name, code } => Change::Rename { unit, name, code },
            Kind::Move { unit, parent } => Change::Move {
                unit,
                parent: Some(parent),
            },
            Kind::Merge { units, into } => Change::Merge { units, into },
            Kind::Split { unit, into } => Change::Split {
                unit,
                into: into.into_iter().map(|part| (fresh(), part)).collect(),
            },
            Kind::Abolish { unit, heir } => Change::Abolish { unit, heir },
        }
    }
}
