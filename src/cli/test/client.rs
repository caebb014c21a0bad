//! A small HTTP/1.1 client: one request a connection, ten seconds in all, nothing followed, nothing kept. What an edge
//! does is told by the head of its answer; the body is read only so that the edge sees a client that stays to its end.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderName;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, USER_AGENT};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::explain::Asked;

/// A case in all.
const LIMIT: Duration = Duration::from_secs(10);
/// More than any edge sends.
const MAX_HEAD: usize = 256 << 10;
const MAX_HEADERS: usize = 256;
/// Beyond this the connection is simply closed.
const MAX_BODY: u64 = 1 << 20;

/// What is sent where.
pub(super) struct Request<'r> {
    pub(super) address: (&'r str, u16),
    /// `None`: in the clear.
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(super) asked: &'r Asked,
    pub(super) body: &'r str,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) certificate: Option<CertificateDer<'static>>,
}

/// How far it came.
#[derive(Debug)]
pub(super) enum Failure {
    Connection(io::Error),
    Handshake(io::Error),
    Answer(io::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, error) = match self {
            Self::Connection(error) => ("no connection", error),
            Self::Handshake(error) => ("no handshake", error),
            Self::Answer(error) => ("nothing that is HTTP", error),
        };
        match error.kind() {
            io::ErrorKind::TimedOut => write!(f, "{what} within {} s", LIMIT.as_secs()),
            _ => write!(f, "{what}: {error}"),
        }
    }
}

/// Sends a request and waits for the answer.
pub(super) fn send(request: &Request<'_>) -> Result<Answer, Failure> {
    let mut stream = Timed::connect(request.address).map_err(Failure::Connection)?;
    let Some((config, name)) = request.tls.clone() else {
        return exchange(&mut stream, request).map_err(Failure::Answer);
    };
    let mut connection = ClientConnection::new(config, name).map_err(|error| Failure::Handshake(io::Error::other(error)))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(Failure::Handshake)?;
    }
    let certificate = connection.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.clone().into_owned());
    let answer = exchange(&mut StreamOwned::new(connection, stream), request).map_err(Failure::Answer)?;
    Ok(Answer { certificate, ..answer })
}

fn exchange(stream: &mut (impl Read + Write), request: &Request<'_>) -> io::Result<Answer> {
    // An edge that refuses a request may stop to read it; what it has to say is read all the same.
    let sent = stream.write_all(head(request.asked, request.body).as_bytes());
    let sent = sent.and_then(|()| stream.write_all(request.body.as_bytes())).and_then(|()| stream.flush());
    match receive(stream, request.asked.method == http::Method::HEAD) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => sent.and(Err(error)),
        received => received,
    }
}

fn head(asked: &Asked, body: &str) -> String {
    let host = if asked.host.contains(':') { format!("[{}]", asked.host) } else { asked.host.clone() };
    let port = asked.port.map_or_else(String::new, |port| format!(":{port}"));
    let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}{port}\r\nConnection: close\r\n", asked.method, asked.target);
    if !asked.headers.contains_key(USER_AGENT) {
        head.push_str(concat!("User-Agent: genkan-test/", env!("CARGO_PKG_VERSION"), "\r\n"));
    }
    if !body.is_empty() && !asked.headers.contains_key(CONTENT_LENGTH) && !asked.headers.contains_key(TRANSFER_ENCODING) {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in &asked.headers {
        head.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
    }
    head + "\r\n"
}

fn receive(stream: &mut impl Read, is_head: bool) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    loop {
        if let Some((answer, length)) = parse(&bytes)? {
            bytes.drain(..length);
            // Interim answers come before the one that counts.
            if (100..200).contains(&answer.status) && answer.status != 101 {
                continue;
            }
            let bodiless = is_head || matches!(answer.status, 101 | 204 | 304);
            let left = if bodiless { 0 } else { length_of(&answer).unwrap_or(MAX_BODY).saturating_sub(bytes.len() as u64) };
            let _ = io::copy(&mut stream.take(left.min(MAX_BODY)), &mut io::sink()); // Nothing of it is compared.
            return Ok(answer);
        }
        if bytes.len() > MAX_HEAD {
            return Err(invalid("the head of the answer has no end"));
        }
        let mut buffer = [0; 8192];
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection is closed")),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn length_of(answer: &Answer) -> Option<u64> {
    answer.headers.iter().find(|(name, _)| name == CONTENT_LENGTH)?.1.parse().ok()
}

/// An answer and how long its head is; `None` if there is more to come.
fn parse(bytes: &[u8]) -> io::Result<Option<(Answer, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut fields);
    let length = match response.parse(bytes).map_err(|error| invalid(&error.to_string()))? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return Ok(None),
    };
    let status = response.code.ok_or_else(|| invalid("there is no status"))?;
    let field = |field: &httparse::Header<'_>| {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        Some((name, String::from_utf8_lossy(field.value).into_owned()))
    };
    let headers = response.headers.iter().filter_map(field).collect();
    Ok(Some((Answer { status, headers, certificate: None }, length)))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A stream on which nothing takes longer than what is left of the time.
struct Timed {
    stream: TcpStream,
    deadline: Instant,
}

impl Timed {
    fn connect(address: (&str, u16)) -> io::Result<Self> {
        let deadline = Instant::now() + LIMIT;
        let mut outcome = Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        for candidate in address.to_socket_addrs()? {
            outcome = left(deadline).and_then(|left| TcpStream::connect_timeout(&candidate, left));
            if outcome.is_ok() {
                break;
            }
        }
        outcome.map(|stream| Self { stream, deadline })
    }
}

/// A limit of nothing would be none.
fn left(deadline: Instant) -> io::Result<Duration> {
    deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or_else(|| io::ErrorKind::TimedOut.into())
}

/// That is how a limit on a socket shows.
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.deadline)?))?;
        self.stream.read(buffer).map_err(timed_out)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.deadline)?))?;
        self.stream.write(bytes).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_counts() {
        let bytes = b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 301 Moved\r\nLocation: /b\r\ncontent-length: 2\r\n\r\nhi";
        let answer = receive(&mut bytes.as_slice(), false).unwrap();
        assert_eq!((answer.status, answer.headers[0].1.as_str()), (301, "/b"));
        assert_eq!(receive(&mut b"HTTP/1.1 200 OK\r\n".as_slice(), false).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(receive(&mut b"SSH-2.0-x\r\n\r\n".as_slice(), false).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn requests_say_what_a_case_says() {
        let asked = Asked::parse(Some("POST"), "https://a.test:8443/b?c", &["X-A: d".to_owned(), "User-Agent: e".to_owned()], None).unwrap();
        let expected = "POST /b?c HTTP/1.1\r\nHost: a.test:8443\r\nConnection: close\r\nContent-Length: 2\r\nx-a: d\r\nuser-agent: e\r\n\r\n";
        assert_eq!(head(&asked, "hi"), expected);
    }
}
