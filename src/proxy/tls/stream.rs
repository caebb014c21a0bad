//! The handshake and the encrypted stream. The only file that names tokio-rustls.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::server::{Acceptor, ClientHello};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, server};

use super::ALPN_HTTP2;
use crate::model::TlsPolicy;
use crate::proxy::http::TlsFacts;
use crate::proxy::io::wire::Wire;

/// A handshake whose first message has been read.
pub struct Hello(StartHandshake<Wire>);

/// An encrypted connection.
pub struct TlsStream(server::TlsStream<Wire>, TlsPolicy);

/// Reads the first message of a handshake.
pub async fn read_hello(mut wire: Wire) -> io::Result<Hello> {
    wire.begin_handshake();
    LazyConfigAcceptor::new(Acceptor::default(), wire).await.map(Hello)
}

impl Hello {
    /// What the client asks for.
    pub fn client(&self) -> ClientHello<'_> {
        self.0.client_hello()
    }

    /// Gives up the handshake for an answer of our own.
    pub fn into_wire(self) -> Wire {
        self.0.io
    }

    /// Does the rest, as `policy` has it.
    pub async fn finish(self, config: Arc<ServerConfig>, policy: TlsPolicy) -> io::Result<TlsStream> {
        let mut stream = self.0.into_stream(config).await?;
        stream.get_mut().0.end_handshake();
        Ok(TlsStream(stream, policy))
    }
}

impl TlsStream {
    /// The socket under it.
    pub fn wire(&self) -> &Wire {
        self.0.get_ref().0
    }

    /// Whether HTTP/2 was agreed on.
    pub fn is_http2(&self) -> bool {
        self.0.get_ref().1.alpn_protocol() == Some(ALPN_HTTP2)
    }

    /// What was negotiated.
    pub fn facts(&self) -> TlsFacts {
        let session = self.0.get_ref().1;
        TlsFacts {
            version: if session.protocol_version() == Some(ProtocolVersion::TLSv1_3) { "TLSv1.3" } else { "TLSv1.2" },
            cipher_suite: session.negotiated_cipher_suite().map(|suite| suite.suite().into()),
            server_name: session.server_name().map(str::to_owned),
            policy: self.1.clone(),
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}
