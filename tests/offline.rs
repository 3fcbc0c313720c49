//! Stories of what changed while a phone was offline: it delivers all it has, what its account could write on the date
//! of the record is merged, the rest waits for the official now responsible, and the phone says what happened.

use jiff::civil::{Date, date};
use langso_server::audit::By;
use langso_server::clock::random_bits;
use langso_server::policy::{Role, console};
use langso_server::realm;
use langso_server::units::change::{self, Change};
use langso_server::units::reform::{self, Unknown};
use serde_json::json;
use sync_core::edit::{AssistanceField, DraftField, Edit};
use sync_core::ids::{AccountId, UnitId};
use sync_core::record::{Asks, Stage, Targets, Urgency};

use crate::harness::office::{Credentials, Office, OfficePhone};

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15367.01,15367,hamlet,Thôn Một
15367.02,15367,hamlet,Thôn Hai
";

#[test]
fn a_replaced_team_member_delivers_what_was_recorded_before_and_the_rest_is_kept() {
    let office = Office::new(date(2025, 3, 3));
    office.import(UNITS, date(2024, 1, 1));
    let hamlet = office.unit("15367.01");
    let account = office.account("lan", Role::Member, hamlet);
    let mut phone = office.phone(account);
    phone.sync(&office);
    let before = phone.log(hamlet, office.now_ms());

    office.travel_to(date(2025, 3, 10));
    let ended = office
        .app
        .store()
        .write_blocking(move |tx| realm::revoke(tx, account, hamlet, Role::Member, "2025-03-08"));
    assert_eq!(ended.unwrap(), 1);
    let after = phone.log(hamlet, office.now_ms());
    phone.sync(&office);

    assert_eq!(
        office.count("SELECT count(*) FROM assistance"),
        1,
        "what was in time is merged"
    );
    assert_eq!(
        office.count("SELECT count(*) FROM quarantine WHERE reason = 'not_permitted'"),
        1
    );
    let status = phone.replica.status();
    assert_eq!((status.unsent, status.refused), (1, 1), "the phone says so");
    let rows: Vec<_> = phone.rows().into_iter().map(|row| row.id).collect();
    assert_eq!(rows, [before]);
    let aside = phone.replica.set_aside().unwrap();
    assert_eq!(aside[0].record, after, "and keeps what it has");
    assert!(aside[0].refused.shown.is_some());
    let merged = office.app.store().read_blocking(|conn| {
        conn.query_row("SELECT record FROM assistance", [], |row| {
            row.get::<_, [u8; 16]>(0)
        })
    });
    assert_eq!(merged.unwrap(), before.to_bytes());
}

/// Vĩnh Lộc before the reform of 2025: two communes that go different ways, with their hamlets.
const VINH_LOC: &str = "code,parent_code,level,name
38,,province,Tỉnh Thanh Hóa
393,38,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15379,393,commune,Xã Vĩnh Hùng
15367.01,15367,hamlet,Thôn Một
15367.02,15367,hamlet,Thôn Hai
15379.01,15379,hamlet,Thôn Ba
";
const REFORM: &str = "effective_from,old_code,old_name,new_code,new_name
2025-07-01,15367,Xã Vĩnh Hưng,15349,Xã Vĩnh Lộc
2025-07-01,15379,Xã Vĩnh Hùng,15382,Xã Biện Thượng
";

fn reformed(office: &Office) {
    let rows = reform::parse(REFORM.as_bytes()).unwrap();
    let by = By::console(office.now_ms());
    office
        .app
        .store()
        .write_blocking(move |tx| {
            let fresh = || UnitId::from_parts(1_750_000_000_000, random_bits());
            let permit = console(realm::all_units(tx)?);
            reform::reform(tx, &permit, &rows, &[], Unknown::Refuse, &by, fresh)
        })
        .unwrap();
}

fn changed(office: &Office, day: Date, what: Change) {
    let by = By::console(office.now_ms());
    let done = office.app.store().write_blocking(move |tx| {
        let permit = console(realm::all_units(tx)?);
        change::change(tx, &permit, day, &what, &by)
    });
    done.unwrap();
}

fn quarantined(office: &Office) -> i64 {
    office.count("SELECT count(*) FROM quarantine WHERE reason = 'not_permitted'")
}

