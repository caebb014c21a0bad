//! The process at a glance: whether it serves, what, since when, and how traffic fares.

use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Serialize;

use super::backends::Totals;
use super::report::Counts;
use crate::admin::Views;
use crate::admin::health::Health;
use crate::admin::history::Rates;
use crate::date::rfc3339;

/// The process.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Overview {
    pub(in crate::admin) version: &'static str,
    pub(in crate::admin) started: String,
    pub(in crate::admin) uptime_seconds: u64,
    pub(in crate::admin) ready: bool,
    /// What `readyz` looks at.
    pub(in crate::admin) checks: Vec<CheckView>,
    pub(in crate::admin) configuration: Configuration,
    pub(in crate::admin) listeners: Vec<ListenerView>,
    pub(in crate::admin) endpoints: Endpoints,
    pub(in crate::admin) open_connections: usize,
    /// Of the last minute.
    pub(in crate::admin) traffic: TrafficView,
}

/// One thing that `readyz` looks at.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct CheckView {
    pub(in crate::admin) name: String,
    /// What is missing; `None`: it passes.
    pub(in crate::admin) failure: Option<String>,
}

/// The configuration that is served.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Configuration {
    /// Counts those that were served, from 1.
    pub(in crate::admin) generation: u64,
    /// Since when the one of now is.
    pub(in crate::admin) served_since: Option<String>,
    /// Whether the last change was taken as it is.
    pub(in crate::admin) accepted: bool,
    /// When that last was the case.
    pub(in crate::admin) accepted_at: Option<String>,
    pub(in crate::admin) findings: Counts,
}

/// A way in.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct ListenerView {
    pub(in crate::admin) name: String,
    pub(in crate::admin) address: String,
    /// `HTTPS` or `HTTP`.
    pub(in crate::admin) protocol: &'static str,
}

/// How many endpoints there are, and get requests.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct Endpoints {
    pub(in crate::admin) ready: usize,
    pub(in crate::admin) total: usize,
}

/// Traffic of a while.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct TrafficView {
    /// How long a while.
    pub(in crate::admin) seconds: f64,
    pub(in crate::admin) requests_per_second: f64,
    /// Of the requests, those answered with a status from 500 on; from 0 to 1.
    pub(in crate::admin) error_share: f64,
    pub(in crate::admin) handshakes_per_second: f64,
    /// Of the requests that a backend answered; `None`: there was none.
    pub(in crate::admin) latency_ms: Option<Percentiles>,
}

/// How long exchanges took, in milliseconds, each to a quarter of itself.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct Percentiles {
    pub(in crate::admin) p50: f64,
    pub(in crate::admin) p90: f64,
    pub(in crate::admin) p99: f64,
}

impl Overview {
    pub(in crate::admin) fn of(views: &Views) -> Self {
        Self::with(views, Totals::of(&views.proxy.endpoints()))
    }

    /// The same, where the endpoints have been looked at.
    pub(in crate::admin) fn with(views: &Views, endpoints: Totals) -> Self {
        let (snapshot, report) = (views.control.snapshot(), views.control.report());
        let (accepted, accepted_at) = views.control.last_reload();
        let health = Health::ready(views);
        let started = views.metrics.started();
        let sockets = views.proxy.sockets();
        // With the port that the kernel picked, where it did; before that as it is written.
        let bound = |name: &String| sockets.iter().find(|socket| socket.listeners.contains(name)).map(|socket| socket.address.to_string());
        let listener = |listener: &std::sync::Arc<crate::model::Listener>| ListenerView {
            name: listener.name.clone(),
            address: bound(&listener.name).unwrap_or_else(|| listener.address.to_string()),
            protocol: if listener.is_https() { "HTTPS" } else { "HTTP" },
        };
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started: rfc3339(started),
            uptime_seconds: SystemTime::now().duration_since(started).unwrap_or_default().as_secs(),
            ready: health.passed(),
            checks: health.into_checks().map(|check| CheckView { name: check.name, failure: check.failure }).collect(),
            configuration: Configuration {
                generation: views.control.generation(),
                served_since: views.control.published_at().map(rfc3339),
                accepted,
                accepted_at: accepted_at.map(rfc3339),
                findings: Counts::of(&report),
            },
            listeners: snapshot.listeners.iter().map(listener).collect(),
            endpoints: Endpoints { ready: endpoints.ready, total: endpoints.endpoints },
            open_connections: views.proxy.open_connections(),
            traffic: TrafficView::from(views.history.last_minute(&views.metrics.traffic())),
        }
    }
}

impl From<Rates> for TrafficView {
    fn from(rates: Rates) -> Self {
        let Rates { over, traffic } = rates;
        let [p50, p90, p99] = [500, 900, 990].map(|share| traffic.latency.per_mille(share).map(super::milliseconds));
        Self {
            seconds: super::round(over.as_secs_f64()),
            requests_per_second: super::per_second(traffic.requests, over),
            error_share: super::share(traffic.server_errors, traffic.requests),
            handshakes_per_second: super::per_second(traffic.handshakes, over),
            latency_ms: p50.zip(p90).zip(p99).map(|((p50, p90), p99)| Percentiles { p50, p90, p99 }),
        }
    }
}
