//! A snapshot made runnable. Building one cannot fail: everything in a snapshot has been validated. What must outlive a
//! configuration (endpoints with their load and readiness, TLS sessions, names in metrics) is found again by identity.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use foldhash::{HashMap, HashMapExt};
use http::{HeaderMap, Method};
use rustls::ServerConfig;

use super::backend::{Backend, Endpoint, EndpointIdentity};
use super::departure::Departures;
use super::random::Random;
use super::socket::SocketKey;
use super::tls::{self, Certificates, KeyRing};
use crate::model::{
    self, Action, Behaviour, CertificateName, Host, HostPattern, Issue, KeyPair, KeyType, Listener, Match, Protocol, Snapshot, TlsPolicy,
};
use crate::route::{self, CertificateTable, Table};
use crate::telemetry::{Label, Metrics};

/// What workers look at for each connection and each request. Replaced in one step, never changed.
pub struct Live {
    /// What it was made of.
    pub snapshot: Arc<Snapshot>,
    /// The first is the shared one, and always there.
    sets: Vec<LiveSet>,
    /// The others by name, and those that have one by their alias.
    by_name: HashMap<Arc<str>, usize>,
    by_alias: HashMap<Host, usize>,
    /// For connections whose listener's set has gone.
    nothing: LiveSet,
    /// In the order of the configuration.
    pub backends: Vec<Arc<Backend>>,
    /// What TLS listeners offer, by policy and default certificate; what cannot be offered at all is not there.
    tls: HashMap<TlsKey, Arc<ServerConfig>>,
    /// What is offered for a server name in place of what its listener offers.
    policies: Table<TlsPolicy>,
    /// Where redirects to https lead.
    pub https_port: Option<HttpsPort>,
    /// How workers learn that an endpoint has left.
    pub departures: Arc<Departures>,
    certificates: CertificateTable,
    issuer: Option<Arc<dyn Issue>>,
    sockets: HashMap<SocketKey, Arc<LiveSocket>>,
    /// Listeners that have one of a wildcard socket's addresses for themselves.
    own: HashMap<SocketAddr, Arc<LiveSocket>>,
}

/// A TLS policy, and the certificate that is served where no name is asked for.
type TlsKey = (TlsPolicy, Option<CertificateName>);

/// Routes that are chosen among together.
pub struct LiveSet {
    /// Which route a request takes.
    pub routes: Table<Arc<LiveRoute>>,
    /// What takes the rest.
    pub default_route: Option<Arc<LiveRoute>>,
    /// How requests are answered that no route is for.
    pub behaviour: Behaviour,
    /// The host that its alias stands for.
    stands_for: Option<Host>,
}

/// Whose routes a request takes, and as which host.
pub struct Place<'l> {
    /// Whose.
    pub set: &'l LiveSet,
    /// Another host than the one that was asked for.
    pub host: Option<String>,
}

/// A route with its backends at hand.
pub struct LiveRoute {
    /// What the configuration says.
    pub model: Arc<model::Route>,
    /// Its name in metrics.
    pub label: Label,
    targets: Vec<LiveTarget>,
    /// Sum of the weights.
    weights: usize,
}

struct LiveTarget {
    /// `None`: there is no such backend, and its share is answered 500.
    backend: Option<Arc<Backend>>,
    weight: usize,
}

/// A listener with its name in metrics.
pub struct LiveListener {
    /// What the configuration says.
    pub model: Arc<Listener>,
    /// Its name in metrics.
    pub label: Label,
}

/// The listeners of one address; the first byte of a connection tells them apart.
#[derive(Default)]
pub struct LiveSocket {
    /// For TLS.
    pub https: Option<Arc<LiveListener>>,
    /// For plain HTTP.
    pub http: Option<Arc<LiveListener>>,
}

/// The port of the first HTTPS listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpsPort {
    /// As bound.
    pub bound: u16,
    /// As clients see it, where that is configured.
    pub public: Option<u16>,
}

/// Which address the kernel gave each socket.
pub type Bound = HashMap<SocketKey, SocketAddr>;

/// What every [`Live`] is made with.
pub struct Foundation {
    /// Where the current one is; certificates are looked up there.
    pub cell: Arc<ArcSwap<Live>>,
    /// Ticket keys.
    pub ring: Arc<KeyRing>,
    /// Where names become labels.
    pub metrics: Arc<Metrics>,
    /// Makes pairs for names that no certificate is for.
    pub issuer: Option<Arc<dyn Issue>>,
}

