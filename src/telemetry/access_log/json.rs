//! The JSON form: one flat object a line, keys in a fixed order. What is absent has no key, and neither has what nobody
//! wants.

use std::time::Duration;

use http::header::REFERER;

use super::redact::{REDACTED, address, is_secret, referer, unless};
use super::{Record, digits, escape};
use crate::model::{AccessLogPolicy, FieldName, LogField, Redaction};
use crate::telemetry::names::protocol;

/// Appends the object.
pub(super) fn write(out: &mut Vec<u8>, policy: &AccessLogPolicy, record: &Record<'_>) {
    out.push(b'{');
    let mut line = Line { out, policy };
    line.quoted(FieldName::Time, |out| digits::time(out, record.started));
    line.text(FieldName::RequestId, Some(record.request_id));
    line.text(FieldName::TraceId, Some(record.trace_id));
    line.quoted(FieldName::ClientIp, |out| digits::address(out, address(policy, record.client)));
    if !policy.redact.contains(&Redaction::ClientAddress) {
        line.whole(FieldName::ClientPort, record.client_port.into());
    }
    line.text(FieldName::Listener, Some(record.listener));
    line.text(FieldName::Scheme, Some(record.scheme));
    line.text(FieldName::Protocol, Some(protocol(record.protocol)));
    line.text(FieldName::Method, Some(record.method.as_str()));
    line.text(FieldName::Host, record.host);
    line.bytes(FieldName::Path, Some(unless(policy, Redaction::Path, record.path.as_bytes())));
    line.whole(FieldName::Status, record.status.into());
    line.whole(FieldName::BytesIn, record.bytes_in);
    line.whole(FieldName::BytesOut, record.bytes_out);
    line.milliseconds(FieldName::Duration, Some(record.duration));
    line.milliseconds(FieldName::BackendDuration, record.backend_duration);
    line.bytes(FieldName::UserAgent, record.user_agent.map(|agent| unless(policy, Redaction::UserAgent, agent)));
    line.text(FieldName::Route, record.route);
    line.text(FieldName::Backend, record.backend);
    line.text(FieldName::Endpoint, record.endpoint);
    line.whole(FieldName::Attempts, record.attempts.into());
    line.text(FieldName::Reason, record.reason);
    line.text(FieldName::StatusDetails, record.status_details);
    if let Some(version) = record.tls_version {
        line.text(FieldName::TlsVersion, Some(version));
        line.text(FieldName::ServerName, record.server_name);
        line.plain(FieldName::Resumed, |out| out.extend_from_slice(if record.resumed { b"true" } else { b"false" }));
    }
    if !policy.request_headers.is_empty() {
        line.headers(record);
    }
    out.push(b'}');
}

struct Line<'l> {
    out: &'l mut Vec<u8>,
    policy: &'l AccessLogPolicy,
}

impl Line<'_> {
    /// Begins a field, if it is wanted.
    fn key(&mut self, field: FieldName) -> bool {
        if !self.policy.fields.has(field) {
            return false;
        }
        let key = LogField::ALL[field as usize].json.as_bytes();
        let is_first = self.out.last() == Some(&b'{');
        self.out.extend_from_slice(if is_first { &key[1..] } else { key });
        true
    }

    /// A value that is JSON as it is written.
    fn plain(&mut self, field: FieldName, write: impl FnOnce(&mut Vec<u8>)) {
        if self.key(field) {
            write(self.out);
        }
    }

    /// A value that needs no escape, as text.
    fn quoted(&mut self, field: FieldName, write: impl FnOnce(&mut Vec<u8>)) {
        self.plain(field, |out| {
            out.push(b'"');
            write(out);
            out.push(b'"');
        });
    }

    fn whole(&mut self, field: FieldName, number: u64) {
        self.plain(field, |out| digits::whole(out, number));
    }

    fn text(&mut self, field: FieldName, value: Option<&str>) {
        self.bytes(field, value.map(str::as_bytes));
    }

    fn bytes(&mut self, field: FieldName, value: Option<&[u8]>) {
        if let Some(value) = value
            && self.key(field)
        {
            escape::json(self.out, value);
        }
    }

    fn milliseconds(&mut self, field: FieldName, duration: Option<Duration>) {
        if let Some(duration) = duration {
            self.plain(field, |out| digits::milliseconds(out, duration));
        }
    }

    /// Each of those that were asked for and came, by its name; several of a name as one (RFC 9110 section 5.3).
    fn headers(&mut self, record: &Record<'_>) {
        if !self.key(FieldName::RequestHeaders) {
            return;
        }
        self.out.push(b'{');
        for name in &self.policy.request_headers {
            let values: Vec<&[u8]> = record.headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
            if values.is_empty() {
                continue;
            }
            if self.out.last() != Some(&b'{') {
                self.out.push(b',');
            }
            escape::json(self.out, name.as_str().as_bytes());
            self.out.push(b':');
            if is_secret(name) {
                escape::json(self.out, REDACTED.as_bytes());
            } else {
                let value = values.join(&b", "[..]);
                escape::json(self.out, if name == REFERER { referer(self.policy, &value) } else { &value });
            }
        }
        self.out.push(b'}');
    }
}
