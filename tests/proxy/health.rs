//! Readiness: who gets requests and who does not, as seen by the client and proven by what the backends saw.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpListener;

use super::support::{Configuration, DEADLINE, Exchange, Reply, TestBackend, TestProxy, backend, in_time, wait_until};

/// Answers `hello`.
async fn hello(mut exchange: Exchange) -> std::io::Result<Exchange> {
    exchange.read_body().await?;
    exchange.reply(Reply::text("hello")).await?;
    Ok(exchange)
}

#[tokio::test]
async fn a_backend_is_used_while_it_is_ready_and_only_then() {
    let backend = TestBackend::start().await;
    backend.set_healthy(false);
    let proxy = TestProxy::start(&Configuration::of(&backend)).await;
    wait_until("the first probe", DEADLINE, async || !backend.probes().is_empty()).await;
    let mut client = proxy.https().await;

    let answer = client.get("/").await;
    assert_eq!(answer.status, 503);
    let seconds = answer.get("retry-after").expect("it says when to come again");
    assert!(seconds.parse::<u32>().is_ok(), "{seconds}");
    assert_eq!(backend.request_count(), 0, "no byte reaches a backend that is not ready");

    for _ in 0..2 {
        backend.set_healthy(true);
        wait_until("it is used", DEADLINE, async || client.get("/").await.status == 200).await;
        backend.set_healthy(false);
        wait_until("it is left alone", DEADLINE, async || client.get("/").await.status == 503).await;
        let requests = backend.request_count();
        for _ in 0..20 {
            assert_eq!(client.get("/").await.status, 503);
        }
        assert_eq!(backend.request_count(), requests, "none came while it was not ready");
    }
}

#[tokio::test]
async fn a_backend_that_starts_later_is_used_about_a_second_after_it_listens() {
    let mut backend = TestBackend::not_listening(hello);
    let proxy = TestProxy::start(&Configuration::of(&backend)).await;
    let mut client = proxy.https().await;
    // Long enough for checks to come less often, if they did.
    let started = Instant::now();
    wait_until("three seconds of refusals", DEADLINE, async || {
        assert_eq!(client.get("/").await.status, 503);
        started.elapsed() > Duration::from_secs(3)
    })
    .await;
    backend.listen();
    let took = wait_until("it is used", DEADLINE, async || client.get("/").await.status == 200).await;
    assert!(took < Duration::from_secs(3), "it was used only after {took:?}");
    assert!(backend.probes()[0].at < backend.requests()[0].at, "the first it hears is a probe");
}