impl Live {
    /// The one before the first: nothing is served.
    pub fn nothing() -> Self {
        Self {
            snapshot: Arc::default(),
            sets: vec![LiveSet::nothing()],
            nothing: LiveSet::nothing(),
            by_name: HashMap::new(),
            by_alias: HashMap::new(),
            backends: Vec::new(),
            tls: HashMap::new(),
            policies: Table::default(),
            https_port: None,
            departures: Arc::default(),
            certificates: CertificateTable::build(&[]),
            issuer: None,
            sockets: HashMap::new(),
            own: HashMap::new(),
        }
    }

    /// Makes a snapshot runnable. `bound` says which port the kernel gave each address.
    pub fn build(snapshot: Arc<Snapshot>, before: &Self, bound: &Bound, foundation: &Foundation) -> Self {
        let backends = backends(&snapshot, before, &foundation.metrics);
        let sets = sets(&snapshot, &backends, &foundation.metrics);
        let names = snapshot.route_sets.iter().enumerate().skip(1);
        let aliases = names.clone().filter_map(|(at, set)| Some((set.alias.as_ref()?.host.clone(), at)));
        let policy = |(host, policy): &(HostPattern, TlsPolicy)| (Match { hosts: vec![host.clone()], ..Match::default() }, policy.clone());
        let (sockets, own) = sockets(&snapshot, bound, &foundation.metrics);
        Self {
            by_name: names.clone().map(|(at, set)| (set.name.clone(), at)).collect(),
            by_alias: aliases.collect(),
            nothing: LiveSet::nothing(),
            sets,
            backends,
            tls: tls(&snapshot, before, foundation),
            policies: Table::build(snapshot.server_name_policies.iter().map(policy)),
            https_port: https_port(&snapshot, bound),
            departures: before.departures.clone(),
            certificates: CertificateTable::build(&snapshot.certificates),
            issuer: foundation.issuer.clone(),
            sockets,
            own,
            snapshot,
        }
    }

    /// The listeners of an address.
    pub fn socket(&self, key: &SocketKey) -> Option<Arc<LiveSocket>> {
        self.sockets.get(key).cloned()
    }

    /// The listeners that have an address of a wildcard socket for themselves.
    pub fn own(&self, local: SocketAddr) -> Option<Arc<LiveSocket>> {
        if self.own.is_empty() {
            return None;
        }
        self.own.get(&SocketAddr::new(local.ip().to_canonical(), local.port())).cloned()
    }

    /// The routes of a listener.
    pub fn set(&self, listener: &LiveListener) -> &LiveSet {
        if listener.model.route_set.is_empty() {
            return &self.sets[0];
        }
        self.by_name.get(&listener.model.route_set).map_or(&self.nothing, |at| &self.sets[*at])
    }

    /// The routes of a request, and the host that it is taken for.
    pub fn place(&self, listener: &LiveListener, host: Option<&str>) -> Place<'_> {
        let set = self.set(listener);
        let Some(asked) = host.filter(|_| self.snapshot.localhost_aliases || !self.by_alias.is_empty()) else { return Place { set, host: None } };
        if let Some(at) = self.by_alias.get(asked) {
            let set = &self.sets[*at];
            return Place { set, host: set.stands_for.as_ref().map(ToString::to_string) };
        }
        let alias = if self.snapshot.localhost_aliases { route::behind_localhost(asked, |host| set.routes.knows_host(host)) } else { None };
        Place { set, host: alias.map(str::to_owned) }
    }

    /// Whether routes or certificates of ours name the host, by itself or by an alias.
    pub fn knows(&self, listener: &LiveListener, host: &str) -> bool {
        let Place { set, host: meant } = self.place(listener, Some(host));
        meant.is_some()
            || self.by_alias.contains_key(host)
            || set.routes.knows_host(host)
            || Host::parse(host).is_ok_and(|host| self.snapshot.certificates.iter().any(|certificate| certificate.pair.covers(&host)))
    }

    /// What a handshake is served that asks for this name; `default` is the listener's own.
    pub fn certificate(&self, server_name: Option<&str>, default: Option<&CertificateName>, can_verify: impl Fn(KeyType) -> bool) -> Option<KeyPair> {
        let covering = server_name.and_then(|name| self.certificates.covering(name, &can_verify));
        let issued = || self.issued(server_name?);
        let otherwise = || self.certificates.otherwise(server_name, self.snapshot.unknown_server_name, default, &can_verify).cloned();
        covering.cloned().or_else(issued).or_else(otherwise)
    }

    /// A pair that is made for the name, if it is one of ours.
    fn issued(&self, server_name: &str) -> Option<KeyPair> {
        let issuer = self.issuer.as_ref()?;
        let host = Host::parse(server_name).ok()?;
        let known = |set: &LiveSet| {
            set.routes.knows_host(host.as_str()) || route::behind_localhost(host.as_str(), |host| set.routes.knows_host(host)).is_some()
        };
        let is_ours = host.as_str() == "localhost" || self.by_alias.contains_key(&host) || self.sets.iter().any(known);
        if is_ours { issuer.issue(&host, SystemTime::now()) } else { None }
    }

    /// What is offered to a client that asks for this name.
    pub fn policy<'l>(&'l self, listener: &'l LiveListener, server_name: Option<&str>) -> &'l TlsPolicy {
        let of_name = server_name.filter(|_| self.has_policies()).and_then(|name| {
            let host = Host::parse(name).ok()?;
            let (method, headers) = (&Method::GET, &HeaderMap::new());
            self.policies.find(&route::Request { host: Some(host.as_str()), path: "/", query: None, method, headers })
        });
        of_name.or(listener.model.tls.as_ref()).unwrap_or(&self.snapshot.tls)
    }

    /// Whether hosts differ in what is offered for them.
    pub fn has_policies(&self) -> bool {
        !self.snapshot.server_name_policies.is_empty()
    }

    /// How a policy is offered on a listener.
    pub fn offer(&self, listener: &LiveListener, policy: &TlsPolicy) -> Option<Arc<ServerConfig>> {
        self.tls.get(&(policy.clone(), listener.model.default_certificate.clone())).cloned()
    }

    /// Whether there is anything to serve at all.
    pub fn has_certificates(&self) -> bool {
        !self.certificates.is_empty()
    }
}

