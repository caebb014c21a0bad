//! Handshakes of a worker take turns. The answer to a hello costs as much as dozens of requests, so each waits until
//! everything else that is ready has been looked after since the one before: a storm of handshakes takes the time that
//! requests leave, and no more.
//!
//! The newest goes first. Where more come than there is time for, somebody has to wait in vain; in the order of their
//! coming all would, each until its client has given up. Those that wait do so within `timeouts.tlsHandshake`, and only
//! so many.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::task::yield_now;

/// Whose turn it is.
#[derive(Default)]
pub struct Turns {
    taken: Cell<bool>,
    /// By the order of their coming.
    waiting: RefCell<BTreeMap<u64, Waker>>,
    next: Cell<u64>,
    /// Those before this one are not waited for any more.
    refused: Cell<u64>,
}

/// Too many wait that came later.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

/// Each holds a connection and its hello, some 25 KiB; a second's work for a key of RSA.
const MAX_WAITING: usize = 2048;

impl Turns {
    /// Goes on with a handshake for the first time, which is where its cost is, when it is its turn.
    pub async fn take<F: Future + Unpin>(&self, mut handshake: F) -> Result<F::Output, TooMany> {
        let turn = self.wait().await?;
        let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut handshake).poll(cx))).await;
        // The runtime comes back here once it has looked at every socket and gone through whoever was ready.
        yield_now().await;
        drop(turn);
        Ok(match first {
            Poll::Ready(output) => output,
            Poll::Pending => handshake.await,
        })
    }

    async fn wait(&self) -> Result<Turn<'_>, TooMany> {
        let place = Place { turns: self, number: self.next.replace(self.next.get() + 1) };
        poll_fn(|cx| place.poll(cx)).await
    }

    /// Wakes the newest of those who wait, if nobody has the turn.
    fn pass(&self) {
        let newest = if self.taken.get() { None } else { self.waiting.borrow_mut().pop_last() };
        if let Some((_, waker)) = newest {
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
    fn poll(&self, cx: &Context<'_>) -> Poll<Result<Turn<'t>, TooMany>> {
        let Turns { taken, waiting, refused, .. } = self.turns;
        if self.number < refused.get() {
            return Poll::Ready(Err(TooMany));
        }
        if !taken.replace(true) {
            waiting.borrow_mut().remove(&self.number);
            return Poll::Ready(Ok(Turn(self.turns)));
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
        // It may have been woken for a turn that it does not take.
        self.turns.pass();
    }
}

/// The turn, for as long as it is held.
struct Turn<'t>(&'t Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.taken.set(false);
        self.0.pass();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::rc::Rc;

    use tokio::task::LocalSet;

    use super::*;

    #[tokio::test]
    async fn between_two_handshakes_everybody_else_has_a_turn() {
        let seen = Rc::new(RefCell::new(String::new()));
        let turns = Rc::new(Turns::default());
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
                yield_now().await;
            }
        });
        served.await;
        let seen = seen.borrow();
        assert!(!seen.contains("hh"), "{seen}");
        assert_eq!(seen.matches('h').count(), 5, "{seen}");
    }

    #[tokio::test]
    async fn the_oldest_give_way_where_too_many_wait() {
        let turns = Turns::default();
        let held = turns.wait().await.unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = (0..MAX_WAITING + 3).map(|_| Box::pin(turns.wait())).collect();
        assert!(waiting.iter_mut().all(|place| place.as_mut().poll(&mut cx).is_pending()));
        let refused: Vec<usize> = (0..waiting.len()).filter(|at| waiting[*at].as_mut().poll(&mut cx).is_ready()).collect();
        assert_eq!(refused, [0, 1, 2]);
        drop(held);
        assert!(waiting[3].as_mut().poll(&mut cx).is_ready(), "it waits still, and nobody has the turn");
    }

    #[tokio::test]
    async fn the_newest_that_still_waits_is_woken() {
        let turns = Rc::new(Turns::default());
        let had = Rc::new(RefCell::new(Vec::new()));
        let local = LocalSet::new();
        let (first, order) = (turns.clone(), had.clone());
        let all = local.run_until(async move {
            let held = first.wait().await.unwrap();
            let mut waiting = Vec::new();
            for number in 0..6 {
                let (turns, order) = (first.clone(), order.clone());
                waiting.push(tokio::task::spawn_local(async move {
                    turns.take(std::future::ready(())).await.unwrap();
                    order.borrow_mut().push(number);
                }));
                yield_now().await;
            }
            // The newest is woken, and gone before it looks.
            drop(held);
            waiting.pop().unwrap().abort();
            for task in waiting {
                task.await.unwrap();
            }
        });
        all.await;
        assert_eq!(*had.borrow(), [4, 3, 2, 1, 0]);
    }
}
