//! Ingress and IngressClass, of `networking.k8s.io/v1` and of the versions before it. What its rules mean is decided
//! where routes are made.

use crate::control::yaml::Located;

/// An Ingress.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ingress {
    /// The annotation `kubernetes.io/ingress.class`.
    pub class_annotation: Option<Located<String>>,
    /// `spec.ingressClassName`.
    pub class_name: Option<Located<String>>,
    /// `spec.defaultBackend`, `spec.backend` before v1.
    pub default_backend: Option<Located<IngressBackend>>,
    /// `spec.rules`.
    pub rules: Vec<Located<IngressRule>>,
    /// `spec.tls`.
    pub tls: Vec<Located<IngressTls>>,
    /// What its annotations say.
    pub options: IngressOptions,
}

/// One of `spec.rules`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IngressRule {
    /// Absent: every host.
    pub host: Option<Located<String>>,
    /// `http.paths`; `None` for a rule without `http`.
    pub paths: Option<Vec<Located<IngressPath>>>,
}

/// One of a rule's paths.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IngressPath {
    /// `path`.
    pub path: Option<Located<String>>,
    /// `pathType`, as written.
    pub path_type: Option<Located<String>>,
    /// Where its requests go.
    pub backend: Option<Located<IngressBackend>>,
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IngressBackend {
    /// A port of a Service in the Ingress' namespace.
    Service {
        /// Its name.
        name: String,
        /// Which port.
        port: Option<PortRef>,
    },
    /// Another object, as `kind name`; nothing that can be served.
    Resource(String),
}

/// A port by number or by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortRef {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

/// One of `spec.tls`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IngressTls {
    /// Hosts that the certificate is meant for.
    pub hosts: Vec<Located<String>>,
    /// The Secret with the certificate.
    pub secret: Option<Located<String>>,
}

/// What the annotations of an Ingress say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IngressOptions {
    /// `kubernetes.io/ingress.allow-http`.
    pub allow_http: Option<bool>,
    /// `kubernetes.io/ingress.global-static-ip-name`.
    pub global_static_ip: Option<Located<String>>,
    /// `kubernetes.io/ingress.regional-static-ip-name`.
    pub regional_static_ip: Option<Located<String>>,
    /// `ingress.gcp.kubernetes.io/pre-shared-cert`.
    pub pre_shared_certificates: Vec<Located<String>>,
    /// `networking.gke.io/managed-certificates`.
    pub managed_certificates: Vec<Located<String>>,
    /// `networking.gke.io/v1beta1.FrontendConfig`.
    pub frontend_config: Option<Located<String>>,
    /// Our own `genkan.dev/behaviour`: `GKE` or `Genkan`.
    pub behaviour: Option<Located<String>>,
}

/// An IngressClass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IngressClass {
    /// `spec.controller`.
    pub controller: String,
    /// The annotation `ingressclass.kubernetes.io/is-default-class` is true.
    pub is_default: bool,
}
