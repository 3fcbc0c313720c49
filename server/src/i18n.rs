//! What people read: Vietnamese first, English second, from catalogues (Fluent).

use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};

/// A language that people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Locale {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

impl Locale {
    /// The language that an `Accept-Language` header asks for first among those we have; Vietnamese without one.
    pub fn accepted(header: Option<&str>) -> Self {
        let wanted = header
            .unwrap_or_default()
            .split(',')
            .map(|part| part.trim().to_ascii_lowercase());
        wanted
            .into_iter()
            .find_map(|tag| Self::of_tag(&tag))
            .unwrap_or_default()
    }

    /// The language of a tag such as `vi`, `en-GB`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        match tag.get(..2)? {
            "vi" => Some(Locale::Vi),
            "en" => Some(Locale::En),
            _ => None,
        }
    }

    /// Its tag.
    pub fn tag(self) -> &'static str {
        match self {
            Locale::Vi => "vi",
            Locale::En => "en",
        }
    }
}

/// A message without arguments.
pub fn text(locale: Locale, key: &str) -> String {
    format(locale, key, &FluentArgs::new())
}

/// A message. A key that is in no catalogue is shown as it is, which a test keeps from happening.
pub fn format(locale: Locale, key: &str, args: &FluentArgs<'_>) -> String {
    let bundle = bundle(locale);
    let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
        return key.to_owned();
    };
    bundle
        .format_pattern(pattern, Some(args), &mut Vec::new())
        .into_owned()
}

/// A code of a kind in words, where a catalogue knows it; as it is otherwise.
pub fn named(locale: Locale, kind: &str, code: &str) -> String {
    let key = format!("{kind}-{}", code.replace('_', "-"));
    if has(locale, &key) {
        text(locale, &key)
    } else {
        code.to_owned()
    }
}

/// Whether a catalogue has a message.
pub fn has(locale: Locale, key: &str) -> bool {
    bundle(locale).has_message(key)
}

fn bundle(locale: Locale) -> &'static FluentBundle<FluentResource> {
    static VI: OnceLock<FluentBundle<FluentResource>> = OnceLock::new();
    static EN: OnceLock<FluentBundle<FluentResource>> = OnceLock::new();
    match locale {
        Locale::Vi => VI.get_or_init(|| load(locale)),
        Locale::En => EN.get_or_init(|| load(locale)),
    }
}

/// The catalogues: Vietnamese and English, side by side.
const SOURCES: [[&str; 2]; 4] = [
    [
        include_str!("../locales/vi.ftl"),
        include_str!("../locales/en.ftl"),
    ],
    [
        include_str!("../locales/pages.vi.ftl"),
        include_str!("../locales/pages.en.ftl"),
    ],
    [
        include_str!("../locales/tables.vi.ftl"),
        include_str!("../locales/tables.en.ftl"),
    ],
    [
        include_str!("../locales/admin.vi.ftl"),
        include_str!("../locales/admin.en.ftl"),
    ],
];

fn load(locale: Locale) -> FluentBundle<FluentResource> {
    let language = locale.tag().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    // Marks around arguments would show up in plain text and JSON.
    bundle.set_use_isolating(false);
    for [vi, en] in SOURCES {
        let source = match locale {
            Locale::Vi => vi,
            Locale::En => en,
        };
        let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
        bundle.add_resource_overriding(resource);
    }
    bundle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_catalogues_parse_and_have_the_same_messages() {
        let keys = |source: &str| -> std::collections::BTreeSet<String> {
            FluentResource::try_new(source.to_owned()).expect("the catalogue parses");
            let line = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
            source
                .lines()
                .filter(|line| !line.starts_with([' ', '#']))
                .filter_map(line)
                .collect()
        };
        let mut all = std::collections::BTreeSet::new();
        for [vi, en] in SOURCES {
            assert_eq!(keys(vi), keys(en));
            for key in keys(vi) {
                assert!(!all.contains(&key), "{key} stands in two catalogues");
                all.insert(key);
            }
        }
    }

    #[test]
    fn the_reader_is_asked_which_language() {
        assert_eq!(Locale::accepted(None), Locale::Vi);
        assert_eq!(Locale::accepted(Some("fr, en-GB;q=0.8, vi;q=0.5")), Locale::En);
        assert_eq!(Locale::accepted(Some("vi-VN,en")), Locale::Vi);
        assert_eq!(Locale::accepted(Some("đ")), Locale::Vi);
    }
}
