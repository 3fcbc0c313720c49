//! Identities: what things are called on the wire, in the log and in documents.
//!
//! A unit, a record, a device … is named by a ULID of its own, never by a code or a name: codes are reused and names
//! change (see `docs/architecture.md`). On the wire an id is 16 bytes; in text it is the 26 characters of a ULID.

use std::fmt;
use std::str::FromStr;

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

pub use automerge::{ActorId, ChangeHash};

/// A text that is not the id it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct InvalidId(pub &'static str);

macro_rules! ulid_newtype {
    ($(#[$doc:meta])* $name:ident, $what:literal, $example:literal, $another:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "schema", schema(
            value_type = String,
            pattern = "^[0-7][0-9A-HJKMNP-TV-Z]{25}$",
            examples($example, $another)
        ))]
        pub struct $name(pub Ulid);

        impl $name {
            /// Makes an id from a time in UTC milliseconds and 80 bits of randomness (higher bits are ignored).
            pub fn from_parts(time_ms: u64, random: u128) -> Self {
                Self(Ulid::from_parts(time_ms, random))
            }

            /// The time that it was made from, UTC milliseconds.
            pub fn time_ms(&self) -> u64 {
                self.0.timestamp_ms()
            }

            /// The 16 bytes that stand on the wire and in the store.
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_bytes()
            }

            /// The id whose wire form is `bytes`.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Ulid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            /// Accepts the canonical form alone, so that one id has one spelling.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                match Ulid::from_string(text) {
                    Ok(id) if id.to_string() == text => Ok(Self(id)),
                    Ok(_) | Err(_) => Err(InvalidId($what)),
                }
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
                e.bytes(&self.to_bytes())?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                Ok(Self::from_bytes(fixed_bytes(d)?))
            }
        }
    };
}

ulid_newtype!(
    /// A node of the administrative tree. Contains neither its code nor its parent: both change.
    UnitId, "unit id", "01JF0A5X7M3Q8R2W9YB4CDE6GH", "01JF0A9Z8Y7X6W5V4T3S2R1Q0P");
ulid_newtype!(
    /// A person's account.
    AccountId, "account id", "01JF0B2N4P6R8T0V1X3Z5A7C9E", "01JF0B9Z8Y7X6W5V4T3S2R1Q0P");
ulid_newtype!(
    /// One installation of the app, with its own key.
    DeviceId, "device id", "01JF0C7K1M3N5P7Q9S2T4V6W8X", "01JF0C9Z8Y7X6W5V4T3S2R1Q0P");
ulid_newtype!(
    /// A record in a document: an assistance, an acknowledgement event, a directive, a remark.
    RecordId, "record id", "01JNCXV5S0A1B2C3D4E5F6G7H8", "01JMZZZZS0A1B2C3D4E5F6G7H8");
ulid_newtype!(
    /// One deployment's tree: one log, one store.
    RealmId, "realm id", "01JF000000REA1M00000000000", "01JF000001REA1M00000000000");

/// Reads a CBOR byte string of exactly `N` bytes.
pub(crate) fn fixed_bytes<const N: usize>(d: &mut Decoder<'_>) -> Result<[u8; N], DecodeError> {
    let position = d.position();
    d.bytes()?
        .try_into()
        .map_err(|_| DecodeError::message("byte string of another length").at(position))
}

/// The class of a document: what it holds, who writes it and who reads it (`docs/protocol.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Class {
    /// Assistance records of one hamlet.
    Ledger = 1,
    /// Acknowledgement events of one hamlet.
    Acks = 2,
    /// Directives being written in one unit.
    Drafts = 3,
    /// Issued directives of one unit, frozen.
    Board = 4,
    /// Remarks on one hamlet's records, and answers.
    Remarks = 5,
    /// One unit: names, parent, children, team.
    Directory = 6,
    /// Procedures and categories of the realm.
    Catalogue = 7,
}

impl Class {
    /// Every class, in the order of its code.
    pub const ALL: [Class; 7] = [
        Class::Ledger,
        Class::Acks,
        Class::Drafts,
        Class::Board,
        Class::Remarks,
        Class::Directory,
        Class::Catalogue,
    ];

    /// The code on the wire and in the store.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The class of a code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.code() == code)
    }

    /// The name in a document's id.
    pub fn name(self) -> &'static str {
        match self {
            Class::Ledger => "ledger",
            Class::Acks => "acks",
            Class::Drafts => "drafts",
            Class::Board => "board",
            Class::Remarks => "remarks",
            Class::Directory => "directory",
            Class::Catalogue => "catalogue",
        }
    }

    /// Whether documents of this class are cut into months.
    pub fn is_periodic(self) -> bool {
        match self {
            Class::Ledger | Class::Acks | Class::Drafts | Class::Board | Class::Remarks => true,
            Class::Directory | Class::Catalogue => false,
        }
    }
}

impl<C> Encode<C> for Class {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.u8(self.code())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Class {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let position = d.position();
        Class::from_code(d.u8()?).ok_or_else(|| DecodeError::message("unknown class").at(position))
    }
}

/// A month of the Vietnamese calendar day, counted from 2020-01 (which is 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Month(#[n(0)] pub u16);

/// Vietnam keeps UTC+7 all year round.
const VIETNAM_OFFSET_HOURS: i8 = 7;
const FIRST_YEAR: i32 = 2020;

/// The calendar day that holds the instant `time_ms` (UTC milliseconds) in Vietnam; `None` beyond the years of a calendar.
pub fn day_in_vietnam(time_ms: i64) -> Option<jiff::civil::Date> {
    let instant = jiff::Timestamp::from_millisecond(time_ms).ok()?;
    let zone = jiff::tz::Offset::constant(VIETNAM_OFFSET_HOURS).to_time_zone();
    Some(instant.to_zoned(zone).date())
}

