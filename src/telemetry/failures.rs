//! The last exchanges that went wrong, for whoever asks what is going on. Each worker keeps its own, so that keeping one
//! costs a lock that nobody else wants; whoever looks puts them in order.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::access_log::redact;
use super::{Record, cut};
use crate::model::AccessLogPolicy;

/// An exchange that went wrong, or whose backend answered with an error of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When its first byte came.
    pub at: SystemTime,
    /// From then until the end.
    pub duration: Duration,
    /// Who asked.
    pub client: IpAddr,
    /// Of the request.
    pub method: String,
    /// Of the request.
    pub host: String,
    /// Without the query.
    pub path: String,
    /// Of the answer; 499 or 0: there was none.
    pub status: u16,
    /// Why; `None`: the backend said so.
    pub reason: Option<&'static str>,
    /// What it was routed by.
    pub route: Option<String>,
    /// Who was to answer.
    pub backend: Option<String>,
    /// The last one that was asked.
    pub endpoint: Option<String>,
    /// How often it was sent to one.
    pub attempts: u32,
    /// As in log and answer.
    pub request_id: String,
    /// Of the trace that it is a part of.
    pub trace_id: String,
}

/// How many are shown of all workers'.
pub const FAILURES_KEPT: usize = 200;

/// How many of them are clients' own where there are many of both: no client shall empty the view of what ails a backend.
const CLIENTS_OWN: usize = 50;

/// The failures of one worker.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<Kept>);

/// So many of each that the newest of all workers' are among them.
#[derive(Debug, Default)]
struct Kept {
    /// With a status below 500: what the client asked for, or how, or that it left.
    clients_own: VecDeque<Failure>,
    others: VecDeque<Failure>,
}

impl Failures {
    /// Keeps one in place of the oldest.
    pub(super) fn keep(&self, failure: Failure) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = if failure.is_clients_own() { &mut kept.clients_own } else { &mut kept.others };
        if kept.len() >= FAILURES_KEPT {
            kept.pop_front();
        }
        kept.push_back(failure);
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Failure> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clients_own.iter().chain(&kept.others).cloned().collect()
    }
}

impl Failure {
    /// As much of an exchange as the policy lets anybody read.
    pub fn of(policy: &AccessLogPolicy, record: &Record<'_>) -> Self {
        Self {
            at: record.started,
            duration: record.duration,
            client: redact::address(policy, record.client),
            method: cut(record.method.as_str()).into_owned(),
            host: cut(record.host.unwrap_or_default()).into_owned(),
            path: cut(redact::path(policy, record.path)).into_owned(),
            status: record.status,
            reason: record.reason,
            route: record.route.map(str::to_owned),
            backend: record.backend.map(str::to_owned),
            endpoint: record.endpoint.map(str::to_owned),
            attempts: record.attempts,
            request_id: record.request_id.to_owned(),
            trace_id: record.trace_id.to_owned(),
        }
    }

    fn is_clients_own(&self) -> bool {
        self.status < 500
    }
}

/// The newest of all workers', newest first.
pub(super) fn newest(mut all: Vec<Failure>) -> Vec<Failure> {
    all.sort_by_key(|failure| std::cmp::Reverse(failure.at));
    let others = all.iter().filter(|failure| !failure.is_clients_own()).count();
    let mut room = FAILURES_KEPT.saturating_sub(others).max(CLIENTS_OWN);
    all.retain(|failure| {
        let fits = !failure.is_clients_own() || room > 0;
        room = room.saturating_sub(usize::from(failure.is_clients_own()));
        fits
    });
    all.truncate(FAILURES_KEPT);
    all
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::model::Redaction;

    fn failure(second: u64) -> Failure {
        Failure {
            at: UNIX_EPOCH + Duration::from_secs(second),
            duration: Duration::ZERO,
            client: Ipv4Addr::LOCALHOST.into(),
            method: "GET".to_owned(),
            host: String::new(),
            path: String::new(),
            status: 502,
            reason: None,
            route: None,
            backend: None,
            endpoint: None,
            attempts: 0,
            request_id: String::new(),
            trace_id: String::new(),
        }
    }

    #[test]
    fn the_newest_of_all_workers_are_kept() {
        let (one, two) = (Failures::default(), Failures::default());
        (0..500).for_each(|second| [&one, &two][usize::from(second % 3 == 0)].keep(failure(second)));
        assert_eq!(one.all().len(), FAILURES_KEPT);
        let newest: Vec<Failure> = newest([one.all(), two.all()].concat());
        let seconds: Vec<u64> = newest.iter().map(|failure| failure.at.duration_since(UNIX_EPOCH).unwrap().as_secs()).collect();
        assert_eq!(seconds, (300..500).rev().collect::<Vec<_>>());
    }

    #[test]
    fn clients_do_not_push_out_what_ails_a_backend() {
        let kept = Failures::default();
        (0..500).for_each(|second| kept.keep(failure(second)));
        (500..1_000).for_each(|second| kept.keep(Failure { status: 404, ..failure(second) }));
        let shown = newest(kept.all());
        assert_eq!((shown.len(), shown.iter().filter(|failure| failure.status == 404).count()), (FAILURES_KEPT, CLIENTS_OWN));
        let alone = Failures::default();
        (0..500).for_each(|second| alone.keep(Failure { status: 404, ..failure(second) }));
        assert_eq!(newest(alone.all()).len(), FAILURES_KEPT);
    }

    #[test]
    fn nothing_is_shown_that_is_to_be_redacted() {
        let policy = AccessLogPolicy { redact: [Redaction::Path, Redaction::ClientAddress].into(), ..AccessLogPolicy::default() };
        let shown = Failure::of(&policy, &Record { path: "/secret", client: [203, 0, 113, 7].into(), ..crate::telemetry::fake::record() });
        assert_eq!((shown.path.as_str(), shown.client.to_string().as_str()), ("[redacted]", "203.0.113.0"));
    }
}
