//! Writing a directive: the fields of a form, as they come, as they go back, and what they say. The same for a directive that
//! is issued at once ([`super::issue`]) and for a draft ([`super::drafts`]).

use serde::Deserialize;
use sync_core::edit::EditKind;
use sync_core::ids::{Class, RecordId, UnitId};
use sync_core::record::{Asks, Directive, Draft, Relation, Urgency};

use super::super::ApiError;
use super::super::directives::{NamedRelation, NamedTarget, Words};
use super::frame::Visitor;
use super::input::{Pick, instant, minute};
use crate::app::App;
use crate::directives;
use crate::policy::Action;

/// The fields that a form can change in a draft.
pub(super) const FIELDS: [&str; 8] = [
    "number", "title", "body", "urgency", "deadline", "signer", "targets", "asks",
];

/// What is typed, as it comes and as it goes back when something is wrong.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(super) struct Typed {
    /// Made with the form: sent twice, it is done once.
    pub(super) id: String,
    pub(super) unit: String,
    pub(super) number: String,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) urgency: String,
    pub(super) deadline: String,
    pub(super) signer: String,
    /// Units, each with everything below it.
    pub(super) target: Vec<String>,
    pub(super) asks: String,
    pub(super) secrecy: String,
    pub(super) kind: String,
    pub(super) earlier: String,
    /// Of a draft: what the form was made of.
    pub(super) shown: String,
    /// Of a draft: which button was pressed.
    #[serde(rename = "do")]
    pub(super) what: String,
}

/// The fields of the form, with what there is to pick.
pub(super) struct Writing {
    pub(super) typed: Typed,
    pub(super) units: Vec<Pick>,
    pub(super) targets: Vec<Target>,
    pub(super) urgencies: Vec<Pick>,
    pub(super) asks: Vec<Pick>,
    /// What it does to the earlier directive, and what that is.
    pub(super) relation: Option<(String, String)>,
    /// What somebody else wrote into a field meanwhile.
    pub(super) others: Vec<(&'static str, String)>,
}

/// A unit that a directive can be for, and those below it.
pub(super) struct Target {
    pub(super) pick: Pick,
    pub(super) below: Vec<Pick>,
}

impl Writing {
    /// The form for somebody who issues.
    ///
    /// # Errors
    /// For others it does not exist.
    pub(super) async fn of(app: &App, visitor: &Visitor, typed: Typed) -> Result<Self, ApiError> {
        let issuing = visitor.read(Action::Edit(Class::Board, EditKind::Create))?;
        let (words, tree) = (visitor.words, visitor.tree());
        let option = |value: String, label: String, chosen: bool| Pick { value, label, chosen };
        let coded = |kind: &str, codes: &[&str], chosen: &str| -> Vec<Pick> {
            let named = codes.iter().map(|code| (*code, words.code(kind, code)));
            named
                .map(|(code, label)| option(code.to_owned(), label, code == chosen))
                .collect()
        };
        let units = issuing.units().iter().filter(|unit| tree.unit(**unit).is_some());
        let units = units.map(|unit| {
            let value = unit.to_string();
            let chosen = typed.unit == value;
            option(value, words.unit(tree, *unit), chosen)
        });
        let target = |id: UnitId| {
            let value = id.to_string();
            let chosen = typed.target.contains(&value);
            option(value, words.unit(tree, id), chosen)
        };
        let here = issuing.units().iter().filter(|unit| tree.unit(**unit).is_some());
        let all = here.filter(|unit| !tree.children(**unit).is_empty()).map(|unit| {
            let mut pick = target(*unit);
            pick.label = words.say("target-subtree", &[("unit", &pick.label)]);
            Target {
                pick,
                below: Vec::new(),
            }
        });
        let below = issuing.units().iter().flat_map(|unit| tree.children(*unit));
        let below = below.map(|unit| Target {
            pick: target(*unit),
            below: tree.children(*unit).iter().map(|below| target(*below)).collect(),
        });
        Ok(Self {
            units: units.collect(),
            targets: all.chain(below).collect(),
            urgencies: coded("urgency", Urgency::CODES, &typed.urgency),
            asks: coded("asks", Asks::CODES, &typed.asks),
            relation: relation(app, visitor, &typed).await?,
            others: Vec::new(),
            typed,
        })
    }

