//! What fuzzers look for around h2: a request that it lets through and `request::check` takes, and for which a backend gets
//! anything but one clear head; and header blocks that we read in another way than it does.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::forwarded::{Forwarded, Origin};
use super::http2::announced;
use super::ids::Ids;
use super::request::{Checked, check};
use crate::model::{Behaviour, Limits};
use crate::proxy::body::{BodyRules, Length, RequestBody};
use crate::proxy::io::frames::{Frames, NONSENSE};
use crate::proxy::io::head::{Framing, HeadLimits, look};
use crate::proxy::random::Random;
use crate::proxy::timer::Timers;
use crate::proxy::upstream::http1::head::RequestHead;

/// Fields are divided by the byte 0xff, which is none of UTF-8, and are written `name: value`. The first byte says how
/// long the body is, and whether one follows at all.
pub fn crossing(data: &[u8]) {
    let Some((body, fields)) = data.split_first() else { return };
    let body = body.checked_sub(1).map(|length| vec![b'x'; usize::from(length)]);
    let Some(request) = through_h2(frames(fields, body.as_deref())) else { return };
    let (parts, received) = request.into_parts();
    let rules = BodyRules { limit: u64::MAX, period: Duration::MAX, timers: &Timers::default() };
    let length = RequestBody::http2(received, announced(&parts.headers), None, &rules).length();
    let Ok(checked) = check(&parts, &Limits::default()) else { return };
    for behaviour in [Behaviour::Genkan, Behaviour::Gke] {
        let ids = Ids::of(&parts.headers, &Random::seeded(1));
        let origin = Origin::new([192, 0, 2, 1].into(), [192, 0, 2, 9].into(), "https");
        let mut added = String::new();
        Forwarded { origin: &origin, host: checked.host, port: 443, ids: &ids, span: None, behaviour, headers: &parts.headers }.write(&mut added);
        let head = RequestHead {
            method: &parts.method,
            target: &checked.target,
            host: checked.forwarded_host(),
            headers: &parts.headers,
            nominated: &checked.nominated,
            added: added.as_bytes(),
            upgrade: checked.upgrade.as_ref(),
        };
        let mut out = BytesMut::new();
        head.write(&mut out, length);
        judge(&out, &checked, length);
    }
}

/// Header blocks of one connection, each behind its length. Whatever is in them, if we can read them, h2 goes on: a request
/// behind them is taken.
pub fn blocks(data: &[u8]) {
    const LIMIT: usize = 2000;
    let mut bytes = beginning();
    let (mut rest, mut stream) = (data, 1);
    while let Some((length, blocks)) = rest.split_first() {
        let (block, behind) = blocks.split_at(usize::from(*length).min(blocks.len()));
        // Every fourth is the end of the request before it.
        let flags = if stream % 8 == 5 { END_HEADERS } else { END_HEADERS | END_STREAM };
        frame(&mut bytes, HEADERS, flags, stream, block);
        if flags == END_HEADERS {
            frame(&mut bytes, HEADERS, END_HEADERS | END_STREAM, stream, block);
        }
        (rest, stream) = (behind, stream + 2);
    }
    let last = [0x82, 0x87, 0x04, 5, b'/', b'l', b'a', b's', b't', 0x01, 1, b'a'];
    frame(&mut bytes, HEADERS, END_HEADERS | END_STREAM, stream, &last);
    let passed = through_frames(&bytes, LIMIT);
    if passed.ends_with(&NONSENSE) {
        return;
    }
    let mut cx = Context::from_waker(Waker::noop());
    let mut builder = h2::server::Builder::new();
    builder.max_local_error_reset_streams(None);
    let Poll::Ready(begun) = pin!(builder.handshake::<_, Bytes>(Client(passed.into()))).poll(&mut cx) else { return };
    let mut serving = begun.expect("it begins well");
    let mut is_taken = false;
    while let Poll::Ready(Some(accepted)) = serving.poll_accept(&mut cx) {
        let (request, _) = accepted.expect("the connection goes on");
        is_taken |= request.uri().path() == "/last";
    }
    assert!(is_taken, "whoever comes behind is served");
}

