//! HTTP/2 that no client sends, frame by frame. What is malformed never reaches a backend, costs its own stream where the
//! rest of the connection can still be trusted, and floods end the connection, not the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::frames::{self, ACK, END_HEADERS, END_STREAM, Fate, Frames, block, frame, kind};
use super::support::{Reply, TestBackend, TestProxy, in_time, settled};

type Field = (&'static [u8], &'static [u8]);

const REQUEST: [Field; 4] = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", b"/bad")];
const GOOD: [Field; 4] = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", b"/good")];

/// The usual request with one field replaced.
fn replaced(name: &'static [u8], value: &'static [u8]) -> Vec<Field> {
    REQUEST.iter().map(|field| if field.0 == name { (name, value) } else { *field }).collect()
}

/// The usual request with fields behind it.
fn with(fields: &[Field]) -> Vec<Field> {
    REQUEST.iter().chain(fields).copied().collect()
}

fn malformed() -> Vec<(&'static str, Vec<Field>)> {
    let mut cases: Vec<(&'static str, Vec<Field>)> = vec![
        ("no method", REQUEST[1..].to_vec()),
        ("no path", REQUEST[..3].to_vec()),
        ("no authority and no host", [REQUEST[0], REQUEST[1], REQUEST[3]].to_vec()),
        ("method twice", [&REQUEST[..1], &REQUEST].concat()),
        ("path twice", [&REQUEST[..], &REQUEST[3..]].concat()),
        ("authority twice", [&REQUEST[..3], &REQUEST[2..]].concat()),
        ("a pseudo-field behind a field", [&[(&b"a"[..], &b"b"[..])], &REQUEST[..]].concat()),
        ("a pseudo-field of answers", with(&[(b":status", b"200")])),
        ("an unknown pseudo-field", with(&[(b":protocol2", b"x")])),
        ("extended CONNECT", with(&[(b":protocol", b"websocket")])),
        ("an upper-case name", with(&[(b"X-A", b"b")])),
        ("an empty name", with(&[(b"", b"b")])),
        ("two lengths", with(&[(b"content-length", b"0"), (b"content-length", b"5")])),
    ];
    for path in
        [&b""[..], b"bad", b"/bad HTTP/1.1\r\nx: y", b"/ba d", b"/bad\r\n", b"/bad\nx", b"/ba\0d", b"*", b"/bad\x7f", b"/bad#x", b"#", b"/\xff"]
    {
        cases.push((":path", replaced(b":path", path)));
    }
    for method in [&b"GET /smuggled HTTP/1.1\r\nx: y"[..], b"G ET", b"GET\r\n", b"", b"G:ET", b"GET\0", b"CONNECT", b"TRACE"] {
        cases.push((":method", replaced(b":method", method)));
    }
    for authority in [&b"localhost\r\nx: y"[..], b"user@localhost", b"localhost:99999", b"local host", b"localhost/", b"", b"localhost:x", b"a\0b"] {
        cases.push((":authority", replaced(b":authority", authority)));
    }
    for scheme in [&b"https://localhost/?"[..], b"ht\r\ntps", b"", b"ht tps"] {
        cases.push((":scheme", replaced(b":scheme", scheme)));
    }
    for name in [&b"x\r\ny"[..], b"x y", b"x:y", b"x\0", b"x\ny", b"\xc3\xa9", b"x\t", b"(x)", b"x\"y"] {
        cases.push(("a name", with(&[(name, b"b")])));
    }
    for value in [&b"a\r\nx: y"[..], b"a\nb", b"a\rb", b"a\0b", b"a\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"] {
        cases.push(("a value", with(&[(b"x", value)])));
    }
    let of_connections: [Field; 7] = [
        (b"connection", b"close"),
        (b"connection", b"x"),
        (b"keep-alive", b"1"),
        (b"proxy-connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"websocket"),
        (b"te", b"gzip"),
    ];
    for field in of_connections {
        cases.push(("a field of connections", with(&[field])));
    }
    for length in [&b"+1"[..], b"-1", b"1, 1", b"0x1", b"", b"18446744073709551616", b"1 "] {
        cases.push(("content-length", with(&[(b"content-length", length)])));
    }
    cases.push(("a host that is another", with(&[(b"host", b"other.test")])));
    cases.push(("host twice", with(&[(b"host", b"localhost"), (b"host", b"localhost")])));
    cases
}

#[tokio::test]
async fn what_is_malformed_costs_its_stream_and_reaches_nobody() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut wrong = Vec::new();
    for (name, fields) in malformed() {
        let before = backend.request_count();
        let mut client = Frames::connect(&proxy.client()).await;
        client.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields))).await.unwrap();
        let bad = client.fate(1).await;
        let _ = client.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 3, &block(&GOOD))).await;
        let good = client.fate(3).await;
        let seen: Vec<String> = backend.requests().split_off(before).into_iter().map(|seen| seen.head.first_line).collect();
        let held = matches!(bad, Fate::Answered | Fate::Reset(_)) && seen == ["GET /good HTTP/1.1"] && good == Fate::Answered;
        if !held {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{}: {}", name.escape_ascii(), value.escape_ascii())).collect();
            wrong.push(format!("{name} {fields:?}: {bad:?}, then {good:?}; the backend saw {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn trailers_are_no_second_head() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let large = vec![b'a'; 100_000];
    let cases: [&[(&[u8], &[u8])]; 8] = [
        &[(b":path", b"/smuggled")],
        &[(b":status", b"200")],
        &[(b"x\r\ny", b"z")],
        &[(b"x", b"a\r\nb")],
        &[(b"X", b"a")],
        &[(b"connection", b"close")],
        &[(b"x", b"a"), (b"y", &large)],
        &[(b"x", &large[..40_000]), (b"y", &large[..40_000])],
    ];
    for trailers in cases {
        let mut client = Frames::connect(&proxy.client()).await;
        client.send(&frame(kind::HEADERS, END_HEADERS, 1, &block(&replaced(b":method", b"POST")))).await.unwrap();
        client.send(&frame(kind::DATA, 0, 1, b"hello")).await.unwrap();
        let block = block(trailers);
        let mut pieces = block.chunks(16_384).enumerate().peekable();
        while let Some((at, piece)) = pieces.next() {
            let (kind, flags) = if at == 0 { (kind::HEADERS, END_STREAM) } else { (kind::CONTINUATION, 0) };
            let flags = if pieces.peek().is_none() { flags | END_HEADERS } else { flags };
            client.send(&frame(kind, flags, 1, piece)).await.unwrap();
        }
        assert!(matches!(client.fate(1).await, Fate::Reset(_)), "{:?}", trailers[0].0.escape_ascii());
        client.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 3, &frames::block(&GOOD))).await.unwrap();
        assert_eq!(client.fate(3).await, Fate::Answered);
    }
    // The head of one that is cut may have come; its end never does.
    let (good, bad): (Vec<_>, Vec<_>) = backend.requests().into_iter().partition(|seen| seen.head.target() == "/good");
    assert_eq!(good.len(), cases.len());
    assert!(bad.iter().all(|seen| seen.head.target() == "/bad" && seen.trailers.is_empty()), "{bad:?}");
}

