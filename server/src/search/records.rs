//! Records by words: each word becomes the tokens it may mean, and the index finds who has one of each.

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::{Blinder, CaughtUp, Fit, Words, index, names};
use crate::policy::{Permit, Read};
use crate::records::{self, COLUMNS, Filter, RecordRow, record_row};

/// In what is looked.
#[derive(Clone, Copy, Debug)]
pub enum Depth<'a> {
    /// Names of units, procedures and categories.
    Clear,
    /// Citizens' data as well – for a permit that holds for them; for any other this is [`Depth::Clear`].
    Personal(&'a Blinder),
}

/// A record that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The record.
    pub row: RecordRow,
    /// Where it stands in what was found.
    pub place: Place,
}

/// A place in what is found: who fits exactly comes first, then who happened last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    fit: Fit,
    id: i64,
}

impl Place {
    /// How what stands there fits.
    pub fn fit(self) -> Fit {
        self.fit
    }

    /// As a cursor.
    pub fn seal(self) -> String {
        let mut bytes = vec![match self.fit {
            Fit::Exact => 0,
            Fit::Folded => 1,
        }];
        bytes.extend(self.id.to_be_bytes());
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// The place of a cursor.
    pub fn open(cursor: &str) -> Option<Self> {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?;
        let (fit, id) = bytes.split_first()?;
        let fit = match fit {
            0 => Fit::Exact,
            1 => Fit::Folded,
            _ => return None,
        };
        let id = i64::from_be_bytes(id.try_into().ok()?);
        Some(Self { fit, id })
    }
}

/// Records that a permit holds for, that a filter lets through and that fit the words: those that fit with their signs
/// first, of each kind the newest first, after a place, at most `limit`. Where the list goes on is told by `after`, and
/// the filter's own `after` is not looked at. The index has to have caught up.
///
/// # Errors
/// The store's.
pub fn records(
    conn: &Connection,
    _: CaughtUp,
    permit: &Permit<Read>,
    (words, depth): (&Words, Depth<'_>),
    filter: &Filter,
    after: Option<Place>,
    limit: usize,
) -> rusqlite::Result<Vec<Found>> {
    let blinder = match depth {
        Depth::Personal(blinder) if permit.personal() => Some(blinder),
        Depth::Personal(_) | Depth::Clear => None,
    };
    let meanings = names::Meanings::load(conn, permit)?;
    let expression = |fit| -> Option<String> {
        let words = words.terms.iter().map(|word| {
            let mut tokens = meanings.tokens(word, fit);
            tokens.extend(blinder.map(|blinder| blinder.token(fit, word)));
            any_of(&tokens)
        });
        Some(words.collect::<Option<Vec<_>>>()?.join(" AND "))
    };
    let Some(folded) = expression(Fit::Folded) else {
        return Ok(Vec::new());
    };
    let exact = expression(Fit::Exact);
    let others = match &exact {
        Some(exact) => format!("({folded}) NOT ({exact})"),
        None => folded,
    };
    let mut found = Vec::new();
    for (fit, expression) in [(Fit::Exact, exact), (Fit::Folded, Some(others))] {
        let before = match after {
            Some(place) if place.fit > fit => continue,
            Some(place) if place.fit == fit => place.id,
            Some(_) | None => i64::MAX,
        };
        let left = limit.saturating_sub(found.len());
        if let Some(expression) = expression.filter(|_| left > 0) {
            let query = (expression.as_str(), before, left);
            for (row, id) in matching(conn, permit, filter, query)? {
                let place = Place { fit, id };
                found.push(Found { row, place });
            }
        }
    }
    Ok(found)
}

fn any_of(tokens: &BTreeSet<String>) -> Option<String> {
    let tokens = Vec::from_iter(tokens.iter().map(String::as_str));
    (!tokens.is_empty()).then(|| format!("({})", tokens.join(" OR ")))
}

/// One walk through the index, newest first, that stops at the limit.
fn matching(
    conn: &Connection,
    permit: &Permit<Read>,
    filter: &Filter,
    (expression, before, limit): (&str, i64, usize),
) -> rusqlite::Result<Vec<(RecordRow, i64)>> {
    let filter = Filter {
        after: None,
        ..filter.clone()
    };
    let (wheres, more) = records::condition(permit, &filter);
    let before = filter
        .until_ms
        .map_or(before, |until| before.min(index::first_of(until)));
    let from = filter.from_ms.map_or(i64::MIN, index::first_of);
    let mut values: Vec<Value> = vec![expression.to_owned().into(), before.into(), from.into()];
    values.extend(more);
    values.push((limit as i64).into());
    // CROSS JOIN: the index leads, whatever the planner thinks of it.
    let sql = format!(
        "SELECT {COLUMNS}, s.id FROM search CROSS JOIN search_record s ON s.id = search.rowid
           CROSS JOIN assistance a ON a.record = s.record
         WHERE search MATCH ? AND search.rowid < ? AND search.rowid >= ? AND {wheres}
         ORDER BY search.rowid DESC LIMIT ?"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        Ok((record_row(row)?, row.get("id")?))
    })?;
    rows.collect()
}
