//! What a storm of handshakes does to requests on connections that are there: their latency without it and during it,
//! over several rounds. `cargo bench --bench storm`.
//!
//! The program has one worker and a processor of its own. The storm is what an attacker has it cheapest with: a hello
//! that was made once, and nothing after the answer to it. It comes from a thread that yields to the one that measures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a bench ends where it cannot go on"
)]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Configuration, Http1, KeyKind, TestBackend, TestClient, TestProxy, Validity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep_until, timeout};

#[path = "../tests/support/mod.rs"]
mod support;

const CONNECTIONS: u32 = 64;
const REQUESTS_A_SECOND: u32 = 2_000;
const HANDSHAKES_A_SECOND: usize = 5_000;
const MOST_OPEN: usize = 4_000;
const ROUND: Duration = Duration::from_secs(5);
const ROUNDS: usize = 5;

fn main() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let backend = TestBackend::start().await;
    let mut proxy = TestProxy::serving(&Configuration::of(&backend).workers(1).more("accessLog: { format: off }")).await;
    pin(proxy.pid(), "0");
    pin(std::process::id(), "1");
    for kind in [KeyKind::Ecdsa, KeyKind::Rsa] {
        let leaf = proxy.certificates.leaf_of(&["localhost"], kind, Validity::Now);
        proxy.secret.swap(&leaf);
        proxy.wait_certificate(&leaf).await;
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let quiet = Latencies::of(connect(&proxy).await).await;
            let connections = connect(&proxy).await;
            let storm = Storm::start(&proxy.client());
            let during = Latencies::of(connections).await;
            let newcomer = newcomer(&proxy.client()).await;
            let answered = storm.stop();
            let ratio = during.percentile(99).as_secs_f64() / quiet.percentile(99).as_secs_f64();
            println!("{kind:?}: quiet {quiet}; with {answered} handshakes/s answered {during}; p99 is {ratio:.1} times as long; {newcomer}");
            ratios.push(ratio);
        }
        ratios.sort_by(f64::total_cmp);
        println!("{kind:?}: median of the ratios {:.1}", ratios[ROUNDS / 2]);
    }
}

/// Every thread of a process, on a machine that has this processor.
fn pin(pid: u32, processor: &str) {
    let _ = Command::new("taskset").args(["-a", "-p", "-c", processor, &pid.to_string()]).output();
}

async fn connect(proxy: &TestProxy) -> Vec<Http1> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(proxy.https().await);
    }
    connections
}

/// How a client fares that comes during a storm, and tries again when it is turned away.
async fn newcomer(client: &TestClient) -> String {
    let started = Instant::now();
    for tries in 1..=50 {
        if let Ok(Ok(mut connection)) = timeout(Duration::from_secs(1), client.try_http1()).await
            && connection.try_request("GET", "/", &[], b"").await.is_ok_and(|answer| answer.status == 200)
        {
            return format!("a newcomer had its answer after {tries} tries, {:?}", started.elapsed());
        }
    }
    "a newcomer had no answer".to_owned()
}

/// How long requests took.
struct Latencies(Vec<Duration>);

impl Latencies {
    async fn of(connections: Vec<Http1>) -> Self {
        let mut clients = JoinSet::new();
        let period = Duration::from_secs(1) * CONNECTIONS / REQUESTS_A_SECOND;
        let start = tokio::time::Instant::now();
        for (mut connection, index) in connections.into_iter().zip(0..) {
            clients.spawn(async move {
                let mut times = Vec::new();
                let mut due = start + period * index / CONNECTIONS;
                while due < start + ROUND {
                    sleep_until(due).await;
                    let sent = Instant::now();
                    assert_eq!(connection.get("/").await.status, 200);
                    times.push(sent.elapsed());
                    due += period;
                }
                times
            });
        }
        let mut all: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
        all.sort();
        Self(all)
    }

    fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {:?} p99 {:?}", self.percentile(50), self.percentile(99))
    }
}

/// Handshakes that are begun and not ended.
struct Storm {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    started: Instant,
}

impl Storm {
    fn start(client: &TestClient) -> Self {
        let (over, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (client, hello) = (client.clone(), Arc::new(client.hello()));
        let thread = (over.clone(), answered.clone());
        std::thread::spawn(move || {
            let _ = rustix::process::nice(19); // Without it the figures are only worse.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(offer(client, hello, thread.0, thread.1));
        });
        Self { over, answered, started: Instant::now() }
    }

    /// Ends it; how many a second were answered.
    fn stop(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.answered.load(Ordering::Relaxed) / self.started.elapsed().as_secs().max(1)
    }
}

async fn offer(client: TestClient, hello: Arc<Vec<u8>>, over: Arc<AtomicBool>, answered: Arc<AtomicU64>) {
    let mut ticks = interval(Duration::from_millis(5));
    let mut running = JoinSet::new();
    while !over.load(Ordering::Relaxed) {
        ticks.tick().await;
        // Those that wait for an answer have taken their place.
        let room = MOST_OPEN.saturating_sub(running.len());
        for _ in 0..room.min(HANDSHAKES_A_SECOND / 200) {
            let (client, hello, answered) = (client.clone(), hello.clone(), answered.clone());
            running.spawn(async move {
                let Ok(mut stream) = client.tcp().await else { return };
                let _ = stream.write_all(&hello).await;
                if let Ok(Ok(1..)) = timeout(Duration::from_secs(2), stream.read(&mut [0; 64])).await {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while running.try_join_next().is_some() {}
    }
}
