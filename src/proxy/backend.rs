//! Backends and endpoints as they run: how busy an endpoint is, and whether it may be used. An endpoint is found again
//! across configurations by its identity, so that a reload forgets nothing. Which one is picked is `balance`'s matter,
//! and what makes one ready is `health`'s.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use super::clock::{in_millis, millis};
use super::health::outlier::Outlier;
use super::outbound::OutboundPermit;
use super::room::Room;
use super::timer::{Timer, Timers};
use crate::model::{self, EndpointAddress, EndpointState, PROBES_KEPT, ProbeResult, Readiness};
use crate::telemetry::Label;

/// A backend under the current configuration.
pub struct Backend {
    /// What the configuration says.
    pub model: Arc<model::Backend>,
    /// Its name in metrics.
    pub label: Label,
    /// In the order of the configuration.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Whose turn it is, for round robin.
    pub turn: AtomicUsize,
    /// How many requests may be sent a second time now.
    pub retries: RetryBudget,
    /// Who waits for an endpoint with room; the same across configurations.
    pub room: Arc<Room>,
}

/// Who an endpoint is: the same across configurations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointIdentity {
    /// Name of its backend.
    pub backend: Arc<str>,
    /// Where it listens.
    pub address: EndpointAddress,
}

/// One address of a backend, with its load and its readiness.
pub struct Endpoint {
    /// Who it is.
    pub identity: EndpointIdentity,
    /// The address as text, for logs.
    pub name: String,
    /// Its key in pools; never used twice in a process.
    pub id: u64,
    load: CachePadded<Load>,
    connections: AtomicUsize,
    ready: AtomicBool,
    /// What is behind `ready`.
    health: Mutex<Health>,
    /// Until when, as [`millis`] counts, it is only used if there is no other: a connection to it was refused.
    avoided_until: AtomicU64,
    /// When what it still has is cut, as [`millis`] counts; 0: never.
    cut_at: AtomicU64,
    /// For `localhost`: the candidate that answered last.
    candidate: AtomicU32,
    /// What requests say of it.
    outlier: Outlier,
    /// Who waits for it, or for another of its backend.
    room: Arc<Room>,
    /// Wakes its prober: somebody has seen it fail.
    pub suspected: Notify,
}

/// What is known of an endpoint's readiness, for people.
#[derive(Clone, Debug)]
pub struct Health {
    /// Whether it gets requests, and if not, whether a check has ended at all.
    pub state: EndpointState,
    /// The last result in plain words.
    pub reason: String,
    /// Since when it is in this state.
    pub since: SystemTime,
    /// The last results, the newest last.
    pub probes: VecDeque<ProbeResult>,
}

/// What an endpoint has to do. Both are written together, so that they cost one cache line.
#[derive(Default)]
struct Load {
    in_flight: AtomicUsize,
    /// How many it has been given so far.
    given: AtomicU64,
}

/// A connection that is open to an endpoint. Dropping it says that it no longer is.
pub struct OpenConnection {
    endpoint: Arc<Endpoint>,
    _permit: OutboundPermit,
}

/// A request that an endpoint has now. Dropping it says that it has it no longer.
pub struct InFlight {
    endpoint: Arc<Endpoint>,
    cut: Option<Rc<Cut>>,
}

/// Where a backend limits how long an endpoint may have its requests after it has left: waits for the end of that.
pub struct Cut {
    endpoint: Arc<Endpoint>,
    timer: Timer,
}

/// How long an endpoint is avoided after a connection to it was refused.
const AVOIDED: Duration = Duration::from_secs(1);

/// Keeps a counter that every worker writes on a cache line of its own.
#[repr(align(128))]
#[derive(Default)]
struct CachePadded<T>(T);

impl Endpoint {
    /// An endpoint that nothing is known of.
    pub fn new(identity: EndpointIdentity, readiness: &Readiness, room: Arc<Room>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let endpoint = Self {
            name: identity.address.to_string(),
            identity,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            load: CachePadded::default(),
            connections: AtomicUsize::new(0),
            ready: AtomicBool::new(false),
            health: Mutex::new(Health::unknown()),
            avoided_until: AtomicU64::new(0),
            cut_at: AtomicU64::new(0),
            candidate: AtomicU32::new(0),
            outlier: Outlier::default(),
            room,
            suspected: Notify::new(),
        };
        if *readiness == Readiness::Assumed {
            endpoint.set_health(EndpointState::Ready, "assumed ready: assumeReady is set".to_owned());
        }
        endpoint
    }

    /// Whether it may get requests.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Whether it may get one more request.
    pub fn has_room(&self, limit: usize) -> bool {
        self.in_flight() < limit
    }

