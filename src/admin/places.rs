//! Places for connections. Whoever comes always gets one: where there is none left, the oldest connection is ended, so
//! that clients who say nothing, or read nothing, keep no probe out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// So many connections that are not watched at a time: probes, a scraper or two and a person with curl; each carries one
/// request and ends.
pub(super) const MOST_CONNECTIONS: usize = 64;

/// The places that are taken, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    places: VecDeque<(u64, Arc<Notify>)>,
}

/// A place. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    lost: Arc<Notify>,
}

impl Places {
    fn with<T>(&self, change: impl FnOnce(&mut Taken) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A place, if need be that of the oldest.
    pub(super) fn take(self: &Arc<Self>) -> Place {
        let lost = Arc::new(Notify::new());
        let number = self.with(|taken| {
            if taken.places.len() >= MOST_CONNECTIONS
                && let Some((_, oldest)) = taken.places.pop_front()
            {
                oldest.notify_one();
            }
            taken.next += 1;
            taken.places.push_back((taken.next, lost.clone()));
            taken.next
        });
        Place { places: self.clone(), number, lost }
    }
}

impl Place {
    /// Waits until it is somebody else's.
    pub(super) async fn lost(&self) {
        self.lost.notified().await;
    }

    /// Gives it back for another kind of place.
    pub(super) fn leave(&self) {
        self.places.with(|taken| taken.places.retain(|(number, _)| *number != self.number));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_goes_where_there_is_no_place_left() {
        let places = Arc::new(Places::default());
        let mut taken: VecDeque<Place> = (0..MOST_CONNECTIONS).map(|_| places.take()).collect();
        taken[0].leave();
        taken.push_back(places.take());
        let lost = async |place: &Place| tokio::time::timeout(std::time::Duration::ZERO, place.lost()).await.is_ok();
        assert!(!lost(&taken[0]).await && !lost(&taken[1]).await, "there was one");
        taken.push_back(places.take());
        assert!(lost(&taken[1]).await && !lost(&taken[2]).await && !lost(&taken[0]).await);
        drop(taken.pop_back());
        taken.push_back(places.take());
        assert!(!lost(&taken[2]).await, "one was given back");
    }
}
