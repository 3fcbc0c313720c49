//! A phone that was revoked or lost: it delivers what it has, and then it is empty.

use std::sync::{Arc, Mutex};

use langso_mobile::{Change, ChangeListener, Vault};
use langso_server::devices::End;

use crate::district::{District, Weather, help, long_draft};

const FILES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

#[derive(Default)]
struct Heard(Mutex<Vec<Change>>);

impl ChangeListener for Heard {
    fn changed(&self, change: Change) {
        self.0.lock().unwrap().push(change);
    }
}

fn left(district: &District, name: &str) -> Vec<&'static str> {
    let there = |suffix: &&str| district.path(&format!("{name}{suffix}")).exists();
    FILES.into_iter().filter(there).collect()
}

/// Changes that wait for an official.
fn waiting(district: &District) -> i64 {
    let sql = "SELECT count(*) FROM quarantine_change c JOIN quarantine q ON q.id = c.quarantine";
    let count = |conn: &rusqlite::Connection| conn.query_row(sql, [], |row| row.get(0));
    district.app.store().read_blocking(count).unwrap()
}

fn record(vault: &Vault, entries: usize) {
    for n in 0..entries {
        vault.record_assistance(help(&format!("Nguyễn Văn {n}"))).unwrap();
    }
}

#[test]
fn a_revoked_phone_delivers_all_it_has_and_then_its_vault_is_gone() {
    for end in [End::Revoked, End::Lost] {
        let district = District::new();
        let (head, way) = district.phone("head");
        record(&head, 3);
        district.sync(&head, &way).unwrap();
        record(&head, 20);
        let heard = Arc::new(Heard::default());
        let _subscription = head.observe(heard.clone());
        district.end(&head, end);

        let report = district.sync(&head, &way).unwrap();
        assert!(report.finished && report.total.wiped);
        assert_eq!(
            (report.total.refused, waiting(&district)),
            (20, 20),
            "an official decides"
        );
        assert_eq!(left(&district, "head"), [""; 0]);
        assert_eq!(*heard.0.lock().unwrap(), [Change::Wiped]);
        assert_eq!(head.status().unwrap_err().code(), "vault_closed");
        assert_eq!(
            head.record_assistance(help("Lê Thị Hoa")).unwrap_err().code(),
            "vault_closed",
            "nothing is taken that nobody would ever get"
        );
        // The same person's next phone has what was merged.
        let (next, _) = district.phone("head");
        assert_eq!(
            next.assistances(Default::default(), Default::default())
                .unwrap()
                .items
                .len(),
            3
        );
    }
}

#[test]
fn a_revoked_phone_that_has_more_than_one_request_carries_still_delivers_all_of_it_at_once() {
    let district = District::new();
    let (official, way) = district.official();
    for n in 0..170 {
        official.draft(long_draft(n), None).unwrap();
    }
    district.end(&official, End::Revoked);
    let report = district.sync(&official, &way).unwrap();
    assert!(report.requests > 4 && report.total.wiped, "{report:?}");
    assert_eq!(waiting(&district), 170);
    assert_eq!(left(&district, "official"), [""; 0]);
}

#[test]
fn nothing_is_wiped_before_its_receipt_came() {
    let district = District::new();
    let (head, way) = district.phone("head");
    record(&head, 5);
    district.end(&head, End::Revoked);
    for weather in [
        Weather::NoSignal,
        Weather::AnswerLost,
        Weather::Cut,
        Weather::Stranger(200, "text/html", "<html>Wi-Fi</html>"),
    ] {
        district.trouble(&head, &way, weather.clone());
        assert_eq!(head.status().unwrap().pending, 5, "{weather:?}");
        assert!(left(&district, "head").contains(&""), "{weather:?}");
    }
    // What is recorded while the request is on its way is delivered, too, before anything is wiped.
    let request = head.next_request().unwrap();
    record(&head, 1);
    let answer = district.answer(&way, request);
    let step = head.receive(answer).unwrap();
    assert!(!step.wiped && head.status().unwrap().pending == 6);
    drop(head);
    let head = district.reopen("head");
    assert!(district.sync(&head, &way).unwrap().total.wiped);
    assert_eq!(waiting(&district), 6);
}
