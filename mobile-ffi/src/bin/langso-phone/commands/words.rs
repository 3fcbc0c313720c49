//! What is given on the command line for a record, and the words of the closed lists.

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, ValueEnum};
use langso_mobile::{AssistanceField, NewAssistance, RemarkKind, RetractReason, Stage};

use crate::Arguments;

/// An act of help.
#[derive(Debug, Args)]
pub(crate) struct Record {
    /// The hamlet; not needed by who has one.
    #[arg(long)]
    unit: Option<String>,
    #[command(flatten)]
    fields: Fields,
}

/// Fields of a record. An empty text clears a field.
#[derive(Debug, Args)]
pub(crate) struct Fields {
    /// Code of the catalogue.
    #[arg(long)]
    category: Option<String>,
    /// National code of the procedure.
    #[arg(long)]
    procedure: Option<String>,
    /// How the help was given (code).
    #[arg(long)]
    channel: Option<String>,
    /// What came of it (code).
    #[arg(long)]
    outcome: Option<String>,
    /// How many people were helped.
    #[arg(long)]
    people: Option<u32>,
    /// How long it took.
    #[arg(long)]
    minutes: Option<u32>,
    /// 1–5.
    #[arg(long)]
    satisfaction: Option<u8>,
    /// The citizen's name.
    #[arg(long)]
    citizen_name: Option<String>,
    /// The citizen's phone number.
    #[arg(long)]
    phone: Option<String>,
    /// The citizen's identity number.
    #[arg(long)]
    citizen_id: Option<String>,
    /// Anything else.
    #[arg(long)]
    note: Option<String>,
    /// When the help was given, UTC milliseconds; now, if it is left out.
    #[arg(long)]
    at_ms: Option<i64>,
}

/// Why a record is taken back.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Reason {
    Duplicate,
    Mistake,
    CitizenRequest,
    Other,
}

/// What is said to a directive.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AckStage {
    Opened,
    Acknowledged,
    Done,
    Cannot,
}

/// What an official says to a record.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Said {
    Verified,
    Correct,
    Question,
}

/// An option that a new record needs and a correction does not.
fn missing(option: &str) -> clap::Error {
    let kind = ErrorKind::MissingRequiredArgument;
    Arguments::command().error(kind, format!("{option} is needed"))
}

impl Record {
    pub(super) fn into_new(self) -> Result<NewAssistance, clap::Error> {
        let fields = self.fields;
        Ok(NewAssistance {
            category: fields.category.ok_or_else(|| missing("--category"))?,
            channel: fields.channel.unwrap_or_else(|| "tai_nha".to_owned()),
            outcome: fields.outcome.ok_or_else(|| missing("--outcome"))?,
            unit: self.unit,
            occurred_at_ms: fields.at_ms,
            procedure: fields.procedure,
            people: fields.people.unwrap_or(1),
            minutes: fields.minutes,
            satisfaction: fields.satisfaction,
            citizen_name: fields.citizen_name,
            citizen_phone: fields.phone,
            citizen_id: fields.citizen_id,
            note: fields.note,
        })
    }
}

impl Fields {
    pub(super) fn into_fields(self) -> Vec<AssistanceField> {
        let filled = |text: String| (!text.is_empty()).then_some(text);
        let fields = [
            self.at_ms.map(|at_ms| AssistanceField::OccurredAt { at_ms }),
            self.category.map(|code| AssistanceField::Category { code }),
            self.procedure
                .map(|code| AssistanceField::Procedure { code: filled(code) }),
            self.channel.map(|code| AssistanceField::Channel { code }),
            self.outcome.map(|code| AssistanceField::Outcome { code }),
            self.people.map(|count| AssistanceField::People { count }),
            self.minutes
                .map(|count| AssistanceField::Minutes { count: Some(count) }),
            self.satisfaction
                .map(|stars| AssistanceField::Satisfaction { stars: Some(stars) }),
            self.citizen_name
                .map(|text| AssistanceField::CitizenName { text: filled(text) }),
            self.phone
                .map(|text| AssistanceField::CitizenPhone { text: filled(text) }),
            self.citizen_id
                .map(|text| AssistanceField::CitizenId { text: filled(text) }),
            self.note.map(|text| AssistanceField::Note { text: filled(text) }),
        ];
        fields.into_iter().flatten().collect()
    }
}

impl From<AckStage> for Stage {
    fn from(stage: AckStage) -> Self {
        match stage {
            AckStage::Opened => Stage::Opened,
            AckStage::Acknowledged => Stage::Acknowledged,
            AckStage::Done => Stage::Done,
            AckStage::Cannot => Stage::Cannot,
        }
    }
}

impl From<Reason> for RetractReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Duplicate => RetractReason::Duplicate,
            Reason::Mistake => RetractReason::Mistake,
            Reason::CitizenRequest => RetractReason::CitizenRequest,
            Reason::Other => RetractReason::Other,
        }
    }
}

impl From<Said> for RemarkKind {
    fn from(said: Said) -> Self {
        match said {
            Said::Verified => RemarkKind::Verified,
            Said::Correct => RemarkKind::Correct,
            Said::Question => RemarkKind::Question,
        }
    }
}
