//! Endpoints that leave the configuration while they still have requests. Where their backend limits how long those go
//! on, each endpoint is told when that is over, and workers that something has left; a request finds out when it is
//! polled next. Backends without such a limit cost nothing, and their requests go on until they end.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use super::live::Live;

/// How often an endpoint has left that requests must be cut at. The same across configurations.
#[derive(Default)]
pub struct Departures(AtomicU64);

impl Departures {
    /// Their number so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Tells the endpoints that are in a configuration and not in the next one.
pub fn retire(before: &Live, after: &Live) {
    let staying: HashSet<u64> = after.backends.iter().flat_map(|backend| &backend.endpoints).map(|endpoint| endpoint.id).collect();
    let mut left = false;
    for backend in &before.backends {
        let leaving: Vec<_> = backend.endpoints.iter().filter(|endpoint| !staying.contains(&endpoint.id)).collect();
        if leaving.is_empty() {
            continue;
        }
        // The limit of the moment counts, if the backend is still there.
        let now = after.backends.iter().find(|now| now.model.name == backend.model.name).unwrap_or(backend);
        let Some(limit) = now.model.draining else { continue };
        for endpoint in leaving {
            endpoint.cut_after(limit);
            left = true;
        }
    }
    if left {
        after.departures.0.fetch_add(1, Ordering::Release);
    }
}
