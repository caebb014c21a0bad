//! How an endpoint is asked whether it is ready: the fields of a Kubernetes container's `readinessProbe`
//! (<https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/>), with kubelet's meaning.

use std::fmt;
use std::time::Duration;

/// A readiness check of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is asked.
    pub action: ProbeAction,
    /// Which answers to `httpGet` are a pass.
    pub success: ProbeSuccess,
    /// `initialDelaySeconds`: how long after the first failure the endpoint's silence is not worth a warning.
    /// It never delays a check.
    pub initial_delay: Duration,
    /// `periodSeconds`: from one check to the next, once the endpoint is ready.
    pub period: Duration,
    /// `timeoutSeconds`: how long one check may take.
    pub timeout: Duration,
    /// `successThreshold`: this many passes in a row make it ready.
    pub success_threshold: u32,
    /// `failureThreshold`: this many failures in a row make it unready.
    pub failure_threshold: u32,
}

/// What a probe does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAction {
    /// `httpGet`: passes by [`ProbeSuccess`].
    HttpGet {
        /// Asked instead of the endpoint.
        host: Option<String>,
        /// Path and query.
        path: String,
        /// `None`: the endpoint's own.
        port: Option<u16>,
        /// HTTPS does not verify the certificate, as kubelet does not.
        scheme: ProbeScheme,
        /// `httpHeaders`; a `Host` replaces the endpoint's address.
        headers: Vec<(String, String)>,
    },
    /// `tcpSocket`: passes when a connection opens.
    TcpSocket {
        /// Connected to instead of the endpoint.
        host: Option<String>,
        /// `None`: the endpoint's own.
        port: Option<u16>,
    },
}

/// Which statuses are a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProbeSuccess {
    /// From 200 to 399, as kubelet has it.
    #[default]
    Below400,
    /// 200 and no other, as the cloud's load balancer has it.
    Exactly200,
}

/// `httpGet.scheme`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProbeScheme {
    /// Plain HTTP.
    #[default]
    Http,
    /// HTTP over TLS, without verification.
    Https,
}

impl Probe {
    /// The check of a backend that names none: `GET /` on the endpoint's port, as GKE does it, with kubelet's
    /// defaults for everything else.
    pub fn get(path: &str) -> Self {
        Self {
            action: ProbeAction::HttpGet { host: None, path: path.to_owned(), port: None, scheme: ProbeScheme::Http, headers: Vec::new() },
            success: ProbeSuccess::default(),
            initial_delay: Duration::ZERO,
            period: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            success_threshold: 1,
            failure_threshold: 3,
        }
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self::get("/")
    }
}

/// The request in a few words, for texts that say what was asked.
impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            ProbeAction::HttpGet { path, port, scheme, .. } => {
                write!(f, "GET {path}")?;
                if *scheme == ProbeScheme::Https {
                    f.write_str(" over TLS")?;
                }
                write_port(f, *port)
            }
            ProbeAction::TcpSocket { port, .. } => {
                f.write_str("TCP connect")?;
                write_port(f, *port)
            }
        }
    }
}

fn write_port(f: &mut fmt::Formatter<'_>, port: Option<u16>) -> fmt::Result {
    match port {
        Some(port) => write!(f, " on port {port}"),
        None => Ok(()),
    }
}
