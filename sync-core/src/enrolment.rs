//! Enrolment and tokens: the JSON of `POST /v1/enrol` and `POST /v1/token`, made and read by both sides.
//!
//! A device makes its key, trades a one-time code for its identity, and keeps the realm's signature under it. Later it
//! signs what it asks tokens for. When a token is asked for is [`crate::session`]; who is let in, the server decides.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use minicbor::{Decode, Encode};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, DeviceId, RealmId};
use crate::signature::{AssertionStatement, DeviceKey, EnrolmentStatement, PublicKey, Signature};

/// What a phone sends with its code.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EnrolRequest {
    /// The one-time code, as it was typed.
    #[cfg_attr(feature = "schema", schema(examples("K7QF-2M9X-4TBD")))]
    pub code: String,
    /// The device's public key, 32 bytes in base64url.
    #[cfg_attr(
        feature = "schema",
        schema(examples("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"))
    )]
    pub public_key: String,
}

impl EnrolRequest {
    /// For this code and key. The same key with the same code is the same device again.
    pub fn new(code: &str, key: &DeviceKey) -> Self {
        Self {
            code: code.trim().to_owned(),
            public_key: BASE64URL_NOPAD.encode(&key.public().to_bytes()),
        }
    }
}

impl fmt::Debug for EnrolRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolRequest(secret)")
    }
}

/// An access token.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenAnswer {
    /// The token.
    #[cfg_attr(
        feature = "schema",
        schema(examples(
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMUpGMEM3SzFNM041UDdROVMyVDRWNlc4WCJ9.c2lnbmF0dXJl"
        ))
    )]
    pub access_token: String,
    /// When it ends, UTC milliseconds.
    pub expires_at_ms: i64,
    /// The server's clock, UTC milliseconds.
    pub server_time_ms: i64,
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenAnswer(secret)")
    }
}

/// What a phone gets for its code: who it is, the server's word for it, and a first token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EnrolAnswer {
    /// The realm's id.
    #[cfg_attr(feature = "schema", schema(examples("01JF000000REA1M00000000000")))]
    pub realm: String,
    /// The device's id.
    #[cfg_attr(feature = "schema", schema(examples("01JF0C7K1M3N5P7Q9S2T4V6W8X")))]
    pub device: String,
    /// The account's id.
    #[cfg_attr(feature = "schema", schema(examples("01JF0B2N4P6R8T0V1X3Z5A7C9E")))]
    pub account: String,
    /// When, UTC milliseconds of the server.
    pub enrolled_at_ms: i64,
    /// The realm's public key, 32 bytes in base64url.
    #[cfg_attr(
        feature = "schema",
        schema(examples("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"))
    )]
    pub server_key: String,
    /// The realm's signature over the enrolment statement, 64 bytes in base64url.
    #[cfg_attr(
        feature = "schema",
        schema(examples(
            "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc-bRr0lv18FlbviRlUUFDjnoQCw"
        ))
    )]
    pub statement_signature: String,
    /// The first token.
    #[serde(flatten)]
    pub token: TokenAnswer,
}

impl EnrolAnswer {
    /// The word of the realm whose key this is.
    pub fn new(statement: &EnrolmentStatement, realm_key: &DeviceKey, token: TokenAnswer) -> Self {
        Self {
            realm: statement.realm.to_string(),
            device: statement.device.to_string(),
            account: statement.account.to_string(),
            enrolled_at_ms: statement.enrolled_at_ms,
            server_key: BASE64URL_NOPAD.encode(&realm_key.public().to_bytes()),
            statement_signature: BASE64URL_NOPAD.encode(&statement.sign(realm_key).0),
            token,
        }
    }
}

/// Who a replica is: made at enrolment, kept in the phone's vault.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The realm.
    pub realm: RealmId,
    /// This device.
    pub device: DeviceId,
    /// The person.
    pub account: AccountId,
    /// What batches are signed with.
    pub key: DeviceKey,
}

/// The server's word for an enrolment is not good: a value is malformed, or the signature is over something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's word for the enrolment is not good")]
pub struct BadWord;

/// That a device was enrolled, with the server's signature: kept, since a restored server may have forgotten it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Enrolment {
    /// The realm.
    #[n(0)]
    pub realm: RealmId,
    /// This device.
    #[n(1)]
    pub device: DeviceId,
    /// The person.
    #[n(2)]
    pub account: AccountId,
    /// When, UTC milliseconds of the server.
    #[n(3)]
    pub enrolled_at_ms: i64,
    /// The realm's key.
    #[n(4)]
    pub server_key: PublicKey,
    /// Over the [`EnrolmentStatement`].
    #[n(5)]
    pub signature: Signature,
}

