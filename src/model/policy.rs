//! Settings that hold for the whole edge: time limits and bounds towards clients, TLS, drain, access log.
//! Time limits towards one backend are in `backend`.

use std::time::Duration;

/// How long clients may take. [`Duration::MAX`] stands for no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// From accept to the end of the TLS handshake, in all.
    pub tls_handshake: Duration,
    /// From the first byte of a request head to its last, in all; past it the answer is 408.
    pub request_head: Duration,
    /// Between two reads of a request body; past it the answer is 408.
    pub request_body: Duration,
    /// Between two writes of an answer that the client takes off the socket.
    pub response_write: Duration,
    /// From the last byte of an answer to the first of the next request.
    pub keep_alive: Duration,
    /// Without a byte in either direction of an upgraded connection.
    pub tunnel_idle: Duration,
    /// After which a connection is asked to end (spread by up to a tenth, so that they do not all end at once).
    pub connection_age: Duration,
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        Self {
            tls_handshake: Duration::from_secs(10),
            request_head: Duration::from_secs(10),
            request_body: Duration::from_secs(30),
            response_write: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            tunnel_idle: Duration::from_secs(3600),
            connection_age: Duration::from_secs(3600),
        }
    }
}

/// What one client, one request or one answer may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head, decoded; more is answered 431.
    pub request_head: usize,
    /// Fields of a request head; more is answered 431.
    pub request_headers: usize,
    /// Bytes of a backend's response head; more is answered 502.
    pub response_head: usize,
    /// Bytes of a request body; more is answered 413. `None`: unlimited.
    pub request_body: Option<u64>,
    /// Open client connections. `None`: as many as the descriptor limit allows, with one upstream connection for each.
    pub connections: Option<usize>,
    /// Open connections from one client address. `None`: unlimited.
    pub connections_per_client: Option<usize>,
    /// Concurrent HTTP/2 streams of a connection.
    pub streams_per_connection: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_head: 64 * 1024,
            request_headers: 100,
            response_head: 128 * 1024,
            request_body: None,
            connections: None,
            connections_per_client: None,
            streams_per_connection: 128,
        }
    }
}

/// The TLS parameters that listeners offer; one `rustls::ServerConfig` each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsPolicy {
    /// The oldest version that is negotiated.
    pub minimum_version: TlsVersion,
    /// Which cipher suites, of those that are offered at all.
    pub profile: TlsProfile,
}

/// Cipher suites by the names of the cloud's policies. None of them has CBC, RSA key exchange or 3DES here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsProfile {
    /// AES-GCM and ChaCha20-Poly1305 with ephemeral keys.
    #[default]
    Modern,
    /// The same: what older clients would need beyond it is not offered by anything safe.
    Compatible,
    /// AES-GCM alone, with the groups P-256 and P-384.
    Fips,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// What a handshake gets whose server name no certificate covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownServerName {
    /// The first listed certificate.
    #[default]
    DefaultCertificate,
    /// The `unrecognized_name` alert (RFC 6066 section 3).
    Refuse,
}

/// How the process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainPolicy {
    /// How long listeners go on after SIGTERM, while `readyz` already answers 503.
    pub delay: Duration,
    /// How long requests in flight may take after that.
    pub timeout: Duration,
}

impl Default for DrainPolicy {
    fn default() -> Self {
        Self { delay: Duration::ZERO, timeout: Duration::from_secs(30) }
    }
}
