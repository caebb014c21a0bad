//! A client that trusts the test's authority: raw HTTP/1.1, HTTP/2, TLS alone, and plain TCP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Answer, Pattern, TestCertificates, Wire, in_time};

/// How to connect to one address. Its clones share their session tickets.
#[derive(Clone)]
pub struct TestClient {
    address: SocketAddr,
    server_name: String,
    from: Option<IpAddr>,
    config: Arc<ClientConfig>,
}

/// Either kind of connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An HTTP/1.1 connection.
pub struct Http1 {
    /// The connection, for whoever wants bytes.
    pub wire: Wire<Box<dyn Stream>>,
    /// The certificate that the proxy showed.
    pub certificate: Option<CertificateDer<'static>>,
    host: String,
}

/// An HTTP/2 connection.
pub struct Http2 {
    /// To send more on it.
    pub sender: SendRequest<Bytes>,
    /// Ends when the connection does.
    pub connection: JoinHandle<Result<(), h2::Error>>,
    host: String,
}

/// A response over HTTP/2.
#[derive(Debug)]
pub struct Http2Answer {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Vec<u8>,
    /// The fields after it.
    pub trailers: HeaderMap,
}

impl TestClient {
    /// Offers both versions of TLS and of HTTP, and asks for `localhost`.
    pub fn new(address: SocketAddr, certificates: &TestCertificates) -> Self {
        Self::with_versions(address, certificates, rustls::ALL_VERSIONS)
    }