#[tokio::test]
async fn a_backend_that_starts_later_is_used_soon_even_if_its_period_is_long() {
    let mut backend = TestBackend::not_listening(hello);
    let probe = format!(r#"{{ endpoints: ["{}"], readinessProbe: {{ httpGet: {{ path: /healthz }}, periodSeconds: 600 }} }}"#, backend.address);
    let proxy = TestProxy::start(&Configuration::default().backend("web", &probe).more("defaultBackend: web")).await;
    let mut client = proxy.https().await;
    assert_eq!(client.get("/").await.status, 503);
    backend.listen();
    let took = wait_until("it is used", DEADLINE, async || client.get("/").await.status == 200).await;
    assert!(took < Duration::from_secs(3), "until the first pass checks come every second; it took {took:?}");
}

#[tokio::test]
async fn the_default_probe_is_a_get_of_the_root() {
    let backend = TestBackend::start().await;
    let plain = format!(r#"{{ endpoints: ["{}"] }}"#, backend.address);
    let _proxy = TestProxy::serving(&Configuration::default().backend("web", &plain).more("defaultBackend: web")).await;
    let probe = &backend.requests()[0].head;
    assert_eq!((probe.method(), probe.target()), ("GET", "/"));
    assert_eq!(probe.get("host"), Some(backend.address.to_string().as_str()));
}

#[tokio::test]
async fn a_status_of_300_passes_and_one_of_400_does_not() {
    for (status, expected) in [(200, 200), (302, 200), (399, 200), (400, 503), (404, 503), (500, 503)] {
        let backend = TestBackend::answering(move |request| match request.head.target() {
            "/check" => Reply::with(status, &[("location", "/elsewhere")], ""),
            _ => Reply::text("hello"),
        })
        .await;
        let probe = format!(r#"{{ endpoints: ["{}"], readinessProbe: {{ httpGet: {{ path: /check }} }} }}"#, backend.address);
        let proxy = TestProxy::start(&Configuration::default().backend("web", &probe).more("defaultBackend: web")).await;
        if expected == 200 {
            proxy.wait_ready("web").await;
        } else {
            wait_until("two probes", DEADLINE, async || backend.request_count() > 1).await;
        }
        assert_eq!(proxy.https().await.get("/").await.status, expected, "a probe that is answered {status}");
    }
}

#[tokio::test]
async fn a_tcp_probe_passes_when_a_connection_opens() {
    let mut backend = TestBackend::not_listening(hello);
    let probe = format!(r#"{{ endpoints: ["{}"], readinessProbe: {{ tcpSocket: {{}}, periodSeconds: 1, failureThreshold: 1 }} }}"#, backend.address);
    let proxy = TestProxy::start(&Configuration::default().backend("web", &probe).more("defaultBackend: web")).await;
    assert_eq!(proxy.https().await.get("/").await.status, 503);
    backend.listen();
    proxy.wait_ready("web").await;
    assert_eq!(proxy.https().await.get("/").await.text(), "hello");
    assert!(backend.probes().is_empty(), "nothing is asked");
    backend.stop().await;
    proxy.wait_not_ready("web").await;
}

#[tokio::test]
async fn an_https_probe_does_not_verify_the_certificate() {
    let backend = TestBackend::start().await;
    let (address, probed) = https_health_server().await;
    let probe = format!(
        r#"{{ endpoints: ["{}"], readinessProbe: {{ httpGet: {{ path: /secure, port: {}, scheme: HTTPS }}, periodSeconds: 1 }} }}"#,
        backend.address,
        address.port()
    );
    let proxy = TestProxy::serving(&Configuration::default().backend("web", &probe).more("defaultBackend: web")).await;
    assert_eq!(proxy.https().await.get("/").await.text(), "hello");
    assert!(probed.load(Ordering::SeqCst) > 0);
    assert!(backend.probes().is_empty(), "the probe went to its own port");
}

/// A server that answers 200 over TLS with a certificate that nobody trusts, and how often it was asked.
async fn https_health_server() -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let strangers = super::support::TestCertificates::new().leaf(&["nobody.test"]);
    let key = PrivateKeyDer::from_pem_slice(strangers.key.as_bytes()).expect("it is a key");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for them")
        .with_no_client_auth()
        .with_single_cert(vec![strangers.der], key)
        .expect("they belong together");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let probed = Arc::new(AtomicUsize::new(0));
    let count = probed.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let mut wire = super::support::Wire::new(stream);
            if matches!(wire.head().await, Ok(Some(head)) if head.target() == "/secure") {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = wire.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            }
        }
    });
    (address, probed)
}

#[tokio::test]
async fn a_probe_has_the_headers_it_is_given() {
    let backend = TestBackend::start().await;
    let probe = format!(
        r#"{{ endpoints: ["{}"], readinessProbe: {{ httpGet: {{ path: "/healthz?deep=1", httpHeaders: [{{ name: Host, value: web.internal }}, {{ name: X-Probe, value: "yes" }}] }} }} }}"#,
        backend.address
    );
    let _proxy = TestProxy::serving(&Configuration::default().backend("web", &probe).more("defaultBackend: web")).await;
    let head = &backend.probes()[0].head;
    assert_eq!(head.target(), "/healthz?deep=1");
    assert_eq!((head.all("host"), head.get("x-probe")), (vec!["web.internal"], Some("yes")));
    assert!(head.has("user-agent"), "it says who asks: {head:?}");
}

#[tokio::test]
async fn thresholds_count_checks_in_a_row() {
    let backend = TestBackend::start().await;
    backend.set_healthy(false);
    let probe = format!(
        r#"{{ endpoints: ["{}"], readinessProbe: {{ httpGet: {{ path: /healthz }}, periodSeconds: 1, successThreshold: 3, failureThreshold: 2 }} }}"#,
        backend.address
    );
    let proxy = TestProxy::start(&Configuration::default().backend("web", &probe).more("defaultBackend: web")).await;
    wait_until("a probe", DEADLINE, async || !backend.probes().is_empty()).await;

    let failed = backend.probes().len();
    backend.set_healthy(true);
    proxy.wait_ready("web").await;
    assert!(backend.probes().len() >= failed + 3, "three passes made it ready");

    let passed = backend.probes().len();
    backend.set_healthy(false);
    proxy.wait_not_ready("web").await;
    assert!(backend.probes().len() >= passed + 2, "two failures made it unready");
}

