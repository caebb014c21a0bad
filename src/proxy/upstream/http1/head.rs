//! Message heads of HTTP/1.1 towards a backend: the request's written in one pass straight into the buffer that is
//! sent, the response's read with its framing decided (RFC 9112 section 6.3).

use std::mem::MaybeUninit;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode, Version};

use super::framing::{Chunk, Decoder};
use crate::proxy::body::Length;
use crate::proxy::error::{ErrorKind, ProxyError};
use crate::proxy::headers::{Nominated, list_contains, passes_to_backend, passes_to_client, put_field};

/// What is asked of a backend.
pub struct RequestHead<'a> {
    /// As the client has it.
    pub method: &'a Method,
    /// Path and query, in origin-form and with the client's own bytes.
    pub target: &'a str,
    /// The host, with its port where the client gave one.
    pub host: &'a str,
    /// Everything the client sent.
    pub headers: &'a HeaderMap,
    /// What of it does not pass: it is for the client's connection alone, or a filter has written it anew.
    pub nominated: &'a Nominated,
    /// Lines of ours, each with its end.
    pub added: &'a [u8],
    /// The protocol that the connection is to be switched to.
    pub upgrade: Option<&'a HeaderValue>,
}

/// What a backend answered, before its body.
#[derive(Debug)]
pub struct ResponseHead {
    /// 200 to 999, or 101 if that was asked for.
    pub status: StatusCode,
    /// Without what was for the connection alone.
    pub headers: HeaderMap,
    /// How the body is read.
    pub decoder: Decoder,
    /// Whether the connection may be used again.
    pub keep_alive: bool,
    /// The protocol that was switched to.
    pub upgrade: Option<HeaderValue>,
}

/// What the bytes at hand give.
pub enum Parsed {
    /// Nothing without more bytes.
    More,
    /// An interim response (RFC 9110 section 15.2), without what was for the connection alone. The answer is still to come.
    Interim(Response<()>),
    /// The answer.
    Final(Box<ResponseHead>),
}

/// Fields of a response head.
const MAX_FIELDS: usize = 256;

impl RequestHead<'_> {
    /// Appends the head, for a body of this length.
    pub fn write(&self, out: &mut BytesMut, length: Length) {
        out.reserve(512 + self.target.len() + self.added.len());
        out.put_slice(self.method.as_str().as_bytes());
        out.put_u8(b' ');
        out.put_slice(self.target.as_bytes());
        out.put_slice(b" HTTP/1.1\r\nhost: ");
        out.put_slice(self.host.as_bytes());
        out.put_slice(b"\r\n");
        let mut cookies = 0;
        for (name, value) in self.headers {
            if !passes_to_backend(name, self.nominated) {
                continue;
            }
            if *name == header::COOKIE {
                cookies += 1;
            } else {
                put_field(out, name.as_str(), value.as_bytes());
            }
        }
        if cookies > 0 {
            self.write_cookies(out);
        }
        out.put_slice(self.added);
        self.write_connection(out);
        self.write_framing(out, length);
        out.put_slice(b"\r\n");
    }

    /// HTTP/2 clients may send cookies in pieces; HTTP/1.1 has one field (RFC 9113 section 8.2.3).
    fn write_cookies(&self, out: &mut BytesMut) {
        out.put_slice(b"cookie: ");
        for (index, value) in self.headers.get_all(header::COOKIE).iter().enumerate() {
            if index > 0 {
                out.put_slice(b"; ");
            }
            out.put_slice(value.as_bytes());
        }
        out.put_slice(b"\r\n");
    }

    fn write_connection(&self, out: &mut BytesMut) {
        if let Some(protocol) = self.upgrade {
            out.put_slice(b"connection: upgrade\r\n");
            put_field(out, "upgrade", protocol.as_bytes());
        } else if list_contains(self.headers, &header::TE, "trailers") {
            out.put_slice(b"connection: te\r\nte: trailers\r\n");
        }
    }

    fn write_framing(&self, out: &mut BytesMut, length: Length) {
        match length {
            // Methods that usually have a body say so when it is empty (RFC 9110 section 8.6).
            Length::Empty if matches!(*self.method, Method::POST | Method::PUT | Method::PATCH) => out.put_slice(b"content-length: 0\r\n"),
            Length::Empty => {}
            Length::Exact(length) => put_field(out, "content-length", length.to_string().as_bytes()),
            Length::Unknown => out.put_slice(b"transfer-encoding: chunked\r\n"),
        }
    }
}

