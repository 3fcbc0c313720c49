//! What every local store must do: one suite, run on each of them.
//!
//! `make` gives an empty store, `reopen` gives it back as a new process would find it.

use std::collections::BTreeMap;

use super::{
    Confirmed, Credentials, DocumentUpdate, ListPlace, ListQuery, LocalStore, Offer, OwnChange, Pending,
    Refused, SavedEdit, StoredChange, StoredDocument, SyncState, Update,
};
use crate::digest::DigestSum;
use crate::ids::{AccountId, ChangeHash, DeviceId, DocumentId, Month, RecordId, UnitId};
use crate::projection::RowChange;
use crate::record::{Assistance, Conflict, ConflictValue, Scalar};
use crate::seal::{KeySeed, RecordKey};
use crate::signature::DeviceKey;

/// Runs every case; panics at the first that fails, with its name.
pub fn check<S: LocalStore>(mut make: impl FnMut() -> S, reopen: impl Fn(S) -> S) {
    type Case<S> = for<'a, 'b> fn(&'a mut Subject<'b, S>);
    let cases: [(&str, Case<S>); 14] = [
        ("credentials are kept", credentials_are_kept),
        (
            "what is unsent is told by record",
            what_is_unsent_is_told_by_record,
        ),
        ("an empty store is empty", an_empty_store_is_empty),
        ("a saved edit survives", a_saved_edit_survives),
        ("changes keep their order", changes_keep_their_order),
        (
            "a receipt confirms and drops the seed",
            a_receipt_confirms_and_drops_the_seed,
        ),
        ("a refused change stays", a_refused_change_stays),
        (
            "a change is written again in place of another",
            a_change_is_written_again_in_place_of_another,
        ),
        (
            "own changes are kept to be offered again",
            own_changes_are_kept_to_be_offered_again,
        ),
        (
            "a snapshot replaces confirmed changes alone",
            a_snapshot_replaces_confirmed_changes_alone,
        ),
        (
            "the first key wins and an erased one is gone for good",
            keys_are_kept_and_erased,
        ),
        (
            "a document with pending changes is not forgotten",
            a_document_with_pending_changes_is_not_forgotten,
        ),
        (
            "a document that is to be offered again is not forgotten",
            a_document_that_is_to_be_offered_again_is_not_forgotten,
        ),
        (
            "lists are newest first and filtered",
            lists_are_newest_first_and_filtered,
        ),
    ];
    for (name, case) in cases {
        let mut subject = Subject {
            store: Some(make()),
            reopen: &reopen,
            name,
        };
        case(&mut subject);
    }
}

/// The store under test.
struct Subject<'a, S> {
    store: Option<S>,
    reopen: &'a dyn Fn(S) -> S,
    name: &'static str,
}

impl<S: LocalStore> Subject<'_, S> {
    #[expect(clippy::expect_used, reason = "a suite panics where a case fails")]
    fn store(&mut self) -> &mut S {
        self.store
            .as_mut()
            .expect("the store is only away while it is reopened")
    }

    fn reopen(&mut self) {
        self.store = self.store.take().map(self.reopen);
    }

    #[expect(clippy::expect_used, reason = "a suite panics where a case fails")]
    fn ok<T>(&self, result: Result<T, S::Error>) -> T {
        result.expect(self.name)
    }

    fn save(&mut self, document: DocumentId, n: u8) {
        let edit = edit(document, n);
        let saved = self.store().save_edit(&edit);
        self.ok(saved);
    }

    fn apply(&mut self, update: &Update) {
        let applied = self.store().apply(update);
        self.ok(applied);
    }

    fn document(&mut self, id: DocumentId) -> Option<StoredDocument> {
        let found = self.store().document(id);
        self.ok(found)
    }

    fn list(&mut self, query: ListQuery) -> Vec<RecordId> {
        let rows = self.store().assistances(query);
        self.ok(rows).into_iter().map(|row| row.id).collect()
    }

    fn key(&mut self, n: u8) -> Option<RecordKey> {
        let key = self.store().key(record(n));
        self.ok(key)
    }
}

fn ledger(n: u64) -> DocumentId {
    DocumentId::ledger(UnitId::from_parts(n, 0), Month(58))
}

fn record(n: u8) -> RecordId {
    RecordId::from_parts(1, n.into())
}

fn hash(n: u8) -> ChangeHash {
    ChangeHash([n; 32])
}

