//! Requests that wait because every endpoint of their backend has as many as it may: so many, and no longer than so long.
//! Which endpoint they get in the end is `balance`'s matter.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The waiting room of one backend, shared by all workers.
#[derive(Debug, Default)]
pub struct Room {
    waiting: AtomicUsize,
    freed: Notify,
}

/// A request that waits. Dropping it says that it no longer does.
pub struct Waiting<'r>(&'r Room);

impl Room {
    /// One more waits, if fewer than `most` do.
    pub fn enter(&self, most: usize) -> Option<Waiting<'_>> {
        let one_more = |waiting: usize| (waiting < most).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok().map(|_| Waiting(self))
    }

    /// All look again: an endpoint has become ready, or no longer is.
    pub fn opened(&self) {
        self.freed.notify_waiters();
    }

    /// An endpoint has room for one more.
    pub fn freed(&self) {
        // Looked at first: nearly always nobody waits.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_one();
        }
    }
}

impl Waiting<'_> {
    /// Waits until `pick` finds something, looking again each time that there is room.
    pub async fn until<T>(&self, mut pick: impl FnMut() -> Option<T>) -> T {
        loop {
            // Made before the look, so that nothing is missed in between.
            let freed = self.0.freed.notified();
            if let Some(picked) = pick() {
                return picked;
            }
            freed.await;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // Whoever leaves may have taken a note that was meant for the next.
        if self.0.waiting.fetch_sub(1, Ordering::SeqCst) > 1 {
            self.0.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn those_who_wait_get_what_is_freed_and_no_more_than_some_may_wait() {
        let room = Room::default();
        let free = Cell::new(0_usize);
        let take = || free.get().checked_sub(1).map(|left| free.set(left));
        let first = room.enter(2).unwrap();
        let second = room.enter(2).unwrap();
        assert!(room.enter(2).is_none());
        let releasing = async {
            for _ in 0..2 {
                tokio::task::yield_now().await;
                free.set(free.get() + 1);
                room.freed();
            }
        };
        let waiting = async {
            first.until(take).await;
            drop(first);
        };
        let also_waiting = async {
            second.until(take).await;
            drop(second);
        };
        tokio::join!(waiting, also_waiting, releasing);
        assert!(room.enter(1).is_some(), "nobody waits any more");
    }

    #[tokio::test]
    async fn all_look_again_when_there_may_be_room_for_many() {
        let room = Room::default();
        let (first, second) = (room.enter(2).unwrap(), room.enter(2).unwrap());
        let open = Cell::new(false);
        let look = || open.get().then_some(());
        let opening = async {
            tokio::task::yield_now().await;
            open.set(true);
            room.opened();
        };
        tokio::join!(first.until(look), second.until(look), opening);
    }

    #[tokio::test]
    async fn one_that_gives_up_leaves_its_turn_to_the_next() {
        let room = Room::default();
        let (first, second) = (room.enter(2).unwrap(), room.enter(2).unwrap());
        room.freed();
        drop(first);
        let looked = Cell::new(0);
        let twice = || {
            looked.set(looked.get() + 1);
            (looked.get() > 1).then_some(())
        };
        second.until(twice).await;
    }
}
