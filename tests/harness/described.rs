//! The API's own description, held against what is really answered.
//!
//! Every answer that an office gives by HTTP is looked up in `/openapi.json`: its status and its code must be told there,
//! and its body must be of the shape that is told. So every story is a test of the description as well.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use axum::http::{HeaderMap, StatusCode, header};
use langso_server::http::openapi_text;
use serde_json::{Value, json};

/// The description.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| serde_json::from_str(openapi_text()).unwrap())
}

/// A schema with everything that it may refer to.
fn standing_alone(schema: &Value) -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [schema],
        "components": document()["components"],
    })
}

/// What does not fit a schema, in words.
pub fn misfits(schema: &Value, value: &Value) -> Vec<String> {
    static VALIDATORS: OnceLock<std::sync::Mutex<BTreeMap<String, jsonschema::Validator>>> = OnceLock::new();
    let mut validators = VALIDATORS.get_or_init(Default::default).lock().unwrap();
    let validator = validators
        .entry(schema.to_string())
        .or_insert_with(|| jsonschema::draft202012::new(&standing_alone(schema)).unwrap());
    let errors = validator.iter_errors(value);
    errors
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect()
}

/// The operation that answers a request, if it is one of the API.
pub fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let path = path.split('?').next()?;
    let fits = |template: &str| {
        let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        let pairs = template.iter().zip(&path);
        template.len() == path.len()
            && pairs
                .into_iter()
                .all(|(told, said)| told.starts_with('{') || told == said)
    };
    // What stands for itself comes before what stands for anything.
    let paths = document()["paths"].as_object()?;
    let fitting = paths.iter().filter(|(template, _)| fits(template));
    let (_, item) = fitting.min_by_key(|(template, _)| template.matches('{').count())?;
    item.get(method.to_lowercase())
}

/// Fails if an answer is not as the description tells.
pub fn check(method: &str, path: &str, status: StatusCode, headers: &HeaderMap, bytes: &[u8]) {
    let Some(operation) = operation(method, path) else {
        return;
    };
    let place = format!("{method} {path} answered {status}");
    let answer = &operation["responses"][status.as_str()];
    let said = || String::from_utf8_lossy(bytes).into_owned();
    assert!(
        answer.is_object(),
        "{place}, which /openapi.json does not tell: {} – add the code to the operation in server/src/http/api.rs",
        said()
    );
    let kind = headers
        .get(header::CONTENT_TYPE)
        .map(|kind| kind.to_str().unwrap());
    let content = &answer["content"][kind.unwrap_or_default()];
    assert!(content.is_object(), "{place} with {kind:?}, which is not told");
    if !["application/json", "application/problem+json"].contains(&kind.unwrap_or_default()) {
        return;
    }
    let body: Value = serde_json::from_slice(bytes).unwrap();
    let misfits = misfits(&content["schema"], &body);
    assert!(
        misfits.is_empty(),
        "{place} with what /openapi.json tells otherwise – a code is added to the operation in server/src/http/api.rs: \
         {misfits:#?} in {body:#}"
    );
}
