//! How one value is entered: what a field of a form is, by the kind of value that it takes, and what it says.

use jiff::civil::{Date, DateTime};

use super::super::ApiError;
use crate::clock::VIETNAM;

/// Years of a day that somebody may mean.
const YEARS: std::ops::RangeInclusive<i16> = 1900..=2200;

/// Something to pick.
pub(super) struct Pick {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// How a value is entered.
pub(super) enum Input {
    /// One of these.
    Choice(Vec<Pick>),
    /// A whole number within these bounds, both included.
    Number(i64, i64),
    /// A minute in Vietnam.
    Time,
    /// A line of at most so many characters.
    Line(usize),
    /// Lines, of at most so many characters together.
    Text(usize),
}

/// A minute in Vietnam as a browser writes it, in UTC milliseconds.
pub(super) fn instant(typed: &str) -> Option<i64> {
    let minute: DateTime = typed.parse().ok()?;
    Some(VIETNAM.to_timestamp(minute).ok()?.as_millisecond())
}

/// The day that a filter in an address says, if it says one.
///
/// # Errors
/// When it is none that anybody could mean.
pub(super) fn filter_day(name: &str, typed: &str) -> Result<Option<Date>, ApiError> {
    let day = (!typed.is_empty()).then(|| readable_day(typed).ok_or_else(|| ApiError::parameter(name)));
    day.transpose()
}

/// A day that somebody may mean.
pub(super) fn readable_day(typed: &str) -> Option<Date> {
    let day: Date = typed.parse().ok()?;
    YEARS.contains(&day.year()).then_some(day)
}

/// An id that a filter in an address says, if it says one.
///
/// # Errors
/// When it is none.
pub(super) fn filter_id<T: std::str::FromStr>(name: &str, typed: &str) -> Result<Option<T>, ApiError> {
    let id = (!typed.is_empty()).then(|| typed.parse().map_err(|_| ApiError::parameter(name)));
    id.transpose()
}

/// The minute of an instant as a browser reads it.
pub(super) fn minute(at_ms: i64) -> String {
    let instant = jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default();
    VIETNAM
        .to_datetime(instant)
        .strftime("%Y-%m-%dT%H:%M")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_one_in_vietnam() {
        assert_eq!(instant("2025-03-03T09:00"), Some(1_740_967_200_000));
        assert_eq!(minute(1_740_967_200_000), "2025-03-03T09:00");
        assert_eq!(instant("9999-99-99T00:00"), None);
    }
}
