//! The built-in dictionary: pieces of Vietnamese text, each standing for one or two bytes.
//!
//! Why not zstd, which the exchange uses: its frame alone takes ten bytes. Over the texts of `sample.txt`, which no
//! dictionary was trained from, names of 18.3 B become 7.4 B here and 18.7 B with zstd and a trained dictionary of the
//! same size, notes of 60.7 B become 25.6 B and 35.9 B. And zstd's output changes between versions, while equal texts
//! must stay equal bytes. This code is a table and one rule for choosing, the same in any language.
//!
//! `dictionary.bin` is a sequence of pieces, each one length byte and its UTF-8; a piece's number is its place in it.
//! Numbers below 250 are written as one byte; the others as two, `250 + (n - 250) / 256` and `(n - 250) % 256`. Byte
//! 255 says that one character follows as it is, in UTF-8. Of the shortest ways to write a text the one is taken that
//! has the longest piece first, at each place from the start; an unlisted character counts one more byte than its
//! UTF-8 and comes last. The dictionary is part of the format: it never changes under its tag (see [`super::packing`]).

use std::collections::HashMap;
use std::sync::LazyLock;

static DICTIONARY: LazyLock<Dictionary> =
    LazyLock::new(|| Dictionary::parse(include_bytes!("dictionary.bin")));

/// Pieces with numbers below this one take one byte.
const ONE_BYTE: usize = 250;
const ESCAPE: u8 = 255;

struct Dictionary {
    pieces: Vec<&'static str>,
    numbers: HashMap<&'static str, usize>,
    longest: usize,
}

/// One way to go on at a place of a text.
#[derive(Clone, Copy)]
struct Step {
    /// Bytes written from here to the end.
    cost: usize,
    /// Bytes of text taken.
    taken: usize,
    /// The piece's number; `None` for a character as it is.
    number: Option<usize>,
}

/// Writes `text` in the fewest bytes that the dictionary allows.
pub(super) fn compress(text: &str) -> Vec<u8> {
    let steps = DICTIONARY.steps(text);
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(step) = steps.get(at).filter(|step| step.taken > 0) {
        match step.number {
            Some(number) if number < ONE_BYTE => out.push(number as u8),
            Some(number) => {
                let rest = number - ONE_BYTE;
                out.extend([(ONE_BYTE + rest / 256) as u8, (rest % 256) as u8]);
            }
            None => {
                out.push(ESCAPE);
                out.extend(text.as_bytes().get(at..at + step.taken).unwrap_or_default());
            }
        }
        at += step.taken;
    }
    out
}

/// Reads back what [`compress`] wrote; `None` for anything else, and for more than `max` bytes of text.
pub(super) fn decompress(packed: &[u8], max: usize) -> Option<String> {
    let (mut text, mut rest) = (String::new(), packed);
    while let Some((&first, mut after)) = rest.split_first() {
        let number = usize::from(first);
        if first == ESCAPE {
            let character = first_character(after)?;
            text.push(character);
            after = after.get(character.len_utf8()..)?;
        } else if number < ONE_BYTE {
            text.push_str(DICTIONARY.pieces.get(number)?);
        } else {
            let (&second, behind) = after.split_first()?;
            let number = ONE_BYTE + (number - ONE_BYTE) * 256 + usize::from(second);
            text.push_str(DICTIONARY.pieces.get(number)?);
            after = behind;
        }
        if text.len() > max {
            return None;
        }
        rest = after;
    }
    Some(text)
}

fn first_character(bytes: &[u8]) -> Option<char> {
    (1..=4).find_map(|length| std::str::from_utf8(bytes.get(..length)?).ok()?.chars().next())
}

