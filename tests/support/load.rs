//! Clients that keep asking while something happens, and forgive nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::task::JoinSet;

use super::{TestClient, TestProxy, in_time, wait_until};

/// Running clients.
pub struct Load {
    tasks: JoinSet<()>,
    done: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Load {
    /// This many connections that stay open, each asking for `/` as soon as it has its answer.
    pub fn on_open_connections(proxy: &TestProxy, connections: usize) -> Self {
        Self::start(&proxy.client(), connections, usize::MAX)
    }

    /// This many clients that connect anew after every request.
    pub fn on_new_connections(proxy: &TestProxy, clients: usize) -> Self {
        Self::start(&proxy.client(), clients, 1)
    }

    fn start(client: &TestClient, connections: usize, requests_each: usize) -> Self {
        let (done, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            tasks.spawn(ask(client.clone(), requests_each, done.clone(), answered.clone()));
        }
        Self { tasks, done, answered }
    }

    /// Answers so far.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Waits for so many more answers.
    pub async fn go_on(&self, answers: usize) {
        let goal = self.answered() + answers;
        wait_until("the load goes on", super::DEADLINE, async || self.answered() >= goal).await;
    }

    /// Ends it. Fails the test if a request was lost.
    pub async fn finish(mut self) -> usize {
        self.done.store(true, Ordering::SeqCst);
        while let Some(task) = in_time("the load to end", self.tasks.join_next()).await {
            task.expect("no request is lost");
        }
        self.answered.load(Ordering::SeqCst)
    }
}

async fn ask(client: TestClient, requests_each: usize, done: Arc<AtomicBool>, answered: Arc<AtomicUsize>) {
    while !done.load(Ordering::SeqCst) {
        let mut connection = client.http1().await;
        for _ in 0..requests_each {
            if done.load(Ordering::SeqCst) {
                return;
            }
            let answer = connection.get("/").await;
            assert_eq!(answer.status, 200, "{:?}", answer.head);
            answered.fetch_add(1, Ordering::SeqCst);
        }
    }
}
