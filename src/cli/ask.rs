//! Asking a running process over its admin address: one small request, answered soon or not at all; or one whose answer
//! goes on for as long as somebody likes.

use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;

use super::Refusal;
use super::output::printable;
use crate::control::config::Listen;
use crate::model::SocketAddress;

/// Kubelet gives a probe one second unless told otherwise; whatever takes longer than this is not ready.
const LIMIT: Duration = Duration::from_secs(3);
/// More than ten thousand endpoints.
const MAX_ANSWER: u64 = 64 << 20;
/// A token is a line.
const MAX_TOKEN: u64 = 4096;
/// Of an answer that is none of ours, in characters.
const MOST_SAID: usize = 200;
/// A line of an answer that goes on.
const MAX_LINE: u64 = 1 << 20;

/// The process that is asked.
#[derive(Debug, Args)]
pub(super) struct AdminFlags {
    /// The process's admin listener, or unix:PATH
    #[arg(long, value_name = "ADDRESS|PORT", env = "GENKAN_ADMIN", hide_env_values = true, default_value = "127.0.0.1:9900")]
    admin: String,
    /// The file with the token that it asks for
    #[arg(long, value_name = "FILE", env = "GENKAN_TOKEN_FILE", hide_env_values = true)]
    token_file: Option<PathBuf>,
}

/// Where a process can be asked, and what it wants to see first.
#[derive(Debug)]
pub(super) struct Process {
    place: Place,
    token: Option<String>,
}

#[derive(Debug)]
enum Place {
    Address(SocketAddr),
    Socket(PathBuf),
}

/// A view, if it is shown to us.
pub(super) enum View {
    Shown(Value),
    /// It is for others; what is to be said where that is no answer.
    Hidden(Refusal),
}

impl View {
    /// Where there is nothing else to tell.
    pub(super) fn shown(self) -> Result<Value, Refusal> {
        match self {
            Self::Shown(view) => Ok(view),
            Self::Hidden(refusal) => Err(refusal),
        }
    }
}

/// A connection of either kind.
trait Connection: Read + Write {
    fn set_limits(&self, limit: Option<Duration>) -> io::Result<()>;
}

impl AdminFlags {
    pub(super) fn process(&self) -> Result<Process, Refusal> {
        Process::named(&self.admin, self.token_file.as_deref())
    }
}

impl Process {
    /// The one that `--admin` names.
    pub(super) fn named(admin: &str, token_file: Option<&Path>) -> Result<Self, Refusal> {
        let place = match admin.strip_prefix("unix:") {
            Some(path) => Place::Socket(path.into()),
            // As the log names the page.
            None => {
                let address = admin.strip_prefix("http://").map_or(admin, |url| url.trim_end_matches('/'));
                let listen = Listen::parse(address).ok().and_then(|listen| listen.0);
                let why = || format!("--admin: `{admin}` is nowhere to ask; write ADDRESS:PORT as in 127.0.0.1:9900, a port, or unix:PATH");
                Place::Address(listen.map(SocketAddress::get).ok_or_else(|| Refusal::usage(why()))?)
            }
        };
        Ok(Self { place, token: token_file.map(read_token).transpose()? })
    }

