//! Schemas as tables of members; what has a name is a link to where that is explained.

#![expect(
    clippy::indexing_slicing,
    reason = "a member of JSON that is not there is null, and nothing panics"
)]

use serde_json::Value;

use super::prose::{self, Span};

/// A piece of what is said of a type.
pub(super) struct Piece {
    pub(super) text: String,
    /// The named shape that it is.
    pub(super) to: Option<String>,
}

/// A member of an object, or a parameter.
pub(super) struct Member {
    pub(super) name: String,
    /// Where a parameter stands; nothing for a member.
    pub(super) place: String,
    pub(super) required: bool,
    pub(super) kind: Vec<Piece>,
    pub(super) about: Vec<Span>,
}

fn plain(text: impl Into<String>) -> Piece {
    Piece {
        text: text.into(),
        to: None,
    }
}

/// What a schema is, in a few words.
pub(super) fn kind(schema: &Value) -> Vec<Piece> {
    if let Some(name) = name_of(schema) {
        let text = name.to_owned();
        return vec![Piece {
            to: Some(text.clone()),
            text,
        }];
    }
    if let Some(words) = schema["enum"].as_array() {
        let words = words.iter().filter_map(Value::as_str);
        return vec![plain(words.collect::<Vec<_>>().join(" | "))];
    }
    for (key, between) in [("oneOf", " | "), ("allOf", " + ")] {
        if let Some(parts) = schema[key].as_array() {
            let mut pieces = Vec::new();
            for part in parts {
                if !pieces.is_empty() {
                    pieces.push(plain(between));
                }
                pieces.extend(kind(part));
            }
            return pieces;
        }
    }
    let mut pieces = match &schema["type"] {
        Value::String(word) if word == "array" => {
            let mut pieces = vec![plain("array of ")];
            pieces.extend(kind(&schema["items"]));
            pieces
        }
        Value::String(word) => vec![plain(word)],
        Value::Array(words) => {
            let words = words.iter().filter_map(Value::as_str);
            vec![plain(words.collect::<Vec<_>>().join(" | "))]
        }
        _ => vec![plain("any")],
    };
    pieces.extend(bounds(schema).map(plain));
    pieces
}

/// What else holds for a number or a text.
fn bounds(schema: &Value) -> impl Iterator<Item = String> {
    let told = |key: &str, words: &str| match &schema[key] {
        Value::Null => None,
        Value::String(value) => Some(format!(", {words} {value}")),
        value => Some(format!(", {words} {value}")),
    };
    let format = schema["format"]
        .as_str()
        .filter(|format| !format.starts_with("int"));
    let format = format.map(|format| format!(", {format}"));
    let told = [
        format,
        told("minimum", "from"),
        told("maximum", "to"),
        told("default", "without:"),
    ];
    told.into_iter().flatten()
}

fn name_of(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

/// The members of an object; those of each part, where it is put together, and of each form, where it has several.
pub(super) fn members(schema: &Value, document: &Value) -> Vec<Member> {
    for key in ["allOf", "oneOf"] {
        if let Some(parts) = schema[key].as_array() {
            let parts = parts
                .iter()
                .filter(|part| name_of(part).is_none() || key == "allOf");
            let parts = parts.map(|part| match name_of(part) {
                Some(name) => &document["components"]["schemas"][name],
                None => part,
            });
            return parts.flat_map(|part| members(part, document)).collect();
        }
    }
    let required = schema["required"].as_array();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let members = properties.map(|(name, schema)| Member {
        name: name.clone(),
        place: String::new(),
        required: required.is_some_and(|names| names.iter().any(|required| required == name)),
        kind: kind(schema),
        about: about(schema),
    });
    members.collect()
}

/// Parameters of an operation.
pub(super) fn parameters(parameters: &Value) -> Vec<Member> {
    let parameters = parameters.as_array().into_iter().flatten();
    let members = parameters.map(|parameter| Member {
        name: parameter["name"].as_str().unwrap_or_default().to_owned(),
        place: parameter["in"].as_str().unwrap_or_default().to_owned(),
        required: parameter["required"] == true,
        kind: kind(&parameter["schema"]),
        about: about(parameter),
    });
    members.collect()
}

fn about(schema: &Value) -> Vec<Span> {
    prose::spans(schema["description"].as_str().unwrap_or_default())
}
