//! Bodies between codec and exchange. The exchange sees these and never hyper's or h2's: whoever speaks to the client,
//! a request body comes in pieces with its time limit and its bound applied, and a response body is asked for pieces.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http::HeaderMap;
use http_body::Body as _;
use hyper::body::Incoming;

use super::error::{ErrorKind, MALFORMED_BODY, ProxyError};
use super::timer::{Timer, Timers};
use super::upstream::BackendBody;

/// A piece of a body.
#[derive(Debug)]
pub enum Frame {
    /// Content.
    Data(Bytes),
    /// Fields after the content; the last piece.
    Trailers(HeaderMap),
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// There is none.
    Empty,
    /// As announced.
    Exact(u64),
    /// It ends when it ends.
    Unknown,
}

/// What a client sends after its head.
pub struct RequestBody {
    source: Source,
    length: Length,
    received: u64,
    /// More than this is refused.
    limit: u64,
    /// Between two pieces.
    period: Duration,
    timer: Option<Timer>,
    timers: Timers,
    replay: Replay,
}

/// Pieces that were handed out and can be handed out again, while they are few.
#[derive(Default)]
struct Replay {
    kept: Vec<Bytes>,
    bytes: usize,
    /// More has been handed out than is kept, or nobody will ask again.
    given_up: bool,
    /// The next of `kept` to hand out again.
    next: usize,
}

/// What is kept of a body for sending it a second time.
const MAX_KEPT: usize = 64 * 1024;
/// In so many pieces at most: each takes more than its bytes.
const MAX_KEPT_PIECES: usize = 256;
/// Pieces below this size do not keep the buffer that they were read into, which is some times as large.
const SMALL: usize = 4 * 1024;

enum Source {
    Empty,
    Http1(Incoming),
    Http2(Http2Body),
}

/// h2's receiving half, with its two kinds of pieces in one.
struct Http2Body {
    stream: RecvStream,
    data_ended: bool,
    /// Told once that nothing has come of what is waited for.
    awaited: Option<Rc<Cell<bool>>>,
}

impl RequestBody {
    /// What hyper has read of an HTTP/1 request.
    pub fn http1(body: Incoming, rules: &BodyRules<'_>) -> Self {
        let length = match body.size_hint().exact() {
            _ if body.is_end_stream() => Length::Empty,
            Some(0) => Length::Empty,
            Some(length) => Length::Exact(length),
            None => Length::Unknown,
        };
        let source = if length == Length::Empty { Source::Empty } else { Source::Http1(body) };
        Self::new(source, length, rules)
    }

    /// What h2 receives of a stream; `announced` is its `content-length`. `awaited` becomes true when the first piece has
    /// not come by the time that it is asked for.
    pub fn http2(stream: RecvStream, announced: Option<u64>, awaited: Option<Rc<Cell<bool>>>, rules: &BodyRules<'_>) -> Self {
        if stream.is_end_stream() {
            return Self::new(Source::Empty, Length::Empty, rules);
        }
        let length = announced.map_or(Length::Unknown, Length::Exact);
        Self::new(Source::Http2(Http2Body { stream, data_ended: false, awaited }), length, rules)
    }

    fn new(source: Source, length: Length, rules: &BodyRules<'_>) -> Self {
        let BodyRules { limit, period, timers } = rules;
        Self { source, length, received: 0, limit: *limit, period: *period, timer: None, timers: (*timers).clone(), replay: Replay::default() }
    }

    /// As the head announced it.
    pub fn length(&self) -> Length {
        self.length
    }

    /// Bytes that have come so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether the announced length alone is more than may come.
    pub fn is_too_large(&self) -> bool {
        matches!(self.length, Length::Exact(length) if length > self.limit)
    }

    /// The next piece. The client has `timeouts.requestBody` for each, counted from the moment that it is waited for,
    /// so that a slow backend is not held against the client.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, ProxyError>>> {
        if let Some(data) = self.replay.again() {
            return Poll::Ready(Some(Ok(Frame::Data(data))));
        }
        match self.source.poll_frame(cx) {
            Poll::Ready(Some(Ok(Frame::Data(data)))) => {
                self.replay.keep(&data);
                self.timer = None;
                self.received += data.len() as u64;
                if self.received > self.limit {
                    return Poll::Ready(Some(Err(ErrorKind::RequestBodyTooLarge.into())));
                }
                Poll::Ready(Some(Ok(Frame::Data(data))))
            }
            Poll::Ready(end) => {
                self.timer = None;
                if matches!(end, Some(Ok(Frame::Trailers(_)))) {
                    // They are not kept.
                    self.replay.give_up();
                }
                Poll::Ready(end)
            }
            Poll::Pending => {
                let timer = self.timer.get_or_insert_with(|| self.timers.after(self.period));
                ready!(timer.poll(cx));
                Poll::Ready(Some(Err(ErrorKind::RequestBodyTimedOut.into())))
            }
        }
    }
}

impl RequestBody {
    /// Begins again with the first piece, for another try. `false`: too much has gone by.
    pub fn rewind(&mut self) -> bool {
        self.replay.next = 0;
        !self.replay.given_up
    }

    /// There will be no other try: pieces need not be kept.
    pub fn settle(&mut self) {
        self.replay.give_up();
    }
}