impl LiveSet {
    fn nothing() -> Self {
        Self { routes: Table::default(), default_route: None, behaviour: Behaviour::Genkan, stands_for: None }
    }
}

/// A route that is in several sets is one.
fn sets(snapshot: &Snapshot, backends: &[Arc<Backend>], metrics: &Metrics) -> Vec<LiveSet> {
    let by_name: HashMap<&str, &Arc<Backend>> = backends.iter().map(|backend| (backend.model.name.as_str(), backend)).collect();
    let mut made: HashMap<*const model::Route, Arc<LiveRoute>> = HashMap::new();
    let mut live_route = |route: &Arc<model::Route>| {
        let made = made.entry(Arc::as_ptr(route)).or_insert_with(|| Arc::new(LiveRoute::new(route.clone(), &by_name, metrics)));
        made.clone()
    };
    let mut sets = Vec::with_capacity(snapshot.route_sets.len());
    for set in &snapshot.route_sets {
        sets.push(LiveSet {
            routes: Table::build(set.routes.iter().map(|route| (&route.matches, live_route(route)))),
            default_route: set.default_route.as_ref().map(&mut live_route),
            behaviour: set.behaviour,
            stands_for: set.alias.as_ref().and_then(|alias| alias.stands_for.clone()),
        });
    }
    sets
}

/// Sessions go on across configurations as long as the policy is the same.
fn tls(snapshot: &Snapshot, before: &Live, foundation: &Foundation) -> HashMap<TlsKey, Arc<ServerConfig>> {
    let mut offered = HashMap::new();
    for listener in snapshot.listeners.iter().filter(|listener| listener.is_https()) {
        let own = listener.tls.as_ref().unwrap_or(&snapshot.tls);
        for policy in std::iter::once(own).chain(snapshot.server_name_policies.iter().map(|(_, policy)| policy)) {
            let key = (policy.clone(), listener.default_certificate.clone());
            if offered.contains_key(&key) {
                continue;
            }
            if let Some(config) = before.tls.get(&key) {
                offered.insert(key, config.clone());
                continue;
            }
            let certificates = Arc::new(Certificates { live: foundation.cell.clone(), default: key.1.clone() });
            match tls::server_config(policy, certificates, &foundation.ring) {
                Ok(config) => drop(offered.insert(key, Arc::new(config))),
                Err(error) => tracing::error!(%error, "TLS cannot be offered"),
            }
        }
    }
    offered
}

