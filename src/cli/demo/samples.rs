//! Two backends that say who they are. The second is not ready for the first seconds, so that one can watch it come in.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::drain::Drain;

/// Bound, so that their addresses are known, and waiting to be started.
#[derive(Debug)]
pub(super) struct Samples {
    listeners: Vec<TcpListener>,
    addresses: [SocketAddr; 2],
}

/// How long the second takes.
const LATE: Duration = Duration::from_secs(5);
/// Open connections of each; others wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 256;

/// What one of them answers.
#[derive(Clone, Copy, Debug)]
struct Sample {
    number: usize,
    address: SocketAddr,
    ready_at: Instant,
}

impl Samples {
    /// Takes two free loopback ports.
    pub(super) fn bind() -> io::Result<Self> {
        let bind = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok::<_, io::Error>((listener, address))
        };
        let ((first, a), (second, b)) = (bind()?, bind()?);
        Ok(Self { listeners: vec![first, second], addresses: [a, b] })
    }

    /// Where they listen.
    pub(super) fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    /// Starts them on the current runtime.
    pub(super) fn start(&mut self, drain: &Drain) -> io::Result<()> {
        let delays = [Duration::ZERO, LATE];
        for (index, (listener, delay)) in self.listeners.drain(..).zip(delays).enumerate() {
            let sample = Sample { number: index + 1, address: listener.local_addr()?, ready_at: Instant::now() + delay };
            let listener = tokio::net::TcpListener::from_std(listener)?;
            drain.spawn_background("sample backend", accept(listener, sample, drain.clone()));
        }
        Ok(())
    }
}

async fn accept(listener: tokio::net::TcpListener, sample: Sample, drain: Drain) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(permit) = room.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => drain.spawn_background("sample connection", async move {
                connection(stream, sample).await;
                drop(permit);
            }),
            // Out of descriptors, most likely; some will be given back.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn connection(stream: TcpStream, sample: Sample) {
    let service = service_fn(move |request| async move { Ok::<_, Infallible>(sample.answer(&request)) });
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let _ = connection.await; // The proxy in front has told its client already.
}

impl Sample {
    fn answer(self, request: &Request<Incoming>) -> Response<String> {
        let (status, text) = if request.uri().path() == "/healthz" {
            self.health()
        } else {
            let forwarded = request.headers().get("x-forwarded-proto").and_then(|value| value.to_str().ok()).unwrap_or("http");
            let (method, uri) = (request.method(), request.uri());
            (StatusCode::OK, format!("Hello from sample backend {} on {}.\nYou asked over {forwarded}: {method} {uri}\n", self.number, self.address))
        };
        let mut response = Response::new(text);
        *response.status_mut() = status;
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }

    fn health(self) -> (StatusCode, String) {
        match self.ready_at.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => (StatusCode::SERVICE_UNAVAILABLE, "still starting\n".to_owned()),
            _ => (StatusCode::OK, "ok\n".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_second_is_late() {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let late = Sample { number: 2, address, ready_at: Instant::now() + LATE };
        assert_eq!(late.health().0, StatusCode::SERVICE_UNAVAILABLE);
        tokio::time::advance(LATE).await;
        assert_eq!(late.health().0, StatusCode::OK);
    }
}
