//! What is said of a directive, whether it is begun, gone on with or issued: the same names everywhere.

use serde::{Deserialize, Deserializer};
use sync_core::edit::DraftField;
use sync_core::ids::{RecordId, UnitId};
use sync_core::record::{Asks, Reach, Relation, Target, Targets, Urgency};
use utoipa::ToSchema;

use crate::http::ApiError;
use crate::policy::Role;

/// Fields of a directive. What is not named stays as it is; `null` clears what may be empty.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DirectiveWords)]
pub(in crate::http) struct Words {
    /// Whose directive it is; to be said once.
    pub(in crate::http) unit: Option<UnitId>,
    /// Its number.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>, examples("12/UBND"))]
    pub(in crate::http) number: Option<Option<String>>,
    /// What it is about.
    #[schema(examples("Ra quân tháng Ba"))]
    pub(in crate::http) title: Option<String>,
    /// What it says.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>, examples("Mỗi thôn ra quân một buổi."))]
    pub(in crate::http) body: Option<Option<String>>,
    /// How urgent it is.
    #[schema(value_type = Option<Urgency>)]
    pub(in crate::http) urgency: Option<String>,
    /// By when it is to be done, UTC milliseconds.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<i64>)]
    pub(in crate::http) deadline_ms: Option<Option<i64>>,
    /// Who signs it.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>, examples("Chủ tịch UBND xã"))]
    pub(in crate::http) signer: Option<Option<String>>,
    /// To whom it is directed.
    pub(in crate::http) targets: Option<Vec<NamedTarget>>,
    /// Only units of these levels.
    #[serde(default)]
    #[schema(examples("hamlet"))]
    pub(in crate::http) levels: Vec<String>,
    /// Only people with these roles.
    #[serde(default)]
    #[schema(value_type = Vec<Role>)]
    pub(in crate::http) roles: Vec<String>,
    /// What has to be answered.
    #[schema(value_type = Option<Asks>)]
    pub(in crate::http) asks: Option<String>,
    /// What it does to an earlier directive.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<NamedRelation>)]
    pub(in crate::http) relation: Option<Option<NamedRelation>>,
    /// The degree of secrecy; anything but `none` is refused.
    #[schema(examples("none"))]
    pub(in crate::http) secrecy: Option<String>,
}

/// A unit, and how far below it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTarget)]
pub(in crate::http) struct NamedTarget {
    /// Which unit.
    pub(in crate::http) unit: UnitId,
    /// How far; with everything below it, without.
    #[serde(default)]
    #[schema(value_type = Option<Reach>)]
    pub(in crate::http) reach: Option<String>,
}

/// What a directive does to an earlier one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRelation)]
pub(in crate::http) struct NamedRelation {
    /// What it does.
    #[schema(value_type = Relation)]
    pub(in crate::http) kind: String,
    /// To which one.
    pub(in crate::http) directive: RecordId,
}

/// Tells `null` from nothing.
fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl Words {
    /// The fields that are named.
    ///
    /// # Errors
    /// The name of one that cannot be understood; or that it is a secret paper.
    pub(in crate::http) fn fields(&self) -> Result<Vec<DraftField>, ApiError> {
        if self.secrecy.as_ref().is_some_and(|degree| degree != "none") {
            return Err(ApiError::secret());
        }
        let relation = match &self.relation {
            Some(_) => Some(DraftField::Relation(self.relation()?)),
            None => None,
        };
        let fields = [
            self.number.clone().map(DraftField::Number),
            self.title.clone().map(DraftField::Title),
            self.body.clone().map(DraftField::Body),
            word(self.urgency.as_deref(), "urgency", Urgency::from_code)?.map(DraftField::Urgency),
            self.deadline_ms.map(DraftField::Deadline),
            self.signer.clone().map(DraftField::Signer),
            self.targets()?.map(DraftField::Targets),
            word(self.asks.as_deref(), "asks", Asks::from_code)?.map(DraftField::Asks),
            relation,
        ];
        Ok(fields.into_iter().flatten().collect())
    }

    /// What it does to an earlier directive.
    ///
    /// # Errors
    /// That it cannot be understood.
    pub(in crate::http) fn relation(&self) -> Result<Option<(Relation, RecordId)>, ApiError> {
        let Some(Some(relation)) = &self.relation else {
            return Ok(None);
        };
        let kind = word(Some(&relation.kind), "relation", Relation::from_code)?;
        Ok(kind.map(|kind| (kind, relation.directive)))
    }

    /// Levels and roles narrow targets down, and are nothing without.
    fn targets(&self) -> Result<Option<Targets>, ApiError> {
        let Some(targets) = &self.targets else {
            let nothing = self.levels.is_empty() && self.roles.is_empty();
            return nothing
                .then_some(None)
                .ok_or_else(|| ApiError::parameter("targets"));
        };
        let targets = targets.iter().map(|target| {
            let reach = word(target.reach.as_deref(), "targets", Reach::from_code)?;
            let (unit, reach) = (target.unit, reach.unwrap_or(Reach::Subtree));
            Ok(Target { unit, reach })
        });
        let targets: Vec<Target> = targets.collect::<Result<_, ApiError>>()?;
        let known = |role: &String| Role::from_code(role).is_some();
        if !self.roles.iter().all(known) {
            return Err(ApiError::parameter("roles"));
        }
        Ok(Some(Targets::new(
            targets,
            self.levels.clone(),
            self.roles.clone(),
        )))
    }
}

fn word<T>(given: Option<&str>, name: &str, of: fn(&str) -> Option<T>) -> Result<Option<T>, ApiError> {
    given
        .map(|word| of(word).ok_or_else(|| ApiError::parameter(name)))
        .transpose()
}
