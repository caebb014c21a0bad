//! The proxy under a snapshot that no configuration file can say: what only other sources ask for.

use std::sync::Arc;
use std::time::Duration;

use genkan::drain::Drain;
use genkan::model::{
    Action, Backend, Behaviour, EndpointAddress, EndpointState, Filter, HeaderModifier, Host, HostPattern, Listener, Match, PathMatch, PlainHttp,
    Probe, ProbeSuccess, Protocol, ProxyStatus, Publish, Readiness, Route, RouteSet, SHARED, Snapshot, SocketAddress, Target, Template, Variable,
};
use genkan::proxy::{Mode, Options, PortTaken, Proxy};
use genkan::telemetry::spans::Spans;
use genkan::telemetry::{AccessLog, Metrics};
use http::HeaderName;

use super::support::{DEADLINE, Http1, Reply, TestBackend, wait_until};

fn route(name: &str, path: &str, action: Action) -> Route {
    let hosts = vec![HostPattern::Exact(Host::parse("localhost").unwrap())];
    Route {
        name: name.into(),
        matches: Match { hosts, path: PathMatch::prefix(path), ..Match::default() },
        plain_http: Some(PlainHttp::Allow),
        https_redirect: None,
        request_timeout: Duration::MAX,
        limits_tunnels: false,
        filters: Vec::new(),
        log_sampling: None,
        behaviour: Behaviour::Genkan,
        action,
    }
}

fn forward() -> Action {
    Action::Forward(vec![Target { backend: "web".to_owned(), weight: 1 }])
}

fn snapshot(web: &TestBackend, routes: Vec<Route>, readiness: Readiness) -> Arc<Snapshot> {
    let backend = Backend { name: "web".to_owned(), endpoints: vec![EndpointAddress::Ip(web.address)], readiness, ..Backend::default() };
    let listener = Listener {
        name: "http".to_owned(),
        address: SocketAddress::parse("127.0.0.1:0").unwrap(),
        protocol: Protocol::Http { plain: None },
        public_port: None,
        route_set: SHARED.into(),
        default_certificate: None,
        tls: None,
    };
    let routes = RouteSet { routes: routes.into_iter().map(Arc::new).collect(), ..RouteSet::default() };
    Arc::new(Snapshot {
        listeners: vec![Arc::new(listener)],
        route_sets: vec![Arc::new(routes)],
        backends: vec![Arc::new(backend)],
        ..Snapshot::default()
    })
}

/// Serves a snapshot, for as long as the drain is held.
async fn serve(snapshot: Arc<Snapshot>) -> (Arc<Proxy>, Drain) {
    let drain = Drain::new();
    let options = Options {
        workers: 1,
        metrics: Metrics::new(1),
        access_log: AccessLog::off(),
        spans: Spans::default(),
        mode: Mode::Run,
        port_taken: PortTaken::Refuse,
        issuer: None,
        explainer: None,
    };
    let proxy = Proxy::start(options, &drain).unwrap();
    assert!(proxy.publish(snapshot).await.is_empty());
    (proxy, drain)
}

async fn client(proxy: &Proxy) -> Http1 {
    Http1::plain(proxy.sockets()[0].address).await
}

#[tokio::test]
async fn a_path_that_nothing_is_for_is_404() {
    let web = TestBackend::start().await;
    let routes = vec![route("nothing", "/nothing", Action::NotFound), route("all", "/", forward())];
    let (proxy, _drain) = serve(snapshot(&web, routes, Readiness::Assumed)).await;
    let mut client = client(&proxy).await;
    assert_eq!(client.get("/nothing/here").await.status, 404);
    assert_eq!(client.get("/nothings").await.status, 200);
    assert_eq!(web.request_count(), 1);
}

#[tokio::test]
async fn a_variable_that_nobody_knows_is_empty() {
    let web = TestBackend::start().await;
    let template = Template::parse("{client_region}", |_| Some(Variable::Unknown)).unwrap();
    let modifier = HeaderModifier { set: vec![(HeaderName::from_static("x-region"), template)], ..HeaderModifier::default() };
    let route = Route { filters: vec![Filter::RequestHeaders(modifier)], ..route("all", "/", forward()) };
    let (proxy, _drain) = serve(snapshot(&web, vec![route], Readiness::Assumed)).await;
    client(&proxy).await.request("GET", "/", &[("x-region", "spoofed")], b"").await;
    assert_eq!(web.only_request().head.all("x-region"), [""]);
}

#[tokio::test]
async fn a_probe_that_needs_200_says_so() {
    let web = TestBackend::answering(|_| Reply::with(302, &[("location", "/login")], "")).await;
    let probe = Probe { success: ProbeSuccess::Exactly200, ..Probe::get("/") };
    let (proxy, _drain) = serve(snapshot(&web, vec![route("all", "/", forward())], Readiness::Probe(probe))).await;
    let judged = async || proxy.endpoints().iter().any(|endpoint| endpoint.reason.contains("it answers 302, expected exactly 200"));
    wait_until("the check has failed", DEADLINE, judged).await;
    assert_eq!(proxy.endpoints()[0].state, EndpointState::NotReady);
    assert_eq!(client(&proxy).await.get("/").await.status, 503);

    let lenient = snapshot(&web, vec![route("all", "/", forward())], Readiness::Probe(Probe::get("/")));
    assert!(proxy.publish(lenient).await.is_empty());
    wait_until("302 is enough", DEADLINE, async || proxy.endpoints()[0].state == EndpointState::Ready).await;
}
