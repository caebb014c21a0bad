//! A backend that does what a test tells it, byte by byte, and remembers what it was asked.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::{Head, Pattern, Wire};

/// What probes ask for.
pub const HEALTH_PATH: &str = "/healthz";

/// A server on a loopback port of its own. Requests for `/healthz` are answered by its health, all others by its script.
pub struct TestBackend {
    /// Where it listens, or will.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    state: State,
}

enum State {
    /// The port is ours, and connections are refused.
    Reserved(Socket),
    Serving(JoinHandle<()>),
    /// In between.
    Gone,
}

struct Shared {
    healthy: AtomicBool,
    probes: Mutex<Vec<Seen>>,
    requests: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    script: Script,
}

type Script = Box<dyn Fn(Exchange) -> Pin<Box<dyn Future<Output = io::Result<Exchange>> + Send>> + Send + Sync>;

/// A request as the backend saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its head.
    pub head: Head,
    /// How much of its body was read.
    pub body_length: u64,
    /// The first MiB of that.
    pub body: Vec<u8>,
    /// The fields after it.
    pub trailers: Vec<(String, String)>,
    /// When its head was complete.
    pub at: Instant,
    /// Which connection it came on, from 1.
    pub connection: usize,
}

/// One request in the hands of a script, which answers it on `wire` and returns it for the next one on the connection;
/// returning an error closes the connection.
pub struct Exchange {
    /// The connection.
    pub wire: Wire<TcpStream>,
    /// The head of the request.
    pub head: Head,
    shared: Arc<Shared>,
    index: usize,
}

/// A whole response, and what becomes of the connection.
pub struct Reply {
    bytes: Vec<u8>,
    close: bool,
}

impl Reply {
    /// 200 with a length.
    pub fn text(body: impl AsRef<[u8]>) -> Self {
        Self::with(200, &[], body)
    }

    /// Any status, fields and body, with a length.
    pub fn with(status: u16, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut head = format!("HTTP/1.1 {status} Reason\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        Self::raw([head.as_bytes(), body].concat())
    }

    /// Exactly these bytes.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), close: false }
    }

    /// The connection is closed after it.
    #[must_use]
    pub fn then_close(mut self) -> Self {
        self.close = true;
        self
    }
}

impl TestBackend {
    /// Answers 200 with the request's body, or `hello`.
    pub async fn start() -> Self {
        Self::answering(|request| if request.body.is_empty() { Reply::text("hello") } else { Reply::text(&request.body) }).await
    }

    /// Answers 200 with its name.
    pub async fn named(name: &'static str) -> Self {
        Self::answering(move |_| Reply::text(name)).await
    }

    /// Answers each request, once it is complete, by a function of it.
    pub async fn answering(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let reply = Arc::new(reply);
        Self::scripted(move |mut exchange| {
            let reply = reply.clone();
            async move {
                exchange.read_body().await?;
                let Reply { bytes, close } = reply(&exchange.seen());
                exchange.wire.write(bytes).await?;
                if close { Err(io::Error::other("closed as told")) } else { Ok(exchange) }
            }
        })
        .await
    }

    /// Answers with a body of this length, whose bytes are a [`Pattern`]; in chunks if the path says `chunked`. Adds what it
    /// has handed to the kernel to `sent`.
    pub async fn source(length: u64, sent: Arc<AtomicU64>) -> Self {
        Self::scripted(move |mut exchange| {
            let sent = sent.clone();
            async move {
                exchange.read_body().await?;
                let chunked = exchange.head.target().contains("chunked");
                exchange.send_pattern(length, chunked, &sent).await?;
                Ok(exchange)
            }
        })
        .await
    }

    /// Takes bodies that are a [`Pattern`] and answers with their length. Adds what it has read to `received`.
    pub async fn sink(received: Arc<AtomicU64>) -> Self {
        Self::scripted(move |mut exchange| {
            let received = received.clone();
            async move {
                let mut pattern = Pattern::default();
                let check = |bytes: &[u8]| {
                    pattern.check(bytes);
                    received.fetch_add(bytes.len() as u64, Ordering::SeqCst);
                };
                exchange.read_body_into(check).await?;
                exchange.reply(Reply::text(pattern.position.to_string())).await?;
                Ok(exchange)
            }
        })
        .await
    }

