//! Stories of who looks at pages: where each is led, what is taken away, and what an address or a name must not do.

use axum::body::Body;
use axum::http::{StatusCode, header};
use jiff::civil::date;
use langso_server::policy::Role;
use serde_json::{Value, json};
use sync_core::ids::UnitId;
use sync_core::record::Stage;

use crate::harness::office::{Answer, Credentials, Office, OfficePhone, TWO_COMMUNES};

const HOUR_MS: i64 = 3_600_000;

fn district() -> Office {
    let office = Office::new(date(2025, 3, 3));
    office.import(TWO_COMMUNES, date(2024, 1, 1));
    office
}

fn somebody(office: &Office, name: &str, role: Role, code: &str) -> Credentials {
    office.log_in(office.account(name, role, office.unit(code)))
}

/// A phone of a hamlet, whose head it belongs to.
fn phone(office: &Office, name: &str, code: &str) -> OfficePhone {
    let mut phone = office.phone(office.account(name, Role::Member, office.unit(code)));
    phone.sync(office);
    phone
}

fn html(answer: &Answer) -> String {
    String::from_utf8(answer.bytes.clone()).unwrap()
}

fn page(office: &Office, path: &str, who: &Credentials) -> Answer {
    let request = office
        .request("GET", path, who)
        .header(header::ACCEPT, "text/html");
    office.send(request.body(Body::empty()).unwrap())
}

fn shown(office: &Office, path: &str, who: &Credentials) -> String {
    let answer = page(office, path, who);
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", html(&answer));
    html(&answer)
}

/// Sends a form as a browser does that shows it on a page of ours.
fn send(office: &Office, path: &str, who: &Credentials, fields: &[(&str, &str)]) -> Answer {
    let csrf = who.csrf.clone().unwrap();
    let fields: Vec<_> = [("csrf", csrf.as_str())].iter().chain(fields).copied().collect();
    let request = office
        .request("POST", path, who)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "text/html")
        .header("sec-fetch-site", "same-origin");
    let body = serde_html_form::to_string(fields).unwrap();
    office.send(request.body(Body::from(body)).unwrap())
}

