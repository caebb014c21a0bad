//! Metrics as a scraper sees them.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use http::Method;

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
        status: 200,
        from_backend: true,
        reason,
        status_details: Some("response_sent_by_backend"),
        duration,
        bytes_in: 3,
        bytes_out: 5,
    }
}

fn scrape(metrics: &Metrics) -> String {
    metrics.encode(&Control::default(), &Proxy::default(), 0)
}

#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(text.lines().any(|l| l == line), "no line {line}\nin\n{text}");
}

/// One of everything.
fn everything() -> String {
    let metrics = Metrics::new(2);
    let [https, shop, api] = ["https", "shop", "api"].map(|name| metrics.label(name));
    for worker in 0..2 {
        let worker = metrics.worker(worker);
        worker.exchange(&ExchangeSample { listener: https, ..sample(shop, api, &Method::GET) });
        worker.connection_opened(https);
    }
    let worker = metrics.worker(1);
    let failed = ExchangeSample { status: 503, from_backend: false, reason: Some("failed_to_pick_backend"), ..sample(shop, api, &Method::POST) };
    worker.exchange(&ExchangeSample { duration: Duration::from_secs(11), ..failed });
    worker.connection_closed(https);
    worker.connection_event(ConnectionEvent::Panicked);
    worker.handshake(HandshakeOutcome::Complete { tls13: true, resumed: true });
    worker.handshake(HandshakeOutcome::Failed(HandshakeFailure::NoCertificate));
    worker.retry(api);
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
    metrics.encode(&control, &Proxy { endpoints, ..Proxy::default() }, 9)
}

#[test]
fn everything_that_is_counted_is_shown() {
    let text = everything();
    for line in [
        r#"genkan_http_requests_total{listener="https",route="shop",backend="api",method="GET",code="200",origin="backend"} 2"#,
        r#"genkan_http_requests_total{listener="",route="shop",backend="api",method="POST",code="503",origin="proxy"} 1"#,
        r#"genkan_http_request_duration_seconds_bucket{route="shop",backend="api",le="0.025"} 0"#,
        r#"genkan_http_request_duration_seconds_bucket{route="shop",backend="api",le="0.05"} 2"#,
        r#"genkan_http_request_duration_seconds_bucket{route="shop",backend="api",le="10"} 2"#,
        r#"genkan_http_request_duration_seconds_bucket{route="shop",backend="api",le="+Inf"} 3"#,
        r#"genkan_http_request_duration_seconds_sum{route="shop",backend="api"} 11.08"#,
        r#"genkan_http_request_duration_seconds_count{route="shop",backend="api"} 3"#,
        r#"genkan_http_request_body_bytes_total{route="shop"} 9"#,
        r#"genkan_http_response_body_bytes_total{route="shop"} 15"#,
        r#"genkan_proxy_errors_total{reason="failed_to_pick_backend",route="shop"} 1"#,
        r#"genkan_connections{listener="https"} 1"#,
        r#"genkan_connections_total{listener="https"} 2"#,
        r#"genkan_connection_events_total{event="panicked"} 1"#,
        r#"genkan_connection_events_total{event="aborted"} 0"#,
        r#"genkan_tls_handshakes_total{version="1.3",resumed="true",result="complete"} 1"#,
        r#"genkan_tls_handshakes_total{version="",resumed="false",result="no_certificate"} 1"#,
        "genkan_tunnels 1",
        r#"genkan_backend_endpoints{backend="api",state="ready"} 1"#,
        r#"genkan_backend_endpoints{backend="api",state="unknown"} 0"#,
        r#"genkan_backend_endpoint_ready{backend="api",endpoint="127.0.0.1:2"} 0"#,
        r#"genkan_backend_endpoint_requests_in_flight{backend="api",endpoint="127.0.0.1:1"} 7"#,
        r#"genkan_backend_retries_total{backend="api"} 1"#,
        r#"genkan_backend_ejections_total{backend="api"} 1"#,
        r#"genkan_health_probes_total{backend="api",result="failed"} 1"#,
        r#"genkan_certificate_not_after_timestamp_seconds{certificate="/etc/tls",name="*.shop.test"} 1800000000"#,
        "genkan_config_generation 1",
        "genkan_config_last_reload_successful 1",
        "genkan_config_last_reload_success_timestamp_seconds 1700000000.25",
        r#"genkan_config_findings{severity="warning"} 1"#,
        "genkan_access_log_dropped_total 9",
    ] {
        assert_line(&text, line);
    }
}

#[test]
fn no_row_of_the_table_is_forgotten() {
    let text = everything();
    for row in TABLE {
        let absent_here = !cfg!(target_os = "linux") && row.name.starts_with("process_");
        assert!(absent_here || text.contains(&format!("# TYPE {} {}\n", row.name, row.kind.as_str())), "{}", row.name);
        assert_eq!(row.kind == Kind::Counter, row.name.ends_with("_total"), "{}", row.name);
    }
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
        r#"genkan_http_requests_total{listener="",route="",backend="",method="_OTHER",code="200",origin="backend"} 10000"#,
    );
    for status in 0..=u16::MAX {
        worker.exchange(&ExchangeSample { status, ..sample(Label::NONE, Label::NONE, &Method::GET) });
    }
    assert!(series(&metrics) < one + 80, "{}", series(&metrics));
}

#[test]
fn a_backend_without_endpoints_has_none_of_them() {
    let mut control = Control::default();
    control.snapshot.backends.push(Arc::new(crate::model::Backend {
        name: "empty".into(),
        readiness: crate::model::Readiness::Assumed,
        ..crate::model::Backend::default()
    }));
    let text = Metrics::new(1).encode(&control, &Proxy::default(), 0);
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
    promtool.stdin.take().unwrap().write_all(everything().as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
}
