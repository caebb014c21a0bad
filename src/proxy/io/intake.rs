//! What an HTTP/1 codec gets to read: heads that have been looked at, and the bodies that belong to them. Between two
//! requests nothing passes that has not been looked at, so the codec never sees a head that two readers could read in two
//! ways. Pure but for the phase it asks; `plain` reads and writes.

use std::io;
use std::task::{Context, Waker};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::ReadBuf;

use super::chunks::{Chunks, Malformed};
use super::head::{Framing, HeadLimits, look};
use super::phase::Phase;
use crate::proxy::error::ErrorKind;

/// What has come and may not pass yet, and what is expected next.
pub struct Intake {
    limits: HeadLimits,
    /// What has come and was not handed over.
    bytes: BytesMut,
    /// So many of these may pass.
    cleared: usize,
    /// So many of these have been looked at without an end of a head among them.
    seen: usize,
    expects: Expects,
    /// Heads that have passed.
    heads: u64,
    refused: Option<ErrorKind>,
    /// Who waits for the next request while one is being answered.
    held: Option<Waker>,
}

#[derive(Clone, Copy)]
enum Expects {
    Head,
    Body(u64),
    Chunks(Chunks),
    /// The chunks cannot be read on from here.
    Nothing(Malformed),
}

/// What the codec's wish to read leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It has been given something.
    Given,
    /// The socket is to be read, and what comes to be [taken](Intake::take).
    Read,
    /// One request at a time: it waits, while the socket is read for its end alone.
    Held {
        /// There is room to read ahead.
        room: bool,
    },
    /// There will be nothing more.
    Over,
}

/// Read ahead at most while a request is being answered.
const AHEAD: usize = 16 * 1024;

impl Intake {
    /// Expects a head.
    pub fn new(limits: HeadLimits) -> Self {
        Self { limits, bytes: BytesMut::new(), cleared: 0, seen: 0, expects: Expects::Head, heads: 0, refused: None, held: None }
    }

    /// Why there is nothing more to read.
    pub fn refused(&self) -> Option<ErrorKind> {
        self.refused
    }

