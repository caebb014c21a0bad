//! The local CA: a root of the user's own that vouches for names meaning this machine, and the certificates it issues.
//! One for `demo`, `dev` and `genkan ca`, kept in the user's data directory. [`Authority`] is the root with its key,
//! [`OnDemand`] issues by server name, [`trust`] has the stores that may be told of it.
//!
//! Which names are known is not decided here, and nothing is printed.

mod kept;
mod leaf;
mod on_demand;
mod place;
mod read;
mod root;
mod subtree;
pub mod trust;

use std::fmt;
use std::time::{Duration, SystemTime};

use rcgen::{Issuer, KeyPair};

use crate::model::{Host, HostPattern};

pub use kept::{Change, Kept};
pub use leaf::Issued;
pub use on_demand::OnDemand;
pub use place::{data_directory, directory, put};
pub use read::pem;
pub use subtree::{InvalidSubtree, Subtree};

/// A root certificate with its key. Printed without a secret byte.
pub struct Authority {
    name: String,
    certificate: String,
    der: Vec<u8>,
    fingerprint: [u8; 32],
    permitted: Vec<Subtree>,
    not_after: SystemTime,
    issuer: Issuer<'static, KeyPair>,
}

/// Why there is no authority, or no certificate from it.
#[derive(Debug)]
pub enum Error {
    /// Certificate and key are none that can issue; with the reason.
    Unusable(&'static str),
    /// No name was given.
    NoName,
    /// Outside of what the root is for, so no client would take it.
    NotPermitted(HostPattern),
    /// A wildcard with nothing but a top-level domain after it, which clients refuse.
    TooWide(HostPattern),
    /// The root's own time is over.
    Ended,
    /// Making keys or signatures failed.
    Signing(rcgen::Error),
}

/// Renewed when less is left: somebody who uses it now and then should never meet its end.
const RENEWED_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);

impl Authority {
    /// Common name of the root; no two roots of ours share one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The root certificate.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The root certificate in DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 of the root certificate, as `AB:CD:...`.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.fingerprint)
    }

    /// End of the root's validity.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// What it may vouch for; empty where that is everything.
    pub fn permitted(&self) -> &[Subtree] {
        &self.permitted
    }

    /// Whether clients take a certificate for this host from it: by its constraints, of which those of the host's kind
    /// count (RFC 5280, section 4.2.1.10).
    pub fn permits(&self, host: &Host) -> bool {
        let mut of_kind = self.permitted.iter().filter_map(|subtree| subtree.covers(host)).peekable();
        of_kind.peek().is_none() || of_kind.any(|covered| covered)
    }

    /// Whether it is time for a new one.
    pub fn ends_soon(&self, now: SystemTime) -> bool {
        self.not_after < now + RENEWED_BEFORE
    }

    fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }
}

/// As browsers and OpenSSL show it.
fn fingerprint(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("name", &self.name).field("permitted", &self.permitted).finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(why) => f.write_str(why),
            Self::NoName => f.write_str("a certificate needs a name"),
            Self::NotPermitted(name) => write!(f, "the local CA does not permit {name}"),
            Self::TooWide(name) => write!(f, "clients refuse {name}: a wildcard needs two labels after it"),
            Self::Ended => f.write_str("the local CA's validity is over"),
            Self::Signing(_) => f.write_str("a certificate cannot be signed"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Signing(error) => Some(error),
            Self::Unusable(_) | Self::NoName | Self::NotPermitted(_) | Self::TooWide(_) | Self::Ended => None,
        }
    }
}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Self {
        Self::Signing(error)
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

#[cfg(test)]
mod tests;
