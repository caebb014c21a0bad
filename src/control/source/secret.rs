//! Certificates and keys from the file system: single pairs, Secrets as kubelet mounts them, directories of Secrets.
//! Brings bytes; whether they are any good is the compiler's question.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, watch};

use super::{Change, FileWatch, Source};
use crate::control::resources::{CertificateLocation, FileContent, FileProblem, Found, FoundPair, Wanted};
use crate::model::CertificateName;

/// A chain is a few KiB; a Secret is at most 1 MiB.
const MAX_FILE: u64 = 1 << 20;
/// Sub-directories of a `secrets` directory.
const MAX_SECRETS: usize = 20_000;

/// Watches the places where certificates are.
pub struct Secrets {
    /// Woken to read everything again.
    pub reload: Arc<Notify>,
}

type AllFound = BTreeMap<CertificateLocation, Found>;

impl Source for Secrets {
    async fn run(self, changes: mpsc::Sender<Change>, mut wanted: watch::Receiver<Wanted>) {
        let mut watch = FileWatch::new(self.reload);
        let mut sent: Option<AllFound> = None;
        loop {
            let locations = wanted.borrow_and_update().certificates.clone();
            watch.watch(watched(&locations, sent.as_ref())).await;
            let found = read_all(locations.clone()).await;
            if sent.as_ref() != Some(&found) {
                // What was found says what more to watch; a change in between is found by the metadata.
                watch.watch(watched(&locations, Some(&found))).await;
                if changes.send(Change::Certificates(found.clone())).await.is_err() {
                    return;
                }
                sent = Some(found);
            }
            tokio::select! {
                () = watch.changed() => {}
                changed = wanted.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// The files and directories whose change means something.
fn watched(locations: &BTreeSet<CertificateLocation>, found: Option<&AllFound>) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::new();
    for location in locations {
        match location {
            CertificateLocation::Secret(directory) | CertificateLocation::Secrets(directory) => {
                paths.insert(directory.clone());
                // The directory itself may be taken away and made again.
                paths.extend(directory.parent().filter(|parent| !parent.as_os_str().is_empty()).map(Path::to_owned));
            }
            CertificateLocation::Files { certificate, key } => paths.extend([certificate.clone(), key.clone()]),
        }
        for pair in found.and_then(|found| found.get(location)).into_iter().flatten().flat_map(BTreeMap::values) {
            paths.extend([pair.certificate.path.clone(), pair.key.path.clone()]);
        }
    }
    paths
}

async fn read_all(locations: BTreeSet<CertificateLocation>) -> AllFound {
    let read = move || locations.into_iter().map(|location| (location.clone(), read_location(&location))).collect();
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

/// Reads what is at a location now. Blocks.
pub fn read_location(location: &CertificateLocation) -> Found {
    match location {
        CertificateLocation::Files { certificate, key } => location.single(read_pair(certificate.clone(), key.clone())),
        CertificateLocation::Secret(directory) => {
            let (certificate, key) = pair_in(directory)?;
            location.single(read_pair(certificate, key))
        }
        CertificateLocation::Secrets(directory) => {
            let mut pairs = BTreeMap::new();
            for child in sub_directories(directory)? {
                let pair = match pair_in(&child) {
                    Ok((certificate, key)) => read_pair(certificate, key),
                    Err(problem) => FoundPair {
                        certificate: FileContent { path: child.join("tls.crt"), content: Err(problem.clone()) },
                        key: FileContent { path: child.join("tls.key"), content: Err(problem) },
                    },
                };
                pairs.insert(CertificateName(child), pair);
            }
            Ok(pairs)
        }
    }
}

fn read_pair(certificate: PathBuf, key: PathBuf) -> FoundPair {
    let read = |path: PathBuf| FileContent { content: read_file(&path), path };
    FoundPair { certificate: read(certificate), key: read(key) }
}

/// The two files of a directory: a Secret's, certbot's, or mkcert's.
fn pair_in(directory: &Path) -> Result<(PathBuf, PathBuf), FileProblem> {
    let entries = std::fs::read_dir(directory).map_err(|error| directory_problem(directory, &error))?;
    let names: BTreeSet<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).take(1000).collect();
    for (certificate, key) in [("tls.crt", "tls.key"), ("fullchain.pem", "privkey.pem")] {
        if names.contains(certificate) || names.contains(key) {
            return Ok((directory.join(certificate), directory.join(key)));
        }
    }
    // mkcert: NAME.pem and NAME-key.pem.
    let mut pairs = names.iter().filter_map(|key| {
        let certificate = format!("{}.pem", key.strip_suffix("-key.pem")?);
        names.contains(&certificate).then(|| (directory.join(&certificate), directory.join(key)))
    });
    match (pairs.next(), pairs.next()) {
        (Some(pair), None) => Ok(pair),
        (Some(_), Some(_)) => Err(FileProblem {
            message: format!("{} has several pairs in it", directory.display()),
            help: Some("name one: { certificate: FILE, key: FILE }".to_owned()),
        }),
        (None, _) => Err(FileProblem {
            message: format!("{} has no certificate and key in it", directory.display()),
            help: Some("expected tls.crt and tls.key, as kubectl create secret tls makes them; or fullchain.pem and privkey.pem; or NAME.pem and NAME-key.pem".to_owned()),
        }),
    }
}

fn sub_directories(directory: &Path) -> Result<Vec<PathBuf>, FileProblem> {
    let entries = std::fs::read_dir(directory).map_err(|error| directory_problem(directory, &error))?;
    let mut children: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .take(MAX_SECRETS)
        .collect();
    children.sort();
    Ok(children)
}

fn directory_problem(directory: &Path, error: &io::Error) -> FileProblem {
    if error.kind() == io::ErrorKind::NotFound {
        let help = "mount the Secret there; it is picked up within a second";
        return FileProblem { message: format!("the directory {} does not exist", directory.display()), help: Some(help.to_owned()) };
    }
    unreadable(directory, error)
}

fn read_file(path: &Path) -> Result<Bytes, FileProblem> {
    let mut content = Vec::new();
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(|error| unreadable(path, &error))?;
    if content.len() as u64 > MAX_FILE {
        return Err(FileProblem { message: format!("{} is larger than 1 MiB", path.display()), help: None });
    }
    Ok(content.into())
}

/// What went wrong; for a lack of permission, who may read it and who we are.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> FileProblem {
    match error.kind() {
        io::ErrorKind::NotFound => FileProblem { message: format!("the file {} does not exist", path.display()), help: None },
        io::ErrorKind::PermissionDenied => {
            let us = rustix::process::geteuid().as_raw();
            let owner = std::fs::metadata(path)
                .map(|data| format!("it belongs to uid {} gid {}, mode {:04o}; ", data.uid(), data.gid(), data.mode() & 0o7777));
            FileProblem {
                message: format!("{} may not be read: {}genkan runs as uid {us}", path.display(), owner.unwrap_or_default()),
                help: Some("let this uid read it: chown or chmod; in Kubernetes securityContext.fsGroup, or defaultMode of the volume".to_owned()),
            }
        }
        _ => FileProblem { message: format!("{} cannot be read: {error}", path.display()), help: None },
    }
}
