use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::control::yaml::{self, Key, Kind as NodeKind, Span};

fn reading(text: &str) -> Reading {
    let nodes = yaml::parse(text, 0).unwrap();
    assert_eq!(nodes.len(), 1, "{text}");
    read(&nodes[0])
}

fn object(text: &str) -> Manifest {
    let mut reading = reading(text);
    assert_eq!((reading.objects.len(), reading.findings.len()), (1, 0), "{text}: {:?}", reading.findings);
    reading.objects.remove(0)
}

fn reasons(findings: &[Finding]) -> Vec<Reason> {
    findings.iter().map(|finding| finding.reason).collect()
}

macro_rules! body {
    ($kind:ident, $text:expr) => {{
        let manifest = object($text);
        let Body::$kind(body) = manifest.body else { panic!("another kind: {:?}", manifest.body) };
        (body, manifest.findings)
    }};
}

fn ingress(spec: &str) -> (Ingress, Vec<Finding>) {
    body!(Ingress, &format!("{{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {{name: a}}, spec: {spec}}}"))
}

fn service(spec: &str) -> (Service, Vec<Finding>) {
    body!(Service, &format!("{{apiVersion: v1, kind: Service, metadata: {{name: a}}, spec: {spec}}}"))
}

fn backend_config(spec: &str) -> (BackendConfig, Vec<Finding>) {
    body!(BackendConfig, &format!("{{apiVersion: cloud.google.com/v1, kind: BackendConfig, metadata: {{name: a}}, spec: {spec}}}"))
}

