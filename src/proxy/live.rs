//! A snapshot made runnable. Building one cannot fail: everything in a snapshot has been validated. What must outlive a
//! configuration (endpoints with their load and readiness, TLS sessions, names in metrics) is found again by identity.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

use super::backend::{Backend, Endpoint, EndpointIdentity, RetryBudget};
use super::departure::Departures;
use super::random::Random;
use super::socket::SocketKey;
use super::tls::{self, Certificates, KeyRing};
use crate::model::{self, Action, KeyPair, KeyType, Listener, Protocol, Snapshot};
use crate::route::{CertificateTable, Table};
use crate::telemetry::{Label, Metrics};

/// What workers look at for each connection and each request. Replaced in one step, never changed.
pub struct Live {
    /// What it was made of.
    pub snapshot: Arc<Snapshot>,
    /// Which route a request takes.
    pub routes: Table<Arc<LiveRoute>>,
    /// What takes the rest.
    pub default_route: Option<Arc<LiveRoute>>,
    /// In the order of the configuration.
    pub backends: Vec<Arc<Backend>>,
    /// What TLS listeners offer; `None` if that cannot be offered at all.
    pub tls: Option<Arc<ServerConfig>>,
    /// Where redirects to https lead.
    pub https_port: Option<HttpsPort>,
    /// How workers learn that an endpoint has left.
    pub departures: Arc<Departures>,
    certificates: CertificateTable,
    sockets: HashMap<SocketKey, Arc<LiveSocket>>,
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

/// What every [`Live`] is made with.
pub struct Foundation {
    /// Where the current one is; certificates are looked up there.
    pub cell: Arc<ArcSwap<Live>>,
    /// Ticket keys.
    pub ring: Arc<KeyRing>,
    /// Where names become labels.
    pub metrics: Arc<Metrics>,
}

impl Live {
    /// The one before the first: nothing is served.
    pub fn nothing() -> Self {
        Self {
            snapshot: Arc::default(),
            routes: Table::build([]),
            default_route: None,
            backends: Vec::new(),
            tls: None,
            https_port: None,
            departures: Arc::default(),
            certificates: CertificateTable::build(&[]),
            sockets: HashMap::new(),
        }
    }

    /// Makes a snapshot runnable. `bound` says which port the kernel gave each address.
    pub fn build(snapshot: Arc<Snapshot>, before: &Self, bound: &HashMap<SocketKey, SocketAddr>, foundation: &Foundation) -> Self {
        let backends = backends(&snapshot, before, &foundation.metrics);
        let by_name: HashMap<&str, &Arc<Backend>> = backends.iter().map(|backend| (backend.model.name.as_str(), backend)).collect();
        let live_route = |route: &Arc<model::Route>| Arc::new(LiveRoute::new(route.clone(), &by_name, &foundation.metrics));
        let routes = Table::build(snapshot.shared().routes.iter().map(|route| (route.matches.clone(), live_route(route))));
        let default_route = snapshot.shared().default_route.as_ref().map(live_route);
        drop(by_name);
        Self {
            routes,
            default_route,
            backends,
            tls: tls(&snapshot, before, foundation),
            https_port: https_port(&snapshot, bound),
            departures: before.departures.clone(),
            certificates: CertificateTable::build(&snapshot.certificates),
            sockets: sockets(&snapshot, &foundation.metrics),
            snapshot,
        }
    }

    /// The listeners of an address.
    pub fn socket(&self, key: &SocketKey) -> Option<Arc<LiveSocket>> {
        self.sockets.get(key).cloned()
    }

    /// What a handshake is served that asks for this name.
    pub fn certificate(&self, server_name: Option<&str>, can_verify: impl Fn(KeyType) -> bool) -> Option<&KeyPair> {
        self.certificates.find(server_name, self.snapshot.unknown_server_name, can_verify)
    }

    /// Whether there is anything to serve at all.
    pub fn has_certificates(&self) -> bool {
        !self.certificates.is_empty()
    }
}

/// Sessions go on across configurations as long as the policy is the same.
fn tls(snapshot: &Snapshot, before: &Live, foundation: &Foundation) -> Option<Arc<ServerConfig>> {
    if before.snapshot.tls == snapshot.tls && before.tls.is_some() {
        return before.tls.clone();
    }
    let certificates = Arc::new(Certificates(foundation.cell.clone()));
    match tls::server_config(&snapshot.tls, certificates, &foundation.ring) {
        Ok(config) => Some(Arc::new(config)),
        Err(error) => {
            tracing::error!(%error, "TLS cannot be offered");
            None
        }
    }
}

fn backends(snapshot: &Snapshot, before: &Live, metrics: &Metrics) -> Vec<Arc<Backend>> {
    let mut known: HashMap<&EndpointIdentity, &Arc<Endpoint>> = HashMap::new();
    for endpoint in before.backends.iter().flat_map(|backend| &backend.endpoints) {
        known.insert(&endpoint.identity, endpoint);
    }
    let by_name: HashMap<&str, &Arc<Backend>> = before.backends.iter().map(|backend| (backend.model.name.as_str(), backend)).collect();
    let build = |model: &Arc<model::Backend>| {
        if let Some(unchanged) = by_name.get(model.name.as_str()).filter(|backend| backend.model == *model) {
            return (*unchanged).clone();
        }
        let name: Arc<str> = model.name.as_str().into();
        let endpoints = model.endpoints.iter().map(|address| {
            let identity = EndpointIdentity { backend: name.clone(), address: *address };
            match known.get(&identity) {
                Some(endpoint) => (*endpoint).clone(),
                None => Arc::new(Endpoint::new(identity, &model.readiness)),
            }
        });
        Arc::new(Backend {
            endpoints: endpoints.collect(),
            label: metrics.label(&model.name),
            model: model.clone(),
            turn: std::sync::atomic::AtomicUsize::new(0),
            retries: RetryBudget::default(),
        })
    };
    snapshot.backends.iter().map(build).collect()
}

fn sockets(snapshot: &Snapshot, metrics: &Metrics) -> HashMap<SocketKey, Arc<LiveSocket>> {
    let mut sockets: HashMap<SocketKey, LiveSocket> = HashMap::new();
    for listener in &snapshot.listeners {
        let socket = sockets.entry(SocketKey::of(listener)).or_default();
        let live = Arc::new(LiveListener { model: listener.clone(), label: metrics.label(&listener.name) });
        let place = if listener.is_https() { &mut socket.https } else { &mut socket.http };
        place.get_or_insert(live);
    }
    sockets.into_iter().map(|(key, socket)| (key, Arc::new(socket))).collect()
}

fn https_port(snapshot: &Snapshot, bound: &HashMap<SocketKey, SocketAddr>) -> Option<HttpsPort> {
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
