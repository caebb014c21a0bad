//! How many connections from clients may be open: in all, so that descriptors last, and from one, so that one cannot have
//! them all. Those to backends are counted in `outbound`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::sync::Notify;

use super::backend::client_key;
use super::worker::WorkerState;
use crate::drain::Guard;

/// Counts open connections.
#[derive(Default)]
pub struct Admission {
    open: AtomicUsize,
    /// Only filled while there is a limit per client.
    clients: Mutex<HashMap<u64, usize>>,
    released: Notify,
}

/// A connection that was let in. Dropping it says that it has ended.
pub struct Permit {
    admission: Arc<Admission>,
    worker: Arc<WorkerState>,
    client: Option<u64>,
    /// From the moment of its acceptance on the end waits for it.
    _guard: Guard,
}

/// Descriptors that are not connections: sockets, files, the admin pages, probes.
const RESERVED: u64 = 128;

impl Admission {
    /// Open connections.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Waits until fewer connections are open than `limit` says, which may change while it waits.
    pub async fn below(&self, limit: impl Fn() -> usize) {
        loop {
            let mut released = pin!(self.released.notified());
            // From here on a release is not missed.
            released.as_mut().enable();
            if self.open() < limit() {
                return;
            }
            released.await;
        }
    }

    /// Wakes those who wait: the limit may have changed.
    pub fn reconsider(&self) {
        self.released.notify_waiters();
    }

    /// Lets a connection in to a worker; `None`: its client has too many.
    pub fn admit(self: &Arc<Self>, client: IpAddr, per_client: Option<usize>, worker: &Arc<WorkerState>, guard: Guard) -> Option<Permit> {
        let client = match per_client {
            None => None,
            Some(limit) => {
                let key = client_key(client);
                let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
                let count = clients.entry(key).or_default();
                if *count >= limit {
                    return None;
                }
                *count += 1;
                Some(key)
            }
        };
        self.open.fetch_add(1, Ordering::Relaxed);
        worker.connections.fetch_add(1, Ordering::Relaxed);
        Some(Permit { admission: self.clone(), worker: worker.clone(), client, _guard: guard })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(key) = self.client {
            let mut clients = self.admission.clients.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = clients.get_mut(&key) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    clients.remove(&key);
                }
            }
        }
        self.worker.connections.fetch_sub(1, Ordering::Relaxed);
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
        self.admission.released.notify_waiters();
    }
}

/// Raises the limit on descriptors as far as that is allowed, and says how many connections then fit, with as many to
/// backends.
pub fn auto() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    let descriptors = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let connections = descriptors.unwrap_or(u64::MAX).saturating_sub(RESERVED) / 2;
    usize::try_from(connections).unwrap_or(usize::MAX).clamp(16, 1 << 20)
}
