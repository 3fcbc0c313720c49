//! Folding: how a word is compared when somebody looks for it.
//!
//! People type `nguyen van a` and mean *Nguyễn Văn A*: the signs of Vietnamese are left off on a keyboard that makes them
//! dear, `d` stands for `đ`, and what was written by one phone in NFC comes from another in NFD. So words are compared
//! folded – lower case, without signs – and those that fit with their signs come first. Folding is for finding alone:
//! names that fold to the same are names of different people and places, and nothing is ever identified by one.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A word of a text, in both ways in which it is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word {
    /// Lower case, without signs.
    pub folded: String,
    /// Lower case with its signs, NFC.
    pub accented: String,
}

/// The words of a text in their order: what is between letters and digits parts them, what is invisible does not.
pub fn words(text: &str) -> Vec<Word> {
    let (mut words, mut word) = (Vec::new(), String::new());
    // A space at the end finishes the last word.
    for c in text.nfkc().filter(|c| !is_invisible(*c)).chain([' ']) {
        if c.is_alphanumeric() || (is_combining_mark(c) && !word.is_empty()) {
            word.push(c);
        } else if !word.is_empty() {
            words.push(Word::of(&std::mem::take(&mut word)));
        }
    }
    words
}

/// A text as its folded words, one space between them: for comparing whole names.
pub fn fold(text: &str) -> String {
    let folded: Vec<String> = words(text).into_iter().map(|word| word.folded).collect();
    folded.join(" ")
}

impl Word {
    fn of(word: &str) -> Self {
        let accented: String = word.to_lowercase().nfc().collect();
        let plain = accented.nfd().filter(|c| !is_combining_mark(*c));
        Self {
            // The other two are typed and converted for đ, and look like it in capitals.
            folded: plain
                .map(|c| if matches!(c, 'đ' | 'ð' | 'ɖ') { 'd' } else { c })
                .collect(),
            accented,
        }
    }
}

/// What a text may hold without anybody seeing it: joiners, marks of direction, soft hyphens.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_without_signs_finds_what_has_them() {
        assert_eq!(fold("Nguyễn Văn A"), "nguyen van a");
        assert_eq!(fold("Vĩnh Hưng"), fold("VĨNH HÙNG"));
        assert_eq!(fold("Đường Đá đỏ"), "duong da do");
        assert_eq!(fold("ơ ư ă â ê ô ỷ ỵ"), "o u a a e o y y");
    }

    #[test]
    fn the_signs_of_a_word_are_kept_beside() {
        let [vinh, hung] = &words("Vĩnh Hưng")[..] else {
            panic!()
        };
        assert_eq!((vinh.folded.as_str(), vinh.accented.as_str()), ("vinh", "vĩnh"));
        assert_eq!((hung.folded.as_str(), hung.accented.as_str()), ("hung", "hưng"));
    }

    #[test]
    fn composed_and_decomposed_are_the_same() {
        let decomposed: String = "Vĩnh Hưng, Đỗ Thị Ánh".nfd().collect();
        assert_eq!(words(&decomposed), words("Vĩnh Hưng, Đỗ Thị Ánh"));
    }

    #[test]
    fn what_is_invisible_neither_parts_words_nor_is_in_them() {
        assert_eq!(words("Ngu\u{200b}yễn\u{202e}\u{feff}"), words("Nguyễn"));
        assert_eq!(fold("\u{200b}\u{202e}"), "");
    }

    #[test]
    fn everything_else_parts_words() {
        assert_eq!(
            fold("  Thôn 3 (Bái-Xuân)/xã\tVĩnh\u{a0}Phúc. "),
            "thon 3 bai xuan xa vinh phuc"
        );
        assert_eq!(fold("1.004227.000.00.00.H56"), "1 004227 000 00 00 h56");
        assert!(words("").is_empty() && words("—…+-=@").is_empty());
        assert_eq!(fold("\u{301}a"), "a", "a mark that stands alone is no word");
    }

    #[test]
    fn other_scripts_are_left_as_they_are() {
        assert_eq!(fold("ＡＢＣ １２３ Ⅻ"), "abc 123 xii");
        assert_eq!(fold("Straße İstanbul"), "straße istanbul");
    }
}