#[tokio::test]
async fn a_probe_that_is_not_answered_in_time_fails() {
    let stalls = Arc::new(AtomicBool::new(false));
    let told = stalls.clone();
    let backend = TestBackend::scripted(move |exchange| {
        let stall = exchange.head.target() == "/check" && told.load(Ordering::SeqCst);
        async move { if stall { exchange.stall().await } else { hello(exchange).await } }
    })
    .await;
    let probe = format!(
        r#"{{ endpoints: ["{}"], readinessProbe: {{ httpGet: {{ path: /check }}, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 1 }} }}"#,
        backend.address
    );
    let proxy = TestProxy::serving(&Configuration::default().backend("web", &probe).more("defaultBackend: web")).await;
    stalls.store(true, Ordering::SeqCst);
    proxy.wait_not_ready("web").await;
    stalls.store(false, Ordering::SeqCst);
    proxy.wait_ready("web").await;
}

#[tokio::test]
async fn assume_ready_means_no_probe() {
    let backend = TestBackend::start().await;
    let assumed = format!(r#"{{ endpoints: ["{}"], assumeReady: true }}"#, backend.address);
    let proxy = TestProxy::start(&Configuration::default().backend("web", &assumed).more("defaultBackend: web")).await;
    assert_eq!(proxy.https().await.get("/").await.status, 200);
    assert_eq!((backend.request_count(), backend.probes().len()), (1, 0));
    proxy.wait_log(&["ReadinessAssumed"]).await;
}

#[tokio::test]
async fn localhost_finds_a_backend_that_listens_on_ipv6_alone() {
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("skipped: this machine has no IPv6 loopback");
        return;
    }
    let mut backend = TestBackend::at(IpAddr::V6(Ipv6Addr::LOCALHOST), hello);
    backend.listen();
    let named = format!(r#"{{ endpoints: ["localhost:{}"], readinessProbe: {{ httpGet: {{ path: /healthz }} }} }}"#, backend.address.port());
    let proxy = TestProxy::serving(&Configuration::default().backend("web", &named).more("defaultBackend: web")).await;
    assert_eq!(proxy.https().await.get("/").await.text(), "hello");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_leaves_the_others_alone() {
    let good = TestBackend::named("good").await;
    let configuration = Configuration::of(&good)
        .backend("lost", r#"{ endpoints: ["nowhere.invalid:80"] }"#)
        .route("{ hostnames: [lost.example.test], backend: lost }");
    let proxy = TestProxy::start(&configuration).await;
    proxy.wait_ready("web").await;
    assert_eq!(proxy.https().await.get("/").await.text(), "good");
    assert_eq!(proxy.client().named("lost.example.test").http1().await.get("/").await.status, 503);
    proxy.wait_log(&["NameUnresolved", "nowhere.invalid"]).await;
}

#[tokio::test]
async fn backends_have_no_influence_on_readyz() {
    let backend = TestBackend::not_listening(hello);
    let proxy = TestProxy::start(&Configuration::of(&backend)).await;
    wait_until("it is ready without a backend", DEADLINE, async || proxy.admin("/readyz").await.status == 200).await;
}

#[tokio::test]
async fn requests_are_spread_over_the_ready_endpoints() {
    let backends = [TestBackend::named("a").await, TestBackend::named("b").await, TestBackend::named("c").await];
    let proxy = TestProxy::start(&three(&backends, "loadBalancing: RoundRobin")).await;
    wait_until("all three are ready", DEADLINE, async || proxy.ready_endpoints("web").await == 3).await;
    let mut client = proxy.https().await;
    for _ in 0..30 {
        assert_eq!(client.get("/").await.status, 200);
    }
    for backend in &backends {
        assert!(backend.request_count() > 0, "each has its share");
    }
    backends[1].set_healthy(false);
    wait_until("two are left", DEADLINE, async || proxy.ready_endpoints("web").await == 2).await;
    let before = backends[1].request_count();
    for _ in 0..30 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(backends[1].request_count(), before);
}

fn three(backends: &[TestBackend; 3], keys: &str) -> Configuration {
    let endpoints: Vec<_> = backends.iter().map(|backend| format!("\"{}\"", backend.address)).collect();
    let flow = backend(backends[0].address).replace(&endpoints[0], &endpoints.join(", "));
    Configuration::default().backend("web", &flow).backend_keys(keys).more("defaultBackend: web")
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_one_endpoint_of_three_again_and_again_loses_no_request() {
    let mut backends = [TestBackend::named("a").await, TestBackend::named("b").await, TestBackend::named("c").await];
    let proxy = TestProxy::start(&three(&backends, "loadBalancing: RoundRobin")).await;
    wait_until("all three are ready", DEADLINE, async || proxy.ready_endpoints("web").await == 3).await;

    let done = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (client, done) = (proxy.client(), done.clone());
            tokio::spawn(async move {
                let mut connection = client.http1().await;
                let mut answered = 0_usize;
                while !done.load(Ordering::SeqCst) {
                    let answer = connection.get("/").await;
                    assert_eq!(answer.status, 200, "request {answered}: {:?}", answer.head);
                    answered += 1;
                }
                answered
            })
        })
        .collect();

    for _ in 0..5 {
        backends[2].stop().await;
        wait_until("its end is noticed", DEADLINE, async || proxy.ready_endpoints("web").await == 2).await;
        backends[2].listen();
        wait_until("it is back", DEADLINE, async || proxy.ready_endpoints("web").await == 3).await;
        let before = backends[2].request_count();
        wait_until("it has requests again", DEADLINE, async || backends[2].request_count() > before).await;
    }
    done.store(true, Ordering::SeqCst);
    for task in load {
        assert!(in_time("the load", task).await.expect("no request was lost") > 0);
    }
}

#[tokio::test]
async fn a_new_probe_keeps_the_old_verdict_until_it_has_one() {
    let backend = TestBackend::start().await;
    let configuration = Configuration::of(&backend);
    let proxy = TestProxy::serving(&configuration).await;
    let mut client = proxy.https().await;
    let probe = format!(r#"{{ endpoints: ["{}"], readinessProbe: {{ httpGet: {{ path: "/healthz?new" }}, periodSeconds: 1 }} }}"#, backend.address);
    let changed = Configuration::default().backend("web", &probe).more("defaultBackend: web");
    proxy.write_configuration(&changed.yaml());
    wait_until("the new probe is used", DEADLINE, async || {
        assert_eq!(client.get("/").await.status, 200, "nobody is turned away in between");
        backend.probes().iter().any(|probe| probe.head.target() == "/healthz?new")
    })
    .await;
}

#[tokio::test]
async fn the_states_of_many_endpoints_are_few_lines_and_a_count() {
    let mut web = TestBackend::at(IpAddr::from([0, 0, 0, 0]), hello);
    web.listen();
    let endpoints: Vec<String> = (1..=60).map(|n| format!("\"127.0.1.{n}:{}\"", web.address.port())).collect();
    let many = format!("{{ endpoints: [{}], readinessProbe: {{ httpGet: {{ path: /healthz }}, periodSeconds: 1 }} }}", endpoints.join(", "));
    let proxy = TestProxy::start(&Configuration::default().backend("web", &many).more("defaultBackend: web")).await;
    for (message, healthy) in [("endpoint is ready", true), ("endpoint is not ready", false)] {
        web.set_healthy(healthy);
        wait_until(message, DEADLINE, async || proxy.ready_endpoints("web").await == if healthy { 60 } else { 0 }).await;
        let key = if healthy { "ready" } else { "not_ready" };
        wait_until("each is told or counted", DEADLINE, async || {
            let log = proxy.log();
            let told = log.iter().filter(|line| line["message"] == message).count() as u64;
            let more = log.iter().filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with("more endpoints have changed")));
            told + more.filter_map(|line| line[key].as_u64()).sum::<u64>() == 60
        })
        .await;
    }
    let lines = proxy.log().iter().filter(|line| line["category"] == "readiness").count();
    assert!(lines < 110, "{lines} lines: more than some were told one by one");
}