/// A value for each row of the tables that asks for something.
const SAMPLES: &[(&str, &str)] = &[
    ("kubernetes.io/ingress.class", "gce"),
    ("kubernetes.io/ingress.allow-http", "'false'"),
    ("ingress.gcp.kubernetes.io/pre-shared-cert", "'one, two'"),
    ("cloud.google.com/neg", r#"'{"ingress": true}'"#),
    ("cloud.google.com/backend-config", r#"'{"default": "conf"}'"#),
    ("beta.cloud.google.com/backend-config", r#"'{"ports": {"80": "conf"}}'"#),
    ("cloud.google.com/app-protocols", r#"'{"web": "HTTP2"}'"#),
    ("service.alpha.kubernetes.io/app-protocols", r#"'{"web": "HTTPS"}'"#),
    ("redirectToHttps.enabled", "true"),
    ("redirectToHttps.responseCodeName", "FOUND"),
    ("sessionAffinity.affinityType", "CLIENT_IP"),
    ("healthCheck.requestPath", "/ready"),
    ("healthCheck.type", "HTTPS"),
    ("customRequestHeaders.headers", "['X-Client: {client_ip_address}']"),
    ("customResponseHeaders.headers", "['X-Served-By: edge']"),
    ("logging.enable", "false"),
    ("logging.sampleRate", "0.5"),
    ("securityPolicy", "{name: armor}"),
    ("iap", "{enabled: true}"),
    ("cdn", "{enabled: true}"),
];

fn sample(path: &str) -> &'static str {
    let listed = SAMPLES.iter().find(|(known, _)| *known == path).map(|(_, value)| *value);
    listed.unwrap_or(if path.ends_with("Sec") || path.contains("hreshold") || path.ends_with("port") { "5" } else { "name" })
}

/// `a.b` set to a value, as flow mappings.
fn nested(path: &str, value: &str) -> String {
    path.rsplit('.').fold(value.to_owned(), |inner, key| format!("{{{key}: {inner}}}"))
}

#[test]
fn no_field_of_a_table_is_dropped_silently() {
    let annotated = |kind: &str, path: &str| {
        let of = |annotations: &str| format!("{{apiVersion: {kind}, metadata: {{name: a, annotations: {{{annotations}}}}}, spec: {{}}}}");
        (object(&of("")), object(&of(&format!("{path:?}: {}", sample(path)))))
    };
    let specified = |kind: &str, path: &str| {
        let of = |spec: &str| format!("{{apiVersion: {kind}, metadata: {{name: a}}, spec: {spec}}}");
        (object(&of("{}")), object(&of(&nested(path, sample(path)))))
    };
    let mut paths = BTreeSet::new();
    let mut silent = Vec::new();
    let mut check = |path: &'static str, (before, after): (Manifest, Manifest)| {
        paths.insert(path);
        if before.body == after.body && after.findings.is_empty() {
            silent.push(path);
        }
    };
    for field in ingress::FIELDS {
        check(field.path, annotated("networking.k8s.io/v1, kind: Ingress", field.path));
    }
    for field in service::FIELDS {
        check(field.path, annotated("v1, kind: Service", field.path));
    }
    for field in frontend_config::FIELDS {
        check(field.path, specified("networking.gke.io/v1beta1, kind: FrontendConfig", field.path));
    }
    for field in backend_config::FIELDS {
        check(field.path, specified("cloud.google.com/v1, kind: BackendConfig", field.path));
    }
    assert_eq!(silent, Vec::<&str>::new());
    let strays: Vec<_> = SAMPLES.iter().filter(|(path, _)| !paths.contains(path)).collect();
    assert!(strays.is_empty(), "samples for rows that are not there: {strays:?}");
    assert!(paths.iter().all(|path| reference().contains(path)), "the reference page lacks a row");
}

#[test]
fn what_is_applied_as_in_the_cloud_needs_no_words() {
    let spec = "{timeoutSec: '40', connectionDraining: {drainingTimeoutSec: 9}, sessionAffinity: {affinityType: GENERATED_COOKIE, \
        affinityCookieTtlSec: 50}, healthCheck: {checkIntervalSec: 7, timeoutSec: 3, healthyThreshold: 2, unhealthyThreshold: 4, port: 8081, \
        requestPath: /r, type: HTTP}, customRequestHeaders: {headers: ['X-A: b:c']}, logging: {enable: true, sampleRate: 0.25}}";
    let (config, findings) = backend_config(spec);
    assert_eq!(findings, []);
    assert_eq!((config.timeout_sec, config.draining_timeout_sec, config.log_sample_rate), (Some(40), Some(9), Some(250_000)));
    assert_eq!(config.affinity, Some(Affinity { kind: AffinityKind::GeneratedCookie, cookie_ttl_sec: Some(50) }));
    let check = HealthCheck {
        interval: Some(7),
        timeout: Some(3),
        healthy: Some(2),
        unhealthy: Some(4),
        port: Some(8081),
        path: Some("/r".to_owned()),
        kind: Some(AppProtocol::Http),
    };
    assert_eq!(config.health_check, Some(check));
    assert_eq!(config.request_headers[0].value, ("X-A".to_owned(), "b:c".to_owned()));
}

#[test]
fn backend_configs_are_refused_in_the_words_of_the_cloud() {
    for (spec, invalid) in [
        ("{sessionAffinity: {affinityType: IP}}", "unsupported AffinityType: IP, should be one of NONE, CLIENT_IP, or GENERATED_COOKIE"),
        ("{sessionAffinity: {affinityCookieTtlSec: 86401}}", "unsupported AffinityCookieTtlSec: 86401, should be between 0 and 86400"),
        ("{sessionAffinity: {affinityCookieTtlSec: -1}}", "unsupported AffinityCookieTtlSec: -1, should be between 0 and 86400"),
        ("{logging: {enable: true, sampleRate: 1.5}}", "unsupported SampleRate: 1.5, should be between 0.0 and 1.0"),
        ("{iap: {enabled: true}, cdn: {enabled: true}}", "iap and cdn cannot be enabled at the same time"),
    ] {
        assert_eq!(backend_config(spec).0.invalid.as_deref(), Some(invalid), "{spec}");
    }
}

#[test]
fn each_feature_without_meaning_is_told_once_and_only_if_it_is_on() {
    let (_, findings) = backend_config("{cdn: {enabled: true, cachePolicy: {includeHost: true}, cacheMode: X}, securityPolicy: {name: a}}");
    assert_eq!(reasons(&findings), [Reason::NotApplied, Reason::NotApplied]);
    assert_eq!(backend_config("{cdn: {enabled: false}, iap: {enabled: 'false'}}").1, []);
}

#[test]
fn logging_is_off_unless_it_is_switched_on() {
    for (spec, rate, findings) in [
        ("{}", None, 0),
        ("{logging: {enable: true}}", None, 0),
        ("{logging: {enable: false, sampleRate: 0.5}}", Some(0), 0),
        ("{logging: {sampleRate: 0.5, enable: false}}", Some(0), 0),
        ("{logging: {sampleRate: 0.5}}", Some(0), 1),
    ] {
        let (config, found) = backend_config(spec);
        assert_eq!((config.log_sample_rate, found.len()), (rate, findings), "{spec}");
    }
}

#[test]
fn ingresses_of_every_version_say_the_same() {
    let of = |version: &str, name: &str, backend: &str| {
        let text = format!(
            "{{apiVersion: {version}, kind: Ingress, metadata: {{name: a}}, spec: {{{name}: {backend}, rules: [{{host: a.test, http: {{paths: \
             [{{path: /, backend: {backend}}}]}}}}]}}}}"
        );
        body!(Ingress, &text)
    };
    let new = of("networking.k8s.io/v1", "defaultBackend", "{service: {name: web, port: {number: '80'}}}");
    let old = of("extensions/v1beta1", "backend", "{serviceName: web, servicePort: 80}");
    assert_eq!(new, old);
    assert_eq!(new.1, []);
    let backend = new.0.default_backend.unwrap().value;
    assert_eq!(backend, IngressBackend::Service { name: "web".to_owned(), port: Some(PortRef::Number(80)) });
    let named = of("networking.k8s.io/v1beta1", "backend", "{serviceName: web, servicePort: http}").0.default_backend.unwrap().value;
    assert_eq!(named, IngressBackend::Service { name: "web".to_owned(), port: Some(PortRef::Name("http".to_owned())) });
}

#[test]
fn an_odd_field_is_told_and_the_rest_is_read() {
    let rest = "rules: [{host: a.test}]";
    for (odd, reason) in [
        ("tls: [{hosts: [[a], b.test], secretName: s}]", Reason::InvalidValue),
        ("tls: {secretName: s}", Reason::InvalidValue),
        ("ingressClassName: {a: b}", Reason::InvalidValue),
        ("ingressclassname: gce", Reason::UnknownField),
        ("defaultbackend: {}", Reason::UnknownField),
        ("defaultBackend: {serviceName: a, servicePort: [80]}", Reason::InvalidValue),
        ("defaultBackend: {servicename: a}", Reason::UnknownField),
        ("defaultBackend: {service: {name: a, port: {number: http}}}", Reason::InvalidValue),
        ("tls: [{secretname: s}]", Reason::UnknownField),
        ("tls: [{secretName: <SECRET>}]", Reason::UnfilledPlaceholder),
    ] {
        let (ingress, findings) = ingress(&format!("{{{odd}, {rest}}}"));
        assert_eq!(reasons(&findings), [reason], "{odd}: {findings:?}");
        assert_ne!(findings[0].span.line, 0, "{odd}");
        assert_eq!(ingress.rules.len(), 1, "{odd}");
    }
    let (ingress, findings) = ingress(&format!("{{{rest}, somethingElse: 5, nothing: ~}}"));
    assert_eq!((ingress.rules.len(), findings.len()), (1, 0));
}

#[test]
fn services_from_a_cluster_have_nothing_odd() {
    let (service, findings) = service(
        "{type: NodePort, clusterIP: None, clusterIPs: [None], externalIPs: [192.0.2.1], internalTrafficPolicy: Cluster, ipFamilies: [IPv4], \
         sessionAffinity: None, ports: [{name: web, port: '80', targetPort: '8080', nodePort: 30000, protocol: TCP, appProtocol: http}, {port: 81}]}",
    );
    assert_eq!(findings, []);
    assert_eq!((service.kind, service.cluster_ip_none), (ServiceType::NodePort, true));
    let targets: Vec<_> = service.ports.iter().map(|port| (port.port, port.target.clone())).collect();
    assert_eq!(targets, [(80, PortRef::Number(8080)), (81, PortRef::Number(81))]);
}

#[test]
fn what_is_odd_in_a_service_is_told() {
    for (spec, reason) in [
        ("{type: Loadbalancer}", Reason::InvalidValue),
        ("{ports: [{port: 80, targetPort: {a: b}}]}", Reason::InvalidValue),
        ("{ports: [{port: 80, targetport: web}]}", Reason::UnknownField),
        ("{ports: [{port: 70000}]}", Reason::InvalidValue),
        ("{selector: web}", Reason::InvalidValue),
    ] {
        assert_eq!(reasons(&service(spec).1), [reason], "{spec}");
    }
}

#[test]
fn annotations_that_do_nothing_are_told_by_what_they_are() {
    let ingress = |annotation: &str| {
        let text = format!("{{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {{name: a, annotations: {{{annotation}: 'x'}}}}}}");
        let findings = object(&text).findings;
        findings.first().map(|finding| (finding.severity, finding.reason, finding.help.clone().unwrap_or_default()))
    };
    for (name, severity, reason, help) in [
        ("kubernetes.io/ingress.allow_http", Severity::Warning, Reason::UnknownAnnotation, "did you mean kubernetes.io/ingress.allow-http?"),
        (
            "networking.gke.io/managed-certificate",
            Severity::Warning,
            Reason::UnknownAnnotation,
            "did you mean networking.gke.io/managed-certificates?",
        ),
        ("cloud.google.com/backend-config", Severity::Warning, Reason::NotApplied, "move it to the Service"),
        ("nginx.ingress.kubernetes.io/proxy-body-size", Severity::Warning, Reason::NotApplied, "the same thing here: limits.requestBody"),
        ("nginx.ingress.kubernetes.io/mirror-uri", Severity::Warning, Reason::NotApplied, ""),
        // Of the controller before nginx's; it is not among what the cloud writes under the same prefix.
        ("ingress.kubernetes.io/rewrite-target", Severity::Warning, Reason::NotApplied, "genkan has nothing for it yet"),
        ("ingress.gcp.kubernetes.io/instance-groups", Severity::Note, Reason::NotApplied, ""),
    ] {
        assert_eq!(ingress(name), Some((severity, reason, help.to_owned())), "{name}");
    }
    for name in ["ingress.kubernetes.io/backends", "ingress.kubernetes.io/url-map", "example.test/allow-http-traffic", "kubectl.kubernetes.io/x"] {
        assert_eq!(ingress(name), None, "{name}");
    }
}

#[test]
fn placeholders_in_the_annotations_of_strangers_are_theirs() {
    let with = |name: &str| {
        object(&format!("{{apiVersion: v1, kind: Service, metadata: {{name: a, annotations: {{{name}: '{{\"a\": \"<NAME>\"}}'}}}}}}")).findings
    };
    assert_eq!(with("kubectl.kubernetes.io/last-applied-configuration"), []);
    assert!(reasons(&with("cloud.google.com/app-protocols")).contains(&Reason::UnfilledPlaceholder));
}

#[test]
fn annotations_of_services_win_as_in_the_cloud() {
    let options = |annotations: &str| {
        body!(Service, &format!("{{apiVersion: v1, kind: Service, metadata: {{name: a, annotations: {{{annotations}}}}}}}")).0.options
    };
    let ga = r#"cloud.google.com/backend-config: '{"default": "ga"}'"#;
    let beta = r#"beta.cloud.google.com/backend-config: '{"default": "beta", "ports": {"80": "x"}}'"#;
    let new = r#"cloud.google.com/app-protocols: '{"a": "HTTP", "b": "HTTPS"}'"#;
    let alpha = r#"service.alpha.kubernetes.io/app-protocols: '{"a": "HTTP2"}'"#;
    for order in [format!("{ga}, {beta}, {new}, {alpha}"), format!("{alpha}, {new}, {beta}, {ga}")] {
        let options = options(&order);
        assert_eq!(options.backend_configs.default.map(|name| name.value).as_deref(), Some("ga"), "{order}");
        assert!(options.backend_configs.ports.is_empty(), "{order}");
        assert_eq!(options.app_protocols.into_iter().collect::<Vec<_>>(), [("a".to_owned(), AppProtocol::Http2)], "{order}");
    }
    assert_eq!(options(r#"cloud.google.com/neg: '{"ingress": false}'"#).neg, Some(false));
}

#[test]
fn endpoints_are_ready_unless_it_is_said_that_they_are_not() {
    let text = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: a, labels: {kubernetes.io/service-name: web}}, \
        ports: [{name: '', port: 80}], endpoints: [{addresses: [192.0.2.1]}, {addresses: [192.0.2.2], conditions: {ready: ~}}, \
        {addresses: [192.0.2.3], conditions: {ready: 'false', serving: true, terminating: true}}, {addresses: [192.0.2.4], conditions: {ready: false}}]}";
    let (set, findings) = body!(EndpointSlice, text);
    assert_eq!((set.service.as_str(), findings.len()), ("web", 0));
    assert_eq!(set.groups[0].ports, [(None, 80)]);
    let states: Vec<_> = set.groups[0].endpoints.iter().map(|endpoint| (endpoint.ready, endpoint.serving, endpoint.terminating)).collect();
    assert_eq!(states, [(true, true, false), (true, true, false), (false, true, true), (false, false, false)]);

    let text = "{apiVersion: v1, kind: Endpoints, metadata: {name: web}, subsets: [{addresses: [{ip: 192.0.2.1}], \
        notReadyAddresses: [{ip: 192.0.2.2}], ports: [{port: 80}]}]}";
    let ready: Vec<bool> = body!(Endpoints, text).0.groups[0].endpoints.iter().map(|endpoint| endpoint.ready).collect();
    assert_eq!(ready, [true, false]);
}

#[test]
fn probes_are_read_as_written() {
    let probe = |probe: &str| {
        let text = format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: a, labels: {{app: outer}}}}, spec: {{template: {{metadata: {{labels: \
             {{app: web}}}}, spec: {{initContainers: [{{name: i}}], containers: [{{name: c, image: i, args: [], env: [], tty: true, \
             livenessProbe: {{}}, startupProbe: {{}}, ports: [{{name: http, containerPort: 8080, hostPort: 1}}], readinessProbe: {probe}}}]}}}}}}}}"
        );
        let (workload, findings) = body!(Workload, &text);
        assert_eq!((workload.labels.get("app").map(String::as_str), workload.containers.len()), (Some("web"), 1));
        (workload.containers[0].probe.clone().map(|probe| probe.value), reasons(&findings))
    };
    let get =
        |path: &str, port| ContainerProbeAction::HttpGet { path: path.to_owned(), port, scheme: "HTTP".to_owned(), host: None, headers: Vec::new() };
    let none = ContainerProbe { action: ContainerProbeAction::Exec, initial_delay: None, period: None, timeout: None, success: None, failure: None };
    for (text, expected) in [
        ("{httpGet: {port: http}}", ContainerProbe { action: get("/", PortRef::Name("http".to_owned())), ..none.clone() }),
        (
            "{httpGet: {path: r, port: '8080'}, periodSeconds: '5', timeoutSeconds: 2, initialDelaySeconds: 1, successThreshold: 1, failureThreshold: 3}",
            ContainerProbe {
                action: get("r", PortRef::Number(8080)),
                initial_delay: Some(1),
                period: Some(5),
                timeout: Some(2),
                success: Some(1),
                failure: Some(3),
            },
        ),
        (
            "{tcpSocket: {port: 1}}",
            ContainerProbe { action: ContainerProbeAction::TcpSocket { port: PortRef::Number(1), host: None }, ..none.clone() },
        ),
        ("{exec: {command: [a]}}", none.clone()),
        ("{grpc: {port: 1}}", ContainerProbe { action: ContainerProbeAction::Grpc, ..none.clone() }),
    ] {
        assert_eq!(probe(text), (Some(expected), Vec::new()), "{text}");
    }
    assert_eq!(probe("{httpGet: {path: /}}"), (None, vec![Reason::MissingField]));
    assert_eq!(probe("{httpGet: {path: /, port: {a: b}}}").1, [Reason::InvalidValue, Reason::MissingField]);
}

