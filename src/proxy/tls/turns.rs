//! Handshakes of a worker take turns. The answer to a hello costs as much as dozens of requests, so each waits until
//! everything else that is ready has been looked after since the one before: a storm of handshakes takes the time that
//! requests leave, and no more. Those that wait do so within `timeouts.tlsHandshake`.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// Whose turn it is.
pub struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl Turns {
    /// Goes on with a handshake for the first time, which is where its cost is, when it is its turn.
    pub async fn take<F: Future + Unpin>(&self, mut handshake: F) -> F::Output {
        let turn = self.0.acquire().await;
        let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut handshake).poll(cx))).await;
        // The runtime comes back here once it has looked at every socket and gone through whoever was ready.
        yield_now().await;
        drop(turn);
        match first {
            Poll::Ready(output) => output,
            Poll::Pending => handshake.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
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
                turns.take(pin!(handshake)).await;
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
    async fn one_that_gives_up_costs_no_turn() {
        let turns = Turns::default();
        for _ in 0..3 {
            tokio::select! {
                biased;
                () = turns.take(std::future::pending::<()>()) => unreachable!("it never ends"),
                () = yield_now() => {}
            }
        }
        assert_eq!(turns.take(std::future::ready(7)).await, 7);
    }
}
