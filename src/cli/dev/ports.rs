//! Ports that are free for both families at once, so that one URL leads to the same place whichever a client takes.

use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

/// Ports that are tried after the first.
const TRIES: u16 = 100;

/// Whether this machine listens on `::1`.
pub(super) fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// The first free port; somebody may still take it before it is bound, and then the next is taken.
pub(super) fn free(first: u16, ipv6: bool) -> u16 {
    let is_free =
        |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok() && (!ipv6 || TcpListener::bind((Ipv6Addr::LOCALHOST, *port)).is_ok());
    (first..first.saturating_add(TRIES)).find(is_free).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_one_family_has_is_not_free() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(free(port, has_ipv6()) > port);
    }
}
