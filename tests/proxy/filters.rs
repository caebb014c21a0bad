//! What routes change about requests and answers, and where they send clients instead.

use super::support::{Answer, Configuration, DEADLINE, Reply, TestBackend, TestProxy, command, wait_until};

/// A route for everything, with these filters.
fn with(web: &TestBackend, filters: &str) -> Configuration {
    Configuration::of(web).route(&format!("{{ backend: web, filters: [{filters}] }}"))
}

fn request(modifier: &str) -> String {
    format!("{{ type: RequestHeaderModifier, requestHeaderModifier: {modifier} }}")
}

fn response(modifier: &str) -> String {
    format!("{{ type: ResponseHeaderModifier, responseHeaderModifier: {modifier} }}")
}

#[tokio::test]
async fn a_request_is_changed_before_its_backend_sees_it() {
    let backend = TestBackend::start().await;
    let modifier = r#"{ set: [{ name: X-Set, value: ours }, { name: X-Forwarded-Proto, value: gopher }, { name: X-Real-IP, value: "{client_ip_address}" }],
        add: [{ name: X-Add, value: ours }], remove: [X-Remove, Cookie] }"#;
    let proxy = TestProxy::serving(&with(&backend, &request(modifier))).await;
    let fields = [
        ("x-set", "spoofed"),
        ("X-Set", "twice"),
        ("x-add", "theirs"),
        ("x-remove", "a"),
        ("cookie", "a=b"),
        ("x-real-ip", "9.9.9.9"),
        ("x-else", "c"),
    ];
    for _ in 0..2 {
        assert_eq!(proxy.https().await.request("POST", "/", &fields, b"body").await.text(), "body");
    }
    for seen in backend.requests() {
        let head = &seen.head;
        assert_eq!(head.all("x-set"), ["ours"]);
        assert_eq!(head.all("x-forwarded-proto"), ["gopher"]);
        assert_eq!(head.all("x-real-ip"), ["127.0.0.1"]);
        assert_eq!(head.all("x-add"), ["theirs", "ours"]);
        assert_eq!(head.all("x-else"), ["c"]);
        assert!(!head.has("x-remove") && !head.has("cookie"), "{head:?}");
        assert_eq!((head.all("x-forwarded-for"), head.all("content-length"), head.all("host")), (vec!["127.0.0.1"], vec!["4"], vec!["localhost"]));
    }
}

const VARIABLES: &str = r#"{ set: [{ name: X-Client, value: "{client_ip_address}:{client_port}" }, { name: X-Encrypted, value: "{client_encrypted}" },
    { name: X-Protocol, value: "{client_protocol}" }, { name: X-Origin, value: "<{origin_request_header}>" }, { name: X-Server, value: "{server_ip_address}:{server_port}" },
    { name: X-Sni, value: "<{tls_sni_hostname}>" }, { name: X-Tls, value: "<{tls_version}>" }, { name: X-Suite, value: "<{tls_cipher_suite}>" }] }"#;

#[tokio::test]
async fn variables_say_what_is_known_of_the_connection() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&with(&backend, &request(VARIABLES)).http("plainHttp: Allow")).await;
    proxy.https().await.request("GET", "/", &[("origin", "https://a.test")], b"").await;
    let http2 = proxy.client().http2().await.get("/").await;
    assert_eq!(http2.status, 200);
    proxy.http().await.raw("GET / HTTP/1.0\r\nhost: localhost\r\n\r\n").await;
    let [encrypted, http2, plain] = &backend.requests()[..] else { panic!("three requests") };
    let say = |name: &str| [encrypted, http2, plain].map(|seen| seen.head.get(name).unwrap_or("missing").to_owned());
    assert!(say("x-client").iter().all(|client| client.starts_with("127.0.0.1:") && client.len() > "127.0.0.1:".len()));
    let server = |listener: &str| proxy.listener(listener).to_string();
    assert_eq!(say("x-server"), [server("https"), server("https"), server("http")]);
    assert_eq!(say("x-encrypted"), ["true", "true", "false"]);
    assert_eq!(say("x-protocol"), ["HTTP/1.1", "HTTP/2", "HTTP/1.0"]);
    assert_eq!(say("x-origin"), ["<https://a.test>", "<>", "<>"]);
    assert_eq!(say("x-sni"), ["<localhost>", "<localhost>", "<>"]);
    assert_eq!(say("x-tls"), ["<TLSv1.3>", "<TLSv1.3>", "<>"]);
    let [suite, _, none] = say("x-suite");
    assert!(suite.starts_with("<130") && suite.len() == 6 && none == "<>", "{suite} {none}");
}

