//! Backends that are not to be trusted: what they say beside, before and after an answer never becomes part of another,
//! and what is cut short never looks whole.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::support::{DEADLINE, Reply, TestBackend, TestProxy, finish, in_time, settled, wait_until};

const GOOD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood";

/// Answers `/bad` with these bytes, and everything else well.
async fn answering(bytes: impl Into<Vec<u8>>, close: bool) -> (TestBackend, TestProxy) {
    let bytes = bytes.into();
    let backend = TestBackend::answering(move |seen| {
        if seen.head.target() != "/bad" {
            return Reply::raw(GOOD);
        }
        let reply = Reply::raw(bytes.clone());
        if close { reply.then_close() } else { reply }
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    (backend, proxy)
}

#[tokio::test]
async fn what_no_answer_may_be_is_502() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(200_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(5000));
    let interims = format!("{}{GOOD}", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(100));
    for (name, bytes) in [
        ("garbage", "This is not HTTP at all\r\n\r\n"),
        ("nothing", ""),
        ("half a head", "HTTP/1.1 200 OK\r\ncontent-len"),
        ("another version", "HTTP/3.0 200 OK\r\ncontent-length: 0\r\n\r\n"),
        ("a status that is no number", "HTTP/1.1 2x0 OK\r\ncontent-length: 0\r\n\r\n"),
        ("a length and chunks", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!"),
        ("a list of lengths", "HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\nhello!"),
        ("a negative length", "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello"),
        ("a length with a sign", "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello"),
        ("an unknown coding", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello"),
        ("chunked, but not last", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
        ("NUL", "HTTP/1.1 200 OK\r\nx-a: a\0b\r\ncontent-length: 0\r\n\r\n"),
        ("a space before the colon", "HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n"),
        ("an empty name", "HTTP/1.1 200 OK\r\n: empty\r\ncontent-length: 0\r\n\r\n"),
        ("no colon", "HTTP/1.1 200 OK\r\nno colon here\r\ncontent-length: 0\r\n\r\n"),
        ("a status of four digits", "HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n"),
        ("a status of two digits", "HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n"),
        ("a status below 100", "HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n"),
        ("HTTP/0.9", "good"),
        ("a length that is too large", "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n"),
        ("chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("chunked twice", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("a folded field", "HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n"),
        ("a bare CR", "HTTP/1.1 200 OK\r\nx: a\rb\r\ncontent-length: 0\r\n\r\n"),
        ("a head without an end", &long),
        ("fields without an end", &many),
        ("interim answers without an end", &interims),
        ("101 that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"),
        ("101 to a WebSocket that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"),
    ] {
        let (_backend, proxy) = answering(bytes, true).await;
        let mut client = proxy.https().await;
        let answer = client.get("/bad").await;
        assert_eq!(answer.status, 502, "{name}: {:?}", answer.head);
        assert!(answer.head.has("proxy-status"), "{name}: our own answers say so");
        assert!(!answer.text().contains("127.0.0.1") && !format!("{:?}", answer.head).contains("127.0.0.1"), "{name}: no address is revealed");
        assert_eq!(client.get("/").await.text(), "good", "the client's connection goes on after {name}");
        let mut http2 = proxy.client().http2().await;
        assert_eq!(http2.get("/bad").await.status, 502, "{name} over HTTP/2");
    }
}

#[tokio::test]
async fn what_comes_after_an_answer_belongs_to_nobody() {
    for (name, bytes) in [
        ("a second answer", format!("{GOOD}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")),
        ("a byte", format!("{GOOD}x")),
        ("a body of 204", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil".to_owned()),
        ("a body of 304", "HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\nevil".to_owned()),
        (
            "more behind the last chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil".to_owned(),
        ),
    ] {
        let (_backend, proxy) = answering(bytes, false).await;
        let mut client = proxy.https().await;
        for _ in 0..10 {
            assert!(client.get("/bad").await.status < 400, "{name}");
            assert_eq!(client.get("/").await.text(), "good", "after {name}");
        }
    }
}

#[tokio::test]
async fn a_body_of_head_is_none_and_poisons_nothing() {
    let backend = TestBackend::answering(|_| Reply::raw(GOOD)).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    for _ in 0..10 {
        assert_eq!(client.request("HEAD", "/", &[], b"").await.status, 200);
        assert_eq!(client.get("/").await.text(), "good");
    }
}

#[tokio::test]
async fn bytes_on_an_idle_connection_end_it() {
    let (go, wait) = watch::channel(false);
    let (told, said) = watch::channel(false);
    let told = Arc::new(told);
    let backend = TestBackend::scripted(move |mut exchange| {
        let (mut wait, told) = (wait.clone(), told.clone());
        async move {
            exchange.read_body().await?;
            exchange.wire.write(GOOD).await?;
            if exchange.head.target() == "/late" {
                wait.wait_for(|go| *go).await.map_err(io::Error::other)?;
                exchange.wire.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil").await?;
                told.send_replace(true);
            }
            Ok(exchange)
        }
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    assert_eq!(client.get("/late").await.text(), "good");
    go.send_replace(true);
    in_time("the late bytes", said.clone().wait_for(|said| *said)).await.unwrap();
    assert_eq!(client.get("/").await.text(), "good");
    assert_ne!(backend.requests()[0].connection, backend.last_request().connection, "on another connection");
}

#[tokio::test]
async fn what_is_cut_never_looks_whole_to_any_client() {
    for (name, bytes) in [
        ("a length that is not reached", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"),
        ("chunks without the last", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n"),
        ("a chunk that is cut", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nonly this"),
        ("chunks that become something else", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\nnonsense\r\n0\r\n\r\n"),
        ("a chunk longer than it says", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nonly this\r\n0\r\n\r\n"),
        ("trailers that are none", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nonly\r\n0\r\nno field\r\n\r\n"),
    ] {
        let (_backend, proxy) = answering(bytes, true).await;
        for version in ["1.1", "1.0"] {
            let mut client = proxy.https().await;
            client.send(format!("GET /bad HTTP/{version}\r\nhost: localhost\r\n\r\n")).await;
            let answer = client.wire.answer("GET").await;
            assert!(answer.is_err(), "{name} over HTTP/{version} looked whole: {answer:?}");
        }
        let mut http2 = proxy.client().http2().await;
        let request = http2.head("GET", "/bad").body(()).unwrap();
        let answer = http2.request(request, b"").await;
        assert!(answer.is_err() || answer.as_ref().is_ok_and(|answer| answer.status == 502), "{name} over HTTP/2: {answer:?}");
        assert_eq!(http2.get("/").await.body, b"good", "its neighbours go on after {name}");
    }
}

/// A client that gets nothing on a connection that it has used before sends its request again.
#[tokio::test]
async fn of_what_is_cut_at_once_the_head_arrives() {
    for (name, bytes) in [
        ("a cut length", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"),
        ("cut chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        ("no chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz"),
        ("a second chunk that is none", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloXX"),
    ] {
        let (backend, proxy) = answering(bytes, true).await;
        for _ in 0..20 {
            let mut client = proxy.https().await;
            assert_eq!(client.get("/").await.body, b"good");
            client.send("POST /bad HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nhello").await;
            assert_eq!(client.wire.answer_head().await.expect(name).status, 200, "{name}");
            assert!(client.wire.exactly(100, &mut |_: &[u8]| ()).await.is_err(), "{name}");
            let http2 = proxy.client().http2().await;
            let (response, _) = http2.begin(http2.head("GET", "/bad").body(()).unwrap(), true).await.unwrap();
            let response = in_time("the head", response).await.expect(name);
            assert!(finish(response).await.expect_err(name).is_reset(), "{name}");
        }
        assert_eq!(backend.request_count(), 60, "{name}: nothing was sent again");
    }
}

#[tokio::test]
async fn fields_of_the_backends_connection_stay_on_it() {
    let head = "HTTP/1.1 200 OK\r\nconnection: x-private, keep-alive\r\nx-private: 1\r\nkeep-alive: timeout=5\r\nproxy-connection: x\r\nupgrade: h2c\r\nx-public: 1\r\ncontent-length: 0\r\n\r\n";
    let (_backend, proxy) = answering(head, false).await;
    let answer = proxy.https().await.get("/bad").await;
    assert_eq!((answer.status, answer.get("x-public")), (200, Some("1")));
    for name in ["x-private", "keep-alive", "proxy-connection", "upgrade"] {
        assert!(!answer.head.has(name), "{name}: {:?}", answer.head);
    }
}

#[tokio::test]
async fn a_backend_that_never_stops_talking_is_held_back() {
    let sent = Arc::new(AtomicU64::new(0));
    let counted = sent.clone();
    let backend = TestBackend::scripted(move |mut exchange| {
        let counted = counted.clone();
        async move {
            exchange.read_body().await?;
            exchange.wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let chunks = "1\r\nx\r\n".repeat(1000);
            loop {
                exchange.wire.write(&chunks).await?;
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    let before = proxy.rss();
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = proxy.https().await;
        client.send("GET /bad HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        clients.push(client);
    }
    settled("it has to wait", || sent.load(Ordering::SeqCst)).await;
    assert!(proxy.rss() < before + (32 << 20), "from {before} to {}", proxy.rss());
    drop(clients);
    wait_until("the backend is freed", DEADLINE, async || backend.open_connections() <= 1).await;
}
