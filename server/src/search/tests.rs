use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};
use sync_core::ids::{AccountId, Class, DeviceId, DocumentId, Month, RecordId, UnitId};
use sync_core::projection::RowChange;
use sync_core::record::Assistance;
use sync_core::seal::{RecordKey, SealedField, seal};

use super::*;
use crate::policy::{Grant, Permit, Read, Role, console, read_records};
use crate::records::Filter;
use crate::store::migrate;
use crate::tree::{Tree, Unit};
use crate::{realm, rows};

const HUNG: u64 = 11;
const HUNG_GRAVE: u64 = 12;

fn unit(n: u64) -> UnitId {
    UnitId::from_parts(n, 0)
}

/// Two communes whose names fold to the same, with a hamlet each, and a procedure.
fn realm_of_two() -> Connection {
    let mut conn = Connection::open_in_memory().unwrap();
    migrate(&mut conn).unwrap();
    for (id, level, name, parent) in [
        (1, "district", "Huyện Vĩnh Lộc", None),
        (2, "commune", "Xã Vĩnh Hưng", Some(1)),
        (3, "commune", "Xã Vĩnh Hùng", Some(1)),
        (HUNG, "hamlet", "Thôn Bái Xuân", Some(2)),
        (HUNG_GRAVE, "hamlet", "Thôn Đồng Mực", Some(3)),
    ] {
        conn.execute("INSERT INTO unit VALUES (?)", [unit(id).to_bytes()])
            .unwrap();
        let parent = parent.map(|parent| unit(parent).to_bytes());
        conn.execute(
            "INSERT INTO unit_period VALUES (?, '2024-01-01', NULL, ?, '', ?, ?)",
            params![unit(id).to_bytes(), level, name, parent],
        )
        .unwrap();
    }
    let sql = "INSERT INTO catalogue (kind, code, record, name_vi) VALUES
                 ('procedure', '1.004227', zeroblob(16), 'Đăng ký tạm trú'),
                 ('category', 'thanh_toan', x'01', 'Thanh toán không tiền mặt')";
    conn.execute_batch(sql).unwrap();
    conn
}

/// What [`help`] was given for a record.
fn number(id: RecordId) -> u64 {
    let [.., a, b] = u64::from_be_bytes(id.to_bytes()[..8].try_into().unwrap()).to_be_bytes()[..6] else {
        panic!()
    };
    u16::from_be_bytes([a, b]).into()
}

fn master() -> MasterKey {
    MasterKey::from_bytes([3; 32])
}

fn document(of: u64) -> DocumentId {
    DocumentId::new(Class::Ledger, unit(of), Some(Month(58))).unwrap()
}

/// A record of a hamlet, with citizens' data under a key of its own.
fn help(n: u64, of: u64, personal: &[(SealedField, &str)]) -> Assistance {
    let (id, key) = (RecordId::from_parts(n, 0), RecordKey::from_bytes([n as u8; 32]));
    let seal =
        |(field, text): &(SealedField, &str)| (*field, seal(&key, &document(of), id, *field, text).unwrap());
    Assistance {
        id,
        document: document(of),
        occurred_at_ms: 1_731_049_200_000 + n as i64,
        category: "dich_vu_cong".into(),
        procedure: None,
        channel: "tai_nha".into(),
        outcome: "hoan_thanh".into(),
        people: 1,
        minutes: None,
        satisfaction: None,
        recorded_by: AccountId::from_parts(1, 1),
        device: DeviceId::from_parts(1, 1),
        recorded_at_ms: 0,
        retraction: None,
        sealed: personal.iter().map(seal).collect(),
        unknown: BTreeMap::new(),
        conflicts: Vec::new(),
    }
}

