//! Which pair is served when the files of a certificate are good, bad, old or gone.

use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair as Key, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm, date_time_ymd};

use super::{configure, put};
use crate::control::compile::{Compiled, Compiler, Defaults};
use crate::control::resources::{CertificateLocation, FileProblem, Resources};
use crate::model::{KeyType, Reason, Severity};

const DAY: Duration = Duration::from_secs(24 * 3600);

struct World {
    resources: Resources,
    compiler: Compiler,
    now: SystemTime,
}

impl World {
    fn new() -> Self {
        let mut resources = Resources::default();
        configure(&mut resources, "listeners: [{}]\ncertificates: [{ secret: /tls }]\n");
        Self { resources, compiler: Compiler::new(Defaults::default()), now: day(2026) }
    }

    fn swap(&mut self, (certificate, key): (String, String)) -> Compiled {
        put(&mut self.resources, "/tls", certificate, key);
        self.compile()
    }

    fn compile(&mut self) -> Compiled {
        let mut compiled = self.compiler.compile(&self.resources, self.now);
        self.resources.promote(std::mem::take(&mut compiled.accepted));
        compiled
    }
}

/// The first of January.
fn day(year: u16) -> SystemTime {
    let days: u32 = (1970..u32::from(year)).map(|year| if year % 4 == 0 { 366 } else { 365 }).sum();
    SystemTime::UNIX_EPOCH + DAY * days
}

fn pair_of(algorithm: &'static SignatureAlgorithm, name: &str, years: [i32; 2]) -> (String, String) {
    let key = Key::generate_for(algorithm).unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(years[0], 1, 1), date_time_ymd(years[1], 1, 1));
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn pair(name: &str, years: [i32; 2]) -> (String, String) {
    pair_of(&PKCS_ECDSA_P256_SHA256, name, years)
}

fn good(name: &str) -> (String, String) {
    pair(name, [2020, 2030])
}

fn served(compiled: &Compiled) -> Vec<String> {
    compiled.snapshot.certificates.iter().flat_map(|certificate| &certificate.pair.facts().names).map(ToString::to_string).collect()
}

fn reasons(compiled: &Compiled) -> Vec<(Severity, Reason)> {
    compiled.report.diagnostics.iter().map(|finding| (finding.severity, finding.reason)).collect()
}

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../fixtures/", $name)).to_owned()
    };
}

#[test]
fn every_kind_of_key_that_clients_know_is_served() {
    for (kind, pair) in [
        (KeyType::Ecdsa, pair_of(&PKCS_ECDSA_P256_SHA256, "a.test", [2020, 2030])),
        (KeyType::Ecdsa, pair_of(&PKCS_ECDSA_P384_SHA384, "a.test", [2020, 2030])),
        (KeyType::Ecdsa, (fixture!("ec.crt"), fixture!("ec-sec1.key"))),
        (KeyType::Ed25519, pair_of(&PKCS_ED25519, "a.test", [2020, 2030])),
        (KeyType::Rsa, (fixture!("rsa.crt"), fixture!("rsa.key"))),
        (KeyType::Rsa, (fixture!("rsa.crt"), fixture!("rsa-pkcs1.key"))),
    ] {
        let mut world = World::new();
        world.now = day(2027);
        let compiled = world.swap(pair);
        assert_eq!(reasons(&compiled), [], "{kind}");
        assert_eq!(compiled.snapshot.certificates[0].pair.facts().key_type, kind);
    }
}

#[test]
fn what_cannot_be_served_leaves_the_last_good_pair_and_says_what_to_do() {
    let (certificate, key) = good("new.test");
    let other = good("other.test").1;
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let cut = certificate[..certificate.len() / 2].to_owned();
    for (what, pair, reason) in [
        ("a key of another certificate", (certificate.clone(), other), Reason::CertificateKeyMismatch),
        ("an empty certificate", (String::new(), key.clone()), Reason::CertificateInvalid),
        ("an empty key", (certificate.clone(), " \n".to_owned()), Reason::CertificateInvalid),
        ("no PEM", ("garbage".to_owned(), key.clone()), Reason::CertificateInvalid),
        ("a half-written certificate", (cut, key.clone()), Reason::CertificateInvalid),
        ("PEM of no certificate", (broken, key.clone()), Reason::CertificateInvalid),
        ("a key as certificate", (key.clone(), key.clone()), Reason::CertificateInvalid),
        ("a certificate as key", (certificate.clone(), certificate), Reason::CertificateInvalid),
        ("an encrypted key (PKCS#8)", (fixture!("rsa.crt"), fixture!("encrypted-pkcs8.key")), Reason::CertificateInvalid),
        ("an encrypted key (RFC 1421)", (fixture!("rsa.crt"), fixture!("encrypted-rfc1421.key")), Reason::CertificateInvalid),
        ("a short RSA key", (fixture!("small.crt"), fixture!("small.key")), Reason::CertificateInvalid),
        ("a curve of blockchains", (fixture!("secp256k1.crt"), fixture!("secp256k1.key")), Reason::CertificateInvalid),
    ] {
        let mut world = World::new();
        world.swap(good("old.test"));
        let compiled = world.swap(pair);
        assert_eq!(served(&compiled), ["old.test"], "{what}");
        assert_eq!(reasons(&compiled), [(Severity::Error, reason)], "{what}");
        let finding = &compiled.report.diagnostics[0];
        assert!(finding.message.starts_with("/tls/tls."), "{what}: {}", finding.message);
        assert!(finding.effect.as_deref().unwrap().contains("still served"), "{what}: {finding:?}");
        assert!(finding.help.is_some() || finding.message.contains("parsed"), "{what}: {finding:?}");
        assert!(!format!("{finding:?}").contains("BEGIN PRIVATE KEY-----\n"), "{what}");
        let mended = world.swap(good("mended.test"));
        assert_eq!((served(&mended), reasons(&mended)), (vec!["mended.test".to_owned()], vec![]), "{what}");
    }
}

