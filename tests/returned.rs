//! Stories of a restored server and what it does not know: a phone enrolled since, one revoked since, a role given since.

use jiff::civil::date;
use langso_server::audit::{Act, By};
use langso_server::devices::{self, End};
use langso_server::policy::{Grant, Role, console};
use langso_server::restore::undone::{self, Untold};
use langso_server::verify::verify;
use langso_server::{audit, realm};
use serde_json::json;
use sync_core::enrolment::{Enrolment, ShownEnrolment, TokenRequest};
use sync_core::ids::{AccountId, DeviceId, UnitId};
use sync_core::signature::DeviceKey;

use crate::harness::app_phone::AppPhone;
use crate::harness::office::{Credentials, Office};

const UNITS: &str = "code,parent_code,level,name
393,,district,Huyện Vĩnh Lộc
15367,393,commune,Xã Vĩnh Hưng
15367.01,15367,hamlet,Thôn Một
15367.02,15367,hamlet,Thôn Hai
";

fn office() -> Office {
    let office = Office::new(date(2025, 3, 3));
    office.import(UNITS, date(2024, 1, 1));
    office
}

fn merged(office: &Office) -> i64 {
    office.count("SELECT count(*) FROM assistance")
}

fn device_of(phone: &AppPhone) -> DeviceId {
    phone.replica().identity().device
}

fn lost(office: &Office, device: DeviceId) {
    let by = By::console(office.now_ms());
    let done = office.app.store().write_blocking(move |tx| {
        let permit = console(realm::all_units(tx)?);
        devices::end(tx, &permit, &by, device, End::Lost)
    });
    done.unwrap();
}

fn granted(office: &Office, account: AccountId, unit: UnitId) {
    let (grant, today) = (Grant::new(unit, Role::Member), office.today());
    let done = office
        .app
        .store()
        .write_blocking(move |tx| realm::grant(tx, account, grant, today));
    assert!(done.unwrap());
}

