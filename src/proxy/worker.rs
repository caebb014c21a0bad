//! A worker: one thread with everything that the connections on it share and no other thread touches.

use std::cell::Cell;
use std::collections::HashSet;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::accept::{Accepted, Acceptor, Change};
use super::live::Live;
use super::outbound::Outbound;
use super::random::Random;
use super::timer::{SWEEP, Timers};
use super::tls::turns::Turns;
use super::upstream::Upstream;
use super::upstream::pool::Pools;
use super::{Mode, connection};
use crate::drain::{Drain, Stage};
use crate::model::Explain;
use crate::telemetry::spans::Spans;
use crate::telemetry::{AccessLog, ConnectionEvent, Label, WorkerMetrics};

/// Routes whose tunnels were seen to end by their time limit: each is logged once, by whichever worker is first.
/// Bounded by the number of labels.
#[derive(Debug, Default)]
pub struct ToldRoutes(Mutex<HashSet<Label>>);

impl ToldRoutes {
    /// Whether this is the first time.
    pub fn is_first(&self, route: Label) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(route)
    }
}

/// What the connections of a worker share.
pub struct Worker {
    /// The configuration of the moment.
    pub live: Arc<ArcSwap<Live>>,
    /// Towards backends.
    pub upstream: Upstream,
    /// Of clients.
    pub handshakes: Turns,
    /// Where it counts.
    pub metrics: Arc<WorkerMetrics>,
    /// Where exchanges are written.
    pub access_log: AccessLog,
    /// Where their spans go.
    pub spans: Spans,
    /// For choices.
    pub random: Random,
    /// How answers of ours look.
    pub mode: Mode,
    /// Explains our own answers.
    pub explainer: Option<Arc<dyn Explain>>,
    /// Which routes have been spoken of.
    pub told_routes: Arc<ToldRoutes>,
    /// As everybody who waits has been told.
    told: Cell<Stage>,
    /// Of which everybody who waits has been told.
    departures: Cell<u64>,
    drain: Drain,
}

/// What others see of a worker.
#[derive(Debug, Default)]
pub struct WorkerState {
    /// Open connections.
    pub connections: AtomicUsize,
    /// Milliseconds since its start at the last sign of life.
    alive: AtomicU64,
}

/// How a worker is reached.
pub struct WorkerHandle {
    /// Takes new connections. Bounded by the limit on open connections.
    pub connections: mpsc::UnboundedSender<Accepted>,
    /// What is seen of it.
    pub state: Arc<WorkerState>,
}

/// What a worker is started with.
pub struct Start {
    /// The configuration of the moment.
    pub live: Arc<ArcSwap<Live>>,
    /// Where it counts.
    pub metrics: Arc<WorkerMetrics>,
    /// Where exchanges are written.
    pub access_log: AccessLog,
    /// Where their spans go.
    pub spans: Spans,
    /// How answers of ours look.
    pub mode: Mode,
    /// Explains our own answers.
    pub explainer: Option<Arc<dyn Explain>>,
    /// Which routes have been spoken of.
    pub told_routes: Arc<ToldRoutes>,
    /// How many connections to backends there may be.
    pub outbound: Arc<Outbound>,
    /// When to stop.
    pub drain: Drain,
    /// What is seen of it.
    pub state: Arc<WorkerState>,
    /// New connections.
    pub connections: mpsc::UnboundedReceiver<Accepted>,
    /// On the first worker, what accepts them.
    pub acceptor: Option<(Acceptor, mpsc::Receiver<Change>)>,
}

/// Tells that a thread has ended, when it is dropped.
#[derive(Clone)]
pub struct Ended(pub mpsc::Sender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.try_send(()); // One word is enough.
    }
}

/// A worker that has shown no sign of life for this long is stuck.
pub const STUCK: Duration = Duration::from_secs(10);

