//! Exports: rows that leave the system, as CSV, XLSX or NDJSON.
//!
//! An export is written to a file without a name, from one consistent state of the store, a page of rows at a time: a
//! hundred thousand records take no more memory than a hundred, and a slow reader holds up nobody. Then the export itself
//! is written into the audit, and the audit's head into the export: whoever keeps the file can prove later that the audit
//! was not written anew. What may be told follows from permits, as everywhere.

mod csv;
pub mod labels;
mod ndjson;
pub mod sheet;
mod tables;
mod xlsx;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use jiff::civil::Date;
use serde_json::json;
use sync_core::ids::UnitId;
use sync_core::record::Issue;
use sync_core::seal::MasterKey;

use crate::app::App;
use crate::audit::{self, Act, By, Change, Search};
use crate::clock::day_of;
use crate::i18n::{Locale, text};
use crate::policy::{Permit, Personal, Read};
use crate::realm::RealmError;
use crate::records::Filter;
use crate::search::{CaughtUp, Words};
use crate::store::{Store, WriteError};
pub use labels::Labels;
use sheet::{Cell, Fact, Sheet};

/// What is exported.
#[derive(Clone, Debug)]
pub enum What {
    /// Records.
    Records(Box<Records>),
    /// What was said about directives by the permit's units.
    Acknowledgements {
        /// Whose.
        permit: Permit<Read>,
        /// About this version of a directive alone.
        issue: Option<Issue>,
    },
    /// Units that may be known.
    Units {
        /// Which.
        known: BTreeSet<UnitId>,
        /// As they are on a day; in all their times without one.
        on: Option<Date>,
    },
    /// The audit.
    Audit {
        /// To read it in the whole realm.
        permit: Permit<Read>,
        /// Which of its rows.
        wanted: Box<Search>,
    },
}

/// Which records, and what of them.
#[derive(Clone, Debug)]
pub struct Records {
    /// For whom.
    pub permit: Permit<Read>,
    /// Which.
    pub filter: Filter,
    /// Only what was under this unit on its own date.
    pub past_of: Option<UnitId>,
    /// What they say, and whether that is looked for in citizens' data – in an index that has caught up.
    pub words: Option<(Words, Personal, CaughtUp)>,
    /// Whether citizens' data is told – for a permit that holds for them.
    pub personal: Personal,
}

impl What {
    /// The word in the audit and in names of files.
    pub fn word(&self) -> &'static str {
        match self {
            What::Records(_) => "records",
            What::Acknowledgements { .. } => "acknowledgements",
            What::Units { .. } => "units",
            What::Audit { .. } => "audit",
        }
    }
}

/// As what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Comma-separated, UTF-8 with a mark that tells Excel so.
    Csv,
    /// A workbook.
    Xlsx,
    /// One JSON object a line.
    Ndjson,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 3] = [Format::Csv, Format::Xlsx, Format::Ndjson];

    /// What the name of such a file ends with.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Xlsx => "xlsx",
            Format::Ndjson => "ndjson",
        }
    }

    /// The format of an extension.
    pub fn of_extension(extension: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.extension() == extension)
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Format::Ndjson => "application/x-ndjson",
        }
    }
}

/// An export that is ready to be sent.
#[derive(Debug)]
pub struct Exported {
    /// Stands at its beginning.
    pub file: File,
    /// Its length.
    pub bytes: u64,
    /// How many rows it has.
    pub rows: u64,
    /// A name to save it under.
    pub name: String,
    /// What it is.
    pub format: Format,
}

/// An export that was not made. Nothing has left the system.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The realm's tables.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// The file cannot be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The workbook cannot be written: most likely more rows than one can have.
    #[error(transparent)]
    Xlsx(#[from] rust_xlsxwriter::XlsxError),
    /// The audit was not written.
    #[error("the audit was not written: {0}")]
    Audit(#[from] WriteError<rusqlite::Error>),
    /// The process is going down.
    #[error("the export was abandoned")]
    Abandoned,
}

/// Makes an export, one at a time.
///
/// # Errors
/// [`ExportError`].
pub async fn export(
    app: &App,
    what: What,
    format: Format,
    locale: Locale,
    by: By,
) -> Result<Exported, ExportError> {
    let (store, master, dir) = (
        app.store().clone(),
        app.exchange.ingest.master.clone(),
        app.config.data.clone(),
    );
    let made = app
        .exports
        .run(move || make(&store, &master, &dir, &what, format, locale, &by));
    made.await.unwrap_or(Err(ExportError::Abandoned))
}

/// The same on this thread, with a directory for files that are never named.
///
/// # Errors
/// [`ExportError`].
pub fn make(
    store: &Store,
    master: &MasterKey,
    dir: &Path,
    what: &What,
    format: Format,
    locale: Locale,
    by: &By,
) -> Result<Exported, ExportError> {
    let today = day_of(by.now_ms);
    let columns = tables::columns(what);
    let mut sheet: Box<dyn Sheet> = match format {
        Format::Csv => Box::new(csv::Csv::begin(dir, &columns, locale)?),
        Format::Xlsx => Box::new(xlsx::Xlsx::begin(dir, what.word(), &columns, locale)?),
        Format::Ndjson => Box::new(ndjson::Ndjson::begin(dir, &columns)?),
    };
    let rows = store.read_blocking(|conn| {
        let tx = conn.unchecked_transaction()?;
        tables::write(&tx, (what, today, locale), master, sheet.as_mut())
    })?;
    let head = written_down(store, what, format, rows, by)?;
    let mut file = sheet.finish(&facts(what, rows, today, &head, locale))?;
    let bytes = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    Ok(Exported {
        file,
        bytes,
        rows,
        name: format!("langso-{}-{today}.{}", what.word(), format.extension()),
        format,
    })
}

/// Writes the export into the audit; gives the head that holds it.
fn written_down(
    store: &Store,
    what: &What,
    format: Format,
    rows: u64,
    by: &By,
) -> Result<audit::Head, WriteError<rusqlite::Error>> {
    let (mut told, by) = (json!({ "format": format.extension(), "rows": rows }), by.clone());
    if let (What::Records(records), Some(told)) = (what, told.as_object_mut()) {
        told.insert("personal".into(), is_personal(what).into());
        // How many, and never which.
        told.extend(
            records
                .words
                .as_ref()
                .map(|(words, ..)| ("words".into(), words.count().into())),
        );
    }
    let change = Change::now(what.word(), told);
    store.write_blocking(move |tx| {
        audit::record(tx, &by, Act::Exported, &change)?;
        audit::head(tx)
    })
}

fn is_personal(what: &What) -> bool {
    match what {
        What::Records(records) => records.personal == Personal::Read && records.permit.personal(),
        What::Acknowledgements { .. } | What::Units { .. } | What::Audit { .. } => false,
    }
}

/// What an export says about itself.
fn facts(what: &What, rows: u64, today: Date, head: &audit::Head, locale: Locale) -> Vec<Fact> {
    let fact = |key: &'static str, value| Fact {
        key,
        label: text(locale, &format!("export-fact-{}", key.replace('_', "-"))),
        value,
    };
    let mut facts = vec![
        fact("rows", Cell::Number(rows as i64)),
        fact("made_on", Cell::Day(today)),
        fact("audit_head", Cell::Text(head.to_string())),
    ];
    if is_personal(what) {
        let warning = text(locale, "export-personal");
        facts.push(fact("personal", Cell::Text(warning)));
    }
    facts
}

#[cfg(test)]
mod tests;
