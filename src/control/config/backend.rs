//! `backends` and `readinessProbe`, which has exactly the shape of a container's.

use schemars::JsonSchema;
use serde::Deserialize;

use super::affinity::SessionAffinity;
use super::values::{EndpointText, HostName, Percent, Period, PortReference, Positive, PositivePeriod, ProbePath};
use super::{NOT_YET, not_yet};
use crate::control::yaml::Located;

/// A named group of endpoints.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub struct Backend {
    /// Unique.
    pub name: Located<String>,
    /// HOST:PORT each. Names are resolved again and again, and every address is an endpoint.
    #[serde(default)]
    pub endpoints: Vec<Located<EndpointText>>,
    /// What endpoints speak. Default: HTTP.
    #[serde(default)]
    pub protocol: BackendProtocol,
    /// How an endpoint is picked. Default: LeastRequests.
    #[serde(default)]
    pub load_balancing: Option<Located<LoadBalancing>>,
    /// When an endpoint is ready. Default: GET / on its port.
    #[serde(default)]
    pub readiness_probe: Option<Located<ReadinessProbe>>,
    /// No probe: every endpoint counts as ready.
    #[serde(default)]
    pub assume_ready: bool,
    /// How long an endpoint may take.
    #[serde(default)]
    pub timeouts: BackendTimeouts,
    /// TLS towards endpoints.
    #[serde(default)]
    #[schemars(skip)]
    pub tls: Option<BackendTlsNotYet>,
    /// How often a request is sent again.
    #[serde(default)]
    #[schemars(skip)]
    pub retries: Option<RetriesNotYet>,
    /// When an endpoint is left out for what it answers.
    #[serde(default)]
    pub outliers: Outliers,
    /// How much its endpoints get at a time.
    #[serde(default)]
    pub limits: BackendLimits,
    /// How a new endpoint gets its share.
    #[serde(default)]
    #[schemars(skip)]
    pub slow_start: Option<SlowStartNotYet>,
    /// How a client stays with its endpoint.
    #[serde(default)]
    pub session_affinity: Option<SessionAffinity>,
}

not_yet!(
    BackendTlsNotYet "backends[].tls",
    RetriesNotYet "backends[].retries",
    SlowStartNotYet "backends[].slowStart",
);

/// What endpoints speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "ProtocolWord")]
pub enum BackendProtocol {
    /// HTTP/1.1 without TLS.
    #[default]
    Http,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "BackendProtocol")]
enum ProtocolWord {
    /// HTTP/1.1 without TLS.
    Http,
    #[schemars(skip)]
    H2c,
    #[schemars(skip)]
    Https,
    #[schemars(skip)]
    H2,
}

impl TryFrom<ProtocolWord> for BackendProtocol {
    type Error = String;

    fn try_from(word: ProtocolWord) -> Result<Self, String> {
        match word {
            ProtocolWord::Http => Ok(Self::Http),
            ProtocolWord::H2c => Err(format!("{NOT_YET}backends that speak H2C")),
            ProtocolWord::Https => Err(format!("{NOT_YET}backends that speak HTTPS")),
            ProtocolWord::H2 => Err(format!("{NOT_YET}backends that speak H2")),
        }
    }
}

/// How an endpoint is picked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
pub enum LoadBalancing {
    /// In turn.
    RoundRobin,
    /// The less busy of two.
    #[default]
    LeastRequests,
    /// At random.
    Random,
    /// By the client's address.
    Hash,
}

/// When an endpoint that is ready is left out for what becomes of its requests: no connection, no answer, or a status
/// from 500 on.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct Outliers {
    /// Failures in a row; 0: never. Default: 5.
    pub consecutive_failures: Option<u32>,
    /// For how long at first; doubled each time that it follows closely. Default: 10s.
    pub ejection: Option<PositivePeriod>,
    /// For how long at most. Default: 5m.
    pub longest_ejection: Option<PositivePeriod>,
    /// How many of the endpoints may be left out at a time, in percent. Default: 50.
    pub ejected_percent: Option<Percent>,
}

/// How many requests the endpoints of a backend get at a time, and how many more wait for how long.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct BackendLimits {
    /// Requests, and so connections, that an endpoint has at a time. Default: 16384.
    pub requests_per_endpoint: Option<Positive>,
    /// Requests that wait while no endpoint has room (503 for more). Default: 1024.
    pub waiting: Option<u32>,
    /// How long they wait (then 503). Default: 1s.
    pub wait: Option<Period>,
}

