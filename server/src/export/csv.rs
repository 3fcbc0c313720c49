//! CSV as Excel opens it without being asked: UTF-8 with its mark, RFC 4180, text that is no formula.
//!
//! The last line, which begins with `#`, is no row: it says how many there are and where the audit ended.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use csv::{Terminator, Writer, WriterBuilder};

use super::ExportError;
use super::sheet::{Cell, Column, Fact, Sheet, is_formula, local_time};
use crate::i18n::{Locale, text};
use crate::visible::visible;

const MARK: &str = "\u{feff}";

pub(super) struct Csv {
    writer: Writer<File>,
}

impl Csv {
    pub(super) fn begin(dir: &Path, columns: &[Column], locale: Locale) -> Result<Self, ExportError> {
        let mut file = tempfile::tempfile_in(dir)?;
        file.write_all(MARK.as_bytes())?;
        let mut writer = WriterBuilder::new()
            .terminator(Terminator::CRLF)
            .flexible(true)
            .from_writer(file);
        let headings = columns.iter().map(|column| text(locale, &column.heading()));
        writer.write_record(headings).map_err(broken)?;
        Ok(Self { writer })
    }
}

impl Sheet for Csv {
    fn row(&mut self, cells: &[Cell]) -> Result<(), ExportError> {
        self.writer.write_record(cells.iter().map(shown)).map_err(broken)
    }

    fn finish(mut self: Box<Self>, facts: &[Fact]) -> Result<File, ExportError> {
        let facts = facts
            .iter()
            .map(|fact| format!("{}: {}", fact.label, shown(&fact.value)));
        let line = format!("# {}", Vec::from_iter(facts).join("; "));
        self.writer.write_record([line]).map_err(broken)?;
        self.writer
            .into_inner()
            .map_err(|error| ExportError::Io(error.into_error()))
    }
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) | Cell::Coded { label: text, .. } => {
            let shown = visible(text);
            if is_formula(text) || is_formula(&shown) {
                format!("'{shown}")
            } else {
                shown
            }
        }
        Cell::Number(number) => number.to_string(),
        Cell::Day(day) => day.to_string(),
        Cell::Time(at_ms) => local_time(*at_ms).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    }
}

fn broken(error: csv::Error) -> ExportError {
    ExportError::Io(error.into())
}
