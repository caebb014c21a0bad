//! Configurations and Kubernetes objects, one moment after the other, compiled as they would be: from what was kept of
//! the moment before comes what would come from nothing.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use genkan::control::compile::{Compiler, Defaults};
use genkan::control::config::Overrides;
use genkan::control::resources::{CertificateLocation, FileContent, Found, FoundPair, Resolution, Resources};
use genkan::control::source::{Change, ConfigSource, Configuration, Input};
use genkan::model::CertificateName;
use rcgen::{CertificateParams, KeyPair};

/// Between two moments, as in the cases of `tests/compile`.
const THEN: &str = "# then:\n";
const MAX_MOMENTS: usize = 4;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_272_000);
    let mut resources = Resources::default();
    let mut compiler = Compiler::new(Defaults::default());
    for moment in text.split(THEN).take(MAX_MOMENTS) {
        let inputs = Configuration::Files(vec![Input::Text(moment.to_owned())]);
        let mut source = ConfigSource::new(inputs, Overrides::default(), Arc::default());
        let reading = source.read().expect("it is the first reading");
        if reading.refused {
            return;
        }
        let (objects, files, manifests, findings) = (reading.objects, reading.files, reading.manifests, reading.findings);
        resources.apply(Change::Configuration { objects, files, manifests, findings });
        let wanted = resources.wanted();
        resources.apply(Change::Certificates(wanted.certificates.iter().map(|location| (location.clone(), pair(location))).collect()));
        let resolution = Resolution { addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], failure: None };
        resources.apply(Change::Names(wanted.names.into_iter().map(|name| (name, resolution.clone())).collect()));
        let compiled = compiler.compile(&resources, now);
        let fresh = Compiler::new(Defaults::default()).compile(&resources, now);
        assert!(compiled.snapshot == fresh.snapshot, "what was kept makes a difference");
        assert_eq!(compiled.report.diagnostics.len(), fresh.report.diagnostics.len());
        resources.promote(compiled.accepted);
    }
});

/// The same certificate wherever one is looked for.
fn pair(location: &CertificateLocation) -> Found {
    static PAIR: OnceLock<(Bytes, Bytes)> = OnceLock::new();
    let (certificate, key) = PAIR.get_or_init(|| {
        let key = KeyPair::generate().expect("a key is made");
        let params = CertificateParams::new(vec!["shop.test".to_owned()]).expect("it is a name");
        let certificate = params.self_signed(&key).expect("it signs itself");
        (certificate.pem().into(), key.serialize_pem().into())
    });
    let path = match location {
        CertificateLocation::Secret(path) | CertificateLocation::Secrets(path) => path.clone(),
        CertificateLocation::Files { certificate, .. } => certificate.clone(),
    };
    let file = |content: &Bytes, path: PathBuf| FileContent { path, content: Ok(content.clone()) };
    let found = FoundPair { certificate: file(certificate, path.join("tls.crt")), key: file(key, path.join("tls.key")) };
    Ok([(CertificateName(path), found)].into())
}
