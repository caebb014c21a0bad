//! What the running program says of itself under `/api/v1`: each view on a process in which what it shows has happened.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::support::{Configuration, DEADLINE, Reply, TestBackend, TestProxy, wait_until};

async fn view(proxy: &TestProxy, path: &str) -> Value {
    let answer = proxy.admin(&format!("/api/v1/{path}")).await;
    assert_eq!((answer.status, answer.get("content-type")), (200, Some("application/json")), "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// Waits until a part of a view is what it should be.
async fn wait_view(proxy: &TestProxy, path: &str, pointer: &str, expected: Value) -> Value {
    let mut seen = Value::Null;
    wait_until(&format!("{pointer} of {path} becomes {expected}"), DEADLINE, async || {
        seen = view(proxy, path).await;
        seen.pointer(pointer) == Some(&expected)
    })
    .await;
    seen
}

#[tokio::test]
async fn an_endpoint_has_its_probes_its_load_and_since_when() {
    let backend = TestBackend::start().await;
    backend.set_healthy(false);
    let configuration = Configuration::of(&backend);
    let proxy = TestProxy::start(&configuration).await;
    let before = wait_view(&proxy, "backends", "/backends/0/endpoints/0/state", json!("not_ready")).await;
    let endpoint = &before["backends"][0]["endpoints"][0];
    assert_eq!(endpoint["lastProbe"]["passed"], false);
    assert!(endpoint["lastProbe"]["answer"].as_str().unwrap().contains("503"), "{endpoint}");

    backend.set_healthy(true);
    let after = wait_view(&proxy, "backends?q=WEB", "/backends/0/ready", json!(1)).await;
    let endpoint = &after["backends"][0]["endpoints"][0];
    assert_eq!((&endpoint["state"], &endpoint["lastProbe"]["passed"], &endpoint["requests"]), (&json!("ready"), &json!(true), &json!(0)));
    assert!(endpoint["since"].as_str() >= before["backends"][0]["endpoints"][0]["since"].as_str());
    let results: Vec<bool> = endpoint["probes"].as_array().unwrap().iter().map(|probe| probe["passed"].as_bool().unwrap()).collect();
    assert!(results.starts_with(&[false]) && results.ends_with(&[true]), "{results:?}");

    proxy.https().await.get("/").await;
    let busy = view(&proxy, "backends").await;
    assert_eq!((&busy["backends"][0]["endpoints"][0]["requests"], &busy["backends"][0]["endpoints"][0]["share"]), (&json!(1), &json!(1.0)));
    assert_eq!(view(&proxy, "backends?q=other").await, json!({ "total": 0, "backends": [] }));
}

#[tokio::test]
async fn a_probe_history_has_an_end() {
    let backend = TestBackend::start().await;
    backend.set_healthy(false);
    let configuration = Configuration::of(&backend);
    let proxy = TestProxy::start(&configuration).await;
    wait_until("more probes than are kept", DEADLINE, async || backend.probes().len() > 52).await;
    let probes = wait_view(&proxy, "backends", "/backends/0/endpoints/0/probes/49/passed", json!(false)).await;
    let times: Vec<&str> =
        probes["backends"][0]["endpoints"][0]["probes"].as_array().unwrap().iter().map(|probe| probe["time"].as_str().unwrap()).collect();
    assert_eq!(times.len(), 50);
    assert!(times.is_sorted(), "the newest is the last: {times:?}");
}

#[tokio::test]
async fn failures_are_kept_with_their_reason_and_their_trace() {
    let backend = TestBackend::answering(|request| match request.head.target() {
        "/broken?secret=1" => Reply::with(500, &[], "no"),
        "/bad" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n").then_close(),
        _ => Reply::text("hello"),
    })
    .await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (path, status) in [("/fine", 200), ("/broken?secret=1", 500), ("/bad", 502)] {
        let fields = [("traceparent", &*format!("00-{trace}-00f067aa0ba902b7-01"))];
        assert_eq!(client.request("GET", path, &fields, b"").await.status, status);
    }
    let failures = view(&proxy, "failures").await;
    let [bad, broken] = &failures["failures"].as_array().unwrap()[..] else { panic!("{failures}") };
    assert_eq!((&bad["path"], &bad["status"], &bad["backend"]), (&json!("/bad"), &json!(502), &json!("web")));
    assert_eq!((&broken["path"], &broken["status"], &broken["reason"]), (&json!("/broken"), &json!(500), &json!("response_sent_by_backend")));
    assert!(!bad["reason"].as_str().unwrap().is_empty() && bad["endpoint"].as_str().is_some() && bad["traceId"] == *trace, "{bad}");
    let log = proxy.wait_access_log(3).await;
    assert!(log.iter().any(|line| line["request_id"] == bad["requestId"] && line["reason"] == bad["reason"]), "the log says the same: {log:?}");
}

#[tokio::test]
async fn a_certificate_has_its_last_reload_and_its_last_refusal() {
    let backend = TestBackend::start().await;
    let mut proxy = TestProxy::of(&backend).await;
    let first = view(&proxy, "certificates").await;
    let certificate = &first["certificates"][0];
    assert_eq!((&certificate["default"], &certificate["lastRefusal"]), (&json!(true), &Value::Null));
    assert!(certificate["daysLeft"].as_i64().unwrap() >= 0 && certificate["loaded"].as_str().is_some(), "{certificate}");
    assert!(!first.to_string().contains("PRIVATE KEY"));

    proxy.secret.swap_files(&[("tls.crt", "no certificate"), ("tls.key", "no key")]);
    let refused = wait_view(&proxy, "report", "/counts/errors", json!(1)).await;
    assert_eq!(refused["findings"][0]["severity"], "error");
    let after = view(&proxy, "certificates").await;
    assert_eq!(after["certificates"][0]["lastRefusal"]["why"], refused["findings"][0]["message"]);
    assert_eq!(after["certificates"][0]["notAfter"], certificate["notAfter"], "the last good one is served");

    let leaf = proxy.certificates.leaf(&["localhost"]);
    proxy.secret.swap(&leaf);
    proxy.wait_certificate(&leaf).await;
    let healed = view(&proxy, "certificates").await;
    assert!(healed["certificates"][0]["lastRefusal"]["why"].is_string(), "the last refusal is remembered: {healed}");
    assert_eq!(view(&proxy, "status").await["configuration"]["findings"]["errors"], 0);
}

#[tokio::test]
async fn routes_say_where_they_lead_and_how_often_they_were_taken() {
    let backend = TestBackend::start().await;
    let configuration = Configuration::of(&backend)
        .route("{ hostnames: [shop.example.test], rules: [{ path: /api, methods: [GET], backend: web }] }")
        .route("{ hostnames: [old.example.test], rules: [{ filters: [{ type: RequestRedirect, requestRedirect: { hostname: new.example.test, statusCode: 301 } }] }] }");
    let proxy = TestProxy::serving(&configuration).await;
    let mut client = proxy.https().await.named("shop.example.test");
    for _ in 0..3 {
        client.get("/api/x").await;
    }
    let routes = view(&proxy, "routes?q=example.test").await;
    assert_eq!(routes["total"], 2, "{routes}");
    let shop = routes["routes"].as_array().unwrap().iter().find(|route| route["hosts"] == json!(["shop.example.test"])).unwrap();
    assert_eq!((&shop["path"], &shop["conditions"], &shop["requests"]), (&json!("PathPrefix /api"), &json!(["method GET"]), &json!(3)));
    assert_eq!(shop["backends"], json!([{ "backend": "web", "weight": 1 }]));
    assert!(shop["place"].as_str().unwrap().contains("genkan.yaml:"), "{shop}");
    let old = routes["routes"].as_array().unwrap().iter().find(|route| route["hosts"] == json!(["old.example.test"])).unwrap();
    assert_eq!(old["answer"], "301: redirect to new.example.test");
    let page = view(&proxy, "routes?q=example.test&offset=1&limit=5").await;
    assert_eq!((&page["total"], page["routes"].as_array().unwrap().len()), (&json!(2), 1));
}

#[tokio::test]
async fn the_status_of_the_process_is_one_object() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = proxy.https().await;
    // Rates need a sample from before.
    wait_until("a rate", DEADLINE, async || {
        assert_eq!(client.get("/").await.status, 200);
        view(&proxy, "status").await["traffic"]["requestsPerSecond"].as_f64().unwrap() > 0.0
    })
    .await;
    let status = view(&proxy, "status").await;
    assert_eq!(
        (&status["ready"], &status["version"], &status["configuration"]["generation"]),
        (&json!(true), &json!(env!("CARGO_PKG_VERSION")), &json!(1))
    );
    assert_eq!((&status["endpoints"], &status["openConnections"]), (&json!({ "ready": 1, "total": 1 }), &json!(1)));
    let latency = &status["traffic"]["latencyMs"];
    assert!(latency["p50"].as_f64() > Some(0.0) && latency["p99"].as_f64() >= latency["p50"].as_f64(), "{latency}");
    assert!(status["checks"].as_array().unwrap().iter().all(|check| check["failure"].is_null()), "{status}");
}

#[tokio::test]
async fn a_bad_question_is_told_what_is_wrong_with_it() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let answer = proxy.admin("/api/v1/routes?limit=many").await;
    assert_eq!((answer.status, answer.text()), (400, "{\n  \"error\": \"limit is a whole number, not \\\"many\\\"\"\n}\n".to_owned()));
    let answer = proxy.admin("/api/v1/nothing").await;
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("/api/v1/failures  the last exchanges that went wrong\n"), "{}", answer.text());
}

