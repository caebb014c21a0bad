//! The last exchanges that went wrong, newest first.

use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::Views;
use crate::date::rfc3339_millis;
use crate::telemetry::{Failure, reasons};

/// The list.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct Failures {
    pub(in crate::admin) failures: Vec<FailedExchange>,
}

/// One of them.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct FailedExchange {
    pub(in crate::admin) time: String,
    pub(in crate::admin) duration_ms: f64,
    pub(in crate::admin) client: String,
    pub(in crate::admin) method: String,
    pub(in crate::admin) host: String,
    pub(in crate::admin) path: String,
    pub(in crate::admin) status: u16,
    /// `response_sent_by_backend`, where the backend itself said that it failed.
    pub(in crate::admin) reason: &'static str,
    pub(in crate::admin) route: Option<String>,
    pub(in crate::admin) backend: Option<String>,
    pub(in crate::admin) endpoint: Option<String>,
    pub(in crate::admin) attempts: u32,
    pub(in crate::admin) request_id: String,
    pub(in crate::admin) trace_id: String,
}

impl Failures {
    pub(in crate::admin) fn of(views: &Views) -> Self {
        Self { failures: views.metrics.failures().into_iter().map(FailedExchange::from).collect() }
    }
}

impl From<Failure> for FailedExchange {
    fn from(failure: Failure) -> Self {
        Self {
            time: rfc3339_millis(failure.at).to_string(),
            duration_ms: super::milliseconds(failure.duration),
            client: failure.client.to_canonical().to_string(),
            method: failure.method,
            host: failure.host,
            path: failure.path,
            status: failure.status,
            reason: failure.reason.unwrap_or(reasons::RESPONSE_SENT_BY_BACKEND),
            route: failure.route,
            backend: failure.backend,
            endpoint: failure.endpoint,
            attempts: failure.attempts,
            request_id: failure.request_id,
            trace_id: failure.trace_id,
        }
    }
}
