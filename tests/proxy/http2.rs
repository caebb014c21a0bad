//! HTTP/2 towards clients, HTTP/1.1 towards backends: what crosses from one to the other, and what must not.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use rustix::process::Signal;
use tokio::task::JoinSet;

use super::support::{Configuration, DEADLINE, Http2, Pattern, Reply, TestBackend, TestProxy, finish, in_time, settled, wait_until};

async fn connected(web: &TestBackend) -> (TestProxy, Http2) {
    let proxy = TestProxy::of(web).await;
    let client = proxy.client().http2().await;
    (proxy, client)
}

#[tokio::test]
async fn get_post_and_head_are_answered_by_the_backend() {
    let backend = TestBackend::start().await;
    let (_proxy, mut client) = connected(&backend).await;
    let answer = client.get("/some/path?and=query").await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"hello"[..]));
    let seen = backend.last_request().head;
    assert_eq!(seen.first_line, "GET /some/path?and=query HTTP/1.1");
    assert_eq!(seen.all("host"), ["localhost"]);
    assert!(!seen.has("transfer-encoding") && !seen.has("content-length"), "{seen:?}");

    let post = client.head("POST", "/").body(()).unwrap();
    assert_eq!(client.request(post, b"a body").await.unwrap().body, b"a body");
    assert_eq!(backend.last_request().body, b"a body");

    let head = client.head("HEAD", "/").body(()).unwrap();
    let answer = client.request(head, b"").await.unwrap();
    assert_eq!((answer.status, answer.headers.get("content-length").map(HeaderValue::as_bytes)), (200, Some(&b"5"[..])));
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn streams_are_answered_beside_each_other() {
    let backend = TestBackend::answering(|request| Reply::text(request.head.target())).await;
    let (_proxy, client) = connected(&backend).await;
    let client = Arc::new(client);
    let mut tasks = JoinSet::new();
    for n in 0..100 {
        let client = client.clone();
        tasks.spawn(async move {
            let (response, _) = client.begin(client.head("GET", &format!("/{n}")).body(()).unwrap(), true).await.unwrap();
            let answer = finish(response.await.unwrap()).await.unwrap();
            assert_eq!(answer.body, format!("/{n}").as_bytes());
        });
    }
    while let Some(task) = in_time("the streams", tasks.join_next()).await {
        task.unwrap();
    }
    assert_eq!(backend.request_count(), 100);
}

