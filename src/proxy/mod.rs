//! Pipeline 2: client bytes to backend bytes, under the current snapshot. This file starts the threads, takes each new
//! snapshot, and shows what goes on; `connection` conducts a connection, `http/exchange` a request, and every other
//! file does one thing for them.

mod accept;
mod affinity;
mod backend;
mod balance;
mod body;
mod clock;
mod connection;
mod departure;
mod error;
mod filter;
#[cfg(any(test, genkan_fuzz))]
#[cfg_attr(test, expect(clippy::missing_panics_doc, reason = "it is a test"))]
pub mod fuzz;
mod headers;
mod health;
mod http;
mod io;
mod limits;
mod outbound;
mod live;
mod random;
mod room;
#[cfg(test)]
mod simulation;
mod socket;
mod timer;
mod tls;
mod tunnel;
mod upstream;
mod worker;

use std::future::Future;
use std::io as std_io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};

use self::accept::{Acceptor, Change};
use self::health::Prober;
use self::limits::Admission;
use self::live::{Bound, Foundation, Live};
use self::outbound::Outbound;
use self::socket::SocketKey;
use self::tls::KeyRing;
use self::worker::{Ended, Start, WorkerHandle, WorkerState};
use crate::drain::Drain;
use crate::model::{Check, Diagnostic, EndpointStatus, Explain, Issue, ProxyStatus, Publish, PublishedSocket, Snapshot};
use crate::telemetry::spans::Spans;
use crate::telemetry::{AccessLog, Metrics};

pub use socket::{PortTaken, port_holder};

/// What the proxy is started with.
pub struct Options {
    /// Threads that serve connections; at least one.
    pub workers: usize,
    /// Where it counts.
    pub metrics: Arc<Metrics>,
    /// Where exchanges are written.
    pub access_log: AccessLog,
    /// Where their spans go.
    pub spans: Spans,
    /// For whom it runs.
    pub mode: Mode,
    /// What is done about a port that somebody else has.
    pub port_taken: PortTaken,
    /// Makes pairs for names that no certificate is for.
    pub issuer: Option<Arc<dyn Issue>>,
    /// Explains our own answers to whoever started the process.
    pub explainer: Option<Arc<dyn Explain>>,
}

/// For whom the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For clients anywhere.
    Run,
    /// For a developer on this machine: redirects are temporary, and errors say why in full.
    Laptop,
}

/// The proxy as the rest of the process sees it.
pub struct Proxy {
    live: Arc<ArcSwap<Live>>,
    foundation: Foundation,
    admission: Arc<Admission>,
    workers: Arc<[WorkerHandle]>,
    started: Instant,
    port_taken: PortTaken,
    acceptor: mpsc::Sender<Change>,
    prober: Prober,
    /// Also keeps two publishers from mixing.
    published: AsyncMutex<Published>,
    sockets: Mutex<Vec<PublishedSocket>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    ended: AsyncMutex<mpsc::Receiver<()>>,
}

#[derive(Default)]
struct Published {
    bound: Bound,
    /// Those before, which a handshake or the beginning of a request may still be looking at. They are dropped here, once
    /// nobody does, and never on a worker.
    retired: Vec<Arc<Live>>,
}

