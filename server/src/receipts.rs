//! Receipts: what was said about one version of a directive, in a file that can be verified without this server.
//!
//! The file holds the directive and every event with its device's signature, the devices with the realm's word for their
//! enrolment, and the realm's word for who had to answer. Only the realm's public key has to be known. Who makes such a
//! file himself has no realm's word in it; who leaves a hamlet out of ours, or adds one, breaks it.

mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rusqlite::Connection;
use sync_core::document::{acks, board};
use sync_core::ids::{AccountId, DeviceId, RealmId, RecordId, UnitId};
use sync_core::record::{Fields, Scalar, Stage};
use sync_core::signature::{DeviceKey, EnrolmentStatement, PublicKey, ReceiptsStatement, RecordStatement};

use crate::directives;
use crate::realm::{self, RealmError};
use crate::replica::ServerReplica;
pub use file::{Device, File, SignedRecord};

/// Why there is no file, or why it is none.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptsError {
    /// There is no such directive.
    #[error("there is no directive {0}")]
    NoDirective(RecordId),
    /// The store failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The realm's tables.
    #[error(transparent)]
    Realm(#[from] RealmError),
    /// The realm did not sign this.
    #[error("the realm's signature does not fit: this file was made or changed by somebody else")]
    NotOurs,
    /// The directive in it is not what its issuer signed.
    #[error("the directive is not what its issuer signed")]
    Directive,
}

/// What can be said of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Signed by a device that was enrolled.
    Valid,
    /// So too, and the device was revoked later.
    RevokedLater,
    /// The device says that it signed after it had been revoked.
    RevokedBefore,
    /// It is about another version.
    WrongVersion,
    /// The realm never enrolled such a device, or for somebody else.
    UnknownKey,
    /// The signature does not fit what is said.
    BrokenSignature,
}

impl Verdict {
    /// Whether it proves that the unit said so.
    pub fn counts(self) -> bool {
        match self {
            Verdict::Valid | Verdict::RevokedLater => true,
            Verdict::RevokedBefore
            | Verdict::WrongVersion
            | Verdict::UnknownKey
            | Verdict::BrokenSignature => false,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Valid => "valid",
            Verdict::RevokedLater => "valid, device revoked later",
            Verdict::RevokedBefore => "signed after the device was revoked",
            Verdict::WrongVersion => "wrong version",
            Verdict::UnknownKey => "unknown key",
            Verdict::BrokenSignature => "broken signature",
        })
    }
}

/// One event and what can be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The event.
    pub event: RecordId,
    /// The unit that speaks.
    pub unit: UnitId,
    /// What it says, if that can be read.
    pub stage: Option<Stage>,
    /// Whether it does.
    pub verdict: Verdict,
    /// It names an event before it that is not in the file.
    pub gap: bool,
}

/// One unit that had to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The unit.
    pub unit: UnitId,
    /// Its name.
    pub name: String,
    /// How far it has come, by what is proved; `None`: missing.
    pub stage: Option<Stage>,
    /// Everything that was said in its name.
    pub events: Vec<Judged>,
}

/// Makes the file for one version of a directive.
///
/// # Errors
/// [`ReceiptsError`].
pub fn export(
    conn: &Connection,
    record: RecordId,
    key: &DeviceKey,
    now_ms: i64,
) -> Result<File, ReceiptsError> {
    let realm = realm::info(conn)?.id;
    let directive = directives::directive(conn, record)?.ok_or(ReceiptsError::NoDirective(record))?;
    let issued_on = realm::tree(conn, directives::issued_on(&directive))?;
    let today = realm::tree(conn, crate::clock::day_of(now_ms))?;
    let name = |unit: UnitId| {
        today
            .unit(unit)
            .map_or_else(String::new, |unit| unit.name.clone())
    };
    let mut roster = Vec::new();
    for (unit, speakers) in directives::expected(&directive, &issued_on, &today) {
        roster.extend(speakers.into_iter().map(|speaker| (speaker, unit, name(unit))));
    }
    let events = directives::acknowledgements(conn, directive.issue.directive)?;
    let spoke: BTreeSet<DeviceId> = events
        .iter()
        .map(|event| event.device)
        .chain([directive.device])
        .collect();
    let mut devices = Vec::new();
    for device in spoke {
        devices.extend(standing(conn, realm, device)?);
    }
    let statement = ReceiptsStatement {
        realm,
        digest: directive.issue.digest,
        at_ms: now_ms,
        roster: &roster,
        devices: &devices,
    };
    let signature = statement.sign(key);
    let directive = SignedRecord {
        document: directive.document,
        record: directive.id,
        fields: directive.fields(),
        signature: directive.signature,
    };
    let events = events.into_iter().map(|event| SignedRecord {
        document: event.document,
        record: event.id,
        fields: event.fields(),
        signature: event.signature,
    });
    Ok(File {
        realm,
        at_ms: now_ms,
        directive,
        devices: devices
            .into_iter()
            .map(|(enrolment, revoked_at_ms)| Device {
                signature: enrolment.sign(key),
                enrolment,
                revoked_at_ms,
            })
            .collect(),
        roster,
        events: events.collect(),
        signature,
    })
}

/// How a device was enrolled, and when it was revoked. The server's own replica needs no word for it.
fn standing(
    conn: &Connection,
    realm: RealmId,
    id: DeviceId,
) -> rusqlite::Result<Option<(EnrolmentStatement, Option<i64>)>> {
    let Some(device) = realm::device(conn, id)? else {
        return Ok(None);
    };
    let sql = "SELECT revoked_at FROM device WHERE id = ?";
    let revoked_at = conn
        .prepare_cached(sql)?
        .query_row([id.to_bytes()], |row| row.get(0))?;
    let enrolment = EnrolmentStatement {
        realm,
        device: id,
        account: device.account,
        public_key: device.key,
        enrolled_at_ms: device.enrolled_at,
    };
    Ok(Some((enrolment, revoked_at)))
}

