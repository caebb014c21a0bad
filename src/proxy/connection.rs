//! The conductor per connection: first bytes, TLS, then HTTP until it ends, then whatever it became. It alone knows the
//! parts of all these; what a request becomes is `exchange`'s matter.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustls::AlertDescription;
use rustls::server::ClientHello;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::accept::Accepted;
use super::error::ErrorKind;
use super::http::http1::End;
use super::http::{self, Connection, Record, Switched, TlsFacts, cleartext};
use super::io::linger::{EARLY, linger};
use super::io::plain::Stream;
use super::io::wire::Wire;
use super::live::{Live, LiveListener, LiveSocket};
use super::timer::Timer;
use super::tls::hello::{self, Opening};
use super::tls::stream::{self, Hello, TlsStream};
use super::tls::turns::TooMany;
use super::tunnel;
use super::worker::Worker;
use crate::model::{PlainHttp, Protocol};
use crate::telemetry::{ConnectionEvent, HandshakeFailure, HandshakeOutcome};

/// Serves a connection from its first byte to its last.
pub async fn serve(worker: Rc<Worker>, accepted: Accepted) {
    let Accepted { stream, client, listeners, admission } = accepted;
    let _admission = admission;
    let live = worker.live.load_full();
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    let Ok(local) = stream.local_addr() else { return };
    // An address of a wildcard socket may be somebody's own.
    let listeners = live.own(local).unwrap_or(listeners);
    let arriving = Arriving { worker: worker.clone(), live, ends: (client, local) };
    // Boxed one after the other: a handshake has tens of KiB of state that the connection does not carry on with.
    let Some((connection, stream)) = Box::pin(arriving.open(stream, &listeners)).await else { return };
    talk(connection, stream).await;
}

/// A connection that is not yet one of HTTP.
struct Arriving {
    worker: Rc<Worker>,
    live: Arc<Live>,
    ends: (SocketAddr, SocketAddr),
}

impl Arriving {
    /// Finds out what the client speaks, and agrees on TLS with it.
    async fn open(self, stream: TcpStream, listeners: &LiveSocket) -> Option<(Rc<Connection>, Stream)> {
        if listeners.is_closed() {
            return None;
        }
        let timeouts = &self.live.snapshot.timeouts;
        let limit = if listeners.https.is_some() { timeouts.tls_handshake } else { timeouts.request_head };
        let deadline = self.worker.upstream.timers.after(limit);
        let first = deadline.limit(hello::read(&stream)).await;
        let Some(Ok((opening, bytes))) = first else {
            self.event(if first.is_none() { ConnectionEvent::IdleTimedOut } else { ConnectionEvent::Aborted });
            return None;
        };
        let wire = Wire::new(stream, bytes, &self.worker.upstream.timers, timeouts.response_write);
        match (opening, &listeners.https, &listeners.http) {
            (Opening::Tls, Some(https), _) => self.encrypted(https, wire, &deadline).await,
            (Opening::Cleartext, _, Some(http)) => {
                drop(deadline);
                Some(self.finish(http, Stream::Plain(wire), None))
            }
            (Opening::Cleartext, Some(https), None) => {
                self.cleartext(https, wire, &deadline).await;
                None
            }
            (Opening::Tls, None, _) => self.refuse(ConnectionEvent::TlsOnPlain),
            (Opening::Nothing, ..) => None,
            (Opening::Unknown | Opening::Cleartext, ..) => self.refuse(ConnectionEvent::BadRequest),
        }
    }

    fn event(&self, event: ConnectionEvent) {
        self.worker.metrics.connection_event(event);
    }

    fn refuse<T>(&self, event: ConnectionEvent) -> Option<T> {
        self.event(event);
        None
    }

