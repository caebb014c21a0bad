//! Handing an answer over to h2, piece by piece, as its client gives room for it. h2 bounds what it holds for a stream by
//! bytes and by nothing else, and has a frame for each piece: a backend that sends a byte at a time would make it hold
//! some hundred times as much. So small pieces wait for one another while an earlier one has not left.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::{Buf, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, Version};

use crate::proxy::body::Frame;
use crate::proxy::error::{ErrorKind, ProxyError, Side};
use crate::proxy::http::Connection;
use crate::proxy::http::record::RecordedBody;
use crate::proxy::timer::Timer;

/// A piece below this size waits for others while an earlier one is on its way.
const SMALL: usize = 4 * 1024;
/// So much of them leaves at once: a frame.
const MOST_GATHERED: usize = 16 * 1024;

/// A piece of an answer, which is known to be on its way until it is dropped.
pub struct Piece {
    data: Bytes,
    queue: Option<Rc<Queue>>,
}

/// The pieces of one answer that h2 has.
#[derive(Default)]
struct Queue {
    pieces: Cell<usize>,
    /// Waits until there are none.
    waker: Cell<Option<Waker>>,
}

impl Piece {
    /// One that nobody counts.
    fn last(data: Bytes) -> Self {
        Self { data, queue: None }
    }

    fn counted(data: Bytes, queue: &Rc<Queue>) -> Self {
        queue.pieces.set(queue.pieces.get() + 1);
        Self { data, queue: Some(queue.clone()) }
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let Some(queue) = &self.queue else { return };
        queue.pieces.set(queue.pieces.get().saturating_sub(1));
        if queue.pieces.get() == 0
            && let Some(waker) = queue.waker.take()
        {
            waker.wake();
        }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.data.advance(count);
    }
}

impl Queue {
    fn poll_empty(&self, cx: &Context<'_>) -> Poll<()> {
        if self.pieces.get() == 0 {
            return Poll::Ready(());
        }
        self.waker.set(Some(cx.waker().clone()));
        Poll::Pending
    }
}

/// Sends an answer to the end, whatever that is.
pub async fn send(connection: &Connection, response: Response<RecordedBody>, mut respond: SendResponse<Piece>) {
    let (mut head, mut body) = response.into_parts();
    head.version = Version::HTTP_2;
    strip(&mut head.headers);
    date(&mut head.headers);
    let Ok(stream) = respond.send_response(Response::from_parts(head, ()), body.is_end()) else {
        body.fail(ErrorKind::ClientLeft);
        return;
    };
    if body.is_end() {
        return body.finish();
    }
    let (timer, stall) = (connection.worker.upstream.timers.timer(), connection.write_limit());
    let mut sending = Sending { stream, gathered: BytesMut::new(), queue: Rc::default(), timer, stall };
    match sending.run(&mut body).await {
        Ok(()) => body.finish(),
        Err(kind) => {
            body.fail(kind);
            if kind.side() != Side::Client {
                sending.leave(&mut body).await;
            }
            let reason = if kind.side() == Side::Client { Reason::CANCEL } else { Reason::INTERNAL_ERROR };
            sending.stream.send_reset(reason);
        }
    }
}

/// An answer's body on its way.
struct Sending {
    stream: SendStream<Piece>,
    /// Small pieces that will leave as one.
    gathered: BytesMut,
    queue: Rc<Queue>,
    timer: Timer,
    /// `timeouts.responseWrite`, which the client has for each step.
    stall: Duration,
}

/// What there is to do next.
enum Next {
    Frame(Option<Result<Frame, ProxyError>>),
    /// What was sent has left, and what was gathered meanwhile may follow.
    Flush,
    Left,
}

