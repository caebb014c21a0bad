//! What an HTTP/2 codec gets to read: a client's frames as they come, but for what would make it end the connection, or
//! pass on something else than was sent. A header block is held until it is whole and `hpack` has looked at it; pieces of
//! nothing are left out, which the codec counts as a flood however slowly they come. Everything else passes as it is, and
//! what is wrong with it is the codec's matter. Pure; `plain` reads.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::ReadBuf;

use super::hpack::{Fields, Part, Verdict};

/// What has come and may not pass yet, and what is known of the connection.
pub struct Frames {
    /// Bytes that pass without a look: of the preface, then of a frame.
    passing: usize,
    /// Nothing but the preface has passed.
    first: bool,
    /// The newest stream.
    newest: u32,
    /// Those whose request goes on after its head, in their order.
    sending: VecDeque<u32>,
    fields: Fields,
    limit: usize,
    /// Beginnings of what is not whole.
    held: BytesMut,
    /// Since when its rest has been missing.
    incomplete_since: Option<Instant>,
    /// What the codec gets instead of what came.
    ready: BytesMut,
    empty: Empty,
}

/// Pieces of nothing that were left out.
struct Empty {
    count: usize,
    since: Instant,
}

/// What is to be done with the next bytes.
enum Step {
    /// So many pass.
    Pass(usize),
    /// More of them are needed.
    Wait,
    /// So many are replaced.
    Replace(usize, Vec<u8>),
}

/// A frame without its payload (RFC 9113 section 4.1).
#[derive(Clone, Copy)]
struct Header {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

const PREFACE: usize = 24;
const HEADER: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
/// Of SETTINGS.
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;
/// The largest frame that is taken; we ask for no larger.
const MAX_FRAME: usize = 16 * 1024;
/// Streams whose end is remembered to be missing.
const MAX_SENDING: usize = 1024;
/// Pieces of nothing in a second, beyond which they are the codec's matter.
const MAX_EMPTY: usize = 1000;
/// No client may begin with this, and none may go on after it: the codec ends the connection.
pub const NONSENSE: [u8; HEADER] = [0, 0, 0, CONTINUATION, 0, 0, 0, 0, 0];
/// The beginning of a frame that is larger than any may be, whose size the codec finds wrong.
const TOO_LARGE: [u8; HEADER] = [0, 0x40, 1, PING, 0, 0, 0, 0, 0];

impl Frames {
    /// Expects the preface. `limit` is what a field section may be, in bytes as the codec counts them.
    pub fn new(limit: usize) -> Self {
        Self {
            passing: PREFACE,
            first: true,
            newest: 0,
            sending: VecDeque::new(),
            fields: Fields::default(),
            limit,
            held: BytesMut::new(),
            incomplete_since: None,
            ready: BytesMut::new(),
            empty: Empty { count: 0, since: Instant::now() },
        }
    }

    /// Hands over what the codec gets instead of what came; `false`: nothing, and the socket is to be read.
    pub fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let length = self.ready.len().min(buf.remaining());
        buf.put_slice(&self.ready[..length]);
        self.ready.advance(length);
        if self.ready.is_empty() && self.ready.capacity() > MAX_FRAME {
            self.ready = BytesMut::new();
        }
        length > 0
    }

    /// Since when the rest of a header block, or of a frame's first bytes, has been missing. Whatever comes behind is not
    /// read before that.
    pub fn incomplete_since(&self) -> Option<Instant> {
        self.incomplete_since
    }