    /// What came and was not handed over: it belongs to the protocol that follows.
    pub fn take_rest(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes).freeze()
    }

    /// Hands over what may pass, or says what to do.
    pub fn next(&mut self, phase: &Phase, buf: &mut ReadBuf<'_>) -> io::Result<Next> {
        if self.cleared == 0 && !self.bytes.is_empty() && !self.is_held(phase) {
            let bytes = std::mem::take(&mut self.bytes);
            phase.bytes_came();
            self.cleared = self.sift(&bytes);
            self.bytes = bytes;
        }
        if self.refused.is_some() {
            // An end in the middle of an answer would end that as well.
            return Ok(if phase.is_answering() || self.is_held(phase) { Next::Held { room: false } } else { Next::Over });
        }
        if self.cleared > 0 {
            let length = self.cleared.min(buf.remaining());
            buf.put_slice(&self.bytes[..length]);
            self.bytes.advance(length);
            self.cleared -= length;
            self.shrink();
            return Ok(Next::Given);
        }
        if let Expects::Nothing(malformed) = self.expects {
            return Err(io::Error::new(io::ErrorKind::InvalidData, malformed.0));
        }
        Ok(if self.is_held(phase) { Next::Held { room: self.bytes.len() < AHEAD } } else { Next::Read })
    }

    /// Takes what was read into `buf` behind `before`, and leaves there what may pass at once.
    pub fn take(&mut self, phase: &Phase, buf: &mut ReadBuf<'_>, before: usize) {
        phase.bytes_came();
        let came = &buf.filled()[before..];
        let pass = if self.bytes.is_empty() && !self.is_held(phase) { self.sift(came) } else { 0 };
        self.bytes.extend_from_slice(&came[pass..]);
        buf.set_filled(before + pass);
    }

    /// Whether a next request, or a part of it, has come.
    pub fn has_ahead(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Somebody waits for the end of an answer.
    pub fn hold(&mut self, cx: &Context<'_>) {
        self.held = Some(cx.waker().clone());
    }

    /// An answer has left.
    pub fn release(&mut self) {
        if let Some(held) = self.held.take() {
            held.wake();
        }
    }

    /// A head is not looked at before the exchange before it is over: it may have changed what comes here.
    fn is_held(&self, phase: &Phase) -> bool {
        let (opened, open) = phase.exchanges();
        matches!(self.expects, Expects::Head) && (open || opened < self.heads)
    }

    /// How many of these bytes may pass: to the end of a body, or of a head and the beginning of its body.
    fn sift(&mut self, bytes: &[u8]) -> usize {
        let mut pass = 0;
        if matches!(self.expects, Expects::Head) {
            match look(bytes, &mut self.seen, self.limits) {
                Ok(None) => return 0,
                Ok(Some(head)) => {
                    self.seen = 0;
                    self.heads += 1;
                    pass = head.length;
                    self.expects = match head.body {
                        Framing::Length(length) => Expects::Body(length),
                        Framing::Chunked => Expects::Chunks(Chunks::new()),
                    };
                }
                Err(kind) => {
                    self.refused = Some(kind);
                    return 0;
                }
            }
        }
        pass + self.walk(&bytes[pass..])
    }

    fn walk(&mut self, bytes: &[u8]) -> usize {
        let (pass, expects) = match self.expects {
            expects @ (Expects::Head | Expects::Nothing(_)) => (0, expects),
            Expects::Body(left) => {
                let pass = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                match left - pass as u64 {
                    0 => (pass, Expects::Head),
                    left => (pass, Expects::Body(left)),
                }
            }
            Expects::Chunks(mut chunks) => match chunks.walk(bytes) {
                Ok(Some(end)) => (end, Expects::Head),
                Ok(None) => (bytes.len(), Expects::Chunks(chunks)),
                Err(malformed) => (0, Expects::Nothing(malformed)),
            },
        };
        self.expects = expects;
        pass
    }

    /// An idle connection keeps no buffer.
    fn shrink(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::io::feed::Feed;

    const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
    const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    const AMBIGUOUS: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n";

    #[test]
    fn whatever_follows_a_body_is_looked_at() {
        for first in [POST, CHUNKED] {
            for size in [1, 7, 60, 1000] {
                let mut feed = Feed::new(true);
                let got = feed.feed(&[first, first, AMBIGUOUS].concat(), size).unwrap();
                assert_eq!(got, [first, first].concat(), "in pieces of {size}");
                assert!(matches!(feed.intake.refused(), Some(ErrorKind::BadRequest(_))));
            }
        }
    }

    #[test]
    fn the_next_head_waits_for_the_answer() {
        let mut feed = Feed::new(false);
        assert_eq!(feed.feed(&POST[..10], 100).unwrap(), b"");
        assert_eq!(feed.feed(&[&POST[10..], &POST[..5]].concat(), 100).unwrap(), POST, "not even before it is asked for");
        feed.phase.exchange_opened();
        assert_eq!(feed.feed(&POST[5..], 100).unwrap(), b"");
        feed.phase.exchange_closed();
        feed.phase.flushed();
        assert_eq!(feed.feed(b"", 100).unwrap(), POST, "what had come in the meantime");
    }

    #[test]
    fn what_comes_before_a_switch_of_protocols_is_kept_for_it() {
        let mut feed = Feed::new(false);
        let switch = b"GET / HTTP/1.1\r\nhost: a\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
        assert_eq!(feed.feed(switch, 100).unwrap(), switch);
        feed.phase.exchange_opened();
        assert_eq!(feed.feed(b"\x00\x01\n", 100).unwrap(), b"");
        assert_eq!(feed.intake.refused(), None);
        assert_eq!(feed.intake.take_rest(), b"\x00\x01\n"[..]);
    }

    #[test]
    fn chunks_that_end_elsewhere_for_others_are_an_error_of_the_body() {
        let mut feed = Feed::new(false);
        let head: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut space = [0; 200];
        let mut buf = ReadBuf::new(&mut space);
        buf.put_slice(&[head, b"5;a\nb\r\nhello\r\n"].concat());
        feed.intake.take(&feed.phase, &mut buf, 0);
        assert_eq!(buf.filled(), head, "the request is answered");
        feed.phase.exchange_opened();
        assert_eq!(feed.feed(b"", 100).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