#[tokio::test]
async fn a_stream_that_stalls_does_not_hold_up_the_others() {
    let backend = TestBackend::scripted(|mut exchange| async move {
        if exchange.head.target() == "/stall" {
            return exchange.stall().await;
        }
        exchange.reply(Reply::text("other")).await?;
        Ok(exchange)
    })
    .await;
    let (_proxy, mut client) = connected(&backend).await;
    let (stalled, _) = client.begin(client.head("GET", "/stall").body(()).unwrap(), true).await.unwrap();
    for _ in 0..10 {
        assert_eq!(client.get("/").await.body, b"other");
    }
    drop(stalled);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_stream_both_ways() {
    const LENGTH: usize = 32 << 20;
    let backend = TestBackend::scripted(|mut exchange| async move {
        let mut pattern = Pattern::default();
        exchange.read_body_into(|bytes| pattern.check(bytes)).await?;
        exchange.send_pattern(pattern.position, true, &AtomicU64::default()).await?;
        Ok(exchange)
    })
    .await;
    let (_proxy, client) = connected(&backend).await;
    let (response, mut stream) = client.begin(client.head("POST", "/").body(()).unwrap(), false).await.unwrap();
    let mut pattern = Pattern::default();
    let mut left = LENGTH;
    while left > 0 {
        stream.reserve_capacity(left.min(60_000));
        let granted =
            in_time("room in the window", std::future::poll_fn(|cx| stream.poll_capacity(cx))).await.expect("it is open").expect("it is open");
        let block = pattern.next(granted.min(left).min(60_000));
        left -= block.len();
        stream.send_data(block, left == 0).unwrap();
    }
    let answer = finish(in_time("the answer", response).await.unwrap()).await.unwrap();
    assert_eq!(answer.body.len(), LENGTH);
    Pattern::default().check(&answer.body);
}

/// Asks for an answer of this length and reads it only once the backend, which counts what it has sent, stands still.
async fn an_answer_waits_for_its_reader(backend: &TestBackend, sent: &AtomicU64, length: usize) {
    let (proxy, client) = connected(backend).await;
    let before = proxy.rss();
    let (response, _) = client.begin(client.head("GET", "/").body(()).unwrap(), true).await.unwrap();
    let response = in_time("the answer", response).await.unwrap();
    let stalled = settled("the backend cannot write any more", || sent.load(std::sync::atomic::Ordering::SeqCst)).await;
    assert!(stalled < 64 << 20, "what is not read is not fetched: {stalled} bytes");
    assert!(proxy.rss() < before + (16 << 20), "what is not read is not kept: {before} before, {} now", proxy.rss());
    assert_eq!(finish(response).await.unwrap().body.len(), length);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_read_holds_the_backend_back() {
    let sent: Arc<AtomicU64> = Arc::default();
    let backend = TestBackend::source(256 << 20, sent.clone()).await;
    an_answer_waits_for_its_reader(&backend, &sent, 256 << 20).await;
}

#[tokio::test]
async fn an_answer_in_small_pieces_that_is_not_read_is_not_kept() {
    let sent: Arc<AtomicU64> = Arc::default();
    let counted = sent.clone();
    let backend = TestBackend::scripted(move |mut exchange| {
        let sent = counted.clone();
        async move {
            exchange.wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            // A hundred chunks of 1 KiB a write: each is a piece of its own for whoever reads them.
            let chunks = format!("400\r\n{}\r\n", "a".repeat(1024)).repeat(100);
            for _ in 0..1000 {
                exchange.wire.write(&chunks).await?;
                sent.fetch_add(100 << 10, std::sync::atomic::Ordering::SeqCst);
            }
            exchange.wire.write("0\r\n\r\n").await?;
            Ok(exchange)
        }
    })
    .await;
    an_answer_waits_for_its_reader(&backend, &sent, 100_000 << 10).await;
}

#[tokio::test]
async fn an_answer_of_ours_to_head_has_no_body() {
    let backend = TestBackend::start().await;
    let (_proxy, mut client) = connected(&backend).await;
    // A path that climbs above the root is refused.
    let head = client.head("HEAD", "/a/..%2F..%2Fb").body(()).unwrap();
    let answer = client.request(head, b"").await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (400, 0));
    assert!(answer.headers.get("content-length").is_some_and(|length| length != "0"), "{:?}", answer.headers);
}

#[tokio::test]
async fn trailers_cross_to_http_1_and_back() {
    let backend = TestBackend::answering(|_| {
        Reply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n")
    })
    .await;
    let (_proxy, client) = connected(&backend).await;
    let head = client.head("POST", "/").header("te", "trailers").header("trailer", "x-mine").body(()).unwrap();
    let (response, mut stream) = client.begin(head, false).await.unwrap();
    stream.send_data(Bytes::from_static(b"body"), false).unwrap();
    stream.send_trailers(HeaderMap::from_iter([("x-mine".parse().unwrap(), HeaderValue::from_static("7"))])).unwrap();
    let answer = finish(in_time("the answer", response).await.unwrap()).await.unwrap();
    assert_eq!((&answer.body[..], answer.trailers.get("x-sum").map(HeaderValue::as_bytes)), (&b"abc"[..], Some(&b"6"[..])));
    let seen = backend.only_request();
    assert_eq!((&seen.body[..], &seen.trailers[..]), (&b"body"[..], &[("x-mine".to_owned(), "7".to_owned())][..]));
}

#[tokio::test]
async fn cookies_that_came_in_crumbs_are_one_field() {
    let backend = TestBackend::start().await;
    let (_proxy, mut client) = connected(&backend).await;
    let request = client.head("GET", "/").header("cookie", "a=1").header("cookie", "b=2").header("cookie", "c=3").body(()).unwrap();
    client.request(request, b"").await.unwrap();
    assert_eq!(backend.only_request().head.all("cookie"), ["a=1; b=2; c=3"]);
}

#[tokio::test]
async fn a_host_that_differs_from_the_authority_is_refused_or_replaced() {
    let backend = TestBackend::start().await;
    let (_proxy, mut client) = connected(&backend).await;
    let request = client.head("GET", "/").header("host", "evil.test").body(()).unwrap();
    match client.request(request, b"").await {
        Ok(answer) if answer.status == 200 => assert_eq!(backend.only_request().head.all("host"), ["localhost"]),
        Ok(answer) => assert_eq!(answer.status, 400),
        Err(error) => assert!(error.is_reset(), "{error}"),
    }
    assert!(backend.requests().iter().all(|request| request.head.all("host") == ["localhost"]));
}

#[tokio::test]
async fn the_same_host_beside_the_authority_is_fine() {
    let backend = TestBackend::start().await;
    let (_proxy, mut client) = connected(&backend).await;
    let request = client.head("GET", "/").header("host", "localhost").body(()).unwrap();
    assert_eq!(client.request(request, b"").await.unwrap().status, 200);
    assert_eq!(backend.only_request().head.all("host"), ["localhost"]);
}

#[tokio::test]
async fn a_reset_stream_frees_the_backend() {
    let backend = TestBackend::scripted(|exchange| async move { exchange.stall().await }).await;
    let (_proxy, client) = connected(&backend).await;
    let (response, mut stream) = client.begin(client.head("POST", "/").body(()).unwrap(), false).await.unwrap();
    stream.send_data(Bytes::from_static(b"begun"), false).unwrap();
    wait_until("the backend has it", DEADLINE, async || backend.request_count() == 1).await;
    let busy = backend.requests()[0].connection;
    stream.send_reset(h2::Reason::CANCEL);
    drop((response, stream));
    wait_until("the backend's connection is closed", DEADLINE, async || backend.open_connections() <= 1).await;
    assert!(busy > 0);
    // And the client's connection goes on.
    let (_response, _) = client.begin(client.head("GET", "/").body(()).unwrap(), true).await.unwrap();
    wait_until("the next request arrives", DEADLINE, async || backend.request_count() == 2).await;
}

#[tokio::test]
async fn a_get_whose_stream_stays_open_carries_its_body() {
    let backend = TestBackend::start().await;
    let (_proxy, client) = connected(&backend).await;
    for method in ["GET", "DELETE", "OPTIONS"] {
        let (response, mut stream) = client.begin(client.head(method, "/").body(()).unwrap(), false).await.unwrap();
        stream.send_data(Bytes::from_static(b"a body for once"), true).unwrap();
        let answer = finish(in_time("the answer", response).await.unwrap()).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"a body for once"[..]), "{method}");
    }
    // A body that turns out to be none.
    let (response, mut stream) = client.begin(client.head("GET", "/").body(()).unwrap(), false).await.unwrap();
    stream.send_data(Bytes::new(), true).unwrap();
    assert_eq!(finish(in_time("the answer", response).await.unwrap()).await.unwrap().body, b"hello");
}

