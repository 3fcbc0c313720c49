//! One JSON object a line, for programs: codes instead of names, times in UTC milliseconds, text as it is.
//!
//! The last line is `{"export": {…}}`: how many rows there are, and where the audit ended.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::ExportError;
use super::sheet::{Cell, Column, Fact, Sheet};

pub(super) struct Ndjson {
    file: BufWriter<File>,
    keys: Vec<&'static str>,
}

impl Ndjson {
    pub(super) fn begin(dir: &Path, columns: &[Column]) -> Result<Self, ExportError> {
        Ok(Self {
            file: BufWriter::new(tempfile::tempfile_in(dir)?),
            keys: columns.iter().map(|column| column.key).collect(),
        })
    }

    fn line(&mut self, value: &Value) -> Result<(), ExportError> {
        Ok(writeln!(self.file, "{value}")?)
    }
}

impl Sheet for Ndjson {
    fn row(&mut self, cells: &[Cell]) -> Result<(), ExportError> {
        let object = self.keys.iter().zip(cells);
        let object: Map<String, Value> = object
            .map(|(key, cell)| ((*key).to_owned(), value(cell)))
            .collect();
        self.line(&object.into())
    }

    fn finish(mut self: Box<Self>, facts: &[Fact]) -> Result<File, ExportError> {
        let facts: Map<String, Value> = facts
            .iter()
            .map(|fact| (fact.key.to_owned(), value(&fact.value)))
            .collect();
        self.line(&json!({ "export": facts }))?;
        self.file
            .into_inner()
            .map_err(|error| ExportError::Io(error.into_error()))
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Text(text) | Cell::Coded { code: text, .. } => text.clone().into(),
        Cell::Number(number) | Cell::Time(number) => (*number).into(),
        Cell::Day(day) => day.to_string().into(),
    }
}
