//! Stories of people and their accounts: who may do what to whom, passwords, and what the audit says of it.

use jiff::civil::date;
use langso_server::audit::{self, By};
use langso_server::clock::random_bits;
use langso_server::policy::{Role, console};
use langso_server::realm;
use langso_server::session::hash_password;
use langso_server::verify::verify;
use langso_server::{accounts, catalogue};
use langso_server::{keys, password};
use serde_json::{Value, json};
use sync_core::ids::{AccountId, Class, RecordId};

use crate::harness::office::{Credentials, Office, OfficePhone};

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15379,393,commune,Xã Vĩnh Hùng
15367.01,15367,hamlet,Thôn Một
15379.01,15379,hamlet,Thôn Hai
";

fn office() -> Office {
    let office = Office::new(date(2025, 3, 3));
    office.import(UNITS, date(2024, 1, 1));
    office
}

fn acts(office: &Office) -> Vec<String> {
    let rows = office
        .app
        .store()
        .read_blocking(|conn| audit::rows(conn, 0, 1000))
        .unwrap();
    rows.into_iter().map(|row| row.act).collect()
}

#[test]
fn a_post_is_handed_over_and_records_keep_their_author() {
    let office = office();
    let hamlet = office.unit("15367.01");
    let (lan, minh) = (
        office.account("lan", Role::Member, hamlet),
        office.account("minh", Role::Member, office.unit("15379.01")),
    );
    let admin = office.log_in(office.account("quantri", Role::Admin, office.unit("393")));
    let mut phone = office.phone(lan);
    phone.log(hamlet, office.now_ms());
    phone.sync(&office);
    let post = json!({
        "from": lan.to_string(), "to": minh.to_string(), "role": "member", "unit": hamlet.to_string(),
    });
    assert_eq!(office.post("/v1/posts/hand-over", &admin, &post).status, 200);
    let mut next = office.phone(minh);
    next.sync(&office);
    assert_eq!(next.rows()[0].recorded_by, lan);
    next.log(hamlet, office.now_ms());
    next.sync(&office);
    assert_eq!(next.replica.status().unsent, 0);
    let again = office.post("/v1/posts/hand-over", &admin, &post);
    assert_eq!(again.status, 404, "one hands over what one has");
    assert!(acts(&office).contains(&"post_handed_over".to_owned()));
}

#[test]
fn nobody_rises_by_managing_who_stands_above_or_oneself() {
    let office = office();
    let (district, commune) = (office.unit("393"), office.unit("15367"));
    let above = office.account("tren", Role::Admin, district);
    let own = office.account("xa", Role::Admin, commune);
    let xa = office.log_in(own);
    // The district's admin is also a member in the commune: that makes nobody there his manager.
    let by = By::console(office.now_ms());
    office
        .app
        .store()
        .write_blocking(move |tx| {
            let permit = console(realm::all_units(tx)?);
            let grant = langso_server::policy::Grant::new(commune, Role::Member);
            accounts::grant(tx, &permit, &by, above, grant, date(2025, 1, 1))
        })
        .unwrap();
    for path in ["reset", "suspend"] {
        let refused = office.post(&format!("/v1/accounts/{above}/{path}"), &xa, &json!({}));
        assert_eq!(refused.status, 404, "{path}");
    }
    let official = json!({ "role": "official", "unit": commune.to_string() });
    let own_roles = office.post(&format!("/v1/accounts/{own}/roles"), &xa, &official);
    assert_eq!(
        (own_roles.status.as_u16(), own_roles.code().as_str()),
        (403, "own_roles")
    );
    let elsewhere = json!({ "role": "member", "unit": office.unit("15379.01").to_string() });
    let member = office.account("lan", Role::Member, office.unit("15367.01"));
    let refused = office.post(&format!("/v1/accounts/{member}/roles"), &xa, &elsewhere);
    assert_eq!(refused.status, 404);
    // And without the token against forged requests nothing happens at all.
    let forged = Credentials { csrf: None, ..xa };
    let refused = office.post(&format!("/v1/accounts/{member}/suspend"), &forged, &json!({}));
    assert_eq!(refused.code(), "csrf");
}

