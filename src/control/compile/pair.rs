//! Bytes of two files to a pair that can sign, or the reason why not. Pure, so that the result is kept by content.

use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys, SignatureAlgorithm};
use x509_cert::certificate::Certificate as X509;
use x509_cert::der::Decode;
use x509_cert::der::oid::db::rfc4519;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::pem::{self, PemError};
use crate::model::{Facts, Fingerprint, Host, HostPattern, KeyPair, KeyType, Reason};

/// Why two files are not a pair that can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairProblem {
    /// What kind.
    pub reason: Reason,
    /// Which of the two files it is about.
    pub in_key: bool,
    /// What, to follow the name of the file.
    pub message: String,
    /// What to do.
    pub help: Option<&'static str>,
}

/// Builds a pair. The key must belong to the leaf, and rustls must be able to sign with it.
pub fn build(certificate: &[u8], key: &[u8]) -> Result<KeyPair, PairProblem> {
    let chain = pem::certificates(certificate).map_err(in_certificate)?;
    let key_der = pem::private_key(key).map_err(in_key)?;
    let leaf = X509::from_der(&chain[0]).map_err(|error| invalid(false, format!("begins with a certificate that cannot be parsed: {error}")))?;
    let chain_length = chain.len();
    let fingerprint = fingerprint(&chain, key_der.secret_der());
    let signer = CertifiedKey::from_der(chain, key_der, &rustls::crypto::aws_lc_rs::default_provider()).map_err(|error| match error {
        TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => mismatch(&leaf),
        error @ TlsError::InvalidCertificate(_) => invalid(false, format!("begins with a certificate that cannot be used: {error}")),
        error => unsupported(&error.to_string()),
    })?;
    let key_type = match signer.key.algorithm() {
        SignatureAlgorithm::ECDSA => KeyType::Ecdsa,
        SignatureAlgorithm::ED25519 => KeyType::Ed25519,
        SignatureAlgorithm::RSA => KeyType::Rsa,
        other => return Err(unsupported(&format!("{other:?}"))),
    };
    let facts = facts(&leaf, key_type, chain_length);
    Ok(KeyPair::new(fingerprint, facts, Arc::new(signer)))
}

/// What a certificate is for that somebody else serves; nothing if it cannot be parsed.
pub fn certificate_names(der: &[u8]) -> Vec<HostPattern> {
    X509::from_der(der).map(|leaf| names(&leaf)).unwrap_or_default()
}

fn fingerprint(chain: &[CertificateDer<'_>], key: &[u8]) -> Fingerprint {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in chain.iter().map(AsRef::as_ref).chain([key]) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Fingerprint(bytes)
}

fn facts(leaf: &X509, key_type: KeyType, chain_length: usize) -> Facts {
    let tbs = leaf.tbs_certificate();
    Facts {
        names: names(leaf),
        issuer: tbs.issuer().to_string(),
        not_before: tbs.validity().not_before.to_system_time(),
        not_after: tbs.validity().not_after.to_system_time(),
        key_type,
        chain_length,
    }
}

/// The subject alternative names; the common name only where there are none, as older private CAs have it.
fn names(leaf: &X509) -> Vec<HostPattern> {
    let tbs = leaf.tbs_certificate();
    let mut names = Vec::new();
    if let Ok(Some((_, SubjectAltName(alternatives)))) = tbs.get_extension::<SubjectAltName>() {
        for name in alternatives {
            let pattern = match name {
                GeneralName::DnsName(name) => HostPattern::parse(name.as_str()).ok(),
                GeneralName::IpAddress(octets) => address(octets.as_bytes()),
                _ => None,
            };
            names.extend(pattern.filter(|pattern| !names.contains(pattern)));
        }
    }
    if names.is_empty() {
        names.extend(common_name(leaf).and_then(|name| HostPattern::parse(&name).ok()));
    }
    names
}

fn address(octets: &[u8]) -> Option<HostPattern> {
    let text = match octets.len() {
        4 => <[u8; 4]>::try_from(octets).map(std::net::Ipv4Addr::from).ok()?.to_string(),
        16 => <[u8; 16]>::try_from(octets).map(std::net::Ipv6Addr::from).ok()?.to_string(),
        _ => return None,
    };
    Host::parse(&text).ok().map(HostPattern::Exact)
}

fn common_name(leaf: &X509) -> Option<String> {
    let subject = leaf.tbs_certificate().subject();
    let attribute = subject.iter().find(|attribute| attribute.oid == rfc4519::CN)?;
    std::str::from_utf8(attribute.value.value()).ok().map(str::to_owned)
}

fn in_certificate(error: PemError) -> PairProblem {
    let (message, help) = match error {
        PemError::Empty => ("is empty", Some("an empty file is often one that is being written; write it aside and rename it")),
        PemError::Malformed => ("is not valid PEM", Some("expected -----BEGIN CERTIFICATE----- sections")),
        PemError::Absent | PemError::Encrypted => ("has no certificate in it", Some("expected a -----BEGIN CERTIFICATE----- section")),
        PemError::TooMany => ("has more certificates than a chain can have", Some("keep the leaf and its intermediates")),
    };
    PairProblem { reason: Reason::CertificateInvalid, in_key: false, message: message.to_owned(), help }
}

fn in_key(error: PemError) -> PairProblem {
    let (message, help) = match error {
        PemError::Empty => ("is empty", Some("an empty file is often one that is being written; write it aside and rename it")),
        PemError::Encrypted => ("has a key under a pass phrase", Some("decrypt it: openssl pkey -in tls.key -out decrypted.key")),
        PemError::Malformed => ("is not valid PEM", Some("expected a -----BEGIN PRIVATE KEY----- section")),
        PemError::Absent | PemError::TooMany => ("has no private key in it", Some("expected a -----BEGIN PRIVATE KEY----- section")),
    };
    PairProblem { reason: Reason::CertificateInvalid, in_key: true, message: message.to_owned(), help }
}

fn invalid(in_key: bool, message: String) -> PairProblem {
    PairProblem { reason: Reason::CertificateInvalid, in_key, message, help: None }
}

fn unsupported(why: &str) -> PairProblem {
    PairProblem {
        help: Some("use an ECDSA key (P-256, P-384 or P-521), Ed25519, or RSA with 2048 bits or more"),
        ..invalid(true, format!("has a key that cannot be used: {why}"))
    }
}

fn mismatch(leaf: &X509) -> PairProblem {
    let subject = leaf.tbs_certificate().subject();
    PairProblem {
        reason: Reason::CertificateKeyMismatch,
        in_key: true,
        message: format!("does not belong to the certificate beside it ({subject})"),
        help: Some("compare: openssl pkey -in tls.key -pubout | sha256sum ; openssl x509 -in tls.crt -pubkey -noout | sha256sum"),
    }
}
