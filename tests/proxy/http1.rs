//! HTTP/1.1 between both sides: framing, what is passed on and what is not, and what becomes of nonsense.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::support::{DEADLINE, Framing, Pattern, Reply, TestBackend, TestProxy, in_time, settled, wait_until};

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn get_post_and_head_are_answered_by_the_backend() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;

    let answer = client.get("/some/path?and=query").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(backend.last_request().head.first_line, "GET /some/path?and=query HTTP/1.1");

    assert_eq!(client.request("POST", "/", &[], b"a body").await.text(), "a body");
    assert_eq!(backend.last_request().body, b"a body");

    let head = client.request("HEAD", "/", &[], b"").await;
    assert_eq!((head.status, head.get("content-length"), head.body.len()), (200, Some("5"), 0));
    assert_eq!(client.get("/").await.text(), "hello", "the connection goes on after a HEAD");
}

#[tokio::test]
async fn answers_without_a_body_have_none_and_the_connection_goes_on() {
    let backend = TestBackend::answering(|request| match request.head.target() {
        "/204" => Reply::raw("HTTP/1.1 204 No Content\r\n\r\n"),
        "/304" => Reply::raw("HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\ncontent-length: 1000\r\n\r\n"),
        _ => Reply::text("next"),
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    for status in [204, 304] {
        let answer = client.get(&format!("/{status}")).await;
        assert_eq!((answer.status, answer.body.len()), (status, 0));
        assert!(!answer.head.has("transfer-encoding"), "{:?}", answer.head);
        assert_eq!(client.get("/").await.text(), "next");
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests_on_both_sides() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    for _ in 0..100 {
        assert_eq!(client.get("/").await.status, 200);
    }
    let first = backend.requests()[0].connection;
    assert!(backend.requests().iter().all(|request| request.connection == first), "the connection to the backend is used again");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let backend = TestBackend::answering(|request| Reply::text(request.head.target())).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    let requests: Vec<String> = (0..10).map(|n| format!("GET /{n} HTTP/1.1\r\nhost: localhost\r\n\r\n")).collect();
    client.send(requests.concat()).await;
    for n in 0..10 {
        assert_eq!(client.answer().await.text(), format!("/{n}"));
    }
}

#[tokio::test]
async fn connection_close_is_honoured() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    let answer = client.request("GET", "/", &[("connection", "close")], b"").await;
    assert_eq!((answer.status, answer.get("connection")), (200, Some("close")));
    client.closed().await;
}

#[tokio::test]
async fn a_backend_that_closes_does_not_close_the_client() {
    let backend = TestBackend::answering(|_| Reply::with(200, &[("connection", "close")], "bye").then_close()).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.text(), "bye");
    }
}

#[tokio::test]
async fn a_pooled_connection_that_the_backend_closed_is_replaced_unseen() {
    // Without `connection: close`, so that the proxy keeps the connection and finds it dead.
    let backend = TestBackend::answering(|_| Reply::text("once").then_close()).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    for n in 0..50 {
        let answer = client.request("POST", "/", &[], b"not to be lost").await;
        assert_eq!(answer.status, 200, "request {n}: {}", answer.text());
        // One that was sent before the end could be seen is lost, as it may not be sent twice.
        wait_until("the backend has closed it", DEADLINE, async || backend.open_connections() == 0).await;
    }
    assert_eq!(backend.request_count(), 50, "none is sent twice");
}

