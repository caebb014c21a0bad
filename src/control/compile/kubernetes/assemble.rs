//! The Ingresses put together: routes in the order that decides between them, the sets of those with an address or a
//! name of their own, each backend once, and one finding for everything that nobody has said where it is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use super::frontend::CertificateRef;
use super::ingress::{TranslatedRoute, Translation, hosts, only_host};
use super::service::ServiceBackend;
use super::settings::Settings;
use super::{CertificateSource, Outcome};
use crate::control::kubernetes::{Body, Ingress};
use crate::model::{
    Action, Alias, Behaviour, CertificateName, Diagnostic, Host, HostPattern, Listener, ObjectKind, Origin, Place, PlainHttp, Protocol, Reason,
    Route, RouteSet, SocketAddress, Target, TlsPolicy,
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

/// By what a finding is the same as another: of one object there is one of a kind at a place.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Told(Reason, Option<(*const str, usize, usize)>, usize);

impl Told {
    fn of(finding: &Diagnostic) -> Self {
        let place = finding.place.as_ref().map(|place| (Arc::as_ptr(&place.file), place.line, place.column));
        Self(finding.reason, place, finding.message.len())
    }
}

/// By name: a route that led somewhere, and the backends that it led to.
pub type AcceptedRoutes = HashMap<Arc<str>, (Arc<Route>, Vec<Arc<ServiceBackend>>)>;

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
    pub(in crate::control::compile) origins: BTreeMap<Arc<str>, Arc<Origin>>,
    /// What was found in each Ingress and what it refers to.
    pub(in crate::control::compile) findings: Vec<Arc<Diagnostic>>,
    /// Routes that may be used again when a later version of them leads nowhere.
    pub(in crate::control::compile) accepted: AcceptedRoutes,
    /// Ingresses that serve no plain HTTP, and where they are written.
    pub(in crate::control::compile) https_alone: Vec<(String, Option<Place>)>,
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
    accepted: &AcceptedRoutes,
    findings: &mut Vec<Diagnostic>,
) -> Assembled {
    let mut step = Step {
        settings,
        shared,
        before: accepted,
        findings,
        told: HashSet::new(),
        known: HashSet::new(),
        taken: HashSet::new(),
        addresses: HashMap::new(),
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
    step.default_routes(outcomes);
    step.report_ceiling(outcomes);
    let Step { lacking, findings, mut assembled, .. } = step;
    findings.extend(lacking.finding());
    assembled.is_cloud &= !assembled.routes.is_empty();
    assembled
}

struct Step<'a> {
    settings: &'a Settings,
    shared: &'a [Arc<Listener>],
    before: &'a AcceptedRoutes,
    findings: &'a mut Vec<Diagnostic>,
    /// Findings that several Ingresses have of what they share.
    told: HashSet<Told>,
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
            self.assembled.backends.push(backend.clone());
        }
    }

    fn ingress(&mut self, outcome: &Outcome, ingress: &Ingress, translation: &Translation) {
        for finding in &translation.findings {
            if self.told.insert(Told::of(finding)) {
                self.assembled.findings.push(finding.clone());
            }
        }
        let name = outcome.object.name();
        self.assembled.has_cloud |= translation.behaviour == Behaviour::Gke;
        let routes: Vec<Arc<Route>> = translation.routes.iter().map(|route| self.usable(route, translation)).collect();
        let default = translation.default_route.as_ref().map(|route| self.usable(route, translation));
        let own = self.own_address(&name, outcome, translation);
        if own || self.settings.laptop {
            self.assembled.sets.push(Arc::new(RouteSet {
                name: name.as_str().into(),
                routes: routes.clone(),
                default_route: default,
                behaviour: translation.behaviour,
                alias: self.alias(outcome, ingress),
            }));
        }
        if !own {
            translation.routes.iter().zip(routes).for_each(|(translated, route)| self.share(translated, route));
            self.assembled.is_cloud &= translation.behaviour == Behaviour::Gke;
            if let Some(policy) = &translation.frontend.tls {
                self.server_names(&name, ingress, translation.behaviour, policy);
            }
        }
        if translation.frontend.plain_http != PlainHttp::Allow {
            self.assembled.https_alone.push((name.clone(), outcome.object.place(outcome.object.manifest.span)));
        }
        self.assembled.certificates.extend(translation.frontend.certificates.iter().cloned());
        self.lacking.secrets.extend(translation.frontend.missing_secrets.iter().cloned());
    }

    /// The route, or the last version of it that led somewhere.
    fn usable(&mut self, translated: &TranslatedRoute, translation: &Translation) -> Arc<Route> {
        let name = &translated.route.name;
        self.assembled.origins.insert(name.clone(), translated.origin.clone());
        let Some(broken) = &translated.broken else {
            let targets = targets(&translated.route);
            let backends = translation.backends.iter().filter(|backend| targets.iter().any(|target| target.backend == *backend.name)).cloned();
            self.assembled.accepted.insert(name.clone(), (translated.route.clone(), backends.collect()));
            return translated.route.clone();
        };
        let before = self.before.get(name);
        let effect = match (before, translated.route.behaviour) {
            (Some(_), _) => "its last good version goes on",
            (None, Behaviour::Gke) => "requests for it are answered 502; the other rules are served",
            (None, Behaviour::Genkan) => "requests for it are answered 500; the other rules are served",
        };
        self.findings.push(broken.clone().effect(effect));
        let Some((route, backends)) = before else { return translated.route.clone() };
        backends.iter().for_each(|backend| self.backend(backend));
        self.assembled.accepted.insert(name.clone(), (route.clone(), backends.clone()));
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
            let origin = self.assembled.origins.get(&winner.name).map(|origin| &**origin);
            let finding = conflict(translated, &winner.name, origin);
            self.findings.push(finding);
        }
    }

    /// Behind all others, because each is for everything.
    fn default_routes(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            let Some(default) = outcome.translation.as_ref().and_then(|translation| translation.default_route.as_ref()) else { continue };
            let own = self.addresses.values().any(|name| *name == outcome.object.name());
            if !own {
                let route = self.assembled.accepted.get(&default.route.name).map_or(&default.route, |(route, _)| route).clone();
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

fn targets(route: &Route) -> &[Target] {
    match &route.action {
        Action::Forward(targets) => targets,
        Action::Redirect(_) | Action::NotFound | Action::Broken(_) => &[],
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
            finding = finding.effect("requests for these Services are answered as where no endpoint is ready");
        }
        Some(finding)
    }
}
