//! Annotations: those of GKE through their tables, near misses of them by what was meant, and those of nginx's
//! controller by what genkan has for the same thing.

use super::Finding;
use super::fields::Fields;
use super::object::{Annotation, Meta};
use super::table::{Field, apply};
use crate::control::yaml::{Kind, Node, closest};
use crate::model::{Reason, Severity};

/// Names that look like these are meant for GKE, or for us.
pub(super) const OURS: [&str; 7] = [
    "kubernetes.io/ingress.",
    "ingress.gcp.kubernetes.io/",
    "networking.gke.io/",
    "cloud.google.com/",
    "beta.cloud.google.com/",
    "service.alpha.kubernetes.io/",
    "genkan.dev/",
];

/// The prefix of what the cloud's controller writes about an Ingress, and of settings from before nginx's had its own.
const OLD: &str = "ingress.kubernetes.io/";
/// What the cloud's controller writes there.
const WRITTEN_BACK: [&str; 9] = [
    "backends",
    "forwarding-rule",
    "https-forwarding-rule",
    "https-target-proxy",
    "redirect-url-map",
    "ssl-cert",
    "static-ip",
    "target-proxy",
    "url-map",
];

const NGINX: &str = "nginx.ingress.kubernetes.io/";

/// The commonest annotations of nginx's controller, and genkan's key for the same; empty: there is none yet.
pub(super) const OF_NGINX: [(&str, &str); 20] = [
    ("rewrite-target", ""),
    ("ssl-redirect", "redirectToHttps of a FrontendConfig, or routes[].plainHttp: Redirect"),
    ("force-ssl-redirect", "redirectToHttps of a FrontendConfig, or routes[].plainHttp: Redirect"),
    ("proxy-body-size", "limits.requestBody"),
    ("proxy-read-timeout", "timeoutSec of a BackendConfig, or backends[].timeouts.response and idle"),
    ("proxy-send-timeout", "timeouts.requestBody"),
    ("proxy-connect-timeout", "backends[].timeouts.connect"),
    ("proxy-buffer-size", "limits.responseHead"),
    ("backend-protocol", "cloud.google.com/app-protocols on the Service; backends[].protocol"),
    ("affinity", "sessionAffinity of a BackendConfig, or backends[].sessionAffinity"),
    ("session-cookie-name", "backends[].sessionAffinity.cookieName"),
    ("session-cookie-max-age", "affinityCookieTtlSec of a BackendConfig, or backends[].sessionAffinity.cookieTtl"),
    ("enable-cors", ""),
    ("whitelist-source-range", ""),
    ("limit-rps", ""),
    ("configuration-snippet", "routes[].rules[].filters with RequestHeaderModifier and ResponseHeaderModifier, for headers"),
    ("use-regex", ""),
    ("canary", "routes[].rules[].backends with weights"),
    ("canary-weight", "routes[].rules[].backends with weights"),
    ("upstream-hash-by", "backends[].loadBalancing: Hash, by the client's address"),
];

/// Reads what the table has of an object's annotations, and tells of the rest. `elsewhere`: names that another kind has,
/// with that kind.
pub(super) fn read<T>(table: &[Field<T>], meta: &Meta, elsewhere: (&'static str, &[&'static str]), into: &mut T, fields: &mut Fields) {
    for annotation in &meta.annotations {
        let value = Node { span: annotation.span, kind: Kind::Scalar { text: annotation.value.clone(), plain: false } };
        match table.iter().find(|field| field.path == annotation.name) {
            Some(field) => apply(field, &value, annotation.key, into, &mut fields.findings),
            None => fields.findings.extend(unknown(table, annotation, elsewhere)),
        }
    }
}

fn unknown<T>(table: &[Field<T>], annotation: &Annotation, (kind, names): (&'static str, &[&'static str])) -> Option<Finding> {
    let Annotation { name, key, .. } = annotation;
    let finding = |severity, reason, message: String| Finding::new(severity, reason, *key, message);
    if let Some(short) = name.strip_prefix(NGINX) {
        return Some(of_nginx(name, short, finding));
    }
    if let Some(short) = name.strip_prefix(OLD) {
        return (!WRITTEN_BACK.contains(&short)).then(|| of_nginx(name, short, finding));
    }
    if names.contains(&name.as_str()) {
        let message = format!("{name} belongs on the {kind}, and does nothing here");
        return Some(finding(Severity::Warning, Reason::NotApplied, message).help(format!("move it to the {kind}")));
    }
    let known = || table.iter().map(|field| field.path);
    let near = closest(name, known()).filter(|near| prefix(near) == prefix(name) || is_near(near, name));
    match near {
        Some(near) => {
            let finding = finding(Severity::Warning, Reason::UnknownAnnotation, format!("there is no annotation {name}")).effect("it is not used");
            Some(finding.help(format!("did you mean {near}?")))
        }
        None if OURS.iter().any(|ours| name.starts_with(ours)) => {
            Some(finding(Severity::Warning, Reason::UnknownAnnotation, format!("there is no annotation {name}")).effect("it is not used"))
        }
        None => None,
    }
}

fn prefix(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

/// Names of strangers are long, and a few letters make them no near miss.
fn is_near(near: &str, name: &str) -> bool {
    near.split('/').next_back() == name.split('/').next_back()
}

fn of_nginx(name: &str, short: &str, finding: impl Fn(Severity, Reason, String) -> Finding) -> Finding {
    let base = finding(Severity::Warning, Reason::NotApplied, format!("{name} is for nginx's controller, and does nothing here or in the cloud"));
    match OF_NGINX.iter().find(|(known, _)| *known == short) {
        Some((_, "")) => base.help("genkan has nothing for it yet"),
        Some((_, key)) => base.help(format!("the same thing here: {key}")),
        None => base,
    }
}
