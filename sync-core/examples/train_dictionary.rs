//! Makes `src/seal/dictionary.bin` from `src/seal/phrases.txt`: `cargo run -p sync-core --example train_dictionary`.
//!
//! Only for a new tag of the format: a dictionary in use never changes. Starts with every piece of text that occurs
//! twice and drops, a few at a time, those that save the least for the room they take, until the rest fits.
#![expect(clippy::print_stdout, reason = "says what it made")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const ROOM: usize = 8 * 1024;
const LONGEST: usize = 24;
/// Pieces that take one byte.
const SHORT: usize = 250;
const MAX_PIECES: usize = SHORT + 5 * 256;
const NAMES: usize = 500;
const LETTERS: &str = "aàảãáạăằẳẵắặâầẩẫấậeèẻẽéẹêềểễếệiìỉĩíịoòỏõóọôồổỗốộơờởỡớợuùủũúụưừửữứựyỳỷỹýỵđ";

/// Each piece and the bytes it is written in.
type Pieces = BTreeMap<String, usize>;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/seal");
    let texts = training_texts(&std::fs::read_to_string(folder.join("phrases.txt"))?);
    let letters = letters();
    let mut pieces = candidates(&texts, &letters);
    let uses = loop {
        let uses = count_uses(&texts, &pieces);
        let room: usize = pieces.keys().map(|piece| 1 + piece.len()).sum();
        if room <= ROOM && pieces.len() <= MAX_PIECES {
            break uses;
        }
        drop_least_useful(&mut pieces, &uses, &letters, room);
        shorten_most_used(&mut pieces, &uses);
    };
    let dictionary = in_order_of_use(&pieces, &uses);
    let bytes: Vec<u8> = dictionary
        .iter()
        .flat_map(|piece| std::iter::once(piece.len() as u8).chain(piece.bytes()))
        .collect();
    println!(
        "{} texts, {} pieces, {} bytes",
        texts.len(),
        dictionary.len(),
        bytes.len()
    );
    std::fs::write(folder.join("dictionary.bin"), bytes)
}

/// The notes, and names put together from the listed parts, those at the front of a list more often.
fn training_texts(phrases: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in phrases.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix('@').and_then(|line| line.split_once(' ')) {
            Some((part, words)) => {
                parts.insert(part, words.split(' ').collect());
            }
            None => texts.push(line.to_owned()),
        }
    }
    // A fixed sequence instead of randomness: the dictionary follows from the phrases.
    let mut state = 1u64;
    let mut pick = |part: &str| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let words = parts.get(part).map(Vec::as_slice).unwrap_or_default();
        let unit = (state >> 11) as f64 / (1u64 << 53) as f64;
        words
            .get((unit * unit * words.len() as f64) as usize)
            .copied()
            .unwrap_or_default()
    };
    for n in 0..NAMES {
        let (family, middle) = (pick("family"), pick("middle"));
        let second = if n % 3 == 0 {
            format!(" {}", pick("given"))
        } else {
            String::new()
        };
        texts.push(format!("{family} {middle}{second} {}", pick("given")));
    }
    texts
}

/// What is always in the dictionary, so that any Vietnamese word is written in little more than its letters.
fn letters() -> BTreeSet<String> {
    let ascii = (' '..='~').map(String::from);
    let vietnamese = LETTERS
        .chars()
        .flat_map(|c| std::iter::once(c).chain(c.to_uppercase()))
        .map(String::from);
    ascii.chain(vietnamese).collect()
}

fn candidates(texts: &[String], letters: &BTreeSet<String>) -> Pieces {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for text in texts {
        for (from, _) in text.char_indices() {
            for to in from + 1..=text.len().min(from + LONGEST) {
                if let Some(piece) = text.get(from..to) {
                    *counts.entry(piece).or_default() += 1;
                }
            }
        }
    }
    let often = counts
        .into_iter()
        .filter(|(_, count)| *count > 1)
        .map(|(piece, _)| piece.to_owned());
    often
        .chain(letters.iter().cloned())
        .map(|piece| (piece, 2))
        .collect()
}

/// The cheapest way to write `text`, without the piece that is all of it if `split`: its cost and pieces.
fn parse<'a>(text: &'a str, pieces: &Pieces, split: bool) -> (usize, Vec<&'a str>) {
    let mut best: Vec<(usize, usize)> = vec![(0, 0); text.len() + 1];
    for (at, character) in text.char_indices().rev() {
        let cost_from = |best: &[(usize, usize)], at: usize| best.get(at).map_or(0, |step| step.0);
        let mut step = (
            1 + character.len_utf8() + cost_from(&best, at + character.len_utf8()),
            character.len_utf8(),
        );
        for taken in 1..=LONGEST.min(text.len() - at) {
            let Some(cost) = text.get(at..at + taken).and_then(|piece| pieces.get(piece)) else {
                continue;
            };
            let cost = cost + cost_from(&best, at + taken);
            if cost <= step.0 && !(split && taken == text.len()) {
                step = (cost, taken);
            }
        }
        if let Some(slot) = best.get_mut(at) {
            *slot = step;
        }
    }
    let (mut taken, mut at) = (Vec::new(), 0);
    while let Some(piece) = best
        .get(at)
        .and_then(|(_, length)| text.get(at..at + length))
        .filter(|p| !p.is_empty())
    {
        taken.push(piece);
        at += piece.len();
    }
    (best.first().map_or(0, |step| step.0), taken)
}

fn count_uses(texts: &[String], pieces: &Pieces) -> BTreeMap<String, usize> {
    let mut uses = BTreeMap::new();
    for text in texts {
        for piece in parse(text, pieces, false).1 {
            *uses.entry(piece.to_owned()).or_default() += 1;
        }
    }
    uses
}

fn drop_least_useful(
    pieces: &mut Pieces,
    uses: &BTreeMap<String, usize>,
    letters: &BTreeSet<String>,
    room: usize,
) {
    let mut ranked: Vec<(f64, String)> = pieces
        .iter()
        .filter(|(piece, _)| !letters.contains(*piece))
        .map(|(piece, cost)| {
            // One use is no evidence that a piece of several words will be met again.
            let known = usize::from(piece.trim().contains(' '));
            let uses = uses.get(piece).copied().unwrap_or(0).saturating_sub(known);
            let saved = parse(piece, pieces, true).0.saturating_sub(*cost);
            ((uses * saved) as f64 / (1 + piece.len()) as f64, piece.clone())
        })
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    let mut excess = room.saturating_sub(ROOM).min(room / 10);
    for (_, piece) in ranked {
        if excess == 0 {
            break;
        }
        pieces.remove(&piece);
        excess = excess.saturating_sub(1 + piece.len());
    }
}

fn shorten_most_used(pieces: &mut Pieces, uses: &BTreeMap<String, usize>) {
    let short: BTreeSet<String> = in_order_of_use(pieces, uses).into_iter().take(SHORT).collect();
    for (piece, cost) in pieces {
        *cost = if short.contains(piece) { 1 } else { 2 };
    }
}

fn in_order_of_use(pieces: &Pieces, uses: &BTreeMap<String, usize>) -> Vec<String> {
    let mut order: Vec<String> = pieces.keys().cloned().collect();
    order.sort_by_key(|piece| {
        (
            std::cmp::Reverse(uses.get(piece).copied().unwrap_or(0)),
            piece.clone(),
        )
    });
    order
}
