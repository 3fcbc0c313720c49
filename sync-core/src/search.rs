//! Searching as Vietnamese is typed: accents are optional, and whoever types them finds what bears them first.
//!
//! [`crate::folding`] says how words are compared; this says how well a text answers. `ho so` finds *Hồ sơ*; *hòa* and
//! *hoà*, *đăng ký* and *đăng kí* are matters of taste. *Vĩnh Hưng* and *Vĩnh Hùng* are two communes with one folding, and
//! a search for either shows both: nothing may be merged, or looked up as if it were an id, by what is found here.

use unicode_normalization::UnicodeNormalization;

use crate::folding::{self, words};

/// Grave, acute, tilde, hook above, dot below: what a syllable bears wherever it was typed.
const TONES: [char; 5] = ['\u{300}', '\u{301}', '\u{303}', '\u{309}', '\u{323}'];
/// After these, a syllable that ends in i is spelled with y as well.
const EITHER: [&str; 7] = ["h", "k", "l", "m", "qu", "s", "t"];

/// What somebody looks for.
#[derive(Clone, Debug)]
pub struct Search(Vec<Word>);

/// How well a text answers a search; the better one is the smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Words of the search that bear other accents in the text.
    accents: usize,
    /// Where in the text the first word of the search stands.
    place: usize,
}

impl Search {
    /// The search that `text` means. Without a word in it, it finds everything.
    pub fn new(text: &str) -> Self {
        Self(words(text).into_iter().map(Word::of).collect())
    }

    /// How well `text` answers: each word of the search begins some word of it. `None`: one of them does not.
    pub fn rank(&self, text: &str) -> Option<Rank> {
        let there: Vec<Word> = words(text).into_iter().map(Word::of).collect();
        let mut rank = Rank { accents: 0, place: 0 };
        for (n, sought) in self.0.iter().enumerate() {
            let first = there.iter().position(|word| word.begins_with(sought))?;
            let exact = there.iter().position(|word| word.bears(sought));
            rank.accents += usize::from(exact.is_none());
            if n == 0 {
                rank.place = exact.unwrap_or(first);
            }
        }
        Some(rank)
    }
}

/// A word, its tone apart.
#[derive(Clone, Debug)]
struct Word {
    folded: String,
    /// With the marks that make another letter of a letter: ă, â, ê, ô, ơ, ư, đ.
    letters: String,
    tone: String,
}

impl Word {
    fn of(word: folding::Word) -> Self {
        let (tone, letters) = word.accented.nfd().partition(|c| TONES.contains(c));
        Self {
            folded: word.folded,
            letters,
            tone,
        }
    }

    /// Whether it begins with what is sought, accents apart.
    fn begins_with(&self, sought: &Word) -> bool {
        begins(&self.folded, &sought.folded)
    }

    /// Whether it begins with what is sought, accents included.
    fn bears(&self, sought: &Word) -> bool {
        begins(&self.letters, &sought.letters) && self.tone == sought.tone
    }
}

/// Whether `word` begins with `sought`, or is it in the other spelling: `ky` and `ki`.
fn begins(word: &str, sought: &str) -> bool {
    let stem = |text: &str| {
        let stem = text.strip_suffix(['i', 'y'])?;
        EITHER.iter().position(|known| *known == stem)
    };
    word.starts_with(sought) || stem(word).is_some_and(|stem_of_word| stem(sought) == Some(stem_of_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that are found, the best first.
    fn found<'a>(search: &str, texts: &[&'a str]) -> Vec<&'a str> {
        let search = Search::new(search);
        let mut ranked: Vec<(Rank, &str)> = texts
            .iter()
            .filter_map(|text| Some((search.rank(text)?, *text)))
            .collect();
        ranked.sort();
        ranked.into_iter().map(|(_, text)| text).collect()
    }

    fn finds(search: &str, text: &str) -> bool {
        Search::new(search).rank(text).is_some()
    }

    #[test]
    fn accents_are_optional() {
        for search in ["ho so", "hồ sơ", "HỒ SƠ", "Ho SƠ", "so ho", "h s", "hô"] {
            assert!(finds(search, "Hồ sơ"), "{search}");
        }
        assert!(finds("dat dai", "Đất đai") && finds("đất đai", "DAT DAI"));
        assert!(
            finds("đang ky", "Ðăng ký"),
            "an Icelandic letter that converters leave behind"
        );
        assert!(finds("dang ki", "Đăng ký") && finds("đăng ký", "ĐĂNG KÍ") && !finds("dang ky", "Đăng kinh"));
        for search in ["hò xo", "sơ hồ sơ x", "o"] {
            assert!(!finds(search, "Hồ sơ"), "{search}");
        }
    }

    #[test]
    fn composed_and_decomposed_text_and_either_place_of_the_tone_are_the_same() {
        let decomposed: String = "Hồ sơ hoà giải".nfd().collect();
        let exact = Rank { accents: 0, place: 0 };
        for text in ["Hồ sơ hòa giải", decomposed.as_str()] {
            for search in ["hồ sơ hoà giải", "hồ sơ hòa giải", decomposed.as_str()] {
                assert_eq!(Search::new(search).rank(text), Some(exact), "{search}: {text}");
            }
        }
    }

    #[test]
    fn who_types_accents_finds_what_bears_them_first_and_the_neighbour_too() {
        let communes = ["Xã Vĩnh Hùng", "Xã Vĩnh Hưng", "Xã Vĩnh Hòa"];
        assert_eq!(found("vinh hung", &communes).len(), 2);
        assert_eq!(found("vĩnh hưng", &communes), ["Xã Vĩnh Hưng", "Xã Vĩnh Hùng"]);
        assert_eq!(found("vĩnh hùng", &communes), ["Xã Vĩnh Hùng", "Xã Vĩnh Hưng"]);
    }

    #[test]
    fn what_begins_with_the_search_comes_before_what_holds_it_later() {
        let procedures = ["Xóa đăng ký tạm trú", "Đăng ký tạm trú"];
        assert_eq!(
            found("dang ky", &procedures),
            ["Đăng ký tạm trú", "Xóa đăng ký tạm trú"]
        );
    }

    #[test]
    fn a_search_without_words_finds_everything_and_codes_are_found_by_their_parts() {
        assert!(finds("", "Hồ sơ") && finds(" - ", "Hồ sơ") && finds("\u{301}", ""));
        for search in ["1.004194", "004194", "1.0041"] {
            assert!(finds(search, "1.004194 Đăng ký tạm trú"), "{search}");
        }
    }
}
