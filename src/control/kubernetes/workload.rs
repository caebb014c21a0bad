//! Deployment, StatefulSet, DaemonSet and Pod, as far as they say which Pods there will be and how those are probed.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};

use super::PortRef;
use super::fields::{Fields, Wrong, near_misses};
use super::object::Meta;
use crate::control::yaml::{Located, Node};
use crate::model::{Host, Reason};

/// What makes Pods, or is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Which of them.
    pub kind: WorkloadKind,
    /// Of the Pods that it makes, or its own.
    pub labels: BTreeMap<String, String>,
    /// Without init containers.
    pub containers: Vec<Container>,
}

/// What makes Pods, or is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs, reason = "words of Kubernetes")]
pub enum WorkloadKind {
    Deployment,
    StatefulSet,
    DaemonSet,
    Pod,
}

/// A container of a Pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The ports that it declares.
    pub ports: Vec<ContainerPort>,
    /// Its `readinessProbe`.
    pub probe: Option<Located<ContainerProbe>>,
}

/// A port that a container declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    /// Its name.
    pub name: Option<String>,
    /// Its number.
    pub port: u16,
}

/// A `readinessProbe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerProbe {
    /// What is asked.
    pub action: ContainerProbeAction,
    /// `initialDelaySeconds`.
    pub initial_delay: Option<u32>,
    /// `periodSeconds`.
    pub period: Option<u32>,
    /// `timeoutSeconds`.
    pub timeout: Option<u32>,
    /// `successThreshold`.
    pub success: Option<u32>,
    /// `failureThreshold`.
    pub failure: Option<u32>,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerProbeAction {
    /// A request.
    HttpGet {
        /// As written; `/` if absent.
        path: String,
        /// Of the container.
        port: PortRef,
        /// `HTTP` or `HTTPS`, as written.
        scheme: String,
        /// Asked instead of the Pod.
        host: Option<String>,
        /// `httpHeaders`.
        headers: Vec<(String, String)>,
    },
    /// A connection.
    TcpSocket {
        /// Of the container.
        port: PortRef,
        /// Connected to instead of the Pod.
        host: Option<String>,
    },
    /// A command inside the container.
    Exec,
    /// gRPC's health service.
    Grpc,
}

pub(super) fn read(document: &Node, meta: &Meta, kind: WorkloadKind, fields: &mut Fields) -> Workload {
    let mut workload = Workload { kind, labels: meta.labels.clone(), containers: Vec::new() };
    let Some(spec) = fields.mapping(document, "spec") else { return workload };
    let pod = if kind == WorkloadKind::Pod {
        Some(spec)
    } else {
        let template = fields.mapping(spec, "template");
        workload.labels =
            template.and_then(|template| fields.mapping(template, "metadata")).map(|meta| fields.texts(meta, "labels")).unwrap_or_default();
        template.and_then(|template| fields.mapping(template, "spec"))
    };
    if let Some(pod) = pod {
        for node in fields.list(pod, "containers") {
            workload.containers.push(container(node, fields));
        }
    }
    workload
}

fn container(node: &Node, fields: &mut Fields) -> Container {
    near_misses(node, &["name", "ports", "readinessProbe"], fields);
    let mut ports = Vec::new();
    for port in fields.list(node, "ports") {
        near_misses(port, &["name", "containerPort"], fields);
        let name = fields.plain_text(port, "name");
        ports.extend(fields.port(port, "containerPort").map(|number| ContainerPort { name, port: number }));
    }
    let probe = fields.mapping(node, "readinessProbe");
    let probe = probe.and_then(|probe| Some(Located { value: read_probe(probe, fields)?, span: probe.span }));
    Container { name: fields.plain_text(node, "name").unwrap_or_default(), ports, probe }
}

fn read_probe(node: &Node, fields: &mut Fields) -> Option<ContainerProbe> {
    let action = action(node, fields)?;
    let mut seconds = |key: &str| fields.number(node, key, 0..=u32::MAX);
    Some(ContainerProbe {
        action,
        initial_delay: seconds("initialDelaySeconds"),
        period: seconds("periodSeconds"),
        timeout: seconds("timeoutSeconds"),
        success: seconds("successThreshold"),
        failure: seconds("failureThreshold"),
    })
}

/// A probe needs a port, and without one it is none.
fn without_port(node: &Node, fields: &mut Fields) -> Option<PortRef> {
    fields.wrong(Wrong { span: node.span, reason: Reason::MissingField, message: "readinessProbe: its port is missing".to_owned(), help: None });
    None
}

/// What Kubernetes would not take is written into no request of ours.
fn probe_header(node: &Node, fields: &mut Fields) -> Option<(String, String)> {
    let (name, value) = (fields.plain_text(node, "name").unwrap_or_default(), fields.plain_text(node, "value").unwrap_or_default());
    if HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(&value).is_ok() {
        return Some((name, value));
    }
    fields.wrong(Wrong::new(node, format!("readinessProbe: \"{}\" is no header", name.escape_debug())));
    None
}

/// An error where it is no host; absent, the endpoint itself is asked.
fn probe_host(node: &Node, fields: &mut Fields) -> Result<Option<String>, ()> {
    match fields.plain_text(node, "host").filter(|host| !host.is_empty()) {
        Some(host) if Host::parse(&host).is_err() => {
            fields.wrong(Wrong::new(node, format!("readinessProbe: \"{}\" is no host", host.escape_debug())));
            Err(())
        }
        host => Ok(host),
    }
}

fn action(node: &Node, fields: &mut Fields) -> Option<ContainerProbeAction> {
    if let Some(get) = fields.mapping(node, "httpGet") {
        let headers = fields.list(get, "httpHeaders").iter().map(|header| probe_header(header, fields)).collect::<Option<Vec<_>>>()?;
        return Some(ContainerProbeAction::HttpGet {
            path: fields.plain_text(get, "path").unwrap_or_else(|| "/".to_owned()),
            port: fields.port_ref(get, "port").or_else(|| without_port(get, fields))?,
            scheme: fields.plain_text(get, "scheme").unwrap_or_else(|| "HTTP".to_owned()),
            host: probe_host(get, fields).ok()?,
            headers,
        });
    }
    if let Some(socket) = fields.mapping(node, "tcpSocket") {
        return Some(ContainerProbeAction::TcpSocket {
            port: fields.port_ref(socket, "port").or_else(|| without_port(socket, fields))?,
            host: probe_host(socket, fields).ok()?,
        });
    }
    if fields.mapping(node, "exec").is_some() {
        return Some(ContainerProbeAction::Exec);
    }
    fields.mapping(node, "grpc").map(|_| ContainerProbeAction::Grpc)
}
