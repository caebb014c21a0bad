//! Where a request comes in, and whose routes it takes there.

use super::{Asked, Trace, trace};
use crate::model::{Host, Listener, RouteSet, SHARED, Snapshot};
use crate::route::behind_localhost;

/// The listener of the asked port, else the first that speaks the protocol; one that an Ingress has for itself is meant
/// where nobody else knows the host.
pub(super) fn choose<'s>(snapshot: &'s Snapshot, asked: &Asked, trace: &mut Trace) -> Option<&'s Listener> {
    let speaks = || snapshot.listeners.iter().map(|listener| &**listener).filter(|listener| listener.is_https() == asked.https);
    let address = |listener: &&Listener| asked.host.parse().is_ok_and(|ip: std::net::IpAddr| listener.address.get().ip() == ip);
    let port = |listener: &&Listener| asked.port.is_some_and(|port| listener.address.port() == port || listener.public_port == Some(port));
    let own = || {
        let knows = |set: &RouteSet| Host::parse(&asked.host).is_ok_and(|host| knows(set, &host));
        let is_known = snapshot.route_sets.first().is_some_and(|set| knows(set) || set.routes.iter().any(|route| route.matches.hosts.is_empty()));
        let of_set = |listener: &&Listener| snapshot.route_sets.iter().any(|set| set.name == listener.route_set && knows(set));
        if is_known { None } else { speaks().filter(|listener| &*listener.route_set != SHARED).find(of_set) }
    };
    let named =
        asked.listener.as_ref().and_then(|name| snapshot.listeners.iter().map(|listener| &**listener).find(|listener| listener.name == *name));
    let protocol = if asked.https { "HTTPS" } else { "HTTP" };
    let (listener, why) = named
        .map(|listener| (listener, "the one that was asked for".to_owned()))
        .or_else(|| speaks().find(address).map(|listener| (listener, "it has this address for itself".to_owned())))
        .or_else(|| {
            own().map(|listener| (listener, format!("Ingress {} has this address for itself, and nobody else knows the host", listener.route_set)))
        })
        .or_else(|| speaks().find(port).map(|listener| (listener, "the one of this port".to_owned())))
        .or_else(|| speaks().next().map(|listener| (listener, format!("the first for {protocol}; the port is that of whoever stands before it"))))?;
    trace.listener = Some(trace::Listener { name: listener.name.clone(), address: listener.address.to_string(), why });
    Some(listener)
}

/// The set of the listener or of an alias, and the host that the request is routed as.
pub(super) fn set<'s>(snapshot: &'s Snapshot, listener: &Listener, asked: &Asked, trace: &mut Trace) -> (&'s RouteSet, String) {
    let of_listener = snapshot.route_sets.iter().find(|set| set.name == listener.route_set).map_or(snapshot.shared(), AsRef::as_ref);
    for set in &snapshot.route_sets {
        let Some(alias) = set.alias.as_ref().filter(|alias| alias.host.as_str() == asked.host) else { continue };
        let host = alias.stands_for.as_ref().map_or_else(|| asked.host.clone(), ToString::to_string);
        trace.alias =
            Some(format!("{} is Ingress {} alone{}", asked.host, set.name, if host == asked.host { String::new() } else { format!(", as {host}") }));
        trace.route_set = set.name.to_string();
        return (set, host);
    }
    trace.route_set = of_listener.name.to_string();
    if snapshot.localhost_aliases
        && let Some(meant) = behind_localhost(&asked.host, |host| Host::parse(host).is_ok_and(|host| knows(of_listener, &host)))
    {
        trace.alias = Some(format!("{} stands for {meant}", asked.host));
        return (of_listener, meant.to_owned());
    }
    (of_listener, asked.host.clone())
}

/// Whether a route of the set names the host.
pub(super) fn knows(set: &RouteSet, host: &Host) -> bool {
    set.routes.iter().flat_map(|route| &route.matches.hosts).any(|pattern| pattern.matches(host))
}
