//! Handshakes of a worker take turns. The answer to a hello costs as much as dozens of requests, so after each one
//! everything else that is ready is looked after: a storm of handshakes takes the time that requests leave, and no more.
//! While nobody asks on a connection that was there, several go at a time, which costs less.
//!
//! Who came first goes first as long as few wait. Where more come than there is time for, somebody has to wait in vain;
//! in the order of their coming all would, each until its client has given up, so then the newest goes first. Those that
//! wait do so within `timeouts.tlsHandshake`, and only so many.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::task::yield_now;

/// Whose turn it is.
#[derive(Default)]
pub struct Turns {
    /// Until when more may go in this round of the runtime; `None`: nobody has gone.
    round: Cell<Option<Instant>>,
    /// By the order of their coming.
    waiting: RefCell<BTreeMap<u64, Waker>>,
    next: Cell<u64>,
    /// Those before this one are not waited for any more.
    refused: Cell<u64>,
    asked: Cell<bool>,
    asked_at: Cell<Option<Instant>>,
}

/// Too many wait that came later.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

/// Each holds a connection and its hello, some 25 KiB; a second's work for a key of RSA.
const MAX_WAITING: usize = 2048;

/// So many wait a tenth of a second at most, which any client does.
const FEW_WAITING: usize = 128;

/// How long they may go on while nobody else asks.
const BATCH: Duration = Duration::from_millis(1);

/// Nobody asks, if nobody has for so long.
const QUIET: Duration = Duration::from_millis(100);

impl Turns {
    /// Goes on with a handshake for the first time, which is where its cost is, when it is its turn.
    pub async fn take<F: Future + Unpin>(&self, mut handshake: F) -> Result<F::Output, TooMany> {
        let round = self.wait().await?;
        let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut handshake).poll(cx))).await;
        if let Some(round) = round {
            // The runtime comes back here once it has looked at every socket and gone through whoever was ready.
            yield_now().await;
            drop(round);
        }
        Ok(match first {
            Poll::Ready(output) => output,
            Poll::Pending => handshake.await,
        })
    }

    /// A client has asked again on a connection that was there: it is not to wait for many newcomers.
    pub fn asked_again(&self) {
        self.asked.set(true);
    }

    /// Whoever is the first of a round gets it, to end it.
    async fn wait(&self) -> Result<Option<Round<'_>>, TooMany> {
        let place = Place { turns: self, number: self.next.replace(self.next.get() + 1) };
        poll_fn(|cx| place.poll(cx)).await
    }

    /// Begins a round.
    fn begin(&self) {
        let now = Instant::now();
        if self.asked.replace(false) {
            self.asked_at.set(Some(now));
        }
        let quiet = self.asked_at.get().is_none_or(|asked| now.duration_since(asked) > QUIET);
        self.round.set(Some(if quiet { now + BATCH } else { now }));
    }

    fn has_time(&self) -> bool {
        self.round.get().is_none_or(|until| Instant::now() < until)
    }

    /// Wakes the next of those who wait, if it may go.
    fn pass(&self) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() || !self.has_time() {
            return;
        }
        let next = if waiting.len() > FEW_WAITING { waiting.pop_last() } else { waiting.pop_first() };
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }
}

/// Somebody who waits.
struct Place<'t> {
    turns: &'t Turns,
    number: u64,
}

impl<'t> Place<'t> {
    fn poll(&self, cx: &Context<'_>) -> Poll<Result<Option<Round<'t>>, TooMany>> {
        let Turns { round, waiting, refused, .. } = self.turns;
        if self.number < refused.get() {
            return Poll::Ready(Err(TooMany));
        }
        if self.turns.has_time() {
            let first = round.get().is_none();
            if first {
                self.turns.begin();
            }
            return Poll::Ready(Ok(first.then_some(Round(self.turns))));
        }
        let mut waiting = waiting.borrow_mut();
        waiting.insert(self.number, cx.waker().clone());
        if waiting.len() > MAX_WAITING
            && let Some((oldest, waker)) = waiting.pop_first()
        {
            refused.set(oldest + 1);
            waker.wake();
        }
        Poll::Pending
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.waiting.borrow_mut().remove(&self.number);
        // To the next, if there is time for one more, or this one has been woken and does not go.
        self.turns.pass();
    }
}

/// A round, until it is dropped.
struct Round<'t>(&'t Turns);

impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.0.round.set(None);
        self.0.pass();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::rc::Rc;

    use tokio::task::LocalSet;

    use super::*;

    /// What runs on a worker in which five handshakes wait while requests of others come.
    async fn order(turns: Rc<Turns>, asks: bool) -> String {
        let seen = Rc::new(RefCell::new(String::new()));
        let local = LocalSet::new();
        for _ in 0..5 {
            let (seen, turns) = (seen.clone(), turns.clone());
            local.spawn_local(async move {
                let handshake = async {
                    seen.borrow_mut().push('h');
                    std::future::pending::<()>().await;
                };
                turns.take(pin!(handshake)).await
            });
        }
        let requests = seen.clone();
        let served = local.run_until(async move {
            for _ in 0..10 {
                requests.borrow_mut().push('r');
                if asks {
                    turns.asked_again();
                }
                yield_now().await;
            }
        });
        served.await;
        seen.take()
    }

    #[tokio::test]
    async fn between_two_handshakes_everybody_else_has_a_turn() {
        let seen = order(Rc::default(), true).await;
        assert!(!seen.contains("hh"), "{seen}");
        assert_eq!(seen.matches('h').count(), 5, "{seen}");
    }

    #[tokio::test]
    async fn while_nobody_asks_again_handshakes_go_in_batches() {
        let seen = order(Rc::default(), false).await;
        assert!(seen.contains("hh"), "{seen}");
    }

    #[tokio::test]
    async fn the_oldest_give_way_where_too_many_wait() {
        let turns = Turns::default();
        turns.asked_again();
        let held = turns.wait().await.unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = (0..MAX_WAITING + 3).map(|_| Box::pin(turns.wait())).collect();
        assert!(waiting.iter_mut().all(|place| place.as_mut().poll(&mut cx).is_pending()));
        let refused: Vec<usize> = (0..waiting.len()).filter(|at| waiting[*at].as_mut().poll(&mut cx).is_ready()).collect();
        assert_eq!(refused, [0, 1, 2]);
        drop(held);
        assert!(waiting[3].as_mut().poll(&mut cx).is_ready(), "it waits still, and nobody has the turn");
    }

    /// In which order those go that wait; the last of them leaves when it has been woken.
    async fn order_of(count: usize) -> Vec<usize> {
        let turns = Rc::new(Turns::default());
        let had = Rc::new(RefCell::new(Vec::new()));
        let local = LocalSet::new();
        let order = had.clone();
        let all = local.run_until(async move {
            turns.asked_again();
            let held = turns.wait().await.unwrap();
            let mut waiting = Vec::new();
            for number in 0..count {
                let (turns, order) = (turns.clone(), order.clone());
                waiting.push(tokio::task::spawn_local(async move {
                    turns.take(std::future::ready(())).await.unwrap();
                    turns.asked_again();
                    order.borrow_mut().push(number);
                }));
                yield_now().await;
            }
            drop(held);
            waiting.pop().unwrap().abort();
            for task in waiting {
                task.await.unwrap();
            }
        });
        all.await;
        had.take()
    }

    #[tokio::test]
    async fn few_go_in_the_order_of_their_coming() {
        assert_eq!(order_of(6).await, [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn of_many_the_newest_goes_first() {
        let order = order_of(FEW_WAITING + 4).await;
        assert_eq!(order[..3], [FEW_WAITING + 2, FEW_WAITING + 1, FEW_WAITING]);
        assert_eq!(order[3..], (0..FEW_WAITING).collect::<Vec<_>>());
    }
}
