//! The report as a workbook in the layout of official papers: who issues it and the motto of the state on top, tables,
//! how complete it is, and room to sign.

use std::rc::Rc;

use fluent_bundle::FluentArgs;
use rust_xlsxwriter::{Format, FormatAlign, FormatBorder, FormatUnderline, Workbook, Worksheet, XlsxError};

use super::{Report, Sums};
use crate::clock::{VIETNAM, day_of};
use crate::export::Labels;
use crate::i18n::{Locale, format, text};

/// A4, as `set_paper_size` counts.
const A4: u8 = 9;
const FONT: &str = "Times New Roman";
/// The last column.
const LAST: u16 = 5;
/// The motto stands over the columns from this one on.
const RIGHT: u16 = 2;
const WIDTHS: [f64; 6] = [6.0, 44.0, 13.0, 13.0, 13.0, 13.0];
/// Rows that are left for a signature and a seal.
const SIGNATURE_ROWS: u32 = 5;

/// The bytes of the workbook.
///
/// # Errors
/// When it cannot be put together: a bug.
pub fn workbook(report: &Report, labels: &Labels, locale: Locale) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name(text(locale, "report-sheet"))?;
    sheet.set_paper_size(A4).set_print_fit_to_pages(1, 0);
    sheet.set_margins(0.8, 0.6, 0.8, 0.8, 0.3, 0.3);
    for (width, column) in WIDTHS.into_iter().zip(0..) {
        sheet.set_column_width(column, width)?;
    }
    let mut page = Page {
        sheet,
        styles: Rc::new(Styles::new()),
        locale,
        row: 0,
    };
    page.title(report)?;
    page.totals(report)?;
    page.categories(report, labels)?;
    page.units(report)?;
    page.directives(report)?;
    page.complete(report)?;
    page.signatures()?;
    workbook.save_to_buffer()
}

struct Styles {
    centred: Format,
    strong: Format,
    motto: Format,
    dated: Format,
    heading: Format,
    section: Format,
    head: Format,
    cell: Format,
    strong_cell: Format,
    number: Format,
    average: Format,
    plain: Format,
}

impl Styles {
    fn new() -> Self {
        let plain = Format::new()
            .set_font_name(FONT)
            .set_font_size(12)
            .set_text_wrap()
            .set_align(FormatAlign::Top);
        let centred = plain.clone().set_align(FormatAlign::Center);
        let strong = centred.clone().set_bold();
        let cell = plain.clone().set_border(FormatBorder::Thin);
        Self {
            motto: strong.clone().set_underline(FormatUnderline::Single),
            dated: centred.clone().set_italic(),
            heading: strong.clone().set_font_size(14),
            section: plain.clone().set_bold(),
            head: strong.clone().set_border(FormatBorder::Thin),
            strong_cell: cell.clone().set_bold(),
            number: cell.clone().set_num_format("#,##0").set_align(FormatAlign::Right),
            average: cell.clone().set_num_format("0.0").set_align(FormatAlign::Right),
            centred,
            strong,
            cell,
            plain,
        }
    }
}

/// The sheet, written from top to bottom.
struct Page<'a> {
    sheet: &'a mut Worksheet,
    styles: Rc<Styles>,
    locale: Locale,
    row: u32,
}

