//! The files under `config` do what they say: the configurations compile without a finding, the commented one shows the
//! defaults that the code has, and the manifests around them agree with what is in them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use genkan::control::compile::{Compiled, Compiler, Defaults};
use genkan::control::config::{Overrides, schema};
use genkan::control::resources::{CertificateLocation, FileContent, FoundPair, Resolution, Resources};
use genkan::control::source::{Change, ConfigSource, Configuration, Input};
use genkan::control::yaml::{Kind, Node, parse};
use genkan::model::{CertificateName, Snapshot};
use tokio::sync::Notify;

use crate::{read, root};

#[test]
fn the_default_configuration_compiles() {
    let snapshot = compile_text(&read("config/genkan.yaml"), "genkan.yaml");
    assert!(snapshot.backends.is_empty() && snapshot.routes().next().is_none());
    assert_eq!(snapshot.certificates.len(), 1);
    assert_eq!(snapshot.process.admin.unwrap().to_string(), "[::]:9900");
}

#[test]
fn the_default_configuration_shows_the_defaults() {
    let shown = compile_text(&uncomment(&read("config/genkan.yaml")), "genkan.yaml");
    let default = compile_text("certificates: [{ secret: tls }]", "genkan.yaml");
    assert_eq!(shown.listeners, default.listeners);
    assert_eq!(shown.unknown_server_name, default.unknown_server_name);
    assert_eq!(shown.tls, default.tls);
    assert_eq!(shown.timeouts, default.timeouts);
    assert_eq!(shown.limits, default.limits);
    assert_eq!(shown.drain, default.drain);
    assert_eq!(shown.access_log, default.access_log);
    assert_eq!(shown.process.workers, default.process.workers);

    let plain = "backends: [{ name: web, endpoints: ['127.0.0.1:9000', 'web.internal:9000'] }]\ncertificates: [{ secret: tls }]";
    let plain = compile_text(plain, "genkan.yaml");
    assert_eq!(shown.backends.iter().find(|backend| backend.name == "web"), plain.backends.first());
}

#[test]
fn the_default_configuration_has_every_key() {
    let text = read("config/genkan.yaml");
    let mut keys = Vec::new();
    property_names(&serde_json::to_value(schema()).unwrap(), &mut keys);
    assert!(keys.len() > 50, "the schema was not understood: {keys:?}");
    // Read for the sake of copied manifests, or common to every probe.
    keys.retain(|key| !["terminationGracePeriodSeconds", "type", "value"].contains(&key.as_str()));
    let missing: Vec<_> = keys.into_iter().filter(|key| !text.contains(&format!("{key}:"))).collect();
    assert!(missing.is_empty(), "config/genkan.yaml lacks {missing:?}");
}

#[test]
fn the_compose_example_fits_together() {
    let compose = document("config/compose/compose.yaml");
    let services = compose.at("services");
    let genkan = services.at("genkan");
    let edge = compile_file(Path::new("config/compose/edge/genkan.yaml"));

    // What is mounted is there, and is what genkan is told to read.
    let (source, target) = genkan.at("volumes").items()[0].text().split_once(':').unwrap();
    assert!(root().join("config/compose").join(source).join("genkan.yaml").is_file());
    assert_eq!(target, format!("{}:ro", genkan.at("command").texts().last().unwrap()));
    assert!(root().join("config/compose").join(genkan.at("build").text()).join("Dockerfile").is_file());
    // What is published is listened on; the admin pages are where the image has them.
    let published: Vec<&str> = genkan.at("ports").items().iter().map(|port| port.text().rsplit(':').next().unwrap()).collect();
    let mut listening = ports(&edge);
    listening.push("9900".to_owned());
    assert_eq!(published, listening);
    // What it forwards to is the other service.
    assert!(edge.backends.iter().all(|backend| services.get(&backend.name).is_some()));
    assert_eq!(genkan.at("healthcheck").at("test").texts(), ["CMD", "/genkan", "status", "--ready"]);
    let grace = genkan.at("stop_grace_period").text().strip_suffix('s').unwrap().parse().unwrap();
    assert!(Duration::from_secs(grace) > edge.drain.delay + edge.drain.timeout);
}

