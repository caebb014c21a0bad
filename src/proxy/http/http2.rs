//! HTTP/2 towards clients: the h2 crate with our own bodies, phase and time limits around it. One task owns the
//! connection, accepts its streams and sends what all of them have written; each stream has a task of its own. How that
//! hands an answer over is in `send`.

mod send;

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream};
use http::header;
use http::{HeaderMap, Request, Response};

use self::send::{Piece, send};
use super::Connection;
use super::exchange::exchange;
use super::request::is_100_continue;

use crate::drain::Stage;
use crate::model::{Behaviour, Limits};
use crate::proxy::body::RequestBody;
use crate::proxy::io::interim::Interims;
use crate::proxy::io::phase::State;
use crate::proxy::io::plain::{Gathered, Stream};
use crate::proxy::timer::Timer;
use crate::telemetry::ConnectionEvent;

/// A stream's window. With the connection's below it bounds what one client can make us hold for backends that are slow
/// to take it.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What a stream may hold of an answer that its client is slow to take.
const SEND_BUFFER: usize = 64 * 1024;
/// Frames of this size: one fills a TLS record.
const MAX_FRAME: u32 = 16 * 1024;

type Serving = server::Connection<Gathered, Piece>;

/// Serves streams until the connection ends, and returns what is left of it. `age` is the time after which it is asked to.
pub async fn serve(connection: &Rc<Connection>, stream: Stream, age: &Timer, limits: &Limits) -> Option<Stream> {
    let io = Gathered::new(stream, head_limit(connection, limits));
    let ended = serve_on(connection, &io, age, limits).await;
    if let Err(broken) = ended {
        let event = broken.event();
        connection.worker.metrics.connection_event(event);
        tracing::debug!(client = %connection.client, listener = connection.listener.model.name, %broken, "a connection ended early");
        if event == ConnectionEvent::WriteStalled {
            io.abort();
        }
    }
    io.into_stream()
}

async fn serve_on(connection: &Rc<Connection>, io: &Gathered, age: &Timer, limits: &Limits) -> Result<(), Broken> {
    let mut serving = handshake(connection, io, limits).await?;
    connection.phase.idle();
    run(connection, &mut serving, io, age).await
}

/// Why a connection ended early.
enum Broken {
    /// It has said nothing since its handshake.
    Silent,
    /// The rest of a header block has not come in time.
    Head,
    Io(io::Error),
    Http2(h2::Error),
}

impl Broken {
    fn event(&self) -> ConnectionEvent {
        let io = match self {
            Self::Silent => return ConnectionEvent::IdleTimedOut,
            Self::Head => return ConnectionEvent::HeadTimedOut,
            Self::Io(error) => Some(error),
            Self::Http2(error) => error.get_io(),
        };
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::TimedOut) => ConnectionEvent::WriteStalled,
            Some(_) => ConnectionEvent::Aborted,
            None => ConnectionEvent::ProtocolError,
        }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Silent => f.write_str("nothing came after the handshake"),
            Self::Head => f.write_str("the rest of a header block has not come"),
            Self::Io(error) => error.fmt(f),
            Self::Http2(error) => error.fmt(f),
        }
    }
}

async fn handshake(connection: &Connection, io: &Gathered, limits: &Limits) -> Result<Serving, Broken> {
    let mut builder = server::Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_concurrent_streams(limits.streams_per_connection)
        .max_header_list_size(u32::try_from(head_limit(connection, limits)).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER);
    let mut handshake = std::pin::pin!(builder.handshake(io.clone()));
    poll_fn(|cx| {
        let done = handshake.as_mut().poll(cx);
        let sent = io.poll_send(cx);
        match done {
            Poll::Ready(serving) => Poll::Ready(serving.map_err(Broken::Http2)),
            Poll::Pending => {
                if let Poll::Ready(Err(error)) = sent {
                    return Poll::Ready(Err(Broken::Io(error)));
                }
                connection.phase.poll_limit(cx).map(|_| Err(Broken::Silent))
            }
        }
    })
    .await
}

/// h2 answers 431 to what is larger, without asking. The cloud has another status, so there it takes twice as much, which
/// `request::check` refuses: what is larger than that gets h2's answer all the same.
fn head_limit(connection: &Connection, limits: &Limits) -> usize {
    if connection.behaviour() == Behaviour::Gke { limits.request_head.saturating_mul(2) } else { limits.request_head }
}

