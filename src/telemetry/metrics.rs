//! The metrics of the process: who counts, and how all of it becomes one text. Each worker counts for itself, in a
//! [`WorkerMetrics`] that nobody else touches between two scrapes; a scrape adds them up and asks control and proxy
//! for the rest. Names, types and labels of the metrics are rows in [`table`].
//!
//! Every label value is a name from the configuration, given a small number once ([`Metrics::label`]), or one of a
//! closed list. Nothing that a client sends becomes a label, so that clients cannot make series.

mod counts;
mod event;
mod gather;
mod histogram;
mod label;
mod limits;
mod process;
pub mod table;
#[cfg(test)]
mod tests;
mod text;
mod traffic;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

pub use event::{ConnectionEvent, ExchangeSample, HandshakeFailure, HandshakeOutcome};
pub use label::Label;
pub use traffic::{Latency, Traffic};
pub use worker::{RouteCounts, WorkerMetrics};

use super::failures::{self, Failure};
use super::tap::Taps;
use crate::model::{ControlStatus, ProxyStatus};
use counts::{Counts, Opened, is_server_error};
use label::Names;
pub use text::Exposition;

/// What nobody will read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Lines of the access log.
    pub log_lines: u64,
    /// Spans.
    pub spans: u64,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    workers: Vec<Arc<WorkerMetrics>>,
    totals: Mutex<Totals>,
    names: Mutex<Names>,
    /// By backend and whether they passed. Probes are few and have a thread of their own.
    probes: Mutex<HashMap<(Label, bool), u64>>,
    started: SystemTime,
    taps: Arc<Taps>,
}

/// What the workers have counted so far.
#[derive(Debug, Default)]
struct Totals {
    sum: Counts,
    /// By worker.
    connections: Vec<Opened>,
}

impl Metrics {
    /// Counters for this many workers; one at least.
    pub fn new(workers: usize) -> Arc<Self> {
        let taps = Arc::<Taps>::default();
        let workers = (0..workers.max(1)).map(|_| Arc::new(WorkerMetrics::new(taps.clone()))).collect();
        Arc::new(Self { workers, totals: Mutex::default(), names: Mutex::default(), probes: Mutex::default(), started: SystemTime::now(), taps })
    }

    /// The counters of one worker. An index past the last shares them with another: slower, and still counted.
    pub fn worker(&self, index: usize) -> Arc<WorkerMetrics> {
        self.workers[index % self.workers.len()].clone()
    }

    /// The label for a configured name; the same name always gets the same label. Called when a configuration is
    /// published, not for requests.
    pub fn label(&self, name: &str) -> Label {
        lock(&self.names).intern(name)
    }

    /// Counts a readiness probe.
    pub fn probe(&self, backend: Label, passed: bool) {
        *lock(&self.probes).entry((backend, passed)).or_default() += 1;
    }

    /// Who watches exchanges.
    pub fn taps(&self) -> &Taps {
        &self.taps
    }

    /// When the process began to count.
    pub fn started(&self) -> SystemTime {
        self.started
    }

    /// All traffic so far, in a few numbers.
    pub fn traffic(&self) -> Traffic {
        let mut sum = Traffic::default();
        self.workers.iter().for_each(|worker| sum.add(&worker.traffic()));
        sum
    }

    /// Everything so far: what the workers have new is added to what was taken before.
    fn totals(&self) -> MutexGuard<'_, Totals> {
        let mut totals = lock(&self.totals);
        let Totals { sum, connections } = &mut *totals;
        connections.resize(self.workers.len(), Opened::default());
        for (worker, connections) in self.workers.iter().zip(connections) {
            let new = worker.take();
            connections.add(new.all_connections());
            sum.add(new);
        }
        totals
    }

    /// What was counted for each route, by its name. One that was never taken is not there.
    pub fn routes(&self) -> HashMap<String, RouteCounts> {
        let mut routes = HashMap::<Label, RouteCounts>::new();
        for (group, exchanges) in &self.totals().sum.exchanges {
            for (kind, n) in exchanges.requests.iter() {
                let server_errors = if is_server_error(kind.status) { n } else { 0 };
                routes.entry(group.route).or_default().add(RouteCounts { requests: n, server_errors });
            }
        }
        let names = lock(&self.names);
        routes.into_iter().map(|(route, counts)| (names.name(route).to_owned(), counts)).collect()
    }

    /// The last exchanges that went wrong, newest first.
    pub fn failures(&self) -> Vec<Failure> {
        failures::newest(self.workers.iter().flat_map(|worker| worker.failures()).collect())
    }

    /// All metrics as text.
    pub fn encode(&self, exposition: Exposition, control: &dyn ControlStatus, proxy: &dyn ProxyStatus, lost: Lost) -> String {
        text::encode(exposition, &gather::gather(self, control, proxy, lost))
    }
}

/// A panic elsewhere leaves counters that are at worst one short: better than no metrics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
