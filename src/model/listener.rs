//! What is accepted on which address, and what happens to requests that come without TLS.

use std::sync::Arc;

use super::{CertificateName, SocketAddress, TlsPolicy};

/// A named way in. Several may share an address when the first byte tells them apart: one HTTPS, one HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Unique; used in logs and metrics.
    pub name: String,
    /// Where its connections come in.
    pub address: SocketAddress,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The port that clients see when something in front maps it (a container's published port, a Service);
    /// used in redirects and texts.
    pub public_port: Option<u16>,
    /// Name of the set whose routes its requests take.
    pub route_set: Arc<str>,
    /// What a server name gets that no certificate covers; `None`: the first of all.
    pub default_certificate: Option<CertificateName>,
    /// What it offers; `None`: what the edge does.
    pub tls: Option<TlsPolicy>,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP over TLS; cleartext HTTP that arrives on the port gets an answer.
    Https {
        /// The answer to cleartext HTTP.
        cleartext: Cleartext,
    },
    /// Plain HTTP. `None` leaves the decision to each route, whose own default is [`PlainHttp::Reject`].
    Http {
        /// The listener's own policy; where set, the ceiling for what routes may allow.
        plain: Option<PlainHttp>,
    },
}

/// What becomes of a request that came in plain HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainHttp {
    /// 426 with `Upgrade: TLS/1.2, HTTP/1.1` (RFC 9110 section 15.5.22), never forwarded.
    #[default]
    Reject,
    /// A redirect to the same URL with https.
    Redirect,
    /// Forwarded.
    Allow,
    /// The connection is closed without an answer.
    Close,
}

/// What cleartext HTTP on an HTTPS port gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cleartext {
    /// 400 with a text that names https.
    #[default]
    Reject,
    /// A redirect to the same URL with https.
    Redirect,
}

impl Listener {
    /// Whether connections are expected to begin with a TLS ClientHello.
    pub fn is_https(&self) -> bool {
        matches!(self.protocol, Protocol::Https { .. })
    }
}