async fn run(connection: &Rc<Connection>, serving: &mut Serving, io: &Gathered, age: &Timer) -> Result<(), Broken> {
    let mut leaving = false;
    let mut head = HeadTime { timer: connection.worker.upstream.timers.timer(), limit: connection.phase.head_limit(), since: None };
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = poll_streams(connection, serving, cx) {
                // What is still gathered, a GOAWAY perhaps, gets its chance to leave.
                let _ = io.poll_send(cx);
                return Poll::Ready(ended.map_err(Broken::Http2));
            }
            match io.poll_send(cx) {
                Poll::Ready(Ok(())) => connection.phase.flushed(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Broken::Io(error))),
                Poll::Pending => {}
            }
            if head.poll(io.incomplete_since(), cx).is_ready() {
                serving.abrupt_shutdown(Reason::NO_ERROR);
                let _ = poll_streams(connection, serving, cx);
                let _ = io.poll_send(cx); // The word of the end has its chance to leave.
                return Poll::Ready(Err(Broken::Head));
            }
            if !leaving && (age.poll(cx).is_ready() || connection.worker.stage() >= Stage::Leaving) {
                leaving = true;
                connection.note_leaving();
                serving.graceful_shutdown();
                connection.phase.leaving(LEAVING);
                continue;
            }
            match ready!(connection.phase.poll_limit(cx)) {
                // It has been told to leave, and has had its time to do so.
                State::Idle | State::New if leaving && !serving.has_streams() => return Poll::Ready(Ok(())),
                State::Idle | State::New => {
                    connection.worker.metrics.connection_event(ConnectionEvent::IdleTimedOut);
                    leaving = true;
                    serving.graceful_shutdown();
                    connection.phase.leaving(LEAVING);
                }
                State::Head | State::Exchange | State::Flushing | State::Tunnel => return Poll::Pending,
            }
        }
    })
    .await
}

/// The time that a header block has from its first byte to its last. Nothing behind it is read before, whatever the streams
/// before it do.
struct HeadTime {
    timer: Timer,
    limit: Duration,
    since: Option<Instant>,
}

impl HeadTime {
    /// Ready when the one that has been coming since then has had its time.
    fn poll(&mut self, since: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        if self.since != since {
            self.since = since;
            self.timer.set_deadline(since.and_then(|since| since.checked_add(self.limit)));
        }
        if since.is_some() { self.timer.poll(cx) } else { Poll::Pending }
    }
}

/// How long a client without a request has to acknowledge that it is asked to leave.
const LEAVING: Duration = Duration::from_secs(1);

/// Accepts streams until there are none to accept.
fn poll_streams(connection: &Rc<Connection>, serving: &mut Serving, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
    while let Some(accepted) = ready!(serving.poll_accept(cx)) {
        let (request, respond) = accepted?;
        let connection = connection.clone();
        let worker = connection.worker.clone();
        worker.spawn(async move { answer(&connection, request, respond).await });
    }
    Poll::Ready(Ok(()))
}

/// Answers one stream.
async fn answer(connection: &Rc<Connection>, request: Request<RecvStream>, mut respond: SendResponse<Piece>) {
    let (head, body) = request.into_parts();
    // hyper looks after this by itself.
    let awaited = head.headers.get(header::EXPECT).is_some_and(is_100_continue).then(Rc::default);
    let body = RequestBody::http2(body, announced(&head.headers), awaited.clone(), &connection.body_rules());
    let interims = Interims::default();
    let mut exchange = std::pin::pin!(exchange(connection, head, body, &interims));
    let answered = poll_fn(|cx| {
        let answered = exchange.as_mut().poll(cx);
        if answered.is_pending() && awaited.as_ref().is_some_and(|awaited: &Rc<Cell<bool>>| awaited.take()) {
            interims.put(continue_100());
        }
        let reset = respond.poll_reset(cx);
        // h2 would send them on a stream that is no more.
        while reset.is_pending()
            && let Some(interim) = interims.take()
        {
            let _ = respond.send_informational(interim); // It fails for fields that HTTP/2 does not have, and they have none.
        }
        match answered {
            Poll::Ready(answered) => Poll::Ready(Some(answered)),
            // A client that resets its stream frees its backend at once.
            Poll::Pending => reset.map(|_| None),
        }
    })
    .await;
    match answered {
        Some(Ok(response)) => send(connection, response, respond).await,
        Some(Err(_)) => respond.send_reset(Reason::REFUSED_STREAM),
        None => {}
    }
}

/// The length that a head gives its body. One that is no number is refused in `request::check`.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok())
}

fn continue_100() -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = http::StatusCode::CONTINUE;
    response
}
