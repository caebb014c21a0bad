//! The local CA: made for one certificate, restricted to names that mean this machine, and its key thrown away, so that
//! whoever trusts it for a while trusts nothing else by it. Pure but for the randomness of the keys.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, Error, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, PKCS_ECDSA_P256_SHA256, SanType,
};

/// A certificate, its key, and who issued it; PEM.
pub(super) struct Issued {
    pub(super) authority: String,
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Long enough to be forgotten, short enough for every client's rules.
const VALIDITY: Duration = Duration::from_secs(90 * 24 * 3600);
/// Clocks of virtual machines are late after sleep.
const EARLIER: Duration = Duration::from_secs(3600);

/// Issues a certificate for `localhost` and the loopback addresses.
pub(super) fn issue(now: SystemTime) -> Result<Issued, Error> {
    let authority_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let authority_params = authority(&authority_key, now);
    let authority = authority_params.self_signed(&authority_key)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = leaf(now)?.signed_by(&key, &Issuer::new(authority_params, authority_key))?;
    Ok(Issued { authority: authority.pem(), certificate: certificate.pem(), key: key.serialize_pem() })
}

fn authority(key: &KeyPair, now: SystemTime) -> CertificateParams {
    let mut params = validity(now);
    // Each has a name of its own: clients look issuers up by name, and an older one may still be about.
    let digest = digest::digest(&digest::SHA256, key.public_key_raw());
    let suffix = digest.as_ref().iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    params.distinguished_name.push(DnType::CommonName, format!("genkan demo CA {suffix:08x}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let names = ["localhost", ".localhost", ".test", ".internal"].map(|name| GeneralSubtree::DnsName(name.to_owned()));
    let v4 = GeneralSubtree::IpAddress(CidrSubnet::V4([127, 0, 0, 0], [255, 0, 0, 0]));
    let v6 = GeneralSubtree::IpAddress(CidrSubnet::V6(Ipv6Addr::LOCALHOST.octets(), [255; 16]));
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees: names.into_iter().chain([v4, v6]).collect(), excluded_subtrees: Vec::new() });
    params
}

fn leaf(now: SystemTime) -> Result<CertificateParams, Error> {
    let mut params = validity(now);
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.subject_alt_names = vec![
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn validity(now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = (now - EARLIER).into();
    params.not_after = (now + VALIDITY).into();
    params
}
