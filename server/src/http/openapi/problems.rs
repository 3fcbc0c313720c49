//! How an operation can fail: its codes by their status, each answer of the one shape that all problems have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::schema::{AllOfBuilder, Object, ObjectBuilder};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Ref, Response, ResponseBuilder, Type};

use crate::http::Code;
use crate::http::error::ProblemBody;
use crate::i18n::{Locale, text};

/// An answer for each status.
pub(super) fn answers(codes: &BTreeSet<Code>) -> impl Iterator<Item = (String, Response)> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status().as_u16()).or_default().push(*code);
    }
    by_status
        .into_iter()
        .map(|(status, codes)| (status.to_string(), answer(status, &codes)))
}

fn answer(status: u16, codes: &[Code]) -> Response {
    let words = codes.iter().map(|code| code.word());
    let one_of = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words));
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name(ProblemBody::name()))
        .item(ObjectBuilder::new().property("code", one_of));
    let content = ContentBuilder::new()
        .schema(Some(schema))
        .example(codes.first().map(|code| example(*code)));
    let lines = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.word(), code.meaning()));
    let mut answer = ResponseBuilder::new()
        .description(lines.collect::<Vec<_>>().join("\n\n"))
        .content("application/problem+json", content.build());
    if status == 401 {
        let scheme = HeaderBuilder::new().schema(Some(kind(Type::String)));
        answer = answer.header("www-authenticate", scheme.build());
    }
    if matches!(status, 429 | 503 | 507) {
        let seconds = HeaderBuilder::new()
            .schema(Some(kind(Type::Integer)))
            .description(Some("After so many seconds."));
        answer = answer.header("retry-after", seconds.build());
    }
    answer.build()
}

fn kind(kind: Type) -> Object {
    ObjectBuilder::new().schema_type(kind).build()
}

fn example(code: Code) -> serde_json::Value {
    json!({
        "type": code.kind(), "title": text(Locale::En, &code.message()), "status": code.status().as_u16(),
        "code": code.word(), "request_id": "01JNCXV5S0Q4R5S6T7V8W9X0YZ",
    })
}
