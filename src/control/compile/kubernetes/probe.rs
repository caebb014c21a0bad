//! Which check decides whether a Service's endpoints are ready: the cloud's inference from the Pods' readinessProbe,
//! condition by condition (its controller's `getHTTPProbe`), or kubelet's meaning of the same probe; then a
//! BackendConfig's fields over it.

use std::sync::Arc;
use std::time::Duration;

use crate::control::kubernetes::{AppProtocol, Container, ContainerProbe, ContainerProbeAction, HealthCheck, PortRef, Workload};
use crate::control::manifests::ManifestObject;
use crate::model::{Behaviour, Diagnostic, Probe, ProbeAction, ProbeScheme, ProbeSuccess, Reason};

use super::lookup::{Found, Lookup};

/// The port of a Service that a probe is looked for.
pub(super) struct Target<'a> {
    pub(super) namespace: &'a Arc<str>,
    pub(super) service: &'a str,
    /// `None`: there is no selector, or no object, and the Pods are those of a template that is called like the Service.
    pub(super) selector: Option<&'a std::collections::BTreeMap<String, String>>,
    /// `targetPort`; `None`: not known.
    pub(super) port: Option<&'a PortRef>,
    pub(super) protocol: AppProtocol,
    pub(super) behaviour: Behaviour,
}

/// A probe, and why it is this one.
pub(super) struct Chosen {
    pub(super) probe: Probe,
    /// In a few words.
    pub(super) why: String,
    /// What the Pods say and could not be taken, if anything.
    pub(super) refused: Vec<Diagnostic>,
}

/// What the cloud checks where nothing else is said, on a network endpoint group. It would ask as it sends requests, and
/// so it is here: in plain HTTP, until TLS to backends is there.
fn cloud_default() -> Probe {
    Probe {
        action: get("/", ProbeScheme::Http, Vec::new()),
        success: ProbeSuccess::Exactly200,
        initial_delay: Duration::ZERO,
        period: Duration::from_secs(15),
        timeout: Duration::from_secs(15),
        success_threshold: 1,
        failure_threshold: 2,
    }
}

fn scheme(protocol: AppProtocol) -> ProbeScheme {
    match protocol {
        AppProtocol::Http => ProbeScheme::Http,
        AppProtocol::Https | AppProtocol::Http2 => ProbeScheme::Https,
    }
}

fn get(path: &str, scheme: ProbeScheme, headers: Vec<(String, String)>) -> ProbeAction {
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    ProbeAction::HttpGet { host: None, path, port: None, scheme, headers }
}

pub(super) fn choose(target: &Target<'_>, lookup: &Lookup<'_>) -> Chosen {
    let (pods, whose) = pods(target, lookup);
    match target.behaviour {
        Behaviour::Gke => cloud(target, &pods, &whose),
        Behaviour::Genkan => kubelet(target, &pods, &whose),
    }
}

/// The Pods behind the Service: by its selector, or the one template that is called like it.
fn pods<'m>(target: &Target<'_>, lookup: &Lookup<'m>) -> (Vec<Found<'m, Workload>>, String) {
    let workloads = lookup.workloads(target.namespace);
    if let Some(selector) = target.selector {
        let selected = workloads.into_iter().filter(|pod| selector.iter().all(|(key, value)| pod.body.labels.get(key) == Some(value)));
        return (selected.collect(), "no Pod template matches the Service's selector".to_owned());
    }
    let called = |pod: &Found<'_, Workload>| {
        &*pod.object.manifest.meta.name == target.service || pod.body.labels.get("app").is_some_and(|app| app == target.service)
    };
    let named: Vec<_> = workloads.into_iter().filter(called).collect();
    match named.len() {
        0 | 1 => (named, format!("no Pod template is called {}, or has the label app: {}", target.service, target.service)),
        several => (Vec::new(), format!("{several} Pod templates are called {}, or have the label app: {}", target.service, target.service)),
    }
}

