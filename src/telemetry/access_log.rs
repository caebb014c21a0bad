//! The access log: one line an exchange, on standard output, where nothing else is written, or in a file.
//!
//! A worker formats its line into a buffer that it shares only with the writer thread and goes on; the writer takes
//! whole buffers and writes them in one piece, a moment later. A reader that is slow, stuck or gone costs lines, which
//! are counted, and never time. What a line looks like is in `json`, `text` and `combined`.

mod combined;
mod digits;
mod escape;
mod file;
mod json;
mod queue;
pub(super) mod redact;
mod text;
mod writer;

use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, Version};

use crate::model::{AccessLogFormat, AccessLogPolicy};
use file::{LogFile, Sink, Stream};
use queue::Queue;

/// Where exchanges are written to. Cheap to clone; the writer ends with the last clone.
#[derive(Clone, Debug)]
pub struct AccessLog(Option<Arc<Handle>>);

#[derive(Debug)]
struct Handle(Arc<Queue>);

/// What is known of an exchange when it has ended. Everything from a client is as it came.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When its first byte came.
    pub started: SystemTime,
    /// From then until the last byte of the answer.
    pub duration: Duration,
    /// As sent to the backend, and to the client with answers of our own.
    pub request_id: &'a str,
    /// Of the `traceparent` that came in, or that began here.
    pub trace_id: &'a str,
    /// Who asked.
    pub client: IpAddr,
    /// From which port.
    pub client_port: u16,
    /// Where it came in.
    pub listener: &'a str,
    /// `https` or `http`.
    pub scheme: &'static str,
    /// Of the request.
    pub protocol: Version,
    /// Of the request.
    pub method: &'a Method,
    /// Of the request.
    pub host: Option<&'a str>,
    /// Without the query, which often holds what nobody should read.
    pub path: &'a str,
    /// Of the answer.
    pub status: u16,
    /// Of the request's body.
    pub bytes_in: u64,
    /// Of the answer's body.
    pub bytes_out: u64,
    /// Of the request.
    pub user_agent: Option<&'a [u8]>,
    /// Of the request, for those that the policy names.
    pub headers: &'a HeaderMap,
    /// What it was routed by.
    pub route: Option<&'a str>,
    /// Who was to answer.
    pub backend: Option<&'a str>,
    /// The last one that was asked.
    pub endpoint: Option<&'a str>,
    /// How often it was sent to a backend.
    pub attempts: u32,
    /// How long the backend took for the head of its answer.
    pub backend_duration: Option<Duration>,
    /// Why the answer was not simply relayed.
    pub reason: Option<&'static str>,
    /// What the cloud's load balancer would say of it.
    pub status_details: Option<&'static str>,
    /// `1.3` or `1.2`; absent over cleartext.
    pub tls_version: Option<&'static str>,
    /// Of the handshake.
    pub server_name: Option<&'a str>,
    /// Whether the handshake was resumed.
    pub resumed: bool,
}

impl AccessLog {
    /// Writes to a file or to standard output, from a thread of its own. The error is that the file cannot be opened.
    pub fn start(file: Option<&Path>) -> io::Result<Self> {
        if let Some(path) = file {
            return LogFile::open(path).map(Self::to);
        }
        Ok(match writer::stdout() {
            Ok(stdout) => Self::write_to(stdout),
            Err(error) => {
                tracing::warn!(%error, "access log is off: standard output cannot be written to");
                Self::off()
            }
        })
    }

    /// Writes nothing, at no cost.
    pub fn off() -> Self {
        Self(None)
    }

    /// Writes to anything, from a thread of its own.
    pub fn write_to(sink: impl Write + Send + 'static) -> Self {
        Self::to(Stream(sink))
    }

    fn to(sink: impl Sink + Send + 'static) -> Self {
        let queue = Arc::new(Queue::default());
        let taken = queue.clone();
        match std::thread::Builder::new().name("access-log".into()).spawn(move || writer::run(&taken, sink)) {
            Ok(_) => Self(Some(Arc::new(Handle(queue)))),
            Err(error) => {
                tracing::error!(%error, "access log is off: its thread cannot be started");
                Self::off()
            }
        }
    }

    /// Writes a line about an exchange, soon. Never waits for whoever reads the log.
    pub fn write(&self, policy: &AccessLogPolicy, record: &Record<'_>) {
        let Some(handle) = &self.0 else { return };
        match policy.format {
            AccessLogFormat::Json => handle.0.push(|line| json::write(line, policy, record)),
            AccessLogFormat::Text => handle.0.push(|line| text::write(line, policy, record)),
            AccessLogFormat::Combined => handle.0.push(|line| combined::write(line, policy, record)),
            AccessLogFormat::Off => {}
        }
    }

    /// Opens its file again, before the next line: somebody has moved it away.
    pub fn reopen(&self) {
        if let Some(handle) = &self.0 {
            handle.0.reopen();
        }
    }

    /// How many lines were lost so far.
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |handle| handle.0.dropped())
    }

    /// Waits until everything written so far has left the process, or `limit` has passed. Blocks: for the end.
    pub fn flush(&self, limit: Duration) {
        if let Some(handle) = &self.0 {
            handle.0.flush(limit);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Record<'_> {
    /// As the access log has it in JSON by this policy, with the end of the line.
    pub fn json_line(&self, policy: &AccessLogPolicy) -> Vec<u8> {
        let mut line = Vec::with_capacity(512);
        json::write(&mut line, policy, self);
        line.push(b'\n');
        line
    }
}

/// Appends to a line what is not plain text.
fn put(line: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    let _ = line.write_fmt(text); // A Vec takes everything.
}

#[cfg(test)]
mod tests;