fn row(document: DocumentId, n: u8, occurred_at_ms: i64) -> Assistance {
    Assistance {
        id: record(n),
        document,
        occurred_at_ms,
        category: "c".to_owned(),
        procedure: None,
        channel: "c".to_owned(),
        outcome: "o".to_owned(),
        people: 1,
        minutes: None,
        satisfaction: Some(5),
        recorded_by: AccountId::from_parts(1, 1),
        device: DeviceId::from_parts(1, 1),
        recorded_at_ms: 1,
        retraction: None,
        sealed: BTreeMap::new(),
        unknown: BTreeMap::from([("later".to_owned(), Scalar::Int(-3))]),
        conflicts: Vec::new(),
    }
}

fn edit(document: DocumentId, n: u8) -> SavedEdit {
    let pending = Pending {
        record: record(n),
        made_at_ms: i64::from(n),
        refused: None,
    };
    SavedEdit {
        document,
        change: StoredChange {
            hash: hash(n),
            bytes: vec![n; 5],
            pending: Some(pending),
        },
        seed: KeySeed::from_bytes([7; 32]),
        key: Some(RecordKey::from_bytes([n; 32])),
        rows: vec![RowChange::Assistance(Box::new(row(document, n, i64::from(n))))],
    }
}

fn update_of(id: DocumentId) -> DocumentUpdate {
    DocumentUpdate::of(id)
}

fn receipt(n: u8) -> Confirmed {
    Confirmed {
        hash: hash(n),
        record: record(n),
        position: Some(n.into()),
        at_ms: n.into(),
    }
}

/// The change of [`edit`], set aside.
fn aside(n: u8, verdict: Option<&str>) -> StoredChange {
    let refused = Refused {
        code: "why".to_owned(),
        shown: Some(RowChange::from(row(ledger(1), n, 5))),
        verdict: verdict.map(str::to_owned),
    };
    StoredChange {
        hash: hash(n),
        bytes: vec![n; 5],
        pending: Some(Pending {
            record: record(n),
            made_at_ms: n.into(),
            refused: Some(refused),
        }),
    }
}

fn update(documents: Vec<DocumentUpdate>) -> Update {
    Update {
        documents,
        ..Update::default()
    }
}

fn an_empty_store_is_empty<S: LocalStore>(subject: &mut Subject<'_, S>) {
    let state = subject.store().state();
    assert_eq!(subject.ok(state), SyncState::default());
    let documents = subject.store().documents();
    assert!(subject.ok(documents).is_empty());
    assert_eq!(subject.document(ledger(1)), None);
    assert!(subject.list(ListQuery::default()).is_empty());
    assert_eq!(subject.key(1), None);
}

fn a_saved_edit_survives<S: LocalStore>(subject: &mut Subject<'_, S>) {
    subject.save(ledger(1), 1);
    subject.save(ledger(2), 2);
    subject.reopen();
    let stored = subject.document(ledger(1)).unwrap_or_default();
    assert_eq!(stored.changes, [edit(ledger(1), 1).change]);
    assert_eq!(stored.seed, Some(KeySeed::from_bytes([7; 32])));
    assert_eq!(subject.key(1), Some(RecordKey::from_bytes([1; 32])));
    let of = subject.store().document_of(record(2));
    assert_eq!(subject.ok(of), Some(ledger(2)));
    let documents = subject.store().documents();
    let documents = subject.ok(documents);
    assert_eq!(documents.len(), 2);
    assert!(
        documents
            .iter()
            .all(|summary| summary.pending == 1 && summary.digest == DigestSum::default())
    );
    let rows = subject.store().assistances(ListQuery::default());
    assert_eq!(subject.ok(rows), [row(ledger(2), 2, 2), row(ledger(1), 1, 1)]);
}

fn credentials_are_kept<S: LocalStore>(subject: &mut Subject<'_, S>) {
    let found = subject.store().credentials();
    assert!(subject.ok(found).is_none());
    let mut credentials = Credentials {
        key: DeviceKey::from_seed([4; 32]),
        enrolment: None,
        access_token: None,
    };
    for token in [None, Some("a"), Some("b"), None] {
        credentials.access_token = token.map(str::to_owned);
        let kept = subject.store().keep_credentials(&credentials);
        subject.ok(kept);
        subject.reopen();
        let found = subject.store().credentials();
        let found = subject.ok(found);
        let found = found.map(|found| (found.key.to_seed(), found.access_token));
        assert_eq!(found, Some(([4; 32], credentials.access_token.clone())));
    }
}

