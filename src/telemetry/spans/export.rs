//! Spans on their way to a collector: OTLP over HTTP/1.1 with protobuf
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>), a request for many of them. What a collector does not take is
//! counted and given up: telling of requests must not become more important than they are.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::proto::encode;
use super::{Queue, Span, Spans};

/// A span waits this long for others.
const GATHER: Duration = Duration::from_secs(1);
/// For a request in all.
const LIMIT: Duration = Duration::from_secs(10);
/// From one complaint about the collector to the next.
const COMPLAIN: u32 = 60;

/// Sends what is left in a queue to a collector. Dropping it ends that at once.
#[derive(Debug)]
pub struct Exporter {
    last: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Starts on this runtime. `uri` has a scheme, an authority and the path of the trace service.
    pub fn start(spans: Spans, uri: Uri) -> Self {
        let last = Arc::new(Notify::new());
        Self { last: last.clone(), task: tokio::spawn(export(spans, uri, last)) }
    }

    /// Sends what still waits, for as long as `limit` at most.
    pub async fn finish(mut self, limit: Duration) {
        self.last.notify_one();
        let _ = timeout(limit, &mut self.task).await; // What has not left by then is lost with the process.
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn export(spans: Spans, uri: Uri, last: Arc<Notify>) {
    let Some(queue) = spans.0 else { return };
    let mut failures = 0_u32;
    loop {
        let ending = tokio::select! {
            () = sleep(GATHER) => false,
            () = queue.hurry.notified() => false,
            () = last.notified() => true,
        };
        let taken = send_all(&queue, &uri, &mut failures).await;
        if ending {
            return;
        }
        if !taken {
            // It may be back in a while; until then what comes is kept as far as there is room.
            sleep(GATHER).await;
        }
    }
}

/// Sends what waits. `false`: the collector does not take it.
async fn send_all(queue: &Arc<Queue>, uri: &Uri, failures: &mut u32) -> bool {
    loop {
        let batch = queue.take();
        if batch.is_empty() {
            return true;
        }
        let count = batch.len();
        let sent = timeout(LIMIT, send(uri, batch)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        match sent {
            Ok(()) if *failures > 0 => {
                tracing::info!(collector = %uri, "spans: the collector takes them again");
                *failures = 0;
            }
            Ok(()) => {}
            Err(error) => {
                queue.lose(count);
                if failures.is_multiple_of(COMPLAIN) {
                    tracing::warn!(collector = %uri, %error, lost = count, "spans: the collector does not take them");
                }
                *failures = failures.saturating_add(1);
                return false;
            }
        }
    }
}

/// One request on a connection of its own: once a second is not worth keeping one.
async fn send(uri: &Uri, batch: Vec<Span>) -> io::Result<()> {
    let body = encode(batch);
    let authority = uri.authority().ok_or(io::ErrorKind::InvalidInput)?;
    let stream = TcpStream::connect((authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(uri.path())
        .header(HOST, authority.as_str())
        .header(CONTENT_TYPE, "application/x-protobuf")
        .header(USER_AGENT, concat!("genkan/", env!("CARGO_PKG_VERSION")))
        .body(Whole(body.into()))
        .map_err(io::Error::other)?;
    // The connection does nothing unless it is polled, and there is nothing to do once there is an answer.
    let status = tokio::select! {
        response = sender.send_request(request) => response.map_err(io::Error::other)?.status(),
        ended = connection => return Err(ended.err().map_or_else(|| io::ErrorKind::UnexpectedEof.into(), io::Error::other)),
    };
    if status.is_success() { Ok(()) } else { Err(io::Error::other(format!("it answers {status}"))) }
}

/// A body that is there.
struct Whole(Bytes);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.0);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::tests::span;
    use super::*;
    use crate::model::LogSampling;

    #[tokio::test]
    async fn a_collector_that_refuses_costs_what_it_was_sent_and_gets_the_next() {
        let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri: Uri = format!("http://{}/v1/traces", collector.local_addr().unwrap()).parse().unwrap();
        let spans = Spans::to_collector(LogSampling::ALL);
        let _exporter = Exporter::start(spans.clone(), uri);
        for (status, lost) in [("503 Service Unavailable", 1), ("200 OK", 1)] {
            spans.push(vec![span(1)]);
            let (mut stream, _) = collector.accept().await.unwrap();
            let mut seen = Vec::new();
            while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
                stream.read_buf(&mut seen).await.unwrap();
            }
            assert!(seen.starts_with(b"POST /v1/traces HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&seen));
            stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await.unwrap();
            // It closes once it has read the answer.
            while stream.read(&mut [0; 1024]).await.unwrap_or(0) > 0 {}
            assert_eq!(spans.dropped(), lost, "{status}");
        }
    }
}
