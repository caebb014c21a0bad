//! Who stops taking, or sending, in the middle of something: a backend, and clients of HTTP/2, where one stream may stand
//! still and the others go on. Clients of HTTP/1 are in `limits`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncReadExt;

use super::support::{Configuration, DEADLINE, Reply, TestBackend, TestProxy, finish, in_time, wait_until};

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
