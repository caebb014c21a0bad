//! The time that endpoints and the idle connections to them go by: when one is avoided, left out, cut or too old. Timers
//! of requests and of clients' connections run in `timer`.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A duration as it is counted here.
pub fn in_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since some moment before any endpoint existed; never 0.
pub fn millis() -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    let epoch = *EPOCH.get_or_init(Instant::now);
    in_millis(now().duration_since(epoch)).saturating_add(1)
}

/// This moment.
pub fn now() -> Instant {
    #[cfg(test)]
    if let Some(now) = simulated::now() {
        return now;
    }
    Instant::now()
}

/// Time that passes only because a simulation says so, for its thread alone.
#[cfg(test)]
pub mod simulated {
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    thread_local!(static NOW: Cell<Option<Instant>> = const { Cell::new(None) });

    pub(super) fn now() -> Option<Instant> {
        NOW.get()
    }

    /// So much later. From the first time on, no time passes by itself.
    pub fn pass(time: Duration) {
        NOW.set(Some(super::now() + time));
    }
}
