use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::model::{self, EndpointAddress, EndpointState, Readiness};
use crate::proxy::backend::running;

const ALGORITHMS: [LoadBalancing; 4] = [LoadBalancing::RoundRobin, LoadBalancing::LeastRequests, LoadBalancing::Random, LoadBalancing::Hash];

fn backend(load_balancing: LoadBalancing, ready: &[bool]) -> Backend {
    let endpoints = (1..=ready.len()).map(|port| EndpointAddress::Localhost(u16::try_from(port).unwrap())).collect();
    let backend = running(model::Backend { endpoints, load_balancing, readiness: Readiness::Assumed, ..model::Backend::default() });
    for (endpoint, ready) in backend.endpoints.iter().zip(ready) {
        endpoint.set_health(if *ready { EndpointState::Ready } else { EndpointState::NotReady }, String::new());
    }
    backend
}

fn client(last: u8) -> Client {
    Client { ip: IpAddr::from([192, 0, 2, last]), session: None }
}

fn session(last: u8) -> Client {
    Client { ip: IpAddr::from([192, 0, 2, 1]), session: Some(mix(last.into())) }
}

fn counts(backend: &Backend, picks: usize) -> HashMap<u64, usize> {
    let random = Random::seeded(7);
    let mut counts = HashMap::new();
    for index in 0..picks {
        let picked = pick(backend, client(u8::try_from(index % 256).unwrap()), &[], &random).unwrap();
        *counts.entry(picked.id).or_default() += 1;
    }
    counts
}

#[test]
fn every_algorithm_spreads_over_all_endpoints() {
    for algorithm in ALGORITHMS {
        let backend = backend(algorithm, &[true; 4]);
        let counts = counts(&backend, 1024);
        assert!(counts.len() == 4 && counts.values().all(|count| (150..=400).contains(count)), "{algorithm:?} {counts:?}");
    }
}

#[test]
fn the_less_busy_is_preferred() {
    let backend = backend(LoadBalancing::LeastRequests, &[true; 2]);
    let _busy: Vec<_> = (0..5).map(|_| backend.endpoints[0].acquire(5).unwrap()).collect();
    assert_eq!(counts(&backend, 100).get(&backend.endpoints[0].id), None);
}

#[test]
fn a_client_keeps_its_endpoint_when_another_goes() {
    for (algorithm, client) in [(LoadBalancing::Hash, client as fn(u8) -> Client), (LoadBalancing::LeastRequests, session)] {
        let backend = backend(algorithm, &[true; 5]);
        let random = Random::seeded(1);
        let before: Vec<u64> = (0..=255).map(|last| pick(&backend, client(last), &[], &random).unwrap().id).collect();
        let gone = &backend.endpoints[2];
        assert!((20..90).contains(&before.iter().filter(|id| **id == gone.id).count()), "clients are spread evenly");
        gone.set_health(EndpointState::NotReady, String::new());
        for (last, before) in (0..=255).zip(before) {
            let now = pick(&backend, client(last), &[], &random).unwrap().id;
            assert!(now == before || before == gone.id, "client {last} moved without need");
        }
    }
}

#[test]
fn a_session_goes_elsewhere_while_its_endpoint_cannot_be_used() {
    let backend = backend(LoadBalancing::RoundRobin, &[true; 3]);
    let random = Random::seeded(1);
    let own = pick(&backend, session(7), &[], &random).unwrap();
    let other = pick(&backend, session(7), &[own.id], &random).unwrap();
    assert_ne!(other.id, own.id);
    assert_eq!(pick(&backend, session(7), &[], &random).unwrap().id, own.id, "and comes back");
}

#[test]
fn avoided_and_tried_endpoints_are_the_last_resort() {
    for algorithm in ALGORITHMS {
        let backend = backend(algorithm, &[true, true]);
        let [first, second] = [&backend.endpoints[0], &backend.endpoints[1]];
        let random = Random::seeded(3);
        first.suspect();
        assert_eq!(pick(&backend, client(1), &[], &random).unwrap().id, second.id, "{algorithm:?}");
        assert_eq!(pick(&backend, client(1), &[second.id], &random).unwrap().id, first.id, "{algorithm:?}");
        assert!(pick(&backend, client(1), &[first.id, second.id], &random).is_ok(), "{algorithm:?}");
    }
}

#[test]
fn an_endpoint_that_has_left_is_used_until_what_it_has_is_cut() {
    for algorithm in ALGORITHMS {
        let backend = backend(algorithm, &[true]);
        let random = Random::seeded(3);
        backend.endpoints[0].cut_after(Duration::from_secs(60));
        assert!(pick(&backend, client(1), &[], &random).is_ok(), "{algorithm:?}");
        backend.endpoints[0].cut_after(Duration::ZERO);
        assert_eq!(pick(&backend, client(1), &[], &random).err(), Some(ErrorKind::NoReadyEndpoint), "{algorithm:?}");
    }
}

proptest! {
    #[test]
    fn only_ready_endpoints_are_picked(ready in proptest::collection::vec(any::<bool>(), 0..8), seed: u64, algorithm in 0..4_usize, last: u8) {
        let backend = backend(ALGORITHMS[algorithm], &ready);
        let random = Random::seeded(seed);
        match pick(&backend, client(last), &[], &random) {
            Ok(picked) => prop_assert!(picked.is_ready()),
            Err(kind) => {
                prop_assert_eq!(kind, ErrorKind::NoReadyEndpoint);
                prop_assert!(!ready.contains(&true));
            }
        }
    }
}
