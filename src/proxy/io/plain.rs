//! Between TLS and HTTP. Either codec reads only what `intake` or `frames` has looked at. Under HTTP/1's it tells the phase
//! what comes and goes; under HTTP/2's it gathers writes: h2 asks for a flush after every frame, so many streams that are
//! ready together would each cost a TLS record and a call to the kernel. There the flush is the business of the task that
//! owns the connection, after its poll.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::Frames;
use super::head::HeadLimits;
use super::intake::{Intake, Next};
use super::interim::{self, Interims};
use super::phase::Phase;
use super::wire::Wire;
use crate::proxy::error::ErrorKind;
use crate::proxy::tls::stream::TlsStream;

/// A client's connection with or without TLS.
pub enum Stream {
    /// Plain HTTP.
    Plain(Wire),
    /// HTTPS.
    Tls(Box<TlsStream>),
}

impl Stream {
    /// The socket under it.
    pub fn wire(&self) -> &Wire {
        match self {
            Self::Plain(wire) => wire,
            Self::Tls(stream) => stream.wire(),
        }
    }
}

/// What the HTTP/1 codec reads and writes. If it is dropped in the middle of an answer, the connection ends with a reset:
/// what the client has is not the whole.
pub struct Observed {
    /// `None` once it has been taken out.
    stream: Option<Stream>,
    phase: Rc<Phase>,
    intake: Intake,
    interims: Rc<Interims>,
    /// Of these, what is being written.
    interim: BytesMut,
    /// The exchange in which the codec had nothing more to write when it last asked for a flush: what it writes next is of
    /// that exchange. 0: it has written since.
    quiet_in: u64,
    /// The last write found no room.
    blocked: bool,
    /// Something that the codec said by itself was kept back.
    withheld: bool,
}

/// What is left when the codec is done.
pub struct Left {
    /// The stream.
    pub stream: Stream,
    /// What came and the codec was not given.
    pub rest: Bytes,
    /// Why the codec got nothing more to read.
    pub refused: Option<ErrorKind>,
    /// The codec's own answer to a head was kept back.
    pub withheld: bool,
}

impl Observed {
    /// A stream whose phase follows what happens on it.
    /// What is put into `interims` leaves before the codec's answer.
    pub fn new(stream: Stream, phase: Rc<Phase>, limits: HeadLimits, interims: Rc<Interims>) -> Self {
        let intake = Intake::new(limits);
        Self { stream: Some(stream), phase, intake, interims, interim: BytesMut::new(), quiet_in: 0, blocked: false, withheld: false }
    }

    /// What the codec itself says to a head that it refuses is kept back: whoever serves it has an answer of ours. No
    /// exchange has begun, so it can be nothing else.
    fn withholds(&mut self) -> bool {
        let withholds = self.phase.is_reading_head();
        self.withheld |= withholds;
        withholds
    }

    /// The stream, when the codec is done with it; `None` if that had more to write.
    pub fn into_left(mut self) -> Option<Left> {
        let stream = self.stream.take_if(|_| !self.blocked)?;
        Some(Left { stream, refused: self.intake.refused(), rest: self.intake.take_rest(), withheld: self.withheld })
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Stream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Whether anything is to be written before what the codec writes: seldom.
    fn has_interims(&self) -> bool {
        !self.interims.is_empty() || !self.interim.is_empty()
    }

    /// Writes what there is of interim answers, if the codec's next bytes are the answer that they belong to. They might be
    /// the end of an earlier one, in whose middle nothing else may stand; then it is too late for them.
    fn poll_interims(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.quiet_in != self.phase.exchanges().0 {
            self.interims.clear();
        }
        while let Some(head) = self.interims.take() {
            interim::write(&head, &mut self.interim);
        }
        while !self.interim.is_empty() {
            let stream = self.stream.as_mut().map(Pin::new).ok_or(io::ErrorKind::NotConnected)?;
            match ready!(stream.poll_write(cx, &self.interim))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.interim.advance(written),
            }
        }
        self.interim = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Writes what the codec has, behind what comes before it.
    fn poll_codec(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut Stream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let ahead = if self.has_interims() { self.poll_interims(cx)? } else { Poll::Ready(()) };
        let written = if ahead.is_ready() { write(self.stream()?, cx) } else { Poll::Pending };
        if written.is_ready() {
            self.quiet_in = 0;
        }
        self.note(written)
    }

    fn note<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.blocked = written.is_pending();
        written
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream
            && self.phase.is_answering()
        {
            stream.wire().abort();
        }
    }
}

