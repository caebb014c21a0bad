//! How the program starts, what it refuses to start on, and what it shows while it runs.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::process::Output;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

use super::support::{Configuration, DEADLINE, Http1, Reply, TestBackend, TestProxy, command, wait_until};

fn run(arguments: &[&str], prepare: impl FnOnce(&std::path::Path)) -> Output {
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path());
    command(directory.path()).args(arguments).output().expect("the program can be started")
}

#[tokio::test]
async fn a_port_that_is_taken_ends_the_start_and_names_who_has_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let backend = TestBackend::start().await;
    let yaml = Configuration::of(&backend).listeners(&format!(r#"[{{ name: https, address: "{address}", protocol: HTTPS }}]"#)).yaml();
    let mut proxy = TestProxy::spawn(|directory, _| {
        fs::write(directory.join("genkan.yaml"), yaml).unwrap();
        vec!["-f".to_owned(), directory.join("genkan.yaml").display().to_string()]
    });
    assert_eq!(proxy.wait_exit(DEADLINE).await.code(), Some(1));
    let said = proxy.stderr().join("\n");
    assert!(said.contains(&address.port().to_string()), "{said}");
    let name = fs::read_to_string("/proc/self/comm").unwrap();
    assert!(said.contains(&std::process::id().to_string()) || said.contains(name.trim()), "it names this process: {said}");
}

#[tokio::test]
async fn two_processes_run_beside_each_other() {
    let backend = TestBackend::start().await;
    let (one, two) = (TestProxy::of(&backend).await, TestProxy::of(&backend).await);
    assert_ne!(one.listener("https"), two.listener("https"));
    assert_eq!((one.https().await.get("/").await.status, two.https().await.get("/").await.status), (200, 200));
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read_ends_the_start() {
    let broken = run(&["run", "-f", "genkan.yaml"], |directory| fs::write(directory.join("genkan.yaml"), "surprise: 1\n").unwrap());
    assert_eq!(broken.status.code(), Some(1));
    let said = String::from_utf8_lossy(&broken.stderr).into_owned();
    assert!(said.contains("surprise") && said.contains("genkan.yaml"), "{said}");
    let missing = run(&["run", "-f", "nowhere.yaml"], |_| ());
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("nowhere.yaml"));
}

#[tokio::test]
async fn an_unknown_flag_is_a_mistake_in_the_command_line() {
    assert_eq!(run(&["run", "--surprise"], |_| ()).status.code(), Some(2));
}

#[tokio::test]
async fn strict_refuses_to_start_on_what_is_otherwise_served_in_part() {
    let yaml = "listeners: [{ name: http, address: \"127.0.0.1:0\", protocol: HTTP }]\nadmin: { address: \"off\" }\nroutes: [{ path: /, backend: nobody }]\n";
    let strict = run(&["run", "--strict", "-f", "genkan.yaml"], |directory| fs::write(directory.join("genkan.yaml"), yaml).unwrap());
    assert!([1, 3].contains(&strict.status.code().unwrap_or(0)), "{strict:?}");
    assert!(String::from_utf8_lossy(&strict.stderr).contains("nobody"));
}

#[tokio::test]
async fn one_backend_needs_no_file() {
    let backend = TestBackend::start().await;
    let mut proxy = TestProxy::spawn(|directory, _| {
        let tls = directory.join("tls").display().to_string();
        let url = format!("http://{}", backend.address);
        let arguments = [
            "--certificate",
            &tls,
            "--backend",
            &url,
            "--readiness",
            "/healthz",
            "--https",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
        ];
        arguments.map(ToOwned::to_owned).to_vec()
    });
    proxy.started().await;
    proxy.wait_ready("backend").await;
    assert_eq!(proxy.https().await.get("/").await.text(), "hello");
    assert_eq!(proxy.http().await.get("/").await.status, 426);
    assert!(!backend.probes().is_empty());
}

#[tokio::test]
async fn flags_beat_the_file() {
    let backend = TestBackend::start().await;
    let yaml = Configuration::of(&backend).yaml();
    let mut proxy = TestProxy::spawn(|directory, _| {
        fs::write(directory.join("genkan.yaml"), yaml).unwrap();
        ["-f", &directory.join("genkan.yaml").display().to_string(), "--http", "off", "--https", "127.0.0.4:0"].map(ToOwned::to_owned).to_vec()
    });
    proxy.started().await;
    assert_eq!(proxy.listener("https").ip().to_string(), "127.0.0.4");
    assert!(!proxy.log().iter().any(|line| line["message"] == "listening" && line["protocol"] == "HTTP"));
}

#[tokio::test]
async fn status_ready_is_the_probe_of_containers() {
    let backend = TestBackend::start().await;
    let mut proxy = TestProxy::of(&backend).await;
    let address = proxy.admin_address().to_string();
    let ask = || run(&["status", "--ready", "--admin", &address], |_| ()).status.code();
    assert_eq!(ask(), Some(0));
    proxy.signal(rustix::process::Signal::TERM);
    proxy.wait_exit(DEADLINE).await;
    assert_eq!(ask(), Some(1));
}

#[tokio::test]
async fn admin_pages_say_whether_it_lives_and_is_ready() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    assert_eq!(proxy.admin("/livez").await.status, 200);
    assert_eq!(proxy.admin("/readyz").await.status, 200);
    let verbose = proxy.admin("/readyz?verbose").await.text();
    assert!(verbose.lines().filter(|line| line.starts_with("[+]") && line.ends_with(" ok")).count() >= 2, "{verbose}");
    assert_eq!(proxy.admin("/nothing").await.status, 404);
    let metrics = proxy.admin("/metrics").await;
    assert!(metrics.get("content-type").is_some_and(|kind| kind.starts_with("text/plain") || kind.starts_with("application/openmetrics-text")));
}

