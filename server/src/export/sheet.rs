//! A sheet: rows of typed cells under columns, whatever becomes of them.
//!
//! Text that comes from people is data in every program that opens it. What a spreadsheet would take for a formula gets a
//! mark in front, and what nobody can see is left out where people read ([`crate::visible`]); programs get it as it is.

use std::fs::File;

use jiff::civil::Date;

use super::ExportError;
use crate::clock::VIETNAM;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name for programs, and – with `export-` before it – of its heading.
    pub key: &'static str,
    /// How wide it is, in characters.
    pub width: u16,
}

impl Column {
    /// The message of its heading.
    pub fn heading(&self) -> String {
        format!("export-{}", self.key.replace('_', "-"))
    }
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Text.
    Text(String),
    /// A code, with what people call it.
    Coded {
        /// For programs.
        code: String,
        /// For people.
        label: String,
    },
    /// A whole number.
    Number(i64),
    /// A day.
    Day(Date),
    /// An instant, UTC milliseconds; people read it in Vietnam.
    Time(i64),
}

impl Cell {
    /// Text, or nothing.
    pub fn text(text: Option<String>) -> Self {
        text.map_or(Cell::Empty, Cell::Text)
    }

    /// A number, or nothing.
    pub fn number(number: Option<impl Into<i64>>) -> Self {
        number.map_or(Cell::Empty, |number| Cell::Number(number.into()))
    }
}

/// Something that an export says about itself.
#[derive(Clone, Debug)]
pub struct Fact {
    /// For programs.
    pub key: &'static str,
    /// For people.
    pub label: String,
    /// What.
    pub value: Cell,
}

/// Where rows go.
pub trait Sheet {
    /// Writes a row: a cell for each column.
    ///
    /// # Errors
    /// The file's.
    fn row(&mut self, cells: &[Cell]) -> Result<(), ExportError>;

    /// Writes what the export says about itself, and gives the file.
    ///
    /// # Errors
    /// The file's.
    fn finish(self: Box<Self>, facts: &[Fact]) -> Result<File, ExportError>;
}

/// Whether a spreadsheet might take a text for a formula. What stands before it and is not seen does not hide it.
pub(super) fn is_formula(text: &str) -> bool {
    let begin = text.trim_start().chars().next();
    let seen = begin.is_some_and(|c| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠'));
    seen || text.starts_with(['\t', '\r'])
}

/// An instant as it is written in Vietnam, `2024-11-08 14:00:00`.
pub(super) fn local_time(at_ms: i64) -> jiff::civil::DateTime {
    VIETNAM.to_datetime(jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default())
}
