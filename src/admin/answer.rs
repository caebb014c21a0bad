//! Which path shows what, and what every answer of the admin listener has in common.

use std::net::IpAddr;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::Views;
use super::api::{self, View};
use super::health::Health;
use crate::telemetry::metrics;

/// The paths, with what they are for: the first lines of the answer to every other one.
const PATHS: &str = "nothing here; there is
/livez    whether the process works (?verbose)
/readyz   whether it wants traffic (?verbose)
/metrics  what it has counted, for Prometheus
/api/v1/openapi.json  the description of the rest, for programs
/api/v1/explain?url=URL  why a request goes where it goes
";

const JSON: &str = "application/json";

const TEXT: &str = "text/plain; charset=utf-8";

/// What is asked for.
enum Page {
    Live,
    Ready,
    Metrics,
    OpenApi,
    Explain,
    View(&'static View),
}

impl Page {
    fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/livez" => Self::Live,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/api/v1/openapi.json" => Self::OpenApi,
            "/api/v1/explain" => Self::Explain,
            _ => Self::View(View::named(path.strip_prefix(api::PREFIX)?)?),
        })
    }

    /// Whether it is for everybody. What is said of configuration and traffic is for whoever is on this machine.
    fn is_open(&self) -> bool {
        matches!(self, Self::Live | Self::Ready | Self::Metrics)
    }
}

/// Answers a request. Its body is not looked at.
pub(super) async fn answer<B>(request: &Request<B>, views: &Views, peer: IpAddr) -> Response<String> {
    let query = request.uri().query().unwrap_or_default();
    let Some(page) = Page::at(request.uri().path()) else { return text(StatusCode::NOT_FOUND, paths()) };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        return with(&mut response, ALLOW, "GET, HEAD");
    }
    if !page.is_open() && !peer.to_canonical().is_loopback() {
        return text(StatusCode::FORBIDDEN, "this is answered to this machine alone\n".to_owned());
    }
    if !page.is_open() && !names_this_machine(request.headers()) {
        return text(StatusCode::FORBIDDEN, "this is answered under localhost or an address alone\n".to_owned());
    }
    match page {
        Page::Live => health(&Health::live(views), query),
        Page::Ready => health(&Health::ready(views), query),
        Page::Metrics => metrics(views).await,
        Page::OpenApi => with(&mut text(StatusCode::OK, format!("{:#}\n", api::openapi::document())), CONTENT_TYPE, JSON),
        Page::Explain => explain(views, query).await,
        Page::View(view) => show(views, view, query).await,
    }
}

/// A page of somebody else's must not read this through a browser on this machine, by a name of theirs that leads here
/// (DNS rebinding).
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return true }; // No browser.
    let Some(host) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else { return false };
    let host = host.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    host.parse::<IpAddr>().is_ok() || host == "localhost" || host.ends_with(".localhost")
}

/// What there is, with the views.
fn paths() -> String {
    let views = api::VIEWS.iter().map(|view| format!("{}{}  {}\n", api::PREFIX, view.name, view.about));
    std::iter::once(PATHS.to_owned()).chain(views).collect()
}

fn health(health: &Health, query: &str) -> Response<String> {
    let status = if health.passed() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose = query.split('&').any(|pair| pair.split('=').next() == Some("verbose"));
    text(status, health.text(verbose))
}

async fn metrics(views: &Views) -> Response<String> {
    let made = made("metrics", views, |views| views.metrics.encode(&*views.control, &*views.proxy, views.access_log.dropped()));
    made.await.map_or_else(|failed| failed, |encoded| with(&mut text(StatusCode::OK, encoded), CONTENT_TYPE, metrics::CONTENT_TYPE))
}

async fn explain(views: &Views, query: &str) -> Response<String> {
    let query = query.to_owned();
    match made("an explanation", views, move |views| super::explain::answer(views, &query)).await {
        Ok((status, body, true)) => text(status, body),
        Ok((status, body, false)) => with(&mut text(status, body), CONTENT_TYPE, JSON),
        Err(failed) => failed,
    }
}

async fn show(views: &Views, view: &'static View, query: &str) -> Response<String> {
    let query = query.to_owned();
    let made = made("a view", views, move |views| view.answer(views, &query));
    made.await.map_or_else(|failed| failed, |(status, body)| with(&mut text(status, body), CONTENT_TYPE, JSON))
}

/// Made off this thread, which control shares: with thousands of routes it takes milliseconds. The error is an answer.
async fn made<T: Send + 'static>(what: &str, views: &Views, make: impl FnOnce(&Views) -> T + Send + 'static) -> Result<T, Response<String>> {
    let views = views.clone();
    tokio::task::spawn_blocking(move || make(&views)).await.map_err(|error| {
        tracing::error!(%error, what, "an answer could not be made");
        text(StatusCode::INTERNAL_SERVER_ERROR, format!("{what} could not be made; the log says why\n"))
    })
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
