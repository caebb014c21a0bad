//! What a root may vouch for: a name with everything below it, only what is below it, or a network. As text, as a host
//! is compared with it, and as the name constraints of a certificate have it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use rcgen::{CidrSubnet, GeneralSubtree};
use x509_cert::ext::pkix::name::GeneralName;

use crate::model::{Host, InvalidHost};

/// A part of the names and addresses that there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subtree {
    /// A name and all below it: `example.test`.
    Name(Host),
    /// All names below one: `.example.test`.
    Below(Host),
    /// Addresses that begin with so many bits: `10.0.0.0/8`.
    Network(IpAddr, u8),
}

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidSubtree {
    /// No name.
    Host(InvalidHost),
    /// More bits than the address has, or bits set after them.
    Prefix,
}

impl Subtree {
    /// Parses a name, a name after a dot, an address, or a network.
    pub fn parse(text: &str) -> Result<Self, InvalidSubtree> {
        if let Some((address, bits)) = text.split_once('/') {
            let (address, bits) = (address.parse(), bits.parse());
            return match (address, bits) {
                (Ok(address), Ok(bits)) if masked(address, bits) == Some(address) => Ok(Self::Network(address, bits)),
                _ => Err(InvalidSubtree::Prefix),
            };
        }
        if let Some(name) = text.strip_prefix('.') {
            return Host::parse(name).map(Self::Below).map_err(InvalidSubtree::Host);
        }
        let host = Host::parse(text).map_err(InvalidSubtree::Host)?;
        Ok(match IpAddr::from_str(host.as_str()) {
            Ok(address) => Self::Network(address, width(address)),
            Err(_) => Self::Name(host),
        })
    }

    /// Whether a host is in it; `None` where it is of the other kind, names being one and addresses the other.
    pub(super) fn covers(&self, host: &Host) -> Option<bool> {
        let address = IpAddr::from_str(host.as_str()).ok();
        match (self, address) {
            (Self::Name(name), None) => Some(name == host || is_below(host, name)),
            (Self::Below(name), None) => Some(is_below(host, name)),
            (Self::Network(network, bits), Some(address)) => Some(network.is_ipv4() == address.is_ipv4() && masked(address, *bits) == Some(*network)),
            (Self::Name(_) | Self::Below(_), Some(_)) | (Self::Network(..), None) => None,
        }
    }

    pub(super) fn constraint(&self) -> GeneralSubtree {
        match self {
            Self::Name(name) => GeneralSubtree::DnsName(name.to_string()),
            // RFC 5280 has the form with a dot for URIs alone; verifiers read it the same way here.
            Self::Below(name) => GeneralSubtree::DnsName(format!(".{name}")),
            Self::Network(address, bits) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, *bits)),
        }
    }

    /// `Err` for a constraint that cannot be told from others; `None` for kinds that are no host's.
    pub(super) fn from_constraint(base: &GeneralName) -> Result<Option<Self>, InvalidSubtree> {
        match base {
            GeneralName::DnsName(name) => Self::parse(name.as_str()).map(Some),
            GeneralName::IpAddress(octets) => network(octets.as_bytes()).ok_or(InvalidSubtree::Prefix).map(Some),
            _ => Ok(None),
        }
    }
}

fn is_below(host: &Host, name: &Host) -> bool {
    host.as_str().strip_suffix(name.as_str()).is_some_and(|labels| labels.ends_with('.'))
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// An address with only its first bits left; `None` if it has fewer.
fn masked(address: IpAddr, bits: u8) -> Option<IpAddr> {
    let unused = u32::from(width(address).checked_sub(bits)?);
    Some(match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(unused).unwrap_or(0)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & u128::MAX.checked_shl(unused).unwrap_or(0)).into(),
    })
}

/// An address followed by its mask.
fn network(octets: &[u8]) -> Option<Subtree> {
    let (address, mask) = octets.split_at_checked(octets.len() / 2)?;
    let address: IpAddr = match address.len() {
        4 => <[u8; 4]>::try_from(address).ok()?.into(),
        16 => <[u8; 16]>::try_from(address).ok()?.into(),
        _ => return None,
    };
    let bits = u8::try_from(mask.iter().map(|byte| byte.count_ones()).sum::<u32>()).ok()?;
    let contiguous = mask.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte)).trailing_zeros() >= u32::from(width(address) - bits);
    (contiguous && mask.len() * 2 == octets.len() && masked(address, bits) == Some(address)).then_some(Subtree::Network(address, bits))
}

impl fmt::Display for Subtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{name}"),
            Self::Below(name) => write!(f, ".{name}"),
            Self::Network(address, bits) if *bits == width(*address) => write!(f, "{address}"),
            Self::Network(address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}

impl fmt::Display for InvalidSubtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(error) => error.fmt(f),
            Self::Prefix => f.write_str("a network is its first address, a slash and the number of bits that its addresses share: 10.0.0.0/8"),
        }
    }
}

impl std::error::Error for InvalidSubtree {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_in_it_or_not() {
        for (subtree, host, covered) in [
            ("shop.test", "shop.test", Some(true)),
            ("shop.test", "a.b.shop.test", Some(true)),
            ("shop.test", "workshop.test", Some(false)),
            (".test", "shop.test", Some(true)),
            (".test", "test", Some(false)),
            ("localhost", "localhost", Some(true)),
            ("localhost", "127.0.0.1", None),
            ("127.0.0.0/8", "127.9.0.1", Some(true)),
            ("127.0.0.0/8", "128.0.0.1", Some(false)),
            ("127.0.0.0/8", "::1", Some(false)),
            ("127.0.0.0/8", "localhost", None),
            ("::1", "::1", Some(true)),
            ("::1", "::2", Some(false)),
            ("0.0.0.0/0", "10.1.2.3", Some(true)),
            ("::/0", "fe80::1", Some(true)),
        ] {
            assert_eq!(Subtree::parse(subtree).unwrap().covers(&Host::parse(host).unwrap()), covered, "{subtree} {host}");
        }
    }

    #[test]
    fn texts_are_read_and_written() {
        for text in ["shop.test", ".test", "10.0.0.0/8", "10.1.2.3", "fd00::/8", "::1"] {
            assert_eq!(Subtree::parse(text).unwrap().to_string(), text);
        }
        for text in ["", ".", "*.test", "a b", "10.0.0.1/8", "10.0.0.0/33", "test/8", "10.0.0.0/"] {
            assert!(Subtree::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn masks_with_holes_are_none() {
        assert_eq!(network(&[10, 0, 0, 0, 255, 0, 0, 0]).unwrap().to_string(), "10.0.0.0/8");
        for octets in [&[10, 0, 0, 0, 255, 0, 255, 0][..], &[10, 0, 0, 1, 255, 0, 0, 0], &[10, 0, 0, 0, 255], &[]] {
            assert_eq!(network(octets), None, "{octets:?}");
        }
    }
}
