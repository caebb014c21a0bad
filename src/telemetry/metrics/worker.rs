//! What one worker counts. Its lock is free except while a scrape copies the counters, so that an exchange costs one
//! look-up of a small key and, once that has been seen, no allocation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::counts::{Counts, is_server_error};
use super::traffic::Traffic;
use super::{ConnectionEvent, ExchangeSample, HandshakeOutcome, Label, lock};
use crate::telemetry::failures::{Failure, Failures};
use crate::telemetry::tap::Taps;

/// Counters of one worker.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    counts: Mutex<Counts>,
    failures: Failures,
    taps: Arc<Taps>,
}

/// What was counted for one route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteCounts {
    /// Exchanges.
    pub requests: u64,
    /// Of these, with a status from 500 on.
    pub server_errors: u64,
}

impl WorkerMetrics {
    /// With the taps that all workers share.
    pub(super) fn new(taps: Arc<Taps>) -> Self {
        Self { taps, ..Self::default() }
    }

    /// Who watches exchanges.
    pub fn taps(&self) -> &Taps {
        &self.taps
    }

    /// Counts an exchange that has begun.
    pub fn exchange_begun(&self, listener: Label) {
        lock(&self.counts).begun.add(listener, 1);
    }

    /// Counts an exchange that has ended.
    pub fn exchange(&self, sample: &ExchangeSample<'_>) {
        lock(&self.counts).exchange(sample);
    }

    /// Counts the end of a TLS handshake, and how long it took.
    pub fn handshake(&self, outcome: HandshakeOutcome, duration: Duration) {
        let mut counts = lock(&self.counts);
        counts.handshakes[outcome.index()] += 1;
        if matches!(outcome, HandshakeOutcome::Complete { .. }) {
            counts.traffic.handshakes += 1;
            counts.handshake_durations.observe(duration);
        }
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

    /// Counts a request that is sent once more, and why.
    pub fn retry(&self, backend: Label, reason: &'static str) {
        *lock(&self.counts).retries.entry((backend, reason)).or_default() += 1;
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
        let exchanges = lock(&self.counts).exchanges.clone();
        let mut routes = HashMap::<Label, RouteCounts>::new();
        for (group, exchanges) in exchanges {
            for (kind, n) in exchanges.requests.iter() {
                let server_errors = if is_server_error(kind.status) { n } else { 0 };
                routes.entry(group.route).or_default().add(RouteCounts { requests: n, server_errors });
            }
        }
        routes
    }

    /// A copy, for a scrape: it holds the lock for a few `memcpy`s, not while text is made.
    pub(super) fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }
}

impl RouteCounts {
    pub(super) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.server_errors += other.server_errors;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_worker_opens_another_may_close() {
        let (one, two) = (WorkerMetrics::default(), WorkerMetrics::default());
        one.connection_opened(Label::NONE);
        one.connection_opened(Label::NONE);
        two.connection_closed(Label::NONE);
        let mut sum = one.counts();
        sum.add(two.counts());
        assert_eq!((sum.connections[&Label::NONE].opened, sum.open_connections()), (2, 1));
    }
}