#[test]
fn secrets_are_decoded_and_never_shown() {
    let (secret, findings) = body!(
        Secret,
        "{apiVersion: v1, kind: Secret, type: kubernetes.io/tls, metadata: {name: a}, data: {a: aGVsbG8=, b: '!', c: aGVsbG8=, d: ~, e: [x]}, \
         stringData: {c: topsecret}}"
    );
    assert_eq!((secret.kind.as_str(), findings.len()), ("kubernetes.io/tls", 0));
    let data: Vec<_> = secret.data.iter().map(|(key, value)| (key.as_str(), value.value.as_deref().ok())).collect();
    let expected: [(&str, Option<&[u8]>); 5] = [("a", Some(b"hello")), ("b", None), ("c", Some(b"topsecret")), ("d", Some(b"")), ("e", None)];
    assert_eq!(data, expected);
    assert!(!format!("{secret:?}").contains("secret\"") && !format!("{secret:?}").contains("hello"), "{secret:?}");

    let manifest = object("{apiVersion: v1, kind: Secret, metadata: {name: a}, data: topsecret, stringData: [topsecret]}");
    assert_eq!(manifest.findings.len(), 2);
    assert!(!format!("{manifest:?}").contains("topsecret"), "{manifest:?}");
}

#[test]
fn lists_are_flattened() {
    for text in [
        "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Service, metadata: {name: a}}, {apiVersion: v1, kind: List, items: \
         [{apiVersion: v1, kind: Service, metadata: {name: b}}]}]}",
        // As the API server itself answers: items do not say what they are.
        "{apiVersion: v1, kind: ServiceList, items: [{metadata: {name: a}}, {metadata: {name: b}}]}",
        r#"{"apiVersion": "v1", "kind": "ServiceList", "items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]}"#,
    ] {
        let Reading { objects, findings } = reading(text);
        assert_eq!(objects.iter().map(|object| &*object.meta.name).collect::<Vec<_>>(), ["a", "b"], "{text}");
        assert_eq!(findings, [], "{text}");
    }
    assert_eq!(reasons(&reading("{apiVersion: v1, kind: List, items: 5}").findings), [Reason::InvalidValue]);
    assert_eq!(reasons(&reading(&format!("{{apiVersion: v1, kind: {}}}", "List".repeat(100_000))).findings), [Reason::UnknownKind]);
}

