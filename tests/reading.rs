//! Stories of who reads pages: an address that means nothing, a language that nobody chose, and what the page of a record tells.

use axum::body::Body;
use axum::http::{StatusCode, header};
use jiff::civil::date;
use langso_server::policy::Role;
use sync_core::edit::{AssistanceField, Edit};
use sync_core::ids::RecordId;

use crate::harness::browser::{alerts, form_to, html, leads_to, links, set};
use crate::harness::office::{Credentials, Office, TWO_COMMUNES};

/// Two hamlets of two communes with a record each, and the district's leader.
fn district() -> (Office, Credentials) {
    let office = Office::new(date(2025, 3, 3));
    office.import(TWO_COMMUNES, date(2024, 1, 1));
    for code in ["15367.01", "15379.01"] {
        let hamlet = office.unit(code);
        let mut phone = office.phone(office.account(code, Role::Member, hamlet));
        phone.log(hamlet, office.now_ms());
        phone.sync(&office);
    }
    let leader = office.log_in(office.account("leader", Role::Leader, office.unit("393")));
    (office, leader)
}

/// The records that a page lists.
fn listed(page: &str) -> Vec<String> {
    let links = links(page).into_iter();
    links
        .filter_map(|link| link.strip_prefix("/records/").map(str::to_owned))
        .collect()
}

#[test]
fn a_filter_that_nobody_can_mean_is_answered_by_a_page_that_says_so() {
    let (office, leader) = district();
    let (office, leader) = (&office, &leader);
    for path in [
        "/charts?from=2025-03-03&to=2025-03-01",
        "/charts?from=2020-01-01&to=2025-03-01",
        "/charts?from=-009999-01-01",
        "/charts?to=9999-12-31",
        "/charts?from=2025-02-30",
        "/charts?unit=x",
        "/conflicts?cursor=x",
        "/conflicts?unit=x",
        "/directives?cursor=%FF",
        "/directives?cursor=x",
        "/directives?state=x",
        "/quarantine?after=x",
        "/quarantine?after=99999999999999999999",
        "/quarantine?state=x",
        "/remarks?all=x",
        "/remarks?cursor=x",
        "/remarks?record=x",
        "/report?month=9999-12",
        "/report?month=2025-13",
        "/report?month=x",
        "/report?unit=x",
    ] {
        let answer = office.page(path, leader);
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{path}: {}",
            html(&answer)
        );
        assert!(alerts(&answer), "{path}");
    }
    for path in [
        "/charts?from=2024-03-04&to=2025-03-04",
        "/quarantine?after=-1",
        "/quarantine?after=9223372036854775807",
        "/report?month=2199-12",
        "/records?from=2199-12-31&to=1900-01-01",
    ] {
        office.shown(path, leader);
    }
}

