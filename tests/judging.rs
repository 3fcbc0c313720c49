//! Stories of officials who decide about what was not merged, by HTTP, while phones go on.

use jiff::civil::{Date, date};
use langso_server::audit::By;
use langso_server::policy::{Role, console};
use langso_server::realm;
use langso_server::units::change::{self, Change};
use serde_json::{Value, json};
use sync_core::ids::{AccountId, UnitId};

use crate::harness::office::{Credentials, Office, OfficePhone};

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15379,393,commune,Xã Vĩnh Hùng
15367.01,15367,hamlet,Thôn Một
15367.02,15367,hamlet,Thôn Hai
15379.01,15379,hamlet,Thôn Ba
";

const DAY_MS: i64 = 24 * 3600 * 1000;

struct Scene {
    office: Office,
    hamlet: UnitId,
    lan: AccountId,
    phone: OfficePhone,
    /// Of the commune that the hamlet is in.
    official: Credentials,
}

/// A member who recorded one act of help in time, and `late` of them after the role had ended: as many batches.
fn scene(late: usize) -> Scene {
    let office = Office::new(date(2025, 3, 3));
    office.import(UNITS, date(2024, 1, 1));
    let hamlet = office.unit("15367.01");
    let lan = office.account("lan", Role::Member, hamlet);
    let official = office.account("cb", Role::Official, office.unit("15367"));
    let mut phone = office.phone(lan);
    phone.sync(&office);
    phone.log(hamlet, office.now_ms());
    phone.sync(&office);
    let ended = office
        .app
        .store()
        .write_blocking(move |tx| realm::revoke(tx, lan, hamlet, Role::Member, "2025-03-08"));
    ended.unwrap();
    office.travel_to(date(2025, 3, 20));
    let official = office.log_in(official);
    phone.renew(&office);
    // One a day, since a batch is of one day; each stands on the one before, and is made again when that is refused.
    for n in 0..late {
        phone.log(hamlet, office.now_ms() - (late - n) as i64 * DAY_MS);
    }
    for _ in 0..late {
        phone.exchange(&office).unwrap();
    }
    Scene {
        office,
        hamlet,
        lan,
        phone,
        official,
    }
}

fn listed(office: &Office, query: &str, who: &Credentials) -> Vec<Value> {
    let answer = office.get(&format!("/v1/quarantine{query}"), who);
    assert_eq!(answer.status, 200, "{query}: {}", answer.code());
    answer.json()["items"].as_array().unwrap().clone()
}

fn ids(batches: &[Value]) -> Vec<i64> {
    batches
        .iter()
        .map(|batch| batch["id"].as_i64().unwrap())
        .collect()
}

#[test]
fn an_official_releases_beside_the_running_server_and_the_phone_hears_of_it_at_its_next_exchange() {
    let Scene {
        office,
        hamlet,
        mut phone,
        official,
        ..
    } = scene(1);
    let batches = listed(&office, "", &official);
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0]["reason"], "not_permitted");
    assert_eq!(batches[0]["unit"], hamlet.to_string());
    let id = batches[0]["id"].as_i64().unwrap();
    // Before deciding one looks: what it says, and – with the right to it – whom it is about.
    let path = format!("/v1/quarantine/{id}");
    let content = office.get(&path, &official).json();
    assert_eq!(content["changes"].as_array().unwrap().len(), 1);
    let record = &content["records"][0];
    assert_eq!(
        (&record["kind"], &record["category"], &record["sealed"]),
        (
            &json!("assistance"),
            &json!("dich_vu_cong"),
            &json!(["citizen_name"])
        )
    );
    assert!(record.get("personal").is_none(), "only on request");
    let personal = office.get(&format!("{path}?include=personal"), &official).json();
    assert_eq!(
        personal["records"][0]["personal"]["citizen_name"],
        "Nguyễn Thị Lan"
    );
    assert_eq!(
        office.count("SELECT count(*) FROM assistance"),
        1,
        "nothing is merged by looking"
    );

    let released = office.post(&format!("{path}/release"), &official, &json!({}));
    assert_eq!(
        released.json(),
        json!({ "released": [id] }),
        "{}",
        released.code()
    );
    assert_eq!(office.count("SELECT count(*) FROM assistance"), 2);
    assert_eq!(
        office.count("SELECT count(*) FROM audit WHERE act = 'quarantine_judged' AND account IS NOT NULL"),
        1
    );
    assert!(listed(&office, "", &official).is_empty());
    assert_eq!(ids(&listed(&office, "?state=decided", &official)), [id]);
    let again = office.post(&format!("{path}/release"), &official, &json!({}));
    assert_eq!(
        (again.status.as_u16(), again.code().as_str()),
        (409, "decided_already")
    );
    phone.sync(&office);
    let status = phone.replica.status();
    assert_eq!((status.unsent, status.refused), (0, 0));
    assert!(phone.replica.set_aside().unwrap().is_empty());
}