/// Verifies a file against the realm's key: says for each unit what is proved.
///
/// # Errors
/// [`ReceiptsError::NotOurs`], [`ReceiptsError::Directive`].
pub fn verify(file: &File, key: &PublicKey) -> Result<Vec<Answer>, ReceiptsError> {
    let digest = file.directive.statement().digest();
    let devices: Vec<_> = file
        .devices
        .iter()
        .map(|device| (device.enrolment, device.revoked_at_ms))
        .collect();
    let statement = ReceiptsStatement {
        realm: file.realm,
        digest,
        at_ms: file.at_ms,
        roster: &file.roster,
        devices: &devices,
    };
    let ours = statement.verify(key, &file.signature).is_ok()
        && file
            .devices
            .iter()
            .all(|device| device.enrolment.verify(key, &device.signature).is_ok());
    if !ours {
        return Err(ReceiptsError::NotOurs);
    }
    let verifier = Verifier {
        file,
        digest,
        realm_key: key,
    };
    if !verifier
        .verdict(&file.directive, board::DEVICE, board::ISSUED_BY)
        .counts()
    {
        return Err(ReceiptsError::Directive);
    }
    let known: BTreeSet<[u8; 32]> = file
        .events
        .iter()
        .map(|event| event.statement().digest())
        .collect();
    let mut answers: BTreeMap<UnitId, Answer> = BTreeMap::new();
    for (_, unit, name) in &file.roster {
        answers.entry(*unit).or_insert_with(|| Answer {
            unit: *unit,
            name: name.clone(),
            stage: None,
            events: Vec::new(),
        });
    }
    for event in &file.events {
        let speaker = event.document.unit();
        let counted = file
            .roster
            .iter()
            .find(|(unit, ..)| *unit == speaker)
            .map(|(_, unit, _)| *unit);
        let Some(answer) = counted.and_then(|unit| answers.get_mut(&unit)) else {
            continue;
        };
        answer.events.push(verifier.event(event, &known));
    }
    for answer in answers.values_mut() {
        answer.stage = verifier.stage(&answer.events);
    }
    Ok(answers.into_values().collect())
}

struct Verifier<'a> {
    file: &'a File,
    digest: [u8; 32],
    realm_key: &'a PublicKey,
}

impl Verifier<'_> {
    fn event(&self, event: &SignedRecord, known: &BTreeSet<[u8; 32]>) -> Judged {
        let mut verdict = self.verdict(event, acks::DEVICE, acks::BY);
        let meant = event.fields.get(acks::DIGEST) == Some(&Scalar::Bytes(self.digest.to_vec()));
        if verdict.counts() && !meant {
            verdict = Verdict::WrongVersion;
        }
        let gap = match event.fields.get(acks::PREVIOUS) {
            Some(Scalar::Bytes(previous)) => !known.iter().any(|digest| digest.as_slice() == previous),
            Some(_) | None => false,
        };
        Judged {
            event: event.record,
            unit: event.document.unit(),
            stage: stage_of(&event.fields),
            verdict,
            gap,
        }
    }

    fn verdict(&self, record: &SignedRecord, device: &str, account: &str) -> Verdict {
        let id = |key: &str| match record.fields.get(key) {
            Some(Scalar::Bytes(bytes)) => <[u8; 16]>::try_from(bytes.as_slice()).ok(),
            Some(_) | None => None,
        };
        let (device, account) = (
            id(device).map(DeviceId::from_bytes),
            id(account).map(AccountId::from_bytes),
        );
        if device == Some(ServerReplica::device(self.file.realm)) {
            return match record.statement().verify(self.realm_key, &record.signature) {
                Ok(()) => Verdict::Valid,
                Err(_) => Verdict::BrokenSignature,
            };
        }
        let known = self
            .file
            .devices
            .iter()
            .find(|known| Some(known.enrolment.device) == device);
        let Some(known) = known.filter(|known| Some(known.enrolment.account) == account) else {
            return Verdict::UnknownKey;
        };
        if record
            .statement()
            .verify(&known.enrolment.public_key, &record.signature)
            .is_err()
        {
            return Verdict::BrokenSignature;
        }
        let at = record
            .fields
            .get(acks::AT)
            .or_else(|| record.fields.get(board::ISSUED_AT));
        match (known.revoked_at_ms, at) {
            (None, _) => Verdict::Valid,
            (Some(revoked), Some(Scalar::Int(at))) if *at < revoked => Verdict::RevokedLater,
            (Some(_), _) => Verdict::RevokedBefore,
        }
    }

    /// How far the proved events go.
    fn stage(&self, events: &[Judged]) -> Option<Stage> {
        let mut progress = sync_core::progress::Progress::default();
        for judged in events.iter().filter(|judged| judged.verdict.counts()) {
            let record = self.file.events.iter().find(|event| event.record == judged.event);
            if let (Some(stage), Some(Scalar::Int(at))) = (
                judged.stage,
                record.and_then(|record| record.fields.get(acks::AT)),
            ) {
                progress.add(stage, *at);
            }
        }
        progress.stage()
    }
}

fn stage_of(fields: &Fields) -> Option<Stage> {
    match fields.get(acks::STAGE) {
        Some(Scalar::Text(code)) => Stage::from_code(code),
        Some(_) | None => None,
    }
}

impl SignedRecord {
    /// What its device signed.
    pub fn statement(&self) -> RecordStatement<'_> {
        RecordStatement {
            document: self.document,
            record: self.record,
            fields: &self.fields,
        }
    }
}
