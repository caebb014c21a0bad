//! Bodies far larger than memory should be: they pass, and memory does not grow with them.

use std::sync::Arc;

use memchr::memchr_iter;

use super::support::{Reply, TestBackend, TestProxy, in_time};

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

#[tokio::test]
async fn a_body_in_pieces_of_a_byte_reaches_the_backend_in_few() {
    const PIECES: usize = 5_000;
    let backend = TestBackend::scripted(|mut request| async move {
        let raw = &mut request.wire;
        while !raw.buffer.ends_with(b"\r\n0\r\n\r\n") {
            assert!(raw.fill().await?, "the body has an end");
        }
        let body = raw.buffer.split();
        let ends = body.windows(2).filter(|pair| pair == b"\r\n").count();
        let content = memchr_iter(b'x', &body).count();
        request.reply(Reply::text(format!("{content} bytes in {} chunks", ends / 2 - 1))).await?;
        Ok(request)
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    let body = "1\r\nx\r\n".repeat(PIECES) + "0\r\n\r\n";
    client.send(format!("POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{body}")).await;
    let answer = client.answer().await.text();
    let (content, chunks) = answer.split_once(" bytes in ").unwrap();
    let chunks: usize = chunks.trim_end_matches(" chunks").parse().unwrap();
    assert_eq!(content, PIECES.to_string());
    assert!(chunks < PIECES / 20, "{answer}");
}

#[tokio::test]
async fn a_piece_is_not_held_until_the_next_one_comes() {
    let backend = TestBackend::scripted(|mut request| async move {
        request.wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
        let mut seen = 0;
        while !request.wire.buffer.ends_with(b"\r\n0\r\n\r\n") {
            let now = memchr_iter(b'x', &request.wire.buffer).count();
            request.wire.write("1\r\ny\r\n".repeat(now - seen)).await?;
            seen = now;
            assert!(request.wire.fill().await?, "the body has an end");
        }
        request.wire.buffer.clear();
        request.wire.write("0\r\n\r\n").await?;
        Ok(request)
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    client.send("POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n").await;
    assert_eq!(client.wire.answer_head().await.unwrap().status, 200);
    for count in 1..=20 {
        while memchr_iter(b'y', &client.wire.buffer).count() < count {
            assert!(client.wire.fill().await.unwrap(), "each byte is answered before the next is sent");
        }
        client.send("1\r\nx\r\n").await;
    }
}

/// A client may be in the middle of its upload, and read slowly, when a backend has seen enough.
#[tokio::test]
async fn an_answer_that_comes_early_comes_whole() {
    const ANSWER: usize = 1 << 20;
    let backend = TestBackend::scripted(|mut request| async move {
        request.reply(Reply::with(413, &[("connection", "close")], vec![b'x'; ANSWER])).await?;
        request.stall().await
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    client.send("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000000\r\n\r\n").await;
    assert_eq!(client.wire.answer_head().await.unwrap().status, 413);
    // What nobody will read, on its way when the answer ends.
    client.send(vec![b'y'; 256 << 10]).await;
    let mut length = 0;
    in_time("the whole answer", client.wire.exactly(ANSWER as u64, &mut |bytes: &[u8]| length += bytes.len())).await.unwrap();
    assert_eq!(length, ANSWER);
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
