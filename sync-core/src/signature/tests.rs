use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use proptest::prelude::*;

use super::*;
use crate::ids::{AccountId, DeviceId, DocumentId, Month, RealmId, UnitId};

fn hex<const N: usize>(text: &str) -> [u8; N] {
    HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .unwrap()
        .try_into()
        .unwrap()
}

const CHANGES: [[u8; 32]; 2] = [[0xaa; 32], [0xbb; 32]];

fn batch() -> BatchStatement<'static> {
    BatchStatement {
        realm: RealmId::from_bytes([1; 16]),
        device: DeviceId::from_bytes([2; 16]),
        account: AccountId::from_bytes([3; 16]),
        document: DocumentId::ledger(UnitId::from_bytes([4; 16]), Month(58)),
        changes: &CHANGES,
        keys_digest: [5; 32],
    }
}

fn enrolment() -> EnrolmentStatement {
    EnrolmentStatement {
        realm: RealmId::from_bytes([1; 16]),
        device: DeviceId::from_bytes([2; 16]),
        account: AccountId::from_bytes([3; 16]),
        public_key: DeviceKey::from_seed([7; 32]).public(),
        enrolled_at_ms: 1_730_000_000_000,
    }
}

fn assertion() -> AssertionStatement {
    AssertionStatement {
        realm: RealmId::from_bytes([1; 16]),
        device: DeviceId::from_bytes([2; 16]),
        time_ms: 1_730_000_000_000,
        nonce: None,
        jti: [6; 16],
    }
}

#[test]
fn signatures_are_those_of_rfc_8032() {
    // Section 7.1, TEST 1 to 3.
    let vectors = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            &b""[..],
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            &[0x72],
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            &[0xaf, 0x82],
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];
    for (seed, public, message, signature) in vectors {
        let key = DeviceKey::from_seed(hex(seed));
        assert_eq!(key.public().to_bytes(), hex(public));
        assert_eq!(key.sign(message), Signature(hex(signature)));
        let public = PublicKey::from_bytes(hex(public)).unwrap();
        assert_eq!(public.verify(message, &Signature(hex(signature))), Ok(()));
    }
}

#[test]
fn a_weak_key_is_refused() {
    // All points of small order in canonical encoding: orders 1, 2, 4 (two), 8 (four).
    let canonical = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];
    for point in canonical {
        assert_eq!(PublicKey::from_bytes(hex(point)), Err(KeyError::Weak), "{point}");
    }
    // The same points, encoded with coordinates beyond the prime or the sign of zero.
    let others = [
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];
    for point in others {
        assert!(PublicKey::from_bytes(hex(point)).is_err(), "{point}");
    }
}

#[test]
fn a_malformed_key_is_refused() {
    assert_eq!(
        PublicKey::from_bytes([2; 32]).map(|_| ()),
        PublicKey::from_bytes([2; 32]).map(|_| ())
    );
    let refused = (0..=255u8).filter(|byte| {
        let mut bytes = [0; 32];
        bytes[0] = *byte;
        PublicKey::from_bytes(bytes) == Err(KeyError::Malformed)
    });
    assert!(
        refused.count() > 64,
        "about half of all coordinates are on no point"
    );
    // Coordinates between the prime and 2^255 have a canonical twin, which alone is taken.
    for low in 0xedu8..=0xff {
        for top in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, top);
            assert!(PublicKey::from_bytes(bytes).is_err());
        }
    }
}

#[test]
fn what_anyone_can_sign_for_a_weak_key_does_not_verify() {
    // R = identity, s = 0 verifies without strictness under a key of order 1 for every message.
    let mut forged = [0; 64];
    forged[0] = 1;
    let key = DeviceKey::from_seed([7; 32]).public();
    assert_eq!(key.verify(b"anything", &Signature(forged)), Err(BadSignature));
}

