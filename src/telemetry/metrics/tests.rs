//! Metrics as a scraper sees them.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use http::{Method, Version};

use super::table::{Kind, TABLE};
use super::*;
use crate::model::{Diagnostic, EndpointState, Reason};
use crate::telemetry::fake::{self, Control, Proxy};

fn sample(route: Label, backend: Label, method: &Method) -> ExchangeSample<'_> {
    let (listener, reason) = (Label::NONE, None);
    let duration = Duration::from_millis(40);
    ExchangeSample {
        listener,
        route,
        backend,
        method,
        protocol: Version::HTTP_11,
        status: 200,
        from_backend: true,
        reason,
        status_details: Some("response_sent_by_backend"),
        duration,
        first_byte: Some(Duration::from_millis(30)),
        bytes_in: 3,
        bytes_out: 5,
    }
}

fn scrape(metrics: &Metrics) -> String {
    metrics.encode(Exposition::Text, &Control::default(), &Proxy::default(), Lost::default())
}

#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(text.lines().any(|l| l == line), "no line {line}\nin\n{text}");
}

/// One of everything.
fn everything(exposition: Exposition) -> String {
    let metrics = Metrics::new(2);
    let [https, shop, api] = ["https", "shop", "api"].map(|name| metrics.label(name));
    for worker in 0..2 {
        let worker = metrics.worker(worker);
        worker.exchange(&ExchangeSample { listener: https, ..sample(shop, api, &Method::GET) });
        worker.connection_opened(https);
        worker.exchange_begun(https);
    }
    let worker = metrics.worker(1);
    let failed =
        ExchangeSample { status: 503, from_backend: false, reason: Some("backend_full"), first_byte: None, ..sample(shop, api, &Method::POST) };
    worker.exchange(&ExchangeSample { duration: Duration::from_secs(11), ..failed });
    worker.exchange_begun(https);
    worker.connection_closed(https);
    worker.connection_event(ConnectionEvent::Panicked);
    worker.handshake(HandshakeOutcome::Complete { tls13: true, resumed: true }, Duration::from_micros(2_400));
    worker.handshake(HandshakeOutcome::Failed(HandshakeFailure::NoCertificate), Duration::from_secs(9));
    worker.retry(api, "response_closed");
    worker.ejection(api);
    worker.tunnel_opened();
    worker.tunnel_opened();
    worker.tunnel_closed();
    metrics.probe(api, true);
    metrics.probe(api, false);

    let mut control = Control::default();
    let not_after = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    control.snapshot.certificates.push(fake::certificate("/etc/tls", &["shop.test", "*.shop.test"], not_after));
    control.report.diagnostics.push(Diagnostic::warning(Reason::NoEndpoints, "none").into());
    let endpoints = vec![fake::endpoint("api", 1, EndpointState::Ready, 7), fake::endpoint("api", 2, EndpointState::NotReady, 0)];
    metrics.encode(exposition, &control, &Proxy { endpoints, ..Proxy::default() }, Lost { log_lines: 9, spans: 2 })
}

#[test]
fn everything_that_is_counted_is_shown() {
    let text = everything(Exposition::Text);
    for line in [
        r#"genkan_http_requests_total{listener="https",route="shop",backend="api",method="GET",code="200",protocol="HTTP/1.1",origin="backend"} 2"#,
        r#"genkan_http_requests_total{listener="",route="shop",backend="api",method="POST",code="503",protocol="HTTP/1.1",origin="proxy"} 1"#,
        r#"genkan_http_request_duration_seconds_bucket{route="shop",backend="api",code_class="2xx",protocol="HTTP/1.1",le="0.025"} 0"#,
        r#"genkan_http_request_duration_seconds_bucket{route="shop",backend="api",code_class="2xx",protocol="HTTP/1.1",le="0.05"} 2"#,
        r#"genkan_http_request_duration_seconds_bucket{route="shop",backend="api",code_class="5xx",protocol="HTTP/1.1",le="10"} 0"#,
        r#"genkan_http_request_duration_seconds_bucket{route="shop",backend="api",code_class="5xx",protocol="HTTP/1.1",le="+Inf"} 1"#,
        r#"genkan_http_request_duration_seconds_sum{route="shop",backend="api",code_class="2xx",protocol="HTTP/1.1"} 0.08"#,
        r#"genkan_http_request_duration_seconds_count{route="shop",backend="api",code_class="2xx",protocol="HTTP/1.1"} 2"#,
        r#"genkan_backend_first_byte_duration_seconds_bucket{backend="api",le="0.025"} 0"#,
        r#"genkan_backend_first_byte_duration_seconds_count{backend="api"} 2"#,
        r#"genkan_limits_reached_total{limit="backends[].limits"} 1"#,
        r#"genkan_limits_reached_total{limit="limits.connections"} 0"#,
        r#"genkan_worker_requests_total{worker="1"} 2"#,
        r#"genkan_worker_connections{worker="0"} 1"#,
        r#"genkan_tls_handshake_duration_seconds_bucket{le="0.0025"} 1"#,
        "genkan_tls_handshake_duration_seconds_count 1",
        r#"genkan_http_requests_in_flight{listener="https"} 1"#,
        r#"genkan_http_request_body_bytes_total{route="shop"} 9"#,
        r#"genkan_http_response_body_bytes_total{route="shop"} 15"#,
        r#"genkan_proxy_errors_total{reason="backend_full",route="shop"} 1"#,
        r#"genkan_connections{listener="https"} 1"#,
        r#"genkan_connections_accepted_total{listener="https"} 2"#,
        r#"genkan_connection_events_total{event="panicked"} 1"#,
        r#"genkan_connection_events_total{event="aborted"} 0"#,
        r#"genkan_tls_handshakes_total{version="1.3",resumed="true",result="complete"} 1"#,
        r#"genkan_tls_handshakes_total{version="",resumed="false",result="no_certificate"} 1"#,
        "genkan_tunnels 1",
        r#"genkan_backend_endpoints{backend="api",state="ready"} 1"#,
        r#"genkan_backend_endpoints{backend="api",state="unknown"} 0"#,
        r#"genkan_backend_endpoint_ready{backend="api",endpoint="127.0.0.1:2"} 0"#,
        r#"genkan_backend_endpoint_requests_in_flight{backend="api",endpoint="127.0.0.1:1"} 7"#,
        r#"genkan_backend_connections{backend="api",state="active"} 7"#,
        r#"genkan_backend_connections{backend="api",state="idle"} 2"#,
        r#"genkan_backend_retries_total{backend="api",reason="response_closed"} 1"#,
        r#"genkan_backend_ejections_total{backend="api"} 1"#,
        r#"genkan_health_probes_total{backend="api",result="failed"} 1"#,
        r#"genkan_certificate_not_after_timestamp_seconds{certificate="/etc/tls",name="*.shop.test"} 1800000000"#,
        "genkan_config_generation 1",
        "genkan_config_last_reload_successful 1",
        "genkan_config_last_reload_success_timestamp_seconds 1700000000.25",
        r#"genkan_config_findings{severity="warning"} 1"#,
        "genkan_access_log_dropped_total 9",
        "genkan_spans_dropped_total 2",
    ] {
        assert_line(&text, line);
    }
}

