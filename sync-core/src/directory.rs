//! The directory: units, what is below them and who works there, as the server's tables have them and as it published
//! them. Periods come along, so that a phone that is offline knows what holds today, and what did on an earlier day.
//!
//! Pure. Several records may speak of one and the same thing; the one that was made last counts
//! ([`crate::document::directory`]).

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::Offset;

use crate::document::directory::{
    ACCOUNT, CODE, HEIR, KIND, LEVEL, NAME, PARENT, ROLE, UNIT, VALID_FROM, VALID_TO,
};
use crate::document::{Document, directory::Kind};
use crate::ids::{AccountId, RecordId, UnitId};
use crate::record::{Fields, Scalar};

/// What the directory documents say that are here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directory {
    units: BTreeMap<UnitId, Vec<UnitPeriod>>,
    /// Units below a unit, and when.
    below: BTreeMap<UnitId, Vec<(UnitId, Period)>>,
    posts: Vec<Post>,
}

/// From a day on, and until before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first day.
    pub from: Date,
    /// The first day on which it no longer holds; `None`: open.
    pub to: Option<Date>,
}

/// How a unit is called for some time, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitPeriod {
    /// When.
    pub period: Period,
    /// Its name, with its kind.
    pub name: String,
    /// What kind of unit.
    pub level: String,
    /// Official code; empty where there is none.
    pub code: String,
    /// The unit above it.
    pub parent: Option<UnitId>,
    /// Who inherited from it when it ended.
    pub heir: Option<UnitId>,
}

/// Somebody's role in a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Where.
    pub unit: UnitId,
    /// Who.
    pub account: AccountId,
    /// What the person is called.
    pub name: String,
    /// The role's word.
    pub role: String,
    /// When.
    pub period: Period,
}

impl Period {
    /// Whether it holds on a day.
    pub fn on(&self, day: Date) -> bool {
        self.from <= day && self.to.is_none_or(|to| day < to)
    }
}

/// The day in Vietnam of an instant, UTC milliseconds.
pub fn day_of(time_ms: i64) -> Option<Date> {
    let instant = jiff::Timestamp::from_millisecond(time_ms).ok()?;
    Some(Offset::constant(7).to_datetime(instant).date())
}

impl Directory {
    /// What documents of the class say.
    pub fn read<'a>(documents: impl IntoIterator<Item = &'a Document>) -> Self {
        let mut directory = Self::default();
        for document in documents {
            directory.take(document);
        }
        directory
    }

    fn take(&mut self, document: &Document) {
        let unit = document.id().unit();
        for fields in latest(document).values() {
            let Some(entry) = Reading(fields).entry(unit) else {
                continue;
            };
            match entry {
                Entry::Unit(period) => self.units.entry(unit).or_default().push(period),
                Entry::Child(child, known) => {
                    self.below.entry(unit).or_default().push((child, known.period));
                    // Its own document, if it is here, says it too.
                    let periods = self.units.entry(child).or_default();
                    if !periods.iter().any(|other| other.period.from == known.period.from) {
                        periods.push(known);
                    }
                }
                Entry::Member(post) => self.posts.push(post),
            }
        }
    }

    /// A unit on a day.
    pub fn unit(&self, unit: UnitId, day: Date) -> Option<&UnitPeriod> {
        self.units.get(&unit)?.iter().find(|known| known.period.on(day))
    }

    /// Every unit that is known on a day.
    pub fn units(&self, day: Date) -> impl Iterator<Item = (UnitId, &UnitPeriod)> {
        let on = move |known: &&UnitPeriod| known.period.on(day);
        self.units
            .iter()
            .filter_map(move |(unit, periods)| Some((*unit, periods.iter().find(on)?)))
    }

    /// The units above one on a day, nearest first.
    pub fn above(&self, unit: UnitId, day: Date) -> Vec<UnitId> {
        let mut above = Vec::new();
        let mut at = unit;
        while let Some(parent) = self.unit(at, day).and_then(|known| known.parent) {
            // Rows that lead in a circle lead nowhere.
            if above.contains(&parent) || parent == unit {
                break;
            }
            above.push(parent);
            at = parent;
        }
        above
    }

    /// The units right below one on a day.
    pub fn below(&self, unit: UnitId, day: Date) -> BTreeSet<UnitId> {
        let below = self.below.get(&unit).into_iter().flatten();
        below
            .filter(|(_, period)| period.on(day))
            .map(|(unit, _)| *unit)
            .collect()
    }

    /// Who inherited from a unit that is no more.
    pub fn heir(&self, unit: UnitId) -> Option<UnitId> {
        self.units.get(&unit)?.iter().find_map(|known| known.heir)
    }

    /// What an account is in a unit, or ever was.
    pub fn roles(&self, account: AccountId, unit: UnitId) -> impl Iterator<Item = &str> {
        let own = self.posts.iter();
        own.filter(move |post| post.account == account && post.unit == unit)
            .map(|post| post.role.as_str())
    }

    /// The first day of a unit that is known.
    pub fn first_day(&self, unit: UnitId) -> Option<Date> {
        let periods = self.units.get(&unit)?.iter();
        periods.map(|known| known.period.from).min()
    }

    /// Whether a unit answers for what another said: that unit itself, who inherited from it, or one above either.
    pub fn answers_for(&self, unit: UnitId, other: UnitId, day: Date) -> bool {
        let (mut at, mut seen) = (other, BTreeSet::new());
        while seen.insert(at) {
            if at == unit || self.above(at, day).contains(&unit) {
                return true;
            }
            match self.heir(at) {
                Some(heir) => at = heir,
                None => return false,
            }
        }
        false
    }

    /// The people of a unit on a day.
    pub fn team(&self, unit: UnitId, day: Date) -> impl Iterator<Item = &Post> {
        self.posts
            .iter()
            .filter(move |post| post.unit == unit && post.period.on(day))
    }
}

