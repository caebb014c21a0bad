//! One readiness check: what it connects to, what it sends, and what counts as a pass, as kubelet does it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tls;
use super::verdict::Outcome;
use crate::model::{EndpointAddress, Probe, ProbeAction, ProbeScheme, ProbeSuccess};
use crate::proxy::error::is_out_of_resources;
use crate::proxy::upstream::open;

/// How late a time limit may be noticed before it says more about this process than about the endpoint.
const LATE: Duration = Duration::from_millis(100);
/// A status line and its fields.
const MAX_HEAD: usize = 64 * 1024;

/// What checks share.
pub struct Checker {
    tls: Option<Arc<ClientConfig>>,
}

/// Where it went wrong.
enum Problem {
    Connect(io::Error),
    Talk(io::Error),
}

impl Checker {
    /// Ready to check.
    pub fn new() -> Self {
        Self { tls: tls::client_config() }
    }

    /// Checks an endpoint; `None` if this process was too busy, or too short of something, to tell.
    pub async fn check(&self, address: EndpointAddress, probe: &Probe) -> Option<Outcome> {
        let started = Instant::now();
        match timeout(probe.timeout, self.act(address, probe)).await {
            Ok(outcome) => outcome,
            Err(_) if started.elapsed() > probe.timeout + LATE => None,
            Err(_) => Some(failed(format!("no answer within {} s", probe.timeout.as_secs()), false)),
        }
    }

    async fn act(&self, address: EndpointAddress, probe: &Probe) -> Option<Outcome> {
        let (host, port) = match &probe.action {
            ProbeAction::HttpGet { host, port, .. } | ProbeAction::TcpSocket { host, port } => (host.as_deref(), *port),
        };
        let stream = match connect(address, host, port).await {
            Ok(stream) => stream,
            Err(error) if is_out_of_resources(&error) => return None,
            Err(error) => return Some(failed(describe(&error), true)),
        };
        Some(match &probe.action {
            ProbeAction::TcpSocket { .. } => Outcome::Passed("it accepts connections".to_owned()),
            ProbeAction::HttpGet { path, scheme, headers, .. } => {
                let request = request(address, host, port, path, headers);
                match self.get(stream, *scheme, &request).await {
                    Ok(status) => judge(status, probe.success),
                    Err(Problem::Connect(error)) => failed(format!("no TLS: {}", describe(&error)), false),
                    Err(Problem::Talk(error)) => failed(describe(&error), false),
                }
            }
        })
    }

    async fn get(&self, stream: TcpStream, scheme: ProbeScheme, request: &str) -> Result<u16, Problem> {
        match scheme {
            ProbeScheme::Http => talk(stream, request).await,
            ProbeScheme::Https => {
                let config = self.tls.clone().ok_or_else(|| Problem::Connect(io::ErrorKind::Unsupported.into()))?;
                let stream = tls::connect(config, stream).await.map_err(Problem::Connect)?;
                talk(stream, request).await
            }
        }
    }
}

fn judge(status: u16, success: ProbeSuccess) -> Outcome {
    let (passes, expected) = match success {
        ProbeSuccess::Below400 => ((200..400).contains(&status), "200 to 399"),
        ProbeSuccess::Exactly200 => (status == 200, "exactly 200"),
    };
    if passes { Outcome::Passed(format!("it answers {status}")) } else { failed(format!("it answers {status}, expected {expected}"), false) }
}

fn failed(why: String, unreachable: bool) -> Outcome {
    Outcome::Failed { why, unreachable }
}

async fn connect(address: EndpointAddress, host: Option<&str>, port: Option<u16>) -> io::Result<TcpStream> {
    let port = port.unwrap_or(address.port());
    let candidates: Vec<SocketAddr> = match host {
        None => address.with_port(port).candidates().collect(),
        Some(host) => tokio::net::lookup_host((host, port)).await?.collect(),
    };
    let mut result = Err(io::Error::other("it has no address"));
    for candidate in candidates {
        result = open(candidate).await;
        if result.is_ok() {
            break;
        }
    }
    result
}

