//! What is printed: lines for people, JSON for scripts.

use std::io::Write;

use langso_mobile::{
    Assistance, CatalogueEntry, Conflict, Delivery, Directive, Remark, RetractReason, SetAside, Status,
    SyncReport,
};
use serde_json::{Value, json};

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For scripts.
    Json,
}

impl Format {
    /// Prints one thing. Who closes standard output does not want the rest.
    pub(crate) fn print(self, value: &Value, text: impl FnOnce() -> String) {
        let line = match self {
            Format::Json => value.to_string(),
            Format::Text => text(),
        };
        drop(writeln!(std::io::stdout(), "{line}"));
    }

    /// Prints a list: an array, or a line each.
    pub(crate) fn list<T>(self, items: &[T], value: impl Fn(&T) -> Value, line: impl Fn(&T) -> String) {
        if items.is_empty() && self == Format::Text {
            return;
        }
        let values: Vec<Value> = items.iter().map(value).collect();
        self.print(&values.into(), || {
            items.iter().map(line).collect::<Vec<_>>().join("\n")
        });
    }
}

pub(crate) fn assistance(row: &Assistance) -> Value {
    let (delivery, code) = delivery(&row.delivery);
    json!({
        "id": row.id,
        "unit": row.unit,
        "occurred_at_ms": row.occurred_at_ms,
        "category": row.category,
        "procedure": row.procedure,
        "channel": row.channel,
        "outcome": row.outcome,
        "people": row.people,
        "minutes": row.minutes,
        "satisfaction": row.satisfaction,
        "citizen_name": row.citizen_name,
        "phone": row.citizen_phone,
        "citizen_id": row.citizen_id,
        "note": row.note,
        "sealed": row.sealed,
        "recorded_by": row.recorded_by,
        "recorded_at_ms": row.recorded_at_ms,
        "retracted": row.retraction.as_ref().map(|retraction| reason(retraction.reason)),
        "conflicts": row.conflicts,
        "delivery": delivery,
        "refused": code,
    })
}

pub(crate) fn assistance_line(row: &Assistance) -> String {
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    let mut line = format!(
        "{}  {}  {}  {}  {}  {}",
        row.id,
        row.category,
        row.outcome,
        or(&row.citizen_name),
        or(&row.note),
        delivery(&row.delivery).0,
    );
    if let Some(retraction) = &row.retraction {
        line.push_str(&format!("  retracted: {}", reason(retraction.reason)));
    }
    if !row.conflicts.is_empty() {
        line.push_str(&format!("  in conflict: {}", row.conflicts.join(", ")));
    }
    line
}

pub(crate) fn conflict(conflict: &Conflict) -> Value {
    let values = conflict
        .values
        .iter()
        .map(|value| json!({ "id": value.id, "text": value.text, "by": value.by, "at_ms": value.at_ms }));
    json!({
        "record": conflict.record,
        "field": conflict.field,
        "values": values.collect::<Vec<_>>(),
    })
}

pub(crate) fn conflict_lines(conflict: &Conflict) -> String {
    let head = format!("{} {}", conflict.record, conflict.field);
    let values = conflict.values.iter().map(|value| {
        let text = value.text.as_deref().unwrap_or("(sealed)");
        format!("\n  {}  {text}  by {}", value.id, value.by)
    });
    head + &values.collect::<String>()
}

pub(crate) fn directive(directive: &Directive) -> Value {
    json!({
        "id": directive.id,
        "unit": directive.unit,
        "directive": directive.directive,
        "version": directive.version,
        "number": directive.text.number,
        "title": directive.text.title,
        "body": directive.text.body,
        "urgency": word(directive.text.urgency),
        "asks": word(directive.text.asks),
        "deadline_ms": directive.text.deadline_ms,
        "signer": directive.text.signer,
        "issued_at_ms": directive.issued_at_ms,
        "stage": directive.stage.map(word),
        "due": word(directive.due),
    })
}

