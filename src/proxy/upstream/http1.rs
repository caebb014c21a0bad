//! HTTP/1.1 towards a backend: one request at a time on a connection, driven by whoever waits for the answer, with no
//! task and no channel in between. It knows how many bytes of a request have left, which decides whether that request
//! may be sent again. Heads and framing are in the files below; which connection is used is decided in `send`.

pub mod framing;
pub mod head;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

use super::pool::Pooled;
use crate::proxy::backend::OpenConnection;
use crate::proxy::body::{Frame, Length, RequestBody};
use crate::proxy::error::{ErrorKind, ProxyError};
use crate::proxy::headers::{passes_as_trailer, put_field};
use head::{Asked, Parsed, RequestHead, ResponseHead};

/// A connection with what has arrived on it and is not read yet.
pub struct Connection {
    stream: TcpStream,
    input: BytesMut,
    /// Heads and chunk lines that have not left yet.
    output: BytesMut,
    open: OpenConnection,
}

/// One request on a connection.
pub struct Call {
    connection: Connection,
    upload: Upload,
    method: Method,
    upgrade: Option<HeaderValue>,
    head_limit: usize,
    /// Bytes of the request that the kernel has taken.
    sent: u64,
    interims: Interims,
    /// How much of the input is known to have no end of a head in it.
    scanned: usize,
}

/// Interim responses that have come.
#[derive(Default)]
struct Interims {
    count: usize,
    /// What their heads take, by and large.
    size: usize,
}

/// What is being sent.
struct Upload {
    body: RequestBody,
    chunked: bool,
    /// Small pieces that will leave as one.
    gathered: BytesMut,
    /// How much was gathered when the client last had nothing more; 0: nothing waits for another look.
    looked_at: usize,
    /// Nothing of the body has been put behind the head.
    fresh: bool,
    /// What is written after the buffered lines.
    data: Bytes,
    /// What is written after the data.
    tail: &'static [u8],
    state: UploadState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UploadState {
    /// The body goes on.
    Sending,
    /// It is over, and its last bytes are being written.
    Ending,
    /// All of it has left.
    Sent,
    /// The backend takes no more; it may have answered all the same.
    Abandoned,
}

/// Whom a call waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// More of the request's body.
    Client,
    /// The backend: to take bytes, or to answer.
    Backend,
}

/// Interim responses before the answer; a backend that sends more is not going to answer.
const MAX_INTERIMS: usize = 16;
/// So much of them is passed on in one try: they are kept for a client that is slow.
const MAX_INTERIM_SIZE: usize = 16 * 1024;
/// What a field takes beside its bytes.
const FIELD_SIZE: usize = 100;
/// Read at least this much at a time: most heads fit.
const MIN_READ: usize = 8 * 1024;
/// Read at most this much at a time. Larger reads save calls, but push what was read out of the processor's cache.
const MAX_READ: usize = 64 * 1024;
/// A piece of a request's body below this size waits until the client has nothing more just now: a body in pieces of a
/// byte would otherwise cost a call into the kernel for each.
const SMALL: usize = 4 * 1024;
/// So much of them leaves at once.
const MOST_GATHERED: usize = 16 * 1024;
/// A buffer that has grown larger than this is not kept with an idle connection.
const MAX_KEPT_BUFFER: usize = 16 * 1024;

impl Connection {
    /// A connection that has just been opened.
    pub fn new(stream: TcpStream, open: OpenConnection) -> Self {
        Self { stream, input: BytesMut::new(), output: BytesMut::new(), open }
    }

    /// The stream, what the backend sent after its head, and what counts it as open: for a tunnel.
    pub fn into_parts(self) -> (TcpStream, Bytes, OpenConnection) {
        (self.stream, self.input.freeze(), self.open)
    }

    /// Reads once into the input.
    fn poll_read(&mut self, cx: &mut Context<'_>, expected: u64) -> Poll<io::Result<usize>> {
        let size = usize::try_from(expected).unwrap_or(MAX_READ).clamp(MIN_READ, MAX_READ);
        // Where pieces of the buffer are still on their way to the client, its rest is used up first: a backend that sends
        // little at a time would have a buffer kept for each.
        let rest = self.input.capacity() - self.input.len();
        if !self.input.try_reclaim(size) && rest < size / 4 {
            self.input.reserve(size);
        }
        poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.input)
    }
}

impl Pooled for Connection {
    fn is_idle(&self) -> bool {
        let mut byte = [0];
        self.input.is_empty() && matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    fn rest(&mut self) {
        for buffer in [&mut self.input, &mut self.output] {
            if buffer.capacity() > MAX_KEPT_BUFFER {
                *buffer = BytesMut::new();
            }
        }
    }
}

impl Call {
    /// Begins a request on a connection; nothing is written before the first poll.
    pub fn new(mut connection: Connection, head: &RequestHead<'_>, body: RequestBody, head_limit: usize) -> Self {
        connection.output.clear();
        head.write(&mut connection.output, body.length());
        let chunked = body.length() == Length::Unknown;
        let state = if body.length() == Length::Empty { UploadState::Ending } else { UploadState::Sending };
        Self {
            connection,
            upload: Upload::new(body, chunked, state),
            method: head.method.clone(),
            upgrade: head.upgrade.cloned(),
            head_limit,
            sent: 0,
            interims: Interims::default(),
            scanned: 0,
        }
    }

