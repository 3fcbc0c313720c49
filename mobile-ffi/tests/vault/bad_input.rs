//! Everything from outside is hostile: each time an error that tells the app what to do, and nothing lost.

use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use langso_mobile::{Change, ChangeListener, SyncProgress, SyncStep, Vault, VaultError};

use langso_server::clock::Clock;

use crate::district::{District, KEY, Weather, help, text};

const YEAR_MS: i64 = 365 * 24 * 3600 * 1000;

fn real_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

#[test]
fn what_stands_between_phone_and_server_is_told_from_an_answer() {
    let district = District::new();
    let (head, way) = district.phone("head");
    head.record_assistance(help("Lê Thị Hoa")).unwrap();
    let portal = "<html><form action=login>Wi-Fi miễn phí</form></html>";
    for (weather, expected) in [
        (Weather::NoSignal, "not now (unreachable)"),
        (
            Weather::Stranger(200, "text/html", portal),
            "not now (answer_foreign)",
        ),
        (
            Weather::Stranger(302, "text/html", ""),
            "not now (answer_foreign)",
        ),
        (
            Weather::Stranger(500, "application/json", "{\"error\":\"oops\"}"),
            "not now (answer_foreign)",
        ),
        (
            Weather::Stranger(200, "application/json", "{}"),
            "not now (answer_foreign)",
        ),
        (
            Weather::Stranger(200, "application/cbor", "no CBOR"),
            "not now (answer_unreadable)",
        ),
        (
            Weather::Stranger(200, "application/cbor", ""),
            "not now (answer_unreadable)",
        ),
        (Weather::Cut, "not now (answer_unreadable)"),
    ] {
        let said = format!("{weather:?}");
        assert_eq!(district.trouble(&head, &way, weather), expected, "{said}");
        assert_eq!(head.status().unwrap().pending, 1, "{said}");
    }
    *way.weather.lock().unwrap() = Weather::Stranger(503, "text/html", "down for maintenance");
    let report = district.sync(&head, &way).unwrap();
    assert!(!report.finished && report.total.busy);
    *way.weather.lock().unwrap() = Weather::Fine;
    district.sync(&head, &way).unwrap();
    assert_eq!(head.status().unwrap().pending, 0);
}

#[test]
fn a_code_that_is_no_good_asks_for_another_one() {
    let district = District::new();
    let (vault, way) = (district.fresh("head"), district.way());
    let enrol = |code: &str| district.runtime.block_on(vault.enrol(code.into(), way.clone()));
    let refused = enrol("NO-SUCH-CODE").unwrap_err();
    assert_eq!(refused.to_string(), "sign in again (code_unknown)");
    for early in [vault.conflicts().unwrap_err(), vault.next_request().unwrap_err()] {
        assert_eq!(early.to_string(), "sign in again (not_enrolled)");
    }
    let used = district.code();
    let other = district.fresh("other");
    district
        .runtime
        .block_on(other.enrol(used.clone(), way.clone()))
        .unwrap();
    assert_eq!(enrol(&used).unwrap_err().to_string(), "sign in again (code_used)");
    enrol(&district.code()).unwrap();
    let again = enrol(&district.code()).unwrap_err();
    assert_eq!(again.to_string(), "not allowed (enrolled_already)");
}

#[test]
fn a_server_of_another_realm_is_told_from_ones_own() {
    let (district, elsewhere) = (District::new(), District::new());
    let (head, way) = district.phone("head");
    head.record_assistance(help("Lê Thị Hoa")).unwrap();
    let error = elsewhere.sync(&head, &elsewhere.way()).unwrap_err();
    assert_eq!(error.to_string(), "not now (other_realm)");
    assert_eq!(
        district.sync(&head, &way).unwrap().total.confirmed,
        1,
        "it finds home again"
    );
}