    /// Requests it has now.
    pub fn in_flight(&self) -> usize {
        self.load.0.in_flight.load(Ordering::SeqCst)
    }

    /// Requests it has been given so far.
    pub fn given(&self) -> u64 {
        self.load.0.given.load(Ordering::Relaxed)
    }

    /// Connections that are open to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts a connection that is open to it from now on.
    pub fn connected(self: &Arc<Self>, permit: OutboundPermit) -> OpenConnection {
        self.connections.fetch_add(1, Ordering::Relaxed);
        OpenConnection { endpoint: self.clone(), _permit: permit }
    }

    /// Gives it a request, if it has fewer than `limit`.
    pub fn acquire(self: &Arc<Self>, limit: usize) -> Option<InFlight> {
        let one_more = |requests: usize| (requests < limit).then_some(requests + 1);
        self.load.0.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
        self.load.0.given.fetch_add(1, Ordering::Relaxed);
        Some(InFlight { endpoint: self.clone(), cut: None })
    }

    /// It has left the configuration; what it still has is cut after `limit`.
    pub fn cut_after(&self, limit: Duration) {
        self.cut_at.store(millis().saturating_add(in_millis(limit)), Ordering::Relaxed);
    }

    /// Whether it has left, and what it had is cut.
    pub fn is_cut(&self) -> bool {
        let at = self.cut_at.load(Ordering::Relaxed);
        at != 0 && at <= millis()
    }

    /// What is known of it.
    pub fn health(&self) -> Health {
        self.lock_health().clone()
    }

    /// Keeps the result of a probe.
    pub fn keep_probe(&self, mut result: ProbeResult) {
        let mut health = self.lock_health();
        if health.probes.len() == PROBES_KEPT {
            health.probes.pop_front();
        }
        if let Some(last) = health.probes.back()
            && last.answer == result.answer
        {
            result.answer = last.answer.clone();
        }
        health.probes.push_back(result);
    }

    fn lock_health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what is known of it; says whether the state is another one than before.
    pub fn set_health(&self, state: EndpointState, reason: String) -> bool {
        let mut health = self.lock_health();
        let changed = health.state != state;
        if changed {
            health.since = SystemTime::now();
        }
        health.state = state;
        health.reason = reason;
        self.ready.store(state == EndpointState::Ready, Ordering::Release);
        if changed {
            self.room.opened();
        }
        changed
    }

    /// A connection to it was refused: others are used for a moment, and its prober looks at once.
    pub fn suspect(&self) {
        self.avoided_until.store(millis() + in_millis(AVOIDED), Ordering::Relaxed);
        self.suspected.notify_one();
    }

    /// It answered: there is no reason to avoid it.
    pub fn trust(&self) {
        if self.avoided_until.load(Ordering::Relaxed) != 0 {
            self.avoided_until.store(0, Ordering::Relaxed);
        }
    }

    /// Whether it is only to be used if there is no other.
    pub fn is_avoided(&self) -> bool {
        let until = self.avoided_until.load(Ordering::Relaxed);
        (until != 0 && until > millis()) || self.is_ejected()
    }

    /// Whether it is left out because requests to it failed.
    pub fn is_ejected(&self) -> bool {
        self.outlier.is_ejected(millis())
    }

    /// Which of the address' candidates to try first.
    pub fn candidate(&self) -> usize {
        self.candidate.load(Ordering::Relaxed) as usize
    }

    /// Remembers the candidate that answered.
    pub fn set_candidate(&self, candidate: usize) {
        self.candidate.store(u32::try_from(candidate).unwrap_or(0), Ordering::Relaxed);
    }
}

impl Health {
    fn unknown() -> Self {
        Self { state: EndpointState::Unknown, reason: "not checked yet".to_owned(), since: SystemTime::now(), probes: VecDeque::new() }
    }
}

impl InFlight {
    /// Whose request it is.
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Ready once its endpoint has left for too long. Never so where the backend has no limit for that.
    pub fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.cut.as_ref().map_or(Poll::Pending, |cut| cut.poll(cx))
    }

    /// What its end is told by, if it has one of this kind.
    pub fn cut(&self) -> Option<&Rc<Cut>> {
        self.cut.as_ref()
    }
}

impl Cut {
    /// Ready once the endpoint has left for too long.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.endpoint.cut_at.load(Ordering::Relaxed);
        if at != 0 {
            self.timer.set(Duration::from_millis(at.saturating_sub(millis())));
        }
        self.timer.poll(cx)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.endpoint.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.endpoint.load.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.endpoint.room.freed();
    }
}

impl Backend {
    /// A backend that has had no request yet. `room` is its endpoints', too.
    pub fn new(model: Arc<model::Backend>, label: Label, endpoints: Vec<Arc<Endpoint>>, room: Arc<Room>) -> Self {
        Self { model, label, endpoints, turn: AtomicUsize::new(0), retries: RetryBudget::default(), room }
    }

