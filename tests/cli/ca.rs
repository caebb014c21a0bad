//! `ca`: a root of the user's own, certificates from it, and the trust stores. Each test has a home of its own; the
//! system's store has its tests beside the code, since there is one for all.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, DnValue, IsCa, KeyPair};

use crate::support::{Done, Place};

/// The binary with a home in the place.
fn run(place: &Place, line: &str) -> Done {
    run_with(place, line, &[])
}

fn run_with(place: &Place, line: &str, variables: &[(&str, &str)]) -> Done {
    let home = place.path().join("home");
    let mut all = vec![("HOME", home.to_str().unwrap()), ("XDG_DATA_HOME", ""), ("CAROOT", "")];
    all.extend(variables);
    place.run_with(line, &all, "")
}

fn created() -> Place {
    let place = Place::new();
    run(&place, "ca create").code(0);
    place
}

const KEPT: &str = "home/.local/share/genkan/ca";

/// A program that is to succeed.
#[track_caller]
fn succeeds(program: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(directory).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {}\n{text}", arguments.join(" "));
    text
}

#[test]
fn a_ca_is_made_once_and_replaced_only_by_force() {
    let place = Place::new();
    let first = run(&place, "ca create --permit example.com --permit 10.0.0.0/8").code(0);
    let first = first.says(&["genkan/ca\n", "genkan local CA", "sha-256", "until", ".test, .internal, 127.0.0.0/8, ::1, example.com, 10.0.0.0/8"]);
    let again = run(&place, "ca create").code(1).tells(&["there is a CA already", "--force"]);
    assert_eq!(again.out, first.out);
    let second = run(&place, "ca create --force").code(0).tells(&["genkan ca install"]);
    assert_ne!(second.out, first.out);
    assert!(!second.out.contains("example.com"));

    let mode = |name: &str| std::fs::metadata(place.path().join(KEPT).join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode("ca.key"), mode("ca.crt")), (0o700, 0o600, 0o644));
    let other = Place::new();
    run_with(&other, "ca create", &[("GENKAN_PERMIT", "example.com\nexample.org")]).code(0).says(&["example.com, example.org"]);
    run(&other, "ca create --permit 10.0.0.1/8").code(2).tells(&["10.0.0.0/8"]);
}

#[test]
fn one_that_cannot_be_used_is_said_and_replaced_by_force() {
    let place = created();
    place.file(&format!("{KEPT}/ca.key"), "nonsense");
    for line in ["ca create", "ca export", "ca issue localhost", "ca install --yes --nss"] {
        run(&place, line).code(1).tells(&["the key cannot be used", "genkan ca create --force"]);
    }
    run(&place, "ca create --force").code(0);
    run(&place, "ca issue localhost").code(0);
}

#[test]
fn without_a_ca_the_command_for_one_is_named() {
    let place = Place::new();
    for line in ["ca export", "ca issue localhost", "ca install --yes --nss"] {
        run(&place, line).code(1).tells(&["there is no CA in", "genkan ca create"]);
    }
    place.run_with("ca export", &[("HOME", ""), ("XDG_DATA_HOME", "")], "").code(2).tells(&["neither XDG_DATA_HOME nor HOME"]);
    run(&place, "ca").code(2).tells(&["create", "install", "uninstall", "export", "issue"]);
}

#[test]
fn the_certificate_is_exported_and_never_the_key() {
    let place = created();
    let pem = run(&place, "ca export").code(0).out;
    assert_eq!(pem, std::fs::read_to_string(place.path().join(KEPT).join("ca.crt")).unwrap());
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----") && !pem.contains("KEY"));
    let mut binary = Command::new(env!("CARGO_BIN_EXE_genkan"));
    binary.args(["ca", "export", "--format", "der"]).env("HOME", place.path().join("home")).env_remove("XDG_DATA_HOME");
    place.file("ca.der", binary.output().unwrap().stdout);
    let shown = succeeds("openssl", &["x509", "-inform", "DER", "-in", "ca.der", "-noout", "-text"], place.path());
    for part in ["pathlen:0", "X509v3 Name Constraints: critical", "TLS Web Server Authentication", "DNS:.localhost"] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}