    /// Bytes of the request that have left.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes of the request's body that have come.
    pub fn received(&self) -> u64 {
        self.upload.body.received()
    }

    /// The request's body, for another try.
    pub fn into_body(self) -> RequestBody {
        self.upload.body
    }

    /// The answer has begun: there will be no other try.
    pub fn settle(&mut self) {
        self.upload.body.settle();
    }

    /// Whether all of the request has left.
    pub fn is_sent(&self) -> bool {
        self.upload.state == UploadState::Sent
    }

    /// The connection after the answer, if both sides have said all they will.
    pub fn into_idle(self) -> Option<Connection> {
        (self.is_sent() && self.connection.input.is_empty()).then_some(self.connection)
    }

    /// The connection after a switch of protocols; `None` if the backend switched before it had the whole request.
    pub fn into_switched(self) -> Option<Connection> {
        self.is_sent().then_some(self.connection)
    }

    /// Sends the request and reads until the head of the answer. `waits_for` says whose turn it is when it is pending;
    /// `interim` is given what comes before the answer.
    pub fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        waits_for: &mut WaitsFor,
        interim: &dyn Fn(Response<()>),
    ) -> Poll<Result<ResponseHead, ProxyError>> {
        *waits_for = self.poll_send(cx)?;
        loop {
            if self.may_have_head() {
                let asked = Asked { method: &self.method, upgrade: self.upgrade.as_ref() };
                let before = self.connection.input.len();
                match head::parse(&mut self.connection.input, asked, self.head_limit)? {
                    Parsed::Final(head) => return Poll::Ready(Ok(*head)),
                    Parsed::Interim(head) => {
                        self.scanned = 0;
                        if self.interims.note(&head, before - self.connection.input.len())? {
                            interim(head);
                        }
                        continue;
                    }
                    Parsed::More => {}
                }
            }
            match ready!(self.connection.poll_read(cx, 0)) {
                Ok(0) => return Poll::Ready(Err(ErrorKind::ClosedBeforeHead.into())),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(ProxyError::new(ErrorKind::ClosedBeforeHead, error))),
            }
        }
    }

    /// Looks for the end of a head in what is new. Parsing at each read would let a backend that sends byte by byte
    /// cost the square of its head.
    fn may_have_head(&mut self) -> bool {
        let input = &self.connection.input;
        let first = self.scanned == 0 && !input.is_empty();
        let from = self.scanned.saturating_sub(3);
        self.scanned = input.len();
        first || input.len() >= self.head_limit || input[from..].windows(2).any(|pair| pair == b"\n\r" || pair == b"\n\n")
    }

    /// Reads the next piece of the answer's body, while the request's goes on.
    pub fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        decoder: &mut framing::Decoder,
        waits_for: &mut WaitsFor,
    ) -> Poll<Option<Result<Frame, ProxyError>>> {
        *waits_for = self.poll_send(cx)?;
        loop {
            let malformed = |framing::Malformed(why)| ProxyError::from(ErrorKind::BadResponse(why));
            match decoder.decode(&mut self.connection.input).map_err(malformed)? {
                framing::Decoded::Frame(frame) => return Poll::Ready(Some(Ok(frame))),
                framing::Decoded::End => return Poll::Ready(None),
                framing::Decoded::More => {}
            }
            match ready!(self.connection.poll_read(cx, decoder.expected())) {
                Ok(0) if matches!(decoder, framing::Decoder::UntilClose) => {
                    *decoder = framing::Decoder::Done;
                    return Poll::Ready(None);
                }
                Ok(0) => return Poll::Ready(Some(Err(ErrorKind::BodyCut.into()))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(ProxyError::new(ErrorKind::BodyCut, error)))),
            }
        }
    }

    /// Goes on with the request, and says whose turn it is.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<WaitsFor, ProxyError> {
        Ok(match self.poll_upload(cx)? {
            Poll::Pending if self.upload.is_written(&self.connection) => WaitsFor::Client,
            Poll::Pending | Poll::Ready(()) => WaitsFor::Backend,
        })
    }

    /// Writes as much of the request as the client has sent and the backend takes. Fails only for the client's doing.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        loop {
            let pulled = self.upload.pull(&mut self.connection.output, cx)?;
            if self.upload.looked_at > 0 {
                return Poll::Pending;
            }
            match self.upload.poll_write(&mut self.connection, cx, &mut self.sent) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "the backend takes no more of a request");
                    self.upload.abandon();
                    self.connection.output.clear();
                }
                Poll::Pending => return Poll::Pending,
            }
            match self.upload.state {
                UploadState::Ending => self.upload.state = UploadState::Sent,
                UploadState::Sending => {}
                UploadState::Sent | UploadState::Abandoned => return Poll::Ready(Ok(())),
            }
            if pulled.is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl Interims {
    /// One more has come, so large. Says whether it is passed on: 100 is not, since we have not asked for it, and a client
    /// that does is told by us (RFC 9110 section 10.1.1).
    fn note(&mut self, head: &Response<()>, bytes: usize) -> Result<bool, ProxyError> {
        self.count += 1;
        self.size += bytes + FIELD_SIZE * head.headers().len();
        if self.count > MAX_INTERIMS {
            return Err(ErrorKind::BadResponse("it has too many interim responses").into());
        }
        Ok(head.status() != StatusCode::CONTINUE && self.size <= MAX_INTERIM_SIZE)
    }
}

