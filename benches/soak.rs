//! Hours of what edges live through, in as long as there is: half of the load that the program takes, while certificates
//! are swapped, endpoints come and go, and slow clients hold on. Its memory and its descriptors have to stay what they
//! were, and no request may be lost. `SOAK_MINUTES=60 cargo bench --bench soak`; a minute if nobody says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr, missing_docs, reason = "as in tests")]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Configuration, TestClient, TestProxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

#[path = "../tests/support/mod.rs"]
mod support;

const CONNECTIONS: u32 = 48;
const STREAMS: u32 = 16;
const SLOW_CLIENTS: usize = 60;
const ENDPOINTS: usize = 4;
/// What it is at the beginning says nothing: pools and caches fill, and the allocator finds its size.
const WARM_UP: f64 = 0.05;
/// How far the last quarter may be from the first.
const DRIFT: f64 = 0.03;
const LARGE: usize = 1 << 20;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let minutes: u64 = std::env::var("SOAK_MINUTES").map_or(1, |minutes| minutes.parse().expect("SOAK_MINUTES is a number"));
    let mut backends = Vec::new();
    for _ in 0..ENDPOINTS {
        backends.push(backend().await);
    }
    let proxy = TestProxy::serving(&configuration(&backends, 0)).await;
    let most = saturate(&proxy.client()).await;
    println!("it takes {most} requests/s; from now on for {minutes} minutes the half of them");
    soak(proxy, &backends, most / 2, Duration::from_secs(minutes * 60)).await
}

/// All endpoints but one, another each time.
fn configuration(backends: &[SocketAddr], round: usize) -> Configuration {
    let left_out = round % backends.len();
    let endpoints: Vec<String> = backends.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, address)| format!("\"{address}\"")).collect();
    let flow = format!("{{ endpoints: [{}], readinessProbe: {{ httpGet: {{ path: /healthz }}, periodSeconds: 1 }} }}", endpoints.join(", "));
    Configuration::default()
        .backend("web", &flow)
        .more("defaultBackend: web")
        .more("accessLog: { format: off }")
        .more("timeouts: { requestHead: 5s, tlsHandshake: 5s, responseWrite: 5s }")
}

/// Answers whatever it is asked, and keeps nothing.
async fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let answer =
            |length: usize| Arc::new([format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes(), vec![b'x'; length]].concat());
        let (small, large) = (answer(1024), answer(LARGE));
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, small.clone(), large.clone()));
        }
    });
    address
}

async fn serve(mut stream: TcpStream, small: Arc<Vec<u8>>, large: Arc<Vec<u8>>) -> std::io::Result<()> {
    let mut head = Vec::with_capacity(4096);
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let answer = if head.starts_with(b"GET /large") { &large } else { &small };
        stream.write_all(answer).await?;
    }
}

