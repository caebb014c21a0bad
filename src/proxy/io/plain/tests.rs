use std::future::poll_fn;
use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::proxy::io::phase::PhaseLimits;
use crate::proxy::timer::Timers;

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";

/// What a codec writes to, with both ends of it.
struct Codec {
    io: Observed,
    phase: Rc<Phase>,
    interims: Rc<Interims>,
    client: TcpStream,
}

impl Codec {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let limit = Duration::from_secs(60);
        let timers = Timers::default();
        let stream = Stream::Plain(Wire::new(listener.accept().await.unwrap().0, Bytes::new(), &timers, limit));
        let phase = Rc::new(Phase::new(&timers, PhaseLimits { request_head: limit, keep_alive: limit }));
        let interims = Rc::<Interims>::default();
        let io = Observed::new(stream, phase.clone(), HeadLimits { bytes: 1000, fields: 10 }, interims.clone());
        Self { io, phase, interims, client }
    }

    fn hint(&self) {
        let mut hint = Response::new(());
        *hint.status_mut() = StatusCode::EARLY_HINTS;
        hint.headers_mut().insert(header::LINK, HeaderValue::from_static("</a.css>"));
        self.interims.put(hint);
    }

    async fn write(&mut self, bytes: &str) {
        assert_eq!(poll_fn(|cx| Pin::new(&mut self.io).poll_write(cx, bytes.as_bytes())).await.unwrap(), bytes.len());
    }

    async fn flush(&mut self) {
        poll_fn(|cx| Pin::new(&mut self.io).poll_flush(cx)).await.unwrap();
    }

    async fn expect(&mut self, bytes: &str) {
        let mut got = vec![0; bytes.len()];
        self.client.read_exact(&mut got).await.unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), bytes);
    }
}

#[tokio::test]
async fn an_interim_answer_leaves_at_once_or_with_the_answer() {
    let mut codec = Codec::new().await;
    codec.phase.exchange_opened();
    codec.hint();
    codec.flush().await;
    codec.expect(HINT).await;
    codec.hint();
    codec.write("answer").await;
    codec.expect(&format!("{HINT}answer")).await;
}

#[tokio::test]
async fn nothing_stands_in_the_middle_of_an_earlier_answer() {
    let mut codec = Codec::new().await;
    codec.phase.exchange_opened();
    codec.flush().await;
    codec.write("answer, ").await;
    codec.phase.exchange_closed();
    codec.phase.exchange_opened();
    codec.hint();
    codec.write("its end").await;
    codec.flush().await;
    codec.write(".").await;
    codec.expect("answer, its end.").await;
    codec.flush().await;
    codec.hint();
    codec.write("the next").await;
    codec.expect(&format!("{HINT}the next")).await;
}
