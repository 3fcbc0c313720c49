//! One exchange per device at a time: a phone that hung up and comes back waits for what it began.
//!
//! Two at once would judge the same batches twice and answer each with what the other made stale.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sync_core::ids::DeviceId;
use tokio::sync::Notify;

/// The devices that are in an exchange.
#[derive(Clone, Debug, Default)]
pub struct Flights(Arc<Sky>);

#[derive(Debug, Default)]
struct Sky {
    devices: Mutex<HashSet<DeviceId>>,
    landed: Notify,
}

/// One device's exchange; over when this is dropped.
#[derive(Debug)]
pub struct Flight {
    flights: Flights,
    device: DeviceId,
}

impl Flights {
    /// Begins an exchange of a device; `None` while another one is under way.
    pub fn begin(&self, device: DeviceId) -> Option<Flight> {
        let mut devices = self.0.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = devices.insert(device);
        begun.then(|| Flight {
            flights: self.clone(),
            device,
        })
    }

    /// The same, after the one under way, if that ends within `patience`: a phone that lost its connection and comes
    /// back at once finds its own exchange, which takes a moment, and is not to be sent away for seconds.
    pub async fn begin_within(&self, device: DeviceId, patience: Duration) -> Option<Flight> {
        let turn = async {
            loop {
                // Made before looking, so that no landing is missed in between.
                let landed = self.0.landed.notified();
                match self.begin(device) {
                    Some(flight) => return flight,
                    None => landed.await,
                }
            }
        };
        tokio::time::timeout(patience, turn).await.ok()
    }

    /// How many are under way.
    pub fn count(&self) -> usize {
        self.0
            .devices
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let sky = &self.flights.0;
        sky.devices
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.device);
        sky.landed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_flies_once_and_may_fly_again() {
        let flights = Flights::default();
        let (one, other) = (DeviceId::from_parts(1, 1), DeviceId::from_parts(1, 2));
        let flight = flights.begin(one).unwrap();
        assert!(flights.begin(one).is_none());
        assert!(flights.begin(other).is_some());
        drop(flight);
        assert!(flights.begin(one).is_some());
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test]
    async fn who_comes_back_at_once_waits_for_what_it_began() {
        let flights = Flights::default();
        let device = DeviceId::from_parts(1, 1);
        let flight = flights.begin(device).unwrap();
        let (again, _) = tokio::join!(flights.begin_within(device, Duration::from_secs(60)), async {
            tokio::task::yield_now().await;
            drop(flight);
        });
        assert!(again.is_some());
        assert!(flights.begin_within(device, Duration::ZERO).await.is_none());
    }
}
