//! Durations by bucket.

use std::time::Duration;

/// Upper bounds of the buckets, in microseconds: OpenTelemetry's for `http.server.request.duration`, and two below them
/// for handshakes and for backends nearby.
pub(super) const BOUNDS_MICROS: [u64; 16] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000];

/// Durations by bucket, not yet cumulative; the last bucket has no upper bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Histogram {
    pub(super) buckets: [u64; BOUNDS_MICROS.len() + 1],
    pub(super) sum: Duration,
}

impl Histogram {
    pub(super) fn observe(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[BOUNDS_MICROS.partition_point(|bound| *bound < micros)] += 1;
        self.sum = self.sum.saturating_add(duration);
    }

    /// Adds another worker's.
    pub(super) fn add(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(sum, n)| *sum += n);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// Whether nothing was observed.
    pub(super) fn is_empty(&self) -> bool {
        self.buckets.iter().all(|n| *n == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histogram = Histogram::default();
        assert!(histogram.is_empty());
        for micros in [0, 1_000, 1_001, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        assert_eq!(histogram.buckets[..2], [2, 1]);
        assert_eq!(histogram.buckets[15..], [1, 1]);
        assert_eq!(histogram.sum, Duration::from_micros(20_002_002));
        assert!(!histogram.is_empty());
    }
}
