//! Stories of people at the pages: what a form does when things are not as they were when it was opened.

use axum::body::Body;
use axum::http::{StatusCode, header};
use jiff::civil::date;
use langso_server::policy::Role;
use sync_core::edit::{AssistanceField, Edit};
use sync_core::ids::RecordId;

use crate::harness::office::{Answer, Credentials, Office};

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15367.01,15367,hamlet,Thôn Một
";

/// An office, an official, and a record whose outcome two phones set without seeing each other.
fn with_a_conflict() -> (Office, Credentials, RecordId) {
    let office = Office::new(date(2025, 3, 3));
    office.import(UNITS, date(2024, 1, 1));
    let (commune, hamlet) = (office.unit("15367"), office.unit("15367.01"));
    let member = office.account("lan", Role::Member, hamlet);
    let (mut a, mut b) = (office.phone(member), office.phone(member));
    let record = a.log(hamlet, office.now_ms());
    a.sync(&office);
    b.sync(&office);
    for (phone, outcome) in [(&mut a, "hen_lai"), (&mut b, "that_bai")] {
        let fields = vec![AssistanceField::Outcome(outcome.into())];
        let edit = Edit::AmendAssistance { record, fields };
        assert!(phone.edit(&edit, office.now_ms()).unwrap());
    }
    a.sync(&office);
    b.sync(&office);
    let official = office.account("hoa", Role::Official, commune);
    let official = office.log_in(official);
    (office, official, record)
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

/// Sends a form as a browser does that shows it on a page from `site`.
fn send(office: &Office, path: &str, who: &Credentials, site: &str, body: &str) -> Answer {
    let request = office
        .request("POST", path, who)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "text/html")
        .header("sec-fetch-site", site);
    office.send(request.body(Body::from(body.to_owned())).unwrap())
}

/// The first value that the page offers to choose.
fn offered(page: &str) -> String {
    let (_, rest) = page.split_once(r#"<button name="value" value=""#).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

/// The mark of the values that the page shows.
fn marked(page: &str) -> String {
    let (_, rest) = page.split_once(r#"name="seen" value=""#).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[test]
fn a_conflict_is_settled_by_a_form_and_once() {
    let (office, official, record) = with_a_conflict();
    let shown = html(&page(&office, "/conflicts", &official));
    assert!(
        shown.contains("Hẹn lại") && shown.contains("Chưa làm được"),
        "both values: {shown}"
    );
    let csrf = official.csrf.clone().unwrap();
    let body = format!(
        "csrf={csrf}&field=outcome&seen={}&value={}",
        marked(&shown),
        offered(&shown)
    );
    let path = format!("/conflicts/{record}");
    for _ in 0..2 {
        let answer = send(&office, &path, &official, "same-origin", &body);
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.headers[header::LOCATION], "/conflicts?done=settled");
    }
    let shown = html(&page(&office, "/conflicts", &official));
    assert!(shown.contains("Không có mâu thuẫn nào"));
    assert_eq!(office.count("SELECT count(*) FROM conflict"), 0);
}

#[test]
fn what_was_typed_outlives_the_session() {
    let (office, official, record) = with_a_conflict();
    let shown = html(&page(&office, "/conflicts", &official));
    let mark = offered(&shown);
    let path = format!("/conflicts/{record}");
    let body = format!("csrf=old&field=outcome&value={mark}");
    let login = send(&office, &path, &Credentials::default(), "same-origin", &body);
    assert_eq!(login.status, StatusCode::UNAUTHORIZED);
    let login = html(&login);
    assert!(login.contains(&format!(r#"name="kept.value" value="{mark}""#)));
    assert!(login.contains(&format!(r#"name="back" value="{path}""#)));
    assert!(!login.contains("kept.csrf"));

    // Logged in again, in another window: the form brings the token of a session that is no more.
    let asked = send(&office, &path, &official, "same-origin", &body);
    assert_eq!(asked.status, StatusCode::CONFLICT);
    assert_eq!(
        office.count("SELECT count(*) FROM conflict"),
        1,
        "nothing is sent unasked"
    );
    let asked = html(&asked);
    assert!(asked.contains(&format!(r#"name="value" value="{mark}""#)));
    let csrf = official.csrf.clone().unwrap();
    assert!(asked.contains(&format!(r#"name="csrf" value="{csrf}""#)));
}

#[test]
fn another_site_cannot_have_a_form_confirmed() {
    let (office, official, record) = with_a_conflict();
    let path = format!("/conflicts/{record}");
    let body = "csrf=x&field=outcome&value=y";
    let answer = send(&office, &path, &official, "cross-site", body);
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let answer = send(&office, &path, &Credentials::default(), "cross-site", body);
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "to an empty login");
    let body = "username=hoa&password=wrong&back=%2Fconflicts&kept.value=theirs";
    let answer = send(&office, "/login", &Credentials::default(), "cross-site", body);
    assert!(!html(&answer).contains("theirs"));
}

#[test]
fn a_page_says_what_is_wrong_in_a_page() {
    let (office, official, _) = with_a_conflict();
    for (path, status) in [
        ("/nowhere", StatusCode::NOT_FOUND),
        ("/records?unit=x", StatusCode::BAD_REQUEST),
        ("/records?from=9999-99-99", StatusCode::BAD_REQUEST),
        ("/records?cursor=%FF", StatusCode::BAD_REQUEST),
        ("/records?unit=01ARZ3NDEKTSV4RRFFQ69G5FAV", StatusCode::NOT_FOUND),
    ] {
        let answer = page(&office, path, &official);
        assert_eq!(answer.status, status, "{path}");
        assert!(
            html(&answer).contains(r#"role="alert""#),
            "{path}: {}",
            html(&answer)
        );
    }
    let answer = page(&office, "/records?unit=", &Credentials::default());
    assert_eq!(
        answer.headers[header::LOCATION],
        "/login?back=%2Frecords%3Funit%3D"
    );
}

#[test]
fn the_language_is_chosen_once() {
    let (office, official, _) = with_a_conflict();
    let answer = page(&office, "/language?to=en&back=%2Fconflicts", &official);
    assert_eq!(answer.headers[header::LOCATION], "/conflicts");
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    let chosen = cookie.split(';').next().unwrap();
    let request = office
        .request("GET", "/conflicts", &Credentials::default())
        .header(
            header::COOKIE,
            format!("langso_session={}", official.cookie.clone().unwrap()),
        )
        .header(header::COOKIE, chosen);
    let answer = office.send(request.body(Body::empty()).unwrap());
    assert!(html(&answer).contains(r#"<html lang="en">"#));
}
