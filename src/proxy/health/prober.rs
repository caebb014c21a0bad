//! When endpoints are checked: a task for each, on a thread of their own, so that a busy worker delays no check. The
//! verdict is kept at the endpoint, where balancing reads it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::changes::Changes;
use super::check::Checker;
use super::verdict::{FAST, Outcome, Verdict};
use crate::drain::{Drain, Stage};
use crate::model::{EndpointState, Probe, ProbeResult, Readiness};
use crate::proxy::backend::{Backend, Endpoint};
use crate::proxy::random::Random;
use crate::proxy::worker::Ended;
use crate::telemetry::{Label, Metrics};

/// How the prober is told what to check.
pub struct Prober {
    backends: mpsc::UnboundedSender<Vec<Arc<Backend>>>,
}

/// A backend of which no endpoint has been ready for this long is worth a warning.
const NEVER_READY: Duration = Duration::from_secs(10);

impl Prober {
    /// Starts the thread.
    pub fn start(metrics: Arc<Metrics>, drain: Drain, ended: Ended) -> io::Result<(Self, JoinHandle<()>)> {
        // One entry a configuration, and the reader takes them as they come.
        let (backends, changes) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new().name("probes".to_owned()).spawn(move || {
            let _ended = ended;
            match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => runtime.block_on(async {
                    let probing = Probing { checker: Rc::new(Checker::new()), changes: Rc::default(), metrics, tasks: HashMap::new() };
                    tokio::select! {
                        () = probing.run(changes) => {}
                        () = drain.reached(Stage::Stopped) => {}
                    }
                }),
                Err(error) => tracing::error!(%error, "probes cannot start"),
            }
        })?;
        Ok((Self { backends }, thread))
    }

    /// Replaces what is checked.
    pub fn watch(&self, backends: Vec<Arc<Backend>>) {
        let _ = self.backends.send(backends); // A prober that is gone ends the process.
    }
}

struct Probing {
    checker: Rc<Checker>,
    changes: Rc<Changes>,
    metrics: Arc<Metrics>,
    /// By endpoint.
    tasks: HashMap<u64, Task>,
}

struct Task {
    probe: Probe,
    /// What the task says of its backend.
    backend: Rc<RefCell<Arc<Backend>>>,
    handle: tokio::task::JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl Probing {
    async fn run(mut self, mut changes: mpsc::UnboundedReceiver<Vec<Arc<Backend>>>) {
        while let Some(backends) = changes.recv().await {
            let mut before = std::mem::take(&mut self.tasks);
            for backend in &backends {
                for endpoint in &backend.endpoints {
                    self.follow(backend, endpoint, &mut before);
                }
            }
            // What is left of `before` is no longer wanted, and ends here.
        }
    }

    fn follow(&mut self, backend: &Arc<Backend>, endpoint: &Arc<Endpoint>, before: &mut HashMap<u64, Task>) {
        let Readiness::Probe(probe) = &backend.model.readiness else {
            endpoint.set_health(EndpointState::Ready, "assumed ready: assumeReady is set".to_owned());
            return;
        };
        let task = match before.remove(&endpoint.id) {
            Some(task) if task.probe == *probe => {
                task.backend.replace(backend.clone());
                task
            }
            stale => {
                if stale.is_some() {
                    let health = endpoint.health();
                    endpoint.set_health(health.state, format!("{} (by the probe before; the new one has not decided yet)", health.reason));
                }
                let shared = Rc::new(RefCell::new(backend.clone()));
                let watching = Watching {
                    checker: self.checker.clone(),
                    changes: self.changes.clone(),
                    metrics: self.metrics.clone(),
                    label: backend.label,
                    backend: shared.clone(),
                    endpoint: endpoint.clone(),
                    probe: probe.clone(),
                };
                Task { probe: probe.clone(), backend: shared, handle: tokio::task::spawn_local(watching.run()) }
            }
        };
        self.tasks.insert(endpoint.id, task);
    }
}

/// If its check panics, an endpoint must not stay what it was for ever.
struct Unchecked(Arc<Endpoint>);

impl Drop for Unchecked {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_health(EndpointState::NotReady, "its check failed inside genkan, which is a defect; the log has more".to_owned());
        }
    }
}

/// Up to a tenth less at random, so that the checks of many endpoints do not come at one time.
fn scattered(pause: Duration, random: &Random) -> Duration {
    let tenth = usize::try_from(pause.as_millis() / 10).unwrap_or(usize::MAX);
    pause.saturating_sub(Duration::from_millis(random.below(tenth.max(1)) as u64))
}

