//! Every local store passes the contract.

use sync_core::local_store::sqlite::{SqliteStore, StoreKey};
use sync_core::local_store::{LocalStore, MemoryStore, contract};

#[test]
fn the_store_in_memory_keeps_the_contract() {
    contract::check(MemoryStore::new, |store| store);
}

#[test]
fn the_store_on_disk_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let counter = std::cell::Cell::new(0);
    let path = || dir.path().join(format!("{}.db", counter.get()));
    let make = || {
        counter.set(counter.get() + 1);
        SqliteStore::open(&path()).unwrap()
    };
    let reopen = |store: SqliteStore| {
        drop(store);
        SqliteStore::open(&path()).unwrap()
    };
    contract::check(make, reopen);
}

#[test]
fn a_file_of_another_program_or_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("phone.db");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x)")
        .unwrap();
    assert_eq!(SqliteStore::open(&path).unwrap_err().code(), "store_foreign");
    let path = dir.path().join("newer.db");
    drop(SqliteStore::open(&path).unwrap());
    let raise = "UPDATE refinery_schema_history SET version = 9999 WHERE version = (SELECT max(version) FROM refinery_schema_history)";
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(raise)
        .unwrap();
    assert_eq!(SqliteStore::open(&path).unwrap_err().code(), "store_newer");
}

#[test]
fn sql_itself_refuses_to_delete_what_has_no_receipt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("phone.db");
    drop(SqliteStore::open(&path).unwrap());
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch(
        "INSERT INTO document (id, name, confirmed_heads) VALUES (1, 'ledger/00000000000000000000000000/2024-11', x'');
         INSERT INTO change (document, hash, bytes, record, made_at) VALUES (1, x'01', x'02', x'03', 4);",
    )
    .unwrap();
    let deleted = conn.execute("DELETE FROM change", []);
    assert!(deleted.unwrap_err().to_string().contains("without a receipt"));
    drop(conn);
    assert!(SqliteStore::open(&path).unwrap().documents().is_ok());
}

#[test]
fn a_store_is_one_replicas() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("phone.db");
    let first = SqliteStore::open(&path).unwrap();
    assert_eq!(SqliteStore::open(&path).unwrap_err().code(), "store_in_use");
    drop(first);
    assert!(SqliteStore::open(&path).is_ok());
}

#[test]
fn a_key_is_never_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("phone.db");
    match SqliteStore::open_encrypted(&path, &StoreKey::from_bytes([1; 32])) {
        // Which it is depends on the SQLite that this test is linked with.
        Err(refused) => assert_eq!(refused.code(), "store_no_cipher"),
        Ok(store) => drop(store),
    }
    assert!(!std::fs::read(&path).unwrap().starts_with(b"SQLite format 3"));
}
