//! The Ingresses put together: routes in the order that decides between them, the sets of those with an address or a
//! name of their own, each backend once, and one finding for everything that nobody has said where it is.

use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::{HashMap, HashSet};

use super::frontend::CertificateRef;
use super::ingress::{TranslatedRoute, Translation, hosts, only_host};
use super::service::ServiceBackend;
use super::settings::Settings;
use super::{CertificateSource, Outcome};
use crate::control::kubernetes::{Body, Ingress};
use crate::control::manifests::ManifestObject;
use crate::model::{
    Alias, Behaviour, CertificateName, Diagnostic, Host, HostPattern, Listener, ObjectKind, Origin, Origins, PlainHttp, Protocol, Reason, Route,
    RouteSet, SocketAddress, TlsPolicy,
};

/// A route by what it is for.
struct Taken(Arc<Route>);

impl PartialEq for Taken {
    fn eq(&self, other: &Self) -> bool {
        self.0.matches == other.0.matches
    }
}

impl Eq for Taken {}

impl Hash for Taken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.matches.hash(state);
    }
}

/// By namespace and name: what an Ingress came to when all of its rules led somewhere.
pub type AcceptedIngresses = HashMap<(Arc<str>, Arc<str>), Arc<Translation>>;

/// What all Ingresses come to.
#[derive(Debug, Default)]
pub(in crate::control::compile) struct Assembled {
    /// For the shared set, behind those of the configuration.
    pub(in crate::control::compile) routes: Vec<Arc<Route>>,
    pub(in crate::control::compile) sets: Vec<Arc<RouteSet>>,
    pub(in crate::control::compile) backends: Vec<Arc<ServiceBackend>>,
    pub(in crate::control::compile) certificates: Vec<CertificateRef>,
    pub(in crate::control::compile) listeners: Vec<Arc<Listener>>,
    pub(in crate::control::compile) server_names: Vec<(HostPattern, TlsPolicy)>,
    pub(in crate::control::compile) origins: Origins,
    /// What was found in each Ingress and what it refers to.
    pub(in crate::control::compile) findings: Vec<Arc<Diagnostic>>,
    /// Versions that may be used again when rules of a later one lead nowhere.
    pub(in crate::control::compile) accepted: AcceptedIngresses,
    /// Ingresses that serve no plain HTTP.
    pub(in crate::control::compile) https_alone: Vec<Arc<ManifestObject>>,
    /// Whether any Ingress behaves as the cloud.
    pub(in crate::control::compile) has_cloud: bool,
    /// Whether every Ingress on the shared addresses behaves as the cloud.
    pub(in crate::control::compile) is_cloud: bool,
}

/// Puts them together. `shared` are the listeners of the configuration, `accepted` what was served before.
pub(in crate::control::compile) fn assemble(
    outcomes: &[Outcome],
    settings: &Settings,
    shared: &[Arc<Listener>],
    accepted: &AcceptedIngresses,
    findings: &mut Vec<Diagnostic>,
) -> Assembled {
    let mut step = Step {
        settings,
        shared,
        before: accepted,
        findings,
        defaults: Vec::new(),
        known: HashSet::default(),
        taken: HashSet::default(),
        addresses: HashMap::default(),
        lacking: Lacking::default(),
        assembled: Assembled { is_cloud: true, ..Assembled::default() },
    };
    let translations = || outcomes.iter().filter_map(|outcome| outcome.translation.as_ref());
    for backend in translations().flat_map(|translation| &translation.backends) {
        step.backend(backend);
    }
    for outcome in outcomes {
        step.assembled.findings.extend(outcome.findings.iter().cloned());
        if let (Some(translation), Body::Ingress(ingress)) = (&outcome.translation, &outcome.object.manifest.body) {
            step.ingress(outcome, ingress, translation);
        }
    }
    step.default_routes();
    step.report_ceiling(outcomes);
    let Step { lacking, findings, mut assembled, .. } = step;
    findings.extend(lacking.finding());
    assembled.is_cloud &= !assembled.routes.is_empty();
    assembled
}

struct Step<'a> {
    settings: &'a Settings,
    shared: &'a [Arc<Listener>],
    before: &'a AcceptedIngresses,
    findings: &'a mut Vec<Diagnostic>,
    /// Of those on the shared addresses.
    defaults: Vec<(Arc<Translation>, Arc<Route>)>,
    /// Names of the backends that are there.
    known: HashSet<Arc<str>>,
    /// What on the shared addresses is taken, and by which route.
    taken: HashSet<Taken>,
    addresses: HashMap<IpAddr, String>,
    lacking: Lacking,
    assembled: Assembled,
}

