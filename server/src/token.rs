//! Access tokens: short JWTs (EdDSA) that name a device and nothing else.
//!
//! What the device may do is read from the tables at each exchange. A token travels with every request of a phone, so it
//! is kept small: the device's id as 22 characters, and when it ends. The key is the realm's own, so a token of another
//! realm has another `kid` and another signature.

use std::sync::{Arc, PoisonError, RwLock};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sync_core::ids::DeviceId;
use sync_core::signature::DeviceKey;

use crate::keys::TokenKeys;

/// Makes and reads access tokens.
pub struct Tokens {
    ring: RwLock<Arc<Ring>>,
    validation: Validation,
    ttl_s: i64,
}

/// The keys of the moment.
struct Ring {
    encoding: EncodingKey,
    header: Header,
    current: Reading,
    previous: Option<Reading>,
}

/// A key that tokens are read with.
struct Reading {
    kid: String,
    decoding: DecodingKey,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("kid", &self.ring().current.kid)
            .finish_non_exhaustive()
    }
}

/// How a key is named in the header of a token: the first four bytes of the SHA-256 of its public half.
pub fn key_id(key: &DeviceKey) -> String {
    let digest = Sha256::digest(key.public().to_bytes());
    HEXLOWER.encode(digest.get(..4).unwrap_or_default())
}

impl Reading {
    fn of(key: &DeviceKey) -> Self {
        Self {
            kid: key_id(key),
            decoding: DecodingKey::from_ed_der(&key.public().to_bytes()),
        }
    }
}

impl Ring {
    fn new(keys: &TokenKeys) -> Result<Self, ed25519_dalek::pkcs8::Error> {
        let signing = ed25519_dalek::SigningKey::from_bytes(&keys.current.to_seed());
        Ok(Self {
            encoding: EncodingKey::from_ed_der(signing.to_pkcs8_der()?.as_bytes()),
            header: Header {
                typ: None,
                kid: Some(key_id(&keys.current)),
                ..Header::new(Algorithm::EdDSA)
            },
            current: Reading::of(&keys.current),
            previous: keys.previous.as_ref().map(Reading::of),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
}

/// What a good token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The device.
    pub device: DeviceId,
    /// Until when, UTC seconds.
    pub expires_s: i64,
    /// By which key.
    pub signed: SignedBy,
}

/// Which key signed a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// The current one.
    Current,
    /// The one before.
    Previous,
}

/// A token that is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not one of ours.
    #[error("the token is not one of this realm")]
    Invalid,
    /// It was, until it ended.
    #[error("the token has expired")]
    Expired,
}

