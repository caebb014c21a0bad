//! The spans of an exchange whose trace is recorded: its own, and one below it for each time that it was sent. What they
//! say is what the record of the exchange says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;

use super::ids::Ids;
use super::record::sampled;
use crate::model::{AccessLogPolicy, Redaction};
use crate::proxy::backend::Endpoint;
use crate::proxy::random::Random;
use crate::telemetry::names::{CountedMethod, protocol_version};
use crate::telemetry::spans::{Attribute, Span, SpanKind, Spans};
use crate::telemetry::{Record, cut};

/// An exchange in its trace.
pub struct Trace {
    number: u128,
    id: u64,
    /// The client's span, where that began the trace.
    parent: Option<u64>,
    tries: Vec<Try>,
}

/// One time that it was sent.
struct Try {
    id: u64,
    endpoint: Option<Arc<Endpoint>>,
    began: Instant,
    ended: Option<Instant>,
    status: Option<StatusCode>,
    error: Option<&'static str>,
}

impl Trace {
    /// `None`: nobody records it. A trace that the client began is recorded if the client says so.
    pub fn begin(spans: &Spans, ids: &Ids, random: &Random) -> Option<Box<Self>> {
        let share = spans.sampling()?;
        let recorded = if ids.is_continued() { ids.is_sampled() } else { sampled(share, random) };
        recorded.then(|| {
            let parent = ids.is_continued().then(|| ids.span());
            Box::new(Self { number: ids.trace_number(), id: random.next() | 1, parent, tries: Vec::new() })
        })
    }

    /// The span of the next try.
    pub fn next(&mut self, random: &Random) -> u64 {
        let id = random.next() | 1;
        self.tries.push(Try { id, endpoint: None, began: Instant::now(), ended: None, status: None, error: None });
        id
    }

    /// The last try goes to an endpoint.
    pub fn sent(&mut self, endpoint: &Arc<Endpoint>) {
        if let Some(last) = self.tries.last_mut() {
            last.endpoint = Some(endpoint.clone());
            last.began = Instant::now();
        }
    }

    /// The last try had an answer.
    pub fn answered(&mut self, status: StatusCode) {
        if let Some(last) = self.tries.last_mut() {
            last.status = Some(status);
        }
    }

    /// The last try had none.
    pub fn failed(&mut self, reason: &'static str) {
        if let Some(last) = self.tries.last_mut() {
            last.ended = Some(Instant::now());
            last.error = Some(reason);
        }
    }

    /// All of them, now that the exchange is over, which began at `started`.
    pub fn spans(&self, policy: &AccessLogPolicy, record: &Record<'_>, started: Instant) -> Vec<Span> {
        let sent = self.tries.iter().filter(|attempt| attempt.endpoint.is_some());
        let below = sent.enumerate().map(|(at, attempt)| self.below(at, attempt, record, started));
        std::iter::once(self.own(policy, record)).chain(below).collect()
    }

    fn own(&self, policy: &AccessLogPolicy, record: &Record<'_>) -> Span {
        let method = CountedMethod::of(record.method).as_str();
        let mut attributes: Vec<(&'static str, Attribute)> = vec![
            ("http.request.method", method.into()),
            ("url.scheme", record.scheme.into()),
            ("network.protocol.version", protocol_version(record.protocol).into()),
            ("http.response.status_code", record.status.into()),
            ("genkan.request_id", record.request_id.into()),
        ];
        let client = record.client.to_canonical().to_string();
        let path = Some(cut(record.path)).filter(|_| !policy.redact.contains(&Redaction::Path));
        let host = record.host.map(cut);
        // A request that was refused for what it is has not failed, on this side.
        let failed = record.status >= 500 || (record.status < 400 && record.reason.is_some());
        let error = failed.then(|| record.reason.unwrap_or("the backend's answer says so"));
        let client = Some(client.as_str()).filter(|_| !policy.redact.contains(&Redaction::ClientAddress));
        let texts = [
            ("url.path", path.as_deref()),
            ("client.address", client),
            ("server.address", host.as_deref()),
            ("http.route", record.route),
            ("genkan.backend", record.backend),
            ("genkan.reason", record.reason),
            ("error.type", error),
        ];
        attributes.extend(texts.into_iter().filter_map(|(key, value)| Some((key, value?.into()))));
        let name = record.route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
        let (start, end) = (record.started, record.started + record.duration);
        Span { trace: self.number, id: self.id, parent: self.parent, kind: SpanKind::Server, name, start, end, attributes, error }
    }

    fn below(&self, at: usize, attempt: &Try, record: &Record<'_>, started: Instant) -> Span {
        let method = CountedMethod::of(record.method).as_str();
        let mut attributes: Vec<(&'static str, Attribute)> = vec![("http.request.method", method.into())];
        if let Some(endpoint) = &attempt.endpoint {
            attributes.push(("server.address", endpoint.name.as_str().into()));
        }
        if at > 0 {
            attributes.push(("http.request.resend_count", Attribute::Whole(i64::try_from(at).unwrap_or(i64::MAX))));
        }
        if let Some(status) = attempt.status {
            attributes.push(("http.response.status_code", status.as_u16().into()));
        }
        // One that had an answer goes on to its last byte, and fails with it.
        let error = attempt.error.or(attempt.status.and(record.reason));
        if let Some(error) = error {
            attributes.push(("error.type", error.into()));
        }
        let since = |instant: Instant| instant.saturating_duration_since(started).min(record.duration);
        let start = record.started + since(attempt.began);
        let end = record.started + attempt.ended.map_or(record.duration, since);
        let error = error.or_else(|| attempt.status.filter(StatusCode::is_server_error).map(|_| "its answer says so"));
        Span {
            trace: self.number,
            id: attempt.id,
            parent: Some(self.id),
            kind: SpanKind::Client,
            name: method.to_owned(),
            start,
            end: end.max(start + Duration::from_nanos(1)),
            attributes,
            error,
        }
    }
}
