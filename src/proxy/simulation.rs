//! Balancing, probes, outliers and pooled connections together, over many seeds and hours of a clock that is turned by hand: what must hold
//! whatever endpoints do. A seed that fails is printed, and fails again.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::backend::{Backend, Endpoint, InFlight, running};
use super::balance::{Client, pick};
use super::clock::{in_millis, millis, simulated};
use super::error::ErrorKind;
use super::health::outlier::Outlier;
use super::health::verdict::{Outcome, Verdict};
use super::random::Random;
use super::timer::Timers;
use super::upstream::pool::{Pooled, Pools};
use crate::model::{self, BackendLimits, EndpointAddress, EndpointState, LoadBalancing, Outliers, Probe, Readiness};

const SEEDS: u64 = 300;
const STEPS: usize = 400;
const BALANCING: [LoadBalancing; 4] = [LoadBalancing::RoundRobin, LoadBalancing::LeastRequests, LoadBalancing::Random, LoadBalancing::Hash];

/// How an endpoint is in truth.
#[derive(Clone, Copy, PartialEq)]
enum Truth {
    Well,
    /// Its probe passes, and its requests fail.
    Faulty,
    /// Nothing listens.
    Down,
}

/// A connection to an endpoint. The pool has one half of it, or a request; the backend's half is in the world's hands.
struct Line(Rc<Wire>);

struct Wire {
    /// What the endpoint is known by.
    endpoint: u64,
    /// Closed by the backend, or it has said something unasked.
    spoilt: Cell<bool>,
    /// When it was last put into the pool; `None` while it carries a request.
    idle: Cell<Option<u64>>,
}

impl Wire {
    /// Not too old.
    fn is_fresh(&self) -> bool {
        self.idle.get().is_some_and(|since| millis() < since + in_millis(KEEP_ALIVE))
    }
}

impl Pooled for Line {
    fn is_idle(&self) -> bool {
        !self.0.spoilt.get()
    }

    fn rest(&mut self) {
        self.0.idle.set(Some(millis()));
    }
}

/// A request that is going on.
struct Open {
    /// Which endpoint it is at.
    at: usize,
    guard: InFlight,
    line: Line,
}

/// As long as an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(4);

struct World {
    random: Random,
    backend: Backend,
    probe: Probe,
    truths: Vec<Truth>,
    verdicts: Vec<Verdict>,
    requests: Vec<Open>,
    pools: Pools<Line>,
    /// Every connection that is not known to be gone.
    wires: Vec<Rc<Wire>>,
    timers: Timers,
}

impl World {
    fn new(seed: u64) -> Self {
        simulated::pass(Duration::ZERO);
        let random = Random::seeded(seed);
        let count = 1 + random.below(6);
        let limits = BackendLimits { requests_per_endpoint: 1 + random.below(5), ..BackendLimits::default() };
        let outliers = Outliers {
            consecutive_failures: 1 + u32::try_from(random.below(5)).unwrap(),
            share: u8::try_from(random.below(101)).unwrap(),
            ..Outliers::default()
        };
        let probe = Probe { failure_threshold: 1 + u32::try_from(random.below(3)).unwrap(), ..Probe::default() };
        let addresses: Vec<EndpointAddress> = (1..=count).map(|port| EndpointAddress::Localhost(u16::try_from(port).unwrap())).collect();
        let backend = running(model::Backend {
            endpoints: addresses,
            load_balancing: BALANCING[random.below(BALANCING.len())],
            readiness: Readiness::Probe(probe.clone()),
            limits,
            outliers: Some(outliers),
            ..model::Backend::default()
        });
        let verdicts = vec![Verdict::from(EndpointState::Unknown); count];
        Self {
            random,
            backend,
            probe,
            truths: vec![Truth::Well; count],
            verdicts,
            requests: Vec::new(),
            pools: Pools::default(),
            wires: Vec::new(),
            timers: Timers::default(),
        }
    }

    fn step(&mut self) {
        let endpoint = self.random.below(self.truths.len());
        match self.random.below(14) {
            0 => self.truths[endpoint] = [Truth::Well, Truth::Faulty, Truth::Down][self.random.below(3)],
            1 => simulated::pass(Duration::from_millis(self.random.next() % 20_000)),
            2..=4 => self.check(endpoint),
            5..=8 => self.ask(),
            9 => self.spoil(),
            10 => self.sweep(),
            _ => self.end(),
        }
        self.hold();
    }

    fn check(&mut self, endpoint: usize) {
        let outcome = match self.truths[endpoint] {
            Truth::Well | Truth::Faulty => Outcome::Passed(String::new()),
            Truth::Down => Outcome::Failed { why: String::new(), unreachable: true },
        };
        self.verdicts[endpoint].note(&outcome, &self.probe);
        self.backend.endpoints[endpoint].set_health(self.verdicts[endpoint].state, String::new());
    }

    fn client(&self) -> Client {
        Client { ip: IpAddr::from([192, 0, 2, u8::try_from(self.random.below(256)).unwrap()]), session: None }
    }

