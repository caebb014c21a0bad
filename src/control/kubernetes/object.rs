//! What every object has: a kind, a name in a namespace, labels, annotations; and what is odd about it. What stands in
//! the body of each kind is in the file of that kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::control::yaml::Span;
use crate::model::{ObjectKind, Reason, Severity};

use super::annotations::OURS;
use super::{BackendConfig, ConfigMap, EndpointSet, FrontendConfig, Ingress, IngressClass, Secret, Service, Workload, WorkloadKind};

/// The namespace of objects that name none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// What one document holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The objects that could be read, lists flattened, in their order.
    pub objects: Vec<Manifest>,
    /// What is odd and belongs to no object: a kind that is not read, an object without a name.
    pub findings: Vec<Finding>,
}

/// One object.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Whose it is.
    pub meta: Meta,
    /// Where its name stands.
    pub span: Span,
    /// What it says.
    pub body: Body,
    /// What is odd in it; the rest of it counts.
    pub findings: Vec<Finding>,
}

/// Something to tell about an object, at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What kind.
    pub reason: Reason,
    /// Where.
    pub span: Span,
    /// What, in one line.
    pub message: String,
    /// Facts.
    pub why: Option<String>,
    /// What it does to traffic.
    pub effect: Option<String>,
    /// What to write.
    pub help: Option<String>,
}

/// `metadata`, as far as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// `default` if absent.
    pub namespace: Arc<str>,
    /// Unique among its kind in its namespace.
    pub name: Arc<str>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations in their order.
    pub annotations: Vec<Annotation>,
    /// `creationTimestamp`, RFC 3339 in UTC, which sorts as text.
    pub created: Option<String>,
}

/// One annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// Its full name.
    pub name: String,
    /// Its text.
    pub value: String,
    /// Where the value stands.
    pub span: Span,
    /// Where the name stands.
    pub key: Span,
}

/// The kinds that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Hosts and paths.
    Ingress,
    /// Who is to read an Ingress.
    IngressClass,
    /// A named group of Pods.
    Service,
    /// Addresses behind a Service, the old way.
    Endpoints,
    /// Addresses behind a Service.
    EndpointSlice,
    /// What makes Pods, or is one.
    Workload(WorkloadKind),
    /// Certificates with their keys.
    Secret,
    /// Certificates of authorities.
    ConfigMap,
    /// GKE's settings of an Ingress.
    FrontendConfig,
    /// GKE's settings of a Service's port.
    BackendConfig,
}

/// What an object says.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "each is the kind it is named for")]
#[allow(clippy::large_enum_variant, reason = "each is kept behind an Arc, and most are of the large kinds")]
pub enum Body {
    Ingress(Ingress),
    IngressClass(IngressClass),
    Service(Service),
    Endpoints(EndpointSet),
    EndpointSlice(EndpointSet),
    Workload(Workload),
    Secret(Secret),
    ConfigMap(ConfigMap),
    FrontendConfig(FrontendConfig),
    BackendConfig(BackendConfig),
}

impl Body {
    /// Which kind it is of.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Ingress(_) => Kind::Ingress,
            Self::IngressClass(_) => Kind::IngressClass,
            Self::Service(_) => Kind::Service,
            Self::Endpoints(_) => Kind::Endpoints,
            Self::EndpointSlice(_) => Kind::EndpointSlice,
            Self::Workload(workload) => Kind::Workload(workload.kind),
            Self::Secret(_) => Kind::Secret,
            Self::ConfigMap(_) => Kind::ConfigMap,
            Self::FrontendConfig(_) => Kind::FrontendConfig,
            Self::BackendConfig(_) => Kind::BackendConfig,
        }
    }
}

impl From<Kind> for ObjectKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Ingress => Self::Ingress,
            Kind::IngressClass => Self::IngressClass,
            Kind::Service => Self::Service,
            Kind::Endpoints => Self::Endpoints,
            Kind::EndpointSlice => Self::EndpointSlice,
            Kind::Workload(WorkloadKind::Deployment) => Self::Deployment,
            Kind::Workload(WorkloadKind::StatefulSet) => Self::StatefulSet,
            Kind::Workload(WorkloadKind::DaemonSet) => Self::DaemonSet,
            Kind::Workload(WorkloadKind::Pod) => Self::Pod,
            Kind::Secret => Self::Secret,
            Kind::ConfigMap => Self::ConfigMap,
            Kind::FrontendConfig => Self::FrontendConfig,
            Kind::BackendConfig => Self::BackendConfig,
        }
    }
}