/// How long an endpoint may take.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct BackendTimeouts {
    /// Until a connection is open (504). Default: 5s.
    pub connect: Option<PositivePeriod>,
    /// Until the head of the answer (504). Default: 30s.
    pub response: Option<PositivePeriod>,
    /// Between bytes of the answer's body. Default: 60s.
    pub idle: Option<PositivePeriod>,
    /// How long an unused connection is kept; shorter than the backend keeps it. Default: 4s.
    pub keep_alive: Option<PositivePeriod>,
    /// How long what an endpoint still has may go on after the endpoint has left; 0s: it is cut at once. Default: until
    /// it ends.
    pub draining: Option<Period>,
}

/// A container's `readinessProbe`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct ReadinessProbe {
    /// Passes on a status from 200 to 399.
    pub http_get: Option<HttpGet>,
    /// Passes when a connection opens.
    pub tcp_socket: Option<TcpSocket>,
    /// Runs inside a container.
    #[schemars(skip)]
    pub exec: Option<ExecImpossible>,
    /// A gRPC health check.
    #[schemars(skip)]
    pub grpc: Option<GrpcImpossible>,
    /// How long after a first failure an endpoint's silence is no news. It never delays a check. Default: 0.
    pub initial_delay_seconds: Option<u16>,
    /// From check to check. Default: 10.
    pub period_seconds: Option<Seconds>,
    /// How long a check may take. Default: 1.
    pub timeout_seconds: Option<Seconds>,
    /// Passes in a row that make an endpoint ready. Default: 1.
    pub success_threshold: Option<Seconds>,
    /// Failures in a row that make it unready. Default: 3.
    pub failure_threshold: Option<Seconds>,
    /// Read for the sake of copied manifests; it has no meaning for readiness.
    pub termination_grace_period_seconds: Option<u32>,
}

/// A whole number from 1, as Kubernetes validates these fields.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "u16")]
pub struct Seconds(#[schemars(range(min = 1))] pub u16);

impl TryFrom<u16> for Seconds {
    type Error = &'static str;

    fn try_from(number: u16) -> Result<Self, Self::Error> {
        if number == 0 { Err("this must be at least 1") } else { Ok(Self(number)) }
    }
}

/// `httpGet`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct HttpGet {
    /// Default: /.
    pub path: Option<ProbePath>,
    /// By number, or by name, which means the endpoint's own. Default: the endpoint's own.
    pub port: Option<PortReference>,
    /// Asked instead of the endpoint; set a Host header instead unless that is meant.
    pub host: Option<HostName>,
    /// HTTPS does not verify the certificate.
    pub scheme: UriScheme,
    /// Additional fields; Host replaces the endpoint's address.
    pub http_headers: Vec<HttpHeader>,
}

/// `httpGet.scheme`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum UriScheme {
    /// Plain HTTP.
    #[default]
    Http,
    /// HTTP over TLS.
    Https,
}

/// `tcpSocket`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(deny_unknown_fields)]
pub struct TcpSocket {
    /// By number, or by name, which means the endpoint's own. Default: the endpoint's own.
    pub port: Option<PortReference>,
    /// Connected to instead of the endpoint.
    pub host: Option<HostName>,
}

/// One of `httpGet.httpHeaders`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "HeaderWords")]
pub struct HttpHeader {
    /// A field name.
    pub name: String,
    /// Its value.
    pub value: String,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, rename = "HttpHeader")]
struct HeaderWords {
    name: String,
    #[serde(default)]
    value: String,
}

impl TryFrom<HeaderWords> for HttpHeader {
    type Error = String;

    fn try_from(words: HeaderWords) -> Result<Self, String> {
        Self::new(words.name, words.value)
    }
}

impl HttpHeader {
    /// A field that can be sent.
    pub fn new(name: String, value: String) -> Result<Self, String> {
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(format!("`{name}` is no header field name"));
        }
        match http::HeaderValue::from_str(&value) {
            Ok(_) => Ok(Self { name, value }),
            Err(_) => Err(format!("the value of {name} has characters that no header field may have")),
        }
    }
}

macro_rules! impossible {
    ($($name:ident $why:literal),* $(,)?) => {$(
        #[doc = concat!("Refused: ", $why)]
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name;

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                Err(serde::de::Error::custom($why))
            }
        }
    )*};
}

impossible!(
    ExecImpossible "exec probes run inside the container, where genkan is not; write httpGet: { path: ... } or tcpSocket: {}",
    GrpcImpossible "grpc probes need a backend that speaks HTTP/2; write httpGet: { path: ... } or tcpSocket: {}",
);
