//! Where a route leads: its backends, and how each of their endpoints is.

use super::{World, trace};
use crate::model::{Action, Backend, LoadBalancing, Readiness, Route};

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
            Readiness::Probe(probe) => format!("{probe} every {} s", probe.period.as_secs()),
        },
        endpoints: backend.endpoints.iter().map(|address| endpoint(world, &backend.name, &address.to_string())).collect(),
    }
}

fn endpoint(world: World<'_>, backend: &str, address: &str) -> trace::Endpoint {
    let known = world.endpoints.and_then(|endpoints| endpoints.iter().find(|endpoint| endpoint.backend == backend && endpoint.address == address));
    match known {
        Some(known) => trace::Endpoint { address: address.to_owned(), state: known.state.to_string(), reason: known.reason.clone() },
        None => trace::Endpoint { address: address.to_owned(), state: "unknown".to_owned(), reason: "nothing has asked it".to_owned() },
    }
}
