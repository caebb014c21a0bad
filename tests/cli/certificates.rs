//! `certificates`: what would be served, until when, to whom.

use std::time::{Duration, SystemTime};

use crate::support::{GOOD, good, with};

#[test]
fn each_certificate_is_a_line() {
    let done = good().run("certificates").code(0).says(&["NAMES", "shop.test", "ECDSA", "(30 days)", "tls"]);
    assert_eq!(done.out.lines().count(), 2, "{}", done.out);
}

#[test]
fn programs_get_facts() {
    let place = with(&GOOD.replace("[shop.test]", "[shop.test, \"*.shop.test\", other.test]"));
    place.secret("tls", &["shop.test", "*.shop.test"]);
    let listing = place.run("certificates --format json").code(0).json();
    let certificate = &listing["certificates"][0];
    assert_eq!(certificate["names"], serde_json::json!(["shop.test", "*.shop.test"]));
    assert_eq!(certificate["hosts"], serde_json::json!(["shop.test", "*.shop.test"]));
    assert_eq!((&certificate["chainLength"], &certificate["daysLeft"], &certificate["source"]), (&1.into(), &30.into(), &"./tls".into()));
    assert!(certificate["notAfter"].as_str().unwrap().ends_with('Z'));
    assert_eq!(listing["findings"][0]["reason"], "CertificateHostMismatch");
}

#[test]
fn one_that_cannot_be_served_is_a_no() {
    let place = with(&GOOD.replace("  - secret: tls\n", "  - secret: tls\n  - secret: gone\n"));
    place.run("certificates").code(1).says(&["shop.test"]).tells(&["error[InvalidCertificateRef]", "gone does not exist"]);
    place.run("certificates -f nowhere.yaml").code(2);
}

#[test]
fn an_expired_one_is_served_and_said() {
    let place = good();
    place.secret_until("tls", &["shop.test"], SystemTime::now() - Duration::from_secs(3600));
    place.run("certificates").code(0).says(&["(expired)"]).tells(&["warning[CertificateExpired]"]);
}