#[test]
fn a_batch_statement_has_these_bytes_for_ever() {
    let expected = [
        &b"langso-batch-1"[..],
        &[1; 16],
        &[2; 16],
        &[3; 16],
        &[0, 41],
        b"ledger/040G2081040G2081040G208104/2024-11",
        &[0, 0, 0, 2],
        &[0xaa; 32],
        &[0xbb; 32],
        &[5; 32],
    ]
    .concat();
    assert_eq!(batch().document.to_string().len(), 41);
    assert_eq!(HEXLOWER.encode(&batch().to_bytes()), HEXLOWER.encode(&expected));
    let signature = batch().sign(&DeviceKey::from_seed([7; 32]));
    assert_eq!(
        HEXLOWER.encode(&signature.0),
        "65763c5a599a483871a84118a5e6ec377b58f781c5100d09cb07e4548af9013c959729399fb24a6cf99463c93aaedee64609ccb04274098b801b6e58f93b560a"
    );
}

#[test]
fn an_enrolment_statement_has_these_bytes_for_ever() {
    assert_eq!(
        HEXLOWER.encode(&enrolment().to_bytes()),
        "6c616e67736f2d656e726f6c6d656e742d31010101010101010101010101010101010202020202020202020202020202020203030303030303030303030303030303ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c00000192cc091400"
    );
    let signature = enrolment().sign(&DeviceKey::from_seed([8; 32]));
    assert_eq!(
        HEXLOWER.encode(&signature.0),
        "4374b99b7c3fdf97d348d34b82e71147d78136837be11330cfd091793db8456b8d8a533b55b04dbee4062d74ac9151039b8ff1d6984ec7f484b307ac9a49a40a"
    );
}

#[test]
fn an_assertion_statement_has_these_bytes_for_ever() {
    assert_eq!(
        HEXLOWER.encode(&assertion().to_bytes()),
        "6c616e67736f2d746f6b656e2d31010101010101010101010101010101010202020202020202020202020202020200000192cc0914000606060606060606060606060606060600"
    );
    let with_nonce = AssertionStatement {
        nonce: Some([9; 16]),
        ..assertion()
    };
    assert_eq!(
        HEXLOWER.encode(&with_nonce.to_bytes()),
        "6c616e67736f2d746f6b656e2d31010101010101010101010101010101010202020202020202020202020202020200000192cc091400060606060606060606060606060606060109090909090909090909090909090909"
    );
}

#[test]
fn a_batch_that_differs_in_anything_does_not_verify() {
    let key = DeviceKey::from_seed([7; 32]);
    let signature = batch().sign(&key);
    assert_eq!(batch().verify(&key.public(), &signature), Ok(()));

    let swapped = [CHANGES[1], CHANGES[0]];
    let more = [CHANGES[0], CHANGES[1], [0; 32]];
    let another_document = DocumentId::ledger(batch().document.unit(), Month(59));
    for other in [
        BatchStatement {
            realm: RealmId::from_bytes([0; 16]),
            ..batch()
        },
        BatchStatement {
            device: DeviceId::from_bytes([0; 16]),
            ..batch()
        },
        BatchStatement {
            account: AccountId::from_bytes([0; 16]),
            ..batch()
        },
        BatchStatement {
            document: another_document,
            ..batch()
        },
        BatchStatement {
            changes: &swapped,
            ..batch()
        },
        BatchStatement {
            changes: &CHANGES[..1],
            ..batch()
        },
        BatchStatement {
            changes: &more,
            ..batch()
        },
        BatchStatement {
            changes: &[],
            ..batch()
        },
        BatchStatement {
            keys_digest: [0; 32],
            ..batch()
        },
    ] {
        assert_eq!(
            other.verify(&key.public(), &signature),
            Err(BadSignature),
            "{other:?}"
        );
    }
    assert_eq!(
        batch().verify(&DeviceKey::from_seed([8; 32]).public(), &signature),
        Err(BadSignature)
    );
}