#[test]
fn a_suspended_account_is_out_at_once_and_its_phone_only_delivers() {
    let office = office();
    let hamlet = office.unit("15367.01");
    let lan = office.account("lan", Role::Member, hamlet);
    let admin = office.log_in(office.account("quantri", Role::Admin, office.unit("393")));
    let mut phone = office.phone(lan);
    phone.sync(&office);
    let session = office.log_in(lan);
    assert_eq!(office.get("/v1/me", &session).status, 200);
    assert_eq!(
        office
            .post(&format!("/v1/accounts/{lan}/suspend"), &admin, &json!({}))
            .status,
        200
    );
    assert_eq!(office.get("/v1/me", &session).status, 401);
    phone.log(hamlet, office.now_ms());
    let received = phone.exchange(&office).unwrap();
    assert!(!received.flags.wipe, "a suspension may be taken back");
    assert_eq!(office.count("SELECT count(*) FROM quarantine"), 1);
    assert_eq!(
        office
            .post(&format!("/v1/accounts/{lan}/resume"), &admin, &json!({}))
            .status,
        200
    );
    let mut fresh = office.phone(lan);
    fresh.sync(&office);
    fresh.log(hamlet, office.now_ms());
    fresh.sync(&office);
    assert_eq!(fresh.replica.status().unsent, 0);
}

