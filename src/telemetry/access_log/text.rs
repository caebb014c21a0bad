//! The text form, for a person at a terminal: what happened first, then `key=value` for the rest. One line whatever
//! the client sent.

use super::redact::{address, unless};
use super::{Record, escape, put};
use crate::date::rfc3339_millis;
use crate::model::{AccessLogPolicy, Redaction};
use crate::telemetry::names::protocol;

/// Appends the line: `TIME CLIENT METHOD HOST PATH PROTOCOL STATUS DURATION key=value...`.
pub(super) fn write(out: &mut Vec<u8>, policy: &AccessLogPolicy, record: &Record<'_>) {
    put(out, format_args!("{} {} ", rfc3339_millis(record.started), address(policy, record.client)));
    escape::text(out, record.method.as_str().as_bytes());
    out.push(b' ');
    escape::text(out, record.host.unwrap_or("-").as_bytes());
    out.push(b' ');
    escape::text(out, unless(policy, Redaction::Path, record.path.as_bytes()));
    let micros = record.duration.as_micros();
    put(out, format_args!(" {} {} {}.{:03}ms", protocol(record.protocol), record.status, micros / 1000, micros % 1000));
    put(out, format_args!(" in={} out={}", record.bytes_in, record.bytes_out));
    field(out, "listener", Some(record.listener));
    field(out, "route", record.route);
    field(out, "backend", record.backend);
    field(out, "endpoint", record.endpoint);
    if record.attempts > 1 {
        put(out, format_args!(" attempts={}", record.attempts));
    }
    field(out, "reason", record.reason);
    field(out, "tls", record.tls_version);
    field(out, "request_id", Some(record.request_id));
    if let Some(user_agent) = record.user_agent {
        out.extend_from_slice(b" user_agent=");
        escape::quoted(out, unless(policy, Redaction::UserAgent, user_agent));
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        escape::text(out, value.as_bytes());
    }
}
