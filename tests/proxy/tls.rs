//! TLS towards clients: which certificate, which version, which protocol, and what becomes of what is no TLS.

use std::io;

use rustls::crypto::aws_lc_rs::cipher_suite;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{Configuration, DEADLINE, Http1, KeyKind, Leaf, TestBackend, TestClient, TestProxy, Validity, in_time, overwrite, wait_until};

/// The certificate that a client of this name sees.
async fn shown(proxy: &TestProxy, name: &str) -> Option<rustls::pki_types::CertificateDer<'static>> {
    let client = proxy.client().named(name).configured(accept_any_name);
    client.http1().await.certificate
}

/// Which certificate is shown is the question here, not whether it fits.
pub fn accept_any_name(config: &mut rustls::ClientConfig) {
    config.dangerous().set_certificate_verifier(std::sync::Arc::new(AnyName));
}

#[derive(Debug)]
struct AnyName;

impl rustls::client::danger::ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A proxy whose first certificate is for localhost and *.example.test, with more of these names, and theirs.
async fn with_certificates(backend: &TestBackend, configuration: Configuration, names: &[&[&str]]) -> (TestProxy, Vec<Leaf>) {
    let mut leafs = Vec::new();
    let mut configuration = configuration;
    for index in 0..names.len() {
        configuration = configuration.certificate(&format!("{{ secret: extra-{index} }}"));
    }
    let proxy = TestProxy::start_in(&configuration, |directory, certificates| {
        for (index, names) in names.iter().enumerate() {
            let leaf = certificates.leaf(names);
            overwrite(&directory.join(format!("extra-{index}")), &leaf);
            leafs.push(leaf);
        }
    })
    .await;
    assert!(!backend.address.ip().is_unspecified());
    proxy.wait_ready("web").await;
    (proxy, leafs)
}

#[tokio::test]
async fn the_certificate_is_chosen_by_server_name() {
    let backend = TestBackend::start().await;
    let names: [&[&str]; 3] = [&["shop.test"], &["*.shop.test"], &["www.example.test"]];
    let (proxy, leafs) = with_certificates(&backend, Configuration::of(&backend), &names).await;
    let first = &proxy.first_leaf;
    let cases = [
        ("shop.test", &leafs[0], "exact"),
        ("SHOP.test", &leafs[0], "names have no case"),
        ("a.shop.test", &leafs[1], "a wildcard"),
        ("www.example.test", &leafs[2], "exact beats a wildcard"),
        ("other.example.test", first, "the wildcard of the first"),
        ("a.b.shop.test", first, "a wildcard is for one label"),
        ("unknown.test", first, "the first is the default"),
    ];
    for (name, expected, why) in cases {
        assert_eq!(shown(&proxy, name).await.as_ref(), Some(&expected.der), "{name}: {why}");
    }
    let nameless = proxy.client().configured(|config| config.enable_sni = false);
    assert_eq!(nameless.http1().await.certificate.as_ref(), Some(&first.der), "without a name the first");
}

#[tokio::test]
async fn refused_names_get_their_own_alert() {
    let backend = TestBackend::start().await;
    let configuration = Configuration::of(&backend).more("unknownServerName: Refuse");
    let (proxy, _) = with_certificates(&backend, configuration, &[]).await;
    let error = proxy.client().named("unknown.test").try_http1().await.err().expect("the handshake is refused");
    assert_eq!(alert(&error), Some(AlertDescription::UnrecognisedName), "{error}");
    assert_eq!(proxy.https().await.get("/").await.status, 200, "others are served");
}

fn alert(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let client = TestClient::with_versions(proxy.listener("https"), &proxy.certificates, &[version]);
        let stream = client.tls(&["http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(expected));
        assert_eq!(client.http1_on(stream).get("/").await.status, 200);
    }
}

#[tokio::test]
async fn an_older_version_than_the_minimum_is_refused() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).more(r#"tls: { minimumVersion: "1.3" }"#)).await;
    let old = TestClient::with_versions(proxy.listener("https"), &proxy.certificates, &[&TLS12]);
    let error = old.try_http1().await.err().expect("TLS 1.2 is refused");
    assert_eq!(alert(&error), Some(AlertDescription::ProtocolVersion), "{error}");
    assert_eq!(proxy.https().await.get("/").await.status, 200);
}

