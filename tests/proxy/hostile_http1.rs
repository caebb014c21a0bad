//! HTTP/1 requests that no client sends, byte by byte: what becomes of the connection, of the requests behind them, and
//! of the log. That nothing of them is read as another request is `http1::no_request_is_read_as_two`.

use super::support::{Configuration, DEADLINE, Reply, TestBackend, TestProxy, wait_until};

const CHUNKED: &str = "POST /first HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n";
const LENGTH: &str = "POST /first HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\nhello";
const NEXT: &str = "GET /next HTTP/1.1\r\nhost: localhost\r\n\r\n";
const BOTH: &str = "POST /both HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";

/// The heads that are refused before a codec sees them, and what they get.
const REFUSED: [(&str, u16); 14] = [
    (BOTH, 400),
    ("GET / HTTP/1.1\nhost: localhost\n\n", 400),
    ("GET / HTTP/1.1\r\nhost: localhost\nx: y\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: localhost\r\nx: a\rb\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: localhost\r\n folded: x\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nhost: localhost\r\nx : y\r\n\r\n", 400),
    ("GET /#fragment HTTP/1.1\r\nhost: localhost\r\n\r\n", 400),
    ("GET / HTTP/2.0\r\nhost: localhost\r\n\r\n", 400),
    ("GET /\r\n\r\n", 400),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ("POST / HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", 400),
    ("POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
];

#[tokio::test]
async fn a_head_that_is_refused_is_answered_by_us_logged_and_the_last() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    for (head, status) in REFUSED {
        for before in ["", LENGTH, CHUNKED] {
            let mut client = proxy.https().await;
            client.send(format!("{before}{head}{NEXT}")).await;
            if !before.is_empty() {
                let first = client.wire.answer("POST").await.unwrap_or_else(|error| panic!("{before:?} {head:?}: {error}"));
                assert_eq!(first.status, 200, "before {head:?}");
            }
            let answer = client.wire.answer("GET").await.unwrap_or_else(|error| panic!("{before:?} {head:?}: {error}"));
            assert_eq!((answer.status, answer.get("connection")), (status, Some("close")), "{head:?}");
            assert!(answer.get("proxy-status").is_some_and(|text| text.starts_with("genkan; error=http_request_error")), "{head:?}");
            assert!(answer.text().starts_with("400 Bad Request: "), "{head:?}: {}", answer.text());
            client.closed().await;
        }
    }
    let seen = backend.requests();
    assert!(seen.iter().all(|seen| seen.head.target() == "/first"), "{seen:?}");
    let unread = |line: &serde_json::Value| line["method"] == "-" && line["reason"] == "bad_request" && line["status"] == 400;
    wait_until("each has a line in the log", DEADLINE, async || proxy.access_log().iter().filter(|line| unread(line)).count() == REFUSED.len() * 3)
        .await;
}

#[tokio::test]
async fn requests_behind_a_body_of_either_kind_are_answered_in_order() {
    let backend = TestBackend::answering(|seen| Reply::text(seen.head.target())).await;
    let proxy = TestProxy::of(&backend).await;
    for pieces in [1, 7, 64, 10_000] {
        let mut client = proxy.https().await;
        let all = [CHUNKED, NEXT, LENGTH, "\r\n", NEXT, CHUNKED, NEXT].concat();
        for piece in all.as_bytes().chunks(pieces) {
            client.send(piece).await;
        }
        for target in ["/first", "/next", "/first", "/next", "/first", "/next"] {
            assert_eq!(client.answer().await.text(), target, "in pieces of {pieces}");
        }
    }
}

#[tokio::test]
async fn a_client_that_has_said_all_it_will_gets_all_its_answers() {
    let backend = TestBackend::answering(|seen| Reply::text(seen.head.target())).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    client.send([LENGTH, NEXT, CHUNKED, NEXT].concat()).await;
    for target in ["/first", "/next", "/first", "/next"] {
        assert_eq!(client.answer().await.text(), target);
    }
}

#[tokio::test]
async fn a_body_with_bad_chunks_is_no_request_for_the_backend() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let head = "POST /chunks HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    for chunks in
        ["5\nhello\r\n0\r\n\r\n", "5;a\nb\r\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "0\r\nx: y\n\r\n", "5 \rhello"]
    {
        let mut client = proxy.https().await;
        client.send(format!("{head}{chunks}{NEXT}")).await;
        let answer = client.wire.answer("POST").await;
        assert!(answer.as_ref().is_err() || answer.as_ref().is_ok_and(|answer| answer.status == 400), "{chunks:?}: {answer:?}");
        client.closed().await;
    }
    assert!(backend.requests().iter().all(|seen| seen.head.target() == "/chunks"), "nothing behind them is read");
}

#[tokio::test]
async fn a_head_that_never_ends_costs_its_limit_and_no_more() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).more("limits: { requestHead: 16Ki }")).await;
    for (begin, status) in [("GET /", 414), ("GET / HTTP/1.1\r\nhost: localhost\r\nx: ", 431), ("GET / HTTP/1.1\r\nhost: localhost\r\n", 431)] {
        let mut client = proxy.https().await;
        client.send(begin).await;
        let piece = if begin.ends_with('\n') { "a: b\r\n".repeat(500) } else { "a".repeat(3000) };
        for _ in 0..100 {
            if client.wire.write(&piece).await.is_err() {
                break;
            }
        }
        assert_eq!(client.answer().await.status, status, "{begin:?}");
    }
    assert_eq!(backend.request_count(), 0);
}

#[tokio::test]
async fn nothing_behind_a_refused_connect_is_read() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    client.send(format!("CONNECT localhost:443 HTTP/1.1\r\nhost: localhost:443\r\n\r\n{NEXT}")).await;
    assert_eq!(client.answer().await.status, 405);
    client.closed().await;
    assert_eq!(backend.request_count(), 0);
}
