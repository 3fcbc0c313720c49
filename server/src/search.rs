//! Search, as Vietnamese is typed: by words without their signs, what fits with its signs first.
//!
//! What is clear – names of units, procedures, directives, people with an account – is folded and compared when somebody
//! asks ([`names`]). Records are found by an index ([`index`]): each holds tokens of its unit, procedure and category, and
//! of the words of its personal data *blinded*: an HMAC under a key that is not in the store, because what is sealed must
//! not lie in clear in an index. A query turns each of its words into the tokens it may mean, names of any time among
//! them, so that to rename a unit indexes nothing again ([`records()`]). One of the meanings of each word has to fit.
//!
//! Not here: parts of words, misspellings and order. What a stolen index shows stands in `docs/security.md`.

mod due;
pub mod index;
pub mod names;
mod records;

use data_encoding::{BASE32_NOPAD, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sync_core::folding::{self, Word};
use sync_core::seal::MasterKey;
use sync_core::search::Search;

pub use due::{CaughtUp, catch_up, index_some};
pub use records::{Depth, Found, Place, records};

/// Longest text to search for, in bytes.
pub const TEXT_BYTES: usize = 1024;
/// Most words of it.
pub const WORDS: usize = 12;
/// A number of so many digits is one word, however it is parted: a telephone or identity number.
const NUMBER_DIGITS: usize = 9;
/// Bytes of a blinded word: two of a realm's words meet in them once in millions of realms.
const BLINDED_BYTES: usize = 5;

/// What somebody looks for.
#[derive(Clone)]
pub struct Words {
    /// As the index of records has them.
    terms: Vec<Word>,
    /// As names are searched, here and on the phone.
    names: Search,
}

/// A text that cannot be searched for: too long, too many words, or none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a text to search for")]
pub struct NoWords;

impl std::fmt::Debug for Words {
    /// They may be somebody's name.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Words({})", self.terms.len())
    }
}

impl Words {
    /// The words of a text.
    ///
    /// # Errors
    /// [`NoWords`].
    pub fn of(text: &str) -> Result<Self, NoWords> {
        if text.len() > TEXT_BYTES {
            return Err(NoWords);
        }
        let terms = terms(text);
        if (1..=WORDS).contains(&terms.len()) {
            let names = Search::new(text);
            Ok(Self { terms, names })
        } else {
            Err(NoWords)
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.terms.len()
    }
}

/// How something fits what was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fit {
    /// With all its signs.
    Exact,
    /// Without them.
    Folded,
}

/// The words of a text, with a long number as one of them: `0912 345 678` and `+84.912.345.678` are the same.
fn terms(text: &str) -> Vec<Word> {
    let (mut terms, mut digits) = (Vec::new(), Vec::<Word>::new());
    for word in folding::words(text) {
        if word.folded.bytes().all(|byte| byte.is_ascii_digit()) {
            digits.push(word);
        } else {
            terms.extend(numbers(std::mem::take(&mut digits)));
            terms.push(word);
        }
    }
    terms.extend(numbers(digits));
    terms
}

/// Groups of digits that stand one after the other: one number, if it is a long one.
fn numbers(groups: Vec<Word>) -> Vec<Word> {
    let joined: String = groups.iter().map(|word| word.folded.as_str()).collect();
    if joined.len() < NUMBER_DIGITS {
        return groups;
    }
    // As it is dialled within the country.
    let number = match joined.strip_prefix("84") {
        Some(rest) if joined.len() == 11 => format!("0{rest}"),
        Some(_) | None => joined,
    };
    vec![Word {
        folded: number.clone(),
        accented: number,
    }]
}

/// Makes words unreadable to whoever has the store alone, and equal words equal.
#[derive(Clone)]
pub struct Blinder {
    /// Opens what is to be indexed.
    master: MasterKey,
    keyed: Hmac<Sha256>,
}

impl std::fmt::Debug for Blinder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Blinder(secret)")
    }
}

impl Blinder {
    /// That of a realm.
    pub fn of(master: &MasterKey) -> Self {
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        let key = master.derive(b"langso-search-1");
        block.iter_mut().zip(key).for_each(|(to, from)| *to = from);
        Self {
            master: master.clone(),
            keyed: <Hmac<Sha256> as KeyInit>::new(&block),
        }
    }

    fn token(&self, fit: Fit, word: &Word) -> String {
        let (kind, word) = match fit {
            Fit::Exact => ('x', &word.accented),
            Fit::Folded => ('f', &word.folded),
        };
        let mut mac = self.keyed.clone();
        mac.update(&[kind as u8]);
        mac.update(word.as_bytes());
        let blinded = mac.finalize().into_bytes();
        let bytes: Vec<u8> = blinded.iter().copied().take(BLINDED_BYTES).collect();
        token(kind, &bytes)
    }
}

/// A token of the index: a letter that says of what kind it is, and bytes that its tokenizer leaves whole.
fn token(kind: char, bytes: &[u8]) -> String {
    const LETTERS: Encoding = BASE32_NOPAD;
    let mut token = kind.to_string();
    token.push_str(&LETTERS.encode(bytes).to_ascii_lowercase());
    token
}

#[cfg(test)]
mod tests;
