//! Kubernetes objects from files: the tutorial for HTTPS on Google's Kubernetes as it stands, its objects in any order,
//! and manifests that are edited while they are served. How each rule is read is in `tests/compile`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::nginx::{self, Nginx};
use super::support::{DEADLINE, Reply, TestBackend, TestCertificates, TestProxy, wait_until};

/// What the repository ships.
pub fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/manifests/gke-https").join(path)
}

/// Serves a directory of manifests on free ports.
pub async fn serve(prepare: impl FnOnce(&Path, &TestCertificates) -> Vec<String>) -> TestProxy {
    let mut proxy = TestProxy::spawn(|directory, certificates| {
        let mut arguments: Vec<String> = ["--https", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"].map(str::to_owned).to_vec();
        let objects = directory.join("objects");
        fs::create_dir_all(&objects).unwrap();
        arguments.extend(["-f".to_owned(), objects.display().to_string()]);
        arguments.extend(prepare(&objects, certificates));
        arguments
    });
    proxy.started().await;
    proxy
}

/// A flag that says where a Service lives.
pub fn map(service: &str, address: SocketAddr) -> Vec<String> {
    vec!["--map".to_owned(), format!("{service}={address}")]
}

/// A Service with annotations, and Pods that are asked for `/healthz`.
pub fn behind(service: &str, annotations: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{ name: {service}, annotations: {{ {annotations} }} }}\nspec: {{ selector: {{ app: {service} }}, ports: [{{ port: 80 }}] }}\n\
         ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: {service} }}\nspec: {{ template: {{ metadata: {{ labels: {{ app: {service} }} }}, spec: {{ containers: [\
         {{ name: main, ports: [{{ containerPort: 80 }}], readinessProbe: {{ httpGet: {{ path: /healthz, port: 80 }}, periodSeconds: 1, timeoutSeconds: 1 }} }}] }} }} }}\n"
    )
}

/// An Ingress, with a Service behind every path.
pub fn ingress(name: &str, annotations: &str, host: &str, paths: &[(&str, &str)]) -> String {
    let mut text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {name}\n  annotations: {{ {annotations} }}\nspec:\n  rules:\n    - host: {host}\n      http:\n        paths:\n"
    );
    for (path, service) in paths {
        text.push_str(&format!(
            "          - {{ path: {path}, pathType: Prefix, backend: {{ service: {{ name: {service}, port: {{ number: 80 }} }} }} }}\n"
        ));
    }
    let services: std::collections::BTreeSet<&str> = paths.iter().map(|(_, service)| *service).collect();
    for service in services {
        text.push_str(&behind(service, ""));
    }
    text
}