fn what_is_unsent_is_told_by_record<S: LocalStore>(subject: &mut Subject<'_, S>) {
    for n in 1..=3 {
        subject.save(ledger(1), n);
    }
    subject.apply(&update(vec![DocumentUpdate {
        confirmed: vec![receipt(1)],
        pending: vec![aside(2, None)],
        ..update_of(ledger(1))
    }]));
    let unsent = subject.store().unsent();
    let expected = BTreeMap::from([(record(2), Some("why".to_owned())), (record(3), None)]);
    assert_eq!(subject.ok(unsent), expected);
}

fn changes_keep_their_order<S: LocalStore>(subject: &mut Subject<'_, S>) {
    subject.save(ledger(1), 9);
    let came = DocumentUpdate {
        new: vec![(hash(4), vec![4]), (hash(3), vec![3])],
        ..update_of(ledger(1))
    };
    subject.apply(&update(vec![came]));
    subject.save(ledger(1), 1);
    subject.reopen();
    let stored = subject.document(ledger(1)).unwrap_or_default();
    let order: Vec<ChangeHash> = stored.changes.iter().map(|change| change.hash).collect();
    assert_eq!(order, [hash(9), hash(4), hash(3), hash(1)]);
}

fn a_receipt_confirms_and_drops_the_seed<S: LocalStore>(subject: &mut Subject<'_, S>) {
    subject.save(ledger(1), 1);
    subject.save(ledger(1), 2);
    let receipt = |n| DocumentUpdate {
        confirmed: vec![receipt(n)],
        confirmed_heads: vec![hash(n)],
        ..update_of(ledger(1))
    };
    let state = SyncState {
        clock_offset_ms: -5,
        last_receipt_ms: Some(7),
        complete: true,
        ..SyncState::default()
    };
    subject.apply(&Update {
        state: state.clone(),
        documents: vec![receipt(1)],
        ..Update::default()
    });
    subject.reopen();
    let kept = subject.store().state();
    assert_eq!(subject.ok(kept), state);
    let stored = subject.document(ledger(1)).unwrap_or_default();
    let pending: Vec<bool> = stored
        .changes
        .iter()
        .map(|change| change.pending.is_some())
        .collect();
    assert_eq!(pending, [false, true]);
    assert!(stored.seed.is_some(), "something is pending still");
    subject.apply(&update(vec![receipt(2)]));
    let stored = subject.document(ledger(1)).unwrap_or_default();
    assert_eq!((stored.seed, stored.confirmed_heads), (None, vec![hash(2)]));
    assert_eq!(
        subject.key(1),
        Some(RecordKey::from_bytes([1; 32])),
        "the record's own key stays"
    );
    let documents = subject.store().documents();
    let digest = subject.ok(documents).first().map(|summary| summary.digest);
    assert_eq!(digest, Some(DigestSum::of_document(&ledger(1), &[hash(2)])));
}

fn a_refused_change_stays<S: LocalStore>(subject: &mut Subject<'_, S>) {
    subject.save(ledger(1), 1);
    subject.save(ledger(1), 2);
    let refusal = DocumentUpdate {
        pending: vec![aside(1, None)],
        rows_gone: vec![record(1)],
        ..update_of(ledger(1))
    };
    subject.apply(&update(vec![refusal]));
    subject.reopen();
    let listed = subject.store().aside();
    assert_eq!(subject.ok(listed), [(ledger(1), aside(1, None))]);
    assert_eq!(subject.list(ListQuery::default()), [record(2)]);
    let documents = subject.store().documents();
    let counts = subject
        .ok(documents)
        .first()
        .map(|summary| (summary.pending, summary.refused));
    assert_eq!(counts, Some((1, 1)));
    // A snapshot takes its place beside it, a verdict is written down, and it is still there.
    let later = DocumentUpdate {
        snapshot: Some(vec![1]),
        pending: vec![aside(1, Some("no"))],
        ..update_of(ledger(1))
    };
    subject.apply(&update(vec![later]));
    let documents = subject.store().documents();
    let counts = subject
        .ok(documents)
        .first()
        .map(|summary| (summary.pending, summary.refused));
    assert_eq!(counts, Some((1, 0)), "nobody waits for it any longer");
    let listed = subject.store().aside();
    assert_eq!(subject.ok(listed), [(ledger(1), aside(1, Some("no")))]);
    // It comes down all the same: then it is a change like any other, after what it stands on.
    let released = DocumentUpdate {
        new: vec![(hash(7), vec![7]), (hash(1), vec![1; 5])],
        ..update_of(ledger(1))
    };
    subject.apply(&update(vec![released]));
    let stored = subject.document(ledger(1)).unwrap_or_default();
    let order: Vec<(ChangeHash, bool)> = stored
        .changes
        .iter()
        .map(|change| (change.hash, change.pending.is_some()))
        .collect();
    assert_eq!(order, [(hash(2), true), (hash(7), false), (hash(1), false)]);
}

