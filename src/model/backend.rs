//! A named group of endpoints, how requests are spread over them, and how long each may take.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::Probe;

/// A named group of interchangeable endpoints. By default one without endpoints, and nothing is limited that need not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backend {
    /// Unique; used in logs and metrics.
    pub name: String,
    /// In the order of the configuration and of the resolver, without repetition.
    pub endpoints: Vec<EndpointAddress>,
    /// How an endpoint is picked.
    pub load_balancing: LoadBalancing,
    /// When an endpoint may be picked.
    pub readiness: Readiness,
    /// How long an endpoint may take.
    pub timeouts: BackendTimeouts,
    /// A cookie by which clients come back to the endpoint they had.
    pub affinity: Option<AffinityCookie>,
    /// How long what an endpoint still has may go on after it has left the configuration; `None`: until it ends.
    pub draining: Option<Duration>,
    /// How much its endpoints get at a time.
    pub limits: BackendLimits,
    /// When an endpoint is left out for what becomes of its requests; `None`: never.
    pub outliers: Option<Outliers>,
}

/// How many requests the endpoints of a backend get at a time, and how many more wait for how long. Towards HTTP/1.1 a
/// request has a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendLimits {
    /// Of each endpoint, over all workers.
    pub requests_per_endpoint: usize,
    /// Requests that wait while no endpoint has room.
    pub waiting: usize,
    /// For how long; then 503.
    pub wait: Duration,
}

impl Default for BackendLimits {
    fn default() -> Self {
        Self { requests_per_endpoint: 16_384, waiting: 1024, wait: Duration::from_secs(1) }
    }
}

/// When an endpoint that is ready is left out for a while, because requests to it fail: no connection, no answer, or a
/// status from 500 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outliers {
    /// Failures in a row, from 1.
    pub consecutive_failures: u32,
    /// For how long at first; doubled each time that it follows closely.
    pub ejection: Duration,
    /// For how long at most.
    pub longest: Duration,
    /// How many of a backend's endpoints may be left out at a time, in percent.
    pub share: u8,
}

impl Default for Outliers {
    fn default() -> Self {
        Self { consecutive_failures: 5, ejection: Duration::from_secs(10), longest: Duration::from_secs(300), share: 50 }
    }
}

/// A cookie of ours. Best effort: an endpoint that is not ready is not waited for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AffinityCookie {
    /// Its name.
    pub name: String,
    /// How long browsers keep it; `None`: as long as they are open.
    pub max_age: Option<Duration>,
}

/// Where an endpoint listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndpointAddress {
    /// One address.
    Ip(SocketAddr),
    /// `localhost`: whichever loopback address answers, because a developer's server may listen on either.
    Localhost(u16),
}

/// How an endpoint is picked among the ready ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadBalancing {
    /// In turn.
    RoundRobin,
    /// The less busy of two picked at random.
    #[default]
    LeastRequests,
    /// At random.
    Random,
    /// By the client's address, each client keeping its endpoint while that is ready (rendezvous hashing).
    Hash,
}

/// When an endpoint may be picked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// While its probe passes.
    Probe(Probe),
    /// Always: `assumeReady`.
    Assumed,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::Probe(Probe::default())
    }
}

/// How long an endpoint may take. [`Duration::MAX`] stands for no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendTimeouts {
    /// Until the connection is open.
    pub connect: Duration,
    /// From the last byte of a request (or the moment it stalls) to the end of the response head.
    pub response: Duration,
    /// Between two reads of a response body.
    pub idle: Duration,
    /// How long an unused connection is kept.
    pub keep_alive: Duration,
}

impl Default for BackendTimeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), response: Duration::from_secs(30), idle: Duration::from_secs(60), keep_alive: Duration::from_secs(4) }
    }
}

impl EndpointAddress {
    /// What to connect to, in this order until one answers.
    pub fn candidates(self) -> impl Iterator<Item = SocketAddr> {
        let (first, second) = match self {
            Self::Ip(address) => (address, None),
            Self::Localhost(port) => {
                (SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port), Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port)))
            }
        };
        std::iter::once(first).chain(second)
    }

    /// The port requests go to.
    pub fn port(self) -> u16 {
        match self {
            Self::Ip(address) => address.port(),
            Self::Localhost(port) => port,
        }
    }

    /// The same place with another port, for probes that have one of their own.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        match self {
            Self::Ip(address) => Self::Ip(SocketAddr::new(address.ip(), port)),
            Self::Localhost(_) => Self::Localhost(port),
        }
    }
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Localhost(port) => write!(f, "localhost:{port}"),
        }
    }
}
