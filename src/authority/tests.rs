use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, RootCertStore};

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn names(texts: &[&str]) -> Vec<HostPattern> {
    texts.iter().map(|text| HostPattern::parse(text).unwrap()).collect()
}

fn permit(texts: &[&str]) -> Vec<Subtree> {
    texts.iter().map(|text| Subtree::parse(text).unwrap()).collect()
}

/// What a client that trusts the root says.
fn verify(authority: &Authority, issued: &Issued, name: &str, now: SystemTime) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.certificate_der().to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let leaf = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
    let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    verifier.verify_server_cert(&leaf, &[], &ServerName::try_from(name.to_owned()).unwrap(), &[], now).map(|_| ())
}

#[test]
fn clients_take_what_is_permitted_and_nothing_else() {
    let now = SystemTime::now();
    let authority = Authority::constrained(&permit(&["example.com", "10.0.0.0/8"]), now).unwrap();
    for (name, permitted) in [
        ("localhost", true),
        ("shop.localhost", true),
        ("a.shop.test", true),
        ("db.internal", true),
        ("127.0.0.1", true),
        ("::1", true),
        ("example.com", true),
        ("www.example.com", true),
        ("10.1.2.3", true),
        ("example.org", false),
        ("notexample.com", false),
        ("test", false),
        ("192.168.1.1", false),
        ("::2", false),
    ] {
        let issued = authority.sign(&names(&[name]), now).unwrap();
        let verified = verify(&authority, &issued, name, now);
        assert_eq!(authority.permits(&Host::parse(name).unwrap()), permitted, "{name}");
        assert_eq!(verified.is_ok(), permitted, "{name}: {verified:?}");
        assert_eq!(authority.issue(&names(&[name]), now).is_ok(), permitted, "{name}");
    }
}

#[test]
fn one_certificate_has_the_names_it_was_asked_for() {
    let now = SystemTime::now();
    let authority = Authority::constrained(&[], now).unwrap();
    let issued = authority.issue(&names(&["localhost", "*.shop.test", "::1"]), now).unwrap();
    for name in ["localhost", "a.shop.test", "::1"] {
        verify(&authority, &issued, name, now).unwrap();
    }
    assert_eq!(issued.certificate.matches("BEGIN").count(), 1);
    let other = verify(&authority, &issued, "other.test", now).unwrap_err();
    assert!(matches!(other, rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })), "{other:?}");
    assert!(matches!(authority.issue(&names(&["*.localhost"]), now), Err(Error::TooWide(_))));
    assert!(matches!(authority.issue(&names(&["localhost", "example.com"]), now), Err(Error::NotPermitted(_))));
    assert!(matches!(authority.issue(&[], now), Err(Error::NoName)));
}

#[test]
fn no_certificate_outlives_its_root() {
    let now = SystemTime::now();
    let authority = Authority::constrained(&[], now).unwrap();
    let late = authority.not_after() - 10 * DAY;
    assert_eq!(authority.issue(&names(&["localhost"]), late).unwrap().not_after, authority.not_after());
    assert!(matches!(authority.issue(&names(&["localhost"]), authority.not_after()), Err(Error::Ended)));
}

#[test]
fn a_temporary_root_is_for_every_name() {
    let now = SystemTime::now();
    let authority = Authority::temporary(&"long ".repeat(30), now).unwrap();
    let issued = authority.issue(&names(&["www.example.com"]), now).unwrap();
    verify(&authority, &issued, "www.example.com", now).unwrap();
    assert!(authority.name().len() <= 64 && authority.permitted().is_empty());
}

#[test]
fn a_root_is_kept_and_renewed_with_what_it_permits() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("genkan/ca");
    let now = SystemTime::now();
    assert!(Authority::open(&directory).unwrap().is_none() && !directory.exists());
    let made = Authority::create(&directory, &permit(&["example.com"]), now).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&directory.join("ca.key")), mode(&directory.join("ca.crt"))), (0o700, 0o600, 0o644));
    assert!(Authority::create(&directory, &[], now).is_err());

    let kept = Authority::keep(&directory, now + 600 * DAY).unwrap();
    assert_eq!((kept.authority.fingerprint(), kept.change), (made.fingerprint(), Change::None));
    let renewed = Authority::keep(&directory, now + 701 * DAY).unwrap();
    assert_eq!(renewed.change, Change::Renewed(made.not_after()));
    assert_eq!(renewed.authority.permitted(), made.permitted());
    assert_eq!(renewed.authority.added().map(ToString::to_string).collect::<Vec<_>>(), ["example.com"]);
    assert_ne!(renewed.authority.name(), made.name());
    assert_eq!(Authority::open(&directory).unwrap().unwrap().fingerprint(), renewed.authority.fingerprint());
}

#[test]
fn those_who_make_it_at_once_get_the_same() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("ca");
    let now = SystemTime::now();
    let keep = || Authority::keep(&directory, now).unwrap();
    let kept: Vec<Kept> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(keep)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(kept.iter().filter(|kept| kept.change == Change::Created).count(), 1);
    assert!(kept.iter().all(|each| each.authority.fingerprint() == kept[0].authority.fingerprint()));
    let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, [".lock", "ca.crt", "ca.key"]);
}

#[test]
fn what_does_not_belong_together_is_not_used() {
    let home = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let authority = Authority::create(home.path(), &[], now).unwrap();
    let other = Authority::constrained(&[], now).unwrap();
    fs::write(home.path().join("ca.crt"), other.certificate_pem()).unwrap();
    let error = Authority::open(home.path()).unwrap_err().to_string();
    assert!(error.contains("the key is not the certificate's"), "{error}");
    let leaf = authority.issue(&names(&["localhost"]), now).unwrap();
    assert!(
        matches!(Authority::from_pem(leaf.certificate.as_bytes(), leaf.key.as_bytes()), Err(Error::Unusable(why)) if why.contains("not that of a CA"))
    );
    assert!(!format!("{authority:?}").contains("PRIVATE"));
}