#[test]
fn a_certificate_is_a_directory_like_a_secret_and_verifies() {
    let place = created();
    let done = run(&place, "ca issue *.shop.test shop.test 127.0.0.1").code(0);
    done.says(&["_wildcard.shop.test", "*.shop.test, shop.test, 127.0.0.1", "until"]).tells(&["genkan run --certificate _wildcard.shop.test"]);
    run(&place, "ca issue shop.test -o tls").code(0);
    let mode = |name: &str| std::fs::metadata(place.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("tls/tls.key"), mode("tls/tls.crt"), mode("tls/ca.crt")), (0o600, 0o644, 0o644));
    succeeds("openssl", &["verify", "-CAfile", "tls/ca.crt", "-verify_hostname", "shop.test", "tls/tls.crt"], place.path());
    for name in ["a.shop.test", "shop.test"] {
        succeeds("openssl", &["verify", "-CAfile", "tls/ca.crt", "-verify_hostname", name, "_wildcard.shop.test/tls.crt"], place.path());
    }
    // One for addresses alone has no name that could be outside.
    run(&place, "ca issue ::1 127.0.0.1 -o loopback").code(0);
    succeeds("openssl", &["verify", "-CAfile", "tls/ca.crt", "-verify_ip", "127.0.0.1", "loopback/tls.crt"], place.path());
    place.file("genkan.yaml", "certificates: [{ secret: tls }]\nroutes: [{ hostnames: [shop.test], backend: \"http://127.0.0.1:9\" }]\n");
    run(&place, "check").code(0);
}

#[test]
fn openssl_refuses_what_the_root_does_not_permit() {
    let place = created();
    let ca = format!("{KEPT}/ca");
    place.file("extensions", "subjectAltName=DNS:www.example.com\n");
    succeeds(
        "openssl",
        &["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key", "-out", "csr", "-subj", "/O=x"],
        place.path(),
    );
    let sign = [
        "x509",
        "-req",
        "-in",
        "csr",
        "-CA",
        &format!("{ca}.crt"),
        "-CAkey",
        &format!("{ca}.key"),
        "-CAcreateserial",
        "-extfile",
        "extensions",
        "-out",
        "crt",
    ];
    succeeds("openssl", &sign, place.path());
    let output = Command::new("openssl").args(["verify", "-CAfile", &format!("{ca}.crt"), "crt"]).current_dir(place.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("permitted subtree violation"), "{text}");
}

#[test]
fn a_name_that_is_not_permitted_is_a_no_with_the_remedy() {
    let place = Place::new();
    run(&place, "ca create --permit example.org").code(0);
    let done = run(&place, "ca issue shop.test *.shop.example.com").code(1);
    done.tells(&["does not permit *.shop.example.com", "genkan ca create --force --permit example.org --permit shop.example.com"]);
    run(&place, "ca create --force --permit example.org --permit shop.example.com").code(0);
    run(&place, "ca issue shop.test *.shop.example.com").code(0);
    run(&place, "ca issue *.localhost").code(1).tells(&["clients refuse *.localhost"]);
    run(&place, "ca issue a_b:c").code(2);
    run(&place, "ca issue").code(2);
}

#[test]
fn only_certificates_of_a_local_ca_are_written_over() {
    let place = created();
    run(&place, "ca issue shop.test -o tls").code(0);
    let first = std::fs::read(place.path().join("tls/tls.crt")).unwrap();
    run(&place, "ca create --force").code(0);
    run(&place, "ca issue shop.test -o tls").code(0);
    assert_ne!(std::fs::read(place.path().join("tls/tls.crt")).unwrap(), first);

    place.secret("bought", &["shop.test"]);
    let before = std::fs::read(place.path().join("bought/tls.key")).unwrap();
    run(&place, "ca issue shop.test -o bought").code(1).tells(&["does not come from a local CA", "-o DIR"]);
    assert_eq!(std::fs::read(place.path().join("bought/tls.key")).unwrap(), before);
    place.file("file", "");
    run(&place, "ca issue shop.test -o file/tls").code(2).tells(&["cannot be written"]);
}