    /// Gives one of its endpoints a request; `None`: others have been faster, and it has as many as it may.
    pub fn give(&self, endpoint: &Arc<Endpoint>, timers: &Timers) -> Option<InFlight> {
        let mut guard = endpoint.acquire(self.model.limits.requests_per_endpoint)?;
        guard.cut = self.model.draining.map(|_| Rc::new(Cut { endpoint: endpoint.clone(), timer: timers.timer() }));
        Some(guard)
    }

    /// Takes what became of a request at one of its endpoints. Returns for how long that is left out, if it is from now on.
    pub fn note(&self, endpoint: &Endpoint, failed: bool) -> Option<Duration> {
        let limits = self.model.outliers.as_ref()?;
        if !failed {
            endpoint.outlier.succeeded();
            return None;
        }
        let ejected = || self.endpoints.iter().filter(|other| other.is_ejected()).count();
        endpoint.outlier.failed(limits, millis(), || (ejected() + 1) * 100 <= self.endpoints.len() * usize::from(limits.share))
    }
}

/// How many requests of a backend may be sent again: a fifth of what it gets, and ten a second at least, so that a
/// backend in trouble is not asked twice as much.
pub struct RetryBudget {
    /// Tenths of a retry.
    tokens: AtomicUsize,
    /// When the minimum was last topped up, as [`millis`] counts.
    filled: AtomicU64,
}

const TOKENS_A_RETRY: usize = 10;
const TOKENS_A_REQUEST: usize = 2;
const MINIMUM: usize = 10 * TOKENS_A_RETRY;
const MAXIMUM: usize = 1000 * TOKENS_A_RETRY;

impl Default for RetryBudget {
    fn default() -> Self {
        Self { tokens: AtomicUsize::new(MINIMUM), filled: AtomicU64::new(millis()) }
    }
}

impl RetryBudget {
    /// Notes a request that came.
    pub fn deposit(&self) {
        // A lost update costs a fifth of a retry; no request waits for another one here.
        let tokens = self.tokens.load(Ordering::Relaxed);
        if tokens < MAXIMUM {
            self.tokens.store(tokens + TOKENS_A_REQUEST, Ordering::Relaxed);
        }
    }

    /// Takes a retry, if there is one.
    pub fn withdraw(&self) -> bool {
        let now = millis();
        if now.saturating_sub(self.filled.load(Ordering::Relaxed)) >= 1000 {
            self.filled.store(now, Ordering::Relaxed);
            self.tokens.fetch_max(MINIMUM, Ordering::Relaxed);
        }
        self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| tokens.checked_sub(TOKENS_A_RETRY)).is_ok()
    }
}

/// A client's address as `Hash` balancing and limits see it: IPv6 clients by their /64, which is what a customer gets.
pub fn client_key(ip: IpAddr) -> u64 {
    match ip.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        // The upper half: shifting makes it fit.
        IpAddr::V6(v6) => u64::try_from(v6.to_bits() >> 64).unwrap_or(u64::MAX),
    }
}

/// A backend as it runs, of which nothing is known.
#[cfg(test)]
pub fn running(model: model::Backend) -> Backend {
    let room: Arc<Room> = Arc::default();
    let endpoint = |address: &EndpointAddress| {
        let identity = EndpointIdentity { backend: model.name.as_str().into(), address: *address };
        Arc::new(Endpoint::new(identity, &model.readiness, room.clone()))
    };
    let endpoints = model.endpoints.iter().map(endpoint).collect();
    Backend::new(Arc::new(model), Label::NONE, endpoints, room)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_share_of_requests_with_a_minimum() {
        let budget = RetryBudget::default();
        let taken = std::iter::repeat_with(|| budget.withdraw()).take_while(|taken| *taken).count();
        assert_eq!(taken, 10, "the minimum");
        (0..50).for_each(|_| budget.deposit());
        let taken = std::iter::repeat_with(|| budget.withdraw()).take_while(|taken| *taken).count();
        assert_eq!(taken, 10, "a fifth of fifty");
    }

    #[test]
    fn a_guard_gives_its_place_back() {
        let identity = EndpointIdentity { backend: "web".into(), address: EndpointAddress::Localhost(1) };
        let endpoint = Arc::new(Endpoint::new(identity, &Readiness::Assumed, Arc::default()));
        let guards = [endpoint.acquire(2).unwrap(), endpoint.acquire(2).unwrap()];
        assert!(endpoint.acquire(2).is_none(), "it has as many as it may");
        assert_eq!(endpoint.in_flight(), 2);
        drop(guards);
        assert_eq!(endpoint.in_flight(), 0);
    }
}
