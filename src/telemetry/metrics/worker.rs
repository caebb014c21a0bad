//! What one worker counts. Its lock is free except while a scrape copies the counters, so that an exchange costs two
//! look-ups of small keys and, once each key has been seen, no allocation.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use super::event::{CountedMethod, counted_status};
use super::traffic::Traffic;
use super::{ConnectionEvent, ExchangeSample, HandshakeOutcome, Label, lock};
use crate::telemetry::failures::{Failure, Failures};

/// Counters of one worker.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    counts: Mutex<Counts>,
    failures: Failures,
}

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Everything a worker counts; also their sum.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) requests: Map<RequestKey, u64>,
    /// By route and backend.
    pub(super) exchanges: Map<(Label, Label), Exchanges>,
    /// By reason and route.
    pub(super) errors: Map<(&'static str, Label), u64>,
    /// By the cloud's word.
    pub(super) status_details: Map<&'static str, u64>,
    /// By listener.
    pub(super) connections: Map<Label, Opened>,
    /// By backend.
    pub(super) retries: Map<Label, u64>,
    /// By backend.
    pub(super) ejections: Map<Label, u64>,
    pub(super) events: [u64; ConnectionEvent::ALL.len()],
    pub(super) handshakes: [u64; HandshakeOutcome::ALL.len()],
    pub(super) tunnels: Opened,
    pub(super) traffic: Traffic,
}

/// What was counted for one route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteCounts {
    /// Exchanges.
    pub requests: u64,
    /// Of these, with a status from 500 on.
    pub server_errors: u64,
}

/// What requests are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct RequestKey {
    pub(super) listener: Label,
    pub(super) route: Label,
    pub(super) backend: Label,
    pub(super) method: CountedMethod,
    /// As counted: see [`counted_status`].
    pub(super) status: u16,
    pub(super) from_backend: bool,
}

/// Time and bytes of the exchanges of a route with a backend.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Exchanges {
    pub(super) durations: Histogram,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// Opened and closed, each only growing. One worker may open what another closes: the sum over all is right.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opened {
    pub(super) opened: u64,
    pub(super) closed: u64,
}

/// OpenTelemetry's bounds for `http.server.request.duration`, in microseconds.
pub(super) const BOUNDS_MICROS: [u64; 14] =
    [5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000];

/// Durations by bucket, not yet cumulative; the last bucket has no upper bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Histogram {
    pub(super) buckets: [u64; BOUNDS_MICROS.len() + 1],
    pub(super) sum: Duration,
}

impl WorkerMetrics {
    /// Counts an exchange that has ended.
    pub fn exchange(&self, sample: &ExchangeSample<'_>) {
        let key = RequestKey {
            listener: sample.listener,
            route: sample.route,
            backend: sample.backend,
            method: CountedMethod::of(sample.method),
            status: counted_status(sample.status),
            from_backend: sample.from_backend,
        };
        let mut counts = lock(&self.counts);
        *counts.requests.entry(key).or_default() += 1;
        counts.traffic.requests += 1;
        counts.traffic.server_errors += u64::from(is_server_error(key.status));
        counts.traffic.latency.observe(sample.duration);
        let exchanges = counts.exchanges.entry((sample.route, sample.backend)).or_default();
        exchanges.durations.observe(sample.duration);
        exchanges.bytes_in = exchanges.bytes_in.saturating_add(sample.bytes_in);
        exchanges.bytes_out = exchanges.bytes_out.saturating_add(sample.bytes_out);
        if let Some(word) = sample.status_details {
            *counts.status_details.entry(word).or_default() += 1;
        }
        if let Some(reason) = sample.reason {
            *counts.errors.entry((reason, sample.route)).or_default() += 1;
        }
    }

    /// Counts the end of a TLS handshake.
    pub fn handshake(&self, outcome: HandshakeOutcome) {
        let mut counts = lock(&self.counts);
        counts.handshakes[outcome.index()] += 1;
        counts.traffic.handshakes += u64::from(matches!(outcome, HandshakeOutcome::Complete { .. }));
    }

    /// Counts a connection that was accepted.
    pub fn connection_opened(&self, listener: Label) {
        lock(&self.counts).connections.entry(listener).or_default().opened += 1;
    }

    /// Counts the end of a connection.
    pub fn connection_closed(&self, listener: Label) {
        lock(&self.counts).connections.entry(listener).or_default().closed += 1;
    }

    /// Counts what happened to a connection.
    pub fn connection_event(&self, event: ConnectionEvent) {
        lock(&self.counts).events[event as usize] += 1;
    }

