//! A law of pages: what one costs follows from what it shows, and not from how much is held.

use axum::body::Body;
use axum::http::{StatusCode, header};
use jiff::civil::date;
use langso_server::audit::{self, Act, By, Change};
use langso_server::policy::Role;
use langso_server::store::Counter;
use serde_json::json;
use sync_core::edit::{AssistanceField, Edit};
use sync_core::record::Stage;

use crate::harness::office::{Credentials, Office};

const HOUR_MS: i64 = 3_600_000;
/// Hamlets: more than are looked at one by one.
const HAMLETS: usize = 12;
/// What was done with in earlier years, of each kind, for one that is still open.
const MANY: i64 = 3_000;

/// Rows as they are left by years; each is over and done with. They follow from no log: here it is about finding others.
const YEARS: [&str; 5] = [
    "INSERT INTO assistance (record, document, unit, occurred_at, category, channel, outcome, people, recorded_by, device,
       recorded_at)
     SELECT randomblob(16), document, unit, occurred_at - n * 3600000, category, channel, outcome, 1, recorded_by, device, 0
     FROM many, (SELECT * FROM assistance LIMIT 1)",
    "INSERT INTO remark (record, document, unit, about, kind, by_account, device, at)
     SELECT CAST(printf('remark%010d', n) AS BLOB), document, unit, randomblob(16), 'question', recorded_by, device,
       occurred_at - n * 3600000 FROM many, (SELECT * FROM assistance LIMIT 1)",
    "INSERT INTO remark (record, document, unit, about, kind, answers, by_account, device, at)
     SELECT randomblob(16), document, unit, about, 'answer', record, by_account, device, at
     FROM remark WHERE kind = 'question' AND about NOT IN (SELECT record FROM assistance)",
    r#"INSERT INTO settlement (record, field, change, unit, document, by_account, at, "values")
     SELECT a.record, 'outcome', randomblob(32), a.unit, a.document, a.recorded_by, a.occurred_at, c."values"
     FROM assistance a, (SELECT * FROM conflict LIMIT 1) c"#,
    "INSERT INTO quarantine (digest, device, account, document, received_at, verdict, reason, batch, outcome, number)
     SELECT randomblob(32), device, account, document, received_at, verdict, reason, batch, 'discarded', n
     FROM many, (SELECT * FROM quarantine LIMIT 1)",
];

/// A district where one of each kind is open.
fn district() -> (Office, [Credentials; 2]) {
    let office = Office::new(date(2025, 3, 3));
    let hamlets = (1..=HAMLETS).map(|n| format!("15367.{n:02},15367,hamlet,Thôn {n}\n"));
    let units = "code,parent_code,level,name\n393,,district,Huyện\n15367,393,commune,Xã\n";
    office.import(
        &(units.to_owned() + &hamlets.collect::<String>()),
        date(2024, 1, 1),
    );
    let (commune, hamlet) = (office.unit("15367"), office.unit("15367.01"));
    let team = ["lan", "minh"].map(|name| office.account(name, Role::Member, hamlet));
    let mut phones = team.map(|account| office.phone(account));
    let record = phones[0].log(hamlet, office.now_ms());
    phones.iter_mut().for_each(|phone| phone.sync(&office));
    for (phone, outcome) in phones.iter_mut().zip(["hen_lai", "that_bai"]) {
        let fields = vec![AssistanceField::Outcome(outcome.into())];
        let edit = Edit::AmendAssistance { record, fields };
        assert!(phone.edit(&edit, office.now_ms()).unwrap());
    }
    phones.iter_mut().for_each(|phone| phone.sync(&office));
    let official = office.log_in(office.account("hoa", Role::Official, commune));
    let asks = json!({ "record": record, "kind": "question", "words": "Ngày nào?" });
    assert_eq!(
        office.post("/v1/remarks", &official, &asks).status,
        StatusCode::OK
    );
    office.pass(HOUR_MS);
    let issues = json!({
        "unit": commune, "number": "1/UBND", "title": "Ra quân", "urgency": "normal", "signer": "Chủ tịch",
        "targets": [{ "unit": commune }], "asks": "report",
    });
    let issued = office.post("/v1/directives", &official, &issues).json();
    phones[0].sync(&office);
    let directive = issued["id"].as_str().unwrap().parse().unwrap();
    phones[0].acknowledge(directive, hamlet, Stage::Done, office.now_ms());
    // What somebody sends whose role has ended waits.
    let today = office.today();
    let ended = office.app.store().write_blocking(move |tx| {
        let sql = "UPDATE role SET valid_to = ? WHERE account = ?";
        tx.execute(sql, rusqlite::params![today.to_string(), team[1].to_bytes()])
    });
    assert_eq!(ended.unwrap(), 1);
    office.pass(HOUR_MS);
    phones[1].log(hamlet, office.now_ms());
    phones.iter_mut().for_each(|phone| phone.sync(&office));
    assert_eq!(
        office.count("SELECT count(*) FROM quarantine WHERE outcome IS NULL"),
        1
    );
    let people = [("leader", Role::Leader), ("admin", Role::Admin)];
    let people = people.map(|(name, role)| office.log_in(office.account(name, role, office.unit("393"))));
    (office, people)
}

