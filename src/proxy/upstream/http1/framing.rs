//! Where a message body ends (RFC 9112 section 6): strict about what comes from a backend, because whatever two
//! readers could read differently ends up in front of somebody else's request.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::proxy::body::Frame;
use crate::proxy::headers;

/// Reads a body out of what has arrived.
#[derive(Debug)]
pub enum Decoder {
    /// It is over, or there was none.
    Done,
    /// So many bytes are still to come.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
    /// Everything until the connection ends.
    UntilClose,
}

/// Where in the chunks the next byte belongs.
#[derive(Debug)]
pub enum Chunk {
    /// A line with the next size.
    Size,
    /// So many bytes of this chunk.
    Data(u64),
    /// The line end after it.
    DataEnd,
    /// The fields after the last.
    Trailers,
}

/// What the bytes at hand give.
#[derive(Debug)]
pub enum Decoded {
    /// A piece.
    Frame(Frame),
    /// Nothing without more bytes.
    More,
    /// The body is over.
    End,
}

/// A body that is not encoded as HTTP/1.1 has it; why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// A size line: sixteen digits and an extension nobody uses.
const MAX_SIZE_LINE: usize = 1024;
/// A trailer section.
const MAX_TRAILERS: usize = 16 * 1024;
const MAX_TRAILER_FIELDS: usize = 64;

impl Decoder {
    /// Whether the body is over.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::Length(0))
    }

    /// Takes the next piece off `input`.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Decoded, Malformed> {
        match self {
            Self::Done | Self::Length(0) => Ok(Decoded::End),
            Self::Length(_) | Self::UntilClose if input.is_empty() => Ok(Decoded::More),
            Self::UntilClose => Ok(Decoded::Frame(Frame::Data(input.split().freeze()))),
            Self::Length(left) => Ok(Decoded::Frame(Frame::Data(take(input, left)))),
            Self::Chunked(chunk) => {
                let decoded = chunk.decode(input)?;
                if matches!(decoded, Decoded::End | Decoded::Frame(Frame::Trailers(_))) {
                    *self = Self::Done;
                }
                Ok(decoded)
            }
        }
    }

    /// How many bytes of the body are certain to follow, to size the next read by; 0 if that is not known.
    pub fn expected(&self) -> u64 {
        match self {
            Self::Length(left) | Self::Chunked(Chunk::Data(left)) => *left,
            Self::Done | Self::Chunked(_) | Self::UntilClose => 0,
        }
    }
}

/// As much of `input` as belongs to the `left` bytes.
fn take(input: &mut BytesMut, left: &mut u64) -> Bytes {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= length as u64;
    input.split_to(length).freeze()
}

impl Chunk {
    fn decode(&mut self, input: &mut BytesMut) -> Result<Decoded, Malformed> {
        loop {
            match self {
                Self::Size => {
                    let Some(line) = line(input, MAX_SIZE_LINE, Malformed("a chunk size line is too long"))? else { return Ok(Decoded::More) };
                    *self = match size(&line)? {
                        0 => Self::Trailers,
                        size => Self::Data(size),
                    };
                }
                Self::Data(_) if input.is_empty() => return Ok(Decoded::More),
                Self::Data(left) => {
                    let data = take(input, left);
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                    return Ok(Decoded::Frame(Frame::Data(data)));
                }
                Self::DataEnd => {
                    match (input.first(), input.get(1)) {
                        (Some(b'\r'), Some(b'\n')) => drop(input.split_to(2)),
                        (None, _) | (Some(b'\r'), None) => return Ok(Decoded::More),
                        _ => return Err(Malformed("a chunk is longer than its size")),
                    }
                    *self = Self::Size;
                }
                Self::Trailers => return trailers(input),
            }
        }
    }
}

/// A line without its end; `None` until it is whole. A CR or LF that is not part of a CRLF is an error: others take it
/// for a line end, or for none.
fn line(input: &mut BytesMut, limit: usize, too_long: Malformed) -> Result<Option<Bytes>, Malformed> {
    match input.iter().take(limit).position(|byte| matches!(byte, b'\r' | b'\n')) {
        None if input.len() >= limit => Err(too_long),
        None => Ok(None),
        Some(at) => match (input[at], input.get(at + 1)) {
            (b'\r', Some(b'\n')) => {
                let line = input.split_to(at + 2).freeze();
                Ok(Some(line.slice(..at)))
            }
            (b'\r', None) => Ok(None),
            _ => Err(Malformed("a line ends with something else than CRLF")),
        },
    }
}

/// One to sixteen hexadecimal digits, and an extension, which is dropped.
fn size(line: &[u8]) -> Result<u64, Malformed> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let rest = line[digits..].trim_ascii_start();
    if !(1..=16).contains(&digits) || !(rest.is_empty() || rest[0] == b';') {
        return Err(Malformed("a chunk size is no number"));
    }
    line[..digits]
        .iter()
        .try_fold(0_u64, |size, byte| {
            let digit = char::from(*byte).to_digit(16).map(u64::from).unwrap_or_default();
            size.checked_mul(16).map(|size| size | digit)
        })
        .ok_or(Malformed("a chunk size is too large"))
}

fn trailers(input: &mut BytesMut) -> Result<Decoded, Malformed> {
    if input.starts_with(b"\r\n") {
        drop(input.split_to(2));
        return Ok(Decoded::End);
    }
    let mut fields = [httparse::EMPTY_HEADER; MAX_TRAILER_FIELDS];
    let (length, map) = match httparse::parse_headers(input, &mut fields) {
        Ok(httparse::Status::Partial) if input.len() >= MAX_TRAILERS => return Err(Malformed("its trailers are too large")),
        Ok(httparse::Status::Partial) => return Ok(Decoded::More),
        Ok(httparse::Status::Complete((length, fields))) => (length, map(fields)),
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed("its trailers are too large")),
        Err(_) => return Err(Malformed("its trailers are malformed")),
    };
    let bare = |at: usize| input[at] == b'\n' && (at == 0 || input[at - 1] != b'\r');
    if (0..length).any(bare) {
        return Err(Malformed("a line ends with something else than CRLF"));
    }
    drop(input.split_to(length));
    Ok(if map.is_empty() { Decoded::End } else { Decoded::Frame(Frame::Trailers(map)) })
}

fn map(fields: &[httparse::Header<'_>]) -> HeaderMap {
    let parsed =
        fields.iter().filter_map(|field| Some((HeaderName::from_bytes(field.name.as_bytes()).ok()?, HeaderValue::from_bytes(field.value).ok()?)));
    parsed.filter(|(name, _)| headers::passes_as_trailer(name)).collect()
}

#[cfg(test)]
mod tests;