/// An answer of a later HTTP/1 is to be read as one of 1.1 (RFC 9110 section 2.5), and httparse knows no other.
fn lower_version(input: &mut BytesMut) {
    if let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'2'..=b'9', b' ', ..] = &mut input[..] {
        *minor = b'1';
    }
}

/// Takes a response head off `input`. `asked` is what the request was; `limit` bounds the head in bytes.
pub fn parse(input: &mut BytesMut, asked: Asked<'_>, limit: usize) -> Result<Parsed, ProxyError> {
    lower_version(input);
    let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, input, &mut fields);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) if length <= limit => length,
        Ok(httparse::Status::Partial) if input.len() < limit => return Ok(Parsed::More),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(ErrorKind::ResponseHeadTooLarge.into()),
        Err(error) => return Err(ProxyError::new(ErrorKind::BadResponse("its head is malformed"), error)),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(bad("its status is no number from 100 to 999"))?;
    let version = if response.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let base = input.as_ptr().addr();
    // As many as there are: an array for the most there may be would be cleared for each response.
    let fields = response.headers.iter();
    let places = fields.map(|field| (field.name.as_ptr().addr() - base, field.name.len(), field.value.as_ptr().addr() - base, field.value.len()));
    let places: Vec<_> = places.collect();
    let head = input.split_to(length).freeze();
    let fields = Fields::read(&head, &places, status)?;
    if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Parsed::Interim(fields.into_interim(status)));
    }
    fields.into_head(status, version, asked).map(|head| Parsed::Final(Box::new(head)))
}

/// What of the request decides how its response is read.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// A response to HEAD has no body.
    pub method: &'a Method,
    /// The protocol that was asked for.
    pub upgrade: Option<&'a HeaderValue>,
}

/// Offset and length of a field's name and value in the head.
type FieldPlace = (usize, usize, usize, usize);

/// The fields of a head by how far they go.
struct Fields {
    passing: HeaderMap,
    /// What is for this connection: few fields, if any.
    staying: HeaderMap,
    framing: Framing,
}

impl Fields {
    fn read(head: &Bytes, places: &[FieldPlace], status: StatusCode) -> Result<Self, ProxyError> {
        let mut passing = HeaderMap::with_capacity(places.len());
        let mut staying = HeaderMap::new();
        let mut framing = Framing::default();
        for &(name, name_length, value, value_length) in places {
            let name = HeaderName::from_bytes(&head[name..name + name_length]).map_err(|_| bad("a field name is malformed"))?;
            let mut value = HeaderValue::from_maybe_shared(head.slice(value..value + value_length)).map_err(|_| bad("a field value is malformed"))?;
            match name {
                // There is no body, whatever they say (RFC 9112 section 6.3).
                header::CONTENT_LENGTH | header::TRANSFER_ENCODING if status.is_informational() => continue,
                // RFC 9110 section 8.6: none in a 204.
                header::CONTENT_LENGTH => match framing.length(&value)? {
                    Some(length) if status != StatusCode::NO_CONTENT => value = HeaderValue::from(length),
                    _ => continue,
                },
                header::TRANSFER_ENCODING => framing.encoding(&value)?,
                _ => {}
            }
            let map = if passes_to_client(&name) { &mut passing } else { &mut staying };
            map.try_append(name, value).map_err(|_| ErrorKind::ResponseHeadTooLarge)?;
        }
        for name in Nominated::of(&staying).map_err(|_| bad("its Connection field names too much"))?.iter() {
            passing.remove(name);
        }
        Ok(Self { passing, staying, framing })
    }

