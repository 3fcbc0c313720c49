//! Stories of the directory: what units are called, what is above and below them, and who works there, on every phone that
//! may know of it – published in the transaction that changes it – and what follows for whom a directive asks.

use jiff::civil::{Date, date};
use langso_server::app::open_data;
use langso_server::audit::By;
use langso_server::policy::{Role, console};
use langso_server::realm;
use langso_server::store::WriteError;
use langso_server::units::change::{self, Change, ChangeError};
use langso_server::verify::verify;
use serde_json::json;
use sync_core::ids::{AccountId, Class, UnitId};
use sync_core::local_store::ListQuery;
use sync_core::projection::RowChange;
use sync_core::record::Stage;

use crate::harness::office::{Office, OfficePhone};

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15367.01,15367,hamlet,Thôn Một
15367.02,15367,hamlet,Thôn Hai
";
const TODAY: Date = date(2025, 3, 3);

fn office() -> Office {
    let office = Office::new(TODAY);
    office.import(UNITS, date(2024, 1, 1));
    office
}

fn renamed(unit: UnitId, name: &str) -> Change {
    Change::Rename {
        unit,
        name: name.into(),
        code: None,
    }
}

fn change(office: &Office, day: Date, what: Change) -> Result<(), WriteError<ChangeError>> {
    let by = By::console(office.now_ms());
    office.app.store().write_blocking(move |tx| {
        let permit = console(realm::all_units(tx)?);
        change::change(tx, &permit, day, &what, &by)
    })
}

fn name(phone: &mut OfficePhone, unit: UnitId, day: Date) -> Option<String> {
    let directory = phone.replica.directory().unwrap();
    directory.unit(unit, day).map(|known| known.name.clone())
}

#[test]
fn units_and_people_are_on_the_phone_as_of_any_day_and_change_with_their_tables() {
    let office = office();
    let [district, commune, hamlet, other] =
        ["393", "15367", "15367.01", "15367.02"].map(|code| office.unit(code));
    let mut phone = office.phone(office.account("lan", Role::Member, hamlet));
    office.account("canbo", Role::Official, commune);
    phone.sync(&office);
    let directory = phone.replica.directory().unwrap();
    assert_eq!(directory.above(hamlet, TODAY), [commune, district]);
    assert_eq!(directory.below(commune, TODAY), [hamlet, other].into());
    assert_eq!(
        directory.unit(other, TODAY).unwrap().name,
        "Thôn Hai",
        "by the commune's document"
    );
    let team = |unit| -> Vec<(String, String)> {
        let team = directory.team(unit, TODAY);
        team.map(|post| (post.name.clone(), post.role.clone())).collect()
    };
    assert_eq!(team(hamlet), [("lan".to_owned(), "member".to_owned())]);
    assert_eq!(team(commune), [("canbo".to_owned(), "official".to_owned())]);
    let documents = || office.count("SELECT sum(changes) FROM document");
    let before = documents();

    // A change of tomorrow is known today, and holds from tomorrow on.
    change(&office, date(2025, 3, 4), renamed(hamlet, "Thôn Bái Xuân")).unwrap();
    phone.sync(&office);
    assert_eq!(name(&mut phone, hamlet, TODAY).as_deref(), Some("Thôn Một"));
    assert_eq!(
        name(&mut phone, hamlet, date(2025, 3, 4)).as_deref(),
        Some("Thôn Bái Xuân")
    );
    assert_eq!(
        documents() - before,
        4,
        "the end of one period and the next, for the hamlet and for its commune"
    );
    // Of the day on which it changes twice the first never was.
    change(
        &office,
        date(2025, 3, 4),
        Change::Merge {
            units: vec![hamlet],
            into: other,
        },
    )
    .unwrap();
    phone.sync(&office);
    assert_eq!(name(&mut phone, hamlet, date(2025, 3, 4)), None);
    let directory = phone.replica.directory().unwrap();
    assert_eq!(directory.heir(hamlet), Some(other));

    // What is not done is not published.
    let before = documents();
    assert!(change(&office, TODAY, renamed(hamlet, "")).is_err());
    assert_eq!(
        (documents(), office.count("SELECT count(*) FROM unpublished")),
        (before, 0)
    );
    assert!(!phone.replica.status().diverged);
    let report = office
        .app
        .store()
        .read_blocking(|conn| verify(conn, &office.app.exchange.ingest.master))
        .unwrap();
    assert_eq!(report.problems, []);
    let people = office
        .count("SELECT count(*) FROM entry WHERE device <> (SELECT value FROM meta WHERE key = 'realm')");
    assert_eq!(people, 0, "all of it by the server's own device");
}

#[test]
fn what_a_command_changes_beside_a_running_server_reaches_phones_too() {
    let office = office();
    let hamlet = office.unit("15367.01");
    let mut phone = office.phone(office.account("lan", Role::Member, hamlet));
    phone.sync(&office);
    {
        let (store, _) = open_data(office.data()).unwrap();
        let done = store.write_blocking(move |tx| {
            let permit = console(realm::all_units(tx)?);
            change::change(
                tx,
                &permit,
                TODAY,
                &renamed(hamlet, "Thôn Bái Xuân"),
                &By::console(0),
            )
        });
        done.unwrap();
    }
    // The phone delivers something first: its position lies behind what the server has not seen itself.
    phone.log(hamlet, office.now_ms());
    phone.sync(&office);
    phone.sync(&office);
    assert_eq!(name(&mut phone, hamlet, TODAY).as_deref(), Some("Thôn Bái Xuân"));
    assert!(!phone.replica.status().diverged);
    let report = office
        .app
        .store()
        .read_blocking(|conn| verify(conn, &office.app.exchange.ingest.master))
        .unwrap();
    assert_eq!(report.problems, []);
}

