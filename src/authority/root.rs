//! Making a root: the one that is kept, restricted to names that mean this machine, so that whoever trusts it trusts
//! nothing else by it; and one for a single run, which nobody installs. Pure but for the randomness of the keys.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, NameConstraints,
    PKCS_ECDSA_P256_SHA256,
};

use super::{Authority, Error, Subtree};

/// Long enough to be installed once and forgotten; a key that lies about on a laptop should not be good for ten years.
const VALIDITY: Duration = Duration::from_secs(730 * 24 * 3600);
/// Clocks of virtual machines are late after sleep.
pub(super) const EARLIER: Duration = Duration::from_secs(3600);
/// What every root of ours may vouch for: reserved names (RFC 6761; `.internal` by ICANN), and this machine's addresses.
const PERMITTED: [&str; 6] = ["localhost", ".localhost", ".test", ".internal", "127.0.0.0/8", "::1"];

impl Authority {
    /// A root for names that mean this machine, and those that are added.
    pub fn constrained(permit: &[Subtree], now: SystemTime) -> Result<Self, Error> {
        let mut permitted: Vec<Subtree> = PERMITTED.iter().filter_map(|text| Subtree::parse(text).ok()).collect();
        for subtree in permit {
            if !permitted.contains(subtree) {
                permitted.push(subtree.clone());
            }
        }
        make("genkan local CA", &permitted, now)
    }

    /// A root for any name, for one run: in memory alone, never stored and never installed. The hint says whose.
    pub fn temporary(hint: &str, now: SystemTime) -> Result<Self, Error> {
        // A common name has at most 64 characters (RFC 5280, appendix A).
        let hint: String = hint.chars().take(20).collect();
        make(&format!("genkan temporary CA {hint}"), &[], now)
    }

    /// Those permitted names that not every root has.
    pub fn added(&self) -> impl Iterator<Item = &Subtree> {
        self.permitted.iter().filter(|subtree| !PERMITTED.contains(&subtree.to_string().as_str()))
    }
}

fn make(name: &str, permitted: &[Subtree], now: SystemTime) -> Result<Authority, Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = validity(now, now + VALIDITY);
    // Each has a name of its own: clients look issuers up by name, and an older one may still be about.
    let digest = digest::digest(&digest::SHA256, key.public_key_raw());
    let suffix = digest.as_ref().iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    params.distinguished_name.push(DnType::CommonName, format!("{name} {suffix:08x}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if !permitted.is_empty() {
        let permitted_subtrees = permitted.iter().map(Subtree::constraint).collect();
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    }
    // Read back, so that one just made and one that was kept are the same.
    Authority::from_pem(params.self_signed(&key)?.pem().as_bytes(), key.serialize_pem().as_bytes())
}

/// A certificate that says nothing yet but from when until when.
pub(super) fn validity(now: SystemTime, until: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = (now - EARLIER).into();
    params.not_after = until.into();
    params
}