/// A client that has sent what is no field has its table of fields where it was.
#[tokio::test]
async fn the_neighbours_of_what_is_no_field_go_on() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = Frames::connect(&proxy.client()).await;
    let length = |text: &[u8]| u8::try_from(text.len()).unwrap();
    let kept = |name: &[u8], value: &[u8]| [&[0x40, length(name)][..], name, &[length(value)], value].concat();
    let post = block(&[(b":method", b"POST"), GOOD[1], GOOD[2], GOOD[3]]);
    client.send(&frame(kind::HEADERS, END_HEADERS, 1, &[post, kept(b"x-first", b"1")].concat())).await.unwrap();
    let bad = [block(&REQUEST), kept(b"x-second", b"2"), kept(b"X-BAD", b"a\r\nb"), kept(b"x-third", b"3")].concat();
    client.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 3, &bad)).await.unwrap();
    assert!(matches!(client.fate(3).await, Fate::Reset(_)));
    // The newest is 62, so the others are 64 and 65.
    client.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 5, &[&block(&GOOD)[..], &[0xbe, 0xc0, 0xc1]].concat())).await.unwrap();
    assert_eq!(client.fate(5).await, Fate::Answered);
    client.send(&frame(kind::DATA, END_STREAM, 1, b"body")).await.unwrap();
    assert_eq!(client.fate(1).await, Fate::Answered);
    let seen = backend.requests();
    let fields = ["x-first", "x-second", "x-third"].map(|name| seen[1].head.get(name));
    assert_eq!((seen.len(), fields), (2, ["1", "2", "3"].map(Some)));
    assert_eq!(seen[0].body, b"body");
}

