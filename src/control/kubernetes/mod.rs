//! Kubernetes objects from YAML, read tolerantly: an odd field is a finding with its place, and the rest of the object
//! counts. Only what each object says; what becomes of it (routes, backends) is decided elsewhere.

mod annotations;
mod backend_config;
mod endpoints;
mod fields;
mod frontend_config;
mod ingress;
mod object;
mod reference;
mod secret;
mod service;
mod table;
mod workload;

pub use backend_config::{Affinity, AffinityKind, BackendConfig, HealthCheck};
pub use endpoints::{Endpoint, EndpointGroup, EndpointSet};
pub use frontend_config::{FrontendConfig, Redirect};
pub use ingress::{Ingress, IngressBackend, IngressClass, IngressOptions, IngressPath, IngressRule, IngressTls, PortRef};
pub use object::{Annotation, Body, DEFAULT_NAMESPACE, Finding, Kind, Manifest, Meta, Reading};
pub use reference::page as reference;
pub use secret::{ConfigMap, Secret};
pub use service::{AppProtocol, BackendConfigs, Service, ServiceOptions, ServicePort, ServiceType};
pub use workload::{Container, ContainerPort, ContainerProbe, ContainerProbeAction, Workload, WorkloadKind};

use std::collections::BTreeMap;

use fields::{Fields, Wrong, entries};
use object::placeholders;

use crate::control::yaml::{Located, Node};
use crate::model::{Reason, Severity};

/// Which kind a document is of, and how it is read.
enum Known<'d> {
    Read(Kind),
    /// Its items are documents, of this kind where they do not say; the API server leaves it out.
    List(&'d str),
    /// Known, and not read yet.
    NotYet(&'static str),
    /// Known, and of no use here.
    Elsewhere(&'static str),
    /// A stranger.
    Unknown,
}

/// Reads one document: an object, or a list of them.
pub fn read(document: &Node) -> Reading {
    let mut reading = Reading::default();
    add(document, "", "", &mut reading);
    reading
}

fn add(document: &Node, version: &str, kind: &str, reading: &mut Reading) {
    let version = document.get("apiVersion").and_then(Node::as_text).unwrap_or(version);
    let kind = document.get("kind").and_then(Node::as_text).unwrap_or(kind);
    let span = document.get("kind").map_or(document.span, |kind| kind.span);
    match known(version, kind) {
        Known::Read(kind) => read_object(document, kind, reading),
        Known::List(kind) => {
            let mut fields = Fields::default();
            let items = fields.list(document, "items");
            reading.findings.append(&mut fields.findings);
            for item in items {
                add(item, version, kind, reading);
            }
        }
        Known::NotYet(why) => {
            let message = format!("{kind} of {version}: {why}");
            reading.findings.push(Finding::new(Severity::Warning, Reason::NotYetSupported, span, message).effect("it is skipped"));
        }
        Known::Elsewhere(why) => {
            let message = format!("{kind} of {version}: {why}");
            reading.findings.push(Finding::new(Severity::Note, Reason::NotApplied, span, message));
        }
        Known::Unknown if kind.is_empty() || version.is_empty() => {
            let message = if kind.is_empty() { "this is no object: it has no kind".to_owned() } else { format!("this {kind} has no apiVersion") };
            let mut finding = Finding::new(Severity::Warning, Reason::MissingField, span, message).effect("it is skipped");
            finding.help = usual_version(kind).map(|version| format!("apiVersion: {version}"));
            reading.findings.push(finding);
        }
        Known::Unknown => {
            let message = format!("{kind} of {version} is not read");
            reading.findings.push(Finding::new(Severity::Note, Reason::UnknownKind, span, message).effect("objects of this kind are skipped"));
        }
    }
}

/// What objects of a kind are written with today.
fn usual_version(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "Ingress" | "IngressClass" => "networking.k8s.io/v1",
        "EndpointSlice" => "discovery.k8s.io/v1",
        "Deployment" | "StatefulSet" | "DaemonSet" => "apps/v1",
        "FrontendConfig" => "networking.gke.io/v1beta1",
        "BackendConfig" => "cloud.google.com/v1",
        _ => return None,
    })
}

