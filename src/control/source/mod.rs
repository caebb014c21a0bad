//! Where changes come from. A source knows one part of the outside world, and nothing of what the others or the
//! compiler make of it.

mod config_file;
mod documents;
mod file_watch;
#[cfg(test)]
mod kubelet;
mod manifests;
mod names;
mod secret;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::config::Objects;
use super::manifests::ManifestObject;
use super::resources::{CertificateLocation, Found, Resolution, Wanted};
use super::yaml::Files;
use crate::model::{Diagnostic, Host};

pub use config_file::{ConfigSource, Configuration};
pub use documents::Input;
pub use file_watch::FileWatch;
pub use names::Names;
pub use secret::{Secrets, read_location};

/// Brings changes from somewhere until the process ends.
pub trait Source: Send + 'static {
    /// Looks at what is wanted and sends what it finds, at first and then whenever it is another.
    fn run(self, changes: mpsc::Sender<Change>, wanted: watch::Receiver<Wanted>) -> impl Future<Output = ()> + Send;
}

/// What a source brings: always everything it knows, so that what is gone needs no word of its own.
#[derive(Debug)]
pub enum Change {
    /// The configuration's objects.
    Configuration {
        /// Taken apart.
        objects: Box<Objects>,
        /// What their places refer to.
        files: Arc<Files>,
        /// Kubernetes objects, in the order of their files, each once.
        manifests: Vec<Arc<ManifestObject>>,
        /// What is wrong with documents that were not taken.
        findings: Vec<Diagnostic>,
    },
    /// What is at each place where certificates may be.
    Certificates(BTreeMap<CertificateLocation, Found>),
    /// What names resolve to.
    Names(BTreeMap<Host, Resolution>),
}
