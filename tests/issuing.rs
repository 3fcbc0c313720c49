//! Stories of what people do through the server: it is an edit like any other, and everybody gets it.

use axum::http::StatusCode;
use jiff::civil::date;
use langso_server::policy::Role;
use langso_server::verify::verify;
use serde_json::{Value, json};
use sync_core::edit::{AssistanceField, Edit};
use sync_core::ids::{AccountId, UnitId};
use sync_core::record::Stage;

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
        let report = self.office.app.store().read_blocking(verify).unwrap();
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
    let list = answer["directives"].as_array().unwrap();
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
    assert_eq!(list(&commune)["remarks"][0]["words"], "Sai ngày của bà Lan");
    commune.heads[0].sync(&commune.office);
    let remark = said["id"].as_str().unwrap().parse().unwrap();
    commune.heads[0].answer(hamlet, record, remark, "Đã sửa", now_ms);
    commune.heads[0].sync(&commune.office);
    assert_eq!(list(&commune)["open"], 0);
    let words = |one: &Value| one["words"].as_str().unwrap().to_owned();
    let all: Vec<String> = list(&commune)["remarks"]
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
        (&seen["remarks"][0]["words"], &seen["remarks"][0]["sealed"]),
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
    let by_server = "SELECT count(*) FROM entry WHERE device = (SELECT value FROM meta WHERE key = 'realm')";
    assert_eq!(
        commune.office.count(by_server),
        1,
        "it is an edit of the server's replica"
    );
    commune.holds();
}