impl Step<'_> {
    /// Each once.
    fn backend(&mut self, backend: &Arc<ServiceBackend>) {
        if self.known.insert(backend.name.clone()) {
            self.lacking.services.extend(backend.unmapped.clone());
            self.assembled.findings.extend(backend.findings.iter().cloned());
            self.assembled.backends.push(backend.clone());
        }
    }

    fn ingress(&mut self, outcome: &Outcome, ingress: &Ingress, translation: &Arc<Translation>) {
        self.assembled.findings.extend(translation.findings.iter().cloned());
        self.lacking.services.extend(translation.unmapped.iter().cloned());
        self.assembled.origins.0.push(translation.origins.clone());
        let name = outcome.object.name();
        self.assembled.has_cloud |= translation.behaviour == Behaviour::Gke;
        let meta = &outcome.object.manifest.meta;
        let key = (meta.namespace.clone(), meta.name.clone());
        let before = self.before.get(&key);
        let routes: Vec<Arc<Route>> = translation.routes.iter().map(|route| self.usable(route, before)).collect();
        let default = translation.default_route.as_ref().map(|route| self.usable(route, before));
        let is_broken = translation.routes.iter().chain(&translation.default_route).any(|route| route.broken.is_some());
        let accepted = if is_broken { before } else { Some(translation) };
        self.assembled.accepted.extend(accepted.map(|accepted| (key, accepted.clone())));
        let own = self.own_address(&name, outcome, translation);
        if own || self.settings.laptop {
            self.assembled.sets.push(Arc::new(RouteSet {
                name: name.as_str().into(),
                routes: routes.clone(),
                default_route: default.clone(),
                behaviour: translation.behaviour,
                alias: self.alias(outcome, ingress),
            }));
        }
        if !own {
            self.defaults.extend(default.map(|route| (translation.clone(), route)));
            translation.routes.iter().zip(routes).for_each(|(translated, route)| self.share(translated, route));
            self.assembled.is_cloud &= translation.behaviour == Behaviour::Gke;
            if let Some(policy) = &translation.frontend.tls {
                self.server_names(&name, ingress, translation.behaviour, policy);
            }
        }
        if translation.frontend.plain_http != PlainHttp::Allow {
            self.assembled.https_alone.push(outcome.object.clone());
        }
        self.assembled.certificates.extend(translation.frontend.certificates.iter().cloned());
        self.lacking.secrets.extend(translation.frontend.missing_secrets.iter().cloned());
    }

    /// The route, or the last version of it that led somewhere.
    fn usable(&mut self, translated: &TranslatedRoute, before: Option<&Arc<Translation>>) -> Arc<Route> {
        let Some(broken) = &translated.broken else { return translated.route.clone() };
        let before = before.and_then(|before| before.usable(&translated.route.name));
        let effect = match (&before, translated.route.behaviour) {
            (Some(_), _) => "its last good version goes on",
            (None, Behaviour::Gke) => "requests for it are answered 502; the other rules are served",
            (None, Behaviour::Genkan) => "requests for it are answered 500; the other rules are served",
        };
        if !translated.is_fallback {
            self.findings.push(broken.clone().effect(effect));
        }
        let Some((route, backends)) = before else { return translated.route.clone() };
        backends.for_each(|backend| self.backend(backend));
        route.clone()
    }

    /// On a shared address the oldest Ingress wins.
    fn share(&mut self, translated: &TranslatedRoute, route: Arc<Route>) {
        let wanted = Taken(route);
        let Some(Taken(winner)) = self.taken.get(&wanted) else {
            self.assembled.routes.push(wanted.0.clone());
            self.taken.insert(wanted);
            return;
        };
        if !translated.is_fallback {
            let finding = conflict(translated, &winner.name, self.assembled.origins.get(&winner.name));
            self.findings.push(finding);
        }
    }

    /// Behind all others, because each is for everything.
    fn default_routes(&mut self) {
        for (translation, route) in std::mem::take(&mut self.defaults) {
            if let Some(default) = &translation.default_route {
                self.share(default, route);
            }
        }
    }

    /// Listeners and a set of its own, where its static address is mapped to one.
    fn own_address(&mut self, name: &str, outcome: &Outcome, translation: &Translation) -> bool {
        let Some(address) = translation.frontend.address else { return false };
        if let Some(holder) = self.addresses.get(&address) {
            self.findings.push(
                Diagnostic::error(Reason::AddressConflict, format!("Ingress {name} wants the address {address}, which Ingress {holder} has"))
                    .about(ObjectKind::Ingress, name)
                    .at(outcome.object.place(outcome.object.manifest.span))
                    .effect("it is served on the addresses of every other"),
            );
            return false;
        }
        self.addresses.insert(address, name.to_owned());
        let default_certificate = translation.frontend.certificates.first().map(CertificateRef::name);
        for https in [true, false] {
            let Some(like) = self.shared.iter().find(|listener| listener.is_https() == https) else { continue };
            let kind = if https { "https" } else { "http" };
            self.assembled.listeners.push(Arc::new(Listener {
                name: format!("{kind} {name}"),
                address: SocketAddress::from(std::net::SocketAddr::new(address, like.address.port())),
                protocol: like.protocol,
                public_port: like.public_port,
                route_set: name.into(),
                default_certificate: default_certificate.clone().filter(|_| https),
                tls: translation.frontend.tls.clone().filter(|_| https),
            }));
        }
        true
    }

    /// `INGRESS.NAMESPACE.localhost`.
    fn alias(&self, outcome: &Outcome, ingress: &Ingress) -> Option<Alias> {
        let meta = &outcome.object.manifest.meta;
        let host = self.settings.aliases.then(|| Host::parse(&format!("{}.{}.localhost", meta.name, meta.namespace)).ok())??;
        Some(Alias { host, stands_for: only_host(ingress) })
    }

    /// A policy holds for the hosts of its Ingress, where others have the same address.
    fn server_names(&mut self, name: &str, ingress: &Ingress, behaviour: Behaviour, policy: &TlsPolicy) {
        let hosts = hosts(ingress);
        if hosts.is_empty() {
            self.findings.push(
                Diagnostic::warning(Reason::NotApplied, format!("Ingress {name} has an sslPolicy, no host, and no address of its own"))
                    .about(ObjectKind::Ingress, name)
                    .effect("what the listener offers holds for it")
                    .help("map its static address to one: kubernetes.addresses"),
            );
        }
        for host in hosts {
            let pattern = match (HostPattern::parse(&host.value), behaviour) {
                (Ok(HostPattern::Wildcard(parent)), Behaviour::Gke) => HostPattern::Deep(parent),
                (Ok(pattern), _) => pattern,
                (Err(_), _) => continue,
            };
            if !self.assembled.server_names.iter().any(|(known, _)| *known == pattern) {
                self.assembled.server_names.push((pattern, policy.clone()));
            }
        }
    }

    /// Where the configuration says that plain HTTP is never forwarded, an Ingress cannot have it otherwise.
    fn report_ceiling(&mut self, outcomes: &[Outcome]) {
        let ceiling =
            self.shared.iter().find(|listener| matches!(listener.protocol, Protocol::Http { plain: Some(plain) } if plain != PlainHttp::Allow));
        let Some(listener) = ceiling else { return };
        let allowing = outcomes.iter().find(|outcome| outcome.translation.as_ref().is_some_and(|t| t.frontend.plain_http == PlainHttp::Allow));
        let Some(outcome) = allowing else { return };
        let name = outcome.object.name();
        self.findings.push(
            Diagnostic::warning(Reason::NotApplied, format!("Ingress {name} allows plain HTTP, and listener \"{}\" does not", listener.name))
                .about(ObjectKind::Ingress, &name)
                .at(outcome.object.place(outcome.object.manifest.span))
                .effect("plain HTTP gets what the listener says")
                .help(format!(
                    "to leave it to the Ingresses, a listener without plainHttp: listeners: [..., {{ name: {}, protocol: HTTP, address: \"{}\" }}]",
                    listener.name, listener.address
                )),
        );
    }
}

