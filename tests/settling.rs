//! Stories of conflicts at the pages: one value is chosen or another one written, once, by who saw them all; and what was
//! settled is kept.

use axum::body::Body;
use axum::http::{StatusCode, header};
use jiff::civil::date;
use langso_server::policy::Role;
use langso_server::verify::{rebuild, verify};
use serde_json::{Value, json};
use sync_core::edit::{AssistanceField, Edit};
use sync_core::forge::{Forged, Op, record_object};
use sync_core::ids::{DocumentId, Month, RecordId};
use sync_core::protocol::Receipt;
use sync_core::record::RetractReason;
use sync_core::seal::SealedField;

use crate::harness::office::{Answer, Credentials, Office, OfficePhone};

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15379,393,commune,Xã Vĩnh Hùng
15367.01,15367,hamlet,Thôn Một
15379.01,15379,hamlet,Thôn Hai
";

/// An office, two phones of a hamlet that both hold one record, and the hamlet's official.
struct Village {
    office: Office,
    phones: [OfficePhone; 2],
    official: Credentials,
    record: RecordId,
}

impl Village {
    fn new() -> Self {
        let office = Office::new(date(2025, 3, 3));
        office.import(UNITS, date(2024, 1, 1));
        let (commune, hamlet) = (office.unit("15367"), office.unit("15367.01"));
        let mut phones = ["lan", "minh"].map(|name| office.phone(office.account(name, Role::Member, hamlet)));
        let record = phones[0].log(hamlet, office.now_ms());
        phones.iter_mut().for_each(|phone| phone.sync(&office));
        let official = office.log_in(office.account("hoa", Role::Official, commune));
        Self {
            office,
            phones,
            official,
            record,
        }
    }

    /// Each phone says something else without seeing what the other says.
    fn with(fields: [AssistanceField; 2]) -> Self {
        let mut village = Self::new();
        village.disagree(fields);
        village
    }

    fn disagree(&mut self, fields: [AssistanceField; 2]) {
        for (at, field) in fields.into_iter().enumerate() {
            self.say(at, field);
        }
        self.phones.iter_mut().for_each(|phone| phone.sync(&self.office));
    }

    /// A phone says something, and does not send it yet.
    fn say(&mut self, at: usize, field: AssistanceField) {
        let edit = Edit::AmendAssistance {
            record: self.record,
            fields: vec![field],
        };
        self.edit(at, &edit);
    }

    fn edit(&mut self, at: usize, edit: &Edit) {
        assert!(self.phones[at].edit(edit, self.office.now_ms()).unwrap());
    }

    /// Two phones of a later version set a field that this one does not know, without seeing each other's value.
    fn disagree_newly(&mut self, values: [fn(Option<sync_core::forge::Id>) -> Op; 2]) {
        let hamlet = self.office.unit("15367.01");
        let id = DocumentId::ledger(hamlet, Month::of_millis(self.office.now_ms()).unwrap());
        let before = self.office.document(id);
        for (at, (value, phone)) in values.into_iter().zip(&self.phones).enumerate() {
            let (actor, account) = ([at as u8 + 1; 16], phone.replica.identity().account);
            let change = Forged::on(&before, actor, account, self.office.now_ms())
                .with([value(record_object(&before, self.record))]);
            let receipt = phone.deliver(&self.office, id, &change);
            assert!(matches!(receipt, Receipt::Durable { .. }), "{receipt:?}");
        }
        self.phones.iter_mut().for_each(|phone| phone.sync(&self.office));
    }

    fn shown(&self, path: &str, who: &Credentials) -> String {
        let request = self
            .office
            .request("GET", path, who)
            .header(header::ACCEPT, "text/html");
        let answer = self.office.send(request.body(Body::empty()).unwrap());
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", html(&answer));
        html(&answer)
    }

    /// Sends a form about the record as a browser does.
    fn send(&self, who: &Credentials, fields: &[(&str, &str)]) -> Answer {
        let csrf = who.csrf.clone().unwrap();
        let fields: Vec<_> = [("csrf", csrf.as_str())].iter().chain(fields).copied().collect();
        let request = self
            .office
            .request("POST", &format!("/conflicts/{}", self.record), who)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "text/html")
            .header("sec-fetch-site", "same-origin");
        let body = serde_html_form::to_string(fields).unwrap();
        self.office.send(request.body(Body::from(body)).unwrap())
    }

    fn settled(&self) -> i64 {
        self.office.count("SELECT count(*) FROM settlement")
    }

    fn open(&self) -> i64 {
        self.office.count("SELECT count(*) FROM conflict")
    }

    fn verified(&self) -> Vec<String> {
        let app = &self.office.app;
        let report = app
            .store()
            .read_blocking(|conn| verify(conn, &app.exchange.ingest.master));
        report.unwrap().problems.iter().map(ToString::to_string).collect()
    }
}

