use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::ids::{Month, UnitId};

fn document() -> DocumentId {
    DocumentId::ledger(UnitId::from_parts(1_700_000_000_000, 7), Month(58))
}

fn record() -> RecordId {
    RecordId::from_parts(1_730_000_000_000, 9)
}

fn key() -> RecordKey {
    RecordKey::from_bytes([5; 32])
}

/// Seals packed bytes that `pack` would not have made.
fn seal_packed(field: SealedField, packed: &[u8]) -> Vec<u8> {
    cipher::encrypt(key().as_bytes(), &place(&document(), record(), field), packed)
}

fn open_note(sealed: &[u8]) -> Result<String, SealError> {
    open(&key(), &document(), record(), SealedField::Note, sealed)
}

#[test]
fn a_sealed_text_has_these_bytes_for_ever() {
    let of = |field, text| HEXLOWER.encode(&seal(&key(), &document(), record(), field, text).unwrap());
    assert_eq!(
        of(SealedField::CitizenName, "Nguyễn Thị Lan"),
        "1ec2178ed7674b83ca3cbbf19b44767555ab4e"
    );
    assert_eq!(
        of(SealedField::CitizenPhone, "0912345678"),
        "5f5cec3fd3cd3ec854882a391120deb0d89052c9272b"
    );
    assert_eq!(
        of(SealedField::Note, "ok"),
        "3c29442f2fda93abd2da16aecfdee0223e6acf"
    );
}

#[test]
fn equal_texts_seal_equal_however_they_were_typed() {
    let of = |text| seal(&key(), &document(), record(), SealedField::CitizenName, text).unwrap();
    assert_eq!(of("Nguyễn"), of("Nguye\u{302}\u{303}n"));
    assert_eq!(
        open_note(&seal(&key(), &document(), record(), SealedField::Note, "e\u{301}").unwrap()).unwrap(),
        "é"
    );
    assert_ne!(of("Nguyễn"), of("Nguyên"));
}

#[test]
fn a_sealed_text_opens_in_its_own_place_alone() {
    let sealed = seal(
        &key(),
        &document(),
        record(),
        SealedField::CitizenPhone,
        "0912345678",
    )
    .unwrap();
    let opened = |key, document, record, field| open(&key, &document, record, field, &sealed);
    assert_eq!(
        opened(key(), document(), record(), SealedField::CitizenPhone).unwrap(),
        "0912345678"
    );

    let another_month = DocumentId::ledger(document().unit(), Month(59));
    let another_record = RecordId::from_parts(1_730_000_000_000, 10);
    for moved in [
        opened(
            RecordKey::from_bytes([6; 32]),
            document(),
            record(),
            SealedField::CitizenPhone,
        ),
        opened(key(), another_month, record(), SealedField::CitizenPhone),
        opened(key(), document(), another_record, SealedField::CitizenPhone),
        opened(key(), document(), record(), SealedField::CitizenId),
    ] {
        assert_eq!(moved, Err(SealError::WrongKey));
    }
}

#[test]
fn an_altered_byte_is_noticed() {
    let sealed = seal(
        &key(),
        &document(),
        record(),
        SealedField::Note,
        "Đã xong, hẹn thứ hai",
    )
    .unwrap();
    for at in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        assert_eq!(open_note(&altered), Err(SealError::WrongKey));
        assert_eq!(open_note(&sealed[..at]), Err(SealError::WrongKey));
    }
}

#[test]
fn a_text_that_is_too_long_is_refused_by_its_normalised_length() {
    for field in SealedField::ALL {
        let max = field.max_bytes();
        let sealed = seal(&key(), &document(), record(), field, &"\u{1}".repeat(max)).unwrap();
        assert!(sealed.len() <= sealed_max_bytes(field));
        let refused = seal(&key(), &document(), record(), field, &"a".repeat(max + 1));
        assert_eq!(refused, Err(SealError::TooLong { field, max }));
    }
    let phone = "e\u{301}".repeat(10); // 30 bytes as typed, 20 normalised
    assert!(seal(&key(), &document(), record(), SealedField::CitizenPhone, &phone).is_ok());
}

