//! What goes wrong, one after the other: the log, the metrics and the status page say the same of each, in the same word.

use super::support::{Configuration, DEADLINE, Http1, KeyKind, Reply, TestBackend, TestProxy, Validity, backend, wait_until};

/// Where one and the same thing is to be seen.
struct Evidence {
    /// In a line of the access log, or else of the process's own.
    log: &'static str,
    /// Counted, or set, with these labels, to something above zero.
    metrics: &'static [(&'static str, &'static [(&'static str, &'static str)])],
    /// A view of the page, and what stands there.
    page: (&'static str, &'static str),
}

impl Evidence {
    async fn is_there(&self, proxy: &TestProxy, what: &str) {
        wait_until(&format!("{what}: {} in the log", self.log), DEADLINE, async || {
            let lines: Vec<String> = proxy.access_log().iter().chain(&proxy.log()).map(ToString::to_string).collect();
            lines.iter().any(|line| line.contains(self.log))
        })
        .await;
        for (name, labels) in self.metrics {
            wait_until(&format!("{what}: {name} {labels:?}"), DEADLINE, async || proxy.metric(name, labels).await > Some(0.0)).await;
        }
        let (path, words) = self.page;
        wait_until(&format!("{what}: {words} on {path}"), DEADLINE, async || proxy.admin(path).await.text().contains(words)).await;
    }
}

/// A request that fails.
struct Failing {
    what: &'static str,
    host: &'static str,
    target: &'static str,
    fields: &'static [(&'static str, &'static str)],
    /// More than 64 KiB of fields.
    large: bool,
    status: u16,
    evidence: Evidence,
}

const FAILING: &[Failing] = &[
    Failing {
        what: "nothing listens at the endpoint",
        host: "gone.test",
        target: "/refused",
        fields: &[],
        large: false,
        status: 502,
        evidence: Evidence {
            log: r#""reason":"failed_to_connect_to_backend""#,
            metrics: &[
                ("genkan_proxy_errors_total", &[("reason", "failed_to_connect_to_backend")]),
                ("genkan_http_requests_total", &[("backend", "gone"), ("code", "502"), ("origin", "proxy")]),
            ],
            page: ("/failures?q=/refused", "failed_to_connect_to_backend"),
        },
    },
    Failing {
        what: "no endpoint is ready",
        host: "sick.test",
        target: "/unready",
        fields: &[],
        large: false,
        status: 503,
        evidence: Evidence {
            log: r#""reason":"failed_to_pick_backend""#,
            metrics: &[("genkan_proxy_errors_total", &[("reason", "failed_to_pick_backend")])],
            page: ("/failures?q=/unready", "failed_to_pick_backend"),
        },
    },
    Failing {
        what: "no route is for the host",
        host: "unknown.test",
        target: "/lost",
        fields: &[],
        large: false,
        status: 404,
        evidence: Evidence {
            log: r#""reason":"no_route""#,
            metrics: &[("genkan_proxy_errors_total", &[("reason", "no_route")])],
            page: ("/failures?q=/lost", "no_route"),
        },
    },
    Failing {
        what: "the head is larger than it may be",
        host: "web.test",
        target: "/large",
        fields: &[],
        large: true,
        status: 431,
        evidence: Evidence {
            log: r#""reason":"request_head_too_large""#,
            metrics: &[
                ("genkan_proxy_errors_total", &[("reason", "request_head_too_large")]),
                ("genkan_limits_reached_total", &[("limit", "limits.requestHead")]),
            ],
            page: ("/failures?q=431", "request_head_too_large"),
        },
    },
    Failing {
        what: "the backend takes too long",
        host: "slow.test",
        target: "/slow",
        fields: &[],
        large: false,
        status: 504,
        evidence: Evidence {
            log: r#""reason":"backend_timeout""#,
            metrics: &[("genkan_proxy_errors_total", &[("reason", "backend_timeout")])],
            page: ("/failures?q=/slow", "backend_timeout"),
        },
    },
    Failing {
        what: "the client takes too long",
        host: "web.test",
        target: "/upload",
        fields: &[("content-length", "5")],
        large: false,
        status: 408,
        evidence: Evidence {
            log: r#""reason":"client_timed_out""#,
            metrics: &[("genkan_proxy_errors_total", &[("reason", "client_timed_out")])],
            page: ("/failures?q=/upload", "client_timed_out"),
        },
    },
];

