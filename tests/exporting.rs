//! Stories of exports over HTTP: who takes away what, and what is in it.

use std::io::Cursor;

use axum::http::header;
use calamine::{Reader, Xlsx, open_workbook_from_rs};
use jiff::civil::date;
use langso_server::policy::Role;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use sync_core::record::Stage;

use crate::harness::office::{Answer, Credentials, Office, TWO_COMMUNES};

/// Two hamlets of two communes with a record each, and the district's leader.
fn district() -> (Office, Credentials) {
    let office = Office::new(date(2025, 3, 3));
    office.import(TWO_COMMUNES, date(2024, 1, 1));
    for (n, code) in ["15367.01", "15379.01"].into_iter().enumerate() {
        let hamlet = office.unit(code);
        let account = office.account(&format!("m{n}"), Role::Member, hamlet);
        let mut phone = office.phone(account);
        phone.log(hamlet, office.now_ms() + n as i64);
        phone.sync(&office);
    }
    let leader = office.account("leader", Role::Leader, office.unit("393"));
    let leader = office.log_in(leader);
    (office, leader)
}

fn lines(answer: &Answer) -> Vec<Value> {
    assert!(answer.status.is_success(), "{}", answer.code());
    let text = String::from_utf8(answer.bytes.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn records_leave_as_a_file_to_be_saved() {
    let (office, leader) = district();
    let answer = office.get("/v1/exports/records.csv", &leader);
    let header = |name| answer.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header(header::CONTENT_TYPE), "text/csv; charset=utf-8");
    assert_eq!(
        header(header::CONTENT_DISPOSITION),
        "attachment; filename=\"langso-records-2025-03-03.csv\""
    );
    assert_eq!(header(header::CACHE_CONTROL), "no-store");
    let text = String::from_utf8(answer.bytes).unwrap();
    assert!(
        text.starts_with("\u{feff}Mã,Thời gian,Đơn vị cấp trên,Đơn vị,"),
        "{text}"
    );
    assert!(
        text.contains("Xã Vĩnh Hưng,Thôn Bái Xuân,Dịch vụ công trực tuyến"),
        "{text}"
    );
    assert!(!text.contains("Lan"), "what was not asked for does not leave");
}

#[test]
fn citizens_data_leave_with_the_right_to_them_and_the_audit_says_so() {
    let (office, leader) = district();
    let told = lines(&office.get("/v1/exports/records.ndjson?include=personal", &leader));
    assert_eq!(told[0]["citizen_name"], "Nguyễn Thị Lan");
    assert_eq!(told[2]["export"]["rows"], 2);
    let audited = "SELECT count(*) FROM audit WHERE act = 'exported'
                   AND after = '{\"format\":\"ndjson\",\"personal\":true,\"rows\":2}'";
    assert_eq!(office.count(audited), 1);
    let admin = office.account("admin", Role::Admin, office.unit("393"));
    let admin = office.log_in(admin);
    let refused = office.get("/v1/exports/records.ndjson?include=personal", &admin);
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (403, "personal_denied")
    );
    let told = lines(&office.get("/v1/exports/records.ndjson", &admin));
    assert_eq!(told[0].get("citizen_name"), None);
}

#[test]
fn the_filter_of_the_list_holds_for_its_export_words_included() {
    let (office, leader) = district();
    let unit = office.unit("15367");
    let told = lines(&office.get(&format!("/v1/exports/records.ndjson?unit={unit}"), &leader));
    assert_eq!(told.len(), 2);
    let told = lines(&office.get("/v1/exports/records.ndjson?q=dong%20muc", &leader));
    assert_eq!(told[0]["unit"], office.unit("15379.01").to_string());
    // By a citizen's name, in the body alone.
    assert_eq!(
        lines(&office.get("/v1/exports/records.ndjson?q=lan", &leader)).len(),
        1
    );
    let told = lines(&office.post(
        "/v1/exports/records.ndjson",
        &leader,
        &json!({ "q": "lan bai xuan" }),
    ));
    assert_eq!(
        (told.len(), &told[0]["unit"]),
        (2, &json!(office.unit("15367.01").to_string()))
    );
    assert_eq!(
        office.count("SELECT count(*) FROM audit WHERE after LIKE '%lan%'"),
        0
    );
    let none = lines(&office.get("/v1/exports/records.ndjson?from=2030-01-01", &leader));
    assert_eq!(none[0]["export"]["rows"], 0);
}

#[test]
fn units_acknowledgements_and_the_audit_leave_to_who_may_read_them() {
    let (office, leader) = district();
    let units = lines(&office.get("/v1/exports/units.ndjson", &leader));
    assert_eq!((units.len(), &units[0]["code"]), (6, &json!("15367")));
    let official = office.account("official", Role::Official, office.unit("15367"));
    let official = office.log_in(official);
    let units = lines(&office.get("/v1/exports/units.ndjson", &official));
    assert_eq!(units.len(), 4, "the own commune, what is in it and above it");
    assert_eq!(
        office.get("/v1/exports/audit.csv", &official).status.as_u16(),
        404
    );
    let auditor = office.account("auditor", Role::Auditor, office.unit("393"));
    let auditor = office.log_in(auditor);
    let audit = lines(&office.get("/v1/exports/audit.ndjson", &auditor));
    let rows = audit.split_last().unwrap().1;
    let positions: Vec<i64> = rows.iter().map(|row| row["position"].as_i64().unwrap()).collect();
    let stored =
        office.count("SELECT max(position) FROM audit WHERE act <> 'exported' OR subject <> 'audit'");
    assert_eq!(
        positions,
        (1..=stored).collect::<Vec<_>>(),
        "every row, in order, to the last one before it"
    );
    let exported = rows.iter().filter(|row| row["act"] == "exported");
    let told: Vec<(&Value, &Value)> = exported.map(|row| (&row["subject"], &row["after"])).collect();
    assert_eq!(told[0].0, "units");
    assert!(told[0].1.to_string().contains("rows"), "{:?}", told[0]);
    for bad in [
        "records.pdf",
        "secrets.csv",
        "records",
        ".csv",
        "%2e%2e%2flangso.db",
    ] {
        let answer = office.get(&format!("/v1/exports/{bad}"), &auditor);
        assert_eq!(answer.status.as_u16(), 404, "{bad}");
    }
    assert_eq!(
        office.get("/v1/exports/records.csv?from=x", &auditor).code(),
        "parameter_invalid"
    );
}