fn put(conn: &mut Connection, row: &Assistance) {
    let (id, tx) = (row.id, conn.transaction().unwrap());
    let at = row.document.unit().to_bytes();
    tx.execute(
        "INSERT OR IGNORE INTO scope (unit, class) VALUES (?, ?)",
        params![at, Class::Ledger.code()],
    )
    .unwrap();
    tx.execute(
        "INSERT OR IGNORE INTO document (scope, period, heads, changes, position)
         SELECT id, 58, x'', 0, 0 FROM scope WHERE unit = ?",
        [at],
    )
    .unwrap();
    let sql = "SELECT d.id FROM document d JOIN scope s ON s.id = d.scope WHERE s.unit = ?";
    let document: i64 = tx.query_row(sql, [at], |row| row.get(0)).unwrap();
    let n = number(id) as u8;
    tx.execute(
        "INSERT OR IGNORE INTO record_key VALUES (?, ?, 1, ?)",
        params![
            id.to_bytes(),
            document,
            master().wrap(&RecordKey::from_bytes([n; 32]), id)
        ],
    )
    .unwrap();
    rows::put(&tx, document, &[RowChange::from(row.clone())]).unwrap();
    index::put(&tx, &Blinder::of(&master()), id).unwrap();
    tx.commit().unwrap();
    assert!(index::is_whole(conn, &Blinder::of(&master())).unwrap());
}

#[test]
fn what_is_due_is_found_once_the_index_has_caught_up() {
    let (mut conn, blinder) = (realm_of_two(), Blinder::of(&master()));
    let row = |n| help(n, HUNG, &[(SealedField::CitizenName, "Nguyễn Văn An")]);
    for n in 1..=3 {
        put(&mut conn, &row(n));
    }
    // One that is as it was, one that is not, and one that nobody knows.
    let tx = conn.transaction().unwrap();
    for n in [1, 2, 9] {
        index::note(&tx, RecordId::from_parts(n, 0)).unwrap();
    }
    tx.execute(
        "UPDATE assistance SET category = 'thanh_toan' WHERE record = ?",
        [RecordId::from_parts(2, 0).to_bytes()],
    )
    .unwrap();
    tx.commit().unwrap();
    assert!(index::is_due(&conn).unwrap());
    assert!(
        index::is_whole(&conn, &blinder).unwrap(),
        "what is due is not wrong"
    );
    assert!(!found(&conn, "thanh toan").iter().any(|(n, _)| *n == 2));

    let tx = conn.transaction().unwrap();
    assert_eq!(index::put_due(&tx, &blinder, 2).unwrap(), 2, "a part at a time");
    assert_eq!(index::put_due(&tx, &blinder, 2).unwrap(), 1);
    assert_eq!(index::put_due(&tx, &blinder, 2).unwrap(), 0);
    tx.commit().unwrap();
    assert!(!index::is_due(&conn).unwrap());
    assert!(index::is_whole(&conn, &blinder).unwrap());
    assert!(found(&conn, "thanh toan").iter().any(|(n, _)| *n == 2));
}

fn everybody() -> Permit<Read> {
    console([1, 2, 3, HUNG, HUNG_GRAVE].map(unit)).to_read()
}

fn places(conn: &Connection, permit: &Permit<Read>, text: &str, filter: &Filter) -> Vec<(u64, Fit)> {
    let blinder = Blinder::of(&master());
    let query = (&Words::of(text).unwrap(), Depth::Personal(&blinder));
    let found = records(conn, CaughtUp::by_hand(), permit, query, filter, None, 50).unwrap();
    found
        .iter()
        .map(|found| (number(found.row.id), found.place.fit()))
        .collect()
}

fn found(conn: &Connection, text: &str) -> Vec<(u64, Fit)> {
    places(conn, &everybody(), text, &Filter::default())
}

#[test]
fn a_text_is_words_and_a_long_number_is_one() {
    let count = |text: &str| Words::of(text).map(|words| words.count());
    assert_eq!(count("Nguyễn Văn A"), Ok(3));
    assert_eq!(count(" — \u{200b} "), Err(NoWords));
    assert_eq!(count(&"a ".repeat(13)), Err(NoWords));
    assert_eq!(count(&"a".repeat(1_025)), Err(NoWords));
    for number in [
        "0912345678",
        "0912 345 678",
        "0912.345.678",
        "+84 912-345-678",
        "84912345678",
    ] {
        assert_eq!(terms(number), terms("0912345678"), "{number}");
    }
    assert_eq!(count("038 204 001 234"), Ok(1));
    assert_eq!(count("12/03/1990"), Ok(3), "a date is no number");
    assert_eq!(count("thôn 3"), Ok(2));
}

