//! Service, with what GKE's annotations on it say.

use std::collections::BTreeMap;

use crate::control::yaml::{Located, Span};

use super::PortRef;

/// A Service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// `spec.type`.
    pub kind: ServiceType,
    /// `spec.clusterIP` is `None`: its name means its Pods.
    pub cluster_ip_none: bool,
    /// `spec.externalName`.
    pub external_name: Option<Located<String>>,
    /// `spec.selector`.
    pub selector: BTreeMap<String, String>,
    /// `spec.ports`.
    pub ports: Vec<ServicePort>,
    /// What its annotations say.
    pub options: ServiceOptions,
}

/// `spec.type` of a Service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "words of Kubernetes")]
pub enum ServiceType {
    #[default]
    ClusterIp,
    NodePort,
    LoadBalancer,
    ExternalName,
}

/// One of `spec.ports`.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePort {
    /// May be absent if it is the only one.
    pub name: Option<String>,
    /// Of the Service.
    pub port: u16,
    /// Of its Pods; the same as `port` if absent.
    pub target: PortRef,
    /// Where it was written.
    pub span: Span,
}

/// What the annotations of a Service say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceOptions {
    /// `cloud.google.com/backend-config`, or its beta name.
    pub backend_configs: BackendConfigs,
    /// By name of the port: `cloud.google.com/app-protocols`, or its alpha name.
    pub app_protocols: BTreeMap<String, AppProtocol>,
    /// `ingress` of `cloud.google.com/neg`.
    pub neg: Option<bool>,
}

/// Names of BackendConfigs for ports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackendConfigs {
    /// For ports that are not listed.
    pub default: Option<Located<String>>,
    /// By the port's name or number.
    pub ports: BTreeMap<String, Located<String>>,
}

/// What GKE is told that Pods speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "words of GKE")]
pub enum AppProtocol {
    Http,
    Https,
    Http2,
}
