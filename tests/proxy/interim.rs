//! Interim answers (1xx) of backends: they come before the answer, with what may pass of them, and never beside it.

use std::future::poll_fn;

use tokio::sync::watch;

use super::support::{Configuration, Reply, TestBackend, TestProxy, finish, in_time};

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nlink: </b.js>\r\nx-secret: 1\r\nkeep-alive: 5\r\nconnection: x-hop\r\nx-hop: 1\r\ncontent-length: 0\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const PROCESSING: &str = "HTTP/1.1 102 Processing\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfinal";

/// Answers only when it is told to, after it has said something.
async fn hinting(hints: &str) -> (TestBackend, watch::Sender<bool>) {
    let (go, wait) = watch::channel(false);
    let hints = hints.to_owned();
    let backend = TestBackend::scripted(move |mut exchange| {
        let (mut wait, hints) = (wait.clone(), hints.clone());
        async move {
            exchange.wire.write(&hints).await?;
            let _ = wait.wait_for(|go| *go).await;
            exchange.read_body().await?;
            exchange.wire.write(ANSWER).await?;
            Ok(exchange)
        }
    })
    .await;
    (backend, go)
}

async fn serving(backend: &TestBackend) -> TestProxy {
    let filter = "{ type: ResponseHeaderModifier, responseHeaderModifier: { remove: [X-Secret] } }";
    TestProxy::serving(&Configuration::of(backend).route(&format!("{{ backend: web, filters: [{filter}] }}")).http("plainHttp: Allow")).await
}

#[tokio::test]
async fn they_arrive_before_the_answer_over_http_1() {
    let (backend, go) = hinting(&[CONTINUE, HINT, PROCESSING].concat()).await;
    let proxy = serving(&backend).await;
    for mut client in [proxy.https().await, proxy.http().await] {
        go.send_replace(false);
        client.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let hint = client.wire.head().await.unwrap().unwrap();
        assert_eq!(hint.first_line, "HTTP/1.1 103 Early Hints");
        let names: Vec<&str> = hint.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["link", "link"], "what is for one connection, or taken away by the route, stays behind");
        assert_eq!(hint.all("link"), ["</a.css>; rel=preload", "</b.js>"]);
        assert_eq!(client.wire.head().await.unwrap().unwrap().first_line, "HTTP/1.1 102 Processing");
        go.send_replace(true);
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.text().as_str(), answer.interim.len()), (200, "final", 0), "100 was for us");
        for _ in 0..3 {
            let answer = client.get("/").await;
            assert_eq!((answer.text().as_str(), answer.interim.len()), ("final", 2), "the connection goes on");
        }
    }
}

#[tokio::test]
async fn they_arrive_before_the_answer_over_http_2() {
    let (backend, go) = hinting(&[CONTINUE, HINT, PROCESSING].concat()).await;
    let proxy = serving(&backend).await;
    let mut client = proxy.client().http2().await;
    let (mut response, _) = client.begin(client.head("GET", "/").body(()).unwrap(), true).await.unwrap();
    let hint = in_time("the hint", poll_fn(|cx| response.poll_informational(cx))).await.unwrap().unwrap();
    assert_eq!(hint.status(), 103);
    assert_eq!(hint.headers().keys().map(http::HeaderName::as_str).collect::<Vec<_>>(), ["link"]);
    assert_eq!(hint.headers().get_all("link").iter().count(), 2);
    let next = in_time("the next", poll_fn(|cx| response.poll_informational(cx))).await.unwrap().unwrap();
    assert_eq!(next.status(), 102);
    go.send_replace(true);
    assert_eq!(finish(in_time("the answer", response).await.unwrap()).await.unwrap().body, b"final");
    assert_eq!(client.get("/").await.body, b"final");
}

#[tokio::test]
async fn a_client_of_http_1_0_has_none() {
    let backend = TestBackend::answering(|_| Reply::raw([HINT, ANSWER].concat())).await;
    let proxy = serving(&backend).await;
    let answer = proxy.https().await.raw("GET / HTTP/1.0\r\nhost: localhost\r\n\r\n").await;
    assert_eq!((answer.text().as_str(), answer.interim.len()), ("final", 0));
}