#[test]
fn a_hamlet_merged_meanwhile_delivers_what_it_has_and_its_heir_reads_it() {
    let office = Office::new(date(2025, 3, 3));
    office.import(VINH_LOC, date(2024, 1, 1));
    let [one, two] = ["15367.01", "15367.02"].map(|code| office.unit(code));
    let (lan, hoa) = (
        office.account("lan", Role::Member, one),
        office.account("hoa", Role::Member, two),
    );
    let (mut phone, mut other) = (office.phone(lan), office.phone(hoa));
    phone.sync(&office);
    other.sync(&office);
    let before = phone.log(one, office.now_ms());
    office.travel_to(date(2025, 3, 12));
    changed(
        &office,
        date(2025, 3, 10),
        Change::Merge {
            units: vec![one],
            into: two,
        },
    );
    phone.log(one, office.now_ms());
    phone.sync(&office);
    assert_eq!(office.count("SELECT count(*) FROM assistance"), 1);
    assert_eq!(quarantined(&office), 1);
    assert_eq!(phone.replica.status().refused, 1);
    other.sync(&office);
    assert_eq!(
        other.rows().iter().map(|row| row.id).collect::<Vec<_>>(),
        [before]
    );
    // Lan's role went along: what is new goes into the hamlet that is there now.
    let new = phone.log(two, office.now_ms());
    phone.sync(&office);
    other.sync(&office);
    assert!(other.rows().iter().any(|row| row.id == new));
    let refused = phone.edit(
        &Edit::AmendAssistance {
            record: before,
            fields: vec![AssistanceField::People(2)],
        },
        office.now_ms(),
    );
    assert_eq!(
        refused.unwrap_err().code(),
        "not_permitted",
        "what was inherited is not written"
    );
}

#[test]
fn an_official_of_an_abolished_commune_delivers_what_was_settled_before_and_goes_on_in_the_new_one() {
    let office = Office::new(date(2025, 6, 20));
    office.import(VINH_LOC, date(2024, 1, 1));
    let [hamlet, commune, other] = ["15367.01", "15367", "15379.01"].map(|code| office.unit(code));
    let team = office.account("lan", Role::Member, hamlet);
    let (mut one, mut two) = (office.phone(team), office.phone(team));
    let official = office.account("canbo", Role::Official, commune);
    let mut desk = office.phone(official);
    let record = one.log(hamlet, office.now_ms());
    one.sync(&office);
    two.sync(&office);
    let amend = |word: &str| Edit::AmendAssistance {
        record,
        fields: vec![AssistanceField::Outcome(word.into())],
    };
    one.edit(&amend("a"), office.now_ms()).unwrap();
    two.edit(&amend("b"), office.now_ms()).unwrap();
    one.sync(&office);
    two.sync(&office);
    desk.sync(&office);
    let row = desk.rows().remove(0);
    let settle = Edit::SettleConflict {
        record,
        field: "outcome".into(),
        value: row.conflicts[0].values[1].value.clone(),
    };
    assert!(desk.edit(&settle, office.now_ms()).unwrap());

    office.travel_to(date(2025, 7, 3));
    reformed(&office);
    desk.sync(&office);
    assert_eq!(office.count("SELECT count(*) FROM conflict"), 0);
    assert_eq!((quarantined(&office), desk.replica.status().unsent), (0, 0));
    let scopes = desk.replica.scopes().unwrap();
    assert!(
        scopes.read.iter().any(|scope| scope.unit == hamlet),
        "its hamlets followed"
    );
    assert!(
        scopes.read.iter().any(|scope| scope.unit == commune),
        "the old board is inherited"
    );
    assert!(scopes.read.iter().any(|scope| scope.unit == office.unit("15349")));
    assert!(scopes.read.iter().all(|scope| scope.unit != other));
}