/// By group and kind; versions of a group differ in what their fields are called, and the readers know both.
fn known<'d>(version: &str, kind: &'d str) -> Known<'d> {
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    match (group, kind) {
        ("networking.k8s.io" | "extensions", "Ingress") => Known::Read(Kind::Ingress),
        ("networking.k8s.io", "IngressClass") => Known::Read(Kind::IngressClass),
        ("", "Service") => Known::Read(Kind::Service),
        ("", "Endpoints") => Known::Read(Kind::Endpoints),
        ("discovery.k8s.io", "EndpointSlice") => Known::Read(Kind::EndpointSlice),
        ("apps" | "extensions", "Deployment") => Known::Read(Kind::Workload(WorkloadKind::Deployment)),
        ("apps", "StatefulSet") => Known::Read(Kind::Workload(WorkloadKind::StatefulSet)),
        ("apps" | "extensions", "DaemonSet") => Known::Read(Kind::Workload(WorkloadKind::DaemonSet)),
        ("", "Pod") => Known::Read(Kind::Workload(WorkloadKind::Pod)),
        ("", "Secret") => Known::Read(Kind::Secret),
        ("", "ConfigMap") => Known::Read(Kind::ConfigMap),
        ("networking.gke.io", "FrontendConfig") => Known::Read(Kind::FrontendConfig),
        ("cloud.google.com", "BackendConfig") => Known::Read(Kind::BackendConfig),
        ("gateway.networking.k8s.io", _) => Known::NotYet("objects of the Gateway API are not yet supported"),
        ("networking.gke.io", "ManagedCertificate") => {
            Known::Elsewhere("the cloud alone has these certificates; kubernetes.certificates maps them by name")
        }
        ("", "List") => Known::List(""),
        (_, list) => match list.strip_suffix("List") {
            // Not of lists again: that would go as deep as a name is long.
            Some(item) if !item.ends_with("List") && !matches!(known(version, item), Known::Unknown) => Known::List(item),
            _ => Known::Unknown,
        },
    }
}

fn read_object(document: &Node, kind: Kind, reading: &mut Reading) {
    let mut fields = Fields::default();
    let Some(meta) = meta(document, &mut fields) else {
        let message = "an object without metadata.name cannot be referred to";
        reading.findings.push(Finding::new(Severity::Warning, Reason::MissingField, document.span, message).effect("it is skipped"));
        return;
    };
    let span = document.get("metadata").and_then(|meta| meta.get("name")).map_or(document.span, |name| name.span);
    let body = match kind {
        Kind::Ingress => Body::Ingress(ingress::read(document, &meta, &mut fields)),
        Kind::IngressClass => Body::IngressClass(ingress::read_class(document, &meta, &mut fields)),
        Kind::Service => Body::Service(service::read(document, &meta, &mut fields)),
        Kind::Endpoints => Body::Endpoints(endpoints::read_endpoints(document, &meta, &mut fields)),
        Kind::EndpointSlice => Body::EndpointSlice(endpoints::read_slice(document, &meta, &mut fields)),
        Kind::Workload(kind) => Body::Workload(workload::read(document, &meta, kind, &mut fields)),
        Kind::Secret => Body::Secret(secret::read(document, &mut fields)),
        Kind::ConfigMap => Body::ConfigMap(secret::read_config_map(document, &mut fields)),
        Kind::FrontendConfig => Body::FrontendConfig(frontend_config::read(document, &mut fields)),
        Kind::BackendConfig => Body::BackendConfig(backend_config::read(document, &mut fields)),
    };
    placeholders(&meta, &body, &mut fields.findings);
    reading.objects.push(Manifest { meta, span, body, findings: fields.findings });
}

fn meta(document: &Node, fields: &mut Fields) -> Option<Meta> {
    let node = fields.mapping(document, "metadata")?;
    let name = fields.plain_text(node, "name").filter(|name| !name.is_empty())?;
    let namespace = fields.plain_text(node, "namespace").filter(|namespace| !namespace.is_empty());
    let mut annotations = Vec::new();
    for (key, value) in fields.mapping(node, "annotations").map_or(&[][..], entries) {
        match fields::located(value) {
            Ok(Located { value, span }) => annotations.push(Annotation { name: key.text.clone(), value, span, key: key.span }),
            Err(wrong) => fields.wrong(Wrong { message: format!("{}: {}", key.text, wrong.message), ..wrong }),
        }
    }
    let labels: BTreeMap<String, String> = fields.texts(node, "labels");
    let created = fields.plain_text(node, "creationTimestamp");
    Some(Meta { namespace: namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE).into(), name: name.into(), labels, annotations, created })
}

#[cfg(test)]
mod tests;
