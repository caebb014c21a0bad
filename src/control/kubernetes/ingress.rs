//! Ingress and IngressClass, of `networking.k8s.io/v1` and of the versions before it. What its rules mean is decided
//! where routes are made.

use std::fmt;

use super::annotations;
use super::fields::{Fields, Wrong, boolean, located, near_misses};
use super::object::Meta;
use super::service;
use super::table::{Fate, Field};
use crate::control::yaml::{Kind, Located, Node};

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

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
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

/// The class by annotation; it has no row below, because it decides whether an Ingress is read at all.
const CLASS: &str = "kubernetes.io/ingress.class";

/// Every annotation that GKE reads on an Ingress, and what becomes of it.
pub(super) const FIELDS: &[Field<IngressOptions>] = &[
    Field {
        path: CLASS,
        value: "gce; others by kubernetes.ingressClasses",
        default: "as gce, unless spec.ingressClassName names another",
        // Read with the fields of the same meaning in `spec`.
        fate: Fate::Applied("which Ingresses are served, and how they behave", |_, _| Ok(())),
        confirmed: true,
    },
    Field {
        path: "kubernetes.io/ingress.allow-http",
        value: "true, false, as Go's ParseBool reads them",
        default: "false (the cloud: true)",
        fate: Fate::Applied("true: plain HTTP is served, where the listener lets it be; false: rejected", |node, options| {
            options.allow_http = Some(boolean(node)?);
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "kubernetes.io/ingress.global-static-ip-name",
        value: "name of an address",
        default: "none: the addresses of all",
        fate: Fate::Applied("as kubernetes.addresses says: listeners of its own on that address", |node, options| {
            options.global_static_ip = Some(located(node)?);
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "kubernetes.io/ingress.regional-static-ip-name",
        value: "name of an address",
        default: "none",
        fate: Fate::Applied("as the global one", |node, options| {
            options.regional_static_ip = Some(located(node)?);
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "ingress.gcp.kubernetes.io/pre-shared-cert",
        value: "names of certificates, separated by commas",
        default: "none",
        fate: Fate::Applied("as kubernetes.certificates says, before those of spec.tls", |node, options| {
            options.pre_shared_certificates = names(node)?;
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "networking.gke.io/managed-certificates",
        value: "names of ManagedCertificates, separated by commas",
        default: "none",
        fate: Fate::Applied("as kubernetes.certificates says, before those of spec.tls", |node, options| {
            options.managed_certificates = names(node)?;
            Ok(())
        }),
        confirmed: false,
    },
    Field {
        path: "networking.gke.io/v1beta1.FrontendConfig",
        value: "name of a FrontendConfig",
        default: "none",
        fate: Fate::Applied("see below", |node, options| {
            options.frontend_config = Some(located(node)?);
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "networking.gke.io/suppress-firewall-xpn-error",
        value: "true, false",
        default: "false",
        fate: Fate::NoMeaning("there is no firewall of the cloud's to complain about"),
        confirmed: true,
    },
    Field {
        path: "networking.gke.io/internal-load-balancer-allow-global-access",
        value: "true, false",
        default: "false",
        fate: Fate::NoMeaning("it is for another load balancer of the cloud's"),
        confirmed: true,
    },
    Field {
        path: "networking.gke.io/internal-load-balancer-subnet",
        value: "name of a subnet",
        default: "none",
        fate: Fate::NoMeaning("it is for another load balancer of the cloud's"),
        confirmed: true,
    },
    Field { path: "ingress.gcp.kubernetes.io/instance-groups", value: "JSON", default: "none", fate: Fate::Written, confirmed: true },
    Field {
        path: "genkan.dev/behaviour",
        value: "GKE, Genkan",
        default: "kubernetes.behaviour for the class gce and none, else Genkan",
        fate: Fate::Applied("ours: how this Ingress behaves where the cloud and genkan differ", |node, options| {
            options.behaviour = Some(located(node)?);
            Ok(())
        }),
        confirmed: true,
    },
];

/// Spaces around a name mean nothing, and an empty one is none.
fn names(node: &Node) -> Result<Vec<Located<String>>, Wrong> {
    let Located { value, span } = located(node)?;
    Ok(value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(|name| Located { value: name.to_owned(), span }).collect())
}

pub(super) fn read(document: &Node, meta: &Meta, fields: &mut Fields) -> Ingress {
    let mut ingress = Ingress::default();
    let of_services: Vec<&'static str> = service::FIELDS.iter().map(|field| field.path).collect();
    annotations::read(FIELDS, meta, ("Service", &of_services), &mut ingress.options, fields);
    ingress.class_annotation = meta.annotation(CLASS).map(|class| Located { value: class.value.clone(), span: class.span });
    let Some(spec) = fields.mapping(document, "spec") else { return ingress };
    near_misses(spec, &["rules", "tls", "defaultBackend", "backend", "ingressClassName"], fields);
    ingress.class_name = fields.text(spec, "ingressClassName");
    ingress.default_backend = ["defaultBackend", "backend"].iter().find_map(|key| backend(spec, key, fields));
    for node in fields.list(spec, "rules") {
        ingress.rules.push(Located { value: rule(node, fields), span: node.span });
    }
    for node in fields.list(spec, "tls") {
        near_misses(node, &["hosts", "secretName"], fields);
        let hosts = fields.located_texts(node, "hosts");
        ingress.tls.push(Located { value: IngressTls { hosts, secret: fields.text(node, "secretName") }, span: node.span });
    }
    ingress
}

fn rule(node: &Node, fields: &mut Fields) -> IngressRule {
    near_misses(node, &["host", "http"], fields);
    let paths = fields.mapping(node, "http").map(|http| {
        near_misses(http, &["paths"], fields);
        let mut paths = Vec::new();
        for path in fields.list(http, "paths") {
            near_misses(path, &["path", "pathType", "backend"], fields);
            let value =
                IngressPath { path: fields.text(path, "path"), path_type: fields.text(path, "pathType"), backend: backend(path, "backend", fields) };
            paths.push(Located { value, span: path.span });
        }
        paths
    });
    IngressRule { host: fields.text(node, "host"), paths }
}

/// Of v1, and of the versions before it.
fn backend(node: &Node, key: &str, fields: &mut Fields) -> Option<Located<IngressBackend>> {
    let backend = fields.mapping(node, key)?;
    near_misses(backend, &["service", "resource", "serviceName", "servicePort"], fields);
    let located = |value| Some(Located { value, span: backend.span });
    if let Some(resource) = fields.mapping(backend, "resource") {
        let text = |fields: &mut Fields, key| fields.plain_text(resource, key).unwrap_or_default();
        let (kind, name) = (text(fields, "kind"), text(fields, "name"));
        return located(IngressBackend::Resource(format!("{kind} {name}")));
    }
    if let Some(service) = fields.mapping(backend, "service") {
        near_misses(service, &["name", "port"], fields);
        let name = fields.plain_text(service, "name")?;
        let port = fields.mapping(service, "port").and_then(|port| {
            let number = fields.port(port, "number").map(PortRef::Number);
            number.or_else(|| fields.plain_text(port, "name").map(PortRef::Name))
        });
        return located(IngressBackend::Service { name, port });
    }
    let name = fields.plain_text(backend, "serviceName")?;
    let port = fields.port_ref(backend, "servicePort");
    located(IngressBackend::Service { name, port })
}

pub(super) fn read_class(document: &Node, meta: &Meta, fields: &mut Fields) -> IngressClass {
    let controller = fields.mapping(document, "spec").and_then(|spec| fields.plain_text(spec, "controller")).unwrap_or_default();
    let is_default = meta.annotation("ingressclass.kubernetes.io/is-default-class").is_some_and(|annotation| annotation.value == "true");
    IngressClass { controller, is_default }
}

/// Whether a node is a mapping.
pub(super) fn is_mapping(node: &Node) -> bool {
    matches!(node.kind, Kind::Mapping(_))
}