/// HTTP/1.1 as kubelet sends it. Values were checked when the configuration was read; a path is the only part that
/// could still hold what ends a line.
fn request(address: EndpointAddress, host: Option<&str>, port: Option<u16>, path: &str, headers: &[(String, String)]) -> String {
    let path: String = path.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect();
    let is = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let mut request = format!("GET {path} HTTP/1.1\r\n");
    let mut add = |name: &str, value: &str| request.push_str(&format!("{name}: {value}\r\n"));
    if !is("host") {
        let address = address.with_port(port.unwrap_or(address.port()));
        add("Host", &host.map_or_else(|| address.to_string(), |host| format!("{host}:{}", address.port())));
    }
    if !is("user-agent") {
        add("User-Agent", concat!("genkan-probe/", env!("CARGO_PKG_VERSION")));
    }
    if !is("accept") {
        add("Accept", "*/*");
    }
    headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("connection")).for_each(|(name, value)| add(name, value));
    add("Connection", "close");
    request.push_str("\r\n");
    request
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Result<u16, Problem> {
    stream.write_all(request.as_bytes()).await.map_err(Problem::Talk)?;
    stream.flush().await.map_err(Problem::Talk)?;
    let mut head = BytesMut::with_capacity(1024);
    loop {
        let read = stream.read_buf(&mut head).await.map_err(Problem::Talk)?;
        match status(&head) {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if read == 0 || head.len() > MAX_HEAD => {
                return Err(Problem::Talk(io::Error::other("it closes the connection without an answer")));
            }
            Ok(None) => {}
            Err(error) => return Err(Problem::Talk(io::Error::other(format!("it does not speak HTTP/1: {error}")))),
        }
    }
}

/// The status of the first response that is not interim.
fn status(head: &[u8]) -> Result<Option<u16>, httparse::Error> {
    let mut rest = head;
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut response = httparse::Response::new(&mut fields);
        match (response.parse(rest)?, response.code) {
            (httparse::Status::Complete(length), Some(100..200)) => rest = &rest[length..],
            (httparse::Status::Complete(_), code) => return Ok(code),
            (httparse::Status::Partial, _) => return Ok(None),
        }
    }
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused: nothing listens there".to_owned(),
        io::ErrorKind::ConnectionReset => "it resets the connection".to_owned(),
        io::ErrorKind::UnexpectedEof => "it closes the connection without an answer".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_probes_headers_and_a_host() {
        let address = EndpointAddress::Ip(([127, 0, 0, 1], 80).into());
        let plain = request(address, None, Some(8080), "/healthz?a\r\nb", &[]);
        assert!(plain.starts_with("GET /healthz?a__b HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: genkan-probe/"), "{plain}");
        let own = request(address, None, None, "/", &[("Host".to_owned(), "web".to_owned()), ("X-A".to_owned(), "1".to_owned())]);
        assert!(own.contains("\r\nHost: web\r\nX-A: 1\r\nConnection: close\r\n\r\n") && !own.contains("127.0.0.1"), "{own}");
    }

    #[test]
    fn a_status_passes_as_the_probe_has_it() {
        for (status, below_400, exactly_200) in [(200, true, true), (204, true, false), (302, true, false), (404, false, false), (199, false, false)]
        {
            let passes = |success| matches!(judge(status, success), Outcome::Passed(_));
            assert_eq!((passes(ProbeSuccess::Below400), passes(ProbeSuccess::Exactly200)), (below_400, exactly_200), "{status}");
        }
        assert_eq!(judge(302, ProbeSuccess::Exactly200), failed("it answers 302, expected exactly 200".to_owned(), false));
    }

    #[test]
    fn interim_responses_are_no_answer() {
        assert_eq!(status(b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 No\r\n\r\n"), Ok(Some(204)));
        assert_eq!(status(b"HTTP/1.1 103 Early\r\n\r\n"), Ok(None));
        assert!(status(b"SSH-2.0-OpenSSH\r\n").is_err());
    }
}
