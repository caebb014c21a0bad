//! The socket under TLS: bytes that were looked at are read again from here, and a client that takes nothing of what is
//! written to it has a time limit. Until a handshake has ended, not much may come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
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
    /// So much more may come before the handshake ends; `None`: it has, or there is none.
    handshake: Option<usize>,
}

/// Of a handshake's bytes. A hello with everything that clients offer has 2 to 4 KiB; they have no certificates to show.
const MAX_HANDSHAKE: usize = 64 * 1024;

impl Wire {
    /// A socket of which `replay` has been read already.
    pub fn new(stream: TcpStream, replay: Bytes, timers: &Timers, limit: Duration) -> Self {
        Self { stream, replay, stall: timers.timer(), limit, handshake: None }
    }

    /// From here on until [its end](Self::end_handshake) a client may send only as much as handshakes have.
    pub fn begin_handshake(&mut self) {
        self.handshake = Some(MAX_HANDSHAKE);
    }

    /// From here on it may send whatever it likes.
    pub fn end_handshake(&mut self) {
        self.handshake = None;
    }

    /// The socket itself, for what is not a byte of the stream.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Makes the end of this connection a reset, so that the client does not take what it has for the whole answer.
    pub fn abort(&self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)); // A socket that is gone needs no reset.
    }

    fn read_some(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.replay.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.replay.len().min(buf.remaining());
        buf.put_slice(&self.replay[..length]);
        self.replay.advance(length);
        if self.replay.is_empty() {
            self.replay = Bytes::new();
        }
        Poll::Ready(Ok(()))
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
        let before = buf.filled().len();
        ready!(this.read_some(cx, buf))?;
        if let Some(left) = this.handshake {
            let left = left.checked_sub(buf.filled().len() - before);
            this.handshake = Some(left.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is longer than handshakes are"))?);
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
