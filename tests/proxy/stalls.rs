//! Who stops taking, or sending, in the middle of something: a backend, and clients of HTTP/2, where one stream may stand
//! still and the others go on; and who takes so little that it would never end. Clients of HTTP/1 that take nothing are in
//! `limits`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncReadExt;

use super::support::frames::{Fate, Frames, frame, get, kind};
use super::support::{Configuration, DEADLINE, Http1, Reply, TestBackend, TestProxy, finish, in_time, wait_until};

/// Longer than the limit of a second, and far shorter than any default.
const NOTICED: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_backend_that_takes_no_more_of_a_body_is_given_up() {
    let backend = TestBackend::scripted(|exchange| async move {
        let _not_read = exchange;
        std::future::pending().await
    })
    .await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).backend_keys("timeouts: { response: 1s }")).await;
    let client = proxy.client().http2().await;
    let (response, mut upload) = client.begin(client.head("POST", "/").body(()).unwrap(), false).await.unwrap();
    upload.send_data(Bytes::from(vec![0; 64 << 20]), true).unwrap();
    let answer = finish(in_time("the answer", response).await.unwrap()).await.unwrap();
    assert_eq!(answer.status, 504);
    assert!(answer.headers.contains_key("proxy-status"));
}

/// Answers `/large` with more than anybody has room for, and says whether that was cut.
async fn large(cut: &Arc<AtomicBool>) -> TestBackend {
    let cut = cut.clone();
    TestBackend::scripted(move |mut exchange| {
        let cut = cut.clone();
        async move {
            if exchange.head.target() != "/large" {
                exchange.reply(Reply::text("small")).await?;
                return Ok(exchange);
            }
            let sent = exchange.send_pattern(1 << 30, false, &AtomicU64::default()).await;
            cut.store(sent.is_err(), Ordering::SeqCst);
            sent.map(|()| exchange)
        }
    })
    .await
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_reset_alone() {
    let cut = Arc::default();
    let backend = large(&cut).await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).more("timeouts: { responseWrite: 1s }")).await;
    let mut client = proxy.client().http2().await;
    let (response, _) = client.begin(client.head("GET", "/large").body(()).unwrap(), true).await.unwrap();
    let response = in_time("the answer", response).await.unwrap();
    wait_until("the backend is cut off", DEADLINE, async || cut.load(Ordering::SeqCst)).await;
    assert_eq!(client.get("/").await.body, b"small", "its neighbours go on");
    let error = finish(response).await.unwrap_err();
    assert!(error.is_reset() && error.reason() == Some(h2::Reason::CANCEL), "{error:?}");
}

#[tokio::test]
async fn a_stream_whose_body_stops_coming_is_answered_alone() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).more("timeouts: { requestBody: 1s }")).await;
    let mut client = proxy.client().http2().await;
    let (response, mut upload) = client.begin(client.head("POST", "/").body(()).unwrap(), false).await.unwrap();
    upload.send_data(Bytes::from_static(b"half"), false).unwrap();
    let answer = finish(in_time("the answer", response).await.unwrap()).await.unwrap();
    assert_eq!(answer.status, 408);
    assert_eq!(client.get("/").await.status, 200, "its neighbours go on");
}

#[tokio::test]
async fn a_client_that_agrees_on_http_2_and_says_nothing_is_left() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).more("timeouts: { requestHead: 1s }")).await;
    let mut stream = proxy.client().tls(&["h2"]).await.unwrap();
    let started = Instant::now();
    // It may say what it allows; then it ends it.
    let mut said = Vec::new();
    let _ = in_time("the end of the connection", stream.read_to_end(&mut said)).await; // An end or a reset.
    wait_until("it is gone", DEADLINE, async || proxy.metric("genkan_connections", &[]).await == Some(0.0)).await;
    assert!(started.elapsed() < NOTICED, "{:?}", started.elapsed());
    assert_eq!(proxy.metric("genkan_connection_events_total", &[("event", "idle_timed_out")]).await, Some(1.0));
}

#[tokio::test]
async fn a_header_block_whose_rest_does_not_come_ends_its_connection_whatever_else_is_on_it() {
    let backend = TestBackend::scripted(|mut exchange| async move {
        exchange.wire.write("HTTP/1.1 200 OK\r\n\r\n").await?;
        exchange.stall().await
    })
    .await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).more("timeouts: { requestHead: 1s }")).await;
    for (ended, is_busy) in [(1.0, false), (2.0, true)] {
        let mut frames = Frames::connect(&proxy.client()).await;
        if is_busy {
            frames.send(&get(1, "/")).await.unwrap();
            assert_eq!(frames.fate(1).await, Fate::Answered);
        }
        let mut begun = get(3, "/");
        begun.truncate(begun.len() - 1);
        frames.send(&begun).await.unwrap();
        assert_eq!(frames.fate(3).await, Fate::Closed);
        assert_eq!(proxy.metric("genkan_connection_events_total", &[("event", "head_timed_out")]).await, Some(ended));
    }
    assert!(backend.request_count() < 2);
}