#[test]
fn a_phone_enrolled_after_the_backup_delivers_into_quarantine_and_is_admitted_with_all_it_has() {
    let office = office();
    let [one, two, district, commune] =
        ["15367.01", "15367.02", "393", "15367"].map(|code| office.unit(code));
    let (lan, hoa) = (
        office.account("lan", Role::Member, one),
        office.account("hoa", Role::Member, one),
    );
    let (cb, quantri) = (
        office.account("cb", Role::Official, commune),
        office.account("quantri", Role::Admin, district),
    );
    let (mut known, mut gone) = (AppPhone::enrol(&office, lan, 1), AppPhone::enrol(&office, hoa, 2));
    known.log(one, office.now_ms());
    known.sync(&office);
    gone.sync(&office);
    let backup = office.back_up("day-1.db");

    // The second day: work, an enrolment – of somebody who is new, too –, and a phone that is lost.
    office.travel_to(date(2025, 3, 4));
    known.log(one, office.now_ms());
    known.sync(&office);
    let minh = office.account("minh", Role::Member, two);
    let mut unknown = AppPhone::enrol(&office, minh, 3);
    let delivered = [0, 1].map(|n| unknown.log(two, office.now_ms() + n));
    unknown.sync(&office);
    lost(&office, device_of(&gone));
    assert_eq!(merged(&office), 4);
    let offline = unknown.log(two, office.now_ms() + 2);

    let store = office.app.store().path().to_owned();
    let told = undone::since(&store, &backup).unwrap();
    let office = office.restore(&backup);
    office.pass(3_600_000);
    assert_eq!(merged(&office), 1);
    // What phones do not bring back is told by the audit of the store that was there.
    let commands: Vec<String> = told.iter().filter_map(|act| act.again()).collect();
    assert_eq!(
        commands,
        [
            format!("langso device admit {}", device_of(&unknown)),
            format!("langso device lost {}", device_of(&gone)),
        ]
    );
    assert!(
        told.iter()
            .any(|act| act.act == Act::DeviceLost && act.is_urgent())
    );

    known.sync(&office);
    known.sync(&office);
    assert_eq!(merged(&office), 2, "the work is back, once");
    // The unknown phone: its token names a device that is not there, so it shows that the realm enrolled it.
    for _ in 0..2 {
        let step = unknown.sync(&office);
        assert!(!step.wipe);
    }
    assert_eq!(merged(&office), 2);
    let device = device_of(&unknown);
    assert_eq!(office.count("SELECT count(*) FROM returned_device"), 1);
    assert_eq!(
        office.count("SELECT count(*) FROM audit WHERE act = 'device_returned'"),
        1
    );
    assert_eq!(unknown.rows().len(), 2, "it shows what it had, and keeps");
    assert_eq!(unknown.replica().set_aside().unwrap()[0].record, offline);
    // Its person goes on recording meanwhile, also after the app was closed.
    unknown.restart();
    let meanwhile = unknown.log(two, office.now_ms());
    unknown.sync(&office);
    unknown.sync(&office);
    assert_eq!(unknown.replica().status().refused, 2);
    let token = unknown.session().access_token().unwrap().to_owned();
    let reads = Credentials {
        token: Some(token),
        ..Credentials::default()
    };
    assert_eq!(office.get("/v1/records", &reads).code(), "device_not_admitted");

    // The official releases what it delivered, without anybody having admitted the device.
    let official = office.log_in(cb);
    let batches = office.get("/v1/quarantine", &official).json();
    let batches = batches["items"].as_array().unwrap().clone();
    assert!(batches.iter().all(|batch| batch["device"] == device.to_string()));
    assert_eq!(batches.len(), 3);
    let release = |id: i64| office.post(&format!("/v1/quarantine/{id}/release"), &official, &json!({}));
    // The record made offline came first, and stands on the two that came after it.
    let early = release(1);
    assert_eq!(
        (early.code().as_str(), &early.json()["batch"]),
        ("stands_on_quarantined", &json!(2))
    );
    assert_eq!(release(2).json(), json!({ "released": [2, 1] }), "it follows");
    assert_eq!(release(3).status, 200);
    assert_eq!(merged(&office), 6);
    let report = office
        .app
        .store()
        .read_blocking(|conn| verify(conn, &office.app.exchange.ingest.master))
        .unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);

    // The admin admits it: the store does not know the person either.
    let admin = office.log_in(quantri);
    let listed = office.get("/v1/devices", &admin).json();
    let waits =
        |view: &serde_json::Value| view["id"] == device.to_string() && view["returned_at_ms"].is_number();
    assert!(listed["items"].as_array().unwrap().iter().any(waits));
    let path = format!("/v1/devices/{device}/admit");
    assert_eq!(office.post(&path, &admin, &json!({})).code(), "text_invalid");
    let called = json!({ "username": "minh", "name": "Tổ viên mới" });
    assert_eq!(office.post(&path, &admin, &called).status, 200);
    assert_eq!(office.post(&path, &admin, &called).status, 404, "once");
    granted(&office, minh, two);
    unknown.sync(&office);
    unknown.sync(&office);
    let status = unknown.replica().status();
    assert_eq!((status.unsent, status.refused, status.diverged), (0, 0, false));
    let mut shown: Vec<_> = unknown.rows().into_iter().map(|row| row.id).collect();
    shown.sort();
    let mut expected = vec![delivered[0], delivered[1], offline, meanwhile];
    expected.sort();
    assert_eq!(shown, expected);
    unknown.log(two, office.now_ms());
    unknown.sync(&office);
    assert_eq!(merged(&office), 7, "and it is a phone like any other");

    // The phone that was lost on the second day is live again, until the operator does what the list says.
    let step = gone.sync(&office);
    assert!(!step.wipe);
    lost(&office, device_of(&gone));
    assert!(gone.sync(&office).wipe);
}

#[test]
fn a_role_given_after_the_backup_takes_nothing_along_that_was_recorded_by_it() {
    let office = office();
    let [one, two] = ["15367.01", "15367.02"].map(|code| office.unit(code));
    let lan = office.account("lan", Role::Member, one);
    let mut phone = AppPhone::enrol(&office, lan, 1);
    phone.sync(&office);
    let backup = office.back_up("day-1.db");
    office.travel_to(date(2025, 3, 4));
    granted(&office, lan, two);
    phone.sync(&office);
    let record = phone.log(two, office.now_ms());
    phone.sync(&office);
    assert_eq!((merged(&office), phone.replica().status().unsent), (1, 0));
    let office = office.restore(&backup);
    // The restored server says that the phone may not read there: what it had a receipt for exists nowhere else.
    for _ in 0..3 {
        phone.sync(&office);
        phone.restart();
    }
    assert_eq!(merged(&office), 0);
    assert_eq!(office.count("SELECT count(*) FROM quarantine"), 1);
    assert_eq!(phone.rows()[0].id, record);
    granted(&office, lan, two);
    let official = office.log_in(office.account("cb", Role::Official, office.unit("15367")));
    let released = office.post("/v1/quarantine/1/release", &official, &json!({}));
    assert_eq!(released.status, 200, "{}", released.json());
    phone.sync(&office);
    phone.sync(&office);
    assert_eq!(merged(&office), 1);
    let status = phone.replica().status();
    assert_eq!(
        (status.unsent, status.diverged, phone.rows().len()),
        (0, false, 1)
    );
}