    /// Takes what was read into `buf` behind `before`, and leaves there what may pass at once.
    pub fn take(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let mut begins = self.held.is_empty();
        let mut pass = 0;
        if self.held.is_empty() && self.ready.is_empty() {
            let came = &buf.filled()[before..];
            let consumed;
            (pass, consumed) = self.sift(came);
            self.held.extend_from_slice(&came[consumed..]);
        } else {
            self.held.extend_from_slice(&buf.filled()[before..]);
        }
        buf.set_filled(before + pass);
        while !self.held.is_empty() {
            let mut held = std::mem::take(&mut self.held);
            let ready = self.ready.len();
            let (pass, consumed) = self.sift(&held);
            // What passes comes before what was replaced behind it.
            let replaced = self.ready.split_off(ready);
            self.ready.extend_from_slice(&held[..pass]);
            self.ready.unsplit(replaced);
            held.advance(consumed);
            self.held = held;
            if consumed == 0 {
                break;
            }
            begins = true;
        }
        if self.held.is_empty() {
            self.incomplete_since = None;
        } else if begins {
            self.incomplete_since = Some(Instant::now());
        }
        if self.held.is_empty() && self.held.capacity() > MAX_FRAME {
            self.held = BytesMut::new();
        }
    }

    /// How many of these bytes pass, and how many are done with, those that were replaced included.
    fn sift(&mut self, bytes: &[u8]) -> (usize, usize) {
        let mut at = 0;
        while at < bytes.len() {
            match self.step(&bytes[at..]) {
                Step::Pass(length) => {
                    let here = length.min(bytes.len() - at);
                    self.passing = length - here;
                    at += here;
                }
                Step::Wait => break,
                Step::Replace(length, replacement) => {
                    self.ready.extend_from_slice(&replacement);
                    return (at, at + length);
                }
            }
        }
        (at, at)
    }

    fn step(&mut self, bytes: &[u8]) -> Step {
        if self.passing > 0 {
            return Step::Pass(self.passing);
        }
        let Some(header) = Header::read(bytes) else { return Step::Wait };
        if std::mem::take(&mut self.first) && header.kind != SETTINGS {
            // RFC 9113 section 3.4.
            return Step::Replace(bytes.len(), NONSENSE.to_vec());
        }
        if !header.has_its_size() {
            return Step::Replace(bytes.len(), TOO_LARGE.to_vec());
        }
        if header.ends_its_stream()
            && let Ok(at) = self.sending.binary_search(&header.stream)
        {
            self.sending.remove(at);
        }
        match header.kind {
            HEADERS => self.block(header, bytes),
            DATA if header.is_nothing() && header.stream <= self.newest && self.empty.is_one_of_few() => Step::Replace(HEADER, Vec::new()),
            _ => Step::Pass(HEADER + header.length),
        }
    }

    /// A header block with all that continues it.
    fn block(&mut self, header: Header, bytes: &[u8]) -> Step {
        let Some((length, is_whole)) = self.extent(header, bytes) else { return Step::Wait };
        let part = self.part(header);
        let whole = if is_whole { fragments(&bytes[..length]) } else { None };
        match whole.and_then(|block| self.fields.look(&block, part).ok()) {
            Some(Verdict::Fine) => Step::Pass(length),
            Some(Verdict::Malformed(block)) => Step::Replace(length, frames(header, &block)),
            // The codec says what is wrong with it, and if it does not find anything, it gets something to find.
            None => Step::Replace(bytes.len(), [&bytes[..length], &NONSENSE].concat()),
        }
    }

    /// What a block is of its stream. One for which there is no place is the codec's matter.
    fn part(&mut self, header: Header) -> Part {
        let ends = header.flags & END_STREAM != 0;
        if let Ok(at) = self.sending.binary_search(&header.stream) {
            if ends {
                self.sending.remove(at);
            }
            return Part::Trailers(self.limit);
        }
        if header.stream > self.newest {
            self.newest = header.stream;
            if !ends {
                self.sending.push_back(header.stream);
            }
            // Those that we have reset have no end.
            if self.sending.len() > MAX_SENDING {
                self.sending.pop_front();
            }
        }
        Part::Head
    }

