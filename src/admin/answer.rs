//! Which path shows what, and what every answer of the admin listener has in common.

use std::sync::LazyLock;

use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::Views;
use super::access::{self, Peer, Refused};
use super::api::{self, View};
use super::body::Body;
use super::events;
use super::health::Health;
use super::page::{self, Asset, HtmlView};
use crate::telemetry::metrics::{Exposition, Lost};

/// The paths, with what they are for: the first lines of the answer to every other one.
const PATHS: &str = "nothing here; there is
/         the status page
/livez    whether the process works (?verbose)
/readyz   whether it wants traffic (?verbose)
/metrics  what it has counted, for Prometheus
/api/v1/openapi.json  the description of the rest, for programs
/api/v1/explain?url=URL  why a request goes where it goes
/api/v1/tap  exchanges as they end (?q=TEXT&status=5xx&rate=50)
";

/// Always the same.
static OPEN_API: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", api::openapi::document()));

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const EVENTS: &str = "text/event-stream";
const LINES: &str = "application/x-ndjson";

/// What is asked for.
enum Page {
    Live,
    Ready,
    Metrics,
    OpenApi,
    Explain,
    View(&'static View),
    Html(&'static HtmlView),
    Asset(&'static Asset),
    Events,
    Tap,
}

impl Page {
    fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/livez" => Self::Live,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            "/events" => Self::Events,
            "/api/v1/openapi.json" => Self::OpenApi,
            "/api/v1/explain" => Self::Explain,
            "/api/v1/tap" => Self::Tap,
            _ => {
                let view = path.strip_prefix(api::PREFIX).and_then(View::named).map(Self::View);
                view.or_else(|| HtmlView::at(path).map(Self::Html)).or_else(|| Asset::at(path).map(Self::Asset))?
            }
        })
    }

    /// Whether it is for everybody.
    fn is_open(&self) -> bool {
        matches!(self, Self::Live | Self::Ready | Self::Metrics)
    }
}

/// Answers a request. Its body is not looked at.
pub(super) async fn answer<B>(request: &Request<B>, views: &Views, peer: Peer) -> Response<Body> {
    let query = request.uri().query().unwrap_or_default();
    let Some(page) = Page::at(request.uri().path()) else { return text(StatusCode::NOT_FOUND, paths()) };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        return with(&mut response, ALLOW, "GET, HEAD");
    }
    if !page.is_open()
        && let Err(refused) = may_see(views, peer, request.headers()).await
    {
        return refused;
    }
    match page {
        Page::Live => health(&Health::live(views), query),
        Page::Ready => health(&Health::ready(views), query),
        Page::Metrics => metrics(views, request.headers()).await,
        Page::OpenApi => typed(StatusCode::OK, OPEN_API.clone(), JSON),
        Page::Explain => explain(views, query).await,
        Page::View(view) => show(views, view, query).await,
        Page::Html(view) => html(views, view, query).await,
        Page::Asset(asset) => typed(StatusCode::OK, asset.text.to_owned(), asset.kind),
        Page::Events => watch(views, query, request.method()),
        Page::Tap => tap(views, query, request.method()),
    }
}

/// The error is an answer.
async fn may_see(views: &Views, peer: Peer, headers: &HeaderMap) -> Result<(), Response<Body>> {
    let checked = match &views.token {
        None => access::check(None, peer, headers),
        Some(token) => {
            let (token, headers) = (token.clone(), headers.clone());
            let checked = views.makers.make("a look at the token", move || access::check(Some(&token), peer, &headers));
            checked.await.unwrap_or(Err(Refused::Token))
        }
    };
    checked.map_err(|refused| {
        let why = format!("{}\n", refused.as_str());
        match refused {
            Refused::Token => with(&mut text(StatusCode::UNAUTHORIZED, why), WWW_AUTHENTICATE, "Basic realm=\"genkan: the token is the password\""),
            Refused::Elsewhere | Refused::Name | Refused::OtherSite => text(StatusCode::FORBIDDEN, why),
        }
    })
}

/// What there is, with the views.
fn paths() -> String {
    let views = api::VIEWS.iter().map(|view| format!("{}{}  {}\n", api::PREFIX, view.name, view.about));
    std::iter::once(PATHS.to_owned()).chain(views).collect()
}

