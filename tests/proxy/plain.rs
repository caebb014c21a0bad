//! Plain HTTP: rejected, redirected, allowed or closed, by listener and by route.

use tokio::io::AsyncReadExt;

use super::support::{Configuration, Http1, TestBackend, TestProxy, in_time};

#[tokio::test]
async fn reject_says_to_upgrade_and_closes() {
    for configuration in [|web: &TestBackend| Configuration::of(web).http("plainHttp: Reject"), |web: &TestBackend| Configuration::of(web)] {
        let backend = TestBackend::start().await;
        let proxy = TestProxy::serving(&configuration(&backend)).await;
        let mut client = proxy.http().await;
        let answer = client.get("/").await;
        assert_eq!(answer.status, 426);
        assert_eq!(answer.get("upgrade"), Some("TLS/1.2, HTTP/1.1"));
        let options = answer.get("connection").unwrap_or_default().to_ascii_lowercase();
        assert!(options.contains("close"), "{options}");
        assert!(!answer.body.is_empty() && answer.body.len() < 1000, "a short text: {}", answer.text());
        client.closed().await;
        assert_eq!(backend.request_count(), 0, "it is never forwarded");
    }
}

#[tokio::test]
async fn a_rejected_upload_gets_its_answer() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).http("plainHttp: Reject")).await;
    let mut client = proxy.http().await;
    let answer = client.request("POST", "/", &[], &vec![b'x'; 100_000]).await;
    assert_eq!(answer.status, 426);
}

/// Where a request for this Host is redirected to.
async fn location(proxy: &TestProxy, host: &str) -> Option<String> {
    let answer = proxy.http().await.named(host).get("/a/b?c=d&e").await;
    assert_eq!(answer.status, 308, "{host}");
    answer.get("location").map(str::to_owned)
}

fn redirecting(web: &TestBackend) -> Configuration {
    Configuration::of(web).http("plainHttp: Redirect").route(r#"{ hostnames: [shop.example.test, "*.wild.test"], backend: web }"#)
}

#[tokio::test]
async fn redirects_know_which_port_clients_see() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&redirecting(&backend)).await;
    let (http, https) = (proxy.listener("http").port(), proxy.listener("https").port());
    assert_eq!(location(&proxy, "shop.example.test").await.as_deref(), Some("https://shop.example.test/a/b?c=d&e"), "no port, no port");
    let own = format!("https://shop.example.test:{https}/a/b?c=d&e");
    assert_eq!(location(&proxy, &format!("shop.example.test:{http}")).await, Some(own), "our port, our port");
    assert_eq!(location(&proxy, "x.wild.test").await.as_deref(), Some("https://x.wild.test/a/b?c=d&e"));
    assert_eq!(backend.request_count(), 0);
}

#[tokio::test]
async fn a_public_port_is_what_redirects_name() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&redirecting(&backend).https("publicPort: 4430")).await;
    assert_eq!(location(&proxy, "shop.example.test:9999").await.as_deref(), Some("https://shop.example.test:4430/a/b?c=d&e"));
    let standard = TestProxy::serving(&redirecting(&backend).https("publicPort: 443")).await;
    assert_eq!(location(&standard, "shop.example.test:9999").await.as_deref(), Some("https://shop.example.test/a/b?c=d&e"));
}

#[tokio::test]
async fn a_host_that_no_route_names_is_never_echoed() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&redirecting(&backend)).await;
    for host in ["evil.test", "shop.example.test.evil.test", "evil.test:80"] {
        let answer = proxy.http().await.named(host).get("/").await;
        assert!(!format!("{answer:?}{}", answer.text()).contains("evil"), "{answer:?}");
    }
    let evil = "GET / HTTP/1.1\r\nhost: evil.test\r\nx-forwarded-host: evil.test\r\n\r\n";
    let answer = proxy.http().await.raw(evil).await;
    assert!(!format!("{answer:?}{}", answer.text()).contains("evil"), "{answer:?}");
}

#[tokio::test]
async fn a_path_cannot_lead_a_redirect_elsewhere() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&redirecting(&backend)).await;
    for path in ["//evil.test/", "/\\evil.test", "/%0d%0alocation:evil"] {
        let answer = proxy.http().await.named("shop.example.test").raw(format!("GET {path} HTTP/1.1\r\nhost: shop.example.test\r\n\r\n")).await;
        if let Some(location) = answer.get("location") {
            assert!(location.starts_with("https://shop.example.test/"), "{path}: {location}");
        }
    }
}

#[tokio::test]
async fn allow_forwards_and_says_that_it_was_plain() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).http("plainHttp: Allow")).await;
    let mut client = proxy.http().await;
    for _ in 0..2 {
        assert_eq!(client.request("GET", "/", &[("x-forwarded-proto", "https")], b"").await.status, 200);
    }
    assert_eq!(backend.last_request().head.all("x-forwarded-proto"), ["http"]);
}

#[tokio::test]
async fn close_says_nothing() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).http("plainHttp: Close")).await;
    let mut client = proxy.http().await;
    let _ = client.wire.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await; // It may be closed already.
    client.closed().await;
    assert_eq!(backend.request_count(), 0);
}

fn by_route(web: &TestBackend) -> Configuration {
    Configuration::of(web)
        .route("{ hostnames: [shop.example.test], path: /open, plainHttp: Allow, backend: web }")
        .route("{ hostnames: [shop.example.test], path: /moved, plainHttp: Redirect, backend: web }")
        .route("{ hostnames: [shop.example.test], path: /shut, backend: web }")
}

async fn statuses(proxy: &TestProxy) -> Vec<u16> {
    let mut statuses = Vec::new();
    for path in ["/open", "/moved", "/shut"] {
        statuses.push(proxy.http().await.named("shop.example.test").get(path).await.status);
    }
    statuses
}

#[tokio::test]
async fn a_listener_without_a_policy_leaves_it_to_the_route() {
    let backend = TestBackend::start().await;
    assert_eq!(statuses(&TestProxy::serving(&by_route(&backend)).await).await, [200, 308, 426]);
    assert_eq!(backend.request_count(), 1);
}

#[tokio::test]
async fn a_route_forwards_no_more_than_its_listener_allows() {
    let backend = TestBackend::start().await;
    let reject = statuses(&TestProxy::serving(&by_route(&backend).http("plainHttp: Reject")).await).await;
    assert_eq!((reject[0], reject[2]), (426, 426));
    assert!([308, 426].contains(&reject[1]), "a route may redirect there");
    let redirect = statuses(&TestProxy::serving(&by_route(&backend).http("plainHttp: Redirect")).await).await;
    assert_eq!(redirect, [308, 308, 308]);
    assert_eq!(backend.request_count(), 0);
}

#[tokio::test]
async fn tls_on_the_plain_port_is_closed() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).http("plainHttp: Allow")).await;
    let client = super::support::TestClient::new(proxy.listener("http"), &proxy.certificates);
    assert!(client.try_http1().await.is_err());
    assert_eq!(proxy.http().await.get("/").await.status, 200);
    assert_eq!(backend.request_count(), 1);
}

#[tokio::test]
async fn http_2_without_tls_is_not_taken_for_a_request() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).http("plainHttp: Allow")).await;
    let mut client = Http1::plain(proxy.listener("http")).await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = in_time("the end", client.wire.stream.read_to_end(&mut answer)).await;
    assert_eq!(backend.request_count(), 0);
}
