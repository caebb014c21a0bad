//! Service, with what GKE's annotations on it say.

use std::collections::BTreeMap;

use super::fields::{Fields, Wrong, boolean, entries, located, near_misses};
use super::ingress;
use super::object::Meta;
use super::table::{Fate, Field};
use super::{PortRef, annotations};
use crate::control::yaml::{self, Located, Node, Span, closest};
use crate::model::Reason;

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

impl ServicePort {
    /// Whether a text means it: its number, or its name.
    pub fn is_called(&self, text: &str) -> bool {
        self.name.as_deref() == Some(text) || self.port.to_string() == text
    }
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
    /// What the cloud refuses, in its words.
    pub refused_by_cloud: Vec<String>,
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

/// Every annotation that GKE reads on a Service, and what becomes of it.
pub(super) const FIELDS: &[Field<ServiceOptions>] = &[
    Field {
        path: "cloud.google.com/neg",
        value: "JSON {\"ingress\": true, ...}",
        default: "{\"ingress\": true}",
        fate: Fate::Differently("endpoints are always Pods or what --map says, so there is nothing to switch", |node, options| {
            let json = json(node, "cloud.google.com/neg")?;
            options.neg = json.get("ingress").map(boolean).transpose()?;
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "cloud.google.com/backend-config",
        value: "JSON {\"default\": NAME, \"ports\": {PORT: NAME}}",
        default: "none",
        fate: Fate::Applied("by the port's name, then its number, then the default", |node, options| {
            options.backend_configs = noted(backend_configs(node), options)?;
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "beta.cloud.google.com/backend-config",
        value: "as above",
        default: "none",
        fate: Fate::Applied("where the other name is not used", |node, options| {
            let configs = noted(backend_configs(node), options)?;
            if options.backend_configs == BackendConfigs::default() {
                options.backend_configs = configs;
            }
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "cloud.google.com/app-protocols",
        value: "JSON {PORT NAME: HTTP, HTTPS or HTTP2}",
        default: "HTTP",
        fate: Fate::Applied(
            "HTTP; HTTPS and HTTP2 are read and reported, and plain HTTP is spoken until TLS to backends is there",
            |node, options| {
                let protocols = noted(app_protocols(node), options)?;
                if options.app_protocols.is_empty() {
                    options.app_protocols = protocols;
                }
                Ok(())
            },
        ),
        confirmed: true,
    },
    Field {
        path: "service.alpha.kubernetes.io/app-protocols",
        value: "as above",
        default: "HTTP",
        fate: Fate::Applied("wins over the other name", |node, options| {
            // As a whole: the cloud does not look at the other one then.
            options.app_protocols = noted(app_protocols(node), options)?;
            Ok(())
        }),
        confirmed: true,
    },
    Field {
        path: "networking.gke.io/max-rate-per-endpoint",
        value: "a number",
        default: "1",
        fate: Fate::NoMeaning("it steers the cloud's choice between zones"),
        confirmed: true,
    },
    Field {
        path: "networking.gke.io/capacity-scaler",
        value: "0 to 1",
        default: "1",
        fate: Fate::NoMeaning("it steers the cloud's choice between zones"),
        confirmed: true,
    },
    Field {
        path: "networking.gke.io/transparent-health-checker",
        value: "JSON {\"enabled\": true}",
        default: "off",
        fate: Fate::NoMeaning("it is an agent on the cloud's nodes; endpoints are asked directly here"),
        confirmed: true,
    },
    Field { path: "cloud.google.com/neg-status", value: "JSON", default: "none", fate: Fate::Written, confirmed: true },
    of_layer_four("networking.gke.io/load-balancer-type"),
    of_layer_four("cloud.google.com/load-balancer-type"),
    of_layer_four("networking.gke.io/internal-load-balancer-allow-global-access"),
    of_layer_four("networking.gke.io/internal-load-balancer-subnet"),
    of_layer_four("networking.gke.io/load-balancer-subnet"),
    of_layer_four("networking.gke.io/load-balancer-ip-addresses"),
    of_layer_four("networking.gke.io/weighted-load-balancing"),
    of_layer_four("networking.gke.io/l4-strong-session-affinity"),
    of_layer_four("cloud.google.com/l4-rbs"),
    of_layer_four("cloud.google.com/network-tier"),
];

/// Read by GKE for Services of type LoadBalancer, which get a load balancer of packets beside that of the Ingress.
const fn of_layer_four(path: &'static str) -> Field<ServiceOptions> {
    Field {
        path,
        value: "of a Service of type LoadBalancer",
        default: "none",
        fate: Fate::NoMeaning("it is for the load balancer of a Service alone; here Services are reached through an Ingress"),
        confirmed: true,
    }
}

/// The text of an annotation as a mapping: JSON is YAML.
fn json(node: &Node, name: &str) -> Result<Node, Wrong> {
    let text = located(node)?.value;
    let parsed =
        yaml::parse(&text, 0).ok().and_then(|mut nodes| nodes.pop()).filter(|json| text.trim_start().starts_with('{') && ingress::is_mapping(json));
    // YAML takes more than JSON, and what the cloud refuses is not to work here alone.
    let is_json = serde_json::from_str::<serde_json::Value>(&text).is_ok();
    parsed
        .filter(|_| is_json)
        .ok_or_else(|| Wrong::new(node, format!("{name} is no JSON")).help("write it as '{\"default\": \"NAME\"}', with every name in double quotes"))
}

/// What cannot be read is an error of the whole Ingress for the cloud.
fn noted<T>(read: Result<T, Wrong>, options: &mut ServiceOptions) -> Result<T, Wrong> {
    read.inspect_err(|wrong| options.refused_by_cloud.push(wrong.message.clone()))
}

fn backend_configs(node: &Node) -> Result<BackendConfigs, Wrong> {
    let json = json(node, "BackendConfig annotation")?;
    // Places within the text are not those of the file.
    let name = |value: &Node| match value.as_text() {
        Some(text) => Ok(Located { value: text.to_owned(), span: node.span }),
        None => Err(Wrong::new(node, format!("expected the name of a BackendConfig, found {}", value.describe()))),
    };
    let ports = json.get("ports").map_or(&[][..], entries);
    let configs = BackendConfigs {
        default: json.get("default").filter(|value| !value.is_null()).map(name).transpose()?,
        ports: ports.iter().map(|(port, value)| Ok((port.text.clone(), name(value)?))).collect::<Result<_, Wrong>>()?,
    };
    if configs == BackendConfigs::default() { Err(Wrong::new(node, "no BackendConfig's found in annotation")) } else { Ok(configs) }
}

fn app_protocols(node: &Node) -> Result<BTreeMap<String, AppProtocol>, Wrong> {
    let mut protocols = BTreeMap::new();
    for (port, value) in entries(&json(node, "app-protocols")?) {
        let protocol = match value.as_text() {
            Some("HTTP") => AppProtocol::Http,
            Some("HTTPS") => AppProtocol::Https,
            Some("HTTP2") => AppProtocol::Http2,
            other => {
                let other = other.map_or_else(|| value.describe(), str::to_owned);
                return Err(Wrong::new(node, format!("invalid port application protocol: {other}")).help("HTTP, HTTPS or HTTP2"));
            }
        };
        protocols.insert(port.text.clone(), protocol);
    }
    Ok(protocols)
}

pub(super) fn read(document: &Node, meta: &Meta, fields: &mut Fields) -> Service {
    let mut service = Service::default();
    let of_ingresses: Vec<&'static str> = ingress::FIELDS.iter().map(|field| field.path).collect();
    annotations::read(FIELDS, meta, ("Ingress", &of_ingresses), &mut service.options, fields);
    report_protocols(meta, &service.options, fields);
    let Some(spec) = fields.mapping(document, "spec") else { return service };
    // `clusterIPs` is not read, and no near miss: the API server writes it.
    near_misses(spec, &["type", "clusterIP", "clusterIPs", "externalName", "selector", "ports"], fields);
    service.kind = kind(spec, fields);
    service.cluster_ip_none = fields.plain_text(spec, "clusterIP").as_deref() == Some("None");
    service.external_name = fields.text(spec, "externalName");
    service.selector = fields.texts(spec, "selector");
    for node in fields.list(spec, "ports") {
        near_misses(node, &["name", "port", "targetPort"], fields);
        let Some(port) = fields.port(node, "port") else { continue };
        let target = fields.port_ref(node, "targetPort").unwrap_or(PortRef::Number(port));
        let name = fields.plain_text(node, "name").filter(|name| !name.is_empty());
        service.ports.push(ServicePort { name, port, target, span: node.span });
    }
    report_backend_configs(meta, &service, fields);
    service
}

/// What is said of no port that there is, and what is said in a word that nobody reads.
fn report_backend_configs(meta: &Meta, service: &Service, fields: &mut Fields) {
    let Some(annotation) = meta.annotations.iter().find(|annotation| annotation.name.ends_with("/backend-config")) else { return };
    let keys = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&annotation.value).unwrap_or_default();
    for key in keys.keys().filter(|key| *key != "default" && *key != "ports") {
        let help = closest(key, ["default", "ports"]).map(|meant| format!("did you mean \"{meant}\"?"));
        let message = format!("{}: unknown key \"{key}\"", annotation.name);
        fields.wrong(Wrong { span: annotation.span, reason: Reason::UnknownField, message, help });
    }
    let is_there = |port: &str| service.ports.iter().any(|known| known.is_called(port));
    for port in service.options.backend_configs.ports.keys().filter(|port| !is_there(port)) {
        let message = format!("{}: the Service has no port \"{port}\"", annotation.name);
        let there: Vec<String> = service.ports.iter().map(|known| known.name.clone().unwrap_or_else(|| known.port.to_string())).collect();
        let help = Some(format!("its ports: {}", there.join(", "))).filter(|_| !there.is_empty());
        fields.wrong(Wrong { span: annotation.span, reason: Reason::InvalidValue, message, help });
    }
}

fn kind(spec: &Node, fields: &mut Fields) -> ServiceType {
    let Some(kind) = fields.text(spec, "type") else { return ServiceType::ClusterIp };
    match kind.value.as_str() {
        "ClusterIP" => ServiceType::ClusterIp,
        "NodePort" => ServiceType::NodePort,
        "LoadBalancer" => ServiceType::LoadBalancer,
        "ExternalName" => ServiceType::ExternalName,
        other => {
            let message = format!("type: expected ClusterIP, NodePort, LoadBalancer or ExternalName, found {other}");
            let meant = closest(other, ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]);
            fields.wrong(Wrong { span: kind.span, reason: Reason::InvalidValue, message, help: meant.map(|meant| format!("did you mean {meant}?")) });
            ServiceType::ClusterIp
        }
    }
}

/// What is accepted and not yet spoken.
fn report_protocols(meta: &Meta, options: &ServiceOptions, fields: &mut Fields) {
    let Some(annotation) = meta.annotations.iter().find(|annotation| annotation.name.ends_with("/app-protocols")) else { return };
    for (port, protocol) in options.app_protocols.iter().filter(|(_, protocol)| **protocol != AppProtocol::Http) {
        let name = if *protocol == AppProtocol::Https { "HTTPS" } else { "HTTP2" };
        let message = format!("port {port} is to speak {name}, and is sent plain HTTP, checks as well: TLS to backends is not yet supported");
        let finding = super::Finding::new(crate::model::Severity::Warning, Reason::AppliedDifferently, annotation.span, message);
        fields.findings.push(finding.effect("a backend that speaks nothing but TLS answers none of the requests"));
    }
}
