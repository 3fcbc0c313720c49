//! How things are written for people: numbers, times, names and codes, in the reader's language.

use fluent_bundle::FluentArgs;
use jiff::civil::Date;
use sync_core::ids::UnitId;

use crate::clock::{VIETNAM, day_of};
use crate::i18n::{Locale, format, named, text};
use crate::tree::Tree;

/// A language, and the time of the page.
#[derive(Clone, Copy)]
pub(super) struct Words {
    pub(super) locale: Locale,
    pub(super) now_ms: i64,
}

impl Words {
    /// A message.
    pub(super) fn t(&self, key: &str) -> String {
        text(self.locale, key)
    }

    /// A message about so many.
    pub(super) fn count(&self, key: &str, n: impl Whole) -> String {
        let n = n.whole();
        let mut args = FluentArgs::new();
        args.set("n", n);
        args.set("number", self.n(n));
        format(self.locale, key, &args)
    }

    /// A message with named parts.
    pub(super) fn say(&self, key: &str, parts: &[(&'static str, &str)]) -> String {
        let mut args = FluentArgs::new();
        for (name, part) in parts {
            args.set(*name, (*part).to_owned());
        }
        format(self.locale, key, &args)
    }

    /// A whole number in groups of three: 1.234 in Vietnamese, 1,234 in English.
    pub(super) fn n(&self, n: impl Whole) -> String {
        let n = n.whole();
        let mark = match self.locale {
            Locale::Vi => '.',
            Locale::En => ',',
        };
        let digits = n.unsigned_abs().to_string();
        let mut written = String::from(if n < 0 { "−" } else { "" });
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                written.push(mark);
            }
            written.push(digit);
        }
        written
    }

    /// A number with one decimal: 4,6 in Vietnamese, 4.6 in English.
    pub(super) fn decimal(&self, value: f64) -> String {
        let written = format!("{value:.1}");
        match self.locale {
            Locale::Vi => written.replace('.', ","),
            Locale::En => written,
        }
    }

    /// Day and minute in Vietnam.
    pub(super) fn time(&self, at_ms: i64) -> String {
        let instant = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
        VIETNAM
            .to_datetime(instant)
            .strftime("%d/%m/%Y %H:%M")
            .to_string()
    }

    /// A day.
    pub(super) fn day(&self, day: Date) -> String {
        day.strftime("%d/%m/%Y").to_string()
    }

    /// Today.
    pub(super) fn today(&self) -> Date {
        day_of(self.now_ms)
    }

    /// How long ago.
    pub(super) fn ago(&self, at_ms: i64) -> String {
        let minutes = (self.now_ms - at_ms).max(0) / 60_000;
        let (key, n) = match minutes {
            0..60 => ("ago-minutes", minutes),
            60..1440 => ("ago-hours", minutes / 60),
            _ => (
                "ago-days",
                i64::from((day_of(self.now_ms) - day_of(at_ms)).get_days()).max(1),
            ),
        };
        self.count(key, n)
    }

    /// A code of a kind in the reader's language where the catalogues know it; as it is otherwise.
    pub(super) fn code(&self, kind: &str, code: &str) -> String {
        named(self.locale, kind, code)
    }

    /// What a field is called; one that this version does not know, a newer one's, by its key.
    pub(super) fn field(&self, key: &str) -> String {
        match self.code("field", key) {
            unnamed if unnamed == key => self.say("field-unknown", &[("key", key)]),
            name => name,
        }
    }

    /// The name of a unit.
    pub(super) fn unit(&self, tree: &Tree, id: UnitId) -> String {
        tree.unit(id)
            .map_or_else(|| self.t("unit-gone"), |unit| unit.name.clone())
    }

    /// A unit with the one above it, since hamlets of one name are many.
    pub(super) fn place(&self, tree: &Tree, id: UnitId) -> String {
        match tree.ancestors(id).next() {
            Some(above) => format!("{}, {}", self.unit(tree, id), above.name),
            None => self.unit(tree, id),
        }
    }
}

/// A whole number, or – as templates give it – a reference to one.
pub(super) trait Whole {
    fn whole(&self) -> i64;
}

macro_rules! whole {
    ($($kind:ty),*) => {
        $(impl Whole for $kind {
            fn whole(&self) -> i64 {
                i64::try_from(*self).unwrap_or(i64::MAX)
            }
        })*
    };
}

whole!(i32, i64, u32, u64, usize);

impl<T: Whole> Whole for &T {
    fn whole(&self) -> i64 {
        (**self).whole()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(locale: Locale) -> Words {
        Words {
            locale,
            now_ms: 1_740_967_200_000,
        }
    }

    #[test]
    fn numbers_are_written_as_the_language_writes_them() {
        let (vi, en) = (words(Locale::Vi), words(Locale::En));
        assert_eq!(vi.n(1_234_567_i64), "1.234.567");
        assert_eq!(en.n(1_234_567_i64), "1,234,567");
        assert_eq!(vi.n(999_i64), "999");
        assert_eq!(en.n(-1_000_i64), "−1,000");
        assert_eq!((vi.decimal(4.56), en.decimal(4.56)), ("4,6".into(), "4.6".into()));
    }

    #[test]
    fn times_are_those_of_vietnam() {
        let vi = words(Locale::Vi);
        assert_eq!(vi.time(1_740_967_200_000), "03/03/2025 09:00");
        assert_eq!(vi.ago(vi.now_ms - 3_600_000 * 25), "1 ngày trước");
        assert_eq!(
            vi.ago(vi.now_ms + 60_000),
            "0 phút trước",
            "a clock that is ahead"
        );
    }

    #[test]
    fn a_code_that_no_catalogue_knows_stays_as_it_is() {
        let vi = words(Locale::Vi);
        assert_eq!(vi.code("outcome", "hoan_thanh"), "Hoàn thành");
        assert_eq!(vi.code("outcome", "viec_rieng"), "viec_rieng");
    }
}
