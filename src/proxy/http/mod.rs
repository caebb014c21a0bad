//! HTTP towards clients: `exchange` conducts one request, the files around it each do one part of that, and `http1` and
//! `http2` put the two codecs behind our own bodies. How a connection came about is `connection`'s matter.

mod alias;
mod answer;
pub mod cleartext;
mod cloud_trace;
mod exchange;
mod forwarded;
#[cfg(any(test, genkan_fuzz))]
#[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fuzzer looks for panics")]
pub mod fuzz;
mod gke;
mod guard;
pub mod http1;
pub mod http2;
mod ids;
mod record;
mod redirect;
mod request;
mod secure;
mod status_details;
mod trace;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Version;

use self::forwarded::Origin;
use super::backend::InFlight;
use super::body::BodyRules;
use super::error::ErrorKind;
use super::io::linger::EARLY;
use super::io::phase::{Phase, PhaseLimits};
use super::live::LiveListener;
use super::timer::Timer;
use super::upstream::http1::Connection as BackendConnection;
use super::upstream::{BackendBody, Ends};
use super::worker::Worker;
use crate::drain::Stage;
use crate::model::{Behaviour, ClientTimeouts, TlsPolicy};
use crate::telemetry::ConnectionEvent;
pub use record::Record;

/// What the exchanges of a client's connection share.
pub struct Connection {
    /// Where it is served.
    pub worker: Rc<Worker>,
    /// Where it comes from.
    pub client: SocketAddr,
    /// Where it arrived.
    pub local: SocketAddr,
    /// The listener it belongs to.
    pub listener: Arc<LiveListener>,
    /// What was negotiated; `None` for plain HTTP.
    pub tls: Option<TlsFacts>,
    /// What its backends are told of it.
    origin: Origin,
    /// What it is doing.
    pub phase: Rc<Phase>,
    /// The switch of protocols that an exchange has led to.
    tunnel: RefCell<Option<(Switched, Box<Record>)>>,
    /// A request was answered before all of it had come, perhaps.
    refused: Cell<bool>,
    /// What ends the answer that an HTTP/1 client is slow to take; in HTTP/2 each stream looks after its own.
    ends: RefCell<Option<Ends>>,
    /// Why it was ended.
    ended_for: Cell<Option<ErrorKind>>,
    /// `timeouts.responseWrite`.
    response_write: Duration,
}

/// What a handshake led to.
#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// By IANA's number.
    pub cipher_suite: Option<u16>,
    /// What the client asked for.
    pub server_name: Option<String>,
    /// What was offered.
    pub policy: TlsPolicy,
    /// Whether it continued an earlier session.
    pub resumed: bool,
}

/// The backend's side of a connection that has switched protocols.
pub struct Switched {
    /// The connection, with what arrived after the head.
    pub backend: BackendConnection,
    /// The place that it takes at its endpoint.
    pub guard: InFlight,
    /// When it ends at the latest.
    pub limit: Option<Rc<Timer>>,
}

/// An exchange that is going on. Dropping it says that it is over.
pub struct OpenExchange(Rc<Phase>);

impl Connection {
    /// A connection that is ready for its first request.
    pub fn new(
        worker: Rc<Worker>,
        listener: Arc<LiveListener>,
        ends: (SocketAddr, SocketAddr),
        tls: Option<TlsFacts>,
        timeouts: &ClientTimeouts,
    ) -> Self {
        let (client, local) = ends;
        worker.metrics.connection_opened(listener.label);
        let limits = PhaseLimits { request_head: timeouts.request_head, keep_alive: timeouts.keep_alive };
        let phase = Rc::new(Phase::new(&worker.upstream.timers, limits));
        let response_write = timeouts.response_write;
        let origin = Origin::new(client.ip(), local.ip(), if tls.is_some() { "https" } else { "http" });
        Self {
            worker,
            client,
            local,
            listener,
            tls,
            origin,
            phase,
            tunnel: RefCell::default(),
            refused: Cell::default(),
            ends: RefCell::default(),
            ended_for: Cell::default(),
            response_write,
        }
    }

    /// How long what the client still sends is taken, so that the last answer is not lost to a reset: a request that was
    /// refused half-way, or HTTP/2's word for each piece of an answer that has been read. A client without an answer has
    /// nothing to lose, and an HTTP/1 client that has asked all it will sends nothing more.
    pub fn listens_for(&self, http2: bool) -> Duration {
        match (self.refused.get(), http2) {
            (_, true) if self.phase.exchanges().0 == 0 => EARLY,
            (_, true) => self.response_write.saturating_sub(self.phase.idle_for()),
            (true, false) => EARLY,
            (false, false) => Duration::ZERO,
        }
    }

    /// How long the client has to take what has been written.
    pub fn write_limit(&self) -> Duration {
        self.response_write
    }

    /// As in URLs.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// What holds for request bodies under the configuration of the moment.
    fn body_rules(&self) -> BodyRules<'_> {
        let live = self.worker.live.load();
        let limit = live.snapshot.limits.request_body.unwrap_or(u64::MAX);
        BodyRules { limit, period: live.snapshot.timeouts.request_body, timers: &self.worker.upstream.timers }
    }

    /// It is asked to leave.
    fn note_leaving(&self) {
        if self.worker.stage() == Stage::Running {
            self.worker.metrics.connection_event(ConnectionEvent::Aged);
        }
    }

    /// Whose answers requests get of which nothing is known.
    fn behaviour(&self) -> Behaviour {
        self.worker.live.load().set(&self.listener).behaviour
    }

    /// What is still to come of a request is not waited for.
    fn refuse_rest(&self) {
        self.refused.set(true);
    }

    /// An answer begins.
    fn answer_begun(&self, version: Version, body: &BackendBody) {
        if version < Version::HTTP_2
            && let Some(ends) = body.ends()
        {
            *self.ends.borrow_mut() = Some(ends.clone());
        }
        if body.is_early() {
            self.refuse_rest();
        }
    }

    /// Nothing more of an answer is to come.
    fn answer_over(&self, is_early: bool) {
        self.ends.borrow_mut().take();
        if is_early {
            self.refuse_rest();
        }
    }

    /// Ready when the answer of an HTTP/1 connection is over, though its client has not taken it.
    #[inline]
    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(ends) = &*self.ends.borrow() else { return Poll::Pending };
        ends.poll(cx).map(|error| self.ended_for.set(Some(error.kind)))
    }

    /// Why an answer was ended in its middle, if it was not the client that did.
    fn ended_for(&self) -> Option<ErrorKind> {
        self.ended_for.get()
    }

    /// An exchange begins.
    fn open_exchange(&self) -> OpenExchange {
        self.phase.exchange_opened();
        if self.phase.exchanges().0 > 1 {
            self.worker.handshakes.asked_again();
        }
        OpenExchange(self.phase.clone())
    }

    fn switch(&self, switched: Switched, record: Box<Record>) {
        *self.tunnel.borrow_mut() = Some((switched, record));
    }

    /// Whether this connection has become a tunnel.
    pub fn has_tunnel(&self) -> bool {
        self.tunnel.borrow().is_some()
    }

    /// The tunnel that this connection has become, if it has.
    pub fn take_tunnel(&self) -> Option<(Switched, Box<Record>)> {
        self.tunnel.borrow_mut().take()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.worker.metrics.connection_closed(self.listener.label);
    }
}

impl Drop for OpenExchange {
    fn drop(&mut self) {
        self.0.exchange_closed();
    }
}
