//! Stories of what people do through the server: it is an edit like any other, and everybody gets it.

use axum::http::StatusCode;
use jiff::civil::date;
use langso_server::policy::Role;
use langso_server::verify::verify;
use serde_json::{Value, json};
use sync_core::edit::{AssistanceField, DraftField, Edit};
use sync_core::ids::{AccountId, Class, UnitId};
use sync_core::local_store::ListQuery;
use sync_core::record::{Asks, Relation, Stage, Targets, Urgency};

use crate::harness::office::{Credentials, Office, OfficePhone};

const UNITS: &str = "code,parent_code,level,name
X,,commune,Xã Vĩnh Hưng
X1,X,hamlet,Thôn Một
X2,X,hamlet,Thôn Hai
X3,X,hamlet,Thôn Ba
";
const HOUR_MS: i64 = 3_600_000;

struct Commune {
    office: Office,
    unit: UnitId,
    hamlets: [UnitId; 3],
    account: AccountId,
    official: Credentials,
    /// One phone for each of the first two hamlets; the third has none.
    heads: [OfficePhone; 2],
}

fn commune() -> Commune {
    let office = Office::new(date(2025, 3, 3));
    office.import(UNITS, date(2024, 1, 1));
    let (unit, hamlets) = (office.unit("X"), ["X1", "X2", "X3"].map(|code| office.unit(code)));
    let account = office.account("official", Role::Official, unit);
    let official = office.log_in(account);
    let head = |n: usize| {
        let account = office.account(&format!("head{n}"), Role::Member, hamlets[n]);
        let mut phone = office.phone(account);
        phone.sync(&office);
        phone
    };
    let heads = [head(0), head(1)];
    office.pass(HOUR_MS);
    Commune {
        office,
        unit,
        hamlets,
        account,
        official,
        heads,
    }
}