impl Replay {
    fn keep(&mut self, data: &Bytes) {
        if self.given_up {
            return;
        }
        self.bytes += data.len();
        if self.bytes > MAX_KEPT || self.kept.len() == MAX_KEPT_PIECES {
            self.give_up();
        } else {
            // A small piece of a large buffer would keep all of that.
            self.kept.push(if data.len() < SMALL { Bytes::copy_from_slice(data) } else { data.clone() });
            self.next = self.kept.len();
        }
    }

    fn give_up(&mut self) {
        // What is being handed out again is still needed.
        self.given_up = true;
        if self.next >= self.kept.len() {
            self.kept = Vec::new();
            self.next = 0;
        }
    }

    fn again(&mut self) -> Option<Bytes> {
        let data = self.kept.get(self.next)?.clone();
        self.next += 1;
        Some(data)
    }
}

/// What holds for request bodies.
pub struct BodyRules<'a> {
    /// `limits.requestBody`; [`u64::MAX`] for none.
    pub limit: u64,
    /// `timeouts.requestBody`.
    pub period: Duration,
    /// Where its time limit runs.
    pub timers: &'a Timers,
}

impl Source {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, ProxyError>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Http1(body) => match ready!(Pin::new(body).poll_frame(cx)) {
                None => Poll::Ready(None),
                Some(Err(error)) => Poll::Ready(Some(Err(hyper_error(error)))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(Frame::Data(data)))),
                    Err(frame) => Poll::Ready(frame.into_trailers().ok().map(|trailers| Ok(Frame::Trailers(trailers)))),
                },
            },
            Self::Http2(body) => body.poll_frame(cx),
        }
    }
}

impl Http2Body {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, ProxyError>>> {
        if !self.data_ended {
            let Poll::Ready(data) = self.stream.poll_data(cx) else {
                if let Some(awaited) = self.awaited.take() {
                    awaited.set(true);
                }
                return Poll::Pending;
            };
            match data {
                Some(Ok(data)) => {
                    // What is taken now is written to the backend before the next piece is asked for, so this is the
                    // moment from which the client may send as much again.
                    let _ = self.stream.flow_control().release_capacity(data.len()); // Fails only for a closed stream.
                    return Poll::Ready(Some(Ok(Frame::Data(data))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(h2_error(error)))),
                None => self.data_ended = true,
            }
        }
        match ready!(self.stream.poll_trailers(cx)) {
            Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::Trailers(trailers)))),
            Err(error) => Poll::Ready(Some(Err(h2_error(error)))),
        }
    }
}

fn hyper_error(error: hyper::Error) -> ProxyError {
    let malformed = error.is_parse()
        || std::error::Error::source(&error).is_some_and(|source| {
            source
                .downcast_ref::<std::io::Error>()
                .is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidInput || io.kind() == std::io::ErrorKind::InvalidData)
        });
    let kind = if malformed { ErrorKind::BadRequest(MALFORMED_BODY) } else { ErrorKind::ClientLeft };
    ProxyError::new(kind, error)
}

fn h2_error(error: h2::Error) -> ProxyError {
    let kind = match error.reason() {
        Some(h2::Reason::PROTOCOL_ERROR) if !error.is_remote() => ErrorKind::BadRequest("its body is not as long as announced"),
        _ => ErrorKind::ClientLeft,
    };
    ProxyError::new(kind, error)
}

/// What a client gets after a response head.
pub enum ResponseBody {
    /// Nothing.
    Empty,
    /// A text of ours.
    Text(Bytes),
    /// What a backend sends.
    Backend(Box<BackendBody>),
}

impl ResponseBody {
    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, ProxyError>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Text(text) => {
                let text = std::mem::take(text);
                *self = Self::Empty;
                Poll::Ready((!text.is_empty()).then_some(Ok(Frame::Data(text))))
            }
            Self::Backend(body) => body.poll_frame(cx),
        }
    }

    /// Ready when no more of it will come, though there was more to come; why. For whoever waits for its reader.
    pub fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<ProxyError> {
        if let Self::Backend(body) = self { body.poll_end(cx) } else { Poll::Pending }
    }

    /// How much is still to come.
    pub fn length(&self) -> Length {
        match self {
            Self::Empty => Length::Empty,
            Self::Text(text) => Length::Exact(text.len() as u64),
            Self::Backend(body) => body.length(),
        }
    }

    /// Whether nothing more comes, which saves a frame of its own for the end.
    pub fn is_end(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Text(text) => text.is_empty(),
            Self::Backend(body) => body.is_end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many pieces of this size come again after so many were handed out.
    fn again(size: usize, pieces: usize) -> usize {
        let mut replay = Replay::default();
        (0..pieces).for_each(|_| replay.keep(&Bytes::from(vec![0; size])));
        replay.next = 0;
        std::iter::from_fn(|| replay.again()).count()
    }

    #[test]
    fn what_is_kept_for_another_try_is_bounded_in_bytes_and_in_pieces() {
        assert_eq!([again(1024, 64), again(1024, 65)], [64, 0]);
        assert_eq!([again(1, 256), again(1, 257)], [256, 0]);
    }

    #[test]
    fn a_small_piece_does_not_keep_the_buffer_that_it_came_in() {
        let (small, large) = (Bytes::from(vec![0; 16 * 1024]), Bytes::from(vec![0; 16 * 1024]));
        let mut replay = Replay::default();
        replay.keep(&small.slice(..1));
        replay.keep(&large);
        assert!(small.is_unique() && !large.is_unique());
    }
}
