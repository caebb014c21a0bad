//! Where the chunks of an HTTP/1 request end (RFC 9112 section 7.1), so that the head after them is looked at, too. The
//! codec decodes them; this only walks along, and refuses what another reader could end elsewhere.

/// A place in the chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks {
    at: At,
    /// Bytes of extensions and trailers so far.
    extra: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In a size, of which so many digits have come.
    Size {
        size: u64,
        digits: u8,
    },
    /// In the space behind it.
    Space {
        size: u64,
    },
    Extension {
        size: u64,
    },
    /// Behind the CR of a size line.
    SizeEnd {
        size: u64,
    },
    /// So many bytes before the end of a chunk.
    Data(u64),
    /// Behind its last byte.
    DataCr,
    DataLf,
    /// At the beginning of a line after the last chunk.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// Behind the CR of the last line.
    LastLf,
}

/// Chunks that are not as HTTP/1.1 has them; why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Nobody uses extensions, and trailers are few.
const MAX_EXTRA: usize = 16 * 1024;

impl Chunks {
    /// Before the first.
    pub fn new() -> Self {
        Self { at: At::Size { size: 0, digits: 0 }, extra: 0 }
    }

    /// Walks along. Returns after how many of the bytes the body is over; `None`: not among these.
    pub fn walk(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let mut position = 0;
        while let Some(byte) = bytes.get(position) {
            if let At::Data(left) = self.at {
                let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - position);
                position += skipped;
                let left = left - skipped as u64;
                self.at = if left == 0 { At::DataCr } else { At::Data(left) };
                continue;
            }
            position += 1;
            match self.step(*byte)? {
                Some(next) => self.at = next,
                None => return Ok(Some(position)),
            }
        }
        Ok(None)
    }

    /// `None`: this byte was the last.
    fn step(&mut self, byte: u8) -> Result<Option<At>, Malformed> {
        Ok(Some(match (self.at, byte) {
            (At::Size { size, digits }, byte) if byte.is_ascii_hexdigit() => digit(size, digits, byte)?,
            (At::Size { digits: 0, .. }, _) => return Err(Malformed("a chunk size is no number")),
            (At::Size { size, .. } | At::Space { size } | At::Extension { size }, b'\r') => At::SizeEnd { size },
            (At::Size { size, .. } | At::Space { size }, b';') => self.beside(byte, At::Extension { size })?,
            (At::Size { size, .. } | At::Space { size }, b' ' | b'\t') => self.beside(byte, At::Space { size })?,
            (At::Size { .. } | At::Space { .. }, _) => return Err(Malformed("a chunk size is no number")),
            (At::Extension { size }, byte) => self.beside(byte, At::Extension { size })?,
            (At::SizeEnd { size: 0 }, b'\n') => At::TrailerStart,
            (At::SizeEnd { size }, b'\n') => At::Data(size),
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Size { size: 0, digits: 0 },
            (At::DataCr | At::DataLf, _) => return Err(Malformed("a chunk is longer than its size")),
            (At::TrailerStart, b'\r') => At::LastLf,
            (At::TrailerStart | At::TrailerName, byte) if is_of_name(byte) => self.beside(byte, At::TrailerName)?,
            (At::TrailerName, b':') => At::TrailerValue,
            (At::TrailerStart | At::TrailerName, b'\n') => return Err(LINE_END),
            (At::TrailerStart | At::TrailerName, _) => return Err(Malformed("its trailers are malformed")),
            (At::TrailerValue, b'\r') => At::TrailerLf,
            (At::TrailerValue, byte) => self.beside(byte, At::TrailerValue)?,
            (At::TrailerLf, b'\n') => At::TrailerStart,
            (At::LastLf, b'\n') => return Ok(None),
            (At::SizeEnd { .. } | At::TrailerLf | At::LastLf | At::Data(_), _) => return Err(LINE_END),
        }))
    }

    fn beside(&mut self, byte: u8, next: At) -> Result<At, Malformed> {
        self.extra += 1;
        match byte {
            b'\n' => Err(LINE_END),
            0..=8 | 11..=31 | 127 => Err(Malformed("its chunk extensions or trailers have what no field may have")),
            _ if self.extra > MAX_EXTRA => Err(Malformed("its chunk extensions and trailers are too large")),
            _ => Ok(next),
        }
    }
}