#[tokio::test]
async fn http_2_is_preferred_and_http_1_is_what_is_left() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let client = proxy.client();
    for (offered, agreed) in [(&["http/1.1", "h2"][..], Some("h2")), (&["h2"], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)] {
        let stream = client.tls(offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed.map(str::as_bytes), "{offered:?}");
        if agreed != Some("h2") {
            assert_eq!(client.http1_on(stream).get("/").await.status, 200, "{offered:?}");
        }
    }
    let error = client.tls(&["smtp"]).await.expect_err("no protocol in common");
    assert_eq!(alert(&error), Some(AlertDescription::NoApplicationProtocol), "{error}");
}

#[tokio::test]
async fn a_client_gets_the_key_type_that_it_can_verify() {
    let backend = TestBackend::start().await;
    let mut rsa = None;
    let configuration = Configuration::of(&backend).certificate("{ secret: rsa }");
    let proxy = TestProxy::start_in(&configuration, |directory, certificates| {
        let leaf = certificates.leaf_of(&["localhost"], KeyKind::Rsa, Validity::Now);
        overwrite(&directory.join("rsa"), &leaf);
        rsa = Some(leaf);
    })
    .await;
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites = vec![cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
    let old = TestClient::with_provider(proxy.listener("https"), &proxy.certificates, &[&TLS12], provider);
    assert_eq!(old.http1().await.certificate, rsa.map(|leaf| leaf.der), "RSA for a client that knows nothing else");
    assert_eq!(proxy.https().await.certificate.as_ref(), Some(&proxy.first_leaf.der), "ECDSA for the others");
}

/// How the next handshake of a client goes. A request is made, because tickets of TLS 1.3 come after the handshake.
async fn handshake(client: &TestClient) -> Option<HandshakeKind> {
    let stream = client.tls(&["http/1.1"]).await.unwrap();
    let kind = stream.get_ref().1.handshake_kind();
    assert_eq!(client.http1_on(stream).get("/").await.status, 200);
    kind
}

#[tokio::test]
async fn sessions_are_resumed_across_connections_and_reloads() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    for version in [&TLS12, &TLS13] {
        let client = TestClient::with_versions(proxy.listener("https"), &proxy.certificates, &[version]);
        // A group that the client did not guess costs a round trip, and is a full handshake all the same.
        assert_ne!(handshake(&client).await, Some(HandshakeKind::Resumed));
        for _ in 0..3 {
            assert_eq!(handshake(&client).await, Some(HandshakeKind::Resumed), "{version:?}");
        }
        let name = format!("{version:?}").len();
        proxy.reconfigure(&Configuration::of(&backend).route(&format!("{{ path: /changed-{name}, backend: web }}"))).await;
        assert_eq!(handshake(&client).await, Some(HandshakeKind::Resumed), "{version:?} after a reload");
        proxy.reconfigure(&Configuration::of(&backend)).await;
    }
}

#[tokio::test]
async fn plain_http_on_the_tls_port_is_told_to_use_https() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = Http1::plain(proxy.listener("https")).await;
    let answer = client.get("/").await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("https"), "{}", answer.text());
    client.closed().await;
    assert_eq!(backend.request_count(), 0);
}

#[tokio::test]
async fn plain_http_on_the_tls_port_is_redirected_where_that_is_the_policy() {
    let backend = TestBackend::start().await;
    let configuration = Configuration::of(&backend).https("plainHttp: Redirect").route("{ hostnames: [shop.example.test], backend: web }");
    let proxy = TestProxy::serving(&configuration).await;
    let address = proxy.listener("https");
    let mut client = Http1::plain(address).await.named(&format!("shop.example.test:{}", address.port()));
    let answer = client.get("/a?b").await;
    assert_eq!(answer.status, 308);
    assert_eq!(answer.get("location"), Some(format!("https://shop.example.test:{}/a?b", address.port()).as_str()));
    assert_eq!(backend.request_count(), 0);
}

