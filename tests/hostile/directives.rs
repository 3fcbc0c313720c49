//! Lies about directives: events that nobody signed, papers that change once they are issued, words of others.

use langso_server::documents::Loaded;
use langso_server::policy::{Grant, Role};
use langso_server::realm;
use sync_core::document::Document;
use sync_core::forge::{Forged, Op, record_object, records_object, values};
use sync_core::ids::{Class, DocumentId, Month, RecordId, UnitId};
use sync_core::protocol::Receipt;
use sync_core::record::{Fields, Scalar, Targets};
use sync_core::signature::{DeviceKey, RecordStatement};

use super::quarantined;
use crate::harness::Village;
use crate::harness::live::fresh_record;

fn id_of(village: &Village, class: Class, unit: UnitId) -> DocumentId {
    let month = Month::of_millis(village.now_ms()).unwrap();
    DocumentId::new(class, unit, Some(month)).unwrap()
}

fn document(village: &Village, id: DocumentId) -> Document {
    village
        .app
        .store()
        .read_blocking(|conn| Loaded::load(conn, id))
        .unwrap()
        .document
}

fn frame(village: &Village, id: DocumentId) -> Forged {
    Forged::on(
        &document(village, id),
        [0x77; 16],
        village.account(),
        village.now_ms(),
    )
}

fn bytes(bytes: &[u8]) -> Scalar {
    Scalar::Bytes(bytes.to_vec())
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.to_owned())
}

/// What an honest event says.
fn event(village: &Village) -> Fields {
    let identity = village.hostile.identity();
    let now_ms = village.now_ms();
    let fields = [
        ("directive", bytes(&[9; 16])),
        ("version", Scalar::Int(1)),
        ("digest", bytes(&[8; 32])),
        ("stage", text("acknowledged")),
        ("at", Scalar::Int(now_ms)),
        ("device_at", Scalar::Int(now_ms)),
        ("by", bytes(&identity.account.to_bytes())),
        ("device", bytes(&identity.device.to_bytes())),
    ];
    fields.map(|(key, value)| (key.to_owned(), value)).into()
}

/// What an honest directive says.
fn directive(village: &Village, unit: UnitId, record: RecordId) -> Fields {
    let identity = village.hostile.identity();
    let fields = [
        ("number", text("12/UBND-VX")),
        ("title", text("Ra quân chiến dịch")),
        ("urgency", text("normal")),
        ("signer", text("Chủ tịch")),
        ("targets", bytes(&Targets::subtree(unit).to_bytes())),
        ("asks", text("acknowledge")),
        ("directive", bytes(&record.to_bytes())),
        ("version", Scalar::Int(1)),
        ("issued_by", bytes(&identity.account.to_bytes())),
        ("device", bytes(&identity.device.to_bytes())),
        ("issued_at", Scalar::Int(village.now_ms())),
    ];
    fields.map(|(key, value)| (key.to_owned(), value)).into()
}

fn put(map: Option<sync_core::forge::Id>, key: &str, value: &Scalar) -> Op {
    match value {
        Scalar::Text(text) => Op::put_text(map, key, text),
        Scalar::Bytes(bytes) => Op::put_bytes(map, key, bytes),
        Scalar::Int(n) => Op::put_int(map, key, *n),
        Scalar::Bool(_) | Scalar::Null => panic!("not in these records"),
    }
}

/// A record signed by a key, and bent afterwards.
fn signed(
    village: &Village,
    id: DocumentId,
    record: RecordId,
    mut fields: Fields,
    key: &DeviceKey,
    bend: impl FnOnce(&mut Fields),
) -> Vec<u8> {
    let statement = RecordStatement {
        document: id,
        record,
        fields: &fields,
    };
    let signature = statement.sign(key);
    bend(&mut fields);
    let frame = frame(village, id);
    let map = Some(frame.id(0));
    let mut ops = vec![Op::make_map(Some(records_object()), record.to_string())];
    ops.extend(fields.iter().map(|(key, value)| put(map, key, value)));
    ops.push(Op::put_bytes(map, "signature", &signature.0));
    frame.with(ops).cast()
}

