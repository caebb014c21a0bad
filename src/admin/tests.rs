//! The admin listener over a real socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::access::Peer;
use super::answer::answer;
use super::*;
use crate::drain::Stage;
use crate::model::{Action, Backend, Behaviour, Check, EndpointState, Match, Readiness, Route, RouteSet, Snapshot, Target};
use crate::telemetry::fake::{Control, Proxy, certificate, endpoint, https_listener};

/// Far more than anything here takes, and less than the limits that are not tested.
const SOON: Duration = Duration::from_secs(15);

struct Running {
    control: Arc<Control>,
    proxy: Arc<Proxy>,
    drain: Drain,
    address: SocketAddr,
    server: JoinHandle<()>,
}

fn views(control: Arc<Control>, proxy: Arc<Proxy>, drain: Drain) -> Views {
    Views {
        control,
        proxy,
        metrics: Metrics::new(1),
        history: Arc::default(),
        watchers: Watchers::default(),
        makers: Makers::default(),
        token: None,
        access_log: AccessLog::off(),
        spans: Spans::default(),
        drain,
    }
}

fn loopback(port: u16) -> SocketAddress {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()
}

fn start() -> Running {
    serve(Admin::bind(loopback(0), false).unwrap())
}

fn serve(admin: Admin) -> Running {
    serve_with(admin, Control::default(), Proxy::default())
}

fn serve_with(admin: Admin, control: Control, proxy: Proxy) -> Running {
    let (control, proxy, drain) = (Arc::new(control), Arc::new(proxy), Drain::new());
    let address = admin.address().unwrap();
    let views = views(control.clone(), proxy.clone(), drain.clone());
    Running { control, proxy, drain, address, server: tokio::spawn(admin.serve(views)) }
}

impl Running {
    /// Everything that comes back.
    async fn send(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await; // A reset after the answer is fine.
        String::from_utf8(answer).unwrap()
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }
}

fn failing(name: &str, why: &str) -> Vec<Check> {
    vec![Check::new("fine", None), Check::new(name, Some(why.to_owned()))]
}