    fn into_interim(self, status: StatusCode) -> Response<()> {
        let mut interim = Response::new(());
        *interim.status_mut() = status;
        *interim.headers_mut() = self.passing;
        interim
    }

    fn into_head(self, status: StatusCode, version: Version, asked: Asked<'_>) -> Result<ResponseHead, ProxyError> {
        let Self { passing, staying, framing } = self;
        let upgrade = check_switch(status, &staying, asked)?;
        let decoder = framing.decoder(status, version, asked.method)?;
        let closes = version != Version::HTTP_11
            || list_contains(&staying, &header::CONNECTION, "close")
            || matches!(decoder, Decoder::UntilClose)
            || framing.announces_what_never_comes(status);
        Ok(ResponseHead { status, headers: passing, decoder, keep_alive: !closes, upgrade })
    }
}

/// A 101 must be for what was asked (RFC 9110 section 7.8); one that nobody asked for would open a tunnel for whatever
/// the client sends next.
fn check_switch(status: StatusCode, headers: &HeaderMap, asked: Asked<'_>) -> Result<Option<HeaderValue>, ProxyError> {
    if status != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(None);
    }
    let Some(wanted) = asked.upgrade else { return Err(bad("it switches protocols without being asked")) };
    match headers.get(header::UPGRADE) {
        Some(protocol) if protocol.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()) => Ok(Some(protocol.clone())),
        _ => Err(bad("it switches to another protocol than was asked for")),
    }
}

#[derive(Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// The same length several times is one length; anything else is two messages to somebody. Returns it when
    /// it is said first.
    fn length(&mut self, value: &HeaderValue) -> Result<Option<u64>, ProxyError> {
        let first = self.length.is_none();
        for part in value.as_bytes().split(|byte| *byte == b',') {
            let part = part.trim_ascii();
            let length = crate::proxy::io::head::length(part).map_err(|_| bad("its Content-Length is no number"))?;
            if self.length.is_some_and(|known| known != length) {
                return Err(bad("it has two lengths"));
            }
            self.length = Some(length);
        }
        Ok(self.length.filter(|_| first))
    }

    fn encoding(&mut self, value: &HeaderValue) -> Result<(), ProxyError> {
        if self.chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(bad("its Transfer-Encoding is not exactly chunked"));
        }
        self.chunked = true;
        Ok(())
    }

    /// A body that this status does not have. Whoever announces one may send it all the same, and late: it would be read
    /// as the answer to the next request. A length in a 304 is that of what was asked for (RFC 9110 section 8.6).
    fn announces_what_never_comes(&self, status: StatusCode) -> bool {
        match status {
            StatusCode::NO_CONTENT => self.chunked || self.length.is_some_and(|length| length > 0),
            StatusCode::NOT_MODIFIED => self.chunked,
            _ => false,
        }
    }

    /// RFC 9112 section 6.3.
    fn decoder(&self, status: StatusCode, version: Version, method: &Method) -> Result<Decoder, ProxyError> {
        if self.chunked && self.length.is_some() {
            return Err(bad("it has a length and chunks"));
        }
        if self.chunked && version == Version::HTTP_10 {
            return Err(bad("it has chunks in HTTP/1.0"));
        }
        let bodyless =
            method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::SWITCHING_PROTOCOLS);
        Ok(match (bodyless, self.chunked, self.length) {
            (true, ..) | (false, false, Some(0)) => Decoder::Done,
            (false, true, _) => Decoder::Chunked(Chunk::Size),
            (false, false, Some(length)) => Decoder::Length(length),
            (false, false, None) => Decoder::UntilClose,
        })
    }
}

fn bad(why: &'static str) -> ProxyError {
    ErrorKind::BadResponse(why).into()
}

#[cfg(test)]
mod tests;
