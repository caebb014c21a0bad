//! `kubernetes`: how Kubernetes objects are read, and where what they refer to lives when there is no cluster to ask.
//! `--map` and `--secret` are parsed here as well, because they say the same things.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use super::{BackendName, EndpointText, TlsVersion};
use crate::control::yaml::{Located, Problem};
use crate::model::{self, Reason};

/// How Kubernetes objects are read.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Kubernetes {
    /// What Ingresses of the class gce, or of none, behave like where the cloud's load balancer and genkan differ.
    /// Default: GKE.
    pub behaviour: Option<Behaviour>,
    /// Which Ingresses are served, by class. Default: gce, genkan.
    pub ingress_classes: Option<Vec<String>>,
    /// Where Services live: `NAMESPACE/NAME:PORT`, namespace and port may be left out, to `HOST:PORT`, several
    /// separated by commas or in a list.
    pub services: BTreeMap<String, Located<Places>>,
    /// Secrets that are directories here, or two files: `NAMESPACE/NAME` to `DIRECTORY` or `CERTIFICATE,KEY`.
    pub secrets: BTreeMap<String, Located<PairPath>>,
    /// Pre-shared and managed certificates by name: to `DIRECTORY` or `CERTIFICATE,KEY`.
    pub certificates: BTreeMap<String, Located<PairPath>>,
    /// Named static addresses: to the addresses that are listened on for their Ingresses alone.
    pub addresses: BTreeMap<String, Located<Address>>,
    /// What a named SSL policy means.
    pub ssl_policies: BTreeMap<String, Located<SslPolicy>>,
    /// Not written.
    #[serde(skip)]
    #[schemars(skip)]
    pub surroundings: Surroundings,
}

/// What differs between the cloud's load balancer and genkan.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
pub enum Behaviour {
    /// As GKE Ingress with the classic Application Load Balancer.
    #[serde(rename = "GKE")]
    Gke,
    /// As genkan's own configuration.
    Genkan,
}

/// A named SSL policy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct SslPolicy {
    /// The oldest version that is negotiated. Default: 1.2.
    pub minimum_version: Option<TlsVersion>,
    /// Which cipher suites. Default: Modern.
    pub profile: Option<SslProfile>,
}

/// The cloud's profiles; all but the last mean the same six suites here.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
pub enum SslProfile {
    /// As far as it is offered.
    Compatible,
    /// As far as it is offered.
    Modern,
    /// Whole.
    Restricted,
    /// AES-GCM, P-256 and P-384 alone.
    Fips,
}

/// Where a Service lives.
#[derive(Clone, Debug, PartialEq)]
pub struct Places(pub Vec<EndpointText>);

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairPath {
    /// A directory as Kubernetes mounts a Secret.
    Directory(PathBuf),
    /// Two files.
    Files {
        /// The chain.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

/// An address without a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Address(pub IpAddr);

/// A Service, or one port of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// By number or name; `None`: every port.
    pub port: Option<String>,
}

/// An object of a kind that goes without saying.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespaced {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What flags add to the section, beating it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mappings {
    /// `--map`
    pub services: Vec<(ServiceName, Places)>,
    /// `--secret`
    pub secrets: Vec<(Namespaced, PairPath)>,
    /// How the place where the process runs reads objects.
    pub surroundings: Surroundings,
}

/// How the place where the process runs reads objects: no key of the file, because it depends on the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Services without a place are looked for by their DNS names: in a Pod, and where it is asked for.
    pub service_dns: bool,
    /// Every Ingress is served, whatever its class, and each also alone at `NAME.NAMESPACE.localhost`; every host `H`
    /// also answers at `H.localhost`, if `aliases` says so; hosts without a certificate get one of the local CA when
    /// they are asked for.
    pub laptop: bool,
    /// See `laptop`.
    pub aliases: bool,
}

/// The namespace of what names none.
pub const DEFAULT_NAMESPACE: &str = "default";

impl Places {
    /// Parses one place, or several separated by commas, each with or without `http://`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let places = text.split(',').map(str::trim).filter(|place| !place.is_empty()).map(place).collect::<Result<Vec<_>, _>>()?;
        if places.is_empty() { Err("there is no place here; write HOST:PORT".to_owned()) } else { Ok(Self(places)) }
    }
}

fn place(text: &str) -> Result<EndpointText, String> {
    match BackendName::parse(text)? {
        BackendName::Url(endpoint) => Ok(endpoint),
        BackendName::Name(name) => EndpointText::parse(&name),
    }
}