#[test]
fn a_clock_a_year_off_locks_nobody_out_and_misdates_nothing() {
    for clock in [(|| real_ms() - YEAR_MS) as fn() -> i64, || real_ms() + YEAR_MS] {
        let district = District::new();
        let way = district.way();
        let head = Vault::create_at(text(&district.path("head")), KEY.to_vec(), clock).unwrap();
        district
            .runtime
            .block_on(head.enrol(district.code(), way.clone()))
            .unwrap();
        district.sync(&head, &way).unwrap();
        let id = head.record_assistance(help("Lê Thị Hoa")).unwrap();
        district.sync(&head, &way).unwrap();
        let row = head.assistance(id).unwrap().unwrap();
        assert!(
            (row.recorded_at_ms - real_ms()).abs() < 60_000,
            "corrected by the server's time"
        );
        let difference = head.status().unwrap().clock_difference_ms;
        assert!((difference.abs() - YEAR_MS).abs() < 60_000);
        assert_eq!(head.status().unwrap().pending, 0);
    }
}

#[test]
fn a_phone_that_heard_nothing_since_it_was_enrolled_needs_no_new_code() {
    static NOW_MS: AtomicI64 = AtomicI64::new(0);
    fn clock() -> i64 {
        NOW_MS.load(Ordering::Relaxed)
    }
    NOW_MS.store(real_ms(), Ordering::Relaxed);
    let district = District::at(Clock::manual(clock));
    let way = district.way();
    let head = Vault::create_at(text(&district.path("head")), KEY.to_vec(), clock).unwrap();
    let enrolling = head.enrol(district.code(), way.clone());
    district.runtime.block_on(enrolling).unwrap();
    // Its access token ends before it is shown to anybody; the process lives on.
    NOW_MS.fetch_add(YEAR_MS / 2, Ordering::Relaxed);
    assert!(district.sync(&head, &way).unwrap().finished);
    head.record_assistance(help("Lê Thị Hoa")).unwrap();
    assert_eq!(district.sync(&head, &way).unwrap().total.confirmed, 1);
}

#[test]
fn a_vault_is_open_once() {
    let district = District::new();
    let (head, _) = district.phone("head");
    let path = text(&district.path("head"));
    let second = Vault::open(path.clone(), KEY.to_vec()).unwrap_err();
    assert_eq!(second.to_string(), "not now (store_in_use)");
    assert_eq!(
        Vault::create(path, KEY.to_vec()).unwrap_err().code(),
        "vault_exists"
    );
    head.record_assistance(help("Lê Thị Hoa")).unwrap();
    head.shut();
    assert_eq!(head.status().unwrap_err().code(), "vault_closed");
    assert_eq!(district.reopen("head").status().unwrap().pending, 1);
}

#[test]
fn a_file_that_is_no_vault_is_left_as_it_is() {
    let district = District::new();
    let missing = Vault::open(text(&district.path("nothing")), KEY.to_vec()).unwrap_err();
    assert_eq!(missing.code(), "vault_missing");
    let nowhere = Vault::create(text(&district.path("no/such/folder")), KEY.to_vec()).unwrap_err();
    assert_eq!(nowhere.code(), "vault_path");
    let in_the_clear = std::fs::read(district.path("district/langso.db")).unwrap();
    for (content, code) in [
        (b"hello".to_vec(), "store_damaged"),
        (vec![0x5a; 3 * 4096], "store_wrong_key"),
        (in_the_clear, "store_foreign"),
    ] {
        std::fs::write(district.path("other"), &content).unwrap();
        let error = Vault::open(text(&district.path("other")), KEY.to_vec()).unwrap_err();
        assert!(
            matches!(&error, VaultError::Damaged { code: found } if found == code),
            "{error}"
        );
        assert_eq!(std::fs::read(district.path("other")).unwrap(), content);
    }
}

#[test]
fn a_damaged_page_is_an_error_and_not_wrong_data() {
    let district = District::new();
    let (head, way) = district.phone("head");
    for n in 0..200 {
        head.record_assistance(help(&format!("Nguyễn Văn {n}"))).unwrap();
    }
    district.sync(&head, &way).unwrap();
    drop(head);
    let path = district.path("head");
    let pages = std::fs::metadata(&path).unwrap().len() / 4096;
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for page in 1..pages {
        file.seek(SeekFrom::Start(page * 4096 + 100)).unwrap();
        file.write_all(&[0xff; 8]).unwrap();
    }
    let error = Vault::open(text(&path), KEY.to_vec()).unwrap_err();
    assert!(matches!(&error, VaultError::Damaged { .. }), "{error}");
}