    /// How long a block is, headers of frames included; `None`: longer than what has come. What is no block, or one that is
    /// larger or in more pieces than the codec takes, has no end.
    fn extent(&self, header: Header, bytes: &[u8]) -> Option<(usize, bool)> {
        let (mut frame, mut length, mut pieces) = (header, 0, 0);
        loop {
            length += HEADER + frame.length;
            pieces += 1;
            if frame.length > MAX_FRAME || length > 2 * self.limit + 2 * MAX_FRAME || pieces > 16 + 2 * (self.limit / MAX_FRAME) {
                return Some((length.min(bytes.len()), false));
            }
            let rest = bytes.get(length..)?;
            if frame.flags & END_HEADERS != 0 {
                return Some((length, true));
            }
            frame = Header::read(rest)?;
            if frame.kind != CONTINUATION || frame.stream != header.stream {
                return Some((length, false));
            }
        }
    }
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let &[high, middle, low, kind, flags, a, b, c, d] = bytes.first_chunk::<HEADER>()?;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        Some(Self { length, kind, flags, stream: u32::from_be_bytes([a & 0x7f, b, c, d]) })
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.length.to_be_bytes()[size_of::<usize>() - 3..]);
        out.extend_from_slice(&[self.kind, self.flags]);
        out.extend_from_slice(&self.stream.to_be_bytes());
    }

    /// Whether nothing more of the request follows. That of header blocks is known when they are whole.
    fn ends_its_stream(self) -> bool {
        self.kind == RST_STREAM || (self.kind == DATA && self.flags & END_STREAM != 0)
    }

    /// Whether it is as long as frames of its kind have to be. To the codec those that are not are wrong in some way.
    fn has_its_size(self) -> bool {
        match self.kind {
            RST_STREAM | WINDOW_UPDATE => self.length == 4,
            SETTINGS if self.flags & ACK != 0 => self.length == 0,
            SETTINGS => self.length.is_multiple_of(6),
            PING => self.length == 8,
            GOAWAY => self.length >= 8,
            _ => true,
        }
    }

    /// A piece of a body that has nothing in it, and is not the last.
    fn is_nothing(self) -> bool {
        self.length == 0 && self.flags & (END_STREAM | PADDED) == 0 && self.stream != 0
    }
}

impl Empty {
    fn is_one_of_few(&mut self) -> bool {
        if self.count >= MAX_EMPTY && self.since.elapsed() >= Duration::from_secs(1) {
            *self = Self { count: 0, since: Instant::now() };
        }
        self.count += 1;
        self.count <= MAX_EMPTY
    }
}

/// What the frames of a block carry of it (RFC 9113 section 6.2); `None`: they are none.
fn fragments(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (first, mut rest) = fragment(bytes)?;
    if rest.is_empty() {
        return Some(Cow::Borrowed(first));
    }
    let mut block = first.to_vec();
    while !rest.is_empty() {
        let next;
        (next, rest) = fragment(rest)?;
        block.extend_from_slice(next);
    }
    Some(Cow::Owned(block))
}

/// That of the first, and the frames after it.
fn fragment(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let header = Header::read(bytes)?;
    let (mut payload, rest) = bytes[HEADER..].split_at_checked(header.length)?;
    if header.kind == HEADERS {
        let padding = if header.flags & PADDED == 0 { 0 } else { usize::from(*payload.split_off_first()?) };
        payload = if header.flags & PRIORITY == 0 { payload } else { payload.get(5..)? };
        payload = payload.get(..payload.len().checked_sub(padding)?)?;
    }
    Some((payload, rest))
}

/// A block in frames of its own.
fn frames(header: Header, block: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(block.len() + HEADER);
    let pieces = block.chunks(MAX_FRAME);
    let last = pieces.len() - 1;
    for (at, piece) in pieces.enumerate() {
        let (kind, flags) = if at == 0 { (HEADERS, header.flags & END_STREAM) } else { (CONTINUATION, 0) };
        let flags = if at == last { flags | END_HEADERS } else { flags };
        Header { length: piece.len(), kind, flags, stream: header.stream }.write(&mut out);
        out.extend_from_slice(piece);
    }
    out
}

#[cfg(test)]
mod tests;