#[test]
fn encrypted_and_short_keys_are_called_so() {
    for (key, words) in [("encrypted-pkcs8", "pass phrase"), ("encrypted-rfc1421", "pass phrase"), ("small", "cannot be used")] {
        let (certificate, key) = match key {
            "encrypted-pkcs8" => (fixture!("rsa.crt"), fixture!("encrypted-pkcs8.key")),
            "encrypted-rfc1421" => (fixture!("rsa.crt"), fixture!("encrypted-rfc1421.key")),
            _ => (fixture!("small.crt"), fixture!("small.key")),
        };
        let compiled = World::new().swap((certificate, key));
        let finding = &compiled.report.diagnostics[0];
        assert!(finding.message.starts_with("/tls/tls.key") && finding.message.contains(words), "{}", finding.message);
        assert_eq!(reasons(&compiled)[1], (Severity::Error, Reason::NoCertificate));
    }
}

#[test]
fn an_expired_pair_is_served_only_where_there_is_nothing_better() {
    let mut world = World::new();
    let alone = world.swap(pair("expired.test", [2020, 2025]));
    assert_eq!(served(&alone), ["expired.test"]);
    assert_eq!(reasons(&alone), [(Severity::Warning, Reason::CertificateExpired)]);

    world.swap(good("valid.test"));
    let back = world.swap(pair("expired-too.test", [2020, 2025]));
    assert_eq!(served(&back), ["valid.test"]);
    assert_eq!(reasons(&back), [(Severity::Error, Reason::CertificateExpired)]);

    world.now = day(2031);
    let both = world.compile();
    assert_eq!(served(&both), ["expired-too.test"], "neither is valid any more, so the newest counts");
}

#[test]
fn dates_are_looked_at_again_when_they_come() {
    let mut world = World::new();
    let early = world.swap(pair("a.test", [2027, 2029]));
    assert_eq!(reasons(&early), [(Severity::Warning, Reason::CertificateNotYetValid)]);
    assert_eq!((served(&early), early.next), (vec!["a.test".to_owned()], Some(day(2027))));

    world.now = early.next.unwrap();
    let valid = world.compile();
    assert_eq!(reasons(&valid), []);
    assert_eq!(valid.next, Some(day(2029) + Duration::from_secs(1)));

    world.now = valid.next.unwrap();
    let expired = world.compile();
    assert_eq!(reasons(&expired), [(Severity::Warning, Reason::CertificateExpired)]);
    assert_eq!((served(&expired), expired.next), (vec!["a.test".to_owned()], None));
}

#[test]
fn a_directory_that_is_gone_keeps_what_was_in_it() {
    let mut world = World::new();
    world.swap(good("a.test"));
    let gone = FileProblem { message: "the directory /tls does not exist".to_owned(), help: None };
    world.resources.found.insert(CertificateLocation::Secret("/tls".into()), Err(gone));
    for _ in 0..2 {
        let compiled = world.compile();
        assert_eq!(served(&compiled), ["a.test"]);
        assert_eq!(reasons(&compiled), [(Severity::Error, Reason::InvalidCertificateRef)]);
    }
    world.now = day(2031);
    assert!(reasons(&world.compile()).contains(&(Severity::Warning, Reason::CertificateExpired)), "its end is reported all the same");
}

#[test]
fn the_common_name_stands_in_for_missing_alternative_names() {
    let mut world = World::new();
    world.now = day(2027);
    assert_eq!(served(&world.swap((fixture!("ec.crt"), fixture!("ec-sec1.key")))), ["common.test"]);
}

#[test]
fn pairs_that_are_gone_are_forgotten() {
    let mut world = World::new();
    for _ in 0..5 {
        world.swap(good("a.test"));
    }
    assert_eq!((world.compiler.pairs.len(), world.resources.accepted_pairs.len()), (1, 1));
}

#[test]
fn a_place_that_is_named_twice_is_served_once() {
    let mut world = World::new();
    configure(&mut world.resources, "certificates: [{ secret: /certs/a }, { secrets: /certs }]\n");
    let (certificate, key) = good("a.test");
    put(&mut world.resources, "/certs/a", certificate, key);
    let found = world.resources.found[&CertificateLocation::Secret("/certs/a".into())].clone();
    world.resources.found.insert(CertificateLocation::Secrets("/certs".into()), found);
    assert_eq!(served(&world.compile()), ["a.test"]);
}
