//! Every time limit and every bound of the configuration, each by what a client or the backend sees when it is reached.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::http1::UPGRADE;
use super::support::{Configuration, DEADLINE, Http1, Reply, TestBackend, TestProxy, in_time, wait_until};

/// Longer than the limit of a second that most tests set, and far shorter than any default.
const NOTICED: Duration = Duration::from_secs(7);

async fn with(web: &TestBackend, more: &str) -> TestProxy {
    TestProxy::serving(&Configuration::of(web).more(more)).await
}

/// A backend that takes a request and never answers.
async fn silent() -> TestBackend {
    TestBackend::scripted(|mut exchange| async move {
        exchange.read_body().await?;
        exchange.stall().await
    })
    .await
}

#[tokio::test]
async fn tls_handshake_limits_the_whole_handshake() {
    let backend = TestBackend::start().await;
    let proxy = with(&backend, "timeouts: { tlsHandshake: 1s }").await;
    let mut stream = proxy.client().tcp().await.unwrap();
    let started = Instant::now();
    let _ = in_time("the proxy gives up", stream.read_to_end(&mut Vec::new())).await;
    assert!(started.elapsed() < NOTICED, "{:?}", started.elapsed());
}

#[tokio::test]
async fn request_head_limits_the_whole_head() {
    let backend = TestBackend::start().await;
    let proxy = with(&backend, "timeouts: { requestHead: 1s }").await;
    let mut client = proxy.https().await;
    client.send("GET / HTTP/1.1\r\nhost: localhost\r\n").await;
    // Bytes that trickle in do not prolong it.
    let drip = tokio::time::timeout(NOTICED, async {
        while client.wire.write("x: y\r\n").await.is_ok() && !matches!(read_ahead(&mut client).await, Some(true)) {}
    });
    drip.await.expect("the proxy gives up");
    assert_eq!(client.answer().await.status, 408);
    client.closed().await;
    assert_eq!(backend.request_count(), 0);
}

/// Whether something has come within a tenth of a second.
async fn read_ahead(client: &mut Http1) -> Option<bool> {
    tokio::time::timeout(Duration::from_millis(100), client.wire.fill()).await.ok().map(|filled| filled.is_ok())
}

