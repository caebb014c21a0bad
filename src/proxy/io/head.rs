//! The raw head of an HTTP/1 request, looked at before the codec sees it. A codec is lenient where others are lenient in
//! other ways: line ends, two lengths, a length beside a coding. What could be read in two ways is refused here; what a
//! request asks for is checked in `http/request.rs`.

use std::mem::MaybeUninit;

use memchr::memchr_iter;

use crate::proxy::error::ErrorKind;

/// A head that is whole, and clear.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// Its bytes, empty lines before it included.
    pub length: usize,
    /// What follows.
    pub body: Framing,
}

/// Where a request's body ends (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// After the last chunk.
    Chunked,
}

/// What a head may be.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// `limits.requestHead`, in bytes.
    pub bytes: usize,
    /// `limits.requestHeaders`.
    pub fields: usize,
}

/// Empty lines before a head: some clients end a body with one (RFC 9112 section 2.2).
const MAX_EMPTY_LINES: usize = 2;
/// Fields that are read without an allocation.
const USUAL_FIELDS: usize = 100;

/// Looks at what has come. `seen` of its bytes have been looked at before, without an end of the head among them. `None`:
/// there is more to come.
pub fn look(bytes: &[u8], seen: &mut usize, limits: HeadLimits) -> Result<Option<Head>, ErrorKind> {
    let start = empty_lines(bytes)?;
    let Some(length) = end(bytes, start, seen)? else {
        return if bytes.len() - start > limits.bytes { Err(too_large(&bytes[start..])) } else { Ok(None) };
    };
    let head = &bytes[start..length];
    if head.len() > limits.bytes {
        return Err(too_large(head));
    }
    Ok(Some(Head { length, body: read(head, limits.fields)? }))
}

fn empty_lines(bytes: &[u8]) -> Result<usize, ErrorKind> {
    let lines = bytes.chunks(2).take_while(|line| line == b"\r\n").count();
    if lines > MAX_EMPTY_LINES { Err(ErrorKind::BadRequest("it begins with empty lines")) } else { Ok(lines * 2) }
}

/// Where the head ends. Each line end has to be CRLF: a bare LF is one for some and none for others.
fn end(bytes: &[u8], start: usize, seen: &mut usize) -> Result<Option<usize>, ErrorKind> {
    let from = (*seen).max(start);
    for at in memchr_iter(b'\n', &bytes[from..]).map(|at| at + from) {
        if at == start || bytes[at - 1] != b'\r' {
            return Err(ErrorKind::BadRequest("a line of its head ends with something else than CRLF"));
        }
        if at >= start + 3 && bytes[at - 2] == b'\n' {
            return Ok(Some(at + 1));
        }
    }
    *seen = bytes.len();
    Ok(None)
}

/// It is the target that is too long if its line has no end.
fn too_large(head: &[u8]) -> ErrorKind {
    if head.contains(&b'\n') { ErrorKind::RequestHeadTooLarge } else { ErrorKind::TargetTooLong }
}

fn read(head: &[u8], max_fields: usize) -> Result<Framing, ErrorKind> {
    let mut usual = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
    let mut many;
    let fields = if max_fields <= USUAL_FIELDS {
        &mut usual[..max_fields]
    } else {
        many = vec![MaybeUninit::uninit(); max_fields];
        &mut many[..]
    };
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, fields) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(ErrorKind::BadRequest("its head is malformed")),
        Err(error) => return Err(malformed(error)),
    }
    if request.path.is_some_and(|target| target.contains('#')) {
        return Err(ErrorKind::BadRequest("its target has a fragment"));
    }
    framing(request.headers, request.version)
}

fn malformed(error: httparse::Error) -> ErrorKind {
    ErrorKind::BadRequest(match error {
        httparse::Error::TooManyHeaders => return ErrorKind::RequestHeadTooLarge,
        httparse::Error::HeaderName => "the name of a field is none",
        httparse::Error::HeaderValue => "a field has what no field may have",
        httparse::Error::Version => "its version is not HTTP/1.0 or HTTP/1.1",
        httparse::Error::NewLine | httparse::Error::Status | httparse::Error::Token => "its first line is malformed",
    })
}

