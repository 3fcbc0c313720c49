//! One exchange per device at a time: a phone that hung up and comes back waits for what it began.
//!
//! Two at once would judge the same batches twice and answer each with what the other made stale.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use sync_core::ids::DeviceId;

/// The devices that are in an exchange.
#[derive(Clone, Debug, Default)]
pub struct Flights(Arc<Mutex<HashSet<DeviceId>>>);

/// One device's exchange; over when this is dropped.
#[derive(Debug)]
pub struct Flight {
    flights: Flights,
    device: DeviceId,
}

impl Flights {
    /// Begins an exchange of a device; `None` while another one is under way.
    pub fn begin(&self, device: DeviceId) -> Option<Flight> {
        let begun = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(device);
        begun.then(|| Flight {
            flights: self.clone(),
            device,
        })
    }

    /// How many are under way.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.device);
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
}