    /// Takes upgrades to a WebSocket, and then says back what it hears.
    pub async fn tunnel() -> Self {
        Self::scripted(|mut exchange| async move {
            exchange.wire.write("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n").await?;
            loop {
                let heard = exchange.wire.buffer.split();
                exchange.wire.write(&heard).await?;
                if !exchange.wire.fill_patiently().await? {
                    return exchange.close();
                }
            }
        })
        .await
    }

    /// Leaves each request to a script.
    #[allow(clippy::unused_async, reason = "it needs a runtime, and its siblings are async")]
    pub async fn scripted<F, R>(script: F) -> Self
    where
        F: Fn(Exchange) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<Exchange>> + Send + 'static,
    {
        let mut backend = Self::not_listening(script);
        backend.listen();
        backend
    }

    /// A backend whose port is known but refuses connections until [`Self::listen`].
    pub fn not_listening<F, R>(script: F) -> Self
    where
        F: Fn(Exchange) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<Exchange>> + Send + 'static,
    {
        Self::at(IpAddr::V4(Ipv4Addr::LOCALHOST), script)
    }

    /// The same on any address.
    pub fn at<F, R>(ip: IpAddr, script: F) -> Self
    where
        F: Fn(Exchange) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<Exchange>> + Send + 'static,
    {
        let socket = reserve(SocketAddr::new(ip, 0));
        let address = socket.local_addr().ok().and_then(|address| address.as_socket()).expect("it is bound");
        let shared = Shared {
            healthy: AtomicBool::new(true),
            probes: Mutex::default(),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            script: Box::new(move |exchange| Box::pin(script(exchange))),
        };
        Self { address, shared: Arc::new(shared), state: State::Reserved(socket) }
    }

    /// Begins to listen.
    pub fn listen(&mut self) {
        let State::Reserved(socket) = std::mem::replace(&mut self.state, State::Gone) else { panic!("it listens already") };
        socket.listen(1024).expect("the port is ours");
        let listener = TcpListener::from_std(socket.into()).expect("the test has a runtime");
        self.state = State::Serving(tokio::spawn(accept(listener, self.shared.clone())));
    }

    /// Closes the listener and every connection. The port stays ours and refuses.
    pub async fn stop(&mut self) {
        let State::Serving(task) = std::mem::replace(&mut self.state, State::Gone) else { return };
        task.abort();
        let _ = task.await; // Cancelled, and with it the listener dropped.
        self.state = State::Reserved(reserve(self.address));
    }

    /// What probes hear from now on: 200 or 503.
    pub fn set_healthy(&self, healthy: bool) {
        self.shared.healthy.store(healthy, Ordering::SeqCst);
    }

    /// Requests that were no probes.
    pub fn requests(&self) -> Vec<Seen> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many there were.
    pub fn request_count(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    /// The only request there was.
    pub fn only_request(&self) -> Seen {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "exactly one request reached the backend: {requests:?}");
        requests.remove(0)
    }

    /// The newest request.
    pub fn last_request(&self) -> Seen {
        self.requests().pop().expect("a request reached the backend")
    }

    /// The probes it had.
    pub fn probes(&self) -> Vec<Seen> {
        self.shared.probes.lock().unwrap().clone()
    }