#[tokio::test]
async fn answers_are_changed_whoever_gave_them() {
    let backend =
        TestBackend::answering(|_| Reply::with(200, &[("server", "secret/1.0"), ("x-add", "theirs"), ("set-cookie", "a=b")], "hello")).await;
    let modifier = r#"{ set: [{ name: Strict-Transport-Security, value: max-age=1 }, { name: Content-Type, value: text/x-own }], add: [{ name: X-Add, value: "{client_protocol}" }], remove: [Server, Set-Cookie] }"#;
    let configuration = with(&backend, &response(modifier)).route("{ path: /plain, backend: web }");
    let proxy = TestProxy::serving(&configuration).await;
    let mut client = proxy.https().await;
    let theirs = client.get("/").await;
    assert_eq!((theirs.text().as_str(), theirs.head.all("x-add")), ("hello", vec!["theirs", "HTTP/1.1"]));
    assert!(!theirs.head.has("server") && !theirs.head.has("set-cookie"), "{theirs:?}");
    let other = client.get("/plain").await;
    assert!(other.head.has("server") && !other.head.has("strict-transport-security"), "another route is another matter: {other:?}");

    backend.set_healthy(false);
    proxy.wait_not_ready("web").await;
    let ours = client.get("/").await;
    assert_eq!(
        (ours.status, ours.head.all("strict-transport-security"), ours.head.all("content-type")),
        (503, vec!["max-age=1"], vec!["text/x-own"])
    );
    let http2 = proxy.client().http2().await.get("/").await;
    assert_eq!((http2.status, &http2.headers["x-add"]), (503, &http::HeaderValue::from_static("HTTP/2")));
}

fn redirect(keys: &str) -> String {
    format!("{{ type: RequestRedirect, requestRedirect: {{ {keys} }} }}")
}

/// Two routes of `shop.example.test` that redirect, beside a backend for the rest.
fn redirecting(web: &TestBackend) -> Configuration {
    let docs = redirect(r#"path: { type: ReplacePrefixMatch, replacePrefixMatch: "" }, hostname: docs.example.test, statusCode: 301"#);
    let health = redirect("path: { type: ReplaceFullPath, replaceFullPath: /health }");
    let secure = redirect("scheme: https, port: 8443, statusCode: 308");
    Configuration::of(web)
        .route(&format!("{{ hostnames: [shop.example.test], path: /docs, filters: [{docs}] }}"))
        .route(&format!(
            "{{ hostnames: [shop.example.test], path: /status, filters: [{health}, {}] }}",
            response("{ set: [{ name: X-Moved, value: there }] }")
        ))
        .route(&format!("{{ hostnames: [shop.example.test], path: /secure, filters: [{secure}] }}"))
        .route(&format!("{{ path: /old, filters: [{}] }}", redirect("path: { type: ReplacePrefixMatch, replacePrefixMatch: /new }")))
        .route(&format!("{{ path: /port, filters: [{}] }}", redirect("port: 8443")))
}

async fn asked(proxy: &TestProxy, host: &str, path: &str) -> (u16, String) {
    let answer = proxy.https().await.named(host).get(path).await;
    (answer.status, answer.get("location").unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_route_sends_clients_elsewhere_and_needs_no_backend() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&redirecting(&backend)).await;
    let shop = "shop.example.test";
    let to = |status, location: &str| (status, location.to_owned());
    assert_eq!(asked(&proxy, shop, "/docs/a/b?c=d").await, to(301, "https://docs.example.test/a/b?c=d"));
    assert_eq!(asked(&proxy, shop, "/docs").await, to(301, "https://docs.example.test/"));
    assert_eq!(asked(&proxy, shop, "/status/x?y").await, to(302, "https://shop.example.test/health?y"));
    assert_eq!(
        asked(&proxy, "shop.example.test:9443", "/status").await,
        to(302, "https://shop.example.test:9443/health"),
        "the port that the client sees"
    );
    let head = proxy.https().await.named(shop).request("HEAD", "/status", &[], b"").await;
    assert_eq!((head.status, head.get("x-moved"), head.body.len()), (302, Some("there"), 0));
    let answer = proxy.http().await.named(shop).get("/secure/a").await;
    assert_eq!(
        (answer.status, answer.get("location")),
        (308, Some("https://shop.example.test:8443/secure/a")),
        "plain HTTP is not forwarded, so it may"
    );
    assert_eq!(backend.request_count(), 0);
    assert_eq!(asked(&proxy, shop, "/other").await.0, 200);
    let line = |path: &str| proxy.access_log().into_iter().find(|line| line["path"] == path);
    wait_until("redirects are logged", DEADLINE, async || line("/docs").is_some_and(|line| line["status"] == 301)).await;
}

#[tokio::test]
async fn a_redirect_never_repeats_a_host_that_no_route_names() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::serving(&redirecting(&backend)).await;
    for path in ["/port", "/old/a", "/old//evil.test/"] {
        let answer: Answer = proxy.https().await.named("evil.test").get(path).await;
        let location = answer.get("location").unwrap_or_default();
        assert!(!location.contains("://") && !location.starts_with("//"), "{path}: {answer:?}");
    }
    assert_eq!(asked(&proxy, "evil.test", "/old/a?b").await, (302, "/new/a?b".to_owned()), "a path is enough");
    assert_eq!(asked(&proxy, "evil.test", "/port").await, (400, String::new()));
    assert_eq!(asked(&proxy, "localhost", "/port").await, (302, "https://localhost:8443/port".to_owned()));
}

