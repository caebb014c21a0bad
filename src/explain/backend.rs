//! Where a route leads: its backends, and how each of their endpoints is.

use super::{World, trace};
use crate::model::{Action, Backend, LoadBalancing, Probe, ProbeAction, ProbeSuccess, Readiness, Route};

pub(super) fn all(world: World<'_>, route: &Route) -> Vec<trace::Backend> {
    let Action::Forward(targets) = &route.action else { return Vec::new() };
    let find = |name: &str| world.snapshot.backends.iter().find(|backend| backend.name == name);
    targets
        .iter()
        .map(|target| match find(&target.backend) {
            Some(backend) => describe(world, backend, target.weight),
            None => trace::Backend {
                name: target.backend.clone(),
                weight: target.weight,
                load_balancing: "it does not exist".to_owned(),
                probe: String::new(),
                draining_seconds: None,
                endpoints: Vec::new(),
            },
        })
        .collect()
}

fn describe(world: World<'_>, backend: &Backend, weight: u32) -> trace::Backend {
    let affinity = backend.affinity.as_ref().map_or_else(String::new, |cookie| format!(", by the cookie {}", cookie.name));
    let how = match backend.load_balancing {
        LoadBalancing::RoundRobin => "in turn",
        LoadBalancing::LeastRequests => "the less busy of two",
        LoadBalancing::Random => "at random",
        LoadBalancing::Hash => "by the client's address",
    };
    trace::Backend {
        name: backend.name.clone(),
        weight,
        load_balancing: format!("{how}{affinity}"),
        probe: match &backend.readiness {
            Readiness::Assumed => "never asked: assumed ready".to_owned(),
            Readiness::Probe(probe) => checks(probe),
        },
        draining_seconds: backend.draining.map(|draining| draining.as_secs()),
        endpoints: backend.endpoints.iter().map(|address| endpoint(world, &backend.name, &address.to_string())).collect(),
    }
}

fn checks(probe: &Probe) -> String {
    let Probe { period, timeout, success_threshold, failure_threshold, .. } = probe;
    let only = if probe.success == ProbeSuccess::Exactly200 { "200 alone" } else { "200 to 399" };
    let passes = if matches!(probe.action, ProbeAction::HttpGet { .. }) { format!(", {only} passes") } else { String::new() };
    format!(
        "{probe} every {} s, within {} s{passes}; {success_threshold} to join, {failure_threshold} to leave",
        period.as_secs_f64(),
        timeout.as_secs_f64()
    )
}

fn endpoint(world: World<'_>, backend: &str, address: &str) -> trace::Endpoint {
    let known = world.endpoints.and_then(|endpoints| endpoints.iter().find(|endpoint| endpoint.backend == backend && endpoint.address == address));
    match known {
        Some(known) => trace::Endpoint { address: address.to_owned(), state: known.state.to_string(), reason: known.reason.clone() },
        None => trace::Endpoint { address: address.to_owned(), state: "unknown".to_owned(), reason: "nothing has asked it".to_owned() },
    }
}