impl AsyncRead for Observed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            match this.intake.next(&this.phase, buf)? {
                Next::Given | Next::Over => return Poll::Ready(Ok(())),
                Next::Held { room: false } => {
                    this.intake.hold(cx);
                    return Poll::Pending;
                }
                next @ (Next::Read | Next::Held { room: true }) => {
                    // The socket wakes whoever reads it; the end of an answer, for which what has come before waits, does not.
                    if next != Next::Read && this.intake.has_ahead() {
                        this.intake.hold(cx);
                    }
                    ready!(this.stream()?.poll_read(cx, buf))?;
                    if buf.filled().len() == before {
                        // A client that has asked all it will may still wait for the answers.
                        return if next == Next::Read || !this.intake.has_ahead() { Poll::Ready(Ok(())) } else { Poll::Pending };
                    }
                    this.intake.take(&this.phase, buf, before);
                    if buf.filled().len() > before {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl AsyncWrite for Observed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.withholds() {
            return Poll::Ready(Ok(buf.len()));
        }
        this.poll_codec(cx, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.withholds() {
            return Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()));
        }
        this.poll_codec(cx, |stream, cx| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.quiet_in = this.phase.exchanges().0;
        let ahead = if this.has_interims() { this.poll_interims(cx)? } else { Poll::Ready(()) };
        let flushed = if ahead.is_ready() { this.stream()?.poll_flush(cx) } else { Poll::Pending };
        if matches!(flushed, Poll::Ready(Ok(()))) {
            this.phase.flushed();
            // While an exchange is open it would be held again at once, and the codec flushes whenever it is polled.
            if !this.phase.exchanges().1 {
                this.intake.release();
            }
        }
        this.note(flushed)
    }

    /// Only flushes: how the connection ends is decided by whoever takes the stream out.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// What the HTTP/2 codec reads and writes. Clones are the same stream: the codec has one, the task that flushes another.
#[derive(Clone)]
pub struct Gathered(Rc<RefCell<Gathering>>);

struct Gathering {
    stream: Stream,
    frames: Frames,
    buffer: BytesMut,
}

/// One TLS record. More than this is passed on before more is taken, and its back-pressure with it.
const GATHER: usize = 16 * 1024;

impl Gathered {
    /// A stream whose writes wait for [`Gathered::poll_send`], and whose field sections may have so many bytes.
    pub fn new(stream: Stream, limit: usize) -> Self {
        Self(Rc::new(RefCell::new(Gathering { stream, frames: Frames::new(limit), buffer: BytesMut::new() })))
    }

    /// Sends what has been gathered.
    pub fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gathering = &mut *self.0.borrow_mut();
        ready!(gathering.poll_drain(cx))?;
        Pin::new(&mut gathering.stream).poll_flush(cx)
    }

    /// Since when a part of what the client sends has been waiting for its rest.
    pub fn incomplete_since(&self) -> Option<Instant> {
        self.0.borrow().frames.incomplete_since()
    }

    /// The stream, once the codec is gone.
    pub fn into_stream(self) -> Option<Stream> {
        Rc::into_inner(self.0).map(|gathering| gathering.into_inner().stream)
    }

    /// Makes the end of this connection a reset.
    pub fn abort(&self) {
        self.0.borrow().stream.wire().abort();
    }
}

impl Gathering {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.buffer.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.buffer))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.buffer.advance(written);
        }
        if self.buffer.capacity() > 2 * GATHER {
            self.buffer = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_gather(&mut self, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.buffer.len() >= GATHER {
            ready!(self.poll_drain(cx))?;
        }
        let mut taken = 0;
        for buf in bufs {
            let length = buf.len().min(GATHER.saturating_sub(self.buffer.len()));
            self.buffer.extend_from_slice(&buf[..length]);
            taken += length;
        }
        Poll::Ready(Ok(taken))
    }
}

impl AsyncRead for Gathered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Gathering { stream, frames, .. } = &mut *self.0.borrow_mut();
        let before = buf.filled().len();
        while !frames.give(buf) {
            ready!(Pin::new(&mut *stream).poll_read(cx, buf))?;
            if buf.filled().len() == before {
                break;
            }
            frames.take(buf, before);
            if buf.filled().len() > before {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gathered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_gather(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_gather(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Says yes at once: see above.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.0.borrow_mut().stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_flush(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(wire) => Pin::new(wire).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests;