#[tokio::test]
async fn metrics_say_what_happened() {
    let backend =
        TestBackend::answering(|request| if request.head.target() == "/missing" { Reply::with(404, &[], "no") } else { Reply::text("yes") }).await;
    let configuration = Configuration::of(&backend).route("{ name: shop, hostnames: [shop.example.test], path: /, backend: web }");
    let proxy = TestProxy::serving(&configuration).await;
    let mut client = proxy.client().named("shop.example.test").http1().await;
    for path in ["/", "/", "/missing"] {
        client.get(path).await;
    }
    let requests = async |code: &str| proxy.metric("genkan_http_requests_total", &[("route", "shop"), ("backend", "web"), ("code", code)]).await;
    wait_until("the requests are counted", DEADLINE, async || requests("404").await == Some(1.0)).await;
    assert_eq!(requests("200").await, Some(2.0));
    assert_eq!(proxy.metric("genkan_tls_handshakes_total", &[("result", "complete")]).await, Some(1.0));
    assert_eq!(proxy.metric("genkan_connections", &[]).await, Some(1.0));
    assert_eq!(proxy.metric("genkan_backend_endpoints", &[("backend", "web"), ("state", "ready")]).await, Some(1.0));
    assert_eq!(proxy.metric("genkan_config_generation", &[]).await, Some(1.0));
    assert_eq!(proxy.metric("genkan_config_last_reload_successful", &[]).await, Some(1.0));
    let expiry = proxy.metric("genkan_certificate_not_after_timestamp_seconds", &[]).await.expect("every certificate has its date");
    assert!(expiry > 4e9, "{expiry}");
    drop(client);
    wait_until("the connection is gone", DEADLINE, async || proxy.metric("genkan_connections", &[]).await == Some(0.0)).await;
}

#[tokio::test]
async fn metrics_show_what_is_in_flight() {
    let go = Arc::new(Notify::new());
    let waits = go.clone();
    let backend = TestBackend::scripted(move |mut exchange| {
        let waits = waits.clone();
        async move {
            waits.notified().await;
            exchange.reply(Reply::text("at last")).await?;
            Ok(exchange)
        }
    })
    .await;
    let proxy = TestProxy::serving(&Configuration::of(&backend)).await;
    let mut client = proxy.https().await;
    client.send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let seen = async || {
        let connections = async |state: &str| proxy.metric("genkan_backend_connections", &[("backend", "web"), ("state", state)]).await;
        let in_flight = proxy.metric("genkan_http_requests_in_flight", &[("listener", "https")]).await;
        (in_flight.unwrap_or_default(), connections("active").await.unwrap_or_default(), connections("idle").await.unwrap_or_default())
    };
    wait_until("it is on its way", DEADLINE, async || seen().await == (1.0, 1.0, 0.0)).await;
    go.notify_one();
    assert_eq!(client.answer().await.status, 200);
    wait_until("it is over, and the connection waits for the next", DEADLINE, async || seen().await == (0.0, 0.0, 1.0)).await;
}