#[tokio::test]
async fn fields_of_http_1_connections_do_not_reach_http_2() {
    let backend = TestBackend::answering(|_| {
        let fields = [
            ("connection", "x-private, keep-alive"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
            ("X-Public", "2"),
        ];
        Reply::with(200, &fields, "x")
    })
    .await;
    let (_proxy, mut client) = connected(&backend).await;
    let answer = client.get("/").await;
    for name in ["connection", "x-private", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        assert!(!answer.headers.contains_key(name), "{name}: {:?}", answer.headers);
    }
    assert_eq!(answer.headers.get("x-public").map(HeaderValue::as_bytes), Some(&b"2"[..]));
}

#[tokio::test]
async fn an_answer_without_a_date_gets_one() {
    let backend = TestBackend::answering(|request| match request.head.target() {
        "/dated" => Reply::with(200, &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")], "x"),
        _ => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"),
    })
    .await;
    let (_proxy, mut client) = connected(&backend).await;
    assert_eq!(client.get("/dated").await.headers["date"], "Sun, 06 Nov 1994 08:49:37 GMT");
    let dates: Vec<_> = client.get("/").await.headers.get_all("date").iter().cloned().collect();
    assert!(matches!(&dates[..], [date] if date.to_str().unwrap().ends_with(" GMT")), "{dates:?}");
}

#[tokio::test]
async fn many_crumbs_are_one_cookie() {
    let backend = TestBackend::start().await;
    let (_proxy, mut client) = connected(&backend).await;
    let request = (0..150).fold(client.head("GET", "/"), |request, crumb| request.header("cookie", format!("c{crumb}=1")));
    assert_eq!(client.request(request.body(()).unwrap(), b"").await.unwrap().status, 200);
    let cookies = backend.only_request().head.all("cookie").join("|");
    assert_eq!((cookies.matches("; ").count(), cookies.contains('|')), (149, false));
}

#[tokio::test]
async fn forwarding_headers_are_the_same_as_over_http_1() {
    let backend = TestBackend::start().await;
    let (_proxy, mut client) = connected(&backend).await;
    let request = client.head("GET", "/").header("x-forwarded-for", "6.6.6.6").header("forwarded", "for=6.6.6.6").body(()).unwrap();
    client.request(request, b"").await.unwrap();
    let seen = backend.only_request().head;
    assert_eq!((seen.all("x-forwarded-for"), seen.all("x-forwarded-proto")), (vec!["127.0.0.1"], vec!["https"]));
    assert!(seen.fields.iter().all(|(_, value)| !value.contains("6.6.6.6")), "{seen:?}");
    assert!(seen.get("via").is_some_and(|via| via.ends_with(" genkan")), "{seen:?}");
}

#[tokio::test]
async fn a_body_that_is_cut_resets_its_stream_alone() {
    let backend = TestBackend::answering(|request| match request.head.target() {
        "/length" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this").then_close(),
        "/chunked" => Reply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n").then_close(),
        _ => Reply::text("fine"),
    })
    .await;
    let (_proxy, mut client) = connected(&backend).await;
    for path in ["/length", "/chunked"] {
        let request = client.head("GET", path).body(()).unwrap();
        let error = client.request(request, b"").await.expect_err("a cut body looked whole");
        assert!(error.is_reset(), "{path}: {error}");
        assert_eq!(client.get("/").await.body, b"fine", "after {path}");
    }
}

#[tokio::test]
async fn who_waits_for_a_100_gets_it_when_its_body_is_wanted() {
    let backend = TestBackend::start().await;
    let (_proxy, client) = connected(&backend).await;
    let post = || client.head("POST", "/").header("expect", "100-Continue");
    let (mut response, mut stream) = client.begin(post().body(()).unwrap(), false).await.unwrap();
    let interim = std::future::poll_fn(|cx| response.poll_informational(cx));
    assert_eq!(in_time("the interim answer", interim).await.unwrap().unwrap().status(), 100);
    stream.send_data(Bytes::from_static(b"body"), true).unwrap();
    assert_eq!(finish(in_time("the answer", response).await.unwrap()).await.unwrap().status, 200);
    assert_eq!(backend.only_request().body, b"body");

    let looped = (0..8).fold(post(), |post, _| post.header("via", "1.1 genkan"));
    let (mut response, _stream) = client.begin(looped.body(()).unwrap(), false).await.unwrap();
    let interim = std::future::poll_fn(|cx| response.poll_informational(cx));
    assert!(in_time("the answer", interim).await.is_none(), "nobody wants the body of what is refused");
    assert_eq!(in_time("the answer", response).await.unwrap().status(), 508);
}

#[tokio::test]
async fn an_early_answer_ends_the_upload_without_an_error() {
    let backend = TestBackend::scripted(|mut exchange| async move {
        exchange.reply(Reply::with(413, &[("connection", "close")], "too much")).await?;
        exchange.close()
    })
    .await;
    let (_proxy, mut client) = connected(&backend).await;
    let (response, mut stream) = client.begin(client.head("POST", "/").body(()).unwrap(), false).await.unwrap();
    stream.send_data(Bytes::from(vec![b'x'; 10_000]), false).unwrap();
    let answer = in_time("the answer", response).await.unwrap();
    assert_eq!(answer.status(), 413);
    assert_eq!(client.get("/").await.status, 413, "the connection goes on");
}

#[tokio::test]
async fn a_length_that_is_not_kept_is_a_stream_error() {
    let backend = TestBackend::start().await;
    let (_proxy, mut client) = connected(&backend).await;
    for (length, body) in [("10", "short"), ("2", "long")] {
        let request = client.head("POST", "/").header("content-length", length).body(()).unwrap();
        match client.request(request, body.as_bytes()).await {
            Ok(answer) => assert_eq!(answer.status, 400, "{length} for {body:?}"),
            Err(error) => assert!(error.is_reset(), "{error}"),
        }
    }
    assert_eq!(client.get("/").await.status, 200, "the connection goes on");
    assert!(backend.requests().iter().all(|request| request.head.method() == "GET" || request.body_length < 5));
}

#[tokio::test]
async fn connect_and_trace_are_refused() {
    let backend = TestBackend::start().await;
    let (_proxy, mut client) = connected(&backend).await;
    let trace = client.head("TRACE", "/").body(()).unwrap();
    let connect = Request::builder().method("CONNECT").uri("localhost:443").body(()).unwrap();
    for request in [trace, connect] {
        match client.request(request, b"").await {
            Ok(answer) => assert!([400, 405, 501].contains(&answer.status), "{}", answer.status),
            Err(error) => assert!(error.is_reset(), "{error}"),
        }
    }
    assert_eq!(client.get("/").await.status, 200, "the connection goes on");
    assert_eq!(backend.request_count(), 1);
}

#[tokio::test]
async fn a_drain_says_goaway_and_lets_streams_finish() {
    let (go, wait) = tokio::sync::watch::channel(false);
    let backend = TestBackend::scripted(move |mut exchange| {
        let mut wait = wait.clone();
        async move {
            wait.wait_for(|go| *go).await.map_err(std::io::Error::other)?;
            exchange.reply(Reply::text("finished")).await?;
            Ok(exchange)
        }
    })
    .await;
    let (mut proxy, client) = connected(&backend).await;
    let (response, _) = client.begin(client.head("GET", "/").body(()).unwrap(), true).await.unwrap();
    wait_until("the backend has it", DEADLINE, async || backend.request_count() == 1).await;
    proxy.signal(Signal::TERM);
    let address = proxy.listener("https");
    wait_until("the proxy drains", DEADLINE, async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    go.send(true).unwrap();
    assert_eq!(finish(in_time("the answer", response).await.unwrap()).await.unwrap().body, b"finished");
    let Http2 { sender, connection, .. } = client;
    in_time("the connection to end", connection).await.unwrap().expect("without an error");
    drop(sender);
    assert_eq!(proxy.wait_exit(DEADLINE).await.code(), Some(0));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).more("timeouts: { keepAlive: 1s }")).await;
    let mut client = proxy.client().http2().await;
    assert_eq!(client.get("/").await.status, 200);
    in_time("the connection to end", client.connection).await.unwrap().expect("without an error");
}

#[tokio::test]
async fn a_client_that_only_cancels_is_stopped() {
    let backend = TestBackend::scripted(|exchange| async move { exchange.stall().await }).await;
    let (proxy, client) = connected(&backend).await;
    // The work of more than a few streams at a time never reaches the backend, however fast they are reset.
    for _ in 0..2000 {
        let Ok(Ok((response, mut stream))) =
            tokio::time::timeout(Duration::from_secs(5), client.begin(client.head("GET", "/").body(()).unwrap(), true)).await
        else {
            break;
        };
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
    }
    wait_until("the backend is freed", DEADLINE, async || backend.open_connections() <= 1).await;
    let before = backend.request_count();
    let other = proxy.client().http2().await;
    let (_response, _) = other.begin(other.head("GET", "/").body(()).unwrap(), true).await.unwrap();
    wait_until("others are served", DEADLINE, async || backend.request_count() > before).await;
}