fn backends(snapshot: &Snapshot, before: &Live, metrics: &Metrics) -> Vec<Arc<Backend>> {
    let mut known: HashMap<&EndpointIdentity, &Arc<Endpoint>> = HashMap::new();
    for endpoint in before.backends.iter().flat_map(|backend| &backend.endpoints) {
        known.insert(&endpoint.identity, endpoint);
    }
    let by_name: HashMap<&str, &Arc<Backend>> = before.backends.iter().map(|backend| (backend.model.name.as_str(), backend)).collect();
    let build = |model: &Arc<model::Backend>| {
        if let Some(unchanged) = by_name.get(model.name.as_str()).filter(|backend| Arc::ptr_eq(&backend.model, model) || backend.model == *model) {
            return (*unchanged).clone();
        }
        let name: Arc<str> = model.name.as_str().into();
        let room = by_name.get(model.name.as_str()).map(|backend| backend.room.clone()).unwrap_or_default();
        let endpoints = model.endpoints.iter().map(|address| {
            let identity = EndpointIdentity { backend: name.clone(), address: *address };
            match known.get(&identity) {
                Some(endpoint) => (*endpoint).clone(),
                None => Arc::new(Endpoint::new(identity, &model.readiness, room.clone())),
            }
        });
        Arc::new(Backend::new(model.clone(), metrics.label(&model.name), endpoints.collect(), room.clone()))
    };
    snapshot.backends.iter().map(build).collect()
}

type Sockets = (HashMap<SocketKey, Arc<LiveSocket>>, HashMap<SocketAddr, Arc<LiveSocket>>);

/// By socket; and by address, where one of a wildcard socket's belongs to a listener of its own.
fn sockets(snapshot: &Snapshot, bound: &Bound, metrics: &Metrics) -> Sockets {
    let mut sockets: HashMap<SocketKey, LiveSocket> = HashMap::new();
    for listener in &snapshot.listeners {
        let socket = sockets.entry(SocketKey::of(listener)).or_default();
        let live = Arc::new(LiveListener { model: listener.clone(), label: metrics.label(&listener.name) });
        let place = if listener.is_https() { &mut socket.https } else { &mut socket.http };
        place.get_or_insert(live);
    }
    let sockets: HashMap<SocketKey, Arc<LiveSocket>> = sockets.into_iter().map(|(key, socket)| (key, Arc::new(socket))).collect();
    let covered = sockets.iter().filter(|(key, _)| is_covered(key, snapshot));
    let own = covered.filter_map(|(key, socket)| Some((*bound.get(key)?, socket.clone()))).collect();
    (sockets, own)
}

/// Whether a wildcard socket of the same port takes what comes to the address, so that it needs none of its own.
pub fn is_covered(key: &SocketKey, snapshot: &Snapshot) -> bool {
    let address = key.address.get();
    let covers = |listener: &Arc<Listener>| {
        let other = listener.address.get();
        other.port() == address.port() && other.ip().is_unspecified() && (other.is_ipv6() || address.is_ipv4())
    };
    address.port() != 0 && !address.ip().is_unspecified() && snapshot.listeners.iter().any(covers)
}

fn https_port(snapshot: &Snapshot, bound: &Bound) -> Option<HttpsPort> {
    snapshot.listeners.iter().filter(|listener| matches!(listener.protocol, Protocol::Https { .. })).find_map(|listener| {
        let address = bound.get(&SocketKey::of(listener))?;
        Some(HttpsPort { bound: address.port(), public: listener.public_port })
    })
}

impl LiveRoute {
    fn new(model: Arc<model::Route>, backends: &HashMap<&str, &Arc<Backend>>, metrics: &Metrics) -> Self {
        let targets: Vec<LiveTarget> = match &model.action {
            Action::Broken(_) | Action::Redirect(_) | Action::NotFound => Vec::new(),
            Action::Forward(targets) => targets
                .iter()
                .map(|target| LiveTarget {
                    backend: backends.get(target.backend.as_str()).map(|backend| (*backend).clone()),
                    weight: usize::try_from(target.weight).unwrap_or(usize::MAX),
                })
                .collect(),
        };
        let weights = targets.iter().fold(0_usize, |sum, target| sum.saturating_add(target.weight));
        Self { label: metrics.label(&model.name), model, targets, weights }
    }

    /// One of its backends, by weight; `None`: this request's share has none.
    pub fn choose(&self, random: &Random) -> Option<&Arc<Backend>> {
        if let [only] = &self.targets[..]
            && only.weight > 0
        {
            return only.backend.as_ref();
        }
        if self.weights == 0 {
            return None;
        }
        let mut at = random.below(self.weights);
        for target in &self.targets {
            match at.checked_sub(target.weight) {
                Some(rest) => at = rest,
                None => return target.backend.as_ref(),
            }
        }
        None
    }
}
