//! What is around a case's configuration: its files, Secrets and names, all in a directory of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use genkan::control::compile::{Compiler, Defaults};
use genkan::control::config::{EndpointText, Overrides, one_backend};
use genkan::control::resources::{Resolution, Resources};
use genkan::control::source::{Change, ConfigSource, Configuration, Input, read_location};
use genkan::model::{Host, Report};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::summary;

/// When every case is compiled: the first of June 2026.
const NOW: u64 = 1_780_272_000;

/// Compiles a case; the result is the text of its `.out.yaml`.
pub fn compile(name: &str, input: &str) -> String {
    let world = World { directory: tempfile::tempdir().unwrap() };
    let mut resources = Resources::default();
    let mut compiler = Compiler::new(Defaults::default());
    let mut source: Option<ConfigSource> = None;
    let mut text = String::new();
    for (index, moment) in input.split("# then:\n").enumerate() {
        if index > 0 {
            text.push_str("---\n");
        }
        let configuration = world.write(name, moment);
        let source = source.get_or_insert_with(|| ConfigSource::new(configuration, Overrides::default(), Arc::default()));
        let reading = source.read().expect("every moment of a case is another one");
        if index == 0 && reading.refused {
            text.push_str(&summary::refused(&Report::of(reading.findings)));
            continue;
        }
        resources.apply(Change::Configuration {
            objects: reading.objects,
            files: reading.files,
            manifests: reading.manifests,
            findings: reading.findings,
        });
        let wanted = resources.wanted();
        resources.apply(Change::Certificates(wanted.certificates.iter().map(|location| (location.clone(), read_location(location))).collect()));
        resources.apply(Change::Names(moment.lines().filter_map(answer).collect()));
        let mut compiled = compiler.compile(&resources, SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
        compiled.report.sort();
        resources.promote(compiled.accepted);
        text.push_str(&summary::compiled(&compiled.snapshot, &compiled.report));
    }
    text.replace(&format!("{}/", world.directory.path().display()), "")
}

/// Files in it are given as a directory, in which only some are ours.
const OBJECTS: &str = "objects";

struct World {
    directory: tempfile::TempDir,
}

impl World {
    fn write(&self, name: &str, moment: &str) -> Configuration {
        let directory = self.directory.path();
        moment.lines().filter_map(|line| line.strip_prefix("# certificate: ")).for_each(|line| make_certificate(directory, line));
        if let Some(flags) = moment.lines().find_map(|line| line.strip_prefix("# flags: ")) {
            return flags_configuration(directory, flags);
        }
        let mut inputs = Vec::new();
        let _ = std::fs::remove_dir_all(directory.join(OBJECTS)); // What a moment does not have is gone in it.
        moment.lines().filter_map(|line| line.strip_prefix("# secret: ")).for_each(|line| make_secret(directory, line));
        let first = format!("{name}.yaml\n{moment}");
        for part in first.split("# file: ") {
            let (file, text) = part.split_once('\n').unwrap_or((part, ""));
            let path = directory.join(file.trim());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            let input = if file.starts_with(OBJECTS) { directory.join(OBJECTS) } else { path };
            if !inputs.contains(&Input::Path(input.clone())) {
                inputs.push(Input::Path(input));
            }
        }
        Configuration::Files(inputs)
    }
}

fn flags_configuration(directory: &Path, flags: &str) -> Configuration {
    let mut words = flags.split_whitespace();
    let (mut certificate, mut endpoints, mut readiness) = (None, Vec::new(), None);
    while let (Some(flag), Some(value)) = (words.next(), words.next()) {
        match flag {
            "--certificate" => certificate = Some(directory.join(value)),
            "--backend" => endpoints = value.split(',').map(|text| EndpointText::parse(text).unwrap()).collect(),
            "--readiness" => readiness = (value != "none").then(|| value.to_owned()),
            other => panic!("{other}"),
        }
    }
    Configuration::Given(Box::new(one_backend(certificate, endpoints, readiness)))
}

/// `DIRECTORY names=a.test,b.test until=YEAR [key=other]`
fn make_certificate(directory: &Path, line: &str) {
    let secret: PathBuf = directory.join(line.split_whitespace().next().unwrap());
    let (certificate, key) = make_pair(line);
    std::fs::create_dir_all(&secret).unwrap();
    std::fs::write(secret.join("tls.crt"), certificate).unwrap();
    std::fs::write(secret.join("tls.key"), key).unwrap();
}

/// `FILE NAME names=a.test [type=Opaque] [namespace=shop] [stringData] [without=tls.key] [broken=tls.key]`, and what a
/// certificate has besides: a Secret as kubectl makes it.
fn make_secret(directory: &Path, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let value = |key: &str| value(line, key).unwrap_or_default();
    let (certificate, key) = make_pair(line);
    let plain = words.contains(&"stringData");
    let mut text = format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\n", words[1]);
    if !value("namespace").is_empty() {
        text.push_str(&format!("  namespace: {}\n", value("namespace")));
    }
    let kind = value("type");
    text.push_str(&format!("type: {}\n", if kind.is_empty() { "kubernetes.io/tls" } else { &kind }));
    text.push_str(if plain { "stringData:\n" } else { "data:\n" });
    for (name, pem) in [("tls.crt", certificate), ("tls.key", key)] {
        if value("without").split(',').any(|left| left == name) {
            continue;
        }
        let content = match (value("broken") == name, plain) {
            (true, _) => "\"!no base64!\"".to_owned(),
            (false, true) => serde_json::to_string(&pem).unwrap(),
            (false, false) => base64(pem.as_bytes()),
        };
        text.push_str(&format!("  {name}: {content}\n"));
    }
    let path = directory.join(words[0]);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        for at in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

fn value(line: &str, key: &str) -> Option<String> {
    line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned)
}

/// A certificate and a key, which may be another's.
fn make_pair(line: &str) -> (String, String) {
    let value = |key: &str| value(line, key);
    let names: Vec<String> = value("names").unwrap_or_default().split(',').map(str::to_owned).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(value("until").map_or(2030, |year| year.parse().unwrap()), 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let key = if value("key").as_deref() == Some("other") { KeyPair::generate().unwrap() } else { key };
    (certificate.pem(), key.serialize_pem())
}

fn answer(line: &str) -> Option<(Host, Resolution)> {
    if let Some((name, addresses)) = line.strip_prefix("# resolves: ").and_then(|rest| rest.split_once(' ')) {
        let addresses = addresses.split(',').map(|address| address.parse().unwrap()).collect();
        return Some((Host::parse(name).unwrap(), Resolution { addresses, failure: None }));
    }
    let (name, why) = line.strip_prefix("# unresolved: ")?.split_once(' ')?;
    Some((Host::parse(name).unwrap(), Resolution { addresses: Vec::new(), failure: Some(why.to_owned()) }))
}
