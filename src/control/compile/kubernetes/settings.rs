//! The section `kubernetes` of the configuration in the form that translation asks for: every reference parsed, every
//! path resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use crate::control::config::{self, DEFAULT_NAMESPACE, EndpointText, Kubernetes, Namespaced, PairPath, ServiceName, SslProfile, TlsVersion};
use crate::control::resources::{CertificateLocation, needs_resolving};
use crate::control::yaml::{Files, Located};
use crate::model::{self, Behaviour, Host, TlsPolicy, TlsProfile};

/// How objects are read, and where what they refer to is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub(super) behaviour: Behaviour,
    pub(super) classes: Vec<String>,
    pub(super) services: BTreeMap<ServiceName, Vec<EndpointText>>,
    pub(super) secrets: BTreeMap<Namespaced, CertificateLocation>,
    pub(super) certificates: BTreeMap<String, CertificateLocation>,
    pub(super) addresses: BTreeMap<String, IpAddr>,
    pub(super) ssl_policies: BTreeMap<String, TlsPolicy>,
    pub(super) service_dns: bool,
    pub(super) laptop: bool,
    pub(super) aliases: bool,
}

impl Settings {
    /// Reads the section; its mistakes were found when the file was taken.
    pub fn new(section: &Kubernetes, files: &Files) -> Self {
        let config::Surroundings { service_dns, laptop, aliases } = section.surroundings;
        let services = section.services.iter().filter_map(|(name, places)| Some((ServiceName::parse(name).ok()?, places.value.0.clone())));
        let secrets = section.secrets.iter().filter_map(|(name, pair)| Some((Namespaced::parse(name).ok()?, location(pair, files))));
        Self {
            behaviour: section.behaviour.map_or(Behaviour::Gke, Into::into),
            classes: section.ingress_classes.clone().unwrap_or_else(|| ["gce", "genkan"].map(str::to_owned).to_vec()),
            services: services.collect(),
            secrets: secrets.collect(),
            certificates: section.certificates.iter().map(|(name, pair)| (name.clone(), location(pair, files))).collect(),
            addresses: section.addresses.iter().map(|(name, address)| (name.clone(), address.0)).collect(),
            ssl_policies: section.ssl_policies.iter().map(|(name, policy)| (name.clone(), tls_policy(policy))).collect(),
            service_dns,
            laptop,
            aliases,
        }
    }

    /// Where a port of a Service is said to live: what is said of the port before what is said of all of them.
    pub(super) fn places(&self, namespace: &str, name: &str, ports: &[String]) -> Option<&[EndpointText]> {
        let of = |port: Option<&String>| {
            let key = ServiceName { namespace: namespace.to_owned(), name: name.to_owned(), port: port.cloned() };
            self.services.get(&key).map(Vec::as_slice)
        };
        ports.iter().find_map(|port| of(Some(port))).or_else(|| of(None))
    }

    /// Every host also answers at `H.localhost`.
    pub fn has_aliases(&self) -> bool {
        self.aliases
    }

    /// Every place with a certificate that the section names.
    pub fn locations(&self) -> impl Iterator<Item = &CertificateLocation> {
        self.secrets.values().chain(self.certificates.values())
    }

    /// Every name that the section has endpoints by.
    pub fn names(&self) -> BTreeSet<Host> {
        self.services.values().flatten().map(|place| &place.host).filter(|host| needs_resolving(host)).cloned().collect()
    }

    /// The name of a Service in its cluster's DNS.
    pub(super) fn dns_name(&self, namespace: &str, name: &str) -> Option<Host> {
        if self.service_dns { Host::parse(&format!("{name}.{namespace}.svc")).ok() } else { None }
    }
}

fn location(pair: &Located<PairPath>, files: &Files) -> CertificateLocation {
    let resolve = |path: &PathBuf| files.resolve(pair.span, path);
    // What stands nowhere is from a flag, and relative to where the command was given.
    let resolve = |path: &PathBuf| if pair.span == crate::control::yaml::Span::default() { path.clone() } else { resolve(path) };
    match &pair.value {
        PairPath::Directory(directory) => CertificateLocation::Secret(resolve(directory)),
        PairPath::Files { certificate, key } => CertificateLocation::Files { certificate: resolve(certificate), key: resolve(key) },
    }
}

fn tls_policy(policy: &config::SslPolicy) -> TlsPolicy {
    let minimum_version = match policy.minimum_version {
        Some(TlsVersion::V1_3) => model::TlsVersion::Tls13,
        Some(TlsVersion::V1_2) | None => model::TlsVersion::Tls12,
    };
    let profile = match policy.profile {
        Some(SslProfile::Compatible) => TlsProfile::Compatible,
        Some(SslProfile::Fips) => TlsProfile::Fips,
        Some(SslProfile::Modern | SslProfile::Restricted) | None => TlsProfile::Modern,
    };
    TlsPolicy { minimum_version, profile }
}

/// A Service as `--map` names it: without the namespace that goes without saying.
pub(super) fn short(namespace: &str, name: &str) -> String {
    if namespace == DEFAULT_NAMESPACE { name.to_owned() } else { format!("{namespace}/{name}") }
}