impl Dictionary {
    fn parse(bytes: &'static [u8]) -> Self {
        let (mut pieces, mut rest) = (Vec::new(), bytes);
        while let Some((&length, after)) = rest.split_first() {
            let Some((piece, behind)) = after.split_at_checked(length.into()) else {
                break;
            };
            // A text here is ours, and a test reads all of them.
            pieces.push(std::str::from_utf8(piece).unwrap_or_default());
            rest = behind;
        }
        let numbers = pieces
            .iter()
            .enumerate()
            .map(|(number, piece)| (*piece, number))
            .collect();
        let longest = pieces.iter().map(|piece| piece.len()).max().unwrap_or(0);
        Self {
            pieces,
            numbers,
            longest,
        }
    }

    /// For each place of `text`, the best way to go on, found from its end; the last place takes nothing.
    fn steps(&self, text: &str) -> Vec<Step> {
        let mut steps = vec![
            Step {
                cost: 0,
                taken: 0,
                number: None
            };
            text.len() + 1
        ];
        for (at, character) in text.char_indices().rev() {
            let best = self.best_step(text, at, character, &steps);
            if let Some(step) = steps.get_mut(at) {
                *step = best;
            }
        }
        steps
    }

    fn best_step(&self, text: &str, at: usize, character: char, steps: &[Step]) -> Step {
        let cost_from = |at: usize| steps.get(at).map_or(0, |step| step.cost);
        let taken = character.len_utf8();
        let mut best = Step {
            cost: 1 + taken + cost_from(at + taken),
            taken,
            number: None,
        };
        // From the shortest on, so that of equal costs the longest piece stays.
        for taken in taken..=self.longest.min(text.len() - at) {
            let Some(&number) = text.get(at..at + taken).and_then(|piece| self.numbers.get(piece)) else {
                continue;
            };
            let cost = if number < ONE_BYTE { 1 } else { 2 } + cost_from(at + taken);
            if cost <= best.cost {
                best = Step {
                    cost,
                    taken,
                    number: Some(number),
                };
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use sha2::{Digest, Sha256};
    use std::collections::HashSet;

    #[test]
    fn the_dictionary_never_changes() {
        let bytes = include_bytes!("dictionary.bin");
        assert!(bytes.len() <= 8 * 1024);
        assert_eq!(
            HEXLOWER.encode(&Sha256::digest(bytes)),
            "a0311549fc9760d1980afedb61ca8230d7ce7de8b75617f6baeaac28defcb040"
        );
    }

    #[test]
    fn the_dictionary_is_read_whole_and_says_nothing_twice() {
        let pieces = &DICTIONARY.pieces;
        assert_eq!(
            pieces.iter().map(|piece| 1 + piece.len()).sum::<usize>(),
            include_bytes!("dictionary.bin").len()
        );
        assert!(pieces.iter().all(|piece| !piece.is_empty()));
        assert_eq!(pieces.iter().collect::<HashSet<_>>().len(), pieces.len());
        assert!(pieces.len() > ONE_BYTE && pieces.len() <= ONE_BYTE + 5 * 256);
    }

    #[test]
    fn every_piece_reads_back() {
        for piece in &DICTIONARY.pieces {
            assert_eq!(decompress(&compress(piece), piece.len()).as_deref(), Some(*piece));
        }
    }

    #[test]
    fn unlisted_characters_read_back() {
        for text in ["", "Ω", "村", "🌾", "a🌾b", "\u{0}\u{10ffff}"] {
            assert_eq!(decompress(&compress(text), text.len()).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_ends_early_or_has_no_meaning_is_refused() {
        for bytes in [
            &[ONE_BYTE as u8][..],
            &[254, 255],
            &[ESCAPE],
            &[ESCAPE, 0xc3],
            &[ESCAPE, 0xff],
        ] {
            assert_eq!(decompress(bytes, 100), None);
        }
    }

    #[test]
    fn no_more_is_written_than_allowed() {
        let packed = compress(&"Nguyễn ".repeat(10));
        assert!(decompress(&packed, 89).is_none());
        assert!(decompress(&packed, 90).is_some());
    }
}
