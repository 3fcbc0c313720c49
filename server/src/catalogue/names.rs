//! Names of codes: the realm's catalogue first, then the program's own words, then the code itself.

use std::collections::HashMap;

use rusqlite::Connection;

use super::list;
use crate::i18n::{Locale, named};

/// The names of a realm's catalogue in one language.
#[derive(Debug)]
pub struct Names {
    locale: Locale,
    names: HashMap<(String, String), String>,
}

impl Names {
    /// # Errors
    /// The store's.
    pub fn load(conn: &Connection, locale: Locale) -> rusqlite::Result<Self> {
        let entries = list(conn)?.into_iter();
        let named = entries.map(|(_, entry)| {
            let name = match locale {
                Locale::En if !entry.name_en.is_empty() => entry.name_en,
                Locale::En | Locale::Vi => entry.name_vi,
            };
            ((entry.kind, entry.code), name)
        });
        Ok(Self {
            locale,
            names: named.collect(),
        })
    }

    /// What a code of a kind is called.
    pub fn name(&self, kind: &str, code: &str) -> String {
        let known = self.names.get(&(kind.to_owned(), code.to_owned()));
        known.cloned().unwrap_or_else(|| named(self.locale, kind, code))
    }

    /// Everything of a kind that can be picked, by name.
    pub fn all(&self, kind: &str) -> Vec<(String, String)> {
        let of_kind = self.names.iter().filter(|((of, _), _)| of == kind);
        let mut all: Vec<(String, String)> = of_kind
            .map(|((_, code), name)| (code.clone(), name.clone()))
            .collect();
        all.sort_by(|(_, a), (_, b)| a.cmp(b));
        all
    }
}
