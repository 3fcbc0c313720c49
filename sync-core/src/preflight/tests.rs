//! Preflight lets every honest change through, and nothing that would hurt whoever reads on.

use automerge::Change;
use automerge::legacy::{ObjectId, OpId};
use data_encoding::HEXLOWER;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::admission::tests::honest_document;

fn check(chunk: &[u8]) -> Result<Header, PreflightError> {
    preflight(chunk, &PreflightLimits::default())
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// Frames a body as a chunk with a right length and checksum.
fn chunk_of(body: &[u8]) -> Vec<u8> {
    let mut hashed = vec![CHANGE_CHUNK];
    let mut length = body.len();
    while length >= 0x80 {
        hashed.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    hashed.push(length as u8);
    hashed.extend(body);
    let checksum = Sha256::digest(&hashed);
    [&MAGIC, &checksum[..CHECKSUM], &hashed].concat()
}

/// The part of a chunk after its length.
fn body_of(chunk: &[u8]) -> &[u8] {
    let length = chunk[9..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    &chunk[9 + length..]
}

/// A body with these columns: one dependency, one actor, sequence 1, one operation counter, no message.
fn body(start_op: &[u8], columns: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = vec![1];
    body.extend([7; 32]);
    body.push(16);
    body.extend([9; 16]);
    body.push(1);
    body.extend(start_op);
    body.extend([0, 0, 0, columns.len() as u8]);
    for (spec, data) in columns {
        body.extend([*spec, data.len() as u8]);
    }
    columns.iter().for_each(|(_, data)| body.extend(*data));
    body
}

/// What one honest put into a record looks like.
const PUT: [(u8, &[u8]); 8] = [
    (0x01, &[0x7f, 0x00]),
    (0x02, &[0x7f, 0x03]),
    (0x15, &[0x7f, 0x01, b'k']),
    (0x34, &[0x01]),
    (0x42, &[0x7f, 0x01]),
    (0x56, &[0x7f, 0x16]),
    (0x57, b"v"),
    (0x70, &[0x7f, 0x00]),
];

fn put_with(spec: u8, data: &'static [u8]) -> Vec<u8> {
    let mut columns = PUT.to_vec();
    match columns.iter_mut().find(|(each, _)| *each == spec) {
        Some(column) => column.1 = data,
        None => columns.push((spec, data)),
    }
    columns.sort_by_key(|(spec, _)| *spec);
    chunk_of(&body(&[5], &columns))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn honest_changes_pass_and_say_what_automerge_reads(seed in any::<u64>(), steps in 10usize..120) {
        for change in honest_document(seed, steps).changes() {
            let header = check(change.raw_bytes()).unwrap();
            let read = Header {
                hash: change.hash().0,
                deps: change.deps().iter().map(|dep| dep.0).collect(),
                actor: change.actor_id().to_bytes().try_into().unwrap(),
                seq: change.seq(),
                start_op: change.start_op().get(),
                time_ms: change.timestamp(),
                message: change.message().map(str::to_owned),
                other_actors: change.other_actor_ids().iter().map(|id| id.to_bytes().try_into().unwrap()).collect(),
                ops: change.len() as u64,
                object: match &change.decode().operations.last().unwrap().obj {
                    ObjectId::Id(OpId(counter, actor)) => Some((actor.to_bytes().try_into().unwrap(), *counter)),
                    ObjectId::Root => None,
                },
            };
            prop_assert_eq!(header.max_op(), change.max_op());
            prop_assert_eq!(header, read);
        }
    }
}

/// The law that matters: whatever passes, automerge reads without a panic and as the same change.
#[test]
fn mutated_changes_that_pass_are_read_by_automerge_as_the_same() {
    let honest: Vec<Vec<u8>> = honest_document(4, 200)
        .changes()
        .iter()
        .map(|change| change.raw_bytes().to_vec())
        .collect();
    let mut rng = StdRng::seed_from_u64(11);
    let mut passed = 0;
    for _ in 0..40_000 {
        let chunk = &honest[rng.random_range(0..honest.len())];
        let mut body = body_of(chunk).to_vec();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..body.len().max(1));
            if at >= body.len() {
                break;
            }
            match rng.random_range(0..5) {
                0 => drop(body.remove(at)),
                1 => body.insert(at, rng.random()),
                2 => body[at] ^= 1 << rng.random_range(0..8),
                3 => body.truncate(at.max(1)),
                _ => body[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5)],
            }
        }
        let mutant = chunk_of(&body);
        let Ok(header) = check(&mutant) else { continue };
        passed += 1;
        let change = Change::from_bytes(mutant.clone()).unwrap();
        assert_eq!(
            (change.seq(), change.len() as u64, change.max_op()),
            (header.seq, header.ops, header.max_op())
        );
        assert_eq!(change.decode().operations.len() as u64, header.ops);
        assert_eq!(change.raw_bytes(), mutant);
    }
    assert!(
        passed > 1_000,
        "{passed}: mutants must reach what lies behind the checksum"
    );
}

#[test]
fn a_put_as_our_edits_write_it_passes() {
    let header = check(&chunk_of(&body(&[5], &PUT))).unwrap();
    assert_eq!((header.ops, header.start_op, header.max_op()), (1, 5, 5));
    assert_eq!(header.other_actors, Vec::<[u8; 16]>::new());
}

#[test]
fn a_wrong_checksum_is_refused() {
    let mut chunk = chunk_of(&body(&[5], &PUT));
    chunk[5] ^= 1;
    assert_eq!(check(&chunk), Err(PreflightError::Checksum));
}

