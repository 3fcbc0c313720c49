//! Reading bytes that claim things: what is not there is not read, and every number has one way to be written.

use super::PreflightError;

/// What is left of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `length` bytes.
    pub(super) fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], PreflightError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(PreflightError::Malformed(what))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], PreflightError> {
        self.take(N, what)?
            .try_into()
            .map_err(|_| PreflightError::Malformed(what))
    }

    pub(super) fn text(&mut self, length: usize, what: &'static str) -> Result<&'a str, PreflightError> {
        std::str::from_utf8(self.take(length, what)?).map_err(|_| PreflightError::Malformed(what))
    }

    /// A number in LEB128, in its shortest form.
    pub(super) fn unsigned(&mut self, what: &'static str) -> Result<u64, PreflightError> {
        let mut value: u64 = 0;
        for shift in (0..).step_by(7) {
            let [byte] = self.array(what)?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte holds the one bit that is left.
            if shift > 63 || (shift == 63 && bits > 1) {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let shortest = byte != 0 || shift == 0;
                return if shortest {
                    Ok(value)
                } else {
                    Err(PreflightError::Malformed(what))
                };
            }
        }
        Err(PreflightError::Malformed(what))
    }

    /// A number in signed LEB128, in its shortest form.
    pub(super) fn signed(&mut self, what: &'static str) -> Result<i64, PreflightError> {
        let (mut value, mut before): (i64, u8) = (0, 0);
        for shift in (0..).step_by(7) {
            let [byte] = self.array(what)?;
            let bits = byte & 0x7f;
            // The tenth byte holds the sign and nothing else.
            if shift > 63 || (shift == 63 && bits != 0 && bits != 0x7f) {
                break;
            }
            value |= i64::from(bits) << shift;
            if byte & 0x80 == 0 {
                let negative = byte & 0x40 != 0;
                if negative && shift < 57 {
                    value |= -1 << (shift + 7);
                }
                // A last byte that only repeats the sign of the one before says nothing.
                let repeats =
                    shift > 0 && ((byte == 0 && before & 0x40 == 0) || (byte == 0x7f && before & 0x40 != 0));
                return if repeats {
                    Err(PreflightError::Malformed(what))
                } else {
                    Ok(value)
                };
            }
            before = byte;
        }
        Err(PreflightError::Malformed(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsigned(bytes: &[u8]) -> Option<u64> {
        Reader::new(bytes).unsigned("").ok()
    }

    fn signed(bytes: &[u8]) -> Option<i64> {
        Reader::new(bytes).signed("").ok()
    }

    #[test]
    fn numbers_have_one_way_to_be_written() {
        assert_eq!(unsigned(&[0]), Some(0));
        assert_eq!(unsigned(&[0x80, 0x01]), Some(128));
        assert_eq!(unsigned(&[0x80, 0x00]), None, "overlong");
        assert_eq!(
            unsigned(&[0xff; 9].iter().copied().chain([1]).collect::<Vec<_>>()),
            Some(u64::MAX)
        );
        assert_eq!(
            unsigned(&[0xff; 9].iter().copied().chain([2]).collect::<Vec<_>>()),
            None,
            "65 bits"
        );
        assert_eq!(unsigned(&[0x80; 20]), None, "no end");
        assert_eq!(unsigned(&[0x80]), None, "cut");
        assert_eq!(signed(&[0x7f]), Some(-1));
        assert_eq!(signed(&[0x3f]), Some(63));
        assert_eq!(signed(&[0x40]), Some(-64));
        assert_eq!(signed(&[0xc0, 0x00]), Some(64));
        assert_eq!(signed(&[0xff, 0x7f]), None, "overlong");
        assert_eq!(signed(&[0xbf, 0x00]), None, "overlong");
        assert_eq!(
            signed(&[0x80; 9].iter().copied().chain([0x7f]).collect::<Vec<_>>()),
            Some(i64::MIN)
        );
        assert_eq!(
            signed(&[0xff; 9].iter().copied().chain([0]).collect::<Vec<_>>()),
            Some(i64::MAX)
        );
        assert_eq!(
            signed(&[0x80; 9].iter().copied().chain([0x01]).collect::<Vec<_>>()),
            None,
            "65 bits"
        );
    }

    #[test]
    fn every_number_of_64_bits_reads_back() {
        for shift in 0..64 {
            for value in [
                1_i64 << shift,
                (1_i64 << shift).wrapping_sub(1),
                !(1_i64 << shift),
                -(1_i64 << shift.min(62)),
            ] {
                let mut bytes = Vec::new();
                let mut left = value;
                loop {
                    let byte = (left & 0x7f) as u8;
                    left >>= 7;
                    if (left == 0 && byte & 0x40 == 0) || (left == -1 && byte & 0x40 != 0) {
                        bytes.push(byte);
                        break;
                    }
                    bytes.push(byte | 0x80);
                }
                assert_eq!(signed(&bytes), Some(value), "{bytes:02x?}");
            }
        }
    }
}