    /// What somebody else wrote into a field meanwhile.
    pub(super) fn other(&self, field: &str) -> Option<&str> {
        let found = self.others.iter().find(|(name, _)| *name == field);
        found.map(|(_, said)| said.as_str())
    }
}

/// What it does to the earlier directive, and what that is.
async fn relation(app: &App, visitor: &Visitor, typed: &Typed) -> Result<Option<(String, String)>, ApiError> {
    let Some((kind, record)) = typed.earlier()? else {
        return Ok(None);
    };
    let boards = visitor.read(Action::Hold(Class::Board))?;
    let found = app
        .store()
        .read(move |conn| directives::find(conn, &boards, record))
        .await?;
    let found = found.ok_or_else(ApiError::not_found)?;
    let named = format!("{} – {}", found.number, found.title);
    Ok(Some((visitor.words.code("relation", kind.code()), named)))
}

impl Typed {
    /// Begins with what an earlier directive says.
    pub(super) fn like(self, earlier: Directive) -> Self {
        let targets = earlier.targets.units().iter();
        Self {
            unit: earlier.document.unit().to_string(),
            title: earlier.title,
            body: earlier.body.unwrap_or_default(),
            urgency: earlier.urgency.code().to_owned(),
            signer: earlier.signer,
            target: targets.map(|target| target.unit.to_string()).collect(),
            asks: earlier.asks.code().to_owned(),
            ..self
        }
    }

    /// What a form shows of a draft.
    pub(super) fn of_draft(draft: &Draft) -> Self {
        let (kind, earlier) = draft.relation.unzip();
        Self {
            id: draft.id.to_string(),
            unit: draft.document.unit().to_string(),
            number: draft.number.clone().unwrap_or_default(),
            title: draft.title.clone(),
            body: draft.body.clone().unwrap_or_default(),
            urgency: draft.urgency.code().to_owned(),
            deadline: draft.deadline_ms.map(minute).unwrap_or_default(),
            signer: draft.signer.clone().unwrap_or_default(),
            target: draft
                .targets
                .units()
                .iter()
                .map(|target| target.unit.to_string())
                .collect(),
            asks: draft.asks.code().to_owned(),
            kind: kind.map(|kind| kind.code().to_owned()).unwrap_or_default(),
            earlier: earlier.map(|record| record.to_string()).unwrap_or_default(),
            ..Self::default()
        }
    }

    /// What it does to which earlier directive.
    ///
    /// # Errors
    /// When that cannot be understood.
    pub(super) fn earlier(&self) -> Result<Option<(Relation, RecordId)>, ApiError> {
        if self.kind.is_empty() {
            return Ok(None);
        }
        let kind = Relation::from_code(&self.kind).ok_or_else(|| ApiError::parameter("kind"))?;
        let record = self.earlier.parse().map_err(|_| ApiError::parameter("earlier"))?;
        Ok(Some((kind, record)))
    }

    /// What one of [`FIELDS`] says, as text that is the same however a browser sends it.
    pub(super) fn field(&self, name: &str) -> String {
        let clean = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
        match name {
            "number" => clean(&self.number),
            "title" => clean(&self.title),
            "body" => clean(&self.body),
            "urgency" => clean(&self.urgency),
            "deadline" => clean(&self.deadline),
            "signer" => clean(&self.signer),
            "asks" => clean(&self.asks),
            "targets" => {
                let mut targets = self.target.clone();
                targets.sort_unstable();
                targets.join(" ")
            }
            _ => String::new(),
        }
    }

    /// Takes one of [`FIELDS`] from another form.
    pub(super) fn take(&mut self, name: &str, from: &Self) {
        match name {
            "number" => self.number.clone_from(&from.number),
            "title" => self.title.clone_from(&from.title),
            "body" => self.body.clone_from(&from.body),
            "urgency" => self.urgency.clone_from(&from.urgency),
            "deadline" => self.deadline.clone_from(&from.deadline),
            "signer" => self.signer.clone_from(&from.signer),
            "asks" => self.asks.clone_from(&from.asks),
            "targets" => self.target.clone_from(&from.target),
            _ => {}
        }
    }

    /// What was typed, understood.
    ///
    /// # Errors
    /// The name of what cannot be.
    pub(super) fn words(self) -> Result<Words, ApiError> {
        let relation = self.earlier()?;
        let unit = |text: &str, name| text.parse::<UnitId>().map_err(|_| ApiError::parameter(name));
        let deadline = (!self.deadline.is_empty()).then(|| instant(&self.deadline));
        let deadline = deadline.map(|at_ms| at_ms.ok_or_else(|| ApiError::parameter("deadline")));
        let targets = self.target.iter().map(|target| {
            Ok(NamedTarget {
                unit: unit(target, "targets")?,
                reach: None,
            })
        });
        let relation = relation.map(|(kind, directive)| NamedRelation {
            kind: kind.code().to_owned(),
            directive,
        });
        Ok(Words {
            unit: Some(unit(&self.unit, "unit")?),
            targets: Some(targets.collect::<Result<_, ApiError>>()?),
            number: Some(Some(self.number)),
            title: Some(self.title),
            body: Some(Some(self.body)),
            urgency: Some(self.urgency),
            deadline_ms: Some(deadline.transpose()?),
            signer: Some(Some(self.signer)),
            asks: Some(self.asks),
            relation: Some(relation),
            secrecy: Some(self.secrecy).filter(|degree| !degree.is_empty()),
            ..Words::default()
        })
    }
}
