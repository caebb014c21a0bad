//! Traffic in a few numbers, for those who look once a second: how much, how much of it failed, how long it took.
//! Finer in time than the histograms of [`super::table`], and without labels.

use std::time::Duration;

use super::ExchangeSample;
use super::counts::{is_server_error, is_tunnel};
use super::event::counted_status;

/// What exchanges and handshakes there were. Only grows; the difference of two is what happened between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Exchanges that have ended.
    pub requests: u64,
    /// Those with a status from 500 on.
    pub server_errors: u64,
    /// Complete TLS handshakes.
    pub handshakes: u64,
    /// How long those took that a backend answered, but for those that became tunnels.
    pub latency: Latency,
}

/// Durations in buckets that grow by a quarter at most: four to each doubling, from 16 us to some 70 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency([u64; BUCKETS]);

/// To each doubling.
const STEPS: u32 = 4;
/// Below 2 to this power in microseconds lies the first bucket.
const FIRST: u32 = 4;
const BUCKETS: usize = 90;

impl Default for Latency {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Traffic {
    pub(super) fn exchange(&mut self, sample: &ExchangeSample<'_>) {
        let status = counted_status(sample.status);
        self.requests += 1;
        self.server_errors += u64::from(is_server_error(status));
        // Our own answers take no time, and would hide in an outage how long the others take.
        if sample.from_backend && !is_tunnel(status) {
            self.latency.observe(sample.duration);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.server_errors += other.server_errors;
        self.handshakes += other.handshakes;
        self.latency.0.iter_mut().zip(other.latency.0).for_each(|(sum, n)| *sum += n);
    }

    /// What has happened since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut latency = self.latency;
        latency.0.iter_mut().zip(before.latency.0).for_each(|(now, before)| *now = now.saturating_sub(before));
        Self {
            requests: self.requests.saturating_sub(before.requests),
            server_errors: self.server_errors.saturating_sub(before.server_errors),
            handshakes: self.handshakes.saturating_sub(before.handshakes),
            latency,
        }
    }
}

impl Latency {
    fn observe(&mut self, duration: Duration) {
        self.0[bucket(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))] += 1;
    }

    /// What so many of a thousand stay within, to a quarter; `None`: there were none.
    pub fn per_mille(&self, share: u64) -> Option<Duration> {
        let all: u64 = self.0.iter().sum();
        let wanted = (all * share).div_ceil(1000).max(1);
        let mut seen = 0;
        let place = self.0.iter().position(|n| {
            seen += n;
            seen >= wanted
        })?;
        Some(Duration::from_micros(upper_bound(place)))
    }
}

/// Where a duration is counted.
fn bucket(micros: u64) -> usize {
    let Some(octave) = micros.max(1).ilog2().checked_sub(FIRST) else { return 0 };
    // The two bits behind the highest one.
    let step = (micros >> (octave + FIRST - 2)) & u64::from(STEPS - 1);
    (1 + octave as usize * STEPS as usize + usize::try_from(step).unwrap_or(0)).min(BUCKETS - 1)
}

/// What everything in a bucket stays below, in microseconds.
fn upper_bound(place: usize) -> u64 {
    let Some(place) = place.checked_sub(1) else { return 1 << FIRST };
    let (octave, step) = (place / STEPS as usize, place % STEPS as usize);
    (1 << (octave + FIRST as usize)) + ((step as u64 + 1) << (octave + FIRST as usize - 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_below_the_bound_of_its_bucket_and_within_a_quarter_of_it() {
        for micros in (0..2_000).chain((0..1_000).map(|n| n * n * 7)).chain([u64::MAX]) {
            let place = bucket(micros);
            let bound = upper_bound(place);
            assert!(place == BUCKETS - 1 || micros < bound, "{micros} in {place}, below {bound}");
            assert!(place == 0 || micros >= upper_bound(place - 1), "{micros} in {place}");
            assert!(place == 0 || place == BUCKETS - 1 || bound * 4 <= micros * 5, "{micros} {bound}");
        }
    }

    #[test]
    fn percentiles_are_of_what_lies_between_two_looks() {
        let mut traffic = Traffic::default();
        assert_eq!(traffic.latency.per_mille(500), None);
        (0..100).for_each(|_| traffic.latency.observe(Duration::from_millis(900)));
        let before = traffic;
        (0..98).for_each(|_| traffic.latency.observe(Duration::from_micros(100)));
        (0..2).for_each(|_| traffic.latency.observe(Duration::from_millis(30)));
        let between = traffic.since(&before).latency;
        let [p50, p99] = [500, 990].map(|share| between.per_mille(share).unwrap().as_micros());
        assert!((100..=125).contains(&p50) && (30_000..=37_500).contains(&p99), "{p50} {p99}");
    }
}
