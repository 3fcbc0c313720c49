//! Making a file of receipts, from the rows of the store and the realm's key.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use sync_core::ids::{DeviceId, RealmId, RecordId, UnitId};
use sync_core::signature::{DeviceKey, EnrolmentStatement, ReceiptsStatement};

use super::{Device, File, ReceiptsError, SignedRecord};
use crate::audit;
use crate::directives;
use crate::realm;

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
    let asked = directives::asked(conn, &directive)?;
    let today = realm::tree(conn, crate::clock::day_of(now_ms))?;
    let name = |unit: UnitId| {
        today
            .unit(unit)
            .map_or_else(String::new, |unit| unit.name.clone())
    };
    let mut roster = Vec::new();
    let mut counted: BTreeMap<UnitId, BTreeSet<UnitId>> = BTreeMap::new();
    for (unit, speakers) in asked.expected(&today) {
        for speaker in &speakers {
            roster.push((*speaker, unit, name(unit)));
            counted.insert(*speaker, speakers.clone());
        }
    }
    // Whose word does not count – a directive may ask for some roles alone – has said nothing.
    let mut events = directives::acknowledgements(conn, directive.issue.directive)?;
    events.retain(|event| {
        let units = counted.get(&event.document.unit());
        units.is_none_or(|units| asked.hears(event.by, units))
    });
    let spoke: BTreeSet<DeviceId> = events
        .iter()
        .map(|event| event.device)
        .chain([directive.device])
        .collect();
    let mut devices = Vec::new();
    for device in spoke {
        devices.extend(standing(conn, realm, device)?);
    }
    let audit = audit::head(conn)?;
    let statement = ReceiptsStatement {
        realm,
        audit: (audit.position, audit.hash),
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
        audit,
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
