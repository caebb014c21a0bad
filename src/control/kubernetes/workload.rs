//! Deployment, StatefulSet, DaemonSet and Pod, as far as they say which Pods there will be and how those are probed.

use std::collections::BTreeMap;

use crate::control::yaml::Located;

use super::PortRef;

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
