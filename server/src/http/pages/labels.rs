//! Names of codes: the realm's catalogue first, then the program's own words, then the code itself.

use std::collections::HashMap;

use rusqlite::Connection;

use super::words::Words;
use crate::catalogue;
use crate::i18n::Locale;

/// The names of a realm's catalogue in one language.
pub(super) struct Labels {
    words: Words,
    names: HashMap<(String, String), String>,
}

impl Labels {
    /// # Errors
    /// The store's.
    pub(super) fn load(conn: &Connection, words: Words) -> rusqlite::Result<Self> {
        let entries = catalogue::list(conn)?.into_iter();
        let named = entries.map(|(_, entry)| {
            let name = match words.locale {
                Locale::En if !entry.name_en.is_empty() => entry.name_en,
                Locale::En | Locale::Vi => entry.name_vi,
            };
            ((entry.kind, entry.code), name)
        });
        Ok(Self {
            words,
            names: named.collect(),
        })
    }

    /// What a code of a kind is called.
    pub(super) fn name(&self, kind: &str, code: &str) -> String {
        let known = self.names.get(&(kind.to_owned(), code.to_owned()));
        known.cloned().unwrap_or_else(|| self.words.code(kind, code))
    }

    /// Everything of a kind that can be picked, by name.
    pub(super) fn all(&self, kind: &str) -> Vec<(String, String)> {
        let of_kind = self.names.iter().filter(|((of, _), _)| of == kind);
        let mut all: Vec<(String, String)> = of_kind
            .map(|((_, code), name)| (code.clone(), name.clone()))
            .collect();
        all.sort_by(|(_, a), (_, b)| a.cmp(b));
        all
    }
}
