//! The proxy alone, in the test's own process, under a snapshot that the test makes: for what the native configuration
//! cannot say. Sockets are real; there is no control, and no program.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use genkan::drain::{Drain, Stage};
use genkan::model::{
    Action, Backend, Behaviour, Certificate, CertificateHistory, CertificateName, Check, Cleartext, ControlStatus, EndpointAddress, Facts,
    Fingerprint, Host, HostPattern, KeyPair, KeyType, Listener, Match, PlainHttp, Protocol, Publish, Readiness, Report, Route, RouteSet, SHARED,
    Snapshot, Target,
};
use genkan::proxy::{Mode, Options, PortTaken, Proxy};
use genkan::telemetry::metrics::{Exposition, Lost};
use genkan::telemetry::spans::Spans;
use genkan::telemetry::{AccessLog, Metrics};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::Value;

use super::{DEADLINE, Http1, Leaf, TestBackend, TestCertificates, TestClient, wait_until};

/// A proxy that serves.
pub struct Edge {
    proxy: Arc<Proxy>,
    drain: Drain,
    /// Signs what it serves.
    pub certificates: TestCertificates,
    metrics: Arc<Metrics>,
    log: Sink,
}

/// No control has anything to show.
struct NoControl;

impl ControlStatus for NoControl {
    fn generation(&self) -> u64 {
        0
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::default()
    }

    fn report(&self) -> Arc<Report> {
        Arc::default()
    }

    fn origins(&self) -> Arc<genkan::model::Origins> {
        Arc::default()
    }

    fn published_at(&self) -> Option<SystemTime> {
        None
    }

    fn last_reload(&self) -> (bool, Option<SystemTime>) {
        (true, None)
    }

    fn checks(&self) -> Vec<Check> {
        Vec::new()
    }

    fn certificate_history(&self, _: &CertificateName) -> CertificateHistory {
        CertificateHistory::default()
    }
}

/// What the access log is written to.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Edge {
    /// Serves a snapshot. A certificate for `localhost` and `*.example.test` is added as its first.
    pub async fn serving(snapshot: Snapshot) -> Self {
        Self::with(snapshot, |_, _| ()).await
    }

    /// The same, with the snapshot and the options changed by one who knows the authority.
    pub async fn with(mut snapshot: Snapshot, change: impl FnOnce(&TestCertificates, (&mut Snapshot, &mut Options))) -> Self {
        let certificates = TestCertificates::new();
        snapshot.certificates.insert(0, certificate("first", &certificates.leaf(&["localhost", "*.example.test"]), &["localhost", "*.example.test"]));
        let log = Sink::default();
        let mut options = Options {
            workers: 1,
            metrics: Metrics::new(1),
            access_log: AccessLog::write_to(log.clone()),
            spans: Spans::default(),
            mode: Mode::Run,
            port_taken: PortTaken::Refuse,
            issuer: None,
            explainer: None,
        };
        change(&certificates, (&mut snapshot, &mut options));
        let drain = Drain::new();
        let metrics = options.metrics.clone();
        let proxy = Proxy::start(options, &drain).expect("threads can be started");
        let edge = Self { proxy, drain, certificates, metrics, log };
        edge.publish(snapshot).await;
        edge
    }

    /// Makes another snapshot the one that is served.
    pub async fn publish(&self, snapshot: Snapshot) {
        let refused = self.proxy.publish(Arc::new(snapshot)).await;
        assert!(refused.is_empty(), "{refused:?}");
    }

    /// Where a listener listens.
    pub fn listener(&self, name: &str) -> SocketAddr {
        let sockets = self.proxy.sockets();
        sockets.iter().find(|socket| socket.listeners.iter().any(|listener| listener == name)).expect("it is listened on").address
    }

    /// A client of an HTTPS listener.
    pub fn client(&self, listener: &str) -> TestClient {
        TestClient::new(self.listener(listener), &self.certificates)
    }

    /// A connection to the listener `https`.
    pub async fn https(&self) -> Http1 {
        self.client("https").http1().await
    }

    /// All metrics.
    pub fn metrics(&self) -> String {
        self.metrics.encode(Exposition::Text, &NoControl, &*self.proxy, Lost::default())
    }

    /// Waits until the access log has this many lines; all of them.
    pub async fn wait_access_log(&self, count: usize) -> Vec<Value> {
        let lines = || -> Vec<Value> {
            let text = String::from_utf8(self.log.0.lock().unwrap().clone()).expect("the log is text");
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
        };
        wait_until(&format!("the access log has {count} lines"), DEADLINE, async || lines().len() >= count).await;
        lines()
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.drain.advance(Stage::Stopped);
    }
}

