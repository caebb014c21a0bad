//! What one worker counts. Its lock is free except while a scrape takes the counters away, which is a move, so that an
//! exchange costs one look-up of a small key and, once that has been seen since the last scrape, no allocation.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::counts::Counts;
use super::traffic::Traffic;
use super::{ConnectionEvent, ExchangeSample, HandshakeOutcome, Label, lock};
use crate::telemetry::failures::{Failure, Failures};
use crate::telemetry::tap::Taps;

/// Counters of one worker.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    counting: Mutex<Counting>,
    failures: Failures,
    taps: Arc<Taps>,
}

#[derive(Debug, Default)]
struct Counting {
    traffic: Traffic,
    /// Since a scrape took them.
    counts: Counts,
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
        lock(&self.counting).counts.in_flight.entry(listener).or_default().opened += 1;
    }

    /// Counts an exchange that has ended.
    pub fn exchange(&self, sample: &ExchangeSample<'_>) {
        let mut counting = lock(&self.counting);
        counting.traffic.exchange(sample);
        counting.counts.exchange(sample);
    }

    /// Counts the end of a TLS handshake, and how long it took.
    pub fn handshake(&self, outcome: HandshakeOutcome, duration: Duration) {
        let Counting { traffic, counts } = &mut *lock(&self.counting);
        counts.handshakes[outcome.index()] += 1;
        if matches!(outcome, HandshakeOutcome::Complete { .. }) {
            traffic.handshakes += 1;
            counts.handshake_durations.observe(duration);
        }
    }

    /// Counts a connection that was accepted.
    pub fn connection_opened(&self, listener: Label) {
        lock(&self.counting).counts.connections.entry(listener).or_default().opened += 1;
    }

    /// Counts the end of a connection.
    pub fn connection_closed(&self, listener: Label) {
        lock(&self.counting).counts.connections.entry(listener).or_default().closed += 1;
    }

    /// Counts what happened to a connection.
    pub fn connection_event(&self, event: ConnectionEvent) {
        lock(&self.counting).counts.events[event as usize] += 1;
    }

    /// Counts a request that is sent once more, and why.
    pub fn retry(&self, backend: Label, reason: &'static str) {
        *lock(&self.counting).counts.retries.entry((backend, reason)).or_default() += 1;
    }

    /// Counts an endpoint that is left out from now on.
    pub fn ejection(&self, backend: Label) {
        *lock(&self.counting).counts.ejections.entry(backend).or_default() += 1;
    }

    /// Counts a connection that was upgraded.
    pub fn tunnel_opened(&self) {
        lock(&self.counting).counts.tunnels.opened += 1;
    }

    /// Counts the end of an upgraded connection.
    pub fn tunnel_closed(&self) {
        lock(&self.counting).counts.tunnels.closed += 1;
    }

    /// Keeps an exchange that went wrong, for a while.
    pub fn failure(&self, failure: Failure) {
        self.failures.keep(failure);
    }

    pub(super) fn failures(&self) -> Vec<Failure> {
        self.failures.all()
    }

    pub(super) fn traffic(&self) -> Traffic {
        lock(&self.counting).traffic
    }

    /// What was counted since this was last called: to be added to what was before.
    pub(super) fn take(&self) -> Counts {
        std::mem::take(&mut lock(&self.counting).counts)
    }
}

impl RouteCounts {
    pub(super) fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.server_errors += other.server_errors;
    }
}
