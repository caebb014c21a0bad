//! Idle connections of one worker, by endpoint: last in, first out, so that few are kept warm; bounded; looked at once
//! before they are used again. Whether a connection may come back at all is decided by its codec.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::http1::Connection;
use crate::proxy::clock::now;

/// The idle connections of a worker.
pub struct Pools<C = Connection>(RefCell<HashMap<u64, Vec<Idle<C>>, foldhash::fast::RandomState>>);

/// What a pool asks of a connection.
pub trait Pooled {
    /// Whether a request may be written to it: it is open, and the backend has said nothing unasked.
    fn is_idle(&self) -> bool;

    /// Gives back what an idle connection does not need.
    fn rest(&mut self);
}

struct Idle<C> {
    connection: C,
    /// Not used after this.
    until: Instant,
}

/// Idle connections to one endpoint. More requests than this at a time are rare; their connections are opened anew.
const MAX_IDLE: usize = 256;

/// However long a backend keeps its connections.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl<C> Default for Pools<C> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<C: Pooled> Pools<C> {
    /// A connection to this endpoint that can take a request, if there is one.
    pub fn take(&self, endpoint: u64) -> Option<C> {
        let mut pools = self.0.borrow_mut();
        let idle = pools.get_mut(&endpoint)?;
        let now = now();
        while let Some(Idle { connection, until }) = idle.pop() {
            if now < until && connection.is_idle() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for as long as it may stay unused.
    pub fn put(&self, endpoint: u64, mut connection: C, keep_alive: Duration) {
        let until = now() + keep_alive.min(LONGEST);
        connection.rest();
        let mut pools = self.0.borrow_mut();
        let idle = pools.entry(endpoint).or_default();
        if idle.len() < MAX_IDLE {
            idle.push(Idle { connection, until });
        }
    }

    /// Closes one that nobody uses, whichever it is; `false`: there is none.
    pub fn close_one(&self) -> bool {
        let mut pools = self.0.borrow_mut();
        pools.values_mut().find(|idle| !idle.is_empty()).map(|idle| idle.remove(0)).is_some()
    }

    /// Closes what has been unused for too long. Endpoints that are gone leave in this way, too.
    pub fn sweep(&self) {
        let now = now();
        self.0.borrow_mut().retain(|_, idle| {
            idle.retain(|idle| now < idle.until);
            !idle.is_empty()
        });
    }
}