#[test]
fn what_an_official_of_an_abolished_commune_issues_too_late_waits_and_he_is_told_so() {
    let office = Office::new(date(2025, 6, 20));
    office.import(VINH_LOC, date(2024, 1, 1));
    let commune = office.unit("15367");
    let official = office.account("canbo", Role::Official, commune);
    let mut desk = office.phone(official);
    desk.sync(&office);
    let fields = |number: &str| {
        vec![
            DraftField::Number(Some(number.into())),
            DraftField::Title("Ra quân".into()),
            DraftField::Urgency(Urgency::Normal),
            DraftField::Signer(Some("Chủ tịch".into())),
            DraftField::Targets(Targets::subtree(commune)),
            DraftField::Asks(Asks::Read),
        ]
    };
    let in_time = desk.issue(commune, fields("1/UBND"), office.now_ms());

    // The commune is no more, and he has not heard of it.
    office.travel_to(date(2025, 7, 3));
    reformed(&office);
    let too_late = desk.issue(commune, fields("2/UBND"), office.now_ms());
    desk.sync(&office);

    assert_eq!(
        office.count("SELECT count(*) FROM directive"),
        1,
        "what was in time is issued"
    );
    assert!(quarantined(&office) > 0);
    let aside = desk.replica.set_aside().unwrap();
    let told = |record| aside.iter().find(|aside| aside.record == record);
    assert!(
        told(too_late).is_some_and(|aside| aside.refused.shown.is_some()),
        "and he is told"
    );
    assert!(told(in_time).is_none());
    let heir = office.account("moi", Role::Official, office.unit("15349"));
    let waiting = office.get("/v1/quarantine", &office.log_in(heir)).json();
    assert!(
        waiting["waiting"].as_u64().unwrap() > 0,
        "who is responsible now sees it: {waiting}"
    );
}

#[test]
fn a_hamlet_that_was_moved_goes_on_and_only_who_oversees_it_changes() {
    let office = Office::new(date(2025, 3, 3));
    office.import(VINH_LOC, date(2024, 1, 1));
    let [hamlet, from, to] = ["15367.01", "15367", "15379"].map(|code| office.unit(code));
    let mut phone = office.phone(office.account("lan", Role::Member, hamlet));
    let mut was = office.phone(office.account("cu", Role::Official, from));
    let mut is = office.phone(office.account("moi", Role::Official, to));
    phone.log(hamlet, office.now_ms());
    phone.sync(&office);
    was.sync(&office);
    assert_eq!(was.rows().len(), 1);
    phone.log(hamlet, office.now_ms());
    office.travel_to(date(2025, 3, 12));
    changed(
        &office,
        date(2025, 3, 10),
        Change::Move {
            unit: hamlet,
            parent: Some(to),
        },
    );
    phone.log(hamlet, office.now_ms());
    phone.sync(&office);
    was.sync(&office);
    is.sync(&office);
    assert_eq!((quarantined(&office), phone.replica.status().unsent), (0, 0));
    assert_eq!((phone.rows().len(), is.rows().len(), was.rows().len()), (3, 3, 0));
}

#[test]
fn a_lost_phone_delivers_into_quarantine_is_told_to_wipe_and_reads_nothing() {
    let office = Office::new(date(2025, 3, 3));
    office.import(VINH_LOC, date(2024, 1, 1));
    let hamlet = office.unit("15367.01");
    let lan = office.account("lan", Role::Member, hamlet);
    let admin = office.log_in(office.account("quantri", Role::Admin, office.unit("38")));
    let mut phone = office.phone(lan);
    phone.sync(&office);
    phone.log(hamlet, office.now_ms());
    let device = phone.replica.identity().device;
    let lost = office.post(&format!("/v1/devices/{device}/lost"), &admin, &json!({}));
    assert_eq!(lost.status, 200, "{}", lost.code());
    let received = phone.exchange(&office).unwrap();
    assert!(received.flags.wipe);
    assert_eq!(
        (
            quarantined(&office),
            office.count("SELECT count(*) FROM assistance")
        ),
        (1, 0)
    );
    let read = office.get("/v1/records", &phone.credentials());
    assert_eq!(
        (read.status.as_u16(), read.code().as_str()),
        (403, "device_revoked")
    );

    // A new phone for the same person: everything that was merged comes back.
    let mut first = office.phone(lan);
    for _ in 0..3 {
        first.log(hamlet, office.now_ms());
    }
    first.sync(&office);
    let old = first.replica.identity().device;
    let body = json!({ "unit": hamlet.to_string(), "replaces": old.to_string() });
    let made = office
        .post(&format!("/v1/accounts/{lan}/codes"), &admin, &body)
        .json();
    assert!(made["svg"].as_str().unwrap().contains("<svg"));
    let mut second = office.enrol(made["code"].as_str().unwrap(), 7);
    second.sync(&office);
    assert_eq!(second.rows().len(), 3);
    assert!(
        first.exchange(&office).unwrap().flags.wipe,
        "the old one has had its day"
    );
}