impl Tokens {
    /// Tokens signed with the current key that are good for `ttl_s` seconds.
    ///
    /// # Errors
    /// When the key cannot be encoded, which does not happen.
    pub fn new(keys: &TokenKeys, ttl_s: u32) -> Result<Self, ed25519_dalek::pkcs8::Error> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        // The time is the caller's.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        Ok(Self {
            ring: RwLock::new(Arc::new(Ring::new(keys)?)),
            validation,
            ttl_s: ttl_s.into(),
        })
    }

    /// Goes on with other keys. What was signed by the one before the current stays good until it ends.
    ///
    /// # Errors
    /// When the key cannot be encoded, which does not happen.
    pub fn replace(&self, keys: &TokenKeys) -> Result<(), ed25519_dalek::pkcs8::Error> {
        if key_id(&keys.current) != self.ring().current.kid {
            let ring = Arc::new(Ring::new(keys)?);
            *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
        }
        Ok(())
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A token for a device, and when it ends in UTC seconds.
    pub fn issue(&self, device: DeviceId, now_ms: i64) -> Option<(String, i64)> {
        let exp = now_ms / 1000 + self.ttl_s;
        let claims = Claims {
            sub: BASE64URL_NOPAD.encode(&device.to_bytes()),
            exp,
        };
        let ring = self.ring();
        Some((
            jsonwebtoken::encode(&ring.header, &claims, &ring.encoding).ok()?,
            exp,
        ))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`TokenError`]; only EdDSA under our own key is ever looked at.
    pub fn read(&self, token: &str, now_ms: i64) -> Result<Bearer, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let kid = header.kid.as_deref().ok_or(TokenError::Invalid)?;
        let ring = self.ring();
        let (reading, signed) = match &ring.previous {
            _ if kid == ring.current.kid => (&ring.current, SignedBy::Current),
            Some(previous) if kid == previous.kid => (previous, SignedBy::Previous),
            Some(_) | None => return Err(TokenError::Invalid),
        };
        let decoded = jsonwebtoken::decode::<Claims>(token, &reading.decoding, &self.validation);
        let claims = decoded.map_err(|_| TokenError::Invalid)?.claims;
        let device: Option<[u8; 16]> = BASE64URL_NOPAD
            .decode(claims.sub.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        let device = DeviceId::from_bytes(device.ok_or(TokenError::Invalid)?);
        if claims.exp <= now_ms / 1000 {
            return Err(TokenError::Expired);
        }
        Ok(Bearer {
            device,
            expires_s: claims.exp,
            signed,
        })
    }

    /// A fresh token in place of one that is past its half, or of the key before.
    pub fn renew(&self, bearer: &Bearer, now_ms: i64) -> Option<String> {
        let left = bearer.expires_s - now_ms / 1000;
        if left > self.ttl_s / 2 && bearer.signed == SignedBy::Current {
            None
        } else {
            Some(self.issue(bearer.device, now_ms)?.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_731_049_200_000;

    fn keys(seed: u8, previous: Option<u8>) -> TokenKeys {
        TokenKeys {
            current: DeviceKey::from_seed([seed; 32]),
            previous: previous.map(|seed| DeviceKey::from_seed([seed; 32])),
        }
    }

    fn tokens(seed: u8) -> Tokens {
        Tokens::new(&keys(seed, None), 1000).unwrap()
    }

    #[test]
    fn a_token_is_small_and_says_which_device() {
        let device = DeviceId::from_parts(1, 2);
        let (token, expires_s) = tokens(1).issue(device, NOW).unwrap();
        assert!(token.len() <= 200, "{}", token.len());
        assert_eq!(
            tokens(1).read(&token, NOW),
            Ok(Bearer {
                device,
                expires_s,
                signed: SignedBy::Current
            })
        );
        assert_eq!(tokens(1).read(&token, NOW + 1_000_000), Err(TokenError::Expired));
        assert_eq!(
            tokens(2).read(&token, NOW),
            Err(TokenError::Invalid),
            "another realm's"
        );
    }

    #[test]
    fn a_token_is_renewed_past_its_half() {
        let tokens = tokens(1);
        let (token, _) = tokens.issue(DeviceId::from_parts(1, 2), NOW).unwrap();
        let bearer = tokens.read(&token, NOW).unwrap();
        assert_eq!(tokens.renew(&bearer, NOW + 499_000), None);
        assert!(tokens.renew(&bearer, NOW + 501_000).is_some());
    }

    #[test]
    fn a_key_is_changed_without_anybody_noticing() {
        let tokens = tokens(1);
        let (old, _) = tokens.issue(DeviceId::from_parts(1, 2), NOW).unwrap();
        tokens.replace(&keys(2, Some(1))).unwrap();
        let bearer = tokens.read(&old, NOW).unwrap();
        assert_eq!(bearer.signed, SignedBy::Previous);
        let new = tokens.renew(&bearer, NOW).unwrap();
        assert_eq!(tokens.read(&new, NOW).unwrap().signed, SignedBy::Current);
        assert_eq!(tokens.renew(&tokens.read(&new, NOW).unwrap(), NOW), None);
        tokens.replace(&keys(3, Some(2))).unwrap();
        assert_eq!(tokens.read(&old, NOW), Err(TokenError::Invalid));
    }

    #[test]
    fn tricks_with_the_header_do_not_help() {
        let tokens = tokens(1);
        let (token, _) = tokens.issue(DeviceId::from_parts(1, 2), NOW).unwrap();
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        let header = |json: &str| BASE64URL_NOPAD.encode(json.as_bytes());
        let kid = tokens.ring().current.kid.clone();
        for json in [
            format!(r#"{{"alg":"none","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#),
            r#"{"alg":"EdDSA","kid":"00000000"}"#.to_owned(),
            r#"{"alg":"EdDSA"}"#.to_owned(),
        ] {
            parts[0] = header(&json);
            assert_eq!(
                tokens.read(&parts.join("."), NOW),
                Err(TokenError::Invalid),
                "{json}"
            );
        }
        // HS256 signed with our public key as the secret.
        let public = DeviceKey::from_seed([1; 32]).public().to_bytes();
        let mut forged = Header::new(Algorithm::HS256);
        forged.kid = Some(kid);
        let claims = Claims {
            sub: BASE64URL_NOPAD.encode(&[0; 16]),
            exp: NOW,
        };
        let forged = jsonwebtoken::encode(&forged, &claims, &EncodingKey::from_secret(&public)).unwrap();
        assert_eq!(tokens.read(&forged, NOW), Err(TokenError::Invalid));
        assert_eq!(tokens.read("", NOW), Err(TokenError::Invalid));
        assert_eq!(tokens.read("a.b.c", NOW), Err(TokenError::Invalid));
    }
}
