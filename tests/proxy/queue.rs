//! Requests that wait because every endpoint of their backend has as many as it may.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::support::{Configuration, DEADLINE, Reply, TestBackend, TestProxy, backend, in_time, wait_until};

/// A backend that answers as often as it is allowed to.
async fn on_leave() -> (TestBackend, Arc<Semaphore>) {
    let leave = Arc::new(Semaphore::new(0));
    let given = leave.clone();
    let web = TestBackend::scripted(move |mut exchange| {
        let given = given.clone();
        async move {
            exchange.read_body().await?;
            given.acquire().await.map_err(std::io::Error::other)?.forget();
            exchange.reply(Reply::text("done")).await?;
            Ok(exchange)
        }
    })
    .await;
    (web, leave)
}

async fn serving(web: &TestBackend, limits: &str) -> TestProxy {
    let flow = backend(web.address);
    let flow = format!("{}, limits: {limits} }}", flow.trim_end().trim_end_matches('}'));
    TestProxy::serving(&Configuration::default().backend("web", &flow).more("defaultBackend: web")).await
}

/// Asks on a connection of its own.
fn ask(proxy: &TestProxy, asking: &mut JoinSet<u16>) {
    let client = proxy.client();
    asking.spawn(async move { client.http1().await.get("/").await.status });
}

/// One request, which its endpoint has.
async fn begun(proxy: &TestProxy, web: &TestBackend) -> JoinSet<u16> {
    let mut asking = JoinSet::new();
    ask(proxy, &mut asking);
    wait_until("the endpoint has what it may", DEADLINE, async || web.request_count() == 1).await;
    asking
}

#[tokio::test]
async fn more_than_an_endpoint_may_have_wait_and_are_answered_in_the_end() {
    let (web, leave) = on_leave().await;
    let proxy = serving(&web, "{ requestsPerEndpoint: 2, wait: 50s }").await;
    let mut asking = JoinSet::new();
    (0..10).for_each(|_| ask(&proxy, &mut asking));
    wait_until("the endpoint has what it may", DEADLINE, async || web.request_count() == 2).await;
    for answered in 1..=10 {
        leave.add_permits(1);
        assert_eq!(in_time("an answer", asking.join_next()).await.unwrap().unwrap(), 200);
        let expected = (answered + 2).min(10);
        wait_until("the next has its turn", DEADLINE, async || web.request_count() == expected).await;
        assert!(web.request_count() <= expected);
    }
}

#[tokio::test]
async fn nobody_waits_longer_than_said_or_with_more_than_said() {
    let (web, leave) = on_leave().await;
    let proxy = serving(&web, "{ requestsPerEndpoint: 1, waiting: 1, wait: 1s }").await;
    let mut asking = begun(&proxy, &web).await;
    (0..3).for_each(|_| ask(&proxy, &mut asking));
    for _ in 0..3 {
        assert_eq!(in_time("a refusal", asking.join_next()).await.unwrap().unwrap(), 503);
    }
    leave.add_permits(1);
    assert_eq!(in_time("the answer", asking.join_next()).await.unwrap().unwrap(), 200);
    assert_eq!(web.request_count(), 1);
    let full = || proxy.access_log().iter().filter(|line| line["reason"] == "backend_full").count();
    wait_until("each is in the log", DEADLINE, async || full() == 3).await;
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_takes_nobodys_turn() {
    let (web, leave) = on_leave().await;
    let proxy = serving(&web, "{ requestsPerEndpoint: 1, wait: 50s }").await;
    let mut asking = begun(&proxy, &web).await;
    for _ in 0..20 {
        let mut client = proxy.https().await;
        client.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        let waited = tokio::time::timeout(Duration::from_millis(20), client.answer()).await;
        assert!(waited.is_err(), "it waits");
    }
    ask(&proxy, &mut asking);
    leave.add_permits(2);
    for _ in 0..2 {
        assert_eq!(in_time("an answer", asking.join_next()).await.unwrap().unwrap(), 200);
    }
    assert_eq!(web.request_count(), 2);
}

#[tokio::test]
async fn an_endpoint_that_becomes_ready_takes_those_who_wait() {
    let (web, leave) = on_leave().await;
    let second = TestBackend::named("second").await;
    second.set_healthy(false);
    let endpoints = format!("{{ endpoints: [\"{}\", \"{}\"], limits: {{ requestsPerEndpoint: 1, wait: 50s }}", web.address, second.address);
    let flow = backend(web.address).replacen(&format!("{{ endpoints: [\"{}\"]", web.address), &endpoints, 1);
    let proxy = TestProxy::start(&Configuration::default().backend("web", &flow).more("defaultBackend: web")).await;
    wait_until("the first is ready", DEADLINE, async || proxy.ready_endpoints("web").await == 1).await;
    let mut asking = begun(&proxy, &web).await;
    ask(&proxy, &mut asking);
    ask(&proxy, &mut asking);
    let waiting = async || proxy.metric("genkan_http_requests_in_flight", &[]).await == Some(3.0);
    wait_until("two wait", DEADLINE, waiting).await;
    second.set_healthy(true);
    for _ in 0..2 {
        assert_eq!(in_time("an answer of the second", asking.join_next()).await.unwrap().unwrap(), 200);
    }
    assert_eq!((web.request_count(), second.request_count()), (1, 2));
    leave.add_permits(1);
    assert_eq!(in_time("the first answer", asking.join_next()).await.unwrap().unwrap(), 200);
}