impl Commune {
    fn issue(&self, number: &str, more: Value) -> String {
        let mut body = json!({
            "unit": self.unit, "number": number, "title": "Ra quân hỗ trợ dịch vụ công", "body": "1. Rà soát\n2. Báo cáo",
            "urgency": "urgent", "deadline_ms": self.office.now_ms() + 24 * HOUR_MS, "signer": "Chủ tịch UBND xã",
            "targets": [{ "unit": self.unit }], "asks": "report",
        });
        let (all, more) = (body.as_object_mut().unwrap(), more.as_object().unwrap().clone());
        all.extend(more);
        let answer = self.office.post("/v1/directives", &self.official, &body);
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    fn board(&self, directive: &str) -> Value {
        let path = format!("/v1/directives/{directive}/acknowledgements");
        let official = self.office.log_in(self.account);
        let answer = self.office.get(&path, &official);
        assert_eq!(answer.status, StatusCode::OK);
        answer.json()
    }

    fn holds(&self) {
        let report = self
            .office
            .app
            .store()
            .read_blocking(|conn| verify(conn, &self.office.app.exchange.ingest.master))
            .unwrap();
        assert_eq!(report.problems, []);
    }
}

#[test]
fn a_directive_issued_through_the_server_reaches_phones_and_its_board_tells_who_has_done_what() {
    let mut commune = commune();
    let id = commune.issue("5/UBND-VX", json!({}));
    let record = id.parse().unwrap();
    commune.office.pass(HOUR_MS);
    commune.heads[0].sync(&commune.office);
    let now_ms = commune.office.now_ms();
    let pinned = commune.heads[0].replica.directives(now_ms).unwrap();
    assert_eq!(pinned[0].directive.id, record);
    let (unit, office) = (commune.hamlets[0], &commune.office);
    commune.heads[0].acknowledge(record, unit, Stage::Done, now_ms);

    let board = commune.board(&id);
    assert_eq!(board["counts"]["targeted"], 3);
    assert_eq!(
        board["counts"]["in_stage"]["received"], 1,
        "done is on the phone, not here yet"
    );
    assert_eq!(board["counts"]["percent"], 0);
    let why = |board: &Value, unit: UnitId| {
        let calls = board["to_call"].as_array().unwrap().clone();
        let call = calls.into_iter().find(|call| call["unit"] == unit.to_string());
        call.map(|call| call["why"].as_str().unwrap().to_owned())
    };
    assert_eq!(why(&board, commune.hamlets[0]).as_deref(), Some("not_done"));
    assert_eq!(why(&board, commune.hamlets[1]).as_deref(), Some("not_synced"));
    assert_eq!(why(&board, commune.hamlets[2]).as_deref(), Some("not_synced"));

    // It arrives after the deadline, and was done before it.
    office.pass(48 * HOUR_MS);
    commune.heads[0].sync(office);
    let board = commune.board(&id);
    let units = board["units"].as_array().unwrap();
    let done = units.iter().find(|of| of["unit"] == unit.to_string()).unwrap();
    assert_eq!(
        (&done["on_time"], &done["arrived_late"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(done["stage"], "done");
    assert_eq!(board["by_unit"][0]["counts"]["percent"], 33);
    assert_eq!(why(&board, unit), None);
    commune.holds();
}

#[test]
fn a_secret_paper_is_refused_with_a_clear_message_and_not_stored() {
    let commune = commune();
    let body = |title: &str, secrecy: &str| {
        json!({ "unit": commune.unit, "number": "5/UBND", "title": title, "urgency": "normal", "signer": "Chủ tịch",
                "targets": [{ "unit": commune.unit }], "asks": "read", "secrecy": secrecy })
    };
    for body in [body("TỐI MẬT", "none"), body("Kế hoạch", "mat")] {
        let answer = commune.office.post("/v1/directives", &commune.official, &body);
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.code(), "secret_class");
    }
    assert_eq!(commune.office.count("SELECT count(*) FROM directive"), 0);
    assert_eq!(commune.office.count("SELECT count(*) FROM quarantine"), 0);
}

#[test]
fn an_amendment_ends_the_version_before_and_the_same_number_is_shown() {
    let commune = commune();
    let first = commune.issue("5/UBND-VX", json!({}));
    let second = commune.issue(
        "6/UBND-VX",
        json!({ "relation": { "kind": "amends", "directive": first } }),
    );
    let other = commune.issue("5 / ubnd-vx", json!({}));
    let answer = commune.office.get("/v1/directives", &commune.official).json();
    let list = answer["items"].as_array().unwrap();
    let of = |id: &str| list.iter().find(|one| one["id"] == id).unwrap();
    assert_eq!(
        (&of(&first)["ended_by"], &of(&second)["version"]),
        (&json!(second), &json!(2))
    );
    assert_eq!(of(&second)["directive"], json!(first));
    assert_eq!(of(&first)["same_number"], json!([other]));
    assert_eq!(of(&other)["same_number"], json!([first]));
    commune.holds();
}

#[test]
fn remarks_through_the_server_are_answered_on_the_phone_and_open_ones_are_counted() {
    let mut commune = commune();
    let (hamlet, now_ms) = (commune.hamlets[0], commune.office.now_ms());
    let record = commune.heads[0].log(hamlet, now_ms);
    commune.heads[0].sync(&commune.office);
    let body = json!({ "record": record, "kind": "please_correct", "words": "Sai ngày của bà Lan" });
    let said = commune
        .office
        .post("/v1/remarks", &commune.official, &body)
        .json();
    let list = |commune: &Commune| commune.office.get("/v1/remarks", &commune.official).json();
    assert_eq!(list(&commune)["open"], 1);
    assert_eq!(list(&commune)["items"][0]["words"], "Sai ngày của bà Lan");
    commune.heads[0].sync(&commune.office);
    let remark = said["id"].as_str().unwrap().parse().unwrap();
    commune.heads[0].answer(hamlet, record, remark, "Đã sửa", now_ms);
    commune.heads[0].sync(&commune.office);
    assert_eq!(list(&commune)["open"], 0);
    let words = |one: &Value| one["words"].as_str().unwrap().to_owned();
    let all: Vec<String> = list(&commune)["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(words)
        .collect();
    assert!(all.contains(&"Đã sửa".to_owned()));
    // Who has no right to citizens' data sees that something was said, and no more.
    let auditor = commune.office.account("auditor", Role::Auditor, commune.unit);
    let seen = commune
        .office
        .get("/v1/remarks", &commune.office.log_in(auditor))
        .json();
    assert_eq!(
        (&seen["items"][0]["words"], &seen["items"][0]["sealed"]),
        (&Value::Null, &json!(true))
    );
    commune.holds();
}

#[test]
fn a_conflict_is_settled_through_the_server_and_the_phones_see_it() {
    let mut commune = commune();
    let (hamlet, now_ms) = (commune.hamlets[0], commune.office.now_ms());
    let account = commune.heads[0].replica.identity().account;
    let mut other = commune.office.phone(account);
    let record = commune.heads[0].log(hamlet, now_ms);
    commune.heads[0].sync(&commune.office);
    other.sync(&commune.office);
    let amend = |outcome: &str| Edit::AmendAssistance {
        record,
        fields: vec![AssistanceField::Outcome(outcome.into())],
    };
    commune.heads[0].edit(&amend("hen_lai"), now_ms + 1).unwrap();
    other.edit(&amend("that_bai"), now_ms + 1).unwrap();
    commune.heads[0].sync(&commune.office);
    other.sync(&commune.office);
    let path = format!("/v1/conflicts/{record}");
    let choose = |value: &str| {
        let body = json!({ "field": "outcome", "value": value });
        commune.office.post(&path, &commune.official, &body)
    };
    assert_eq!(
        choose("khac").status,
        StatusCode::BAD_REQUEST,
        "only what somebody said can be chosen"
    );
    assert_eq!(choose("hen_lai").status, StatusCode::OK);
    assert_eq!(choose("hen_lai").status, StatusCode::NOT_FOUND);
    other.sync(&commune.office);
    let row = other.rows().into_iter().find(|row| row.id == record).unwrap();
    assert_eq!((row.outcome.as_str(), row.conflicts.len()), ("hen_lai", 0));
    let by_server = "SELECT count(*) FROM entry WHERE device = (SELECT value FROM meta WHERE key = 'realm') AND account <> device";
    assert_eq!(
        commune.office.count(by_server),
        1,
        "it is an edit of the server's replica"
    );
    commune.holds();
}

/// What another official of the commune does on a phone of their own, offline.
fn second_official(commune: &Commune) -> OfficePhone {
    let account = commune.office.account("second", Role::Official, commune.unit);
    let mut phone = commune.office.phone(account);
    phone.sync(&commune.office);
    phone
}

#[test]
fn a_draft_of_two_officials_merges_and_is_issued_once_a_person_has_chosen() {
    let commune = commune();
    let office = &commune.office;
    let post = |path: &str, body: Value| office.post(path, &commune.official, &body);
    let begun = json!({ "unit": commune.unit, "title": "Ra quân", "urgency": "normal", "asks": "report",
                        "signer": "Chủ tịch", "targets": [{ "unit": commune.unit }] });
    let draft = post("/v1/drafts", begun).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut phone = second_official(&commune);
    let revise = Edit::ReviseDraft {
        record: draft.parse().unwrap(),
        fields: vec![DraftField::Title("Ra quân tháng 3".into())],
    };
    phone.edit(&revise, office.now_ms()).unwrap();
    let path = format!("/v1/drafts/{draft}");
    let revised = post(&path, json!({ "title": "Ra quân tháng Ba", "number": "8/UBND" }));
    assert_eq!(revised.status, StatusCode::OK, "{}", revised.json());
    phone.sync(office);
    phone.sync(office);

    // Both titles are shown, to the officials of the unit and on their phones; nobody above or below hears of it.
    let shown = office.get("/v1/drafts", &commune.official).json();
    let conflicts = shown["items"][0]["conflicts"].as_array().unwrap();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0]["values"].as_array().unwrap().len(), 2);
    let rows = phone.replica.rows(Class::Drafts, ListQuery::default()).unwrap();
    assert_eq!(rows[0].conflicts().len(), 1);
    let auditor = office.log_in(office.account("auditor", Role::Auditor, commune.unit));
    assert_eq!(office.get("/v1/drafts", &auditor).status, StatusCode::NOT_FOUND);
    for reader in [&auditor, &commune.official] {
        assert_eq!(office.get("/v1/conflicts", reader).json()["items"], json!([]));
    }

    let issue = || post(&format!("{path}/issue"), json!({}));
    let refused = issue();
    assert_eq!(
        (refused.code().as_str(), &refused.json()["field"]),
        ("field_invalid", &json!("title"))
    );
    let settle = |value: &str| {
        let body = json!({ "field": "title", "value": value });
        post(&format!("/v1/conflicts/{draft}"), body).status
    };
    assert_eq!(settle("Ra quân tháng Tư"), StatusCode::BAD_REQUEST);
    assert_eq!(settle("Ra quân tháng Ba"), StatusCode::OK);
    let issued = issue().json();
    let again = issue();
    assert_eq!(
        (again.code().as_str(), &again.json()["directive"]),
        ("draft_issued", &issued["id"])
    );
    assert_eq!(post(&path, json!({ "title": "Khác" })).code(), "draft_issued");
    assert_eq!(
        office.get("/v1/drafts", &commune.official).json()["items"],
        json!([])
    );
    let listed = office.get("/v1/directives", &commune.official).json();
    assert_eq!(listed["items"][0]["title"], "Ra quân tháng Ba");
    commune.holds();
}

#[test]
fn a_draft_that_was_given_up_is_gone_and_what_is_no_draft_never_was_one() {
    let mut commune = commune();
    let record = commune.heads[0].log(commune.hamlets[0], commune.office.now_ms());
    commune.heads[0].sync(&commune.office);
    let office = &commune.office;
    let post = |path: &str, body: Value| office.post(path, &commune.official, &body);
    let begun = json!({ "unit": commune.unit, "title": "Ra quân", "urgency": "normal", "asks": "read" });
    let draft = post("/v1/drafts", begun).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/drafts/{draft}");
    assert_eq!(
        post(&path, json!({ "levels": ["hamlet"] })).code(),
        "parameter_invalid"
    );
    assert_eq!(post(&path, json!({ "thing": 1 })).code(), "body_invalid");
    assert_eq!(
        post(&path, json!({ "title": "TUYỆT MẬT" })).code(),
        "secret_class"
    );
    assert_eq!(
        post(&format!("{path}/issue"), json!({})).json()["field"],
        "number"
    );
    assert_eq!(post(&format!("{path}/discard"), json!({})).status, StatusCode::OK);
    for path in [path, format!("/v1/drafts/{record}")] {
        assert_eq!(
            post(&path, json!({ "title": "Khác" })).status,
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            post(&format!("{path}/issue"), json!({})).status,
            StatusCode::NOT_FOUND
        );
    }
    assert_eq!(
        office.get("/v1/drafts", &commune.official).json()["items"],
        json!([])
    );
    commune.holds();
}

#[test]
fn what_has_ended_or_is_somebody_elses_is_not_amended_and_nobody_directs_units_beside_the_own() {
    let commune = commune();
    let office = &commune.office;
    let first = commune.issue("5/UBND-VX", json!({}));
    let relation = |kind: &str| json!({ "relation": { "kind": kind, "directive": first } });
    let second = commune.issue("6/UBND-VX", relation("replaces"));
    let body = |more: Value| {
        let mut body = json!({
            "unit": commune.unit, "number": "7/UBND", "title": "Ra quân", "urgency": "normal", "signer": "Chủ tịch",
            "targets": [{ "unit": commune.unit }], "asks": "read",
        });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let post = |more: Value| office.post("/v1/directives", &commune.official, &body(more));
    for kind in ["amends", "replaces", "withdraws"] {
        let refused = post(relation(kind));
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert_eq!(
            (refused.code().as_str(), &refused.json()["ended_by"]),
            ("directive_ended", &json!(second))
        );
    }
    let elsewhere = json!({ "targets": [{ "unit": UnitId::from_parts(1, 1) }] });
    assert_eq!(post(elsewhere).json()["field"], "targets");
    assert_eq!(post(json!({ "targets": [] })).json()["field"], "targets");
    assert_eq!(post(json!({ "roles": ["king"] })).code(), "parameter_invalid");
    assert_eq!(office.count("SELECT count(*) FROM directive"), 2);
}

#[test]
fn one_version_made_twice_offline_is_found_at_merge_and_shown_to_the_unit() {
    let commune = commune();
    let office = &commune.office;
    let first = commune.issue("5/UBND-VX", json!({}));
    let mut phones = [office.phone(commune.account), second_official(&commune)];
    let mut seconds = Vec::new();
    for (phone, n) in phones.iter_mut().zip(0..) {
        phone.sync(office);
        let fields = vec![
            DraftField::Number(Some(format!("{}/UBND", 10 + n))),
            DraftField::Title("Ra quân, sửa đổi".into()),
            DraftField::Urgency(Urgency::Urgent),
            DraftField::Signer(Some("Chủ tịch".into())),
            DraftField::Targets(Targets::subtree(commune.unit)),
            DraftField::Asks(Asks::Read),
            DraftField::Relation(Some((Relation::Amends, first.parse().unwrap()))),
        ];
        seconds.push(phone.issue(commune.unit, fields, office.now_ms()).to_string());
    }
    phones.iter_mut().for_each(|phone| phone.sync(office));
    phones.iter_mut().for_each(|phone| phone.sync(office));
    let listed = office.get("/v1/directives", &commune.official).json();
    let listed = listed["items"].as_array().unwrap();
    for (mine, other) in [(0, 1), (1, 0)] {
        let told = listed.iter().find(|one| one["id"] == seconds[mine]).unwrap();
        assert_eq!(
            (&told["version"], &told["same_version"]),
            (&json!(2), &json!([seconds[other]]))
        );
        let pinned = phones[mine].replica.directives(office.now_ms()).unwrap();
        let pinned = pinned
            .iter()
            .find(|pinned| pinned.directive.id.to_string() == seconds[mine]);
        assert_eq!(pinned.unwrap().same_version, [seconds[other].parse().unwrap()]);
    }
    // Once both are there, neither phone amends the first again.
    let fields = vec![
        DraftField::Number(Some("12/UBND".into())),
        DraftField::Title("Lại".into()),
        DraftField::Urgency(Urgency::Normal),
        DraftField::Signer(Some("Chủ tịch".into())),
        DraftField::Targets(Targets::subtree(commune.unit)),
        DraftField::Asks(Asks::Read),
        DraftField::Relation(Some((Relation::Amends, first.parse().unwrap()))),
    ];
    assert_eq!(
        phones[0]
            .try_issue(commune.unit, fields, office.now_ms())
            .unwrap_err(),
        "not_ready"
    );
    commune.holds();
}

#[test]
fn the_charts_say_how_long_it_took_from_directive_to_done_and_what_is_overdue() {
    let mut commune = commune();
    let page = |office: &Office, account| {
        let who = office.log_in(account);
        let answer = office.get("/charts", &who);
        assert_eq!(answer.status, StatusCode::OK);
        String::from_utf8(answer.bytes).unwrap()
    };
    assert!(
        !page(&commune.office, commune.account).contains("Từ ban hành"),
        "nothing was issued"
    );
    let id = commune.issue("8/UBND-VX", json!({}));
    let old = commune.issue("9/UBND-VX", json!({}));
    commune.issue(
        "9/UBND-VX",
        json!({ "relation": { "kind": "withdraws", "directive": old }, "asks": "read" }),
    );
    for (n, hours) in [(0, 20), (1, 50)] {
        commune.office.pass(hours * HOUR_MS);
        let (now_ms, unit) = (commune.office.now_ms(), commune.hamlets[n]);
        commune.heads[n].sync(&commune.office);
        commune.heads[n].acknowledge(id.parse().unwrap(), unit, Stage::Done, now_ms);
        commune.heads[n].sync(&commune.office);
    }
    // One in 20 hours, one in 70, one not at all; what was withdrawn is not counted.
    let page = page(&commune.office, commune.account);
    for told in [
        "1 văn bản còn hiệu lực",
        "đã xong: 66% (2/3)",
        "Một nửa đã xong trong 2,9 ngày",
        "Quá hạn chưa xong: 1.",
        "33% (1/3)",
        "1 việc quá hạn ở 1 nơi",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let overdue = page.split("Quá hạn chưa xong</title>").nth(1).unwrap();
    assert!(overdue.contains("<desc>") && overdue.split("</section>").next().unwrap().contains("<table>"));
    commune.holds();
}
