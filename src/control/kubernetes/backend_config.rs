//! BackendConfig: GKE's settings of a Service's port. A field that is absent has its default, where the cloud would
//! keep what was there before.

use crate::control::yaml::Located;

use super::AppProtocol;

/// A BackendConfig.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BackendConfig {
    /// `timeoutSec`.
    pub timeout_sec: Option<u32>,
    /// `connectionDraining.drainingTimeoutSec`.
    pub draining_timeout_sec: Option<u32>,
    /// `sessionAffinity`.
    pub affinity: Option<Affinity>,
    /// `healthCheck`.
    pub health_check: Option<HealthCheck>,
    /// `customRequestHeaders.headers`: names and values, variables as written.
    pub request_headers: Vec<Located<(String, String)>>,
    /// `customResponseHeaders.headers`: names and values, variables as written.
    pub response_headers: Vec<Located<(String, String)>>,
    /// `logging`: of a million requests, how many are logged.
    pub log_sample_rate: Option<u32>,
    /// Why the cloud would refuse the object as a whole, in its words.
    pub invalid: Option<String>,
}

/// `sessionAffinity`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Affinity {
    /// `affinityType`.
    pub kind: AffinityKind,
    /// `affinityCookieTtlSec`.
    pub cookie_ttl_sec: Option<u32>,
}

/// How a client stays with its endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "words of GKE")]
pub enum AffinityKind {
    #[default]
    None,
    ClientIp,
    GeneratedCookie,
}

/// `healthCheck`; what is absent comes from the probe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthCheck {
    /// `checkIntervalSec`.
    pub interval: Option<u32>,
    /// `timeoutSec`.
    pub timeout: Option<u32>,
    /// `healthyThreshold`.
    pub healthy: Option<u32>,
    /// `unhealthyThreshold`.
    pub unhealthy: Option<u32>,
    /// `port`.
    pub port: Option<u16>,
    /// `requestPath`.
    pub path: Option<String>,
    /// `type`.
    pub kind: Option<AppProtocol>,
}
