//! Directives: as they are written, and as they are issued.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use super::code::coded;
use super::{Conflict, Fields, Origin, Scalar, Targets};
use crate::document::board;
use crate::ids::{AccountId, DeviceId, DocumentId, Month, RecordId};
use crate::signature::Signature;

coded! {
    /// How soon a directive has to be read.
    Urgency {
        /// `thường`.
        0 Normal = "normal",
        /// `khẩn`.
        1 Urgent = "urgent",
        /// `hỏa tốc`.
        2 Flash = "flash",
    }
}

coded! {
    /// What a directive asks of those it is for.
    Asks {
        /// To open it.
        0 Read = "read",
        /// To say that it was understood.
        1 Acknowledge = "acknowledge",
        /// To report that it was carried out.
        2 Report = "report",
    }
}

coded! {
    /// What a directive does to an earlier one.
    Relation {
        /// It is its next version, which asks for a new acknowledgement.
        0 Amends = "amends",
        /// It stands in its place.
        1 Replaces = "replaces",
        /// It ends it.
        2 Withdraws = "withdraws",
    }
}

/// One version of one directive, and what exactly it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Issue {
    /// The directive: the record of its first version.
    #[n(0)]
    pub directive: RecordId,
    /// From 1.
    #[n(1)]
    pub version: u32,
    /// SHA-256 of its canonical bytes ([`crate::signature::RecordStatement`]).
    #[cbor(n(2), with = "minicbor::bytes")]
    pub digest: [u8; 32],
}

/// A directive as it was issued. Nothing about it ever changes.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Directive {
    /// The record of this version.
    #[n(0)]
    pub id: RecordId,
    /// The board it stands on; its unit issued it.
    #[n(1)]
    pub document: DocumentId,
    /// Which version of which directive.
    #[n(2)]
    pub issue: Issue,
    /// Number and symbol: `123/UBND-VX`.
    #[n(3)]
    pub number: String,
    /// What it is about.
    #[n(4)]
    pub title: String,
    /// Plain text; line breaks are kept.
    #[n(5)]
    pub body: Option<String>,
    /// How soon it has to be read.
    #[n(6)]
    pub urgency: Urgency,
    /// Until when it has to be done, UTC milliseconds.
    #[n(7)]
    pub deadline_ms: Option<i64>,
    /// Who signed the paper: name and office.
    #[n(8)]
    pub signer: String,
    /// Whom it is for.
    #[n(9)]
    pub targets: Targets,
    /// What it asks.
    #[n(10)]
    pub asks: Asks,
    /// What it does to an earlier version's record, and which.
    #[n(11)]
    pub relation: Option<(Relation, RecordId)>,
    /// The draft it was issued from.
    #[n(12)]
    pub draft: Option<RecordId>,
    /// Who issued it.
    #[n(13)]
    pub issued_by: AccountId,
    /// On which device.
    #[n(14)]
    pub device: DeviceId,
    /// When, UTC milliseconds of the device, corrected.
    #[n(15)]
    pub issued_at_ms: i64,
    /// The device's, over the canonical bytes.
    #[n(16)]
    pub signature: Signature,
    /// Fields that this version does not know, kept as they are; the signature covers them.
    #[n(17)]
    pub unknown: BTreeMap<String, Scalar>,
    /// The change that made it.
    #[n(18)]
    pub origin: Option<Origin>,
}

impl Directive {
    /// What must be its own within a unit and a year: the number without regard to blanks and capitals.
    pub fn number_key(&self) -> String {
        let year = Month::of_millis(self.issued_at_ms).map_or(0, |month| month.year_month().0);
        let number = self.number.chars().filter(|c| !c.is_whitespace());
        let number: String = number.flat_map(char::to_uppercase).collect();
        format!("{}/{year}/{number}", self.document.unit())
    }

    /// Its fields without the signature: with them anybody can make the canonical bytes again.
    pub fn fields(&self) -> Fields {
        let mut fields = self.unknown.clone();
        let mut put =
            |key: &str, value: Option<Scalar>| fields.extend(value.map(|value| (key.to_owned(), value)));
        let text = |text: &str| Some(Scalar::Text(text.to_owned()));
        let id = |id: [u8; 16]| Scalar::Bytes(id.to_vec());
        put(board::NUMBER, text(&self.number));
        put(board::TITLE, text(&self.title));
        put(board::BODY, self.body.clone().map(Scalar::Text));
        put(board::URGENCY, text(self.urgency.code()));
        put(board::DEADLINE, self.deadline_ms.map(Scalar::Int));
        put(board::SIGNER, text(&self.signer));
        put(board::TARGETS, Some(Scalar::Bytes(self.targets.to_bytes())));
        put(board::ASKS, text(self.asks.code()));
        put(
            board::RELATION,
            self.relation.and_then(|(relation, _)| text(relation.code())),
        );
        put(
            board::RELATES_TO,
            self.relation.map(|(_, record)| id(record.to_bytes())),
        );
        put(board::DIRECTIVE, Some(id(self.issue.directive.to_bytes())));
        put(board::VERSION, Some(Scalar::Int(self.issue.version.into())));
        put(board::DRAFT, self.draft.map(|draft| id(draft.to_bytes())));
        put(board::ISSUED_BY, Some(id(self.issued_by.to_bytes())));
        put(board::DEVICE, Some(id(self.device.to_bytes())));
        put(board::ISSUED_AT, Some(Scalar::Int(self.issued_at_ms)));
        fields
    }
}

/// A directive as it is being written.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Draft {
    /// Its identity.
    #[n(0)]
    pub id: RecordId,
    /// Where it lives; its unit will issue it.
    #[n(1)]
    pub document: DocumentId,
    /// Number and symbol.
    #[n(2)]
    pub number: Option<String>,
    /// What it is about.
    #[n(3)]
    pub title: String,
    /// Plain text.
    #[n(4)]
    pub body: Option<String>,
    /// How soon it has to be read.
    #[n(5)]
    pub urgency: Urgency,
    /// Until when it has to be done, UTC milliseconds.
    #[n(6)]
    pub deadline_ms: Option<i64>,
    /// Who signs the paper.
    #[n(7)]
    pub signer: Option<String>,
    /// Whom it is for; nobody yet is possible.
    #[n(8)]
    pub targets: Targets,
    /// What it asks.
    #[n(9)]
    pub asks: Asks,
    /// What it does to an issued directive's record, and which.
    #[n(10)]
    pub relation: Option<(Relation, RecordId)>,
    /// Nobody goes on with it.
    #[n(11)]
    pub discarded: bool,
    /// Who began it.
    #[n(12)]
    pub started_by: AccountId,
    /// When, UTC milliseconds of the device, corrected.
    #[n(13)]
    pub started_at_ms: i64,
    /// Fields with several current values; each field above shows the winner.
    #[n(14)]
    pub conflicts: Vec<Conflict>,
    /// Fields that this version does not know.
    #[n(15)]
    pub unknown: BTreeMap<String, Scalar>,
}