#[test]
fn a_password_is_set_by_a_one_time_code_changed_by_its_owner_and_guarded_against_guessing() {
    let office = office();
    let lan = office.account("lan", Role::Official, office.unit("15367"));
    let admin = office.log_in(office.account("quantri", Role::Admin, office.unit("393")));
    let made = office
        .post(&format!("/v1/accounts/{lan}/reset"), &admin, &json!({}))
        .json();
    let code = made["code"].as_str().unwrap();
    let reset = |code: &str, new: &str| {
        let body = json!({ "code": code, "new": new });
        office.post("/v1/password/reset", &Credentials::default(), &body)
    };
    assert_eq!(reset(code, "ngắn").code(), "password_length");
    assert_eq!(reset(code, "một mật khẩu dài").status, 200);
    assert_eq!(
        reset(code, "một mật khẩu khác").code(),
        "code_not_good",
        "it is good once"
    );
    let log_in = |password: &str| {
        let form = format!("username=lan&password={}", password.replace(' ', "+"));
        office.post_form("/login", &Credentials::default(), &form)
    };
    let entered = log_in("một mật khẩu dài");
    assert_eq!(entered.status, 303);
    let cookie = entered.headers["set-cookie"].to_str().unwrap();
    for attribute in ["HttpOnly", "Secure", "SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{attribute}");
    }
    let cookie = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
    let mut session = Credentials {
        cookie: Some(cookie),
        ..Credentials::default()
    };
    let me = office.get("/v1/me", &session).json();
    session.csrf = me["csrf"].as_str().map(str::to_owned);
    let other = office.log_in(lan);
    let change = json!({ "old": "một mật khẩu dài", "new": "mật khẩu thứ hai" });
    assert_eq!(office.post("/v1/password", &session, &change).status, 200);
    assert_eq!(office.get("/v1/me", &session).status, 200);
    assert_eq!(
        office.get("/v1/me", &other).status,
        401,
        "every other session has ended"
    );

    for _ in 0..5 {
        assert_eq!(log_in("sai rồi sai rồi").status, 401);
    }
    assert_eq!(log_in("mật khẩu thứ hai").status, 429, "even the right one waits");
    office.pass(61_000);
    assert_eq!(log_in("mật khẩu thứ hai").status, 303);
    let acts = acts(&office);
    assert_eq!(acts.iter().filter(|act| *act == "login_refused").count(), 5);
    // Nothing of it tells a secret or a name.
    let rows = office
        .app
        .store()
        .read_blocking(|conn| audit::rows(conn, 0, 1000))
        .unwrap();
    let all: String = rows.iter().map(|row| json!(row.told()).to_string()).collect();
    for secret in ["mật khẩu", code, "lan\"", "quantri"] {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[test]
fn the_last_admin_stays_and_is_recovered_on_the_console() {
    let office = office();
    let district = office.unit("393");
    let (one, two) = (
        office.account("mot", Role::Admin, district),
        office.account("hai", Role::Admin, district),
    );
    let (first, second) = (office.log_in(one), office.log_in(two));
    assert_eq!(
        office
            .post(&format!("/v1/accounts/{two}/suspend"), &first, &json!({}))
            .status,
        200
    );
    assert_eq!(office.get("/v1/me", &second).status, 401);
    // Nobody is left who could suspend the last one; the console can do anything, and set it right again.
    let by = By::console(office.now_ms());
    let done = office.app.store().write_blocking(move |tx| {
        let permit = console(realm::all_units(tx)?);
        accounts::suspend(tx, &permit, &by, one)
    });
    done.unwrap();
    let by = By::console(office.now_ms());
    let recovered = office
        .app
        .store()
        .write_blocking(move |tx| password::recover(tx, &by, one, "ABCD-EFGH-JKMN-PQRS"));
    recovered.unwrap();
    let body = json!({ "code": "abcd efgh jkmn pqrs", "new": "một mật khẩu dài" });
    assert_eq!(
        office
            .post("/v1/password/reset", &Credentials::default(), &body)
            .status,
        200
    );
    let again = office.log_in(one);
    assert_eq!(office.get("/v1/accounts", &again).status, 200);
}

#[test]
fn people_come_from_a_file_all_or_nothing() {
    let office = office();
    let import = |csv: &str| {
        let rows = accounts::parse(csv.as_bytes()).unwrap();
        let by = By::console(office.now_ms());
        office.app.store().write_blocking(move |tx| {
            let permit = console(realm::all_units(tx)?);
            accounts::import(tx, &permit, &by, &rows, || {
                AccountId::from_parts(1, random_bits())
            })
        })
    };
    let bad = "username,name,role,unit\nlan,Lan,member,15367.01\nHOA !,Hoa,member,15367.01\nminh,Minh,chief,15367.01\nx,X,member,9\n";
    let refused = import(bad).unwrap_err().to_string();
    for line in ["line 3", "line 4", "line 5"] {
        assert!(refused.contains(line), "{refused}");
    }
    assert!(!refused.contains("Minh"), "names of people are not repeated");
    assert_eq!(office.count("SELECT count(*) FROM account"), 0);
    let good = "username,name,role,unit,personal\nlan,Lan,member,15367.01,\nlan,Lan,official,15367,no\n";
    assert_eq!(import(good).unwrap(), 1);
    assert_eq!(office.count("SELECT count(*) FROM role"), 2);
    assert_eq!(office.count("SELECT count(*) FROM role WHERE personal = 0"), 1);
    assert_eq!(import(good).unwrap(), 0, "the same file again changes nothing");
}

#[test]
fn tokens_of_the_key_before_stay_good_and_are_renewed_under_the_new_one() {
    let office = office();
    let lan = office.account("lan", Role::Member, office.unit("15367.01"));
    let mut phone = office.phone(lan);
    phone.sync(&office);
    let before = phone.token.clone();
    keys::rotate_token(&office.data().join("keys"), |bytes| bytes.fill(9)).unwrap();
    office.app.reload_token_keys().unwrap();
    phone.sync(&office);
    assert_ne!(phone.token, before, "the exchange brought one of the new key");
    keys::rotate_token(&office.data().join("keys"), |bytes| bytes.fill(10)).unwrap();
    office.app.reload_token_keys().unwrap();
    let old = Credentials {
        token: Some(before),
        ..Credentials::default()
    };
    assert_eq!(office.get("/v1/me", &old).status, 401, "two keys back is too far");
    assert_eq!(office.get("/v1/me", &phone.credentials()).status, 200);
}

#[test]
fn an_answer_carries_the_headers_that_browsers_heed() {
    let office = office();
    for path in ["/login", "/v1/records", "/nowhere", "/healthz"] {
        let answer = office.get(path, &Credentials::default());
        let header = |name: &str| {
            answer
                .headers
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let policy = header("content-security-policy").unwrap_or_default();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{path}"
        );
        assert_eq!(
            header("x-content-type-options").as_deref(),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            header("referrer-policy").as_deref(),
            Some("no-referrer"),
            "{path}"
        );
    }
}

#[test]
fn a_stored_password_is_argon2id() {
    let hash: String = hash_password("một mật khẩu dài", [1; 16]).unwrap();
    assert!(hash.starts_with("$argon2id$"));
    assert!(!Value::from(hash).to_string().contains("mật"));
}

#[test]
fn an_admin_changes_the_units_in_reach_and_no_others() {
    let office = office();
    let [commune, other, hamlet] = ["15367", "15379", "15367.01"].map(|code| office.unit(code));
    let xa = office.log_in(office.account("xa", Role::Admin, commune));
    let huyen = office.log_in(office.account("huyen", Role::Admin, office.unit("393")));
    let change = |who: &Credentials, body: Value| {
        let answer = office.post("/v1/units/changes", who, &body);
        (answer.status.as_u16(), answer.code(), answer.json())
    };
    let moved = json!({
        "on": "2025-03-03", "change": "move", "unit": hamlet.to_string(), "parent": other.to_string(),
    });
    assert_eq!(
        change(&xa, moved.clone()).0,
        404,
        "the other commune is not in reach"
    );
    let split = json!({
        "on": "2025-03-03", "change": "split", "unit": hamlet.to_string(),
        "into": [{ "code": "a", "name": "Thôn A" }, { "code": "b", "name": "Thôn B" }],
    });
    let (status, _, made) = change(&xa, split);
    assert_eq!((status, made["new"].as_array().map(Vec::len)), (200, Some(2)));
    assert_eq!(office.unit("a").to_string(), made["new"][0].as_str().unwrap());
    assert_eq!(change(&huyen, moved).1, "change_refused", "it is no more");
    assert!(acts(&office).contains(&"unit_changed".to_owned()));
}

#[test]
fn the_catalogue_of_the_table_reaches_every_phone_as_a_document() {
    let office = office();
    // Of several entries the one with the highest id counts: a later import is a later time.
    let import = |at_ms: u64, csv: &str| {
        let entries = catalogue::parse(csv.as_bytes()).unwrap();
        let by = By::console(office.now_ms());
        let done = office.app.store().write_blocking(move |tx| {
            catalogue::import(tx, &console(realm::all_units(tx)?), &entries, &by, || {
                RecordId::from_parts(at_ms, random_bits())
            })
        });
        done.unwrap()
    };
    let csv = "kind,code,name_vi,parent\ncategory,dich_vu_cong,Dịch vụ công,\nprocedure,1.004194,Tạm trú,dich_vu_cong\n";
    let published = || {
        let sql = "SELECT coalesce(sum(changes), 0) FROM document d JOIN scope s ON s.id = d.scope WHERE s.class = 7";
        office.count(sql)
    };
    import(1, csv);
    import(1, csv);
    assert_eq!(published(), 2, "what is there is not written again");
    let mut phone = office.phone(office.account("lan", Role::Member, office.unit("15367.01")));
    phone.sync(&office);
    let held = |phone: &OfficePhone| {
        let documents: Vec<_> = phone.replica.digests().map(|(document, _)| document).collect();
        documents
            .iter()
            .any(|document| document.class() == Class::Catalogue)
    };
    assert!(held(&phone));
    import(2, &csv.replace("Tạm trú", "Thường trú"));
    assert_eq!(
        published(),
        3,
        "an entry that says something else is another record"
    );
    phone.sync(&office);
    assert!(!phone.replica.status().diverged);
    let report = office
        .app
        .store()
        .read_blocking(|conn| verify(conn, &office.app.exchange.ingest.master))
        .unwrap();
    assert_eq!(report.problems, []);
    // What people send under the server's name is not taken.
    assert_eq!(office.count("SELECT count(DISTINCT device) FROM entry"), 1);
}