#[tokio::test]
async fn metrics_count_what_happens_outside_of_exchanges() {
    let backend = TestBackend::tunnel().await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).more("timeouts: { tlsHandshake: 1s }")).await;
    let mut tunnel = proxy.https().await;
    tunnel.send(super::http1::UPGRADE).await;
    assert_eq!(tunnel.wire.answer_head().await.unwrap().status, 101);
    wait_until("the tunnel is counted", DEADLINE, async || proxy.metric("genkan_tunnels", &[]).await == Some(1.0)).await;
    let active = async || proxy.metric("genkan_backend_connections", &[("backend", "web"), ("state", "active")]).await;
    assert_eq!(active().await, Some(1.0), "its connection to the backend is one, too");
    drop(tunnel);
    wait_until("that ends with it", DEADLINE, async || active().await == Some(0.0)).await;
    wait_until("its end is, too", DEADLINE, async || proxy.metric("genkan_tunnels", &[]).await == Some(0.0)).await;

    let mut stuck = proxy.client().tcp().await.unwrap();
    stuck.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await.unwrap();
    let timed_out = async || proxy.metric("genkan_tls_handshakes_total", &[("result", "timed_out")]).await;
    wait_until("a handshake that timed out is counted", DEADLINE, async || timed_out().await == Some(1.0)).await;
    drop(stuck);
    Http1::plain(proxy.listener("https")).await.get("/").await;
    let event = async || proxy.metric("genkan_connection_events_total", &[("event", "plain_http_on_tls")]).await;
    wait_until("plain HTTP on the TLS port is counted", DEADLINE, async || event().await == Some(1.0)).await;
    assert!(proxy.metric("genkan_health_probes_total", &[("backend", "web"), ("result", "passed")]).await >= Some(1.0));
}

#[tokio::test]
async fn labels_do_not_come_from_requests() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    for n in 0..20 {
        let mut client = proxy.client().named(&format!("host-{n}.example.test")).http1().await;
        client.request(&format!("METHOD{n}"), &format!("/path-{n}"), &[], b"").await;
    }
    let metrics = proxy.admin("/metrics").await.text();
    assert!(!metrics.contains("host-1") && !metrics.contains("path-1") && !metrics.contains("METHOD1"), "{metrics}");
}

