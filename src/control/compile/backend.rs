//! Backends: addresses and resolved names to endpoints, the probe with its defaults.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::kubernetes::ServiceBackend;
use super::settings::or;
use crate::control::config::{
    self, EndpointText, HostName, HttpGet, Percent, Period, PortReference, Positive, PositivePeriod, ReadinessProbe, SessionAffinity, TcpSocket,
    UriScheme,
};
use crate::control::resources::{Object, Resources, needs_resolving};
use crate::control::yaml::Located;
use crate::model::{
    AffinityCookie, Backend, BackendLimits, BackendTimeouts, Diagnostic, EndpointAddress, Host, LoadBalancing, ObjectKind, Outliers, Probe,
    ProbeAction, ProbeScheme, Readiness, Reason,
};

pub(super) fn compile(resources: &Resources, findings: &mut Vec<Diagnostic>) -> Vec<Arc<Backend>> {
    super::report_duplicates(&resources.backends, ObjectKind::Backend, findings);
    resources.backends.iter().map(|(name, entry)| Arc::new(build(name, &entry.latest, resources, findings))).collect()
}

fn build(name: &str, object: &Object<config::Backend>, resources: &Resources, findings: &mut Vec<Diagnostic>) -> Backend {
    let spec = &object.spec;
    let mut endpoints = Vec::new();
    for endpoint in &spec.endpoints {
        for address in addresses(&endpoint.value, resources) {
            if !endpoints.contains(&address) {
                endpoints.push(address);
            }
        }
        findings.extend(check_name(name, endpoint, object, resources));
    }
    if spec.endpoints.is_empty() {
        findings.push(
            Diagnostic::warning(Reason::NoEndpoints, format!("backend \"{name}\" has no endpoints"))
                .about(ObjectKind::Backend, name)
                .at(object.place())
                .effect("requests for it are answered 503")
                .help("endpoints: [\"HOST:PORT\"]"),
        );
    }
    Backend {
        name: name.to_owned(),
        endpoints,
        load_balancing: load_balancing(&spec.value),
        readiness: readiness(name, object, findings),
        timeouts: timeouts(&spec.timeouts),
        affinity: affinity(&spec.value),
        draining: spec.timeouts.draining.map(|Period(period)| period),
        outliers: outliers(&spec.outliers),
        limits: limits(&spec.limits),
    }
}

fn load_balancing(spec: &config::Backend) -> LoadBalancing {
    if spec.session_affinity == Some(SessionAffinity::ClientAddress) {
        return LoadBalancing::Hash;
    }
    match spec.load_balancing.as_ref().map(|balancing| balancing.value) {
        None => LoadBalancing::default(),
        Some(config::LoadBalancing::RoundRobin) => LoadBalancing::RoundRobin,
        Some(config::LoadBalancing::LeastRequests) => LoadBalancing::LeastRequests,
        Some(config::LoadBalancing::Random) => LoadBalancing::Random,
        Some(config::LoadBalancing::Hash) => LoadBalancing::Hash,
    }
}

fn limits(spec: &config::BackendLimits) -> BackendLimits {
    let default = BackendLimits::default();
    BackendLimits {
        requests_per_endpoint: spec.requests_per_endpoint.map_or(default.requests_per_endpoint, |Positive(requests)| requests as usize),
        waiting: spec.waiting.map_or(default.waiting, |waiting| waiting as usize),
        wait: spec.wait.map_or(default.wait, |Period(wait)| wait),
    }
}

fn outliers(spec: &config::Outliers) -> Option<Outliers> {
    let default = Outliers::default();
    let longest = spec.longest_ejection.map_or(default.longest, |PositivePeriod(longest)| longest);
    let outliers = Outliers {
        consecutive_failures: spec.consecutive_failures.unwrap_or(default.consecutive_failures),
        ejection: spec.ejection.map_or(default.ejection, |PositivePeriod(ejection)| ejection).min(longest),
        longest,
        share: spec.ejected_percent.map_or(default.share, |Percent(share)| share),
    };
    (outliers.consecutive_failures > 0 && outliers.share > 0).then_some(outliers)
}

fn affinity(spec: &config::Backend) -> Option<AffinityCookie> {
    match spec.session_affinity.as_ref()? {
        SessionAffinity::ClientAddress => None,
        SessionAffinity::Cookie { name, ttl } => Some(AffinityCookie { name: name.clone(), max_age: ttl.map(|Period(period)| period) }),
    }
}

/// A Service's port as a backend. Names that are not resolved yet have no endpoint. `before` is what came of it last.
pub(super) fn of_service(
    service: &Arc<ServiceBackend>,
    before: Option<&(Arc<ServiceBackend>, Arc<Backend>)>,
    resources: &Resources,
    findings: &mut Vec<Diagnostic>,
) -> Arc<Backend> {
    // What has no name to resolve can come to nothing else.
    if let Some((_, backend)) =
        before.filter(|(known, _)| Arc::ptr_eq(known, service) && !service.endpoints.iter().any(|endpoint| needs_resolving(&endpoint.host)))
    {
        return backend.clone();
    }
    let mut endpoints = Vec::new();
    for endpoint in &service.endpoints {
        for address in addresses(endpoint, resources) {
            if !endpoints.contains(&address) {
                endpoints.push(address);
            }
        }
        findings.extend(name_finding(&service.name, &endpoint.host, resources));
    }
    Arc::new(Backend {
        name: service.name.to_string(),
        endpoints,
        load_balancing: service.load_balancing,
        readiness: Readiness::Probe(service.probe.clone()),
        timeouts: service.timeouts.clone(),
        affinity: service.affinity.clone(),
        draining: service.draining,
        outliers: service.outliers,
        limits: BackendLimits::default(),
    })
}

