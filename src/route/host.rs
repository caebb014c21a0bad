//! The host of a request, from `Host` or `:authority`, in the spelling of [`Host`], which has the rules. Whether the two
//! agree, and what an absent one means, is for the proxy to say.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

use crate::model::{Host, InvalidHost};

/// A host and a port as a client names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// Lower case, without brackets and final dot. Borrowed where the client wrote it so, as nearly all do.
    pub host: Cow<'a, str>,
    /// Absent where the text has none, or nothing after the colon (RFC 3986 section 3.2.3).
    pub port: Option<u16>,
}

/// Why a text is no authority. Answered 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidAuthority {
    /// It has a user name, which RFC 9110 section 4.2.4 has a recipient treat as an attack: it makes another host look
    /// like the one that is meant.
    UserInfo,
    /// What follows the colon is no port number.
    Port,
    /// What stands in brackets is no IPv6 address.
    Address,
    /// The rest is no host.
    Host(InvalidHost),
}

impl<'a> Authority<'a> {
    /// Parses `host`, `host:port` and `[address]:port`. The host is bounded as names are: by 253 characters.
    pub fn parse(text: &'a str) -> Result<Self, InvalidAuthority> {
        if text.contains('@') {
            return Err(InvalidAuthority::UserInfo);
        }
        if let Some(bracketed) = text.strip_prefix('[') {
            let (address, rest) = bracketed.split_once(']').ok_or(InvalidAuthority::Address)?;
            let canonical = address.parse::<Ipv6Addr>().map_err(|_| InvalidAuthority::Address)?.to_string();
            let host = if canonical == address { Cow::Borrowed(address) } else { Cow::Owned(canonical) };
            let port = match rest.strip_prefix(':') {
                Some(port) => parse_port(port)?,
                None if rest.is_empty() => None,
                None => return Err(InvalidAuthority::Port),
            };
            return Ok(Self { host, port });
        }
        let (host, port) = text.split_once(':').unwrap_or((text, ""));
        Ok(Self { port: parse_port(port)?, host: canonical(host).map_err(InvalidAuthority::Host)? })
    }
}

/// A name or an IPv4 address as [`Host::parse`] would spell it.
pub(super) fn canonical(text: &str) -> Result<Cow<'_, str>, InvalidHost> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if is_canonical(name) {
        return Ok(Cow::Borrowed(name));
    }
    // Before anything is copied. One character more, for the final dot.
    if text.len() > 254 {
        return Err(InvalidHost::TooLong);
    }
    // A colon would be an IPv6 address without its brackets.
    if text.contains([':', '[']) {
        return Err(InvalidHost::Label);
    }
    Ok(Cow::Owned(Host::parse(text)?.as_str().to_owned()))
}

/// Whether [`Host::parse`] would keep the name as it is. Dotted addresses are names in this respect: those that are
/// valid have one spelling.
fn is_canonical(name: &str) -> bool {
    let label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        plain && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// One to five digits, or nothing. Port 0 is none.
fn parse_port(text: &str) -> Result<Option<u16>, InvalidAuthority> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > 5 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(InvalidAuthority::Port);
    }
    match text.parse() {
        Ok(0) | Err(_) => Err(InvalidAuthority::Port),
        Ok(port) => Ok(Some(port)),
    }
}

impl fmt::Display for InvalidAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UserInfo => f.write_str("the host has a user name"),
            Self::Port => f.write_str("the port of the host is no number from 1 to 65535"),
            Self::Address => f.write_str("the host has brackets without an IPv6 address in them"),
            Self::Host(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for InvalidAuthority {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_hosts_and_ports() {
        for (text, host, port, borrowed) in [
            ("shop.test", "shop.test", None, true),
            ("shop.test:8443", "shop.test", Some(8443), true),
            ("shop.test.:443", "shop.test", Some(443), true),
            ("shop.test:", "shop.test", None, true),
            ("Shop.TEST:080", "shop.test", Some(80), false),
            ("127.0.0.1:1", "127.0.0.1", Some(1), true),
            ("[::1]", "::1", None, true),
            ("[::1]:65535", "::1", Some(65535), true),
            ("[0:0:0:0:0:0:0:A]:", "::a", None, false),
        ] {
            let authority = Authority::parse(text).unwrap();
            assert_eq!((&*authority.host, authority.port), (host, port), "{text}");
            assert_eq!(matches!(authority.host, Cow::Borrowed(_)), borrowed, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_none() {
        let long = "a.".repeat(127) + "a";
        for (text, why) in [
            ("", InvalidAuthority::Host(InvalidHost::Empty)),
            (":80", InvalidAuthority::Host(InvalidHost::Empty)),
            (".", InvalidAuthority::Host(InvalidHost::Empty)),
            ("user@shop.test", InvalidAuthority::UserInfo),
            ("shop.test@[::1]", InvalidAuthority::UserInfo),
            ("shop.test:0", InvalidAuthority::Port),
            ("shop.test:+80", InvalidAuthority::Port),
            ("shop.test:65536", InvalidAuthority::Port),
            ("shop.test:80:80", InvalidAuthority::Port),
            ("::1", InvalidAuthority::Port),
            ("[::1", InvalidAuthority::Address),
            ("[127.0.0.1]", InvalidAuthority::Address),
            ("[fe80::1%25eth0]", InvalidAuthority::Address),
            ("[::1]80", InvalidAuthority::Port),
            ("shop..test", InvalidAuthority::Host(InvalidHost::Label)),
            ("shop.test/a", InvalidAuthority::Host(InvalidHost::Label)),
            ("shop.test, evil.test", InvalidAuthority::Host(InvalidHost::Label)),
            ("*.shop.test", InvalidAuthority::Host(InvalidHost::Label)),
            (&*long, InvalidAuthority::Host(InvalidHost::TooLong)),
        ] {
            assert_eq!(Authority::parse(text), Err(why), "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_model(text in "([a-cA-C0-9_-]{1,3}\\.){0,4}[a-c0-9é-]{0,3}\\.?") {
            let expected = Host::parse(&text).map(|host| host.as_str().to_owned());
            prop_assert_eq!(canonical(&text).map(Cow::into_owned), expected);
        }

        #[test]
        fn never_panics_and_is_stable(text in any::<String>()) {
            if let Ok(authority) = Authority::parse(&text) && !authority.host.contains(':') {
                let again = Authority::parse(&authority.host).unwrap();
                prop_assert_eq!(again.host, authority.host.clone());
            }
        }
    }
}