/// The hostile phone's person is an official of the commune, too.
fn official(village: &Village) -> UnitId {
    let (account, now_ms) = (village.account(), village.now_ms());
    let day = langso_server::clock::day_of(now_ms);
    let hamlet = village.hamlet;
    let tree = village
        .app
        .store()
        .read_blocking(|conn| realm::tree(conn, day))
        .unwrap();
    let commune = tree.unit(hamlet).unwrap().parent.unwrap();
    let granted = village
        .app
        .store()
        .write_blocking(move |tx| realm::grant(tx, account, Grant::new(commune, Role::Official), day));
    assert!(granted.unwrap());
    commune
}

#[test]
fn an_acknowledgement_is_taken_as_its_device_signed_it_and_not_otherwise() {
    let mut village = Village::new();
    let id = id_of(&village, Class::Acks, village.hamlet);
    let key = village.hostile.identity().key.clone();
    let record = fresh_record();
    let nothing = |_: &mut Fields| ();
    let put_words = |fields: &mut Fields| drop(fields.insert("note".into(), text("không phải tôi nói")));
    // Bent once it was signed; signed by somebody else; signed for another record, or another month's document.
    let elsewhere = DocumentId::new(Class::Acks, village.hamlet, Some(Month(1))).unwrap();
    let of_elsewhere = RecordStatement {
        document: elsewhere,
        record,
        fields: &event(&village),
    };
    let foreign = of_elsewhere.sign(&key).0;
    let lies = [
        signed(&village, id, record, event(&village), &key, put_words),
        signed(
            &village,
            id,
            record,
            event(&village),
            &DeviceKey::from_seed([3; 32]),
            nothing,
        ),
        {
            let frame = frame(&village, id);
            let map = Some(frame.id(0));
            let mut ops = vec![Op::make_map(Some(records_object()), record.to_string())];
            ops.extend(event(&village).iter().map(|(key, value)| put(map, key, value)));
            ops.push(Op::put_bytes(map, "signature", &foreign));
            frame.with(ops).cast()
        },
    ];
    for lie in lies {
        assert_eq!(village.deliver_to(id, &[lie]), quarantined("record_signature"));
    }
    let bent = |village: &Village, bend: &dyn Fn(&mut Fields)| {
        let mut fields = event(village);
        bend(&mut fields);
        signed(village, id, record, fields, &key, nothing)
    };
    type Bend = Box<dyn Fn(&mut Fields)>;
    let other = village.honest[0].identity().account.to_bytes();
    let bends: Vec<(Bend, &str)> = vec![
        (
            Box::new(move |fields| drop(fields.insert("by".into(), bytes(&other)))),
            "field_not_open",
        ),
        (
            Box::new(|fields| drop(fields.insert("stage".into(), text("cannot")))),
            "record_incomplete",
        ),
        (
            Box::new(|fields| drop(fields.insert("stage".into(), text("đã xong")))),
            "value_bounds",
        ),
        (
            Box::new(|fields| drop(fields.insert("digest".into(), bytes(&[8; 31])))),
            "value_bounds",
        ),
        (
            Box::new(|fields| drop(fields.remove("directive"))),
            "record_incomplete",
        ),
    ];
    for (bend, code) in bends {
        let chunk = bent(&village, &*bend);
        assert_eq!(village.deliver_to(id, &[chunk]), quarantined(code));
    }
    // In another hamlet this phone has nothing to say at all.
    let foreign = id_of(&village, Class::Acks, village.other_hamlet);
    let chunk = signed(&village, foreign, record, event(&village), &key, nothing);
    assert_eq!(
        village.deliver_to(foreign, &[chunk]),
        quarantined("not_permitted")
    );
    let honest = signed(&village, id, record, event(&village), &key, nothing);
    assert!(matches!(
        village.deliver_to(id, &[honest]),
        Receipt::Durable { .. }
    ));
    village.leaves_nobody_harmed();
}