fn conflict(translated: &TranslatedRoute, winner: &str, origin: Option<&Origin>) -> Diagnostic {
    let (kind, object) = translated.origin.object.clone().unwrap_or((ObjectKind::Route, translated.route.name.to_string()));
    let mut finding =
        Diagnostic::warning(Reason::HostConflict, format!("\"{}\" gets no request: \"{winner}\" is for the same", translated.route.name))
            .about(kind, object)
            .at(translated.origin.place.clone())
            .effect("the older Ingress wins; without creation dates the first by namespace and name")
            .help("give one of them another path, or an address of its own: kubernetes.addresses");
    finding.why = origin.and_then(|origin| origin.place.as_ref()).map(|place| format!("the winner is at {place}"));
    finding
}

impl CertificateRef {
    /// As the certificate is called.
    pub(in crate::control::compile) fn name(&self) -> CertificateName {
        match &self.source {
            CertificateSource::Given(name, _) => name.clone(),
            CertificateSource::Location(location) => location.single_name(),
        }
    }
}

/// What objects refer to, and nobody has said where it is.
#[derive(Debug, Default)]
struct Lacking {
    services: Vec<String>,
    secrets: Vec<String>,
}

impl Lacking {
    /// One block, ready to be pasted and filled in.
    fn finding(mut self) -> Option<Diagnostic> {
        for names in [&mut self.services, &mut self.secrets] {
            names.sort();
            names.dedup();
        }
        let Self { services, secrets } = self;
        if services.is_empty() && secrets.is_empty() {
            return None;
        }
        let mut flags: Vec<String> = services.iter().map(|service| format!("--map {service}=HOST:PORT")).collect();
        flags.extend(secrets.iter().map(|secret| format!("--secret {secret}=DIRECTORY")));
        let mut message = String::new();
        for (names, one) in [(&services, "Service"), (&secrets, "Secret")] {
            if !names.is_empty() {
                let plural = if names.len() == 1 { "" } else { "s" };
                let _ = write!(message, "{}{} {one}{plural}", if message.is_empty() { "" } else { " and " }, names.len()); // A String takes everything.
            }
        }
        let reason = if services.is_empty() { Reason::InvalidCertificateRef } else { Reason::ServiceNotMapped };
        let mut finding = Diagnostic::warning(reason, format!("nothing says where {message} can be found"))
            .about(ObjectKind::Manifest, "flags")
            .help(flags.join(" \\\n"));
        if !services.is_empty() {
            finding = finding.effect("no request for these Services reaches a backend");
        }
        Some(finding)
    }
}
