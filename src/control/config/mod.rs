//! The types of the configuration file: what may be written, with its defaults and its documentation. `genkan schema`
//! is generated from them. What it all means together is decided in `compile`.

mod access_log;
mod affinity;
mod backend;
mod duplicates;
mod filter;
mod flags;
mod kubernetes;
mod listener;
mod objects;
mod route;
mod tracing;
mod values;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::yaml::{Located, NOT_YET};

pub use access_log::{AccessLog, AccessLogFormat, Share};
pub use affinity::SessionAffinity;
pub use backend::{
    Backend, BackendLimits, BackendProtocol, BackendTimeouts, HttpGet, HttpHeader, LoadBalancing, Outliers, ReadinessProbe, Seconds, TcpSocket,
    UriScheme,
};
pub use duplicates::duplicates;
pub use filter::{Filter, HeaderModifier, HeaderText, PathModifier, RequestRedirect, Scheme};
pub use flags::{Laptop, Overrides, one_backend};
pub use kubernetes::{
    Address, Behaviour, DEFAULT_NAMESPACE, Kubernetes, Mappings, Namespaced, PairPath, Places, ServiceName, SslPolicy, SslProfile, Surroundings,
};
pub use listener::{Certificate, Listener, ListenerProtocol, PlainHttp};
pub use objects::{Objects, RouteRule, Settings, split};
pub use route::{NameValue, Pairs, PathType, Route, Rule, RuleTimeouts, WeightedBackend};
pub use tracing::Tracing;
pub use values::{
    BackendName, EndpointText, HeadBytes, HostName, HostText, Listen, OptionalLimit, OrAuto, OrUnlimited, Percent, Period, PortNumber, PortReference,
    Positive, PositivePeriod, ProbePath, Quantity, Weight,
};

/// A genkan configuration.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Config {
    /// What is accepted where. Default: HTTPS on `[::]:8443` and HTTP, rejected, on `[::]:8080`.
    pub listeners: Option<Vec<Located<Listener>>>,
    /// Chosen by server name among their DNS names; the first is the default.
    pub certificates: Vec<Located<Certificate>>,
    /// What a TLS handshake gets whose server name no certificate covers.
    pub unknown_server_name: Option<UnknownServerName>,
    /// What TLS listeners offer.
    pub tls: Tls,
    /// Where requests go that no route is for; absent: 404.
    pub default_backend: Option<Located<BackendName>>,
    /// Which requests go where.
    pub routes: Vec<Located<Route>>,
    /// Named groups of endpoints.
    pub backends: Vec<Located<Backend>>,
    /// How long clients may take.
    pub timeouts: Timeouts,
    /// What clients and backends may use.
    pub limits: Limits,
    /// Whose word about the client's address counts.
    #[schemars(skip)]
    pub client_address: Option<ClientAddressNotYet>,
    /// How Kubernetes objects are read.
    pub kubernetes: Kubernetes,
    /// How the process ends.
    pub drain: Drain,
    /// The status page, livez, readyz and metrics. Read once, at start.
    pub admin: Admin,
    /// How exchanges are written, and where.
    pub access_log: AccessLog,
    /// Where spans go.
    pub tracing: Tracing,
    /// Worker threads; auto: one per usable core. Read once, at start.
    pub workers: Option<OrAuto<usize>>,
}

/// What an uncovered server name gets.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
pub enum UnknownServerName {
    /// The first listed certificate.
    DefaultCertificate,
    /// The `unrecognized_name` alert.
    Refuse,
}

/// What TLS listeners offer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Tls {
    /// The oldest version that is negotiated. Default: 1.2.
    pub minimum_version: Option<TlsVersion>,
    /// Cipher suites. Default: Modern.
    pub profile: Option<TlsProfile>,
    /// Ticket keys that several processes share.
    #[schemars(skip)]
    pub ticket_keys: Option<TicketKeysNotYet>,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// Cipher suites by the names of the cloud's policies.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
pub enum TlsProfile {
    /// AES-GCM and ChaCha20-Poly1305 with ephemeral keys.
    Modern,
    /// The same: what older clients would need beyond it is not safe.
    Compatible,
}