impl Upload {
    fn new(body: RequestBody, chunked: bool, state: UploadState) -> Self {
        Self { body, chunked, gathered: BytesMut::new(), looked_at: 0, fresh: true, data: Bytes::new(), tail: b"", state }
    }

    /// Gets the next pieces ready to be written, if those before have been taken. Pending: the client has none now.
    fn pull(&mut self, output: &mut BytesMut, cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        while self.wants_more(output) {
            let Poll::Ready(frame) = self.body.poll_frame(cx) else {
                self.pause(output, cx);
                return Poll::Pending;
            };
            match frame.transpose()? {
                Some(Frame::Data(data)) if data.len() < SMALL => self.gathered.extend_from_slice(&data),
                Some(Frame::Data(data)) => {
                    self.put_gathered(output);
                    self.put_size(output, data.len());
                    self.tail = if self.chunked { b"\r\n" } else { b"" };
                    self.data = data;
                }
                Some(Frame::Trailers(trailers)) => self.end(output, &trailers)?,
                None => self.end(output, &HeaderMap::new())?,
            }
        }
        self.put_gathered(output);
        Poll::Ready(Ok(()))
    }

    /// Whether there is room for more before what there is has been written.
    fn wants_more(&self, output: &BytesMut) -> bool {
        let taken = self.data.is_empty() && self.tail.is_empty() && (self.fresh || output.is_empty());
        self.state == UploadState::Sending && taken && self.gathered.len() < MOST_GATHERED
    }

    /// The client has nothing more now. What it has sent in small pieces waits for one more look, since its codec hands
    /// out one at a time.
    fn pause(&mut self, output: &mut BytesMut, cx: &Context<'_>) {
        if self.gathered.len() == self.looked_at {
            self.put_gathered(output);
        } else {
            self.looked_at = self.gathered.len();
            cx.waker().wake_by_ref();
        }
    }

    fn put_gathered(&mut self, output: &mut BytesMut) {
        if self.gathered.is_empty() {
            return;
        }
        self.put_size(output, self.gathered.len());
        output.extend_from_slice(&self.gathered);
        if self.chunked {
            output.extend_from_slice(b"\r\n");
        }
        self.gathered.clear();
        self.looked_at = 0;
    }

    fn put_size(&mut self, output: &mut BytesMut, size: usize) {
        self.fresh = false;
        if self.chunked {
            output.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        }
    }

    fn end(&mut self, output: &mut BytesMut, trailers: &HeaderMap) -> Result<(), ProxyError> {
        self.state = UploadState::Ending;
        self.put_gathered(output);
        if !self.chunked {
            // Whatever is missing would be taken from the next request on this connection.
            let whole = self.body.length() == Length::Exact(self.body.received());
            return if whole { Ok(()) } else { Err(ErrorKind::ClientLeft.into()) };
        }
        output.extend_from_slice(b"0\r\n");
        for (name, value) in trailers.iter().filter(|(name, _)| passes_as_trailer(name)) {
            put_field(output, name.as_str(), value.as_bytes());
        }
        output.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn is_written(&self, connection: &Connection) -> bool {
        connection.output.is_empty() && self.data.is_empty() && self.tail.is_empty()
    }

    fn poll_write(&mut self, connection: &mut Connection, cx: &mut Context<'_>, sent: &mut u64) -> Poll<io::Result<()>> {
        while !self.is_written(connection) {
            let slices = [IoSlice::new(&connection.output), IoSlice::new(&self.data), IoSlice::new(self.tail)];
            let mut written = ready!(Pin::new(&mut connection.stream).poll_write_vectored(cx, &slices))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *sent += written as u64;
            written -= take(&mut connection.output, written);
            written -= take(&mut self.data, written);
            self.tail = &self.tail[written..];
        }
        Poll::Ready(Ok(()))
    }

    fn abandon(&mut self) {
        self.state = UploadState::Abandoned;
        self.gathered.clear();
        self.data = Bytes::new();
        self.tail = b"";
    }
}

/// Takes up to `count` bytes off a buffer; says how many.
fn take(buffer: &mut impl Buf, count: usize) -> usize {
    let taken = count.min(buffer.remaining());
    buffer.advance(taken);
    taken
}