/// The status of `GET /` with curl, which verifies the certificate.
fn curl(proxy: &TestProxy, authority: &Path, host: &str) -> String {
    let address = proxy.listener("https");
    let output = Command::new("curl")
        .args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"])
        .arg(authority)
        .args(["--resolve", &format!("{host}:{}:{}", address.port(), address.ip()), &format!("https://{host}:{}/", address.port())])
        .output()
        .expect("curl can be started");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn the_tutorials_two_files_serve_https_with_flags_for_the_rest() {
    if !nginx::is_here() {
        return;
    }
    let at = tempfile::tempdir().unwrap();
    let address = nginx::free_address();
    let proxy = serve(|objects, _| {
        for file in ["ingress.yaml", "deployment.yaml"] {
            fs::copy(shipped("tutorial").join(file), objects.join(file)).unwrap();
        }
        let secret = format!("web-tls={}", objects.parent().unwrap().join("tls").display());
        [map("web:80", address), vec!["--secret".to_owned(), secret]].concat()
    })
    .await;
    proxy.wait_log(&["UnfilledPlaceholder", "<STATIC-IP-NAME>", "ingress.yaml:8:"]).await;
    assert_eq!(proxy.https().await.get("/").await.status, 502, "nginx has not been started yet");
    assert_eq!(proxy.http().await.get("/").await.status, 426);

    let nginx = Nginx::start(at.path(), address).expect("nginx can be started");
    proxy.wait_ready("default/web:80").await;
    let page = proxy.https().await.get("/").await;
    assert!(page.status == 200 && page.text().contains("Welcome to nginx!"), "{}", page.text());
    assert_eq!(proxy.http().await.get("/").await.status, 426, "and not without TLS");
    let authority = proxy.directory.path().join("ca.crt");
    fs::write(&authority, proxy.certificates.root_pem()).unwrap();
    assert_eq!(curl(&proxy, &authority, "app.example.test"), "200");

    // The tutorial's second warning: a check that has failed recovers by itself.
    drop(nginx);
    proxy.wait_not_ready("default/web:80").await;
    assert_eq!(proxy.https().await.get("/").await.status, 502);
    let _nginx = Nginx::start(at.path(), address).expect("nginx can be started");
    proxy.wait_ready("default/web:80").await;
    assert_eq!(proxy.https().await.get("/").await.status, 200);
}

#[tokio::test]
async fn the_tutorials_objects_may_come_in_any_order_and_at_any_time() {
    if !nginx::is_here() {
        return;
    }
    let at = tempfile::tempdir().unwrap();
    let address = nginx::free_address();
    let _nginx = Nginx::start(at.path(), address).expect("nginx can be started");
    // Whether each changes what is served, or only what will be.
    let orders = [
        [("ingress", true), ("secret", true), ("service", false), ("deployment", true)],
        [("deployment", false), ("service", false), ("ingress", true), ("secret", true)],
    ];
    for order in orders {
        let proxy = serve(|_, _| map("web", address)).await;
        let objects = proxy.directory.path().join("objects");
        for (file, changes) in order {
            let before = proxy.generation().await;
            fs::copy(shipped("complete").join(format!("{file}.yaml")), objects.join(format!("{file}.yaml"))).unwrap();
            if changes {
                wait_until("the object is taken", DEADLINE, async || proxy.generation().await > before).await;
            }
        }
        let client = proxy.client().named("web.example.test").configured(trust_anything);
        wait_until("the tutorial is served", DEADLINE, async || match client.try_http1().await {
            Ok(mut client) => client.get("/").await.status == 200,
            Err(_) => false,
        })
        .await;
        assert_eq!(proxy.http().await.get("/").await.status, 426);
        let metric = proxy.metric("genkan_certificate_not_after_timestamp_seconds", &[("certificate", "Secret default/web-tls")]).await;
        assert!(metric.is_some(), "the certificate is that of the Secret");
    }
}

/// The example's certificate is signed by itself.
pub fn trust_anything(config: &mut rustls::ClientConfig) {
    #[derive(Debug)]
    struct Anything;
    impl rustls::client::danger::ServerCertVerifier for Anything {
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
    config.dangerous().set_certificate_verifier(Arc::new(Anything));
}

/// Two Services behind one Ingress, whose certificate is the test's own.
async fn edited(one: &TestBackend, two: &TestBackend) -> TestProxy {
    let (one, two) = (one.address, two.address);
    let proxy = serve(|objects, _| {
        fs::write(objects.join("edge.yaml"), edge(&[("/one", "one"), ("/two", "two")])).unwrap();
        let secret = format!("edge-tls={}", objects.parent().unwrap().join("tls").display());
        [map("one", one), map("two", two), vec!["--secret".to_owned(), secret]].concat()
    })
    .await;
    proxy.wait_ready("default/one:80").await;
    proxy.wait_ready("default/two:80").await;
    proxy
}

fn edge(paths: &[(&str, &str)]) -> String {
    ingress("edge", "", "localhost", paths).replacen("spec:\n", "spec:\n  tls: [{ secretName: edge-tls }]\n", 1)
}

#[tokio::test]
async fn a_saved_manifest_is_in_force_and_websockets_stay_open() {
    let (one, two) = (TestBackend::tunnel().await, TestBackend::tunnel().await);
    let proxy = edited(&one, &two).await;
    let mut tunnels = Vec::new();
    for path in ["/one", "/two"] {
        let mut client = proxy.https().await;
        client.send(super::http1::UPGRADE.replace("/socket", path)).await;
        assert_eq!(client.answer().await.status, 101);
        tunnels.push(client);
    }
    let before = proxy.generation().await;
    fs::write(proxy.directory.path().join("objects/edge.yaml"), edge(&[("/one", "one"), ("/new", "two")])).unwrap();
    wait_until("the saved manifest is in force", DEADLINE, async || proxy.generation().await > before).await;
    assert_eq!(proxy.https().await.get("/two").await.status, 404, "that rule is gone");
    for client in &mut tunnels {
        client.send("still here").await;
        client.wire.exactly(10, &mut |_: &[u8]| ()).await.expect("the tunnel is open");
    }
}

#[tokio::test]
async fn a_broken_save_keeps_the_last_good_version_and_says_where_it_is_broken() {
    let (one, two) = (TestBackend::named("one").await, TestBackend::named("two").await);
    let proxy = edited(&one, &two).await;
    let file = proxy.directory.path().join("objects/edge.yaml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good.replace("  rules:\n", "  rules: [\n")).unwrap();
    let line = proxy.wait_log(&["InvalidSyntax", "edge.yaml:"]).await;
    assert!(line.contains("the last good version goes on") && line.contains("Ingress default/edge"), "{line}");
    assert_eq!(proxy.https().await.get("/two").await.text(), "two");
    let before = proxy.generation().await;
    fs::write(&file, edge(&[("/one", "two"), ("/two", "two")])).unwrap();
    wait_until("the mended manifest is in force", DEADLINE, async || proxy.generation().await > before).await;
    assert_eq!(proxy.https().await.get("/one").await.text(), "two");
}

#[tokio::test]
async fn explain_asks_the_running_process() {
    let (one, mut two) = (TestBackend::named("one").await, TestBackend::named("two").await);
    let proxy = edited(&one, &two).await;
    two.stop().await;
    proxy.wait_not_ready("default/two:80").await;
    let explain = |url: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_genkan"))
            .args(["explain", "--admin", &proxy.admin_address().to_string(), url])
            .output()
            .expect("the program can be started");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let text = explain("https://localhost/one/x");
    for words in ["won", "default/edge localhost/one", "lost", "path: is for another", "edge.yaml:", "ready   (GET /"] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
    let text = explain("https://localhost/two");
    assert!(text.contains("not_ready") && text.contains("502, no endpoint of the backend is ready"), "{text}");
    assert_eq!(proxy.https().await.get("/two").await.status, 502, "and so it is");
}

/// A Service with a BackendConfig, whose `spec` is given.
fn configured(service: &str, spec: &str) -> String {
    let annotation = format!("cloud.google.com/backend-config: '{{\"default\": \"{service}\"}}'");
    format!(
        "{}---\napiVersion: cloud.google.com/v1\nkind: BackendConfig\nmetadata: {{ name: {service} }}\nspec: {spec}\n",
        behind(service, &annotation)
    )
}

/// One Ingress for `localhost`; each Service at a path of its name.
async fn serve_configured(services: &[(&str, SocketAddr, &str)]) -> TestProxy {
    let paths: Vec<(String, &str)> = services.iter().map(|(service, _, _)| (format!("/{service}"), *service)).collect();
    let paths: Vec<(&str, &str)> = paths.iter().map(|(path, service)| (path.as_str(), *service)).collect();
    let mut text = edge(&paths);
    for (service, _, spec) in services {
        text = text.replacen(&behind(service, ""), &configured(service, spec), 1);
    }
    serve(|objects, _| {
        fs::write(objects.join("edge.yaml"), text).unwrap();
        let secret = format!("edge-tls={}", objects.parent().unwrap().join("tls").display());
        let mut flags = vec!["--secret".to_owned(), secret];
        for (service, address, _) in services {
            flags.extend(map(service, *address));
        }
        flags
    })
    .await
}

#[tokio::test]
async fn only_200_passes_the_clouds_check_and_two_failures_are_needed_to_leave() {
    let status = Arc::new(AtomicU16::new(204));
    let answer = status.clone();
    let web = TestBackend::answering(move |seen| match seen.head.target() {
        "/state" => Reply::with(answer.load(Ordering::SeqCst), &[("location", "/elsewhere")], ""),
        _ => Reply::text("web"),
    })
    .await;
    let proxy = serve_configured(&[("web", web.address, "{ healthCheck: { requestPath: /state, checkIntervalSec: 1, timeoutSec: 1 } }")]).await;
    let explain = async || proxy.admin("/api/v1/explain?url=https://localhost/web").await.text();
    for refused in [204, 302, 401, 500] {
        status.store(refused, Ordering::SeqCst);
        wait_until("the check has seen the status", DEADLINE, async || explain().await.contains(&refused.to_string())).await;
        assert_eq!(proxy.https().await.get("/web").await.status, 502, "{refused} does not pass");
    }
    status.store(200, Ordering::SeqCst);
    proxy.wait_ready("default/web:80").await;
    assert_eq!(proxy.https().await.get("/web").await.text(), "web");
    status.store(503, Ordering::SeqCst);
    wait_until("one failure has been seen", DEADLINE, async || explain().await.contains("1 of 2 failures")).await;
    assert_eq!(proxy.https().await.get("/web").await.text(), "web", "one failure is none");
    proxy.wait_not_ready("default/web:80").await;
    assert_eq!(proxy.https().await.get("/web").await.status, 502);
}

#[tokio::test]
async fn the_access_log_has_the_share_that_a_backend_config_says() {
    let (all, none) = (TestBackend::named("all").await, TestBackend::named("none").await);
    let services = [("all", all.address, "{ logging: { enable: true } }"), ("none", none.address, "{ logging: { enable: true, sampleRate: 0.0 } }")];
    let proxy = serve_configured(&services).await;
    for service in ["none", "all", "none", "all"] {
        proxy.wait_ready(&format!("default/{service}:80")).await;
        assert_eq!(proxy.https().await.get(&format!("/{service}")).await.text(), service);
    }
    let log = proxy.wait_access_log(2).await;
    assert!(log.iter().all(|line| line["backend"] == "default/all:80"), "{log:?}");
    let counted = proxy.metric("genkan_http_requests_total", &[("backend", "default/none:80")]).await;
    assert_eq!(counted, Some(2.0), "metrics count what the log leaves out");
}

#[tokio::test]
async fn a_websocket_ends_with_timeout_sec_and_the_reason_is_told_once_a_route() {
    let web = TestBackend::tunnel().await;
    let proxy = serve_configured(&[("web", web.address, "{ timeoutSec: 1 }")]).await;
    proxy.wait_ready("default/web:80").await;
    for _ in 0..2 {
        let mut client = proxy.https().await;
        client.send(super::http1::UPGRADE.replace("/socket", "/web")).await;
        assert_eq!(client.answer().await.status, 101);
        client.closed().await;
    }
    proxy.wait_access_log(2).await;
    let told: Vec<String> = proxy.stderr().into_iter().filter(|line| line.contains("ended by the time limit")).collect();
    assert!(told.len() == 1 && told[0].contains("timeoutSec: 3600"), "{told:?}");
}