/// One length, or chunks, and never both.
fn framing(fields: &[httparse::Header<'_>], version: Option<u8>) -> Result<Framing, ErrorKind> {
    let (mut length, mut coding) = (None, None);
    for field in fields {
        if field.name.eq_ignore_ascii_case("content-length") {
            match (length, self::length(field.value)?) {
                (Some(other), this) if other != this => return Err(ErrorKind::BadRequest("it has two lengths")),
                (_, this) => length = Some(this),
            }
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") && coding.replace(field.value).is_some() {
            return Err(ErrorKind::BadRequest("it has more than one Transfer-Encoding"));
        }
    }
    match (length, coding) {
        (length, None) => Ok(Framing::Length(length.unwrap_or(0))),
        (Some(_), Some(_)) => Err(ErrorKind::BadRequest("it has a Content-Length beside a Transfer-Encoding")),
        (None, Some(coding)) if version == Some(1) && coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (None, Some(_)) => Err(ErrorKind::BadRequest("its Transfer-Encoding is not exactly chunked")),
    }
}

/// A `Content-Length`: digits and nothing else (RFC 9110 section 8.6), and no more than everybody has room for: to one who
/// counts with a sign, what is larger would be less than nothing.
pub fn length(value: &[u8]) -> Result<u64, ErrorKind> {
    let digits = std::str::from_utf8(value).ok().filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .filter(|length| i64::try_from(*length).is_ok())
        .ok_or(ErrorKind::BadRequest("its Content-Length is no number"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: HeadLimits = HeadLimits { bytes: 200, fields: 4 };

    fn look_at(text: &str) -> Result<Option<Head>, ErrorKind> {
        look(text.as_bytes(), &mut 0, LIMITS)
    }

    fn framing_of(fields: &str) -> Option<Framing> {
        look_at(&format!("POST / HTTP/1.1\r\n{fields}\r\n")).ok().flatten().map(|head| head.body)
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_is_the_same_head() {
        let text = "\r\nPOST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 7\r\n\r\nbody";
        let head = Head { length: text.len() - 4, body: Framing::Length(7) };
        let mut seen = 0;
        for length in 0..head.length {
            assert_eq!(look(&text.as_bytes()[..length], &mut seen, LIMITS), Ok(None), "{length}");
        }
        assert_eq!(look(text.as_bytes(), &mut seen, LIMITS), Ok(Some(head)));
    }

    #[test]
    fn a_bare_line_feed_is_refused_as_soon_as_it_comes() {
        for text in ["\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nhost: a\n", "GET / HTTP/1.1\r\n\n"] {
            assert!(matches!(look_at(text), Err(ErrorKind::BadRequest(_))), "{text:?}");
        }
    }

    #[test]
    fn a_body_has_one_length_or_is_chunked() {
        assert_eq!(framing_of(""), Some(Framing::Length(0)));
        assert_eq!(framing_of("Content-Length: 5\r\ncontent-length: 5\r\n"), Some(Framing::Length(5)));
        assert_eq!(framing_of("content-length: 9223372036854775807\r\n"), Some(Framing::Length(i64::MAX as u64)));
        assert_eq!(framing_of("transfer-encoding: Chunked\r\n"), Some(Framing::Chunked));
        let refused = [
            "content-length: 5\r\ncontent-length: 6\r\n",
            "content-length: 5, 5\r\n",
            "content-length: +5\r\n",
            "content-length:\r\n",
            "content-length: 18446744073709551616\r\n",
            "content-length: 9223372036854775808\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: identity\r\n",
            "transfer-encoding:\r\n",
        ];
        for fields in refused {
            assert_eq!(framing_of(fields), None, "{fields:?}");
        }
        assert!(look_at("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn bytes_and_fields_have_limits() {
        let long = "a".repeat(300);
        assert_eq!(look_at(&format!("GET /{long}")), Err(ErrorKind::TargetTooLong));
        assert_eq!(look_at(&format!("GET / HTTP/1.1\r\nx: {long}")), Err(ErrorKind::RequestHeadTooLarge));
        assert_eq!(look_at(&format!("GET / HTTP/1.1\r\nx: {long}\r\n\r\n")), Err(ErrorKind::RequestHeadTooLarge));
        assert_eq!(look_at(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(5))), Err(ErrorKind::RequestHeadTooLarge));
        assert!(matches!(look_at(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(4))), Ok(Some(_))));
        assert!(look_at("\r\n\r\n\r\n").is_err(), "empty lines are not a way to keep a connection busy");
    }

    /// Bytes near to heads: pieces of them, and whatever else.
    fn nearly_heads() -> impl Strategy<Value = Vec<u8>> {
        let pieces = prop_oneof![
            Just("GET / HTTP/1.1\r\n"),
            Just("POST /a?b HTTP/1.0\r\n"),
            Just("host: a\r\n"),
            Just("content-length: 5\r\n"),
            Just("content-length: 5, 5\r\n"),
            Just("transfer-encoding: chunked\r\n"),
            Just("x: y"),
            Just("\r\n"),
            Just("\r"),
            Just("\n"),
            Just(" "),
            Just(":"),
        ];
        let pieces = pieces.prop_map(|piece| piece.as_bytes().to_vec());
        prop::collection::vec(prop_oneof![8 => pieces, 1 => prop::collection::vec(any::<u8>(), 0..8)], 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn a_verdict_does_not_depend_on_how_the_bytes_came(bytes in nearly_heads(), cuts in prop::collection::vec(0_usize..200, 0..5)) {
            let whole = look(&bytes, &mut 0, LIMITS);
            let (mut seen, mut verdict) = (0, Ok(None));
            let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([bytes.len()]).collect();
            ends.sort_unstable();
            for end in ends {
                verdict = look(&bytes[..end], &mut seen, LIMITS);
                if verdict != Ok(None) {
                    break;
                }
            }
            // What is wrong may be seen before the end of the head is.
            prop_assert!(verdict == whole || (verdict.is_err() && whole.is_err()), "{verdict:?} and {whole:?}");
        }

        #[test]
        fn a_head_that_passes_is_one_for_the_strictest_reader(bytes in nearly_heads()) {
            if let Ok(Some(head)) = look(&bytes, &mut 0, LIMITS) {
                let text = &bytes[..head.length];
                prop_assert!(text.ends_with(b"\r\n\r\n"));
                let lines = text.strip_suffix(b"\r\n\r\n").unwrap_or_default().split(|byte| *byte == b'\n');
                let (mut lengths, mut codings) = (0, 0);
                for line in lines {
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    prop_assert!(!line.contains(&b'\r') && !line.contains(&0));
                    lengths += usize::from(line.to_ascii_lowercase().starts_with(b"content-length"));
                    codings += usize::from(line.to_ascii_lowercase().starts_with(b"transfer-encoding"));
                }
                prop_assert!(codings <= 1 && (codings == 0 || lengths == 0));
                prop_assert_eq!(head.body == Framing::Chunked, codings == 1);
            }
        }
    }
}
