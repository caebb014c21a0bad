//! Whoever waits costs nothing: a program that is woken by what it has just done itself looks like any other, but for the
//! time that it takes.

use std::time::Duration;

use bytes::Bytes;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;

use super::support::frames::{Fate, Frames, get};
use super::support::{Configuration, DEADLINE, Http1, TestBackend, TestProxy, in_time, processor_time, wait_until};

/// No wait ends in between, after which there would be rest in any case.
const TIMEOUTS: &str = "timeouts: { tlsHandshake: 1h, requestHead: 1h, requestBody: 1h, responseWrite: 1h, keepAlive: 1h }";
const BACKEND_TIMEOUTS: &str = "timeouts: { response: 1h, idle: 1h }";
/// Between two looks at the clock of the processor, which moves in steps of 10 ms.
const WINDOW: Duration = Duration::from_millis(400);
/// A fifth of that time. What is never at rest takes all of it.
const MOST: Duration = Duration::from_millis(80);

async fn is_at_rest(proxy: &TestProxy, who: &str) {
    wait_until(&format!("it is at rest with {who}"), DEADLINE, async || {
        let program = proxy.pid().to_string();
        let before = processor_time(&program);
        tokio::time::sleep(WINDOW).await;
        processor_time(&program) < before + MOST
    })
    .await;
}

/// Begins an answer, or none, and then says and takes nothing more.
async fn silent() -> TestBackend {
    TestBackend::scripted(|mut exchange| async move {
        let beginning = match exchange.head.target() {
            "/part" => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart",
            "/hint" => "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n",
            "/switch" => "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
            "/large" => {
                exchange.send_pattern(1 << 30, false, &std::sync::atomic::AtomicU64::default()).await?;
                ""
            }
            _ => "",
        };
        exchange.wire.write(beginning).await?;
        let _open = exchange;
        std::future::pending().await
    })
    .await
}

/// A client of HTTP/1 that sends this, and whether it then ends its side.
const HTTP1: [(&str, &str, bool); 16] = [
    ("nothing said", "", false),
    ("half a head", "GET / HTTP/1.1\r\nhost: loc", false),
    ("no answer", "GET /none HTTP/1.1\r\nhost: localhost\r\n\r\n", false),
    ("no answer, and the client's side ended", "GET /none HTTP/1.1\r\nhost: localhost\r\n\r\n", true),
    ("a byte ahead", "GET /none HTTP/1.1\r\nhost: localhost\r\n\r\n\r", false),
    ("a byte ahead, and the client's side ended", "GET /none HTTP/1.1\r\nhost: localhost\r\n\r\n\r", true),
    ("a request ahead", "GET /none HTTP/1.1\r\nhost: localhost\r\n\r\nGET / HTTP/1.1\r\nhost: localhost\r\n\r\n", false),
    ("nonsense ahead", "GET /none HTTP/1.1\r\nhost: localhost\r\n\r\n\n\n\n\n", false),
    ("a request ahead of a part of an answer", "GET /part HTTP/1.1\r\nhost: localhost\r\n\r\nGET / HTTP/1.1\r\nhost: localhost\r\n\r\n", false),
    ("a request ahead of an interim answer", "GET /hint HTTP/1.1\r\nhost: localhost\r\n\r\nGET / HTTP/1.1\r\nhost: localhost\r\n\r\n", false),
    ("half a body", "POST /none HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nhalf", false),
    ("half a chunk", "POST /none HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf", false),
    ("an answer before the end of the body", "POST /part HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nhalf", false),
    ("an answer that nobody reads", "GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n", false),
    (
        "an answer that nobody reads, and a request ahead",
        "GET /large HTTP/1.1\r\nhost: localhost\r\n\r\nGET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        false,
    ),
    ("a tunnel", "GET /switch HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n", false),
];

