//! Listening sockets: which there are, how one is opened, and who has the port if it cannot be.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use crate::model::{Diagnostic, Listener, ObjectKind, Reason, SocketAddress};

/// By what a socket is found again across configurations: its address, and where the kernel picks the port the listener
/// that it is for, because the next pick would be another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocketKey {
    /// As configured.
    pub address: SocketAddress,
    listener: Option<Arc<str>>,
}

/// Connections that wait to be accepted; the kernel caps it at `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// Ports that are tried after the one that is taken.
const TRIES: usize = 100;

/// What is done about a port that somebody else has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortTaken {
    /// It is an error.
    Refuse,
    /// The next one that is free is used.
    TryNext,
}

impl SocketKey {
    /// The socket of a listener.
    pub fn of(listener: &Listener) -> Self {
        let listener_name = (listener.address.port() == 0).then(|| listener.name.as_str().into());
        Self { address: listener.address, listener: listener_name }
    }
}

/// Opens a socket.
pub fn bind(address: SocketAddress, taken: PortTaken) -> io::Result<TcpListener> {
    let mut attempt = address;
    for _ in 0..TRIES {
        match bind_to(attempt) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && taken == PortTaken::TryNext => {
                attempt = attempt.next_port().ok_or(error)?;
            }
            result => return result,
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

fn bind_to(address: SocketAddress) -> io::Result<TcpListener> {
    match open(address.get()) {
        Err(error) if is_without_ipv6(&error) => match address.without_ipv6() {
            Some(address) => open(address.get()),
            None => Err(error),
        },
        result => result,
    }
}

fn is_without_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// Address family not supported (Linux).
const EAFNOSUPPORT: i32 = 97;

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for connections of the process before it.
    socket.set_reuse_address(true)?;
    // Linux hands it down to the connections that are accepted.
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What to say of a socket that could not be opened.
pub fn unavailable(listener: &Listener, error: &io::Error) -> Diagnostic {
    let port = listener.address.port();
    let (why, help) = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = port_holder(port).map_or_else(|| "already in use".to_owned(), |holder| format!("already in use by {holder}"));
            (holder, format!("stop the other process, or use another port: --{} ADDRESS:PORT", flag(listener)))
        }
        io::ErrorKind::PermissionDenied => {
            let help = format!(
                "ports below 1024 are privileged: use --{} {}, or sysctl net.ipv4.ip_unprivileged_port_start={port}, or CAP_NET_BIND_SERVICE",
                flag(listener),
                if listener.is_https() { 8443 } else { 8080 },
            );
            ("permission denied".to_owned(), help)
        }
        io::ErrorKind::AddrNotAvailable => ("this machine does not have the address".to_owned(), "use [::]:PORT for every address".to_owned()),
        _ => (error.to_string(), "correct the address of the listener".to_owned()),
    };
    Diagnostic::error(Reason::PortUnavailable, format!("cannot listen on {}: {why}", listener.address))
        .about(ObjectKind::Listener, listener.name.clone())
        .effect(format!("listener \"{}\" is not served", listener.name))
        .help(help)
}

fn flag(listener: &Listener) -> &'static str {
    if listener.is_https() { "https" } else { "http" }
}

/// Name and id of the process that listens on a port, as far as that can be found out.
pub fn port_holder(port: u16) -> Option<String> {
    holder::of(port)
}

/// Who listens on a port, as far as /proc tells.
mod holder {
    use std::fs;

    /// Name and id of the process that listens on a port.
    pub fn of(port: u16) -> Option<String> {
        let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| inode(&fs::read_to_string(table).ok()?, port))?;
        let wanted = format!("socket:[{inode}]");
        for process in fs::read_dir("/proc").ok()?.flatten() {
            let name = process.file_name();
            let Some(id) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else { continue };
            let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
            if files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|link| link.to_str() == Some(&wanted))) {
                let command = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Some(format!("{} (pid {id})", command.trim()));
            }
        }
        None
    }

    /// The inode of a listening socket in a table of the kernel's (proc(5)).
    fn inode(table: &str, port: u16) -> Option<String> {
        const LISTEN: &str = "0A";
        let suffix = format!(":{port:04X}");
        table.lines().skip(1).find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let local = fields.nth(1)?;
            let state = fields.nth(1)?;
            (local.ends_with(&suffix) && state == LISTEN).then(|| fields.nth(5).map(str::to_owned))?
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_port_has_a_holder() {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let holder = of(listener.local_addr().unwrap().port()).unwrap();
            assert!(holder.ends_with(&format!("(pid {})", std::process::id())), "{holder}");
        }
    }
}
