//! Records from a file: one JSON object a line, `{"hamlet": "H001", "rec": {…}}`.
//!
//! Hamlets are whatever the lines call them, in the order in which they first appear. A record is taken as far as it
//! fits: what a code, a time or a text may be is still decided by the edit that it becomes.

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;
use sync_core::document::schema::CODE_BYTES;
use sync_core::edit::{NewAssistance, Personal};
use sync_core::ids::{RecordId, UnitId};
use sync_core::seal::SealedField;
use unicode_normalization::UnicodeNormalization;

/// Longest line, in bytes.
const LINE_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
struct Line {
    hamlet: String,
    rec: Rec,
}

#[derive(Deserialize)]
struct Rec {
    id: Option<String>,
    category: Option<String>,
    procedure_code: Option<String>,
    citizen_name: Option<String>,
    citizen_phone: Option<String>,
    channel: Option<String>,
    outcome: Option<String>,
    satisfaction: Option<i64>,
    note: Option<String>,
    occurred_at: Option<Value>,
}

/// A record as it was given.
#[derive(Debug)]
pub struct Given {
    /// Where it stood.
    pub line: usize,
    /// Its id, if it is one of ours.
    pub id: Option<RecordId>,
    occurred_at_ms: i64,
    category: String,
    procedure: Option<String>,
    channel: String,
    outcome: String,
    satisfaction: Option<u8>,
    personal: Personal,
}

impl Given {
    /// As it is recorded in a hamlet.
    pub fn to_assistance(&self, id: RecordId, unit: UnitId) -> NewAssistance {
        NewAssistance {
            id,
            unit,
            occurred_at_ms: self.occurred_at_ms,
            category: self.category.clone(),
            procedure: self.procedure.clone(),
            channel: self.channel.clone(),
            outcome: self.outcome.clone(),
            people: 1,
            minutes: None,
            satisfaction: self.satisfaction,
            personal: self.personal.clone(),
        }
    }
}

/// Reads a file: the records of each hamlet, hamlets in the order of their appearance.
///
/// # Errors
/// Names the line that is none, and quotes nothing of it.
pub fn read(input: impl BufRead, now_ms: i64) -> anyhow::Result<Vec<Vec<Given>>> {
    let (mut places, mut hamlets) = (HashMap::new(), Vec::<Vec<Given>>::new());
    for (line, number) in input.lines().zip(1..) {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        anyhow::ensure!(line.len() <= LINE_BYTES, "line {number} is too long");
        let Line { hamlet, rec } = serde_json::from_str(&line)
            .map_err(|error| anyhow::anyhow!("line {number}, column {}: no record", error.column()))?;
        let at = *places.entry(hamlet).or_insert(hamlets.len());
        if at == hamlets.len() {
            hamlets.push(Vec::new());
        }
        let given = given(number, rec, now_ms).with_context(|| format!("line {number}"))?;
        hamlets.get_mut(at).context("a hamlet")?.push(given);
    }
    Ok(hamlets)
}

fn given(line: usize, rec: Rec, now_ms: i64) -> anyhow::Result<Given> {
    let sealed = [
        (SealedField::CitizenName, rec.citizen_name),
        (SealedField::CitizenPhone, rec.citizen_phone),
        (SealedField::Note, rec.note),
    ];
    let sealed = sealed
        .into_iter()
        .filter_map(|(field, text)| Some((field, text.filter(|text| !text.is_empty())?)));
    Ok(Given {
        line,
        id: rec.id.and_then(|id| id.parse().ok()),
        occurred_at_ms: rec
            .occurred_at
            .map_or(Some(now_ms), |at| time_ms(&at))
            .context("occurred_at is no time")?,
        category: code(rec.category).unwrap_or_else(|| "khac".to_owned()),
        procedure: code(rec.procedure_code),
        channel: code(rec.channel).unwrap_or_else(|| "khac".to_owned()),
        outcome: code(rec.outcome).unwrap_or_else(|| "khac".to_owned()),
        satisfaction: rec.satisfaction.map(|level| level.clamp(1, 5) as u8),
        personal: Personal(sealed.collect::<BTreeMap<_, _>>()),
    })
}

/// UTC milliseconds, or a time as RFC 3339 writes it.
fn time_ms(at: &Value) -> Option<i64> {
    match at {
        Value::String(text) => Some(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()),
        other => other.as_i64(),
    }
}

/// A code in normal form, cut to the longest that there may be.
fn code(text: Option<String>) -> Option<String> {
    let text: String = text?.nfc().collect();
    let end = (0..=CODE_BYTES.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))?;
    text.get(..end).filter(|code| !code.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_the_records_of_hamlets_in_order_of_appearance() {
        let lines = r#"{"hamlet":"H002","rec":{"id":"x","category":"a","citizen_name":"Lan","satisfaction":9,"occurred_at":"2024-11-08T07:00:00Z"}}

{"hamlet":"H001","rec":{"occurred_at":1731049200000,"note":"","created_by":"someone"}}
{"hamlet":"H002","rec":{}}"#;
        let hamlets = read(lines.as_bytes(), 7).unwrap();
        assert_eq!(hamlets.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(hamlets[0][0].occurred_at_ms, hamlets[1][0].occurred_at_ms);
        assert_eq!((hamlets[0][0].satisfaction, hamlets[0][0].id), (Some(5), None));
        assert_eq!(hamlets[0][1].occurred_at_ms, 7);
        assert!(hamlets[1][0].personal.0.is_empty(), "an empty note is none");
    }

    #[test]
    fn a_line_that_is_no_record_is_named_and_not_quoted() {
        let error = read("{}\n{\"hamlet\":\"Lan\"".as_bytes(), 0)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("line 1"), "{error}");
        let error = read("{\"hamlet\":\"Lan\", oops".as_bytes(), 0).unwrap_err();
        assert!(!format!("{error:#}").contains("Lan"));
    }
}