#[tokio::test]
async fn who_waits_for_a_100_has_it_from_us_and_the_others_from_the_backend() {
    let (backend, go) = hinting(&[HINT, CONTINUE].concat()).await;
    go.send_replace(true);
    let proxy = serving(&backend).await;
    let mut client = proxy.https().await;
    client.send("POST / HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n").await;
    let mut statuses = [client.wire.head().await.unwrap().unwrap().status(), client.wire.head().await.unwrap().unwrap().status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [100, 103]);
    client.send("body").await;
    let answer = client.answer().await;
    assert_eq!((answer.text().as_str(), answer.interim.len()), ("final", 0));
    assert_eq!(backend.only_request().body, b"body");
}

#[tokio::test]
async fn they_are_bounded_and_the_answer_comes_all_the_same() {
    let hint = format!("HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n", "a".repeat(5000));
    let many = format!("HTTP/1.1 103 Early Hints\r\n{}\r\n", "a:\r\n".repeat(50));
    let backend = TestBackend::answering(move |seen| {
        let hint = if seen.head.target() == "/long" { &hint } else { &many };
        Reply::raw([hint.repeat(10).as_str(), ANSWER].concat())
    })
    .await;
    let proxy = serving(&backend).await;
    let mut client = proxy.https().await;
    let http2 = proxy.client().http2().await;
    for path in ["/long", "/many", "/long"] {
        let answer = client.get(path).await;
        assert_eq!((answer.text().as_str(), answer.interim.len()), ("final", 3), "{path}: 16 KiB of them");
        let (mut response, _) = http2.begin(http2.head("GET", path).body(()).unwrap(), true).await.unwrap();
        let mut hints = 0;
        while in_time("a hint", poll_fn(|cx| response.poll_informational(cx))).await.is_some() {
            hints += 1;
        }
        assert_eq!(hints, 3, "{path}");
        assert_eq!(finish(in_time("the answer", response).await.unwrap()).await.unwrap().body, b"final");
    }
}

#[tokio::test]
async fn one_before_what_is_no_answer_is_followed_by_ours() {
    for after in ["garbage\r\n\r\n", ""] {
        let backend = TestBackend::answering(move |_| Reply::raw([HINT, after].concat()).then_close()).await;
        let proxy = serving(&backend).await;
        let answer = proxy.https().await.request("POST", "/", &[], b"body").await;
        assert_eq!((answer.status, answer.interim.len()), (502, 1));
        assert_eq!(proxy.client().http2().await.get("/").await.status, 502);
    }
}

#[tokio::test]
async fn between_answers_to_requests_sent_ahead_they_stand_where_they_belong() {
    let long = "x".repeat(300_000);
    let backend = TestBackend::answering(move |seen| match seen.head.target() {
        "/long" => Reply::text(&long),
        _ => Reply::raw([HINT, ANSWER].concat()),
    })
    .await;
    let proxy = serving(&backend).await;
    let mut client = proxy.https().await;
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    for _ in 0..10 {
        client.send([ask("/long"), ask("/"), ask("/long"), ask("/")].concat()).await;
        for (length, hints) in [(300_000, 0), (5, 1), (300_000, 0), (5, 1)] {
            let answer = client.answer().await;
            assert_eq!((answer.body.len(), answer.interim.len()), (length, hints));
        }
    }
}

#[tokio::test]
async fn one_may_come_before_a_switch_of_protocols_and_before_an_answer_to_head() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhello";
    let backend = TestBackend::answering(move |seen| {
        Reply::raw([HINT, if seen.head.method() == "HEAD" { ANSWER.trim_end_matches("final") } else { switch }].concat())
    })
    .await;
    let proxy = serving(&backend).await;
    let mut client = proxy.https().await;
    for _ in 0..2 {
        let answer = client.request("HEAD", "/", &[], b"").await;
        assert_eq!((answer.status, answer.interim.len()), (200, 1));
    }
    client.send("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    assert_eq!(client.wire.head().await.unwrap().unwrap().status(), 103);
    assert_eq!(client.wire.head().await.unwrap().unwrap().status(), 101);
    client.wire.exactly(5, &mut |bytes: &[u8]| assert!(b"hello".starts_with(bytes))).await.unwrap();
}
