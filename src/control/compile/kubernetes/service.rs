//! A port of a Service to a backend: where its endpoints are, how they are checked, and what a BackendConfig says of
//! them. One backend for each port and behaviour, however many rules lead there.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::control::config::EndpointText;
use crate::control::kubernetes::{
    AffinityKind, AppProtocol, BackendConfig, Endpoint, EndpointGroup, IngressBackend, Kind, PortRef, Service, ServicePort, ServiceType,
};
use crate::control::manifests::ManifestObject;
use crate::control::yaml::{Span, closest};
use crate::model::{AffinityCookie, BackendTimeouts, Behaviour, Diagnostic, Host, LoadBalancing, ObjectKind, Outliers, Probe, Reason};

use super::lookup::{Found, Lookup};
use super::probe::{self, Target};
use super::settings::{Settings, short};

/// A backend whose names are not resolved yet.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceBackend {
    pub(in crate::control::compile) name: Arc<str>,
    pub(in crate::control::compile) endpoints: Vec<EndpointText>,
    pub(in crate::control::compile) probe: Probe,
    pub(in crate::control::compile) load_balancing: LoadBalancing,
    pub(in crate::control::compile) timeouts: BackendTimeouts,
    pub(in crate::control::compile) affinity: Option<AffinityCookie>,
    pub(in crate::control::compile) draining: Option<Duration>,
    pub(in crate::control::compile) outliers: Option<Outliers>,
    /// The flag that would say where it lives, where nothing does.
    pub(in crate::control::compile) unmapped: Option<String>,
    /// What makes the cloud refuse an Ingress that leads here, in its words.
    pub(in crate::control::compile) refused_by_cloud: Vec<String>,
    /// What was found on the way, told once however many rules lead there.
    pub(in crate::control::compile) findings: Vec<Arc<Diagnostic>>,
}

/// What a rule needs to know of where it leads.
#[derive(Clone, Debug)]
pub(super) struct Resolved<'m> {
    pub(super) backend: Arc<ServiceBackend>,
    pub(super) config: Option<&'m BackendConfig>,
}

/// Why a rule leads nowhere.
#[derive(Clone, Debug)]
pub(super) struct Dangling {
    pub(super) message: String,
    pub(super) reason: Reason,
    pub(super) help: Option<String>,
    /// The Service, if saying where it lives would mend it.
    pub(super) unmapped: Option<String>,
}

/// How the cloud's load balancer connects; not settable there.
const CLOUD_CONNECT: Duration = Duration::from_millis(4500);
/// `timeoutSec` where no BackendConfig says anything.
pub(super) const CLOUD_TIMEOUT: Duration = Duration::from_secs(30);
/// The cookie of the cloud's load balancer.
const CLOUD_COOKIE: &str = "GCLB";

/// The backend that a rule names.
pub(super) fn resolve<'m>(
    namespace: &Arc<str>,
    backend: &IngressBackend,
    behaviour: Behaviour,
    settings: &Settings,
    lookup: &Lookup<'m>,
) -> Result<Resolved<'m>, Dangling> {
    let (name, port) = match backend {
        IngressBackend::Service { name, port } => (name, port.as_ref()),
        IngressBackend::Resource(resource) => {
            return Err(Dangling {
                message: format!("Ingress Backend is not a service: {resource}"),
                reason: Reason::UnsupportedValue,
                help: None,
                unmapped: None,
            });
        }
    };
    let port = port.ok_or_else(|| Dangling {
        message: format!("the backend names no port of Service \"{namespace}/{name}\""),
        reason: Reason::MissingField,
        help: Some("write port: { number: 80 }, or a port's name".to_owned()),
        unmapped: None,
    })?;
    let service = lookup.service(namespace, name);
    let Some(service) = service else { return without_object(namespace, name, port, behaviour, settings, lookup) };
    let found = service.body.ports.iter().find(|known| is_port(known, port)).ok_or_else(|| no_port(namespace, name, port, service.body))?;
    Ok(PortStep { namespace, name, service, port: found, behaviour, settings, lookup }.resolve())
}

fn is_port(known: &ServicePort, port: &PortRef) -> bool {
    match port {
        PortRef::Number(number) => known.port == *number,
        PortRef::Name(name) => known.name.as_ref() == Some(name),
    }
}

fn no_port(namespace: &str, name: &str, port: &PortRef, service: &Service) -> Dangling {
    let ports: Vec<String> =
        service.ports.iter().map(|port| port.name.as_ref().map_or_else(|| port.port.to_string(), |name| format!("{} ({name})", port.port))).collect();
    Dangling {
        message: format!("could not find port \"{port}\" in service \"{namespace}/{name}\""),
        reason: Reason::BackendPortNotFound,
        help: Some(format!("ports of Service {namespace}/{name}: {}", if ports.is_empty() { "none".to_owned() } else { ports.join(", ") })),
        unmapped: None,
    }
}

