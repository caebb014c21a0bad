//! The side of an Ingress that clients see: whether plain HTTP is served or redirected, the address, the TLS policy, and
//! its certificates in the order in which the cloud lists them.

use std::net::IpAddr;
use std::sync::Arc;

use http::StatusCode;

use crate::control::config::Namespaced;
use crate::control::kubernetes::{FrontendConfig, Ingress, IngressTls, Kind};
use crate::control::manifests::ManifestObject;
use crate::control::resources::{CertificateLocation, FileContent, FileProblem, FoundPair};
use crate::control::yaml::{Located, Span, closest};
use crate::model::{Behaviour, CertificateName, Diagnostic, ObjectKind, Place, PlainHttp, Reason, TlsPolicy, TlsProfile, TlsVersion};

use super::class::Selected;
use super::ingress::{plain_http, redirect_status};
use super::lookup::{Found, Lookup};
use super::settings::{Settings, short};

/// What clients see of an Ingress.
#[derive(Debug)]
pub(super) struct Frontend {
    pub(super) plain_http: PlainHttp,
    /// Nobody asked for plain HTTP to be rejected, and the cloud would serve it.
    pub(super) rejects_unasked: bool,
    pub(super) redirect: Option<StatusCode>,
    /// An address of its own.
    pub(super) address: Option<IpAddr>,
    pub(super) tls: Option<TlsPolicy>,
    pub(super) certificates: Vec<CertificateRef>,
    /// `--secret` flags for what could not be found.
    pub(super) missing_secrets: Vec<String>,
}

/// A certificate that an Ingress refers to.
#[derive(Clone, Debug)]
pub(crate) struct CertificateRef {
    pub(crate) source: CertificateSource,
    /// Hosts that it is said to be for.
    pub(crate) hosts: Vec<(String, Option<Place>)>,
    pub(crate) place: Option<Place>,
    /// The Ingress.
    pub(crate) ingress: String,
}

/// Where a certificate is.
#[derive(Clone, Debug)]
pub(crate) enum CertificateSource {
    /// In files.
    Location(CertificateLocation),
    /// In an object.
    Given(CertificateName, FoundPair),
}

pub(super) fn read<'m>(
    object: &'m ManifestObject,
    ingress: &'m Ingress,
    selected: &Selected,
    settings: &Settings,
    lookup: &Lookup<'m>,
    findings: &mut Vec<Diagnostic>,
) -> Frontend {
    let mut step = Step { object, ingress, selected, settings, lookup, findings, missing: Vec::new() };
    let config = step.config();
    let (plain_http, redirect) = step.plain_http(config.as_ref().map(|found| found.body));
    let address = step.address();
    let tls = config.and_then(|found| step.tls(found));
    let certificates = step.certificates();
    if certificates.is_empty() && ingress.options.allow_http == Some(false) && selected.behaviour == Behaviour::Gke {
        let finding = Diagnostic::note(Reason::DifferentInTheCloud, "the Ingress has no certificate of its own, and is served with that of others")
            .why("the cloud: both HTTP and HTTPS are disabled (kubernetes.io/ingress.allow-http is false and there is no valid TLS configuration)");
        step.find(object.manifest.span, finding);
    }
    let missing_secrets = step.missing;
    let is_cloud = selected.behaviour == Behaviour::Gke;
    let rejects_unasked = is_cloud && plain_http == PlainHttp::Reject && ingress.options.allow_http.is_none();
    Frontend { plain_http, rejects_unasked, redirect, address, tls, certificates, missing_secrets }
}

struct Step<'a, 'm> {
    object: &'m ManifestObject,
    ingress: &'m Ingress,
    selected: &'a Selected,
    settings: &'a Settings,
    lookup: &'a Lookup<'m>,
    findings: &'a mut Vec<Diagnostic>,
    missing: Vec<String>,
}