/// A listener for HTTPS on loopback that is called `https`, with the shared routes.
pub fn https() -> Listener {
    listener("https", Protocol::Https { cleartext: Cleartext::Reject })
}

/// A listener for plain HTTP that is called `http`.
pub fn http(plain: Option<PlainHttp>) -> Listener {
    listener("http", Protocol::Http { plain })
}

fn listener(name: &str, protocol: Protocol) -> Listener {
    Listener {
        name: name.to_owned(),
        address: loopback(),
        protocol,
        public_port: None,
        route_set: SHARED.into(),
        default_certificate: None,
        tls: None,
    }
}

/// Sockets are found again by address, so each listener has a loopback address of its own, with a port from the kernel.
fn loopback() -> genkan::model::SocketAddress {
    use std::sync::atomic::{AtomicU8, Ordering};
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let last = NEXT.fetch_add(1, Ordering::Relaxed).max(1);
    SocketAddr::from((Ipv4Addr::new(127, 0, 77, last), 0)).into()
}

/// A set with these routes.
pub fn set(name: &str, behaviour: Behaviour, routes: Vec<Route>) -> RouteSet {
    RouteSet { name: name.into(), routes: routes.into_iter().map(Arc::new).collect(), behaviour, ..RouteSet::default() }
}

/// Everything of a host to a backend of the route's name; an empty host is every one.
pub fn route(name: &str, host: &str, behaviour: Behaviour) -> Route {
    let hosts = if host.is_empty() { Vec::new() } else { vec![HostPattern::parse(host).expect("test hosts are valid")] };
    Route {
        name: name.into(),
        matches: Match { hosts, ..Match::default() },
        plain_http: None,
        https_redirect: None,
        request_timeout: Duration::MAX,
        limits_tunnels: false,
        filters: Vec::new(),
        log_sampling: None,
        behaviour,
        action: Action::Forward(vec![Target { backend: name.to_owned(), weight: 1 }]),
    }
}

/// A backend that is always taken for ready.
pub fn backend(name: &str, backend: &TestBackend) -> Backend {
    Backend { name: name.to_owned(), endpoints: vec![EndpointAddress::Ip(backend.address)], readiness: Readiness::Assumed, ..Backend::default() }
}

/// All of it in one.
pub fn snapshot(listeners: Vec<Listener>, sets: Vec<RouteSet>, backends: Vec<Backend>) -> Snapshot {
    Snapshot {
        listeners: listeners.into_iter().map(Arc::new).collect(),
        route_sets: sets.into_iter().map(Arc::new).collect(),
        backends: backends.into_iter().map(Arc::new).collect(),
        ..Snapshot::default()
    }
}

/// A certificate as compiling makes it.
pub fn certificate(name: &str, leaf: &Leaf, names: &[&str]) -> Arc<Certificate> {
    Arc::new(Certificate { name: certificate_name(name), pair: pair(leaf, names) })
}

/// What it is called.
pub fn certificate_name(name: &str) -> CertificateName {
    CertificateName(PathBuf::from(name))
}

/// A chain and its key.
pub fn pair(leaf: &Leaf, names: &[&str]) -> KeyPair {
    let chain = vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes()).expect("it is PEM")];
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("it is PEM");
    let signer = CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider()).expect("they belong together");
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(&leaf.der[leaf.der.len() - 32..]);
    let facts = Facts {
        names: names.iter().map(|name| HostPattern::parse(name).expect("test names are valid")).collect(),
        issuer: "test".to_owned(),
        not_before: SystemTime::UNIX_EPOCH,
        not_after: SystemTime::now() + Duration::from_secs(86_400),
        key_type: KeyType::Ecdsa,
        chain_length: 1,
    };
    KeyPair::new(Fingerprint(fingerprint), facts, Arc::new(signer))
}

/// A host.
pub fn host(name: &str) -> Host {
    Host::parse(name).expect("test hosts are valid")
}