/// How many requests a second it takes.
async fn saturate(client: &TestClient) -> u32 {
    let (answered, started) = (Arc::<AtomicU64>::default(), Instant::now());
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (client, answered) = (client.clone(), answered.clone());
        clients.spawn(async move {
            let mut connection = client.http1().await;
            while started.elapsed() < Duration::from_secs(10) {
                assert_eq!(connection.get("/").await.status, 200);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    clients.join_all().await;
    u32::try_from(answered.load(Ordering::Relaxed) / started.elapsed().as_secs().max(1)).unwrap()
}

/// What became of requests.
#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    lost: AtomicU64,
}

impl Counts {
    fn note(&self, is_answered: bool, what: impl FnOnce() -> String) {
        if is_answered {
            self.answered.fetch_add(1, Ordering::Relaxed);
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
            println!("lost: {}", what());
        }
    }
}

async fn soak(mut proxy: TestProxy, backends: &[SocketAddr], rate: u32, time: Duration) -> ExitCode {
    let counts = Arc::new(Counts::default());
    let client = proxy.client();
    let period = Duration::from_secs(1) * (CONNECTIONS + STREAMS) / rate.max(1);
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        clients.spawn(ask_http1(client.clone(), period, counts.clone()));
    }
    clients.spawn(ask_http2(client.clone(), period, counts.clone()));
    clients.spawn(ask_anew(client.clone(), counts.clone()));
    for index in 0..SLOW_CLIENTS {
        clients.spawn(be_slow(client.clone(), index));
    }
    let started = Instant::now();
    let mut samples = Vec::new();
    let mut ticks = paced(Duration::from_secs(2));
    for round in 0.. {
        ticks.tick().await;
        let passed = started.elapsed().as_secs_f64() / time.as_secs_f64();
        if passed >= 1.0 {
            break;
        }
        proxy.write_configuration(&configuration(backends, round).yaml());
        if round % 3 == 0 {
            let leaf = proxy.certificates.leaf(&["localhost"]);
            proxy.secret.swap(&leaf);
        }
        samples.push((passed, proxy.rss(), proxy.descriptors()));
        if round % 30 == 0 {
            let (rss, descriptors) = (proxy.rss() / 1024, proxy.descriptors());
            println!("{:.0?}: {rss} KiB, {descriptors} descriptors, {} answered", started.elapsed(), counts.answered.load(Ordering::Relaxed));
        }
    }
    drop(clients);
    assert_eq!(proxy.exited(), None, "it runs");
    let (reloads, handshakes) = (proxy.generation().await, proxy.metric("genkan_tls_handshakes_total", &[]).await);
    println!("{reloads} configurations and certificates came into force; {} handshakes", handshakes.unwrap_or_default());
    judge(&counts, &samples)
}

fn judge(counts: &Counts, samples: &[(f64, u64, u64)]) -> ExitCode {
    let (answered, lost) = (counts.answered.load(Ordering::Relaxed), counts.lost.load(Ordering::Relaxed));
    println!("{answered} requests were answered, {lost} lost");
    let mut flat = true;
    for (what, number) in [("memory", (|sample| sample.1) as fn(&(f64, u64, u64)) -> u64), ("descriptors", |sample| sample.2)] {
        let mean = |from: f64, to: f64| {
            let of: Vec<f64> = samples
                .iter()
                .filter(|sample| (from..to).contains(&sample.0))
                .map(|sample| f64::from(u32::try_from(number(sample) >> 2).unwrap()) * 4.0)
                .collect();
            of.iter().sum::<f64>() / f64::from(u32::try_from(of.len()).unwrap())
        };
        let (first, last) = (mean(WARM_UP, 0.25 + WARM_UP), mean(0.75, 1.0));
        let drift = last / first - 1.0;
        flat &= drift <= DRIFT;
        println!("{what}: {first:.0} in the first quarter, {last:.0} in the last: {:+.1} %", drift * 100.0);
    }
    if flat && lost == 0 && answered > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One request after the other on a connection that stays.
async fn ask_http1(client: TestClient, period: Duration, counts: Arc<Counts>) {
    let mut ticks = paced(period);
    loop {
        let mut connection = client.http1().await;
        let mut stays = true;
        while stays {
            ticks.tick().await;
            let answer = connection.try_request("GET", "/", &[], b"").await;
            counts.note(answer.as_ref().is_ok_and(|answer| answer.status == 200), || format!("{answer:?}"));
            stays = answer.is_ok_and(|answer| answer.get("connection") != Some("close"));
        }
    }
}

/// Streams side by side on a connection that is made anew now and then.
async fn ask_http2(client: TestClient, period: Duration, counts: Arc<Counts>) {
    loop {
        let connection = client.http2().await;
        let mut streams = JoinSet::new();
        for _ in 0..STREAMS {
            let (head, sender, counts) = (connection.head("GET", "/"), connection.sender.clone(), counts.clone());
            streams.spawn(async move {
                let request = head.body(()).unwrap();
                let mut ticks = paced(period);
                for _ in 0..1000 {
                    ticks.tick().await;
                    let answer = ask_stream(sender.clone(), request.clone()).await;
                    counts.note(matches!(answer, Ok(200)), || format!("{answer:?}"));
                }
            });
        }
        streams.join_all().await;
    }
}

async fn ask_stream(sender: SendRequest<Bytes>, request: Request<()>) -> Result<u16, h2::Error> {
    let (response, _) = sender.ready().await?.send_request(request, true)?;
    support::finish(response.await?).await.map(|answer| answer.status)
}

/// What was missed is not made up for.
fn paced(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// A handshake for each request.
async fn ask_anew(client: TestClient, counts: Arc<Counts>) {
    let mut ticks = paced(Duration::from_millis(25));
    loop {
        ticks.tick().await;
        let (client, counts) = (client.clone(), counts.clone());
        tokio::spawn(async move {
            let answer = match client.try_http1().await {
                Ok(mut connection) => connection.try_request("GET", "/", &[], b"").await,
                Err(error) => Err(error),
            };
            counts.note(answer.as_ref().is_ok_and(|answer| answer.status == 200), || format!("{answer:?}"));
        });
    }
}

/// A client that nobody wants: what becomes of its requests is its own doing.
async fn be_slow(client: TestClient, index: usize) {
    loop {
        let _ = match index % 6 {
            0 => slow_hello(&client).await,
            1 => slow_head(&client).await,
            2 => slow_body(&client).await,
            3 => slow_reader(&client).await,
            4 => leaves(&client).await,
            _ => idles(&client).await,
        };
        sleep(Duration::from_millis(200)).await;
    }
}

async fn slow_hello(client: &TestClient) -> std::io::Result<()> {
    let mut stream = client.tcp().await?;
    for byte in client.hello() {
        stream.write_all(&[byte]).await?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn slow_head(client: &TestClient) -> std::io::Result<()> {
    let mut stream = client.tls(&["http/1.1"]).await?;
    for byte in b"GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ".iter().chain(std::iter::repeat(&b'a')).take(1000) {
        stream.write_all(&[*byte]).await?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn slow_body(client: &TestClient) -> std::io::Result<()> {
    let mut stream = client.tls(&["http/1.1"]).await?;
    stream.write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 300\r\n\r\n").await?;
    for _ in 0..300 {
        stream.write_all(b"x").await?;
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn slow_reader(client: &TestClient) -> std::io::Result<()> {
    let mut stream = client.tls(&["http/1.1"]).await?;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let mut some = vec![0; 4096];
    for _ in 0..200 {
        if stream.read(&mut some).await? == 0 {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn leaves(client: &TestClient) -> std::io::Result<()> {
    let mut stream = client.tls(&["http/1.1"]).await?;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    stream.read(&mut [0; 1024]).await.map(drop)
}

async fn idles(client: &TestClient) -> std::io::Result<()> {
    let _stream = client.tls(&["h2"]).await?;
    sleep(Duration::from_secs(20)).await;
    Ok(())
}