#[test]
fn a_discarded_batch_says_why_on_the_phone_and_blocks_nothing() {
    let Scene {
        office,
        hamlet,
        lan,
        mut phone,
        official,
    } = scene(1);
    let id = ids(&listed(&office, "", &official))[0];
    let discard = |reason: &str| {
        let body = json!({ "reason": reason });
        office.post(&format!("/v1/quarantine/{id}/discard"), &official, &body)
    };
    assert_eq!(discard("vì tôi muốn thế").code(), "parameter_invalid");
    // The role comes back meanwhile: what is new goes through while the old batch waits.
    let today = office.today();
    let granted = office.app.store().write_blocking(move |tx| {
        let grant = langso_server::policy::Grant::new(hamlet, Role::Member);
        realm::grant(tx, lan, grant, today)
    });
    assert!(granted.unwrap());
    phone.sync(&office);
    phone.log(hamlet, office.now_ms() + 10);
    phone.sync(&office);
    assert_eq!(office.count("SELECT count(*) FROM assistance"), 2);
    assert_eq!(phone.replica.status().refused, 1);

    assert_eq!(discard("mistake").json(), json!({ "discarded": [id] }));
    phone.sync(&office);
    let aside = phone.replica.set_aside().unwrap();
    assert_eq!(aside[0].refused.verdict.as_deref(), Some("mistake"));
    assert_eq!(phone.replica.status().unsent, 0);
    let decided = listed(&office, "?state=decided", &official);
    assert_eq!(decided[0]["outcome_reason"], "mistake");
}

#[test]
fn an_official_sees_what_was_delivered_for_a_hamlet_that_is_no_more_and_now_theirs() {
    let Scene {
        office,
        hamlet,
        mut phone,
        official,
        ..
    } = scene(0);
    let elsewhere = office.log_in(office.account("khac", Role::Official, office.unit("15379")));
    changed(
        &office,
        date(2025, 3, 20),
        Change::Merge {
            units: vec![hamlet],
            into: office.unit("15379.01"),
        },
    );
    phone.log(hamlet, office.now_ms());
    phone.exchange(&office).unwrap();
    assert!(
        listed(&office, "", &official).is_empty(),
        "it went to the other commune"
    );
    let batches = listed(&office, "", &elsewhere);
    assert_eq!(batches.len(), 1);
    assert_eq!(
        listed(&office, &format!("?unit={}", office.unit("15379.01")), &elsewhere),
        batches,
        "it belongs to the heir"
    );
    let id = ids(&batches)[0];
    let path = format!("/v1/quarantine/{id}/release");
    let refused = office.post(&path, &official, &json!({}));
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (404, "not_found")
    );
    assert_eq!(office.post(&path, &elsewhere, &json!({})).status, 200);
    assert_eq!(office.count("SELECT count(*) FROM assistance"), 2);
}

fn changed(office: &Office, day: Date, what: Change) {
    let by = By::console(office.now_ms());
    let done = office.app.store().write_blocking(move |tx| {
        let permit = console(realm::all_units(tx)?);
        change::change(tx, &permit, day, &what, &by)
    });
    done.unwrap();
}

#[test]
fn the_quarantine_is_read_page_by_page_and_filtered() {
    let Scene {
        office,
        lan,
        phone,
        official,
        ..
    } = scene(5);
    let all = ids(&listed(&office, "", &official));
    assert_eq!(all.len(), 5);
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = office
            .get(&format!("/v1/quarantine?limit=2{cursor}"), &official)
            .json();
        assert_eq!(page["waiting"], 5);
        let batches = page["items"].as_array().unwrap();
        assert!(batches.len() <= 2);
        found.extend(ids(batches));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, all);
    let device = phone.replica.identity().device;
    for (query, count) in [
        (format!("?device={device}&account={lan}&reason=not_permitted"), 5),
        (format!("?device={lan}"), 0),
        ("?reason=record_exists".to_owned(), 0),
        ("?state=rejected".to_owned(), 0),
    ] {
        assert_eq!(listed(&office, &query, &official).len(), count, "{query}");
    }
    for query in [
        "?limit=0",
        "?cursor=AAAA",
        "?state=perhaps",
        "?unit=x",
        "?unknown=1",
    ] {
        let refused = office.get(&format!("/v1/quarantine{query}"), &official);
        assert_eq!(
            (refused.status.as_u16(), refused.code().as_str()),
            (400, "parameter_invalid"),
            "{query}"
        );
    }
    let nowhere = office.get("/v1/quarantine/99999", &official);
    assert_eq!(nowhere.status, 404);
}

#[test]
fn what_still_breaks_a_rule_is_not_released_and_says_which() {
    let Scene {
        office,
        mut phone,
        official,
        ..
    } = scene(2);
    // Its keys are gone, which its signature covers: by hand, as no server would do it.
    let sql = "UPDATE quarantine SET keys = NULL WHERE id = 1";
    let tampered = office.app.store().write_blocking(|tx| tx.execute_batch(sql));
    tampered.unwrap();
    let refused = office.post("/v1/quarantine/1/release", &official, &json!({}));
    assert_eq!(
        (refused.status.as_u16(), refused.code().as_str()),
        (409, "still_refused")
    );
    assert_eq!(refused.json()["reason"], "signature");
    assert_eq!(ids(&listed(&office, "", &official)), [1, 2], "it waits as before");
    assert_eq!(
        office.count("SELECT count(*) FROM audit WHERE act = 'quarantine_judged'"),
        0,
        "and nothing was decided"
    );
    // The other one does not wait for it.
    assert_eq!(
        office
            .post("/v1/quarantine/2/release", &official, &json!({}))
            .status,
        200
    );
    phone.sync(&office);
    assert_eq!(phone.replica.status().refused, 1);
}