#[test]
fn the_kubernetes_example_fits_together() {
    let objects = Objects(parse(&read("config/kubernetes/one-service.yaml"), 0).unwrap());
    let deployment = objects.find("Deployment", "genkan");
    let pod = deployment.at("spec").at("template").at("spec");
    let container = &pod.at("containers").items()[0];

    // What is mounted where: directories, so that changes arrive.
    let mounts: BTreeMap<&str, &str> =
        container.at("volumeMounts").items().iter().map(|mount| (mount.at("name").text(), mount.at("mountPath").text())).collect();
    assert!(container.at("volumeMounts").items().iter().all(|mount| mount.get("subPath").is_none()));
    let volumes: Vec<&str> = pod.at("volumes").items().iter().map(|volume| volume.at("name").text()).collect();
    assert_eq!(volumes, mounts.keys().copied().collect::<Vec<_>>());
    let config = &pod.at("volumes").items()[0];
    assert_eq!(container.at("args").texts(), ["run", "-f", mounts[config.at("name").text()]]);

    // The configuration in it.
    let map = objects.find("ConfigMap", config.at("configMap").at("name").text());
    let edge = compile_text(map.at("data").at("genkan.yaml").text(), "genkan.yaml");
    assert_eq!(edge.certificates[0].name.0, Path::new(mounts["tls"]));
    let grace = pod.at("terminationGracePeriodSeconds").text().parse().unwrap();
    assert!(Duration::from_secs(grace) > edge.drain.delay + edge.drain.timeout, "the kubelet would kill it while it drains");

    // Ports: of the configuration, of the container, of the probes, of the Service.
    let mut listening = ports(&edge);
    let admin = edge.process.admin.unwrap();
    assert!(admin.get().ip().is_unspecified(), "the kubelet asks from outside the Pod");
    listening.push(admin.port().to_string());
    let named: BTreeMap<&str, &str> =
        container.at("ports").items().iter().map(|port| (port.at("name").text(), port.at("containerPort").text())).collect();
    assert_eq!(container.at("ports").items().iter().map(|port| port.at("containerPort").text()).collect::<Vec<_>>(), listening);
    for (probe, path) in [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let get = container.at(probe).at("httpGet");
        assert_eq!((get.at("path").text(), named[get.at("port").text()]), (path, "9900"));
    }
    let service = objects.find("Service", "genkan");
    let mapped: Vec<(&str, &str)> =
        service.at("spec").at("ports").items().iter().map(|port| (port.at("port").text(), named[port.at("targetPort").text()])).collect();
    assert_eq!(mapped, [("443", "8443"), ("80", "8080")]);

    // The backend is a headless Service, whose port is the Pods' own.
    for backend in &edge.backends {
        let web = objects.find("Service", &backend.name);
        assert_eq!(web.at("spec").at("clusterIP").text(), "None");
        let pods = objects.find("Deployment", &backend.name);
        let port = &pods.at("spec").at("template").at("spec").at("containers").items()[0].at("ports").items()[0];
        let text = map.at("data").at("genkan.yaml").text();
        assert!(text.contains(&format!("\"{}:{}\"", backend.name, port.at("containerPort").text())));
        assert_eq!(web.at("spec").at("ports").items()[0].at("targetPort").text(), port.at("name").text());
    }

    // Every selector finds the Pods that it is for.
    for object in &objects.0 {
        let spec = object.get("spec");
        let Some(selector) = spec.and_then(|spec| spec.get("selector")) else { continue };
        let labels = selector.get("matchLabels").unwrap_or(selector).at("app.kubernetes.io/name").text();
        let pods = objects.find("Deployment", object.name()).at("spec").at("template").at("metadata").at("labels");
        assert_eq!(labels, pods.at("app.kubernetes.io/name").text());
    }
}

/// What the restricted Pod Security Standard asks for, and what lets a replica go without harm.
#[test]
fn the_kubernetes_example_is_safe() {
    let objects = Objects(parse(&read("config/kubernetes/one-service.yaml"), 0).unwrap());
    for name in ["genkan", "web"] {
        let pod = objects.find("Deployment", name).at("spec").at("template").at("spec");
        assert_eq!(pod.at("enableServiceLinks").text(), "false");
        assert_eq!(pod.at("automountServiceAccountToken").text(), "false");
        assert_eq!(pod.at("securityContext").at("runAsNonRoot").text(), "true");
        assert_eq!(pod.at("securityContext").at("runAsUser").text(), "65532");
        assert_eq!(pod.at("securityContext").at("seccompProfile").at("type").text(), "RuntimeDefault");
        let context = pod.at("containers").items()[0].at("securityContext");
        assert_eq!(context.at("allowPrivilegeEscalation").text(), "false");
        assert_eq!(context.at("readOnlyRootFilesystem").text(), "true");
        assert_eq!(context.at("capabilities").at("drop").texts(), ["ALL"]);
    }
    let deployment = objects.find("Deployment", "genkan");
    assert_eq!(deployment.at("spec").at("replicas").text(), "2");
    assert_eq!(deployment.at("spec").at("strategy").at("rollingUpdate").at("maxUnavailable").text(), "0");
    assert_eq!(objects.find("PodDisruptionBudget", "genkan").at("spec").at("maxUnavailable").text(), "1");
}

/// Compiles a configuration file of the repository; fails on any finding.
fn compile_file(path: &Path) -> Snapshot {
    compile(root().join(path))
}

/// Compiles a text as a file of this name, in a directory of its own.
fn compile_text(text: &str, name: &str) -> Snapshot {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(name), text).unwrap();
    compile(directory.path().to_owned())
}