    /// Offers these versions of TLS.
    pub fn with_versions(address: SocketAddr, certificates: &TestCertificates, versions: &[&'static SupportedProtocolVersion]) -> Self {
        Self::with_provider(address, certificates, versions, rustls::crypto::aws_lc_rs::default_provider())
    }

    /// Offers these versions of TLS and what this provider has.
    pub fn with_provider(
        address: SocketAddr,
        certificates: &TestCertificates,
        versions: &[&'static SupportedProtocolVersion],
        provider: CryptoProvider,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(certificates.root()).expect("our own authority is valid");
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .expect("the provider has suites for them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { address, server_name: "localhost".to_owned(), from: None, config: Arc::new(config) }
    }

    /// Asks for another name, in TLS and in Host.
    #[must_use]
    pub fn named(mut self, server_name: &str) -> Self {
        server_name.clone_into(&mut self.server_name);
        self
    }

    /// Comes from another loopback address.
    #[must_use]
    pub fn from(mut self, address: impl Into<IpAddr>) -> Self {
        self.from = Some(address.into());
        self
    }

    /// The first message of a handshake, in its record.
    pub fn hello(&self) -> Vec<u8> {
        let name = ServerName::try_from(self.server_name.clone()).expect("tests ask for valid names");
        let mut client = rustls::ClientConnection::new(self.config.clone(), name).expect("the client is set up");
        let mut hello = Vec::new();
        client.write_tls(&mut hello).expect("a vector takes everything");
        hello
    }

    /// A connection without anything on it.
    pub async fn tcp(&self) -> io::Result<TcpStream> {
        let stream = match self.from {
            None => TcpStream::connect(self.address).await?,
            Some(from) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind(SocketAddr::new(from, 0))?;
                socket.connect(self.address).await?
            }
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Changes anything else.
    #[must_use]
    pub fn configured(mut self, change: impl FnOnce(&mut ClientConfig)) -> Self {
        change(Arc::make_mut(&mut self.config));
        self
    }

    /// A TLS connection that offers these protocols.
    pub async fn tls(&self, alpn: &[&str]) -> io::Result<TlsStream<TcpStream>> {
        let mut config = (*self.config).clone();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(self.server_name.clone()).expect("test names are valid");
        let stream = self.tcp().await?;
        in_time("TLS handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await
    }

    /// An HTTP/1.1 connection over TLS, or why there is none.
    pub async fn try_http1(&self) -> io::Result<Http1> {
        self.tls(&["http/1.1"]).await.map(|stream| self.http1_on(stream))
    }

    /// HTTP/1.1 on a TLS connection.
    pub fn http1_on(&self, stream: TlsStream<TcpStream>) -> Http1 {
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.clone().into_owned());
        Http1 { wire: Wire::new(Box::new(stream)), certificate, host: self.server_name.clone() }
    }

    /// An HTTP/1.1 connection over TLS.
    pub async fn http1(&self) -> Http1 {
        self.try_http1().await.expect("the proxy takes TLS connections")
    }

    /// An HTTP/2 connection.
    pub async fn http2(&self) -> Http2 {
        let stream = self.tls(&["h2"]).await.expect("the proxy takes TLS connections");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "HTTP/2 is agreed on");
        let handshake = h2::client::Builder::new().initial_window_size(1 << 20).initial_connection_window_size(4 << 20).handshake(stream);
        let (sender, connection) = in_time("HTTP/2 handshake", handshake).await.expect("the proxy speaks HTTP/2");
        Http2 { sender, connection: tokio::spawn(connection), host: self.server_name.clone() }
    }
}

impl Http1 {
    /// Asks for another host.
    #[must_use]
    pub fn named(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// A connection without TLS.
    pub async fn plain(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the proxy takes connections");
        stream.set_nodelay(true).expect("it is a TCP socket");
        Self { wire: Wire::new(Box::new(stream)), certificate: None, host: "localhost".to_owned() }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.wire.write(bytes).await.expect("the proxy takes what is sent");
    }

    /// Sends a request without a body and reads its answer.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.request("GET", path, &[], b"").await
    }

    /// Sends a request, with a length if it has a body, and reads its answer.
    pub async fn request(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_request(method, path, fields, body).await.expect("the proxy answers")
    }

    /// The same where it may fail.
    pub async fn try_request(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.wire.write([head.as_bytes(), body].concat()).await?;
        self.wire.answer(method).await
    }

    /// Sends bytes as they are and reads one answer.
    pub async fn raw(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.send(bytes).await;
        self.answer().await
    }

    /// Reads the answer to a request that was sent.
    pub async fn answer(&mut self) -> Answer {
        self.wire.answer("GET").await.expect("the proxy answers")
    }

    /// Sends a body that is a [`Pattern`] and reads the answer.
    pub async fn upload(&mut self, path: &str, length: u64, chunked: bool) -> Answer {
        let framing = if chunked { "transfer-encoding: chunked".to_owned() } else { format!("content-length: {length}") };
        self.send(format!("POST {path} HTTP/1.1\r\nhost: {}\r\n{framing}\r\n\r\n", self.host)).await;
        let mut pattern = Pattern::default();
        while pattern.position < length {
            let block = pattern.next(usize::try_from(length - pattern.position).unwrap_or(usize::MAX).min(60_000));
            if chunked {
                self.send([format!("{:x}\r\n", block.len()).as_bytes(), &block, b"\r\n"].concat()).await;
            } else {
                self.send(&block).await;
            }
        }
        if chunked {
            self.send("0\r\n\r\n").await;
        }
        self.answer().await
    }

    /// Sends a GET, checks that the body is a [`Pattern`], and returns its length.
    pub async fn download(&mut self, path: &str) -> u64 {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host)).await;
        let answer = self.wire.answer_head().await.expect("the proxy answers");
        assert_eq!(answer.status, 200);
        let mut pattern = Pattern::default();
        self.wire.body(answer.head.response_framing("GET"), |bytes| pattern.check(bytes)).await.expect("the body is whole");
        pattern.position
    }

    /// Waits for the proxy to close the connection, with nothing before.
    pub async fn closed(&mut self) {
        let mut extra = Vec::new();
        let end = self.wire.body(super::Framing::Close, |bytes| extra.extend_from_slice(bytes)).await;
        assert!(!matches!(&end, Err(error) if error.kind() == io::ErrorKind::TimedOut), "the connection stays open");
        assert!(extra.is_empty(), "nothing more is said: {}", String::from_utf8_lossy(&extra));
    }
}

impl Http2 {
    /// A request for this path.
    pub fn head(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("https://{}{path}", self.host))
    }

    /// Sends a request without a body and reads its answer.
    pub async fn get(&mut self, path: &str) -> Http2Answer {
        self.request(self.head("GET", path).body(()).expect("it is valid"), b"").await.expect("the proxy answers")
    }

    /// Sends a request and reads its answer.
    pub async fn request(&mut self, request: Request<()>, body: &[u8]) -> Result<Http2Answer, h2::Error> {
        let (response, mut stream) = self.begin(request, body.is_empty()).await?;
        if !body.is_empty() {
            stream.send_data(Bytes::copy_from_slice(body), true)?;
        }
        finish(in_time("an answer", response).await?).await
    }

    /// Sends the head of a request.
    pub async fn begin(&self, request: Request<()>, end: bool) -> Result<(h2::client::ResponseFuture, SendStream<Bytes>), h2::Error> {
        let mut sender = in_time("a free stream", self.sender.clone().ready()).await?;
        sender.send_request(request, end)
    }
}

/// Reads an answer to its end.
pub async fn finish(response: Response<RecvStream>) -> Result<Http2Answer, h2::Error> {
    let (parts, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = in_time("the rest of a body", stream.data()).await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    let trailers = in_time("the end of a body", stream.trailers()).await?.unwrap_or_default();
    Ok(Http2Answer { status: parts.status.as_u16(), headers: parts.headers, body, trailers })
}
