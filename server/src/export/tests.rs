use std::io::Read;

use jiff::civil::date;

use super::sheet::{Column, is_formula};
use super::*;
use crate::visible::visible;

const COLUMNS: [Column; 2] = [
    Column { key: "id", width: 10 },
    Column {
        key: "note",
        width: 20,
    },
];

fn text_of(mut file: File) -> String {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

fn facts() -> Vec<Fact> {
    vec![Fact {
        key: "rows",
        label: "Số dòng".into(),
        value: Cell::Number(1),
    }]
}

fn as_csv(cells: &[Cell]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut sheet = Box::new(csv::Csv::begin(dir.path(), &COLUMNS, Locale::Vi).unwrap());
    sheet.row(cells).unwrap();
    text_of(sheet.finish(&facts()).unwrap())
}

fn text_cell(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

#[test]
fn what_a_spreadsheet_would_take_for_a_formula_is_none() {
    for text in [
        "=1+1",
        "+84912345678",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "  =1",
        "\n=1",
        "\u{200b}=cmd|' /C calc'!A0",
        "＝1+1",
    ] {
        assert!(is_formula(text) || is_formula(&visible(text)), "{text:?}");
        let csv = as_csv(&[text_cell("a"), text_cell(text)]);
        let mut reader = ::csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(csv.as_bytes());
        let row = reader.records().next().unwrap().unwrap();
        assert!(row[1].starts_with('\''), "{text:?} became {:?}", &row[1]);
    }
    for text in ["Nguyễn Văn A", "1-2", "a=b", "", "0912 345 678"] {
        assert!(!is_formula(text), "{text:?}");
    }
}

#[test]
fn what_nobody_sees_is_left_out_where_people_read() {
    assert_eq!(visible("a\u{202e}b\u{200b}c\u{feff}\u{0}\u{7}\u{2066}"), "abc");
    assert_eq!(visible("dòng một\ndòng\thai\r\n"), "dòng một\ndòng hai\n");
}

#[test]
fn csv_begins_with_its_mark_and_ends_with_what_it_says_about_itself() {
    let csv = as_csv(&[text_cell("một, hai"), text_cell("\"ba\"\nbốn")]);
    assert_eq!(
        csv,
        "\u{feff}Mã,Ghi chú\r\n\"một, hai\",\"\"\"ba\"\"\nbốn\"\r\n# Số dòng: 1\r\n"
    );
}

#[test]
fn csv_writes_times_as_they_are_in_vietnam() {
    let csv = as_csv(&[Cell::Time(1_731_049_200_000), Cell::Day(date(2024, 11, 8))]);
    assert!(csv.contains("\r\n2024-11-08 14:00:00,2024-11-08\r\n"), "{csv}");
}

#[test]
fn ndjson_is_for_programs_codes_and_text_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut sheet = Box::new(ndjson::Ndjson::begin(dir.path(), &COLUMNS).unwrap());
    let coded = Cell::Coded {
        code: "hoan_thanh".into(),
        label: "Hoàn thành".into(),
    };
    sheet.row(&[coded, text_cell("=1\u{202e}")]).unwrap();
    let text = text_of(sheet.finish(&facts()).unwrap());
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0], json!({ "id": "hoan_thanh", "note": "=1\u{202e}" }));
    assert_eq!(lines[1], json!({ "export": { "rows": 1 } }));
}

#[test]
fn a_text_of_a_hundred_kilobytes_is_whole_but_in_a_workbook_where_it_says_so() {
    let long = "ă".repeat(50_000);
    assert!(as_csv(&[text_cell("a"), text_cell(&long)]).contains(&long));
    let dir = tempfile::tempdir().unwrap();
    let mut sheet = Box::new(xlsx::Xlsx::begin(dir.path(), "records", &COLUMNS, Locale::Vi).unwrap());
    sheet.row(&[text_cell("a"), text_cell(&long)]).unwrap();
    sheet.finish(&facts()).unwrap();
    assert!(xlsx::shortened(long).ends_with("ă […]"));
}

#[test]
fn every_column_and_fact_has_its_words_in_both_languages() {
    let permit = crate::policy::console([]).to_read();
    let records = Records {
        permit: permit.clone(),
        filter: Filter::default(),
        past_of: None,
        words: None,
        personal: Personal::Read,
    };
    let kinds = [
        What::Records(Box::new(records)),
        What::Acknowledgements {
            permit: permit.clone(),
            issue: None,
        },
        What::Units {
            known: BTreeSet::new(),
            on: None,
        },
        What::Audit {
            permit,
            wanted: Box::default(),
        },
    ];
    for (what, locale) in kinds
        .iter()
        .flat_map(|what| [(what, Locale::Vi), (what, Locale::En)])
    {
        assert!(crate::i18n::has(locale, &format!("export-sheet-{}", what.word())));
        for column in tables::columns(what) {
            assert!(
                crate::i18n::has(locale, &column.heading()),
                "{}",
                column.heading()
            );
        }
        let head = audit::Head::NONE;
        for fact in facts_of(what, &head, locale) {
            assert!(!fact.label.starts_with("export-"), "{}", fact.label);
        }
    }
}

fn facts_of(what: &What, head: &audit::Head, locale: Locale) -> Vec<Fact> {
    super::facts(what, 1, date(2025, 1, 1), head, locale)
}
