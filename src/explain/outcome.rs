//! What comes of a request whose route is known: an answer of ours, or a backend.

use super::listener::knows;
use super::trace::{Backend, Outcome};
use super::{Asked, World};
use crate::model::{Action, Behaviour, Host, Listener, PathRewrite, PlainHttp, Protocol, Readiness, Redirect, Route, RouteSet};
use crate::route;

/// Where a request came in and what is for it.
pub(super) struct Way<'a> {
    pub(super) listener: &'a Listener,
    pub(super) set: &'a RouteSet,
    pub(super) found: Option<&'a Route>,
    /// What it is routed as.
    pub(super) host: &'a str,
}

pub(super) fn decide(world: World<'_>, way: &Way<'_>, asked: &Asked, backends: &[Backend]) -> Outcome {
    let Way { listener, set, found, host } = *way;
    if let Some(outcome) = plain(world, listener, set, found, asked, host) {
        return outcome;
    }
    let Some(route) = found else { return Outcome::ours(404, "no_route", "no route is for this host and path".to_owned()) };
    let is_cloud = route.behaviour == Behaviour::Gke;
    match &route.action {
        Action::NotFound => Outcome::ours(404, "no_route", "no path of this host is for it".to_owned()),
        Action::Broken(why) => Outcome::ours(if is_cloud { 502 } else { 500 }, "route_broken", format!("the route cannot be served: {why}")),
        Action::Redirect(redirect) => {
            let location = location(redirect, route, asked, host);
            Outcome { location: Some(location.clone()), ..Outcome::ours(redirect.status.as_u16(), "redirect", format!("redirected to {location}")) }
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
fn plain(world: World<'_>, listener: &Listener, set: &RouteSet, found: Option<&Route>, asked: &Asked, host: &str) -> Option<Outcome> {
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
        PlainHttp::Redirect if Host::parse(host).is_ok_and(|host| is_ours(world, set, &host)) => {
            let status =
                found.and_then(|route| route.https_redirect).map_or(if world.snapshot.localhost_aliases { 307 } else { 308 }, |code| code.as_u16());
            let location = format!("https://{}{}{}", in_url(&asked.host), https_port(world, listener, asked), asked.target);
            Some(Outcome { location: Some(location.clone()), ..Outcome::ours(status, "redirect", format!("redirected to {location}")) })
        }
        PlainHttp::Redirect => {
            let text = "this address requires https, and only to hosts that a route or a certificate names is anybody redirected";
            Some(Outcome::ours(426, "plain_http_rejected", text.to_owned()))
        }
        PlainHttp::Reject => Some(Outcome::ours(426, "plain_http_rejected", "this address requires https".to_owned())),
    }
}

/// Whether a redirect may repeat the host: a route names it, or a certificate is for it.
fn is_ours(world: World<'_>, set: &RouteSet, host: &Host) -> bool {
    knows(set, host) || world.snapshot.certificates.iter().any(|certificate| certificate.pair.covers(host))
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

fn in_url(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn location(redirect: &Redirect, route: &Route, asked: &Asked, host: &str) -> String {
    let https = redirect.https.unwrap_or(asked.https);
    let host = redirect.host.as_ref().map_or_else(|| host.to_owned(), ToString::to_string);
    let well_known = if https { 443 } else { 80 };
    let port = redirect.port.or(if redirect.https.is_some() { Some(well_known) } else { asked.port }).filter(|port| *port != well_known);
    let port = port.map_or_else(String::new, |port| format!(":{port}"));
    let path = match &redirect.path {
        None => asked.path().to_owned(),
        Some(PathRewrite::Full(path)) => path.clone(),
        Some(PathRewrite::Prefix(prefix)) => {
            let rest = asked.path().strip_prefix(route.matches.path.path().trim_end_matches('/')).unwrap_or_default();
            let joined = format!("{}{rest}", prefix.trim_end_matches('/'));
            if joined.starts_with('/') { joined } else { format!("/{joined}") }
        }
    };
    let query = asked.query().map_or_else(String::new, |query| format!("?{query}"));
    format!("{}://{}{port}{path}{query}", if https { "https" } else { "http" }, in_url(&host))
}