impl Proxy {
    /// Starts the threads. Nothing is served before the first snapshot is published.
    pub fn start(options: Options, drain: &Drain) -> std_io::Result<Arc<Self>> {
        let Options { workers: count, metrics, access_log, spans, mode, port_taken, issuer, explainer } = options;
        let live = Arc::new(ArcSwap::from_pointee(Live::nothing()));
        let (told, ended) = mpsc::channel(1);
        let (acceptor, changes) = mpsc::channel(1);
        let admission = Arc::<Admission>::default();
        let auto_limit = limits::auto();
        let mut handles = Vec::new();
        let mut receivers = Vec::new();
        for _ in 0..count.max(1) {
            let (connections, receiver) = mpsc::unbounded_channel();
            handles.push(WorkerHandle { connections, state: Arc::<WorkerState>::default() });
            receivers.push(receiver);
        }
        let workers: Arc<[WorkerHandle]> = handles.into();
        let accepting = Acceptor {
            workers: workers.clone(),
            live: live.clone(),
            admission: admission.clone(),
            auto_limit,
            metrics: metrics.worker(0),
            drain: drain.clone(),
        };
        let told_routes = Arc::<worker::ToldRoutes>::default();
        let outbound = Arc::new(Outbound::new(auto_limit));
        let mut accepting = Some((accepting, changes));
        let mut threads = Vec::new();
        for (index, connections) in receivers.into_iter().enumerate() {
            let start = Start {
                live: live.clone(),
                metrics: metrics.worker(index),
                access_log: access_log.clone(),
                spans: spans.clone(),
                mode,
                explainer: explainer.clone(),
                told_routes: told_routes.clone(),
                outbound: outbound.clone(),
                drain: drain.clone(),
                state: workers[index].state.clone(),
                connections,
                acceptor: accepting.take(),
            };
            threads.push(start.spawn(index, Ended(told.clone()))?);
        }
        let (prober, thread) = Prober::start(metrics.clone(), drain.clone(), Ended(told))?;
        threads.push(thread);
        let ring = KeyRing::new().map_err(std_io::Error::other)?;
        Ok(Arc::new(Self {
            foundation: Foundation { cell: live.clone(), ring, metrics, issuer },
            live,
            admission,
            workers,
            started: Instant::now(),
            port_taken,
            acceptor,
            prober,
            published: AsyncMutex::default(),
            sockets: Mutex::default(),
            threads: Mutex::new(threads),
            ended: AsyncMutex::new(ended),
        }))
    }

    /// The addresses that are listened on, as bound.
    pub fn sockets(&self) -> Vec<PublishedSocket> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Resolves when a thread has ended. Before [`crate::drain::Stage::Stopped`] that is the end of the process, because
    /// connections that were given to it are lost.
    pub async fn worker_ended(&self) {
        let _ = self.ended.lock().await.recv().await;
    }

    /// Waits until all threads have ended. Blocks.
    pub fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join(); // It has already said what went wrong.
        }
    }

    async fn replace(&self, snapshot: Arc<Snapshot>) -> Vec<Diagnostic> {
        let mut published = self.published.lock().await;
        let mut findings = Vec::new();
        let mut close: Vec<SocketKey> = unwanted(&snapshot, &published.bound);
        // One that keeps its port and changes its address can only be opened after the old one is closed.
        let in_the_way =
            close.extract_if(.., |key| snapshot.listeners.iter().any(|listener| listener.address.port() == key.address.port())).collect();
        published.bound.retain(|key, _| !close.contains(key));
        self.close_first(in_the_way, &mut published.bound).await;
        let open = self.open(&snapshot, &mut published.bound, &mut findings);

        let live = Arc::new(Live::build(snapshot, &self.live.load(), &published.bound, &self.foundation));
        *self.sockets.lock().unwrap_or_else(PoisonError::into_inner) = published_sockets(&live.snapshot, &published.bound);
        let before = self.live.swap(live.clone());
        self.prober.watch(live.backends.clone());
        departure::retire(&before, &live);
        self.change(open, close).await;
        self.admission.reconsider();
        published.retired.retain(|live| Arc::strong_count(live) > 1);
        published.retired.push(before);
        findings
    }

    async fn close_first(&self, keys: Vec<SocketKey>, bound: &mut Bound) {
        bound.retain(|key, _| !keys.contains(key));
        self.change(Vec::new(), keys).await;
    }

    async fn change(&self, open: Vec<(SocketKey, TcpListener)>, close: Vec<SocketKey>) {
        if open.is_empty() && close.is_empty() {
            return;
        }
        let (done, changed) = oneshot::channel();
        // Neither fails but at the end of the process.
        let _ = self.acceptor.send(Change { open, close, done }).await;
        let _ = changed.await;
    }

    /// Opens the sockets that are not open yet.
    fn open(&self, snapshot: &Snapshot, bound: &mut Bound, findings: &mut Vec<Diagnostic>) -> Vec<(SocketKey, TcpListener)> {
        let mut opened = Vec::new();
        for listener in &snapshot.listeners {
            let key = SocketKey::of(listener);
            if bound.contains_key(&key) {
                continue;
            }
            if live::is_covered(&key, snapshot) {
                bound.insert(key, listener.address.get());
                continue;
            }
            let result = socket::bind(listener.address, self.port_taken).and_then(|socket| Ok((socket.local_addr()?, socket)));
            match result {
                Ok((address, socket)) => {
                    bound.insert(key.clone(), address);
                    opened.push((key, socket));
                }
                Err(error) => findings.push(socket::unavailable(listener, &error)),
            }
        }
        opened
    }
}

