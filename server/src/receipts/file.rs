//! The file: JSON, so that anybody can read what it says. Bytes are base64url without padding; each field of a record
//! names its kind, for the canonical bytes depend on it.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value, json};
use sync_core::ids::{DocumentId, RealmId, RecordId, UnitId};
use sync_core::record::{Fields, Scalar};
use sync_core::signature::{EnrolmentStatement, PublicKey, Signature};

use crate::audit::Head;

/// What the first line of sense says.
const VERSION: u64 = 1;

/// An exported file.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Where.
    pub realm: RealmId,
    /// When it was made, UTC milliseconds of the server.
    pub at_ms: i64,
    /// Where the audit of the server ended then: whoever keeps the file can ask for that head later.
    pub audit: Head,
    /// The version that it is about.
    pub directive: SignedRecord,
    /// Devices that spoke.
    pub devices: Vec<Device>,
    /// Each unit that may speak, the unit that it is counted for, and that unit's name.
    pub roster: Vec<(UnitId, UnitId, String)>,
    /// What was said.
    pub events: Vec<SignedRecord>,
    /// The realm's.
    pub signature: Signature,
}

/// A record with its device's signature.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedRecord {
    /// Its document.
    pub document: DocumentId,
    /// Its id.
    pub record: RecordId,
    /// Its fields without the signature.
    pub fields: Fields,
    /// Over its canonical bytes.
    pub signature: Signature,
}

/// A device as the realm knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// How it was enrolled.
    pub enrolment: EnrolmentStatement,
    /// The realm's signature under that.
    pub signature: Signature,
    /// When it was revoked.
    pub revoked_at_ms: Option<i64>,
}

impl File {
    /// As it is written.
    pub fn to_json(&self) -> Value {
        let devices = self.devices.iter().map(|device| {
            json!({
                "device": device.enrolment.device.to_string(),
                "account": device.enrolment.account.to_string(),
                "public_key": bytes(&device.enrolment.public_key.to_bytes()),
                "enrolled_at_ms": device.enrolment.enrolled_at_ms,
                "signature": bytes(&device.signature.0),
                "revoked_at_ms": device.revoked_at_ms,
            })
        });
        let roster = self.roster.iter().map(|(unit, counted_for, name)| {
            json!({ "unit": unit.to_string(), "counted_for": counted_for.to_string(), "name": name })
        });
        json!({
            "langso_receipts": VERSION,
            "realm": self.realm.to_string(),
            "at_ms": self.at_ms,
            "audit_head": self.audit.to_string(),
            "directive": self.directive.to_json(),
            "devices": devices.collect::<Vec<_>>(),
            "roster": roster.collect::<Vec<_>>(),
            "events": self.events.iter().map(SignedRecord::to_json).collect::<Vec<_>>(),
            "signature": bytes(&self.signature.0),
        })
    }

    /// What such JSON says; `None` if it is not such a file.
    pub fn from_json(json: &Value) -> Option<Self> {
        if json.get("langso_receipts")?.as_u64()? != VERSION {
            return None;
        }
        let realm = text(json, "realm")?.parse().ok()?;
        let device = |json: &Value| -> Option<Device> {
            Some(Device {
                enrolment: EnrolmentStatement {
                    realm,
                    device: text(json, "device")?.parse().ok()?,
                    account: text(json, "account")?.parse().ok()?,
                    public_key: PublicKey::from_bytes(array(json, "public_key")?).ok()?,
                    enrolled_at_ms: json.get("enrolled_at_ms")?.as_i64()?,
                },
                signature: Signature(array(json, "signature")?),
                revoked_at_ms: match json.get("revoked_at_ms")? {
                    Value::Null => None,
                    at => Some(at.as_i64()?),
                },
            })
        };
        let entry = |json: &Value| -> Option<(UnitId, UnitId, String)> {
            let unit = |key| text(json, key)?.parse().ok();
            Some((
                unit("unit")?,
                unit("counted_for")?,
                text(json, "name")?.to_owned(),
            ))
        };
        Some(Self {
            realm,
            at_ms: json.get("at_ms")?.as_i64()?,
            audit: text(json, "audit_head")?.parse().ok()?,
            directive: SignedRecord::from_json(json.get("directive")?)?,
            devices: list(json, "devices")?.iter().map(device).collect::<Option<_>>()?,
            roster: list(json, "roster")?.iter().map(entry).collect::<Option<_>>()?,
            events: list(json, "events")?
                .iter()
                .map(SignedRecord::from_json)
                .collect::<Option<_>>()?,
            signature: Signature(array(json, "signature")?),
        })
    }
}

impl SignedRecord {
    fn to_json(&self) -> Value {
        let fields: Map<String, Value> = self
            .fields
            .iter()
            .map(|(key, value)| (key.clone(), kind(value)))
            .collect();
        json!({
            "document": self.document.to_string(),
            "record": self.record.to_string(),
            "fields": fields,
            "signature": bytes(&self.signature.0),
        })
    }

    fn from_json(json: &Value) -> Option<Self> {
        let fields = json.get("fields")?.as_object()?.iter();
        Some(Self {
            document: text(json, "document")?.parse().ok()?,
            record: text(json, "record")?.parse().ok()?,
            fields: fields
                .map(|(key, value)| Some((key.clone(), scalar(value)?)))
                .collect::<Option<_>>()?,
            signature: Signature(array(json, "signature")?),
        })
    }
}

fn kind(value: &Scalar) -> Value {
    match value {
        Scalar::Text(text) => json!({ "text": text }),
        Scalar::Bytes(raw) => json!({ "bytes": bytes(raw) }),
        Scalar::Int(n) => json!({ "number": n }),
        Scalar::Bool(truth) => json!({ "truth": truth }),
        Scalar::Null => Value::Null,
    }
}

fn scalar(json: &Value) -> Option<Scalar> {
    if json.is_null() {
        return Some(Scalar::Null);
    }
    let (kind, value) = json.as_object()?.iter().next()?;
    match kind.as_str() {
        "text" => Some(Scalar::Text(value.as_str()?.to_owned())),
        "bytes" => Some(Scalar::Bytes(
            BASE64URL_NOPAD.decode(value.as_str()?.as_bytes()).ok()?,
        )),
        "number" => Some(Scalar::Int(value.as_i64()?)),
        "truth" => Some(Scalar::Bool(value.as_bool()?)),
        _ => None,
    }
}

fn bytes(raw: &[u8]) -> String {
    BASE64URL_NOPAD.encode(raw)
}

fn text<'a>(json: &'a Value, key: &str) -> Option<&'a str> {
    json.get(key)?.as_str()
}

fn array<const N: usize>(json: &Value, key: &str) -> Option<[u8; N]> {
    BASE64URL_NOPAD
        .decode(text(json, key)?.as_bytes())
        .ok()?
        .try_into()
        .ok()
}

fn list<'a>(json: &'a Value, key: &str) -> Option<&'a Vec<Value>> {
    json.get(key)?.as_array()
}
