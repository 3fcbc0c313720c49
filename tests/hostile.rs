//! Stories of hostile bytes: every lie that is known to break a merge library, sent over HTTP by an enrolled phone.
//!
//! Each is rebuilt on the genesis of a living document, with a right checksum, right dependencies and a right signature,
//! so that it reaches the rule that it is meant for – and each ends with the honest phones working on as if nothing had
//! been sent.

mod authority;
mod bodies;
mod counters;
mod directives;
mod graph;
mod proofs;
mod shape;

use sync_core::forge::{Forged, Id, Op};
use sync_core::protocol::Receipt;

use crate::harness::Village;
use crate::harness::live::records;

fn rejected(code: &str) -> Receipt {
    Receipt::Rejected {
        code: code.into(),
        retry: false,
    }
}

fn quarantined(reason: &str) -> Receipt {
    Receipt::Quarantined {
        reason: reason.into(),
    }
}

/// Builds something hostile on the village's document, sends it, and sees that nobody is harmed.
fn is_refused(expected: Receipt, build: impl FnOnce(&Village) -> Vec<Vec<u8>>) {
    let mut village = Village::new();
    let before = village.document().heads();
    let chunks = build(&village);
    assert_eq!(village.deliver(&chunks), expected);
    // The same bytes again get the same answer.
    assert_eq!(village.deliver(&chunks), expected);
    assert_eq!(village.document().heads(), before, "nothing of it was merged");
    village.leaves_nobody_harmed();
}

/// One change with one operation on a record that everybody has.
fn amends(village: &Village, op: impl FnOnce(Option<Id>) -> Op) -> Forged {
    let object = sync_core::forge::record_object(&village.document(), village.record());
    village.frame(0x77).with([op(object)])
}

/// What all the others are measured against: forged honestly, the same change is taken.
#[test]
fn what_is_forged_honestly_is_durable() {
    let mut village = Village::new();
    let record = crate::harness::live::fresh_record();
    let chunk = records(&village, village.frame(0x77), record).cast();
    assert!(matches!(village.deliver(&[chunk]), Receipt::Durable { .. }));
    village.sync(0);
    assert!(village.rows(0).contains_key(&record));
    village.leaves_nobody_harmed();
}
