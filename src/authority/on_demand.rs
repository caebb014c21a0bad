//! Certificates by server name, made when the first client asks. Whether a name is one that is served, the caller has
//! decided; here is only which root answers for it, and what has been made already.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::{Authority, Error};
use crate::control::compile::key_pair;
use crate::model::{Facts, Host, HostPattern, Issue, KeyPair};

/// Issues from two roots, and keeps what it has issued.
#[derive(Debug)]
pub struct OnDemand {
    constrained: Authority,
    other: Option<Authority>,
    issued: Mutex<Cache>,
}

/// Names that are kept; a laptop's manifests have far fewer, and clients choose among those alone.
const MAX_NAMES: usize = 1024;

/// Pairs, and their names in the order in which they came.
#[derive(Debug, Default)]
struct Cache {
    pairs: HashMap<Host, KeyPair>,
    order: VecDeque<Host>,
}

impl OnDemand {
    /// The first root for names that it permits, the other for the rest.
    pub fn new(constrained: Authority, other: Option<Authority>) -> Self {
        Self { constrained, other, issued: Mutex::default() }
    }

    fn make(&self, host: &Host, now: SystemTime) -> Option<Result<KeyPair, Error>> {
        let authority = if self.constrained.permits(host) { &self.constrained } else { self.other.as_ref()? };
        let issued = authority.issue(&[HostPattern::Exact(host.clone())], now);
        Some(issued.and_then(|issued| {
            key_pair(issued.certificate.as_bytes(), issued.key.as_bytes()).map_err(|_| Error::Unusable("a certificate just issued cannot be used"))
        }))
    }

    /// Held for look-ups alone, never while a key is made. Nothing under it can panic halfway.
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Issue for OnDemand {
    fn issue(&self, server_name: &Host, now: SystemTime) -> Option<KeyPair> {
        let kept = self.cache().pairs.get(server_name).cloned();
        if let Some(pair) = kept.as_ref().filter(|pair| is_fresh(pair.facts(), now)) {
            return Some(pair.clone());
        }
        match self.make(server_name, now)? {
            Ok(pair) => Some(self.cache().keep(server_name, pair, now)),
            Err(error) => {
                tracing::warn!(%server_name, %error, "no certificate can be issued");
                kept.filter(|pair| pair.is_valid_at(now))
            }
        }
    }
}

/// Whether more than a third of the validity is left.
fn is_fresh(facts: &Facts, now: SystemTime) -> bool {
    let whole = facts.not_after.duration_since(facts.not_before).unwrap_or_default();
    facts.not_before <= now && facts.not_after.duration_since(now).is_ok_and(|left| left > whole / 3)
}

impl Cache {
    /// Takes a pair, unless another handshake has brought one in the meantime; two for one name would be no error, but
    /// clients that compare would wonder.
    fn keep(&mut self, host: &Host, pair: KeyPair, now: SystemTime) -> KeyPair {
        match self.pairs.get_mut(host) {
            Some(kept) if is_fresh(kept.facts(), now) => return kept.clone(),
            Some(kept) => *kept = pair.clone(),
            None => {
                if self.order.len() >= MAX_NAMES
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.pairs.remove(&oldest);
                }
                self.order.push_back(host.clone());
                self.pairs.insert(host.clone(), pair.clone());
            }
        }
        debug_assert_eq!(self.pairs.len(), self.order.len());
        pair
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    fn on_demand(other: bool, now: SystemTime) -> OnDemand {
        OnDemand::new(Authority::constrained(&[], now).unwrap(), other.then(|| Authority::temporary("test", now).unwrap()))
    }

    #[test]
    fn each_name_is_issued_once_from_the_root_that_is_for_it() {
        let now = SystemTime::now();
        let issue = on_demand(true, now);
        let inside = issue.issue(&host("shop.test"), now).unwrap();
        assert_eq!(inside, issue.issue(&host("shop.test"), now).unwrap());
        assert!(inside.covers(&host("shop.test")) && inside.is_valid_at(now) && inside.facts().names.len() == 1);
        assert!(inside.facts().issuer.contains("genkan local CA"), "{}", inside.facts().issuer);
        let outside = issue.issue(&host("shop.example.com"), now).unwrap();
        assert!(outside.facts().issuer.contains("genkan temporary CA"), "{}", outside.facts().issuer);
        assert!(on_demand(false, now).issue(&host("shop.example.com"), now).is_none());
    }

    #[test]
    fn a_pair_is_renewed_when_a_third_is_left() {
        let now = SystemTime::now();
        let issue = on_demand(false, now);
        let first = issue.issue(&host("localhost"), now).unwrap();
        assert_eq!(first, issue.issue(&host("localhost"), now + 59 * DAY).unwrap());
        assert_ne!(first, issue.issue(&host("localhost"), now + 61 * DAY).unwrap());
        // The root itself has ended.
        assert!(issue.issue(&host("localhost"), now + 800 * DAY).is_none());
    }

    #[test]
    fn names_are_bounded() {
        let now = SystemTime::now();
        let pair = on_demand(false, now).issue(&host("localhost"), now).unwrap();
        let mut cache = Cache::default();
        for number in 0..MAX_NAMES + 2 {
            cache.keep(&host(&format!("h{number}.test")), pair.clone(), now);
        }
        assert_eq!(cache.pairs.len(), MAX_NAMES);
        assert!(!cache.pairs.contains_key(&host("h1.test")) && cache.pairs.contains_key(&host("h2.test")));
    }
}
