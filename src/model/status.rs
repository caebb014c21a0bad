//! How the two pipelines are looked at from outside: what they show (read-only) and the one thing that one asks of
//! the other. The admin pages see `proxy` and `control` through these traits alone.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method};

use super::{CertificateName, Diagnostic, Origins, Report, Snapshot};

/// Makes a snapshot the one that is served.
pub trait Publish: Send + Sync {
    /// Returns when new connections and requests see it. What the kernel refused comes back as findings; the rest is
    /// served all the same.
    fn publish(&self, snapshot: Arc<Snapshot>) -> Pin<Box<dyn Future<Output = Vec<Diagnostic>> + Send + '_>>;
}

/// What control shows.
pub trait ControlStatus: Send + Sync {
    /// Counts published configurations, from 1; 0 before the first.
    fn generation(&self) -> u64;
    /// The snapshot that is served.
    fn snapshot(&self) -> Arc<Snapshot>;
    /// What compiling it found.
    fn report(&self) -> Arc<Report>;
    /// Where its routes come from.
    fn origins(&self) -> Arc<Origins>;
    /// Whether the last change was taken as it is, and when that last was the case.
    fn last_reload(&self) -> (bool, Option<SystemTime>);
    /// Since when the snapshot of now is served; `None`: nothing is yet.
    fn published_at(&self) -> Option<SystemTime>;
    /// What `readyz` waits for.
    fn checks(&self) -> Vec<Check>;
    /// What became of the last changes of a certificate.
    fn certificate_history(&self, name: &CertificateName) -> CertificateHistory;
}

/// What the proxy shows.
pub trait ProxyStatus: Send + Sync {
    /// What `readyz` waits for.
    fn ready_checks(&self) -> Vec<Check>;
    /// What `livez` waits for: a sign of life from every worker.
    fn live_checks(&self) -> Vec<Check>;
    /// Every endpoint of every backend.
    fn endpoints(&self) -> Vec<EndpointStatus>;
    /// Open client connections.
    fn open_connections(&self) -> usize;
    /// What is listened on.
    fn sockets(&self) -> Vec<PublishedSocket>;
}

/// Explains a request whose answer is ours, where the client is the one who started the process.
pub trait Explain: Send + Sync {
    /// As text, some lines of it.
    fn explain(&self, request: &Explained<'_>) -> String;
}

/// A request to explain.
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a> {
    /// Name of the listener.
    pub listener: &'a str,
    /// Over TLS.
    pub tls: bool,
    /// Of the handshake.
    pub server_name: Option<&'a str>,
    /// Its method.
    pub method: &'a Method,
    /// Its host, with a port perhaps.
    pub host: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// Where it comes from.
    pub client: IpAddr,
}

/// One line of `readyz?verbose`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// A stable name.
    pub name: String,
    /// `None`: passed; else what is missing.
    pub failure: Option<String>,
}

/// An address that is listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedSocket {
    /// Names of its listeners.
    pub listeners: Vec<String>,
    /// As bound: with the port that the kernel picked.
    pub address: SocketAddr,
    /// Whether TLS is expected on it.
    pub https: bool,
}

/// What became of the last changes of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateHistory {
    /// When the one that is served was taken up.
    pub loaded: Option<SystemTime>,
    /// When another was refused last, and why.
    pub refused: Option<(SystemTime, String)>,
}

/// One endpoint as health sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Name of its backend.
    pub backend: String,
    /// As connected to.
    pub address: String,
    /// Whether it gets requests.
    pub state: EndpointState,
    /// Since when it does, or does not.
    pub since: SystemTime,
    /// Why, in plain words.
    pub reason: String,
    /// Whether it is left out for a while, because requests to it failed one after the other.
    pub ejected: bool,
    /// Requests it has now.
    pub in_flight: usize,
    /// Requests it has been given so far.
    pub requests: u64,
    /// Connections that are open to it, with a request or without.
    pub connections: usize,
    /// What its last probes found, the newest last; [`PROBES_KEPT`] at most.
    pub probes: Vec<ProbeResult>,
}

impl EndpointStatus {
    /// Whether it gets requests: it is ready, and not left out.
    pub fn gets_requests(&self) -> bool {
        self.state == EndpointState::Ready && !self.ejected
    }
}

/// What one probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// When it began.
    pub at: SystemTime,
    /// Until its answer, or until it was given up.
    pub duration: Duration,
    /// Whether the answer is that of a ready endpoint.
    pub passed: bool,
    /// The answer in plain words; shared, because most are the same as the one before.
    pub answer: Arc<str>,
}

/// How many results of probes are kept for each endpoint.
pub const PROBES_KEPT: usize = 50;

/// Whether an endpoint gets requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndpointState {
    /// No check has ended yet.
    Unknown,
    /// It gets requests.
    Ready,
    /// It gets none.
    NotReady,
}

impl Check {
    /// A check with its outcome.
    pub fn new(name: impl Into<String>, failure: Option<String>) -> Self {
        Self { name: name.into(), failure }
    }
}

impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Ready => "ready",
            Self::NotReady => "not_ready",
        })
    }
}