#[test]
fn a_revoked_phone_wipes_itself_only_once_a_restored_server_has_what_it_lost() {
    let office = office();
    let one = office.unit("15367.01");
    let lan = office.account("lan", Role::Member, one);
    let mut phone = AppPhone::enrol(&office, lan, 1);
    phone.sync(&office);
    let backup = office.back_up("day-1.db");
    office.travel_to(date(2025, 3, 4));
    phone.log(one, office.now_ms());
    phone.sync(&office);
    let office = office.restore(&backup);
    lost(&office, device_of(&phone));
    let first = phone.step(&office).unwrap();
    assert!(!first.wipe, "its record is nowhere else");
    let last = phone.sync(&office);
    assert!(last.wipe);
    assert_eq!(office.count("SELECT count(*) FROM quarantine"), 1);
}

#[test]
fn only_the_realms_own_word_for_this_very_device_is_taken() {
    let office = office();
    let one = office.unit("15367.01");
    let backup = office.back_up("empty.db");
    let lan = office.account("lan", Role::Member, one);
    let mut phone = AppPhone::enrol(&office, lan, 1);
    let other = AppPhone::enrol(&office, lan, 2);
    let office = office.restore(&backup);
    let identity = phone.replica().identity().clone();
    let enrolment = phone.session().enrolment().unwrap().clone();
    let honest = ShownEnrolment::of(&enrolment, &identity.key.public());
    let asked = |office: &Office, shown: Option<ShownEnrolment>, seed: u64| {
        use rand::SeedableRng;
        let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
        let request = TokenRequest::new(&identity, office.now_ms(), None, &mut rng).showing(shown);
        let body = serde_json::to_value(request).unwrap();
        office.post("/v1/token", &Credentials::default(), &body)
    };
    // Signed by the device itself, by nobody, or for another device.
    let own_word = Enrolment {
        signature: sync_core::signature::EnrolmentStatement {
            realm: identity.realm,
            device: identity.device,
            account: identity.account,
            public_key: identity.key.public(),
            enrolled_at_ms: enrolment.enrolled_at_ms,
        }
        .sign(&DeviceKey::from_seed([1; 32])),
        ..enrolment.clone()
    };
    let mut other = other;
    let of_other = other.session().enrolment().unwrap().clone();
    let lies = [
        None,
        Some(ShownEnrolment::of(&own_word, &identity.key.public())),
        Some(ShownEnrolment::of(
            &of_other,
            &other.replica().identity().key.public(),
        )),
        Some(ShownEnrolment {
            enrolled_at_ms: 1,
            ..honest.clone()
        }),
        Some(ShownEnrolment {
            public_key: "?".into(),
            ..honest.clone()
        }),
    ];
    for (seed, lie) in (10..).zip(lies) {
        let answer = asked(&office, lie.clone(), seed);
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (401, "device_not_proven"),
            "{lie:?}"
        );
    }
    assert_eq!(office.count("SELECT count(*) FROM returned_device"), 0);
    assert_eq!(asked(&office, Some(honest), 1).status, 200);
    assert_eq!(office.count("SELECT count(*) FROM returned_device"), 1);
}

#[test]
fn what_was_done_since_is_told_by_an_exported_audit_too_and_by_no_other() {
    let office = office();
    let one = office.unit("15367.01");
    let lan = office.account("lan", Role::Member, one);
    let phone = AppPhone::enrol(&office, lan, 1);
    let backup = office.back_up("day-1.db");
    lost(&office, device_of(&phone));
    let rows = office
        .app
        .store()
        .read_blocking(|conn| audit::rows(conn, 0, 1000))
        .unwrap();
    let export = office.data().join("audit.jsonl");
    let mut lines: Vec<String> = rows.iter().map(|row| json!(row.told()).to_string()).collect();
    lines.push(json!({ "head": "4-00" }).to_string());
    std::fs::write(&export, lines.join("\n")).unwrap();
    let store = office.app.store().path().to_owned();
    let told = undone::since_in_export(&export, &backup).unwrap();
    assert_eq!(told, undone::since(&store, &backup).unwrap());
    assert_eq!(
        told.iter().filter_map(|act| act.again()).collect::<Vec<_>>(),
        [format!("langso device lost {}", device_of(&phone))]
    );
    // The audit of another realm does not go on from this backup.
    let stranger = self::office();
    AppPhone::enrol(
        &stranger,
        stranger.account("x", Role::Member, stranger.unit("15367.01")),
        9,
    );
    let elsewhere = stranger.app.store().path().to_owned();
    assert!(matches!(
        undone::since(&elsewhere, &backup),
        Err(Untold::Elsewhere)
    ));
    let nothing = office.data().join("nothing.jsonl");
    assert!(matches!(
        undone::since_in_export(&nothing, &backup),
        Err(Untold::Unreadable(_))
    ));
}