/// What `run -f PATH` would compile, in a world where every certificate and name is there.
fn compile(path: PathBuf) -> Snapshot {
    let mut source = ConfigSource::new(Configuration::Files(vec![Input::Path(path)]), Overrides::default(), Arc::new(Notify::new()));
    let reading = source.read().unwrap();
    let mut resources = Resources::default();
    resources.apply(Change::Configuration {
        objects: reading.objects,
        files: reading.files,
        manifests: reading.manifests,
        findings: reading.findings,
    });
    let wanted = resources.wanted();
    resources.apply(Change::Certificates(wanted.certificates.into_iter().map(|location| (location.clone(), Ok(found(&location)))).collect()));
    let addresses: Vec<IpAddr> = vec![[127, 0, 0, 2].into(), [127, 0, 0, 3].into()];
    let resolution = Resolution { addresses, failure: None };
    resources.apply(Change::Names(wanted.names.into_iter().map(|name| (name, resolution.clone())).collect()));
    let Compiled { snapshot, report, .. } = Compiler::new(Defaults::default()).compile(&resources, SystemTime::now());
    let findings: Vec<String> = report.diagnostics.iter().map(|finding| format!("{}: {:?}", finding.message, finding.place)).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    snapshot
}

/// A pair for every name of the examples.
fn found(location: &CertificateLocation) -> BTreeMap<CertificateName, FoundPair> {
    let names = ["localhost", "shop.example.test", "*.shop.example.test"].map(str::to_owned);
    let pair = rcgen::generate_simple_self_signed(names).unwrap();
    let content = |path: &Path, text: String| FileContent { path: path.to_owned(), content: Ok(Bytes::from(text)) };
    let (name, certificate, key) = match location {
        CertificateLocation::Secret(path) => (path.clone(), path.join("tls.crt"), path.join("tls.key")),
        CertificateLocation::Secrets(path) => (path.join("one"), path.join("one/tls.crt"), path.join("one/tls.key")),
        CertificateLocation::Files { certificate, key } => (certificate.clone(), certificate.clone(), key.clone()),
    };
    let pair = FoundPair { certificate: content(&certificate, pair.cert.pem()), key: content(&key, pair.signing_key.serialize_pem()) };
    BTreeMap::from([(CertificateName(name), pair)])
}

/// Takes the comment signs off lines that are configuration, not prose: those that begin as a key or a list item does.
fn uncomment(text: &str) -> String {
    let is_yaml = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("- ").unwrap_or(line);
        line.starts_with("{ ") || line.split_once(':').is_some_and(|(key, rest)| is_key(key) && (rest.is_empty() || rest.starts_with(' ')))
    };
    text.lines().map(|line| line.strip_prefix("# ").filter(|rest| is_yaml(rest)).unwrap_or(line)).flat_map(|line| [line, "\n"]).collect()
}

fn is_key(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.chars().all(char::is_alphanumeric)
}

/// The names of all properties in a JSON Schema.
fn property_names(schema: &serde_json::Value, names: &mut Vec<String>) {
    match schema {
        serde_json::Value::Object(members) => {
            if let Some(serde_json::Value::Object(properties)) = members.get("properties") {
                names.extend(properties.keys().cloned());
            }
            members.values().for_each(|value| property_names(value, names));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| property_names(value, names)),
        _ => {}
    }
}

/// The ports of the listeners, in their order.
fn ports(snapshot: &Snapshot) -> Vec<String> {
    snapshot.listeners.iter().map(|listener| listener.address.port().to_string()).collect()
}

fn document(path: &str) -> Node {
    let mut documents = parse(&read(path), 0).unwrap();
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

/// The Kubernetes objects of a file.
struct Objects(Vec<Node>);

impl Objects {
    fn find(&self, kind: &str, name: &str) -> &Node {
        let found = self.0.iter().find(|object| object.at("kind").text() == kind && object.name() == name);
        found.unwrap_or_else(|| panic!("no {kind} named {name}"))
    }
}

/// Reading a tree of which the test says what it must hold.
trait Sure {
    fn at(&self, key: &str) -> &Node;
    fn text(&self) -> &str;
    fn items(&self) -> &[Node];
    fn texts(&self) -> Vec<&str>;
    fn name(&self) -> &str;
}

impl Sure for Node {
    fn at(&self, key: &str) -> &Node {
        self.get(key).unwrap_or_else(|| panic!("line {} lacks {key}", self.span.line))
    }

    fn text(&self) -> &str {
        self.as_text().unwrap_or_else(|| panic!("line {} is no text", self.span.line))
    }

    fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::Sequence(items) => items,
            Kind::Scalar { .. } | Kind::Mapping(_) => panic!("line {} is no list", self.span.line),
        }
    }

    fn texts(&self) -> Vec<&str> {
        self.items().iter().map(Sure::text).collect()
    }

    fn name(&self) -> &str {
        self.at("metadata").at("name").text()
    }
}