#[tokio::test]
async fn header_blocks_may_come_in_halves_for_as_long_as_they_come() {
    // Without a body: nobody gives room for more here.
    let backend = TestBackend::answering(|_| Reply::raw("HTTP/1.1 204 No Content\r\n\r\n")).await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).more("timeouts: { requestHead: 1s }")).await;
    let mut frames = Frames::connect(&proxy.client()).await;
    let started = Instant::now();
    let mut half = get(1, "/").split_off(20);
    frames.send(&get(1, "/")[..20]).await.unwrap();
    for stream in (1..).step_by(2).take_while(|_| started.elapsed() < 3 * Duration::from_secs(1)) {
        let next = get(stream + 2, "/");
        frames.send(&[&half, &next[..20]].concat()).await.unwrap();
        assert_eq!(frames.fate(stream).await, Fate::Answered);
        half = next[20..].to_vec();
    }
}

/// Takes a little of an answer again and again, so that it is never given up for taking nothing.
async fn sip(mut client: Http1) {
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if !matches!(client.wire.stream.read(&mut [0; 1024]).await, Ok(1..)) {
            return;
        }
    }
}

/// An HTTP/1 client in the middle of a large answer that it is slow to take.
async fn sipping(proxy: &TestProxy) -> tokio::task::JoinHandle<()> {
    let mut client = proxy.https().await;
    client.send("GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(client.wire.answer_head().await.unwrap().status, 200);
    tokio::spawn(sip(client))
}

fn with_limit(web: &TestBackend) -> Configuration {
    Configuration::of(web).route("{ path: /large, timeouts: { request: 2s }, backend: web }")
}

/// The answer is cut at its backend and at its client, and nothing of it is left.
async fn is_over(proxy: &TestProxy, cut: &AtomicBool) {
    wait_until("the backend is cut off", NOTICED, async || cut.load(Ordering::SeqCst)).await;
    let line = proxy.wait_access_log(1).await.remove(0);
    assert_eq!(line["path"], "/large");
    let in_flight = async || proxy.metric("genkan_backend_endpoint_requests_in_flight", &[]).await;
    assert_eq!(in_flight().await, Some(0.0));
}

#[tokio::test]
async fn a_slow_reader_has_no_longer_than_the_routes_time_limit() {
    let cut = Arc::default();
    let backend = large(&cut).await;
    let proxy = TestProxy::serving(&with_limit(&backend)).await;
    let reader = sipping(&proxy).await;
    is_over(&proxy, &cut).await;
    in_time("the client sees it", reader).await.unwrap();
    assert_eq!(proxy.access_log()[0]["reason"], "backend_timeout");
}

#[tokio::test]
async fn a_stream_with_a_slow_reader_has_no_longer_either() {
    let cut = Arc::default();
    let backend = large(&cut).await;
    let proxy = TestProxy::serving(&with_limit(&backend)).await;
    let mut client = Frames::connect(&proxy.client()).await;
    client.send(&get(1, "/large")).await.unwrap();
    let over = is_over(&proxy, &cut);
    let sips = async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let little = 1_u32.to_be_bytes();
            client.send(&[frame(kind::WINDOW_UPDATE, 0, 0, &little), frame(kind::WINDOW_UPDATE, 0, 1, &little)].concat()).await.unwrap();
        }
    };
    tokio::select! {
        () = over => {}
        () = sips => {}
    }
    let reset = async {
        loop {
            match client.next().await.expect("the connection goes on") {
                (kind::RST_STREAM, _, 1, _) => return,
                (kind::GOAWAY, ..) => panic!("one stream ends all"),
                _ => {}
            }
        }
    };
    in_time("the reset", reset).await;
    assert_eq!(proxy.access_log()[0]["reason"], "backend_timeout");
}

#[tokio::test]
async fn a_slow_reader_does_not_keep_an_endpoint_that_has_left() {
    let cut = Arc::default();
    let (leaving, staying) = (large(&cut).await, TestBackend::start().await);
    let configuration = |web| Configuration::of(web).backend_keys("timeouts: { draining: 1s }");
    let proxy = TestProxy::serving(&configuration(&leaving)).await;
    let reader = sipping(&proxy).await;
    proxy.reconfigure(&configuration(&staying)).await;
    is_over(&proxy, &cut).await;
    in_time("the client sees it", reader).await.unwrap();
}
