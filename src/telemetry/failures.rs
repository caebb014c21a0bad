//! The last exchanges that went wrong, for whoever asks what is going on. Each worker keeps its own, so that keeping one
//! costs a lock that nobody else wants; whoever looks puts them in order.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::Record;

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
    pub trace_id: Option<String>,
}

/// How many are kept by each worker, and shown of all.
pub const FAILURES_KEPT: usize = 200;

/// Of what a client sent; the rest of it helps nobody.
const LONGEST_TEXT: usize = 256;

/// The failures of one worker.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<VecDeque<Failure>>);

impl Failures {
    /// Keeps one in place of the oldest.
    pub(super) fn keep(&self, failure: Failure) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= FAILURES_KEPT {
            kept.pop_front();
        }
        kept.push_back(failure);
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl From<&Record<'_>> for Failure {
    fn from(record: &Record<'_>) -> Self {
        Self {
            at: record.started,
            duration: record.duration,
            client: record.client,
            method: short(record.method.as_str()),
            host: short(record.host.unwrap_or_default()),
            path: short(record.path),
            status: record.status,
            reason: record.reason,
            route: record.route.map(str::to_owned),
            backend: record.backend.map(str::to_owned),
            endpoint: record.endpoint.map(str::to_owned),
            attempts: record.attempts,
            request_id: record.request_id.to_owned(),
            trace_id: record.trace_id.map(str::to_owned),
        }
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The newest of all workers', newest first.
pub(super) fn newest(mut all: Vec<Failure>) -> Vec<Failure> {
    all.sort_by_key(|failure| std::cmp::Reverse(failure.at));
    all.truncate(FAILURES_KEPT);
    all
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::UNIX_EPOCH;

    use super::*;

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
            trace_id: None,
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
    fn what_a_client_sent_is_cut() {
        assert_eq!(short("é"), "é");
        assert_eq!(short(&"é".repeat(1_000)).chars().count(), LONGEST_TEXT + 1);
    }
}
