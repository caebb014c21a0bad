//! Which path shows what, and what every answer of the admin listener has in common.

use std::net::IpAddr;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Request, Response, StatusCode};

use super::Views;
use super::health::Health;
use crate::telemetry::metrics;

/// The paths, with what they are for: the answer to every other one.
const PATHS: &str = "nothing here; there is\n/livez    whether the process works (?verbose)\n/readyz   whether it wants traffic (?verbose)\n/metrics  what it has counted, for Prometheus\n/api/v1/explain?url=URL  why a request goes where it goes\n";

const EXPLAIN: &str = "/api/v1/explain";

const TEXT: &str = "text/plain; charset=utf-8";

/// Answers a request. Its body is not looked at.
pub(super) async fn answer<B>(request: &Request<B>, views: &Views, peer: IpAddr) -> Response<String> {
    let uri = request.uri();
    let known = matches!(uri.path(), "/livez" | "/readyz" | "/metrics" | EXPLAIN);
    if known && !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        return with(&mut response, ALLOW, "GET, HEAD");
    }
    match uri.path() {
        "/livez" => health(&Health::live(views), uri.query()),
        "/readyz" => health(&Health::ready(views), uri.query()),
        "/metrics" => metrics(views).await,
        // What is said of the configuration is for whoever is on this machine.
        EXPLAIN if !peer.to_canonical().is_loopback() => text(StatusCode::FORBIDDEN, "this is answered to this machine alone\n".to_owned()),
        EXPLAIN => explain(views, uri.query().unwrap_or_default()).await,
        _ => text(StatusCode::NOT_FOUND, PATHS.to_owned()),
    }
}

fn health(health: &Health, query: Option<&str>) -> Response<String> {
    let status = if health.passed() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose = query.unwrap_or_default().split('&').any(|pair| pair.split('=').next() == Some("verbose"));
    text(status, health.text(verbose))
}

/// Off this thread, which control shares: with thousands of routes it takes milliseconds.
async fn metrics(views: &Views) -> Response<String> {
    let views = views.clone();
    let encoded = tokio::task::spawn_blocking(move || views.metrics.encode(&*views.control, &*views.proxy, views.access_log.dropped())).await;
    match encoded {
        Ok(encoded) => with(&mut text(StatusCode::OK, encoded), CONTENT_TYPE, metrics::CONTENT_TYPE),
        Err(error) => {
            tracing::error!(%error, "metrics could not be made");
            text(StatusCode::INTERNAL_SERVER_ERROR, "metrics could not be made; the log says why\n".to_owned())
        }
    }
}

/// Off this thread as well: it looks at every route.
async fn explain(views: &Views, query: &str) -> Response<String> {
    let (views, query) = (views.clone(), query.to_owned());
    match tokio::task::spawn_blocking(move || super::explain::answer(&views, &query)).await {
        Ok((status, body, true)) => text(status, body),
        Ok((status, body, false)) => with(&mut text(status, body), CONTENT_TYPE, "application/json"),
        Err(error) => {
            tracing::error!(%error, "an explanation could not be made");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the explanation could not be made; the log says why\n".to_owned())
        }
    }
}

fn text(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn with(response: &mut Response<String>, name: HeaderName, value: &'static str) -> Response<String> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    std::mem::take(response)
}
