//! The address of a listening socket. Sockets are found again across configurations by this value alone.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// An address to listen on. `[::]` means both families (and only IPv4 where the machine has no IPv6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketAddress(SocketAddr);

impl SocketAddress {
    /// Parses `ADDRESS:PORT`, or a bare port, which means both families on every interface.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(port) = text.parse::<u16>() {
            return Some(Self::any(port));
        }
        if let Some(port) = text.strip_prefix(':') {
            return port.parse().ok().map(Self::any);
        }
        text.parse().ok().map(Self)
    }

    /// Both families, every interface.
    pub fn any(port: u16) -> Self {
        Self(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))
    }

    /// The address given to the kernel.
    pub fn get(self) -> SocketAddr {
        self.0
    }

    /// 0 asks the kernel for a free port.
    pub fn port(self) -> u16 {
        self.0.port()
    }

    /// The same port over IPv4 alone, if this is `[::]`: what remains where the machine has no IPv6.
    pub fn without_ipv6(self) -> Option<Self> {
        (self.0.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)).then(|| Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), self.port())))
    }

    /// The same address with the next port; `None` after the last.
    pub fn next_port(self) -> Option<Self> {
        let port = self.port().checked_add(1)?;
        Some(Self(SocketAddr::new(self.0.ip(), port)))
    }
}

impl From<SocketAddr> for SocketAddress {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

impl fmt::Display for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SocketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_port_is_dual_stack() {
        assert_eq!(SocketAddress::parse("8443"), SocketAddress::parse("[::]:8443"));
        assert_eq!(SocketAddress::parse(":8443"), SocketAddress::parse("[::]:8443"));
        assert_eq!(SocketAddress::parse("8443").and_then(SocketAddress::without_ipv6), SocketAddress::parse("0.0.0.0:8443"));
    }

    #[test]
    fn names_and_nonsense_are_refused() {
        for text in ["localhost:80", "", "80000", "1.2.3.4", "[::1]"] {
            assert_eq!(SocketAddress::parse(text), None, "{text}");
        }
    }
}