/// Where a page leads to take its rows away as NDJSON.
fn taken_by(page: &str) -> String {
    let (before, _) = page.split_once(r#"" download>NDJSON<"#).expect(page);
    let (_, address) = before.rsplit_once("href=\"").unwrap();
    address.replace("&#38;", "&").replace("&amp;", "&")
}

/// The rows of a file, without its last line.
fn rows(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.code());
    let text = String::from_utf8(answer.bytes.clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut lines: Vec<Value> = lines.collect();
    let last = lines.pop().unwrap();
    assert_eq!(last["export"]["rows"], lines.len());
    lines
}

fn issue(office: &Office, who: &Credentials, number: &str) -> String {
    let unit = office.unit("15367");
    let body = json!({
        "unit": unit, "number": number, "title": "Ra quân", "urgency": "normal", "signer": "Chủ tịch",
        "targets": [{ "unit": unit }], "asks": "report",
    });
    let answer = office.post("/v1/directives", who, &body);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_taken_away_from_the_units_is_what_their_page_shows() {
    let office = district();
    let leader = somebody(&office, "leader", Role::Leader, "393");
    let official = somebody(&office, "hoa", Role::Official, "15367");
    let commune = office.unit("15367");
    let admin = somebody(&office, "admin", Role::Admin, "393");
    let id = UnitId::from_parts(7, 7).to_string();
    let create = [
        ("change", "create"),
        ("id", id.as_str()),
        ("on", "2025-03-01"),
        ("level", "hamlet"),
        ("name", "Thôn Mới"),
    ];
    let made = send(&office, &format!("/units/{commune}"), &admin, &create);
    assert_eq!(made.status, StatusCode::SEE_OTHER);
    for (who, day, units) in [
        (&leader, "", 6),
        (&leader, "2025-02-28", 5),
        (&leader, "2023-01-01", 0),
        (&official, "2025-03-01", 4),
    ] {
        let seen = shown(&office, &format!("/units?on={day}"), who);
        let taken = rows(&office.get(&taken_by(&seen), who));
        assert_eq!(taken.len(), units, "{day}: {taken:?}");
        for unit in &taken {
            assert!(seen.contains(unit["name"].as_str().unwrap()), "{day}: {unit}");
        }
        assert_eq!(
            seen.contains("Thôn Mới"),
            taken.iter().any(|unit| unit["name"] == "Thôn Mới")
        );
    }
    // Without a day: every unit in all its times.
    let all = rows(&office.get("/v1/exports/units.ndjson", &leader));
    assert!(all.iter().any(|unit| unit["from"] == "2025-03-01"));
}

#[test]
fn what_is_taken_away_from_the_audit_is_what_its_page_shows() {
    let office = district();
    let admin = office.account("quantri", Role::Admin, office.unit("393"));
    let who = office.log_in(admin);
    somebody(&office, "hoa", Role::Official, "15367");
    for _ in 0..2 {
        office.get("/v1/exports/units.csv", &who);
    }
    office.travel_to(date(2025, 3, 5));
    let who = office.log_in(admin);
    office.get("/v1/exports/units.csv", &who);
    for (filter, count) in [
        ("act=exported", 3),
        ("act=exported&to=2025-03-04", 2),
        // What was taken away before is in it.
        ("account=quantri&from=2025-03-05", 3),
        ("subject=units&act=exported&from=2025-03-05", 1),
    ] {
        let seen = shown(&office, &format!("/audit?{filter}"), &who);
        let taken = rows(&office.get(&taken_by(&seen), &who));
        assert_eq!(taken.len(), count, "{filter}: {taken:?}");
        let told = seen.matches(r#"data-label="Số""#).count();
        assert_eq!(told, count, "{filter}");
        let exported = |row: &Value| row["act"] == "exported" && row["account"] == admin.to_string();
        assert!(taken.iter().all(exported), "{filter}: {taken:?}");
    }
    let nobody = shown(&office, "/audit?account=khongco", &who);
    assert!(!nobody.contains("/v1/exports/"), "there is nothing to take away");
    let all = rows(&office.get("/v1/exports/audit.ndjson", &who));
    let places: Vec<i64> = all.iter().filter_map(|row| row["position"].as_i64()).collect();
    assert_eq!(
        places,
        (1..=all.len() as i64).collect::<Vec<_>>(),
        "the whole chain, in its order"
    );
}

#[test]
fn what_is_taken_away_from_a_board_is_what_was_said_to_its_directive() {
    let office = district();
    let official = somebody(&office, "hoa", Role::Official, "15367");
    let mut head = phone(&office, "lan", "15367.01");
    office.pass(HOUR_MS);
    let [one, other] = ["1/UBND", "2/UBND"].map(|number| issue(&office, &official, number));
    head.sync(&office);
    let hamlet = office.unit("15367.01");
    head.acknowledge(one.parse().unwrap(), hamlet, Stage::Done, office.now_ms());
    head.sync(&office);
    let stages = |directive: &str| {
        let seen = shown(&office, &format!("/directives/{directive}"), &official);
        let taken = rows(&office.get(&taken_by(&seen), &official));
        assert!(taken.iter().all(|row| row["unit"] == hamlet.to_string()));
        let stages = taken.iter().map(|row| row["stage"].as_str().unwrap().to_owned());
        let mut stages: Vec<String> = stages.collect();
        stages.sort_unstable();
        stages
    };
    assert_eq!(stages(&one), ["done", "received"]);
    assert_eq!(stages(&other), ["received"]);
    let all = rows(&office.get("/v1/exports/acknowledgements.ndjson", &official));
    assert_eq!(all.len(), 3);
    let elsewhere = somebody(&office, "an", Role::Official, "15379");
    let path = format!("/v1/exports/acknowledgements.csv?directive={one}");
    assert_eq!(office.get(&path, &elsewhere).status, StatusCode::NOT_FOUND);
}

#[test]
fn a_file_is_not_asked_for_what_it_does_not_filter_by() {
    let office = district();
    let admin = somebody(&office, "quantri", Role::Admin, "393");
    for file in [
        "audit.csv?category=khac",
        "audit.csv?unit=x",
        "units.csv?from=2025-01-01",
        "acknowledgements.csv?on=2025-01-01",
        "records.csv?act=exported",
        "records.csv?on=2025-01-01",
        "records.csv?made_up=1",
        "audit.csv?act=made_up",
        "audit.csv?account=quantri",
        "audit.csv?to=9999-12-31",
        "units.csv?on=9999-99-99",
        "acknowledgements.csv?directive=1",
    ] {
        let answer = office.get(&format!("/v1/exports/{file}"), &admin);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, "parameter_invalid"),
            "{file}"
        );
    }
}

#[test]
fn what_was_found_is_what_is_taken_away() {
    let office = district();
    let leader = somebody(&office, "leader", Role::Leader, "393");
    for (name, code) in [("lan", "15367.01"), ("minh", "15379.01")] {
        let mut phone = phone(&office, name, code);
        phone.log(office.unit(code), office.now_ms());
        phone.sync(&office);
    }
    let unit = office.unit("15379.01").to_string();
    let sought = [("q", "nguyen thi lan"), ("unit", unit.as_str())];
    let found = send(&office, "/records/search", &leader, &sought);
    let page = html(&found);
    assert_eq!(page.matches("<tr data-id=").count(), 1, "{page}");
    assert!(!page.contains("/v1/exports/"), "a name is in no address: {page}");
    let take = |ending| {
        let fields: Vec<_> = sought.into_iter().chain([("as", ending)]).collect();
        send(&office, "/records/search", &leader, &fields)
    };
    let taken = rows(&take("ndjson"));
    assert_eq!((taken.len(), &taken[0]["unit"]), (1, &json!(unit)));
    assert_eq!(
        taken[0].get("citizen_name"),
        None,
        "what was not asked for does not leave"
    );
    let named = take("xlsx").headers[header::CONTENT_DISPOSITION]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(named.ends_with(".xlsx\""), "{named}");
    assert_eq!(take("pdf").status, StatusCode::BAD_REQUEST);
    let told = "SELECT count(*) FROM audit WHERE act = 'exported' AND after LIKE '%\"words\":3%'";
    assert_eq!(office.count(told), 2);
    assert_eq!(
        office.count("SELECT count(*) FROM audit WHERE after LIKE '%nguyen%'"),
        0
    );
    let searched =
        "SELECT count(*) FROM audit WHERE act = 'personal_searched' AND after = '{\"found\":1,\"words\":3}'";
    assert_eq!(office.count(searched), 1);
}

#[test]
fn a_question_that_cannot_be_asked_is_not_dropped() {
    let office = district();
    let leader = somebody(&office, "leader", Role::Leader, "393");
    let unit = office.unit("15367").to_string();
    let long = ["từ"; 13].join(" ");
    let answer = send(
        &office,
        "/records/search",
        &leader,
        &[("q", &long), ("unit", &unit), ("outcome", "hen_lai")],
    );
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = html(&answer);
    for kept in [
        long.as_str(),
        r#"role="alert""#,
        &format!(r#"<option value="{unit}" selected>"#),
        r#"name="outcome" value="hen_lai""#,
    ] {
        assert!(page.contains(kept), "{kept}: {page}");
    }
    let answer = send(
        &office,
        "/records/search",
        &leader,
        &[("q", "  "), ("unit", &unit)],
    );
    assert_eq!(answer.headers[header::LOCATION], format!("/records?unit={unit}"));
    // As long as the field takes them.
    let words = format!("{} ", "ề".repeat(16)).repeat(11);
    let answer = send(&office, "/records/search", &leader, &[("q", &words)]);
    assert_eq!(answer.status, StatusCode::OK);
}

#[test]
fn a_phone_that_nobody_named_is_told_by_whose_it_is() {
    let office = district();
    let official = somebody(&office, "hoa", Role::Official, "15367");
    let mut lan = phone(&office, "Trịnh Thị Lan", "15367.01");
    let record = lan.log(office.unit("15367.01"), office.now_ms());
    lan.sync(&office);
    let page = shown(&office, &format!("/records/{record}"), &official);
    assert!(page.contains("điện thoại của Trịnh Thị Lan"), "{page}");
    let device = lan.replica.identity().device.to_string();
    assert!(!page.contains(&device), "an id says nothing to anybody");
}

#[test]
fn who_oversees_a_single_hamlet_is_offered_nothing_that_cannot_be_done() {
    let office = district();
    let official = somebody(&office, "hoa", Role::Official, "15367.01");
    for path in ["/directives", "/drafts"] {
        let page = shown(&office, path, &official);
        assert!(!page.contains("/directives/new"), "{path}: {page}");
    }
    let page = shown(&office, "/directives/new", &official);
    assert!(
        page.contains("không có nơi nào nhận") && !page.contains("<textarea"),
        "{page}"
    );
    let page = shown(&office, "/", &official);
    assert!(!page.contains("Tháng này theo xã"), "no empty box: {page}");
    let above = somebody(&office, "binh", Role::Official, "15367");
    assert!(shown(&office, "/directives", &above).contains("/directives/new"));
    assert!(shown(&office, "/", &above).contains("Tháng này theo xã"));
}

#[test]
fn who_has_no_phone_is_told_whom_to_ask() {
    let office = district();
    let member = somebody(&office, "lan", Role::Member, "15367.01");
    let page = shown(&office, "/account", &member);
    assert!(page.contains("Hãy xin người quản trị một mã"), "{page}");
    assert!(
        !page.contains("Hãy tạo mã") && !page.contains("Mất máy"),
        "{page}"
    );
}

#[test]
fn the_page_of_the_api_says_each_name_once() {
    let office = district();
    let page = shown(&office, "/api", &Credentials::default());
    let shapes: Vec<&str> = page.split(r#"<div id="shape-"#).skip(1).collect();
    assert!(shapes.len() > 20);
    for shape in shapes {
        let (name, rest) = shape.split_once('"').unwrap();
        let (told, _) = rest.split_once("</div>\n").unwrap_or((rest, ""));
        assert_eq!(told.matches(&format!(">{name}<")).count(), 1, "{name}: {told}");
    }
}

#[test]
fn an_address_that_nobody_means_is_answered_by_a_page_that_says_so() {
    let office = district();
    let leader = somebody(&office, "leader", Role::Leader, "393");
    let admin = somebody(&office, "quantri", Role::Admin, "393");
    let absurd = [
        "/charts?from=2025-03-02&to=2025-03-01",
        "/charts?from=2023-01-01&to=2025-03-01",
        "/charts?from=-009999-01-01",
        "/charts?unit=x",
        "/conflicts?cursor=%FF",
        "/conflicts?cursor=AAAA",
        "/conflicts?personal=perhaps",
        "/conflicts?state=made_up",
        "/conflicts?unit=%00",
        "/directives?cursor=AAAA",
        "/directives/1",
        "/quarantine?after=x",
        "/quarantine?state=made_up",
        "/quarantine/x",
        "/records?cursor=AAAA",
        "/records?from=2025-02-30",
        "/records?retracted=foo",
        "/records?to=9999-12-31",
        "/records/x",
        "/remarks?all=perhaps",
        "/remarks?cursor=AAAA",
        "/report?month=2025-13",
        "/charts?to=9999-12-31",
        "/report?month=0001-01",
        "/report?month=9998-12",
        "/report?month=9999-12-31",
        "/report?month=x",
        "/report?unit=x",
    ];
    for path in absurd {
        let answer = page(&office, path, &leader);
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{path}: {}",
            html(&answer)
        );
        assert!(html(&answer).contains(r#"role="alert""#), "{path}");
    }
    // What can be meant, and has nothing to show.
    for path in [
        "/charts?from=2024-03-04&to=2025-03-03",
        "/quarantine?after=-9223372036854775808",
        "/quarantine?after=9223372036854775807",
        "/records?from=2030-01-01&to=2020-01-01",
        "/records?category=%3Cscript%3E&outcome=%F0%9F%90%83",
    ] {
        assert_eq!(page(&office, path, &leader).status, StatusCode::OK, "{path}");
    }
    let before_units = page(&office, "/report?month=2001-01", &leader);
    assert_eq!(before_units.status, StatusCode::NOT_FOUND);
    for path in ["/units/x", "/phones?unit=%00", "/accounts?unit=x"] {
        assert_eq!(
            page(&office, path, &admin).status,
            StatusCode::BAD_REQUEST,
            "{path}"
        );
    }
}

#[test]
fn a_name_neither_turns_a_line_round_nor_hides_in_one() {
    let office = district();
    let admin = somebody(&office, "quantri", Role::Admin, "393");
    let leader = somebody(&office, "leader", Role::Leader, "393");
    let hamlet = office.unit("15367.01");
    let turned = "an\u{202e}nol\u{200b}\u{feff}g\u{2066}";
    let rename = [
        ("change", "rename"),
        ("on", "2025-03-03"),
        ("name", turned),
        ("code", "15367.01"),
    ];
    let renamed = send(&office, &format!("/units/{hamlet}"), &admin, &rename);
    assert_eq!(renamed.status, StatusCode::SEE_OTHER);
    let mut head = phone(&office, turned, "15367.01");
    let record = head.log(hamlet, office.now_ms());
    head.sync(&office);
    office.pass(HOUR_MS);
    let record = format!("/records/{record}");
    for (path, who) in [
        ("/", &leader),
        ("/charts", &leader),
        ("/records", &leader),
        (record.as_str(), &leader),
        ("/report", &leader),
        ("/units", &leader),
        ("/phones", &admin),
        ("/accounts", &admin),
        ("/audit", &admin),
    ] {
        let page = shown(&office, path, who);
        assert!(page.contains("annolg"), "{path} tells the name: {page}");
        let hidden = page.chars().find(|c| turned.contains(*c) && !c.is_ascii());
        assert_eq!(hidden, None, "{path}");
    }
    let found = html(&send(&office, "/records/search", &leader, &[("q", turned)]));
    assert!(!found.contains('\u{202e}') && found.contains("annolg"), "{found}");
}
