//! Which endpoint a request goes to, among those that may be used. One function an algorithm; none of them waits, and
//! what may be used is decided once, in `pick`.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::backend::{Backend, Endpoint, client_key};
use super::error::ErrorKind;
use super::random::{Random, mix};
use crate::model::LoadBalancing;

/// For whom an endpoint is picked.
#[derive(Clone, Copy)]
pub struct Client {
    /// Where it comes from.
    pub ip: IpAddr,
    /// By what it comes back to the endpoint it had, whatever the algorithm.
    pub session: Option<u64>,
}

/// Picks an endpoint that is ready, has room and is not among those that were `tried`; one of those again only if
/// there is no other.
pub fn pick(backend: &Backend, client: Client, tried: &[u64], random: &Random) -> Result<Arc<Endpoint>, ErrorKind> {
    let limit = backend.model.limits.requests_per_endpoint;
    let usable = |endpoint: &Endpoint| endpoint.is_ready() && endpoint.has_room(limit) && !endpoint.is_cut();
    let fresh = |endpoint: &Endpoint| usable(endpoint) && !tried.contains(&endpoint.id);
    let good = |endpoint: &Endpoint| fresh(endpoint) && !endpoint.is_avoided();
    let found = by_algorithm(backend, client, random, good)
        .or_else(|| by_algorithm(backend, client, random, fresh))
        .or_else(|| by_algorithm(backend, client, random, usable));
    match found {
        Some(endpoint) => Ok(endpoint.clone()),
        None if backend.endpoints.iter().any(|endpoint| endpoint.is_ready() && !endpoint.is_cut()) => Err(ErrorKind::EndpointsFull),
        None => Err(ErrorKind::NoReadyEndpoint),
    }
}

fn by_algorithm<'b>(backend: &'b Backend, client: Client, random: &Random, may: impl Fn(&Endpoint) -> bool) -> Option<&'b Arc<Endpoint>> {
    let endpoints = &backend.endpoints;
    if let Some(session) = client.session {
        return highest_score(endpoints, session, may);
    }
    match backend.model.load_balancing {
        LoadBalancing::RoundRobin => from(endpoints, backend.turn.fetch_add(1, Ordering::Relaxed), may),
        LoadBalancing::Random => one_of(endpoints, random, &may),
        LoadBalancing::LeastRequests => less_busy(endpoints, random, &may),
        LoadBalancing::Hash => highest_score(endpoints, mix(client_key(client.ip)), may),
    }
}

/// The first that may be used, from a place on and around.
fn from(endpoints: &[Arc<Endpoint>], start: usize, may: impl Fn(&Endpoint) -> bool) -> Option<&Arc<Endpoint>> {
    let start = start.checked_rem(endpoints.len())?;
    let (before, after) = endpoints.split_at(start);
    after.iter().chain(before).find(|endpoint| may(endpoint))
}

/// Any that may be used, each as likely as the others: counting them first costs less than being unfair.
fn one_of<'e>(endpoints: &'e [Arc<Endpoint>], random: &Random, may: &impl Fn(&Endpoint) -> bool) -> Option<&'e Arc<Endpoint>> {
    match endpoints {
        [] => None,
        [only] => may(only).then_some(only),
        several => {
            let guess = &several[random.below(several.len())];
            if may(guess) {
                return Some(guess);
            }
            let count = several.iter().filter(|endpoint| may(endpoint)).count();
            let nth = random.below(count.max(1));
            several.iter().filter(|endpoint| may(endpoint)).nth(nth)
        }
    }
}

/// The less busy of two at random: nearly as even as looking at all of them, and without a herd running to one.
fn less_busy<'e>(endpoints: &'e [Arc<Endpoint>], random: &Random, may: &impl Fn(&Endpoint) -> bool) -> Option<&'e Arc<Endpoint>> {
    let first = one_of(endpoints, random, may)?;
    let other = one_of(endpoints, random, &|endpoint: &Endpoint| endpoint.id != first.id && may(endpoint));
    match other {
        Some(other) if other.in_flight() < first.in_flight() => Some(other),
        _ => Some(first),
    }
}

/// Rendezvous hashing: when an endpoint goes, only its own clients move.
fn highest_score(endpoints: &[Arc<Endpoint>], client: u64, may: impl Fn(&Endpoint) -> bool) -> Option<&Arc<Endpoint>> {
    endpoints.iter().filter(|endpoint| may(endpoint)).max_by_key(|endpoint| mix(client ^ address_key(endpoint)))
}

/// The same in every process, so that replicas send a client to the same endpoint.
fn address_key(endpoint: &Endpoint) -> u64 {
    endpoint.name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| mix(hash ^ u64::from(byte)))
}

#[cfg(test)]
mod tests;
