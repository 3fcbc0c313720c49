//! What somebody saw of a record when they decided about it.
//!
//! A page may have been open for an hour. What is sent from it carries marks of what it showed, and is refused where the
//! document says something else by now: nobody overrides what they have not seen. The marks are compared with the very
//! state that the edit is written on; what arrives after that merges with it, as a conflict if it says something else.

use std::collections::BTreeMap;

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use sync_core::document::Document;
use sync_core::ids::RecordId;
use sync_core::record::Scalar;

/// Bytes of a mark.
const MARK_BYTES: usize = 12;

/// Marks of the fields that somebody saw.
#[derive(Clone, Debug, Default)]
pub struct Seen(BTreeMap<String, String>);

impl Seen {
    /// One field.
    pub fn of(field: &str, mark: &str) -> Self {
        Self::from_iter([(field.to_owned(), mark.to_owned())])
    }

    /// The first of these fields that says something else in a document.
    pub(crate) fn changed(&self, document: &Document, record: RecordId) -> Option<&str> {
        let other = |(field, seen): &(&String, &String)| mark(&document.values(record, field)) != **seen;
        self.0.iter().find(other).map(|(field, _)| field.as_str())
    }
}

impl FromIterator<(String, String)> for Seen {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

/// Tells the current values of a field from any others, in whatever order they come.
pub fn mark<'a>(values: impl IntoIterator<Item = &'a Scalar>) -> String {
    let encoded = values
        .into_iter()
        .map(|value| minicbor::to_vec(value).unwrap_or_default());
    let mut encoded: Vec<Vec<u8>> = encoded.collect();
    encoded.sort();
    // Each value says where it ends, so no two lists are the same bytes.
    let digest = Sha256::digest(encoded.concat());
    BASE64URL_NOPAD.encode(digest.get(..MARK_BYTES).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Scalar {
        Scalar::Text(text.to_owned())
    }

    #[test]
    fn a_mark_is_of_the_values_and_not_of_their_order() {
        assert_eq!(mark(&[text("a"), text("b")]), mark(&[text("b"), text("a")]));
        let other = [
            vec![],
            vec![text("a")],
            vec![text("ab")],
            vec![text("a"), Scalar::Int(1)],
        ];
        for values in other {
            assert_ne!(mark(&[text("a"), text("b")]), mark(&values));
        }
    }
}