    fn ask(&mut self) {
        let limit = self.backend.model.limits.requests_per_endpoint;
        let may = self.backend.endpoints.iter().any(|endpoint| endpoint.is_ready() && endpoint.in_flight() < limit);
        let picked = pick(&self.backend, self.client(), &[], &self.random);
        let ready = self.backend.endpoints.iter().any(|endpoint| endpoint.is_ready());
        let Ok(picked) = picked else {
            assert!(!may, "somebody could have had it");
            assert_eq!(picked.err(), Some(if ready { ErrorKind::EndpointsFull } else { ErrorKind::NoReadyEndpoint }));
            return;
        };
        assert!(picked.is_ready(), "not ready, not used");
        let better = |endpoint: &Arc<Endpoint>| endpoint.is_ready() && endpoint.in_flight() < limit && !endpoint.is_avoided();
        assert!(!picked.is_avoided() || !self.backend.endpoints.iter().any(better), "left out while there are others");
        let index = self.backend.endpoints.iter().position(|endpoint| endpoint.id == picked.id).unwrap();
        let guard = self.backend.give(&picked, &self.timers).expect("it had room");
        let line = self.connect(picked.id);
        self.requests.push(Open { at: index, guard, line });
    }

    /// A connection from the pool, if there is one, or a new one.
    fn connect(&mut self, endpoint: u64) -> Line {
        let usable = |wire: &&Rc<Wire>| wire.endpoint == endpoint && !wire.spoilt.get() && wire.is_fresh();
        let youngest = self.wires.iter().filter(usable).filter_map(|wire| wire.idle.get()).max();
        let Some(line) = self.pools.take(endpoint) else {
            assert_eq!(youngest, None, "there was one");
            let wire = Rc::new(Wire { endpoint, spoilt: Cell::new(false), idle: Cell::new(None) });
            self.wires.push(wire.clone());
            return Line(wire);
        };
        assert_eq!(line.0.endpoint, endpoint, "it leads to another");
        assert!(!line.0.spoilt.get(), "nobody else may use what a backend has closed or spoken on");
        assert_eq!(line.0.idle.replace(None), youngest, "the one that was used last, and one that no request has");
        line
    }

    /// A backend closes a connection, or speaks unasked.
    fn spoil(&mut self) {
        if !self.wires.is_empty() {
            self.wires[self.random.below(self.wires.len())].spoilt.set(true);
        }
    }

    fn sweep(&mut self) {
        self.pools.sweep();
        // A wire of which nobody has the other half is gone.
        self.wires.retain(|wire| Rc::strong_count(wire) > 1);
        assert!(self.wires.iter().all(|wire| wire.idle.get().is_none() || wire.is_fresh()), "kept for too long");
    }

    /// One of the requests ends, as its endpoint is now.
    fn end(&mut self) {
        if self.requests.is_empty() {
            return;
        }
        let Open { at, guard, line } = self.requests.swap_remove(self.random.below(self.requests.len()));
        let failed = self.truths[at] != Truth::Well;
        if self.truths[at] == Truth::Down {
            guard.endpoint().suspect();
        } else if !line.0.spoilt.get() {
            self.pools.put(guard.endpoint().id, line, KEEP_ALIVE);
        }
        let before = self.ejected();
        let share = usize::from(self.backend.model.outliers.unwrap().share);
        if self.backend.note(guard.endpoint(), failed).is_some() {
            assert!((before + 1) * 100 <= self.truths.len() * share, "no more than their share is left out");
            assert_eq!(self.ejected(), before + 1);
        }
    }

    fn ejected(&self) -> usize {
        self.backend.endpoints.iter().filter(|endpoint| endpoint.is_ejected()).count()
    }

    /// What holds at any time.
    fn hold(&self) {
        for (index, endpoint) in self.backend.endpoints.iter().enumerate() {
            let requests = self.requests.iter().filter(|open| open.at == index).count();
            assert_eq!(endpoint.in_flight(), requests, "every request is counted once");
            assert!(requests <= self.backend.model.limits.requests_per_endpoint);
            assert_eq!(endpoint.is_ready(), self.verdicts[index].state == EndpointState::Ready);
        }
    }

    /// Once everything is well and time has passed, each has its share again.
    fn recover(&mut self) {
        self.requests.clear();
        self.truths.fill(Truth::Well);
        simulated::pass(Duration::from_secs(3600));
        (0..self.truths.len()).for_each(|endpoint| self.check(endpoint));
        let mut asked = vec![0; self.truths.len()];
        for _ in 0..1000 {
            self.ask();
            asked[self.requests.last().expect("all are ready").at] += 1;
            self.end();
        }
        assert!(asked.iter().all(|times| *times > 0), "{asked:?}");
    }
}

#[test]
fn whatever_endpoints_do_requests_go_where_they_may() {
    for seed in 0..SEEDS {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            (0..STEPS).for_each(|_| world.step());
            world.recover();
        });
        assert!(run.is_ok(), "seed {seed}");
    }
}

#[test]
fn an_outlier_is_never_left_out_for_longer_than_the_longest() {
    let limits = Outliers::default();
    let outlier = Outlier::default();
    let mut now = 1;
    for _ in 0..1000 {
        if let Some(time) = outlier.failed(&limits, now, || true) {
            assert!(time <= limits.longest);
            now += in_millis(time);
        }
        now += 1;
    }
}
