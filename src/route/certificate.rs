//! Which certificate a handshake gets: by server name among the names of the certificates, then by what the client can
//! verify. Expiry is no matter here (there is no clock): what may be served at all was decided when the snapshot was
//! compiled.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use foldhash::{HashMap, HashMapExt};

use super::host::canonical;
use super::table::parent;
use crate::model::{Certificate, HostPattern, KeyPair, KeyType, UnknownServerName};

/// Certificates, arranged for lookup. Each list is in order of preference: elliptic curves before RSA, whose signatures
/// cost the server many times as much; then the one that is valid longest, so that a renewal listed beside its
/// predecessor takes over; then the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct CertificateTable {
    exact: HashMap<Box<str>, Vec<KeyPair>>,
    /// By what follows the `*.`.
    wildcard: HashMap<Box<str>, Vec<KeyPair>>,
    /// The first certificate, and those for the same names, which differ from it in key type.
    default: Vec<KeyPair>,
}

impl CertificateTable {
    /// Arranges certificates in the order of the configuration; the first is the default.
    pub fn build(certificates: &[Arc<Certificate>]) -> Self {
        let mut table = Self { exact: HashMap::new(), wildcard: HashMap::new(), default: Vec::new() };
        let default_names = certificates.first().map(|certificate| names(&certificate.pair));
        for Certificate { pair, .. } in certificates.iter().map(AsRef::as_ref) {
            let names = names(pair);
            for name in &names {
                let (map, name) = match name {
                    HostPattern::Exact(host) => (&mut table.exact, host.as_str()),
                    HostPattern::Wildcard(host) | HostPattern::Deep(host) => (&mut table.wildcard, host.as_str()),
                };
                map.entry(name.into()).or_default().push(pair.clone());
            }
            if default_names.as_ref() == Some(&names) {
                table.default.push(pair.clone());
            }
        }
        let lists = table.exact.values_mut().chain(table.wildcard.values_mut());
        lists.chain([&mut table.default]).for_each(|pairs| pairs.sort_by_key(preference));
        table
    }

    /// The pair for a server name: one that names it exactly, else one with a wildcard for it (one label), else what
    /// `unknown` says. A client that sends no name asks for none in particular and gets the default: only a name can be
    /// unknown. Among equals the first whose signatures the client can verify; where it can verify none, a certificate
    /// for the right name lets it say what it misses.
    pub fn find(&self, server_name: Option<&str>, unknown: UnknownServerName, can_verify: impl Fn(KeyType) -> bool) -> Option<&KeyPair> {
        let default = || choose(&self.default, &[], &can_verify);
        let Some(name) = server_name else { return default() };
        let covering = canonical(name).ok().and_then(|host| {
            let exact = self.exact.get(&*host).map_or(&[][..], Vec::as_slice);
            let wildcard = parent(&host).and_then(|parent| self.wildcard.get(parent));
            choose(exact, wildcard.map_or(&[], Vec::as_slice), &can_verify)
        });
        match unknown {
            UnknownServerName::DefaultCertificate => covering.or_else(default),
            UnknownServerName::Refuse => covering,
        }
    }

    /// Whether there is no certificate at all.
    pub fn is_empty(&self) -> bool {
        self.default.is_empty()
    }
}

/// A pair that the client can verify: of `exact` rather than of `wildcard`, but RSA for the wildcard is better than a
/// curve for the exact name that the client does not know.
fn choose<'p>(exact: &'p [KeyPair], wildcard: &'p [KeyPair], can_verify: impl Fn(KeyType) -> bool) -> Option<&'p KeyPair> {
    let mut pairs = exact.iter().chain(wildcard);
    let first = pairs.clone().next();
    pairs.find(|pair| can_verify(pair.facts().key_type)).or(first)
}

/// Smaller comes first; the sort is stable.
fn preference(pair: &KeyPair) -> (bool, Reverse<SystemTime>) {
    let facts = pair.facts();
    let costly = match facts.key_type {
        KeyType::Ecdsa | KeyType::Ed25519 => false,
        KeyType::Rsa => true,
    };
    (costly, Reverse(facts.not_after))
}

/// Its names, each once.
fn names(pair: &KeyPair) -> BTreeSet<&HostPattern> {
    pair.facts().names.iter().collect()
}

#[cfg(test)]
mod tests;
