//! Stories of finding: what is typed without signs, who finds what, and what of it is written down.

use jiff::civil::date;
use langso_server::policy::Role;
use serde_json::{Value, json};
use sync_core::ids::UnitId;

use crate::harness::office::{Credentials, Office, OfficePhone, TWO_COMMUNES};

/// Two hamlets of two communes, each with a record of a citizen called Nguyễn Thị Lan.
fn district() -> (Office, [UnitId; 2], Vec<OfficePhone>) {
    let office = Office::new(date(2025, 3, 3));
    office.import(TWO_COMMUNES, date(2024, 1, 1));
    let hamlets = ["15367.01", "15379.01"].map(|code| office.unit(code));
    let phones = hamlets.iter().enumerate().map(|(n, hamlet)| {
        let account = office.account(&format!("m{n}"), Role::Member, *hamlet);
        let mut phone = office.phone(account);
        phone.log(*hamlet, office.now_ms() + n as i64);
        phone.sync(&office);
        phone
    });
    let phones = phones.collect();
    (office, hamlets, phones)
}

fn units(found: &Value) -> Vec<String> {
    let records = found["items"].as_array().unwrap();
    records
        .iter()
        .map(|record| record["unit"].as_str().unwrap().to_owned())
        .collect()
}

fn found(office: &Office, who: &Credentials, q: &str) -> Vec<String> {
    let answer = office.post("/v1/records/search", who, &json!({ "q": q }));
    assert!(answer.status.is_success(), "{}", answer.code());
    units(&answer.json())
}

#[test]
fn a_leader_finds_a_citizen_by_name_and_the_search_is_audited_without_its_words() {
    let (office, [one, two], _) = district();
    let leader = office.account("leader", Role::Leader, office.unit("393"));
    let leader = office.log_in(leader);
    let both = [two.to_string(), one.to_string()];
    assert_eq!(found(&office, &leader, "nguyen thi lan"), both);
    assert_eq!(found(&office, &leader, "Nguyễn lan bái xuân"), [one.to_string()]);
    assert_eq!(found(&office, &leader, "nguyen van"), [""; 0]);
    let acts = office.count("SELECT count(*) FROM audit WHERE act = 'personal_searched'");
    assert_eq!(acts, 3);
    let told =
        "SELECT count(*) FROM audit WHERE act = 'personal_searched' AND after = '{\"found\":2,\"words\":3}'";
    assert_eq!(office.count(told), 1);
    let words = "SELECT count(*) FROM audit WHERE lower(after) LIKE '%lan%' OR lower(after) LIKE '%nguy%'";
    assert_eq!(office.count(words), 0);
    assert_eq!(office.get("/v1/audit", &leader).status, 404);
}

#[test]
fn words_in_an_address_are_looked_for_in_what_is_clear() {
    let (office, [one, _], _) = district();
    let leader = office.account("leader", Role::Leader, office.unit("393"));
    let leader = office.log_in(leader);
    let get = |q: &str| office.get(&format!("/v1/records?q={q}"), &leader).json();
    assert_eq!(units(&get("bai%20xuan")), [one.to_string()]);
    assert_eq!(units(&get("vinh%20hung")).len(), 2);
    assert_eq!(units(&get("nguyen")), [""; 0]);
    assert_eq!(
        office.count("SELECT count(*) FROM audit WHERE act = 'personal_searched'"),
        0
    );
}

#[test]
fn an_official_finds_in_the_own_commune_and_an_admin_no_citizen() {
    let (office, [one, _], mut phones) = district();
    let official = office.account("official", Role::Official, office.unit("15367"));
    let official = office.log_in(official);
    assert_eq!(found(&office, &official, "lan"), [one.to_string()]);
    assert_eq!(
        found(&office, &phones.remove(0).credentials(), "lan"),
        [one.to_string()]
    );
    let admin = office.account("admin", Role::Admin, office.unit("393"));
    let admin = office.log_in(admin);
    let answer = office.post("/v1/records/search", &admin, &json!({ "q": "lan" }));
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (403, "personal_denied")
    );
}

#[test]
fn a_search_goes_on_page_by_page_and_bad_words_are_refused() {
    let (office, _, _) = district();
    let leader = office.account("leader", Role::Leader, office.unit("393"));
    let leader = office.log_in(leader);
    let page = |cursor: &Value| {
        let body = json!({ "q": "lan", "limit": 1, "cursor": cursor });
        office.post("/v1/records/search", &leader, &body).json()
    };
    let first = page(&Value::Null);
    let second = page(&first["next"]);
    assert_ne!(units(&first), units(&second));
    assert_eq!(
        (second["items"].as_array().unwrap().len(), &second["next"]),
        (1, &Value::Null)
    );
    let long = "a".repeat(1_025);
    for q in ["", " ", "\u{200b}\u{202e}", "\u{0}", "--", &long] {
        let answer = office.post("/v1/records/search", &leader, &json!({ "q": q }));
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (400, "parameter_invalid")
        );
    }
    // What FTS5 would take for its own syntax is a word as any other.
    for q in [
        "lan OR nguyen",
        "NOT lan",
        "\"lan\" *",
        "tokens:lan",
        "lan) OR (u",
    ] {
        let answer = office.post("/v1/records/search", &leader, &json!({ "q": q }));
        assert_eq!(answer.status.as_u16(), 200, "{q}");
    }
    let answer = office.post("/v1/records/search", &leader, &json!({ "unit": null }));
    assert_eq!(answer.code(), "parameter_invalid");
}

#[test]
fn names_of_units_procedures_and_directives_are_found_by_who_may_know_them() {
    let (office, [one, _], phones) = district();
    let member = phones[0].credentials();
    let told = office.get("/v1/search?q=vinh%20hung", &member).json();
    let names = |told: &Value| -> Vec<String> {
        let units = told["units"].as_array().unwrap().iter();
        units
            .map(|unit| unit["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(&told),
        ["Xã Vĩnh Hưng"],
        "the other commune is none of a member's affair"
    );
    let leader = office.account("leader", Role::Leader, office.unit("393"));
    let leader = office.log_in(leader);
    let told = office.get("/v1/search?q=V%C4%A9nh%20H%C3%B9ng", &leader).json();
    assert_eq!(names(&told), ["Xã Vĩnh Hùng", "Xã Vĩnh Hưng"]);
    let told = office.get("/v1/search?q=bai%20xu", &leader).json();
    assert_eq!(told["units"][0]["id"], one.to_string());
    assert_eq!(told["units"][0]["above"], "Xã Vĩnh Hưng");
    assert_eq!(
        office.get("/v1/search?q=%20", &leader).code(),
        "parameter_invalid"
    );
    assert_eq!(office.get("/v1/search", &leader).code(), "parameter_invalid");
}
