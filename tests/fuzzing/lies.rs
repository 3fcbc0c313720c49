//! Lies: honest things, bent in one or two places.

use rand::{Rng, RngExt};
use sync_core::document::Document;
use sync_core::forge::{Forged, Id, Op, body_of, chunk, record_object, records_object, values};
use sync_core::ids::RecordId;

use crate::village::{HOSTILE, NOW_MS, account, device};

const KEYS: [&str; 12] = [
    "occurred_at",
    "category",
    "procedure",
    "channel",
    "outcome",
    "people",
    "recorded_by",
    "device",
    "recorded_at",
    "retracted",
    "note",
    "x_new",
];

fn one<T: Copy>(rng: &mut impl Rng, from: &[T]) -> T {
    from[rng.random_range(0..from.len())]
}

/// Bends bytes in a few places.
pub fn bent(rng: &mut impl Rng, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..4) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..7) {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, rng.random()),
            2 => bytes[at] ^= 1 << rng.random_range(0..8),
            3 => bytes.truncate(at.max(1)),
            4 => bytes[at] = one(rng, &[0, 1, 0x7f, 0x80, 0xff]),
            5 => {
                let from = rng.random_range(0..bytes.len());
                let length = rng.random_range(0..8).min(bytes.len() - from);
                let piece = bytes[from..from + length].to_vec();
                bytes.splice(at..at, piece);
            }
            // A number that claims to be huge.
            _ => {
                let huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
                let length = rng.random_range(1..=huge.len());
                bytes.splice(at..at, huge[..length].to_vec());
            }
        }
    }
    bytes
}

/// Bends a chunk behind its checksum.
pub fn bent_chunk(rng: &mut impl Rng, honest: &[u8]) -> Vec<u8> {
    let kind = honest.get(8).copied().unwrap_or(1);
    chunk(kind, &bent(rng, body_of(honest)))
}

/// A change of the hostile device, with one or two lies in it, or none. `seen` is what its author pretends to have
/// seen; objects and values may be taken from `all`, which knows more.
pub fn change(rng: &mut impl Rng, seen: &Document, all: &Document) -> Forged {
    let mut actor = [0x60; 16];
    actor[15] = rng.random_range(0..3);
    let frame = Forged::on(seen, actor, account(HOSTILE), NOW_MS);
    let mut change = if rng.random_bool(0.3) {
        creation(rng, frame)
    } else {
        amendment(rng, frame, seen)
    };
    for _ in 0..rng.random_range(0..3) {
        lie(rng, &mut change, all);
    }
    change
}

fn creation(rng: &mut impl Rng, frame: Forged) -> Forged {
    let map = Some(frame.id(0));
    let record = RecordId::from_parts(NOW_MS as u64, u128::from(rng.next_u64()));
    frame.with([
        Op::make_map(Some(records_object()), record.to_string()),
        Op::put_int(map, "occurred_at", NOW_MS),
        Op::put_text(map, "category", "dich_vu_cong"),
        Op::put_text(map, "channel", "tai_nha"),
        Op::put_text(map, "outcome", "hoan_thanh"),
        Op::put_int(map, "people", 1),
        Op::put_bytes(map, "recorded_by", &account(HOSTILE).to_bytes()),
        Op::put_bytes(map, "device", &device(HOSTILE).to_bytes()),
        Op::put_int(map, "recorded_at", NOW_MS),
    ])
}

fn amendment(rng: &mut impl Rng, frame: Forged, seen: &Document) -> Forged {
    let records = seen.records();
    let Some(record) = (!records.is_empty()).then(|| one(rng, &records)) else {
        return creation(rng, frame);
    };
    let object = record_object(seen, record);
    let key = one(rng, &["outcome", "procedure", "people", "x_new", "category"]);
    let preds = values(seen, record, key);
    let op = match key {
        "people" => Op::put_int(object, key, rng.random_range(1..5)),
        "procedure" if !preds.is_empty() && rng.random_bool(0.5) => Op::delete(object, key),
        _ => Op::put_text(object, key, one(rng, &["a", "b", "c"])),
    };
    // Replacing a part of what is there is legal.
    let some = preds.into_iter().filter(|_| rng.random_bool(0.9));
    let op = op.replacing(some.collect::<Vec<_>>());
    frame.with([op])
}

/// Some operation that exists somewhere, or almost.
fn any_id(rng: &mut impl Rng, change: &Forged, all: &Document) -> Id {
    let records = all.records();
    match rng.random_range(0..6) {
        0 => change.id(rng.random_range(0..10)),
        1 => records_object(),
        2 => (change.actor, rng.random_range(0..200)),
        3 if !records.is_empty() => record_object(all, one(rng, &records)).unwrap_or_else(records_object),
        4 if !records.is_empty() => values(all, one(rng, &records), one(rng, &KEYS))
            .first()
            .copied()
            .unwrap_or_else(records_object),
        _ => {
            let actors: Vec<[u8; 16]> = all
                .history()
                .actors()
                .filter_map(|(actor, _)| actor.to_bytes().try_into().ok())
                .collect();
            (one(rng, &actors), rng.random_range(0..300))
        }
    }
}

fn lie(rng: &mut impl Rng, change: &mut Forged, all: &Document) {
    let at = rng.random_range(0..change.ops.len().max(1));
    let id = any_id(rng, change, all);
    let known: Vec<[u8; 32]> = all.changes().iter().map(|change| change.hash().0).collect();
    match rng.random_range(0..17) {
        0 => change.seq = one(rng, &[0, 1, 2, change.seq.wrapping_add(1), 5, u64::MAX]),
        1 => {
            let (max, own) = (u64::from(u32::MAX), change.start_op);
            change.start_op = one(
                rng,
                &[
                    0,
                    1,
                    own.wrapping_sub(1),
                    own.wrapping_add(1),
                    own.wrapping_add(100),
                    max - 1,
                    max,
                    max + 1,
                ],
            );
        }
        2 => change.deps = (0..rng.random_range(0..4)).map(|_| one(rng, &known)).collect(),
        3 => drop(change.deps.pop()),
        4 => change.deps.push(rng.random()),
        // Knowing only some of what it names, with counters that fit what it knows.
        5 => {
            let dep = one(rng, &known);
            let node = all.history().node(&sync_core::ids::ChangeHash(dep));
            change.deps = vec![dep];
            change.start_op = node.map_or(0, |node| node.max_op) + 1;
        }
        6 => change.other_actors.push(rng.random()),
        7 => change.actor = one(rng, &[[0x10; 16], [0x60; 16], *b"langso-genesis-1", [0; 16]]),
        8 => change.columns.push((
            one(
                rng,
                &[
                    0x01, 0x02, 0x15, 0x34, 0x42, 0x56, 0x57, 0x70, 0x71, 0x73, 0x11, 0x13, 0x94,
                ],
            ),
            (0..rng.random_range(0..6)).map(|_| rng.random()).collect(),
        )),
        9 => drop(change.ops.pop()),
        place => {
            let Some(op) = change.ops.get_mut(at) else { return };
            match place {
                10 => op.object = one(rng, &[None, Some(id)]),
                11 => op.key = one(rng, &KEYS).to_owned(),
                12 => op.action = rng.random_range(0..9),
                13 => op.preds = vec![id; rng.random_range(0..3)],
                14 => op.preds.push(id),
                15 => {
                    op.value = (
                        rng.random_range(0..12),
                        (0..rng.random_range(0..9)).map(|_| rng.random()).collect(),
                    )
                }
                _ => {
                    let again = op.clone();
                    change.ops.push(again);
                }
            }
        }
    }
}
