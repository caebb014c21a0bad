//! How the process ends: one signal that everybody sees, and guards that say what is still at work. Also the one way
//! to start a task, so that none is started that nobody waits for or can name.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

/// Cheap to clone; every clone is the same drain.
#[derive(Clone, Debug)]
pub struct Drain(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stage: watch::Sender<Stage>,
    /// The same, for those who ask often.
    now: AtomicU8,
    guards: AtomicUsize,
    released: Notify,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Serving.
    Running = 0,
    /// `readyz` answers 503; new connections are still taken.
    Leaving = 1,
    /// Nothing new is taken; what is in flight goes on.
    Closing = 2,
    /// Whatever is left is cut off.
    Stopped = 3,
}

/// Work that the end waits for. Dropping it says that the work is done.
#[derive(Debug)]
pub struct Guard(Arc<Shared>);

impl Drain {
    /// A process that runs.
    pub fn new() -> Self {
        let stage = watch::Sender::new(Stage::Running);
        Self(Arc::new(Shared { stage, now: AtomicU8::new(0), guards: AtomicUsize::new(0), released: Notify::new() }))
    }

    /// How far the end has come.
    pub fn stage(&self) -> Stage {
        match self.0.now.load(Ordering::Acquire) {
            0 => Stage::Running,
            1 => Stage::Leaving,
            2 => Stage::Closing,
            _ => Stage::Stopped,
        }
    }

    /// Moves the end on; it never goes back.
    pub fn advance(&self, stage: Stage) {
        self.0.now.fetch_max(stage as u8, Ordering::AcqRel);
        self.0.stage.send_if_modified(|now| {
            let later = *now < stage;
            *now = stage.max(*now);
            later
        });
    }

    /// Waits until the end has come this far.
    pub async fn reached(&self, stage: Stage) {
        let mut stages = self.0.stage.subscribe();
        let _ = stages.wait_for(|now| *now >= stage).await; // The sender lives in `self`.
    }

    /// Says that work is going on until the guard is dropped.
    pub fn guard(&self) -> Guard {
        self.0.guards.fetch_add(1, Ordering::AcqRel);
        Guard(self.0.clone())
    }

    /// How many guards are held.
    pub fn guards(&self) -> usize {
        self.0.guards.load(Ordering::Acquire)
    }

    /// Waits until no guard is held, or `limit` has passed; says which.
    pub async fn drained(&self, limit: Duration) -> bool {
        let empty = async {
            loop {
                let released = self.0.released.notified();
                if self.guards() == 0 {
                    return;
                }
                released.await;
            }
        };
        tokio::time::timeout(limit, empty).await.is_ok()
    }

    /// Starts a task that serves the process itself and ends with it.
    pub fn spawn_background(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let stopped = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = future => tracing::debug!(task = name, "ended"),
                () = stopped.reached(Stage::Stopped) => {}
            }
        });
    }

    /// Starts a task on this worker that the end waits for: a connection or a part of one.
    pub fn spawn_local(&self, future: impl Future<Output = ()> + 'static) {
        let guard = self.guard();
        tokio::task::spawn_local(async move {
            future.await;
            drop(guard);
        });
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.0.guards.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.released.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_guards_and_not_for_ever() {
        let drain = Drain::new();
        let guard = drain.guard();
        assert!(!drain.drained(Duration::from_secs(30)).await);
        let waiting = tokio::spawn({
            let drain = drain.clone();
            async move { drain.drained(Duration::from_secs(30)).await }
        });
        tokio::task::yield_now().await;
        drop(guard);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn the_end_only_moves_on() {
        let drain = Drain::new();
        drain.advance(Stage::Closing);
        drain.advance(Stage::Leaving);
        assert_eq!(drain.stage(), Stage::Closing);
        drain.reached(Stage::Leaving).await;
    }
}
