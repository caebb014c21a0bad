//! What requests cost the program, beside what they cost whoever sends them: processor time on both sides for requests
//! that are made to be dear, and memory for those that are held. `cargo bench --bench cost`.
//!
//! Fails where a request takes a hundred times its sender's time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr, missing_docs, reason = "as in tests")]

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use support::frames::{ACK, END_HEADERS, END_STREAM, Frames, block, frame, kind};
use support::{Configuration, KeyKind, TestBackend, TestClient, TestProxy, Validity, processor_time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[path = "../tests/support/mod.rs"]
mod support;

/// How long each kind is sent.
const TIME: Duration = Duration::from_secs(2);
/// How many on a connection before the next one.
const VISIT: u32 = 1_000;
/// How many at once: fewer than the streams that a connection may have.
const AT_ONCE: u32 = 100;
const LIMIT: f64 = 100.0;

/// What is sent, the same again and again.
enum Kind {
    /// Bytes on a connection of their own, before TLS; an answer is waited for.
    First(Vec<u8>),
    /// Requests of HTTP/1.1, each after the answer to the one before.
    Http1(Vec<u8>),
    /// Frames behind an opening, with an answer for every stream or with none.
    Http2 { opening: Vec<u8>, piece: fn(u32) -> Vec<u8>, is_answered: bool },
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> ExitCode {
    let backend = TestBackend::start().await;
    let limits = "limits: { connections: 4096 }\naccessLog: { format: off }";
    let mut proxy = TestProxy::serving(&Configuration::of(&backend).workers(1).more(limits)).await;
    let mut worst: f64 = 0.0;
    for (name, kind) in kinds(&proxy.client()) {
        worst = worst.max(measure(&proxy, name, kind).await);
    }
    let rsa = proxy.certificates.leaf_of(&["localhost"], KeyKind::Rsa, Validity::Now);
    proxy.secret.swap(&rsa);
    proxy.wait_certificate(&rsa).await;
    worst = worst.max(measure(&proxy, "a hello, for a key of RSA", Kind::First(proxy.client().hello())).await);
    memory().await;
    println!("the dearest takes {worst:.1} times what it takes its sender");
    if worst < LIMIT { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn kinds(client: &TestClient) -> Vec<(&'static str, Kind)> {
    let get = |target: &str, fields: &str| Kind::Http1(format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n").into_bytes());
    let chunks = "1\r\nx\r\n".repeat(5_000);
    let post =
        |body: &str| Kind::Http1(format!("POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{body}0\r\n\r\n").into_bytes());
    let http2 = |piece: fn(u32) -> Vec<u8>, is_answered| Kind::Http2 { opening: Vec::new(), piece, is_answered };
    vec![
        ("a hello, for a key of ECDSA", Kind::First(client.hello())),
        ("HTTP/1.1, a plain request", get("/", "")),
        ("HTTP/1.1, 98 fields", get("/", &"a-name-of-a-field: and a value of it\r\n".repeat(98))),
        ("HTTP/1.1, 60 KiB in one field", get("/", &format!("x: {}\r\n", "y".repeat(60 << 10)))),
        ("HTTP/1.1, a path of 8 KiB that climbs", get(&"/a/..".repeat(1_600), "")),
        ("HTTP/1.1, a path of 8 KiB in escapes", get(&format!("/{}", "%41".repeat(2_700)), "")),
        ("HTTP/1.1, a host of 127 labels", Kind::Http1(format!("GET / HTTP/1.1\r\nhost: {}a\r\n\r\n", "a.".repeat(126)).into_bytes())),
        ("HTTP/1.1, 5,000 chunks of one byte", post(&chunks)),
        ("HTTP/1.1, refused", get("/", "content-length: x\r\n")),
        ("HTTP/2, a plain request", http2(request, true)),
        ("HTTP/2, 15 times a field of 4,000 bytes by its number", Kind::Http2 { opening: learn(), piece: by_number, is_answered: true }),
        ("HTTP/2, a request that is reset at once", http2(reset, false)),
        ("HTTP/2, a name that is none", http2(nameless, false)),
        ("HTTP/2, 4,000 bytes in the shortest code", http2(short_code, true)),
        ("HTTP/2, pings", http2(|_| frame(kind::PING, 0, 0, &[0; 8]), false)),
        ("HTTP/2, settings", http2(|_| frame(kind::SETTINGS, 0, 0, &[]), false)),
        ("HTTP/2, windows of one byte", http2(|_| frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), false)),
        ("HTTP/2, a body in frames of one byte", http2(drip, false)),
        ("HTTP/2, a head that goes on", http2(goes_on, false)),
    ]
}

fn stream(number: u32) -> u32 {
    2 * number + 3
}

/// `GET https://localhost/` by the static table and one literal (RFC 7541 appendix A).
fn request(number: u32) -> Vec<u8> {
    frame(kind::HEADERS, END_HEADERS | END_STREAM, stream(number), &[&[0x82, 0x84, 0x87][..], b"\x01\x09localhost"].concat())
}

fn reset(number: u32) -> Vec<u8> {
    [request(number), frame(kind::RST_STREAM, 0, stream(number), &[0, 0, 0, 8])].concat()
}

/// A request whose field stays in the table (RFC 7541 section 6.2.1).
fn learn() -> Vec<u8> {
    let mut head = [&[0x82, 0x84, 0x87][..], b"\x01\x09localhost", b"\x40\x01x\x7f\xa1\x1e"].concat();
    head.extend_from_slice(&[b'y'; 4_000]);
    frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &head)
}

/// A name with a space in it, for which the block is written anew.
fn nameless(number: u32) -> Vec<u8> {
    let head = [&[0x82, 0x84, 0x87][..], b"\x01\x09localhost", b"\x00\x03a b\x01c"].concat();
    frame(kind::HEADERS, END_HEADERS | END_STREAM, stream(number), &head)
}

/// A value of 6,400 zeros, each of five bits (RFC 7541 appendix B).
fn short_code(number: u32) -> Vec<u8> {
    let mut head = [&[0x82, 0x84, 0x87][..], b"\x01\x09localhost", b"\x00\x01x\xff\xa1\x1e"].concat();
    head.extend_from_slice(&[0; 4_000]);
    frame(kind::HEADERS, END_HEADERS | END_STREAM, stream(number), &head)
}

fn by_number(number: u32) -> Vec<u8> {
    frame(kind::HEADERS, END_HEADERS | END_STREAM, stream(number), &[&[0x82, 0x84, 0x87][..], b"\x01\x09localhost", &[0xbe; 15]].concat())
}

/// One stream in all, with a byte at a time.
fn drip(number: u32) -> Vec<u8> {
    let head = block(&[(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", b"/")]);
    if number == 0 { frame(kind::HEADERS, END_HEADERS, 1, &head) } else { frame(kind::DATA, 0, 1, b"x") }
}

fn goes_on(number: u32) -> Vec<u8> {
    let head = block(&[(b":method", b"GET"), (b"x", &[b'y'; 100])]);
    frame(if number == 0 { kind::HEADERS } else { kind::CONTINUATION }, 0, 1, &head)
}

/// Sends from a thread of its own, whose time is the sender's. How many times that the program takes.
async fn measure(proxy: &TestProxy, name: &str, kind: Kind) -> f64 {
    let (client, pid) = (proxy.client(), proxy.pid().to_string());
    let sender = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ours, theirs, started) = (time_of("thread-self"), time_of(&pid), Instant::now());
        let mut sent = (0, 0);
        while started.elapsed() < TIME {
            let (count, bytes) = runtime.block_on(visit(&client, &kind)).unwrap_or((1, 0));
            sent = (sent.0 + count, sent.1 + bytes);
        }
        (sent, time_of("thread-self") - ours, time_of(&pid) - theirs)
    };
    let ((count, bytes), ours, theirs) = tokio::task::spawn_blocking(sender).await.unwrap();
    let each = |micros: f64| micros / f64::from(count);
    let ratio = theirs / ours;
    println!("{name}: {} bytes and {:.1} us from the sender, {:.1} us here: {ratio:.1} times", bytes / u64::from(count), each(ours), each(theirs));
    ratio
}

/// Sends one kind on one connection; how many and how many bytes were sent.
async fn visit(client: &TestClient, kind: &Kind) -> io::Result<(u32, u64)> {
    match kind {
        Kind::First(bytes) => {
            let mut stream = client.tcp().await?;
            stream.write_all(bytes).await?;
            let _ = stream.read(&mut [0; 4096]).await?;
            Ok((1, bytes.len() as u64))
        }
        Kind::Http1(bytes) => {
            let mut connection = client.try_http1().await?;
            for number in 1..=VISIT {
                connection.wire.write(bytes).await?;
                let answered = connection.wire.answer("GET").await;
                if number == VISIT || !answered.is_ok_and(|answer| answer.status == 200) {
                    return Ok((number, u64::from(number) * bytes.len() as u64));
                }
            }
            unreachable!("the last one returns")
        }
        Kind::Http2 { opening, piece, is_answered } => {
            let mut frames = Frames::connect(client).await;
            frames.send(opening).await?;
            let mut sent = (0, 0);
            while sent.0 < VISIT {
                let bytes: Vec<u8> = (sent.0..sent.0 + AT_ONCE).flat_map(piece).collect();
                sent = (sent.0 + AT_ONCE, sent.1 + bytes.len() as u64);
                if frames.send(&bytes).await.is_err() || !settled(&mut frames, *is_answered, stream(sent.0 - 1)).await {
                    break;
                }
            }
            Ok(sent)
        }
    }
}

/// Waits until what was sent has been looked at. `false`: the connection has ended.
async fn settled(frames: &mut Frames, is_answered: bool, last: u32) -> bool {
    if !is_answered && frames.send(&frame(kind::PING, 0, 0, &[9; 8])).await.is_err() {
        return false;
    }
    while let Some((kind, flags, stream, payload)) = frames.next().await {
        match kind {
            kind::HEADERS | kind::RST_STREAM if is_answered && stream == last => return true,
            kind::PING if flags & ACK != 0 && payload == [9; 8] => return true,
            kind::GOAWAY => return false,
            _ => {}
        }
    }
    false
}

/// What requests hold that wait for a backend which does not answer.
async fn memory() {
    const CONNECTIONS: usize = 20;
    let all = CONNECTIONS * AT_ONCE as usize;
    for (name, opening, piece) in [("a plain request", Vec::new(), request as fn(u32) -> Vec<u8>), ("fields by their number", learn(), by_number)] {
        let silent = TestBackend::scripted(|_| std::future::pending()).await;
        let proxy = TestProxy::serving(&Configuration::of(&silent).workers(1).more("accessLog: { format: off }")).await;
        let (before, mut held) = (proxy.rss(), Vec::new());
        let bytes = [opening, (0..AT_ONCE).flat_map(piece).collect()].concat();
        for _ in 0..CONNECTIONS {
            let mut frames = Frames::connect(&proxy.client()).await;
            frames.send(&bytes).await.unwrap();
            held.push(frames);
        }
        support::wait_until("all of them wait", support::DEADLINE, async || silent.request_count() >= all).await;
        let each = support::settled("the memory", || proxy.rss()).await.saturating_sub(before) / all as u64;
        println!("{name}, held: {} bytes from the sender, {each} bytes here with the connection to the backend", bytes.len() / AT_ONCE as usize);
    }
}

/// User and system time of a process or a thread in microseconds, to 10 ms.
fn time_of(task: &str) -> f64 {
    processor_time(task).as_secs_f64() * 1e6
}
