//! The time that endpoints go by: when one is avoided, left out or cut. Timers of connections run in `timer`.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A duration as it is counted here.
pub fn in_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since some moment before any endpoint existed; never 0.
pub fn millis() -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    let epoch = EPOCH.get_or_init(Instant::now);
    let passed = in_millis(epoch.elapsed()).saturating_add(1);
    #[cfg(test)]
    let passed = passed + simulated::passed();
    passed
}

/// Time that passes because a simulation says so, for its thread alone.
#[cfg(test)]
pub mod simulated {
    use std::cell::Cell;
    use std::time::Duration;

    thread_local!(static PASSED: Cell<u64> = const { Cell::new(0) });

    pub(super) fn passed() -> u64 {
        PASSED.get()
    }

    /// So much later.
    pub fn pass(time: Duration) {
        PASSED.set(PASSED.get() + super::in_millis(time));
    }
}