#[tokio::test]
async fn a_frame_of_the_wrong_size_is_called_that() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    for (kind, length) in [(kind::PING, 7), (kind::SETTINGS, 5), (kind::GOAWAY, 7)] {
        let mut client = Frames::connect(&proxy.client()).await;
        client.send(&frame(kind, 0, 0, &vec![0; length])).await.unwrap();
        assert_eq!(client.fate(1).await, Fate::GoAway(6), "{kind} of {length}: FRAME_SIZE_ERROR");
    }
}

#[tokio::test]
async fn pieces_of_nothing_that_are_no_flood_cost_nothing() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = Frames::connect(&proxy.client()).await;
    for stream in (1..100).step_by(2) {
        let post = block(&[(b":method", b"POST"), GOOD[1], GOOD[2], GOOD[3]]);
        client.send(&frame(kind::HEADERS, END_HEADERS, stream, &post)).await.unwrap();
        for piece in [&b"a"[..], b"", b"b", b""] {
            client.send(&frame(kind::DATA, 0, stream, piece)).await.unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        client.send(&frame(kind::DATA, END_STREAM, stream, b"c")).await.unwrap();
        assert_eq!(client.fate(stream).await, Fate::Answered, "{stream}");
    }
    assert!(backend.requests().iter().all(|seen| seen.body == b"abc"));
}

#[tokio::test]
async fn a_client_that_does_not_begin_with_settings_is_left() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let mut stream = proxy.client().tls(&["h2"]).await.unwrap();
    let request = frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block(&GOOD));
    stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &request[..]].concat()).await.unwrap();
    let _ = in_time("the end", stream.read_to_end(&mut Vec::new())).await; // An end or a reset.
    assert_eq!(backend.request_count(), 0);
}

/// Sends pieces until the connection ends; panics if that takes too many. Another client must be served all along.
async fn flood(proxy: &TestProxy, most: usize, mut piece: impl FnMut(usize) -> Vec<u8>) -> Fate {
    let mut client = Frames::connect(&proxy.client()).await;
    for number in 0..most {
        if client.send(&piece(number)).await.is_err() {
            break;
        }
        if number % 256 == 0 {
            assert_eq!(proxy.https().await.get("/").await.status, 200, "others are served");
        }
    }
    client.fate(u32::MAX >> 1).await
}

#[tokio::test]
async fn floods_end_the_connection_and_nothing_else() {
    let backend = TestBackend::start().await;
    let proxy = TestProxy::of(&backend).await;
    let before = proxy.rss();
    let head = frame(kind::HEADERS, 0, 1, &block(&REQUEST));
    let fate = flood(&proxy, 20_000, |number| {
        let more = frame(kind::CONTINUATION, 0, 1, &block(&[(b"x-more", &[b'a'; 1000])]));
        if number == 0 { [&*head, &*more].concat() } else { more }
    })
    .await;
    assert!(matches!(fate, Fate::GoAway(_) | Fate::Closed), "CONTINUATION: {fate:?}");
    let fate = flood(&proxy, 100_000, |number| {
        let empty = frame(kind::CONTINUATION, 0, 1, &[]);
        if number == 0 { head.clone() } else { empty.repeat(16) }
    })
    .await;
    assert!(matches!(fate, Fate::GoAway(_) | Fate::Closed), "empty CONTINUATION: {fate:?}");
    let resets = |number: usize| {
        let stream = u32::try_from(number * 2 + 1).unwrap();
        [frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, &block(&REQUEST)), frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    let fate = flood(&proxy, 20_000, resets).await;
    assert!(matches!(fate, Fate::GoAway(_) | Fate::Closed), "rapid reset: {fate:?}");
    // The client makes us reset: a window that overflows.
    let made = |number: usize| {
        let stream = u32::try_from(number * 2 + 1).unwrap();
        let overflow = frame(kind::WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff]);
        [frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, &block(&REQUEST)), overflow].concat()
    };
    let fate = flood(&proxy, 20_000, made).await;
    assert!(matches!(fate, Fate::GoAway(_) | Fate::Closed), "resets of ours: {fate:?}");
    assert!(proxy.rss() < before + (32 << 20), "from {before} to {}", proxy.rss());
}

