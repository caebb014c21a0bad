//! Session tickets (RFC 8446 section 4.6.1, RFC 5077) under keys of ours: a ring of three that turns by itself, from
//! which every TLS policy derives its own, so that a session of one policy cannot be continued under another. The ring
//! outlives every configuration.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::rand;
use rustls::server::ProducesTickets;

use crate::model::{TlsPolicy, TlsProfile, TlsVersion};

/// How long the newest key is used for new tickets. It lives on for two more of these, to continue sessions with.
const TURN: Duration = Duration::from_secs(6 * 3600);
/// Keys that are known at a time.
const KEYS: usize = 3;
/// How long a ticket may be used: as long as its key is certain to be known.
const LIFETIME: u32 = 12 * 3600;
/// Tells keys apart without trying them.
const NAME: usize = 8;
/// A ticket of ours is a few hundred bytes, with the client's certificates a few thousand.
const MAX_TICKET: usize = 16 * 1024;

/// The keys that all tickets come from.
pub struct KeyRing(Mutex<Ring>);

struct Ring {
    /// The newest first.
    keys: Vec<RingKey>,
    turned: Instant,
}

#[derive(Clone)]
struct RingKey {
    name: [u8; NAME],
    secret: [u8; 32],
}

/// The tickets of one policy.
pub struct Ticketer {
    ring: Arc<KeyRing>,
    policy: [u8; 2],
    /// Derived keys; at most [`KEYS`] of them are still in the ring.
    derived: Mutex<Vec<(RingKey, Arc<RandomizedNonceKey>)>>,
}

impl KeyRing {
    /// A ring with one key. Fails only if the system has no randomness.
    pub fn new() -> Result<Arc<Self>, rustls::Error> {
        Ok(Arc::new(Self(Mutex::new(Ring { keys: vec![RingKey::random()?], turned: Instant::now() }))))
    }

    /// The ticketer of a policy.
    pub fn for_policy(self: &Arc<Self>, policy: &TlsPolicy) -> Result<Ticketer, rustls::Error> {
        let version = match policy.minimum_version {
            TlsVersion::Tls12 => 2,
            TlsVersion::Tls13 => 3,
        };
        let profile = match policy.profile {
            TlsProfile::Modern => 0,
            TlsProfile::Compatible => 1,
            TlsProfile::Fips => 2,
        };
        let fingerprint = [version, profile];
        let ticketer = Ticketer { ring: self.clone(), policy: fingerprint, derived: Mutex::default() };
        ticketer.newest().map(|_| ticketer).ok_or_else(|| rustls::Error::General("no ticket key can be derived".to_owned()))
    }

    /// The keys now, the newest first.
    fn keys(&self, now: Instant) -> Vec<RingKey> {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(ring.turned) >= TURN
            && let Ok(key) = RingKey::random()
        {
            // After a long silence old keys are too old, too.
            let turns = now.duration_since(ring.turned).as_secs() / TURN.as_secs();
            let keep = (KEYS - 1).saturating_sub(usize::try_from(turns).unwrap_or(KEYS) - 1);
            ring.keys.truncate(keep);
            ring.keys.insert(0, key);
            ring.turned = now;
        }
        ring.keys.clone()
    }
}

impl RingKey {
    fn random() -> Result<Self, rustls::Error> {
        let mut key = Self { name: [0; NAME], secret: [0; 32] };
        let failed = |_| rustls::Error::FailedToGetRandomBytes;
        rand::fill(&mut key.name).map_err(failed)?;
        rand::fill(&mut key.secret).map_err(failed)?;
        Ok(key)
    }

    fn derive(&self, policy: &[u8]) -> Option<RandomizedNonceKey> {
        let mut key = [0; 32];
        let prk = Salt::new(HKDF_SHA256, b"genkan session tickets").extract(&self.secret);
        prk.expand(&[policy], &AES_256_GCM).ok()?.fill(&mut key).ok()?;
        RandomizedNonceKey::new(&AES_256_GCM, &key).ok()
    }
}

