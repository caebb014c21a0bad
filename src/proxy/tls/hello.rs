//! The first bytes of a connection: they say whether it is TLS or plain HTTP, whatever is expected on its port. They
//! are read once and handed on to whoever speaks that.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;

/// What a client begins with.
#[derive(Debug, PartialEq, Eq)]
pub enum Opening {
    /// A TLS handshake.
    Tls,
    /// A request in the clear.
    Cleartext,
    /// Something else.
    Unknown,
    /// Nothing: it closed the connection.
    Nothing,
}

/// Content type of a handshake record (RFC 8446 section 5.1).
const HANDSHAKE: u8 = 22;
/// A hello with a post-quantum key share fits.
const FIRST_READ: usize = 2048;

/// Reads what has come first. Waits for one byte, which says it all.
pub async fn read(stream: &TcpStream) -> io::Result<(Opening, Bytes)> {
    let mut bytes = BytesMut::with_capacity(FIRST_READ);
    loop {
        stream.readable().await?;
        match stream.try_read_buf(&mut bytes) {
            Ok(_) => return Ok((classify(bytes.first().copied()), bytes.freeze())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn classify(first: Option<u8>) -> Opening {
    match first {
        None => Opening::Nothing,
        Some(HANDSHAKE) => Opening::Tls,
        // Methods are tokens that in practice begin with a letter; robust parsers skip an empty line before them.
        Some(byte) if byte.is_ascii_alphabetic() || matches!(byte, b'\r' | b'\n') => Opening::Cleartext,
        Some(_) => Opening::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells() {
        for (byte, opening) in
            [(0x16, Opening::Tls), (b'G', Opening::Cleartext), (b'\r', Opening::Cleartext), (0x80, Opening::Unknown), (0, Opening::Unknown)]
        {
            assert_eq!(classify(Some(byte)), opening, "{byte:#x}");
        }
        assert_eq!(classify(None), Opening::Nothing);
    }
}