pub(crate) fn directive_line(directive: &Directive) -> String {
    let number = directive.text.number.as_deref().unwrap_or("–");
    let stage = directive.stage.map_or_else(|| "–".to_owned(), word);
    format!(
        "{}  {}  {number}  {}  {}  {stage}",
        directive.id,
        word(directive.text.urgency),
        directive.text.title,
        word(directive.due),
    )
}

pub(crate) fn set_aside(aside: &SetAside) -> Value {
    json!({
        "record": aside.record,
        "unit": aside.unit,
        "made_at_ms": aside.made_at_ms,
        "code": aside.code,
        "discarded": aside.discarded,
        "shown": aside.shown.as_ref().map(assistance),
    })
}

pub(crate) fn set_aside_line(aside: &SetAside) -> String {
    let decided = aside.discarded.as_deref().unwrap_or("nobody has decided");
    let name = aside
        .shown
        .as_ref()
        .and_then(|shown| shown.citizen_name.as_deref());
    format!(
        "{}  {}  {decided}  {}",
        aside.record,
        aside.code,
        name.unwrap_or("–")
    )
}

pub(crate) fn remark(remark: &Remark) -> Value {
    json!({
        "id": remark.id,
        "record": remark.record,
        "kind": word(remark.kind),
        "answers": remark.answers,
        "words": remark.words,
        "by": remark.by,
        "at_ms": remark.at_ms,
    })
}

pub(crate) fn remark_line(remark: &Remark) -> String {
    let words = remark.words.as_deref().unwrap_or("–");
    format!("{}  {}  {words}", remark.id, word(remark.kind))
}

pub(crate) fn procedure(entry: &CatalogueEntry) -> Value {
    json!({
        "code": entry.code,
        "name": entry.name,
        "name_en": entry.name_en,
        "category": entry.category,
    })
}

pub(crate) fn procedure_line(entry: &CatalogueEntry) -> String {
    format!("{}  {}", entry.code, entry.name)
}

/// A plain enum's name in lower case.
fn word(plain: impl std::fmt::Debug) -> String {
    format!("{plain:?}").to_lowercase()
}

pub(crate) fn status(status: &Status) -> Value {
    json!({
        "realm": status.realm,
        "account": status.account,
        "device": status.device,
        "homes": status.homes,
        "pending": status.pending,
        "oldest_pending_ms": status.oldest_pending_ms,
        "refused": status.refused,
        "last_receipt_ms": status.last_receipt_ms,
        "last_sync_ms": status.last_sync_ms,
        "complete": status.complete,
        "vault_bytes": status.vault_bytes,
        "free_bytes": status.free_bytes,
        "clock_difference_ms": status.clock_difference_ms,
        "update_needed": status.update_needed,
    })
}

pub(crate) fn report(report: &SyncReport) -> Value {
    json!({
        "finished": report.finished,
        "requests": report.requests,
        "confirmed": report.total.confirmed,
        "refused": report.total.refused,
        "received": report.total.received,
        "come_back_after_ms": report.total.come_back_after_ms,
        "copied": report.total.copied,
        "wiped": report.total.wiped,
    })
}

/// Members of an object, a line each.
pub(crate) fn members(value: &Value) -> String {
    let members = value.as_object().into_iter().flatten();
    members
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| {
            format!(
                "{name}: {}",
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            )
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn delivery(delivery: &Delivery) -> (&'static str, Option<&str>) {
    match delivery {
        Delivery::Delivered => ("delivered", None),
        Delivery::Waiting => ("waiting", None),
        Delivery::Refused { code } => ("refused", Some(code)),
    }
}

fn reason(reason: RetractReason) -> &'static str {
    match reason {
        RetractReason::Duplicate => "duplicate",
        RetractReason::Mistake => "mistake",
        RetractReason::CitizenRequest => "citizen_request",
        RetractReason::Other => "other",
    }
}