impl Meta {
    /// The value of an annotation.
    pub fn annotation(&self, name: &str) -> Option<&Annotation> {
        self.annotations.iter().find(|annotation| annotation.name == name)
    }
}

impl Finding {
    /// A finding of which nothing is known yet but what it is and where.
    pub(super) fn new(severity: Severity, reason: Reason, span: Span, message: impl Into<String>) -> Self {
        Self { severity, reason, span, message: message.into(), why: None, effect: None, help: None }
    }

    pub(super) fn effect(mut self, effect: impl Into<String>) -> Self {
        self.effect = Some(effect.into());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// What a tutorial leaves to be filled in, in values that decide something.
pub(super) fn placeholders(meta: &Meta, body: &Body, findings: &mut Vec<Finding>) {
    // Those of strangers may hold anything, among them whole manifests.
    let read = meta.annotations.iter().filter(|annotation| OURS.iter().any(|ours| annotation.name.starts_with(ours)));
    let mut values: Vec<(&str, &str, Span)> = read.map(|annotation| (annotation.name.as_str(), annotation.value.as_str(), annotation.span)).collect();
    if let Body::Ingress(ingress) = body {
        values.extend(ingress.rules.iter().filter_map(|rule| rule.host.as_ref()).map(|host| ("host", host.value.as_str(), host.span)));
        for tls in &ingress.tls {
            values.extend(tls.secret.iter().map(|secret| ("secretName", secret.value.as_str(), secret.span)));
            values.extend(tls.hosts.iter().map(|host| ("hosts", host.value.as_str(), host.span)));
        }
        let rules = ingress.rules.iter().filter_map(|rule| rule.paths.as_ref()).flatten().filter_map(|path| path.backend.as_ref());
        for backend in rules.chain(&ingress.default_backend) {
            if let super::IngressBackend::Service { name, .. } = &backend.value {
                values.push(("the name of the Service", name.as_str(), backend.span));
            }
        }
    }
    for (field, value, span) in values {
        if let Some(placeholder) = placeholder(value) {
            let message = format!("{field} still has the placeholder {placeholder}");
            findings.push(Finding::new(Severity::Warning, Reason::UnfilledPlaceholder, span, message).help("put in what it stands for"));
        }
    }
}

/// `<NAME>`, `[NAME]`, `$NAME`, `${NAME}`, `YOUR_NAME`, `REPLACE_ME`.
fn placeholder(value: &str) -> Option<&str> {
    let between = |open: char, close: char| {
        let start = value.find(open)?;
        let end = start + value[start..].find(close)?;
        let inner = &value[start + open.len_utf8()..end];
        let is_name =
            inner.len() > 1 && inner.chars().all(|c| c.is_ascii_alphanumeric() || "-_ .".contains(c)) && inner.chars().any(char::is_alphabetic);
        is_name.then_some(&value[start..=end])
    };
    let word = || {
        let upper = value.to_ascii_uppercase();
        let begins = ["YOUR_", "YOUR-", "REPLACE_ME", "REPLACE-ME", "CHANGEME", "CHANGE_ME", "MY_PROJECT"].iter().any(|word| upper.starts_with(word));
        let is_variable = value.starts_with('$') && value.len() > 1;
        (begins || is_variable).then_some(value)
    };
    between('<', '>').or_else(|| if value.starts_with('[') { between('[', ']') } else { None }).or_else(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_told_from_values() {
        for (value, found) in [
            ("<STATIC-IP-NAME>", Some("<STATIC-IP-NAME>")),
            ("[STATIC_IP]", Some("[STATIC_IP]")),
            ("$NAME", Some("$NAME")),
            ("${NAME}", Some("${NAME}")),
            ("YOUR_SECRET", Some("YOUR_SECRET")),
            ("your-domain.example.com", Some("your-domain.example.com")),
            ("app.<YOUR-DOMAIN>", Some("<YOUR-DOMAIN>")),
            ("my-ip", None),
            ("{\"default\": \"conf\"}", None),
            ("a < b", None),
            ("$", None),
        ] {
            assert_eq!(placeholder(value), found, "{value}");
        }
    }
}
