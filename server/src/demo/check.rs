//! Comparing what the API returns with what the phones logged, field by field.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use serde_json::{Value, json};
use sync_core::seal::SealedField;

use super::day::{Logged, Played};

/// Every difference, by record and field; no values, for they may be personal.
pub(super) fn differences(
    played: &[Played],
    records: &[Value],
    conflicts: &[Value],
) -> anyhow::Result<Vec<String>> {
    let mut differences = Vec::new();
    let mut found: BTreeMap<&str, &Value> = BTreeMap::new();
    for record in records {
        let id = record
            .get("id")
            .and_then(Value::as_str)
            .context("a record without an id")?;
        if found.insert(id, record).is_some() {
            differences.push(format!("{id}: twice"));
        }
    }
    for (logged, unit) in played
        .iter()
        .flat_map(|played| played.logged.iter().map(|logged| (logged, played.unit)))
    {
        let id = logged.new.id.to_string();
        match found.remove(id.as_str()) {
            None => differences.push(format!("{id}: missing")),
            Some(record) => {
                let fields = differing(logged, &unit.to_string(), record);
                differences.extend(fields.into_iter().map(|field| format!("{id}: {field}")));
            }
        }
    }
    differences.extend(found.into_keys().map(|id| format!("{id}: nobody logged it")));
    differences.extend(conflict_differences(played, conflicts));
    differences.extend(phone_differences(played)?);
    Ok(differences)
}

/// The names of the fields in which a record is not what was logged.
fn differing(logged: &Logged, unit: &str, record: &Value) -> BTreeSet<String> {
    let new = &logged.new;
    let retraction = logged
        .retraction
        .map(|(reason, by, at_ms)| json!({ "reason": reason.code(), "by": by.to_string(), "at_ms": at_ms }));
    let personal: BTreeMap<&str, &String> = new
        .personal
        .0
        .iter()
        .map(|(field, text)| (field.key(), text))
        .collect();
    let sealed: Vec<&str> = new.personal.0.keys().map(|field| field.key()).collect();
    let expected = json!({
        "id": new.id.to_string(), "unit": unit, "occurred_at_ms": new.occurred_at_ms, "category": new.category,
        "procedure": new.procedure, "channel": new.channel, "outcome": new.outcome, "people": new.people,
        "minutes": new.minutes, "satisfaction": new.satisfaction, "recorded_by": logged.by.to_string(),
        "device": logged.device.to_string(), "recorded_at_ms": logged.at_ms, "retraction": retraction,
        "sealed": sealed, "personal": personal, "conflicts": logged.disputed.len(),
    });
    let keys = |value: &Value| -> BTreeSet<String> {
        value
            .as_object()
            .into_iter()
            .flat_map(|map| map.keys().cloned())
            .collect()
    };
    let mut differing: BTreeSet<String> = keys(&expected).union(&keys(record)).cloned().collect();
    differing.retain(|key| key != "personal" && expected.get(key) != record.get(key));
    let none = json!({});
    let (ours, theirs) = (
        expected.get("personal").unwrap_or(&none),
        record.get("personal").unwrap_or(&none),
    );
    let named = keys(ours).union(&keys(theirs)).cloned().collect::<BTreeSet<_>>();
    differing.extend(named.into_iter().filter(|key| ours.get(key) != theirs.get(key)));
    // Of a disputed field either value may be shown meanwhile, and nothing else.
    differing.retain(|key| {
        let shown = record
            .get(key)
            .or_else(|| theirs.get(key))
            .and_then(Value::as_str);
        logged
            .disputed
            .get(key.as_str())
            .is_none_or(|sides| !sides.iter().any(|(_, value)| Some(value.as_str()) == shown))
    });
    differing
}

/// Conflicts are those that the day produced, with both values, each by whom it was set.
fn conflict_differences(played: &[Played], conflicts: &[Value]) -> Vec<String> {
    type Sides = BTreeSet<(String, Option<String>)>;
    let mut expected: BTreeMap<(String, String), Sides> = BTreeMap::new();
    for logged in played.iter().flat_map(|played| &played.logged) {
        for (field, sides) in &logged.disputed {
            // Of a sealed field the API shows ciphertext, which is compared by the phones.
            let is_clear = SealedField::from_key(field).is_none();
            let sides = sides
                .iter()
                .map(|(by, value)| (by.to_string(), is_clear.then(|| value.clone())));
            expected.insert((logged.new.id.to_string(), (*field).to_owned()), sides.collect());
        }
    }
    let text = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut differences = Vec::new();
    for conflict in conflicts {
        let key = (text(conflict, "record"), text(conflict, "field"));
        let is_sealed = conflict.get("sealed") == Some(&Value::Bool(true));
        let values = conflict
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let sides: Sides = values
            .map(|side| (text(side, "by"), (!is_sealed).then(|| text(side, "value"))))
            .collect();
        match expected.remove(&key) {
            None => differences.push(format!("{}: an unexpected conflict of {}", key.0, key.1)),
            Some(sought) if sought != sides => {
                differences.push(format!("{}: other sides in the conflict of {}", key.0, key.1))
            }
            Some(_) => {}
        }
    }
    differences.extend(
        expected
            .into_keys()
            .map(|(record, field)| format!("{record}: no conflict of {field}")),
    );
    differences
}

/// The phones of a hamlet show the same.
fn phone_differences(played: &[Played]) -> anyhow::Result<Vec<String>> {
    let mut differences = Vec::new();
    for played in played.iter().filter(|played| played.phones.len() > 1) {
        let rows = played
            .phones
            .iter()
            .map(|phone| phone.rows())
            .collect::<anyhow::Result<Vec<_>>>()?;
        if rows
            .windows(2)
            .any(|pair| matches!(pair, [one, other] if one != other))
        {
            differences.push(format!("{}: its phones show different records", played.unit));
        }
    }
    Ok(differences)
}
