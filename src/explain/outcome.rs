//! What comes of a request whose route is known: an answer of ours, or a backend.

use super::listener::knows;
use super::trace::{Backend, Outcome};
use super::{Asked, World};
use crate::model::{Action, Behaviour, Host, Listener, PlainHttp, Protocol, Readiness, Route, RouteSet};
use crate::route::{self, RedirectFrom};

/// Where a request came in and what is for it.
pub(super) struct Way<'a> {
    pub(super) listener: &'a Listener,
    pub(super) set: &'a RouteSet,
    pub(super) found: Option<&'a Route>,
    /// What it is routed as.
    pub(super) host: &'a str,
    /// In its normal form.
    pub(super) path: &'a str,
    /// What was asked for stands for the host, or for one Ingress.
    pub(super) is_alias: bool,
}

pub(super) fn decide(world: World<'_>, way: &Way<'_>, asked: &Asked, backends: &[Backend]) -> Outcome {
    let Way { found, path, .. } = *way;
    if let Some(outcome) = plain(world, way, asked) {
        return outcome;
    }
    let Some(route) = found else { return Outcome::ours(404, "no_route", "no route is for this host and path".to_owned()) };
    let is_cloud = route.behaviour == Behaviour::Gke;
    match &route.action {
        Action::NotFound => Outcome::ours(404, "no_route", "no path of this host is for it".to_owned()),
        Action::Broken(why) => Outcome::ours(if is_cloud { 502 } else { 500 }, "route_broken", format!("the route cannot be served: {why}")),
        Action::Redirect(redirect) => {
            let from = RedirectFrom {
                https: asked.https,
                host: is_ours(world, way).then_some(asked.host.as_str()),
                port: asked.port,
                path,
                query: asked.query(),
                target: &asked.target,
            };
            match route::location(redirect, &route.matches.path, &from) {
                Some(location) => Outcome::redirect(redirect.status.as_u16(), location),
                None => Outcome::ours(400, "bad_request", "its host is none that is served here".to_owned()),
            }
        }
        Action::Forward(_) => forward(world, is_cloud, backends),
    }
}

fn forward(world: World<'_>, is_cloud: bool, backends: &[Backend]) -> Outcome {
    let usable = |backend: &&Backend| {
        let assumed = world.snapshot.backends.iter().any(|known| known.name == backend.name && known.readiness == Readiness::Assumed);
        backend.weight > 0 && backend.endpoints.iter().any(|endpoint| assumed || endpoint.state != "not_ready")
    };
    let names: Vec<String> = backends.iter().filter(|backend| backend.weight > 0).map(|backend| backend.name.clone()).collect();
    if backends.iter().any(|backend| usable(&backend)) {
        let text = format!("forwarded to {}", names.join(" or "));
        return Outcome { status: None, reason: "forwarded".to_owned(), location: None, backends: names, text };
    }
    let status = if is_cloud { 502 } else { 503 };
    Outcome { backends: names, ..Outcome::ours(status, "failed_to_pick_backend", "no endpoint of the backend is ready".to_owned()) }
}

/// What plain HTTP gets; `None`: it is forwarded like any other request.
fn plain(world: World<'_>, way: &Way<'_>, asked: &Asked) -> Option<Outcome> {
    let Way { listener, found, .. } = *way;
    if asked.https {
        return None;
    }
    let policy = match listener.protocol {
        Protocol::Http { plain } => plain,
        Protocol::Https { .. } => Some(PlainHttp::Reject),
    };
    match route::plain_http(policy, found.and_then(|route| route.plain_http)) {
        PlainHttp::Allow => None,
        PlainHttp::Close => {
            let text = "the connection is closed without an answer".to_owned();
            Some(Outcome { status: None, reason: "plain_http_rejected".to_owned(), location: None, backends: Vec::new(), text })
        }
        PlainHttp::Redirect if is_ours(world, way) => {
            let status = match found.and_then(|route| route.https_redirect).map_or(308, |code| code.as_u16()) {
                // Browsers remember those.
                301 | 308 if world.snapshot.localhost_aliases => 307,
                status => status,
            };
            let location = format!("https://{}{}{}", route::in_url(&asked.host), https_port(world, listener, asked), asked.target);
            Some(Outcome::redirect(status, location))
        }
        PlainHttp::Redirect => {
            let text = "this address requires https, and only to hosts that a route or a certificate names is anybody redirected";
            Some(Outcome::ours(426, "plain_http_rejected", text.to_owned()))
        }
        PlainHttp::Reject => Some(Outcome::ours(426, "plain_http_rejected", "this address requires https".to_owned())),
    }
}

/// Whether a redirect may repeat the host: a route names it, or a certificate is for it.
fn is_ours(world: World<'_>, way: &Way<'_>) -> bool {
    let is_named = |host: &Host| knows(way.set, host) || world.snapshot.certificates.iter().any(|certificate| certificate.pair.covers(host));
    way.is_alias || Host::parse(way.host).is_ok_and(|host| is_named(&host))
}

/// As the data path has it: no port stays no port, our own for plain HTTP becomes our own for HTTPS.
fn https_port(world: World<'_>, listener: &Listener, asked: &Asked) -> String {
    let https = world.snapshot.listeners.iter().find(|listener| listener.is_https());
    let port = match asked.port {
        None => None,
        Some(port) if port == listener.address.port() => https.map(|https| https.address.port()),
        Some(_) => https.and_then(|https| https.public_port).or(listener.public_port),
    };
    match port {
        None | Some(443) => String::new(),
        Some(port) => format!(":{port}"),
    }
}