    async fn encrypted(self, listener: &Arc<LiveListener>, wire: Wire, deadline: &Timer) -> Option<(Rc<Connection>, Stream)> {
        let began = Instant::now();
        let outcome = match deadline.limit(self.shake_hands(listener, wire)).await {
            Some(outcome) => outcome,
            None => Err((HandshakeFailure::TimedOut, None)),
        };
        match outcome {
            Ok(stream) => {
                let facts = stream.facts();
                let tls13 = facts.version == "TLSv1.3";
                self.worker.metrics.handshake(HandshakeOutcome::Complete { tls13, resumed: facts.resumed }, began.elapsed());
                Some(self.finish(listener, Stream::Tls(Box::new(stream)), Some(facts)))
            }
            Err((failure, error)) => {
                self.worker.metrics.handshake(HandshakeOutcome::Failed(failure), began.elapsed());
                let error = error.map(|error| error.to_string());
                tracing::debug!(client = %self.ends.0, listener = listener.model.name, ?failure, error, "no TLS handshake");
                None
            }
        }
    }

    async fn shake_hands(&self, listener: &LiveListener, wire: Wire) -> Result<TlsStream, (HandshakeFailure, Option<io::Error>)> {
        let hello = stream::read_hello(wire).await.map_err(|error| (failure(&error), Some(error)))?;
        if let Some(failure) = self.refusal(listener, &hello.client()) {
            self.refuse_name(hello).await;
            return Err((failure, None));
        }
        let (config, policy) = {
            let live = self.worker.live.load();
            let policy = live.policy(listener, hello.client().server_name());
            (live.offer(listener, policy), policy.clone())
        };
        let Some(config) = config else { return Err((HandshakeFailure::NoCertificate, None)) };
        let finished = self.worker.handshakes.take(pin!(hello.finish(config, policy))).await;
        finished.map_err(|TooMany| (HandshakeFailure::Overloaded, None))?.map_err(|error| (failure(&error), Some(error)))
    }

    /// Whether there is nothing to serve for what the client asks for.
    fn refusal(&self, listener: &LiveListener, hello: &ClientHello<'_>) -> Option<HandshakeFailure> {
        let live = self.worker.live.load();
        if live.certificate(hello.server_name(), listener.model.default_certificate.as_ref(), |_| true).is_some() {
            return None;
        }
        Some(if live.has_certificates() { HandshakeFailure::UnknownServerName } else { HandshakeFailure::NoCertificate })
    }

    /// `unrecognized_name` (RFC 6066 section 3) as a fatal alert of our own: rustls would send another one.
    async fn refuse_name(&self, hello: Hello) {
        const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];
        let mut wire = hello.into_wire();
        if wire.write_all(&ALERT).await.is_ok() {
            linger(Stream::Plain(wire), &self.worker.upstream.timers, EARLY, EARLY).await;
        }
    }

    async fn cleartext(self, listener: &LiveListener, mut wire: Wire, deadline: &Timer) {
        self.event(ConnectionEvent::PlainHttpOnTls);
        let Protocol::Https { cleartext: policy } = listener.model.protocol else { return };
        let answered = deadline.limit(cleartext::answer(&mut wire, &self.live, listener, policy, self.worker.mode)).await;
        if matches!(answered, Some(Ok(()))) {
            linger(Stream::Plain(wire), &self.worker.upstream.timers, EARLY, EARLY).await;
        }
    }

    fn finish(self, listener: &Arc<LiveListener>, stream: Stream, tls: Option<TlsFacts>) -> (Rc<Connection>, Stream) {
        let connection = Connection::new(self.worker, listener.clone(), self.ends, tls, &self.live.snapshot.timeouts);
        (Rc::new(connection), stream)
    }
}

fn failure(error: &io::Error) -> HandshakeFailure {
    let alert = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::AlertReceived(alert)) = alert
        && is_about_certificate(*alert)
    {
        return HandshakeFailure::CertificateRefused;
    }
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => HandshakeFailure::Protocol,
        _ => HandshakeFailure::ClientLeft,
    }
}

