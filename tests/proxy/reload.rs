//! Certificates and configuration change while requests go on: nothing is lost, what is good serves within a second,
//! what is not changes nothing and is reported.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::support::{
    Configuration, DEADLINE, KeyKind, Leaf, Load, TestBackend, TestProxy, Validity, backend, overwrite, rename_in, settled, wait_until,
};

/// The promise is one second; the rest is for a busy machine.
const SOON: Duration = Duration::from_secs(4);

fn new_leaf(proxy: &TestProxy) -> Leaf {
    proxy.certificates.leaf(&["localhost", "*.example.test"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_certificate_loses_no_request_and_serves_within_a_second() {
    let backend = TestBackend::start().await;
    let mut proxy = TestProxy::serving(&Configuration::of(&backend).more("accessLog: { format: off }")).await;
    let load = Load::on_open_connections(&proxy, 200);
    load.go_on(1000).await;
    for _ in 0..3 {
        let leaf = new_leaf(&proxy);
        proxy.secret.swap(&leaf);
        let took = proxy.wait_certificate(&leaf).await;
        assert!(took < SOON, "it took {took:?}");
        load.go_on(500).await;
    }
    load.finish().await;
}

#[tokio::test]
async fn two_swaps_in_a_row_end_with_the_second() {
    let backend = TestBackend::start().await;
    let mut proxy = TestProxy::of(&backend).await;
    for _ in 0..5 {
        let (first, second) = (new_leaf(&proxy), new_leaf(&proxy));
        proxy.secret.swap(&first);
        proxy.secret.swap(&second);
        assert!(proxy.wait_certificate(&second).await < SOON);
    }
}

#[tokio::test]
async fn a_hundred_swaps_end_with_the_last() {
    let backend = TestBackend::start().await;
    let mut proxy = TestProxy::of(&backend).await;
    let leafs = [new_leaf(&proxy), new_leaf(&proxy)];
    for swap in 0..100 {
        proxy.secret.swap(&leafs[swap % 2]);
        if swap % 10 == 0 {
            assert!(proxy.wait_certificate(&leafs[swap % 2]).await < SOON, "swap {swap}");
        }
    }
    assert!(proxy.wait_certificate(&leafs[1]).await < SOON);
}

/// A proxy whose only certificate is plain files in `plain`, and its backend.
async fn with_plain_files() -> (TestProxy, TestBackend) {
    let web = TestBackend::start().await;
    let yaml = Configuration::of(&web).yaml().replace("secret: tls", "secret: plain");
    let mut proxy = TestProxy::spawn(|directory, certificates| {
        overwrite(&directory.join("plain"), &certificates.leaf(&["localhost"]));
        fs::write(directory.join("genkan.yaml"), yaml).unwrap();
        vec!["-f".to_owned(), directory.join("genkan.yaml").display().to_string()]
    });
    proxy.started().await;
    proxy.wait_ready("web").await;
    (proxy, web)
}

#[tokio::test]
async fn files_that_are_overwritten_serve_within_a_second() {
    let (proxy, _backend) = with_plain_files().await;
    for _ in 0..5 {
        let leaf = new_leaf(&proxy);
        overwrite(&proxy.directory.path().join("plain"), &leaf);
        assert!(proxy.wait_certificate(&leaf).await < SOON);
    }
}

#[tokio::test]
async fn files_that_are_renamed_into_place_serve_within_a_second() {
    let (proxy, _backend) = with_plain_files().await;
    for _ in 0..5 {
        let leaf = new_leaf(&proxy);
        rename_in(&proxy.directory.path().join("plain"), &leaf);
        assert!(proxy.wait_certificate(&leaf).await < SOON);
    }
}

#[tokio::test]
async fn a_directory_that_is_removed_and_made_again_serves_within_a_second() {
    let (proxy, _backend) = with_plain_files().await;
    let directory = proxy.directory.path().join("plain");
    for _ in 0..3 {
        let before = proxy.https().await.certificate;
        fs::remove_dir_all(&directory).unwrap();
        proxy.wait_log(&["InvalidCertificateRef"]).await;
        assert_eq!(proxy.https().await.certificate, before, "the last good one is served meanwhile");
        let leaf = new_leaf(&proxy);
        overwrite(&directory, &leaf);
        assert!(proxy.wait_certificate(&leaf).await < SOON);
    }
}

#[tokio::test]
async fn a_pair_that_is_written_in_two_steps_serves_when_it_is_whole() {
    let (proxy, _backend) = with_plain_files().await;
    let directory = proxy.directory.path().join("plain");
    let before = proxy.https().await.certificate;
    let leaf = new_leaf(&proxy);
    fs::write(directory.join("tls.crt"), &leaf.certificate).unwrap();
    proxy.wait_log(&["CertificateKeyMismatch"]).await;
    assert_eq!(proxy.client().http1().await.certificate, before, "half a pair changes nothing");
    fs::write(directory.join("tls.key"), &leaf.key).unwrap();
    assert!(proxy.wait_certificate(&leaf).await < SOON);
}

#[tokio::test]
async fn what_cannot_be_served_changes_nothing_and_is_reported() {
    let backend = TestBackend::start().await;
    let mut proxy = TestProxy::of(&backend).await;
    let mut connection = proxy.https().await;
    let good = new_leaf(&proxy);
    let expired = proxy.certificates.leaf_of(&["localhost"], KeyKind::Ecdsa, Validity::Past);
    let half = &good.certificate[..good.certificate.len() / 2];
    let encrypted = good.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let cases: [(&str, &str, &str, &str); 7] = [
        ("a key of another certificate", &good.certificate, &proxy.certificates.leaf(&["localhost"]).key, "CertificateKeyMismatch"),
        ("half a certificate", half, &good.key, "CertificateInvalid"),
        ("an expired one", &expired.certificate, &expired.key, "CertificateExpired"),
        ("a key under a pass phrase", &good.certificate, &encrypted, "pass phrase"),
        ("an empty certificate", "", &good.key, "is empty"),
        ("an empty key", &good.certificate, "", "is empty"),
        ("text", "not a certificate", "not a key", "CertificateInvalid"),
    ];
    for (what, certificate, key, reported) in cases {
        let lines = proxy.stderr().len();
        proxy.secret.swap_files(&[("tls.crt", certificate), ("tls.key", key)]);
        wait_until(&format!("{what} is reported"), DEADLINE, async || proxy.stderr()[lines..].iter().any(|line| line.contains(reported))).await;
        assert_eq!(proxy.https().await.certificate.as_ref(), Some(&proxy.first_leaf.der), "{what} changed what is served");
        assert_eq!(connection.get("/").await.status, 200);
        let secret = key.lines().nth(1).unwrap_or("-");
        assert!(secret.len() < 20 || !proxy.stderr().iter().any(|line| line.contains(secret)), "{what}: a key is in the log");
    }
    proxy.secret.swap(&good);
    assert!(proxy.wait_certificate(&good).await < SOON, "a good one is served after all that");
}

#[tokio::test]
async fn a_secret_without_its_files_keeps_the_last_good_pair() {
    let backend = TestBackend::start().await;
    let mut proxy = TestProxy::of(&backend).await;
    let lines = proxy.stderr().len();
    proxy.secret.swap_files(&[]);
    wait_until("it is reported", DEADLINE, async || proxy.stderr()[lines..].iter().any(|line| line.contains("Certificate"))).await;
    assert_eq!(proxy.https().await.certificate.as_ref(), Some(&proxy.first_leaf.der));
    let leaf = new_leaf(&proxy);
    proxy.secret.swap(&leaf);
    assert!(proxy.wait_certificate(&leaf).await < SOON);
}

#[tokio::test]
async fn secrets_below_a_directory_come_and_go() {
    let web = TestBackend::start().await;
    let configuration = Configuration::of(&web).certificate("{ secrets: many }");
    let proxy = TestProxy::start_in(&configuration, |directory, _| fs::create_dir(directory.join("many")).unwrap()).await;
    let leaf = proxy.certificates.leaf(&["new.test"]);
    let seen = async || proxy.client().named("new.test").try_http1().await.ok().and_then(|connection| connection.certificate);
    assert_ne!(seen().await.as_ref(), Some(&leaf.der));
    overwrite(&proxy.directory.path().join("many/new"), &leaf);
    let took = wait_until("a new Secret serves", DEADLINE, async || seen().await.as_ref() == Some(&leaf.der)).await;
    assert!(took < SOON, "it took {took:?}");
    fs::remove_dir_all(proxy.directory.path().join("many/new")).unwrap();
    wait_until("it is gone", DEADLINE, async || seen().await.as_ref() != Some(&leaf.der)).await;
}

#[tokio::test]
async fn a_start_without_a_certificate_serves_the_rest_and_the_certificate_when_it_comes() {
    let web = TestBackend::start().await;
    let yaml = Configuration::of(&web).http("plainHttp: Allow").yaml().replace("secret: tls", "secret: later");
    let mut proxy = TestProxy::spawn(|directory, _| {
        fs::write(directory.join("genkan.yaml"), yaml).unwrap();
        vec!["-f".to_owned(), directory.join("genkan.yaml").display().to_string()]
    });
    proxy.started().await;
    proxy.wait_ready("web").await;
    assert_eq!(proxy.admin("/readyz").await.status, 503);
    assert!(proxy.client().try_http1().await.is_err(), "there is nothing to shake hands with");
    assert_eq!(proxy.http().await.get("/").await.status, 200);
    let leaf = new_leaf(&proxy);
    overwrite(&proxy.directory.path().join("later"), &leaf);
    wait_until("it is ready", DEADLINE, async || proxy.admin("/readyz").await.status == 200).await;
    assert_eq!(proxy.https().await.certificate.as_ref(), Some(&leaf.der));
}

#[tokio::test]
async fn a_changed_route_is_taken_by_the_next_request_of_an_open_connection() {
    let (first, second) = (TestBackend::named("first").await, TestBackend::named("second").await);
    let both = || Configuration::default().backend("one", &backend(first.address)).backend("two", &backend(second.address));
    let proxy = TestProxy::serving(&both().route("{ backend: one }")).await;
    let mut connection = proxy.https().await;
    assert_eq!(connection.get("/").await.text(), "first");
    proxy.reconfigure(&both().route("{ backend: two }")).await;
    assert_eq!(connection.get("/").await.text(), "second");
    assert_eq!(first.request_count(), 1);
}

#[tokio::test]
async fn a_new_backend_is_not_used_before_its_probe_passed() {
    let (first, second) = (TestBackend::named("first").await, TestBackend::named("second").await);
    second.set_healthy(false);
    let proxy = TestProxy::of(&first).await;
    let mut connection = proxy.https().await;
    proxy.reconfigure(&Configuration::of(&second)).await;
    assert_eq!(connection.get("/").await.status, 503);
    second.set_healthy(true);
    wait_until("it is used", DEADLINE, async || connection.get("/").await.text() == "second").await;
    assert!(second.probes()[0].at < second.requests()[0].at);
}

#[tokio::test]
async fn broken_configurations_keep_the_old_one() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut connection = proxy.https().await;
    let generation = proxy.generation().await;
    let good = Configuration::of(&backend).yaml();
    let cases = [
        ("no YAML", format!("{good}\n  broken: ["), "InvalidSyntax"),
        ("an unknown key", format!("{good}\nsurprise: 1\n"), "UnknownField"),
        ("a value of another type", format!("{good}\ndrain: {{ timeout: soon }}\n"), "InvalidValue"),
    ];
    for (what, yaml, reported) in cases {
        let lines = proxy.stderr().len();
        proxy.write_configuration(&yaml);
        wait_until(&format!("{what} is reported"), DEADLINE, async || proxy.stderr()[lines..].iter().any(|line| line.contains(reported))).await;
        assert_eq!(connection.get("/").await.status, 200, "{what}");
        assert_eq!(proxy.generation().await, generation, "{what}");
    }
    proxy.reconfigure(&Configuration::of(&backend).route("{ path: /mended, backend: nobody }")).await;
    assert_eq!(connection.get("/mended").await.status, 500);
}

#[tokio::test]
async fn a_broken_route_leaves_the_others_alone() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut connection = proxy.https().await;
    proxy.reconfigure(&Configuration::of(&backend).route("{ path: /broken, backend: nobody }")).await;
    assert_eq!(connection.get("/broken").await.status, 500);
    assert_eq!(connection.get("/").await.status, 200);
    proxy.wait_log(&["BackendNotFound", "nobody"]).await;
}

#[tokio::test]
async fn what_needs_a_restart_is_reported() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    proxy.write_configuration(&Configuration::of(&backend).yaml().replace("workers: 2", "workers: 1"));
    proxy.wait_log(&["RestartNeeded"]).await;
    assert_eq!(proxy.https().await.get("/").await.status, 200);
}

