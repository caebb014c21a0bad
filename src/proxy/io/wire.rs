//! The socket under TLS: bytes that were looked at are read again from here, and a client that takes nothing of what is
//! written to it has a time limit.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::proxy::timer::{Timer, Timers};

/// A client's socket.
pub struct Wire {
    stream: TcpStream,
    /// Bytes to be read before those of the socket.
    replay: Bytes,
    stall: Timer,
    /// `timeouts.responseWrite`.
    limit: Duration,
}

impl Wire {
    /// A socket of which `replay` has been read already.
    pub fn new(stream: TcpStream, replay: Bytes, timers: &Timers, limit: Duration) -> Self {
        Self { stream, replay, stall: timers.timer(), limit }
    }

    /// The socket itself, for what is not a byte of the stream.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Makes the end of this connection a reset, so that the client does not take what it has for the whole answer.
    pub fn abort(&self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)); // A socket that is gone needs no reset.
    }

    fn check(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stall.clear();
            return written;
        }
        if !self.stall.is_set() {
            self.stall.set(self.limit);
        }
        self.stall.poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of what is written to it")))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.replay.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let length = this.replay.len().min(buf.remaining());
        buf.put_slice(&this.replay[..length]);
        this.replay.advance(length);
        if this.replay.is_empty() {
            this.replay = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.check(cx, written)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.check(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
