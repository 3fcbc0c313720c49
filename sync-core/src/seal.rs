//! Sealed fields: personal data that enters a document only as ciphertext.
//!
//! Each field is sealed by itself under its record's [`RecordKey`], bound to document, record and field: ciphertext
//! that is moved elsewhere does not open. Equal texts seal to equal bytes, so that two people who wrote the same make
//! no conflict; who holds no key still sees how long a sealed text is. To destroy the key is to erase the record's
//! personal data in every copy and backup of the document.
//!
//! Who may hold which key, and where it is stored, is not decided here.

mod cipher;
mod dictionary;
mod key;
mod packing;

use unicode_normalization::UnicodeNormalization;

use crate::ids::{DocumentId, RecordId};
pub use key::{KeySeed, MasterKey, RecordKey};

/// A field of a record whose text is personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SealedField {
    /// The citizen's name.
    CitizenName,
    /// The citizen's phone number.
    CitizenPhone,
    /// The citizen's identity number.
    CitizenId,
    /// Free text, which may say anything about the citizen.
    Note,
}

impl SealedField {
    /// Every field.
    pub const ALL: [SealedField; 4] = [
        SealedField::CitizenName,
        SealedField::CitizenPhone,
        SealedField::CitizenId,
        SealedField::Note,
    ];

    /// Its key in the record's map.
    pub const fn key(self) -> &'static str {
        match self {
            SealedField::CitizenName => "citizen_name",
            SealedField::CitizenPhone => "citizen_phone",
            SealedField::CitizenId => "citizen_id",
            SealedField::Note => "note",
        }
    }

    /// The field of a key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.key() == key)
    }

    /// The longest text it takes, in bytes of UTF-8 after normalisation.
    pub fn max_bytes(self) -> usize {
        match self {
            SealedField::CitizenName => 128,
            SealedField::CitizenPhone | SealedField::CitizenId => 20,
            SealedField::Note => 2000,
        }
    }
}

crate::record::code::worded!(SealedField, SealedField::ALL.map(SealedField::key));

/// Why a text was not sealed or not opened. Says nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Shorten the text.
    #[error("{} takes at most {max} bytes", field.key())]
    TooLong {
        /// Which field.
        field: SealedField,
        /// Its limit in bytes of UTF-8.
        max: usize,
    },
    /// Look for another key: this one is of another record, document or field, or the bytes were altered.
    #[error("the key does not open this")]
    WrongKey,
    /// Show the field as unreadable: whoever sealed it did not keep to the format.
    #[error("what was sealed is no text")]
    Damaged,
    /// Update the app: the field was packed in a way that this version does not know.
    #[error("sealed by a newer version")]
    Newer,
}

impl SealError {
    /// The stable code for logs and interfaces.
    pub fn code(&self) -> &'static str {
        match self {
            SealError::TooLong { .. } => "text_too_long",
            SealError::WrongKey => "seal_wrong_key",
            SealError::Damaged => "seal_damaged",
            SealError::Newer => "seal_newer",
        }
    }
}

/// The most bytes that a sealed text of this field has; admission and the projection bound it by this.
pub fn sealed_max_bytes(field: SealedField) -> usize {
    1 + field.max_bytes() + cipher::TAG_BYTES
}

/// Text as it is stored: NFC, so that what looks the same is the same.
pub fn normalise(text: &str) -> String {
    text.nfc().collect()
}

/// Normalises `text` and seals it for one field of one record: at most [`sealed_max_bytes`], the same bytes each time.
///
/// # Errors
/// [`SealError::TooLong`].
pub fn seal(
    key: &RecordKey,
    document: &DocumentId,
    record: RecordId,
    field: SealedField,
    text: &str,
) -> Result<Vec<u8>, SealError> {
    let text = normalise(text);
    let max = field.max_bytes();
    if text.len() > max {
        return Err(SealError::TooLong { field, max });
    }
    Ok(cipher::encrypt(
        key.as_bytes(),
        &place(document, record, field),
        &packing::pack(&text),
    ))
}

/// Opens what [`seal`] made for this very field; the text has at most `field.max_bytes()`.
///
/// # Errors
/// [`SealError::WrongKey`], [`SealError::Damaged`], [`SealError::Newer`].
pub fn open(
    key: &RecordKey,
    document: &DocumentId,
    record: RecordId,
    field: SealedField,
    sealed: &[u8],
) -> Result<String, SealError> {
    if sealed.len() > sealed_max_bytes(field) {
        return Err(SealError::Damaged);
    }
    let packed = cipher::decrypt(key.as_bytes(), &place(document, record, field), sealed);
    packing::unpack(&packed.ok_or(SealError::WrongKey)?, field.max_bytes()).map_err(|why| match why {
        packing::Unpackable::UnknownTag => SealError::Newer,
        packing::Unpackable::Malformed => SealError::Damaged,
    })
}

/// The associated data: the document's id as text ‖ the record's 16 bytes ‖ the field's key.
///
/// No length is needed between them: a document's id has one of a few lengths, fixed by its class, which it begins with.
fn place(document: &DocumentId, record: RecordId, field: SealedField) -> Vec<u8> {
    [
        document.to_string().as_bytes(),
        &record.to_bytes(),
        field.key().as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests;
