//! HTTP/1.1 as it is on the wire, for both sides of the proxy. Strict about framing and blind to meaning: tests look at
//! what was written, not at what a library made of it.

use std::io::{self, ErrorKind};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::DEADLINE;

/// The first line and the fields of a message.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// As received, without the line end.
    pub first_line: String,
    /// In the order of arrival, names as written.
    pub fields: Vec<(String, String)>,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// By its length.
    Length(u64),
    /// By its last chunk.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// A response.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The final status.
    pub status: u16,
    /// The final head.
    pub head: Head,
    /// The heads that came before it (1xx).
    pub interim: Vec<Head>,
    /// The whole body.
    pub body: Vec<u8>,
    /// The fields after it.
    pub trailers: Vec<(String, String)>,
}

/// A connection with what was read ahead from it.
pub struct Wire<S> {
    /// The connection.
    pub stream: S,
    /// What was read ahead.
    pub buffer: BytesMut,
}

impl Head {
    /// The first field of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).into_iter().next()
    }

    /// Every field of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a field is there at all.
    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.first_line.split(' ').next().unwrap_or_default()
    }

    /// The target of a request.
    pub fn target(&self) -> &str {
        self.first_line.split(' ').nth(1).unwrap_or_default()
    }

    /// The status of a response.
    pub fn status(&self) -> u16 {
        self.first_line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// How the body of a request with this head ends.
    pub fn request_framing(&self) -> Framing {
        self.framing(Framing::None)
    }

    /// How the body of a response to `method` ends.
    pub fn response_framing(&self, method: &str) -> Framing {
        match self.status() {
            _ if method == "HEAD" => Framing::None,
            100..=199 | 204 | 304 => Framing::None,
            _ => self.framing(Framing::Close),
        }
    }

    fn framing(&self, otherwise: Framing) -> Framing {
        if let Some(coding) = self.get("transfer-encoding") {
            assert_eq!(coding, "chunked", "a coding that nobody here speaks");
            assert!(!self.has("content-length"), "both framings: {self:?}");
            return Framing::Chunked;
        }
        let lengths = self.all("content-length");
        assert!(lengths.len() < 2, "two lengths: {self:?}");
        lengths.first().map_or(otherwise, |length| Framing::Length(length.parse().expect("a length is a number")))
    }
}

impl Answer {
    /// A field of the final head.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.head.get(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// With nothing read ahead.
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(64 * 1024) }
    }

    /// Writes all of it.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within(async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        })
        .await
    }

    /// Reads some more; `false` at the end.
    pub async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(64 * 1024);
        Ok(within(self.stream.read_buf(&mut self.buffer)).await? > 0)
    }

    /// The same without a time limit, for what may be silent for long.
    pub async fn fill_patiently(&mut self) -> io::Result<bool> {
        self.buffer.reserve(64 * 1024);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }

    /// The next line without its end, which must be CRLF; `None` at a clean end.
    pub async fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(at + 1);
                let line = line.strip_suffix(b"\r\n").ok_or_else(|| invalid("a line that ends in a bare LF"))?;
                return Ok(Some(line.iter().map(|byte| char::from(*byte)).collect()));
            }
            if !self.fill().await? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// The next head; `None` at a clean end.
    pub async fn head(&mut self) -> io::Result<Option<Head>> {
        let Some(first_line) = self.line().await? else { return Ok(None) };
        let fields = self.fields().await?;
        Ok(Some(Head { first_line, fields }))
    }

    async fn fields(&mut self) -> io::Result<Vec<(String, String)>> {
        let mut fields = Vec::new();
        loop {
            match self.line().await? {
                None => return Err(ErrorKind::UnexpectedEof.into()),
                Some(line) if line.is_empty() => return Ok(fields),
                Some(line) => {
                    let (name, value) = line.split_once(':').ok_or_else(|| invalid("a field without a colon"))?;
                    fields.push((name.to_owned(), value.trim().to_owned()));
                }
            }
        }
    }

    /// Reads a body to its end and returns its trailers.
    pub async fn body(&mut self, framing: Framing, mut sink: impl FnMut(&[u8])) -> io::Result<Vec<(String, String)>> {
        match framing {
            Framing::None => Ok(Vec::new()),
            Framing::Length(length) => self.exactly(length, &mut sink).await.map(|()| Vec::new()),
            Framing::Chunked => loop {
                let line = self.line().await?.ok_or(ErrorKind::UnexpectedEof)?;
                let size = u64::from_str_radix(&line, 16).map_err(|_| invalid("a chunk size that is no plain number"))?;
                if size == 0 {
                    return self.fields().await;
                }
                self.exactly(size, &mut sink).await?;
                if self.line().await?.as_deref() != Some("") {
                    return Err(invalid("a chunk that does not end where it should"));
                }
            },
            Framing::Close => loop {
                sink(&self.buffer);
                self.buffer.clear();
                if !self.fill().await? {
                    return Ok(Vec::new());
                }
            },
        }
    }

    /// Reads this many bytes.
    pub async fn exactly(&mut self, mut length: u64, sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while length > 0 {
            if self.buffer.is_empty() && !self.fill().await? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let now = usize::try_from(length).unwrap_or(usize::MAX).min(self.buffer.len());
            sink(&self.buffer[..now]);
            self.buffer.advance(now);
            length -= now as u64;
        }
        Ok(())
    }

    /// Reads the next response, interim ones included, as the answer to a request of this method.
    pub async fn answer(&mut self, method: &str) -> io::Result<Answer> {
        let mut answer = self.answer_head().await?;
        let mut body = Vec::new();
        answer.trailers = self.body(answer.head.response_framing(method), |bytes| body.extend_from_slice(bytes)).await?;
        answer.body = body;
        Ok(answer)
    }

    /// Reads the next response up to its body.
    pub async fn answer_head(&mut self) -> io::Result<Answer> {
        let mut interim = Vec::new();
        loop {
            let head = self.head().await?.ok_or(ErrorKind::UnexpectedEof)?;
            match head.status() {
                100 | 102..=199 => interim.push(head),
                status => return Ok(Answer { status, head, interim, ..Answer::default() }),
            }
        }
    }

    /// Reads to the end and throws it away. An error is an end, too.
    pub async fn until_end(&mut self) -> io::Result<()> {
        self.body(Framing::Close, |_| ()).await.map(drop)
    }
}

async fn within<T>(io: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(DEADLINE, io)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(ErrorKind::TimedOut, "nothing came within the deadline of the test")))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what.to_owned())
}