#[test]
fn mkcerts_ca_can_be_taken_over() {
    let place = Place::new();
    run(&place, "ca create --from-mkcert").code(1).tells(&["mkcert's CA cannot be taken over", "rootCA.pem"]);
    let mut params = CertificateParams::default();
    // As Go writes it, whose kinds of strings must be repeated.
    params.distinguished_name.push(DnType::OrganizationName, DnValue::PrintableString("mkcert development CA".try_into().unwrap()));
    params.distinguished_name.push(DnType::OrganizationalUnitName, "me@here");
    params.distinguished_name.push(DnType::CommonName, "mkcert me@here");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let key = KeyPair::generate().unwrap();
    place.file("home/.local/share/mkcert/rootCA.pem", params.self_signed(&key).unwrap().pem());
    place.file("home/.local/share/mkcert/rootCA-key.pem", key.serialize_pem());
    run(&place, "ca create --from-mkcert --permit example.com").code(2);
    run(&place, "ca create --from-mkcert").code(0).says(&["mkcert me@here", "every name"]).tells(&["not constrained"]);
    run(&place, "ca issue www.example.com -o tls").code(0);
    let root = "home/.local/share/mkcert/rootCA.pem";
    succeeds("openssl", &["verify", "-CAfile", root, "-verify_hostname", "www.example.com", "tls/tls.crt"], place.path());
    let elsewhere = Place::new();
    let caroot = place.path().join("home/.local/share/mkcert");
    run_with(&elsewhere, "ca create --from-mkcert", &[("CAROOT", caroot.to_str().unwrap())]).code(0);
}

#[test]
fn nothing_is_installed_without_having_been_asked() {
    let place = created();
    run(&place, "ca install").code(2).tells(&["no terminal to ask on", "--yes"]);
    run(&place, "ca uninstall --yes").code(0).tells(&["nothing to undo"]);
    // No browser has been here, so there is nothing to do.
    run(&place, "ca install --yes --nss").code(0).says(&[".pki/nssdb: there is no such store here"]);
    assert!(!place.path().join(KEPT).join("installed.json").exists());
}

#[test]
fn browsers_are_told_and_forget() {
    let place = created();
    let databases = ["home/.pki/nssdb", "home/.mozilla/firefox/a b.default"];
    if Command::new("certutil").arg("-H").output().is_err() {
        place.file("home/.pki/nssdb/cert9.db", "");
        run(&place, "ca install --yes --nss").code(1).tells(&["needs certutil", "libnss3-tools"]);
        return;
    }
    let listed = |database: &str| succeeds("certutil", &["-L", "-d", &format!("sql:{database}")], place.path()).matches("genkan local CA").count();
    for database in databases {
        std::fs::create_dir_all(place.path().join(database)).unwrap();
        succeeds("certutil", &["-N", "--empty-password", "-d", &format!("sql:{database}")], place.path());
    }
    run(&place, "ca install --yes --nss").code(0).says(&["nssdb: trusts the CA now", "a b.default: trusts the CA now"]);
    run(&place, "ca install --yes --nss").code(0).says(&["trusts the CA already"]);
    assert_eq!(databases.map(listed), [1, 1]);
    // What a server shows is now good for the browser; its successor takes its place.
    run(&place, "ca issue shop.test -o tls").code(0);
    succeeds("certutil", &["-A", "-t", ",,", "-n", "leaf", "-i", "tls/tls.crt", "-d", &format!("sql:{}", databases[0])], place.path());
    let valid = succeeds("certutil", &["-V", "-u", "V", "-n", "leaf", "-d", &format!("sql:{}", databases[0])], place.path());
    assert!(valid.contains("certificate is valid"), "{valid}");
    run(&place, "ca create --force").code(0);
    run(&place, "ca install --yes --nss").code(0).says(&["trusts the CA now"]);
    assert_eq!(databases.map(listed), [1, 1]);

    run(&place, "ca uninstall").code(2);
    run(&place, "ca uninstall --yes").code(0).says(&["does not trust the CA any more"]);
    assert_eq!(databases.map(listed), [0, 0]);
    run(&place, "ca uninstall --yes").code(0).tells(&["nothing to undo"]);
}