#[tokio::test]
async fn chunked_bodies_pass_both_ways() {
    let backend = TestBackend::answering(|request| {
        assert_eq!(request.head.get("transfer-encoding"), Some("chunked"));
        assert_eq!(request.body, b"hello world");
        Reply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;extension=1\r\nfirst\r\n7\r\n second\r\n0\r\n\r\n")
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    let request = "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n6;a=b\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n";
    let answer = client.raw(request).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "first second"));
    assert_eq!(client.raw(request).await.status, 200, "the connection goes on");
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_arrives_whole() {
    let backend = TestBackend::answering(|_| Reply::raw([b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), Pattern::whole(300_000)].concat()).then_close()).await;
    let proxy = TestProxy::of(&backend).await;
    assert_eq!(proxy.https().await.download("/").await, 300_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_stream_down() {
    let backend = TestBackend::source(64 * MIB, Arc::default()).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    assert_eq!(client.download("/").await, 64 * MIB);
    assert_eq!(client.download("/chunked").await, 64 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_stream_up() {
    let backend = TestBackend::sink(Arc::default()).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    for chunked in [false, true] {
        assert_eq!(client.upload("/", 64 * MIB, chunked).await.text(), (64 * MIB).to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_the_backend_back() {
    let sent: Arc<AtomicU64> = Arc::default();
    let backend = TestBackend::source(256 * MIB, sent.clone()).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    let before = proxy.rss();
    client.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let answer = client.wire.answer_head().await.unwrap();
    let stalled = settled("the backend cannot write any more", || sent.load(Ordering::SeqCst)).await;
    assert!(stalled < 64 * MIB, "what is not read is not fetched: {stalled} bytes");
    assert!(proxy.rss() < before + 16 * MIB, "what is not read is not kept: {} before, {} now", before, proxy.rss());
    let mut pattern = Pattern::default();
    client.wire.body(answer.head.response_framing("GET"), |bytes| pattern.check(bytes)).await.unwrap();
    assert_eq!(pattern.position, 256 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_backend_holds_the_client_back() {
    let (go, wait) = tokio::sync::watch::channel(false);
    let backend = TestBackend::scripted(move |mut exchange| {
        let mut wait = wait.clone();
        async move {
            wait.wait_for(|go| *go).await.map_err(std::io::Error::other)?;
            exchange.read_body().await?;
            exchange.reply(Reply::text("all of it")).await?;
            Ok(exchange)
        }
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    let before = proxy.rss();
    let sent: Arc<AtomicU64> = Arc::default();
    let upload = tokio::spawn({
        let sent = sent.clone();
        async move {
            client.send(format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", 256 * MIB)).await;
            for _ in 0..256 {
                client.send(vec![b'x'; 1 << 20]).await;
                sent.fetch_add(MIB, Ordering::SeqCst);
            }
            client.answer().await
        }
    });
    let stalled = settled("the client cannot write any more", || sent.load(Ordering::SeqCst)).await;
    assert!(stalled < 64 * MIB, "what is not taken is not read: {stalled} bytes");
    assert!(proxy.rss() < before + 16 * MIB, "what is not taken is not kept: {} before, {} now", before, proxy.rss());
    go.send(true).unwrap();
    assert_eq!(in_time("the answer", upload).await.unwrap().text(), "all of it");
}

#[tokio::test]
async fn expect_100_continue_is_answered_before_the_body_is_sent() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    client.send("POST / HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n").await;
    let interim = client.wire.head().await.unwrap().unwrap();
    assert_eq!(interim.status(), 100);
    client.send("body").await;
    assert_eq!(client.answer().await.text(), "body");
    assert!(!backend.only_request().head.has("expect"), "it was for this connection");
}

#[tokio::test]
async fn an_unknown_expectation_is_refused() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let answer = proxy.https().await.request("POST", "/", &[("expect", "a-miracle")], b"body").await;
    assert_eq!(answer.status, 417);
    assert_eq!(backend.request_count(), 0);
}

/// With a trailer that its head declares, to whoever asks for trailers.
async fn backend_with_trailers() -> TestBackend {
    TestBackend::answering(|_| {
        Reply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 6\r\ncontent-length: 9\r\n\r\n")
    })
    .await
}

#[tokio::test]
async fn response_trailers_pass_when_asked_for_and_declared() {
    let backend = backend_with_trailers().await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;

    let asked = client.request("GET", "/", &[("te", "trailers"), ("connection", "te")], b"").await;
    assert_eq!(asked.text(), "abc");
    assert_eq!(asked.trailers, [("x-sum".to_owned(), "6".to_owned())], "the one that was declared, and no framing");

    let not_asked = client.get("/").await;
    assert_eq!((not_asked.text().as_str(), not_asked.trailers.len()), ("abc", 0));
}

#[tokio::test]
async fn request_trailers_pass_when_declared() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let request =
        "POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 6\r\nhost: evil\r\n\r\n";
    let answer = proxy.https().await.raw(request).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "abc"));
    let trailers = backend.only_request().trailers;
    assert!(trailers.iter().any(|(name, value)| name == "x-sum" && value == "6"), "{trailers:?}");
    assert!(!trailers.iter().any(|(name, _)| name == "host"), "{trailers:?}");
}

#[tokio::test]
async fn fields_of_one_connection_stay_on_it() {
    let backend = TestBackend::answering(|_| {
        let ours = [("connection", "x-private"), ("x-private", "1"), ("keep-alive", "timeout=5"), ("x-public", "2"), ("proxy-connection", "close")];
        Reply::with(200, &ours, "x")
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    let sent = [
        ("connection", "x-hop, keep-alive, host, x-forwarded-for"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "gzip"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("proxy", "http://evil"),
        ("x_forwarded_for", "6.6.6.6"),
        ("x-kept", "2"),
    ];
    let answer = proxy.https().await.request("GET", "/", &sent, b"").await;
    let seen = backend.only_request().head;
    for name in ["x-hop", "keep-alive", "proxy-connection", "te", "upgrade", "http2-settings", "proxy", "x_forwarded_for"] {
        assert!(!seen.has(name), "{name} reached the backend: {seen:?}");
    }
    assert_eq!((seen.get("x-kept"), seen.get("host")), (Some("2"), Some("localhost")));
    assert_eq!(seen.get("x-forwarded-for"), Some("127.0.0.1"), "nominating what we write does not remove it");
    for name in ["x-private", "keep-alive", "proxy-connection"] {
        assert!(!answer.head.has(name), "{name} reached the client: {:?}", answer.head);
    }
    assert_eq!(answer.get("x-public"), Some("2"));
}

#[tokio::test]
async fn forwarding_headers_are_ours_and_spoofed_ones_are_replaced() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let spoofed = [
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-port", "66"),
        ("x-forwarded-prefix", "/evil"),
        ("x-real-ip", "6.6.6.6"),
        ("forwarded", "for=6.6.6.6;proto=http"),
    ];
    proxy.https().await.request("GET", "/", &spoofed, b"").await;
    let seen = backend.only_request().head;
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.all("x-forwarded-host"), ["localhost"]);
    assert!(seen.get("x-forwarded-port").is_some_and(|port| port != "66"), "{seen:?}");
    assert_eq!(seen.all("forwarded").len(), 1);
    let forwarded = seen.get("forwarded").unwrap();
    assert!(forwarded.contains("for=127.0.0.1") && forwarded.contains("proto=https"), "{forwarded}");
    assert_eq!(seen.get("via"), Some("1.1 genkan"));
    assert!(seen.fields.iter().all(|(_, value)| !value.contains("6.6.6.6") && !value.contains("evil")), "{seen:?}");
}

#[tokio::test]
async fn every_request_has_an_id_and_a_trace() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    client.get("/").await;
    client.request("GET", "/", &[("traceparent", trace), ("x-request-id", "mine")], b"").await;
    client.request("GET", "/", &[("traceparent", "nonsense")], b"").await;
    let seen: Vec<_> = backend.requests().into_iter().map(|request| request.head).collect();

    let ids: Vec<_> = seen.iter().map(|head| head.get("x-request-id").expect("every request has an id")).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    let traces: Vec<_> = seen.iter().map(|head| head.all("traceparent")).collect();
    assert!(traces.iter().all(|trace| trace.len() == 1 && trace[0].len() == 55), "{traces:?}");
    assert_eq!(traces[1][0][..35], trace[..35], "the trace of the client goes on");
    assert_ne!(traces[2][0], "nonsense");
}

#[tokio::test]
async fn via_is_appended_to() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    proxy.https().await.request("GET", "/", &[("via", "1.0 before")], b"").await;
    let seen = backend.only_request().head;
    assert_eq!(seen.all("via").join(", "), "1.0 before, 1.1 genkan");
}

#[tokio::test]
async fn the_authority_of_an_absolute_target_is_the_host() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    for (target, forwarded) in [("/path?q", "/path?q"), ("?q", "/?q"), ("", "/")] {
        let request = format!("GET https://shop.example.test{target} HTTP/1.1\r\nhost: other.example.test\r\n\r\n");
        assert_eq!(proxy.https().await.raw(request).await.status, 200);
        let seen = backend.last_request().head;
        assert_eq!((seen.target(), seen.all("host")), (forwarded, vec!["shop.example.test"]));
    }
}

#[tokio::test]
async fn requests_without_one_valid_host_are_refused() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let cases = [
        "",
        "host: a.example.test\r\nhost: b.example.test\r\n",
        "host: a.example.test\r\nhost: a.example.test\r\n",
        "host: a b\r\n",
        "host: a/b\r\n",
        "host: user@a\r\n",
        "host: a:b\r\n",
        "host: a:99999\r\n",
        "host: [::1\r\n",
        "host: a\"b\r\n",
    ];
    for fields in cases {
        for target in ["/", "https://shop.example.test/"] {
            let answer = proxy.https().await.raw(format!("GET {target} HTTP/1.1\r\n{fields}\r\n")).await;
            assert_eq!(answer.status, 400, "{target} {fields:?}");
        }
    }
    assert_eq!(backend.request_count(), 0);
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_announced_so() {
    let backend = TestBackend::answering(|_| Reply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    let answer = client.raw("GET / HTTP/1.0\r\nhost: localhost\r\nconnection: keep-alive\r\n\r\n").await;
    assert_eq!((answer.get("connection"), &*answer.body), (Some("close"), &b"x"[..]));
    client.closed().await;
}

#[tokio::test]
async fn connect_and_trace_are_refused() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    for request in ["CONNECT localhost:443 HTTP/1.1\r\nhost: localhost:443\r\n\r\n", "TRACE / HTTP/1.1\r\nhost: localhost\r\n\r\n"] {
        let answer = proxy.https().await.raw(request).await;
        assert!([400, 405, 501].contains(&answer.status), "{request:?}: {}", answer.status);
    }
    assert_eq!(backend.request_count(), 0);
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let backend = TestBackend::scripted(|mut exchange| async move {
        exchange.reply(Reply::with(413, &[("connection", "close")], "too much")).await?;
        exchange.close()
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    client.send("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10000000\r\n\r\n").await;
    for _ in 0..10 {
        // The proxy may stop reading, and it may have closed.
        if client.wire.write(vec![b'x'; 10_000]).await.is_err() {
            break;
        }
    }
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.text().as_str()), (413, "too much"));
}

#[tokio::test]
async fn an_answer_that_begins_early_does_not_end_the_upload() {
    let backend = TestBackend::scripted(|mut exchange| async move {
        exchange.wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n").await?;
        exchange.read_body().await?;
        let length = exchange.seen().body_length.to_string();
        exchange.wire.write(format!("{:x}\r\n{length}\r\n0\r\n\r\n", length.len())).await?;
        Ok(exchange)
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    client.send("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 6\r\n\r\nabc").await;
    let answer = client.wire.answer_head().await.unwrap();
    assert_eq!(answer.status, 200);
    client.send("def").await;
    let mut body = Vec::new();
    client.wire.body(answer.head.response_framing("POST"), |bytes| body.extend_from_slice(bytes)).await.unwrap();
    assert_eq!(body, b"begun6");
}

/// Asks for a WebSocket.
pub const UPGRADE: &str = "GET /socket HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn a_websocket_is_a_tunnel_until_either_side_closes() {
    let backend = TestBackend::tunnel().await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    client.send(UPGRADE).await;
    let answer = client.wire.answer_head().await.unwrap();
    assert_eq!(answer.status, 101);
    assert_eq!(answer.get("upgrade").map(str::to_ascii_lowercase).as_deref(), Some("websocket"));
    for message in ["one", "two\0\r\n\r\n", "GET /smuggled HTTP/1.1\r\n\r\n"] {
        client.send(message).await;
        let mut echo = Vec::new();
        client.wire.exactly(message.len() as u64, &mut |bytes: &[u8]| echo.extend_from_slice(bytes)).await.unwrap();
        assert_eq!(echo, message.as_bytes());
    }
    let seen = backend.only_request().head;
    assert_eq!(seen.get("upgrade"), Some("websocket"));
    assert!(seen.get("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")), "{seen:?}");
    assert!(seen.has("sec-websocket-key"));
    drop(client);
    wait_until("the tunnel ends at the backend, too", DEADLINE, async || backend.open_connections() == 0).await;
}

#[tokio::test]
async fn nothing_behind_an_upgrade_request_reaches_a_backend_that_refuses_it() {
    let backend = TestBackend::answering(|_| Reply::with(400, &[], "no socket here")).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    client.send(format!("{UPGRADE}GET /smuggled HTTP/1.1\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 400);
    // What follows is a request of its own, and one without a Host.
    let _ = client.wire.answer("GET").await;
    assert_eq!(backend.only_request().head.target(), "/socket");
}

#[tokio::test]
async fn a_101_to_another_protocol_is_a_bad_answer() {
    let backend = TestBackend::answering(|_| Reply::raw("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n")).await;
    let proxy = TestProxy::of(&backend).await;
    assert_eq!(proxy.https().await.raw(UPGRADE).await.status, 502);
}

#[tokio::test]
async fn a_post_that_got_no_answer_is_not_sent_again() {
    let backend = TestBackend::scripted(|mut exchange| async move {
        exchange.read_body().await?;
        exchange.reset()
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    assert_eq!(proxy.https().await.request("POST", "/", &[], b"buy").await.status, 502);
    assert_eq!(backend.request_count(), 1);
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_a_body_that_ends_with_the_connection() {
    let backend = TestBackend::answering(|_| Reply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    let answer = client.raw("GET / HTTP/1.0\r\nhost: localhost\r\n\r\n").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert_eq!(answer.head.response_framing("GET"), Framing::Close);
    client.closed().await;
    assert!(backend.only_request().head.first_line.ends_with("HTTP/1.1"));
}

/// What must become of a request that two readers could read differently.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    /// It is refused, and nothing of it reaches the backend.
    Refused,
    /// That, or exactly one clear request reaches the backend.
    OneAtMost,
    /// Its body is refused: whatever began is not answered as if it were whole.
    BadBody,
}

/// The second request that an attacker wants the backend to see.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn smuggling_cases() -> Vec<(String, String, Expected)> {
    use Expected::{BadBody, OneAtMost, Refused};
    let mut cases = Vec::new();
    let mut add = |name: &str, bytes: String, expected| cases.push((name.to_owned(), bytes, expected));
    let post = |fields: &str, body: &str| format!("POST /first HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n{body}");

    let inside = format!("0\r\n\r\n{SMUGGLED}");
    add("CL.TE", post(&format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", inside.len()), &inside), OneAtMost);
    add("TE, then CL", post(&format!("transfer-encoding: chunked\r\ncontent-length: {}\r\n", inside.len()), &inside), OneAtMost);
    let chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    add("TE.CL", post("content-length: 4\r\ntransfer-encoding: chunked\r\n", &chunk), OneAtMost);
    add("two lengths", post("content-length: 0\r\ncontent-length: 5\r\n", "hello"), Refused);
    add("the same length twice", post("content-length: 5\r\ncontent-length: 5\r\n", "hello"), OneAtMost);
    for length in ["0, 5", "+5", "-1", "0x5", "5 5", "", "5a", "99999999999999999999999999", "5;", "\u{b}5"] {
        add(&format!("length {length:?}"), post(&format!("content-length: {length}\r\n"), &format!("hello{SMUGGLED}")), Refused);
    }
    for coding in [
        "xchunked",
        "chunked, identity",
        "identity",
        "gzip",
        "\u{b}chunked",
        "chunked\0",
        "chunked\u{7f}",
        "\"chunked\"",
        "chunked x",
        "gzip, chunked",
    ] {
        add(&format!("coding {coding:?}"), post(&format!("transfer-encoding: {coding}\r\n"), &inside), Refused);
    }
    add("an obscured coding with a length", post(&format!("content-length: {}\r\ntransfer-encoding: xchunked\r\n", inside.len()), &inside), Refused);
    add("coding twice", post("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", &inside), Refused);
    add("coding and identity", post("transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n", &inside), Refused);
    add("a space before the colon", post("transfer-encoding : chunked\r\n", &inside), Refused);
    add("a folded coding", post("transfer-encoding:\r\n chunked\r\n", &inside), Refused);
    add("a coding behind a bare CR", post("x: y\rtransfer-encoding: chunked\r\n", &inside), Refused);
    add("a coding in HTTP/1.0", format!("POST /first HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{inside}"), Refused);
    add("bare LF", "GET /first HTTP/1.1\nhost: localhost\n\n".to_owned(), OneAtMost);
    add("a field behind a bare LF", "GET /first HTTP/1.1\r\nhost: localhost\r\nx: y\ncontent-length: 3\r\n\r\nabc".to_owned(), OneAtMost);
    add("NUL in a value", post("x: a\0b\r\n", ""), Refused);
    add("a folded field", post("x: a\r\n b\r\n", ""), Refused);
    add("a fold before the first field", "GET /first HTTP/1.1\r\n x: y\r\nhost: localhost\r\n\r\n".to_owned(), Refused);
    for field in [": value", "a b: value", "no colon", "a(b): c", "\u{e9}: c"] {
        add(&format!("field {field:?}"), post(&format!("{field}\r\n"), ""), Refused);
    }
    for line in [
        "GET  /first HTTP/1.1",
        "GET /first  HTTP/1.1",
        "GET\t/first\tHTTP/1.1",
        "GET /first HTTP/1.1 ",
        "GET /fi rst HTTP/1.1",
        "GET /first HTTP/0.9",
        "GET /first HTTP/1.2",
        "GET /first HTTP/2.0",
        "GET /first HTTP/11",
        "GET /first http/1.1",
        "GET /first",
        "GET /fi\0rst HTTP/1.1",
        "GET /fi\u{7f}rst HTTP/1.1",
        "GET first HTTP/1.1",
        "G@T /first HTTP/1.1",
    ] {
        add(&format!("line {line:?}"), format!("{line}\r\nhost: localhost\r\n\r\n"), Refused);
    }
    add("a fragment", "GET /first#fragment HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(), OneAtMost);
    for size in ["+5", "-5", "0x5", "5\n", " 5", "", "fffffffffffffffff", "5;a\nb", "5;a\rb", "g"] {
        add(&format!("chunk size {size:?}"), post("transfer-encoding: chunked\r\n", &format!("{size}\r\nhello\r\n0\r\n\r\n{SMUGGLED}")), BadBody);
    }
    add("a chunk longer than it says", post("transfer-encoding: chunked\r\n", &format!("3\r\nhello\r\n0\r\n\r\n{SMUGGLED}")), BadBody);
    add("a chunk that ends in LF", post("transfer-encoding: chunked\r\n", &format!("5\r\nhello\n0\r\n\r\n{SMUGGLED}")), BadBody);
    cases
}

#[tokio::test]
async fn no_request_is_read_as_two() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut wrong = Vec::new();
    for (index, (name, bytes, expected)) in smuggling_cases().into_iter().enumerate() {
        // A backend notes a request when it has read it, which may be after the case that it belongs to.
        let target = format!("/first/{index}/");
        let bytes = bytes.replace("/first", &target);
        let another = |path: &str| path.starts_with("/first/") && !path.starts_with(&target);
        let before = backend.request_count();
        let mut client = proxy.https().await;
        client.send(bytes).await;
        // Asking for the end makes sure that whatever is wrongly behind it is read, too.
        let answer = client.wire.answer("GET").await;
        let _ = client.wire.write("GET /after HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
        let _ = client.wire.until_end().await;
        let seen: Vec<_> = backend
            .requests()
            .split_off(before)
            .into_iter()
            .filter(|request| request.head.target() != "/after" && !another(request.head.target()))
            .collect();
        let status = answer.as_ref().map_or(0, |answer| answer.status);

        let clear = seen.len() <= 1
            && seen.iter().all(|request| {
                let head = &request.head;
                head.target().starts_with(&target)
                    && !(head.has("content-length") && head.has("transfer-encoding"))
                    && head.all("content-length").len() < 2
            });
        let held = match expected {
            Expected::Refused => seen.is_empty() && (status == 0 || (400..=505).contains(&status)),
            Expected::OneAtMost => clear,
            Expected::BadBody => clear && !(200..300).contains(&status),
        };
        if !held {
            let heads: Vec<_> = seen.iter().map(|request| &request.head).collect();
            wrong.push(format!("{name}: expected {expected:?}, answered {status}, backend saw {heads:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
