//! Edits of drafts and of the board: a directive is written by several people, and issued once.

use super::{Author, Draft, EditError, int, text};
use crate::document::{board, drafts};
use crate::ids::{RecordId, UnitId};
use crate::record::{self, Asks, Directive, Relation, Scalar, Targets, Urgency};

/// A draft as it is begun.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDraft {
    /// Its identity, new.
    pub id: RecordId,
    /// The unit that will issue it.
    pub unit: UnitId,
    /// What it says so far; it has a title, an urgency and what it asks at least.
    pub fields: Vec<DraftField>,
}

/// One field of a draft and its new value.
#[derive(Clone, Debug, PartialEq)]
pub enum DraftField {
    /// Number and symbol: `123/UBND-VX`.
    Number(Option<String>),
    /// What it is about.
    Title(String),
    /// Plain text; line breaks are kept.
    Body(Option<String>),
    /// How soon it has to be read.
    Urgency(Urgency),
    /// Until when it has to be done, UTC milliseconds.
    Deadline(Option<i64>),
    /// Who signs the paper: name and office.
    Signer(Option<String>),
    /// Whom it is for.
    Targets(Targets),
    /// What it asks.
    Asks(Asks),
    /// What it does to an issued directive, and to the record of which.
    Relation(Option<(Relation, RecordId)>),
}

/// A directive as it is issued.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDirective {
    /// The record of this version, new.
    pub id: RecordId,
    /// The unit that issues it.
    pub unit: UnitId,
    /// The directive and the version: its own id and 1, unless it amends.
    pub directive: RecordId,
    /// From 1.
    pub version: u32,
    /// The draft it comes from.
    pub draft: Option<RecordId>,
    /// What it says.
    pub fields: Vec<DraftField>,
}

impl NewDirective {
    /// A directive that is issued as it is written. `earlier` is what it amends, replaces or withdraws.
    ///
    /// # Errors
    /// [`EditError::NotReady`] when it amends another unit's.
    pub fn new(
        id: RecordId,
        unit: UnitId,
        mut fields: Vec<DraftField>,
        earlier: Option<(Relation, &Directive)>,
    ) -> Result<Self, EditError> {
        let (directive, version) = match earlier {
            Some((Relation::Amends, earlier)) if earlier.document.unit() != unit => {
                return Err(EditError::NotReady(board::RELATES_TO.to_owned()));
            }
            Some((Relation::Amends, earlier)) => {
                (earlier.issue.directive, earlier.issue.version.saturating_add(1))
            }
            Some((Relation::Replaces | Relation::Withdraws, _)) | None => (id, 1),
        };
        fields.retain(|field| !matches!(field, DraftField::Relation(_)));
        fields.push(DraftField::Relation(
            earlier.map(|(relation, earlier)| (relation, earlier.id)),
        ));
        Ok(Self {
            id,
            unit,
            directive,
            version,
            draft: None,
            fields,
        })
    }

    /// What issuing a draft makes. `earlier` is the directive that the draft is related to.
    ///
    /// # Errors
    /// [`EditError::NotReady`] names the field that is missing or in conflict.
    pub fn of(draft: &record::Draft, id: RecordId, earlier: Option<&Directive>) -> Result<Self, EditError> {
        if let Some(conflict) = draft.conflicts.first() {
            return Err(EditError::NotReady(conflict.field.clone()));
        }
        let missing = |field: &str| Err(EditError::NotReady(field.to_owned()));
        if draft.discarded {
            return missing(drafts::DISCARDED);
        }
        if draft.number.is_none() {
            return missing(board::NUMBER);
        }
        if draft.signer.is_none() {
            return missing(board::SIGNER);
        }
        if draft.targets.is_empty() {
            return missing(board::TARGETS);
        }
        let earlier = match (draft.relation, earlier) {
            (Some((relation, record)), Some(earlier)) if earlier.id == record => Some((relation, earlier)),
            (Some(_), _) => return missing(board::RELATES_TO),
            (None, _) => None,
        };
        let fields = vec![
            DraftField::Number(draft.number.clone()),
            DraftField::Title(draft.title.clone()),
            DraftField::Body(draft.body.clone()),
            DraftField::Urgency(draft.urgency),
            DraftField::Deadline(draft.deadline_ms),
            DraftField::Signer(draft.signer.clone()),
            DraftField::Targets(draft.targets.clone()),
            DraftField::Asks(draft.asks),
        ];
        Ok(Self {
            draft: Some(draft.id),
            ..Self::new(id, draft.document.unit(), fields, earlier)?
        })
    }

    pub(super) fn write(&self, draft: &mut Draft<'_>, author: &Author) -> Result<(), EditError> {
        self.fields.iter().try_for_each(|field| field.write(draft))?;
        draft.put(board::DIRECTIVE, Scalar::id(self.directive))?;
        draft.put(board::VERSION, int(self.version.into()))?;
        draft.set(board::DRAFT, self.draft.map(Scalar::id))?;
        draft.put(board::ISSUED_AT, int(author.now_ms))
    }
}

impl NewDraft {
    pub(super) fn write(&self, draft: &mut Draft<'_>, author: &Author) -> Result<(), EditError> {
        self.fields.iter().try_for_each(|field| field.write(draft))?;
        draft.put(drafts::STARTED_AT, int(author.now_ms))
    }
}

impl DraftField {
    /// The field's key in the document; of a relation that of its kind.
    pub fn key(&self) -> &'static str {
        match self {
            DraftField::Number(_) => board::NUMBER,
            DraftField::Title(_) => board::TITLE,
            DraftField::Body(_) => board::BODY,
            DraftField::Urgency(_) => board::URGENCY,
            DraftField::Deadline(_) => board::DEADLINE,
            DraftField::Signer(_) => board::SIGNER,
            DraftField::Targets(_) => board::TARGETS,
            DraftField::Asks(_) => board::ASKS,
            DraftField::Relation(_) => board::RELATION,
        }
    }

    pub(super) fn write(&self, draft: &mut Draft<'_>) -> Result<(), EditError> {
        let words = |words: &Option<String>| {
            words
                .as_deref()
                .map(str::trim)
                .filter(|w| !w.is_empty())
                .map(text)
        };
        match self {
            DraftField::Number(number) => draft.set(board::NUMBER, words(number)),
            DraftField::Title(title) => draft.put(board::TITLE, text(title)),
            DraftField::Body(body) => draft.set(board::BODY, words(body)),
            DraftField::Urgency(urgency) => draft.put(board::URGENCY, text(urgency.code())),
            DraftField::Deadline(at) => draft.set(board::DEADLINE, at.map(int)),
            DraftField::Signer(signer) => draft.set(board::SIGNER, words(signer)),
            DraftField::Targets(targets) => draft.put(board::TARGETS, Scalar::Bytes(targets.to_bytes())),
            DraftField::Asks(asks) => draft.put(board::ASKS, text(asks.code())),
            DraftField::Relation(relation) => {
                let (relation, record) = relation.unzip();
                draft.set(board::RELATION, relation.map(|relation| text(relation.code())))?;
                draft.set(board::RELATES_TO, record.map(Scalar::id))
            }
        }
    }
}
