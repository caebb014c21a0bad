//! Coarse time limits: one list a worker that is swept ten times a second, instead of a timer in the runtime for each
//! wait. Arming a runtime timer costs a wake-up of its driver, and nearly all of these are cleared before they fire.
//! Limits are kept to within [`SWEEP`]; nothing here is for measuring.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Between two sweeps: by this much a limit may be late.
pub const SWEEP: Duration = Duration::from_millis(100);

/// The time limits of a worker. Cheap to clone; every clone is the same list.
#[derive(Clone, Default)]
pub struct Timers(Rc<RefCell<List>>);

#[derive(Default)]
struct List {
    slots: Vec<Slot>,
    free: Vec<usize>,
}

#[derive(Default)]
struct Slot {
    deadline: Option<Instant>,
    waker: Option<Waker>,
}

/// A wait that may be limited. Dropping it gives its place in the list back.
pub struct Timer {
    timers: Timers,
    slot: usize,
}

impl Timers {
    /// A timer that is not running.
    pub fn timer(&self) -> Timer {
        let mut list = self.0.borrow_mut();
        let slot = list.free.pop().unwrap_or_else(|| {
            list.slots.push(Slot::default());
            list.slots.len() - 1
        });
        Timer { timers: self.clone(), slot }
    }

    /// A timer that runs for `limit`.
    pub fn after(&self, limit: Duration) -> Timer {
        let timer = self.timer();
        timer.set(limit);
        timer
    }

    /// Wakes whoever waits for a deadline that has passed.
    pub fn sweep(&self, now: Instant) {
        for slot in &mut self.0.borrow_mut().slots {
            if slot.deadline.is_some_and(|deadline| deadline <= now)
                && let Some(waker) = slot.waker.take()
            {
                waker.wake();
            }
        }
    }

    /// Wakes everybody: something else that they look at has changed.
    pub fn wake_all(&self) {
        self.0.borrow_mut().slots.iter_mut().filter_map(|slot| slot.waker.take()).for_each(Waker::wake);
    }
}

impl Timer {
    /// Starts it anew. [`Duration::MAX`] stands for no limit.
    pub fn set(&self, limit: Duration) {
        self.set_deadline(Instant::now().checked_add(limit));
    }

    /// Starts it anew with a deadline; `None`: stops it.
    pub fn set_deadline(&self, deadline: Option<Instant>) {
        self.with(|slot| slot.deadline = deadline);
    }

    /// Stops it.
    pub fn clear(&self) {
        self.set_deadline(None);
    }

    /// Whether it is running.
    pub fn is_set(&self) -> bool {
        self.with(|slot| slot.deadline.is_some())
    }

    /// Ready once the deadline has passed, and then again at every call until it is set anew.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.with(|slot| {
            if slot.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Poll::Ready(());
            }
            if !slot.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                slot.waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
    }

    /// Waits for `future` for as long as this runs; `None`: too long.
    pub async fn limit<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => self.poll(cx).map(|()| None),
        })
        .await
    }

    fn with<T>(&self, change: impl FnOnce(&mut Slot) -> T) -> T {
        // The slot is there as long as its timer is.
        change(&mut self.timers.0.borrow_mut().slots[self.slot])
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut list = self.timers.0.borrow_mut();
        list.slots[self.slot] = Slot::default();
        list.free.push(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_sweep_wakes_those_whose_time_has_come() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let timers = Timers::default();
        let (short, long, none) = (timers.after(Duration::ZERO), timers.after(Duration::from_secs(60)), timers.after(Duration::MAX));
        assert!(short.poll(&mut cx).is_ready());
        assert!(long.poll(&mut cx).is_pending() && none.poll(&mut cx).is_pending());
        timers.sweep(Instant::now() + Duration::from_secs(1));
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        timers.sweep(Instant::now() + Duration::from_secs(61));
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "the one without a limit sleeps on");
        timers.wake_all();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn places_in_the_list_are_used_again() {
        let timers = Timers::default();
        for _ in 0..100 {
            let _timers = [timers.timer(), timers.timer()];
        }
        assert_eq!(timers.0.borrow().slots.len(), 2);
    }
}