fn health(health: &Health, query: &str) -> Response<Body> {
    let status = if health.passed() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose = query.split('&').any(|pair| pair.split('=').next() == Some("verbose"));
    text(status, health.text(verbose))
}

async fn metrics(views: &Views, headers: &HeaderMap) -> Response<Body> {
    let exposition = Exposition::wanted(headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default());
    let encode = move |views: &Views| {
        let lost = Lost { log_lines: views.access_log.dropped(), spans: views.spans.dropped() };
        views.metrics.encode(exposition, &*views.control, &*views.proxy, lost)
    };
    let made = made("metrics", views, encode);
    made.await.map_or_else(|failed| failed, |encoded| typed(StatusCode::OK, encoded, exposition.content_type()))
}

async fn explain(views: &Views, query: &str) -> Response<Body> {
    let query = query.to_owned();
    match made("an explanation", views, move |views| super::explain::answer(views, &query)).await {
        Ok((status, body, is_text)) => typed(status, body, if is_text { TEXT } else { JSON }),
        Err(failed) => failed,
    }
}

async fn show(views: &Views, view: &'static View, query: &str) -> Response<Body> {
    let query = query.to_owned();
    let made = made("a view", views, move |views| view.answer(views, &query));
    made.await.map_or_else(|failed| failed, |(status, body)| typed(status, body, JSON))
}

async fn html(views: &Views, view: &'static HtmlView, query: &str) -> Response<Body> {
    let query = query.to_owned();
    match made("the page", views, move |views| view.answer(views, &query)).await {
        Ok((StatusCode::OK, html)) => {
            let mut response = typed(StatusCode::OK, html, HTML);
            let mut response = with(&mut response, CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY);
            with(&mut response, REFERRER_POLICY, "no-referrer")
        }
        Ok((status, why)) => text(status, why),
        Err(failed) => failed,
    }
}

/// A view of the page each time it has changed, until the client leaves.
fn watch(views: &Views, query: &str, method: &Method) -> Response<Body> {
    let Some((view, query)) = events::asked(query) else {
        return text(StatusCode::NOT_FOUND, "events of which page? /events?of=/health\n".to_owned());
    };
    if method == Method::HEAD {
        return typed(StatusCode::OK, String::new(), EVENTS);
    }
    let Some((body, pieces)) = views.watchers.watch(1) else { return crowded() };
    views.drain.spawn_background("events of the status page", events::send(views.clone(), view, query, pieces));
    stream(body, EVENTS)
}

/// Exchanges as they end, until the client leaves.
fn tap(views: &Views, query: &str, method: &Method) -> Response<Body> {
    let wanted = match api::tap::wanted(query) {
        Ok(wanted) => wanted,
        Err(why) => return text(StatusCode::BAD_REQUEST, why + "\n"),
    };
    if method == Method::HEAD {
        return typed(StatusCode::OK, String::new(), LINES);
    }
    let Some((body, lines)) = views.watchers.watch(api::tap::LINES_AHEAD) else { return crowded() };
    views.metrics.taps().open(wanted, lines);
    stream(body, LINES)
}

fn crowded() -> Response<Body> {
    text(StatusCode::SERVICE_UNAVAILABLE, "too many watch already\n".to_owned())
}

fn stream(body: Body, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    common(response.headers_mut(), kind);
    response
}

/// The error is an answer.
async fn made<T: Send + 'static>(what: &str, views: &Views, make: impl FnOnce(&Views) -> T + Send + 'static) -> Result<T, Response<Body>> {
    let seen = views.clone();
    let made = views.makers.make(what, move || make(&seen)).await;
    made.ok_or_else(|| text(StatusCode::INTERNAL_SERVER_ERROR, format!("{what} could not be made; the log says why\n")))
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    typed(status, body, TEXT)
}

fn typed(status: StatusCode, body: String, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    common(response.headers_mut(), kind);
    response
}

fn common(headers: &mut HeaderMap, kind: &'static str) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
}

fn with(response: &mut Response<Body>, name: HeaderName, value: &'static str) -> Response<Body> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    std::mem::take(response)
}