#[test]
fn no_row_of_the_table_is_forgotten() {
    let text = everything(Exposition::Text);
    for row in TABLE {
        let absent_here = !cfg!(target_os = "linux") && row.name.starts_with("process_");
        assert!(absent_here || text.contains(&format!("# TYPE {} {}\n", row.name, row.kind.as_str())), "{}", row.name);
        assert_eq!(row.kind == Kind::Counter, row.name.ends_with("_total"), "{}", row.name);
    }
}

/// What the specification asks for beyond the samples, which are the same.
#[test]
fn openmetrics_names_counters_without_their_suffix_and_says_where_it_ends() {
    let (text, open) = (everything(Exposition::Text), everything(Exposition::OpenMetrics));
    assert!(open.ends_with("\n# EOF\n"), "{open}");
    assert_line(&open, "# TYPE genkan_http_requests counter");
    assert_line(&open, "# TYPE genkan_connections gauge");
    assert_line(&open, "# TYPE genkan_http_request_duration_seconds histogram");
    let samples = |text: &str| text.lines().filter(|line| !line.starts_with(['#', 'p'])).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(samples(&text), samples(&open));
    // A family has one type: two of the same name would be a metric and a counter that differ by the suffix alone.
    let families: Vec<_> = open.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(families.iter().collect::<std::collections::HashSet<_>>().len(), families.len(), "{families:?}");
}

#[test]
fn who_asks_for_openmetrics_gets_it() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    assert_eq!(Exposition::wanted(prometheus), Exposition::OpenMetrics);
    assert!(["", "*/*", "text/plain", "text/plain, application/openmetrics"].iter().all(|accept| Exposition::wanted(accept) == Exposition::Text));
}

#[test]
fn label_values_are_escaped() {
    let metrics = Metrics::new(1);
    let hostile = metrics.label("a\"} 1\nforged{x=\"\\");
    metrics.worker(0).exchange(&sample(hostile, Label::NONE, &Method::GET));
    let text = scrape(&metrics);
    assert_line(&text, r#"genkan_http_response_body_bytes_total{route="a\"} 1\nforged{x=\"\\"} 5"#);
    assert!(!text.lines().any(|line| line.starts_with("forged")));
}

#[test]
fn clients_and_backends_cannot_make_series() {
    let metrics = Metrics::new(1);
    let worker = metrics.worker(0);
    let series = |metrics: &Metrics| scrape(metrics).lines().filter(|line| line.starts_with("genkan_http")).count();
    for n in 0..10_000_u32 {
        let method = Method::from_bytes(format!("METHOD{n}").as_bytes()).unwrap();
        worker.exchange(&sample(Label::NONE, Label::NONE, &method));
    }
    let one = series(&metrics);
    assert_line(
        &scrape(&metrics),
        r#"genkan_http_requests_total{listener="",route="",backend="",method="_OTHER",code="200",protocol="HTTP/1.1",origin="backend"} 10000"#,
    );
    for status in 0..=u16::MAX {
        worker.exchange(&ExchangeSample { status, ..sample(Label::NONE, Label::NONE, &Method::GET) });
    }
    // Some 70 statuses, and the buckets of ten classes of them.
    assert!(series(&metrics) < one + 300, "{}", series(&metrics));
}

#[test]
fn a_backend_without_endpoints_has_none_of_them() {
    let mut control = Control::default();
    control.snapshot.backends.push(Arc::new(crate::model::Backend {
        name: "empty".into(),
        readiness: crate::model::Readiness::Assumed,
        ..crate::model::Backend::default()
    }));
    let text = Metrics::new(1).encode(Exposition::Text, &control, &Proxy::default(), Lost::default());
    assert_line(&text, r#"genkan_backend_endpoints{backend="empty",state="ready"} 0"#);
}

#[test]
fn a_worker_past_the_last_is_still_counted() {
    let metrics = Metrics::new(0);
    metrics.worker(5).tunnel_opened();
    assert_line(&scrape(&metrics), "genkan_tunnels 1");
}

/// Where Prometheus' own tool is installed, it is asked.
#[test]
fn promtool_has_no_complaint() {
    let promtool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut promtool) = promtool else { return };
    promtool.stdin.take().unwrap().write_all(everything(Exposition::Text).as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
}
