//! Backends with their endpoints: which gets requests, since when, and what its probes say.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::query::Page;
use crate::admin::Views;
use crate::date::{rfc3339, rfc3339_millis};
use crate::model::{Backend, EndpointStatus, ProbeResult, Readiness};

/// A part of the backends.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct Backends {
    /// How many there are, before `offset` and `limit`.
    pub(in crate::admin) total: usize,
    pub(in crate::admin) backends: Vec<BackendView>,
}

/// A backend.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct BackendView {
    pub(in crate::admin) name: String,
    /// How it is checked, in words; `None`: not at all.
    pub(in crate::admin) probe: Option<String>,
    /// How many endpoints get requests.
    pub(in crate::admin) ready: usize,
    pub(in crate::admin) total: usize,
    pub(in crate::admin) endpoints: Vec<EndpointView>,
}

/// An endpoint.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct EndpointView {
    pub(in crate::admin) address: String,
    /// `ready`, `not_ready` or `unknown`.
    pub(in crate::admin) state: String,
    pub(in crate::admin) since: String,
    pub(in crate::admin) reason: String,
    /// Left out for a while because requests to it failed, whatever its probe says.
    pub(in crate::admin) ejected: bool,
    pub(in crate::admin) in_flight: usize,
    /// Since the process started.
    pub(in crate::admin) requests: u64,
    /// Its part of the requests of its backend's endpoints, from 0 to 1.
    pub(in crate::admin) share: f64,
    pub(in crate::admin) last_probe: Option<ProbeView>,
    /// Oldest first.
    pub(in crate::admin) probes: Vec<ProbeView>,
}

/// What one probe found.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct ProbeView {
    pub(in crate::admin) time: String,
    pub(in crate::admin) passed: bool,
    pub(in crate::admin) duration_ms: f64,
    pub(in crate::admin) answer: String,
}

impl Backends {
    pub(in crate::admin) fn of(views: &Views, page: &Page) -> Self {
        let snapshot = views.control.snapshot();
        let mut endpoints: HashMap<String, Vec<EndpointStatus>> = HashMap::new();
        for endpoint in views.proxy.endpoints() {
            endpoints.entry(endpoint.backend.clone()).or_default().push(endpoint);
        }
        let (part, total) = page.of(snapshot.backends.iter(), |backend| backend.name.clone());
        let backends = part.into_iter().map(|backend| view(backend, endpoints.remove(&backend.name).unwrap_or_default(), page.probes)).collect();
        Self { total, backends }
    }
}

/// What endpoints are together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::admin) struct Totals {
    /// That get requests.
    pub(in crate::admin) ready: usize,
    pub(in crate::admin) endpoints: usize,
    /// That they were given.
    pub(in crate::admin) requests: u64,
}

impl Totals {
    pub(in crate::admin) fn of<'e>(endpoints: impl IntoIterator<Item = &'e EndpointStatus>) -> Self {
        let mut totals = Self::default();
        endpoints.into_iter().for_each(|endpoint| totals.add(endpoint));
        totals
    }

    pub(in crate::admin) fn add(&mut self, endpoint: &EndpointStatus) {
        self.ready += usize::from(endpoint.gets_requests());
        self.endpoints += 1;
        self.requests += endpoint.requests;
    }
}

fn view(backend: &Backend, endpoints: Vec<EndpointStatus>, probes: usize) -> BackendView {
    let totals = Totals::of(&endpoints);
    BackendView {
        name: backend.name.clone(),
        probe: probe_words(backend),
        ready: totals.ready,
        total: totals.endpoints,
        endpoints: endpoints.into_iter().map(|endpoint| endpoint_view(endpoint, totals.requests, probes)).collect(),
    }
}

/// How its endpoints are checked.
pub(in crate::admin) fn probe_words(backend: &Backend) -> Option<String> {
    match &backend.readiness {
        Readiness::Probe(probe) => Some(probe.to_string()),
        Readiness::Assumed => None,
    }
}

/// An endpoint, whose backend was given so many requests, with so many of its probes.
pub(in crate::admin) fn endpoint_view(endpoint: EndpointStatus, of: u64, probes: usize) -> EndpointView {
    let before = endpoint.probes.len().saturating_sub(probes);
    EndpointView {
        address: endpoint.address,
        state: endpoint.state.to_string(),
        since: rfc3339(endpoint.since),
        reason: endpoint.reason,
        ejected: endpoint.ejected,
        in_flight: endpoint.in_flight,
        requests: endpoint.requests,
        share: super::share(endpoint.requests, of),
        last_probe: endpoint.probes.last().map(ProbeView::from),
        probes: endpoint.probes[before..].iter().map(ProbeView::from).collect(),
    }
}

impl From<&ProbeResult> for ProbeView {
    fn from(result: &ProbeResult) -> Self {
        Self {
            time: rfc3339_millis(result.at).to_string(),
            passed: result.passed,
            duration_ms: super::milliseconds(result.duration),
            answer: result.answer.to_string(),
        }
    }
}