/// The first condition that each probe fails on is remembered, for whoever wonders why it is not used.
fn cloud(target: &Target<'_>, pods: &[Found<'_, Workload>], nobody: &str) -> Chosen {
    let default = cloud_default();
    let mut failed: Option<(String, &Found<'_, Workload>)> = None;
    for pod in pods {
        for container in &pod.body.containers {
            match infer(target, container) {
                Ok((probe, action)) => {
                    let probe = Probe { action, period: seconds(probe.period, 10), timeout: seconds(probe.timeout, 1), ..default };
                    return Chosen {
                        probe,
                        why: format!("the readinessProbe of {}, as the cloud infers it", describe(pod, container)),
                        refused: Vec::new(),
                    };
                }
                Err(condition) => {
                    failed.get_or_insert((format!("{}: {condition}", describe(pod, container)), pod));
                }
            }
        }
    }
    let why = failed.map_or_else(|| nobody.to_owned(), |(why, _)| why);
    Chosen { probe: default, why: format!("the cloud's default, because {why}"), refused: Vec::new() }
}

fn describe(pod: &Found<'_, Workload>, container: &Container) -> String {
    format!("container {} of {} {}", container.name, pod.object.kind().as_str(), pod.object.manifest.meta.name)
}

/// The conditions of the cloud's inference, in its order.
fn infer<'c>(target: &Target<'_>, container: &'c Container) -> Result<(&'c ContainerProbe, ProbeAction), String> {
    let probe = &container.probe.as_ref().ok_or("it has no readinessProbe")?.value;
    let ContainerProbeAction::HttpGet { path, port, scheme: written, host, headers } = &probe.action else {
        return Err("its readinessProbe is no httpGet".to_owned());
    };
    if host.as_ref().is_some_and(|host| !host.is_empty()) {
        return Err("its httpGet names a host".to_owned());
    }
    let host_alone = match headers.as_slice() {
        [] => true,
        [(name, _)] => name == "Host",
        _ => false,
    };
    if !host_alone {
        return Err("its httpGet has httpHeaders other than a single Host".to_owned());
    }
    let wanted = if target.protocol == AppProtocol::Http { "HTTP" } else { "HTTPS" };
    if written != wanted {
        return Err(format!("its httpGet has the scheme {written}, and the Service's port speaks {wanted}"));
    }
    let Some(of_service) = target.port else {
        return same_port_declared(container, port).map(|()| (probe, get(path, ProbeScheme::Http, headers.clone())));
    };
    if container.ports.is_empty() {
        return Err("it declares no ports".to_owned());
    }
    if !declares(container, of_service) {
        return Err(format!("none of its ports is the Service's targetPort {of_service}"));
    }
    if port != of_service {
        return Err(format!("its httpGet asks port {port}, and the Service's targetPort is {of_service}: the two must be written the same"));
    }
    Ok((probe, get(path, ProbeScheme::Http, headers.clone())))
}

/// Without a Service there is no targetPort to compare with; a probe of a declared port is as near as can be.
fn same_port_declared(container: &Container, port: &PortRef) -> Result<(), String> {
    if container.ports.is_empty() || declares(container, port) {
        Ok(())
    } else {
        Err(format!("its httpGet asks port {port}, which it does not declare"))
    }
}

fn declares(container: &Container, port: &PortRef) -> bool {
    container.ports.iter().any(|declared| match port {
        PortRef::Number(number) => declared.port == *number,
        PortRef::Name(name) => declared.name.as_ref() == Some(name),
    })
}

fn seconds(given: Option<u32>, default: u32) -> Duration {
    Duration::from_secs(given.unwrap_or(default).max(1).into())
}

fn with_port<'w>(pod: &'w Workload, port: Option<&PortRef>) -> Option<&'w Container> {
    let port = port?;
    pod.containers.iter().find(|container| container.probe.is_some() && declares(container, port))
}

fn only_probed(pod: &Workload) -> Option<&Container> {
    let mut probed = pod.containers.iter().filter(|container| container.probe.is_some());
    probed.next().filter(|_| probed.next().is_none())
}

