//! `/api`: the description of the API, for people who write programs. No script, nothing from elsewhere.
//!
//! It is drawn from the same document that programs get, so that it cannot say anything else. What it says of operations
//! is English, as their codes are; what is around that is in the reader's language.

#![expect(
    clippy::indexing_slicing,
    reason = "a member of JSON that is not there is null, and nothing panics"
)]

mod prose;
mod shape;

use askama::Template;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;

use super::super::actor::language_of;
use super::super::openapi;
use super::super::{ApiError, Code};
use super::render;
use crate::i18n::{Locale, text};
use prose::Span;
use shape::{Member, Piece};

#[derive(Template)]
#[template(path = "api.html")]
struct ApiPage {
    locale: Locale,
    version: String,
    about: Vec<Vec<Span>>,
    groups: Vec<Group>,
    shapes: Vec<Shape>,
    codes: Vec<CodeRow>,
}

/// Operations under one heading.
struct Group {
    id: String,
    name: String,
    about: String,
    operations: Vec<OperationView>,
}

struct OperationView {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: Vec<Vec<Span>>,
    /// What has to be shown: one of these.
    shows: Vec<String>,
    parameters: Vec<Member>,
    body: Vec<Carried>,
    answers: Vec<Carried>,
    /// Statuses, and the codes that come with them.
    problems: Vec<(String, Vec<String>)>,
}

/// What travels in a body.
struct Carried {
    media_type: String,
    kind: Vec<Piece>,
    /// Its members, where its shape has no name.
    members: Vec<Member>,
    examples: Vec<Example>,
}

struct Example {
    /// Of which of several forms.
    name: String,
    text: String,
}

/// A shape that has a name.
struct Shape {
    name: String,
    about: Vec<Vec<Span>>,
    kind: Vec<Piece>,
    members: Vec<Member>,
}

struct CodeRow {
    word: &'static str,
    status: u16,
    meaning: Vec<Span>,
    title: String,
}

impl ApiPage {
    fn t(&self, key: &str) -> String {
        text(self.locale, key)
    }
}

pub(super) async fn page(headers: HeaderMap) -> Result<Response, ApiError> {
    let locale = language_of(&headers);
    let document: Value = serde_json::from_str(openapi::text()).map_err(ApiError::internal)?;
    let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tags = document["tags"].as_array().into_iter().flatten();
    let groups = tags.map(|tag| Group {
        id: said(&tag["name"]).to_lowercase().replace(' ', "-"),
        name: said(&tag["name"]),
        about: said(&tag["description"]),
        operations: operations(&document, &tag["name"]),
    });
    let shapes = document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten();
    let shapes = shapes.map(|(name, schema)| Shape {
        name: name.clone(),
        about: prose::paragraphs(schema["description"].as_str().unwrap_or_default()),
        kind: shape::kind(schema),
        members: shape::members(schema, &document),
    });
    let page = ApiPage {
        locale,
        version: said(&document["info"]["version"]),
        about: prose::paragraphs(document["info"]["description"].as_str().unwrap_or_default()),
        groups: groups.collect(),
        shapes: shapes.collect(),
        codes: Code::ALL.iter().map(|code| row(*code, locale)).collect(),
    };
    render(&page, StatusCode::OK)
}

fn row(code: Code, locale: Locale) -> CodeRow {
    CodeRow {
        word: code.word(),
        status: code.status().as_u16(),
        meaning: prose::spans(code.meaning()),
        title: text(locale, &code.message()),
    }
}

fn operations(document: &Value, tag: &Value) -> Vec<OperationView> {
    // In the order of the table: members of a JSON object have none.
    let paths = openapi::document().paths.paths.keys();
    let all = paths.flat_map(|path| {
        let methods = document["paths"][path].as_object().into_iter().flatten();
        methods.map(move |(method, told)| (path, method, told))
    });
    let mine = all.filter(|(_, _, told)| told["tags"].get(0) == Some(tag));
    mine.map(|(path, method, told)| operation(document, path, method, told))
        .collect()
}

fn operation(document: &Value, path: &str, method: &str, told: &Value) -> OperationView {
    let said = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let responses = told["responses"].as_object().into_iter().flatten();
    let failed = responses.filter(|(status, _)| *status != "200");
    OperationView {
        id: said(&told["operationId"]),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: said(&told["summary"]),
        about: prose::paragraphs(told["description"].as_str().unwrap_or_default()),
        shows: requirements(&told["security"]),
        parameters: shape::parameters(&told["parameters"]),
        body: carried(document, &told["requestBody"]["content"]),
        answers: carried(document, &told["responses"]["200"]["content"]),
        problems: failed
            .map(|(status, answer)| (status.clone(), codes(answer)))
            .collect(),
    }
}

fn requirements(security: &Value) -> Vec<String> {
    let each = security.as_array().into_iter().flatten();
    let each = each.filter_map(|one| {
        let names = one.as_object()?.keys().cloned().collect::<Vec<_>>();
        Some(names.join(" + "))
    });
    each.collect()
}

fn codes(answer: &Value) -> Vec<String> {
    let parts = &answer["content"]["application/problem+json"]["schema"]["allOf"];
    let parts = parts.as_array().into_iter().flatten();
    let words = parts.filter_map(|part| part["properties"]["code"]["enum"].as_array());
    let words = words.flatten().filter_map(Value::as_str);
    words.map(str::to_owned).collect()
}

fn carried(document: &Value, content: &Value) -> Vec<Carried> {
    let kinds = content.as_object().into_iter().flatten();
    let carried = kinds.map(|(media_type, content)| Carried {
        media_type: media_type.clone(),
        kind: shape::kind(&content["schema"]),
        members: shape::members(&content["schema"], document),
        examples: examples(content),
    });
    carried.collect()
}

fn examples(content: &Value) -> Vec<Example> {
    let text = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let alone = content.get("example").map(|value| Example {
        name: String::new(),
        text: text(value),
    });
    let named = content["examples"].as_object().into_iter().flatten();
    let named = named.map(|(name, example)| Example {
        name: name.clone(),
        text: text(&example["value"]),
    });
    alone.into_iter().chain(named).collect()
}