/// A name may begin like a formula: it comes in as it is, and leaves as text.
#[test]
fn what_is_imported_like_a_formula_leaves_as_text() {
    let formula = "=cmd|' /C calc'!A0";
    let office = Office::new(date(2025, 3, 3));
    office.import(
        &format!("code,parent_code,level,name\n1,,commune,Xã\n1.1,1,hamlet,{formula}\n"),
        date(2024, 1, 1),
    );
    let hamlet = office.unit("1.1");
    let mut phone = office.phone(office.account("lan", Role::Member, hamlet));
    phone.log(hamlet, office.now_ms());
    phone.sync(&office);
    let leader = office.log_in(office.account("leader", Role::Leader, office.unit("1")));
    let csv = office.get("/v1/exports/records.csv", &leader);
    let text = String::from_utf8(csv.bytes).unwrap();
    assert!(text.contains(&format!(",'{formula},")), "{text}");
    assert!(!text.contains(&format!(",{formula}")), "{text}");

    let xlsx = office.get("/v1/exports/records.xlsx", &leader);
    assert!(xlsx.status.is_success(), "{}", xlsx.code());
    let mut workbook: Xlsx<_> = open_workbook_from_rs(Cursor::new(xlsx.bytes)).unwrap();
    let (mut texts, mut formulas) = (0, 0);
    for sheet in workbook.sheet_names() {
        let cells = workbook.worksheet_range(&sheet).unwrap();
        texts += cells
            .used_cells()
            .filter(|(_, _, cell)| cell.to_string().contains(formula))
            .count();
        formulas += workbook.worksheet_formula(&sheet).unwrap().used_cells().count();
    }
    assert_eq!((texts, formulas), (1, 0));
}

#[test]
fn what_was_said_about_directives_leaves_with_who_said_it_and_when() {
    let (office, leader) = district();
    let [district, hamlet] = ["393", "15367.01"].map(|code| office.unit(code));
    let body = json!({
        "unit": district, "number": "7/UBND", "title": "Ra quân", "urgency": "normal", "signer": "Chủ tịch",
        "targets": [{ "unit": district }], "asks": "report",
    });
    let issued = office.post("/v1/directives", &leader, &body).json();
    let directive = issued["id"].as_str().unwrap().parse().unwrap();
    let member = office.person("lan", "Nguyễn Thị Lan", Role::Member, hamlet);
    let mut phone = office.phone(member);
    phone.sync(&office);
    office.pass(3_600_000);
    let mut rng = StdRng::seed_from_u64(1);
    let (note, now_ms) = (Some("=Chưa có máy".to_owned()), office.now_ms());
    phone
        .replica
        .acknowledge(directive, hamlet, Stage::Cannot, note, now_ms, &mut rng)
        .unwrap();
    phone.sync(&office);

    let told = lines(&office.get("/v1/exports/acknowledgements.ndjson", &leader));
    let (about, rows) = told.split_last().unwrap();
    assert_eq!(about["export"]["rows"], rows.len());
    let cannot = rows.iter().find(|row| row["stage"] == "cannot").unwrap();
    assert_eq!(cannot["unit"], hamlet.to_string());
    assert_eq!(cannot["note"], "=Chưa có máy");
    assert!(rows.iter().any(|row| row["stage"] == "received"), "{rows:?}");
    let csv = office.get("/v1/exports/acknowledgements.csv", &leader);
    let csv = String::from_utf8(csv.bytes).unwrap();
    let line = csv.lines().find(|line| line.contains("Chưa có máy")).unwrap();
    for said in [
        "7/UBND",
        "Thôn Bái Xuân",
        "Nguyễn Thị Lan",
        "Không làm được",
        "2025-03-03 09:00:00",
        "'=Chưa",
    ] {
        assert!(line.contains(said), "{said}: {line}");
    }
    let sheet = office.get("/v1/exports/acknowledgements.xlsx", &leader);
    let mut book: Xlsx<_> = open_workbook_from_rs(Cursor::new(sheet.bytes)).unwrap();
    let (_, range) = book.worksheets().remove(0);
    assert_eq!(range.height(), rows.len() + 1, "a row for each, and the heading");
    // Who has another commune sees nothing of it.
    let other = office.log_in(office.account("khac", Role::Official, office.unit("15379")));
    let told = lines(&office.get("/v1/exports/acknowledgements.ndjson", &other));
    assert_eq!(told[0]["export"]["rows"], 0);
}