#[test]
fn words_are_never_printed() {
    assert_eq!(format!("{:?}", Words::of("Nguyễn Thị Lan").unwrap()), "Words(3)");
    assert_eq!(format!("{:?}", Blinder::of(&master())), "Blinder(secret)");
}

#[test]
fn a_citizen_is_found_without_signs_and_first_with_them() {
    let mut conn = realm_of_two();
    put(
        &mut conn,
        &help(1, HUNG, &[(SealedField::CitizenName, "Nguyễn Văn Hùng")]),
    );
    put(
        &mut conn,
        &help(2, HUNG, &[(SealedField::CitizenName, "Nguyễn Văn Hưng")]),
    );
    put(
        &mut conn,
        &help(3, HUNG_GRAVE, &[(SealedField::CitizenName, "Trần Thị Đào")]),
    );
    assert_eq!(
        found(&conn, "nguyen van hung"),
        [(2, Fit::Folded), (1, Fit::Folded)]
    );
    assert_eq!(
        found(&conn, "Nguyễn Văn Hùng"),
        [(1, Fit::Exact), (2, Fit::Folded)]
    );
    assert_eq!(found(&conn, "dao tran"), [(3, Fit::Folded)], "in any order");
    assert_eq!(found(&conn, "nguyen dao"), [], "every word has to fit");
    assert_eq!(found(&conn, "nguye"), [], "a part of a word is none");
}

#[test]
fn numbers_and_notes_are_searched_as_well() {
    let mut conn = realm_of_two();
    let personal = [
        (SealedField::CitizenPhone, "0912 345 678"),
        (SealedField::CitizenId, "038204001234"),
        (SealedField::Note, "Hẹn bà Lan chiều thứ sáu, mang sổ hộ khẩu"),
    ];
    put(&mut conn, &help(1, HUNG, &personal));
    for text in [
        "0912.345.678",
        "+84912345678",
        "038 204 001 234",
        "so ho khau",
        "ba lan",
    ] {
        assert_eq!(found(&conn, text).len(), 1, "{text}");
    }
    assert_eq!(found(&conn, "0912345679"), []);
}

#[test]
fn a_record_is_found_by_hamlet_commune_procedure_and_category() {
    let mut conn = realm_of_two();
    let mut one = help(1, HUNG, &[]);
    one.procedure = Some("1.004227".into());
    put(&mut conn, &one);
    let mut two = help(2, HUNG_GRAVE, &[]);
    two.category = "thanh_toan".into();
    put(&mut conn, &two);
    assert_eq!(found(&conn, "vinh hung"), [(2, Fit::Folded), (1, Fit::Folded)]);
    assert_eq!(found(&conn, "Vĩnh Hưng"), [(1, Fit::Exact), (2, Fit::Folded)]);
    assert_eq!(found(&conn, "bai xuan"), [(1, Fit::Folded)]);
    assert_eq!(found(&conn, "dang ky tam tru"), [(1, Fit::Folded)]);
    assert_eq!(found(&conn, "1.004227"), [(1, Fit::Exact)]);
    assert_eq!(found(&conn, "thanh toán"), [(2, Fit::Exact)]);
    assert_eq!(found(&conn, "thanh toan bai xuan"), []);
    assert_eq!(
        found(&conn, "vinh loc"),
        [],
        "the district is above every commune: it tells nothing"
    );
}

