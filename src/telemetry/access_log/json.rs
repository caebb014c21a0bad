//! The JSON form: one flat object a line, keys in a fixed order. What is absent has no key, and neither has what nobody
//! wants.

use std::fmt;
use std::time::Duration;

use http::Version;
use http::header::REFERER;

use super::redact::{REDACTED, address, is_secret, referer, unless};
use super::{Record, escape, put};
use crate::date::rfc3339_millis;
use crate::model::{AccessLogPolicy, FieldName, LogField, Redaction};

/// Appends the object.
pub(super) fn write(out: &mut Vec<u8>, policy: &AccessLogPolicy, record: &Record<'_>) {
    out.push(b'{');
    let mut line = Line { out, policy };
    line.plain(FieldName::Time, format_args!("\"{}\"", rfc3339_millis(record.started)));
    line.text(FieldName::RequestId, Some(record.request_id));
    line.text(FieldName::TraceId, record.trace_id);
    line.plain(FieldName::ClientIp, format_args!("\"{}\"", address(policy, record.client)));
    if !policy.redact.contains(&Redaction::ClientAddress) {
        line.plain(FieldName::ClientPort, format_args!("{}", record.client_port));
    }
    line.text(FieldName::Listener, Some(record.listener));
    line.text(FieldName::Scheme, Some(record.scheme));
    line.text(FieldName::Protocol, Some(protocol(record.protocol)));
    line.text(FieldName::Method, Some(record.method.as_str()));
    line.text(FieldName::Host, record.host);
    line.bytes(FieldName::Path, Some(unless(policy, Redaction::Path, record.path.as_bytes())));
    line.plain(FieldName::Status, format_args!("{}", record.status));
    line.plain(FieldName::BytesIn, format_args!("{}", record.bytes_in));
    line.plain(FieldName::BytesOut, format_args!("{}", record.bytes_out));
    line.milliseconds(FieldName::Duration, Some(record.duration));
    line.milliseconds(FieldName::BackendDuration, record.backend_duration);
    line.bytes(FieldName::UserAgent, record.user_agent.map(|agent| unless(policy, Redaction::UserAgent, agent)));
    line.text(FieldName::Route, record.route);
    line.text(FieldName::Backend, record.backend);
    line.text(FieldName::Endpoint, record.endpoint);
    line.plain(FieldName::Attempts, format_args!("{}", record.attempts));
    line.text(FieldName::Reason, record.reason);
    line.text(FieldName::StatusDetails, record.status_details);
    if let Some(version) = record.tls_version {
        line.text(FieldName::TlsVersion, Some(version));
        line.text(FieldName::ServerName, record.server_name);
        line.plain(FieldName::Resumed, format_args!("{}", record.resumed));
    }
    if !policy.request_headers.is_empty() {
        line.headers(record);
    }
    out.push(b'}');
}

/// As in a status line.
pub(super) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
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
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        put(self.out, format_args!("\"{}\":", LogField::ALL[field as usize].name));
        true
    }

    /// A value of ours that is JSON as it is.
    fn plain(&mut self, field: FieldName, value: fmt::Arguments<'_>) {
        if self.key(field) {
            put(self.out, value);
        }
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
        if let Some(micros) = duration.map(|duration| duration.as_micros()) {
            self.plain(field, format_args!("{}.{:03}", micros / 1000, micros % 1000));
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
                escape::json(self.out, if name == REFERER { referer(&value) } else { &value });
            }
        }
        self.out.push(b'}');
    }
}