/// What our look lets through of a client's bytes.
fn through_frames(bytes: &[u8], limit: usize) -> Vec<u8> {
    let mut space = bytes.to_vec();
    let mut buf = ReadBuf::new(&mut space);
    buf.put_slice(bytes);
    let mut frames = Frames::new(limit);
    frames.take(&mut buf, 0);
    let mut passed = buf.filled().to_vec();
    buf.clear();
    while frames.give(&mut buf) {
        passed.extend_from_slice(buf.filled());
        buf.clear();
    }
    passed
}

/// The backend's side, read by what looks at clients' heads, which is strict, and line by line.
fn judge(head: &[u8], checked: &Checked<'_>, length: Length) {
    let text = String::from_utf8_lossy(head);
    let seen = look(head, &mut 0, HeadLimits { bytes: usize::MAX, fields: 200 }).expect("it is clear").expect("it is whole");
    assert_eq!(seen.length, head.len(), "more than one head: {text}");
    let framing = match length {
        Length::Empty => Framing::Length(0),
        Length::Exact(length) => Framing::Length(length),
        Length::Unknown => Framing::Chunked,
    };
    assert_eq!(seen.body, framing, "{text}");
    let names: Vec<&str> = text.lines().skip(1).filter_map(|line| line.split_once(": ")).map(|(name, _)| name).collect();
    for once in ["host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "forwarded", "x-request-id", "traceparent", "via"] {
        assert_eq!(names.iter().filter(|name| **name == once).count(), 1, "{once} in {text}");
    }
    for never in ["proxy", "keep-alive", "proxy-connection", "http2-settings", "upgrade", "expect", "x-real-ip"] {
        assert!(!names.contains(&never), "{never} in {text}");
    }
    assert!(names.iter().all(|name| !name.contains('_') && *name == name.to_ascii_lowercase()), "{text}");
    assert!(text.contains(&format!("\r\nhost: {}\r\n", checked.host)), "{text}");
    assert!(text.lines().next().is_some_and(|line| line.ends_with(" HTTP/1.1") && line.split(' ').nth(1) == Some(&*checked.target)), "{text}");
}

/// What our HTTP/2 codec makes of these bytes, if it takes a request from them.
fn through_h2(client: Vec<u8>) -> Option<Request<RecvStream>> {
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(mut serving)) = pin!(h2::server::handshake(Client(client.into()))).poll(&mut cx) else { return None };
    match serving.poll_accept(&mut cx) {
        Poll::Ready(Some(Ok((request, _)))) => Some(request),
        _ => None,
    }
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A preface, and what comes first.
fn beginning() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    bytes
}

/// A connection with one request.
fn frames(fields: &[u8], body: Option<&[u8]>) -> Vec<u8> {
    let mut bytes = beginning();
    let mut block = Vec::new();
    for field in fields.split(|byte| *byte == 0xff) {
        // The colon of a pseudo-header's name is not the one that divides.
        let Some(colon) = field.iter().skip(1).position(|byte| *byte == b':') else { continue };
        let (name, value) = field.split_at(colon + 1);
        block.push(0);
        for text in [name, value[1..].trim_ascii_start()] {
            literal(&mut block, text);
        }
    }
    frame(&mut bytes, HEADERS, if body.is_some() { END_HEADERS } else { END_HEADERS | END_STREAM }, 1, &block);
    if let Some(body) = body {
        frame(&mut bytes, 0, END_STREAM, 1, body);
    }
    bytes
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes()[1..]);
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
}

/// RFC 7541 section 5.2, without Huffman coding.
fn literal(block: &mut Vec<u8>, text: &[u8]) {
    let mut length = text.len();
    if length < 127 {
        block.push(length.to_le_bytes()[0]);
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push(length.to_le_bytes()[0] | 128);
            length /= 128;
        }
        block.push(length.to_le_bytes()[0]);
    }
    block.extend_from_slice(text);
}

/// Has sent all it will, and takes whatever comes.
struct Client(Bytes);

impl AsyncRead for Client {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = self.0.len().min(buf.remaining());
        if length == 0 {
            return Poll::Pending;
        }
        buf.put_slice(&self.0.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
#[test]
fn the_corpus_of_blocks_holds() {
    assert!(crate::proxy::fuzz::replay("blocks", blocks) > 10);
}

#[cfg(test)]
#[test]
fn the_corpus_of_crossings_holds() {
    assert!(crate::proxy::fuzz::replay("crossing", crossing) > 10);
}