#[test]
fn other_kinds_of_chunk_are_refused() {
    for kind in [0, 2, 3, 0xff] {
        let mut chunk = chunk_of(&body(&[5], &PUT));
        chunk[8] = kind;
        assert!(check(&chunk).is_err());
    }
    assert_eq!(check(b"no chunk at all"), Err(PreflightError::Kind));
    assert!(check(&[]).is_err());
}

#[test]
fn a_run_length_bomb_is_refused() {
    let bomb = hex(concat!(
        "856f4a8330ed6a9f0145001009090909090909090909090909090909010100000005150834064207560770",
        "078080808080200161808080808020808080808020018080808080200080808080802000",
    ));
    assert_eq!(check(&bomb).unwrap_err().code(), "chunk_limit");
    // And the four million operations in 64 bytes: runs of 4,000,000.
    assert_eq!(
        check(&put_with(0x42, &[0x80, 0x92, 0xf4, 0x01, 0x01]))
            .unwrap_err()
            .code(),
        "chunk_limit"
    );
}

#[test]
fn lengths_that_are_only_claimed_are_refused() {
    // A key of 2^35 bytes, a value of 2^35 bytes, a column of 2^35 bytes.
    assert_eq!(
        check(&put_with(0x15, &[0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]))
            .unwrap_err()
            .code(),
        "chunk_limit"
    );
    assert_eq!(
        check(&put_with(0x56, &[0x7f, 0x86, 0x80, 0x80, 0x80, 0x80, 0x10])),
        Err(PreflightError::Malformed("value"))
    );
    let mut column = body(&[5], &[]);
    column.pop();
    column.extend([1, 0x15, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
    assert_eq!(
        check(&chunk_of(&column)),
        Err(PreflightError::Malformed("columns"))
    );
    // Eighty dependencies of which none is there.
    assert_eq!(check(&chunk_of(&[80])), Err(PreflightError::Limit("deps")));
}

#[test]
fn exhausted_counters_are_refused() {
    let at_the_end = body(&[0xff, 0xff, 0xff, 0xff, 0x0f], &PUT);
    assert_eq!(
        check(&chunk_of(&at_the_end)),
        Err(PreflightError::Limit("counters"))
    );
    let zero = body(&[0], &PUT);
    assert_eq!(check(&chunk_of(&zero)), Err(PreflightError::Limit("counters")));
}

#[test]
fn a_change_without_operations_is_refused() {
    assert_eq!(
        check(&chunk_of(&body(&[5], &[]))),
        Err(PreflightError::Malformed("no operations"))
    );
    assert!(check(&hex("856f4a8355bfc3de000703000000000000")).is_err());
}

#[test]
fn what_our_edits_never_write_is_refused() {
    let foreign = [
        (0x11, &[0x7f, 0x00][..], "an element of a list"),
        (0x13, &[0x7f, 0x01], "an element of a list"),
        (0x94, &[0x01], "a mark"),
        (0xa5, &[0x7f, 0x01, b'm'], "the name of a mark"),
        (0x1d, &[0x00], "a compressed column"),
        (0x34, &[0x00, 0x01], "an insertion"),
        (0x42, &[0x7f, 0x02], "a list"),
        (0x42, &[0x7f, 0x05], "an increment"),
        (0x56, &[0x7f, 0x1f], "a value of no known type"),
    ];
    for (spec, data, what) in foreign {
        let mut columns = PUT.to_vec();
        columns.retain(|(each, _)| *each != spec);
        columns.push((spec, data));
        columns.sort_by_key(|(spec, _)| *spec);
        let body = if spec < 0x80 {
            body(&[5], &columns)
        } else {
            // Specifications beyond 127 take two bytes.
            let mut body = body(&[5], &PUT);
            body[54 + 1] += 1;
            let at = 55 + 1 + 2 * PUT.len();
            body.splice(at..at, [spec, 0x01, data.len() as u8]);
            body.extend(data);
            body
        };
        assert!(check(&chunk_of(&body)).is_err(), "{what}");
    }
    let mut extra = body(&[5], &PUT);
    extra.push(0);
    assert_eq!(
        check(&chunk_of(&extra)),
        Err(PreflightError::Foreign("extra bytes"))
    );
}

#[test]
fn columns_of_different_lengths_are_refused() {
    for (spec, data) in [
        (0x01, &[0x02, 0x00][..]),
        (0x15, &[0x02, 0x01, b'k']),
        (0x34, &[0x02]),
        (0x70, &[0x02, 0x00]),
        (0x57, b"vv"),
        (0x71, &[0x7f, 0x00]),
        (0x73, &[0x7f, 0x01]),
        (0x02, &[0x00, 0x01]),
    ] {
        assert!(check(&put_with(spec, data)).is_err(), "{spec:02x}");
    }
}

#[test]
fn actors_that_are_not_named_are_refused() {
    assert_eq!(
        check(&put_with(0x01, &[0x7f, 0x01])),
        Err(PreflightError::Malformed("object"))
    );
    let mut columns = PUT.to_vec();
    columns[7].1 = &[0x7f, 0x01];
    columns.extend([(0x71, &[0x7f, 0x01][..]), (0x73, &[0x7f, 0x02])]);
    assert_eq!(
        check(&chunk_of(&body(&[5], &columns))),
        Err(PreflightError::Malformed("preds"))
    );
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(check(&bytes));
        drop(check(&chunk_of(&bytes)));
    }
}
