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
    async fn run(self, changes: mpsc::Sender<Change>, wanted: watch::Receiver<Wanted>) {
        watch(FileWatch::new(self.reload), changes, wanted).await;
    }
}

async fn watch(mut watch: FileWatch, changes: mpsc::Sender<Change>, mut wanted: watch::Receiver<Wanted>) {
    let mut sent: Option<AllFound> = None;
    loop {
        let locations = wanted.borrow_and_update().certificates.clone();
        let found = read_watched(&mut watch, &locations, sent.as_ref()).await;
        if sent.as_ref() != Some(&found) {
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

/// Reads what is watched. What is found says what more to watch, and is then read once more, so that no change falls
/// between reading and watching.
async fn read_watched(watch: &mut FileWatch, locations: &BTreeSet<CertificateLocation>, before: Option<&AllFound>) -> AllFound {
    let mut paths = watched(locations, before);
    let mut tries = 0;
    loop {
        watch.watch(paths.clone()).await;
        let found = read_all(locations.clone()).await;
        let needed = watched(locations, Some(&found));
        tries += 1;
        if needed == paths || tries == MAX_TRIES {
            return found;
        }
        paths = needed;
    }
}

/// Directories that change all the time are read again at the next look.
const MAX_TRIES: u32 = 3;

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
        for (name, pair) in found.and_then(|found| found.get(location)).into_iter().flatten().flatten() {
            paths.extend([name.0.clone(), pair.certificate.path.clone(), pair.key.path.clone()]);
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
        CertificateLocation::Files { certificate, key } => location.single(read_pair(certificate, key)),
        CertificateLocation::Secret(directory) => {
            let (certificate, key) = pair_in(directory)?;
            location.single(read_pair(&certificate, &key))
        }
        CertificateLocation::Secrets(directory) => {
            let mut pairs = BTreeMap::new();
            for child in sub_directories(directory)? {
                let pair = match pair_in(&child) {
                    Ok((certificate, key)) => read_pair(&certificate, &key),
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

/// Reads two files that belong together. kubelet may swap both between one and the other, which would look like a key
/// of another certificate; so the paths must still lead to what was opened.
fn read_pair(certificate: &Path, key: &Path) -> FoundPair {
    let mut tries = 0;
    loop {
        let first = Opened::open(certificate);
        let second = Opened::open(key);
        let pair = FoundPair {
            certificate: FileContent { content: first.read(certificate), path: certificate.to_owned() },
            key: FileContent { content: second.read(key), path: key.to_owned() },
        };
        tries += 1;
        if tries == MAX_TRIES || (first.is_still_at(certificate) && second.is_still_at(key)) {
            return pair;
        }
    }
}

/// A file that is held while its path may come to lead elsewhere.
struct Opened(io::Result<File>);

impl Opened {
    fn open(path: &Path) -> Self {
        // Opening a pipe would wait for somebody to write into it.
        let regular = std::fs::metadata(path).and_then(|data| if data.is_file() { Ok(()) } else { Err(io::Error::other("it is no regular file")) });
        Self(regular.and_then(|()| File::open(path)))
    }

    fn read(&self, path: &Path) -> Result<Bytes, FileProblem> {
        let file = self.0.as_ref().map_err(|error| unreadable(path, error))?;
        let mut content = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(|error| unreadable(path, &error))?;
        if content.len() as u64 > MAX_FILE {
            return Err(FileProblem {
                message: format!("{} is larger than 1 MiB", path.display()),
                help: Some("a chain with its key is a few KiB; is this the right file?".to_owned()),
            });
        }
        Ok(content.into())
    }

    fn is_still_at(&self, path: &Path) -> bool {
        let identity = |data: std::fs::Metadata| (data.dev(), data.ino(), data.mtime(), data.mtime_nsec(), data.size());
        let opened = self.0.as_ref().ok().and_then(|file| file.metadata().ok()).map(identity);
        opened == std::fs::metadata(path).ok().map(identity)
    }
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
        .collect();
    children.sort();
    if children.len() > MAX_SECRETS {
        tracing::error!(directory = %directory.display(), "more than {MAX_SECRETS} Secrets; the rest is not read");
        children.truncate(MAX_SECRETS);
    }
    Ok(children)
}

fn directory_problem(directory: &Path, error: &io::Error) -> FileProblem {
    if error.kind() == io::ErrorKind::NotFound {
        let help = "mount the Secret there; it is picked up within a second";
        return FileProblem { message: format!("the directory {} does not exist", directory.display()), help: Some(help.to_owned()) };
    }
    unreadable(directory, error)
}

/// What went wrong; for a lack of permission, who may read it and who we are.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> FileProblem {
    match error.kind() {
        io::ErrorKind::NotFound => {
            FileProblem { message: format!("the file {} does not exist", path.display()), help: Some("put it there, or correct the path".to_owned()) }
        }
        io::ErrorKind::PermissionDenied => {
            let us = rustix::process::geteuid().as_raw();
            let owner = std::fs::metadata(path)
                .map(|data| format!("it belongs to uid {} gid {}, mode {:04o}; ", data.uid(), data.gid(), data.mode() & 0o7777));
            FileProblem {
                message: format!("{} may not be read: {}genkan runs as uid {us}", path.display(), owner.unwrap_or_default()),
                help: Some("let this uid read it: chown or chmod; in Kubernetes securityContext.fsGroup, or defaultMode of the volume".to_owned()),
            }
        }
        _ => FileProblem { message: format!("{} cannot be read: {error}", path.display()), help: Some("it must be a readable file".to_owned()) },
    }
}

#[cfg(test)]
mod tests;