#[tokio::test]
async fn sighup_reads_everything_again() {
    let web = TestBackend::start().await;
    let mut proxy = TestProxy::of(&web).await;
    let mut connection = proxy.https().await;
    proxy.signal(Signal::HUP);
    assert_eq!(connection.get("/").await.status, 200);
    let leaf = new_leaf(&proxy);
    proxy.secret.swap(&leaf);
    proxy.signal(Signal::HUP);
    assert!(proxy.wait_certificate(&leaf).await < SOON);
    assert_eq!(connection.get("/").await.status, 200);
    assert_eq!(proxy.exited(), None);
}

#[tokio::test]
async fn a_listener_that_comes_and_goes_leaves_the_other_alone() {
    let web = TestBackend::start().await;
    let https = r#"{ name: https, address: "127.0.0.1:0", protocol: HTTPS }"#;
    let alone = Configuration::of(&web).listeners(&format!("[{https}]"));
    let proxy = TestProxy::serving(&alone).await;
    let mut connection = proxy.https().await;
    let port = proxy.listener("https").port();
    let sockets = listening_sockets(&proxy, port);

    let both =
        Configuration::of(&web).listeners(&format!(r#"[{https}, {{ name: extra, address: "127.0.0.3:{port}", protocol: HTTP, plainHttp: Allow }}]"#));
    proxy.reconfigure(&both).await;
    let extra = std::net::SocketAddr::from(([127, 0, 0, 3], port));
    wait_until("the new listener serves", DEADLINE, async || tokio::net::TcpStream::connect(extra).await.is_ok()).await;
    assert_eq!(super::support::Http1::plain(extra).await.get("/").await.status, 200);

    proxy.reconfigure(&alone).await;
    wait_until("it is closed", DEADLINE, async || tokio::net::TcpStream::connect(extra).await.is_err()).await;
    assert_eq!(connection.get("/").await.status, 200);
    assert_eq!(listening_sockets(&proxy, port), sockets, "the other was not bound again");
}

#[tokio::test]
async fn a_listener_may_change_its_address_and_keep_its_port() {
    let web = TestBackend::start().await;
    let https = r#"{ name: https, address: "127.0.0.1:0", protocol: HTTPS }"#;
    // A port that nobody has at the moment.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let at = |address: &str| {
        let plain = format!(r#"{{ name: plain, address: "{address}:{port}", protocol: HTTP, plainHttp: Allow }}"#);
        Configuration::of(&web).listeners(&format!("[{https}, {plain}]"))
    };
    let proxy = TestProxy::serving(&at("127.0.0.1")).await;
    let serves = async |address: [u8; 4]| {
        let address = std::net::SocketAddr::from((address, port));
        wait_until("it serves there", DEADLINE, async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
        super::support::Http1::plain(address).await.get("/").await.status
    };
    assert_eq!(serves([127, 0, 0, 1]).await, 200);
    proxy.reconfigure(&at("0.0.0.0")).await;
    assert_eq!(serves([127, 0, 0, 9]).await, 200);
}

/// The inodes of the listening sockets on a port of 127.0.0.1: a socket that is bound again is another.
fn listening_sockets(proxy: &TestProxy, port: u16) -> BTreeSet<String> {
    let table = fs::read_to_string(format!("/proc/{}/net/tcp", proxy.pid())).expect("the kernel lists sockets");
    let local = format!("0100007F:{port:04X}");
    let inode = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        (columns.get(1) == Some(&local.as_str()) && columns.get(3) == Some(&"0A")).then(|| columns[9].to_owned())
    };
    let inodes: BTreeSet<_> = table.lines().filter_map(inode).collect();
    assert!(!inodes.is_empty(), "nothing listens on {port}");
    inodes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_reloads_lose_nothing_and_leave_memory_flat() {
    let web = TestBackend::start().await;
    let sockets_backend = TestBackend::tunnel().await;
    let configuration = |n: usize| {
        Configuration::of(&web)
            .backend("tunnel", &backend(sockets_backend.address))
            .route("{ path: /socket, backend: tunnel }")
            .more("accessLog: { format: off }")
            .more(&format!("timeouts: {{ keepAlive: {}ms }}", 60_000 + n))
    };
    let proxy = TestProxy::serving(&configuration(0)).await;
    let port = proxy.listener("https").port();
    let sockets = listening_sockets(&proxy, port);
    let mut tunnels = Vec::new();
    for _ in 0..100 {
        let mut tunnel = proxy.https().await;
        tunnel.send(super::http1::UPGRADE).await;
        assert_eq!(tunnel.wire.answer_head().await.unwrap().status, 101);
        tunnels.push(tunnel);
    }
    let open = Load::on_open_connections(&proxy, 4);
    let new = Load::on_new_connections(&proxy, 1);
    open.go_on(500).await;

    let mut warm = 0;
    for reload in 1..=1000 {
        proxy.reconfigure(&configuration(reload)).await;
        if reload == 100 {
            warm = proxy.rss();
        }
    }
    open.go_on(100).await;
    assert!(open.finish().await > 1000);
    new.finish().await;
    assert_eq!(listening_sockets(&proxy, port), sockets, "no socket was bound again");
    for tunnel in &mut tunnels {
        tunnel.send("still here").await;
        let mut echo = Vec::new();
        tunnel.wire.exactly(10, &mut |bytes: &[u8]| echo.extend_from_slice(bytes)).await.unwrap();
        assert_eq!(echo, b"still here");
    }
    let rss = settled("memory settles", || proxy.rss() >> 20).await << 20;
    assert!(rss < warm + (16 << 20), "memory grew from {warm} to {rss} bytes");
}

#[tokio::test]
async fn many_changes_at_once_end_with_the_last() {
    let web = TestBackend::start().await;
    let proxy = TestProxy::of(&web).await;
    let started = Instant::now();
    for n in 0..50 {
        proxy.write_configuration(&Configuration::of(&web).route(&format!("{{ path: /nr-{n}, backend: nobody }}")).yaml());
    }
    let mut connection = proxy.https().await;
    wait_until("the last is served", DEADLINE, async || connection.get("/nr-49").await.status == 500).await;
    assert_eq!(connection.get("/nr-48").await.status, 200, "and only the last");
    assert!(started.elapsed() < DEADLINE);
}
