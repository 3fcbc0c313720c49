//! Time and chance: where the server gets them, so that tests can give it theirs.

use std::sync::Arc;

use jiff::civil::Date;

/// Vietnam keeps UTC+7 all year round.
pub const VIETNAM: jiff::tz::Offset = jiff::tz::Offset::constant(7);

/// Tells the time, in UTC milliseconds.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(Arc::new(|| jiff::Timestamp::now().as_millisecond()))
    }

    /// A clock that says what it is told.
    pub fn manual(now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Now, UTC milliseconds.
    pub fn now_ms(&self) -> i64 {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// The day in Vietnam that holds an instant.
pub fn day_of(now_ms: i64) -> Date {
    let instant = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    VIETNAM.to_datetime(instant).date()
}

/// The first instant of a day in Vietnam, UTC milliseconds; `None` beyond the years that a timestamp has.
pub fn midnight_ms(day: Date) -> Option<i64> {
    Some(VIETNAM.to_timestamp(day.at(0, 0, 0, 0)).ok()?.as_millisecond())
}

/// Fills bytes from the machine's source of randomness. Without one nothing safe can be done.
pub fn fill(bytes: &mut [u8]) {
    #[expect(
        clippy::expect_used,
        reason = "no key, code or token may be made without randomness"
    )]
    getrandom::fill(bytes).expect("the machine has a source of randomness");
}

/// `N` random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// 80 random bits, for ids.
pub fn random_bits() -> u128 {
    u128::from_be_bytes(random())
}
