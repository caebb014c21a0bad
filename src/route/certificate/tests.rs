use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use super::*;
use crate::model::{CertificateName, Facts, Fingerprint};

/// One for all: the table never looks at it.
static SIGNER: LazyLock<Arc<CertifiedKey>> = LazyLock::new(|| {
    let pair = rcgen::KeyPair::generate().unwrap();
    let key = any_supported_type(&PrivateKeyDer::try_from(pair.serialize_der()).unwrap()).unwrap();
    Arc::new(CertifiedKey::new(Vec::new(), key))
});

/// A certificate that is recognised by `id`.
fn certificate(id: u8, key_type: KeyType, days: u64, names: &[&str]) -> Arc<Certificate> {
    let facts = Facts {
        names: names.iter().map(|name| HostPattern::parse(name).unwrap()).collect(),
        issuer: String::new(),
        not_before: SystemTime::UNIX_EPOCH,
        not_after: SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86400),
        key_type,
        chain_length: 1,
    };
    let pair = KeyPair::new(Fingerprint([id; 32]), facts, SIGNER.clone());
    Arc::new(Certificate { name: CertificateName(PathBuf::from(format!("/{id}"))), pair })
}

fn find(certificates: &[Arc<Certificate>], name: Option<&str>, unknown: UnknownServerName, verifies: &[KeyType]) -> Option<u8> {
    let table = CertificateTable::build(certificates);
    table.find(name, unknown, |key| verifies.contains(&key)).map(|pair| pair.fingerprint().0[0])
}

const ALL: &[KeyType] = &[KeyType::Ecdsa, KeyType::Ed25519, KeyType::Rsa];

#[test]
fn the_exact_name_then_the_wildcard_then_the_default() {
    let certificates = [
        certificate(1, KeyType::Rsa, 90, &["default.test", "other.test"]),
        certificate(2, KeyType::Rsa, 90, &["*.shop.test"]),
        certificate(3, KeyType::Rsa, 90, &["www.shop.test"]),
    ];
    for (name, default, refuse) in [
        (Some("www.shop.test"), Some(3), Some(3)),
        (Some("WWW.shop.test."), Some(3), Some(3)),
        (Some("a.shop.test"), Some(2), Some(2)),
        (Some("other.test"), Some(1), Some(1)),
        (Some("shop.test"), Some(1), None),
        (Some("b.a.shop.test"), Some(1), None),
        (Some("no host"), Some(1), None),
        (None, Some(1), Some(1)),
    ] {
        assert_eq!(find(&certificates, name, UnknownServerName::DefaultCertificate, ALL), default, "{name:?}");
        assert_eq!(find(&certificates, name, UnknownServerName::Refuse, ALL), refuse, "{name:?}");
    }
}

#[test]
fn among_equals_what_the_client_can_verify() {
    let names = &["a.test"];
    let certificates = [
        certificate(1, KeyType::Rsa, 90, names),
        certificate(2, KeyType::Ecdsa, 90, names),
        certificate(3, KeyType::Ed25519, 30, names),
        certificate(4, KeyType::Rsa, 100, names),
    ];
    for (verifies, expected) in [(ALL, 2), (&[KeyType::Ed25519, KeyType::Rsa], 3), (&[KeyType::Rsa], 4), (&[], 2)] {
        for name in [Some("a.test"), None, Some("unknown.test")] {
            assert_eq!(find(&certificates, name, UnknownServerName::DefaultCertificate, verifies), Some(expected), "{verifies:?} {name:?}");
        }
    }
}

#[test]
fn a_wildcard_that_the_client_can_verify_is_better_than_an_exact_name_that_it_cannot() {
    let certificates = [certificate(1, KeyType::Ecdsa, 90, &["www.shop.test"]), certificate(2, KeyType::Rsa, 90, &["*.shop.test"])];
    let found = |verifies| find(&certificates, Some("www.shop.test"), UnknownServerName::Refuse, verifies);
    assert_eq!(found(ALL), Some(1));
    assert_eq!(found(&[KeyType::Rsa]), Some(2));
    assert_eq!(found(&[]), Some(1));
}

#[test]
fn the_default_is_the_first_certificate_in_each_key_type() {
    let certificates = [
        certificate(1, KeyType::Rsa, 90, &["a.test", "b.test"]),
        certificate(2, KeyType::Ecdsa, 90, &["c.test"]),
        certificate(3, KeyType::Ecdsa, 90, &["b.test", "a.test"]),
    ];
    let found = |verifies| find(&certificates, None, UnknownServerName::DefaultCertificate, verifies);
    assert_eq!(found(ALL), Some(3));
    assert_eq!(found(&[KeyType::Rsa]), Some(1));
}

#[test]
fn a_certificate_for_addresses_is_found_by_its_other_names_and_as_the_default() {
    let certificates = [certificate(1, KeyType::Ecdsa, 90, &["127.0.0.1", "::1", "localhost"])];
    for name in [Some("localhost"), None] {
        assert_eq!(find(&certificates, name, UnknownServerName::Refuse, ALL), Some(1));
    }
}

#[test]
fn without_certificates_there_is_none() {
    assert!(CertificateTable::build(&[]).is_empty());
    assert!(CertificateTable::default().is_empty());
    assert_eq!(find(&[], None, UnknownServerName::DefaultCertificate, ALL), None);
    assert!(!CertificateTable::build(&[certificate(1, KeyType::Rsa, 1, &[])]).is_empty());
}