impl Month {
    /// The month that holds the instant `time_ms` (UTC milliseconds) in Vietnam; `None` outside of 2020 … 7480.
    pub fn of_millis(time_ms: i64) -> Option<Self> {
        let date = day_in_vietnam(time_ms)?;
        let months = (i32::from(date.year()) - FIRST_YEAR) * 12 + i32::from(date.month()) - 1;
        u16::try_from(months).ok().map(Month)
    }

    /// Year and month (1–12).
    pub fn year_month(self) -> (i32, u8) {
        (FIRST_YEAR + i32::from(self.0 / 12), (self.0 % 12) as u8 + 1)
    }

    /// The month `n` months earlier, not before the first.
    pub fn minus(self, n: u16) -> Self {
        Month(self.0.saturating_sub(n))
    }

    /// The next month.
    pub fn next(self) -> Self {
        Month(self.0.saturating_add(1))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = self.year_month();
        write!(f, "{year:04}-{month:02}")
    }
}

impl FromStr for Month {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let parse = || -> Option<Month> {
            let (year, month) = text.split_once('-')?;
            let (year, month): (i32, i32) = (year.parse().ok()?, month.parse().ok()?);
            (1..=12).contains(&month).then_some(())?;
            u16::try_from((year - FIRST_YEAR) * 12 + month - 1)
                .ok()
                .map(Month)
        };
        parse()
            .filter(|month| month.to_string() == text)
            .ok_or(InvalidId("month"))
    }
}

/// The unit of permission: a unit × a class of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Scope {
    /// Whose documents.
    #[n(0)]
    pub unit: UnitId,
    /// Which of them.
    #[n(1)]
    pub class: Class,
}

/// One automerge document: class × unit × month (no month for classes that are not periodic).
///
/// Text form: `ledger/01JF…/2024-11`, `directory/01JF…`. CBOR: `[class, unit, month or null]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId {
    class: Class,
    unit: UnitId,
    period: Option<Month>,
}

impl DocumentId {
    /// The document of `class` and `unit`; `period` is kept for periodic classes alone and they must have one.
    pub fn new(class: Class, unit: UnitId, period: Option<Month>) -> Option<Self> {
        (class.is_periodic() == period.is_some()).then_some(Self { class, unit, period })
    }

    /// The ledger of a hamlet's month.
    pub fn ledger(unit: UnitId, month: Month) -> Self {
        Self {
            class: Class::Ledger,
            unit,
            period: Some(month),
        }
    }

    /// What it holds.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Whose it is.
    pub fn unit(&self) -> UnitId {
        self.unit
    }

    /// The month it is for, if its class has months.
    pub fn period(&self) -> Option<Month> {
        self.period
    }

    /// The unit of permission it belongs to.
    pub fn scope(&self) -> Scope {
        Scope {
            unit: self.unit,
            class: self.class,
        }
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.class.name(), self.unit)?;
        self.period.map_or(Ok(()), |month| write!(f, "/{month}"))
    }
}

impl FromStr for DocumentId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let parse = || -> Option<DocumentId> {
            let mut parts = text.split('/');
            let name = parts.next()?;
            let class = Class::ALL.into_iter().find(|class| class.name() == name)?;
            let unit = parts.next()?.parse().ok()?;
            let period = parts.next().map(str::parse).transpose().ok()?;
            parts
                .next()
                .is_none()
                .then(|| DocumentId::new(class, unit, period))?
        };
        parse().ok_or(InvalidId("document id"))
    }
}

impl<C> Encode<C> for DocumentId {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(3)?;
        self.class.encode(e, ctx)?;
        self.unit.encode(e, ctx)?;
        self.period.encode(e, ctx)
    }
}

impl<'b, C> Decode<'b, C> for DocumentId {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, DecodeError> {
        let position = d.position();
        if d.array()? != Some(3) {
            return Err(DecodeError::message("a document id has three parts").at(position));
        }
        let (class, unit, period) = (
            Class::decode(d, ctx)?,
            UnitId::decode(d, ctx)?,
            Option::decode(d, ctx)?,
        );
        DocumentId::new(class, unit, period)
            .ok_or_else(|| DecodeError::message("period does not fit the class").at(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_id_reads_back_from_its_text_and_its_bytes() {
        let unit = UnitId::from_parts(1_700_000_000_000, 7);
        for class in Class::ALL {
            let id = DocumentId::new(class, unit, class.is_periodic().then_some(Month(58))).unwrap();
            assert_eq!(id.to_string().parse(), Ok(id));
            let bytes = minicbor::to_vec(id).unwrap();
            assert_eq!(minicbor::decode::<DocumentId>(&bytes).unwrap(), id);
        }
    }

    #[test]
    fn a_month_begins_at_midnight_in_vietnam() {
        let last_utc_hours_of_october = 1_730_394_000_000; // 2024-10-31T17:00:00Z
        assert_eq!(
            Month::of_millis(last_utc_hours_of_october).unwrap().to_string(),
            "2024-11"
        );
        assert_eq!(
            Month::of_millis(last_utc_hours_of_october - 1)
                .unwrap()
                .to_string(),
            "2024-10"
        );
    }

    #[test]
    fn an_id_has_one_spelling() {
        assert!("01jf0000000000000000000000".parse::<UnitId>().is_err());
        assert!("2024-1".parse::<Month>().is_err());
        assert!("ledger/01JF0000000000000000000000".parse::<DocumentId>().is_err());
    }
}
