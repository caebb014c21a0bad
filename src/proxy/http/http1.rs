//! HTTP/1 towards clients: hyper's codec with our own bodies, phase and time limits around it.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::exchange::exchange;
use super::record::Record;
use super::{Connection, answer};
use crate::drain::Stage;
use crate::model::Limits;
use crate::proxy::body::RequestBody;
use crate::proxy::error::ErrorKind;
use crate::proxy::io::head::HeadLimits;
use crate::proxy::io::interim::Interims;
use crate::proxy::io::phase::{Owed, State};
use crate::proxy::io::plain::{Observed, Stream};
use crate::proxy::timer::Timer;
use crate::telemetry::ConnectionEvent;

/// How serving a connection ended.
pub struct Served {
    /// What is left of it, and what was read and not used.
    pub stream: Stream,
    /// Bytes after the last head.
    pub read: Bytes,
    /// Why.
    pub end: End,
}

/// Why serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As HTTP has it, or it was to be idle for too long.
    Closed,
    /// The client's doing, or a backend's: what it has of an answer is not the whole.
    Aborted,
    /// It carries another protocol now.
    Switched,
}

/// Serves requests until the connection ends. `age` is the time after which it is asked to. `None`: the client has not
/// taken all that was written, and the connection has been reset.
pub async fn serve(connection: &Rc<Connection>, stream: Stream, age: &Timer, limits: &Limits) -> Option<Served> {
    let interims = Rc::<Interims>::default();
    let service = service_fn(|request: Request<Incoming>| {
        let (connection, interims) = (connection.clone(), interims.clone());
        // Boxed, because hyper's connection is taken apart again and must not be pinned.
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = RequestBody::http1(body, &connection.body_rules());
            exchange(&connection, head, body, &interims).await
        })
    });
    let head = HeadLimits { bytes: limits.request_head, fields: limits.request_headers };
    let io = TokioIo::new(Observed::new(stream, connection.phase.clone(), head, interims.clone()));
    let mut serving = builder(limits).serve_connection(io, service);
    let (mut leaving, mut awaited, mut aged) = (false, false, false);
    let end = poll_fn(|cx| {
        loop {
            // Its shutdown is a flush: see `Observed`.
            if let Poll::Ready(result) = Pin::new(&mut serving).poll(cx) {
                return Poll::Ready(ended(connection, result));
            }
            if connection.poll_end(cx).is_ready() {
                return Poll::Ready(Over::Ended(End::Aborted));
            }
            if !aged && age.poll(cx).is_ready() {
                aged = true;
                connection.note_leaving();
                connection.phase.leaving(AGED);
            }
            if !leaving && connection.worker.stage() >= Stage::Closing {
                match connection.phase.owes() {
                    Owed::Nothing => {
                        leaving = true;
                        // An idle connection has just had its last read.
                        Pin::new(&mut serving).graceful_shutdown();
                        continue;
                    }
                    Owed::FirstRequest if !awaited => {
                        awaited = true;
                        connection.phase.leaving(FIRST_REQUEST);
                    }
                    Owed::FirstRequest | Owed::Request => {}
                }
            }
            return connection.phase.poll_limit(cx).map(|state| timed_out(connection, state));
        }
    })
    .await;
    let parts = serving.into_parts();
    let left = parts.io.into_inner().into_left()?;
    let end = match (left.refused, end) {
        (Some(kind), Over::Ended(End::Closed)) => {
            connection.worker.metrics.connection_event(ConnectionEvent::BadRequest);
            Over::Refused(kind)
        }
        (_, end) => end,
    };
    let mut stream = left.stream;
    let end = match end {
        Over::Ended(end) => end,
        Over::Refused(kind) => {
            if left.withheld || left.refused.is_some() || kind == ErrorKind::RequestBodyTimedOut {
                connection.refuse_rest();
                let _ = stream.write_all(answer::bare(kind, connection.behaviour()).as_bytes()).await; // A client that is gone needs no answer.
            }
            Record::unread(connection, kind);
            End::Closed
        }
    };
    Some(Served { stream, read: joined(parts.read_buf, left.rest), end })
}

/// What the codec had read and what it had not been given.
fn joined(read: Bytes, rest: Bytes) -> Bytes {
    if read.is_empty() { rest } else { [read, rest].concat().into() }
}

/// How long a connection that is old waits for one more request, whose answer says that it was the last. Ended at once, it
/// would lose the request that is on its way.
const AGED: Duration = Duration::from_secs(2);

/// How long a connection that was accepted just before the end may take to send its first request.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

enum Over {
    Ended(End),
    /// A head could not be read, or did not come.
    Refused(ErrorKind),
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_header_size(limits.request_head).half_close(false).header_read_timeout(None);
    // hyper has room for a hundred on the stack; setting the same moves it to the heap.
    if limits.request_headers != 100 {
        builder.max_headers(limits.request_headers);
    }
    builder
}

fn timed_out(connection: &Connection, state: State) -> Over {
    let event = match state {
        State::Head => ConnectionEvent::HeadTimedOut,
        State::New | State::Idle | State::Exchange | State::Flushing | State::Tunnel => ConnectionEvent::IdleTimedOut,
    };
    connection.worker.metrics.connection_event(event);
    if state == State::Head { Over::Refused(ErrorKind::RequestBodyTimedOut) } else { Over::Ended(End::Closed) }
}

fn ended(connection: &Connection, result: hyper::Result<()>) -> Over {
    let Err(error) = result else {
        let switched = connection.has_tunnel();
        return Over::Ended(if switched { End::Switched } else { End::Closed });
    };
    let event = if is_stall(&error) {
        ConnectionEvent::WriteStalled
    } else if error.is_parse() {
        // What looked fine, and is none to hyper: a target that is no URL.
        ConnectionEvent::BadRequest
    } else {
        ConnectionEvent::Aborted
    };
    connection.worker.metrics.connection_event(event);
    tracing::debug!(client = %connection.client, listener = connection.listener.model.name, %error, "a connection ended early");
    match (error.is_parse(), error.is_parse_too_large()) {
        (true, true) => Over::Refused(ErrorKind::RequestHeadTooLarge),
        (true, false) => Over::Refused(ErrorKind::BadRequest("its head is malformed")),
        (false, _) => Over::Ended(End::Aborted),
    }
}

fn is_stall(error: &hyper::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(source) = cause {
        if source.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut) {
            return true;
        }
        cause = source.source();
    }
    false
}