/// Whether a client says that it does not take our certificate (RFC 8446 section 6.2).
fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
    )
}

/// Speaks HTTP until the connection ends, or becomes something else.
async fn talk(connection: Rc<Connection>, stream: Stream) {
    let worker = connection.worker.clone();
    let live = worker.live.load_full();
    let limits = &live.snapshot.limits.clone();
    let age = worker.upstream.timers.after(spread(live.snapshot.timeouts.connection_age, &worker));
    drop(live);
    let timers = &worker.upstream.timers;
    if matches!(&stream, Stream::Tls(stream) if stream.is_http2()) {
        if let Some(stream) = Box::pin(http::http2::serve(&connection, stream, &age, limits)).await {
            linger(stream, timers, connection.write_limit(), connection.listens_for(true)).await;
        }
        return;
    }
    // The two refer to each other until the switch is taken out, however this ends.
    let untangle = Untangle(&connection);
    let served = Box::pin(http::http1::serve(&connection, stream, &age, limits)).await;
    drop(age);
    let Some(served) = served else { return };
    match (served.end, untangle.0.take_tunnel()) {
        (End::Switched, Some(tunnel)) => Box::pin(carry(&connection, served.stream, served.read, tunnel)).await,
        (End::Aborted, _) => served.stream.wire().abort(),
        (End::Closed | End::Switched, _) => {
            linger(served.stream, timers, connection.write_limit(), connection.listens_for(false)).await;
        }
    }
}

struct Untangle<'c>(&'c Connection);

impl Drop for Untangle<'_> {
    fn drop(&mut self) {
        drop(self.0.take_tunnel());
    }
}

/// Less by up to a tenth, so that connections that began together do not end together.
fn spread(age: Duration, worker: &Worker) -> Duration {
    if age == Duration::MAX {
        return age;
    }
    let tenth = usize::try_from(age.as_millis() / 10).unwrap_or(usize::MAX);
    age.saturating_sub(Duration::from_millis(worker.random.below(tenth.max(1)) as u64))
}

/// Carries another protocol.
async fn carry(connection: &Connection, stream: Stream, read: Bytes, tunnel: (Switched, Box<Record>)) {
    let (switched, mut record) = tunnel;
    let worker = &connection.worker;
    let idle = worker.live.load().snapshot.timeouts.tunnel_idle;
    connection.phase.tunnel();
    worker.metrics.tunnel_opened();
    let (backend, unread, _open) = switched.backend.into_parts();
    let ended = tunnel::run((stream, read), (backend, unread), (&switched.guard, switched.limit.as_deref()), idle, &worker.upstream.timers).await;
    worker.metrics.tunnel_closed();
    drop(switched.guard);
    record.notes.bytes_in = ended.bytes_in;
    record.notes.bytes_out = ended.bytes_out;
    if ended.limited {
        record.notes.failed(ErrorKind::RequestTimedOut);
        tell_of_limit(worker, &record);
    }
    if let Some(error) = ended.error {
        tracing::debug!(client = %connection.client, %error, "a tunnel ended early");
    }
}

/// Once a route: a WebSocket that ends after half a minute surprises everybody who has not met it.
fn tell_of_limit(worker: &Worker, record: &Record) {
    if let Some((route, label)) = &record.notes.route
        && worker.told_routes.is_first(*label)
    {
        let help = "a longer one is `timeoutSec: 3600` in the `spec` of the Service's BackendConfig";
        tracing::warn!(route = %route.name, help, "an upgraded connection was ended by the time limit for requests, as the cloud does");
    }
}

impl LiveSocket {
    /// Whether everything that comes here is closed without a word.
    fn is_closed(&self) -> bool {
        let closes = |listener: &Arc<LiveListener>| listener.model.protocol == Protocol::Http { plain: Some(PlainHttp::Close) };
        self.https.is_none() && self.http.as_ref().is_some_and(closes)
    }
}