#[test]
fn what_was_acknowledged_or_issued_never_changes() {
    let mut village = Village::new();
    let commune = official(&village);
    let key = village.hostile.identity().key.clone();
    let (acks, board) = (
        id_of(&village, Class::Acks, village.hamlet),
        id_of(&village, Class::Board, commune),
    );
    let (said, issued) = (fresh_record(), fresh_record());
    let paper = directive(&village, commune, issued);
    for (id, record, fields, field) in [
        (acks, said, event(&village), "stage"),
        (board, issued, paper, "title"),
    ] {
        let honest = signed(&village, id, record, fields, &key, |_| ());
        assert!(matches!(
            village.deliver_to(id, &[honest]),
            Receipt::Durable { .. }
        ));
        let there = document(&village, id);
        let (object, preds) = (record_object(&there, record), values(&there, record, field));
        let changes = [
            Op::put_text(object, field, "done").replacing(preds.clone()),
            Op::put_text(object, field, "done"),
            Op::delete(object, field).replacing(preds),
            Op::put_text(object, "x_more", "?"),
        ];
        for change in changes {
            let lie = frame(&village, id).with([change.clone()]).cast();
            let receipt = village.deliver_to(id, &[lie]);
            assert!(
                matches!(receipt, Receipt::Quarantined { .. } | Receipt::Rejected { .. }),
                "{change:?}: {receipt:?}"
            );
        }
        assert_eq!(document(&village, id).heads(), there.heads());
    }
    village.leaves_nobody_harmed();
}

#[test]
fn a_directive_is_an_officials_whole_and_of_no_secret() {
    let mut village = Village::new();
    let key = village.hostile.identity().key.clone();
    let commune = {
        let day = langso_server::clock::day_of(village.now_ms());
        let store = village.app.store();
        let tree = store.read_blocking(|conn| realm::tree(conn, day)).unwrap();
        tree.unit(village.hamlet).unwrap().parent.unwrap()
    };
    let (id, record) = (id_of(&village, Class::Board, commune), fresh_record());
    let honest = |village: &Village| {
        let fields = directive(village, commune, record);
        signed(village, id, record, fields, &key, |_| ())
    };
    let chunk = honest(&village);
    assert_eq!(village.deliver_to(id, &[chunk]), quarantined("not_permitted"));
    official(&village);
    let record = fresh_record();
    let other = village.honest[0].identity().account.to_bytes();
    type Bend = Box<dyn Fn(&mut Fields)>;
    let bends: Vec<(Bend, &str)> = vec![
        (
            Box::new(|fields| drop(fields.insert("title".into(), text("Tối mật")))),
            "secret_class",
        ),
        (
            Box::new(|fields| drop(fields.insert("targets".into(), bytes(&[0xff; 40])))),
            "value_bounds",
        ),
        (
            Box::new(|fields| drop(fields.insert("title".into(), text(&"a".repeat(301))))),
            "value_bounds",
        ),
        (
            Box::new(move |fields| drop(fields.insert("issued_by".into(), bytes(&other)))),
            "field_not_open",
        ),
        (
            Box::new(|fields| drop(fields.insert("relation".into(), text("amends")))),
            "record_incomplete",
        ),
        (
            Box::new(|fields| drop(fields.remove("signer"))),
            "record_incomplete",
        ),
    ];
    for (bend, code) in bends {
        let mut fields = directive(&village, commune, record);
        bend(&mut fields);
        let chunk = signed(&village, id, record, fields, &key, |_| ());
        assert_eq!(village.deliver_to(id, &[chunk]), quarantined(code));
    }
    let by_nobody = signed(
        &village,
        id,
        record,
        directive(&village, commune, record),
        &DeviceKey::from_seed([3; 32]),
        |_| (),
    );
    assert_eq!(
        village.deliver_to(id, &[by_nobody]),
        quarantined("record_signature")
    );
    village.leaves_nobody_harmed();
}