/// A client that gives all the room there is.
async fn roomy(proxy: &TestProxy) -> Frames {
    let mut client = Frames::connect(&proxy.client()).await;
    let window = (i32::MAX as u32).to_be_bytes();
    client.send(&frame(kind::SETTINGS, 0, 0, &[&[0, 4], &window[..]].concat())).await.unwrap();
    client.send(&frame(kind::WINDOW_UPDATE, 0, 0, &(i32::MAX as u32 - 65_535).to_be_bytes())).await.unwrap();
    client
}

/// A backend that answers in pieces of a byte, and counts them.
async fn by_bytes(pieces: u64, sent: &Arc<AtomicU64>) -> TestBackend {
    let sent = sent.clone();
    TestBackend::scripted(move |mut exchange| {
        let sent = sent.clone();
        async move {
            exchange.wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            for _ in 0..pieces / 1000 {
                exchange.wire.write("1\r\nx\r\n".repeat(1000)).await?;
                sent.fetch_add(1000, Ordering::SeqCst);
            }
            exchange.wire.write("0\r\n\r\n").await?;
            Ok(exchange)
        }
    })
    .await
}

#[tokio::test]
async fn an_answer_in_pieces_of_a_byte_leaves_in_few() {
    const PIECES: usize = 100_000;
    let backend = by_bytes(PIECES as u64, &Arc::default()).await;
    let proxy = TestProxy::of(&backend).await;
    let mut client = roomy(&proxy).await;
    client.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, 1, &block(&GOOD))).await.unwrap();
    let (mut bytes, mut frames) = (0, 0);
    loop {
        let (kind, flags, _, payload) = client.next().await.expect("the answer has an end");
        if kind == kind::DATA {
            bytes += payload.len();
            frames += 1;
            if flags & END_STREAM != 0 {
                break;
            }
        }
    }
    assert_eq!(bytes, PIECES);
    assert!(frames < PIECES / 20, "{frames} frames");
}

#[tokio::test]
async fn answers_in_pieces_of_a_byte_that_nobody_reads_are_not_kept() {
    let sent = Arc::default();
    let backend = by_bytes(100_000_000, &sent).await;
    let proxy = TestProxy::of(&backend).await;
    let before = proxy.rss();
    let mut client = roomy(&proxy).await;
    for stream in (1..60).step_by(2) {
        client.send(&frame(kind::HEADERS, END_HEADERS | END_STREAM, stream, &block(&GOOD))).await.unwrap();
    }
    settled("the backends cannot write any more", || sent.load(Ordering::SeqCst)).await;
    assert!(proxy.rss() < before + (32 << 20), "from {before} to {}", proxy.rss());
}

#[tokio::test]
async fn answers_that_nobody_reads_are_not_kept() {
    let backend = TestBackend::answering(|_| Reply::text("hello")).await;
    let proxy = TestProxy::of(&backend).await;
    let before = proxy.rss();
    for (name, piece) in [
        ("PING", frame(kind::PING, 0, 0, &[0; 8])),
        ("SETTINGS", frame(kind::SETTINGS, 0, 0, &[])),
        ("PING that nobody asked for", frame(kind::PING, ACK, 0, &[0; 8])),
        ("WINDOW_UPDATE", frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
    ] {
        let mut client = Frames::connect(&proxy.client()).await;
        let many = piece.repeat(1000);
        for _ in 0..1000 {
            // Once nothing of what is sent is taken any more, the proxy waits for its own words to be read.
            if !matches!(tokio::time::timeout(std::time::Duration::from_millis(300), client.send(&many)).await, Ok(Ok(()))) {
                break;
            }
        }
        assert_eq!(proxy.https().await.get("/").await.status, 200, "others are served during {name}");
        assert!(proxy.rss() < before + (32 << 20), "{name}: from {before} to {}", proxy.rss());
    }
}
