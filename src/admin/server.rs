//! The admin listener: an address, a socket in the file system, or both, and a small HTTP/1.1 server on them. It is open
//! to anyone in the image, so all it gives away is bounded: connections, heads, time. It serves until the very end, for
//! probes during a drain.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

use super::Views;
use super::access::Peer;
use super::answer::answer;
use super::places::{Place, Places};
use super::socket::Socket;
use crate::drain::Stage;
use crate::model::SocketAddress;

/// The bound admin listener.
#[derive(Debug)]
pub struct Admin {
    listener: Option<(TcpListener, SocketAddr)>,
    socket: Option<Socket>,
    /// How long a request head may take.
    pub(super) head: Duration,
}

/// A request head comes in one packet from everybody who means it.
const HEAD: Duration = Duration::from_secs(5);

/// A connection in all. Scrapers give up after 10 s by default.
const CONNECTION: Duration = Duration::from_secs(30);

/// A connection on which somebody watches; a page that is still open comes again.
const WATCH: Duration = Duration::from_secs(60 * 60);

/// More than any probe or browser sends.
const HEAD_BYTES: usize = 16 * 1024;

/// After an accept that failed for want of descriptors or memory: others may give some back.
const PAUSE: Duration = Duration::from_millis(100);

/// How many ports are tried one after the other.
const MOST_PORTS: usize = 100;

impl Admin {
    /// Nowhere, yet.
    pub fn nowhere() -> Self {
        Self { listener: None, socket: None, head: HEAD }
    }

    /// At a socket in the file system as well.
    pub fn and_at(self, path: &Path) -> io::Result<Self> {
        Ok(Self { socket: Some(Socket::bind(path)?), ..self })
    }

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
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(|(_, address)| *address)
    }

    /// Serves until the process has stopped.
    pub async fn serve(self, views: Views) {
        let stopped = views.drain.clone();
        let sampling = views.history.clone().follow(views.metrics.clone(), views.proxy.clone());
        tokio::select! {
            () = self.accept(views) => {}
            () = sampling => {}
            () = stopped.reached(Stage::Stopped) => {}
        }
    }

    /// At both, for as long as there is anything to accept.
    async fn accept(self, views: Views) {
        let Self { listener, socket, head } = self;
        let places = Arc::new(Places::default());
        let listener = listener.map(|(listener, _)| tokio::net::TcpListener::from_std(listener)).transpose();
        let named = socket.as_ref().map(Socket::listener).transpose();
        match (listener, named) {
            (Ok(listener), Ok(named)) => {
                tokio::join!(
                    accept_from(listener.map(Listener::Address), &views, &places, head),
                    accept_from(named.map(Listener::Socket), &views, &places, head),
                );
            }
            (Err(error), _) | (_, Err(error)) => tracing::error!(%error, "admin listener cannot be served"),
        }
    }
}

/// Where connections come in.
enum Listener {
    Address(tokio::net::TcpListener),
    Socket(tokio::net::UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Either<TcpStream, UnixStream>, Peer)> {
        Ok(match self {
            Self::Address(listener) => {
                let (stream, peer) = listener.accept().await?;
                (Either::Left(stream), Peer::Address(peer.ip()))
            }
            Self::Socket(listener) => (Either::Right(listener.accept().await?.0), Peer::Socket),
        })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Address(listener) => listener.as_fd(),
            Self::Socket(listener) => listener.as_fd(),
        }
    }
}

async fn accept_from(listener: Option<Listener>, views: &Views, places: &Arc<Places>, head: Duration) {
    let Some(listener) = listener.map(Arc::new) else { return };
    let spare = Arc::new(Spare::default());
    spare.fill(&listener);
    loop {
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
        let (listener, spare, place) = (listener.clone(), spare.clone(), places.take());
        drain.spawn_background("admin connection", async move {
            tokio::select! {
                () = connection(stream, peer, &views, head, &place) => {}
                () = place.lost() => tracing::debug!("admin connection ended: others wanted its place"),
            }
            spare.fill(&listener);
        });
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
async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer, views: &Views, head: Duration, place: &Place) {
    // Whether the answer is one that is watched for as long as somebody likes.
    let watched = AtomicBool::new(false);
    let service = service_fn(|request| {
        let watched = &watched;
        async move {
            let response = answer(&request, views, peer).await;
            if response.body().is_stream() {
                // Those who watch have places of their own.
                place.leave();
                watched.store(true, Ordering::Relaxed);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(HEAD_BYTES)
        .max_headers(64)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let mut ended = tokio::time::timeout(CONNECTION, &mut served).await;
    if ended.is_err() && watched.load(Ordering::Relaxed) {
        ended = tokio::time::timeout(WATCH, served).await;
    }
    match ended {
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
    Ok(Admin { listener: Some((listener, address)), ..Admin::nowhere() })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?; // Or a restart would wait for the last run's connections to be forgotten.
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(128)?;
    Ok(socket.into())
}
