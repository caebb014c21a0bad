//! Traces at a collector: a receiver that decodes what arrives with OpenTelemetry's own messages.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;

use super::support::{Configuration, DEADLINE, Reply, TestBackend, TestProxy, wait_until};

/// A collector, and the spans that it was sent.
struct Collector {
    backend: TestBackend,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    async fn start() -> Self {
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let taken = spans.clone();
        let backend = TestBackend::answering(move |seen| {
            assert_eq!((seen.head.target(), seen.head.get("content-type")), ("/v1/traces", Some("application/x-protobuf")));
            let request = ExportTraceServiceRequest::decode(&*seen.body).expect("it is OTLP");
            for resource in request.resource_spans {
                let name = &resource.resource.as_ref().unwrap().attributes[0];
                assert_eq!((name.key.as_str(), text(name.value.clone().and_then(|value| value.value))), ("service.name", Some("genkan".to_owned())));
                taken.lock().unwrap().extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
            Reply::text("")
        })
        .await;
        Self { backend, spans }
    }

    /// Waits for so many, oldest first.
    async fn wait(&self, count: usize) -> Vec<Span> {
        wait_until(&format!("{count} spans arrive"), DEADLINE, async || self.spans.lock().unwrap().len() >= count).await;
        let mut spans = self.spans.lock().unwrap().clone();
        spans.sort_by_key(|span| (span.start_time_unix_nano, span.kind));
        spans
    }
}

fn text(value: Option<Value>) -> Option<String> {
    match value? {
        Value::StringValue(text) => Some(text),
        Value::IntValue(number) => Some(number.to_string()),
        _ => None,
    }
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    text(span.attributes.iter().find(|pair| pair.key == key)?.value.clone()?.value)
}

/// The identifier of a span or a trace.
fn hex(bytes: &[u8]) -> String {
    match (<[u8; 8]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (Ok(span), _) => format!("{:016x}", u64::from_be_bytes(span)),
        (_, Ok(trace)) => format!("{:032x}", u128::from_be_bytes(trace)),
        _ => panic!("{bytes:?} is neither of a span nor of a trace"),
    }
}

#[tokio::test]
async fn an_exchange_is_a_span_with_one_below_it_for_each_try() {
    let collector = Collector::start().await;
    let web = TestBackend::start().await;
    let gone = TestBackend::not_listening(|exchange| async move { Ok(exchange) });
    let configuration = Configuration::default()
        .backend("web", &format!("{{ endpoints: [\"{}\", \"{}\"], assumeReady: true, loadBalancing: RoundRobin }}", gone.address, web.address))
        .more("defaultBackend: web")
        .more(&format!("tracing: {{ otlp: \"http://{}\" }}", collector.backend.address));
    let proxy = TestProxy::serving(&configuration).await;
    let mut client = proxy.https().await;
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    // In turn: one of two goes to the endpoint that is gone first.
    let fields = [("traceparent", &*format!("00-{trace}-{parent}-01"))];
    for _ in 0..2 {
        assert_eq!(client.request("GET", "/cart?secret=1", &fields, b"").await.status, 200);
    }
    wait_until("one of them was sent twice", DEADLINE, async || {
        collector.spans.lock().unwrap().iter().any(|span| attribute(span, "http.request.resend_count").as_deref() == Some("1"))
    })
    .await;
    let spans = collector.spans.lock().unwrap().clone();
    let again = spans.iter().find(|span| attribute(span, "http.request.resend_count").as_deref() == Some("1")).unwrap();
    let own = spans.iter().find(|span| span.span_id == again.parent_span_id).unwrap();
    let first = spans.iter().find(|span| span.parent_span_id == own.span_id && span.span_id != again.span_id).unwrap();

    assert!([own, first, again].iter().all(|span| hex(&span.trace_id) == trace), "they are in the client's trace");
    assert_eq!((hex(&own.parent_span_id).as_str(), own.kind), (parent, SpanKind::Server as i32));
    assert_eq!((first.kind, again.kind), (SpanKind::Client as i32, SpanKind::Client as i32));
    assert_eq!(own.name, format!("GET {}", attribute(own, "http.route").unwrap()));
    for (key, value) in [("http.response.status_code", "200"), ("url.path", "/cart"), ("genkan.backend", "web"), ("network.protocol.version", "1.1")]
    {
        assert_eq!(attribute(own, key).as_deref(), Some(value), "{own:?}");
    }
    assert_eq!(attribute(first, "error.type").as_deref(), Some("failed_to_connect_to_backend"));
    assert_eq!(first.status.as_ref().unwrap().code, 2);
    assert!(own.status.is_none() && again.status.is_none());
    assert_eq!(attribute(again, "server.address"), Some(web.address.to_string()));
    assert!(own.start_time_unix_nano <= first.start_time_unix_nano && first.end_time_unix_nano <= again.start_time_unix_nano);
    assert!(again.end_time_unix_nano <= own.end_time_unix_nano);
    assert!(!format!("{spans:?}").contains("secret"));
    // The backend hears of the try that it is.
    let heard: Vec<String> = web.requests().iter().map(|seen| seen.head.get("traceparent").unwrap().to_owned()).collect();
    assert!(heard.contains(&format!("00-{trace}-{}-01", hex(&again.span_id))), "{heard:?}");
}

#[tokio::test]
async fn who_records_is_decided_by_whoever_began_the_trace() {
    let collector = Collector::start().await;
    let web = TestBackend::answering(|seen| match seen.head.target() {
        "/broken" => Reply::with(500, &[], "no"),
        _ => Reply::text("hello"),
    })
    .await;
    let configuration =
        Configuration::of(&web).more(&format!("tracing: {{ otlp: \"http://{}/v1/traces\", sampling: 1 }}", collector.backend.address));
    let proxy = TestProxy::serving(&configuration).await;
    let mut client = proxy.https().await;
    let unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    client.request("GET", "/not-recorded", &[("traceparent", unsampled)], b"").await;
    client.request("GET", "/broken", &[], b"").await;
    let spans = collector.wait(2).await;
    assert_eq!(spans.iter().map(|span| span.kind).collect::<Vec<_>>(), [SpanKind::Server as i32, SpanKind::Client as i32], "{spans:?}");
    assert_eq!((attribute(&spans[0], "url.path").as_deref(), spans[0].parent_span_id.len()), (Some("/broken"), 0));
    assert!(spans.iter().all(|span| span.status.as_ref().is_some_and(|status| status.code == 2)), "{spans:?}");
    assert_eq!(
        web.requests().iter().find(|seen| seen.head.target() == "/not-recorded").unwrap().head.get("traceparent"),
        Some(unsampled),
        "passed on as it came"
    );
}

#[tokio::test]
async fn the_last_spans_leave_before_the_process_does() {
    let collector = Collector::start().await;
    let web = TestBackend::start().await;
    let configuration = Configuration::of(&web).more(&format!("tracing: {{ otlp: \"http://{}\" }}", collector.backend.address));
    let mut proxy = TestProxy::serving(&configuration).await;
    assert_eq!(proxy.https().await.get("/last").await.status, 200);
    proxy.signal(rustix::process::Signal::TERM);
    assert!(proxy.wait_exit(DEADLINE).await.success());
    let spans = collector.spans.lock().unwrap().clone();
    assert!(spans.iter().any(|span| attribute(span, "url.path").as_deref() == Some("/last")), "{spans:?}");
}