#[test]
fn two_people_on_one_phone_have_vaults_of_their_own_and_either_delivers() {
    let office = Office::new(date(2025, 3, 3));
    office.import(VINH_LOC, date(2024, 1, 1));
    let [one, two] = ["15367.01", "15367.02"].map(|code| office.unit(code));
    // One handset, two enrolments: each with a key, a store and an outbox of its own.
    let mut lan = office.phone(office.account("lan", Role::Member, one));
    let mut hoa = office.phone(office.account("hoa", Role::Member, two));
    lan.sync(&office);
    hoa.sync(&office);
    lan.log(one, office.now_ms());
    hoa.log(two, office.now_ms());
    // Whoever is at the phone, both outboxes go up: delivering takes the vault's key, not its owner's presence.
    lan.sync(&office);
    hoa.sync(&office);
    assert_eq!((lan.replica.status().unsent, hoa.replica.status().unsent), (0, 0));
    assert_eq!(
        (lan.rows().len(), hoa.rows().len()),
        (1, 1),
        "and neither reads the other's"
    );
    assert_eq!(
        office.count("SELECT count(DISTINCT recorded_by) FROM assistance"),
        2
    );
}

#[test]
fn lists_and_counts_are_as_it_was_or_as_it_is_now() {
    let office = Office::new(date(2025, 6, 20));
    office.import(VINH_LOC, date(2024, 1, 1));
    let [hamlet, other, commune] = ["15367.01", "15379.01", "15367"].map(|code| office.unit(code));
    let leader = office.log_in(office.account("lanhdao", Role::Leader, office.unit("38")));
    let mut lan = office.phone(office.account("lan", Role::Member, hamlet));
    let mut hoa = office.phone(office.account("hoa", Role::Member, other));
    let record = lan.log(hamlet, office.now_ms());
    hoa.log(other, office.now_ms());
    lan.sync(&office);
    hoa.sync(&office);
    let mut twin = office.phone(lan.replica.identity().account);
    twin.sync(&office);
    for (phone, outcome) in [(&mut lan, "a"), (&mut twin, "b")] {
        let fields = vec![AssistanceField::Outcome(outcome.into())];
        phone
            .edit(&Edit::AmendAssistance { record, fields }, office.now_ms())
            .unwrap();
        phone.sync(&office);
    }
    let official = office.log_in(office.account("canbo", Role::Official, commune));
    let question = json!({ "record": record, "kind": "question", "words": "Ngày nào?" });
    assert_eq!(office.post("/v1/remarks", &official, &question).status, 200);
    let issue = json!({ "unit": commune, "number": "1/UBND", "title": "Ra quân", "urgency": "normal",
                        "signer": "Chủ tịch", "targets": [{ "unit": commune }], "asks": "read" });
    let issued = office.post("/v1/directives", &official, &issue).json();
    let directive = issued["id"].as_str().unwrap().to_owned();
    office.travel_to(date(2025, 7, 3));
    reformed(&office);
    let leader = Credentials {
        cookie: office.log_in(leader_account(&office)).cookie,
        ..leader
    };
    lan.log(hamlet, office.now_ms());
    lan.sync(&office);
    let counts = |view: &str| -> Vec<(String, u64)> {
        let path = format!("/v1/counts?view={view}&level=commune");
        let counted = office.get(&path, &leader).json();
        let counts = counted["counts"].as_array().unwrap().iter();
        counts
            .map(|count| {
                let name = count["name"].as_str().unwrap().to_owned();
                (name, count["records"].as_u64().unwrap())
            })
            .collect()
    };
    let pairs = |pairs: &[(&str, u64)]| -> Vec<(String, u64)> {
        pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
    };
    assert_eq!(counts("now"), pairs(&[("Xã Vĩnh Lộc", 2), ("Xã Biện Thượng", 1)]));
    assert_eq!(
        counts("was"),
        pairs(&[("Xã Vĩnh Lộc", 1), ("Xã Vĩnh Hưng", 1), ("Xã Vĩnh Hùng", 1)])
    );
    let listed = |unit: UnitId, view: &str| {
        let path = format!("/v1/records?unit={unit}&view={view}");
        let records = office.get(&path, &leader).json();
        records["items"].as_array().map(Vec::len)
    };
    assert_eq!(listed(commune, "was"), Some(1), "what was under the old commune");
    assert_eq!(listed(office.unit("15349"), "now"), Some(2));
    assert_eq!(listed(office.unit("15349"), "was"), Some(1));
    // So is everything else that is listed or counted: directives, remarks, conflicts, and the board of a directive.
    for path in ["/v1/directives", "/v1/remarks", "/v1/conflicts"] {
        let of = |unit: UnitId, view: &str| {
            let answer = office.get(&format!("{path}?unit={unit}&view={view}"), &leader);
            assert_eq!(answer.status, 200, "{path}");
            let rows = answer.json();
            rows.as_object()
                .unwrap()
                .values()
                .find_map(|rows| rows.as_array().map(Vec::len))
        };
        assert_eq!(
            of(commune, "was"),
            Some(1),
            "{path}: under the commune of its day"
        );
        assert_eq!(of(office.unit("15349"), "now"), Some(1), "{path}: under its heir");
        assert_eq!(
            of(office.unit("15349"), "was"),
            Some(0),
            "{path}: the heir was not there"
        );
    }
    let board = |view: &str| {
        let path = format!("/v1/directives/{directive}/acknowledgements?view={view}");
        let board = office.get(&path, &leader).json();
        let by_unit = board["by_unit"].as_array().unwrap().clone();
        by_unit
            .iter()
            .map(|of| of["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(board("was").contains(&"Xã Vĩnh Hưng".to_owned()));
    assert!(board("now").contains(&"Xã Vĩnh Lộc".to_owned()));
    // A day of the past shows the units of that day.
    let then = office.get("/v1/units?on=2025-06-30", &leader).json();
    let names: Vec<&str> = then["units"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|unit| unit["name"].as_str())
        .collect();
    assert!(names.contains(&"Huyện Vĩnh Lộc") && names.contains(&"Xã Vĩnh Hưng"));
}

fn leader_account(office: &Office) -> AccountId {
    let found = office
        .app
        .store()
        .read_blocking(|conn| realm::account_id(conn, "lanhdao"));
    found.unwrap().unwrap()
}

#[test]
fn a_directive_of_an_abolished_commune_stays_open_for_its_hamlets_and_its_successor_ends_it() {
    let office = Office::new(date(2025, 6, 20));
    office.import(VINH_LOC, date(2024, 1, 1));
    let [hamlet, commune, district] = ["15367.01", "15367", "393"].map(|code| office.unit(code));
    let mut head = office.phone(office.account("lan", Role::Member, hamlet));
    let official = office.account("canbo", Role::Official, commune);
    let leader = office.account("lanhdao", Role::Leader, district);
    let issue = |unit: UnitId, number: &str, account: AccountId, more: serde_json::Value| {
        let mut body = json!({ "unit": unit, "number": number, "title": "Ra quân", "urgency": "normal",
                               "signer": "Chủ tịch", "targets": [{ "unit": unit }], "asks": "report" });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = office.post("/v1/directives", &office.log_in(account), &body);
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let by_commune = issue(commune, "1/UBND", official, json!({}));
    let by_district = issue(district, "2/UBND", leader, json!({}));
    head.sync(&office);
    office.travel_to(date(2025, 7, 3));
    reformed(&office);

    // What the abolished units directed is still on the phone, and is answered.
    head.sync(&office);
    let on_phone = |head: &OfficePhone| {
        let pinned = head.replica.directives(office.now_ms()).unwrap();
        let ids = pinned.iter().map(|pinned| pinned.directive.id.to_string());
        ids.collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(on_phone(&head), [by_commune.clone(), by_district].into());
    head.acknowledge(by_commune.parse().unwrap(), hamlet, Stage::Done, office.now_ms());
    head.sync(&office);
    let board = office
        .get(
            &format!("/v1/directives/{by_commune}/acknowledgements"),
            &office.log_in(official),
        )
        .json();
    assert_eq!(board["counts"]["in_stage"]["done"], 1);

    // The successor's official, whose post went along, ends it; a word of somebody beside would not.
    let heir = office.unit("15349");
    let relation = json!({ "relation": { "kind": "withdraws", "directive": by_commune } });
    let withdrawn = issue(heir, "3/UBND", official, relation);
    let listed = office.get("/v1/directives", &office.log_in(official)).json();
    let listed = listed["items"].as_array().unwrap();
    let of = |id: &str| listed.iter().find(|one| one["id"] == id).unwrap()["ended_by"].clone();
    assert_eq!(of(&by_commune), json!(withdrawn));
    head.sync(&office);
    assert!(on_phone(&head).contains(&withdrawn));
}
