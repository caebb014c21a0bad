//! The two roots of a laptop: the local CA, which may be trusted because it can vouch only for names that mean this
//! machine; and one for the manifests' other hosts, which is made for one run and never installed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::authority::{self, Authority, OnDemand, put};
use crate::cli::ca;
use crate::model::{Issue, Snapshot};

/// Roots, and a file that a client can verify with.
#[derive(Debug)]
pub(super) struct Roots {
    issuer: Arc<OnDemand>,
    /// Of both roots.
    certificates: String,
    /// What clients are to trust, for `curl --cacert`; gone with the process.
    bundle: PathBuf,
    /// Why the local CA is not the one that is kept.
    pub(super) temporary: Option<String>,
}

impl Roots {
    pub(super) fn prepare() -> io::Result<Self> {
        let now = SystemTime::now();
        let (constrained, temporary) = match ca::keep(now) {
            Ok(authority) => (authority, None),
            Err(why) => (Authority::constrained(&[], now).map_err(io::Error::other)?, Some(why.to_string())),
        };
        let other = Authority::temporary("dev", now).map_err(io::Error::other)?;
        let bundle = std::env::temp_dir().join(format!("genkan-dev-{}.crt", std::process::id()));
        let certificates = format!("{}{}", constrained.certificate_pem(), other.certificate_pem());
        let roots = Self { issuer: Arc::new(OnDemand::new(constrained, Some(other))), certificates, bundle, temporary };
        roots.write_bundle(&Snapshot::default())?;
        Ok(roots)
    }

    /// Puts both roots into the file, and the certificates of Secrets, which may well be signed by themselves.
    pub(super) fn write_bundle(&self, snapshot: &Snapshot) -> io::Result<()> {
        let leaves = snapshot.certificates.iter().filter_map(|certificate| certificate.pair.signer().cert.last());
        let pems = leaves.filter_map(|leaf| authority::pem(leaf).ok());
        let _ = fs::remove_file(&self.bundle); // Left by a process that had this number before, or by this one.
        put(&self.bundle, 0o644, pems.fold(self.certificates.clone(), |all, pem| all + &pem).as_bytes())
    }

    pub(super) fn issuer(&self) -> Arc<dyn Issue> {
        self.issuer.clone()
    }

    pub(super) fn bundle(&self) -> &Path {
        &self.bundle
    }
}

impl Drop for Roots {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.bundle); // The system empties the place sooner or later.
    }
}
