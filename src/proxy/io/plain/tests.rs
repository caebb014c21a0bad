use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::proxy::io::phase::PhaseLimits;
use crate::proxy::timer::Timers;

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// What a codec reads and writes, and what it does.
struct Codec {
    io: Observed,
    phase: Rc<Phase>,
    interims: Rc<Interims>,
}

impl Codec {
    /// With its client.
    async fn new() -> (Self, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let limit = Duration::from_secs(60);
        let timers = Timers::default();
        let stream = Stream::Plain(Wire::new(listener.accept().await.unwrap().0, Bytes::new(), &timers, limit));
        let phase = Rc::new(Phase::new(&timers, PhaseLimits { request_head: limit, keep_alive: limit }));
        let interims = Rc::<Interims>::default();
        let io = Observed::new(stream, phase.clone(), HeadLimits { bytes: 1000, fields: 10 }, interims.clone());
        (Self { io, phase, interims }, client)
    }

    fn hint(&self, link: &str) {
        let mut hint = Response::new(());
        *hint.status_mut() = StatusCode::EARLY_HINTS;
        hint.headers_mut().insert(header::LINK, HeaderValue::from_str(link).unwrap());
        self.interims.put(hint);
    }

    async fn read(&mut self, bytes: &str) {
        let mut space = vec![0; bytes.len()];
        self.io.read_exact(&mut space).await.unwrap();
        assert_eq!(String::from_utf8(space).unwrap(), bytes);
    }

    async fn write(&mut self, bytes: &str) {
        assert_eq!(poll_fn(|cx| Pin::new(&mut self.io).poll_write(cx, bytes.as_bytes())).await.unwrap(), bytes.len());
    }

    async fn flush(&mut self) {
        poll_fn(|cx| Pin::new(&mut self.io).poll_flush(cx)).await.unwrap();
    }
}

fn hint(link: &str) -> String {
    format!("HTTP/1.1 103 Early Hints\r\nlink: {link}\r\n\r\n")
}

async fn expect(client: &mut TcpStream, bytes: &str) {
    let mut got = vec![0; bytes.len()];
    client.read_exact(&mut got).await.unwrap();
    assert!(got == bytes.as_bytes(), "{}", String::from_utf8_lossy(&got[..got.len().min(100)]));
}

#[tokio::test]
async fn an_interim_answer_leaves_at_once_or_with_the_answer() {
    let (mut codec, mut client) = Codec::new().await;
    codec.phase.exchange_opened();
    codec.hint("a");
    codec.flush().await;
    expect(&mut client, &hint("a")).await;
    codec.hint("b");
    codec.write("answer").await;
    expect(&mut client, &(hint("b") + "answer")).await;
}

#[tokio::test]
async fn nothing_stands_in_the_middle_of_an_earlier_answer() {
    let (mut codec, mut client) = Codec::new().await;
    codec.phase.exchange_opened();
    codec.flush().await;
    codec.write("answer, ").await;
    codec.flush().await;
    codec.phase.exchange_closed();
    codec.phase.exchange_opened();
    codec.hint("early");
    codec.write("its end").await;
    codec.hint("early, too");
    codec.write(".").await;
    expect(&mut client, "answer, its end.").await;
    codec.flush().await;
    codec.hint("in time");
    codec.write("the next").await;
    expect(&mut client, &(hint("in time") + "the next")).await;
}

#[tokio::test]
async fn one_that_its_client_is_slow_to_take_comes_whole() {
    let (mut codec, mut client) = Codec::new().await;
    codec.phase.exchange_opened();
    let link = "x".repeat(16 << 20);
    codec.hint(&link);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut codec.io).poll_flush(&mut cx).is_pending(), "nobody reads");
    assert!(Pin::new(&mut codec.io).poll_write(&mut cx, b"answer").is_pending());
    let expected = hint(&link) + &hint("b") + "answer";
    let writing = async {
        codec.hint("b");
        codec.write("answer").await;
    };
    tokio::join!(writing, expect(&mut client, &expected));
}

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_request_sent_ahead_wakes_nobody_before_the_answer_has_left() {
    let (mut codec, mut client) = Codec::new().await;
    client.write_all([REQUEST, REQUEST].concat().as_bytes()).await.unwrap();
    codec.read(REQUEST).await;
    codec.phase.exchange_opened();
    let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
    let waker = Waker::from(wakes.clone());
    let mut cx = Context::from_waker(&waker);
    let woken = || wakes.0.load(Ordering::Relaxed);
    let mut space = [0; 100];
    let mut look = |codec: &mut Codec| {
        for _ in 0..3 {
            assert!(Pin::new(&mut codec.io).poll_read(&mut cx, &mut ReadBuf::new(&mut space)).is_pending());
            assert!(Pin::new(&mut codec.io).poll_flush(&mut cx).is_ready());
        }
    };
    look(&mut codec);
    assert_eq!(woken(), 0, "a codec that is woken by its own flush never rests");
    codec.phase.exchange_closed();
    codec.flush().await;
    assert_eq!(woken(), 1);
    codec.read(REQUEST).await;
    codec.phase.exchange_opened();
    codec.phase.exchange_closed();
    codec.flush().await;
    client.write_all(&REQUEST.as_bytes()[..10]).await.unwrap();
    codec.io.stream().unwrap().wire().stream().readable().await.unwrap();
    let before = woken();
    look(&mut codec);
    assert_eq!(woken(), before, "the rest of a head is waited for");
}