#[test]
fn kinds_that_are_not_read_are_named() {
    for (version, kind, reason) in [
        ("gateway.networking.k8s.io/v1", "Gateway", Reason::NotYetSupported),
        ("gateway.networking.k8s.io/v1", "HTTPRoute", Reason::NotYetSupported),
        ("networking.gke.io/v1", "ManagedCertificate", Reason::NotApplied),
        ("v1", "Namespace", Reason::UnknownKind),
        ("example.test/v1", "Ingress", Reason::UnknownKind),
        ("v1", "Service", Reason::MissingField),
    ] {
        let Reading { objects, findings } = reading(&format!("{{apiVersion: {version}, kind: {kind}, spec: {{}}}}"));
        assert_eq!((objects.len(), reasons(&findings)), (0, vec![reason]), "{version} {kind}");
    }
}

/// Words that readers look for, so that what is generated gets past the first of them.
const KEYS: &[&str] = &[
    "spec",
    "metadata",
    "name",
    "annotations",
    "labels",
    "rules",
    "http",
    "paths",
    "backend",
    "service",
    "port",
    "ports",
    "tls",
    "hosts",
    "items",
    "data",
    "stringData",
    "template",
    "containers",
    "readinessProbe",
    "httpGet",
    "endpoints",
    "addresses",
    "conditions",
    "subsets",
    "sessionAffinity",
    "healthCheck",
    "customRequestHeaders",
    "headers",
    "logging",
    "cdn",
    "redirectToHttps",
    "cloud.google.com/neg",
    "cloud.google.com/backend-config",
];

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![4 => prop::sample::select(KEYS).prop_map(str::to_owned), 1 => ".{0,8}"].prop_map(|text| Key { text, span: Span::default() })
}

