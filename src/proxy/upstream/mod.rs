//! Towards backends. The exchange sees [`Upstream::send`] and the body that it returns; connections, pools and the
//! HTTP/1.1 codec are in the files below.

mod connect;
pub mod http1;
pub mod pool;
mod send;

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::backend::InFlight;
use super::body::{Frame, Length};
use super::error::{ErrorKind, ProxyError};
use super::timer::Timer;
use http1::framing::Decoder;
use http1::{Call, WaitsFor};

pub use connect::open;
pub use send::{Answer, Failed, Outcome, Seen, Try, Upstream};

/// Why an endpoint's requests are cut that would go on otherwise.
pub const LEFT: &str = "its endpoint has left the configuration, and its time is up";

/// How long the parts of a try may take, and how large they may be.
#[derive(Clone)]
pub struct Bounds {
    /// `backends[].timeouts.connect`.
    pub connect: Duration,
    /// `backends[].timeouts.response`.
    pub response: Duration,
    /// `backends[].timeouts.idle`.
    pub idle: Duration,
    /// `backends[].timeouts.keepAlive`.
    pub keep_alive: Duration,
    /// `limits.responseHead`, in bytes.
    pub response_head: usize,
    /// `routes[].timeouts.request`, running since the request's head came; `None`: no limit.
    pub overall: Option<Rc<Timer>>,
}

/// The body of a backend's answer. It goes on sending the request's, gives its connection back to the pool with the
/// last byte, and closes it if it is dropped before.
pub struct BackendBody {
    decoder: Decoder,
    /// `None` once the last byte has been read.
    rest: Option<Rest>,
    bounds: Bounds,
    upstream: Upstream,
    keep_alive: bool,
    timer: Option<Timer>,
    received: u64,
    /// Bytes of the request that had left when its timer was set.
    sent: u64,
}

struct Rest {
    call: Call,
    endpoint: InFlight,
}

impl BackendBody {
    fn new(call: Call, decoder: Decoder, keep_alive: bool, endpoint: InFlight, upstream: Upstream, bounds: Bounds) -> Self {
        let received = call.received();
        let mut body = Self { decoder, rest: Some(Rest { call, endpoint }), bounds, upstream, keep_alive, timer: None, received, sent: 0 };
        if body.decoder.is_done() {
            body.finish();
        }
        body
    }

    /// The next piece. The backend has `timeouts.idle` for each.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, ProxyError>>> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        if rest.endpoint.poll_cut(cx).is_ready() {
            self.rest = None;
            return Poll::Ready(Some(Err(ProxyError::new(ErrorKind::BodyCut, LEFT))));
        }
        let mut waits_for = WaitsFor::Backend;
        let polled = rest.call.poll_body(cx, &mut self.decoder, &mut waits_for);
        self.received = rest.call.received();
        // While the request's body goes on, the backend is not silent, or it is not its turn.
        if rest.call.sent() != self.sent || waits_for == WaitsFor::Client {
            self.sent = rest.call.sent();
            self.timer = None;
        }
        match polled {
            Poll::Ready(frame) => {
                self.timer = None;
                match &frame {
                    Some(Ok(_)) if !self.decoder.is_done() => {}
                    Some(Err(_)) => self.rest = None,
                    Some(Ok(_)) | None => self.finish(),
                }
                Poll::Ready(frame)
            }
            Poll::Pending => self.poll_limits(cx, waits_for).map(|kind| {
                self.rest = None;
                Some(Err(kind.into()))
            }),
        }
    }

    fn poll_limits(&mut self, cx: &mut Context<'_>, waits_for: WaitsFor) -> Poll<ErrorKind> {
        if self.bounds.overall.as_ref().is_some_and(|overall| overall.poll(cx).is_ready()) {
            return Poll::Ready(ErrorKind::RequestTimedOut);
        }
        if waits_for == WaitsFor::Client {
            return Poll::Pending;
        }
        let timer = self.timer.get_or_insert_with(|| self.upstream.timers.after(self.bounds.idle));
        timer.poll(cx).map(|()| ErrorKind::BodyTimedOut)
    }

    /// How much is still to come.
    pub fn length(&self) -> Length {
        match &self.decoder {
            _ if self.rest.is_none() => Length::Empty,
            Decoder::Length(left) => Length::Exact(*left),
            Decoder::Done => Length::Empty,
            Decoder::Chunked(_) | Decoder::UntilClose => Length::Unknown,
        }
    }

    /// Whether nothing more comes.
    pub fn is_end(&self) -> bool {
        self.rest.is_none()
    }

    /// Bytes of the request's body that have come.
    pub fn request_bytes(&self) -> u64 {
        self.received
    }

    /// The last byte has been read: the connection may serve another request.
    fn finish(&mut self) {
        let Some(Rest { call, endpoint }) = self.rest.take() else { return };
        if self.keep_alive
            && let Some(connection) = call.into_idle()
        {
            self.upstream.pools.put(endpoint.endpoint().id, connection, self.bounds.keep_alive);
        }
    }
}
