//! Accepting connections: one task on the first worker owns every socket and hands each connection to the worker that
//! has the fewest. So limits, a lack of descriptors, and the end live in one place, and long connections are balanced.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::{SockRef, Socket};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::limits::{Admission, Permit};
use super::live::{Live, LiveSocket};
use super::socket::SocketKey;
use super::worker::WorkerHandle;
use crate::drain::{Drain, Stage};
use crate::telemetry::{ConnectionEvent, WorkerMetrics};

/// A connection on its way to its worker.
pub struct Accepted {
    /// Not yet known to a runtime.
    pub stream: TcpStream,
    /// Where it comes from.
    pub client: SocketAddr,
    /// What is served where it came in.
    pub listeners: Arc<LiveSocket>,
    /// Its place among the open ones.
    pub admission: Permit,
}

/// What is to be accepted on.
pub struct Change {
    /// New sockets.
    pub open: Vec<(SocketKey, TcpListener)>,
    /// Those that are no longer wanted.
    pub close: Vec<SocketKey>,
    /// Told when it is done.
    pub done: oneshot::Sender<()>,
}

/// What the acceptor works with.
pub struct Acceptor {
    /// Where connections go.
    pub workers: Arc<[WorkerHandle]>,
    /// The limits of the moment.
    pub live: Arc<ArcSwap<Live>>,
    /// Connections that are open.
    pub admission: Arc<Admission>,
    /// `limits.connections: auto`.
    pub auto_limit: usize,
    /// Where refusals are counted.
    pub metrics: Arc<WorkerMetrics>,
    /// When to stop.
    pub drain: Drain,
}

/// Between two tries when there is no descriptor for a connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);
/// Connections that are accepted before others get their turn.
const BATCH: usize = 64;

impl Acceptor {
    /// Accepts until the end, on the sockets that `changes` bring.
    pub async fn run(self, mut changes: mpsc::Receiver<Change>) {
        let this = Rc::new(self);
        let mut sockets: HashMap<SocketKey, (watch::Sender<()>, JoinHandle<()>)> = HashMap::new();
        while let Some(Change { open, close, done }) = changes.recv().await {
            for key in close {
                // Dropping its sender tells the task to close the socket.
                if let Some((keep, task)) = sockets.remove(&key) {
                    drop(keep);
                    let _ = task.await; // It has said what went wrong.
                }
            }
            for (key, listener) in open {
                let (keep, kept) = watch::channel(());
                #[expect(
                    deprecated,
                    reason = "unsound for types that change their descriptor, which a socket does not; its successor is unsafe to call"
                )]
                match AsyncFd::new(Socket::from(listener)) {
                    Ok(socket) => {
                        let listeners = RefCell::new(this.live.load().socket(&key).unwrap_or_default());
                        let listening = Listening { acceptor: this.clone(), socket, key: key.clone(), listeners };
                        let task = tokio::task::spawn_local(listening.run(kept));
                        sockets.insert(key, (keep, task));
                    }
                    Err(error) => tracing::error!(%error, address = %key.address, "a socket cannot be waited for"),
                }
            }
            let _ = done.send(()); // Whoever asked may have gone.
        }
    }

    fn limit(&self) -> usize {
        self.live.load().snapshot.limits.connections.unwrap_or(self.auto_limit)
    }
}

/// One socket.
struct Listening {
    acceptor: Rc<Acceptor>,
    socket: AsyncFd<Socket>,
    key: SocketKey,
    /// What was served here last: also for those that are in the queue when that ends.
    listeners: RefCell<Arc<LiveSocket>>,
}

impl Listening {
    async fn run(self, mut kept: watch::Receiver<()>) {
        let drain = self.acceptor.drain.clone();
        // The end waits for the queue to be accepted empty.
        let _guard = drain.guard();
        tokio::select! {
            () = self.accept_all() => {}
            _ = kept.changed() => {}
            () = drain.reached(Stage::Closing) => {}
        }
        // Whoever is in the queue has been told that the connection is open.
        while let Ok(true) = self.accept_one() {}
    }

    async fn accept_all(&self) {
        let acceptor = &*self.acceptor;
        loop {
            if acceptor.admission.open() >= acceptor.limit() {
                // More wait in the kernel's queue, and then at their clients.
                acceptor.metrics.connection_event(ConnectionEvent::LimitReached);
                acceptor.admission.below(|| acceptor.limit()).await;
            }
            let Ok(mut ready) = self.socket.readable().await else { return };
            let mut accepted = 0;
            loop {
                match self.accept_one() {
                    Ok(true) => accepted += 1,
                    Ok(false) => break ready.clear_ready(),
                    Err(error) => {
                        acceptor.metrics.connection_event(ConnectionEvent::AcceptFailed);
                        tracing::warn!(%error, address = %self.key.address, "a connection cannot be accepted");
                        break sleep(OUT_OF_DESCRIPTORS).await;
                    }
                }
                if accepted >= BATCH || acceptor.admission.open() >= acceptor.limit() {
                    break tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Accepts a connection and hands it over. `false`: none waits.
    fn accept_one(&self) -> io::Result<bool> {
        let (stream, client) = match self.socket.get_ref().accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if is_clients_doing(&error) => return Ok(true),
            Err(error) => return Err(error),
        };
        let Some(client) = client.as_socket() else { return Ok(true) };
        stream.set_nonblocking(true)?;
        let acceptor = &*self.acceptor;
        let live = acceptor.live.load();
        if let Some(listeners) = live.socket(&self.key) {
            self.listeners.replace(listeners);
        }
        let Some(worker) = acceptor.workers.iter().min_by_key(|worker| worker.state.connections.load(Ordering::Relaxed)) else { return Ok(true) };
        let per_client = live.snapshot.limits.connections_per_client;
        let Some(admission) = acceptor.admission.admit(client.ip(), per_client, &worker.state, acceptor.drain.guard()) else {
            acceptor.metrics.connection_event(ConnectionEvent::ClientLimitReached);
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO)); // A reset leaves nothing behind here.
            return Ok(true);
        };
        let client = SocketAddr::new(client.ip().to_canonical(), client.port());
        let accepted = Accepted { stream: stream.into(), client, listeners: self.listeners.borrow().clone(), admission };
        let _ = worker.connections.send(accepted); // A worker that is gone ends the process.
        Ok(true)
    }
}

/// The connection was gone before it was accepted (accept(2)).
fn is_clients_doing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted)
}