    /// Status and body.
    pub(super) fn ask(&self, target: &str) -> io::Result<(u16, String)> {
        let deadline = Instant::now() + LIMIT;
        let mut stream = self.send(target)?;
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or(io::ErrorKind::TimedOut)?;
            stream.set_limits(Some(left))?;
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => answer.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) => return Err(error),
            }
            if answer.len() as u64 > MAX_ANSWER {
                return Err(invalid("the answer has no end"));
            }
        }
        parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| invalid("this is no HTTP answer"))
    }

    /// One of its views.
    pub(super) fn view(&self, name: &str) -> Result<View, Refusal> {
        let no = |why: String| Refusal::no(format!("{self}: {why}"));
        let (status, body) = self.ask(&format!("/api/v1/{name}")).map_err(|error| self.no_answer(&error))?;
        let name = name.split('?').next().unwrap_or(name);
        let refused = || no(self.refused(name, status, &body));
        match status {
            200 => serde_json::from_str(&body).map(View::Shown).map_err(|error| no(format!("{name} is no JSON: {error}"))),
            401 | 403 => Ok(View::Hidden(refused())),
            _ => Err(refused()),
        }
    }

    /// Nothing came back.
    pub(super) fn no_answer(&self, error: &io::Error) -> Refusal {
        let hint = match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                "; does it run, and is this its admin listener? The line \"admin\" of its log says where that is"
            }
            io::ErrorKind::PermissionDenied => "; the socket is for the user and the group of the process",
            _ => "",
        };
        Refusal::no(format!("no answer from {self}: {error}{hint}"))
    }

    /// What was asked for is not shown, and what could be done about it.
    pub(super) fn refused(&self, what: &str, status: u16, body: &str) -> String {
        let first = body.trim().lines().next().unwrap_or_default();
        let said: String = printable(first).chars().take(MOST_SAID).collect();
        let help = match (status, &self.token) {
            (401, None) => "; show it with --token-file FILE",
            (401, Some(_)) => "; the one in --token-file is another one",
            (403, _) => "; ask on the machine that it runs on, or give it a token: admin.token",
            _ => "; is this the admin listener of genkan?",
        };
        format!("{what} is answered with {status}: {said}{help}")
    }

    /// Status, and for 200 each line as it comes, until the process ends it or `line` says that it is enough. For another
    /// status the text is the one line.
    pub(super) fn follow(&self, target: &str, mut line: impl FnMut(&str) -> bool) -> io::Result<u16> {
        let stream = self.send(target)?;
        stream.set_limits(Some(LIMIT))?;
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if (&mut lines).take(MAX_TOKEN).read_line(&mut head)? == 0 || head.len() as u64 > MAX_ANSWER {
                return Err(invalid("this is no HTTP answer"));
            }
        }
        let (status, _) = parse(&head).ok_or_else(|| invalid("this is no HTTP answer"))?;
        // There may be nothing to tell for a long time.
        lines.get_ref().set_limits(None)?;
        let mut text = Vec::new();
        while (&mut lines).take(MAX_LINE).read_until(b'\n', &mut text)? > 0 {
            if !line(String::from_utf8_lossy(&text).trim_end()) {
                break;
            }
            text.clear();
        }
        Ok(status)
    }

    /// The request has left. HTTP/1.0, so that the body is as it is and ends with the connection.
    fn send(&self, target: &str) -> io::Result<Box<dyn Connection>> {
        let mut stream = self.connect()?;
        stream.set_limits(Some(LIMIT))?;
        let host = match &self.place {
            Place::Address(address) => address.to_string(),
            Place::Socket(_) => "localhost".to_owned(),
        };
        let token = self.token.as_ref().map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        stream.write_all(format!("GET {target} HTTP/1.0\r\nHost: {host}\r\n{token}Connection: close\r\n\r\n").as_bytes())?;
        Ok(stream)
    }

    /// To the first address that answers.
    fn connect(&self) -> io::Result<Box<dyn Connection>> {
        match &self.place {
            Place::Socket(path) => {
                let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None)?;
                socket.connect_timeout(&socket2::SockAddr::unix(path)?, LIMIT)?;
                Ok(Box::new(UnixStream::from(std::os::fd::OwnedFd::from(socket))))
            }
            Place::Address(address) => {
                let mut stream = Err(io::ErrorKind::AddrNotAvailable.into());
                for candidate in candidates(*address) {
                    stream = TcpStream::connect_timeout(&candidate, LIMIT);
                    if stream.is_ok() {
                        break;
                    }
                }
                stream.map(|stream| Box::new(stream) as Box<dyn Connection>)
            }
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Address(address) => address.fmt(f),
            Place::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Connection for TcpStream {
    fn set_limits(&self, limit: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(limit)?;
        self.set_write_timeout(limit)
    }
}

impl Connection for UnixStream {
    fn set_limits(&self, limit: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(limit)?;
        self.set_write_timeout(limit)
    }
}

fn read_token(path: &Path) -> Result<String, Refusal> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_TOKEN).read_to_string(&mut text));
    read.map_err(|error| Refusal::usage(format!("{}: {error}", path.display())))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::usage(format!("{} holds no token: one line of letters, digits and marks", path.display())));
    }
    Ok(token.to_owned())
}

/// Where a process that listens on an address can be reached from here.
fn candidates(address: SocketAddr) -> impl Iterator<Item = SocketAddr> {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let ips = if address.ip().is_unspecified() { loopback.to_vec() } else { vec![address.ip()] };
    ips.into_iter().map(move |ip| SocketAddr::new(ip, address.port()))
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
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