impl Sending {
    async fn run(&mut self, body: &mut RecordedBody) -> Result<(), ErrorKind> {
        loop {
            match poll_fn(|cx| self.poll_next(cx, body)).await {
                Next::Frame(Some(Ok(Frame::Data(data)))) => {
                    let end = body.is_end();
                    self.take(data, end, body).await?;
                    if end {
                        return Ok(());
                    }
                }
                Next::Frame(Some(Ok(Frame::Trailers(trailers)))) => {
                    self.flush(body).await?;
                    return self.stream.send_trailers(trailers).map_err(|_| ErrorKind::ClientLeft);
                }
                Next::Frame(Some(Err(error))) => return Err(error.kind),
                Next::Frame(None) => return self.send_gathered(true, body).await,
                Next::Flush => self.flush(body).await?,
                Next::Left => return Err(ErrorKind::ClientLeft),
            }
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, body: &mut RecordedBody) -> Poll<Next> {
        if let Poll::Ready(frame) = body.poll_next(cx) {
            return Poll::Ready(Next::Frame(frame));
        }
        if self.stream.poll_reset(cx).is_ready() {
            return Poll::Ready(Next::Left);
        }
        if self.gathered.is_empty() { Poll::Pending } else { self.queue.poll_empty(cx).map(|()| Next::Flush) }
    }

    /// The answer is cut. What there is of it leaves before the client is told: with a reset h2 drops what it still has,
    /// the head perhaps, and a client that gets nothing sends its request again.
    async fn leave(&mut self, body: &mut RecordedBody) {
        if self.flush(body).await.is_err() {
            return;
        }
        // The connection's task has its turn.
        tokio::task::yield_now().await;
        self.timer.set(self.stall);
        poll_fn(
            |cx| if self.stream.poll_reset(cx).is_ready() || self.timer.poll(cx).is_ready() { Poll::Ready(()) } else { self.queue.poll_empty(cx) },
        )
        .await;
    }

    /// Sends a piece, or keeps it for the next.
    async fn take(&mut self, data: Bytes, end: bool, body: &mut RecordedBody) -> Result<(), ErrorKind> {
        let fits = data.len() < SMALL && self.gathered.len() + data.len() <= MOST_GATHERED;
        if fits && (self.queue.pieces.get() > 0 || !self.gathered.is_empty()) {
            self.gathered.extend_from_slice(&data);
            return if end { self.send_gathered(true, body).await } else { Ok(()) };
        }
        self.flush(body).await?;
        self.send_data(data, end, body).await
    }

    async fn flush(&mut self, body: &mut RecordedBody) -> Result<(), ErrorKind> {
        if self.gathered.is_empty() { Ok(()) } else { self.send_gathered(false, body).await }
    }

    async fn send_gathered(&mut self, end: bool, body: &mut RecordedBody) -> Result<(), ErrorKind> {
        let gathered = self.gathered.split().freeze();
        self.send_data(gathered, end, body).await
    }

    /// Hands a piece over as the client gives room for it; it has `timeouts.responseWrite` for each step.
    async fn send_data(&mut self, mut data: Bytes, end: bool, body: &mut RecordedBody) -> Result<(), ErrorKind> {
        loop {
            self.stream.reserve_capacity(data.len());
            if self.stream.capacity() >= data.len() {
                return self.hand_over(data, end);
            }
            self.timer.set(self.stall);
            let room = poll_fn(|cx| self.poll_room(cx, body)).await?;
            self.timer.clear();
            let piece = data.split_to(room.min(data.len()));
            let last = data.is_empty();
            self.hand_over(piece, end && last)?;
            if last {
                return Ok(());
            }
        }
    }

    fn hand_over(&mut self, data: Bytes, end: bool) -> Result<(), ErrorKind> {
        let piece = if end { Piece::last(data) } else { Piece::counted(data, &self.queue) };
        self.stream.send_data(piece, end).map_err(|_| ErrorKind::ClientLeft)
    }

    fn poll_room(&mut self, cx: &mut Context<'_>, body: &mut RecordedBody) -> Poll<Result<usize, ErrorKind>> {
        match self.stream.poll_capacity(cx) {
            Poll::Ready(Some(Ok(room))) => return Poll::Ready(Ok(room)),
            Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Err(ErrorKind::ClientLeft)),
            Poll::Pending => {}
        }
        if self.stream.poll_reset(cx).is_ready() || self.timer.poll(cx).is_ready() {
            return Poll::Ready(Err(ErrorKind::ClientLeft));
        }
        body.poll_end(cx).map(|error| Err(error.kind))
    }
}

/// Whoever passes on an answer without a date adds it (RFC 9110 section 6.6.1). hyper does so by itself.
fn date(headers: &mut HeaderMap) {
    if !headers.contains_key(header::DATE)
        && let Ok(now) = HeaderValue::from_str(&httpdate::fmt_http_date(SystemTime::now()))
    {
        headers.insert(header::DATE, now);
    }
}

/// Fields that HTTP/2 does not have (RFC 9113 section 8.2.2); our own answers are written for either version.
fn strip(headers: &mut HeaderMap) {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, KEEP_ALIVE] {
        headers.remove(name);
    }
}