#[test]
fn a_renamed_or_merged_hamlet_is_found_by_all_its_names_without_indexing_again() {
    let mut conn = realm_of_two();
    put(&mut conn, &help(1, HUNG, &[]));
    let ended = "UPDATE unit_period SET valid_to = '2025-01-01' WHERE unit = ?1";
    conn.execute(ended, [unit(HUNG).to_bytes()]).unwrap();
    let renamed =
        "INSERT INTO unit_period SELECT unit, '2025-01-01', '2025-07-01', level, code, 'Thôn Đa Bút', parent
                   FROM unit_period WHERE unit = ?1";
    conn.execute(renamed, [unit(HUNG).to_bytes()]).unwrap();
    conn.execute(
        "INSERT INTO unit_successor VALUES (?, ?, '2025-07-01')",
        params![unit(HUNG).to_bytes(), unit(HUNG_GRAVE).to_bytes()],
    )
    .unwrap();
    assert_eq!(found(&conn, "bai xuan"), [(1, Fit::Folded)]);
    assert_eq!(found(&conn, "da but"), [(1, Fit::Folded)]);
    assert_eq!(
        found(&conn, "dong muc"),
        [(1, Fit::Folded)],
        "by who inherited it"
    );
}

#[test]
fn a_record_that_changes_is_found_as_it_is_now() {
    let mut conn = realm_of_two();
    put(
        &mut conn,
        &help(1, HUNG, &[(SealedField::CitizenName, "Nguyễn Thị Lan")]),
    );
    put(
        &mut conn,
        &help(1, HUNG, &[(SealedField::CitizenName, "Nguyễn Thị Liên")]),
    );
    assert_eq!((found(&conn, "lan").len(), found(&conn, "lien").len()), (0, 1));
    // Another one, and on another day.
    let mut later = help(1, HUNG, &[]);
    later.occurred_at_ms += 86_400_000;
    put(&mut conn, &later);
    assert_eq!(found(&conn, "lien"), []);
    assert_eq!(found(&conn, "bai xuan").len(), 1);
}

#[test]
fn whose_key_was_destroyed_is_found_by_what_is_clear_alone() {
    let mut conn = realm_of_two();
    let row = help(1, HUNG, &[(SealedField::CitizenName, "Nguyễn Thị Lan")]);
    put(&mut conn, &row);
    let tx = conn.transaction().unwrap();
    tx.execute("DELETE FROM record_key", []).unwrap();
    index::put(&tx, &Blinder::of(&master()), row.id).unwrap();
    tx.commit().unwrap();
    assert_eq!(
        (found(&conn, "lan").len(), found(&conn, "bai xuan").len()),
        (0, 1)
    );
    assert!(index::is_whole(&conn, &Blinder::of(&master())).unwrap());
}

#[test]
fn nobody_finds_what_the_permit_does_not_hold_for() {
    let mut conn = realm_of_two();
    put(
        &mut conn,
        &help(1, HUNG, &[(SealedField::CitizenName, "Nguyễn Thị Lan")]),
    );
    put(
        &mut conn,
        &help(2, HUNG_GRAVE, &[(SealedField::CitizenName, "Nguyễn Thị Lan")]),
    );
    let filter = Filter::default();
    let one = console([unit(HUNG)]).to_read();
    assert_eq!(places(&conn, &one, "lan", &filter), [(1, Fit::Exact)]);
    assert_eq!(places(&conn, &one, "dong muc", &filter), []);
    // Admins read records without citizens' data, and find none by it.
    let id = |n| Unit {
        id: unit(n),
        level: String::new(),
        code: String::new(),
        name: String::new(),
        parent: None,
    };
    let tree = Tree::new([id(HUNG), id(HUNG_GRAVE)]).unwrap();
    let sealed = read_records(&[Grant::new(unit(HUNG), Role::Admin)], &tree, None).unwrap();
    assert!(!sealed.personal());
    assert_eq!(places(&conn, &sealed, "lan", &filter), []);
    assert_eq!(places(&conn, &sealed, "bai xuan", &filter), [(1, Fit::Folded)]);
}