#[test]
fn whoever_holds_the_key_cannot_make_opening_expensive() {
    let long = dictionary::compress(&"Hướng dẫn ".repeat(1000));
    assert!(
        long.len() < 2000,
        "the text would be ten times what the field allows"
    );
    let sealed = seal_packed(SealedField::Note, &[&[1], &long[..]].concat());
    assert_eq!(open_note(&sealed), Err(SealError::Damaged));
    assert_eq!(open_note(&[0; 1 << 16]), Err(SealError::Damaged));
}

#[test]
fn what_holds_no_text_is_damaged_and_what_is_unknown_is_newer() {
    for packed in [&[][..], &[0, 0xff], &[1, 255], &[2, 0xaa]] {
        assert_eq!(
            open_note(&seal_packed(SealedField::Note, packed)),
            Err(SealError::Damaged)
        );
    }
    assert_eq!(
        open_note(&seal_packed(SealedField::Note, &[3, 1, 2])),
        Err(SealError::Newer)
    );
}

#[test]
fn errors_have_codes_of_their_own_and_quote_nothing() {
    let too_long = seal(
        &key(),
        &document(),
        record(),
        SealedField::CitizenId,
        &"7".repeat(21),
    )
    .unwrap_err();
    assert!(!format!("{too_long} {too_long:?}").contains("77"));
    let errors = [
        too_long,
        SealError::WrongKey,
        SealError::Damaged,
        SealError::Newer,
    ];
    assert_eq!(
        errors.iter().map(SealError::code).collect::<BTreeSet<_>>().len(),
        errors.len()
    );
}

#[test]
fn a_field_is_found_by_its_key() {
    for field in SealedField::ALL {
        assert_eq!(SealedField::from_key(field.key()), Some(field));
    }
    assert_eq!(SealedField::from_key("category"), None);
}

#[test]
fn typical_texts_are_sealed_small() {
    let average = |kind: &str| {
        let texts: Vec<&str> = include_str!("sample.txt")
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .filter_map(|(of, text)| (of == kind).then_some(text))
            .collect();
        let clear: usize = texts.iter().map(|text| text.len()).sum();
        let packed: usize = texts.iter().map(|text| packing::pack(text).len()).sum();
        let n = texts.len() as f64;
        println!(
            "{kind}: {n} texts, {:.1} B clear, {:.1} B packed",
            clear as f64 / n,
            packed as f64 / n
        );
        packed as f64 / n
    };
    assert!(average("name") < 7.5);
    assert!(average("note") < 26.0);
}

#[test]
fn texts_are_packed_in_the_same_way_for_ever() {
    let mut hash = Sha256::new();
    for (_, text) in include_str!("sample.txt")
        .lines()
        .filter_map(|line| line.split_once('\t'))
    {
        hash.update(packing::pack(text));
    }
    // The same as an independent implementation of the rules in `dictionary` and `packing` gives.
    let expected = "32ea0f949b750f08288a6f4316cd9f9c7238a29aa0768dc7b5664170d9a063ee";
    assert_eq!(HEXLOWER.encode(&hash.finalize()), expected);
}

proptest! {
    #[test]
    fn every_text_within_the_limit_opens_as_its_normal_form(text in "\\PC{0,40}|.{0,40}|.{0,700}|[0-9]{0,20}|[a-zA-ZăâđêôơưĂÂĐÊ ]{0,60}") {
        for field in SealedField::ALL {
            let normal = normalise(&text);
            match seal(&key(), &document(), record(), field, &text) {
                Ok(sealed) => {
                    prop_assert!(sealed.len() <= 17 + normal.len());
                    prop_assert_eq!(open(&key(), &document(), record(), field, &sealed).unwrap(), normal);
                }
                Err(error) => {
                    prop_assert_eq!(error, SealError::TooLong { field, max: field.max_bytes() });
                    prop_assert!(normal.len() > field.max_bytes());
                }
            }
        }
    }

    #[test]
    fn foreign_bytes_never_open(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        prop_assert!(open_note(&bytes).is_err());
    }

    #[test]
    fn any_packed_bytes_open_within_the_limit_or_not_at_all(
        tag in 0u8..4,
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        for field in SealedField::ALL {
            let sealed = seal_packed(field, &[&[tag], &body[..]].concat());
            if let Ok(text) = open(&key(), &document(), record(), field, &sealed) {
                prop_assert!(text.len() <= field.max_bytes());
            }
        }
    }
}
