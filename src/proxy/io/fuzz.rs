//! What a fuzzer looks for in `intake`, `head` and `chunks`: bytes of a client for which the codec gets something that is
//! not one clear request after the other.

use bytes::BytesMut;

use super::feed::Feed;
use crate::proxy::upstream::http1::framing::{Chunk, Decoded, Decoder, Malformed};

/// The first byte says in how large pieces the rest comes.
pub fn heads(data: &[u8]) {
    let Some((size, bytes)) = data.split_first() else { return };
    let whole = Passed::of(bytes, bytes.len().max(1));
    let pieces = Passed::of(bytes, usize::from(*size).max(1));
    let (shorter, longer) = if whole.got.len() < pieces.got.len() { (&whole, &pieces) } else { (&pieces, &whole) };
    assert!(longer.got.starts_with(&shorter.got), "what passes depends on how it comes");
    assert_eq!(whole.refused, pieces.refused, "what is refused depends on how it comes");
    read_strictly(&longer.got);
}

/// What an intake made of a client's bytes.
struct Passed {
    got: Vec<u8>,
    /// A head was refused, or chunks are malformed.
    refused: bool,
}

impl Passed {
    fn of(bytes: &[u8], size: usize) -> Self {
        let mut feed = Feed::new(true);
        let mut got = Vec::new();
        let fed = feed.feed_into(&mut got, bytes, size);
        Self { got, refused: fed.is_err() || feed.intake.refused().is_some() }
    }
}

/// A reader that forgives nothing finds whole heads, and bodies of which only the last may be cut.
fn read_strictly(bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        while let Some(after) = rest.strip_prefix(b"\r\n") {
            rest = after;
        }
        let end = rest.windows(4).position(|end| end == b"\r\n\r\n").expect("a head passes whole");
        let (head, body) = rest.split_at(end + 4);
        rest = match body_of(&head[..end]) {
            Body::Length(length) => body.get(usize::try_from(length).unwrap_or(usize::MAX)..).unwrap_or_default(),
            Body::Chunked => behind_chunks(body),
        };
    }
}

enum Body {
    Length(u64),
    Chunked,
}

fn body_of(head: &[u8]) -> Body {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = std::str::from_utf8(lines.next().unwrap_or_default()).expect("a request line is text");
    assert_eq!(first.split(' ').count(), 3, "a request line has three parts: {first:?}");
    assert!(first.ends_with(" HTTP/1.1") || first.ends_with(" HTTP/1.0"), "{first:?}");
    let (mut length, mut chunked) = (None, false);
    for line in lines {
        let text = String::from_utf8_lossy(line);
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{text:?}");
        let (name, value) = text.split_once(':').expect("a field has a colon");
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
        match (name.to_ascii_lowercase().as_str(), value.trim_matches([' ', '\t'])) {
            ("content-length", value) => {
                assert!(value.bytes().all(|byte| byte.is_ascii_digit()), "{text:?}");
                let value = value.parse().expect("a length is a number");
                assert!(length.is_none_or(|other| other == value), "two lengths");
                length = Some(value);
            }
            ("transfer-encoding", value) => {
                assert!(value.eq_ignore_ascii_case("chunked") && !chunked && first.ends_with('1'), "{text:?}");
                chunked = true;
            }
            _ => {}
        }
    }
    assert!(length.is_none() || !chunked, "a length beside a coding");
    if chunked { Body::Chunked } else { Body::Length(length.unwrap_or(0)) }
}

/// Read by the decoder for backends' answers, which was written apart.
fn behind_chunks(body: &[u8]) -> &[u8] {
    let mut input = BytesMut::from(body);
    let mut decoder = Decoder::Chunked(Chunk::Size);
    loop {
        match decoder.decode(&mut input) {
            Ok(Decoded::Frame(_)) if !decoder.is_done() => {}
            Ok(Decoded::Frame(_) | Decoded::End) => return &body[body.len() - input.len()..],
            Ok(Decoded::More) => return &[],
            // A backend has less room for what nobody needs.
            Err(Malformed(why)) => {
                assert!(why.ends_with("too large") || why.ends_with("too long"), "chunks that pass are clear: {why}");
                return &[];
            }
        }
    }
}

#[cfg(test)]
#[test]
fn the_corpus_of_heads_holds() {
    assert!(crate::proxy::fuzz::replay("heads", heads) > 10);
}