/// The checks of one endpoint.
struct Watching {
    checker: Rc<Checker>,
    changes: Rc<Changes>,
    metrics: Arc<Metrics>,
    label: Label,
    /// Under the current configuration, for its other endpoints: the warning is about all of them.
    backend: Rc<RefCell<Arc<Backend>>>,
    endpoint: Arc<Endpoint>,
    probe: Probe,
}

impl Watching {
    async fn run(self) {
        let _unchecked = Unchecked(self.endpoint.clone());
        let random = Random::new();
        let mut verdict = Verdict::from(self.endpoint.health().state);
        let mut warn_at = (verdict.state == EndpointState::Unknown).then(|| Instant::now() + NEVER_READY + self.probe.initial_delay);
        loop {
            let (at, started) = (SystemTime::now(), Instant::now());
            let Some(outcome) = self.checker.check(self.endpoint.identity.address, &self.probe).await else {
                sleep(FAST).await;
                continue;
            };
            let (passed, answer) = outcome.in_words();
            self.endpoint.keep_probe(ProbeResult { at, duration: started.elapsed(), passed, answer: answer.into() });
            self.metrics.probe(self.label, passed);
            verdict.note(&outcome, &self.probe);
            self.tell(&verdict, &outcome);
            if verdict.state == EndpointState::Ready {
                warn_at = None;
            } else if warn_at.is_some_and(|at| at <= Instant::now()) {
                warn_at = None;
                self.warn(&outcome);
            }
            let checked = Instant::now();
            tokio::select! {
                () = sleep(scattered(verdict.pause(&self.probe), &random)) => {}
                // Requests that fail may ask for a check at once, but not for one each.
                () = self.endpoint.suspected.notified() => sleep_until(checked + FAST).await,
            }
        }
    }

    fn tell(&self, verdict: &Verdict, outcome: &Outcome) {
        let (backend, endpoint) = (&*self.endpoint.identity.backend, &self.endpoint.name);
        let reason = match outcome {
            Outcome::Passed(how) => format!("{}: {how}", self.probe),
            Outcome::Failed { why, .. } if verdict.state == EndpointState::Ready => {
                format!("{}: {why} ({} of {} failures)", self.probe, verdict.failures(), self.probe.failure_threshold)
            }
            Outcome::Failed { why, .. } => format!("{}: {why}", self.probe),
        };
        let was_ready = self.endpoint.is_ready();
        if self.endpoint.set_health(verdict.state, reason.clone()) {
            if verdict.state == EndpointState::Ready {
                self.endpoint.trust();
            }
            self.changes.tell(verdict.state, backend, endpoint, &reason);
            if was_ready && !self.backend.borrow().endpoints.iter().any(|endpoint| endpoint.is_ready()) {
                tracing::warn!(backend, effect = "its requests are answered with 503", "the last endpoint of a backend is no longer ready");
            }
        }
    }

    /// One warning a backend: its first endpoint speaks for all, if none of them is ready.
    fn warn(&self, outcome: &Outcome) {
        let backend = self.backend.borrow().clone();
        let endpoints = &backend.endpoints;
        let first = endpoints.first().is_some_and(|first| first.id == self.endpoint.id);
        let Outcome::Failed { why, unreachable } = outcome else { return };
        if !first || endpoints.iter().any(|endpoint| endpoint.is_ready()) {
            return;
        }
        let help = if *unreachable {
            format!("start it, or correct what says that it is at {}: endpoints, or --map", self.endpoint.name)
        } else {
            "look why it answers so; if that is no answer of its readiness, name a path that is: readinessProbe: { httpGet: { path: /healthz } }, in a manifest a BackendConfig with healthCheck".to_owned()
        };
        tracing::warn!(
            reason = "BackendNeverReady",
            backend = backend.model.name,
            endpoint = self.endpoint.name,
            probe = %self.probe,
            answer = why,
            effect = "no request for it reaches an endpoint",
            help,
            "backend has not been ready for 10 s"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_scattered_and_never_late() {
        let (random, period) = (Random::seeded(1), Duration::from_secs(10));
        let pauses: Vec<Duration> = (0..1000).map(|_| scattered(period, &random)).collect();
        assert!(pauses.iter().all(|pause| *pause <= period && *pause >= period * 9 / 10));
        assert!(pauses.iter().any(|pause| *pause < period * 92 / 100) && pauses.iter().any(|pause| *pause > period * 98 / 100));
        assert_eq!(scattered(Duration::from_millis(1), &random), Duration::from_millis(1));
    }
}