/// A Service that is no object is there if it is said where it lives.
fn without_object<'m>(
    namespace: &Arc<str>,
    name: &str,
    port: &PortRef,
    behaviour: Behaviour,
    settings: &Settings,
    lookup: &Lookup<'m>,
) -> Result<Resolved<'m>, Dangling> {
    let Some(places) = settings.places(namespace, name, &[port.to_string()]) else {
        let meant = closest(name, lookup.names(Kind::Service, namespace));
        let unmapped = if meant.is_some() { None } else { Some(format!("{}:{port}", short(namespace, name))) };
        let help = match (meant, &unmapped) {
            (Some(meant), _) => format!("did you mean \"{meant}\"?"),
            (None, service) => format!("add the Service, or say where it lives: --map {}=HOST:PORT", service.as_deref().unwrap_or(name)),
        };
        return Err(Dangling {
            message: format!("could not find service \"{namespace}/{name}\""),
            reason: Reason::BackendNotFound,
            help: Some(help),
            unmapped,
        });
    };
    let target = Target { namespace, service: name, selector: None, port: None, protocol: AppProtocol::Http, behaviour };
    let chosen = probe::choose(&target, lookup);
    let full = format!("{namespace}/{name}:{port}");
    let mut findings = chosen.refused;
    findings.push(
        Diagnostic::note(Reason::ProbeChosen, format!("{full} is checked by {}", chosen.probe))
            .about(ObjectKind::Service, format!("{namespace}/{name}"))
            .why(chosen.why),
    );
    let backend = Arc::new(ServiceBackend {
        name: backend_name(&full, behaviour, settings),
        endpoints: places.to_vec(),
        probe: chosen.probe,
        load_balancing: LoadBalancing::default(),
        timeouts: timeouts(None, behaviour),
        affinity: None,
        draining: None,
        outliers: outliers(behaviour),
        unmapped: None,
        refused_by_cloud: Vec::new(),
        findings: findings.into_iter().map(Arc::new).collect(),
    });
    Ok(Resolved { backend, config: None })
}

/// A Service that two Ingresses of different behaviour lead to is two backends, because it is checked in two ways.
fn backend_name(full: &str, behaviour: Behaviour, settings: &Settings) -> Arc<str> {
    if behaviour == settings.behaviour { full.into() } else { format!("{full} ({})", behaviour.as_str()).into() }
}

/// The cloud's classic load balancer goes by its checks alone.
fn outliers(behaviour: Behaviour) -> Option<Outliers> {
    match behaviour {
        Behaviour::Gke => None,
        Behaviour::Genkan => Some(Outliers::default()),
    }
}

fn timeouts(config: Option<&BackendConfig>, behaviour: Behaviour) -> BackendTimeouts {
    let default = BackendTimeouts::default();
    let given = config.and_then(|config| config.timeout_sec).map(|seconds| Duration::from_secs(seconds.into()));
    match (behaviour, given) {
        (Behaviour::Gke, given) => {
            BackendTimeouts { connect: CLOUD_CONNECT, response: given.unwrap_or(CLOUD_TIMEOUT), idle: Duration::MAX, ..default }
        }
        (Behaviour::Genkan, Some(given)) => BackendTimeouts { response: given, idle: given.max(default.idle), ..default },
        (Behaviour::Genkan, None) => default,
    }
}

struct PortStep<'a, 'm> {
    namespace: &'a Arc<str>,
    name: &'a str,
    service: Found<'m, Service>,
    port: &'m ServicePort,
    behaviour: Behaviour,
    settings: &'a Settings,
    lookup: &'a Lookup<'m>,
}

