use proptest::prelude::*;

use super::*;

fn decode_all(mut decoder: Decoder, bytes: &[u8], step: usize) -> Result<(Vec<u8>, Option<HeaderMap>, bool), Malformed> {
    let mut input = BytesMut::new();
    let (mut content, mut trailers) = (Vec::new(), None);
    for part in bytes.chunks(step.max(1)) {
        input.extend_from_slice(part);
        loop {
            match decoder.decode(&mut input)? {
                Decoded::Frame(Frame::Data(data)) => content.extend_from_slice(&data),
                Decoded::Frame(Frame::Trailers(map)) => trailers = Some(map),
                Decoded::More | Decoded::End => break,
            }
        }
    }
    Ok((content, trailers, decoder.is_done() && input.is_empty()))
}

fn chunked(bytes: &[u8]) -> Result<(Vec<u8>, Option<HeaderMap>, bool), Malformed> {
    let whole = decode_all(Decoder::Chunked(Chunk::Size), bytes, bytes.len());
    let single = decode_all(Decoder::Chunked(Chunk::Size), bytes, 1);
    assert_eq!(whole.is_ok(), single.is_ok(), "reading byte by byte reads the same");
    whole
}

#[test]
fn chunks_are_joined_and_trailers_filtered() {
    let (content, trailers, done) = chunked(b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(content, b"abc0123456789");
    let trailers = trailers.unwrap();
    assert_eq!((trailers.len(), trailers["x-sum"].to_str().unwrap()), (1, "1"));
    assert!(done);
}

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    for bytes in [
        &b"3\nabc\r\n0\r\n\r\n"[..],
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"+3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"\r\nabc",
        b"11111111111111111\r\n",
        b"3 3\r\nabc\r\n",
        b"3;a\nb\r\nabc\r\n0\r\n\r\n",
        b"3;a\rb\r\nabc\r\n0\r\n\r\n",
        b"0\r\nbad field\r\n\r\n",
    ] {
        assert!(chunked(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn lines_and_trailers_have_a_bound() {
    assert!(chunked(&[b'1'; MAX_SIZE_LINE + 1]).is_err());
    assert!(chunked(&[b"0\r\nx: ".to_vec(), vec![b'a'; MAX_TRAILERS + 1]].concat()).is_err());
}

#[test]
fn a_length_is_kept_to() {
    let mut input = BytesMut::from(&b"abcdef"[..]);
    let mut decoder = Decoder::Length(4);
    assert!(matches!(decoder.decode(&mut input), Ok(Decoded::Frame(Frame::Data(data))) if data == "abcd"));
    assert!(matches!(decoder.decode(&mut input), Ok(Decoded::End)));
    assert_eq!(input, "ef", "what follows is not part of it");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = chunked(&bytes);
    }

    #[test]
    fn what_is_encoded_comes_back(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..10)) {
        let mut bytes = Vec::new();
        for part in &parts {
            bytes.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            bytes.extend_from_slice(part);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let (content, _, done) = chunked(&bytes).unwrap();
        prop_assert_eq!(content, parts.concat());
        prop_assert!(done);
    }
}
