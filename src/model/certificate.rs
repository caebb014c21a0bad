//! A certificate chain with its private key, ready to sign. Built once by the compile step, so that nothing about it
//! can fail in a handshake; compared by fingerprint and printed without a secret byte.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::sign::CertifiedKey;

use super::{Host, HostPattern};

/// Where a certificate was found: the path of its directory, or of its certificate file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateName(pub PathBuf);

/// SHA-256 over chain and key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

/// What the private key signs with; clients differ in what they can verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyType {
    /// P-256, P-384 or P-521.
    Ecdsa,
    /// RFC 8032.
    Ed25519,
    /// 2048 bits or more.
    Rsa,
}

/// A configured certificate and the pair that is served for it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Where it comes from.
    pub name: CertificateName,
    /// What is served.
    pub pair: KeyPair,
}

/// A chain and its key; cheap to clone.
#[derive(Clone)]
pub struct KeyPair(Arc<Inner>);

struct Inner {
    fingerprint: Fingerprint,
    facts: Facts,
    signer: Arc<CertifiedKey>,
}

/// What a leaf certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// DNS names and addresses of the subject alternative names, in their order.
    pub names: Vec<HostPattern>,
    /// Issuer's distinguished name.
    pub issuer: String,
    /// Start of validity.
    pub not_before: SystemTime,
    /// End of validity.
    pub not_after: SystemTime,
    /// Type of its key.
    pub key_type: KeyType,
    /// Certificates in the chain, the leaf included.
    pub chain_length: usize,
}

/// Makes pairs for server names, while clients wait.
pub trait Issue: Send + Sync + fmt::Debug {
    /// The pair for a server name that no certificate covers; `None` where none is issued for it.
    fn issue(&self, server_name: &Host, now: SystemTime) -> Option<KeyPair>;
}

impl KeyPair {
    /// Joins what the compile step has read and checked.
    pub fn new(fingerprint: Fingerprint, facts: Facts, signer: Arc<CertifiedKey>) -> Self {
        Self(Arc::new(Inner { fingerprint, facts, signer }))
    }

    /// Identity of chain and key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// What the leaf says of itself.
    pub fn facts(&self) -> &Facts {
        &self.0.facts
    }

    /// What rustls signs with.
    pub fn signer(&self) -> &Arc<CertifiedKey> {
        &self.0.signer
    }

    /// Whether one of the names covers the host.
    pub fn covers(&self, host: &Host) -> bool {
        self.0.facts.names.iter().any(|name| name.matches(host))
    }

    /// Whether `now` lies within the validity.
    pub fn is_valid_at(&self, now: SystemTime) -> bool {
        self.0.facts.not_before <= now && now <= self.0.facts.not_after
    }
}

impl PartialEq for KeyPair {
    fn eq(&self, other: &Self) -> bool {
        self.0.fingerprint == other.0.fingerprint
    }
}

impl Eq for KeyPair {}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("fingerprint", &self.0.fingerprint).field("names", &self.0.facts.names).finish_non_exhaustive()
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ecdsa => "ECDSA",
            Self::Ed25519 => "Ed25519",
            Self::Rsa => "RSA",
        })
    }
}
