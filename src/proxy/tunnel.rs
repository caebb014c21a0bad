//! Bytes both ways once a connection carries another protocol, until both sides are done, or neither has said anything
//! for too long. Nothing is kept but what the other side has not taken yet.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use super::backend::InFlight;
use super::timer::{Timer, Timers};
use super::upstream::LEFT;

/// How a tunnel ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
    /// Nothing was said for too long, or a side failed.
    pub error: Option<io::Error>,
    /// It was open for as long as it may be.
    pub limited: bool,
}

/// Read at a time, and so kept at most.
const PIECE: usize = 16 * 1024;

/// One direction.
struct Direction {
    rest: BytesMut,
    bytes: u64,
    state: DirectionState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum DirectionState {
    Open,
    /// The source is at its end; the other side is still to be told.
    Ended,
    Closed,
}

/// Carries bytes between a client and a backend. Each may already have sent a first piece.
///
/// `ends` says when it ends at the latest, whatever is said: its endpoint has left, or its time is over.
pub async fn run<C, B>(client: (C, Bytes), backend: (B, Bytes), ends: (&InFlight, Option<&Timer>), idle: Duration, timers: &Timers) -> Ended
where
    C: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (guard, limit) = ends;
    let (mut client, first_in) = client;
    let (mut backend, first_out) = backend;
    let mut inward = Direction::new(&first_in);
    let mut outward = Direction::new(&first_out);
    let timer = timers.after(idle);
    let mut limited = false;
    let mut seen = 0;
    let result = poll_fn(|cx| {
        if guard.poll_cut(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, LEFT)));
        }
        let in_done = inward.poll(cx, &mut client, &mut backend)?;
        let out_done = outward.poll(cx, &mut backend, &mut client)?;
        if in_done.is_ready() && out_done.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if seen != inward.bytes + outward.bytes {
            seen = inward.bytes + outward.bytes;
            timer.set(idle);
        }
        if limit.is_some_and(|limit| limit.poll(cx).is_ready()) {
            limited = true;
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the route's time limit has passed")));
        }
        timer.poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "nothing was said for too long")))
    })
    .await;
    Ended { bytes_in: inward.bytes, bytes_out: outward.bytes, error: result.err(), limited }
}

impl Direction {
    fn new(first: &[u8]) -> Self {
        Self { rest: BytesMut::from(first), bytes: 0, state: DirectionState::Open }
    }

    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while !self.rest.is_empty() {
                let written = std::task::ready!(Pin::new(&mut *to).poll_write(cx, &self.rest))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.rest.advance(written);
                self.bytes += written as u64;
            }
            match self.state {
                DirectionState::Closed => return Poll::Ready(Ok(())),
                DirectionState::Ended => {
                    std::task::ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = DirectionState::Closed;
                }
                DirectionState::Open => {
                    // An idle tunnel keeps no buffer.
                    self.rest = BytesMut::with_capacity(PIECE);
                    match poll_read_buf(Pin::new(&mut *from), cx, &mut self.rest) {
                        Poll::Ready(Ok(0)) => self.state = DirectionState::Ended,
                        Poll::Ready(Ok(_)) => {}
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => {
                            self.rest = BytesMut::new();
                            let _ = Pin::new(&mut *to).poll_flush(cx)?; // Pending: it is woken when there is room.
                            return Poll::Pending;
                        }
                    }
                }
            }
        }
    }
}