impl<'m> Step<'_, 'm> {
    fn find(&mut self, span: Span, finding: Diagnostic) {
        self.findings.push(finding.about(ObjectKind::Ingress, self.object.name()).at(self.object.place(span)));
    }

    fn namespace(&self) -> &'m Arc<str> {
        &self.object.manifest.meta.namespace
    }

    fn config(&mut self) -> Option<Found<'m, FrontendConfig>> {
        let name = self.ingress.options.frontend_config.as_ref().filter(|name| !name.value.is_empty())?;
        let found = self.lookup.frontend_config(self.namespace(), &name.value);
        if found.is_none() {
            let message = format!("there is no FrontendConfig {}/{}", self.namespace(), name.value);
            let mut finding = Diagnostic::error(Reason::FrontendConfigNotFound, message)
                .why("the cloud: Error: no FrontendConfig for Ingress exists.")
                .effect("the Ingress is served without it");
            finding.help =
                closest(&name.value, self.lookup.names(Kind::FrontendConfig, self.namespace())).map(|meant| format!("did you mean \"{meant}\"?"));
            self.find(name.span, finding);
        }
        found
    }

    fn plain_http(&mut self, config: Option<&FrontendConfig>) -> (PlainHttp, Option<StatusCode>) {
        let allow_http = self.ingress.options.allow_http;
        let redirect = config.and_then(|config| config.redirect_to_https.as_ref()).filter(|redirect| redirect.enabled);
        if allow_http.is_none() && redirect.is_none() && self.selected.behaviour == Behaviour::Gke {
            self.find(
                self.object.manifest.span,
                Diagnostic::note(Reason::DifferentInTheCloud, "plain HTTP is rejected here, and served by the cloud, where nothing is said of it")
                    .help("say which: the annotation kubernetes.io/ingress.allow-http: \"false\", or \"true\", or a FrontendConfig with redirectToHttps"),
            );
        }
        if allow_http == Some(false) && redirect.is_some() {
            self.find(
                self.object.manifest.span,
                Diagnostic::warning(
                    Reason::NotApplied,
                    "redirectToHttps needs plain HTTP, which allow-http: \"false\" takes away, here as in the cloud",
                )
                .effect("plain HTTP is rejected"),
            );
        }
        let status = redirect.and_then(|redirect| {
            let name = redirect.code_name.as_ref().map_or("", |name| name.value.as_str());
            redirect_status(name).or(Some(StatusCode::MOVED_PERMANENTLY))
        });
        (plain_http(allow_http, redirect.is_some()), status)
    }

    /// A static address has a name, and here as many addresses as there are interfaces.
    fn address(&mut self) -> Option<IpAddr> {
        let options = &self.ingress.options;
        let given = |name: &'m Option<Located<String>>| name.as_ref().filter(|name| !name.value.is_empty());
        let (global, regional) = (given(&options.global_static_ip), given(&options.regional_static_ip));
        if let (Some(_), Some(regional)) = (global, regional) {
            let message = "both global-static-ip and regional-static-ip cannot be specified";
            self.find(
                regional.span,
                Diagnostic::warning(Reason::DifferentInTheCloud, message).effect("here the global one is used; the cloud uses neither"),
            );
        }
        let name = global.or(regional)?;
        let mapped = self.settings.addresses.get(&name.value).copied();
        if mapped.is_none() {
            self.find(
                name.span,
                Diagnostic::warning(Reason::AddressNotMapped, format!("the static address {} has no address here", name.value))
                    .effect("the Ingress is served on the addresses of every other")
                    .help(format!("for one of its own: kubernetes.addresses: {{ {}: \"127.0.0.2\" }}", name.value)),
            );
        }
        mapped
    }

    fn tls(&mut self, Found { object, body }: Found<'m, FrontendConfig>) -> Option<TlsPolicy> {
        let name = body.ssl_policy.as_ref().filter(|name| !name.value.is_empty())?;
        if let Some(policy) = self.settings.ssl_policies.get(&name.value) {
            return Some(policy.clone());
        }
        let about = |finding: Diagnostic| finding.about(ObjectKind::FrontendConfig, object.name()).at(object.place(name.span));
        let word = name.value.to_ascii_uppercase();
        let profile = ["COMPATIBLE", "MODERN", "RESTRICTED", "FIPS"].into_iter().find(|profile| word.contains(profile));
        let Some(profile) = profile else {
            let finding = Diagnostic::warning(Reason::NotApplied, format!("nothing says what the SSL policy {} is", name.value))
                .effect("what the listener offers holds for the Ingress")
                .help(format!("kubernetes.sslPolicies: {{ {}: {{ minimumVersion: \"1.2\", profile: Modern }} }}", name.value));
            self.findings.push(about(finding));
            return None;
        };
        let lacking = match profile {
            "COMPATIBLE" => Some("TLS 1.0 and 1.1, and nine suites with CBC, RSA key exchange or 3DES, are not offered"),
            "MODERN" => Some("TLS 1.0 and 1.1, and four suites with CBC, are not offered"),
            _ => None,
        };
        if let Some(lacking) = lacking {
            let finding = Diagnostic::note(Reason::AppliedDifferently, format!("the SSL policy {} is read as {profile}: {lacking}", name.value))
                .help(format!(
                    "clients of the last ten years speak TLS 1.2 with AES-GCM or ChaCha20; to say it outright: kubernetes.sslPolicies: {{ {}: ... }}",
                    name.value
                ));
            self.findings.push(about(finding));
        }
        let profile = match profile {
            "COMPATIBLE" => TlsProfile::Compatible,
            "FIPS" => TlsProfile::Fips,
            _ => TlsProfile::Modern,
        };
        Some(TlsPolicy { minimum_version: TlsVersion::Tls12, profile })
    }

    /// Pre-shared before managed ones, then the Secrets of `spec.tls` in their order; the first is the default.
    fn certificates(&mut self) -> Vec<CertificateRef> {
        let ingress = self.ingress;
        let options = &ingress.options;
        let pre_shared = options.pre_shared_certificates.iter().map(|name| ("pre-shared", name));
        let managed = options.managed_certificates.iter().map(|name| ("managed", name));
        let named: Vec<_> = pre_shared.chain(managed).collect();
        let mut found: Vec<CertificateRef> = named.into_iter().filter_map(|(kind, name)| self.named(kind, name)).collect();
        found.extend(ingress.tls.iter().filter_map(|tls| self.of_secret(tls)));
        found
    }

    fn reference(&self, source: CertificateSource, span: Span, hosts: &[Located<String>]) -> CertificateRef {
        let hosts = hosts.iter().map(|host| (host.value.clone(), self.object.place(host.span))).collect();
        CertificateRef { source, hosts, place: self.object.place(span), ingress: self.object.name() }
    }

    fn instead(&self) -> &'static str {
        if self.settings.laptop { "its hosts get a certificate of the local CA" } else { "its hosts get another certificate, or a refusal" }
    }

    fn named(&mut self, kind: &str, name: &Located<String>) -> Option<CertificateRef> {
        if let Some(location) = self.settings.certificates.get(&name.value) {
            return Some(self.reference(CertificateSource::Location(location.clone()), name.span, &[]));
        }
        let finding = Diagnostic::warning(Reason::InvalidCertificateRef, format!("the {kind} certificate {} is in the cloud alone", name.value))
            .effect(self.instead())
            .help(format!("to serve one from here: kubernetes.certificates: {{ {}: DIRECTORY }}", name.value));
        self.find(name.span, finding);
        None
    }

    fn of_secret(&mut self, tls: &'m Located<IngressTls>) -> Option<CertificateRef> {
        let name = tls.secret.as_ref().filter(|name| !name.value.is_empty())?;
        let namespace = self.namespace();
        let mapped = Namespaced { namespace: namespace.to_string(), name: name.value.clone() };
        if let Some(location) = self.settings.secrets.get(&mapped) {
            return Some(self.reference(CertificateSource::Location(location.clone()), name.span, &tls.hosts));
        }
        let Some(secret) = self.lookup.secret(namespace, &name.value) else {
            self.missing.push(short(namespace, &name.value));
            let severity = if self.settings.laptop { Diagnostic::warning } else { Diagnostic::error };
            let help = match closest(&name.value, self.lookup.names(Kind::Secret, namespace)) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("add the Secret, or say where it is: --secret {}=DIRECTORY", short(namespace, &name.value)),
            };
            let finding = severity(Reason::InvalidCertificateRef, format!("secret \"{namespace}/{}\" does not exist", name.value));
            let finding = finding.effect(self.instead()).help(help);
            self.find(name.span, finding);
            return None;
        };
        let certificate_name = CertificateName(format!("Secret {namespace}/{}", name.value).into());
        let content = |key: &str, what: &str| FileContent {
            path: format!("{key} of Secret {namespace}/{}", name.value).into(),
            content: match secret.body.data.get(key).map(|data| &data.value) {
                Some(Ok(bytes)) => Ok(bytes.clone()),
                Some(Err(why)) => Err(problem(format!("{key} of Secret {namespace}/{}: {why}", name.value), &secret.body.kind)),
                None => Err(problem(format!("secret \"{namespace}/{}\" does not specify {what} as string data", name.value), &secret.body.kind)),
            },
        };
        let pair = FoundPair { certificate: content("tls.crt", "cert"), key: content("tls.key", "private key") };
        let mut reference = self.reference(CertificateSource::Given(certificate_name, pair), name.span, &tls.hosts);
        reference.place = secret.object.place(secret.object.manifest.span);
        Some(reference)
    }
}

/// A Secret may say of itself that it is something else.
fn problem(message: String, kind: &str) -> FileProblem {
    let help = match kind {
        "" | "Opaque" | "kubernetes.io/tls" => "kubectl create secret tls NAME --cert=FILE --key=FILE makes one".to_owned(),
        other => format!("its type is {other}; one of kubernetes.io/tls has tls.crt and tls.key"),
    };
    FileProblem { message, help: Some(help) }
}