impl Start {
    /// Starts the thread. `ended` is told when it ends, whatever ends it.
    pub fn spawn(self, index: usize, ended: Ended) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            let _ended = ended;
            match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => runtime.block_on(self.run()),
                Err(error) => tracing::error!(%error, "a worker cannot start"),
            }
        })
    }

    async fn run(mut self) {
        let upstream = Upstream { pools: Rc::new(Pools::default()), timers: Timers::default(), outbound: self.outbound };
        let worker = Rc::new(Worker {
            live: self.live,
            upstream,
            handshakes: Turns::default(),
            metrics: self.metrics,
            access_log: self.access_log,
            spans: self.spans,
            random: Random::new(),
            mode: self.mode,
            explainer: self.explainer,
            told_routes: self.told_routes,
            told: Cell::new(self.drain.stage()),
            departures: Cell::default(),
            drain: self.drain,
        });
        if let Some((acceptor, changes)) = self.acceptor.take() {
            tokio::task::spawn_local(acceptor.run(changes));
        }
        let started = Instant::now();
        let mut ticks = interval(SWEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(accepted) = self.connections.recv() => worker.take(accepted),
                _ = ticks.tick() => {
                    let alive = started.elapsed().as_millis();
                    self.state.alive.store(u64::try_from(alive).unwrap_or(u64::MAX), Ordering::Relaxed);
                    if !worker.sweep() {
                        return;
                    }
                }
            }
        }
    }
}

impl Worker {
    /// How far the end of the process has come.
    pub fn stage(&self) -> Stage {
        self.drain.stage()
    }

    /// Starts a part of a connection, which ends with that.
    pub fn spawn(&self, part: impl Future<Output = ()> + 'static) {
        tokio::task::spawn_local(watched(self.metrics.clone(), part));
    }

    fn take(self: &Rc<Self>, accepted: Accepted) {
        let serving = connection::serve(self.clone(), accepted);
        self.drain.spawn_local(watched(self.metrics.clone(), serving));
    }

    /// Looks after everything that waits. `false`: it is over.
    fn sweep(&self) -> bool {
        self.upstream.timers.sweep(Instant::now());
        self.upstream.pools.sweep();
        let stage = self.drain.stage();
        let departures = self.live.load().departures.count();
        if stage != self.told.replace(stage) || departures != self.departures.replace(departures) {
            self.upstream.timers.wake_all();
        }
        stage < Stage::Stopped
    }
}

impl WorkerState {
    /// Whether it has shown a sign of life since `started` was so long ago.
    pub fn is_alive(&self, started: Instant) -> bool {
        let alive = Duration::from_millis(self.alive.load(Ordering::Relaxed));
        started.elapsed().saturating_sub(alive) < STUCK
    }
}

/// A panic costs the part of a connection in which it happens, and is counted.
async fn watched(metrics: Arc<WorkerMetrics>, part: impl Future<Output = ()>) {
    let _watch = PanicWatch(metrics);
    part.await;
}

struct PanicWatch(Arc<WorkerMetrics>);

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.connection_event(ConnectionEvent::Panicked);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::{LocalSet, spawn_local};

    use super::*;
    use crate::telemetry::fake::{Control, Proxy};
    use crate::telemetry::metrics::{Exposition, Lost, Metrics};

    #[tokio::test]
    async fn a_panic_costs_one_part_of_a_connection_and_is_counted() {
        let metrics = Metrics::new(1);
        let part = |panics: bool| watched(metrics.worker(0), async move { assert!(!panics, "as told") });
        let running = async {
            let (broken, other) = (spawn_local(part(true)), spawn_local(part(false)));
            assert!(broken.await.unwrap_err().is_panic());
            other.await.unwrap();
        };
        LocalSet::new().run_until(running).await;
        let text = metrics.encode(Exposition::Text, &Control::default(), &Proxy::default(), Lost::default());
        assert!(text.lines().any(|line| line == "genkan_connection_events_total{event=\"panicked\"} 1"), "{text}");
    }
}
