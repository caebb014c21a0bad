//! What is counted and written about traffic and about the process: metrics, the access log, the process's own log.
//! Callers say what happened; nothing here decides what to do about it.

pub mod access_log;
mod cut;
mod failures;
#[cfg(test)]
pub(crate) mod fake;
pub mod logging;
pub mod metrics;
pub mod names;
pub mod reasons;
pub mod spans;
pub mod tap;

pub use access_log::{AccessLog, Record};
pub use cut::cut;
pub use failures::{FAILURES_KEPT, Failure};
pub use logging::{InvalidFilter, LogFormat, LogSettings};
pub use metrics::{
    ConnectionEvent, ExchangeSample, HandshakeFailure, HandshakeOutcome, Label, Latency, Metrics, RouteCounts, Traffic, WorkerMetrics,
};
