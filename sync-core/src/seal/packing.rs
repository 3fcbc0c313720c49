//! How a text is made small before it is sealed: a tag byte and a body.
//!
//! | tag | body |
//! |---|---|
//! | 0 | the text's UTF-8 |
//! | 1 | pieces of the built-in dictionary ([`super::dictionary`]) |
//! | 2 | digits, two a byte, the first in the high half; an odd number of them ends with a low half of 15 |
//!
//! The shortest is taken, the lowest tag of equal ones. A new dictionary is a new tag: old texts stay readable.

use super::dictionary;

const RAW: u8 = 0;
const DICTIONARY: u8 = 1;
const DIGITS: u8 = 2;
const PADDING: u8 = 15;

/// Why bytes are no packed text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unpackable {
    /// A tag that this version does not know.
    UnknownTag,
    /// Not what its tag says, or too long.
    Malformed,
}

/// The text in its shortest form: at most one byte longer than its UTF-8.
pub(super) fn pack(text: &str) -> Vec<u8> {
    let mut best = tagged(RAW, text.as_bytes());
    for (tag, body) in [
        (DICTIONARY, Some(dictionary::compress(text))),
        (DIGITS, pack_digits(text)),
    ] {
        match body {
            Some(body) if 1 + body.len() < best.len() => best = tagged(tag, &body),
            Some(_) | None => {}
        }
    }
    best
}

/// The text of packed bytes, if it has at most `max` bytes.
pub(super) fn unpack(packed: &[u8], max: usize) -> Result<String, Unpackable> {
    let (tag, body) = packed.split_first().ok_or(Unpackable::Malformed)?;
    let text = match *tag {
        RAW => std::str::from_utf8(body).ok().map(str::to_owned),
        DICTIONARY => dictionary::decompress(body, max),
        DIGITS => unpack_digits(body),
        _ => return Err(Unpackable::UnknownTag),
    };
    text.filter(|text| text.len() <= max).ok_or(Unpackable::Malformed)
}

fn tagged(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag], body].concat()
}

fn pack_digits(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(10).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| match *pair {
        [high, low] => high << 4 | low,
        [high] => high << 4 | PADDING,
        _ => PADDING << 4 | PADDING,
    });
    Some(pairs.collect())
}

fn unpack_digits(body: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(2 * body.len());
    for (at, byte) in body.iter().enumerate() {
        let (high, low) = (byte >> 4, byte & 15);
        text.push(char::from_digit(high.into(), 10)?);
        if low == PADDING && at + 1 == body.len() {
            break;
        }
        text.push(char::from_digit(low.into(), 10)?);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_form_is_taken() {
        assert_eq!(pack(""), [RAW]);
        assert_eq!(pack("村"), [&[RAW], "村".as_bytes()].concat());
        assert_eq!(pack("0912345678"), [DIGITS, 0x09, 0x12, 0x34, 0x56, 0x78]);
        assert_eq!(
            pack("038095001234567"),
            [DIGITS, 0x03, 0x80, 0x95, 0x00, 0x12, 0x34, 0x56, 0x7f]
        );
        assert_eq!(pack("Nguyễn Thị Lan")[0], DICTIONARY);
    }

    #[test]
    fn digits_read_back() {
        for text in ["0", "00", "001", "0912345678", "038095001234"] {
            assert_eq!(unpack_digits(&pack_digits(text).unwrap()).as_deref(), Some(text));
        }
        assert_eq!(pack_digits("+84 912"), None);
        assert_eq!(pack_digits("٣"), None);
    }

    #[test]
    fn what_is_no_packed_text_is_refused() {
        for bytes in [
            &[][..],
            &[RAW, 0xff],
            &[DIGITS, 0xa0],
            &[DIGITS, 0x0f, 0x00],
            &[DIGITS, 0xff],
            &[RAW, 65, 65, 65],
        ] {
            assert_eq!(unpack(bytes, 2), Err(Unpackable::Malformed));
        }
        assert_eq!(unpack(&[3], 2), Err(Unpackable::UnknownTag));
    }
}
