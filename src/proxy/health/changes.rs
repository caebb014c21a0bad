//! What the log says of endpoints that become ready, or no longer are: a line each, until there are so many at one time
//! that they are counted. A deployment of a thousand must not be a thousand lines; the status page has each of them.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use crate::model::EndpointState;

/// So many changes are told one by one.
const MOST: u32 = 20;
/// In such a while, which begins with the first.
const WHILE: Duration = Duration::from_secs(1);

/// The changes of the present while.
#[derive(Default)]
pub(super) struct Changes {
    told: Cell<u32>,
    ready: Cell<u32>,
    not_ready: Cell<u32>,
}

impl Changes {
    /// Tells that an endpoint of a backend has another state, or counts it. To be called on the runtime of a thread.
    pub(super) fn tell(self: &Rc<Self>, state: EndpointState, backend: &str, endpoint: &str, reason: &str) {
        let told = self.told.get();
        if told == 0 {
            let changes = self.clone();
            tokio::task::spawn_local(async move {
                sleep(WHILE).await;
                changes.sum_up();
            });
        }
        self.told.set(told.saturating_add(1));
        match (told < MOST, state) {
            (true, EndpointState::Ready) => tracing::info!(backend, endpoint, reason, "endpoint is ready"),
            (true, _) => tracing::warn!(backend, endpoint, reason, "endpoint is not ready"),
            (false, EndpointState::Ready) => self.ready.set(self.ready.get().saturating_add(1)),
            (false, _) => self.not_ready.set(self.not_ready.get().saturating_add(1)),
        }
    }

    /// The while is over.
    fn sum_up(&self) {
        let (told, ready, not_ready) = (self.told.take(), self.ready.take(), self.not_ready.take());
        if told <= MOST {
            return;
        }
        let message = "more endpoints have changed: genkan status shows each of them, and so does the status page";
        if not_ready > 0 {
            tracing::warn!(ready, not_ready, "{message}");
        } else {
            tracing::info!(ready, not_ready, "{message}");
        }
    }
}
