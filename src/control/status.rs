//! What control shows to the admin pages: the snapshot that is served, the report that came with it, and what
//! readiness still waits for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::certificate_history::Histories;
use super::resources::Resources;
use crate::model::{CertificateHistory, CertificateName, Check, ControlStatus, Diagnostic, Origins, ProcessSettings, Report, Snapshot};

/// Shared between the conductor, which writes, and the admin pages, which read.
#[derive(Debug, Default)]
pub struct Status(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    generation: u64,
    snapshot: Arc<Snapshot>,
    published_at: Option<SystemTime>,
    report: Arc<Report>,
    origins: Arc<Origins>,
    checks: Vec<Check>,
    /// Every source has been read once; what a later configuration adds takes no readiness away.
    was_read: bool,
    /// What the process was started with.
    process: Option<ProcessSettings>,
    last_good: Option<SystemTime>,
    histories: Histories,
    /// Every HTTPS listener has had something to serve at least once.
    had_certificate: bool,
}

impl Status {
    fn with<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        // A panic elsewhere leaves a state that is whole: every change below is a plain assignment.
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn compiled(&self, report: Report, origins: Origins, checks: Vec<Check>) {
        self.with(|state| {
            if report.errors().next().is_none() {
                state.last_good = Some(SystemTime::now());
            }
            state.histories.refused(&report, &state.snapshot, SystemTime::now());
            state.report = Arc::new(report);
            state.origins = Arc::new(origins);
            state.was_read |= checks.iter().all(|check| check.failure.is_none());
            let was_read = state.was_read;
            state.checks = checks.into_iter().map(|check| Check { failure: check.failure.filter(|_| !was_read), ..check }).collect();
        });
    }

    /// Returns its number if it is another one than before.
    pub(super) fn published(&self, snapshot: &Arc<Snapshot>) -> Option<u64> {
        self.with(|state| {
            let new = state.generation == 0 || *state.snapshot != **snapshot;
            if new {
                state.generation += 1;
                state.published_at = Some(SystemTime::now());
            }
            state.snapshot = snapshot.clone();
            state.histories.served(snapshot, SystemTime::now());
            state.process.get_or_insert_with(|| snapshot.process.clone());
            // On a laptop, which is where aliases are, certificates are made when they are asked for.
            let needs_certificate = !snapshot.localhost_aliases && snapshot.listeners.iter().any(|listener| listener.is_https());
            state.had_certificate |= !needs_certificate || !snapshot.certificates.is_empty();
            new.then_some(state.generation)
        })
    }

    pub(super) fn add_findings(&self, findings: Vec<Diagnostic>) {
        if !findings.is_empty() {
            self.with(|state| Arc::make_mut(&mut state.report).diagnostics.extend(findings.into_iter().map(Arc::new)));
        }
    }

    pub(super) fn current(&self) -> Arc<Snapshot> {
        self.with(|state| state.snapshot.clone())
    }

    pub(super) fn current_report(&self) -> Arc<Report> {
        self.with(|state| state.report.clone())
    }

    pub(super) fn generation_is_first(&self) -> bool {
        self.with(|state| state.generation == 0)
    }

    /// What the process runs with; `None` before the first snapshot.
    pub(super) fn process(&self) -> Option<ProcessSettings> {
        self.with(|state| state.process.clone())
    }
}

impl ControlStatus for Status {
    fn generation(&self) -> u64 {
        self.with(|state| state.generation)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.current()
    }

    fn report(&self) -> Arc<Report> {
        self.current_report()
    }

    fn origins(&self) -> Arc<Origins> {
        self.with(|state| state.origins.clone())
    }

    fn last_reload(&self) -> (bool, Option<SystemTime>) {
        self.with(|state| (state.report.errors().next().is_none(), state.last_good))
    }

    fn published_at(&self) -> Option<SystemTime> {
        self.with(|state| state.published_at)
    }

    fn certificate_history(&self, name: &CertificateName) -> CertificateHistory {
        self.with(|state| state.histories.of(name))
    }

    fn checks(&self) -> Vec<Check> {
        self.with(|state| {
            let mut checks = state.checks.clone();
            checks.push(Check::new("configuration", (state.generation == 0).then(|| "nothing has been published yet".to_owned())));
            let failure = "no HTTPS listener has had a certificate to serve yet";
            checks.push(Check::new("certificate", (!state.had_certificate).then(|| failure.to_owned())));
            checks
        })
    }
}

impl Resources {
    /// Whether every source has been read once.
    pub(super) fn checks(&self) -> Vec<Check> {
        let certificates = (!self.certificates_are_read()).then(|| "not every place has been looked at yet".to_owned());
        let names = (!self.names_are_resolved()).then(|| "not every name has been asked for yet".to_owned());
        vec![Check::new("source/certificates", certificates), Check::new("source/names", names)]
    }
}
