//! What is made unreadable before it is written: by the policy, and what is a secret whatever the policy says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderName, header};

use crate::model::{AccessLogPolicy, Redaction};

/// In the place of what is not written.
pub(super) const REDACTED: &str = "[redacted]";

/// A client's address, with as much of it as may be read.
pub(in crate::telemetry) fn address(policy: &AccessLogPolicy, address: IpAddr) -> IpAddr {
    let address = address.to_canonical();
    if !policy.redact.contains(&Redaction::ClientAddress) {
        return address;
    }
    match address {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & (u32::MAX << 8)).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 80)).into(),
    }
}

/// A value, or what stands in its place.
pub(super) fn unless<'v>(policy: &AccessLogPolicy, redaction: Redaction, value: &'v [u8]) -> &'v [u8] {
    if policy.redact.contains(&redaction) { REDACTED.as_bytes() } else { value }
}

/// A request's path, or what stands in its place.
pub(in crate::telemetry) fn path<'p>(policy: &AccessLogPolicy, path: &'p str) -> &'p str {
    if policy.redact.contains(&Redaction::Path) { REDACTED } else { path }
}

/// Whether the value of a field is a secret, or likely to be one.
pub(super) fn is_secret(name: &HeaderName) -> bool {
    let known = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE, header::SET_COOKIE];
    let words = ["token", "secret", "password", "api-key", "apikey", "signature", "session", "jwt", "credential", "cookie"];
    let name_words = || name.as_str().split('-');
    known.contains(name) || name_words().any(|word| word == "auth") || words.iter().any(|word| name.as_str().contains(word))
}

/// Where a client came from, without what a query or a fragment may hold; nothing of it where paths are not written,
/// because it mostly is one of ours.
pub(super) fn referer<'v>(policy: &AccessLogPolicy, value: &'v [u8]) -> &'v [u8] {
    if policy.redact.contains(&Redaction::Path) {
        return REDACTED.as_bytes();
    }
    value.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_their_network() {
        let policy = AccessLogPolicy { redact: [Redaction::ClientAddress].into(), ..AccessLogPolicy::default() };
        let cut = ["203.0.113.77", "::ffff:203.0.113.77", "2001:db8:1:2:3:4:5:6"].map(|ip| address(&policy, ip.parse().unwrap()).to_string());
        assert_eq!(cut, ["203.0.113.0", "203.0.113.0", "2001:db8:1::"]);
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for (name, secret) in [
            ("cookie", true),
            ("x-api-key", true),
            ("x-auth-token", true),
            ("x-goog-iap-jwt-assertion", true),
            ("x-session-id", true),
            ("x-auth", true),
            ("x-author", false),
            ("x-tenant", false),
            ("accept", false),
        ] {
            assert_eq!(is_secret(&HeaderName::from_static(name)), secret, "{name}");
        }
        let mut policy = AccessLogPolicy::default();
        assert_eq!(referer(&policy, b"https://a.test/b?secret=1#c"), b"https://a.test/b");
        policy.redact = [Redaction::Path].into();
        assert_eq!(referer(&policy, b"https://a.test/reset/secret"), b"[redacted]");
    }
}
