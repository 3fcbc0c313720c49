//! A CSV file in a form: chosen as a file or pasted, looked at first, and done when the same text comes back.

use serde::Deserialize;

use crate::http::ApiError;
use crate::http::pages::FILE_BYTES;
use crate::http::pages::words::Words;
use crate::lines::RowError;
use crate::store::WriteError;

/// What a form with a file sends.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Upload {
    /// The file that was chosen; empty where none was.
    #[serde(default)]
    file: String,
    /// What was pasted, or what was looked at.
    #[serde(default)]
    csv: String,
    #[serde(default)]
    pub(super) step: Step,
    /// A second text that goes with the first: where roles go.
    #[serde(default)]
    pub(super) roles: String,
    /// Whether lines about somebody else are passed over: filled in if they are.
    #[serde(default)]
    pub(super) skip: String,
}

/// How far somebody is with a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// It is tried, and nothing is kept.
    #[default]
    Look,
    /// It is done.
    Apply,
}

impl Upload {
    /// What stands in the file, without the byte order mark that spreadsheets put before it.
    ///
    /// # Errors
    /// What to say beside the form.
    pub(super) fn text(&self, words: Words) -> Result<String, String> {
        let text = if self.file.is_empty() {
            &self.csv
        } else {
            &self.file
        };
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            return Err(words.t("file-empty"));
        }
        // What was looked at comes back with two bytes for the end of each line.
        if text.bytes().filter(|byte| *byte != b'\r').count() > FILE_BYTES {
            return Err(words.count("file-too-long", FILE_BYTES / (1024 * 1024)));
        }
        if text.contains('\u{fffd}') {
            return Err(words.t("file-not-utf8"));
        }
        Ok(text.to_owned())
    }

    /// The rows that a reader makes of it: at least one, or it is no file of that kind.
    ///
    /// # Errors
    /// What to say beside the form.
    pub(super) fn rows<T, E>(
        &self,
        words: Words,
        columns: &str,
        parse: impl FnOnce(&[u8]) -> Result<Vec<T>, E>,
    ) -> Result<Vec<T>, String> {
        let text = self.text(words)?;
        let rows = parse(text.as_bytes()).ok().filter(|rows| !rows.is_empty());
        rows.ok_or_else(|| words.say("file-not-csv", &[("columns", columns)]))
    }

    /// What is shown in the form again.
    pub(super) fn shown(&self) -> String {
        if self.file.is_empty() {
            self.csv.clone()
        } else {
            self.file.clone()
        }
    }
}

/// What came of something that may only have been tried.
#[derive(Debug)]
pub(super) enum Tried<T, E> {
    /// It was to be a try: taken back.
    Dry(T),
    /// It could not be done.
    Failed(E),
}

impl<T, E: From<rusqlite::Error>> From<rusqlite::Error> for Tried<T, E> {
    fn from(error: rusqlite::Error) -> Self {
        Tried::Failed(error.into())
    }
}

impl Step {
    /// What a job gives that has come to its end: kept, or taken back.
    pub(super) fn end<T, E>(self, done: T) -> Result<T, Tried<T, E>> {
        match self {
            Step::Look => Err(Tried::Dry(done)),
            Step::Apply => Ok(done),
        }
    }
}

impl<T, E: std::fmt::Display> From<Tried<T, E>> for ApiError {
    fn from(tried: Tried<T, E>) -> Self {
        match tried {
            Tried::Dry(_) => Self::internal("a try that nobody looked at"),
            Tried::Failed(error) => Self::internal(error),
        }
    }
}

/// What a page says of a file.
#[derive(Debug)]
pub(super) struct Said<T> {
    pub(super) problem: Option<String>,
    /// Lines that cannot be taken, each with what is wrong with it.
    pub(super) bad: Vec<(u64, String)>,
    /// What it would do.
    pub(super) would: Option<T>,
}

impl<T> Said<T> {
    /// Nothing yet.
    pub(super) fn nothing() -> Self {
        Self {
            problem: None,
            bad: Vec::new(),
            would: None,
        }
    }

    /// What is wrong with the file as a whole.
    pub(super) fn problem(problem: String) -> Self {
        Self {
            problem: Some(problem),
            ..Self::nothing()
        }
    }

    /// Lines that cannot be taken.
    pub(super) fn rows(words: Words, bad: &[RowError]) -> Self {
        let told = |row: &RowError| (row.line, row.problem.told(words.locale));
        Self {
            bad: bad.iter().map(told).collect(),
            ..Self::problem(words.t("file-refused"))
        }
    }

    /// What came of trying; `None`: it was done. `rows` takes the lines that cannot be taken out of an error.
    ///
    /// # Errors
    /// What failed here, and is not the file's fault.
    pub(super) fn of<E: std::fmt::Display>(
        words: Words,
        done: Result<T, WriteError<Tried<T, E>>>,
        rows: impl FnOnce(E) -> Result<Vec<RowError>, ApiError>,
    ) -> Result<Option<Self>, ApiError> {
        match done {
            Ok(_) => Ok(None),
            Err(WriteError::Job(Tried::Dry(would))) => Ok(Some(Self {
                would: Some(would),
                ..Self::nothing()
            })),
            Err(WriteError::Job(Tried::Failed(error))) => Ok(Some(Self::rows(words, &rows(error)?))),
            Err(error) => Err(error.into()),
        }
    }
}
