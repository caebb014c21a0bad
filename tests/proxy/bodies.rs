//! Bodies far larger than memory should be: they pass, and memory does not grow with them.

use std::sync::Arc;

use super::support::{TestBackend, TestProxy};

const LENGTH: u64 = 1 << 30;
const GROWTH: u64 = 16 << 20;

/// Runs what moves a body, and looks at the most memory that the program had meanwhile.
async fn without_growth(proxy: &TestProxy, body: impl Future<Output = ()>) {
    proxy.reset_peak_rss();
    let before = proxy.rss();
    body.await;
    let peak = proxy.peak_rss();
    assert!(peak < before + GROWTH, "memory grew from {before} to {peak} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gibibyte_down_leaves_memory_flat() {
    let backend = TestBackend::source(LENGTH, Arc::default()).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    without_growth(&proxy, async { assert_eq!(client.download("/").await, LENGTH) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gibibyte_up_leaves_memory_flat() {
    let backend = TestBackend::sink(Arc::default()).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    without_growth(&proxy, async { assert_eq!(client.upload("/", LENGTH, false).await.text(), LENGTH.to_string()) }).await;
}