/// How long clients may take.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Timeouts {
    /// From accept to the end of the TLS handshake, in all. Default: 10s.
    pub tls_handshake: Option<PositivePeriod>,
    /// From the first byte of a request head to its last, in all (408). Default: 10s.
    pub request_head: Option<PositivePeriod>,
    /// Between bytes of a request body (408). Default: 30s.
    pub request_body: Option<PositivePeriod>,
    /// Between bytes that the client takes of an answer. Default: 30s.
    pub response_write: Option<PositivePeriod>,
    /// From the last byte of an answer to the first of the next request. Default: 75s.
    pub keep_alive: Option<PositivePeriod>,
    /// Between bytes of an upgraded connection, either way. Default: 1h.
    pub tunnel_idle: Option<PositivePeriod>,
    /// After which a connection is asked to end; 0s: never. Default: 1h.
    pub connection_age: Option<OptionalLimit>,
}

/// What clients and backends may use.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a request head (431). Default: 64Ki.
    pub request_head: Option<HeadBytes>,
    /// Fields of a request head (431). Default: 100.
    pub request_headers: Option<Count>,
    /// Bytes of a backend's response head (502). Default: 128Ki.
    pub response_head: Option<HeadBytes>,
    /// Bytes of a request body (413). Default: unlimited.
    pub request_body: Option<OrUnlimited<Quantity>>,
    /// Open client connections. Default: auto, half of the file descriptors less 128. As many go to backends, whatever
    /// is said here; beyond that requests get 503.
    pub connections: Option<OrAuto<usize>>,
    /// Open connections from one client address. Default: unlimited.
    pub connections_per_client: Option<OrUnlimited<usize>>,
    /// Concurrent HTTP/2 streams of a connection. Default: 128.
    pub streams_per_connection: Option<Count>,
}

/// A number from 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "u16")]
pub struct Count(#[schemars(range(min = 1))] pub u16);

impl TryFrom<u16> for Count {
    type Error = &'static str;

    fn try_from(number: u16) -> Result<Self, Self::Error> {
        if number == 0 { Err("0 would refuse everything; write a number from 1 to 65535") } else { Ok(Self(number)) }
    }
}

/// How the process ends.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Drain {
    /// How long listeners go on after SIGTERM. Default: 0s, in Kubernetes 5s.
    pub delay: Option<Period>,
    /// How long requests in flight may take after that. Default: 30s.
    pub timeout: Option<Period>,
}

/// The admin listener.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Admin {
    /// Where it listens. Default: 127.0.0.1:9900.
    pub address: Option<Listen>,
    /// What everybody has to show who wants to see more than livez, readyz and metrics over that address. Default: to be
    /// on this machine.
    pub token: Option<AdminToken>,
    /// A socket in the file system beside the address, for this user and group; no token is asked for there.
    pub unix_socket: Option<PathBuf>,
}

/// A token that is to be shown.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct AdminToken {
    /// A file with the token as its only line; read each time that somebody shows one.
    pub file: PathBuf,
}

/// Keys that have their place but no meaning yet: whatever is written there is refused, never ignored.
macro_rules! not_yet {
    ($($name:ident $what:literal),* $(,)?) => {$(
        #[doc = concat!("The place of `", $what, "`.")]
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name;

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                Err(serde::de::Error::custom(format_args!("{NOT_YET}{}", $what)))
            }
        }
    )*};
}
use not_yet;

not_yet!(
    ClientAddressNotYet "clientAddress",
    TicketKeysNotYet "tls.ticketKeys",
);

/// The JSON Schema (draft 7, which editors' YAML servers read) of the configuration file.
pub fn schema() -> schemars::Schema {
    schemars::generate::SchemaSettings::draft07().into_generator().into_root_schema_for::<Config>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_what_may_be_written_and_nothing_that_may_not_yet() {
        let schema = schema().to_value();
        let properties = schema["properties"].as_object().unwrap();
        for (key, there) in [("listeners", true), ("routes", true), ("defaultBackend", true), ("kubernetes", true), ("clientAddress", false)] {
            assert_eq!(properties.contains_key(key), there, "{key}");
        }
        let text = schema.to_string();
        for (word, there) in [("terminationGracePeriodSeconds", true), ("RegularExpression", false), ("H2C", false), ("ticketKeys", false)] {
            assert_eq!(text.contains(word), there, "{word}");
        }
    }
}