    /// Connections so far, with those of probes.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

impl Drop for TestBackend {
    fn drop(&mut self) {
        if let State::Serving(task) = &self.state {
            task.abort();
        }
    }
}

fn reserve(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None).expect("sockets are there");
    socket.set_reuse_address(true).expect("every kernel has it");
    if address.is_ipv6() {
        socket.set_only_v6(true).expect("every kernel has it");
    }
    socket.bind(&address.into()).expect("loopback has a free port");
    socket
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Aborting the listener aborts its connections.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                    connections.spawn(serve(stream, number, shared.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Counts an open connection, however it ends.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(stream: TcpStream, connection: usize, shared: Arc<Shared>) {
    shared.open.fetch_add(1, Ordering::SeqCst);
    let _open = Open(shared.clone());
    let _ = stream.set_nodelay(true);
    let mut wire = Wire::new(stream);
    while let Ok(Some(head)) = wire.head().await {
        let probe = head.target().starts_with(HEALTH_PATH);
        let seen = Seen { head: head.clone(), body_length: 0, body: Vec::new(), trailers: Vec::new(), at: Instant::now(), connection };
        if probe {
            shared.probes.lock().unwrap().push(seen);
            let status = if shared.healthy.load(Ordering::SeqCst) { 200 } else { 503 };
            let answer = format!("HTTP/1.1 {status} Health\r\ncontent-length: 0\r\n\r\n");
            if wire.write(answer).await.is_err() {
                return;
            }
            continue;
        }
        let index = {
            let mut requests = shared.requests.lock().unwrap();
            requests.push(seen);
            requests.len() - 1
        };
        let exchange = Exchange { wire, head, shared: shared.clone(), index };
        match (shared.script)(exchange).await {
            Ok(exchange) => wire = exchange.wire,
            Err(_) => return,
        }
    }
}

/// How much of a body is kept to be looked at.
const KEPT: usize = 1 << 20;

impl Exchange {
    /// The request as far as it was read.
    pub fn seen(&self) -> Seen {
        self.shared.requests.lock().unwrap()[self.index].clone()
    }

    /// Reads the whole body.
    pub async fn read_body(&mut self) -> io::Result<()> {
        self.read_body_into(|_| ()).await
    }

    /// Reads the whole body and shows every piece.
    pub async fn read_body_into(&mut self, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
        let (shared, index) = (self.shared.clone(), self.index);
        let framing = self.head.request_framing();
        let record = |bytes: &[u8]| {
            let mut requests = shared.requests.lock().unwrap();
            let seen = &mut requests[index];
            seen.body_length += bytes.len() as u64;
            let room = KEPT.saturating_sub(seen.body.len()).min(bytes.len());
            seen.body.extend_from_slice(&bytes[..room]);
            drop(requests);
            sink(bytes);
        };
        let trailers = self.wire.body(framing, record).await?;
        self.shared.requests.lock().unwrap()[self.index].trailers = trailers;
        Ok(())
    }

    /// Writes a response whose body is a [`Pattern`].
    pub async fn send_pattern(&mut self, length: u64, chunked: bool, sent: &AtomicU64) -> io::Result<()> {
        let framing = if chunked { "transfer-encoding: chunked".to_owned() } else { format!("content-length: {length}") };
        self.wire.write(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n")).await?;
        let mut pattern = Pattern::default();
        while pattern.position < length {
            let block = pattern.next(usize::try_from(length - pattern.position).unwrap_or(usize::MAX).min(60_000));
            if chunked {
                self.wire.write(format!("{:x}\r\n", block.len())).await?;
            }
            self.wire.write(&block).await?;
            if chunked {
                self.wire.write("\r\n").await?;
            }
            sent.fetch_add(block.len() as u64, Ordering::SeqCst);
        }
        if chunked { self.wire.write("0\r\n\r\n").await } else { Ok(()) }
    }

    /// Writes a whole response.
    pub async fn reply(&mut self, reply: Reply) -> io::Result<()> {
        self.wire.write(reply.bytes).await
    }

    /// Closes the connection with a reset instead of an end.
    pub fn reset(self) -> io::Result<Self> {
        SockRef::from(&self.wire.stream).set_linger(Some(Duration::ZERO))?;
        Err(io::Error::other("reset as told"))
    }

    /// Closes the connection.
    pub fn close(self) -> io::Result<Self> {
        drop(self.wire);
        Err(io::Error::other("closed as told"))
    }

    /// Says nothing until the other side closes.
    pub async fn stall(self) -> io::Result<Self> {
        let mut sink = [0; 1024];
        loop {
            self.wire.stream.readable().await?;
            match self.wire.stream.try_read(&mut sink) {
                Ok(0) => return self.close(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
    }
}
