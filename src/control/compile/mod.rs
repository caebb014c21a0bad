//! Resources to a snapshot and a report: pure, in memory, the same for the same input. An object that cannot be used
//! costs only itself: its last accepted version goes on, or its route answers 500, or its certificate is not served.
//!
//! One file a kind; this one puts them together.

mod backend;
mod certificate;
mod filter;
mod kubernetes;
mod listener;
mod pair;
mod pem;
mod route;
mod settings;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::config::{Listener, RouteRule};
use super::resources::{Collection, Object, Resources};
use crate::model::{Backend, Behaviour, CertificateName, Diagnostic, Fingerprint, KeyPair, ObjectKind, Origins, Reason, Report, RouteSet, Snapshot};

use kubernetes::{ServiceBackend, Translator};

pub use kubernetes::{AcceptedIngresses, Settings as ManifestSettings, names as manifest_names};
pub use pair::{PairProblem, build as key_pair, certificate_names};

/// Compiles, and remembers what is dear to compute again: the pairs, by the bytes they were made of.
#[derive(Debug, Default)]
pub struct Compiler {
    defaults: Defaults,
    pairs: HashMap<Fingerprint, Result<KeyPair, PairProblem>>,
    manifests: Translator,
    /// What Services' ports came to, by name.
    services: HashMap<Arc<str>, (Arc<ServiceBackend>, Arc<Backend>)>,
}

/// Defaults that depend on where the process runs.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// `drain.delay`.
    pub drain_delay: Duration,
}

/// What compiling gives.
#[derive(Debug)]
pub struct Compiled {
    /// To be published.
    pub snapshot: Snapshot,
    /// To be shown, in no order yet.
    pub report: Report,
    /// To be kept by the resources.
    pub accepted: Accepted,
    /// When the same resources would compile to something else: the next date in a certificate.
    pub next: Option<SystemTime>,
    /// Where the routes come from.
    pub origins: Origins,
}

/// The versions that the snapshot was made of.
#[derive(Debug, Default)]
pub struct Accepted {
    listeners: Vec<(String, Arc<Object<Listener>>)>,
    routes: Vec<(String, Arc<Object<RouteRule>>)>,
    default_route: Vec<(String, Arc<Object<RouteRule>>)>,
    pairs: BTreeMap<CertificateName, KeyPair>,
    ingresses: AcceptedIngresses,
}

impl Compiler {
    /// A compiler that has seen nothing yet.
    pub fn new(defaults: Defaults) -> Self {
        Self { defaults, ..Self::default() }
    }

    /// Compiles everything there is at the time `now`.
    pub fn compile(&mut self, resources: &Resources, now: SystemTime) -> Compiled {
        let mut own = resources.findings.clone();
        let findings = &mut own;
        let mut accepted = Accepted::default();

        let mut backends = backend::compile(resources, findings);
        let mut routes = route::compile(&resources.routes, &resources.backends, findings, &mut accepted.routes);
        let default_route = route::compile(&resources.default_route, &resources.backends, findings, &mut accepted.default_route);
        let mut listeners = listener::compile(&resources.listeners, findings, &mut accepted.listeners);
        let outcomes = self.manifests.translate(&resources.manifests, &resources.kubernetes);
        let mut manifests = kubernetes::assemble(&outcomes, &resources.kubernetes, &listeners, &resources.accepted_ingresses, findings);
        kubernetes::report_unused(&resources.manifests, &resources.kubernetes, findings);
        // A set that is the cloud's alone answers like the cloud where no route is for a request.
        let behaviour = if manifests.is_cloud && routes.is_empty() && default_route.is_empty() { Behaviour::Gke } else { Behaviour::Genkan };
        routes.extend(manifests.routes.iter().cloned());
        let mut services = HashMap::with_capacity(manifests.backends.len());
        for service in &manifests.backends {
            let backend = backend::of_service(service, self.services.get(&service.name), resources, findings);
            services.insert(service.name.clone(), (service.clone(), backend.clone()));
            backends.push(backend);
        }
        self.services = services;
        listeners.append(&mut manifests.listeners);
        let certificates = certificate::compile(resources, &manifests.certificates, now, &mut self.pairs, findings);
        let next = certificates.next;
        let has_https = listeners.iter().any(|listener| listener.is_https());
        if has_https {
            certificate::check_names(&certificates, resources, findings);
        }
        if has_https && !resources.settings.kubernetes.surroundings.laptop {
            certificate::check_ingresses(&certificates, &manifests, findings);
        }
        let mut origins = manifests.origins;
        origins.0.push(route::origins(&resources.routes));
        accepted.pairs = certificates.accepted;
        accepted.ingresses = manifests.accepted;

        let settings = &resources.settings;
        settings::check_access_log(settings, findings);
        let snapshot = Snapshot {
            listeners,
            certificates: certificates.served,
            unknown_server_name: settings::unknown_server_name(settings),
            tls: settings::tls(settings),
            server_name_policies: manifests.server_names,
            route_sets: [Arc::new(RouteSet { routes, default_route: default_route.into_iter().next(), behaviour, ..RouteSet::default() })]
                .into_iter()
                .chain(manifests.sets)
                .collect(),
            localhost_aliases: resources.kubernetes.has_aliases(),
            backends,
            timeouts: settings::timeouts(settings, manifests.has_cloud),
            limits: settings::limits(settings),
            drain: settings::drain(settings, &self.defaults),
            access_log: settings::access_log(settings),
            process: settings::process(settings),
        };
        let mut report = Report { diagnostics: manifests.findings };
        report.diagnostics.extend(own.into_iter().map(Arc::new));
        Compiled { snapshot, report, accepted, next, origins }
    }
}

impl Resources {
    /// Keeps the versions that a snapshot was made of, for when a later one cannot be used.
    pub fn promote(&mut self, accepted: Accepted) {
        self.listeners.promote(accepted.listeners);
        self.routes.promote(accepted.routes);
        self.default_route.promote(accepted.default_route);
        self.accepted_pairs = accepted.pairs;
        self.accepted_ingresses = accepted.ingresses;
    }
}

/// A finding for every object whose name was taken.
fn report_duplicates<T>(collection: &Collection<T>, kind: ObjectKind, findings: &mut Vec<Diagnostic>) {
    for (name, object) in &collection.duplicates {
        let place = collection.get(name).and_then(|entry| entry.latest.place()).map(|place| format!("the first is at {place}"));
        let mut finding = Diagnostic::error(Reason::DuplicateName, format!("there is already a {} named \"{name}\"", kind.as_str()))
            .about(kind, name)
            .at(object.place())
            .effect("the first is used")
            .help("give each a name of its own");
        finding.why = place;
        findings.push(finding);
    }
}

impl<T> Object<T> {
    /// Where the object stands.
    fn place(&self) -> Option<crate::model::Place> {
        self.files.place(self.spec.span)
    }
}

#[cfg(test)]
mod tests;
