//! HTTP/2 frame by frame (RFC 9113 section 4.1), for what no library would send.

use std::io;

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{TestClient, Wire};

/// Frame types.
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Flags of HEADERS and DATA.
pub const END_STREAM: u8 = 1;
/// Flag of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 4;
/// Flag of SETTINGS and PING.
pub const ACK: u8 = 1;

/// A frame as it is on the wire.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("tests send small frames").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields as literals without indexing (RFC 7541 section 6.2.2), byte for byte.
pub fn block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    block
}

/// A request without a body, in one frame.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    let fields: [(&[u8], &[u8]); 4] = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", path.as_bytes())];
    frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, &block(&fields))
}

/// With a prefix of seven bits (RFC 7541 section 5.1).
fn integer(block: &mut Vec<u8>, value: usize) {
    let Some(mut rest) = value.checked_sub(127) else { return block.push(u8::try_from(value).expect("it is below 127")) };
    block.push(127);
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).expect("it is below 128") | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("it is below 128"));
}

/// What became of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was answered; the block is left as it came.
    Answered,
    /// It was reset, with this code.
    Reset(u32),
    /// The connection was ended, with this code.
    GoAway(u32),
    /// The connection ended without a word.
    Closed,
}

/// A connection without a library.
pub struct Frames {
    wire: Wire<TlsStream<TcpStream>>,
}

impl Frames {
    /// Connects and sends the preface.
    pub async fn connect(client: &TestClient) -> Self {
        let mut frames = Self { wire: Wire::new(client.tls(&["h2"]).await.expect("the proxy takes TLS connections")) };
        frames.send(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &*frame(kind::SETTINGS, 0, 0, &[])].concat()).await.expect("it takes a preface");
        frames
    }

    /// Sends bytes; an error if the connection is gone.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.write(bytes).await
    }

    /// The next frame: kind, flags, stream and payload; `None` at the end.
    pub async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            let buffer = &mut self.wire.buffer;
            if buffer.len() >= 9 {
                let length = usize::from(buffer[0]) << 16 | usize::from(buffer[1]) << 8 | usize::from(buffer[2]);
                if buffer.len() >= 9 + length {
                    let frame = buffer.split_to(9 + length);
                    let stream = u32::from_be_bytes([frame[5] & 0x7f, frame[6], frame[7], frame[8]]);
                    return Some((frame[3], frame[4], stream, frame[9..].to_vec()));
                }
            }
            match self.wire.fill().await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => panic!("the proxy says nothing more"),
                Err(_) => return None,
            }
        }
    }

    /// Reads until it is known what became of a stream.
    pub async fn fate(&mut self, stream: u32) -> Fate {
        let code = |payload: &[u8], at: usize| payload.get(at..at + 4).map_or(0, |code| u32::from_be_bytes([code[0], code[1], code[2], code[3]]));
        while let Some((kind, _, of, payload)) = self.next().await {
            match kind {
                kind::HEADERS if of == stream => return Fate::Answered,
                kind::RST_STREAM if of == stream => return Fate::Reset(code(&payload, 0)),
                kind::GOAWAY if code(&payload, 4) != 0 => return Fate::GoAway(code(&payload, 4)),
                _ => {}
            }
        }
        Fate::Closed
    }
}