async fn ask(proxy: &TestProxy, failing: &Failing) -> u16 {
    let mut client: Http1 = proxy.https().await;
    let large = "x".repeat(70_000);
    let mut fields = vec![("host", failing.host)];
    fields.extend(failing.fields);
    if failing.large {
        fields.push(("x-large", &large));
    }
    let mut head = format!("{} {} HTTP/1.1\r\n", if failing.fields.is_empty() { "GET" } else { "POST" }, failing.target);
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    client.send(format!("{head}\r\n").as_bytes()).await;
    client.answer().await.status
}

#[tokio::test]
async fn log_metrics_and_page_say_the_same_of_every_error() {
    let web = TestBackend::start().await;
    let sick = TestBackend::answering(|_| Reply::with(500, &[], "broken")).await;
    // It hears the request, and says nothing for as long as anybody waits.
    let slow = TestBackend::scripted(|exchange| async move {
        tokio::time::sleep(DEADLINE).await;
        Ok(exchange)
    })
    .await;
    let gone = TestBackend::not_listening(|exchange| async move { Ok(exchange) });
    let configuration = Configuration::default()
        .backend("web", &backend(web.address))
        .backend("gone", &format!("{{ endpoints: [\"{}\"], assumeReady: true }}", gone.address))
        .backend("sick", &format!("{{ endpoints: [\"{}\"], readinessProbe: {{ httpGet: {{ path: /state }}, periodSeconds: 1 }} }}", sick.address))
        .backend("slow", &format!("{{ endpoints: [\"{}\"], assumeReady: true, timeouts: {{ response: 300ms }} }}", slow.address))
        .route("{ hostnames: [web.test], backend: web }")
        .route("{ hostnames: [gone.test], backend: gone }")
        .route("{ hostnames: [sick.test], backend: sick }")
        .route("{ hostnames: [slow.test], backend: slow }")
        .more("timeouts: { requestBody: 300ms }");
    let mut proxy = TestProxy::start(&configuration).await;
    proxy.wait_ready("web").await;
    for failing in FAILING {
        assert_eq!(ask(&proxy, failing).await, failing.status, "{}", failing.what);
        failing.evidence.is_there(&proxy, failing.what).await;
    }
    // Those that are alike are counted, in words that need no manual.
    ask(&proxy, &FAILING[0]).await;
    let alike = "<b>2</b> 502 <code>failed_to_connect_to_backend</code> The endpoint took no connection";
    wait_until(alike, DEADLINE, async || proxy.admin("/failures").await.text().contains(alike)).await;

    // What goes wrong without a request.
    let probe = Evidence {
        log: "it answers 500",
        metrics: &[
            ("genkan_health_probes_total", &[("backend", "sick"), ("result", "failed")]),
            ("genkan_backend_endpoints", &[("backend", "sick"), ("state", "not_ready")]),
        ],
        page: ("/health?q=sick", "it answers 500"),
    };
    probe.is_there(&proxy, "a probe fails").await;
    let line = proxy.wait_log(&["endpoint is not ready", "sick"]).await;
    assert!(line.contains(r#""category":"readiness""#) && line.contains("it answers 500"), "{line}");

    let expired = proxy.certificates.leaf_of(&["localhost"], KeyKind::Ecdsa, Validity::Past);
    proxy.secret.swap(&expired);
    let certificate = Evidence {
        log: r#""reason":"CertificateExpired""#,
        metrics: &[("genkan_config_findings", &[("severity", "error")])],
        page: ("/report?q=CertificateExpired", "CertificateExpired"),
    };
    certificate.is_there(&proxy, "a certificate has expired").await;
    Evidence { page: ("/certificates", "expired"), ..certificate }.is_there(&proxy, "and is refused").await;
}
