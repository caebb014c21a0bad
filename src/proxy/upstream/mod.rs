//! Towards backends. The exchange sees [`Upstream::send`] and the body that it returns; connections, pools and the
//! HTTP/1.1 codec are in the files below.

mod connect;
pub mod http1;
pub mod pool;
mod send;

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::backend::{Cut, InFlight};
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

/// What ends an answer however slow its reader is: its endpoint has left, or the route's time is over.
#[derive(Clone)]
pub struct Ends {
    cut: Option<Rc<Cut>>,
    overall: Option<Rc<Timer>>,
}

/// The body of a backend's answer. It goes on sending the request's, gives its connection back to the pool with the
/// last byte, and closes it if it is dropped before.
pub struct BackendBody {
    decoder: Decoder,
    /// `None` once the last byte has been read.
    rest: Option<Rest>,
    ends: Ends,
    bounds: Bounds,
    upstream: Upstream,
    keep_alive: bool,
    timer: Option<Timer>,
    received: u64,
    /// Bytes of the request that had left when its timer was set.
    sent: u64,
    /// It ended before all of the request had left.
    is_early: bool,
}

struct Rest {
    call: Call,
    endpoint: InFlight,
}

impl Ends {
    /// Ready when it is over; why.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<ProxyError> {
        if self.cut.as_ref().is_some_and(|cut| cut.poll(cx).is_ready()) {
            return Poll::Ready(ProxyError::new(ErrorKind::BodyCut, LEFT));
        }
        let overall = self.overall.as_ref().map_or(Poll::Pending, |overall| overall.poll(cx));
        overall.map(|()| ErrorKind::RequestTimedOut.into())
    }
}

impl BackendBody {
    fn new(call: Call, decoder: Decoder, keep_alive: bool, endpoint: InFlight, upstream: Upstream, bounds: Bounds) -> Self {
        let received = call.received();
        let ends = Ends { cut: endpoint.cut().cloned(), overall: bounds.overall.clone() };
        let rest = Some(Rest { call, endpoint });
        let mut body = Self { decoder, rest, ends, bounds, upstream, keep_alive, timer: None, received, sent: 0, is_early: false };
        if body.decoder.is_done() {
            body.finish();
        }
        body
    }

    /// The next piece. The backend has `timeouts.idle` for each.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, ProxyError>>> {
        if let Poll::Ready(error) = self.poll_end(cx) {
            return Poll::Ready(Some(Err(error)));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
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
            Poll::Pending if waits_for == WaitsFor::Client => Poll::Pending,
            Poll::Pending => {
                let timer = self.timer.get_or_insert_with(|| self.upstream.timers.after(self.bounds.idle));
                timer.poll(cx).map(|()| {
                    self.rest = None;
                    Some(Err(ErrorKind::BodyTimedOut.into()))
                })
            }
        }
    }

    /// Ready when there will be no more of it, though there was more to come. For whoever waits for its reader, and so
    /// does not ask for more.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<ProxyError> {
        if self.rest.is_none() {
            return Poll::Pending;
        }
        let ended = self.ends.poll(cx);
        if ended.is_ready() {
            self.rest = None;
        }
        ended
    }

    /// What ends it, if anything does beside the backend and the reader.
    pub fn ends(&self) -> Option<&Ends> {
        self.rest.as_ref().filter(|_| self.ends.cut.is_some() || self.ends.overall.is_some()).map(|_| &self.ends)
    }

    /// Whether it ended before all of the request had left. What the client still sends, nobody will read.
    pub fn is_early(&self) -> bool {
        self.is_early
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
        self.is_early = !call.is_sent();
        if self.keep_alive
            && let Some(connection) = call.into_idle()
        {
            self.upstream.pools.put(endpoint.endpoint().id, connection, self.bounds.keep_alive);
        }
    }
}
