//! What quarantine took: it is shown, kept and in nobody's way until an official has decided, and afterwards.

use std::sync::Arc;

use langso_mobile::{Assistance, Delivery, SetAside, Vault};
use langso_server::quarantine::Discard;

use crate::district::{District, Way, help};

/// A phone that recorded something while its account was suspended: the server took it into quarantine. Gives the
/// record's id, too. The suspension is over, and the phone knows.
fn taken(district: &District) -> (Arc<Vault>, Arc<Way>, String) {
    let (head, way) = district.phone("head");
    district.suspend();
    let id = head.record_assistance(help("Lê Thị Hoa")).unwrap();
    let report = district.sync(&head, &way).unwrap();
    assert_eq!((report.total.refused, report.total.wiped), (1, false));
    district.resume();
    assert_eq!(district.sync(&head, &way).unwrap().total.refused, 0);
    (head, way, id)
}

/// The one change that stands aside: it is about this record, of the phone's own hamlet, and shows all that was typed.
fn aside(vault: &Vault, record: &str) -> SetAside {
    let mut all = vault.set_aside().unwrap();
    assert_eq!(all.len(), 1);
    let aside = all.remove(0);
    assert_eq!(aside.record, record);
    assert_eq!([aside.unit.clone()][..], vault.status().unwrap().homes[..]);
    let (shown, typed) = (aside.shown.clone().unwrap(), help("Lê Thị Hoa"));
    assert_eq!(
        (
            shown.citizen_name,
            shown.citizen_phone,
            shown.note,
            shown.procedure
        ),
        (
            typed.citizen_name,
            typed.citizen_phone,
            typed.note,
            typed.procedure
        )
    );
    aside
}

/// How many changes wait for a receipt or a decision, and how many of them for a decision.
fn waiting(vault: &Vault) -> (u32, u32) {
    let status = vault.status().unwrap();
    (status.pending, status.refused)
}

fn deliver_another(district: &District, vault: &Vault, way: &Arc<Way>) {
    let id = vault.record_assistance(help("Trần Văn Nam")).unwrap();
    assert_eq!(district.sync(vault, way).unwrap().total.confirmed, 1);
    assert_eq!(shown(vault, &id).unwrap().delivery, Delivery::Delivered);
}

fn shown(vault: &Vault, id: &str) -> Option<Assistance> {
    vault.assistance(id.into()).unwrap()
}

#[test]
fn what_an_official_discarded_stays_on_its_phone_with_the_reason_and_blocks_nothing() {
    let district = District::new();
    let (head, way, id) = taken(&district);
    let undecided = aside(&head, &id);
    assert_eq!(
        (undecided.code.as_str(), &undecided.discarded),
        ("not_permitted", &None)
    );
    assert_eq!(waiting(&head), (1, 1));
    assert_eq!(
        head.status().unwrap().oldest_pending_ms,
        Some(undecided.made_at_ms)
    );
    deliver_another(&district, &head, &way);
    assert_eq!((aside(&head, &id), waiting(&head)), (undecided.clone(), (1, 1)));

    assert_eq!(district.discard(Discard::Mistake), 1);
    assert_eq!(aside(&head, &id), undecided, "the phone has not heard of it");
    district.sync(&head, &way).unwrap();
    let decided = SetAside {
        discarded: Some("mistake".into()),
        ..undecided
    };
    assert_eq!(aside(&head, &id), decided);
    assert_eq!(waiting(&head), (0, 0), "nobody waits for anything");
    assert_eq!(head.status().unwrap().oldest_pending_ms, None);

    // Neither the process nor what is delivered afterwards takes the copy away.
    drop(head);
    let head = district.reopen("head");
    deliver_another(&district, &head, &way);
    assert_eq!((aside(&head, &id), waiting(&head)), (decided, (0, 0)));
    assert_eq!(shown(&head, &id), None, "no list counts it");
    let (deputy, _) = district.phone("deputy");
    assert_eq!((shown(&deputy, &id), deputy.set_aside().unwrap()), (None, vec![]));
}

#[test]
fn what_an_official_released_is_merged_and_stands_aside_no_more() {
    let district = District::new();
    let (head, way, id) = taken(&district);
    deliver_another(&district, &head, &way);
    assert_eq!((aside(&head, &id).discarded, shown(&head, &id)), (None, None));

    assert_eq!(district.release(), 1);
    district.sync(&head, &way).unwrap();
    assert_eq!((head.set_aside().unwrap(), waiting(&head)), (vec![], (0, 0)));
    let row = shown(&head, &id).unwrap();
    assert_eq!(
        (row.delivery, row.citizen_name.as_deref()),
        (Delivery::Delivered, Some("Lê Thị Hoa"))
    );
    drop(head);
    let head = district.reopen("head");
    deliver_another(&district, &head, &way);
    assert_eq!(head.set_aside().unwrap(), []);
    let (deputy, _) = district.phone("deputy");
    assert_eq!(
        shown(&deputy, &id).unwrap().citizen_name.as_deref(),
        Some("Lê Thị Hoa")
    );
}
