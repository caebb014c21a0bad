//! The whole desired configuration at one instant: what pipeline 1 ends in and pipeline 2 begins with.

use std::sync::Arc;

use super::{
    AccessLogFormat, Backend, Certificate, ClientTimeouts, DrainPolicy, Limits, Listener, Route, SocketAddress, TlsPolicy, UnknownServerName,
};

/// Immutable, comparable, printable. Every value in it has been validated: running it cannot fail, except that the
/// kernel may refuse an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What is accepted where.
    pub listeners: Vec<Arc<Listener>>,
    /// In the order of the configuration; the first is the default.
    pub certificates: Vec<Arc<Certificate>>,
    /// What an uncovered server name gets.
    pub unknown_server_name: UnknownServerName,
    /// What TLS listeners offer.
    pub tls: TlsPolicy,
    /// In the order of the configuration, which decides between routes that are equally specific.
    pub routes: Vec<Arc<Route>>,
    /// Where requests go that no route is for; absent: 404. A route of its own, for everything.
    pub default_route: Option<Arc<Route>>,
    /// What routes refer to.
    pub backends: Vec<Arc<Backend>>,
    /// Time limits towards clients.
    pub timeouts: ClientTimeouts,
    /// Bounds towards clients.
    pub limits: Limits,
    /// How the process ends.
    pub drain: DrainPolicy,
    /// How exchanges are written.
    pub access_log: AccessLogFormat,
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
}