#[tokio::test]
async fn the_command_tells_people_programs_and_those_who_know_the_clouds_shape() {
    let (one, mut two) = (TestBackend::start().await, TestBackend::start().await);
    let configuration = Configuration::of(&one).backend("two", &super::support::backend(two.address)).route("{ path: /two, backend: two }");
    let proxy = TestProxy::serving(&configuration).await;
    two.stop().await;
    proxy.wait_not_ready("two").await;
    let status = |format: &str| {
        let admin = proxy.admin_address().to_string();
        let output = Command::new(env!("CARGO_BIN_EXE_genkan")).args(["status", "--format", format, "--admin", &admin]).output().unwrap();
        assert!(output.status.success(), "it is ready, whatever its backends are: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (port, other) = (one.address.port(), two.address.port());
    for (format, words) in [
        (
            "text",
            &[
                "  ready\n",
                "generation 1, accepted\n",
                "endpoints      1 of 2 ready\n",
                "  web  1 of 1 ready\n",
                "  two  0 of 1 ready\n",
                "not ready since ",
            ][..],
        ),
        ("text", &[&format!("    127.0.0.1:{other}  not ready"), "connection refused"]),
        (
            "health",
            &["# 1 of 1 healthy", &format!("healthState: HEALTHY\n    ipAddress: \"127.0.0.1\"\n    port: {port}\n"), "healthState: UNHEALTHY\n"],
        ),
    ] {
        let told = status(format);
        for word in words {
            assert!(told.contains(word), "{word} is not in\n{told}");
        }
    }
    let json: Value = serde_json::from_str(&status("json")).unwrap();
    assert_eq!(
        (&json["status"]["ready"], json["backends"].as_array().unwrap().len(), &json["report"]["counts"]["errors"]),
        (&json!(true), 2, &json!(0))
    );
}

#[tokio::test]
async fn every_answer_is_as_the_document_says() {
    let backend = TestBackend::answering(|_| Reply::with(500, &[], "no")).await;
    let proxy = TestProxy::serving(&Configuration::of(&backend).route("{ hostnames: [shop.example.test], path: /api, backend: web }")).await;
    proxy.https().await.get("/broken").await;
    let document = view(&proxy, "openapi.json").await;
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 8);
    // That one has no end: see how exchanges are watched.
    for path in paths.keys().filter(|path| *path != "/api/v1/tap") {
        let pointer = path.replace('/', "~1");
        let mut schema = document.pointer(&format!("/paths/{pointer}/get/responses/200/content/application~1json/schema")).unwrap().clone();
        // References are to the document's root.
        schema["components"] = document["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let query = if path.ends_with("explain") { "?url=https://shop.example.test/api" } else { "" };
        let answer = view(&proxy, &format!("{}{query}", path.strip_prefix("/api/v1/").unwrap())).await;
        let wrong: Vec<String> = validator.iter_errors(&answer).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{path}: {wrong:#?}");
        assert!(validator.validate(&json!({})).is_err(), "{path}: the document asks for something");
    }
}

/// Where `genkan status` and the like ask.
fn ask(proxy: &TestProxy, command: &str, arguments: &[&str]) -> std::process::Output {
    let mut asking = super::support::command(proxy.directory.path());
    asking.arg(command).args(["--admin", &proxy.admin_address().to_string()]).args(arguments).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanges_are_watched_as_they_end_without_what_is_secret() {
    let backend = TestBackend::answering(|request| match request.head.target() {
        "/missing?password=1" => Reply::with(404, &[], "no"),
        _ => Reply::text("hello"),
    })
    .await;
    let configuration = Configuration::of(&backend).more("accessLog: { requestHeaders: [X-Tenant, Cookie], sampling: 0 }");
    let proxy = TestProxy::serving(&configuration).await;
    let mut client = proxy.https().await;
    let (admin, directory) = (proxy.admin_address().to_string(), proxy.directory.path().to_owned());
    let watching = tokio::task::spawn_blocking(move || {
        let mut tap = super::support::command(&directory);
        tap.args(["tap", "MISSING", "--status", "4xx", "--format", "json", "-n", "2", "--admin", &admin]).output().unwrap()
    });
    // It sees what ends from the moment on that it is there.
    wait_until("it has seen enough", DEADLINE, async || {
        client.request("GET", "/other", &[], b"").await;
        client.request("GET", "/missing?password=1", &[("x-tenant", "a"), ("cookie", "session=1")], b"").await;
        watching.is_finished()
    })
    .await;
    let output = watching.await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for line in &lines {
        assert_eq!((&line["path"], &line["status"], &line["backend"]), (&json!("/missing"), &json!(404), &json!("web")));
        assert_eq!(line["request_headers"], json!({ "x-tenant": "a", "cookie": "[redacted]" }));
    }
    assert!(!text.contains("password") && !text.contains("session"), "{text}");

    let wrong = tokio::task::block_in_place(|| ask(&proxy, "tap", &["--status", "9"]));
    assert!(wrong.status.code() == Some(2) && String::from_utf8_lossy(&wrong.stderr).contains("a status such as 404"), "{wrong:?}");
    assert_eq!(proxy.admin("/api/v1/tap?status=9").await.status, 400);

    // It does not end as if all were well when the process does.
    let (admin, directory) = (proxy.admin_address().to_string(), proxy.directory.path().to_owned());
    let mut tap = super::support::command(&directory).args(["tap", "--admin", &admin]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tap.stdout.take().unwrap()).lines();
    let first = tokio::task::spawn_blocking(move || lines.next().unwrap().unwrap());
    wait_until("it sees something", DEADLINE, async || {
        client.request("GET", "/other", &[], b"").await;
        first.is_finished()
    })
    .await;
    assert!(first.await.unwrap().contains("GET localhost/other"));
    drop(proxy);
    assert_eq!(tokio::task::spawn_blocking(move || tap.wait().unwrap()).await.unwrap().code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_busiest_routes_and_endpoints_are_shown() {
    let backend = TestBackend::start().await;
    let configuration = Configuration::of(&backend).route("{ hostnames: [shop.example.test], backend: web }");
    let proxy = TestProxy::serving(&configuration).await;
    let mut client = proxy.https().await.named("shop.example.test");
    let (admin, directory) = (proxy.admin_address().to_string(), proxy.directory.path().to_owned());
    let watching = tokio::task::spawn_blocking(move || {
        super::support::command(&directory).args(["top", "--interval", "1", "-n", "2", "--admin", &admin]).output().unwrap()
    });
    wait_until("both pictures are there", DEADLINE, async || {
        client.get("/").await;
        watching.is_finished()
    })
    .await;
    let output = watching.await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains('\u{1b}'), "no terminal, no control characters: {text:?}");
    let rate = |words: &str| text.lines().rfind(|line| line.contains(words)).unwrap().split_whitespace().next().unwrap().parse::<f64>().unwrap();
    assert!(rate("shop.example.test PathPrefix / > web") > 0.0 && rate(&backend.address.to_string()) > 0.0, "{text}");
    assert_eq!(text.matches(" requests/s ").count(), 2, "two pictures: {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_opens_the_views_and_a_socket_needs_none() {
    let backend = TestBackend::start().await;
    let configuration = Configuration::of(&backend).admin("token: { file: admin-token }, unixSocket: admin.sock");
    let proxy =
        TestProxy::start_in(&configuration, |directory, _| std::fs::write(directory.join("admin-token"), "correct-horse-battery\n").unwrap()).await;
    proxy.wait_ready("web").await;
    let directory = proxy.directory.path();
    for (path, status) in
        [("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/", 401), ("/api/v1/status", 401), ("/events?of=/", 401), ("/page.js", 401)]
    {
        let answer = proxy.admin(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.get("www-authenticate").is_some(), status == 401, "{path}");
    }
    std::fs::write(directory.join("wrong"), "correct-horse-batterx\n").unwrap();
    let run = |arguments: &[&str]| tokio::task::block_in_place(|| super::support::command(directory).arg("status").args(arguments).output().unwrap());
    let admin = proxy.admin_address().to_string();
    let socket = format!("unix:{}", directory.join("admin.sock").display());
    for (arguments, shown) in [
        (vec!["--admin", admin.as_str()], false),
        (vec!["--admin", admin.as_str(), "--token-file", "wrong"], false),
        (vec!["--admin", admin.as_str(), "--token-file", "admin-token"], true),
        (vec!["--admin", socket.as_str()], true),
    ] {
        let output = run(&arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("ready"), "whether it is ready, it tells everybody: {output:?}");
        assert_eq!(text.contains("\nbackends\n"), shown, "{arguments:?}: {text}");
        let health = run(&[&["--format", "health"], &*arguments].concat());
        assert_eq!((health.status.success(), health.stdout.is_empty()), (shown, !shown), "a program gets its shape, or nothing: {health:?}");
        assert!(shown || String::from_utf8_lossy(&health.stderr).contains("--token-file"), "{health:?}");
    }
    // A new token counts at once.
    std::fs::rename(directory.join("wrong"), directory.join("admin-token")).unwrap();
    assert!(String::from_utf8_lossy(&run(&["--format", "health", "--admin", &admin, "--token-file", "admin-token"]).stdout).contains("HEALTHY"));
}
