//! A workbook: typed cells, a heading that stays and filters, and a second sheet with what the export says about itself.
//!
//! Rows go to a temporary file as they come. A text is always a text; one that looks like a formula is marked so that it
//! stays one when somebody edits it.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use rust_xlsxwriter::{Color, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError};

use super::ExportError;
use super::sheet::{Cell, Column, Fact, Sheet, is_formula, local_time};
use crate::i18n::{Locale, text};
use crate::visible::visible;

/// Longest text of a cell, in characters.
const TEXT_MAX: usize = 32_000;

pub(super) struct Xlsx {
    workbook: Workbook,
    styles: Styles,
    locale: Locale,
    dir: PathBuf,
    columns: u16,
    rows: u32,
}

/// How cells look.
pub(crate) struct Styles {
    heading: Format,
    day: Format,
    time: Format,
    wrapped: Format,
    quoted: Format,
}

impl Styles {
    fn new() -> Self {
        let wrapped = Format::new().set_text_wrap().set_align(FormatAlign::Top);
        Self {
            heading: Format::new()
                .set_bold()
                .set_text_wrap()
                .set_background_color(Color::RGB(0xE8_EEF4)),
            day: Format::new().set_num_format("dd/mm/yyyy"),
            time: Format::new().set_num_format("dd/mm/yyyy hh:mm"),
            quoted: wrapped.clone().set_quote_prefix(),
            wrapped,
        }
    }
}

impl Xlsx {
    pub(super) fn begin(
        dir: &Path,
        word: &str,
        columns: &[Column],
        locale: Locale,
    ) -> Result<Self, ExportError> {
        let (mut workbook, styles) = (Workbook::new(), Styles::new());
        workbook.set_tempdir(dir)?;
        let sheet = workbook.add_worksheet_with_constant_memory()?;
        sheet.set_name(text(locale, &format!("export-sheet-{word}")))?;
        sheet.set_freeze_panes(1, 0)?;
        for (column, at) in columns.iter().zip(0..) {
            sheet.set_column_width(at, column.width)?;
            sheet.write_string_with_format(0, at, text(locale, &column.heading()), &styles.heading)?;
        }
        Ok(Self {
            workbook,
            styles,
            locale,
            dir: dir.to_owned(),
            columns: columns.len() as u16,
            rows: 0,
        })
    }
}

impl Sheet for Xlsx {
    fn row(&mut self, cells: &[Cell]) -> Result<(), ExportError> {
        self.rows += 1;
        let sheet = self.workbook.worksheet_from_index(0)?;
        for (cell, at) in cells.iter().zip(0..) {
            write(sheet, (self.rows, at), cell, &self.styles)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, facts: &[Fact]) -> Result<File, ExportError> {
        let last = self.columns.saturating_sub(1);
        self.workbook
            .worksheet_from_index(0)?
            .autofilter(0, 0, self.rows, last)?;
        let about = self.workbook.add_worksheet();
        about.set_name(text(self.locale, "export-sheet-about"))?;
        about.set_column_width(0, 28)?;
        about.set_column_width(1, 90)?;
        for (fact, row) in facts.iter().zip(0..) {
            about.write_string_with_format(row, 0, &fact.label, &self.styles.heading)?;
            write(about, (row, 1), &fact.value, &self.styles)?;
        }
        let file = tempfile::tempfile_in(&self.dir)?;
        self.workbook.save_to_writer(&file)?;
        Ok(file)
    }
}

fn write(
    sheet: &mut Worksheet,
    (row, at): (u32, u16),
    cell: &Cell,
    styles: &Styles,
) -> Result<(), XlsxError> {
    match cell {
        Cell::Empty => return Ok(()),
        Cell::Text(text) | Cell::Coded { label: text, .. } => {
            let (shown, formula) = (shortened(visible(text)), is_formula(text));
            let style = if formula || is_formula(&shown) {
                &styles.quoted
            } else {
                &styles.wrapped
            };
            sheet.write_string_with_format(row, at, shown, style)?
        }
        Cell::Number(number) => sheet.write_number(row, at, *number as f64)?,
        Cell::Day(day) => {
            sheet.write_datetime_with_format(row, at, excel(day.at(0, 0, 0, 0))?, &styles.day)?
        }
        Cell::Time(at_ms) => {
            sheet.write_datetime_with_format(row, at, excel(local_time(*at_ms))?, &styles.time)?
        }
    };
    Ok(())
}

/// Longer than a cell takes: what is missing is shown to be.
pub(super) fn shortened(text: String) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{} […]", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn excel(at: DateTime) -> Result<ExcelDateTime, XlsxError> {
    // Excel knows no day before 1900, and no record is from then.
    let year = at.year().max(1900).unsigned_abs();
    ExcelDateTime::from_ymd(year, at.month().unsigned_abs(), at.day().unsigned_abs())?.and_hms(
        at.hour().unsigned_abs().into(),
        at.minute().unsigned_abs(),
        f64::from(at.second()),
    )
}
