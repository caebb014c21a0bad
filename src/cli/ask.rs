//! Asking a running process over its admin address: one small request, answered soon or not at all.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Refusal;
use crate::control::config::Listen;

/// Kubelet gives a probe one second unless told otherwise; whatever takes longer than this is not ready.
const LIMIT: Duration = Duration::from_secs(3);
/// More than a thousand endpoints with all their probes.
const MAX_ANSWER: u64 = 16 << 20;

/// The address that `--admin` names.
pub(super) fn admin(text: &str) -> Result<SocketAddr, Refusal> {
    let listen = Listen::parse(text).map_err(|why| Refusal::usage(format!("--admin: {why}")))?;
    listen.0.map(crate::model::SocketAddress::get).ok_or_else(|| Refusal::usage("--admin is off: there is nobody to ask"))
}

/// Status and body of the first address that answers.
pub(super) fn ask_any(address: SocketAddr, target: &str) -> io::Result<(u16, String)> {
    let mut answer = Err(io::ErrorKind::AddrNotAvailable.into());
    for candidate in candidates(address) {
        answer = ask(candidate, target);
        if answer.is_ok() {
            break;
        }
    }
    answer
}

/// Where a process that listens on an address can be reached from here.
fn candidates(address: SocketAddr) -> impl Iterator<Item = SocketAddr> {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let ips = if address.ip().is_unspecified() { loopback.to_vec() } else { vec![address.ip()] };
    ips.into_iter().map(move |ip| SocketAddr::new(ip, address.port()))
}

/// Status and body. HTTP/1.0, so that the body is as it is and ends with the connection.
fn ask(address: SocketAddr, target: &str) -> io::Result<(u16, String)> {
    let deadline = Instant::now() + LIMIT;
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(format!("GET {target} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or(io::ErrorKind::TimedOut)?;
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        }
        if answer.len() as u64 > MAX_ANSWER {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer has no end"));
        }
    }
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "this is no HTTP answer"))
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    let status = words.next().filter(|version| version.starts_with("HTTP/1.")).and(words.next())?;
    Some((status.parse().ok()?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_and_nonsense_is_not() {
        assert_eq!(parse("HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\nno\n"), Some((503, "no\n".to_owned())));
        for nonsense in ["", "HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 abc\r\n\r\n"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }
}