/// What is told of a request that has not been made is what it gets.
#[tokio::test]
async fn explain_says_of_a_redirect_what_it_is() {
    let backend = TestBackend::start().await;
    let slashed = redirect("path: { type: ReplacePrefixMatch, replacePrefixMatch: /new/ }");
    let root = redirect("path: { type: ReplacePrefixMatch, replacePrefixMatch: / }");
    let configuration = redirecting(&backend)
        .route(&format!("{{ hostnames: [shop.example.test], path: /slashed, filters: [{slashed}] }}"))
        .route(&format!("{{ hostnames: [shop.example.test], path: /root, filters: [{root}] }}"));
    let proxy = TestProxy::serving(&configuration).await;
    for (method, host, target) in [
        ("GET", "shop.example.test", "/slashed"),
        ("GET", "shop.example.test", "/slashed/a?b"),
        ("GET", "shop.example.test", "/%73lashed/a"),
        ("GET", "shop.example.test", "/root//evil.test/"),
        ("GET", "shop.example.test", "/docs"),
        ("GET", "shop.example.test", "/status/a?b"),
        ("GET", "shop.example.test:9443", "/status"),
        ("GET", "shop.example.test", "/secure/a"),
        ("GET", "evil.test", "/old/a?b"),
        ("GET", "evil.test", "/port"),
        ("GET", "localhost", "/port"),
        ("GET", "localhost", "/"),
        ("TRACE", "localhost", "/"),
    ] {
        let answer = proxy.https().await.named(host).request(method, target, &[], b"").await;
        let url = format!("https://{host}{target}");
        let told = command(std::path::Path::new("/"))
            .args(["explain", "--admin", &proxy.admin_address().to_string(), "--format", "json", method, &url])
            .output()
            .unwrap();
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        let outcome = &told["outcome"];
        let status = outcome["status"].as_u64().unwrap_or(200);
        assert_eq!((status, outcome["location"].as_str()), (answer.status.into(), answer.get("location")), "{method} {url}");
    }
}

#[test]
fn the_schema_knows_filters() {
    let output = command(std::path::Path::new("/")).arg("schema").output().unwrap();
    let schema = String::from_utf8(output.stdout).unwrap();
    for word in ["requestHeaderModifier", "responseHeaderModifier", "replacePrefixMatch", "sessionAffinity", "draining", "Compatible"] {
        assert!(schema.contains(word), "{word}");
    }
    for word in ["urlRewrite", "extensionRef", "CORS"] {
        assert!(!schema.contains(word), "{word}");
    }
}
