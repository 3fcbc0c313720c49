//! `/openapi.json`: the API in the words of OpenAPI 3.1, put together from the table of operations ([`super::api`]).
//!
//! Nothing of it is written by hand but summaries: what can be read off types is, and examples are put together out of
//! those of single fields ([`example`]). `/api` shows it to people ([`super::pages`]).

mod example;
mod problems;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa::openapi::path::{
    Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{Components, Object, Schema, SchemaType};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Content, ContentBuilder, HeaderBuilder, HttpMethod, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi,
    PathsBuilder, RefOr, Required, ResponseBuilder, Type,
};
use utoipa::{PartialSchema, ToSchema};

use super::actor::{COOKIE, CSRF};
use super::api::{self, TAGS};
use super::described::{Answers, Carried, Shows, Sketch};
use super::error::ProblemBody;
use super::{Route, Who};
use crate::policy::{Action, Place, Role, may};

/// The description.
pub fn document() -> &'static OpenApi {
    static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(|| build(&api::routes()));
    &DOCUMENT
}

/// The description as it is sent.
pub fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_json().unwrap_or_default());
    &TEXT
}

/// The description as an answer.
pub(super) struct Document(Response);

impl Answers for Document {
    fn sketch(sketch: &mut Sketch) {
        sketch.answers.push(Carried {
            media_type: "application/json",
            schema: Some(Object::new().into()),
        });
    }
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        self.0
    }
}

pub(super) async fn json() -> Document {
    let mut response = text().into_response();
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Document(response)
}

const ABOUT: &str = "Làng Số merges what the phones of a realm deliver. This is what programs can ask it; the exchange with \
    phones is described in `docs/protocol.md`.\n\n\
    **Who is asking** is shown by a device's token or by the cookie of a session; a change by a session brings \
    `x-csrf-token` besides, which `GET /v1/me` tells. What somebody may not see is answered as if it did not exist.\n\n\
    **Lists** come page by page: `items`, and `next`, which is `null` on the last page. `next` goes back as `cursor`, with \
    the same other parameters. Nothing comes twice, and what is added meanwhile does not shift what follows.\n\n\
    **Errors** are problems of RFC 9457: go by `code`, which is stable. `title` and `detail` are for people, in the \
    language of `accept-language` (`vi`, `en`).\n\n\
    **Times** are UTC milliseconds, days are of Asia/Ho_Chi_Minh. Ids are ULIDs of 26 characters.";

fn build(routes: &[Route]) -> OpenApi {
    let mut components = Components::new();
    let described = routes
        .iter()
        .filter_map(|route| Some((route, route.operation.as_ref()?)));
    let schemas = described
        .clone()
        .flat_map(|(_, operation)| operation.sketch.schemas.clone());
    components.schemas = schemas.chain(problem_schemas()).collect();
    components.security_schemes = security();
    let known = serde_json::to_value(&components.schemas).unwrap_or_default();
    let mut paths: BTreeMap<&str, PathItem> = BTreeMap::new();
    let mut order = Vec::new();
    for (route, operation) in described {
        let method = match route.method {
            "POST" => HttpMethod::Post,
            _ => HttpMethod::Get,
        };
        let item = PathItem::new(method, told(route, operation, &known));
        match paths.get_mut(route.path) {
            Some(known) => known.merge_operations(item),
            None => {
                paths.insert(route.path, item);
                order.push(route.path);
            }
        }
    }
    let in_order = order
        .into_iter()
        .filter_map(|path| paths.remove(path).map(|item| (path, item)));
    let paths = in_order.fold(PathsBuilder::new(), |paths, (path, item)| paths.path(path, item));
    let tags = TAGS
        .iter()
        .map(|(name, about)| TagBuilder::new().name(*name).description(Some(*about)).build());
    let license = LicenseBuilder::new()
        .name("Apache-2.0 OR MIT")
        .identifier(Some("Apache-2.0 OR MIT"));
    let info = InfoBuilder::new()
        .title("Làng Số")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license.build()));
    let mut document = OpenApi::new(info.build(), paths.build());
    document.components = Some(components);
    document.tags = Some(tags.collect());
    document
}