fn node() -> impl Strategy<Value = Node> {
    let texts = prop_oneof![
        "-?[0-9]{1,12}",
        "true|false|null|~",
        "<[A-Z_]{1,4}>?",
        r#"\{"[a-z]{0,3}": ?("a"|1|\[\])\}"#,
        "X: ?\\{[a-z_]{0,4}\\}?",
        ".{0,12}"
    ];
    let scalar = (texts, any::<bool>()).prop_map(|(text, plain)| Node { span: Span::default(), kind: NodeKind::Scalar { text, plain } });
    scalar.prop_recursive(6, 48, 6, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4).prop_map(NodeKind::Sequence);
        let mapping = prop::collection::vec((key(), inner), 0..6).prop_map(NodeKind::Mapping);
        prop_oneof![1 => list, 3 => mapping].prop_map(|kind| Node { span: Span::default(), kind })
    })
}

fn scalar(text: &str) -> Node {
    Node { span: Span::default(), kind: NodeKind::Scalar { text: text.to_owned(), plain: true } }
}

proptest! {
    #[test]
    fn no_object_is_too_odd_to_be_read(
        (version, kind) in prop::sample::select(vec![
            ("networking.k8s.io/v1", "Ingress"), ("networking.k8s.io/v1", "IngressClass"), ("v1", "Service"), ("v1", "Endpoints"),
            ("discovery.k8s.io/v1", "EndpointSlice"), ("apps/v1", "Deployment"), ("v1", "Pod"), ("v1", "Secret"), ("v1", "ConfigMap"),
            ("networking.gke.io/v1beta1", "FrontendConfig"), ("cloud.google.com/v1", "BackendConfig"), ("v1", "List"), ("", ""),
        ]),
        fields in prop::collection::vec((key(), node()), 0..8),
        annotations in prop::collection::vec((key(), node()), 0..4),
    ) {
        let entry = |text: &str, node: Node| (Key { text: text.to_owned(), span: Span::default() }, node);
        let mapping = |entries| Node { span: Span::default(), kind: NodeKind::Mapping(entries) };
        let metadata = mapping(vec![entry("name", scalar("a")), entry("annotations", mapping(annotations))]);
        let mut entries = vec![entry("apiVersion", scalar(version)), entry("kind", scalar(kind)), entry("metadata", metadata)];
        entries.extend(fields);
        let reading = read(&mapping(entries));
        // Only a kind that is read gives an object, and it gives one whatever else it holds.
        prop_assert!(kind == "List" || kind.is_empty() || reading.objects.len() == 1);
    }
}

#[test]
fn custom_headers_have_a_size_in_all() {
    let long = |count: usize| "x".repeat(count);
    let spec = format!("{{customRequestHeaders: {{headers: ['X-A: {}', 'X-B: {}', 'X-C: y']}}}}", long(8000), long(200));
    let (config, findings) = backend_config(&spec);
    let names: Vec<&str> = config.request_headers.iter().map(|header| header.value.0.as_str()).collect();
    assert_eq!(names, ["X-A", "X-C"]);
    assert!(findings.iter().any(|finding| finding.message.contains("more than 8192 bytes in all")), "{findings:?}");
}