/// What a record is about: of several about one thing the one that was made last counts.
type About = (Kind, [u8; 16], String, String);

/// The records of a document that count, by what they are about.
pub fn latest(document: &Document) -> BTreeMap<About, Fields> {
    let mut latest = BTreeMap::new();
    // Ascending by id, which is by time.
    for record in document.records() {
        latest.extend(said(document, record));
    }
    latest
}

fn said(document: &Document, record: RecordId) -> Option<(About, Fields)> {
    let fields = document.fields(record)?;
    Some((about(&fields)?, fields))
}

/// What fields are about; `None` if they are no record of the directory.
pub fn about(fields: &Fields) -> Option<About> {
    let reading = Reading(fields);
    let kind = Kind::from_code(reading.text(KIND)?)?;
    let whom = match kind {
        Kind::Unit | Kind::Child => reading.id(UNIT)?,
        Kind::Member => reading.id(ACCOUNT)?,
    };
    let word = |key| reading.text(key).unwrap_or_default().to_owned();
    Some((kind, whom, word(ROLE), word(VALID_FROM)))
}

enum Entry {
    Unit(UnitPeriod),
    Child(UnitId, UnitPeriod),
    Member(Post),
}

struct Reading<'a>(&'a Fields);

impl Reading<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key)? {
            Scalar::Text(text) => Some(text),
            Scalar::Bytes(_) | Scalar::Int(_) | Scalar::Bool(_) | Scalar::Null => None,
        }
    }

    fn id(&self, key: &str) -> Option<[u8; 16]> {
        match self.0.get(key)? {
            Scalar::Bytes(bytes) => bytes.as_slice().try_into().ok(),
            Scalar::Text(_) | Scalar::Int(_) | Scalar::Bool(_) | Scalar::Null => None,
        }
    }

    fn unit(&self, key: &str) -> Option<UnitId> {
        self.id(key).map(UnitId::from_bytes)
    }

    fn entry(&self, of: UnitId) -> Option<Entry> {
        let period = Period {
            from: self.text(VALID_FROM)?.parse().ok()?,
            to: self.text(VALID_TO).map(str::parse).transpose().ok()?,
        };
        // What never held for a day was taken back.
        if period.to.is_some_and(|to| to <= period.from) {
            return None;
        }
        let name = self.text(NAME)?.to_owned();
        let word = |key| self.text(key).unwrap_or_default().to_owned();
        let known = || UnitPeriod {
            period,
            name: name.clone(),
            level: word(LEVEL),
            code: word(CODE),
            parent: self.unit(PARENT),
            heir: self.unit(HEIR),
        };
        Some(match Kind::from_code(self.text(KIND)?)? {
            Kind::Unit => Entry::Unit(known()),
            Kind::Child => Entry::Child(self.unit(UNIT)?, known()),
            Kind::Member => Entry::Member(Post {
                unit: of,
                account: AccountId::from_bytes(self.id(ACCOUNT)?),
                role: word(ROLE),
                name,
                period,
            }),
        })
    }
}