fn problem_schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(ProblemBody::name().into_owned(), ProblemBody::schema())];
    ProblemBody::schemas(&mut schemas);
    schemas
}

fn security() -> BTreeMap<String, RefOr<SecurityScheme>> {
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("A device's access token, by `POST /v1/token`."));
    let session = ApiKeyValue::with_description(COOKIE, "Whoever is logged in, by the page `/login`.");
    let csrf = ApiKeyValue::with_description(
        CSRF,
        "That a change is meant: what `GET /v1/me` tells, beside the session.",
    );
    let schemes = [
        ("token", SecurityScheme::Http(token.build())),
        ("session", SecurityScheme::ApiKey(ApiKey::Cookie(session))),
        ("csrf", SecurityScheme::ApiKey(ApiKey::Header(csrf))),
    ];
    let schemes = schemes.map(|(name, scheme)| (name.to_owned(), RefOr::T(scheme)));
    schemes.into()
}

/// What has to be shown: one of these.
fn requirements(shows: Shows) -> Vec<SecurityRequirement> {
    let one = |name: &str| SecurityRequirement::new(name, [""; 0]);
    match shows {
        Shows::Nothing => Vec::new(),
        Shows::Token => vec![one("token")],
        Shows::SessionOrToken => vec![one("session"), one("token")],
        Shows::SessionAndMeaning => vec![one("session").add("csrf", [""; 0])],
    }
}

/// One operation.
fn told(route: &Route, operation: &api::Operation, known: &Value) -> Operation {
    let sketch = &operation.sketch;
    let mut told = OperationBuilder::new()
        .tag(operation.tag)
        .summary(Some(operation.summary))
        .description(Some(in_words(route.who, operation)))
        .operation_id(Some(operation_id(route)));
    for name in in_path(route.path) {
        told = told.parameter(path_parameter(name, sketch.in_path.clone(), known));
    }
    for parameter in sketch
        .query
        .iter()
        .flat_map(|query| query_parameters(query, known))
    {
        told = told.parameter(parameter);
    }
    if let Some(carried) = &sketch.body {
        told = told.request_body(Some(body(carried, known)));
    }
    if carries_bytes(sketch.body.as_ref()) {
        told = told.parameter(encoding_parameter());
    }
    for requirement in requirements(sketch.shows) {
        told = told.security(requirement);
    }
    let mut answer = ResponseBuilder::new().description("It is done, or what was asked for.");
    for carried in &sketch.answers {
        answer = answer.content(carried.media_type, content(carried, known));
    }
    if carries_bytes(sketch.body.as_ref()) {
        let encoding = HeaderBuilder::new()
            .schema(Some(word_of("zstd")))
            .description(Some("There if the body is compressed."));
        answer = answer.header("content-encoding", encoding.build());
    }
    told = told.response("200", answer.build());
    for (status, problem) in problems::answers(&sketch.codes) {
        told = told.response(status, problem);
    }
    told.build()
}

