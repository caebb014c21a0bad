//! Endpoints whose probe passes and whose requests fail: they are left out, come back, and never all at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::support::{Configuration, DEADLINE, Reply, TestBackend, TestProxy, wait_until};

/// A backend that answers its probe, and requests with 500 while it is told to.
async fn faulty() -> (TestBackend, Arc<AtomicBool>) {
    let fails = Arc::new(AtomicBool::new(true));
    let state = fails.clone();
    let backend =
        TestBackend::answering(move |_| if state.load(Ordering::SeqCst) { Reply::with(500, &[], "broken") } else { Reply::text("well") }).await;
    (backend, fails)
}

fn configuration(backends: &[&TestBackend], outliers: &str) -> Configuration {
    let endpoints: Vec<String> = backends.iter().map(|backend| format!("\"{}\"", backend.address)).collect();
    let probe = "readinessProbe: { httpGet: { path: /healthz }, periodSeconds: 1 }";
    let web = format!("{{ endpoints: [{}], {probe}, loadBalancing: RoundRobin, outliers: {outliers} }}", endpoints.join(", "));
    Configuration::default().backend("web", &web).more("defaultBackend: web")
}

/// Waits until all of them have been checked.
async fn started(backends: &[&TestBackend], outliers: &str) -> TestProxy {
    let proxy = TestProxy::serving(&configuration(backends, outliers)).await;
    wait_until("all are ready", DEADLINE, async || proxy.ready_endpoints("web").await == backends.len()).await;
    proxy
}

#[tokio::test]
async fn an_endpoint_whose_answers_are_errors_is_left_out_and_comes_back() {
    let (bad, fails) = faulty().await;
    let (good, better) = (TestBackend::named("good").await, TestBackend::named("better").await);
    let proxy = started(&[&bad, &good, &better], "{ consecutiveFailures: 3, ejection: 2s }").await;
    let mut client = proxy.https().await;
    let mut errors = 0;
    for _ in 0..30 {
        errors += usize::from(client.get("/").await.status == 500);
    }
    assert_eq!(errors, 3, "then it is left out");
    assert_eq!(bad.request_count(), 3);
    fails.store(false, Ordering::SeqCst);
    wait_until("it gets requests again", DEADLINE, async || client.get("/").await.text() == "well").await;
    proxy.wait_log(&["endpoint is left out", &bad.address.to_string(), "it answers with an error"]).await;
    assert_eq!(proxy.metric("genkan_backend_ejections_total", &[("backend", "web")]).await, Some(1.0));
}

#[tokio::test]
async fn no_more_than_a_share_of_them_is_left_out() {
    let (first, _) = faulty().await;
    let (second, _) = faulty().await;
    let proxy = started(&[&first, &second], "{ consecutiveFailures: 2, ejection: 1m, ejectedPercent: 50 }").await;
    let mut client = proxy.https().await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.status, 500, "somebody answers");
    }
    let (one, other) = (first.request_count(), second.request_count());
    assert!(one.min(other) <= 3 && one.max(other) >= 17, "one is left out, the other is not: {one} and {other}");
}

#[tokio::test]
async fn errors_between_good_answers_are_the_applications_own() {
    let backend = TestBackend::answering(|seen| if seen.head.target() == "/bad" { Reply::with(500, &[], "") } else { Reply::text("well") }).await;
    let other = TestBackend::named("other").await;
    let proxy = started(&[&backend, &other], "{ consecutiveFailures: 2, ejection: 1m }").await;
    let mut client = proxy.https().await;
    for _ in 0..20 {
        for path in ["/bad", "/bad", "/", "/"] {
            client.get(path).await;
        }
    }
    assert_eq!(backend.request_count(), other.request_count(), "both have their share");
}
