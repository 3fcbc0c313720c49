//! What people call what rows have codes and ids for, read once for an export.

use std::collections::HashMap;

use jiff::civil::Date;
use rusqlite::Connection;
use sync_core::ids::{AccountId, UnitId};

use super::sheet::Cell;
use crate::catalogue::Names;
use crate::i18n::Locale;

/// Names of units, of entries of the catalogue and of people.
#[derive(Debug)]
pub struct Labels {
    units: HashMap<UnitId, Vec<Period>>,
    catalogue: Names,
    people: HashMap<AccountId, String>,
}

#[derive(Debug)]
struct Period {
    from: String,
    to: Option<String>,
    name: String,
    parent: Option<UnitId>,
}

impl Labels {
    /// # Errors
    /// The store's.
    pub fn load(conn: &Connection, locale: Locale) -> rusqlite::Result<Self> {
        let mut labels = Self {
            units: HashMap::new(),
            catalogue: Names::load(conn, locale)?,
            people: HashMap::new(),
        };
        let mut statement = conn.prepare(
            "SELECT unit, valid_from, valid_to, name, parent FROM unit_period ORDER BY unit, valid_from",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let periods = labels.units.entry(UnitId::from_bytes(row.get(0)?)).or_default();
            periods.push(Period {
                from: row.get(1)?,
                to: row.get(2)?,
                name: row.get(3)?,
                parent: row.get::<_, Option<[u8; 16]>>(4)?.map(UnitId::from_bytes),
            });
        }
        let mut statement = conn.prepare("SELECT id, display_name FROM account")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            labels
                .people
                .insert(AccountId::from_bytes(row.get(0)?), row.get(1)?);
        }
        Ok(labels)
    }

    /// A code of the catalogue: as it says, as we say, or as it is.
    pub fn word(&self, kind: &str, code: &str) -> String {
        self.catalogue.name(kind, code)
    }

    /// The same as a cell.
    pub(super) fn coded(&self, kind: &str, code: String) -> Cell {
        Cell::Coded {
            label: self.word(kind, &code),
            code,
        }
    }

    /// What a unit was called on a day, or at the time next to it.
    fn period(&self, unit: UnitId, day: &str) -> Option<&Period> {
        let periods = self.units.get(&unit)?;
        let holds =
            |period: &&Period| period.from.as_str() <= day && period.to.as_deref().is_none_or(|to| day < to);
        let before = |period: &&Period| period.from.as_str() <= day;
        periods
            .iter()
            .find(holds)
            .or_else(|| periods.iter().rfind(before))
            .or_else(|| periods.first())
    }

    /// A unit as it was called on a day, and what was above it then.
    pub(super) fn unit(&self, unit: UnitId, day: Date) -> [Cell; 2] {
        let day = day.to_string();
        let period = self.period(unit, &day);
        let above = period
            .and_then(|period| period.parent)
            .and_then(|parent| self.period(parent, &day));
        let label = period.map_or_else(|| unit.to_string(), |period| period.name.clone());
        [
            Cell::text(above.map(|above| above.name.clone())),
            Cell::Coded {
                code: unit.to_string(),
                label,
            },
        ]
    }

    /// A person.
    pub(super) fn person(&self, account: AccountId) -> Cell {
        let code = account.to_string();
        let label = self.people.get(&account).unwrap_or(&code).clone();
        Cell::Coded { code, label }
    }
}