/// The names in a path, in their order.
fn in_path(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// The description, and who may.
fn in_words(who: Who, operation: &api::Operation) -> String {
    let mut words = match operation.description {
        "" => String::new(),
        description => format!("{description}\n\n"),
    };
    words.push_str("**Who may**: ");
    words.push_str(who.says());
    if let Some(action) = operation.action {
        let roles = roles_that_may(action).map(|role| format!("`{}`", role.code()));
        let roles = roles.collect::<Vec<_>>().join(", ");
        words.push_str(&format!(" Roles: {roles}."));
    }
    words
}

/// Roles that may do something somewhere in their own unit or below it.
pub fn roles_that_may(action: Action) -> impl Iterator<Item = Role> {
    let somewhere = [Place::Own, Place::Below];
    let may = move |role: &Role| somewhere.iter().any(|place| may(*role, action, *place));
    Role::ALL.into_iter().filter(may)
}

/// `post_accounts_account_roles_end`
fn operation_id(route: &Route) -> String {
    let parts = route.path.split('/').filter(|part| !["", "v1"].contains(part));
    let parts = parts.map(|part| part.trim_matches(['{', '}']).replace(['-', '.'], "_"));
    let method = route.method.to_lowercase();
    [method].into_iter().chain(parts).collect::<Vec<_>>().join("_")
}

fn path_parameter(name: &str, mut schema: Option<RefOr<Schema>>, known: &Value) -> Parameter {
    let shown = schema
        .as_ref()
        .and_then(|schema| example::of_parameter(schema, name, known));
    let about = schema.as_mut().and_then(take_description);
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(about)
        .schema(schema)
        .example(shown)
        .build()
}

fn query_parameters(query: &Object, known: &Value) -> Vec<Parameter> {
    let parameters = query.properties.iter().map(|(name, schema)| {
        let mut schema = without_null(schema.clone());
        let about = take_description(&mut schema).or_else(|| example::description(&schema, known));
        let required = query.required.contains(name);
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(if required { Required::True } else { Required::False })
            .description(about)
            .example(example::of_parameter(&schema, name, known))
            .schema(Some(schema))
            .build()
    });
    parameters.collect()
}

/// A parameter is there or it is not; there is no `null` in an address.
fn without_null(schema: RefOr<Schema>) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            if let SchemaType::Array(types) = &object.schema_type {
                let real = types.iter().find(|one| **one != Type::Null).cloned();
                object.schema_type = real.map_or(SchemaType::AnyValue, SchemaType::Type);
            }
            RefOr::T(Schema::Object(object))
        }
        RefOr::T(Schema::OneOf(mut one_of)) => {
            one_of.items.retain(|item| !is_null(item));
            match (one_of.items.pop(), one_of.description) {
                (Some(RefOr::Ref(mut only)), Some(about)) => {
                    only.description = about;
                    RefOr::Ref(only)
                }
                (Some(only), _) => only,
                (None, _) => RefOr::T(utoipa::openapi::schema::empty()),
            }
        }
        other => other,
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null))
}

/// What a schema says of itself stands with the parameter, once.
fn take_description(schema: &mut RefOr<Schema>) -> Option<String> {
    match schema {
        RefOr::Ref(reference) => {
            let about = std::mem::take(&mut reference.description);
            (!about.is_empty()).then_some(about)
        }
        RefOr::T(Schema::Object(object)) => object.description.take(),
        RefOr::T(Schema::Array(array)) => array.description.take(),
        RefOr::T(_) => None,
    }
}

fn carries_bytes(carried: Option<&Carried>) -> bool {
    carried.is_some_and(|carried| carried.schema.is_none())
}

fn encoding_parameter() -> Parameter {
    ParameterBuilder::new()
        .name("content-encoding")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("There if the body is compressed."))
        .schema(Some(word_of("zstd")))
        .build()
}

fn word_of(word: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some([word]))
        .build()
}

fn body(carried: &Carried, known: &Value) -> RequestBody {
    RequestBodyBuilder::new()
        .content(carried.media_type, content(carried, known))
        .required(Some(Required::True))
        .build()
}

/// What travels, with examples of it.
fn content(carried: &Carried, known: &Value) -> Content {
    let Some(schema) = &carried.schema else {
        return Content::new(None::<RefOr<Schema>>);
    };
    let schema_in_words = serde_json::to_value(schema).unwrap_or_default();
    let content = ContentBuilder::new().schema(Some(schema.clone()));
    match carried.media_type {
        "application/json" => example::shown(content, &schema_in_words, known).build(),
        _ => content.build(),
    }
}