#[tokio::test]
async fn request_head_does_not_count_the_time_between_requests() {
    let backend = TestBackend::start().await;
    let proxy = with(&backend, "timeouts: { requestHead: 1s, keepAlive: 20s }").await;
    let mut client = proxy.https().await;
    assert_eq!(client.get("/").await.status, 200);
    tokio::time::sleep(Duration::from_secs(3)).await; // The time itself is the condition.
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn request_body_limits_the_wait_for_more_of_it() {
    let backend = TestBackend::start().await;
    let proxy = with(&backend, "timeouts: { requestBody: 1s }").await;
    let mut client = proxy.https().await;
    let started = Instant::now();
    let answer = client.raw("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert_eq!(answer.status, 408);
    assert!(started.elapsed() < NOTICED, "{:?}", started.elapsed());
    client.closed().await;
    wait_until("the backend is freed", DEADLINE, async || backend.requests()[0].body_length < 10 && backend.open_connections() <= 1).await;
}

#[tokio::test]
async fn a_body_that_keeps_coming_is_not_limited() {
    let backend = TestBackend::start().await;
    let proxy = with(&backend, "timeouts: { requestBody: 1s }").await;
    let mut client = proxy.https().await;
    client.send("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 12\r\n\r\n").await;
    for _ in 0..12 {
        client.send("x").await;
        tokio::time::sleep(Duration::from_millis(200)).await; // Slower in all than the limit, faster each time.
    }
    assert_eq!(client.answer().await.text(), "x".repeat(12));
}

#[tokio::test(flavor = "multi_thread")]
async fn response_write_limits_the_wait_for_a_client_that_does_not_read() {
    let sent: Arc<AtomicU64> = Arc::default();
    let cut: Arc<AtomicBool> = Arc::default();
    let backend = TestBackend::scripted({
        let (sent, cut) = (sent.clone(), cut.clone());
        move |mut exchange| {
            let (sent, cut) = (sent.clone(), cut.clone());
            async move {
                let result = exchange.send_pattern(1 << 30, false, &sent).await;
                cut.store(result.is_err(), Ordering::SeqCst);
                result.map(|()| exchange)
            }
        }
    })
    .await;
    let proxy = with(&backend, "timeouts: { responseWrite: 1s }").await;
    let mut client = proxy.https().await;
    client.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    wait_until("the backend is cut off", DEADLINE, async || cut.load(Ordering::SeqCst)).await;
    assert!(sent.load(Ordering::SeqCst) < 1 << 30);
    assert!(client.wire.answer("GET").await.is_err(), "the client's answer is cut, too");
}

#[tokio::test]
async fn keep_alive_limits_the_time_between_requests() {
    let backend = TestBackend::start().await;
    let proxy = with(&backend, "timeouts: { keepAlive: 1s }").await;
    let mut client = proxy.https().await;
    assert_eq!(client.get("/").await.status, 200);
    let started = Instant::now();
    client.closed().await;
    assert!(started.elapsed() > Duration::from_millis(500) && started.elapsed() < NOTICED, "{:?}", started.elapsed());
}

#[tokio::test]
async fn tunnel_idle_limits_the_silence_of_a_tunnel() {
    let backend = TestBackend::tunnel().await;
    let proxy = with(&backend, "timeouts: { tunnelIdle: 1s, keepAlive: 1s }").await;
    let mut client = proxy.https().await;
    client.send(UPGRADE).await;
    assert_eq!(client.wire.answer_head().await.unwrap().status, 101);
    for _ in 0..8 {
        // A byte now and then keeps it open for longer than the limit.
        client.send("x").await;
        client.wire.exactly(1, &mut |_: &[u8]| ()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let started = Instant::now();
    client.closed().await;
    assert!(started.elapsed() < NOTICED, "{:?}", started.elapsed());
}

#[tokio::test]
async fn connection_age_ends_a_connection_between_requests() {
    let backend = TestBackend::start().await;
    let proxy = with(&backend, "timeouts: { connectionAge: 1s }").await;
    let mut client = proxy.https().await;
    let started = Instant::now();
    wait_until("the connection is asked to end", DEADLINE, async || {
        let answer = client.get("/").await;
        assert_eq!(answer.status, 200, "no request is lost by it");
        answer.get("connection") == Some("close")
    })
    .await;
    assert!(started.elapsed() > Duration::from_millis(500), "not before its time");
    client.closed().await;
    let mut silent = proxy.https().await;
    assert_eq!(silent.get("/").await.get("connection"), None);
    silent.closed().await;
    assert!(proxy.metric("genkan_connection_events_total", &[("event", "aged")]).await >= Some(2.0));
}

#[tokio::test]
async fn connect_limits_the_wait_for_a_backend_that_does_not_accept() {
    // A queue of one that is full: the kernel drops what comes then.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(address)).await {
        queue.push(stream);
    }
    let full = format!(r#"{{ endpoints: ["{address}"], assumeReady: true, timeouts: {{ connect: 1s }} }}"#);
    let proxy = TestProxy::start(&Configuration::default().backend("web", &full).more("defaultBackend: web")).await;
    let started = Instant::now();
    assert_eq!(proxy.https().await.get("/").await.status, 504);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn response_limits_the_wait_for_the_head_of_the_answer() {
    let backend = silent().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).backend_keys("timeouts: { response: 1s }")).await;
    let mut client = proxy.https().await;
    let started = Instant::now();
    let answer = client.get("/").await;
    assert_eq!(answer.status, 504);
    assert!(answer.head.has("proxy-status"));
    assert!(started.elapsed() < NOTICED, "{:?}", started.elapsed());
    assert_eq!(client.request("POST", "/", &[], b"body").await.status, 504, "the client's connection goes on");
}

#[tokio::test]
async fn idle_limits_the_wait_for_more_of_an_answer() {
    let backend = TestBackend::scripted(|mut exchange| async move {
        exchange.wire.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await?;
        exchange.stall().await
    })
    .await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).backend_keys("timeouts: { idle: 1s }")).await;
    let mut client = proxy.https().await;
    let started = Instant::now();
    client.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(client.wire.answer("GET").await.is_err(), "it is cut, not ended");
    assert!(started.elapsed() < NOTICED, "{:?}", started.elapsed());
}

#[tokio::test]
async fn keep_alive_of_a_backend_limits_how_long_a_connection_waits_in_the_pool() {
    let backend = TestBackend::start().await;
    let flow = format!(r#"{{ endpoints: ["{}"], assumeReady: true, timeouts: {{ keepAlive: 1s }} }}"#, backend.address);
    let proxy = TestProxy::start(&Configuration::default().backend("web", &flow).more("defaultBackend: web")).await;
    let mut client = proxy.https().await;
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(backend.open_connections(), 1, "it is kept");
    let took = wait_until("it is closed", DEADLINE, async || backend.open_connections() == 0).await;
    assert!(took < NOTICED, "{took:?}");
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn a_route_limits_the_whole_request() {
    let backend = TestBackend::scripted(|mut exchange| async move {
        if exchange.head.target().starts_with("/slow") {
            // A byte now and then is no excuse.
            exchange.wire.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await?;
            loop {
                exchange.wire.write("x").await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        exchange.stall().await
    })
    .await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).route("{ path: /, timeouts: { request: 1s }, backend: web }")).await;
    let started = Instant::now();
    assert_eq!(proxy.https().await.get("/").await.status, 504);
    let mut client = proxy.https().await;
    client.send("GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(client.wire.answer("GET").await.is_err(), "an answer that takes too long is cut");
    assert!(started.elapsed() < NOTICED * 2, "{:?}", started.elapsed());
}

#[tokio::test]
async fn larger_heads_than_request_head_are_refused() {
    let backend = TestBackend::start().await;
    let proxy = with(&backend, "limits: { requestHead: 4Ki }").await;
    let fits = "x".repeat(3000);
    let too_large = "x".repeat(8000);
    assert_eq!(proxy.https().await.request("GET", "/", &[("x-large", &fits)], b"").await.status, 200);
    let answer = proxy.https().await.request("GET", "/", &[("x-large", &too_large)], b"").await;
    assert_eq!(answer.status, 431);
    let long = proxy.https().await.get(&format!("/{too_large}")).await;
    assert!([414, 431].contains(&long.status), "{}", long.status);
    assert_eq!(backend.request_count(), 1);
    let mut http2 = proxy.client().http2().await;
    let request = http2.head("GET", "/").header("x-large", &too_large).body(()).unwrap();
    match http2.request(request, b"").await {
        Ok(answer) => assert_eq!(answer.status, 431),
        Err(error) => assert!(error.is_reset() || error.is_go_away(), "{error}"),
    }
    assert_eq!(backend.request_count(), 1);
}

#[tokio::test]
async fn more_fields_than_request_headers_are_refused() {
    let backend = TestBackend::start().await;
    let proxy = with(&backend, "limits: { requestHeaders: 20 }").await;
    let fields = |count: usize| (0..count).map(|n| format!("x-{n}: 1\r\n")).collect::<Vec<_>>().concat();
    for (count, status) in [(10, 200), (30, 431), (300, 431)] {
        let answer = proxy.https().await.raw(format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", fields(count))).await;
        assert_eq!(answer.status, status, "{count} fields");
    }
    assert_eq!(backend.request_count(), 1);
}

#[tokio::test]
async fn larger_heads_than_response_head_are_bad_answers() {
    let backend = TestBackend::answering(|request| {
        let length = if request.head.target() == "/large" { 8000 } else { 2000 };
        Reply::with(200, &[("x-large", &"x".repeat(length))], "")
    })
    .await;
    let proxy = with(&backend, "limits: { responseHead: 4Ki }").await;
    let mut client = proxy.https().await;
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.get("/large").await.status, 502);
}

#[tokio::test]
async fn larger_bodies_than_request_body_are_refused() {
    let backend = TestBackend::start().await;
    let proxy = with(&backend, "limits: { requestBody: 1Ki }").await;
    assert_eq!(proxy.https().await.request("POST", "/", &[], &[b'x'; 1024]).await.status, 200);
    assert_eq!(proxy.https().await.request("POST", "/", &[], &[b'x'; 1025]).await.status, 413);
    assert_eq!(backend.request_count(), 1, "a length that is too large is not even begun");

    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    let chunked =
        |chunks: usize| format!("POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(chunks));
    assert_eq!(proxy.https().await.raw(chunked(2)).await.status, 200);
    assert_eq!(proxy.https().await.raw(chunked(3)).await.status, 413);
    assert!(backend.requests().iter().all(|request| request.body_length <= 1024));
    let mut http2 = proxy.client().http2().await;
    let request = http2.head("POST", "/").body(()).unwrap();
    assert_eq!(http2.request(request, &[b'x'; 4096]).await.unwrap().status, 413);
}

/// Whether a new connection is served now.
async fn is_served(client: &super::support::TestClient) -> Option<Http1> {
    let attempt = async {
        let mut connection = client.try_http1().await.ok()?;
        let answer = connection.try_request("GET", "/", &[], b"").await.ok()?;
        (answer.status == 200).then_some(connection)
    };
    tokio::time::timeout(Duration::from_secs(2), attempt).await.ok().flatten()
}

#[tokio::test]
async fn connections_limits_how_many_are_open() {
    let backend = TestBackend::start().await;
    let proxy = with(&backend, "limits: { connections: 2 }").await;
    let client = proxy.client();
    let first = is_served(&client).await.expect("one is served");
    let mut second = is_served(&client).await.expect("two are served");
    assert!(is_served(&client).await.is_none(), "a third has to wait or go");
    assert_eq!(second.get("/").await.status, 200, "and those that are open are served");
    assert_eq!(proxy.admin("/livez").await.status, 200, "and the admin pages are");
    drop(first);
    wait_until("there is room again", DEADLINE, async || is_served(&client).await.is_some()).await;
}

#[tokio::test]
async fn connections_per_client_limits_one_address_alone() {
    let backend = TestBackend::start().await;
    let proxy = with(&backend, "limits: { connectionsPerClient: 2 }").await;
    let client = proxy.client();
    let first = is_served(&client).await.expect("one is served");
    let _second = is_served(&client).await.expect("two are served");
    assert!(is_served(&client).await.is_none(), "a third is refused");
    assert!(is_served(&client.clone().from(Ipv4Addr::new(127, 0, 0, 5))).await.is_some(), "another address is not");
    drop(first);
    wait_until("there is room again", DEADLINE, async || is_served(&client).await.is_some()).await;
}

#[tokio::test]
async fn streams_per_connection_is_announced_and_kept() {
    let backend = TestBackend::start().await;
    let proxy = with(&backend, "limits: { streamsPerConnection: 3 }").await;
    let mut client = proxy.client().http2().await;
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.sender.current_max_send_streams(), 3);
}

#[tokio::test]
async fn without_descriptors_the_admin_page_answers_and_accepting_goes_on_as_they_come_back() {
    let backend = TestBackend::start().await;
    // One worker, which has begun when it has answered.
    let configuration = Configuration::of(&backend).workers(1).more("limits: { connections: 100000 }\ntimeouts: { tlsHandshake: 10m }");
    let proxy = TestProxy::serving(&configuration).await;
    let mut kept = proxy.https().await;
    assert_eq!(kept.get("/").await.status, 200);
    // What a look at the admin page takes, and a few clients.
    proxy.limit_descriptors(proxy.descriptors() + 12);
    let mut clients = Vec::new();
    for _ in 0..40 {
        clients.push(proxy.client().tcp().await.unwrap());
    }
    let failed = async || proxy.metric("genkan_connection_events_total", &[("event", "accept_failed")]).await.unwrap_or(0.0);
    wait_until("there are none left", DEADLINE, async || failed().await > 0.0).await;
    for _ in 0..20 {
        assert_eq!(proxy.admin("/livez").await.status, 200);
    }
    assert_eq!(kept.get("/").await.status, 200, "those who are in are served");
    drop(clients);
    wait_until("others are accepted again", DEADLINE, async || is_served(&proxy.client()).await.is_some()).await;
}

#[tokio::test]
async fn connections_to_backends_are_as_many_as_descriptors_allow_and_more_are_503() {
    let backend = silent().await;
    let proxy = TestProxy::start_with_descriptors(&Configuration::of(&backend), 128 + 2 * 20).await;
    proxy.wait_ready("web").await;
    let client = proxy.client().http2().await;
    let begin = async || client.begin(client.head("GET", "/").body(()).unwrap(), true).await.unwrap();
    let mut open = Vec::new();
    for count in 1..=20 {
        open.push(begin().await);
        wait_until("the backend has it", DEADLINE, async || backend.request_count() == count).await;
    }
    let (refused, _) = begin().await;
    let refused = in_time("the answer", refused).await.unwrap();
    assert_eq!(refused.status(), 503);
    let line = proxy.wait_access_log(1).await.remove(0);
    assert_eq!(line["reason"], "out_of_resources");
    open.pop();
    wait_until("there is room again", DEADLINE, async || {
        open.push(begin().await);
        backend.request_count() > 20
    })
    .await;
}
