//! Everything that is counted with labels, as one worker has it since it was last asked and as the sum of all of that.

use std::collections::HashMap;

use http::Version;

use super::event::counted_status;
use super::histogram::Histogram;
use super::{ConnectionEvent, ExchangeSample, HandshakeOutcome, Label};
use crate::telemetry::names::CountedMethod;

pub(super) type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Everything a worker counts with labels; also the sum.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) exchanges: Map<Group, Exchanges>,
    /// By reason and route.
    pub(super) errors: Map<(&'static str, Label), u64>,
    /// By listener: exchanges, from their beginning to their end.
    pub(super) in_flight: Map<Label, Opened>,
    /// By the cloud's word; few.
    pub(super) status_details: Tally<&'static str>,
    /// By listener.
    pub(super) connections: Map<Label, Opened>,
    /// By backend and why it was sent once more.
    pub(super) retries: Map<(Label, &'static str), u64>,
    /// By backend.
    pub(super) ejections: Map<Label, u64>,
    pub(super) events: [u64; ConnectionEvent::ALL.len()],
    pub(super) handshakes: [u64; HandshakeOutcome::ALL.len()],
    /// Of those that were completed.
    pub(super) handshake_durations: Histogram,
    pub(super) tunnels: Opened,
}

/// What exchanges are grouped by for their durations. One look-up an exchange finds all that is counted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) route: Label,
    pub(super) backend: Label,
    /// First digit of the status.
    pub(super) class: u8,
    pub(super) protocol: Version,
}

/// The exchanges of a group.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchanges {
    pub(super) requests: Tally<Kind>,
    pub(super) durations: Histogram,
    /// From sending to the head of a backend's answer.
    pub(super) first_byte: Histogram,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// What the exchanges of a group are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) listener: Label,
    pub(super) method: CountedMethod,
    /// As counted: see [`counted_status`].
    pub(super) status: u16,
    pub(super) from_backend: bool,
}

/// Counts of a few things, looked for one by one.
#[derive(Clone, Debug)]
pub(super) struct Tally<T>(Vec<(T, u64)>);

/// Opened and closed, each only growing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opened {
    pub(super) opened: u64,
    pub(super) closed: u64,
}

impl Counts {
    /// Counts an exchange that has ended.
    pub(super) fn exchange(&mut self, sample: &ExchangeSample<'_>) {
        let status = counted_status(sample.status);
        self.in_flight.entry(sample.listener).or_default().closed += 1;
        let (route, backend) = (sample.route, sample.backend);
        let group = Group { route, backend, class: class(status), protocol: sample.protocol };
        let method = CountedMethod::of(sample.method);
        self.exchanges.entry(group).or_default().count(sample, Kind { listener: sample.listener, method, status, from_backend: sample.from_backend });
        if let Some(word) = sample.status_details {
            self.status_details.add(word, 1);
        }
        if let Some(reason) = sample.reason {
            *self.errors.entry((reason, route)).or_default() += 1;
        }
    }

    /// Adds what a worker has counted.
    pub(super) fn add(&mut self, other: Self) {
        other.exchanges.into_iter().for_each(|(key, exchanges)| self.exchanges.entry(key).or_default().add(&exchanges));
        other.errors.into_iter().for_each(|(key, n)| *self.errors.entry(key).or_default() += n);
        other.in_flight.into_iter().for_each(|(key, opened)| self.in_flight.entry(key).or_default().add(opened));
        self.status_details.add_all(&other.status_details);
        other.ejections.into_iter().for_each(|(key, n)| *self.ejections.entry(key).or_default() += n);
        other.retries.into_iter().for_each(|(key, n)| *self.retries.entry(key).or_default() += n);
        other.connections.into_iter().for_each(|(key, opened)| self.connections.entry(key).or_default().add(opened));
        self.events.iter_mut().zip(other.events).for_each(|(sum, n)| *sum += n);
        self.handshakes.iter_mut().zip(other.handshakes).for_each(|(sum, n)| *sum += n);
        self.handshake_durations.add(&other.handshake_durations);
        self.tunnels.add(other.tunnels);
    }

    /// Connections over all listeners.
    pub(super) fn all_connections(&self) -> Opened {
        let mut sum = Opened::default();
        self.connections.values().for_each(|opened| sum.add(*opened));
        sum
    }
}

impl Exchanges {
    fn count(&mut self, sample: &ExchangeSample<'_>, kind: Kind) {
        self.requests.add(kind, 1);
        if !is_tunnel(kind.status) {
            self.durations.observe(sample.duration);
        }
        if let Some(first_byte) = sample.first_byte {
            self.first_byte.observe(first_byte);
        }
        self.bytes_in = self.bytes_in.saturating_add(sample.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(sample.bytes_out);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.requests.add_all(&other.requests);
        self.durations.add(&other.durations);
        self.first_byte.add(&other.first_byte);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
    }
}

/// Of a status as it is counted: a number, or its first digit.
pub(super) fn is_server_error(counted: u16) -> bool {
    class(counted) >= 5
}

/// Of a status as it is counted: what came after it is no answer, and how long it took says nothing of answers.
pub(super) fn is_tunnel(counted: u16) -> bool {
    counted == 101
}

/// The first digit of a status as it is counted.
fn class(counted: u16) -> u8 {
    u8::try_from(if counted < 10 { counted } else { counted / 100 }).unwrap_or_default()
}

impl<T> Default for Tally<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + PartialEq> Tally<T> {
    pub(super) fn add(&mut self, thing: T, n: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == thing) {
            Some((_, sum)) => *sum += n,
            None => self.0.push((thing, n)),
        }
    }

    fn add_all(&mut self, other: &Self) {
        other.iter().for_each(|(thing, n)| self.add(thing, n));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (T, u64)> {
        self.0.iter().copied()
    }
}

impl Opened {
    pub(super) fn add(&mut self, other: Self) {
        self.opened += other.opened;
        self.closed += other.closed;
    }

    /// How many are open.
    pub(super) fn open(self) -> u64 {
        self.opened.saturating_sub(self.closed)
    }
}
