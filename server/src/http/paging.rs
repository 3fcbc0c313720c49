//! Lists that are read page by page: asked for and answered in the same way everywhere.
//!
//! A cursor is where a page ended: what its list is ordered by, of the last row. Programs hand it back and do not read it.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use sync_core::ids::{DeviceId, RecordId};
use utoipa::openapi::schema::{ArrayBuilder, Schema, SchemaType};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

use super::ApiError;
use crate::conflicts::SettledPlace;

/// Most rows of a page.
pub(super) const PAGE_MAX: usize = 500;
/// How many come without a wish.
pub(super) const PAGE: usize = 100;

/// How many rows at most.
pub(super) enum Limit {}

impl PartialSchema for Limit {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .description(Some("How many rows at most."))
            .minimum(Some(1))
            .maximum(Some(PAGE_MAX))
            .default(Some(PAGE.into()))
            .into()
    }
}

impl ToSchema for Limit {}

/// After which place.
pub(super) enum Cursor {}

impl PartialSchema for Cursor {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "Where the page before ended: its `next`, asked with the same other parameters. Without it, the first page.",
            ))
            .into()
    }
}

impl ToSchema for Cursor {}

/// One page of a list.
#[derive(Debug, Serialize)]
pub(super) struct Page<T> {
    /// In the order of the list.
    pub(super) items: Vec<T>,
    /// Asks for what comes after, as `cursor`; `null` on the last page.
    pub(super) next: Option<String>,
}

/// Derived, pages of different things would have one name.
impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let items = ArrayBuilder::new()
            .items(Ref::from_schema_name(T::name()))
            .description(Some("In the order of the list."));
        ObjectBuilder::new()
            .description(Some("One page of a list."))
            .property("items", items)
            .required("items")
            .property("next", next())
            .required("next")
            .into()
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Page", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
        schemas.push((T::name().into_owned(), T::schema()));
    }
}

/// What asks for the page after.
pub(super) fn next() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![Type::String, Type::Null]))
        .description(Some(
            "Asks for what comes after, as `cursor`; `null` on the last page.",
        ))
        .examples(["AAABlVqjSAABlVqjSAAAAAAAAAAAAAAA"])
        .into()
}

impl<T> Page<T> {
    /// A page of at most `limit` of these rows: who reads one more than that knows whether there is another page.
    pub(super) fn of<R>(
        mut rows: Vec<R>,
        limit: usize,
        cursor: impl Fn(&R) -> String,
        view: impl FnMut(R) -> T,
    ) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        Self {
            next: last.map(cursor),
            items: rows.into_iter().map(view).collect(),
        }
    }
}

/// How many rows are wanted.
///
/// # Errors
/// None, or too many.
pub(super) fn limit(wanted: Option<usize>) -> Result<usize, ApiError> {
    let limit = wanted.unwrap_or(PAGE);
    if (1..=PAGE_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(ApiError::parameter("limit"))
    }
}

/// Where a page ended.
pub(super) trait Place: Sized {
    /// As bytes of a cursor.
    fn bytes(&self) -> Vec<u8>;
    /// Out of the bytes of a cursor.
    fn of_bytes(bytes: &[u8]) -> Option<Self>;
}

/// A place as a cursor.
pub(super) fn seal(place: &impl Place) -> String {
    BASE64URL_NOPAD.encode(&place.bytes())
}

/// After which place a page is wanted; from the beginning, without a cursor or by an empty one.
///
/// # Errors
/// The cursor is not one of this list.
pub(super) fn after<P: Place>(cursor: Option<&str>) -> Result<Option<P>, ApiError> {
    let open = |cursor: &str| P::of_bytes(&BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?);
    cursor
        .filter(|cursor| !cursor.is_empty())
        .map(|cursor| open(cursor).ok_or_else(|| ApiError::parameter("cursor")))
        .transpose()
}

/// A time and a record.
impl Place for (i64, RecordId) {
    fn bytes(&self) -> Vec<u8> {
        [&self.0.to_be_bytes()[..], &self.1.to_bytes()].concat()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, record) = bytes.split_first_chunk()?;
        let record = RecordId::from_bytes(record.try_into().ok()?);
        Some((i64::from_be_bytes(*time), record))
    }
}

/// A time and a device.
impl Place for (i64, DeviceId) {
    fn bytes(&self) -> Vec<u8> {
        [&self.0.to_be_bytes()[..], &self.1.to_bytes()].concat()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, device) = bytes.split_first_chunk()?;
        let device = DeviceId::from_bytes(device.try_into().ok()?);
        Some((i64::from_be_bytes(*time), device))
    }
}

/// A record and a field.
impl Place for (RecordId, String) {
    fn bytes(&self) -> Vec<u8> {
        [&self.0.to_bytes()[..], self.1.as_bytes()].concat()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (record, field) = bytes.split_first_chunk()?;
        let field = String::from_utf8(field.to_vec()).ok()?;
        Some((RecordId::from_bytes(*record), field))
    }
}

/// A kind and a code of it.
impl Place for (String, String) {
    fn bytes(&self) -> Vec<u8> {
        [self.0.as_bytes(), &[0], self.1.as_bytes()].concat()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, code) = std::str::from_utf8(bytes).ok()?.split_once('\0')?;
        Some((kind.to_owned(), code.to_owned()))
    }
}

/// A settlement.
impl Place for SettledPlace {
    fn bytes(&self) -> Vec<u8> {
        [&self.at_ms.to_be_bytes()[..], &self.change, self.field.as_bytes()].concat()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, rest) = bytes.split_first_chunk()?;
        let (change, field) = rest.split_first_chunk()?;
        Some(Self {
            at_ms: i64::from_be_bytes(*time),
            change: *change,
            field: String::from_utf8(field.to_vec()).ok()?,
        })
    }
}

/// A number of a row.
impl Place for i64 {
    fn bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Some(i64::from_be_bytes(bytes.try_into().ok()?))
    }
}

/// A position in a chain.
impl Place for u64 {
    fn bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Some(u64::from_be_bytes(bytes.try_into().ok()?))
    }
}

/// A name, or an id as it is written.
impl Place for String {
    fn bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_what_it_was_made_of_and_as_nothing_else() {
        let record = RecordId::from_parts(7, 7);
        let cursor = seal(&(-5_i64, record));
        assert_eq!(after(Some(&cursor)).unwrap(), Some((-5_i64, record)));
        assert!(after::<i64>(Some(&cursor)).is_err());
        assert!(after::<i64>(Some("?")).is_err());
        assert_eq!(after::<i64>(None).unwrap(), None);
        let field = (record, "họ tên".to_owned());
        assert_eq!(after(Some(&seal(&field))).unwrap(), Some(field));
        let entry = ("procedure".to_owned(), "1.004194".to_owned());
        assert_eq!(after(Some(&seal(&entry))).unwrap(), Some(entry));
        let phone = (i64::MIN, DeviceId::from_bytes([7; 16]));
        assert_eq!(after(Some(&seal(&phone))).unwrap(), Some(phone));
    }

    #[test]
    fn a_page_that_is_not_the_last_says_where_it_ended() {
        let page = |rows: Vec<i64>| Page::of(rows, 2, seal, |row| row);
        let (first, last) = (page(vec![1, 2, 3]), page(vec![3]));
        assert_eq!((first.items, first.next), (vec![1, 2], Some(seal(&2_i64))));
        assert_eq!((last.items, last.next), (vec![3], None));
    }
}
