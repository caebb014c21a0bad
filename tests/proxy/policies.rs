//! TLS policies and default certificates of listeners and server names, and certificates that are made on demand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use genkan::model::{Behaviour, Host, HostPattern, Issue, KeyPair, Listener, Snapshot, TlsPolicy, TlsProfile, TlsVersion, UnknownServerName};
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion};

use super::support::edge::{self, Edge};
use super::support::{Leaf, TestBackend, TestCertificates, TestClient};

const FIPS: TlsPolicy = TlsPolicy { minimum_version: TlsVersion::Tls12, profile: TlsProfile::Fips };
const ONLY_13: TlsPolicy = TlsPolicy { minimum_version: TlsVersion::Tls13, profile: TlsProfile::Modern };

fn snapshot(web: &TestBackend, listeners: Vec<Listener>) -> Snapshot {
    let sets = vec![edge::set("", Behaviour::Genkan, vec![edge::route("web", "", Behaviour::Genkan)])];
    edge::snapshot(listeners, sets, vec![edge::backend("web", web)])
}

async fn negotiates(client: &TestClient) -> Option<ProtocolVersion> {
    client.tls(&["http/1.1"]).await.ok().and_then(|stream| stream.get_ref().1.protocol_version())
}

#[tokio::test]
async fn a_listener_offers_its_own_policy() {
    let web = TestBackend::start().await;
    let strict = Listener { name: "strict".to_owned(), tls: Some(ONLY_13), ..edge::https() };
    let edge = Edge::serving(snapshot(&web, vec![edge::https(), strict])).await;
    let old = |listener| TestClient::with_versions(edge.listener(listener), &edge.certificates, &[&TLS12]);
    assert_eq!(negotiates(&old("https")).await, Some(ProtocolVersion::TLSv1_2));
    assert_eq!(negotiates(&old("strict")).await, None);
    assert_eq!(negotiates(&edge.client("strict")).await, Some(ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn fips_takes_aes_gcm_on_nist_curves_alone() {
    let web = TestBackend::start().await;
    let fips = Listener { name: "fips".to_owned(), tls: Some(FIPS), ..edge::https() };
    let edge = Edge::serving(snapshot(&web, vec![edge::https(), fips])).await;
    let with = |listener, suites: &[_], groups: &[_]| {
        let provider = rustls::crypto::CryptoProvider { cipher_suites: suites.to_vec(), kx_groups: groups.to_vec(), ..aws_lc_rs::default_provider() };
        TestClient::with_provider(edge.listener(listener), &edge.certificates, &[&TLS13, &TLS12], provider)
    };
    let aes = [cipher_suite::TLS13_AES_128_GCM_SHA256, cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256];
    let chacha = [cipher_suite::TLS13_CHACHA20_POLY1305_SHA256, cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256];
    for (suites, groups, fits) in [
        (aes, [kx_group::SECP256R1], true),
        (aes, [kx_group::SECP384R1], true),
        (aes, [kx_group::X25519], false),
        (chacha, [kx_group::SECP256R1], false),
    ] {
        assert!(negotiates(&with("https", &suites, &groups)).await.is_some());
        assert_eq!(negotiates(&with("fips", &suites, &groups)).await.is_some(), fits, "{suites:?} {groups:?}");
    }
}

#[tokio::test]
async fn a_host_of_another_policy_is_not_served_on_the_same_connection() {
    let web = TestBackend::start().await;
    let mut by_name = snapshot(&web, vec![edge::https()]);
    by_name.server_name_policies = vec![
        (HostPattern::Deep(edge::host("example.test")), TlsPolicy::default()),
        (HostPattern::parse("*.example.test").unwrap(), TlsPolicy { profile: TlsProfile::Compatible, ..TlsPolicy::default() }),
        (HostPattern::parse("strict.example.test").unwrap(), ONLY_13),
    ];
    let edge = Edge::serving(by_name.clone()).await;
    let old = TestClient::with_versions(edge.listener("https"), &edge.certificates, &[&TLS12]);
    assert_eq!(negotiates(&old.clone().named("a.example.test")).await, Some(ProtocolVersion::TLSv1_2));
    assert_eq!(negotiates(&old.named("strict.example.test")).await, None);

    let mut http1 = edge.client("https").named("a.example.test").http1().await.named("b.example.test");
    assert_eq!(http1.get("/").await.status, 200, "the same in other words");
    let mut http1 = http1.named("strict.example.test");
    let answer = http1.get("/").await;
    assert_eq!((answer.status, answer.get("connection")), (421, Some("close")));
    http1.closed().await;

    let mut http2 = edge.client("https").named("a.example.test").http2().await;
    let other = http::Request::get("https://strict.example.test/").body(()).unwrap();
    assert_eq!(http2.request(other, b"").await.unwrap().status, 421);
    assert_eq!(http2.get("/").await.status, 200, "the connection goes on for its own host");

    // A stricter policy for the connection's own host holds from the next connection on.
    let mut stricter = by_name;
    stricter.server_name_policies[1].1 = ONLY_13;
    edge.publish(stricter).await;
    assert_eq!(http2.get("/").await.status, 200);
    assert_eq!(web.request_count(), 3);
}

#[tokio::test]
async fn sessions_of_every_policy_outlive_reloads() {
    let web = TestBackend::start().await;
    let fips = Listener { name: "fips".to_owned(), tls: Some(FIPS), ..edge::https() };
    let before = snapshot(&web, vec![edge::https(), fips]);
    let mut after = before.clone();
    after.unknown_server_name = UnknownServerName::Refuse;
    let edge = Edge::with(before, |_, (snapshot, _)| after.certificates.clone_from(&snapshot.certificates)).await;
    let resumed = async |client: &TestClient| {
        let mut stream = client.tls(&["http/1.1"]).await.unwrap();
        let kind = stream.get_ref().1.handshake_kind();
        // Tickets come with the first answer.
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await;
        kind == Some(HandshakeKind::Resumed)
    };
    let clients = [edge.client("https"), edge.client("fips")];
    for client in &clients {
        assert_eq!((resumed(client).await, resumed(client).await), (false, true));
    }
    edge.publish(after).await;
    for client in &clients {
        assert!(resumed(client).await);
    }
}

#[tokio::test]
async fn a_listener_has_its_own_default_certificate() {
    let web = TestBackend::start().await;
    let own = Listener { name: "own".to_owned(), default_certificate: Some(edge::certificate_name("second")), ..edge::https() };
    let mut second = None;
    let edge = Edge::with(snapshot(&web, vec![edge::https(), own]), |certificates, (snapshot, _)| {
        let leaf = certificates.leaf(&["second.test", "localhost"]);
        snapshot.certificates.push(edge::certificate("second", &leaf, &["second.test"]));
        second = Some(leaf);
    })
    .await;
    let second: Leaf = second.unwrap();
    let shown = async |listener, name: &str| edge.client(listener).named(name).configured(super::tls::accept_any_name).http1().await.certificate;
    assert_eq!(shown("own", "unknown.test").await.unwrap(), second.der);
    assert_ne!(shown("https", "unknown.test").await.unwrap(), second.der);
    assert_ne!(shown("own", "a.example.test").await.unwrap(), second.der, "one that covers the name comes first");
}

/// Issues from the test's authority, and remembers for whom.
struct Issuer {
    certificates: TestCertificates,
    asked: Mutex<Vec<String>>,
    issued: AtomicUsize,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Issuer")
    }
}

impl Issue for Issuer {
    fn issue(&self, server_name: &Host, now: SystemTime) -> Option<KeyPair> {
        assert!(now > SystemTime::UNIX_EPOCH);
        self.asked.lock().unwrap().push(server_name.to_string());
        self.issued.fetch_add(1, Ordering::SeqCst);
        Some(edge::pair(&self.certificates.leaf(&[server_name.as_str()]), &[server_name.as_str()]))
    }
}

#[tokio::test]
async fn names_that_routes_know_get_a_certificate_of_their_own() {
    let web = TestBackend::start().await;
    let issuer = Arc::new(Issuer { certificates: TestCertificates::new(), asked: Mutex::default(), issued: AtomicUsize::new(0) });
    let mut own = edge::set("shop/web", Behaviour::Genkan, vec![edge::route("web", "inner.test", Behaviour::Genkan)]);
    own.alias = Some(genkan::model::Alias { host: edge::host("web.shop.localhost"), stands_for: None });
    let sets = vec![edge::set("", Behaviour::Genkan, vec![edge::route("web", "*.shop.test", Behaviour::Genkan)]), own];
    let mut made = edge::snapshot(vec![edge::https()], sets, vec![edge::backend("web", &web)]);
    made.localhost_aliases = true;
    made.unknown_server_name = UnknownServerName::Refuse;
    let edge = Edge::with(made, |_, (snapshot, options)| {
        snapshot.certificates.remove(0);
        options.issuer = Some(issuer.clone());
    })
    .await;
    let client = TestClient::new(edge.listener("https"), &issuer.certificates);
    for name in ["a.shop.test", "inner.test", "web.shop.localhost", "a.shop.test.localhost", "localhost"] {
        assert!(client.clone().named(name).try_http1().await.is_ok(), "{name}");
        assert!(issuer.asked.lock().unwrap().iter().all(|asked| asked == name), "{name}");
        issuer.asked.lock().unwrap().clear();
    }
    for name in ["unknown.test", "b.a.shop.test", "unknown.test.localhost"] {
        assert!(client.clone().named(name).try_http1().await.is_err(), "{name}");
    }
    assert!(issuer.asked.lock().unwrap().is_empty(), "nobody else keeps it busy");
}

#[tokio::test]
async fn a_certificate_that_is_there_comes_before_one_that_is_made() {
    let web = TestBackend::start().await;
    let issuer = Arc::new(Issuer { certificates: TestCertificates::new(), asked: Mutex::default(), issued: AtomicUsize::new(0) });
    let edge = Edge::with(snapshot(&web, vec![edge::https()]), |_, (_, options)| options.issuer = Some(issuer.clone())).await;
    assert_eq!(edge.https().await.get("/").await.status, 200);
    assert_eq!(issuer.issued.load(Ordering::SeqCst), 0);
}
