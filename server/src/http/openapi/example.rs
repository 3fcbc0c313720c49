//! Examples: put together out of those of single fields, so that each is told once, where its field is.

#![expect(
    clippy::indexing_slicing,
    reason = "a member of JSON that is not there is null, and nothing panics"
)]

use serde_json::{Map, Value, json};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{ContentBuilder, RefOr};

/// An instant: 2025-03-03, nine o'clock in Vietnam.
const INSTANT_MS: i64 = 1_740_967_200_000;
/// Its day.
const DAY: &str = "2025-03-03";

/// With one example, or with one of each form that it can have.
pub(super) fn shown(content: ContentBuilder, schema: &Value, known: &Value) -> ContentBuilder {
    let schema = resolved(schema, known);
    let mut examples = forms(&schema, known);
    if examples.len() < 2 {
        return content.example(examples.pop());
    }
    let named = examples.into_iter().enumerate().map(|(n, example)| {
        let word = example.get(TAG).and_then(Value::as_str).map(str::to_owned);
        let name = word.unwrap_or_else(|| format!("form-{n}"));
        (name, ExampleBuilder::new().value(Some(example)).build())
    });
    content.examples_from_iter(named)
}

/// Members that name something else than what they stand beside: they show another example of its kind.
const TO: [&str; 6] = ["answers", "heir", "into", "parent", "relation", "to"];

/// The member by which the forms of a body are told apart.
const TAG: &str = "change";

/// One example of each form of a schema.
fn forms(schema: &Value, known: &Value) -> Vec<Value> {
    let parts = schema["allOf"].as_array().cloned().unwrap_or_default();
    let parts: Vec<Value> = parts.iter().map(|part| resolved(part, known)).collect();
    let choice = parts.iter().position(|part| part["oneOf"].is_array());
    let Some(choice) = choice else {
        return of(schema, "", known).into_iter().collect();
    };
    let all = parts
        .get(choice)
        .and_then(|part| part["oneOf"].as_array().cloned());
    let forms = all.unwrap_or_default().into_iter().filter_map(|form| {
        let mut parts = parts.clone();
        *parts.get_mut(choice)? = form;
        of(&json!({ "allOf": parts }), "", known)
    });
    forms.collect()
}

/// What a schema that is referred to says of itself.
pub(super) fn description(schema: &RefOr<Schema>, known: &Value) -> Option<String> {
    let schema = resolved(&serde_json::to_value(schema).ok()?, known);
    schema["description"].as_str().map(str::to_owned)
}

/// An example of a parameter.
pub(super) fn of_parameter(schema: &RefOr<Schema>, name: &str, known: &Value) -> Option<Value> {
    of(&serde_json::to_value(schema).ok()?, name, known)
}

/// The schema that is meant, with what the reference says besides.
fn resolved(schema: &Value, known: &Value) -> Value {
    let Some(name) = schema["$ref"].as_str().and_then(|to| to.rsplit('/').next()) else {
        return schema.clone();
    };
    let mut meant = known[name].clone();
    if let (Some(meant), Some(beside)) = (meant.as_object_mut(), schema.as_object()) {
        let beside = beside.iter().filter(|(key, _)| *key != "$ref");
        meant.extend(beside.map(|(key, value)| (key.clone(), value.clone())));
    }
    meant
}

/// An example of a schema that stands under a name; `None` where nothing tells one.
fn of(schema: &Value, name: &str, known: &Value) -> Option<Value> {
    let schema = resolved(schema, known);
    let another = TO.contains(&name).then(|| schema["examples"].get(1)).flatten();
    let told = ["examples", "enum"].iter().find_map(|key| schema[*key].get(0));
    let told = another.or(told);
    let told = told.or_else(|| schema.get("default"));
    if let Some(told) = told {
        return Some(told.clone());
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().filter_map(|part| of(part, name, known));
        let members = parts.filter_map(|part| part.as_object().cloned()).flatten();
        return Some(Value::Object(members.collect()));
    }
    if let Some(forms) = schema["oneOf"].as_array() {
        let mut real = forms.iter().filter(|form| form["type"] != "null");
        return of(real.next()?, name, known);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null")?.as_str()?.to_owned(),
        kind => kind.as_str()?.to_owned(),
    };
    match kind.as_str() {
        "object" => Some(object(&schema, known)),
        "array" => {
            let one = of(&schema["items"], name, known)?;
            let times = schema["minItems"].as_u64().unwrap_or(1);
            Some((0..times).map(|_| one.clone()).collect())
        }
        "integer" | "number" if name.ends_with("_ms") => Some(INSTANT_MS.into()),
        "integer" | "number" => Some(schema["minimum"].as_i64().unwrap_or(1).max(1).into()),
        "boolean" => Some(false.into()),
        "string" if schema["format"] == "date" => Some(DAY.into()),
        _ => None,
    }
}

/// Every member of which something can be told.
fn object(schema: &Value, known: &Value) -> Value {
    let members = schema["properties"].as_object().into_iter().flatten();
    let members = members.filter_map(|(name, schema)| Some((name.clone(), of(schema, name, known)?)));
    Value::Object(members.collect::<Map<_, _>>())
}