fn addresses(endpoint: &EndpointText, resources: &Resources) -> Vec<EndpointAddress> {
    let EndpointText { host, port } = endpoint;
    if host.as_str() == "localhost" {
        return vec![EndpointAddress::Localhost(*port)];
    }
    if let Ok(ip) = host.as_str().parse::<IpAddr>() {
        return vec![EndpointAddress::Ip(SocketAddr::new(ip, *port))];
    }
    let resolved = resources.names.get(host).map_or(&[][..], |resolution| &resolution.addresses);
    resolved.iter().map(|ip| EndpointAddress::Ip(SocketAddr::new(*ip, *port))).collect()
}

fn check_name(name: &str, endpoint: &Located<EndpointText>, object: &Object<config::Backend>, resources: &Resources) -> Option<Diagnostic> {
    name_finding(name, &endpoint.host, resources).map(|finding| finding.at(object.files.place(endpoint.span)))
}

/// What is to be said about the name of an endpoint.
fn name_finding(name: &str, host: &Host, resources: &Resources) -> Option<Diagnostic> {
    let resolution = resources.names.get(host)?;
    if let Some(failure) = &resolution.failure {
        let effect = match resolution.addresses.len() {
            0 => "it has no endpoint of this name until the name resolves; it is asked again and again".to_owned(),
            count => format!("the last good answer ({count} addresses) stays in use"),
        };
        return Some(
            Diagnostic::warning(Reason::NameUnresolved, format!("backend \"{name}\": {host} cannot be resolved"))
                .about(ObjectKind::Backend, name)
                .why(failure)
                .effect(effect),
        );
    }
    // A Service with a cluster address answers with that alone: every Pod behind it looks like one endpoint.
    let in_cluster = host.as_str().split('.').skip(1).any(|label| label == "svc");
    (in_cluster && resolution.addresses.len() == 1).then(|| {
        Diagnostic::warning(Reason::VirtualAddress, format!("backend \"{name}\": {host} is a single address"))
            .about(ObjectKind::Backend, name)
            .why("a Service with a cluster IP hides its Pods behind one virtual address")
            .effect("readiness and balancing see one endpoint, whatever Pods there are; with a single Pod all is well")
            .help("make the Service headless: spec.clusterIP: None")
    })
}

fn readiness(name: &str, object: &Object<config::Backend>, findings: &mut Vec<Diagnostic>) -> Readiness {
    let spec = &object.spec;
    if !spec.assume_ready {
        return Readiness::Probe(spec.readiness_probe.as_ref().map_or_else(Probe::default, |probe| build_probe(&probe.value)));
    }
    findings.push(
        Diagnostic::warning(Reason::ReadinessAssumed, format!("backend \"{name}\" is never checked"))
            .about(ObjectKind::Backend, name)
            .at(object.place())
            .why(if spec.readiness_probe.is_some() { "assumeReady: true; its readinessProbe is not used" } else { "assumeReady: true" })
            .effect("endpoints get requests whether they can answer or not")
            .help("readinessProbe: { httpGet: { path: /healthz } }"),
    );
    Readiness::Assumed
}

fn build_probe(spec: &ReadinessProbe) -> Probe {
    let default = Probe::default();
    let seconds = |given: Option<config::Seconds>, default: Duration| given.map_or(default, |seconds| Duration::from_secs(seconds.0.into()));
    let count = |given: Option<config::Seconds>, default: u32| given.map_or(default, |count| count.0.into());
    let action = match (&spec.http_get, &spec.tcp_socket) {
        (Some(get), _) => http_get(get),
        (None, Some(TcpSocket { port, host })) => ProbeAction::TcpSocket { host: host_text(host.as_ref()), port: number(*port) },
        (None, None) => default.action,
    };
    Probe {
        action,
        success: default.success,
        initial_delay: Duration::from_secs(spec.initial_delay_seconds.unwrap_or(0).into()),
        period: seconds(spec.period_seconds, default.period),
        timeout: seconds(spec.timeout_seconds, default.timeout),
        success_threshold: count(spec.success_threshold, default.success_threshold),
        failure_threshold: count(spec.failure_threshold, default.failure_threshold),
    }
}

fn http_get(get: &HttpGet) -> ProbeAction {
    ProbeAction::HttpGet {
        host: host_text(get.host.as_ref()),
        path: get.path.as_ref().map_or_else(|| "/".to_owned(), |path| path.0.clone()),
        port: number(get.port),
        scheme: match get.scheme {
            UriScheme::Http => ProbeScheme::Http,
            UriScheme::Https => ProbeScheme::Https,
        },
        headers: get.http_headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect(),
    }
}

fn host_text(host: Option<&HostName>) -> Option<String> {
    host.map(|host| host.0.to_string())
}

fn number(port: Option<PortReference>) -> Option<u16> {
    port.and_then(|PortReference(number)| number)
}

fn timeouts(given: &config::BackendTimeouts) -> BackendTimeouts {
    let default = BackendTimeouts::default();
    BackendTimeouts {
        connect: or(given.connect, default.connect),
        response: or(given.response, default.response),
        idle: or(given.idle, default.idle),
        keep_alive: or(given.keep_alive, default.keep_alive),
    }
}
