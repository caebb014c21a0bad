//! Clients that come back to the endpoint they had.

use super::support::{Configuration, DEADLINE, Exchange, TestBackend, TestProxy, wait_until};

/// Three endpoints behind one backend, which is balanced as `keys` say.
async fn three(keys: &str) -> ([TestBackend; 3], TestProxy) {
    let backends = [TestBackend::named("0").await, TestBackend::named("1").await, TestBackend::named("2").await];
    let proxy = serving(&backends.iter().collect::<Vec<_>>(), keys).await;
    (backends, proxy)
}

fn configuration(backends: &[&TestBackend], keys: &str) -> Configuration {
    let endpoints: Vec<String> = backends.iter().map(|backend| format!("\"{}\"", backend.address)).collect();
    let probe = "readinessProbe: { httpGet: { path: /healthz }, periodSeconds: 1, failureThreshold: 1 }";
    let flow = format!("{{ endpoints: [{}], {probe}, {keys} }}", endpoints.join(", "));
    Configuration::default().backend("web", &flow).more("defaultBackend: web").http("plainHttp: Allow")
}

async fn serving(backends: &[&TestBackend], keys: &str) -> TestProxy {
    let proxy = TestProxy::serving(&configuration(backends, keys)).await;
    all_ready(&proxy, backends.len()).await;
    proxy
}

async fn all_ready(proxy: &TestProxy, count: usize) {
    let ready = async || proxy.ready_endpoints("web").await == count;
    wait_until("every endpoint is ready", DEADLINE, ready).await;
}

const COOKIE: &str = "sessionAffinity: { type: Cookie }";

/// A client without a cookie: which endpoint it came to, and the cookie it got, with its attributes.
async fn first(proxy: &TestProxy) -> (String, String) {
    let answer = proxy.https().await.get("/").await;
    let cookies = answer.head.all("set-cookie");
    assert_eq!(cookies.len(), 1, "{answer:?}");
    (answer.text(), cookies[0].to_owned())
}

/// A client with these cookies: which endpoint it came to, and whether it got another cookie.
async fn again(proxy: &TestProxy, cookies: &str) -> (String, bool) {
    let answer = proxy.https().await.request("GET", "/", &[("cookie", cookies)], b"").await;
    assert_eq!(answer.status, 200);
    (answer.text(), answer.head.has("set-cookie"))
}

fn pair(cookie: &str) -> &str {
    cookie.split(';').next().unwrap()
}

#[tokio::test]
async fn a_cookie_leads_back_to_the_endpoint_and_says_nothing_of_it() {
    let (backends, proxy) = three(COOKIE).await;
    let (mut reached, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..24 {
        let (endpoint, cookie) = first(&proxy).await;
        let id = pair(&cookie).strip_prefix("GENKAN=").unwrap().to_owned();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{cookie}");
        assert_eq!(cookie, format!("GENKAN={id}; path=/; HttpOnly; Secure"));
        for _ in 0..3 {
            assert_eq!(again(&proxy, &format!("a=b; GENKAN={id}; c=d")).await, (endpoint.clone(), false));
        }
        reached.push(endpoint);
        ids.push(id);
    }
    reached.sort();
    reached.dedup();
    ids.sort();
    ids.dedup();
    assert_eq!((reached.len(), ids.len()), (3, 24), "clients are spread, and each has an id of its own");
    let seen = backends.iter().flat_map(TestBackend::requests).find(|seen| seen.head.has("cookie")).unwrap();
    assert!(seen.head.get("cookie").unwrap().starts_with("a=b; GENKAN="), "cookies are passed on as they are");
}

#[tokio::test]
async fn what_is_no_cookie_of_ours_gets_a_new_one() {
    let (_backends, proxy) = three(COOKIE).await;
    for cookies in ["GENKAN=", "GENKAN=127.0.0.1:80", "XGENKAN=00000000000000000000000000000000", "GENKAN=0000000000000000000000000000000g"] {
        assert!(again(&proxy, cookies).await.1, "{cookies}");
    }
}

#[tokio::test]
async fn name_age_and_secure_are_as_configured() {
    let (_backends, proxy) = three("sessionAffinity: { type: Cookie, cookieName: SID, cookieTtl: 1h }").await;
    let (_, cookie) = first(&proxy).await;
    assert!(cookie.starts_with("SID=") && cookie.contains("; path=/; HttpOnly; Secure; Max-Age=3600; expires="), "{cookie}");
    assert!(cookie.ends_with(" GMT"), "{cookie}");
    let plain = proxy.http().await.get("/").await;
    assert!(!plain.get("set-cookie").unwrap().contains("Secure"), "{plain:?}");
    let http2 = proxy.client().http2().await.get("/").await;
    assert!(http2.headers["set-cookie"].to_str().unwrap().starts_with("SID="));
}

#[tokio::test]
async fn a_session_outlives_its_endpoints_failure_and_the_process() {
    let (mut backends, proxy) = three(COOKIE).await;
    let (endpoint, cookie) = first(&proxy).await;
    let own: usize = endpoint.parse().unwrap();
    backends[own].stop().await;
    let (other, changed) = again(&proxy, pair(&cookie)).await;
    assert!(other != endpoint && !changed, "another one answers, under the same cookie");
    backends[own].listen();
    all_ready(&proxy, 3).await;
    wait_until("the session is back", DEADLINE, async || again(&proxy, pair(&cookie)).await.0 == endpoint).await;

    let replica = serving(&backends.iter().collect::<Vec<_>>(), COOKIE).await;
    assert_eq!(again(&replica, pair(&cookie)).await, (endpoint, false), "every replica comes to the same");
}

#[tokio::test]
async fn an_endpoint_that_gives_no_answer_costs_the_session_a_try() {
    let broken = TestBackend::scripted(|exchange: Exchange| async move { exchange.reset() }).await;
    let good = TestBackend::named("good").await;
    let proxy = serving(&[&broken, &good], COOKIE).await;
    for _ in 0..8 {
        let (text, cookie) = first(&proxy).await;
        assert_eq!(text, "good");
        assert_eq!(again(&proxy, pair(&cookie)).await, ("good".to_owned(), false));
    }
    assert!(broken.request_count() > 0, "some were sent there first");
}

#[tokio::test]
async fn a_client_is_known_by_its_address_without_a_cookie() {
    let (_backends, proxy) = three("sessionAffinity: { type: ClientAddress }").await;
    let answer = proxy.https().await.get("/").await;
    assert!(!answer.head.has("set-cookie"));
    for _ in 0..6 {
        assert_eq!(proxy.https().await.get("/").await.text(), answer.text());
    }
}
