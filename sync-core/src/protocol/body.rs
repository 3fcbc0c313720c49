//! Bodies: CBOR, compressed with zstd where that pays, and bounded on the way back in.
//!
//! A compressed body carries `content-encoding: zstd`. Small ones travel as they are: an idle exchange would grow.

use std::io::Read;

use minicbor::{Decode, Encode};

use super::{SyncRequest, SyncResponse, limits};

/// Below this size a body is sent as it is: a frame costs about 15 bytes and finds nothing to share.
const COMPRESS_FROM_BYTES: usize = 160;
/// Level of what phones send: bytes are dear there, and a push is at most a few hundred kilobytes.
const PHONE_LEVEL: i32 = 12;
/// Level of what the server sends: it compresses for everyone.
const SERVER_LEVEL: i32 = 5;
/// A frame may ask for a window of at most 2^21 bytes; the library's own limit would let 17 bytes claim 128 MiB.
const WINDOW_LOG_MAX: u32 = 21;

/// The media type of both directions.
pub const CONTENT_TYPE: &str = "application/cbor";

/// A body that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// What goes over the wire.
    pub bytes: Vec<u8>,
    /// Whether `bytes` is a zstd frame (`content-encoding: zstd`).
    pub compressed: bool,
}

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It inflates beyond the limit.
    #[error("the body inflates beyond {0} bytes")]
    TooLarge(usize),
    /// It is not a zstd frame.
    #[error("the body is not valid zstd")]
    Compression,
    /// It is not CBOR of the expected shape.
    #[error("the body is not a valid message: {0}")]
    Message(String),
}

/// Encodes what a phone sends. What compresses so well that it would be taken for a bomb travels as it is.
pub fn encode_request(message: &SyncRequest) -> Body {
    encode(message, PHONE_LEVEL, request_cap)
}

/// Encodes what the server answers.
pub fn encode_response(message: &SyncResponse) -> Body {
    encode(message, SERVER_LEVEL, |_| limits::RESPONSE_INFLATED_BYTES)
}

/// What a request of so many bytes may inflate to.
fn request_cap(bytes: usize) -> usize {
    let ratio_cap = bytes
        .saturating_mul(limits::INFLATE_RATIO)
        .max(limits::INFLATE_FLOOR);
    ratio_cap.min(limits::INFLATED_BYTES)
}

/// Decodes a request; `compressed` as the header says.
///
/// # Errors
/// [`BodyError`]; nothing larger than [`limits::INFLATED_BYTES`] is ever held.
pub fn decode_request(bytes: &[u8], compressed: bool) -> Result<SyncRequest, BodyError> {
    decode(bytes, compressed, request_cap(bytes.len()))
}

/// Decodes an answer; `compressed` as the header says.
///
/// # Errors
/// [`BodyError`]; nothing larger than [`limits::RESPONSE_INFLATED_BYTES`] is ever held.
pub fn decode_response(bytes: &[u8], compressed: bool) -> Result<SyncResponse, BodyError> {
    decode(bytes, compressed, limits::RESPONSE_INFLATED_BYTES)
}

fn encode<T: Encode<()>>(message: &T, level: i32, cap: fn(usize) -> usize) -> Body {
    let plain = to_vec(message);
    if plain.len() < COMPRESS_FROM_BYTES {
        return Body {
            bytes: plain,
            compressed: false,
        };
    }
    match zstd::bulk::compress(&plain, level) {
        Ok(bytes) if bytes.len() < plain.len() && plain.len() <= cap(bytes.len()) => Body {
            bytes,
            compressed: true,
        },
        Ok(_) | Err(_) => Body {
            bytes: plain,
            compressed: false,
        },
    }
}

/// Encodes to memory, which cannot fail: every type here encodes itself without conditions.
pub(crate) fn to_vec<T: Encode<()>>(message: &T) -> Vec<u8> {
    minicbor::to_vec(message).unwrap_or_default()
}

fn decode<T: for<'b> Decode<'b, ()>>(bytes: &[u8], compressed: bool, cap: usize) -> Result<T, BodyError> {
    let inflated;
    let plain = if compressed {
        inflated = inflate(bytes, cap)?;
        inflated.as_slice()
    } else if bytes.len() > cap {
        return Err(BodyError::TooLarge(cap));
    } else {
        bytes
    };
    let mut decoder = minicbor::Decoder::new(plain);
    let message = T::decode(&mut decoder, &mut ()).map_err(|error| BodyError::Message(error.to_string()))?;
    if decoder.position() != plain.len() {
        return Err(BodyError::Message("bytes after the message".to_owned()));
    }
    Ok(message)
}

/// Inflates in a stream that stops at the cap: the size that a frame claims is never believed.
fn inflate(bytes: &[u8], cap: usize) -> Result<Vec<u8>, BodyError> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(|_| BodyError::Compression)?;
    decoder
        .window_log_max(WINDOW_LOG_MAX)
        .map_err(|_| BodyError::Compression)?;
    let mut plain = Vec::with_capacity(bytes.len().saturating_mul(2).min(cap));
    decoder
        .take(cap as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|_| BodyError::Compression)?;
    if plain.len() > cap {
        Err(BodyError::TooLarge(cap))
    } else {
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_phone_compresses_the_server_inflates_however_well_it_compresses() {
        let request = |text: &str| SyncRequest {
            v: 1,
            epoch: None,
            token: None,
            device_time_ms: 0,
            cursor: Some(text.as_bytes().to_vec()),
            digest: None,
            push: Vec::new(),
            heal: Vec::new(),
            limits: None,
            health: None,
        };
        for (repeated, compressed) in [(2, false), (100, true), (2_000, true), (10_000, false)] {
            let message = request(&"Kính gửi các thôn. ".repeat(repeated));
            let body = encode_request(&message);
            assert_eq!(body.compressed, compressed, "{repeated}");
            assert!(decode_request(&body.bytes, body.compressed).is_ok(), "{repeated}");
        }
    }
}