#[test]
fn a_list_goes_on_where_it_ended_across_exact_and_folded() {
    let mut conn = realm_of_two();
    for n in 1..=9 {
        let name = if n % 3 == 0 { "Lân" } else { "Lan" };
        put(&mut conn, &help(n, HUNG, &[(SealedField::CitizenName, name)]));
    }
    let (blinder, words) = (Blinder::of(&master()), Words::of("Lân").unwrap());
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let query = (&words, Depth::Personal(&blinder));
        let page = records(
            &conn,
            CaughtUp::by_hand(),
            &everybody(),
            query,
            &Filter::default(),
            after,
            2,
        )
        .unwrap();
        seen.extend(page.iter().map(|found| number(found.row.id)));
        let Some(last) = page.last() else { break };
        after = Place::open(&last.place.seal());
        assert_eq!(after, Some(last.place));
    }
    assert_eq!(seen, [9, 6, 3, 8, 7, 5, 4, 2, 1]);
    for bad in ["", "AA", "BAAAAAAAAAAA", "%"] {
        assert_eq!(Place::open(bad), None, "{bad}");
    }
}

#[test]
fn a_filter_holds_for_what_is_found() {
    let mut conn = realm_of_two();
    for n in 1..=4 {
        let mut row = help(n, HUNG, &[(SealedField::CitizenName, "Lan")]);
        row.outcome = if n % 2 == 0 {
            "hen_lai".into()
        } else {
            "hoan_thanh".into()
        };
        put(&mut conn, &row);
    }
    let of = |filter: &Filter| -> Vec<u64> {
        let found = places(&conn, &everybody(), "lan", filter);
        found.into_iter().map(|(n, _)| n).collect()
    };
    let outcome = Filter {
        outcome: Some("hen_lai".into()),
        ..Filter::default()
    };
    assert_eq!(of(&outcome), [4, 2]);
    let between = Filter {
        from_ms: Some(1_731_049_200_002),
        until_ms: Some(1_731_049_200_004),
        ..Filter::default()
    };
    assert_eq!(of(&between), [3, 2]);
}

#[test]
fn what_is_sealed_does_not_lie_in_the_index_and_two_realms_share_no_word() {
    let mut conn = realm_of_two();
    put(
        &mut conn,
        &help(1, HUNG, &[(SealedField::CitizenName, "Nguyễn Thị Lan")]),
    );
    let mut statement = conn.prepare("SELECT term FROM search_token").unwrap();
    let terms: BTreeSet<String> = statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    assert_eq!(terms.len(), 2 + 6);
    for word in ["nguyen", "nguyễn", "lan"] {
        assert!(terms.iter().all(|term| !term.contains(word)));
        let word = &Words::of(word).unwrap().terms[0];
        let other = Blinder::of(&MasterKey::from_bytes([4; 32]));
        assert!(!terms.contains(&other.token(Fit::Folded, word)));
    }
}

#[test]
fn units_procedures_and_directives_are_found_by_the_beginning_of_their_words() {
    let conn = realm_of_two();
    let known = BTreeSet::from([1, 2, 3, HUNG].map(unit));
    let names = |text: &str| -> Vec<String> {
        let found = names::units(&conn, &known, &Words::of(text).unwrap(), 10).unwrap();
        found.into_iter().map(|unit| unit.name).collect()
    };
    assert_eq!(names("vinh hung"), ["Xã Vĩnh Hưng", "Xã Vĩnh Hùng"]);
    assert_eq!(names("vĩnh hùng")[0], "Xã Vĩnh Hùng");
    assert_eq!(names("bai xu"), ["Thôn Bái Xuân"]);
    assert_eq!(names("dong muc"), [""; 0], "what may not be known does not exist");
    let found = names::procedures(&conn, &Words::of("tam tru").unwrap(), 10).unwrap();
    assert_eq!(found[0].code, "1.004227");
    let permit = everybody();
    let found = names::directives(&conn, &permit, &Words::of("ra quan").unwrap(), 10).unwrap();
    assert_eq!(found, []);
    assert_eq!(
        realm::tree(&conn, jiff::civil::date(2024, 6, 1))
            .unwrap()
            .units()
            .count(),
        5
    );
}
