//! Values as the API's description has them, where a type does not say enough: closed lists of words, and maps and values of
//! any kind, which want an example.

use serde_json::Value;
use utoipa::openapi::schema::{Schema, SchemaType};
use utoipa::openapi::{ObjectBuilder, RefOr, Type};

/// One of some words.
pub(crate) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words))
        .into()
}

/// Members of one kind, by names that are data.
pub(crate) fn map_of(kind: SchemaType, about: &str, example: Value) -> RefOr<Schema> {
    let member: RefOr<Schema> = ObjectBuilder::new().schema_type(kind).into();
    ObjectBuilder::new()
        .additional_properties(Some(member))
        .description(Some(about))
        .examples([example])
        .into()
}

/// A value of any kind.
pub(crate) fn anything(about: &str, example: Value) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .description(Some(about))
        .examples([example])
        .into()
}