/// Years go by.
fn age(office: &Office) {
    let by = By::console(office.now_ms());
    let aged = office.app.store().write_blocking(move |tx| {
        tx.execute_batch(&format!(
            "CREATE TEMP TABLE many (n INTEGER PRIMARY KEY);
             WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {MANY})
             INSERT INTO many SELECT n FROM counted"
        ))?;
        for sql in YEARS {
            tx.execute(sql, [])?;
        }
        tx.execute_batch("DROP TABLE many")?;
        for _ in 0..MANY {
            audit::record(tx, &by, Act::LoggedIn, &Change::of("somebody"))?;
        }
        Ok::<_, rusqlite::Error>(())
    });
    aged.unwrap();
}

/// Steps of SQLite's machine for a page, asked a second time: the first one also prepares.
fn steps(office: &Office, counter: &Counter, path: &str, who: &Credentials) -> u64 {
    for _ in 0..2 {
        counter.take();
        let request = office
            .request("GET", path, who)
            .header(header::ACCEPT, "text/html");
        let answer = office.send(request.body(Body::empty()).unwrap());
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    counter.take().steps
}

#[test]
fn what_a_page_costs_does_not_grow_with_what_is_held() {
    let (office, [leader, admin]) = district();
    let counter = office.app.store().watch_readers().unwrap();
    let pages = [
        ("/", &leader),
        ("/audit?act=exported", &admin),
        ("/audit?subject=units", &admin),
        ("/catalogue", &admin),
        ("/charts", &leader),
        ("/conflicts", &leader),
        ("/directives", &leader),
        ("/phones", &admin),
        ("/quarantine", &leader),
        ("/quarantine?state=rejected", &leader),
        ("/remarks", &leader),
        ("/report", &leader),
        ("/units", &admin),
        // These show a page more of what has come: its cost, and not that of all.
        ("/audit", &admin),
        ("/conflicts?state=settled", &leader),
        ("/quarantine?state=decided", &leader),
        ("/records", &leader),
        ("/remarks?all=true", &leader),
    ];
    let before = pages.map(|(path, who)| steps(&office, &counter, path, who));
    age(&office);
    let after = pages.map(|(path, who)| steps(&office, &counter, path, who));
    let told: Vec<_> = pages.iter().zip(before).zip(after).collect();
    for (((path, _), before), after) in told {
        println!("{path}: {before} steps, {after} after years");
        // A row that is shown takes some two hundred steps, whatever is looked up for it; one page has fifty.
        let bound = before + before / 4 + 51 * 200;
        assert!(after < bound, "{path}: {before} steps, {after} after years");
    }
}
