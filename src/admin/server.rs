//! The admin listener: an address and a small HTTP/1.1 server on it. It is open to anyone in the image, so all it
//! gives away is bounded: connections, heads, time. It serves until the very end, for probes during a drain.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::Views;
use super::answer::answer;
use crate::drain::Stage;
use crate::model::SocketAddress;

/// The bound admin listener.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    /// How long a request head may take.
    pub(super) head: Duration,
}

/// Probes, a scraper or two and a person with curl; each connection carries one request and ends.
const MOST_CONNECTIONS: usize = 64;

/// A request head comes in one packet from everybody who means it.
const HEAD: Duration = Duration::from_secs(5);

/// A connection in all. Scrapers give up after 10 s by default.
const CONNECTION: Duration = Duration::from_secs(30);

/// More than any probe or browser sends.
const HEAD_BYTES: usize = 16 * 1024;

/// After an accept that failed for want of descriptors or memory: others may give some back.
const PAUSE: Duration = Duration::from_millis(100);

/// How many ports are tried one after the other.
const MOST_PORTS: usize = 100;

impl Admin {
    /// Binds the address; with `next_port`, the first one after it whose port is free. `[::]` is both families, and
    /// IPv4 alone where there is no IPv6.
    pub fn bind(address: SocketAddress, next_port: bool) -> io::Result<Self> {
        let mut address = address;
        for _ in 0..MOST_PORTS {
            match listen(address) {
                Err(error) if next_port && error.kind() == ErrorKind::AddrInUse => {}
                outcome => return outcome,
            }
            let Some(next) = address.next_port() else { break };
            address = next;
        }
        Err(ErrorKind::AddrInUse.into())
    }

    /// As bound: with the port that the kernel picked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the process has stopped.
    pub async fn serve(self, views: Views) {
        let stopped = views.drain.clone();
        let sampling = views.history.clone().follow(views.metrics.clone());
        tokio::select! {
            () = self.accept(views) => {}
            () = sampling => {}
            () = stopped.reached(Stage::Stopped) => {}
        }
    }

    async fn accept(self, views: Views) {
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "admin listener cannot be served"),
        };
        let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let listener = Arc::new(listener);
        let spare = Arc::new(Spare::default());
        spare.fill(&listener);
        // Never closed. What finds no room waits in the kernel's queue, which is bounded too.
        while let Ok(permit) = room.clone().acquire_owned().await {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                // Somebody who looks why nothing is accepted is let in.
                Err(_) if spare.spend() => continue,
                Err(error) => {
                    tracing::debug!(%error, "admin connection not accepted");
                    tokio::time::sleep(PAUSE).await;
                    spare.fill(&listener);
                    continue;
                }
            };
            let drain = views.drain.clone();
            let views = views.clone();
            let (listener, spare) = (listener.clone(), spare.clone());
            drain.spawn_background("admin connection", async move {
                connection(stream, peer.ip(), &views, self.head).await;
                spare.fill(&listener);
                drop(permit);
            });
        }
    }
}

/// A descriptor that is kept for the moment when there are none left: given back, it makes room for one connection.
#[derive(Default)]
struct Spare(Mutex<Option<OwnedFd>>);

impl Spare {
    /// Keeps one, if there is none and the process has one left.
    fn fill(&self, listener: &impl AsFd) {
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.is_none() {
            *spare = listener.as_fd().try_clone_to_owned().ok();
        }
    }

    /// Gives it back. `false`: there was none.
    fn spend(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }
}

/// One request, until it is answered, the client leaves or the time is up.
async fn connection(stream: TcpStream, peer: IpAddr, views: &Views, head: Duration) {
    let service = service_fn(|request| async move { Ok::<_, Infallible>(answer(&request, views, peer).await) });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(HEAD_BYTES)
        .max_headers(64)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "admin connection broke"),
        Err(_) => tracing::debug!("admin connection took too long"),
    }
}

fn listen(address: SocketAddress) -> io::Result<Admin> {
    let listener = match (open(address.get()), address.without_ipv6()) {
        (Ok(listener), _) => listener,
        (Err(error), Some(ipv4)) if error.kind() != ErrorKind::AddrInUse => open(ipv4.get())?,
        (Err(error), _) => return Err(error),
    };
    let address = listener.local_addr()?;
    Ok(Admin { listener, address, head: HEAD })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?; // Or a restart would wait for the last run's connections to be forgotten.
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(128)?;
    Ok(socket.into())
}
