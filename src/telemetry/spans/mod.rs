//! Spans of sampled exchanges, for a collector: what an exchange was, and each time that it was sent to a backend. A
//! worker leaves them in a bounded queue and goes on; `export` takes them from there. Where no collector is named there is
//! no queue, and a look at that is all it costs.

pub mod export;
mod proto;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;

use crate::model::LogSampling;

/// Where spans go. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Spans(Option<Arc<Queue>>);

#[derive(Debug)]
struct Queue {
    /// Of the traces that begin here.
    sampling: LogSampling,
    waiting: Mutex<VecDeque<Span>>,
    /// There are many.
    hurry: Notify,
    dropped: AtomicU64,
}

/// What happened in a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Of the trace.
    pub trace: u128,
    /// Its own.
    pub id: u64,
    /// What it is a part of.
    pub parent: Option<u64>,
    /// Which side of a request it is.
    pub kind: SpanKind,
    /// What was done; of few different ones.
    pub name: String,
    /// When it began.
    pub start: SystemTime,
    /// When it was over.
    pub end: SystemTime,
    /// By OpenTelemetry's names (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>).
    pub attributes: Vec<(&'static str, Attribute)>,
    /// Why it failed, if it did.
    pub error: Option<&'static str>,
}

/// Which side of a request a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Whoever answers it.
    Server,
    /// Whoever sends it.
    Client,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// Text.
    Text(String),
    /// A whole number.
    Whole(i64),
}

/// So many wait at most; with three a sampled exchange, a second of some thousand exchanges.
const CAPACITY: usize = 8192;
/// So many leave together.
const BATCH: usize = 1024;

impl Spans {
    /// For a collector, with this share of the traces that begin here.
    pub fn to_collector(sampling: LogSampling) -> Self {
        Self(Some(Arc::new(Queue { sampling, waiting: Mutex::default(), hurry: Notify::new(), dropped: AtomicU64::new(0) })))
    }

    /// Which share of the traces that begin here is recorded; `None`: nobody wants any, not of others' traces either.
    pub fn sampling(&self) -> Option<LogSampling> {
        self.0.as_ref().map(|queue| queue.sampling)
    }

    /// Leaves the spans of an exchange for the collector; where there is no room, they are counted as lost.
    pub fn push(&self, spans: Vec<Span>) {
        let Some(queue) = &self.0 else { return };
        let mut waiting = queue.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() + spans.len() > CAPACITY {
            queue.dropped.fetch_add(spans.len() as u64, Ordering::Relaxed);
            return;
        }
        waiting.extend(spans);
        if waiting.len() >= BATCH {
            queue.hurry.notify_one();
        }
    }

    /// How many were lost, here or on their way.
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |queue| queue.dropped.load(Ordering::Relaxed))
    }
}

impl Queue {
    fn take(&self) -> Vec<Span> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let first = waiting.len().min(BATCH);
        waiting.drain(..first).collect()
    }

    fn lose(&self, spans: usize) {
        self.dropped.fetch_add(spans as u64, Ordering::Relaxed);
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u16> for Attribute {
    fn from(number: u16) -> Self {
        Self::Whole(number.into())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;

    pub(in crate::telemetry::spans) fn span(id: u64) -> Span {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        Span {
            trace: 7,
            id,
            parent: None,
            kind: SpanKind::Server,
            name: "GET".to_owned(),
            start,
            end: start + Duration::from_millis(5),
            attributes: Vec::new(),
            error: None,
        }
    }

    #[test]
    fn what_finds_no_room_is_counted_and_nothing_waits() {
        let spans = Spans::to_collector(LogSampling::ALL);
        (0..CAPACITY as u64 + 5).for_each(|id| spans.push(vec![span(id)]));
        assert_eq!(spans.dropped(), 5);
        let queue = spans.0.unwrap();
        let batches: Vec<usize> = std::iter::from_fn(|| Some(queue.take().len()).filter(|taken| *taken > 0)).collect();
        assert_eq!(batches, [BATCH; CAPACITY / BATCH]);
        assert_eq!((Spans::default().sampling(), Spans::default().dropped()), (None, 0));
    }
}
