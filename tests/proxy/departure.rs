//! Endpoints that leave the configuration while they have requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::support::{Configuration, DEADLINE, Exchange, Http1, TestBackend, TestProxy, backend, finish, in_time, wait_until};

/// The backend `web` with one endpoint and these time limits.
fn configuration(web: &TestBackend, draining: Option<&str>) -> Configuration {
    let configuration = Configuration::default().backend("web", &backend(web.address)).more("defaultBackend: web");
    draining.map_or(configuration.clone(), |limit| configuration.backend_keys(&format!("timeouts: {{ draining: {limit} }}")))
}

/// Answers with the first half of a body, and goes on only when its time has come.
async fn halves(wait: Duration) -> TestBackend {
    TestBackend::scripted(move |mut exchange: Exchange| async move {
        exchange.wire.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst").await?;
        tokio::time::sleep(wait).await;
        exchange.wire.write("other").await?;
        Ok(exchange)
    })
    .await
}

const NEVER: Duration = Duration::from_secs(600);

/// A request whose answer has begun.
async fn begun(proxy: &TestProxy) -> Http1 {
    let mut client = proxy.https().await;
    client.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let answer = client.wire.answer_head().await.unwrap();
    assert_eq!(answer.status, 200);
    client.wire.exactly(5, &mut |bytes: &[u8]| assert!(b"first".starts_with(bytes))).await.unwrap();
    client
}

/// Replaces the endpoint by another one, and waits until that is used.
async fn replace(proxy: &TestProxy, draining: Option<&str>) -> (TestBackend, Instant) {
    let other = TestBackend::named("other").await;
    proxy.reconfigure(&configuration(&other, draining)).await;
    (other, Instant::now())
}

/// How long it takes until the rest of the answer is known not to come.
async fn cut(client: &mut Http1, since: Instant) -> Duration {
    let rest = in_time("the cut", client.wire.exactly(5, &mut |_: &[u8]| ())).await;
    assert!(rest.is_err(), "the answer is cut where its client sees it");
    since.elapsed()
}

#[tokio::test]
async fn with_no_time_left_an_answer_is_cut_at_once() {
    let web = halves(NEVER).await;
    let proxy = TestProxy::serving(&configuration(&web, Some("0s"))).await;
    let mut client = begun(&proxy).await;
    let mut http2 = proxy.client().http2().await;
    let (response, _stream) = http2.begin(http2.head("GET", "/").body(()).unwrap(), true).await.unwrap();
    let response = in_time("the head", response).await.unwrap();
    let (other, since) = replace(&proxy, Some("0s")).await;
    assert!(cut(&mut client, since).await < Duration::from_secs(5));
    assert!(in_time("the cut", finish(response)).await.is_err(), "a stream is reset");
    proxy.wait_ready("web").await;
    assert_eq!(http2.get("/").await.body, b"other", "the connection goes on");
    assert_eq!(other.request_count(), 1);
}

#[tokio::test]
async fn what_is_in_flight_has_the_time_to_end() {
    let web = halves(Duration::from_secs(1)).await;
    let proxy = TestProxy::serving(&configuration(&web, Some("30s"))).await;
    let mut client = begun(&proxy).await;
    replace(&proxy, Some("30s")).await;
    client.wire.exactly(5, &mut |bytes: &[u8]| assert!(b"other".starts_with(bytes))).await.unwrap();
}

#[tokio::test]
async fn when_the_time_is_over_it_is_cut() {
    let web = halves(NEVER).await;
    let proxy = TestProxy::serving(&configuration(&web, Some("2s"))).await;
    let mut client = begun(&proxy).await;
    let (_other, since) = replace(&proxy, Some("2s")).await;
    let after = cut(&mut client, since).await;
    assert!((Duration::from_millis(1500)..Duration::from_secs(8)).contains(&after), "{after:?}");
}

#[tokio::test]
async fn without_a_limit_it_goes_on_until_it_ends() {
    let web = halves(Duration::from_secs(3)).await;
    let proxy = TestProxy::serving(&configuration(&web, None)).await;
    let mut client = begun(&proxy).await;
    replace(&proxy, None).await;
    client.wire.exactly(5, &mut |bytes: &[u8]| assert!(b"other".starts_with(bytes))).await.unwrap();
}

/// Endpoints in turn, none of which has time left when it leaves.
fn in_turn(endpoints: &[&TestBackend]) -> Configuration {
    let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("\"{}\"", endpoint.address)).collect();
    let keys = "assumeReady: true, loadBalancing: RoundRobin, timeouts: { draining: 0s }";
    Configuration::default().backend("web", &format!("{{ endpoints: [{}], {keys} }}", endpoints.join(", "))).more("defaultBackend: web")
}

#[tokio::test]
async fn a_request_without_an_answer_yet_is_sent_elsewhere_only_if_it_may_be() {
    let arrived = Arc::new(AtomicUsize::new(0));
    let arrivals = arrived.clone();
    let silent = TestBackend::scripted(move |exchange: Exchange| {
        arrivals.fetch_add(1, Ordering::SeqCst);
        exchange.stall()
    })
    .await;
    let other = TestBackend::named("other").await;
    let proxy = TestProxy::serving(&in_turn(&[&silent, &other])).await;
    let mut clients = Vec::new();
    for method in ["POST", "POST", "GET", "GET"] {
        let mut client = proxy.https().await;
        client.send(format!("{method} / HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        clients.push(client);
        let count = clients.len();
        wait_until("it arrives", DEADLINE, async || arrived.load(Ordering::SeqCst) + other.request_count() == count).await;
    }
    proxy.reconfigure(&in_turn(&[&other])).await;
    let mut statuses = Vec::new();
    for client in &mut clients {
        statuses.push(client.answer().await.status);
    }
    statuses[..2].sort_unstable();
    assert_eq!(statuses, [200, 502, 200, 200], "one POST may have been acted on; the client of a GET sees nothing");
}

#[tokio::test]
async fn a_tunnel_is_cut_too() {
    let web = TestBackend::tunnel().await;
    let proxy = TestProxy::serving(&configuration(&web, Some("1s"))).await;
    let mut client = proxy.https().await;
    client.send("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").await;
    assert_eq!(client.wire.answer_head().await.unwrap().status, 101);
    client.send("hello").await;
    client.wire.exactly(5, &mut |_: &[u8]| ()).await.unwrap();
    let (_other, since) = replace(&proxy, Some("1s")).await;
    client.closed().await;
    assert!(since.elapsed() > Duration::from_millis(500), "it had its time");
    wait_until("its backend sees the end", DEADLINE, async || web.open_connections() == 0).await;
}

#[tokio::test]
async fn an_endpoint_that_stays_is_left_alone() {
    let web = halves(Duration::from_secs(2)).await;
    let proxy = TestProxy::serving(&configuration(&web, Some("0s"))).await;
    let mut client = begun(&proxy).await;
    let more = TestBackend::start().await;
    let both = configuration(&web, Some("0s")).backend("more", &backend(more.address)).more("timeouts: { keepAlive: 70s }");
    proxy.reconfigure(&both).await;
    client.wire.exactly(5, &mut |bytes: &[u8]| assert!(b"other".starts_with(bytes))).await.unwrap();
}
