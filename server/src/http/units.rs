//! `POST /v1/units/changes`: one dated operation on units.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};
use sync_core::ids::UnitId;

use super::ApiError;
use super::actor::Writer;
use super::given::Given;
use crate::app::App;
use crate::clock::random_bits;
use crate::policy::Action;
use crate::units::change::{self, Change, Part, Period};

/// An operation, and the day from which it holds.
#[derive(Deserialize)]
pub(super) struct Wanted {
    on: Date,
    #[serde(flatten)]
    change: Kind,
}

/// What becomes of which unit.
#[derive(Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
enum Kind {
    Create {
        level: String,
        #[serde(default)]
        code: String,
        name: String,
        parent: UnitId,
    },
    Rename {
        unit: UnitId,
        name: String,
        code: Option<String>,
    },
    Move {
        unit: UnitId,
        parent: UnitId,
    },
    Merge {
        units: Vec<UnitId>,
        into: UnitId,
    },
    Split {
        unit: UnitId,
        into: Vec<Part>,
    },
    Abolish {
        unit: UnitId,
        heir: Option<UnitId>,
    },
}

/// Does it; gives the ids of units that are new.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    writer: Writer,
    Given(wanted): Given<Wanted>,
) -> Result<Json<Value>, ApiError> {
    let permit = writer.permit(Action::ManageUnits, None)?;
    let (by, day) = (writer.by, wanted.on);
    let change = wanted
        .change
        .change(|| UnitId::from_parts(by.now_ms as u64, random_bits()));
    let new: Vec<String> = change.new_units().iter().map(ToString::to_string).collect();
    app.store()
        .write(move |tx| change::change(tx, &permit, day, &change, &by))
        .await?;
    Ok(Json(json!({ "new": new })))
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
