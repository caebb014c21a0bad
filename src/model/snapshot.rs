//! The whole desired configuration at one instant: what pipeline 1 ends in and pipeline 2 begins with.

use std::path::PathBuf;
use std::sync::Arc;

use super::{
    AccessLogPolicy, Backend, Certificate, ClientTimeouts, DrainPolicy, HostPattern, Limits, Listener, LogSampling, Route, RouteSet, SocketAddress,
    TlsPolicy, UnknownServerName,
};

/// Immutable, comparable, printable. Every value in it has been validated: running it cannot fail, except that the
/// kernel may refuse an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What is accepted where.
    pub listeners: Vec<Arc<Listener>>,
    /// In the order of the configuration; the first is the default.
    pub certificates: Vec<Arc<Certificate>>,
    /// What an uncovered server name gets.
    pub unknown_server_name: UnknownServerName,
    /// What TLS listeners offer that say nothing else.
    pub tls: TlsPolicy,
    /// What they offer for these server names instead.
    pub server_name_policies: Vec<(HostPattern, TlsPolicy)>,
    /// The first is the shared one, and always there.
    pub route_sets: Vec<Arc<RouteSet>>,
    /// Whether every host `H` of a route also answers at `H.localhost`.
    pub localhost_aliases: bool,
    /// What routes refer to.
    pub backends: Vec<Arc<Backend>>,
    /// Time limits towards clients.
    pub timeouts: ClientTimeouts,
    /// Bounds towards clients.
    pub limits: Limits,
    /// How the process ends.
    pub drain: DrainPolicy,
    /// How exchanges are written.
    pub access_log: AccessLogPolicy,
    /// What is read once, at start.
    pub process: ProcessSettings,
}

/// What cannot change while the process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessSettings {
    /// Worker threads; `None`: one per usable core.
    pub workers: Option<usize>,
    /// The admin listener; `None`: off.
    pub admin: Option<SocketAddress>,
    /// The file with the token that it asks for.
    pub admin_token: Option<PathBuf>,
    /// Its socket in the file system.
    pub admin_socket: Option<PathBuf>,
    /// Where exchanges are written to; `None`: standard output.
    pub access_log: Option<PathBuf>,
    /// Where spans go, and of which share of the traces that begin here.
    pub collector: Option<(http::Uri, LogSampling)>,
}

impl Snapshot {
    /// The set of every listener that has no other.
    pub fn shared(&self) -> &RouteSet {
        &self.route_sets[0]
    }

    /// Every route of every set, default ones included; a route that is in several sets comes several times.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.route_sets.iter().flat_map(|set| set.all())
    }
}

/// Nothing is served.
impl Default for Snapshot {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            certificates: Vec::new(),
            unknown_server_name: UnknownServerName::default(),
            tls: TlsPolicy::default(),
            server_name_policies: Vec::new(),
            route_sets: vec![Arc::default()],
            localhost_aliases: false,
            backends: Vec::new(),
            timeouts: ClientTimeouts::default(),
            limits: Limits::default(),
            drain: DrainPolicy::default(),
            access_log: AccessLogPolicy::default(),
            process: ProcessSettings::default(),
        }
    }
}
