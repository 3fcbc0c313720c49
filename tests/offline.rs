//! Stories of what changed while a phone was offline: it delivers all it has, what its account could write on the date
//! of the record is merged, the rest waits for the official now responsible, and the phone says what happened.

use jiff::civil::date;
use langso_server::policy::Role;
use langso_server::realm;

use crate::harness::office::Office;

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
    let status = phone.replica.status().unwrap();
    assert_eq!((status.unsent, status.refused), (1, 1), "the phone says so");
    let rows: Vec<_> = phone.rows().into_iter().map(|row| row.id).collect();
    assert!(rows.contains(&after), "and keeps what it has");
    let merged = office.app.store().read_blocking(|conn| {
        conn.query_row("SELECT record FROM assistance", [], |row| {
            row.get::<_, [u8; 16]>(0)
        })
    });
    assert_eq!(merged.unwrap(), before.to_bytes());
}