#[test]
fn a_vault_of_a_newer_app_asks_for_an_update() {
    let district = District::new();
    let (head, _) = district.phone("head");
    drop(head);
    let conn = rusqlite::Connection::open(district.path("head")).unwrap();
    let key: String = KEY.iter().map(|byte| format!("{byte:02x}")).collect();
    conn.pragma_update(None, "key", format!("x'{key}'")).unwrap();
    conn.execute_batch("UPDATE refinery_schema_history SET version = 9999 WHERE version = 1")
        .unwrap();
    drop(conn);
    let newer = Vault::open(text(&district.path("head")), KEY.to_vec()).unwrap_err();
    assert_eq!(newer.to_string(), "update the app (store_newer)");
}

#[test]
fn what_does_not_fit_a_field_names_it_and_quotes_nothing() {
    let district = District::new();
    let (head, _) = district.phone("head");
    let refused = |change: fn(&mut langso_mobile::NewAssistance)| {
        let mut new = help("Lê Thị Hoa");
        change(&mut new);
        head.record_assistance(new).unwrap_err().to_string()
    };
    assert_eq!(refused(|new| new.people = 0), "not allowed (field_people)");
    assert_eq!(
        refused(|new| new.satisfaction = Some(9)),
        "not allowed (field_satisfaction)"
    );
    assert_eq!(
        refused(|new| new.note = Some("dài ".repeat(5000))),
        "not allowed (text_too_long_note)"
    );
    assert_eq!(
        refused(|new| new.unit = Some("?".into())),
        "not allowed (id_invalid)"
    );
    let elsewhere = "01JF0000000000000000000000";
    assert_eq!(
        refused(|new| new.unit = Some("01JF0000000000000000000000".into())),
        "not allowed (not_permitted)"
    );
    let missing = head
        .retract(elsewhere.into(), langso_mobile::RetractReason::Mistake)
        .unwrap_err();
    assert_eq!(missing.to_string(), "not allowed (no_such_record)");
    assert_eq!(head.status().unwrap().pending, 0);
}

#[test]
fn a_server_that_is_newer_asks_for_an_update() {
    let district = District::new();
    let (head, way) = district.phone("head");
    head.record_assistance(help("Lê Thị Hoa")).unwrap();
    let newer = Weather::Stranger(
        400,
        "application/problem+json",
        r#"{"code":"version_unsupported","title":"?","status":400}"#,
    );
    assert_eq!(
        district.trouble(&head, &way, newer),
        "update the app (version_unsupported)"
    );
    let status = head.status().unwrap();
    assert!(status.update_needed && status.pending == 1);
}

#[test]
fn an_app_that_throws_is_no_reason_to_stop() {
    struct Clumsy;
    impl SyncProgress for Clumsy {
        fn step(&self, _: SyncStep) {
            panic!("a bug of the app's")
        }
    }
    impl ChangeListener for Clumsy {
        fn changed(&self, _: Change) {
            panic!("a bug of the app's")
        }
    }
    let district = District::new();
    let (head, way) = district.phone("head");
    let _subscription = head.observe(Arc::new(Clumsy));
    head.record_assistance(help("Lê Thị Hoa")).unwrap();
    let sync = head.sync(way, Some(Arc::new(Clumsy)));
    assert_eq!(district.runtime.block_on(sync).unwrap().total.confirmed, 1);
    assert_eq!(head.status().unwrap().pending, 0);
}

#[test]
fn many_threads_may_use_one_vault() {
    let district = District::new();
    let (head, way) = district.phone("head");
    std::thread::scope(|scope| {
        for n in 0..4 {
            let head = &head;
            scope.spawn(move || {
                for m in 0..10 {
                    head.record_assistance(help(&format!("Nguyễn Văn {n} {m}")))
                        .unwrap();
                    head.status().unwrap();
                }
            });
        }
        scope.spawn(|| district.sync(&head, &way).unwrap());
    });
    district.sync(&head, &way).unwrap();
    assert_eq!(head.status().unwrap().pending, 0);
}