impl Enrolment {
    /// Reads the server's answer, and checks that the realm signed it for this very key.
    ///
    /// # Errors
    /// [`BadWord`].
    pub fn read(answer: &EnrolAnswer, key: &DeviceKey) -> Result<Self, BadWord> {
        let enrolment = Self {
            realm: answer.realm.parse().map_err(|_| BadWord)?,
            device: answer.device.parse().map_err(|_| BadWord)?,
            account: answer.account.parse().map_err(|_| BadWord)?,
            enrolled_at_ms: answer.enrolled_at_ms,
            server_key: PublicKey::from_bytes(bytes(&answer.server_key)?).map_err(|_| BadWord)?,
            signature: Signature(bytes(&answer.statement_signature)?),
        };
        let statement = EnrolmentStatement {
            realm: enrolment.realm,
            device: enrolment.device,
            account: enrolment.account,
            public_key: key.public(),
            enrolled_at_ms: enrolment.enrolled_at_ms,
        };
        let verified = statement.verify(&enrolment.server_key, &enrolment.signature);
        verified.map_err(|_| BadWord)?;
        Ok(enrolment)
    }

    /// Who this is, with the key that it signs with.
    pub fn identity(&self, key: DeviceKey) -> Identity {
        Identity {
            realm: self.realm,
            device: self.device,
            account: self.account,
            key,
        }
    }
}

/// The realm's word for an enrolment as the device shows it: a server that was restored may have forgotten the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ShownEnrolment {
    /// The account's id.
    #[cfg_attr(feature = "schema", schema(examples("01JF0B2N4P6R8T0V1X3Z5A7C9E")))]
    pub account: String,
    /// The device's public key, 32 bytes in base64url.
    #[cfg_attr(
        feature = "schema",
        schema(examples("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"))
    )]
    pub public_key: String,
    /// When, UTC milliseconds of the server.
    pub enrolled_at_ms: i64,
    /// The realm's signature over the enrolment statement, 64 bytes in base64url.
    #[cfg_attr(
        feature = "schema",
        schema(examples(
            "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc-bRr0lv18FlbviRlUUFDjnoQCw"
        ))
    )]
    pub statement_signature: String,
}

impl ShownEnrolment {
    /// What `key` was enrolled by.
    pub fn of(enrolment: &Enrolment, key: &PublicKey) -> Self {
        Self {
            account: enrolment.account.to_string(),
            public_key: BASE64URL_NOPAD.encode(&key.to_bytes()),
            enrolled_at_ms: enrolment.enrolled_at_ms,
            statement_signature: BASE64URL_NOPAD.encode(&enrolment.signature.0),
        }
    }

    /// What the realm's key once signed for this device.
    ///
    /// # Errors
    /// [`BadWord`] when a value is malformed, or the signature is over something else.
    pub fn verify(
        &self,
        realm: RealmId,
        device: DeviceId,
        realm_key: &PublicKey,
    ) -> Result<EnrolmentStatement, BadWord> {
        let statement = EnrolmentStatement {
            realm,
            device,
            account: self.account.parse().map_err(|_| BadWord)?,
            public_key: PublicKey::from_bytes(bytes(&self.public_key)?).map_err(|_| BadWord)?,
            enrolled_at_ms: self.enrolled_at_ms,
        };
        let signature = Signature(bytes(&self.statement_signature)?);
        let verified = statement.verify(realm_key, &signature);
        verified.map_err(|_| BadWord)?;
        Ok(statement)
    }
}

/// What a device signs to get a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenRequest {
    /// The realm that the device was enrolled in: a server of another one says so, instead of not knowing the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(examples("01JF000000REA1M00000000000")))]
    pub realm: Option<String>,
    /// The device's id.
    #[cfg_attr(feature = "schema", schema(examples("01JF0C7K1M3N5P7Q9S2T4V6W8X")))]
    pub device: String,
    /// Its clock, corrected by the last server time, UTC milliseconds.
    pub time_ms: i64,
    /// 16 random bytes in base64url, used once.
    #[cfg_attr(feature = "schema", schema(examples("AAECAwQFBgcICQoLDA0ODw")))]
    pub jti: String,
    /// What the server gave to sign when it refused the time, 16 bytes in base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(examples("AAECAwQFBgcICQoLDA0ODw")))]
    pub nonce: Option<String>,
    /// Over the `AssertionStatement`, 64 bytes in base64url.
    #[cfg_attr(
        feature = "schema",
        schema(examples(
            "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc-bRr0lv18FlbviRlUUFDjnoQCw"
        ))
    )]
    pub signature: String,
    /// That it was enrolled, for a server that does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<ShownEnrolment>,
}

