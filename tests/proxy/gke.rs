//! Routes that behave as on GKE: the cloud's answers, its fields, its time limits, and its word for what became of each
//! exchange, every one of which is brought about here.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use genkan::model::{Action, Behaviour, Explain, Explained, Listener, Snapshot};

use super::support::edge::{self, Edge};
use super::support::{Answer, Http1, Reply, TestBackend};

/// Each path is a fault of its own.
async fn faulty() -> TestBackend {
    TestBackend::scripted(|mut exchange| async move {
        let target = exchange.head.target().to_owned();
        match &*target {
            "/stalls" => exchange.stall().await,
            "/closes" => exchange.close(),
            "/cut" | "/cut-by-client" => {
                exchange.wire.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await?;
                if target == "/cut" { exchange.close() } else { exchange.stall().await }
            }
            "/bad-head" => {
                exchange.reply(Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na")).await?;
                exchange.close()
            }
            "/bad-chunk" => {
                exchange.reply(Reply::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\nzz\r\n")).await?;
                exchange.close()
            }
            "/long-head" => {
                exchange.reply(Reply::with(200, &[("x-long", &"a".repeat(200_000))], "")).await?;
                exchange.close()
            }
            "/tunnel" | "/limited" => {
                exchange.wire.write("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n").await?;
                exchange.stall().await
            }
            "/no-tunnel" => {
                exchange.reply(Reply::with(403, &[], "no")).await?;
                Ok(exchange)
            }
            _ => {
                exchange.read_body().await?;
                exchange.reply(Reply::text("hello")).await?;
                Ok(exchange)
            }
        }
    })
    .await
}

fn route(name: &str, host: &str) -> genkan::model::Route {
    genkan::model::Route { request_timeout: Duration::from_millis(300), ..edge::route(name, host, Behaviour::Gke) }
}

/// A route with faults for every host of `example.test`, and one for each that needs a configuration of its own.
fn snapshot(web: &TestBackend, refusing: &TestBackend) -> Snapshot {
    let mut routes = vec![
        genkan::model::Route { request_timeout: Duration::MAX, ..route("web", "web.example.test") },
        genkan::model::Route { name: "timed".into(), limits_tunnels: true, ..route("web", "timed.example.test") },
        route("empty", "empty.example.test"),
        route("refusing", "refusing.example.test"),
        genkan::model::Route { action: Action::NotFound, ..route("gone", "gone.example.test") },
        genkan::model::Route { action: Action::Broken("as told".to_owned()), ..route("broken", "broken.example.test") },
    ];
    for route in &mut routes {
        route.plain_http = Some(genkan::model::PlainHttp::Redirect);
    }
    let mut empty = edge::backend("empty", web);
    empty.endpoints.clear();
    let listeners = vec![edge::https(), edge::http(None)];
    let backends = vec![edge::backend("web", web), empty, edge::backend("refusing", refusing)];
    let mut snapshot = edge::snapshot(listeners, vec![edge::set("", Behaviour::Gke, routes)], backends);
    snapshot.timeouts.request_body = Duration::from_millis(300);
    snapshot.limits.request_body = Some(1000);
    snapshot
}

async fn serving() -> (Edge, [TestBackend; 2]) {
    let web = faulty().await;
    let refusing = TestBackend::not_listening(|exchange| async { Ok(exchange) });
    (Edge::serving(snapshot(&web, &refusing)).await, [web, refusing])
}

/// What the client does after its request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Reads,
    /// It closes the connection once the backend has the request.
    Leaves,
    /// It closes the connection once it has the head of the answer.
    LeavesHalfWay,
}

use Then::{Leaves, LeavesHalfWay, Reads};

const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\n";

#[tokio::test]
async fn every_exchange_ends_in_the_clouds_word() {
    let (edge, [web, _refusing]) = serving().await;
    let long = format!("/{}", "a".repeat(40_000));
    let countless = format!("{}\r\n", "x-a: b\r\n".repeat(101));
    let loops = format!("via: {}1.1 genkan\r\n\r\n", "1.1 genkan, 1.1 other, ".repeat(7));
    let many = loops.replacen("1.1 genkan, ", "", 1);
    let (left, timed_out) = (0, 408);
    let upgrade_with_body = "connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 1\r\n\r\na";
    let cases: [(&str, u16, &str, &str, &str, &str, Then); 31] = [
        ("response_sent_by_backend", 200, "GET", "web", "/", "\r\n", Reads),
        ("response_sent_by_backend", 200, "GET", "web", &long, "\r\n", Reads),
        ("response_sent_by_backend", 200, "GET", "web", "/", &many, Reads),
        ("request_loop_detected", 502, "GET", "web", "/", &loops, Reads),
        ("upgrade_header_rejected", 400, "GET", "web", "/", upgrade_with_body, Reads),
        ("invalid_request_headers", 400, "GET", "web", "/{a}", "\r\n", Reads),
        ("invalid_request_headers", 400, "GET", "web", "/", "x-a: caf\u{e9}\r\n\r\n", Reads),
        ("invalid_request_headers", 400, "GET", "web", "/", "expect: something\r\n\r\n", Reads),
        ("failed_to_pick_backend", 502, "GET", "empty", "/", "\r\n", Reads),
        ("failed_to_connect_to_backend", 502, "GET", "refusing", "/", "\r\n", Reads),
        ("backend_timeout", 502, "GET", "timed", "/stalls", "\r\n", Reads),
        ("backend_timeout", 200, "GET", "timed", "/cut-by-client", "\r\n", LeavesHalfWay),
        ("backend_timeout", 101, "GET", "timed", "/limited", UPGRADE, Reads),
        ("backend_connection_closed_before_data_sent_to_client", 502, "POST", "web", "/closes", "content-length: 0\r\n\r\n", Reads),
        ("backend_connection_closed_after_partial_response_sent", 200, "GET", "web", "/cut", "\r\n", LeavesHalfWay),
        ("backend_response_corrupted", 502, "GET", "web", "/bad-head", "\r\n", Reads),
        ("backend_response_corrupted", 200, "GET", "web", "/bad-chunk", "\r\n", LeavesHalfWay),
        ("backend_response_headers_too_long", 502, "GET", "web", "/long-head", "\r\n", Reads),
        ("client_disconnected_before_any_response", left, "GET", "web", "/stalls", "\r\n", Leaves),
        ("client_disconnected_after_partial_response", 200, "GET", "web", "/cut-by-client", "\r\n", LeavesHalfWay),
        ("client_timed_out", timed_out, "POST", "web", "/", "content-length: 5\r\n\r\na", Reads),
        ("headers_too_long", 413, "GET", "web", "/", &countless, Reads),
        ("request_body_too_large", 413, "POST", "web", "/", "content-length: 1001\r\n\r\n", Reads),
        ("invalid_request_headers", 400, "GET", "web", "/", "host: other.example.test\r\n\r\n", Reads),
        ("malformed_chunked_body", 400, "POST", "web", "/", "transfer-encoding: chunked\r\n\r\nzz\r\n", Reads),
        ("unsupported_method", 400, "TRACE", "web", "/", "\r\n", Reads),
        ("websocket_closed", 101, "GET", "web", "/tunnel", UPGRADE, LeavesHalfWay),
        ("websocket_handshake_failed", 403, "GET", "web", "/no-tunnel", UPGRADE, Reads),
        ("direct_response", 404, "GET", "unknown", "/", "\r\n", Reads),
        ("direct_response", 404, "GET", "gone", "/", "\r\n", Reads),
        ("config_not_found", 502, "GET", "broken", "/", "\r\n", Reads),
    ];
    let cases_count = cases.len();
    for (count, (word, status, method, host, target, rest, then)) in cases.into_iter().enumerate() {
        let rest = if rest == UPGRADE { format!("{UPGRADE}\r\n") } else { rest.to_owned() };
        let requests = web.request_count();
        let mut client = edge.https().await;
        client.send(format!("{method} {target} HTTP/1.1\r\nhost: {host}.example.test\r\n{rest}")).await;
        match then {
            Reads => {
                let answer = client.wire.answer(method).await;
                assert_eq!(answer.as_ref().map(|answer| answer.status).ok(), Some(status), "{word} {target}: {answer:?}");
                if status == 101 {
                    client.closed().await;
                }
            }
            Leaves => {
                super::support::wait_until("the backend has it", super::support::DEADLINE, async || web.request_count() > requests).await;
                drop(client);
            }
            LeavesHalfWay if word.starts_with("client") || word.starts_with("websocket") => {
                assert_eq!(client.wire.answer_head().await.unwrap().status, status, "{word} {target}");
                drop(client);
            }
            LeavesHalfWay => {
                assert!(client.wire.answer(method).await.is_err(), "{word} {target}");
            }
        }
        let log = edge.wait_access_log(count + 1).await;
        let line = &log[count];
        assert_eq!((line["statusDetails"].as_str(), line["status"].as_u64()), (Some(word), Some(status.into())), "{line}");
    }
    let mut plain = Http1::plain(edge.listener("http")).await;
    plain.send("GET https://web.example.test/ HTTP/1.1\r\nhost: web.example.test\r\n\r\n").await;
    assert_eq!(plain.answer().await.status, 400);
    let log = edge.wait_access_log(cases_count + 1).await;
    assert_eq!(log[cases_count]["statusDetails"], "secure_url_rejected");
    let mut http2 = edge.client("https").named("web.example.test").http2().await;
    let request = http::Request::get("https://web.example.test/a%7Cb|c").body(()).unwrap();
    assert_eq!(http2.request(request, b"").await.unwrap().status, 400);
    let log = edge.wait_access_log(cases_count + 2).await;
    assert_eq!(log[cases_count + 1]["statusDetails"], "invalid_http2_client_request_path");

    let metrics = edge.metrics();
    for (word, times) in [("backend_timeout", 3), ("unsupported_method", 1), ("response_sent_by_backend", 3)] {
        let line = format!("genkan_gke_status_details_total{{status_details=\"{word}\"}} {times}");
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn the_clouds_answers_are_its_own_to_the_byte() {
    let (edge, _backends) = serving().await;
    let get = async |host: &str| edge.https().await.named(host).get("/").await;
    for host in ["unknown.test", "gone.example.test"] {
        let answer = get(host).await;
        assert_eq!((answer.status, answer.get("content-type")), (404, Some("text/plain; charset=utf-8")));
        assert_eq!(answer.text(), "response 404 (backend NotFound), service rules for the path non-existent \n");
    }
    for host in ["empty.example.test", "refusing.example.test", "broken.example.test"] {
        let answer = get(host).await;
        assert_eq!((answer.status, answer.get("retry-after")), (502, None), "{host}");
        assert!(answer.get("content-type").unwrap().starts_with("text/html"), "{host}");
        for part in ["<title>502 Server Error</title>", "<h1>Error: Server Error</h1>", "Please try again in 30 seconds.</h2>"] {
            assert!(answer.text().contains(part), "{host}: {part}");
        }
        assert!(answer.get("proxy-status").unwrap().starts_with("genkan; error="), "ours stays");
    }
    let answer = Http1::plain(edge.listener("http")).await.named("web.example.test").get("/").await;
    assert_eq!(answer.status, 308);
    let log = edge.wait_access_log(6).await;
    assert_eq!(log[5]["statusDetails"], "direct_response", "a redirect of ours");
}

#[tokio::test]
async fn heads_that_the_codec_refuses_get_the_clouds_status() {
    let web = TestBackend::start().await;
    let own = Listener { name: "own".to_owned(), route_set: "own".into(), ..edge::https() };
    let sets = vec![
        edge::set("", Behaviour::Gke, vec![edge::route("web", "", Behaviour::Gke)]),
        edge::set("own", Behaviour::Genkan, vec![edge::route("web", "", Behaviour::Genkan)]),
    ];
    let edge = Edge::serving(edge::snapshot(vec![edge::https(), own], sets, vec![edge::backend("web", &web)])).await;
    let long = "a".repeat(100_000);
    let ask = async |listener: &str, head: &str| -> Answer {
        let mut client = edge.client(listener).http1().await;
        // It may be answered, and closed, before all of it is written.
        let _ = client.wire.write(head).await;
        client.answer().await
    };
    let field = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-long: {long}\r\n\r\n");
    let target = format!("GET /{long} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let malformed = "GET / HTTP/1.1\r\nhost localhost\r\n\r\n";
    let no_token = "G(ET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let quoted = "GET / HTTP/1.1\r\nhost: localhost\r\nx\"a: b\r\n\r\n";
    for (head, cloud, ours) in [(&*field, 413, 431), (&*target, 413, 414), (malformed, 400, 400), (no_token, 400, 400), (quoted, 400, 400)] {
        let answer = ask("https", head).await;
        assert_eq!((answer.status, answer.get("connection")), (cloud, Some("close")));
        assert!(answer.get("proxy-status").is_some());
        assert_eq!(ask("own", head).await.status, ours);
    }
    let mut kept = edge.https().await;
    assert_eq!(kept.get("/").await.status, 200);
    assert_eq!(kept.raw(malformed).await.status, 400, "the second head of a connection");

    let mut http2 = edge.client("https").http2().await;
    let request = http2.head("GET", "/").header("x-long", &long).body(()).unwrap();
    assert_eq!(http2.request(request, b"").await.unwrap().status, 413);
    let metrics = edge.metrics();
    for line in ["{status_details=\"headers_too_long\"} 3", "{status_details=\"invalid_request_headers\"} 4"] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn a_backend_is_told_what_the_cloud_tells() {
    let (edge, [web, _refusing]) = serving().await;
    let mut client = edge.https().await.named("web.example.test");
    let local = edge.listener("https").ip();
    let valid = "105445aa7843bc8bf206b12000100000/1;o=1";
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (fields, cloud_trace) in [
        (vec![("x-cloud-trace-context", valid), ("traceparent", trace)], valid),
        (vec![("x-cloud-trace-context", "forged"), ("traceparent", trace)], "4bf92f3577b34da6a3ce929d0e0e4736/67667974448284343;o=1"),
        (vec![("traceparent", trace)], "4bf92f3577b34da6a3ce929d0e0e4736/67667974448284343;o=1"),
    ] {
        let fields = [fields, vec![("x-forwarded-for", "192.0.2.1")]].concat();
        assert_eq!(client.request("GET", "/", &fields, b"").await.status, 200);
        let seen = web.last_request().head;
        assert_eq!(seen.all("x-forwarded-for"), [format!("127.0.0.1,{local}")], "nobody is trusted");
        assert_eq!(seen.all("x-cloud-trace-context"), [cloud_trace]);
        assert_eq!((seen.get("via"), seen.get("traceparent")), (Some("1.1 genkan"), Some(trace)));
    }
}

#[tokio::test]
async fn only_a_route_that_says_so_limits_its_tunnels() {
    let web = TestBackend::tunnel().await;
    let limited = genkan::model::Route { limits_tunnels: true, ..route("web", "limited.example.test") };
    let sets = vec![edge::set("", Behaviour::Gke, vec![limited, route("web", "free.example.test")])];
    let edge = Edge::serving(edge::snapshot(vec![edge::https()], sets, vec![edge::backend("web", &web)])).await;
    let open = async |host: &str| -> io::Result<Http1> {
        let mut client = edge.https().await.named(host);
        let answer = client.try_request("GET", "/", &[("connection", "upgrade"), ("upgrade", "websocket")], b"").await?;
        assert_eq!(answer.status, 101);
        Ok(client)
    };
    let (mut free, mut limited) = (open("free.example.test").await.unwrap(), open("limited.example.test").await.unwrap());
    limited.closed().await;
    free.send("still here").await;
    let mut heard = Vec::new();
    free.wire.exactly(10, &mut |bytes: &[u8]| heard.extend_from_slice(bytes)).await.unwrap();
    assert_eq!(heard, b"still here");
}

struct Explanation;

impl Explain for Explanation {
    fn explain(&self, request: &Explained<'_>) -> String {
        assert!(request.client == IpAddr::from([127, 0, 0, 1]) && request.headers.contains_key("x-field"));
        let Explained { listener, tls, server_name, method, host, target, .. } = request;
        format!("{listener} {tls} {server_name:?} {method} {host} {target}\n")
    }
}

#[tokio::test]
async fn errors_are_explained_where_somebody_can() {
    let (web, refusing) = (faulty().await, TestBackend::not_listening(|exchange| async { Ok(exchange) }));
    let edge = Edge::with(snapshot(&web, &refusing), |_, (_, options)| options.explainer = Some(Arc::new(Explanation))).await;
    let get = async |host: &str| edge.https().await.named(host).request("GET", "/a?b=%3Ci%3E", &[("x-field", "1")], b"").await;
    for host in ["unknown.test:8443", "empty.example.test"] {
        let answer = get(host).await;
        assert!(answer.text().ends_with(&format!("https true Some(\"localhost\") GET {host} /a?b=%3Ci%3E\n")), "{}", answer.text());
        assert_eq!(answer.get("content-type"), Some("text/plain; charset=utf-8"), "what a client sent is never HTML");
    }
    assert_eq!(get("web.example.test").await.text(), "hello", "nothing else is");
    let answer = Http1::plain(edge.listener("http")).await.named("web.example.test").request("GET", "/", &[("x-field", "1")], b"").await;
    assert!(answer.status == 308 && !answer.text().contains("true"), "a redirect is no error");
}