fn a_change_is_written_again_in_place_of_another<S: LocalStore>(subject: &mut Subject<'_, S>) {
    subject.save(ledger(1), 1);
    subject.save(ledger(1), 2);
    let again = |n: u8| StoredChange {
        pending: edit(ledger(1), n).change.pending,
        ..edit(ledger(1), n + 10).change
    };
    let rebase = DocumentUpdate {
        dropped: vec![hash(1), hash(2)],
        new: vec![(hash(5), vec![5])],
        pending: vec![again(1), again(2)],
        ..update_of(ledger(1))
    };
    subject.apply(&update(vec![rebase]));
    subject.reopen();
    let stored = subject.document(ledger(1)).unwrap_or_default();
    let order: Vec<ChangeHash> = stored.changes.iter().map(|change| change.hash).collect();
    assert_eq!(order, [hash(5), hash(11), hash(12)]);
    // What is dropped may have been in another document.
    let refiled = DocumentUpdate {
        dropped: vec![hash(11)],
        pending: vec![again(3)],
        ..update_of(ledger(2))
    };
    subject.apply(&update(vec![refiled]));
    let stored = subject.document(ledger(1)).unwrap_or_default();
    let order: Vec<ChangeHash> = stored.changes.iter().map(|change| change.hash).collect();
    assert_eq!(order, [hash(5), hash(12)]);
    assert_eq!(
        subject.document(ledger(2)).unwrap_or_default().changes,
        [again(3)]
    );
}

fn own_changes_are_kept_to_be_offered_again<S: LocalStore>(subject: &mut Subject<'_, S>) {
    for n in 1..=3 {
        subject.save(ledger(1), n);
    }
    let receipts = DocumentUpdate {
        confirmed: vec![
            receipt(1),
            receipt(2),
            Confirmed {
                position: None,
                ..receipt(3)
            },
        ],
        ..update_of(ledger(1))
    };
    subject.apply(&update(vec![receipts]));
    let offering = subject.store().offering();
    assert!(subject.ok(offering).is_empty());
    subject.apply(&Update {
        offer: Some(Offer::After(1)),
        ..Update::default()
    });
    subject.reopen();
    let offering = subject.store().offering();
    assert_eq!(subject.ok(offering), [ledger(1)]);
    let own = subject.store().own(ledger(1));
    let offered: Vec<bool> = subject.ok(own).iter().map(|own| own.offered).collect();
    assert_eq!(offered, [false, true, true]);
    // A receipt answers it; what is written again or too old is kept no longer.
    let answered = DocumentUpdate {
        confirmed: vec![receipt(3)],
        dropped: vec![hash(2)],
        ..update_of(ledger(1))
    };
    subject.apply(&Update {
        forget_own_before_ms: Some(2),
        ..update(vec![answered])
    });
    let own = subject.store().own(ledger(1));
    let left: Vec<OwnChange> = subject.ok(own);
    let third = OwnChange {
        hash: hash(3),
        record: record(3),
        offered: false,
    };
    assert_eq!(left, [third]);
    let changes = subject.document(ledger(1)).unwrap_or_default().changes;
    assert_eq!(changes.len(), 3, "the changes themselves are confirmed and stay");
}

fn a_snapshot_replaces_confirmed_changes_alone<S: LocalStore>(subject: &mut Subject<'_, S>) {
    subject.save(ledger(1), 1);
    subject.save(ledger(1), 2);
    let came = DocumentUpdate {
        new: vec![(hash(3), vec![3])],
        ..update_of(ledger(1))
    };
    subject.apply(&update(vec![came]));
    let snapshot = DocumentUpdate {
        confirmed: vec![receipt(1)],
        snapshot: Some(vec![0xaa; 9]),
        new: vec![(hash(4), vec![4])],
        ..update_of(ledger(1))
    };
    subject.apply(&update(vec![snapshot]));
    subject.reopen();
    let stored = subject.document(ledger(1)).unwrap_or_default();
    assert_eq!(stored.snapshot, Some(vec![0xaa; 9]));
    let left: Vec<ChangeHash> = stored.changes.iter().map(|change| change.hash).collect();
    assert_eq!(left, [hash(2), hash(4)]);
}

