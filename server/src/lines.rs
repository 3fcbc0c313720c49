//! Lines of a file that cannot be taken: each is named, with what is wrong with it in the reader's language.

use fluent_bundle::FluentArgs;

use crate::i18n::{Locale, format};

/// A line that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// Its number in the file, the header being 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong: a message of the catalogues, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    key: &'static str,
    parts: Vec<(&'static str, String)>,
}

impl RowError {
    /// Something that is wrong with a line.
    pub fn new(line: u64, key: &'static str, parts: &[(&'static str, &dyn std::fmt::Display)]) -> Self {
        Self {
            line,
            problem: Problem::new(key, parts),
        }
    }
}

impl Problem {
    /// A message of the catalogues with its parts.
    pub fn new(key: &'static str, parts: &[(&'static str, &dyn std::fmt::Display)]) -> Self {
        let parts = parts.iter().map(|(name, part)| (*name, part.to_string()));
        Self {
            key,
            parts: parts.collect(),
        }
    }

    /// In words.
    pub fn told(&self, locale: Locale) -> String {
        let mut args = FluentArgs::new();
        for (name, part) in &self.parts {
            args.set(*name, part.clone());
        }
        format(locale, self.key, &args)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.told(Locale::En))
    }
}

/// Every line on a line of its own, as commands print them.
pub fn told(rows: &[RowError]) -> String {
    let lines = rows
        .iter()
        .map(|row| std::format!("line {}: {}", row.line, row.problem));
    lines.collect::<Vec<_>>().join("\n")
}
