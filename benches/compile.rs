//! What a configuration of ten thousand Ingresses costs: to compile from nothing, and to compile and publish after one of
//! its objects has changed, until requests see it. `cargo bench --bench compile`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a bench ends where it cannot go on")]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use genkan::control::compile::{Compiler, Defaults};
use genkan::control::config::{Config, split};
use genkan::control::kubernetes;
use genkan::control::manifests::ManifestObject;
use genkan::control::resources::Resources;
use genkan::control::source::Change;
use genkan::control::yaml::{Files, SourceFile, parse, read};
use genkan::drain::{Drain, Stage};
use genkan::model::Publish;
use genkan::proxy::{Mode, Options, PortTaken, Proxy};
use genkan::telemetry::{AccessLog, Metrics};

/// The allocator that ships.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const INGRESSES: usize = 10_000;

/// An Ingress with its Service, as two documents of one file.
fn file(number: usize, path: &str) -> Vec<Arc<ManifestObject>> {
    let text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: i{number}, annotations: {{ kubernetes.io/ingress.allow-http: \"false\" }} }}\n\
         spec:\n  rules:\n    - host: h{number}.example.test\n      http: {{ paths: [{{ path: {path}, pathType: Prefix, backend: {{ service: {{ name: s{number}, port: {{ number: 80 }} }} }} }}] }}\n\
         ---\napiVersion: v1\nkind: Service\nmetadata: {{ name: s{number} }}\nspec: {{ selector: {{ app: s{number} }}, ports: [{{ port: 80 }}] }}\n"
    );
    let nodes = parse(&text, 0).unwrap();
    let file = SourceFile::new(format!("{number}.yaml"), PathBuf::new(), text);
    let files = Arc::new(Files(vec![file]));
    let objects = nodes.iter().flat_map(|node| kubernetes::read(node).objects);
    objects.map(|manifest| Arc::new(ManifestObject { manifest, files: files.clone() })).collect()
}

/// A proxy with one worker that listens on loopback and gets no request.
fn proxy(drain: &Drain) -> Arc<Proxy> {
    let options = Options {
        workers: 1,
        metrics: Metrics::new(1),
        access_log: AccessLog::write_to(std::io::sink()),
        spans: genkan::telemetry::spans::Spans::default(),
        mode: Mode::Run,
        port_taken: PortTaken::Refuse,
        issuer: None,
        explainer: None,
    };
    Proxy::start(options, drain).unwrap()
}

fn change(manifests: Vec<Arc<ManifestObject>>) -> Change {
    let config: Config = read(&parse("listeners: [{ name: https, address: \"127.0.0.1:0\" }]", 0).unwrap()[0]).unwrap();
    Change::Configuration { objects: Box::new(split(config).unwrap()), files: Arc::default(), manifests, findings: Vec::new() }
}

fn compile(criterion: &mut Criterion) {
    let objects: Vec<Arc<ManifestObject>> = (0..INGRESSES).flat_map(|number| file(number, "/")).collect();
    let mut group = criterion.benchmark_group("10,000 Ingresses with 10,000 Services");
    group.sample_size(10);
    group.bench_function("compiled from nothing", |bencher| {
        bencher.iter_batched(
            || change(objects.clone()),
            |change| {
                let (mut resources, mut compiler) = (Resources::default(), Compiler::new(Defaults::default()));
                resources.apply(change);
                let compiled = compiler.compile(&resources, SystemTime::UNIX_EPOCH);
                assert_eq!(compiled.snapshot.backends.len(), INGRESSES);
                compiled
            },
            BatchSize::PerIteration,
        );
    });
    let (mut resources, mut compiler) = (Resources::default(), Compiler::new(Defaults::default()));
    resources.apply(change(objects.clone()));
    let mut before = Arc::new(compiler.compile(&resources, SystemTime::UNIX_EPOCH).snapshot);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let drain = Drain::new();
    let proxy = proxy(&drain);
    assert!(runtime.block_on(proxy.publish(before.clone())).is_empty(), "the port is the kernel's");
    let mut turn = 0;
    group.bench_function("one object changed, until it is served", |bencher| {
        bencher.iter_batched(
            || {
                turn += 1;
                let mut objects = objects.clone();
                objects.splice(5000..5002, file(2500, &format!("/turn{turn}")));
                change(objects)
            },
            |change| {
                resources.apply(change);
                let compiled = compiler.compile(&resources, SystemTime::UNIX_EPOCH);
                let snapshot = Arc::new(compiled.snapshot);
                assert!(snapshot != before, "it is another one");
                resources.promote(compiled.accepted);
                runtime.block_on(proxy.publish(snapshot.clone()));
                before = black_box(snapshot);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
    drain.advance(Stage::Stopped);
}

criterion_group!(benches, compile);
criterion_main!(benches);
