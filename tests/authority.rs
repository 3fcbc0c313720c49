//! The table of every route and every kind of caller: what each is answered, walked by real requests.
//!
//! A route without a row fails, so whoever adds one has to say here who may call it. What somebody may not see is
//! answered as if it did not exist (404); only where it is the *kind of caller* that is wrong does it say so.

mod administration;
mod pages;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use axum::body::Body;
use axum::http::{StatusCode, header};
use jiff::civil::date;
use langso_server::http::{Shows, roles_that_may, routes};
use langso_server::policy::Role;
use langso_server::realm::{self, Device};

use serde_json::json;
use sync_core::ids::{AccountId, DeviceId};
use sync_core::signature::DeviceKey;

use crate::harness::office::{Credentials, Office};

/// Who calls. Every one of them asks about the same hamlet.
const CALLERS: [&str; 9] = [
    "nobody",
    "member",
    "official",
    "leader",
    "admin",
    "auditor",
    "official elsewhere",
    "revoked device",
    "suspended",
];

/// What a caller sends.
enum Sends {
    Nothing,
    /// Nothing, and hears as long as there is something to hear.
    Listens,
    Json(&'static str),
    Form(&'static str),
    Exchange,
}

/// What is asked of a route, and what every caller is answered, in the order of [`CALLERS`].
struct Row {
    method: &'static str,
    asks: &'static str,
    sends: Sends,
    answers: [u16; 9],
}

impl Row {
    /// The route as the server lists it: the words of the path stand for themselves there.
    fn route(&self) -> (&'static str, String) {
        let path = self.asks.split('?').next().unwrap_or(self.asks);
        let path = path.replace("{other_id}", "{id}");
        (self.method, path.replace("{returned}", "{device}"))
    }
}

const ANYBODY: [u16; 9] = [200; 9];
/// For whoever has a role, about what that reaches.
const EVERYBODY: [u16; 9] = [401, 200, 200, 200, 200, 200, 200, 403, 401];
/// For who reads the hamlet; for others it does not exist.
const READER: [u16; 9] = [401, 200, 200, 200, 200, 200, 404, 403, 401];
/// For who issues in the commune; for others it does not exist, above and below.
const ISSUER: [u16; 9] = [401, 404, 200, 404, 404, 404, 404, 403, 401];
/// For who manages the hamlet; for others it does not exist.
const MANAGER: [u16; 9] = [401, 404, 404, 404, 200, 404, 404, 403, 401];

/// For who judges what is in quarantine for the hamlet.
const JUDGE: [u16; 9] = [401, 404, 200, 200, 404, 404, 404, 403, 401];
const DECIDED: [u16; 9] = [401, 404, 200, 409, 404, 404, 404, 403, 401];

fn get(asks: &'static str, answers: [u16; 9]) -> Row {
    let (method, sends) = ("GET", Sends::Nothing);
    Row {
        method,
        asks,
        sends,
        answers,
    }
}

fn post(asks: &'static str, sends: Sends, answers: [u16; 9]) -> Row {
    let method = "POST";
    Row {
        method,
        asks,
        sends,
        answers,
    }
}

/// `{commune}`, `{record}`, `{directive}`, `{draft}`, `{remark}`, `{id}` and `{other_id}` stand for the hamlet's commune
/// and what is there, two batches in quarantine at last; `{hamlet}` and `{unit}`, `{member}`, `{account}` and `{device}` for the hamlet,
/// its member's account, another account of its team and the device of that; `{returned}` for one that the store was
/// restored without; `{file}` for an export, `{month}` for a report.
fn table() -> Vec<Row> {
    use Sends::{Exchange, Json};
    vec![
        get("/healthz", ANYBODY),
        get("/openapi.json", ANYBODY),
        get("/readyz", ANYBODY),
        get("/v1/accounts?unit={hamlet}", MANAGER),
        post(
            "/v1/accounts",
            Json(r#"{"username":"x-{n}","name":"X","role":"member","unit":"{hamlet}"}"#),
            MANAGER,
        ),
        post(
            "/v1/accounts/{account}/codes",
            Json(r#"{"unit":"{hamlet}"}"#),
            MANAGER,
        ),
        post("/v1/accounts/{account}/reset", Json("{}"), MANAGER),
        post(
            "/v1/posts/hand-over",
            Json(r#"{"from":"{account}","to":"{member}","role":"member","unit":"{hamlet}"}"#),
            MANAGER,
        ),
        post(
            "/v1/accounts/{account}/roles",
            Json(r#"{"role":"member","unit":"{hamlet}"}"#),
            MANAGER,
        ),
        post(
            "/v1/accounts/{account}/roles/end",
            Json(r#"{"role":"member","unit":"{hamlet}"}"#),
            MANAGER,
        ),
        post("/v1/accounts/{account}/suspend", Json("{}"), MANAGER),
        post("/v1/accounts/{account}/resume", Json("{}"), MANAGER),
        get("/v1/devices?unit={hamlet}", MANAGER),
        post(
            "/v1/devices/{device}/name",
            Json(r#"{"name":"Máy của thôn"}"#),
            MANAGER,
        ),
        post("/v1/devices/{device}/revoke", Json("{}"), MANAGER),
        post("/v1/devices/{device}/lost", Json("{}"), MANAGER),
        post(
            "/v1/devices/{returned}/admit",
            Json(r#"{"username":"tro-lai","name":"Trở lại"}"#),
            MANAGER,
        ),
        get("/v1/audit", [401, 404, 404, 404, 200, 200, 404, 403, 401]),
        get("/v1/me", EVERYBODY),
        post(
            "/v1/password",
            Json(r#"{"old":"wrong","new":"đủ dài để dùng"}"#),
            [401, 403, 403, 403, 403, 403, 403, 403, 401],
        ),
        post(
            "/v1/password/reset",
            Json(r#"{"code":"wrong","new":"đủ dài để dùng"}"#),
            [403; 9],
        ),
        get("/v1/conflicts?unit={hamlet}", READER),
        get("/v1/counts?unit={hamlet}&view=was", READER),
        post("/v1/enrol", Json(r#"{"code":"x","public_key":"AAAA"}"#), [400; 9]),
        get("/v1/quarantine?unit={hamlet}", JUDGE),
        get("/v1/quarantine/{id}?include=personal", JUDGE),
        // The leader comes after the official, who has decided.
        post("/v1/quarantine/{id}/release", Json("{}"), DECIDED),
        post(
            "/v1/quarantine/{other_id}/discard",
            Json(r#"{"reason":"duplicate"}"#),
            DECIDED,
        ),
        get("/v1/records?unit={hamlet}", READER),
        get(
            "/v1/records?unit={hamlet}&include=personal",
            [401, 200, 200, 200, 403, 403, 404, 403, 401],
        ),
        post(
            "/v1/records/search",
            Json(r#"{"q":"nguyen","unit":"{hamlet}"}"#),
            [401, 200, 200, 200, 403, 403, 404, 403, 401],
        ),
        get("/v1/exports/{file}?unit={hamlet}", READER),
        get(
            "/v1/exports/{file}?unit={hamlet}&include=personal",
            [401, 200, 200, 200, 403, 403, 404, 403, 401],
        ),
        post(
            "/v1/exports/{file}",
            Json(r#"{"q":"nguyen","unit":"{hamlet}"}"#),
            [401, 200, 200, 200, 403, 403, 404, 403, 401],
        ),
        get("/v1/records/{record}", READER),
        get("/v1/records/{record}/history", READER),
        get(
            "/v1/reports/{month}?unit={hamlet}",
            [401, 404, 200, 200, 200, 200, 404, 403, 401],
        ),
        get("/v1/search?q=thon", [401, 200, 200, 200, 200, 200, 200, 403, 401]),
        post(
            "/v1/sync",
            Exchange,
            [401, 200, 200, 200, 200, 200, 200, 200, 200],
        ),
        post(
            "/v1/conflicts/{record}",
            Json(r#"{"field":"outcome","value":"hoan_thanh"}"#),
            [401, 404, 404, 404, 404, 404, 404, 403, 401],
        ),
        get("/v1/directives", EVERYBODY),
        post(
            "/v1/directives",
            Json(
                r#"{"unit":"{commune}","number":"{n}/UBND","title":"Ra quân","urgency":"urgent","signer":"Chủ tịch",
                    "targets":[{"unit":"{commune}"}],"asks":"report"}"#,
            ),
            [401, 404, 200, 404, 404, 404, 404, 403, 401],
        ),
        get("/v1/directives/{directive}/acknowledgements", READER),
        get("/v1/drafts?unit={commune}", ISSUER),
        post(
            "/v1/drafts",
            Json(r#"{"unit":"{commune}","title":"Dự thảo {n}","urgency":"normal","asks":"read"}"#),
            ISSUER,
        ),
        post(
            "/v1/drafts/{draft}",
            Json(r#"{"title":"Dự thảo số {n}"}"#),
            ISSUER,
        ),
        post(
            "/v1/drafts/{draft}/issue",
            Json("{}"),
            [401, 404, 422, 404, 404, 404, 404, 403, 401],
        ),
        post("/v1/drafts/{draft}/discard", Json("{}"), ISSUER),
        get("/v1/remarks?unit={hamlet}", READER),
        post(
            "/v1/remarks",
            Json(r#"{"record":"{record}","kind":"question","words":"Ngày nào?"}"#),
            [401, 404, 200, 200, 404, 404, 404, 403, 401],
        ),
        post(
            "/v1/remarks/{remark}/answers",
            Json(r#"{"words":"Hôm qua"}"#),
            [401, 200, 200, 200, 404, 404, 404, 403, 401],
        ),
        post("/v1/token", Json("{}"), [400; 9]),
        post(
            "/v1/units/changes",
            Json(r#"{"on":"2025-03-03","change":"rename","unit":"{hamlet}","name":"Thôn {n}"}"#),
            MANAGER,
        ),
        get("/v1/units", EVERYBODY),
    ]
}

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15379,393,commune,Xã Vĩnh Hùng
15367.01,15367,hamlet,Thôn Một
15379.01,15379,hamlet,Thôn Hai
";

/// An office with everybody who calls.
struct People {
    office: Office,
    /// In the order of [`CALLERS`], by session and by device.
    callers: Vec<(Credentials, Credentials)>,
    /// Words of the table, and what they stand for.
    words: Vec<(&'static str, String)>,
}

fn people() -> People {
    let office = Office::new(date(2025, 3, 3));
    office.import(UNITS, date(2024, 1, 1));
    let [district, commune, other, hamlet] =
        ["393", "15367", "15379", "15367.01"].map(|code| office.unit(code));
    let roles = [
        ("member", Role::Member, hamlet),
        ("official", Role::Official, commune),
        ("leader", Role::Leader, district),
        ("admin", Role::Admin, district),
        ("auditor", Role::Auditor, district),
        ("elsewhere", Role::Official, other),
        ("revoked", Role::Member, hamlet),
        ("suspended", Role::Leader, district),
    ];
    let mut callers = vec![(Credentials::default(), Credentials::default())];
    let (mut member, mut record, mut revoked) = (String::new(), String::new(), None);
    for (name, role, unit) in roles {
        let account = office.account(name, role, unit);
        let mut phone = office.phone(account);
        if name == "member" {
            member = account.to_string();
            record = phone.log(hamlet, office.now_ms()).to_string();
            phone.sync(&office);
        }
        let by_device = phone.credentials();
        let by_session = match name {
            "revoked" => by_device.clone(),
            _ => office.log_in(account),
        };
        callers.push((by_session, by_device));
        if name == "revoked" {
            revoked = Some(phone);
        }
    }
    let sql = "UPDATE account SET disabled_at = 1 WHERE username = 'suspended';
               UPDATE device SET revoked_at = 1 WHERE account = (SELECT id FROM account WHERE username = 'revoked')";
    let done = office.app.store().write_blocking(move |tx| tx.execute_batch(sql));
    done.unwrap();
    // What the revoked phone still has is kept: two batches, of two days.
    let mut revoked = revoked.unwrap();
    for days_ago in [1, 0] {
        revoked.log(hamlet, office.now_ms() - days_ago * 24 * 3_600_000);
    }
    for _ in 0..2 {
        revoked.exchange(&office).unwrap();
    }
    let target = office.account("target", Role::Member, hamlet);
    let device = office.phone(target).replica.identity().device;
    // A device that the store was restored without.
    let returned = Device {
        id: DeviceId::from_parts(1, 77),
        account: AccountId::from_parts(1, 78),
        key: DeviceKey::from_seed([7; 32]).public(),
        enrolled_at: 1,
        revoked: false,
    };
    let kept = office
        .app
        .store()
        .write_blocking(move |tx| realm::add_returned(tx, &returned, 2));
    kept.unwrap();
    let official = &callers[2].0;
    let said = |path: &str, body: serde_json::Value| {
        let answer = office.post(path, official, &body);
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let directive = said(
        "/v1/directives",
        json!({ "unit": commune, "number": "1/UBND", "title": "Ra quân", "urgency": "normal", "signer": "Chủ tịch",
                "targets": [{ "unit": commune }], "asks": "read" }),
    );
    let draft = said(
        "/v1/drafts",
        json!({ "unit": commune, "title": "Dự thảo", "urgency": "normal", "asks": "read" }),
    );
    let remark = said(
        "/v1/remarks",
        json!({ "record": record, "kind": "question", "words": "Ở đâu?" }),
    );
    let words = vec![
        ("{commune}", commune.to_string()),
        ("{record}", record),
        ("{directive}", directive),
        ("{draft}", draft),
        ("{remark}", remark),
        ("{file}", "records.csv".to_owned()),
        ("{month}", "2025-03.xlsx".to_owned()),
        ("{hamlet}", hamlet.to_string()),
        ("{unit}", hamlet.to_string()),
        ("{member}", member),
        ("{account}", target.to_string()),
        ("{device}", device.to_string()),
        ("{id}", "1".to_owned()),
        ("{other_id}", "2".to_owned()),
        ("{returned}", returned.id.to_string()),
    ];
    People {
        office,
        callers,
        words,
    }
}

#[test]
fn every_route_answers_every_caller_as_the_table_says() {
    let People {
        office,
        callers,
        words,
    } = people();
    let filled = |text: &str| {
        words
            .iter()
            .fold(text.to_owned(), |text, (word, meant)| text.replace(word, meant))
    };
    let mut n = 0;
    let rows: Vec<Row> = table()
        .into_iter()
        .chain(pages::rows())
        .chain(administration::rows())
        .collect();
    let listed: BTreeSet<_> = rows.iter().map(Row::route).collect();
    for route in routes() {
        assert!(
            listed.contains(&(route.method, route.path.to_owned())),
            "{route:?} has no row in the table of tests/authority.rs: say there who may call it",
        );
    }
    let known: BTreeSet<_> = routes()
        .iter()
        .map(|route| (route.method, route.path.to_owned()))
        .collect();
    let gone: Vec<_> = listed.difference(&known).collect();
    assert!(gone.is_empty(), "{gone:?} have rows, but are no routes");
    let mut printed = format!(
        "| route | {} |\n|---|{}\n",
        CALLERS.join(" | "),
        "---|".repeat(CALLERS.len())
    );
    let mut wrong = Vec::new();
    for row in &rows {
        let path = filled(row.asks);
        write!(printed, "| {} {} ", row.method, row.asks).unwrap();
        for (((by_session, by_device), caller), expected) in callers.iter().zip(CALLERS).zip(row.answers) {
            office.pass(10_000);
            n += 1;
            let status = match &row.sends {
                Sends::Nothing => office.get(&path, by_session).status,
                Sends::Listens => {
                    let request = office.request(row.method, &path, by_session);
                    office.status(request.body(Body::empty()).unwrap())
                }
                Sends::Json(body) => {
                    let body = filled(body).replace("{n}", &n.to_string());
                    let body = serde_json::from_str(&body).unwrap();
                    office.post(&path, by_session, &body).status
                }
                Sends::Form(body) => {
                    let csrf = by_session.csrf.as_deref().unwrap_or_default();
                    let body = filled(body).replace("{caller}", &caller.replace(' ', "-"));
                    let body = body.replace("{csrf}", csrf).replace("{n}", &n.to_string());
                    let body = body.replace("{fresh}", &format!("01JNCXV5S0{n:016}"));
                    office.post_form(&path, by_session, &body).status
                }
                Sends::Exchange => {
                    let request = office
                        .request(row.method, &path, by_device)
                        .header(header::CONTENT_TYPE, "application/cbor");
                    office
                        .send(request.body(Body::from(nothing_new())).unwrap())
                        .status
                }
            };
            write!(printed, "| {} ", word(status)).unwrap();
            if status.as_u16() != expected {
                wrong.push(format!(
                    "{} {} by {caller}: {status}, not {expected}",
                    row.method, row.asks
                ));
            }
        }
        printed.push_str("|\n");
    }
    println!("{printed}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_description_says_of_who_may_what_the_table_says() {
    let roles = [
        Role::Member,
        Role::Official,
        Role::Leader,
        Role::Admin,
        Role::Auditor,
    ];
    for route in routes() {
        let Some(operation) = &route.operation else {
            continue;
        };
        let rows: Vec<Row> = table()
            .into_iter()
            .filter(|row| row.route() == (route.method, route.path.to_owned()))
            .collect();
        for row in &rows {
            let asks = operation.sketch.shows != Shows::Nothing;
            assert_eq!(row.answers[0] == 401, asks, "{route:?} asks for something");
        }
        let Some(action) = operation.action else { continue };
        let may: Vec<Role> = roles_that_may(action).collect();
        for (role, n) in roles.into_iter().zip(1..) {
            let let_in = rows.iter().any(|row| ![403, 404].contains(&row.answers[n]));
            assert!(
                may.contains(&role) || !let_in,
                "{route:?} lets {role:?} in, whom {action:?} does not name"
            );
        }
        let nobody = rows.iter().all(|row| {
            row.answers[1..=5]
                .iter()
                .all(|answer| [403, 404].contains(answer))
        });
        // Nothing is in conflict: it is not there for anybody.
        assert!(
            !nobody || route.path == "/v1/conflicts/{record}",
            "{route:?} lets nobody in"
        );
    }
}

fn nothing_new() -> Vec<u8> {
    let request = sync_core::protocol::SyncRequest {
        v: sync_core::protocol::VERSION,
        epoch: None,
        token: None,
        device_time_ms: 0,
        cursor: None,
        digest: None,
        push: Vec::new(),
        heal: Vec::new(),
        limits: None,
        health: None,
    };
    minicbor::to_vec(request).unwrap()
}

fn word(status: StatusCode) -> String {
    match status.as_u16() {
        200 => "yes".to_owned(),
        303 => "→".to_owned(),
        other => other.to_string(),
    }
}