    /// Counts a request that is sent once more.
    pub fn retry(&self, backend: Label) {
        *lock(&self.counts).retries.entry(backend).or_default() += 1;
    }

    /// Counts an endpoint that is left out from now on.
    pub fn ejection(&self, backend: Label) {
        *lock(&self.counts).ejections.entry(backend).or_default() += 1;
    }

    /// Counts a connection that was upgraded.
    pub fn tunnel_opened(&self) {
        lock(&self.counts).tunnels.opened += 1;
    }

    /// Counts the end of an upgraded connection.
    pub fn tunnel_closed(&self) {
        lock(&self.counts).tunnels.closed += 1;
    }

    /// Keeps an exchange that went wrong, for a while.
    pub fn failure(&self, failure: Failure) {
        self.failures.keep(failure);
    }

    pub(super) fn failures(&self) -> Vec<Failure> {
        self.failures.all()
    }

    pub(super) fn traffic(&self) -> Traffic {
        lock(&self.counts).traffic
    }

    pub(super) fn routes(&self) -> HashMap<Label, RouteCounts> {
        // Copied first: the worker is not to wait while it is added up.
        let requests = lock(&self.counts).requests.clone();
        let mut routes = HashMap::<Label, RouteCounts>::new();
        for (key, n) in requests {
            let server_errors = if is_server_error(key.status) { n } else { 0 };
            routes.entry(key.route).or_default().add(RouteCounts { requests: n, server_errors });
        }
        routes
    }

    /// A copy, for a scrape: it holds the lock for a few `memcpy`s, not while text is made.
    pub(super) fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }
}

/// Of a status as it is counted: a number, or its first digit.
fn is_server_error(counted: u16) -> bool {
    counted >= 500 || counted == 5
}

impl RouteCounts {
    pub(super) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.server_errors += other.server_errors;
    }
}

impl Counts {
    /// Adds another worker's.
    pub(super) fn add(&mut self, other: Self) {
        other.requests.into_iter().for_each(|(key, n)| *self.requests.entry(key).or_default() += n);
        other.errors.into_iter().for_each(|(key, n)| *self.errors.entry(key).or_default() += n);
        other.status_details.into_iter().for_each(|(key, n)| *self.status_details.entry(key).or_default() += n);
        other.ejections.into_iter().for_each(|(key, n)| *self.ejections.entry(key).or_default() += n);
        other.retries.into_iter().for_each(|(key, n)| *self.retries.entry(key).or_default() += n);
        other.connections.into_iter().for_each(|(key, opened)| self.connections.entry(key).or_default().add(opened));
        for (key, exchanges) in other.exchanges {
            let sum = self.exchanges.entry(key).or_default();
            sum.durations.add(&exchanges.durations);
            sum.bytes_in = sum.bytes_in.saturating_add(exchanges.bytes_in);
            sum.bytes_out = sum.bytes_out.saturating_add(exchanges.bytes_out);
        }
        self.events.iter_mut().zip(other.events).for_each(|(sum, n)| *sum += n);
        self.handshakes.iter_mut().zip(other.handshakes).for_each(|(sum, n)| *sum += n);
        self.tunnels.add(other.tunnels);
        self.traffic.add(&other.traffic);
    }
}

impl Opened {
    fn add(&mut self, other: Self) {
        self.opened += other.opened;
        self.closed += other.closed;
    }

    /// How many are open.
    pub(super) fn open(self) -> u64 {
        // Copies of the workers' counters are not taken at one instant: a close may be seen before its open.
        self.opened.saturating_sub(self.closed)
    }
}

impl Histogram {
    fn observe(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[BOUNDS_MICROS.partition_point(|bound| *bound < micros)] += 1;
        self.sum = self.sum.saturating_add(duration);
    }

    fn add(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(other.buckets).for_each(|(sum, n)| *sum += n);
        self.sum = self.sum.saturating_add(other.sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histogram = Histogram::default();
        for micros in [0, 5_000, 5_001, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        assert_eq!(histogram.buckets[..2], [2, 1]);
        assert_eq!(histogram.buckets[13..], [1, 1]);
        assert_eq!(histogram.sum, Duration::from_micros(20_010_002));
    }

    #[test]
    fn what_one_worker_opens_another_may_close() {
        let (one, two) = (WorkerMetrics::default(), WorkerMetrics::default());
        one.connection_opened(Label::NONE);
        one.connection_opened(Label::NONE);
        two.connection_closed(Label::NONE);
        let mut sum = one.counts();
        sum.add(two.counts());
        assert_eq!((sum.connections[&Label::NONE].opened, sum.connections[&Label::NONE].open()), (2, 1));
    }
}
