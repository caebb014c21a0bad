//! Everything the sources have brought: of each object the latest version and the last one that could be used. It is
//! the compile step's only input, and says which files and names the sources should look at.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::model::{CertificateName, Diagnostic, Host, KeyPair};

use super::compile::{AcceptedIngresses, ManifestSettings};
use super::config::{Backend, Certificate, Listener, RouteRule, Settings};
use super::manifests::Manifests;
use super::yaml::{Files, Located};

/// An object with the files that its places are in.
#[derive(Debug)]
pub struct Object<T> {
    /// What was written, and where.
    pub spec: Located<T>,
    /// What the places refer to.
    pub files: Arc<Files>,
}

/// An object's versions.
#[derive(Debug)]
pub struct Entry<T> {
    /// The one that is there now.
    pub latest: Arc<Object<T>>,
    /// The last one that could be used.
    pub accepted: Option<Arc<Object<T>>>,
}

/// The objects of a kind, in the order in which they are written.
#[derive(Debug)]
pub struct Collection<T> {
    order: Vec<String>,
    entries: HashMap<String, Entry<T>>,
    /// Objects whose name another one had before.
    pub duplicates: Vec<(String, Arc<Object<T>>)>,
}

/// What is known of the world outside.
#[derive(Debug, Default)]
pub struct Resources {
    /// What a configuration has once.
    pub settings: Settings,
    /// What is accepted where.
    pub listeners: Collection<Listener>,
    /// Where certificates are, in order.
    pub certificates: Vec<Arc<Object<CertificateLocation>>>,
    /// Which requests go where.
    pub routes: Collection<RouteRule>,
    /// The route for what no other is for; at most one.
    pub default_route: Collection<RouteRule>,
    /// Where they go.
    pub backends: Collection<Backend>,
    /// Kubernetes objects.
    pub manifests: Manifests,
    /// How they are read.
    pub kubernetes: ManifestSettings,
    /// Names in DNS that their endpoints may have.
    pub manifest_names: Vec<Host>,
    /// Ingresses as they were when rules of theirs last led somewhere.
    pub accepted_ingresses: AcceptedIngresses,
    /// What was found in the places of `certificates`.
    pub found: BTreeMap<CertificateLocation, Found>,
    /// What was served last for each certificate that is still configured.
    pub accepted_pairs: BTreeMap<CertificateName, KeyPair>,
    /// What the resolver said.
    pub names: BTreeMap<Host, Resolution>,
    /// What is wrong with documents that could not be taken at all.
    pub findings: Vec<Diagnostic>,
}

/// Where certificates are looked for; paths as the file system knows them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertificateLocation {
    /// One directory with one pair.
    Secret(PathBuf),
    /// Every sub-directory has a pair.
    Secrets(PathBuf),
    /// Two files.
    Files {
        /// The chain.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

/// The pairs at a location, or why none could be looked for.
pub type Found = Result<BTreeMap<CertificateName, FoundPair>, FileProblem>;

/// The two files of a pair as they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPair {
    /// The chain.
    pub certificate: FileContent,
    /// Its key.
    pub key: FileContent,
}

/// A file and what reading it gave.
#[derive(Clone, PartialEq, Eq)]
pub struct FileContent {
    /// Which.
    pub path: PathBuf,
    /// Its bytes, or why there are none.
    pub content: Result<Bytes, FileProblem>,
}

/// Why a file or directory could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// What happened, with the path.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// What a name resolved to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The last good answer, sorted.
    pub addresses: Vec<IpAddr>,
    /// Why the latest try gave none.
    pub failure: Option<String>,
}

/// What the sources should look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Places with certificates.
    pub certificates: BTreeSet<CertificateLocation>,
    /// Names of endpoints.
    pub names: BTreeSet<Host>,
}

impl<T> Default for Collection<T> {
    fn default() -> Self {
        Self { order: Vec::new(), entries: HashMap::new(), duplicates: Vec::new() }
    }
}

impl<T> Collection<T> {
    /// Takes what is there now. Versions that were accepted stay with the names that are still there.
    pub fn replace(&mut self, objects: Vec<(String, Object<T>)>) {
        let mut before = std::mem::take(&mut self.entries);
        self.order.clear();
        self.duplicates.clear();
        for (name, object) in objects {
            let latest = Arc::new(object);
            if self.entries.contains_key(&name) {
                self.duplicates.push((name, latest));
                continue;
            }
            let accepted = before.remove(&name).and_then(|entry| entry.accepted);
            self.order.push(name.clone());
            self.entries.insert(name, Entry { latest, accepted });
        }
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry<T>)> {
        self.order.iter().filter_map(|name| self.entries.get(name).map(|entry| (name.as_str(), entry)))
    }

    /// Notes which versions are in use.
    pub fn promote(&mut self, accepted: impl IntoIterator<Item = (String, Arc<Object<T>>)>) {
        for (name, object) in accepted {
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.accepted = Some(object);
            }
        }
    }

    /// Whether there is an object of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The object of this name.
    pub fn get(&self, name: &str) -> Option<&Entry<T>> {
        self.entries.get(name)
    }

    /// Every name, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str)
    }
}

impl Resources {
    /// What the sources should look at.
    pub fn wanted(&self) -> Wanted {
        let certificates = self.certificates.iter().map(|object| object.spec.value.clone()).chain(self.kubernetes.locations().cloned());
        let endpoints = self.backends.iter().flat_map(|(_, entry)| &entry.latest.spec.endpoints);
        let names = endpoints.map(|endpoint| &endpoint.host).filter(|host| needs_resolving(host)).cloned();
        Wanted { certificates: certificates.collect(), names: names.chain(self.manifest_names.iter().cloned()).collect() }
    }
}

/// Addresses speak for themselves, and `localhost` is one endpoint whatever a resolver says.
pub fn needs_resolving(host: &Host) -> bool {
    host.as_str() != "localhost" && host.as_str().parse::<IpAddr>().is_err()
}

impl CertificateLocation {
    /// The location as the configuration has it, with its paths relative to the file they are written in.
    pub fn of(certificate: &Located<Certificate>, files: &Files) -> Self {
        let resolve = |path: &PathBuf| files.resolve(certificate.span, path);
        match &certificate.value {
            Certificate::Secret(directory) => Self::Secret(resolve(directory)),
            Certificate::Secrets(directory) => Self::Secrets(resolve(directory)),
            Certificate::Files { certificate, key } => Self::Files { certificate: resolve(certificate), key: resolve(key) },
        }
    }
}

/// The name of the path, never the bytes: one of the two is a private key.
impl std::fmt::Debug for FileContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let content = self.content.as_ref().map(Bytes::len);
        f.debug_struct("FileContent").field("path", &self.path).field("bytes", &content).finish()
    }
}
