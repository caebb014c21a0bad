//! A body that says at every byte where it belongs, so that a lost, doubled or misplaced block is seen.

use std::sync::LazyLock;

use bytes::Bytes;

/// A prime, so that no power-of-two block size is a multiple of it.
const PERIOD: usize = 65_521;

/// The period twice, so that any slice of up to one period can be taken out of it.
static TWICE: LazyLock<Bytes> = LazyLock::new(|| (0..PERIOD * 2).map(|at| u8::try_from((at % PERIOD * 31) % 251).unwrap_or(0)).collect());

/// Makes and checks such a body.
#[derive(Default)]
pub struct Pattern {
    /// Bytes made or checked so far.
    pub position: u64,
}

impl Pattern {
    /// The next `length` bytes, at most one period.
    pub fn next(&mut self, length: usize) -> Bytes {
        let at = self.place();
        self.position += length as u64;
        TWICE.slice(at..at + length)
    }

    /// Fails the test unless these are the next bytes.
    pub fn check(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(PERIOD));
            let position = self.position;
            assert!(self.next(now.len()) == now, "a body is not what was sent, from byte {position} on");
            bytes = rest;
        }
    }

    /// The whole of a body of this length.
    pub fn whole(length: usize) -> Vec<u8> {
        let mut pattern = Self::default();
        let mut body = Vec::with_capacity(length);
        while body.len() < length {
            body.extend_from_slice(&pattern.next((length - body.len()).min(PERIOD)));
        }
        body
    }

    fn place(&self) -> usize {
        usize::try_from(self.position % PERIOD as u64).unwrap_or(0)
    }
}
