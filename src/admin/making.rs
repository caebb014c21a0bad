//! What takes a while is made off the thread that control shares, and a few at a time: somebody who asks and leaves, again
//! and again, piles up no work behind which a configuration would have to wait.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Places for making answers.
#[derive(Clone, Debug)]
pub struct Makers(Arc<Semaphore>);

/// A scrape, a page and a person with curl.
const MOST: usize = 4;

impl Default for Makers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

impl Makers {
    /// Makes it once there is a place, which is taken until it is made, whoever still waits for it. `None`: it could not
    /// be made; the log says of `what`.
    pub(super) async fn make<T: Send + 'static>(&self, what: &str, make: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let place = self.0.clone().acquire_owned().await.ok()?;
        let made = tokio::task::spawn_blocking(move || {
            let made = make();
            drop(place);
            made
        });
        made.await.inspect_err(|error| tracing::error!(%error, what, "an answer could not be made")).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_still_takes_its_place() {
        let makers = Makers::default();
        let (begun, begins) = channel();
        let ends = Arc::new(std::sync::Barrier::new(MOST + 1));
        for _ in 0..MOST {
            let (makers, begun, ends) = (makers.clone(), begun.clone(), ends.clone());
            let asked = tokio::spawn(async move {
                let make = move || (begun.send(()).unwrap(), ends.wait()).0;
                makers.make("a test", make).await
            });
            tokio::task::yield_now().await;
            begins.recv().unwrap();
            asked.abort();
        }
        assert_eq!(makers.0.available_permits(), 0);
        ends.wait();
        assert_eq!(makers.make("a test", || 7).await, Some(7));
    }
}