impl TokenRequest {
    /// "It is me, now."
    pub fn new(identity: &Identity, time_ms: i64, nonce: Option<[u8; 16]>, rng: &mut impl CryptoRng) -> Self {
        let mut jti = [0; 16];
        rng.fill_bytes(&mut jti);
        let statement = AssertionStatement {
            realm: identity.realm,
            device: identity.device,
            time_ms,
            nonce,
            jti,
        };
        Self {
            realm: Some(identity.realm.to_string()),
            device: identity.device.to_string(),
            time_ms,
            jti: BASE64URL_NOPAD.encode(&jti),
            nonce: nonce.map(|nonce| BASE64URL_NOPAD.encode(&nonce)),
            signature: BASE64URL_NOPAD.encode(&statement.sign(&identity.key).0),
            enrolment: None,
        }
    }

    /// The same, showing that the device was enrolled.
    #[must_use]
    pub fn showing(self, enrolment: Option<ShownEnrolment>) -> Self {
        Self { enrolment, ..self }
    }
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], BadWord> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| BadWord)?;
    bytes.try_into().map_err(|_| BadWord)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(key: &DeviceKey) -> EnrolAnswer {
        let statement = EnrolmentStatement {
            realm: RealmId::from_parts(1, 1),
            device: DeviceId::from_parts(2, 2),
            account: AccountId::from_parts(3, 3),
            public_key: key.public(),
            enrolled_at_ms: 1_731_049_200_000,
        };
        let token = TokenAnswer {
            access_token: "t".into(),
            expires_at_ms: 2,
            server_time_ms: 1,
        };
        EnrolAnswer::new(&statement, &DeviceKey::from_seed([7; 32]), token)
    }

    #[test]
    fn the_servers_word_is_good_for_the_key_that_it_was_given_for() {
        let key = DeviceKey::from_seed([1; 32]);
        let enrolment = Enrolment::read(&answer(&key), &key).unwrap();
        let again: Enrolment = minicbor::decode(&minicbor::to_vec(&enrolment).unwrap()).unwrap();
        assert_eq!(again, enrolment);
        let another = DeviceKey::from_seed([2; 32]);
        assert_eq!(Enrolment::read(&answer(&key), &another), Err(BadWord));
    }

    #[test]
    fn a_word_that_was_changed_is_no_word() {
        let key = DeviceKey::from_seed([1; 32]);
        let changes: [fn(&mut EnrolAnswer); 4] = [
            |answer| answer.account = AccountId::from_parts(4, 4).to_string(),
            |answer| answer.enrolled_at_ms += 1,
            |answer| answer.server_key = "?".into(),
            |answer| answer.statement_signature = BASE64URL_NOPAD.encode(&[0; 64]),
        ];
        for change in changes {
            let mut changed = answer(&key);
            change(&mut changed);
            assert_eq!(Enrolment::read(&changed, &key), Err(BadWord));
        }
    }

    #[test]
    fn what_is_shown_is_what_the_realm_signed() {
        let (key, realm_key) = (
            DeviceKey::from_seed([1; 32]),
            DeviceKey::from_seed([7; 32]).public(),
        );
        let enrolment = Enrolment::read(&answer(&key), &key).unwrap();
        let shown = ShownEnrolment::of(&enrolment, &key.public());
        let (realm, device) = (enrolment.realm, enrolment.device);
        let statement = shown.verify(realm, device, &realm_key).unwrap();
        assert_eq!(
            (statement.account, statement.public_key),
            (enrolment.account, key.public())
        );
        assert_eq!(
            shown.verify(realm, DeviceId::from_parts(9, 9), &realm_key),
            Err(BadWord)
        );
        assert_eq!(
            shown.verify(RealmId::from_parts(9, 9), device, &realm_key),
            Err(BadWord)
        );
        assert_eq!(
            shown.verify(realm, device, &key.public()),
            Err(BadWord),
            "not its own word"
        );
        let changes: [fn(&mut ShownEnrolment); 4] = [
            |shown| shown.account = AccountId::from_parts(4, 4).to_string(),
            |shown| shown.enrolled_at_ms += 1,
            |shown| {
                let other = DeviceKey::from_seed([2; 32]).public().to_bytes();
                shown.public_key = BASE64URL_NOPAD.encode(&other);
            },
            |shown| shown.statement_signature = "?".into(),
        ];
        for change in changes {
            let mut changed = shown.clone();
            change(&mut changed);
            assert_eq!(changed.verify(realm, device, &realm_key), Err(BadWord));
        }
    }

    #[test]
    fn secrets_do_not_show_in_what_is_printed() {
        let key = DeviceKey::from_seed([1; 32]);
        let printed = format!(
            "{:?} {:?}",
            EnrolRequest::new("ABCD-EFGH", &key),
            answer(&key).token
        );
        assert!(!printed.contains("ABCD"), "{printed}");
        assert!(!printed.contains('"'), "{printed}");
    }
}