#[test]
fn a_pc_that_was_set_up_in_english_begins_in_vietnamese() {
    let (office, leader) = district();
    let (office, leader) = (&office, &leader);
    let asked = |path: &str, who: &Credentials, chosen: &str| {
        let cookies = format!(
            "langso_session={}; {chosen}",
            who.cookie.clone().unwrap_or_default()
        );
        let request = office
            .request("GET", path, &Credentials::default())
            .header(header::COOKIE, cookies)
            .header(header::ACCEPT, "text/html,*/*")
            .header(header::ACCEPT_LANGUAGE, "en-US,en;q=0.9");
        html(&office.send(request.body(Body::empty()).unwrap()))
    };
    let nobody = Credentials::default();
    for (path, who) in [
        ("/", leader),
        ("/login", &nobody),
        ("/api", &nobody),
        ("/nowhere", &nobody),
    ] {
        assert!(asked(path, who, "").contains(r#"<html lang="vi">"#), "{path}");
        let chosen = asked(path, who, "langso_language=en");
        assert!(chosen.contains(r#"<html lang="en">"#), "{path}");
    }
    assert!(asked("/v1/exports/records.csv", leader, "").contains("Thời gian"));
    assert!(!asked("/v1/exports/records.csv", leader, "langso_language=en").contains("Thời gian"));
}

#[test]
fn the_page_of_a_record_says_who_did_what_to_it_when_and_on_which_phone() {
    let office = Office::new(date(2025, 3, 3));
    office.import(TWO_COMMUNES, date(2024, 1, 1));
    let (commune, hamlet) = (office.unit("15367"), office.unit("15367.01"));
    let lan = office.person("lan", "Nguyễn Thị Lan", Role::Member, hamlet);
    let minh = office.person("minh", "Trần Văn Minh", Role::Member, hamlet);
    let (mut lan, mut minh) = (office.phone(lan), office.phone(minh));
    let record = lan.log(hamlet, office.now_ms());
    office.pass(60_000);
    lan.sync(&office);
    minh.sync(&office);
    office.pass(3_600_000);
    let fields = vec![AssistanceField::Outcome("hen_lai".into())];
    assert!(
        minh.edit(&Edit::AmendAssistance { record, fields }, office.now_ms())
            .unwrap()
    );
    office.pass(120_000);
    minh.sync(&office);
    let official = office.log_in(office.person("hoa", "Lê Thị Hoa", Role::Official, commune));
    let path = format!("/records/{record}");
    let form = form_to(&office.shown(&path, &official), &format!("{path}/remarks"));
    let form = set(form, &[("kind", "question"), ("words", "Ngày nào?\nỞ đâu?")]);
    leads_to(&office.submit(&format!("{path}/remarks"), &official, &form));

    let page = office.shown(&path, &official);
    let (_, remarks) = page.split_once("<h2>Ý kiến</h2>").unwrap();
    let (remarks, history) = remarks.split_once("<h2>Lịch sử</h2>").unwrap();
    for said in [
        "Câu hỏi",
        "chờ trả lời",
        "Lê Thị Hoa",
        "03/03/2025 09:03",
        "Ngày nào?\nỞ đâu?",
    ] {
        assert!(remarks.contains(said), "{said}: {remarks}");
    }
    let steps: Vec<&str> = history.split("<li>").skip(1).collect();
    assert_eq!(steps.len(), 2, "{history}");
    let begun = [
        "Nguyễn Thị Lan",
        "03/03/2025 08:00",
        "máy chủ nhận",
        "03/03/2025 08:01",
        "Hoàn thành",
    ];
    let amended = [
        "Trần Văn Minh",
        "03/03/2025 09:01",
        "máy chủ nhận",
        "03/03/2025 09:03",
        "Hẹn lại",
    ];
    for (step, told) in [(steps[0], begun), (steps[1], amended)] {
        let phone = format!("điện thoại của {}", told[0]);
        assert!(step.contains(&phone), "on which phone: {step}");
        for told in told {
            assert!(step.contains(told), "{told}: {step}");
        }
    }
    assert!(
        !history.contains("Nguyễn Thị Lan</dd>"),
        "the citizen's name is sealed until it is asked for"
    );
}

#[test]
fn of_many_remarks_the_page_of_a_record_leads_to_the_rest() {
    let (office, leader) = district();
    let (office, leader) = (&office, &leader);
    let all = listed(&office.shown("/records", leader));
    let path = format!("/records/{}", all[0]);
    let action = format!("{path}/remarks");
    let shown = office.shown(&path, leader);
    let form = form_to(&shown, &action);
    for n in 0..101_u64 {
        let id = RecordId::from_parts(office.now_ms() as u64, n.into()).to_string();
        let words = format!("Câu {n}.");
        let form = set(
            form.clone(),
            &[("id", &id), ("kind", "question"), ("words", &words)],
        );
        leads_to(&office.submit(&action, leader, &form));
        office.pass(1);
    }
    let other = form_to(
        &office.shown(&format!("/records/{}", all[1]), leader),
        &format!("/records/{}/remarks", all[1]),
    );
    let other = set(other, &[("kind", "question"), ("words", "Khác.")]);
    leads_to(&office.submit(&format!("/records/{}/remarks", all[1]), leader, &other));
    let page = office.shown(&path, leader);
    assert!(page.contains("Câu 100.") && !page.contains("Câu 0."));
    let mut next = links(&page)
        .into_iter()
        .find(|link| link.starts_with("/remarks?"));
    let mut met = 0;
    while let Some(path) = next {
        let page = office.shown(&path, leader);
        met += page.matches(r#"<section class="remark""#).count();
        assert!(!page.contains("Khác."), "of this record alone: {path}");
        next = links(&page).into_iter().find(|link| link.contains("cursor="));
    }
    assert_eq!(met, 101);
}