impl<'m> PortStep<'_, 'm> {
    fn resolve(self) -> Resolved<'m> {
        let mut findings = Vec::new();
        let mut refused_by_cloud = self.refused_by_cloud();
        let config = self.backend_config(&mut findings, &mut refused_by_cloud);
        let protocol = self.protocol();
        let selector = Some(&self.service.body.selector).filter(|selector| !selector.is_empty());
        let target =
            Target { namespace: self.namespace, service: self.name, selector, port: Some(&self.port.target), protocol, behaviour: self.behaviour };
        let probe::Chosen { mut probe, mut why, refused } = probe::choose(&target, self.lookup);
        findings.extend(refused);
        if let Some(check) = config.and_then(|config| config.health_check.as_ref()) {
            probe::apply(check, &mut probe);
            why = format!("a BackendConfig's healthCheck, and for the rest {why}");
        }
        findings.extend(self.too_slow(&probe));
        let full = format!("{}/{}:{}", self.namespace, self.name, self.port.port);
        findings.push(self.about(Diagnostic::note(Reason::ProbeChosen, format!("{full} is checked by {probe}")), self.port.span).why(why));
        let endpoints = self.endpoints(&mut findings);
        let affinity = config.and_then(|config| config.affinity);
        let backend = ServiceBackend {
            name: backend_name(&full, self.behaviour, self.settings),
            unmapped: endpoints.is_none().then(|| format!("{}:{}", short(self.namespace, self.name), self.port.port)),
            endpoints: endpoints.unwrap_or_default(),
            probe,
            load_balancing: match affinity.map(|affinity| affinity.kind) {
                Some(AffinityKind::ClientIp) => LoadBalancing::Hash,
                Some(AffinityKind::None | AffinityKind::GeneratedCookie) | None => LoadBalancing::default(),
            },
            timeouts: timeouts(config, self.behaviour),
            affinity: affinity.filter(|affinity| affinity.kind == AffinityKind::GeneratedCookie).map(|affinity| AffinityCookie {
                name: CLOUD_COOKIE.to_owned(),
                max_age: affinity.cookie_ttl_sec.filter(|seconds| *seconds > 0).map(|seconds| Duration::from_secs(seconds.into())),
            }),
            outliers: outliers(self.behaviour),
            draining: config.and_then(|config| config.draining_timeout_sec).map(|seconds| Duration::from_secs(seconds.into())),
            refused_by_cloud,
            findings: findings.into_iter().map(Arc::new).collect(),
        };
        Resolved { backend: Arc::new(backend), config }
    }

    /// What makes the cloud's controller refuse an Ingress that leads here, in its words.
    fn refused_by_cloud(&self) -> Vec<String> {
        let Service { kind, options, .. } = self.service.body;
        let mut refused = options.refused_by_cloud.clone();
        if options.neg == Some(false) && *kind == ServiceType::ClusterIp {
            let service = format!("{}/{}", self.namespace, self.name);
            refused.push(format!("service \"{service}\" is type \"ClusterIP\", expected \"NodePort\" or \"LoadBalancer\" when not using NEGs"));
        }
        refused
    }

    /// Kubernetes lets such a probe be, and the cloud's API does not.
    fn too_slow(&self, probe: &Probe) -> Option<Diagnostic> {
        if self.behaviour != Behaviour::Gke || probe.timeout <= probe.period {
            return None;
        }
        let (timeout, period) = (probe.timeout.as_secs(), probe.period.as_secs());
        let message = format!("a check may take {timeout} s, which is longer than the {period} s from one to the next; the cloud refuses that");
        Some(self.about(Diagnostic::warning(Reason::DifferentInTheCloud, message), self.port.span).effect("here it is used"))
    }

    fn about(&self, finding: Diagnostic, span: Span) -> Diagnostic {
        finding.about(ObjectKind::Service, self.service.object.name()).at(self.service.object.place(span))
    }

    /// Per port: by its name, then by its number, then the default.
    fn backend_config(&self, findings: &mut Vec<Diagnostic>, refused: &mut Vec<String>) -> Option<&'m BackendConfig> {
        let configs = &self.service.body.options.backend_configs;
        let by_name = self.port.name.as_ref().and_then(|name| configs.ports.get(name));
        let name = by_name.or_else(|| configs.ports.get(&self.port.port.to_string())).or(configs.default.as_ref())?;
        let effect = "the port is served without it";
        let Some(found) = self.lookup.backend_config(self.namespace, &name.value) else {
            let mut finding = self.about(
                Diagnostic::error(Reason::BackendConfigNotFound, format!("there is no BackendConfig {}/{}", self.namespace, name.value)),
                name.span,
            );
            refused.push(format!(
                "error getting BackendConfig for port \"{}\" on service \"{}/{}\", err: no BackendConfig for service port exists.",
                self.port.port, self.namespace, self.name
            ));
            finding.help =
                closest(&name.value, self.lookup.names(Kind::BackendConfig, self.namespace)).map(|meant| format!("did you mean \"{meant}\"?"));
            findings.push(finding.effect(effect));
            return None;
        };
        if let Some(invalid) = &found.body.invalid {
            refused.push(format!("BackendConfig {} is not valid: {invalid}", found.object.name()));
            findings.push(
                Diagnostic::error(Reason::BackendConfigInvalid, format!("BackendConfig {} is not valid: {invalid}", found.object.name()))
                    .about(ObjectKind::BackendConfig, found.object.name())
                    .at(found.object.place(found.object.manifest.span))
                    .effect(effect),
            );
            return None;
        }
        Some(found.body)
    }

    fn protocol(&self) -> AppProtocol {
        let named = self.port.name.as_ref().and_then(|name| self.service.body.options.app_protocols.get(name));
        named.copied().unwrap_or(AppProtocol::Http)
    }

    /// Where the port's endpoints are; `None`: nobody has said.
    fn endpoints(&self, findings: &mut Vec<Diagnostic>) -> Option<Vec<EndpointText>> {
        let mut ports = vec![self.port.port.to_string()];
        ports.extend(self.port.name.clone());
        if let Some(places) = self.settings.places(self.namespace, self.name, &ports) {
            return Some(places.to_vec());
        }
        if let Some(endpoints) = self.given(findings) {
            return Some(endpoints);
        }
        if self.service.body.kind == ServiceType::ExternalName {
            return self.external(findings);
        }
        let host = self.settings.dns_name(self.namespace, self.name)?;
        // The name of a headless Service is its Pods', who know nothing of the Service's port.
        let port = if self.service.body.cluster_ip_none { self.target_number()? } else { self.port.port };
        Some(vec![EndpointText { host, port }])
    }

    fn target_number(&self) -> Option<u16> {
        match &self.port.target {
            PortRef::Number(number) => Some(*number),
            PortRef::Name(name) => {
                let pods = self.lookup.workloads(self.namespace);
                let selected =
                    pods.iter().filter(|pod| self.service.body.selector.iter().all(|(key, value)| pod.body.labels.get(key) == Some(value)));
                let mut ports = selected.flat_map(|pod| &pod.body.containers).flat_map(|container| &container.ports);
                ports.find(|port| port.name.as_ref() == Some(name)).map(|port| port.port)
            }
        }
    }

    /// What Endpoints and EndpointSlices say, if there are any.
    fn given(&self, findings: &mut Vec<Diagnostic>) -> Option<Vec<EndpointText>> {
        let mut sets = self.lookup.endpoints(self.namespace, self.name).peekable();
        sets.peek()?;
        let mut endpoints = Vec::new();
        for group in sets.flat_map(|set| &set.groups) {
            let Some(port) = self.port_of(group) else { continue };
            let usable = group.endpoints.iter().filter(|endpoint| is_usable(endpoint));
            let hosts = usable.filter_map(|endpoint| endpoint.addresses.first()).filter_map(|address| address.parse::<IpAddr>().ok());
            endpoints.extend(hosts.filter_map(|address| Host::parse(&address.to_string()).ok()).map(|host| EndpointText { host, port }));
        }
        endpoints.dedup();
        if endpoints.is_empty() {
            findings.push(
                self.about(
                    Diagnostic::warning(
                        Reason::NoEndpoints,
                        format!("Service {}/{} has no endpoint for its port {}", self.namespace, self.name, self.port.port),
                    ),
                    self.port.span,
                )
                .why("its Endpoints and EndpointSlices have none that is ready")
                .effect(no_endpoint(self.behaviour)),
            );
        }
        Some(endpoints)
    }

    /// By name. A group with one port may do without, and so may a Service.
    fn port_of(&self, group: &EndpointGroup) -> Option<u16> {
        let is_meant =
            |(name, _): &&(Option<String>, u16)| *name == self.port.name || group.ports.len() == 1 && (name.is_none() || self.port.name.is_none());
        group.ports.iter().find(is_meant).map(|(_, port)| *port)
    }

    fn external(&self, findings: &mut Vec<Diagnostic>) -> Option<Vec<EndpointText>> {
        let name = self.service.body.external_name.as_ref()?;
        match Host::parse(&name.value) {
            Ok(host) => Some(vec![EndpointText { host, port: self.port.port }]),
            Err(why) => {
                findings.push(
                    self.about(Diagnostic::error(Reason::InvalidValue, format!("externalName \"{}\": {why}", name.value)), name.span)
                        .effect(no_endpoint(self.behaviour)),
                );
                Some(Vec::new())
            }
        }
    }
}

/// New requests go where there is no word of an end.
fn is_usable(endpoint: &Endpoint) -> bool {
    endpoint.ready && !endpoint.terminating
}

pub(super) fn no_endpoint(behaviour: Behaviour) -> &'static str {
    match behaviour {
        Behaviour::Gke => "requests for it are answered 502",
        Behaviour::Genkan => "requests for it are answered 503",
    }
}

/// Every name in DNS that endpoints of a Service may have.
pub(super) fn names(object: &ManifestObject, service: &Service, settings: &Settings) -> impl Iterator<Item = Host> {
    let external =
        service.external_name.as_ref().filter(|_| service.kind == ServiceType::ExternalName).and_then(|name| Host::parse(&name.value).ok());
    let dns = settings.dns_name(&object.manifest.meta.namespace, &object.manifest.meta.name).filter(|_| external.is_none());
    external.into_iter().chain(dns)
}