#[test]
fn an_enrolment_that_differs_in_anything_does_not_verify() {
    let server = DeviceKey::from_seed([8; 32]);
    let signature = enrolment().sign(&server);
    assert_eq!(enrolment().verify(&server.public(), &signature), Ok(()));
    for other in [
        EnrolmentStatement {
            realm: RealmId::from_bytes([0; 16]),
            ..enrolment()
        },
        EnrolmentStatement {
            device: DeviceId::from_bytes([0; 16]),
            ..enrolment()
        },
        EnrolmentStatement {
            account: AccountId::from_bytes([0; 16]),
            ..enrolment()
        },
        EnrolmentStatement {
            public_key: server.public(),
            ..enrolment()
        },
        EnrolmentStatement {
            enrolled_at_ms: 0,
            ..enrolment()
        },
    ] {
        assert_eq!(
            other.verify(&server.public(), &signature),
            Err(BadSignature),
            "{other:?}"
        );
    }
}

#[test]
fn an_assertion_that_differs_in_anything_does_not_verify() {
    let key = DeviceKey::from_seed([7; 32]);
    let signature = assertion().sign(&key);
    assert_eq!(assertion().verify(&key.public(), &signature), Ok(()));
    for other in [
        AssertionStatement {
            realm: RealmId::from_bytes([0; 16]),
            ..assertion()
        },
        AssertionStatement {
            device: DeviceId::from_bytes([0; 16]),
            ..assertion()
        },
        AssertionStatement {
            time_ms: 1_730_000_000_001,
            ..assertion()
        },
        AssertionStatement {
            nonce: Some([0; 16]),
            ..assertion()
        },
        AssertionStatement {
            jti: [0; 16],
            ..assertion()
        },
    ] {
        assert_eq!(
            other.verify(&key.public(), &signature),
            Err(BadSignature),
            "{other:?}"
        );
    }
}

#[test]
fn an_altered_signature_does_not_verify() {
    let key = DeviceKey::from_seed([7; 32]);
    let signature = key.sign(b"message");
    for at in 0..64 {
        for bit in 0..8 {
            let mut altered = signature;
            altered.0[at] ^= 1 << bit;
            assert_eq!(key.public().verify(b"message", &altered), Err(BadSignature));
        }
    }
}

#[test]
fn a_secret_key_is_not_printed_and_comes_back_from_its_seed() {
    let key = DeviceKey::from_seed([65; 32]);
    assert_eq!(format!("{key:?}"), "DeviceKey(secret)");
    assert_eq!(DeviceKey::from_seed(key.to_seed()).public(), key.public());
}

#[test]
fn keys_and_signatures_on_the_wire_have_one_length() {
    let key = DeviceKey::from_seed([7; 32]);
    let bytes = minicbor::to_vec(key.public()).unwrap();
    assert_eq!(bytes.len(), 34);
    assert_eq!(minicbor::decode::<PublicKey>(&bytes).unwrap(), key.public());
    let weak = minicbor::to_vec(minicbor::bytes::ByteArray::from([0u8; 32])).unwrap();
    assert!(minicbor::decode::<PublicKey>(&weak).is_err());

    let signature = key.sign(b"");
    let bytes = minicbor::to_vec(signature).unwrap();
    assert_eq!(bytes.len(), 66);
    assert_eq!(minicbor::decode::<Signature>(&bytes).unwrap(), signature);
    assert!(minicbor::decode::<Signature>(&weak).is_err());
}

proptest! {
    #[test]
    fn any_bytes_as_key_and_signature_are_judged_without_panic(
        bytes in any::<[u8; 32]>(),
        signature in any::<[[u8; 32]; 2]>(),
        message in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let signature = Signature(signature.as_flattened().try_into().unwrap());
        if let Ok(key) = PublicKey::from_bytes(bytes) {
            prop_assert_eq!(key.to_bytes(), bytes);
            prop_assert_eq!(key.verify(&message, &signature), Err(BadSignature));
        }
    }
}
