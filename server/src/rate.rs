//! How often one address may knock at the doors that take a secret: log-in, enrolment, token, one-time codes.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::clock::Clock;

/// So many at once …
const BURST: NonZeroU32 = NonZeroU32::new(300).unwrap();
/// … and one more each time this has passed. A district's phones may share the address of a mobile network.
const REFILL: Duration = Duration::from_millis(200);
/// Addresses that are remembered; when there are more, those that have recovered are forgotten.
const ADDRESSES: usize = 10_000;

/// Comes too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests")]
pub struct TooMany {
    /// When it may come again, in seconds.
    pub retry_after_s: u32,
}

/// Counts requests by address.
#[derive(Debug)]
pub struct Limits(RateLimiter<IpAddr, HashMapStateStore<IpAddr>, Told, NoOpMiddleware<Duration>>);

/// The application's clock, for the counter.
#[derive(Clone, Debug)]
struct Told(Clock);

impl GovernorClock for Told {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now_ms().max(0) as u64)
    }
}

impl Limits {
    /// Nobody has come yet.
    pub fn new(clock: Clock) -> Self {
        let quota = Quota::with_period(REFILL).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        let quota = quota.allow_burst(BURST);
        Self(RateLimiter::new(quota, HashMapStateStore::default(), Told(clock)))
    }

    /// Whether an address may come again. The machine itself is not counted – behind a proxy on it, the setting
    /// `behind_proxy` tells the addresses apart –, nor is an address that is not known.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn check(&self, address: Option<IpAddr>) -> Result<(), TooMany> {
        let Some(address) = address.filter(|address| !address.is_loopback()) else {
            return Ok(());
        };
        if self.0.len() > ADDRESSES {
            self.0.retain_recent();
        }
        self.0.check_key(&network(address)).map_err(|until| {
            let wait = until.wait_time_from(GovernorClock::now(self.0.clock()));
            TooMany {
                retry_after_s: wait.as_secs().saturating_add(1).try_into().unwrap_or(u32::MAX),
            }
        })
    }
}

/// Who has one address of version 6 has 2^64 of them: they count as one.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let kept = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(kept))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn an_address_that_knocks_too_often_waits_and_no_other_does() {
        let now = Arc::new(AtomicI64::new(1_700_000_000_000));
        let told = Arc::clone(&now);
        let limits = Limits::new(Clock::manual(move || told.load(Ordering::Relaxed)));
        let one: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
        for _ in 0..BURST.get() {
            assert_eq!(limits.check(one), Ok(()));
        }
        assert!(limits.check(one).is_err());
        assert_eq!(limits.check(Some("192.0.2.2".parse().unwrap())), Ok(()));
        assert_eq!(limits.check(Some("127.0.0.1".parse().unwrap())), Ok(()));
        now.fetch_add(2_000, Ordering::Relaxed);
        assert_eq!(limits.check(one), Ok(()));
        let of_one_house = ["2001:db8::1", "2001:db8::2"].map(|text| Some(network(text.parse().unwrap())));
        assert_eq!(of_one_house[0], of_one_house[1]);
    }
}
