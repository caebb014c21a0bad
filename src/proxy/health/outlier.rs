//! What requests say of an endpoint, beside its probe: one that fails several in a row is left out for a while, longer
//! each time. Pure: whoever sends requests tells what became of them and what time it is; `balance` asks.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::model::Outliers;
use crate::proxy::clock::in_millis;

/// The record of one endpoint, shared by all workers. Times are milliseconds since any moment, never 0.
#[derive(Debug, Default)]
pub struct Outlier {
    /// Failures in a row.
    failures: AtomicU32,
    /// 0: it never was.
    ejected_until: AtomicU64,
    /// Ejections that followed each other closely.
    ejections: AtomicU32,
}

impl Outlier {
    /// Whether it is left out now.
    pub fn is_ejected(&self, now: u64) -> bool {
        self.ejected_until.load(Ordering::Relaxed) > now
    }

    /// A request was answered well.
    pub fn succeeded(&self) {
        // Looked at first: every request comes by here, and most find nothing to change.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// A request failed. Returns for how long the endpoint is left out, if it is from now on; `may` says whether enough
    /// others are left.
    pub fn failed(&self, limits: &Outliers, now: u64, may: impl FnOnce() -> bool) -> Option<Duration> {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < limits.consecutive_failures || self.is_ejected(now) || !may() {
            return None;
        }
        let until = self.ejected_until.load(Ordering::Relaxed);
        let longest = in_millis(limits.longest);
        let before = if now > until.saturating_add(longest) { 0 } else { self.ejections.load(Ordering::Relaxed) };
        let time = in_millis(limits.ejection).saturating_mul(1_u64.checked_shl(before).unwrap_or(u64::MAX)).min(longest);
        // Of workers that see this at once, one ejects.
        self.ejected_until.compare_exchange(until, now.saturating_add(time), Ordering::Relaxed, Ordering::Relaxed).ok()?;
        self.ejections.store(before.saturating_add(1).min(32), Ordering::Relaxed);
        // The first failure after it has come back is one too many.
        self.failures.store(limits.consecutive_failures.saturating_sub(1), Ordering::Relaxed);
        Some(Duration::from_millis(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Outliers = Outliers { consecutive_failures: 3, ejection: Duration::from_secs(10), longest: Duration::from_secs(25), share: 50 };

    fn failed(outlier: &Outlier, now: u64) -> Option<u64> {
        outlier.failed(&LIMITS, now, || true).map(|time| time.as_secs())
    }

    #[test]
    fn only_failures_in_a_row_eject() {
        let outlier = Outlier::default();
        assert_eq!((failed(&outlier, 1), failed(&outlier, 2)), (None, None));
        outlier.succeeded();
        assert_eq!((failed(&outlier, 3), failed(&outlier, 4)), (None, None));
        assert_eq!(failed(&outlier, 5), Some(10));
        assert!(outlier.is_ejected(6) && outlier.is_ejected(10_004) && !outlier.is_ejected(10_005));
    }

    #[test]
    fn it_is_left_out_longer_each_time_and_once_it_was_well_for_long_as_at_first() {
        let outlier = Outlier::default();
        let first = (1..=3).map(|now| failed(&outlier, now)).last();
        assert_eq!(first, Some(Some(10)));
        assert_eq!(failed(&outlier, 5000), None, "a request from before");
        assert_eq!(failed(&outlier, 20_000), Some(20), "the first after it came back");
        assert_eq!(failed(&outlier, 50_000), Some(25), "never longer than this");
        outlier.succeeded();
        assert_eq!((failed(&outlier, 200_000), failed(&outlier, 200_001), failed(&outlier, 200_002)), (None, None, Some(10)));
    }

    #[test]
    fn nobody_is_left_out_where_too_few_would_remain() {
        let outlier = Outlier::default();
        assert!((1..=10).all(|now| outlier.failed(&LIMITS, now, || false).is_none()));
        assert!(!outlier.is_ejected(11));
        assert_eq!(failed(&outlier, 12), Some(10), "as soon as there are enough");
    }
}