impl Page<'_> {
    fn t(&self, key: &str) -> String {
        text(self.locale, key)
    }

    fn say(&self, key: &str, args: &[(&'static str, String)]) -> String {
        let mut fluent = FluentArgs::new();
        for (name, value) in args {
            fluent.set(*name, value.clone());
        }
        format(self.locale, key, &fluent)
    }

    /// One text over some columns of the row.
    fn over(&mut self, from: u16, to: u16, text: &str, style: &Format) -> Result<(), XlsxError> {
        self.sheet
            .merge_range(self.row, from, self.row, to, text, style)?;
        Ok(())
    }

    fn title(&mut self, report: &Report) -> Result<(), XlsxError> {
        let styles = self.styles();
        let above = report.above.as_deref().unwrap_or_default().to_uppercase();
        self.over(0, RIGHT - 1, &above, &styles.centred)?;
        let nation = self.t("report-nation");
        self.over(RIGHT, LAST, &nation, &styles.strong)?;
        self.row += 1;
        self.over(0, RIGHT - 1, &report.name.to_uppercase(), &styles.motto)?;
        let motto = self.t("report-motto");
        self.over(RIGHT, LAST, &motto, &styles.motto)?;
        self.row += 2;
        let made = day_of(report.made_at_ms);
        let dated = self.say(
            "report-dated",
            &[
                ("day", made.strftime("%d").to_string()),
                ("month", made.strftime("%m").to_string()),
                ("year", made.year().to_string()),
            ],
        );
        self.over(RIGHT, LAST, &dated, &styles.dated)?;
        self.row += 2;
        let month = [
            ("month", report.first.month().to_string()),
            ("year", report.first.year().to_string()),
        ];
        let title = self.say("report-title", &month);
        self.over(0, LAST, &title, &styles.heading)?;
        self.row += 1;
        let about = self.t("report-about");
        self.over(0, LAST, &about, &styles.strong)?;
        self.row += 1;
        Ok(())
    }

    /// The number and heading of a section, and the heads of its table.
    fn section(&mut self, key: &str, heads: &[&str]) -> Result<(), XlsxError> {
        self.row += 1;
        let (styles, title) = (self.styles(), self.t(key));
        self.over(0, LAST, &title, &styles.section)?;
        self.row += 1;
        for (head, column) in heads.iter().zip(0..) {
            let head = self.t(head);
            self.sheet
                .write_string_with_format(self.row, column, head, &styles.head)?;
        }
        self.row += 1;
        Ok(())
    }

    fn styles(&self) -> Rc<Styles> {
        Rc::clone(&self.styles)
    }

    fn totals(&mut self, report: &Report) -> Result<(), XlsxError> {
        self.section(
            "report-totals",
            &["report-no", "report-item", "report-month", "report-before"],
        )?;
        let (now, before) = (&report.total, &report.before);
        let counted: [(&str, u64, u64); 4] = [
            ("report-records", now.records, before.records),
            ("report-people", now.people, before.people),
            ("report-rated", now.rated(), before.rated()),
            ("report-retracted", now.retracted, before.retracted),
        ];
        let mut at = 0;
        for (key, now, before) in counted {
            at += 1;
            let item = self.t(key);
            self.named(at, &item)?;
            self.count(2, now)?;
            self.count(3, before)?;
            self.row += 1;
        }
        let item = self.t("report-satisfaction");
        self.named(at + 1, &item)?;
        self.average(2, now)?;
        self.average(3, before)?;
        self.row += 1;
        Ok(())
    }

    fn categories(&mut self, report: &Report, labels: &Labels) -> Result<(), XlsxError> {
        self.section("report-categories", &sum_heads("report-category"))?;
        for ((code, sums), at) in report.categories.iter().zip(1..) {
            self.named(at, &labels.word("category", code))?;
            self.sums(sums)?;
        }
        let all = self.t("report-all");
        self.named_strong(&all)?;
        self.sums(&report.total)
    }

    fn units(&mut self, report: &Report) -> Result<(), XlsxError> {
        self.section("report-units", &sum_heads("report-unit"))?;
        let groups = report.units.iter().any(|line| line.depth > 1);
        let mut at = 0;
        for line in &report.units {
            if groups && line.depth == 1 {
                self.named_strong(&line.name)?;
            } else {
                at += 1;
                self.named(at, &line.name)?;
            }
            self.sums(&line.sums)?;
        }
        Ok(())
    }

    fn directives(&mut self, report: &Report) -> Result<(), XlsxError> {
        self.section(
            "report-directives",
            &[
                "report-no",
                "report-directive",
                "report-targeted",
                "report-finished",
                "report-on-time",
                "report-deadline",
            ],
        )?;
        for (line, at) in report.directives.iter().zip(1..) {
            self.named(at, &format!("{} – {}", line.number, line.title))?;
            self.count(2, line.counts.targeted.into())?;
            self.count(3, line.counts.finished.into())?;
            self.count(4, line.counts.on_time.into())?;
            let deadline = line.deadline_ms.map(time).unwrap_or_default();
            let styles = self.styles();
            self.sheet
                .write_string_with_format(self.row, 5, deadline, &styles.cell)?;
            self.row += 1;
        }
        let done = report.done();
        let all = self.t("report-all");
        self.named_strong(&all)?;
        self.count(2, done.targeted.into())?;
        self.count(3, done.finished.into())?;
        self.count(4, done.on_time.into())?;
        self.row += 1;
        Ok(())
    }

    fn complete(&mut self, report: &Report) -> Result<(), XlsxError> {
        self.section("report-complete", &[])?;
        let complete = &report.complete;
        let mut lines = vec![
            self.say(
                "report-synced",
                &[
                    ("synced", complete.synced.to_string()),
                    ("all", complete.hamlets.to_string()),
                    ("since", time(complete.since_ms)),
                ],
            ),
            self.say(
                "report-position",
                &[
                    ("position", report.position.to_string()),
                    ("head", report.audit_head.to_string()),
                ],
            ),
        ];
        if !complete.missing.is_empty() {
            let names: Vec<&str> = complete.missing.iter().map(|(name, _)| name.as_str()).collect();
            lines.push(self.say("report-missing", &[("names", names.join(", "))]));
        }
        let styles = self.styles();
        for line in lines {
            // A row of merged cells does not grow by itself.
            let height = 16.0 * (1.0 + (line.chars().count() / 90) as f64);
            self.sheet.set_row_height(self.row, height)?;
            self.over(0, LAST, &line, &styles.plain)?;
            self.row += 1;
        }
        Ok(())
    }

    fn signatures(&mut self) -> Result<(), XlsxError> {
        self.row += 1;
        let styles = self.styles();
        for (left, right, style) in [
            ("report-maker", "report-signer", &styles.strong),
            ("report-sign", "report-sign-seal", &styles.dated),
        ] {
            let (left, right) = (self.t(left), self.t(right));
            self.over(0, RIGHT - 1, &left, style)?;
            self.over(RIGHT, LAST, &right, style)?;
            self.row += 1;
        }
        self.row += SIGNATURE_ROWS;
        self.sheet.set_print_area(0, 0, self.row, LAST)?;
        Ok(())
    }

    fn named(&mut self, number: u32, name: &str) -> Result<(), XlsxError> {
        let styles = self.styles();
        self.sheet
            .write_number_with_format(self.row, 0, number, &styles.number)?
            .write_string_with_format(self.row, 1, name, &styles.cell)?;
        Ok(())
    }

    fn named_strong(&mut self, name: &str) -> Result<(), XlsxError> {
        let styles = self.styles();
        self.sheet
            .write_string_with_format(self.row, 0, "", &styles.cell)?
            .write_string_with_format(self.row, 1, name, &styles.strong_cell)?;
        Ok(())
    }

    /// The sums of a row, which ends with them.
    fn sums(&mut self, sums: &Sums) -> Result<(), XlsxError> {
        self.count(2, sums.records)?;
        self.count(3, sums.people)?;
        self.count(4, sums.rated())?;
        self.average(5, sums)?;
        self.row += 1;
        Ok(())
    }

    fn count(&mut self, column: u16, count: u64) -> Result<(), XlsxError> {
        let styles = self.styles();
        self.sheet
            .write_number_with_format(self.row, column, count as f64, &styles.number)?;
        Ok(())
    }

    fn average(&mut self, column: u16, sums: &Sums) -> Result<(), XlsxError> {
        let styles = self.styles();
        match sums.satisfaction() {
            Some(average) => {
                self.sheet
                    .write_number_with_format(self.row, column, average, &styles.average)?
            }
            None => self
                .sheet
                .write_string_with_format(self.row, column, "–", &styles.average)?,
        };
        Ok(())
    }
}

fn sum_heads(of: &str) -> [&str; 6] {
    [
        "report-no",
        of,
        "report-records",
        "report-people",
        "report-rated",
        "report-satisfaction",
    ]
}

fn time(at_ms: i64) -> String {
    let instant = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    VIETNAM
        .to_datetime(instant)
        .strftime("%H:%M %d/%m/%Y")
        .to_string()
}