fn keys_are_kept_and_erased<S: LocalStore>(subject: &mut Subject<'_, S>) {
    let keys = |n: u8| Update {
        keys: vec![(record(1), RecordKey::from_bytes([n; 32]))],
        ..Update::default()
    };
    subject.apply(&keys(1));
    subject.apply(&keys(2));
    assert_eq!(subject.key(1), Some(RecordKey::from_bytes([1; 32])));
    subject.apply(&Update {
        erased: vec![record(1)],
        ..Update::default()
    });
    subject.apply(&keys(3));
    subject.reopen();
    assert_eq!(subject.key(1), None);
}

fn a_document_with_pending_changes_is_not_forgotten<S: LocalStore>(subject: &mut Subject<'_, S>) {
    subject.save(ledger(1), 1);
    subject.save(ledger(2), 2);
    let receipt = DocumentUpdate {
        confirmed: vec![receipt(2)],
        ..update_of(ledger(2))
    };
    subject.apply(&Update {
        gone: vec![ledger(1), ledger(2), ledger(3)],
        ..update(vec![receipt])
    });
    subject.reopen();
    assert_eq!(subject.document(ledger(2)), None);
    assert_eq!(subject.key(2), None);
    assert_eq!(subject.document(ledger(1)).unwrap_or_default().changes.len(), 1);
    assert_eq!(subject.list(ListQuery::default()), [record(1)]);
}

fn a_document_that_is_to_be_offered_again_is_not_forgotten<S: LocalStore>(subject: &mut Subject<'_, S>) {
    subject.save(ledger(1), 1);
    let delivered = DocumentUpdate {
        confirmed: vec![receipt(1)],
        ..update_of(ledger(1))
    };
    subject.apply(&update(vec![delivered.clone()]));
    // A server that was restored may have lost it, and does not know the right to read it either.
    subject.apply(&Update {
        offer: Some(Offer::All),
        gone: vec![ledger(1)],
        ..Update::default()
    });
    subject.reopen();
    assert_eq!(subject.document(ledger(1)).unwrap_or_default().changes.len(), 1);
    assert!(subject.key(1).is_some());
    let offering = subject.store().offering();
    assert_eq!(subject.ok(offering), [ledger(1)]);
    subject.apply(&Update {
        gone: vec![ledger(1)],
        ..update(vec![delivered])
    });
    assert_eq!(subject.document(ledger(1)), None, "it has its receipt again");
}

fn lists_are_newest_first_and_filtered<S: LocalStore>(subject: &mut Subject<'_, S>) {
    let conflict = Conflict {
        field: "outcome".to_owned(),
        values: [1, 2]
            .map(|n| ConflictValue {
                value: Scalar::Int(n),
                by: AccountId::from_parts(1, 1),
                at_ms: n,
                change: [0; 32],
            })
            .to_vec(),
    };
    let mut rows = vec![
        row(ledger(1), 1, 30),
        row(ledger(1), 2, 10),
        row(ledger(2), 3, 20),
        row(ledger(2), 4, 20),
    ];
    if let Some(row) = rows.get_mut(1) {
        row.conflicts.push(conflict);
    }
    for row in rows {
        let update_row = DocumentUpdate {
            rows: vec![RowChange::Assistance(Box::new(row.clone()))],
            ..update_of(row.document)
        };
        subject.apply(&update(vec![update_row]));
    }
    subject.reopen();
    let all = ListQuery::default();
    assert_eq!(subject.list(all), [1, 4, 3, 2].map(record));
    assert_eq!(
        subject.list(ListQuery {
            unit: Some(ledger(2).unit()),
            ..all
        }),
        [4, 3].map(record)
    );
    assert_eq!(
        subject.list(ListQuery {
            from_ms: Some(20),
            until_ms: Some(30),
            ..all
        }),
        [4, 3].map(record)
    );
    assert_eq!(
        subject.list(ListQuery {
            in_conflict: Some(true),
            ..all
        }),
        [record(2)]
    );
    assert_eq!(
        subject.list(ListQuery {
            limit: Some(2),
            ..all
        }),
        [1, 4].map(record)
    );
    let after = |n, at_ms| ListQuery {
        after: Some(ListPlace {
            at_ms,
            record: record(n),
        }),
        ..all
    };
    assert_eq!(subject.list(after(4, 20)), [3, 2].map(record));
    assert_eq!(subject.list(after(2, 10)), []);
}
