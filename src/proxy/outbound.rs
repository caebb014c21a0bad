//! How many connections to backends may be open in all. An HTTP/2 client may have one for each of its streams, so that few
//! clients would take the descriptors that the next one is accepted with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts them.
pub struct Outbound {
    open: AtomicUsize,
    limit: usize,
}

/// A connection to a backend. Dropping it says that it has ended.
pub struct OutboundPermit(Arc<Outbound>);

impl Outbound {
    /// So many at most.
    pub fn new(limit: usize) -> Self {
        Self { open: AtomicUsize::new(0), limit }
    }

    /// One more, if there is room.
    pub fn admit(self: &Arc<Self>) -> Option<OutboundPermit> {
        let one_more = |open: usize| (open < self.limit).then_some(open + 1);
        self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| OutboundPermit(self.clone()))
    }
}

impl Drop for OutboundPermit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
