//! What the log says once everything is served: what where, with which certificate until when, and where to look. So
//! many lines at most that they fit on a screen with those of `control` before them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::date::rfc3339;
use crate::model::{Check, PublishedSocket};
use crate::settings::Served;

/// So many certificates and so many sockets are named when the process starts, so that all that it says then fits on a
/// screen; the status page has the others.
const MOST_CERTIFICATES: usize = 2;
const MOST_SOCKETS: usize = 3;

/// What is served where, with which certificate until when, and where to look: a line each.
pub(super) fn tell(served: &Served, checks: Vec<Check>) {
    let snapshot = &served.snapshot;
    for certificate in snapshot.certificates.iter().take(MOST_CERTIFICATES) {
        let facts = certificate.pair.facts();
        let names: Vec<String> = facts.names.iter().map(ToString::to_string).collect();
        tracing::info!(target: "genkan", names = names.join(","), until = rfc3339(facts.not_after), source = %certificate.name, "certificate");
    }
    if let Some(more) = snapshot.certificates.len().checked_sub(MOST_CERTIFICATES).filter(|more| *more > 0) {
        tracing::info!(target: "genkan", more, "more certificates; genkan status and the status page have all of them");
    }
    for PublishedSocket { listeners, address, https } in served.sockets.iter().take(MOST_SOCKETS) {
        let protocol = if *https { "HTTPS" } else { "HTTP" };
        tracing::info!(target: "genkan", listeners = listeners.join(","), %address, protocol, "listening");
    }
    if let Some(more) = served.sockets.len().checked_sub(MOST_SOCKETS).filter(|more| *more > 0) {
        tracing::info!(target: "genkan", more, "listening at more addresses; the status page has all of them");
    }
    let socket = snapshot.process.admin_socket.as_ref().map(|path| path.display().to_string());
    if served.admin.is_some() || socket.is_some() {
        let address = served.admin.map(|address| address.to_string());
        let page = served.admin.map(|address| format!("http://{}/", reachable(address)));
        tracing::info!(target: "genkan", address, page, socket, "admin");
    }
    let routes = snapshot.shared().all().count();
    let (listeners, backends) = (snapshot.listeners.len(), snapshot.backends.len());
    let missing: Vec<String> = checks.into_iter().filter_map(|check| Some(format!("{}: {}", check.name, check.failure?))).collect();
    if missing.is_empty() {
        tracing::info!(target: "genkan", listeners, routes, backends, "ready");
    } else {
        tracing::warn!(target: "genkan", listeners, routes, backends, missing = missing.join("; "), "started, and not ready yet");
    }
}

/// Where an address that may be every one is found from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let here = if address.is_ipv6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    SocketAddr::new(if address.ip().is_unspecified() { here } else { address.ip() }, address.port())
}
