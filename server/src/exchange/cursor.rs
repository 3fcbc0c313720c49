//! The cursor: where the next page of one device starts, in a form that only this server can make.
//!
//! It holds a log position, the set of scopes for which everything up to that position was delivered, and a backfill
//! that is under way. A phone gives it back as it came. On the wire it is CBOR and twelve bytes of HMAC-SHA256 over the
//! device and the CBOR: neither another device's nor a forged one is taken.

use hmac::{Hmac, KeyInit, Mac};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use sync_core::ids::DeviceId;
use sync_core::protocol::ScopeSet;

const MAC_BYTES: usize = 12;
const CONTEXT: &[u8] = b"langso-cursor-1";

/// Names a scope set: the first eight bytes of the SHA-256 of its CBOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct SetId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 8]);

impl SetId {
    /// The name of a set, and the bytes it is the name of.
    pub fn of(set: &ScopeSet) -> (Self, Vec<u8>) {
        let body = minicbor::to_vec(set).unwrap_or_default();
        let digest: [u8; 32] = Sha256::digest(&body).into();
        let mut id = [0; 8];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        (Self(id), body)
    }
}

/// Where the next page starts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Cursor {
    /// Everything up to here was delivered, for the scopes of `set`.
    #[n(0)]
    pub position: u64,
    /// The scopes that the device holds; `None`: none yet.
    #[n(1)]
    pub set: Option<SetId>,
    /// What is being fetched to hold another set.
    #[n(2)]
    pub backfill: Option<Backfill>,
    /// Boards were delivered up to here, ahead of the rest of a backlog.
    #[n(3)]
    pub boards: Option<u64>,
    /// The last decision about the device's quarantined batches that was delivered.
    #[n(4)]
    pub verdict: u64,
    /// What is urgent on boards was delivered so far, ahead of the other boards.
    #[n(5)]
    pub urgent: Option<Ahead>,
}

/// How far what is urgent went ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Ahead {
    /// Every urgent directive up to here, with what is before it on its board.
    #[n(0)]
    pub until: u64,
    /// A part of what is before the next one.
    #[n(1)]
    pub within: Option<Within>,
}

/// A board of which a part was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Within {
    /// The document's row.
    #[n(0)]
    pub document: i64,
    /// Up to there.
    #[n(1)]
    pub position: u64,
}

/// The way from one scope set to another: documents of the new set that the old one did not cover.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Backfill {
    /// The new set.
    #[n(0)]
    pub set: SetId,
    /// Documents come as they were at this position; after it, the log goes on.
    #[n(1)]
    pub until: u64,
    /// Where to go on; `None`: at the beginning.
    #[n(2)]
    pub next: Option<Place>,
}

/// A place in a backfill, which goes through documents newest month first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Place {
    /// Months since 2020-01, -1 for documents without months.
    #[n(0)]
    pub period: i64,
    /// The document's row.
    #[n(1)]
    pub document: i64,
    /// Its changes up to this position were delivered.
    #[n(2)]
    pub after: u64,
}

/// Bytes that are no cursor of this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this device")]
pub struct InvalidCursor;

impl Cursor {
    /// Where a device starts that has nothing.
    pub const START: Cursor = Cursor {
        position: 0,
        set: None,
        backfill: None,
        boards: None,
        verdict: 0,
        urgent: None,
    };

    /// The bytes for `device`.
    pub fn seal(&self, key: &[u8; 32], device: DeviceId) -> Vec<u8> {
        let mut bytes = minicbor::to_vec(self).unwrap_or_default();
        let tag = mac(key, device, &bytes).finalize().into_bytes();
        bytes.extend(tag.iter().take(MAC_BYTES));
        bytes
    }

    /// The cursor that [`Cursor::seal`] gave to `device`.
    ///
    /// # Errors
    /// [`InvalidCursor`].
    pub fn open(bytes: &[u8], key: &[u8; 32], device: DeviceId) -> Result<Self, InvalidCursor> {
        let at = bytes.len().checked_sub(MAC_BYTES).ok_or(InvalidCursor)?;
        let (body, tag) = bytes.split_at_checked(at).ok_or(InvalidCursor)?;
        mac(key, device, body)
            .verify_truncated_left(tag)
            .map_err(|_| InvalidCursor)?;
        minicbor::decode(body).map_err(|_| InvalidCursor)
    }
}

fn mac(key: &[u8; 32], device: DeviceId, body: &[u8]) -> Hmac<Sha256> {
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block);
    mac.update(CONTEXT);
    mac.update(&device.to_bytes());
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_serves_its_device_alone_and_only_unchanged() {
        let (key, device) = ([7; 32], DeviceId::from_parts(1, 1));
        let place = Place {
            period: 58,
            document: 3,
            after: 9,
        };
        let backfill = Backfill {
            set: SetId([1; 8]),
            until: 20,
            next: Some(place),
        };
        let cursor = Cursor {
            position: 17,
            set: None,
            backfill: Some(backfill),
            boards: Some(18),
            verdict: 4,
            urgent: Some(Ahead {
                until: 18,
                within: None,
            }),
        };
        let sealed = cursor.seal(&key, device);
        assert_eq!(Cursor::open(&sealed, &key, device), Ok(cursor));
        assert_eq!(
            Cursor::open(&sealed, &key, DeviceId::from_parts(1, 2)),
            Err(InvalidCursor)
        );
        assert_eq!(Cursor::open(&sealed, &[8; 32], device), Err(InvalidCursor));
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(Cursor::open(&bent, &key, device), Err(InvalidCursor));
            assert_eq!(Cursor::open(&sealed[..at], &key, device), Err(InvalidCursor));
        }
    }

    #[test]
    fn an_idle_cursor_is_small() {
        let cursor = Cursor {
            position: 10_000_000,
            set: Some(SetId([1; 8])),
            backfill: None,
            boards: None,
            verdict: 0,
            urgent: None,
        };
        assert!(cursor.seal(&[7; 32], DeviceId::from_parts(1, 1)).len() <= 32);
    }
}