#[tokio::test]
async fn garbage_is_closed_and_others_are_served() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    for garbage in
        [&b"\x00\x01\x02\x03\x04"[..], b"\x16\x03\x01\xff\xff\x01", b"\x16\x03\x01\x00\x05hello", b"\x80\x2e\x01\x03\x01", &vec![0xff; 20_000]]
    {
        let mut stream = proxy.client().tcp().await.unwrap();
        let _ = stream.write_all(garbage).await; // It may be closed before all of it is taken.
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = in_time("the end", stream.read_to_end(&mut answer)).await;
        assert!(answer.len() < 200, "an alert at most: {answer:?}");
    }
    assert_eq!(proxy.https().await.get("/").await.status, 200);
    assert_eq!(backend.request_count(), 1);
}

#[tokio::test]
async fn half_a_hello_times_out() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).more("timeouts: { tlsHandshake: 1s }")).await;
    // A record header that promises more than comes; and nothing at all.
    for half in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b""] {
        let mut stream = proxy.client().tcp().await.unwrap();
        stream.write_all(half).await.unwrap();
        let mut answer = Vec::new();
        let _ = in_time("the proxy gives up", stream.read_to_end(&mut answer)).await;
    }
    assert_eq!(proxy.https().await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_client_that_closes_its_side_still_gets_its_answer_or_a_clean_end() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let client = proxy.client();
    for _ in 0..3 {
        let mut connection = client.http1().await;
        assert_eq!(connection.get("/").await.status, 200);
        connection.wire.stream.shutdown().await.unwrap();
        connection.closed().await;
    }
    wait_until("no connection stays", DEADLINE, async || proxy.metric("genkan_connections", &[]).await == Some(0.0)).await;
}

/// In records of one byte each the hello of 60 KB that its head promises takes six times as many bytes, and a reader that
/// puts it together anew each time would take the square of that.
#[tokio::test]
async fn a_handshake_may_have_only_so_many_bytes() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut stream = proxy.client().tcp().await.unwrap();
    let hello = [&[1, 0, 0xea, 0x60, 3, 3][..], &vec![7; 60_000]].concat();
    let records: Vec<u8> = hello.iter().flat_map(|byte| [22, 3, 1, 0, 1, *byte]).collect();
    let mut sent = 0;
    // A part at a time, each once the one before has been read: what the kernel holds would hide where reading ends.
    let ended = in_time("the proxy to end it", async {
        for part in records.chunks(1024) {
            if stream.write_all(part).await.is_err() {
                break;
            }
            sent += part.len();
            if tokio::time::timeout(std::time::Duration::from_millis(20), stream.read(&mut [0; 64])).await.is_ok() {
                break;
            }
        }
    });
    ended.await;
    assert!((60 * 1024..80 * 1024).contains(&sent), "{sent} bytes were read of it");
    wait_until("it is counted", DEADLINE, async || proxy.metric("genkan_tls_handshakes_total", &[("result", "protocol")]).await == Some(1.0)).await;
    assert_eq!(proxy.https().await.get("/").await.status, 200);
}

#[tokio::test]
async fn clients_that_do_not_take_the_certificate_are_counted_as_that() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    for versions in [[&TLS13], [&TLS12]] {
        let stranger = TestClient::with_versions(proxy.listener("https"), &proxy.certificates, &versions).named("elsewhere.test");
        assert!(stranger.try_http1().await.is_err());
    }
    let refused = async || proxy.metric("genkan_tls_handshakes_total", &[("result", "certificate_refused")]).await;
    wait_until("both are counted", DEADLINE, async || refused().await == Some(2.0)).await;
}
