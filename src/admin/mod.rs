//! Read-only views of a running process, over HTTP on an address of their own: is it alive, is it ready, what has it
//! counted. Sees the two pipelines through the traits in `model` alone and changes nothing.

mod access;
mod answer;
mod api;
mod body;
mod events;
mod explain;
mod health;
mod history;
mod making;
mod page;
mod places;
mod server;
mod socket;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::drain::Drain;
use crate::model::{ControlStatus, ProxyStatus, SocketAddress};
use crate::telemetry::spans::Spans;
use crate::telemetry::{AccessLog, Metrics};

pub use access::Token;
pub use api::openapi::document as openapi;
pub use body::Watchers;
pub use history::History;
pub use making::Makers;
pub use server::Admin;

/// What the admin listener is started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Where it listens; `None`: nowhere.
    pub address: Option<SocketAddress>,
    /// Whether to take the next free port if that one is taken.
    pub next_port: bool,
}

/// What is looked at.
#[derive(Clone)]
pub struct Views {
    /// The configuration and what it waits for.
    pub control: Arc<dyn ControlStatus>,
    /// Workers, endpoints, connections.
    pub proxy: Arc<dyn ProxyStatus>,
    /// What was counted.
    pub metrics: Arc<Metrics>,
    /// What was counted when.
    pub history: Arc<History>,
    /// Who may watch them change.
    pub watchers: Watchers,
    /// Who makes answers.
    pub makers: Makers,
    /// What has to be shown for most of it; `None`: nothing, by whoever is on this machine.
    pub token: Option<Token>,
    /// For the lines that it lost.
    pub access_log: AccessLog,
    /// For those that it lost.
    pub spans: Spans,
    /// Whether the process is ending.
    pub drain: Drain,
}
