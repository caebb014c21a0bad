//! Which certificate a handshake gets: by server name among the names of the certificates, then by what the client can
//! verify. Expiry is no matter here (there is no clock): what may be served at all was decided when the snapshot was
//! compiled.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use foldhash::{HashMap, HashMapExt};

use super::host::canonical;
use crate::model::{Certificate, CertificateName, Host, HostPattern, KeyPair, KeyType, UnknownServerName};

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
    /// Those that a listener has for its own default.
    by_name: HashMap<CertificateName, KeyPair>,
}

impl CertificateTable {
    /// Arranges certificates in the order of the configuration; the first is the default.
    pub fn build(certificates: &[Arc<Certificate>]) -> Self {
        let mut table = Self { exact: HashMap::new(), wildcard: HashMap::new(), default: Vec::new(), by_name: HashMap::new() };
        let default_names = certificates.first().map(|certificate| names(&certificate.pair));
        for Certificate { name, pair } in certificates.iter().map(AsRef::as_ref) {
            table.by_name.insert(name.clone(), pair.clone());
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

    /// The pair for a server name: one that names it exactly, else one with a wildcard for it (one label). Among equals
    /// the first whose signatures the client can verify; where it can verify none, a certificate for the right name lets
    /// it say what it misses.
    pub fn covering(&self, server_name: &str, can_verify: impl Fn(KeyType) -> bool) -> Option<&KeyPair> {
        let host = canonical(server_name).ok()?;
        let exact = self.exact.get(&*host).map_or(&[][..], Vec::as_slice);
        let wildcard = Host::parent_of(&host).and_then(|parent| self.wildcard.get(parent));
        choose(exact, wildcard.map_or(&[], Vec::as_slice), &can_verify)
    }

    /// What is served where no certificate is for the name: what `unknown` says, and to a client that sends no name, which
    /// asks for none in particular, the default: that of its listener, if it has one, else the first.
    pub fn otherwise(
        &self,
        server_name: Option<&str>,
        unknown: UnknownServerName,
        default: Option<&CertificateName>,
        can_verify: impl Fn(KeyType) -> bool,
    ) -> Option<&KeyPair> {
        if server_name.is_some() && unknown == UnknownServerName::Refuse {
            return None;
        }
        default.and_then(|name| self.by_name.get(name)).or_else(|| choose(&self.default, &[], &can_verify))
    }

    /// The two in one.
    pub fn find(&self, server_name: Option<&str>, unknown: UnknownServerName, can_verify: impl Fn(KeyType) -> bool) -> Option<&KeyPair> {
        let covering = server_name.and_then(|name| self.covering(name, &can_verify));
        covering.or_else(|| self.otherwise(server_name, unknown, None, &can_verify))
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