/// RFC 9110 section 5.6.2.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn digit(size: u64, digits: u8, byte: u8) -> Result<At, Malformed> {
    let digit = char::from(byte).to_digit(16).map(u64::from).unwrap_or_default();
    let size = size.checked_mul(16).map(|size| size | digit).filter(|_| digits < 16);
    size.map(|size| At::Size { size, digits: digits + 1 }).ok_or(Malformed("a chunk size is too large"))
}

const LINE_END: Malformed = Malformed("a line ends with something else than CRLF");

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::proxy::upstream::http1::framing::{Chunk, Decoded, Decoder};

    #[test]
    fn the_end_is_found_however_the_bytes_are_cut() {
        let text = b"5\r\nhello\r\nA;x=\"y\" \r\n0123456789\r\n0\r\nx-a: b\r\n\r\nGET";
        for cut in 0..text.len() {
            let mut chunks = Chunks::new();
            let mut found = chunks.walk(&text[..cut]).unwrap();
            if found.is_none() {
                found = chunks.walk(&text[cut..]).unwrap().map(|end| end + cut);
            }
            assert_eq!(found, Some(text.len() - 3), "cut at {cut}");
        }
    }

    #[test]
    fn what_others_could_end_elsewhere_is_refused() {
        for text in [
            "+5\r\n",
            "-5\r\n",
            "0x5\r\n",
            "5\n",
            " 5\r\n",
            "\r\n",
            "fffffffffffffffff\r\n",
            "00000000000000005\r\n",
            "5;a\nb",
            "5;a\rb",
            "g\r\n",
            "5\rx",
            "3\r\nhello",
            "5\r\nhello\n",
            "5\r\nhello\rX",
            "0\r\n\n",
            "0\r\nx: y\n",
            "0\r\nx: y\rz",
            "0\r\n\rx",
            "5 x\r\n",
            "5;a\0b\r\n",
            "0\r\nno colon\r\n",
            "0\r\nx : y\r\n",
            "0\r\n: y\r\n",
            "0\r\nx: y\r\n folded\r\n",
            "0\r\nx: \x7f\r\n",
        ] {
            assert!(Chunks::new().walk(text.as_bytes()).is_err(), "{text:?}");
        }
        let endless = format!("0;{}", "a".repeat(MAX_EXTRA + 1));
        assert!(Chunks::new().walk(endless.as_bytes()).is_err());
    }

    /// Bytes near to chunks.
    fn nearly_chunks() -> impl Strategy<Value = Vec<u8>> {
        let pieces = prop_oneof![
            Just("5\r\nhello\r\n"),
            Just("1\r\nx\r\n"),
            Just("a;b=c\r\n0123456789\r\n"),
            Just("0\r\n\r\n"),
            Just("0\r\nx: y\r\n\r\n"),
            Just("3\r\n"),
            Just("\r\n"),
            Just("\r"),
            Just("\n"),
            Just("0"),
        ];
        let pieces = pieces.prop_map(|piece| piece.as_bytes().to_vec());
        prop::collection::vec(prop_oneof![8 => pieces, 1 => prop::collection::vec(any::<u8>(), 0..6)], 0..10).prop_map(|pieces| pieces.concat())
    }

    /// Where the decoder for backends' answers, which was written apart, finds the end.
    fn decoded(bytes: &[u8]) -> Option<usize> {
        let mut input = BytesMut::from(bytes);
        let mut decoder = Decoder::Chunked(Chunk::Size);
        loop {
            match decoder.decode(&mut input) {
                Ok(Decoded::Frame(_)) if !decoder.is_done() => {}
                Ok(Decoded::Frame(_) | Decoded::End) => return Some(bytes.len() - input.len()),
                Ok(Decoded::More) | Err(_) => return None,
            }
        }
    }

    proptest! {
        #[test]
        fn whoever_finds_an_end_finds_the_same(bytes in nearly_chunks(), cut in 0_usize..100) {
            let walked = Chunks::new().walk(&bytes).ok().flatten();
            if let Some(end) = decoded(&bytes) {
                prop_assert!(walked.is_none_or(|walked| walked == end), "{walked:?} and {end}");
            }
            let cut = cut.min(bytes.len());
            let mut chunks = Chunks::new();
            let first = chunks.walk(&bytes[..cut]);
            let in_two = match first {
                Ok(None) => chunks.walk(&bytes[cut..]).ok().flatten().map(|end| end + cut),
                found => found.ok().flatten(),
            };
            prop_assert_eq!(in_two, walked);
        }
    }
}
