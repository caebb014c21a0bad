//! What the compile step makes of pairs, and how far a broken object reaches. Configurations as people write them are
//! in `tests/compile/cases`.

#![allow(clippy::format_collect, reason = "texts for tests, written to be read")]

mod blast_radius;
mod certificates;
mod hostile;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::control::config::{Config, split};
use crate::control::resources::{CertificateLocation, FileContent, FoundPair, Resources};
use crate::control::source::Change;
use crate::control::yaml::{Files, SourceFile, parse, read};

/// Takes a configuration from a text without a file.
fn configure(resources: &mut Resources, text: &str) {
    let config: Config = read(&parse(text, 0).unwrap()[0]).unwrap();
    let file = SourceFile::new("test.yaml", PathBuf::from("/"), text.to_owned());
    let objects = Box::new(split(config).unwrap());
    resources.apply(Change::Configuration { objects, files: Arc::new(Files(vec![file])), manifests: Vec::new(), findings: Vec::new() });
}

/// Puts a pair where a Secret is looked for.
fn put(resources: &mut Resources, secret: &str, certificate: impl Into<Bytes>, key: impl Into<Bytes>) {
    let content = |name: &str, bytes: Bytes| FileContent { path: Path::new(secret).join(name), content: Ok(bytes) };
    let pair = FoundPair { certificate: content("tls.crt", certificate.into()), key: content("tls.key", key.into()) };
    let location = CertificateLocation::Secret(secret.into());
    let found = location.single(pair);
    resources.found.insert(location, found);
}