impl PairPath {
    /// Parses `DIRECTORY` or `CERTIFICATE,KEY`.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once(',') {
            _ if text.is_empty() => Err("there is no path here; write DIRECTORY or CERTIFICATE,KEY".to_owned()),
            Some((certificate, key)) if !certificate.is_empty() && !key.is_empty() => {
                Ok(Self::Files { certificate: certificate.into(), key: key.into() })
            }
            Some(_) => Err(format!("`{text}` lacks one of the two files; write CERTIFICATE,KEY")),
            None => Ok(Self::Directory(text.into())),
        }
    }
}

impl Namespaced {
    /// Parses `NAME` or `NAMESPACE/NAME`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (namespace, name) = text.split_once('/').unwrap_or((DEFAULT_NAMESPACE, text));
        if is_name(namespace) && is_name(name) {
            Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
        } else {
            Err(format!("`{text}` is no name; write NAME or NAMESPACE/NAME"))
        }
    }
}

impl ServiceName {
    /// Parses `[NAMESPACE/]NAME[:PORT]`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (service, port) = text.split_once(':').map_or((text, None), |(service, port)| (service, Some(port)));
        let wrong = || format!("`{text}` is no Service; write NAME, NAMESPACE/NAME or NAMESPACE/NAME:PORT");
        let Namespaced { namespace, name } = Namespaced::parse(service).map_err(|_| wrong())?;
        match port {
            Some(port) if !is_name(port) => Err(wrong()),
            port => Ok(Self { namespace, name, port: port.map(str::to_owned) }),
        }
    }
}

/// Names of objects and ports are DNS labels or subdomains (RFC 1123), and port numbers look like them.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 253 && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
}

impl fmt::Display for Namespaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)?;
        self.port.as_ref().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("`{text}` is no address; write one that this machine has, as in 127.0.0.2"))
    }
}

impl Kubernetes {
    /// Mistakes in keys, which are names of objects.
    pub(super) fn check(&self) -> Vec<Problem> {
        let services = self.services.iter().map(|(key, value)| (ServiceName::parse(key).err(), value.span));
        let secrets = self.secrets.iter().map(|(key, value)| (Namespaced::parse(key).err(), value.span));
        let wrong = services.chain(secrets).filter_map(|(message, span)| message.map(|message| (message, span)));
        wrong.map(|(message, span)| Problem { span, reason: Reason::InvalidValue, message, help: None }).collect()
    }

    /// Puts the flags over the section.
    pub(super) fn apply(&mut self, flags: &Mappings) {
        self.services.extend(flags.services.iter().map(|(name, places)| (name.to_string(), Located::nowhere(places.clone()))));
        self.surroundings = flags.surroundings;
        self.secrets.extend(flags.secrets.iter().map(|(name, pair)| (name.to_string(), Located::nowhere(pair.clone()))));
    }
}

impl From<Behaviour> for model::Behaviour {
    fn from(behaviour: Behaviour) -> Self {
        match behaviour {
            Behaviour::Gke => Self::Gke,
            Behaviour::Genkan => Self::Genkan,
        }
    }
}

impl<'de> Deserialize<'de> for PairPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl JsonSchema for PairPath {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PairPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PlacesVisitor;
        impl<'de> Visitor<'de> for PlacesVisitor {
            type Value = Places;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("HOST:PORT, or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Places, E> {
                Places::parse(text).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Places, A::Error> {
                let mut places = Vec::new();
                while let Some(text) = seq.next_element::<String>()? {
                    places.push(place(&text).map_err(de::Error::custom)?);
                }
                Ok(Places(places))
            }
        }
        deserializer.deserialize_any(PlacesVisitor)
    }
}

impl JsonSchema for Places {
    fn schema_name() -> Cow<'static, str> {
        "Places".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_named_with_or_without_namespace_and_port() {
        for (text, full) in [("web", "default/web"), ("shop/web", "shop/web"), ("web:80", "default/web:80"), ("shop/web:http", "shop/web:http")] {
            assert_eq!(ServiceName::parse(text).unwrap().to_string(), full, "{text}");
        }
        for text in ["", "/web", "shop/", "a/b/c", "web:", "Web", "web:80:80"] {
            assert!(ServiceName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn places_may_be_several_and_urls() {
        let places = Places::parse("http://127.0.0.1:3000, localhost:3001").unwrap();
        assert_eq!(places.0.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.1:3000", "localhost:3001"]);
        for text in ["", ",", "https://a.test", "a.test", "http://a.test/path"] {
            assert!(Places::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pair_is_a_directory_or_two_files() {
        assert_eq!(PairPath::parse("tls").unwrap(), PairPath::Directory("tls".into()));
        assert_eq!(PairPath::parse("a.crt,a.key").unwrap(), PairPath::Files { certificate: "a.crt".into(), key: "a.key".into() });
        for text in ["", "a,", ",a"] {
            assert!(PairPath::parse(text).is_err(), "{text}");
        }
    }
}