#[tokio::test]
async fn the_access_log_has_one_line_an_exchange_whatever_ended_it() {
    let backend = TestBackend::scripted(|mut exchange| async move {
        match exchange.head.target() {
            "/reset" => return exchange.reset(),
            "/cut" => {
                exchange.wire.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this").await?;
                return exchange.close();
            }
            "/stall" => return exchange.stall().await,
            _ => exchange.read_body().await?,
        }
        exchange.reply(Reply::text("hello")).await?;
        Ok(exchange)
    })
    .await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).http("plainHttp: Reject")).await;

    let mut client = proxy.https().await;
    client.request("POST", "/fine?secret=1", &[("user-agent", "a \"quoted\" agent\u{e9}")], b"four").await;
    client.get("/reset").await;
    client.send("GET /cut HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(client.wire.answer("GET").await.is_err());
    let mut leaver = proxy.https().await;
    leaver.send("GET /stall HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    wait_until("the backend has it", DEADLINE, async || backend.requests().iter().any(|request| request.head.target() == "/stall")).await;
    drop(leaver);
    proxy.http().await.get("/plain").await;
    proxy.client().http2().await.get("/two").await;
    let mut tunnel_refused = proxy.https().await;
    tunnel_refused.raw("GET /no-host HTTP/1.1\r\n\r\n").await;

    let lines = proxy.wait_access_log(7).await;
    let line = |path: &str| {
        let of_path: Vec<&Value> = lines.iter().filter(|line| line["path"] == path).collect();
        assert_eq!(of_path.len(), 1, "one line for {path}: {lines:#?}");
        of_path[0]
    };
    let fine = line("/fine");
    assert_eq!((&fine["status"], &fine["method"], &fine["host"]), (&Value::from(200), &Value::from("POST"), &Value::from("localhost")));
    assert_eq!((&fine["bytes_in"], &fine["bytes_out"]), (&Value::from(4), &Value::from(5)));
    assert_eq!((&fine["backend"], &fine["client_ip"], &fine["scheme"]), (&Value::from("web"), &Value::from("127.0.0.1"), &Value::from("https")));
    assert!(fine["endpoint"].as_str().is_some_and(|endpoint| endpoint == backend.address.to_string()), "{fine}");
    assert!(!fine.to_string().contains("secret"), "queries hold secrets: {fine}");
    assert_eq!(line("/reset")["status"], 502);
    assert!(line("/cut")["reason"].is_string(), "{}", line("/cut"));
    assert!(line("/stall")["reason"].is_string(), "{}", line("/stall"));
    assert_eq!((&line("/plain")["status"], &line("/plain")["scheme"]), (&Value::from(426), &Value::from("http")));
    assert_eq!(line("/two")["status"], 200);
    assert_eq!(line("/no-host")["status"], 400);
    let ids: BTreeSet<_> = lines.iter().filter_map(|line| line["request_id"].as_str()).collect();
    assert_eq!(ids.len(), lines.len(), "every exchange has an id of its own");
    assert_eq!(fine["request_id"], backend.requests()[0].head.get("x-request-id").unwrap());
}

#[tokio::test]
async fn no_key_is_said_anywhere_and_stdout_has_nothing_but_the_access_log() {
    let backend = TestBackend::start().await;
    let mut proxy = TestProxy::of(&backend).await;
    proxy.https().await.get("/").await;
    proxy.wait_access_log(1).await;
    let other = proxy.certificates.leaf(&["localhost"]);
    let (first, broken) = (proxy.first_leaf.clone(), proxy.first_leaf.with_key_of(&other));
    let before = proxy.admin("/api/v1/report").await.text();
    proxy.secret.swap(&broken);
    wait_until("the pair that is none is reported", DEADLINE, async || proxy.admin("/api/v1/report").await.text() != before).await;
    let mut said = [proxy.stderr(), proxy.access_log().iter().map(ToString::to_string).collect()].concat();
    for path in
        ["/", "/metrics", "/api/v1/backends", "/api/v1/certificates", "/api/v1/failures", "/api/v1/report", "/api/v1/routes", "/api/v1/status"]
    {
        let answer = proxy.admin(path).await;
        assert_eq!(answer.status, 200, "{path}");
        said.push(answer.text());
    }
    for line in [first, other].iter().flat_map(|leaf| leaf.key.lines().filter(|line| !line.contains("---"))) {
        assert!(!said.iter().any(|text| text.contains(line)), "a line of a key");
    }
    assert_eq!(proxy.log().len(), proxy.stderr().len(), "every line is JSON: {:#?}", proxy.stderr());
}

#[tokio::test]
async fn a_start_without_what_it_needs_says_that_it_is_not_ready() {
    let web = TestBackend::start().await;
    let mut proxy = TestProxy::start_in(&Configuration::of(&web), |directory, _| fs::remove_dir_all(directory.join("tls")).unwrap()).await;
    let line = proxy.wait_log(&["started, and not ready yet"]).await;
    assert!(line.contains("certificate: no HTTPS listener has had a certificate"), "{line}");
    assert!(!proxy.log().iter().any(|line| line["message"] == "ready"));
    assert_eq!(proxy.admin("/readyz").await.status, 503);
    proxy.signal(rustix::process::Signal::TERM);
    proxy.wait_exit(DEADLINE).await;
}

/// Many of everything, much of it wrong: what the start says still fits on a screen, and names what is served.
#[tokio::test]
async fn the_start_is_told_in_fifteen_lines() {
    let web = TestBackend::start().await;
    let more = ["a", "b", "c", "d", "e"].map(|name| format!(", {{ name: {name}, address: \"127.0.0.1:0\", protocol: HTTPS }}")).concat();
    let first = r#"{ name: https, address: "127.0.0.1:0", protocol: HTTPS }, { name: http, address: "127.0.0.1:0", protocol: HTTP }"#;
    let mut configuration = Configuration::of(&web).listeners(&format!("[{first}{more}]"));
    for n in 0..20 {
        configuration = configuration
            .certificate(&format!("{{ secret: missing-{n} }}"))
            .route(&format!("{{ hostnames: [a.test], rules: [{{ path: /{n}, backend: nowhere-{n} }}] }}"));
    }
    let proxy = TestProxy::start(&configuration).await;
    let lines = proxy.log();
    let ready = lines.iter().position(|line| line["message"] == "ready").unwrap();
    assert!(ready < 15, "{:#?}", &lines[..=ready]);
    let said = |message: &str| lines[..=ready].iter().filter(|line| line["message"] == message).count();
    assert_eq!((said("starting"), said("listening"), said("admin"), said("ready")), (1, 3, 1, 1), "{:#?}", &lines[..=ready]);
    let certificate = lines.iter().find(|line| line["message"] == "certificate").unwrap();
    assert!(certificate["until"].as_str().unwrap().ends_with('Z') && certificate["names"].as_str().unwrap().contains("localhost"), "{certificate}");
    let page = lines.iter().find(|line| line["message"] == "admin").unwrap();
    assert_eq!(page["page"], format!("http://{}/", proxy.admin_address()));
    let left_out = |category: &str| {
        let line = lines[..=ready].iter().find(|line| line["more"].is_number() && line["category"] == category);
        line.unwrap_or_else(|| panic!("{lines:#?}"))["more"].as_u64().unwrap()
    };
    assert!(left_out("configuration") >= 30);
    assert_eq!(left_out("process"), 4, "sockets");
    let status: Value = serde_json::from_str(&proxy.admin("/api/v1/status").await.text()).unwrap();
    assert_eq!(status["listeners"].as_array().unwrap().len(), 7, "{status}");
    assert!(lines.iter().all(|line| line["category"].is_string()), "every line has a category");
}
