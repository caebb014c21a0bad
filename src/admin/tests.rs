//! The admin listener over a real socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;
use crate::drain::Stage;
use crate::model::Check;
use crate::telemetry::fake::{Control, Proxy};

/// Far more than anything here takes, and less than the limits that are not tested.
const SOON: Duration = Duration::from_secs(15);

struct Running {
    control: Arc<Control>,
    proxy: Arc<Proxy>,
    drain: Drain,
    address: SocketAddr,
    server: JoinHandle<()>,
}

fn loopback(port: u16) -> SocketAddress {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()
}

fn start() -> Running {
    serve(Admin::bind(loopback(0), false).unwrap())
}

fn serve(admin: Admin) -> Running {
    let (control, proxy, drain) = (Arc::new(Control::default()), Arc::new(Proxy::default()), Drain::new());
    let address = admin.address();
    let metrics = Metrics::new(1);
    let views = Views { control: control.clone(), proxy: proxy.clone(), metrics, access_log: AccessLog::off(), drain: drain.clone() };
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
        let answer = self.send(&format!("GET {path} HTTP/1.1\r\nHost: admin\r\n\r\n")).await;
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
    let answer = running.send("GET /metrics HTTP/1.1\r\nHost: admin\r\n\r\n").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
    assert!(answer.contains("\ngenkan_config_generation 1\n"), "{answer}");
}

#[tokio::test]
async fn answers_are_not_kept_or_guessed_at() {
    let running = start();
    for path in ["/livez", "/metrics", "/no"] {
        let answer = running.send(&format!("GET {path} HTTP/1.1\r\nHost: admin\r\n\r\n")).await.to_ascii_lowercase();
        assert!(answer.contains("\r\ncache-control: no-store\r\n") && answer.contains("\r\nx-content-type-options: nosniff\r\n"), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n") && !answer.contains("\r\nserver:"), "{answer}");
    }
}

#[tokio::test]
async fn head_has_the_length_and_no_body() {
    let running = start();
    let answer = running.send("HEAD /livez HTTP/1.1\r\nHost: admin\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("content-length: 3\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_with_what_there_is() {
    let running = start();
    let (status, text) = running.get("/").await;
    assert!(status == 404 && ["/livez", "/readyz", "/metrics"].iter().all(|path| text.contains(path)), "{text}");
    assert_eq!(running.get("/livez/").await.0, 404);
    let answer = running.send("POST /readyz HTTP/1.1\r\nHost: admin\r\nContent-Length: 2\r\n\r\nhi").await;
    assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
}

#[tokio::test]
async fn heads_are_bounded() {
    let running = start();
    let long = format!("GET /livez HTTP/1.1\r\nHost: admin\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert!(!running.send(&long).await.contains(" 200 "));
    assert_eq!(running.get("/livez").await.0, 200);
}

#[tokio::test]
async fn silent_clients_neither_stay_nor_keep_others_out() {
    let mut admin = Admin::bind(loopback(0), false).unwrap();
    admin.head = Duration::from_millis(200);
    let running = serve(admin);
    let mut silent = Vec::new();
    for _ in 0..70 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(b"GET /livez HT").await.unwrap();
        silent.push(stream);
    }
    let answer = tokio::time::timeout(SOON, running.get("/livez")).await.unwrap();
    assert_eq!(answer.0, 200);
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(SOON, silent[0].read_to_end(&mut rest)).await.unwrap();
}

#[test]
fn a_taken_port_is_an_error_or_the_next_one() {
    let taken = Admin::bind(loopback(0), false).unwrap();
    let address = SocketAddress::from(taken.address());
    assert_eq!(Admin::bind(address, false).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    assert!(Admin::bind(address, true).unwrap().address().port() > address.port());
}

#[test]
fn both_families_are_one_listener_where_there_are_two() {
    let admin = Admin::bind(SocketAddress::any(0), false).unwrap();
    std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, admin.address().port())).unwrap();
}