fn outcomes() -> [AssistanceField; 2] {
    ["hen_lai", "that_bai"].map(|code| AssistanceField::Outcome(code.into()))
}

fn html(answer: &Answer) -> String {
    String::from_utf8(answer.bytes.clone()).unwrap()
}

/// The value of the first field of this name in a page.
fn field(page: &str, name: &str) -> String {
    let begin = format!(r#"name="{name}" value=""#);
    let (_, rest) = page
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no {name}: {page}"));
    rest.split_once('"').unwrap().0.to_owned()
}

fn is_done(answer: &Answer) -> bool {
    answer.status == StatusCode::SEE_OTHER && answer.headers[header::LOCATION] == "/conflicts?done=settled"
}

#[test]
fn another_value_takes_the_place_of_both_and_what_they_were_is_kept() {
    let mut village = Village::with(outcomes());
    let page = village.shown("/conflicts", &village.official);
    let seen = field(&page, "seen");
    let form = [
        ("field", "outcome"),
        ("seen", seen.as_str()),
        ("other", " dang_xu_ly "),
    ];
    for _ in 0..2 {
        assert!(
            is_done(&village.send(&village.official, &form)),
            "sent twice it is done once"
        );
    }
    assert_eq!((village.open(), village.settled()), (0, 1));
    village
        .phones
        .iter_mut()
        .for_each(|phone| phone.sync(&village.office));
    for phone in &village.phones {
        assert_eq!(phone.rows()[0].outcome, "dang_xu_ly");
        assert!(phone.rows()[0].conflicts.is_empty());
    }
    assert!(
        village
            .shown("/conflicts", &village.official)
            .contains("Không có mâu thuẫn nào")
    );
    let page = village.shown("/conflicts?state=settled", &village.official);
    for told in [
        "Đang xử lý",
        "Hẹn lại",
        "Chưa làm được",
        "hoa",
        "lan",
        "minh",
        &format!("/records/{}", village.record),
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let hamlet = village.office.unit("15367.01");
    let api = |query: &str| {
        village
            .office
            .get(&format!("/v1/conflicts?{query}"), &village.official)
            .json()
    };
    let told = &api(&format!("state=settled&unit={hamlet}"))["items"][0];
    assert_eq!(told["settled"]["value"], "dang_xu_ly");
    let mut before: Vec<&str> = told["values"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|said| said["value"].as_str())
        .collect();
    before.sort_unstable();
    assert_eq!(before, ["hen_lai", "that_bai"]);
    assert_eq!(api("state=open")["items"], json!([]));
    assert_eq!(api("state=other")["code"], "parameter_invalid");

    let record = village.shown(&format!("/records/{}", village.record), &village.official);
    assert!(
        record.contains("Giải quyết mâu thuẫn") && !record.contains("recorded_by"),
        "{record}"
    );

    // It follows from the log, and from nothing else.
    assert_eq!(village.verified(), [""; 0]);
    let master = village.office.app.exchange.ingest.master.clone();
    let again = village.office.app.store().write_blocking(move |tx| {
        tx.execute_batch("DELETE FROM settlement")?;
        rebuild(tx, &master)
    });
    again.unwrap();
    assert_eq!(village.settled(), 1);
    assert_eq!(village.verified(), [""; 0]);
}

#[test]
fn the_list_of_what_was_settled_is_told_in_pages_the_last_one_first() {
    let mut village = Village::new();
    for turn in 1..=3 {
        village.office.pass(60_000);
        village.disagree([turn + 10, turn + 30].map(AssistanceField::People));
        let seen = field(&village.shown("/conflicts", &village.official), "seen");
        let other = (turn + 20).to_string();
        let form = [("field", "people"), ("seen", &seen), ("other", &other)];
        assert!(is_done(&village.send(&village.official, &form)));
        village
            .phones
            .iter_mut()
            .for_each(|phone| phone.sync(&village.office));
    }
    let (mut cursor, mut told) = (String::new(), Vec::new());
    loop {
        let path = format!("/v1/conflicts?state=settled&limit=1{cursor}");
        let page = village.office.get(&path, &village.official).json();
        told.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["settled"]["value"].clone()),
        );
        match &page["next"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    assert_eq!(told, [23, 22, 21]);
}

#[test]
fn who_did_not_see_every_value_settles_nothing_and_loses_nothing() {
    let mut village = Village::with(outcomes());
    let seen = field(&village.shown("/conflicts", &village.official), "seen");
    // A third person has no signal for a while, and says something else.
    let hamlet = village.office.unit("15367.01");
    let mut late = village
        .office
        .phone(village.office.account("tam", Role::Member, hamlet));
    late.sync(&village.office);
    village.say(0, AssistanceField::Outcome("dang_xu_ly".into()));
    let edit = Edit::AmendAssistance {
        record: village.record,
        fields: vec![AssistanceField::Outcome("hoan_thanh".into())],
    };
    late.edit(&edit, village.office.now_ms()).unwrap();
    late.sync(&village.office);
    village.phones[0].sync(&village.office);
    assert_eq!(village.open(), 1);
    let typed = "khong_ai_biet";
    let form = [("field", "outcome"), ("seen", seen.as_str()), ("other", typed)];
    let answer = village.send(&village.official, &form);
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let page = html(&answer);
    for told in ["vừa được người khác thay đổi", "Đang xử lý", "Hoàn thành", typed] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert_eq!(village.open(), 1, "nothing was overridden");
    // The page that was shown again is up to date.
    let seen = field(&page, "seen");
    let form = [("field", "outcome"), ("seen", seen.as_str()), ("other", typed)];
    assert!(is_done(&village.send(&village.official, &form)));
    assert_eq!(village.open(), 0);
    let path = format!("/v1/records/{}", village.record);
    assert_eq!(
        village.office.get(&path, &village.official).json()["outcome"],
        typed
    );
}

#[test]
fn programs_say_what_they_saw_too() {
    let village = Village::with(outcomes());
    let path = format!("/v1/conflicts/{}", village.record);
    let open = village.office.get("/v1/conflicts", &village.official).json();
    let seen = open["items"][0]["seen"].clone();
    let post = |body: Value| village.office.post(&path, &village.official, &body);
    let stale = post(json!({ "field": "outcome", "value": "hen_lai", "seen": "AAAA" }));
    assert_eq!(
        (stale.status, stale.code().as_str()),
        (StatusCode::CONFLICT, "changed_meanwhile")
    );
    for neither in [
        json!({ "field": "outcome", "seen": seen }),
        json!({ "field": "outcome", "value": "hen_lai", "other": "that_bai", "seen": seen }),
        json!({ "field": "outcome", "value": "dang_xu_ly", "seen": seen }),
    ] {
        assert_eq!(post(neither).code(), "parameter_invalid");
    }
    let done = post(json!({ "field": "outcome", "other": "dang_xu_ly", "seen": seen }));
    assert_eq!(done.status, StatusCode::OK, "{}", done.code());
    assert_eq!((village.open(), village.settled()), (0, 1));
}

#[test]
fn who_comes_second_is_told_who_came_first() {
    let village = Village::with(outcomes());
    let (office, commune) = (&village.office, village.office.unit("15367"));
    let second = office.log_in(office.account("binh", Role::Official, commune));
    let seen = field(&village.shown("/conflicts", &second), "seen");
    let form = |other| [("field", "outcome"), ("seen", seen.as_str()), ("other", other)];
    assert!(is_done(&village.send(&village.official, &form("dang_xu_ly"))));
    let answer = village.send(&second, &form("viec_khac"));
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let page = html(&answer);
    for told in ["hoa đã giải quyết", "Đang xử lý", "viec_khac"] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let changed_mind = village.send(&village.official, &form("viec_khac"));
    assert_eq!(
        changed_mind.status,
        StatusCode::CONFLICT,
        "another wish is not the same form"
    );
    assert_eq!(village.settled(), 1);
}

#[test]
fn what_arrives_after_the_choice_is_another_conflict() {
    let mut village = Village::with(outcomes());
    village.say(1, AssistanceField::Outcome("hoan_thanh".into()));
    let seen = field(&village.shown("/conflicts", &village.official), "seen");
    let form = [
        ("field", "outcome"),
        ("seen", seen.as_str()),
        ("other", "dang_xu_ly"),
    ];
    assert!(is_done(&village.send(&village.official, &form)));
    village.phones[1].sync(&village.office);
    assert_eq!(
        (village.open(), village.settled()),
        (1, 2),
        "the phone had settled it as well"
    );
    let page = village.shown("/conflicts", &village.official);
    assert!(page.contains("Đang xử lý") && page.contains("Hoàn thành"));
    assert_eq!(village.verified(), [""; 0]);
}

#[test]
fn every_kind_of_field_takes_its_kind_of_value_and_no_other() {
    let note = |text: &str| AssistanceField::Personal(SealedField::Note, Some(text.into()));
    let time = |ms: i64| AssistanceField::OccurredAt(1_740_900_000_000 + ms);
    let cases = [
        (
            [3, 5].map(AssistanceField::People),
            "7",
            vec!["0", "-1", "1e3", "100001", "<script>"],
        ),
        (
            [3, 5].map(|n| AssistanceField::Minutes(Some(n))),
            "15",
            vec!["20000", "mười"],
        ),
        (
            [1, 2].map(|n| AssistanceField::Satisfaction(Some(n))),
            "4",
            vec!["6", "0", "300"],
        ),
        (
            [0, 60_000].map(time),
            "2025-03-02T15:30",
            vec!["hôm qua", "1999-01-01T00:00", "\u{202e}x"],
        ),
        (["a", "b"].map(note), "Đã gặp <b>lại</b>", vec![" "]),
    ];
    for (said, right, wrong) in cases {
        let (village, key) = (Village::with(said.clone()), said[0].key());
        let page = village.shown("/conflicts?personal=true", &village.official);
        let seen = field(&page, "seen");
        for typed in wrong {
            let answer = village.send(
                &village.official,
                &[("field", key), ("seen", &seen), ("other", typed)],
            );
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{key}: {typed}");
            let page = html(&answer);
            assert!(
                page.contains(r#"role="alert""#) && !page.contains("<script>"),
                "{key}: {page}"
            );
            assert_eq!(village.open(), 1, "{key}: {typed}");
        }
        let form = [("field", key), ("seen", seen.as_str()), ("other", right)];
        for _ in 0..2 {
            let answer = village.send(&village.official, &form);
            assert!(is_done(&answer), "{key}: {}", html(&answer));
        }
        assert_eq!((village.open(), village.settled()), (0, 1), "{key}");
        assert_eq!(village.verified(), [""; 0], "{key}");
    }
}

#[test]
fn citizens_data_is_settled_by_who_may_read_it_and_asked_for_it() {
    let name = |text: &str| AssistanceField::Personal(SealedField::CitizenName, Some(text.into()));
    let mut village = Village::with(["Lê Thị Lan", "Lê Thị <i>Lân</i>"].map(name));
    let page = village.shown("/conflicts", &village.official);
    assert!(
        page.contains("(đã niêm phong)") && !page.contains("Lê Thị"),
        "{page}"
    );
    assert!(
        !page.contains(r#"name="value""#),
        "nobody chooses between values without seeing them"
    );
    let path = "/conflicts?personal=true";
    assert!(page.contains(path), "{page}");
    let page = village.shown(path, &village.official);
    assert!(
        page.contains("Lê Thị Lan") && page.contains("&#60;i&#62;Lân"),
        "{page}"
    );
    let seen = field(&page, "seen");

    let district = village.office.unit("393");
    let admin = village
        .office
        .log_in(village.office.account("quantri", Role::Admin, district));
    let page = village.shown(path, &admin);
    assert!(
        !page.contains("Lê Thị") && !page.contains(r#"name="value""#),
        "{page}"
    );
    let form = [
        ("field", "citizen_name"),
        ("seen", seen.as_str()),
        ("other", "Lê Thị Liên"),
    ];
    assert_eq!(village.send(&admin, &form).status, StatusCode::NOT_FOUND);
    assert_eq!(village.open(), 1);

    assert!(is_done(&village.send(&village.official, &form)));
    let told = village.shown(
        &format!("/records/{}?personal=true", village.record),
        &village.official,
    );
    assert!(told.contains("Lê Thị Liên"));
    village.phones[0].sync(&village.office);
    let row = village.phones[0].rows().remove(0);
    let opened = village.phones[0].replica.personal(&row).unwrap();
    assert_eq!(opened.0[&SealedField::CitizenName], "Lê Thị Liên");
    let settled = "/conflicts?state=settled";
    assert!(!village.shown(settled, &village.official).contains("Lê Thị"));
    assert!(
        village
            .shown(&format!("{settled}&personal=true"), &village.official)
            .contains("Lê Thị Liên")
    );
    assert!(
        !village
            .shown(&format!("{settled}&personal=true"), &admin)
            .contains("Lê Thị")
    );
}

#[test]
fn the_conflicts_of_another_commune_do_not_exist() {
    let village = Village::with(outcomes());
    let seen = field(&village.shown("/conflicts", &village.official), "seen");
    let (office, other) = (&village.office, village.office.unit("15379"));
    let elsewhere = office.log_in(office.account("an", Role::Official, other));
    let form = [
        ("field", "outcome"),
        ("seen", seen.as_str()),
        ("other", "dang_xu_ly"),
    ];
    assert_eq!(village.send(&elsewhere, &form).status, StatusCode::NOT_FOUND);
    assert!(is_done(&village.send(&village.official, &form)));
    for path in ["/conflicts", "/conflicts?state=settled"] {
        assert!(
            !village
                .shown(path, &elsewhere)
                .contains(&village.record.to_string())
        );
    }
    let unit = format!("/conflicts?state=settled&unit={}", office.unit("15367.01"));
    let request = office
        .request("GET", &unit, &elsewhere)
        .header(header::ACCEPT, "text/html");
    assert_eq!(
        office.send(request.body(Body::empty()).unwrap()).status,
        StatusCode::NOT_FOUND
    );
}

#[test]
fn the_history_says_what_was_chosen_even_where_that_was_shown_already() {
    let village = Village::with(outcomes());
    let page = village.shown("/conflicts", &village.official);
    let (seen, shown) = (
        field(&page, "seen"),
        page.split(r#"<button name="value" value=""#).nth(1).unwrap(),
    );
    let form = [
        ("field", "outcome"),
        ("seen", seen.as_str()),
        ("value", shown.split_once('"').unwrap().0),
    ];
    assert!(is_done(&village.send(&village.official, &form)));
    let path = format!("/v1/records/{}/history", village.record);
    let told = village.office.get(&path, &village.official).json();
    let last = told["history"].as_array().unwrap().last().unwrap().clone();
    let now = village
        .office
        .get(&format!("/v1/records/{}", village.record), &village.official)
        .json();
    assert_eq!(
        (&last["kind"], &last["fields"]["outcome"]),
        (&json!("settled"), &now["outcome"])
    );
}

#[test]
fn the_reason_of_a_retraction_is_said_otherwise() {
    let mut village = Village::new();
    for (at, reason) in [RetractReason::Duplicate, RetractReason::Mistake]
        .into_iter()
        .enumerate()
    {
        let record = village.record;
        village.edit(at, &Edit::RetractAssistance { record, reason });
    }
    village
        .phones
        .iter_mut()
        .for_each(|phone| phone.sync(&village.office));
    assert_eq!(village.open(), 1);
    let page = village.shown("/conflicts", &village.official);
    for told in [
        "Thu hồi",
        "ghi trùng",
        "ghi nhầm",
        r#"<option value="citizen_request">"#,
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert!(
        !page.contains(r#"name="empty""#),
        "what was taken back stays so: {page}"
    );
    let seen = field(&page, "seen");
    let form = |name, value| [("field", "retracted"), ("seen", seen.as_str()), (name, value)];
    for wrong in [("other", "khong_can"), ("empty", "yes")] {
        let answer = village.send(&village.official, &form(wrong.0, wrong.1));
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong:?}");
    }
    for _ in 0..2 {
        assert!(is_done(
            &village.send(&village.official, &form("other", "citizen_request"))
        ));
    }
    assert_eq!((village.open(), village.settled()), (0, 1));
    village.phones[0].sync(&village.office);
    let told = village.phones[0].rows().remove(0).retraction.unwrap();
    assert_eq!(told.reason, RetractReason::CitizenRequest);
    assert_eq!(village.verified(), [""; 0]);
}

#[test]
fn what_nobody_knows_is_settled_by_leaving_it_empty() {
    let name = |text: &str| AssistanceField::Personal(SealedField::CitizenName, Some(text.into()));
    let cases = [
        [3, 5].map(|n| AssistanceField::Minutes(Some(n))),
        [1, 2].map(|n| AssistanceField::Satisfaction(Some(n))),
        ["1.004194", "1.004222"].map(|code| AssistanceField::Procedure(Some(code.into()))),
        ["Lê Thị Lan", "Lê Thị Lân"].map(name),
    ];
    for said in cases {
        let (mut village, key) = (Village::with(said.clone()), said[0].key());
        let page = village.shown("/conflicts?personal=true", &village.official);
        assert!(page.contains(r#"name="empty" value="yes""#), "{key}: {page}");
        let seen = field(&page, "seen");
        let form = [("field", key), ("seen", seen.as_str()), ("empty", "yes")];
        for _ in 0..2 {
            let answer = village.send(&village.official, &form);
            assert!(is_done(&answer), "{key}: {}", html(&answer));
        }
        let typed = [("field", key), ("seen", seen.as_str()), ("other", "4")];
        let answer = village.send(&village.official, &typed);
        assert_eq!(
            answer.status,
            StatusCode::CONFLICT,
            "{key}: another wish is another form"
        );
        let told = "/conflicts?state=settled&personal=true";
        assert!(
            village.shown(told, &village.official).contains("(để trống)"),
            "{key}"
        );
        village.phones[0].sync(&village.office);
        let row = village.phones[0].rows().remove(0);
        assert_eq!(
            (row.minutes, row.satisfaction, row.procedure.as_ref()),
            (None, None, None)
        );
        assert_eq!(
            row.sealed.contains_key(&SealedField::CitizenName),
            key != "citizen_name"
        );
        assert_eq!(village.verified(), [""; 0], "{key}");
    }
    let village = Village::with(outcomes());
    let page = village.shown("/conflicts", &village.official);
    assert!(!page.contains(r#"name="empty""#), "every record has an outcome");
    let seen = field(&page, "seen");
    let form = [("field", "outcome"), ("seen", seen.as_str()), ("empty", "yes")];
    let answer = village.send(&village.official, &form);
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(html(&answer).contains(r#"role="alert""#), "{}", html(&answer));
    assert_eq!(village.open(), 1);

    let village = Village::with([3, 5].map(|n| AssistanceField::Minutes(Some(n))));
    let path = format!("/v1/conflicts/{}", village.record);
    let done = village.office.post(
        &path,
        &village.official,
        &json!({ "field": "minutes", "other": null }),
    );
    assert_eq!(done.status, StatusCode::OK, "{}", done.code());
    assert_eq!((village.open(), village.settled()), (0, 1));
}

#[test]
fn a_field_of_a_newer_version_is_settled_by_what_is_of_its_kind() {
    type Values = [fn(Option<sync_core::forge::Id>) -> Op; 2];
    let cases: [(Values, &str, Value, &[&str]); 2] = [
        (
            [
                |map| Op::put_text(map, "weather", "mưa"),
                |map| Op::put_text(map, "weather", "<i>nắng</i>"),
            ],
            " nhiều mây ",
            json!("nhiều mây"),
            &[" "],
        ),
        (
            [
                |map| Op::put_int(map, "weather", 3),
                |map| Op::put_int(map, "weather", 5),
            ],
            "4",
            json!(4),
            &["mưa", "9223372036854775808"],
        ),
    ];
    for (values, typed, told, wrong) in cases {
        let mut village = Village::new();
        village.disagree_newly(values);
        assert_eq!(village.open(), 1);
        let page = village.shown("/conflicts", &village.official);
        assert!(page.contains("Trường “weather” của phiên bản mới hơn"), "{page}");
        assert!(
            !page.contains("<i>") && !page.contains(r#"name="empty""#),
            "{page}"
        );
        let seen = field(&page, "seen");
        let form = |other| [("field", "weather"), ("seen", seen.as_str()), ("other", other)];
        for wrong in wrong {
            let answer = village.send(&village.official, &form(wrong));
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        }
        for _ in 0..2 {
            assert!(is_done(&village.send(&village.official, &form(typed))));
        }
        assert_eq!((village.open(), village.settled()), (0, 1));
        let path = format!("/v1/records/{}", village.record);
        let record = village.office.get(&path, &village.official).json();
        assert_eq!(record["unknown"]["weather"], told);
        assert_eq!(village.verified(), [""; 0]);
    }
}
