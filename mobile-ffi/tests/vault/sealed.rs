//! The vault at rest.

use langso_mobile::{AssistanceFilter, Page, Vault};

use crate::district::{District, KEY, help, text};

/// Every byte that the vault has on disk, its write-ahead log included.
fn on_disk(district: &District, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for suffix in ["", "-wal", "-shm", "-journal"] {
        bytes.extend(std::fs::read(district.path(&format!("{name}{suffix}"))).unwrap_or_default());
    }
    bytes
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_vault_without_its_key_shows_no_plain_text() {
    let district = District::new();
    let (head, way) = district.phone("head");
    for n in 0..20 {
        head.record_assistance(help(&format!("Nguyễn Thị Lan {n}")))
            .unwrap();
    }
    let log = district.path("head-wal").metadata().unwrap();
    assert!(log.len() > 8192, "there is a write-ahead log to look at, too");
    for _ in 0..2 {
        let bytes = on_disk(&district, "head");
        // Each long enough not to be there by chance: names, codes, words of the schema and of SQL, the header of a file in the clear.
        for word in [
            "Nguyễn",
            "Thị Lan",
            "0912345678",
            "bảo hiểm",
            "dich_vu_cong",
            "hoan_thanh",
            "1.004194",
            "ledger",
            "CREATE",
            "record_key",
            "SQLite format",
            "Bearer",
            "eyJhbGci",
        ] {
            assert!(!holds(&bytes, word), "{word}");
        }
        district.sync(&head, &way).unwrap();
    }
}

#[test]
fn another_key_opens_nothing_and_harms_nothing() {
    let district = District::new();
    let (head, _) = district.phone("head");
    head.record_assistance(help("Lê Thị Hoa")).unwrap();
    drop(head);
    let before = on_disk(&district, "head");
    let path = text(&district.path("head"));
    let wrong = Vault::open(path.clone(), vec![8; 32]).unwrap_err();
    assert_eq!(wrong.to_string(), "damaged (store_wrong_key)");
    assert_eq!(Vault::open(path, vec![8; 5]).unwrap_err().code(), "key_length");
    assert_eq!(on_disk(&district, "head"), before);
    assert_eq!(district.reopen("head").status().unwrap().pending, 1);
}

#[test]
fn a_new_key_replaces_the_old_one() {
    let district = District::new();
    let (head, way) = district.phone("head");
    head.record_assistance(help("Lê Thị Hoa")).unwrap();
    head.rekey(vec![9; 32]).unwrap();
    drop(head);
    let path = text(&district.path("head"));
    let old = Vault::open(path.clone(), KEY.to_vec()).unwrap_err();
    assert_eq!(old.code(), "store_wrong_key");
    let head = Vault::open(path, vec![9; 32]).unwrap();
    assert_eq!(district.sync(&head, &way).unwrap().total.confirmed, 1);
    let page = head
        .assistances(AssistanceFilter::default(), Page::default())
        .unwrap();
    assert_eq!(page.items[0].citizen_name.as_deref(), Some("Lê Thị Hoa"));
}

#[test]
fn what_is_printed_of_a_vault_says_nothing_of_what_is_in_it() {
    let district = District::new();
    let (head, _) = district.phone("head");
    let id = head.record_assistance(help("Lê Thị Hoa")).unwrap();
    let row = head.assistance(id).unwrap().unwrap();
    let printed = format!(
        "{head:?} {row:?} {:?} {:?}",
        help("Lê Thị Hoa"),
        head.next_request().unwrap()
    );
    for secret in ["Lê Thị Hoa", "0912345678", "Bearer ", "[7, 7, 7"] {
        assert!(!printed.contains(secret), "{secret}");
    }
}
