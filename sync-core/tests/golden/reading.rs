//! Golden bytes read back: whole, cut, from a newer version, and compressed.

use minicbor::Encoder;
use sync_core::ids::DocumentId;
use sync_core::protocol::{BodyError, HealQuestion, Item, Receipt, decode_request, decode_response};

use crate::messages::{requests, responses};
use crate::stored;

#[test]
fn golden_messages_read_back() {
    for (name, _, request) in requests() {
        assert_eq!(decode_request(&stored(name), false), Ok(request), "{name}");
    }
    for (name, _, response) in responses() {
        assert_eq!(decode_response(&stored(name), false), Ok(response), "{name}");
    }
}

#[test]
fn a_message_that_is_cut_is_refused_wherever_it_is_cut() {
    for (name, ..) in requests() {
        let bytes = stored(name);
        for at in 0..bytes.len() {
            let cut = decode_request(&bytes[..at], false);
            assert!(matches!(cut, Err(BodyError::Message(_))), "{name} cut at {at}");
        }
    }
    for (name, ..) in responses() {
        let bytes = stored(name);
        for at in 0..bytes.len() {
            let cut = decode_response(&bytes[..at], false);
            assert!(matches!(cut, Err(BodyError::Message(_))), "{name} cut at {at}");
        }
    }
}

#[test]
fn a_message_with_something_behind_it_is_refused() {
    let more = [stored("request-idle"), vec![0]].concat();
    assert!(matches!(decode_request(&more, false), Err(BodyError::Message(_))));
}

/// The same map with one more entry, under a key that this version does not know, holding nested values.
fn with_future_key(map: &[u8]) -> Vec<u8> {
    let (first, rest) = map.split_first().unwrap();
    assert!((0xa0..0xb7).contains(first), "a map of few entries");
    let mut entry = Encoder::new(Vec::new());
    entry.u8(99).unwrap().array(2).unwrap().str("later").unwrap();
    entry.map(1).unwrap().u8(0).unwrap().bytes(&[1, 2, 3]).unwrap();
    [&[first + 1], rest, entry.writer()].concat()
}

#[test]
fn a_key_of_a_newer_version_is_skipped_and_changes_nothing_else() {
    for (name, _, request) in requests() {
        let newer = with_future_key(&stored(name));
        assert_eq!(decode_request(&newer, false), Ok(request), "{name}");
    }
    for (name, _, response) in responses() {
        let newer = with_future_key(&stored(name));
        assert_eq!(decode_response(&newer, false), Ok(response), "{name}");
    }
}

#[test]
fn a_key_of_a_newer_version_is_skipped_inside_of_a_batch_too() {
    let batch = stored("batch");
    let known: sync_core::protocol::Batch = minicbor::decode(&batch).unwrap();
    let newer: sync_core::protocol::Batch = minicbor::decode(&with_future_key(&batch)).unwrap();
    assert_eq!(newer, known);
}

#[test]
fn a_compressed_golden_message_inflates() {
    let plain = decode_request(&stored("request-push"), false).unwrap();
    assert_eq!(decode_request(&stored("request-push.zst"), true), Ok(plain));
}

/// An array with one more element at its end.
fn with_future_element(array: &[u8]) -> Vec<u8> {
    let (first, rest) = array.split_first().unwrap();
    assert!((0x80..0x97).contains(first), "an array of few elements");
    [&[first + 1], rest, &[0x63], b"new"].concat()
}

#[test]
fn a_kind_of_receipt_or_item_that_is_not_known_is_refused_and_needs_a_new_version() {
    let unknown = [0x82, 0x17, 0x01];
    assert!(minicbor::decode::<Receipt>(&unknown).is_err());
    assert!(minicbor::decode::<Item>(&unknown).is_err());
    assert!(minicbor::decode::<HealQuestion>(&unknown).is_err());
    let longer = with_future_element(&stored("document-id-ledger"));
    assert!(minicbor::decode::<DocumentId>(&longer).is_err());
}