#[tokio::test]
async fn ready_and_live_are_ok_when_every_check_passes() {
    let running = start();
    assert_eq!(running.get("/readyz").await, (200, "ok\n".to_owned()));
    assert_eq!(running.get("/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(running.get("/readyz?x=1&verbose").await, (200, "[+]drain ok\nreadyz check passed\n".to_owned()));
    assert_eq!(running.get("/livez?verbose=1").await, (200, "livez check passed\n".to_owned()));
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let running = start();
    *running.control.checks.lock().unwrap() = failing("certificate", "none yet\n[+]forged ok");
    *running.proxy.ready.lock().unwrap() = failing("listeners", "not bound");
    *running.proxy.live.lock().unwrap() = failing("worker-0", "silent for 3 s");
    let (status, text) = running.get("/readyz").await;
    let expected =
        "[+]fine ok\n[-]certificate failed: none yet [+]forged ok\n[+]fine ok\n[-]listeners failed: not bound\n[+]drain ok\nreadyz check failed\n";
    assert_eq!((status, &*text), (503, expected));
    assert_eq!(running.get("/livez").await, (503, "[+]fine ok\n[-]worker-0 failed: silent for 3 s\nlivez check failed\n".to_owned()));
    running.control.checks.lock().unwrap().clear();
    running.proxy.ready.lock().unwrap().clear();
    assert_eq!(running.get("/readyz").await.0, 200);
}

#[tokio::test]
async fn draining_is_live_and_not_ready_until_the_end() {
    let running = start();
    for (stage, word) in [(Stage::Leaving, "leaving"), (Stage::Closing, "closing")] {
        running.drain.advance(stage);
        let (status, text) = running.get("/readyz").await;
        assert!(status == 503 && text.contains(&format!("[-]drain failed: {word}")), "{text}");
        assert_eq!(running.get("/livez").await.0, 200);
    }
    let mut open = TcpStream::connect(running.address).await.unwrap();
    running.drain.advance(Stage::Stopped);
    tokio::time::timeout(SOON, running.server).await.unwrap().unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(SOON, open.read_to_end(&mut rest)).await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn metrics_are_shown_with_their_type() {
    let running = start();
    let answer = running.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
    assert!(answer.contains("\ngenkan_config_generation 1\n"), "{answer}");
}

#[tokio::test]
async fn answers_are_not_kept_or_guessed_at() {
    let running = start();
    for path in ["/livez", "/metrics", "/no"] {
        let answer = running.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await.to_ascii_lowercase();
        assert!(answer.contains("\r\ncache-control: no-store\r\n") && answer.contains("\r\nx-content-type-options: nosniff\r\n"), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n") && !answer.contains("\r\nserver:"), "{answer}");
    }
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let running = start();
    let answer = running.send("HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("content-length: 3\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_with_what_there_is() {
    let running = start();
    let (status, text) = running.get("/no").await;
    assert!(status == 404 && ["/livez", "/readyz", "/metrics"].iter().all(|path| text.contains(path)), "{text}");
    assert_eq!(running.get("/livez/").await.0, 404);
    let answer = running.send("POST /readyz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi").await;
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
}

#[tokio::test]
async fn heads_are_bounded() {
    let running = start();
    let long = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert!(!running.send(&long).await.contains(" 200 "));
    assert_eq!(running.get("/livez").await.0, 200);
}

#[tokio::test]
async fn silent_clients_neither_stay_nor_keep_others_out() {
    let running = start();
    let mut silent = Vec::new();
    for _ in 0..2 * places::MOST_CONNECTIONS {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET /livez HT").await.unwrap();
        silent.push(stream);
    }
    // Long before the time for their heads is over, which is what the first of them has to show.
    assert_eq!(running.get("/livez").await.0, 200);
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(SOON, silent[0].read_to_end(&mut rest)).await.unwrap();
    assert_eq!(silent.last().unwrap().try_read(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "the newest still have their time");
}

#[tokio::test]
async fn a_head_that_does_not_end_has_its_time() {
    let mut admin = Admin::bind(loopback(0), false).unwrap();
    admin.head = Duration::from_millis(200);
    let running = serve(admin);
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    silent.write_all(b"GET /livez HT").await.unwrap();
    let _ = tokio::time::timeout(SOON, silent.read_to_end(&mut Vec::new())).await.unwrap();
}

#[test]
fn a_taken_port_is_an_error_or_the_next_one() {
    let taken = Admin::bind(loopback(0), false).unwrap();
    let address = SocketAddress::from(taken.address().unwrap());
    assert_eq!(Admin::bind(address, false).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    assert!(Admin::bind(address, true).unwrap().address().unwrap().port() > address.port());
}

#[test]
fn both_families_are_one_listener_where_there_are_two() {
    let admin = Admin::bind(SocketAddress::any(0), false).unwrap();
    std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, admin.address().unwrap().port())).unwrap();
}

/// Everything goes to a backend with two endpoints, of which one is ready.
fn explained() -> Running {
    let route = Route {
        name: "all".into(),
        matches: Match::default(),
        plain_http: None,
        https_redirect: None,
        request_timeout: Duration::MAX,
        limits_tunnels: false,
        filters: Vec::new(),
        log_sampling: None,
        behaviour: Behaviour::Genkan,
        action: Action::Forward(vec![Target { backend: "web".to_owned(), weight: 1 }]),
    };
    let (ready, sick) = (endpoint("web", 9000, EndpointState::Ready, 0), endpoint("web", 9001, EndpointState::NotReady, 0));
    let backend = Backend {
        name: "web".to_owned(),
        endpoints: [&ready, &sick].iter().map(|endpoint| crate::model::EndpointAddress::Ip(endpoint.address.parse().unwrap())).collect(),
        readiness: Readiness::Assumed,
        ..Backend::default()
    };
    let snapshot = Snapshot {
        listeners: vec![https_listener(8443)],
        certificates: vec![certificate("tls", &["a.test"], std::time::SystemTime::UNIX_EPOCH)],
        route_sets: vec![Arc::new(RouteSet { routes: vec![Arc::new(route)], ..RouteSet::default() })],
        backends: vec![Arc::new(backend)],
        ..Snapshot::default()
    };
    let proxy = Proxy { endpoints: vec![ready, sick], ..Proxy::default() };
    serve_with(Admin::bind(loopback(0), false).unwrap(), Control { snapshot, ..Control::default() }, proxy)
}

#[tokio::test]
async fn a_request_is_explained_by_what_is_served() {
    let running = explained();
    let (status, body) = running.get("/api/v1/explain?url=https://a.test/b%3Fc=d&method=POST&header=X-A:+e&from=192.0.2.1").await;
    assert_eq!(status, 200, "{body}");
    let trace: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&trace["method"], &trace["url"]), (&"POST".into(), &"https://a.test/b?c=d".into()));
    assert_eq!((&trace["certificate"]["name"], &trace["candidates"][0]["won"]), (&"tls".into(), &true.into()));
    let states: Vec<&serde_json::Value> = (0..2).map(|at| &trace["backends"][0]["endpoints"][at]["state"]).collect();
    assert_eq!(states, ["ready", "not_ready"]);
    assert_eq!((&trace["outcome"]["reason"], &trace["clientAddress"]["address"]), (&"forwarded".into(), &"192.0.2.1".into()));

    let answer = running.send("GET /api/v1/explain?url=https://a.test/ HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.contains("\r\ncontent-type: application/json\r\n"), "{answer}");
    let (status, text) = running.get("/api/v1/explain?url=https://a.test/&format=text").await;
    assert!(status == 200 && text.starts_with("GET https://a.test/\n") && text.ends_with("(forwarded)\n"), "{text}");
}

#[tokio::test]
async fn what_is_no_request_is_not_explained() {
    let running = explained();
    for (query, why) in [
        ("", "which request?"),
        ("?", "which request?"),
        ("?method=GET", "which request?"),
        ("?url=ftp://a.test/", "neither http nor https"),
        ("?url=https://a.test/&method=G%20T", "is no method"),
        ("?url=https://a.test/&header=x", "is no header"),
        ("?url=https://a.test/&header=X:a%0d%0aY", "is no header"),
        ("?url=https://a.test/&from=here", "from is no address"),
    ] {
        let (status, text) = running.get(&format!("/api/v1/explain{query}")).await;
        assert!(status == 400 && text.contains(why), "{query}: {status} {text}");
    }
    let answer = running.send("POST /api/v1/explain?url=https://a.test/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test]
async fn explanations_are_for_this_machine_alone() {
    let views = views(Arc::default(), Arc::default(), Drain::new());
    let request = http::Request::builder().uri("/api/v1/explain?url=https://a.test/").body(()).unwrap();
    for (peer, status) in [("127.0.0.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("192.0.2.1", 403), ("2001:db8::1", 403)] {
        let response = answer(&request, &views, Peer::Address(peer.parse().unwrap())).await;
        assert_eq!(response.status().as_u16(), status, "{peer}");
        assert_eq!(format!("{:?}", response.body()).contains("a.test"), status == 200, "{peer}");
    }
}

#[tokio::test]
async fn views_are_not_read_by_a_name_of_somebody_elses() {
    let views = views(Arc::default(), Arc::default(), Drain::new());
    let hosts = [("localhost:9900", 200), ("127.0.0.1:9900", 200), ("[::1]:9900", 200), ("edge.LOCALHOST", 200), ("evil.test", 403), ("", 403)];
    for (host, status) in hosts {
        for view in ["status", "failures", "openapi.json", "explain?url=https://a.test/"] {
            let request = http::Request::builder().uri(format!("/api/v1/{view}")).header("host", host).body(()).unwrap();
            let response = answer(&request, &views, Peer::Address(Ipv4Addr::LOCALHOST.into())).await;
            assert_eq!(response.status().as_u16(), status, "{host} {view}");
        }
        let request = http::Request::builder().uri("/readyz").header("host", host).body(()).unwrap();
        assert_eq!(answer(&request, &views, Peer::Address(Ipv4Addr::LOCALHOST.into())).await.status(), 200, "what everybody gets: {host}");
    }
}
