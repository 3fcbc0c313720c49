//! Verifying a file of receipts: pure, without a store.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::document::{acks, board};
use sync_core::ids::{AccountId, DeviceId, UnitId};
use sync_core::progress::Progress;
use sync_core::record::{Fields, Scalar, Stage};
use sync_core::signature::{PublicKey, ReceiptsStatement};

use super::{Answer, File, Judged, ReceiptsError, SignedRecord, Verdict};
use crate::replica::ServerReplica;

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
        audit: (file.audit.position, file.audit.hash),
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
        let mut progress = Progress::default();
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