fn unwanted(snapshot: &Snapshot, bound: &Bound) -> Vec<SocketKey> {
    let wanted: Vec<SocketKey> = snapshot.listeners.iter().map(|listener| SocketKey::of(listener)).collect();
    bound.keys().filter(|key| !wanted.contains(key)).cloned().collect()
}

fn published_sockets(snapshot: &Snapshot, bound: &Bound) -> Vec<PublishedSocket> {
    let mut sockets: Vec<(SocketKey, PublishedSocket)> = Vec::new();
    for listener in &snapshot.listeners {
        let key = SocketKey::of(listener);
        let Some(address) = bound.get(&key) else { continue };
        match sockets.iter_mut().find(|(known, _)| *known == key) {
            Some((_, socket)) => {
                socket.listeners.push(listener.name.clone());
                socket.https |= listener.is_https();
            }
            None => sockets.push((key, PublishedSocket { listeners: vec![listener.name.clone()], address: *address, https: listener.is_https() })),
        }
    }
    sockets.into_iter().map(|(_, socket)| socket).collect()
}

impl Publish for Proxy {
    fn publish(&self, snapshot: Arc<Snapshot>) -> Pin<Box<dyn Future<Output = Vec<Diagnostic>> + Send + '_>> {
        Box::pin(self.replace(snapshot))
    }
}

impl ProxyStatus for Proxy {
    fn ready_checks(&self) -> Vec<Check> {
        let live = self.live.load();
        let sockets = self.sockets();
        let unbound = live.snapshot.listeners.iter().find(|listener| !sockets.iter().any(|socket| socket.listeners.contains(&listener.name)));
        let failure = match unbound {
            _ if live.snapshot.listeners.is_empty() => Some("no listener is configured".to_owned()),
            Some(listener) => Some(format!("listener \"{}\" cannot listen on {}", listener.name, listener.address)),
            None => None,
        };
        vec![Check::new("listeners", failure)]
    }

    fn live_checks(&self) -> Vec<Check> {
        let check = |(index, worker): (usize, &WorkerHandle)| {
            let failure = (!worker.state.is_alive(self.started)).then(|| format!("no sign of life for {} s", worker::STUCK.as_secs()));
            Check::new(format!("worker/{index}"), failure)
        };
        self.workers.iter().enumerate().map(check).collect()
    }

    fn endpoints(&self) -> Vec<EndpointStatus> {
        let live = self.live.load();
        let endpoints = live.backends.iter().flat_map(|backend| &backend.endpoints);
        let status = endpoints.map(|endpoint| {
            let health = endpoint.health();
            EndpointStatus {
                backend: endpoint.identity.backend.to_string(),
                address: endpoint.name.clone(),
                state: health.state,
                since: health.since,
                reason: health.reason,
                ejected: endpoint.is_ejected(),
                in_flight: endpoint.in_flight(),
                requests: endpoint.given(),
                connections: endpoint.connections(),
                probes: health.probes.into(),
            }
        });
        status.collect()
    }

    fn open_connections(&self) -> usize {
        self.admission.open()
    }

    fn sockets(&self) -> Vec<PublishedSocket> {
        self.sockets()
    }
}
