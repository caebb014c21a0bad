//! Exchanges as they end, for whoever watches just now: the lines of the access log in JSON, chosen and bounded. Nobody
//! watches nearly always, and then it costs a look at a number.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::access_log::{Record, redact};
use crate::model::{AccessLogPolicy, StatusFilter};

/// Who watches.
#[derive(Debug, Default)]
pub struct Taps {
    /// How many there are.
    open: AtomicUsize,
    all: Mutex<Vec<Tap>>,
}

/// Somebody who watches, and what of.
#[derive(Debug)]
struct Tap {
    wanted: Wanted,
    lines: Sender<Bytes>,
    /// When the second began that is being counted, and how many lines there were in it.
    second: (Instant, u32),
}

/// Which exchanges somebody wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// In what is shown, without regard to case; empty: everything.
    pub text: String,
    /// With which status.
    pub status: StatusFilter,
    /// In a second at most: what comes beyond that is left out.
    pub per_second: u32,
}

impl Taps {
    /// Whether anybody watches.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// Lines go to `lines` from now on, until its other end is closed. Whoever reads too slowly misses some.
    pub fn open(&self, wanted: Wanted, lines: Sender<Bytes>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|tap| !tap.lines.is_closed());
        all.push(Tap { wanted, lines, second: (Instant::now(), 0) });
        self.open.store(all.len(), Ordering::Relaxed);
    }

    /// An exchange has ended; the policy says what of it may be read.
    pub fn offer(&self, policy: &AccessLogPolicy, record: &Record<'_>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = None;
        all.retain_mut(|tap| {
            if !tap.wants(policy, record) {
                return !tap.lines.is_closed();
            }
            let line = line.get_or_insert_with(|| Bytes::from(record.json_line(policy)));
            !matches!(tap.lines.try_send(line.clone()), Err(TrySendError::Closed(_)))
        });
        self.open.store(all.len(), Ordering::Relaxed);
    }
}

impl Tap {
    /// The cheapest look first: most of what there is may be more than somebody asked for.
    fn wants(&mut self, policy: &AccessLogPolicy, record: &Record<'_>) -> bool {
        if self.second.0.elapsed() >= Duration::from_secs(1) {
            self.second = (Instant::now(), 0);
        }
        let wants = self.second.1 < self.wanted.per_second && self.wanted.matches(policy, record);
        self.second.1 += u32::from(wants);
        wants
    }
}

impl Wanted {
    fn matches(&self, policy: &AccessLogPolicy, record: &Record<'_>) -> bool {
        self.status.has(record.status) && (self.text.is_empty() || self.is_in(policy, record))
    }

    /// In what may be read of it: what is redacted must not be found out by asking for it.
    fn is_in(&self, policy: &AccessLogPolicy, record: &Record<'_>) -> bool {
        let path = redact::path(policy, record.path);
        let client = redact::address(policy, record.client).to_string();
        let names = [record.host, Some(path), record.route, record.backend, record.endpoint, record.reason];
        let known = names.into_iter().flatten().chain([record.method.as_str(), record.listener, record.request_id, record.trace_id]);
        known.chain([client.as_str()]).any(|value| value.to_lowercase().contains(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::channel;

    use super::*;
    use crate::model::Redaction;
    use crate::telemetry::fake::record;

    fn wanted(text: &str, status: &str, per_second: u32) -> Wanted {
        Wanted { text: text.to_owned(), status: StatusFilter::parse(status).unwrap(), per_second }
    }

    #[test]
    fn exchanges_are_chosen_by_text_and_status() {
        let record = Record { status: 404, path: "/Cart", backend: Some("web"), ..record() };
        for (text, status, fits) in [
            ("", "", true),
            ("cart", "", true),
            ("web", "4xx", true),
            ("", "404", true),
            ("", "5xx", false),
            ("other", "", false),
            ("127.0.0.1", "", true),
        ] {
            assert_eq!(wanted(text, status, 1).matches(&AccessLogPolicy::default(), &record), fits, "{text} {status}");
        }
        let policy = AccessLogPolicy { redact: [Redaction::Path, Redaction::ClientAddress].into(), ..AccessLogPolicy::default() };
        assert!(!wanted("cart", "", 1).matches(&policy, &record) && !wanted("127.0.0.1", "", 1).matches(&policy, &record));
    }

    #[test]
    fn nobody_gets_more_than_they_asked_for_and_who_has_left_gets_none() {
        let taps = Taps::default();
        assert!(!taps.is_open());
        let (sender, mut lines) = channel(8);
        taps.open(wanted("", "", 3), sender);
        (0..10).for_each(|_| taps.offer(&AccessLogPolicy::default(), &record()));
        let seen: Vec<Bytes> = std::iter::from_fn(|| lines.try_recv().ok()).collect();
        assert!(seen.len() == 3 && seen.iter().all(|line| line.starts_with(b"{") && line.ends_with(b"}\n")), "{seen:?}");
        assert!(taps.is_open());
        drop(lines);
        let (sender, lines) = channel(8);
        taps.open(wanted("", "", 3), sender);
        assert_eq!(taps.open.load(Ordering::Relaxed), 1, "it does not take an exchange to see that one has left");
        drop(lines);
        taps.offer(&AccessLogPolicy::default(), &record());
        assert!(!taps.is_open());
    }
}
