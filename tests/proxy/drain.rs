//! The end of the process: what is in flight finishes, what is idle closes, and it does not take longer than it may.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::http1::UPGRADE;
use super::support::{Configuration, DEADLINE, Http1, TestBackend, TestProxy, wait_until};

/// A backend that begins an answer of two halves and sends the second when told.
async fn halves() -> (TestBackend, watch::Sender<bool>) {
    let (go, wait) = watch::channel(false);
    let backend = TestBackend::scripted(move |mut exchange| {
        let mut wait = wait.clone();
        async move {
            if exchange.head.target() == "/" {
                exchange.reply(super::support::Reply::text("whole")).await?;
                return Ok(exchange);
            }
            exchange.wire.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst").await?;
            wait.wait_for(|go| *go).await.map_err(std::io::Error::other)?;
            exchange.wire.write("later").await?;
            Ok(exchange)
        }
    })
    .await;
    (backend, go)
}

/// A request whose answer has begun.
async fn in_flight(proxy: &TestProxy) -> (Http1, super::support::Answer) {
    let mut client = proxy.https().await;
    client.send("GET /halves HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let answer = client.wire.answer_head().await.unwrap();
    assert_eq!(answer.status, 200);
    (client, answer)
}

async fn refuses(proxy: &TestProxy) {
    let address = proxy.listener("https");
    wait_until("new connections are refused", DEADLINE, async || TcpStream::connect(address).await.is_err()).await;
}

#[tokio::test]
async fn a_request_in_flight_finishes() {
    let (backend, go) = halves().await;
    let mut proxy = TestProxy::of(&backend).await;
    let (mut client, answer) = in_flight(&proxy).await;
    proxy.signal(Signal::TERM);
    refuses(&proxy).await;
    assert_eq!(proxy.admin("/readyz").await.status, 503);
    assert_eq!(proxy.exited(), None, "it waits for the request");
    go.send(true).unwrap();
    let mut body = Vec::new();
    client.wire.body(answer.head.response_framing("GET"), |bytes| body.extend_from_slice(bytes)).await.unwrap();
    assert_eq!(body, b"firstlater");
    client.closed().await;
    assert_eq!(proxy.wait_exit(DEADLINE).await.code(), Some(0));
}

#[tokio::test]
async fn a_download_of_five_seconds_finishes() {
    let backend = TestBackend::scripted(|mut exchange| async move {
        exchange.wire.write("HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n").await?;
        for _ in 0..50 {
            exchange.wire.write("x").await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(exchange)
    })
    .await;
    let mut proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    client.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let answer = client.wire.answer_head().await.unwrap();
    proxy.signal(Signal::TERM);
    let mut length = 0;
    client.wire.body(answer.head.response_framing("GET"), |bytes| length += bytes.len()).await.unwrap();
    assert_eq!(length, 50);
    assert_eq!(proxy.wait_exit(DEADLINE).await.code(), Some(0));
}

#[tokio::test]
async fn idle_connections_close_and_the_process_ends_at_once() {
    let (backend, _go) = halves().await;
    let mut proxy = TestProxy::of(&backend).await;
    let mut used = proxy.https().await;
    assert_eq!(used.get("/").await.status, 200);
    let mut unused = proxy.https().await;
    let started = Instant::now();
    proxy.signal(Signal::TERM);
    used.closed().await;
    unused.closed().await;
    assert_eq!(proxy.wait_exit(DEADLINE).await.code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(15), "nothing was in flight: {:?}", started.elapsed());
}

#[tokio::test]
async fn sigint_drains_as_sigterm_does() {
    let (backend, go) = halves().await;
    let mut proxy = TestProxy::of(&backend).await;
    let (mut client, answer) = in_flight(&proxy).await;
    proxy.signal(Signal::INT);
    refuses(&proxy).await;
    go.send(true).unwrap();
    client.wire.body(answer.head.response_framing("GET"), |_| ()).await.unwrap();
    assert_eq!(proxy.wait_exit(DEADLINE).await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_stops_at_once() {
    let (backend, _go) = halves().await;
    let mut proxy = TestProxy::of(&backend).await;
    let (mut client, answer) = in_flight(&proxy).await;
    proxy.signal(Signal::TERM);
    refuses(&proxy).await;
    let started = Instant::now();
    proxy.signal(Signal::TERM);
    proxy.wait_exit(DEADLINE).await;
    assert!(started.elapsed() < Duration::from_secs(15), "it does not wait for drain.timeout: {:?}", started.elapsed());
    assert!(client.wire.body(answer.head.response_framing("GET"), |_| ()).await.is_err(), "a cut body does not look whole");
}

#[tokio::test]
async fn delay_keeps_listeners_open_while_readyz_says_no() {
    let (backend, _go) = halves().await;
    let mut proxy = TestProxy::serving(&Configuration::of(&backend).more("drain: { delay: 3s }")).await;
    let mut open = proxy.https().await;
    let started = Instant::now();
    proxy.signal(Signal::TERM);
    wait_until("readyz says no", DEADLINE, async || proxy.admin("/readyz").await.status == 503).await;
    let answer = proxy.https().await.get("/").await;
    assert_eq!(answer.status, 200, "new connections are served");
    assert_eq!(answer.get("connection"), Some("close"), "and asked to end");
    assert_eq!(open.get("/").await.status, 200);
    refuses(&proxy).await;
    assert!(started.elapsed() > Duration::from_secs(2), "not before the delay");
    assert_eq!(proxy.wait_exit(DEADLINE).await.code(), Some(0));
}

#[tokio::test]
async fn timeout_cuts_off_what_does_not_end() {
    let (backend, _go) = halves().await;
    let mut proxy = TestProxy::serving(&Configuration::of(&backend).more("drain: { timeout: 1s }")).await;
    let (mut client, answer) = in_flight(&proxy).await;
    let started = Instant::now();
    proxy.signal(Signal::TERM);
    assert!(client.wire.body(answer.head.response_framing("GET"), |_| ()).await.is_err(), "it is cut");
    assert_eq!(proxy.wait_exit(DEADLINE).await.code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_tunnel_goes_on_until_the_timeout() {
    let backend = TestBackend::tunnel().await;
    let mut proxy = TestProxy::serving(&Configuration::of(&backend).more("drain: { timeout: 3s }")).await;
    let mut client = proxy.https().await;
    client.send(UPGRADE).await;
    assert_eq!(client.wire.answer_head().await.unwrap().status, 101);
    proxy.signal(Signal::TERM);
    refuses(&proxy).await;
    client.send("still here").await;
    client.wire.exactly(10, &mut |_: &[u8]| ()).await.expect("a tunnel is in flight, too");
    client.closed().await;
    assert_eq!(proxy.wait_exit(DEADLINE).await.code(), Some(0));
}

#[tokio::test]
async fn every_exchange_is_in_the_access_log_when_the_process_has_ended() {
    let (backend, _go) = halves().await;
    let mut proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    for _ in 0..100 {
        assert_eq!(client.get("/").await.status, 200);
    }
    proxy.signal(Signal::TERM);
    proxy.wait_exit(DEADLINE).await;
    assert_eq!(proxy.access_log().len(), 100);
}