/// The probe as kubelet would do it, of the container that has the Service's port, else of the only one with a probe.
fn kubelet(target: &Target<'_>, pods: &[Found<'_, Workload>], nobody: &str) -> Chosen {
    let found = pods.iter().find_map(|pod| with_port(pod.body, target.port).or_else(|| only_probed(pod.body)).map(|container| (pod, container)));
    let default = |why: String| Chosen { probe: Probe::default(), why, refused: Vec::new() };
    let Some((pod, container)) = found else {
        let why = if pods.is_empty() { nobody } else { "no container of its Pods has a readinessProbe for it" };
        return default(format!("the default, because {why}"));
    };
    let Some(probe) = container.probe.as_ref() else { return default("the default".to_owned()) };
    let action = match action(&probe.value.action, container, target.port) {
        Ok(action) => action,
        Err(kind) => {
            let finding = unsupported(pod.object, kind).at(pod.object.place(probe.span));
            return Chosen { refused: vec![finding], ..default(format!("the default, because {} has a probe by {kind}", describe(pod, container))) };
        }
    };
    let count = |given: Option<u32>, default: u32| given.unwrap_or(default).max(1);
    let probe = Probe {
        action,
        success: ProbeSuccess::Below400,
        initial_delay: Duration::from_secs(probe.initial_delay.unwrap_or(0).into()),
        period: seconds(probe.period, 10),
        timeout: seconds(probe.timeout, 1),
        success_threshold: count(probe.success, 1),
        failure_threshold: count(probe.failure, 3),
    };
    Chosen { probe, why: format!("the readinessProbe of {}", describe(pod, container)), refused: Vec::new() }
}

fn unsupported(object: &ManifestObject, kind: &str) -> Diagnostic {
    Diagnostic::warning(
        Reason::UnsupportedValue,
        format!("{} {}: a readinessProbe by {kind} cannot be done from outside", object.kind().as_str(), object.name()),
    )
    .about(object.kind(), object.name())
    .effect("GET / is asked instead")
    .help("write httpGet or tcpSocket, or a BackendConfig with healthCheck.requestPath")
}

/// A port that is the Service's own, however it is written, is the endpoint's, wherever that is.
fn action(written: &ContainerProbeAction, container: &Container, own: Option<&PortRef>) -> Result<ProbeAction, &'static str> {
    let number = |port: &PortRef| match port {
        PortRef::Number(number) => Some(*number),
        PortRef::Name(name) => container.ports.iter().find(|declared| declared.name.as_ref() == Some(name)).map(|declared| declared.port),
    };
    let port = |port: &PortRef| {
        let is_own = own.is_none_or(|own| own == port || (number(own).is_some() && number(own) == number(port)));
        if is_own { None } else { number(port) }
    };
    match written {
        ContainerProbeAction::HttpGet { path, port: asked, scheme, host, headers } => Ok(ProbeAction::HttpGet {
            host: host.clone().filter(|host| !host.is_empty()),
            path: if path.starts_with('/') { path.clone() } else { format!("/{path}") },
            port: port(asked),
            scheme: if scheme == "HTTPS" { ProbeScheme::Https } else { ProbeScheme::Http },
            headers: headers.clone(),
        }),
        ContainerProbeAction::TcpSocket { port: asked, host } => Ok(ProbeAction::TcpSocket { host: host.clone(), port: port(asked) }),
        ContainerProbeAction::Exec => Err("exec"),
        ContainerProbeAction::Grpc => Err("grpc"),
    }
}

/// What a BackendConfig says goes over what was inferred, field by field.
pub(super) fn apply(check: &HealthCheck, probe: &mut Probe) {
    let over = |given: Option<u32>, now: &mut Duration| {
        if let Some(given) = given {
            *now = Duration::from_secs(given.max(1).into());
        }
    };
    over(check.interval, &mut probe.period);
    over(check.timeout, &mut probe.timeout);
    probe.success_threshold = check.healthy.unwrap_or(probe.success_threshold).max(1);
    probe.failure_threshold = check.unhealthy.unwrap_or(probe.failure_threshold).max(1);
    // A check of the cloud's is always a request, whatever the Pods have.
    let is_get = matches!(probe.action, ProbeAction::HttpGet { .. });
    if !is_get && (check.path.is_some() || check.kind.is_some()) {
        probe.action = get("/", ProbeScheme::Http, Vec::new());
    }
    match &mut probe.action {
        ProbeAction::HttpGet { path, port, scheme: asked, .. } => {
            if let Some(given) = &check.path {
                *path = if given.starts_with('/') { given.clone() } else { format!("/{given}") };
            }
            if let Some(kind) = check.kind {
                *asked = scheme(kind);
            }
            *port = check.port.or(*port);
        }
        ProbeAction::TcpSocket { port, .. } => *port = check.port.or(*port),
    }
}