/// Who said "received", by themselves.
fn received(phone: &OfficePhone) -> usize {
    let rows = phone.replica.rows(Class::Acks, ListQuery::default()).unwrap();
    let device = phone.replica.identity().device;
    let own = rows.iter().filter(|row| match row {
        RowChange::Acknowledgement(event) => event.device == device && event.stage == Stage::Received,
        _ => false,
    });
    own.count()
}

#[test]
fn a_directive_asks_the_levels_and_roles_that_it_names_and_nobody_else() {
    let office = office();
    let [district, commune, hamlet] = ["393", "15367", "15367.01"].map(|code| office.unit(code));
    let leader = office.account("lanhdao", Role::Leader, district);
    let official = office.account("canbo", Role::Official, commune);
    let mut desk = office.phone(official);
    let mut head = office.phone(office.account("lan", Role::Member, hamlet));
    desk.sync(&office);
    head.sync(&office);
    let issue = |number: &str, more: serde_json::Value| {
        let mut body = json!({ "unit": district, "number": number, "title": "Ra quân", "urgency": "normal",
                               "signer": "Chủ tịch", "targets": [{ "unit": district }], "asks": "read" });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = office.post("/v1/directives", &office.log_in(leader), &body);
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let board = |id: &str, account: AccountId| {
        let path = format!("/v1/directives/{id}/acknowledgements");
        office.get(&path, &office.log_in(account)).json()
    };
    let targeted = |id: &str| board(id, leader)["counts"]["targeted"].clone();

    // Without a level the lowest units are meant: the commune's official says nothing in its name.
    let all = issue("1/UBND", json!({}));
    desk.sync(&office);
    head.sync(&office);
    assert_eq!(
        (received(&desk), received(&head), targeted(&all)),
        (0, 1, json!(2))
    );
    let communes = issue("2/UBND", json!({ "levels": ["commune"] }));
    desk.sync(&office);
    head.sync(&office);
    assert_eq!(
        (received(&desk), received(&head), targeted(&communes)),
        (1, 1, json!(1))
    );
    // For officials: the units where there is one, and only their word counts; who holds another role does not see it.
    let officials = issue("3/UBND", json!({ "roles": ["official"] }));
    desk.sync(&office);
    head.sync(&office);
    assert_eq!(
        (received(&desk), received(&head), targeted(&officials)),
        (2, 1, json!(1))
    );
    let shown = head.replica.directives(office.now_ms()).unwrap();
    assert!(
        shown
            .iter()
            .all(|pinned| pinned.directive.id.to_string() != officials)
    );
    assert_eq!(desk.replica.directives(office.now_ms()).unwrap().len(), 3);
    let member = head.replica.identity().account;
    assert_eq!(board(&officials, member)["code"], "not_found");
    let listed = office.get("/v1/directives", &office.log_in(member)).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    // Somebody of the commune who is no official says it all the same: it is kept, and answers nothing.
    let mut clerk = office.phone(office.account("vanthu", Role::Member, commune));
    clerk.sync(&office);
    clerk.acknowledge(
        officials.parse().unwrap(),
        commune,
        Stage::Opened,
        office.now_ms(),
    );
    clerk.sync(&office);
    assert_eq!(board(&officials, leader)["counts"]["finished"], 0);
    desk.acknowledge(
        officials.parse().unwrap(),
        commune,
        Stage::Opened,
        office.now_ms(),
    );
    desk.sync(&office);
    assert_eq!(board(&officials, leader)["counts"]["finished"], 1);
}

#[test]
fn who_was_here_before_a_directive_arrived_has_not_missed_it_but_not_synced() {
    let office = office();
    let [commune, hamlet] = ["15367", "15367.01"].map(|code| office.unit(code));
    let mut writer = office.phone(office.account("canbo", Role::Official, commune));
    let other = office.account("lanhdao", Role::Leader, commune);
    let mut head = office.phone(office.account("lan", Role::Member, hamlet));
    writer.sync(&office);
    head.sync(&office);
    // Written at eight without a signal; at nine somebody else issues, and the hamlet syncs; at ten it arrives.
    let fields = crate::directives::fields("5/UBND", commune);
    let written = writer.issue(commune, fields, office.now_ms());
    office.pass(3_600_000);
    let body = json!({ "unit": commune, "number": "6/UBND", "title": "Khác", "urgency": "normal", "signer": "Chủ tịch",
                       "targets": [{ "unit": commune }], "asks": "read" });
    let between = office.post("/v1/directives", &office.log_in(other), &body).json();
    office.pass(60_000);
    head.sync(&office);
    office.pass(3_600_000);
    writer.sync(&office);
    let why = |directive: &str| {
        let path = format!("/v1/directives/{directive}/acknowledgements");
        let board = office.get(&path, &office.log_in(other)).json();
        let calls = board["to_call"].as_array().unwrap().clone();
        let call = calls.into_iter().find(|call| call["unit"] == hamlet.to_string());
        call.unwrap()["why"].as_str().unwrap().to_owned()
    };
    assert_eq!(why(between["id"].as_str().unwrap()), "not_done");
    assert_eq!(why(&written.to_string()), "not_synced");
}