#[tokio::test]
async fn clients_of_http_1_that_wait_cost_nothing() {
    let backend = silent().await;
    let configuration = Configuration::of(&backend).backend_keys(BACKEND_TIMEOUTS).more(TIMEOUTS).http("plainHttp: Allow");
    let proxy = TestProxy::serving(&configuration).await;
    let mut open: Vec<Http1> = Vec::new();
    for (who, bytes, ends) in HTTP1 {
        for mut client in [proxy.https().await, proxy.http().await] {
            client.send(bytes).await;
            if ends {
                client.wire.stream.shutdown().await.unwrap();
            }
            open.push(client);
        }
        is_at_rest(&proxy, who).await;
    }
    let body = vec![0; 1 << 20];
    let mut client = proxy.https().await;
    client.send("POST /none HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1073741824\r\n\r\n").await;
    let sending = tokio::spawn(async move { while client.wire.write(&body).await.is_ok() {} });
    is_at_rest(&proxy, "a body that nobody takes").await;
    sending.abort();
    let (_silent, mut hello) = (proxy.client().tcp().await.unwrap(), proxy.client().tcp().await.unwrap());
    hello.write_all(&proxy.client().hello()[..100]).await.unwrap();
    is_at_rest(&proxy, "half a hello").await;
}

#[tokio::test]
async fn clients_of_http_2_that_wait_cost_nothing() {
    let backend = silent().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).backend_keys(BACKEND_TIMEOUTS).more(TIMEOUTS)).await;
    let client = proxy.client().http2().await;
    let mut open = Vec::new();
    for (who, method, path) in [
        ("no answer", "GET", "/none"),
        ("an interim answer", "GET", "/hint"),
        ("a part of an answer", "GET", "/part"),
        ("an answer that nobody reads", "GET", "/large"),
        ("half a body", "POST", "/none"),
        ("an answer before the end of the body", "POST", "/part"),
    ] {
        let (response, mut upload) = client.begin(client.head(method, path).body(()).unwrap(), method == "GET").await.unwrap();
        if method == "POST" {
            upload.send_data(Bytes::from_static(b"half"), false).unwrap();
        }
        open.push((response, upload));
        is_at_rest(&proxy, who).await;
    }
    let (_response, mut upload) = client.begin(client.head("POST", "/none").body(()).unwrap(), false).await.unwrap();
    upload.send_data(Bytes::from(vec![0; 8 << 20]), false).unwrap();
    is_at_rest(&proxy, "a body that nobody takes").await;

    let mut frames = Frames::connect(&proxy.client()).await;
    frames.send(&get(1, "/part")).await.unwrap();
    assert_eq!(in_time("the answer", frames.fate(1)).await, Fate::Answered);
    frames.send(&get(3, "/part")[..20]).await.unwrap();
    is_at_rest(&proxy, "half a header block").await;
}

#[tokio::test]
async fn who_waits_for_room_or_for_the_end_of_the_process_costs_nothing() {
    let backend = silent().await;
    let limits = "limits: { requestsPerEndpoint: 1, wait: 1h }";
    let configuration = Configuration::of(&backend).backend_keys(BACKEND_TIMEOUTS).backend_keys(limits).more(TIMEOUTS).more("drain: { timeout: 1h }");
    let proxy = TestProxy::serving(&configuration).await;
    let mut open = Vec::new();
    for bytes in
        ["GET /none HTTP/1.1\r\nhost: localhost\r\n\r\n", "GET /none HTTP/1.1\r\nhost: localhost\r\n\r\n\r", "GET / HTTP/1.1\r\nhost: loc", ""]
    {
        let mut client = proxy.https().await;
        client.send(bytes).await;
        open.push(client);
    }
    let (idle, http2) = (proxy.client().http2().await, proxy.client().http2().await);
    let _waiting = http2.begin(http2.head("GET", "/none").body(()).unwrap(), true).await.unwrap();
    wait_until("one request is with its backend", DEADLINE, async || backend.request_count() == 1).await;
    is_at_rest(&proxy, "requests that wait for room").await;
    proxy.signal(Signal::TERM);
    proxy.wait_log(&["draining"]).await;
    is_at_rest(&proxy, "requests that it waits for before it ends").await;
    drop(idle);
}