impl Ticketer {
    fn newest(&self) -> Option<(RingKey, Arc<RandomizedNonceKey>)> {
        let keys = self.ring.keys(Instant::now());
        self.derived(keys.first()?, &keys)
    }

    fn named(&self, name: &[u8]) -> Option<Arc<RandomizedNonceKey>> {
        let keys = self.ring.keys(Instant::now());
        let key = keys.iter().find(|key| key.name == name)?;
        self.derived(key, &keys).map(|(_, key)| key)
    }

    fn derived(&self, key: &RingKey, ring: &[RingKey]) -> Option<(RingKey, Arc<RandomizedNonceKey>)> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, cipher)) = derived.iter().find(|(known, _)| known.name == key.name) {
            return Some((known.clone(), cipher.clone()));
        }
        derived.retain(|(known, _)| ring.iter().any(|key| key.name == known.name));
        let cipher = Arc::new(key.derive(&self.policy)?);
        derived.push((key.clone(), cipher.clone()));
        Some((key.clone(), cipher))
    }
}

/// A ticket is the key's name, the nonce, and the session under AES-256-GCM with the name as associated data.
impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let (key, cipher) = self.newest()?;
        let mut sealed = plain.to_vec();
        let nonce = cipher.seal_in_place_append_tag(Aad::from(&key.name), &mut sealed).ok()?;
        Some([&key.name[..], nonce.as_ref(), &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > MAX_TICKET {
            return None;
        }
        let (name, rest) = ticket.split_at_checked(NAME)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let cipher = self.named(name)?;
        let mut plain = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = cipher.open_in_place(nonce, Aad::from(name), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

impl fmt::Debug for Ticketer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticketer").field("policy", &self.policy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticketer(ring: &Arc<KeyRing>, minimum_version: TlsVersion) -> Ticketer {
        ring.for_policy(&TlsPolicy { minimum_version, ..TlsPolicy::default() }).unwrap()
    }

    #[test]
    fn a_session_comes_back_under_its_own_policy_only() {
        let ring = KeyRing::new().unwrap();
        let ticket = ticketer(&ring, TlsVersion::Tls12).encrypt(b"session").unwrap();
        assert_eq!(ticketer(&ring, TlsVersion::Tls12).decrypt(&ticket).as_deref(), Some(&b"session"[..]), "a reload keeps sessions");
        assert_eq!(ticketer(&ring, TlsVersion::Tls13).decrypt(&ticket), None);
        assert_eq!(ticketer(&KeyRing::new().unwrap(), TlsVersion::Tls12).decrypt(&ticket), None, "another process has other keys");
    }

    #[test]
    fn changed_and_foreign_tickets_are_refused() {
        let ticketer = ticketer(&KeyRing::new().unwrap(), TlsVersion::Tls12);
        let ticket = ticketer.encrypt(b"session").unwrap();
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(ticketer.decrypt(&changed), None, "byte {at}");
        }
        for length in 0..ticket.len() {
            assert_eq!(ticketer.decrypt(&ticket[..length]), None, "{length} bytes");
        }
        assert_eq!(ticketer.decrypt(&vec![0; MAX_TICKET + 1]), None);
    }

    #[test]
    fn keys_turn_and_the_last_three_are_known() {
        let ring = KeyRing::new().unwrap();
        let start = Instant::now();
        let names = |turns: u32| ring.keys(start + TURN * turns + Duration::from_secs(1)).into_iter().map(|key| key.name).collect::<Vec<_>>();
        let first = names(0);
        let second = names(1);
        assert_eq!(second[1..], first);
        let third = names(2);
        assert_eq!(third[1..], second);
        assert_eq!(names(3)[1..], third[..2], "the oldest is forgotten");
        assert_eq!(names(20).len(), 1, "after a long silence all are");
    }
}
