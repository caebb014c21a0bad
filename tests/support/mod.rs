//! What the tests of the running program share: certificates, a scripted backend, a client, and the program itself.
//! Everything is on loopback, on ports that the kernel picks, in a directory of its own, so that every test can run
//! beside every other and beside itself.

#![allow(dead_code, unused_imports, reason = "each test target uses a part")]

use std::time::{Duration, Instant};

mod backend;
pub mod browser;
mod certificates;
mod client;
pub mod edge;
pub mod frames;
mod load;
mod message;
mod pattern;
mod proxy;

pub use backend::{Exchange, Reply, TestBackend};
pub use certificates::{KeyKind, Leaf, SecretDirectory, TestCertificates, Validity, overwrite, rename_in};
pub use client::{Http1, Http2, TestClient, finish};
pub use load::Load;
pub use message::{Answer, Framing, Head, Wire};
pub use pattern::Pattern;
pub use proxy::{Configuration, TestProxy, backend, command, isolated};

/// Longer than anything takes on a busy machine; a test that waits this long has failed.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// From look to look at a condition.
const LOOK: Duration = Duration::from_millis(10);

/// What a process or a thread has had of the processor so far, in steps of 10 ms. `task` is its folder in `/proc`.
pub fn processor_time(task: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{task}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("there is a last part").split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<u64>().expect("it is a count");
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

/// Waits for a condition; fails the test with `what` if it does not come to hold.
pub async fn wait_until(what: &str, deadline: Duration, mut condition: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < deadline, "waited {deadline:?} in vain: {what}");
        tokio::time::sleep(LOOK).await;
    }
    started.elapsed()
}

/// Gives a future the time that everything has.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("waited {DEADLINE:?} in vain: {what}"))
}

/// Watches a number until it has not moved for a second; what it is then.
pub async fn settled(what: &str, mut number: impl FnMut() -> u64) -> u64 {
    let mut last = (number(), Instant::now());
    wait_until(what, DEADLINE, async || {
        let now = number();
        if now != last.0 {
            last = (now, Instant::now());
        }
        last.1.elapsed() > Duration::from_secs(1)
    })
    .await;
    last.0
}
