//! Host names as requests, server names and configuration write them: lower case, without a port and without the
//! final dot. Certificate names and route hostnames are patterns over them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// A DNS name or an IP address in its canonical spelling; the key of every host lookup.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Arc<str>);

/// Which hosts something applies to. `*.name` stands for exactly one more label, as in certificates
/// (RFC 6125 section 6.4.3) and Kubernetes' Ingress.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// This host and no other.
    Exact(Host),
    /// Every host that is one label followed by a dot and this one.
    Wildcard(Host),
    /// Every host that is one label or more, a dot and this one: what a wildcard is to the cloud's load balancer.
    Deep(Host),
}

/// Why a text is no host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidHost {
    /// Nothing at all.
    Empty,
    /// More than 253 characters, or a label of more than 63 (RFC 1035 section 2.3.4).
    TooLong,
    /// A label that is empty, begins or ends with a hyphen, or has another character than letters, digits, `-` and `_`.
    Label,
    /// A `*` that is not the whole first label.
    Wildcard,
}

impl Host {
    /// Parses a name without a port. IPv6 addresses may stand in brackets, as they do in URLs.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = IpAddr::from_str(bare) {
            return Ok(Self(ip.to_string().into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        check_name(name)?;
        if name.bytes().any(|b| b.is_ascii_uppercase()) {
            return Ok(Self(name.to_ascii_lowercase().into()));
        }
        Ok(Self(name.into()))
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one label or more in front of the other.
    pub fn ends_below(&self, other: &Self) -> bool {
        self.0.strip_suffix(other.as_str()).is_some_and(|front| front.len() > 1 && front.ends_with('.')) && self.0.parse::<IpAddr>().is_err()
    }

    /// The name with its first label taken off: what a wildcard must be followed by to cover this host.
    /// `None` for addresses and names of one label.
    pub fn parent(&self) -> Option<&str> {
        Self::parent_of(&self.0)
    }

    /// [`Self::parent`] of a text that already has the canonical spelling.
    pub fn parent_of(host: &str) -> Option<&str> {
        let (_, rest) = host.split_once('.')?;
        (!rest.is_empty() && IpAddr::from_str(host).is_err()).then_some(rest)
    }
}

impl HostPattern {
    /// Parses a host or `*.host`.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        match text.strip_prefix("*.") {
            Some(rest) => Ok(Self::Wildcard(Host::parse(rest)?)),
            None if text.contains('*') => Err(InvalidHost::Wildcard),
            None => Ok(Self::Exact(Host::parse(text)?)),
        }
    }

    /// The host in it: itself, or what follows the wildcard.
    pub fn host(&self) -> &Host {
        match self {
            Self::Exact(host) | Self::Wildcard(host) | Self::Deep(host) => host,
        }
    }

    /// Whether the pattern stands for this host.
    pub fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Exact(exact) => exact == host,
            Self::Wildcard(suffix) => host.parent() == Some(suffix.as_str()),
            Self::Deep(suffix) => host.ends_below(suffix),
        }
    }
}

fn check_name(name: &str) -> Result<(), InvalidHost> {
    if name.is_empty() {
        return Err(InvalidHost::Empty);
    }
    if name.len() > 253 {
        return Err(InvalidHost::TooLong);
    }
    for label in name.split('.') {
        if label.len() > 63 {
            return Err(InvalidHost::TooLong);
        }
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if label.is_empty() || !inner || label.starts_with('-') || label.ends_with('-') {
            return Err(InvalidHost::Label);
        }
    }
    Ok(())
}

/// Both are compared, and hashed, as the text.
impl std::borrow::Borrow<str> for Host {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => write!(f, "{host}"),
            Self::Wildcard(host) => write!(f, "*.{host}"),
            Self::Deep(host) => write!(f, "**.{host}"),
        }
    }
}

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a host name cannot be empty",
            Self::TooLong => "a host name has at most 253 characters, each of its labels at most 63",
            Self::Label => "the labels of a host name are letters, digits, '-' and '_', and neither begin nor end with '-'",
            Self::Wildcard => "'*' stands for the whole first label: '*.example.com'",
        })
    }
}

impl std::error::Error for InvalidHost {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_host_are_equal() {
        for (left, right) in [("Shop.Example.TEST", "shop.example.test"), ("a.test.", "a.test"), ("[::1]", "0:0:0:0:0:0:0:1")] {
            assert_eq!(Host::parse(left), Host::parse(right), "{left} {right}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for (text, why) in [
            ("", InvalidHost::Empty),
            (".", InvalidHost::Empty),
            ("a..b", InvalidHost::Label),
            ("-a.test", InvalidHost::Label),
            ("a.test:80", InvalidHost::Label),
            ("user@a.test", InvalidHost::Label),
            ("a b", InvalidHost::Label),
        ] {
            assert_eq!(Host::parse(text).unwrap_err(), why, "{text}");
        }
        assert_eq!(Host::parse(&"a".repeat(64)).unwrap_err(), InvalidHost::TooLong);
    }

    #[test]
    fn a_deep_wildcard_stands_for_any_number_of_labels() {
        let pattern = HostPattern::Deep(Host::parse("shop.test").unwrap());
        let covered = |host| pattern.matches(&Host::parse(host).unwrap());
        assert!(covered("a.shop.test") && covered("b.a.shop.test"));
        assert!(!covered("shop.test") && !covered("workshop.test"));
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let pattern = HostPattern::parse("*.shop.test").unwrap();
        let covered = |host| pattern.matches(&Host::parse(host).unwrap());
        assert!(covered("a.shop.test"));
        assert!(!covered("shop.test"));
        assert!(!covered("b.a.shop.test"));
        assert_eq!(HostPattern::parse("a*.shop.test"), Err(InvalidHost::Wildcard));
        assert_eq!(HostPattern::parse("*"), Err(InvalidHost::Wildcard));
    }
}
